"""From a run folder to a verdict: clause by clause, with doubts, the same each time.

`judge` reads the folder and the contract, nothing else: no target, no clock, no chance. A check
that fails itself leaves its clause INCONCLUSIVE and its siblings untouched. Merge: any BREACHED,
else any INCONCLUSIVE or a caveat that blocks, else MET; a contract of which nothing was tested is
not met. The keys of `verdict.json` are stable: scripts and reports depend on them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from contracts.records import FORMAT_VERSION, Bottleneck, Caveat, LoadKind, Phase
from contracts.terms import EXIT_STATUS, Bilingual, Clause, Contract, Quantity, Verdict
from harness.calibration.doubts import calibration_in
from harness.calibration.record import Calibration
from harness.caveat_kinds import KINDS
from harness.caveats import (
    caveats_of_books,
    caveats_of_load,
    violations_without_clause,
)
from harness.checks.answer import Answer, Finding, inconclusive, not_tested
from harness.checks.catalogue import CATALOGUE, CHECKS_OF_TIME
from harness.checks.invariants import EXAMINATIONS
from harness.checks.own_load import why_not_tested
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing
from harness.failures import BadSetup
from harness.run_folder import Manifest, RunFolder
from harness.scenario_gaps import left_out_by

# What a request that was never answered weighs: no number of JSON.
NEVER: Final = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseVerdict:
    """Verdict on one clause, with all that is needed to print it."""

    clause: Clause
    verdict: Verdict
    value: float | None
    sample_count: int
    reason: Bilingual
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """Verdict on a run. `findings` are those of all clauses, each once."""

    verdict: Verdict
    run_id: str
    scale: float
    level: str
    target: str
    fingerprint: Mapping[str, str]
    contract_id: str
    contract_sha256: str
    clauses: tuple[ClauseVerdict, ...]
    caveats: tuple[Caveat, ...]
    bottlenecks: tuple[Bottleneck, ...]
    findings: tuple[Finding, ...]
    calibration: Calibration | None

    @property
    def exit_status(self) -> int:
        """Exit status of a command that ends with this verdict."""
        return EXIT_STATUS[self.verdict]

    @property
    def not_tested(self) -> tuple[ClauseVerdict, ...]:
        """Clauses that this run says nothing about."""
        return tuple(one for one in self.clauses if one.verdict == Verdict.NOT_TESTED)

    def to_json(self) -> bytes:
        """Return the content of `verdict.json`."""
        content = {
            "format_version": FORMAT_VERSION,
            "verdict": self.verdict.value,
            "exit_status": self.exit_status,
            "run_id": self.run_id,
            "scale": self.scale,
            "level": self.level,
            "target": self.target,
            "fingerprint": dict(sorted(self.fingerprint.items())),
            "contract": {"id": self.contract_id, "sha256": self.contract_sha256},
            "clauses": [_clause_content(one) for one in self.clauses],
            "caveats": [
                {"id": caveat.id, "text": caveat.text_en, "text_th": caveat.text_th,
                 "blocks": caveat.blocks}
                for caveat in self.caveats
            ],
            "calibration": self.calibration.content() if self.calibration else None,
            "bottlenecks": [
                {"class": one.bottleneck_class, "place": one.place, "share": one.share,
                 "tier": one.tier, "confidence": one.confidence, "evidence": one.evidence}
                for one in self.bottlenecks
            ],
            "not_tested": [
                {"id": one.clause.id, "reason": one.reason.en, "reason_th": one.reason.th}
                for one in self.not_tested
            ],
        }  # fmt: skip
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def findings_json(self) -> bytes:
        """Return the content of `findings.json`."""
        content = {
            "format_version": FORMAT_VERSION,
            "run_id": self.run_id,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def judge(
    folder: RunFolder, contract: Contract, *, bottlenecks: Sequence[Bottleneck] = ()
) -> RunVerdict:
    """Judge a run folder, and write `verdict.json` and `findings.json` into it.

    *bottlenecks* are what the diagnosis found; they colour no clause. Raises `BadSetup` when the
    folder is no run folder of this format.
    """
    verdict = evaluate(folder, contract, bottlenecks=bottlenecks)
    try:
        _write(folder.verdict, verdict.to_json())
        _write(folder.findings, verdict.findings_json())
    except OSError as error:
        raise BadSetup(
            what=f"the verdict cannot be written: {error.strerror}",
            where=str(folder.path),
            mend="judge a copy of the folder in a place that can be written",
        ) from error
    return verdict


def evaluate(
    folder: RunFolder, contract: Contract, *, bottlenecks: Sequence[Bottleneck] = ()
) -> RunVerdict:
    """Judge a run folder without writing anything. Raises `BadSetup`."""
    manifest = read_sound_manifest(folder)
    own_kinds = dict(contract.operation_kinds) if manifest.is_own_load else {}
    recorded = Recorded(folder=folder, manifest=manifest, operation_kinds=own_kinds)
    caveats = list(_guarded_caveats(lambda: caveats_of_load(recorded, contract)))
    is_time_void = tuple(caveat.id for caveat in caveats if KINDS[caveat.id].voids_time)
    answers: dict[str, Answer] = {}
    for clause in contract.clauses:
        if clause.quantity in CHECKS_OF_TIME:
            answers[clause.id] = _voided(_answer(clause, recorded), is_time_void)
    _answer_quietly(recorded)
    recorded.release_samples()
    for clause in contract.clauses:
        if clause.quantity not in CHECKS_OF_TIME:
            answers[clause.id] = _answer(clause, recorded)
    caveats += _guarded_caveats(lambda: caveats_of_books(recorded))
    findings, uncovered = _all_findings(contract, answers, recorded)
    caveats += violations_without_clause(uncovered)
    clauses = tuple(_clause_verdict(clause, answers[clause.id]) for clause in contract.clauses)
    return RunVerdict(
        verdict=merge([one.verdict for one in clauses], caveats),
        run_id=manifest.run_id,
        scale=manifest.scale,
        level=manifest.level,
        target=manifest.target_kind if manifest.target_kind != "remote" else manifest.target_url,
        fingerprint=manifest.fingerprint,
        contract_id=contract.id,
        contract_sha256=contract.sha256,
        clauses=clauses,
        caveats=tuple(caveats),
        bottlenecks=tuple(bottlenecks),
        findings=findings,
        calibration=calibration_in(manifest),
    )


def merge(verdicts: Iterable[Verdict], caveats: Iterable[Caveat] = ()) -> Verdict:
    """Merge verdicts on clauses, and the doubts about the run, into one verdict."""
    tested = [verdict for verdict in verdicts if verdict != Verdict.NOT_TESTED]
    if Verdict.BREACHED in tested:
        return Verdict.BREACHED
    if not tested or Verdict.INCONCLUSIVE in tested or any(caveat.blocks for caveat in caveats):
        return Verdict.INCONCLUSIVE
    return Verdict.MET


def read_sound_manifest(folder: RunFolder) -> Manifest:
    """Read the manifest and refuse one whose values are not of the kind they must be.

    Raises `BadSetup`: without a manifest nobody knows what was run, and there is nothing to judge.
    """
    try:
        manifest = folder.read_manifest()
    except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
        raise _broken_manifest(folder, f"{type(error).__name__}: {error}") from error
    wrong = [name for name, is_sound in _soundness(manifest).items() if not is_sound]
    if wrong:
        raise _broken_manifest(folder, "wrong values for " + ", ".join(wrong))
    return manifest


def _soundness(manifest: Manifest) -> dict[str, bool]:
    texts = ("run_id", "created_at", "level", "demand", "composition", "business_date",
             "contract_id", "contract_sha256", "population_sha256", "plan_sha256",
             "target_kind", "target_url", "ended", "end_reason")  # fmt: skip
    counts = ("population_units", "population_accounts", "planned_sessions", "planned_requests",
              "t0_ns")  # fmt: skip
    numbers = ("scale", "duration_s", "think_scale")
    texts_by_name = ("versions", "fingerprint", "load_source")
    sound = {name: isinstance(getattr(manifest, name), str) for name in texts}
    sound |= {name: _is_count(getattr(manifest, name)) for name in counts}
    sound |= {name: _is_positive(getattr(manifest, name)) for name in numbers}
    sound |= {
        name: isinstance(value := getattr(manifest, name), dict)
        and all(isinstance(text, str) for text in value.values())
        for name in texts_by_name
    }
    sound["load_kind"] = manifest.load_kind in list(LoadKind)
    sound["machine"] = isinstance(manifest.machine, dict)
    sound["planned_by_operation"] = isinstance(manifest.planned_by_operation, dict) and all(
        map(_is_count, manifest.planned_by_operation.values())
    )
    sound["planned_per_s"] = all(map(_is_count, manifest.planned_per_s))
    sound["faults_requested"] = all(isinstance(name, str) for name in manifest.faults_requested)
    sound["phases"] = all(map(_is_sound_phase, manifest.phases))
    return sound


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _is_positive(value: object) -> bool:
    return type(value) in (int, float) and 0 < value < 1e9  # type: ignore[operator]


def _is_sound_phase(phase: Phase) -> bool:
    return (
        isinstance(phase.name, str)
        and _is_count(phase.started_ns)
        and _is_count(phase.ended_ns)
        and phase.started_ns <= phase.ended_ns
        and isinstance(phase.is_measured, bool)
    )


def _broken_manifest(folder: RunFolder, why: str) -> BadSetup:
    return BadSetup(
        what=f"the manifest cannot be read: {why}",
        where=str(folder.manifest),
        mend="take an unbroken copy of the run folder",
    )


def _answer(clause: Clause, recorded: Recorded) -> Answer:
    """Ask the check of *clause*; whatever goes wrong in it concerns this clause alone."""
    if clause.not_measured_because is not None:
        return not_tested(clause.not_measured_because)
    level = recorded.manifest.level
    if level not in clause.levels:
        named = ", ".join(clause.levels)
        return not_tested(
            Bilingual(
                en=f"applies at {named}; this run was at {level}",
                th=f"ใช้ที่ระดับ {named}; การทดสอบนี้ใช้ระดับ {level}",
            )
        )
    if (reason := why_not_tested(clause, recorded.manifest.load_kind)) is not None:
        return not_tested(reason)
    if (reason := left_out_by(recorded.manifest.scenario, clause)) is not None:
        return not_tested(reason)
    check = CATALOGUE.get(clause.quantity)
    if check is None:
        return not_tested(
            Bilingual(en=f"no check measures {clause.quantity}", th=f"ไม่มีวิธีวัด {clause.quantity}")
        )
    try:
        return check(clause, recorded)
    except EvidenceMissing as missing:
        return inconclusive(0, missing.text)
    except Exception as error:  # a crash of a check must not silence its siblings, nor pass
        why = " ".join(
            f"{type(error).__name__}: {error}".replace(str(recorded.folder.path), "").split()
        )
        return inconclusive(
            0, Bilingual(en=f"the check failed: {why}"[:300], th=f"วิธีตรวจล้มเหลว: {why}"[:300])
        )


def _voided(answer: Answer, because: Sequence[str]) -> Answer:
    """Take back an answer about time when the generator, not the target, may be the reason."""
    if not because or answer.verdict not in (Verdict.MET, Verdict.BREACHED):
        return answer
    named = ", ".join(dict.fromkeys(because))
    return replace(
        answer,
        verdict=Verdict.INCONCLUSIVE,
        reason=Bilingual(
            en=f"says nothing about the target ({named}); {answer.reason.en}",
            th=f"สรุปเรื่องระบบที่ถูกทดสอบไม่ได้ ({named}); {answer.reason.th}",
        ),
    )


def _answer_quietly(recorded: Recorded) -> None:
    # The requests that had to be refused are needed after the samples are let go of; where they
    # cannot be read, the clause that needs them says so.
    try:
        _ = recorded.probe_samples
    except EvidenceMissing:
        return


def _guarded_caveats(read: Any) -> tuple[Caveat, ...]:
    try:
        return tuple(read())
    except Exception as error:  # unknown doubts are a doubt: they block, and the clauses go on
        kind, why = KINDS["doubts_unknown"], type(error).__name__
        return (
            Caveat(
                id="doubts_unknown",
                text_th=f"ตรวจสอบข้อสงสัยไม่สำเร็จ ({why}); {kind.advice_th}",
                text_en=f"the doubts about this run are unknown ({why}); {kind.advice_en}",
                blocks=kind.blocks,
            ),
        )


def _all_findings(
    contract: Contract, answers: Mapping[str, Answer], recorded: Recorded
) -> tuple[tuple[Finding, ...], dict[str, int]]:
    """Return every finding once, and the violations of invariants without a clause by invariant."""
    found: dict[tuple[str, str], Finding] = {}
    for clause in contract.clauses:
        for finding in answers[clause.id].findings:
            found.setdefault((finding.about, finding.rule), finding)
    covered = {one.selector for one in contract.clauses if one.quantity == Quantity.INVARIANT}
    uncovered: dict[str, int] = {}
    for invariant, examine in EXAMINATIONS.items():
        if invariant in covered:
            continue
        try:
            examined = examine(recorded)
        except Exception:  # what no clause asks for may also stay unknown
            continue
        for finding in examined.findings:
            found.setdefault((finding.about, finding.rule), finding)
            uncovered[invariant] = uncovered.get(invariant, 0) + finding.count
    return tuple(found.values()), uncovered


def _clause_verdict(clause: Clause, answer: Answer) -> ClauseVerdict:
    return ClauseVerdict(
        clause=clause,
        verdict=answer.verdict,
        value=answer.value,
        sample_count=answer.sample_count,
        reason=answer.reason,
        findings=answer.findings,
    )


def _clause_content(one: ClauseVerdict) -> dict[str, Any]:
    clause = one.clause
    is_number = one.value is not None and math.isfinite(one.value)
    of_operation = clause.quantity in (Quantity.LATENCY, Quantity.FAIRNESS, Quantity.ERROR_SHARE)
    return {
        "id": clause.id,
        "verdict": one.verdict.value,
        "value": round(one.value, 9) if is_number and one.value is not None else NEVER,
        "limit": clause.limit.bound,
        "limit_side": "at_most" if clause.limit.at_most is not None else "at_least",
        "unit": clause.limit.unit.value,
        "operation": (clause.operation or clause.selector) if of_operation else "",
        "sample_count": one.sample_count,
        "reason": one.reason.en,
        "reason_th": one.reason.th,
        "title": {"th": clause.title.th, "en": clause.title.en},
        "quantity": clause.quantity.value,
        "selector": clause.selector,
    }


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)
