"""The first screen: the verdict in words, what was tested, what decided it, what was NOT tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.terms import Bilingual, Verdict
from harness.run_folder import Manifest
from reports.formats import ABSENT, count, decimal, moment, percent, sentence, shown, span
from reports.names import TARGETS, fault_name, level_name, load_name, scenario_name
from reports.sections.clauses import ClauseRow, clause_rows, deciding_rows, verdict_counts
from reports.sources import Sources
from reports.wording import VERDICTS, same, say

DECIDING_SHOWN: Final = 4
NOT_TESTED_SHOWN: Final = 9
BLOCKING_SHOWN: Final = 3
_DECIDING_HEADINGS: Final = {
    Verdict.BREACHED: "deciding_breached",
    Verdict.INCONCLUSIVE: "deciding_inconclusive",
    Verdict.MET: "deciding_met",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstScreen:
    """What a reader sees without scrolling. `verdict` is None for a run that was not judged."""

    verdict: Verdict | None
    over: Bilingual
    words: Bilingual
    sentence: Bilingual
    notes: tuple[Bilingual, ...]
    counts: tuple[tuple[Verdict, int], ...]
    deciding_heading: Bilingual
    deciding: tuple[ClauseRow, ...]
    deciding_more: int
    blocking: tuple[Bilingual, ...]
    tested: tuple[tuple[Bilingual, Bilingual], ...]
    not_tested: tuple[Bilingual, ...]
    not_tested_rest: tuple[Bilingual, ...]
    not_tested_empty: Bilingual


def first_screen(sources: Sources) -> FirstScreen:
    """Return the first screen of a run."""
    judged = sources.judged
    rows = clause_rows(sources)
    counts = verdict_counts(rows)
    verdict = judged.verdict if judged else None
    deciding = deciding_rows(rows, verdict) if verdict else ()
    blocking = _blocking(sources, verdict)
    room = DECIDING_SHOWN - len(blocking)
    heading = _DECIDING_HEADINGS.get(verdict, "deciding_met") if verdict else "deciding_met"
    not_tested = _not_tested(sources, rows)
    return FirstScreen(
        verdict=verdict,
        over=_over(sources),
        words=VERDICTS[verdict] if verdict else say("no_verdict"),
        sentence=_sentence(verdict, counts),
        notes=_notes(sources),
        counts=tuple((verdict, counts[verdict]) for verdict in Verdict),
        deciding_heading=say(heading),
        deciding=deciding[:room],
        deciding_more=max(0, len(deciding) - room) if verdict is not Verdict.MET else 0,
        blocking=blocking,
        tested=_tested(sources),
        not_tested=not_tested[:NOT_TESTED_SHOWN],
        not_tested_rest=not_tested[NOT_TESTED_SHOWN:],
        not_tested_empty=say("not_tested_nothing" if judged else "not_tested_unknown"),
    )


def _over(sources: Sources) -> Bilingual:
    if sources.contract is None or sources.judged is None:
        return say("verdict_heading")
    return say("verdict_of", title=sources.contract.title)


def _sentence(verdict: Verdict | None, counts: dict[Verdict, int]) -> Bilingual:
    tested = sum(counts.values()) - counts[Verdict.NOT_TESTED]
    numbers = {"met": count(counts[Verdict.MET]), "tested": count(tested)}
    match verdict:
        case None:
            return say("no_verdict_sentence")
        case Verdict.MET if counts[Verdict.MET] == tested > 0:
            return say("met_sentence", **numbers)
        case Verdict.BREACHED:
            return say("breached_sentence", breached=count(counts[Verdict.BREACHED]), **numbers)
        case Verdict.INCONCLUSIVE if counts[Verdict.INCONCLUSIVE]:
            return say(
                "inconclusive_sentence",
                inconclusive=count(counts[Verdict.INCONCLUSIVE]),
                tested=numbers["tested"],
            )
        case Verdict.INCONCLUSIVE if tested:
            return say("inconclusive_caveats_sentence")
        case _:
            return say("nothing_tested_sentence")


def _blocking(sources: Sources, verdict: Verdict | None) -> tuple[Bilingual, ...]:
    """Return the caveats that keep the verdict from being decided."""
    if sources.judged is None or verdict is not Verdict.INCONCLUSIVE:
        return ()
    blocking = [sentence(caveat.text) for caveat in sources.judged.caveats if caveat.blocks]
    return tuple(blocking[:BLOCKING_SHOWN])


def _notes(sources: Sources) -> tuple[Bilingual, ...]:
    manifest = sources.manifest
    notes = []
    if manifest.ended != "completed":
        key = f"ended_{manifest.ended}"
        known = manifest.ended in ("interrupted", "target_lost", "load_lost")
        reason = shown(manifest.end_reason, 200)
        notes.append(
            say(key, reason=reason)
            if known
            else say("ended_other", ended=shown(manifest.ended, 40), reason=reason)
        )
    if manifest.scale < 1:
        notes.append(say("scaled_note", scale=percent(manifest.scale)))
    return tuple(notes)


def _tested(sources: Sources) -> tuple[tuple[Bilingual, Bilingual], ...]:
    manifest = sources.manifest
    contract = same(manifest.contract_id)
    if sources.contract is not None:
        contract = say(
            "contract_named",
            id=shown(manifest.contract_id, 60),
            version=shown(sources.contract.version, 20),
        )
    scale = say("scale_full")
    if manifest.scale < 1:
        scale = say("scale_part", share=percent(manifest.scale), scale=decimal(manifest.scale))
    population = say(
        "population_value",
        units=count(manifest.population_units),
        accounts=count(manifest.population_accounts),
    )
    faults = [fault_name(name) for name in manifest.faults_requested[:6]]
    fault_words = say("faults_none")
    if faults:
        fault_words = Bilingual(
            th=" · ".join(name.th for name in faults), en=" · ".join(name.en for name in faults)
        )
    requests = count(manifest.planned_requests)
    return (
        (say("contract"), contract),
        *_played(manifest),
        (say("scale"), scale),
        _own_load(sources) or (say("population"), population),
        (say("date"), moment(manifest.created_at)),
        (say("duration"), say("duration_value", duration=span(manifest.duration_s),
                              requests=requests)),
        (say("target"), target_words(sources)),
        *_history(manifest),
        (say("faults_label"), fault_words),
    )  # fmt: skip


def _history(manifest: Manifest) -> tuple[tuple[Bilingual, Bilingual], ...]:
    """Return with how many months of documents the books began, when there were any."""
    if not manifest.history_months:
        return ()
    months = count(manifest.history_months)
    return ((say("history"), say("history_value", months=months)),)


def _played(manifest: Manifest) -> tuple[tuple[Bilingual, Bilingual], ...]:
    """Return the country's scenario and level; a load of somebody's own has its own words."""
    level = (say("level"), level_name(manifest.level))
    if manifest.is_own_load:
        return (level,)
    return ((say("scenario"), scenario_name(manifest.scenario)), level)


def _own_load(sources: Sources) -> tuple[Bilingual, Bilingual] | None:
    """Return what was run instead of the country's load; None for the country's."""
    manifest = sources.manifest
    if not manifest.is_own_load:
        return None
    kind, source = load_name(manifest.load_kind), manifest.load_source
    file = shown(source.get("file", ABSENT), 80)
    if "users" not in source:
        return say("own_load"), Bilingual(th=f"{kind.th} {file}", en=f"{kind.en} {file}")
    users = shown(source["users"], 40)
    return say("own_load"), Bilingual(
        th=f"{kind.th} {file} · {say('own_load_users', users=users).th}",
        en=f"{kind.en} {file} · {say('own_load_users', users=users).en}",
    )


def target_words(sources: Sources) -> Bilingual:
    """Return what the target is, with the name and version by which it described itself."""
    manifest = sources.manifest
    kind = TARGETS.get(manifest.target_kind, same(manifest.target_kind))
    name = manifest.fingerprint.get("name", "")
    version = manifest.fingerprint.get("version", "")
    own = shown(f"{name} {version}".strip(), 60)
    if not own:
        own = shown(manifest.target_url, 80) if manifest.target_kind == "remote" else ""
    if not own:
        return kind
    return Bilingual(th=f"{kind.th} ({own})", en=f"{kind.en} ({own})")


def _not_tested(sources: Sources, rows: tuple[ClauseRow, ...]) -> tuple[Bilingual, ...]:
    """Return what was not tested: the judge's list, and any clause that it left out of it."""
    items: list[Bilingual] = []
    if sources.manifest.scale < 1:
        items.append(say("not_tested_scale", share=percent(sources.manifest.scale)))
    if sources.judged is None:
        return tuple(items)
    titles = {row.id: row.title for row in rows}
    listed = [(item.id, item.text, item.reason) for item in sources.judged.not_tested]
    known = {identifier for identifier, *_ in listed}
    nothing = Bilingual(th="", en="")
    listed += [
        (row.id, nothing, row.reason)
        for row in rows
        if row.verdict is Verdict.NOT_TESTED and row.id not in known
    ]
    for identifier, text, reason in listed:
        words = text if text.th else titles.get(identifier, reason)
        items.append(
            Bilingual(th=f"{identifier} {words.th}".strip(), en=f"{identifier} {words.en}".strip())
        )
    return tuple(items)
