"""Run folders as a page sees them: whole, with numbers that a test can count back.

Samples are drawn with a seed from plausible latencies; faults take the target away for seconds. The
verdict is made up and judged by nobody (a judged folder is `run_folders.good_run`). Every part can
be left out or replaced, which is how the tests make folders that miss or lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.reading import read_contract
from contracts.records import SAMPLE_DTYPE, Failure, FaultEvent, Outcome, Phase
from contracts.terms import Clause, Contract, OperationKind, Quantity
from harness.planned_load import PlannedLoad, write_planned_load
from harness.run_folder import Manifest, RunFolder
from scenarios.demand import OPERATIONS
from scenarios.population import build_population
from tests.fakes.calibrations import ENGINE, calibration

CONTRACT_FILE = Path(__file__).parents[2] / "contracts" / "new_elaas.yaml"
T0_NS = 5_000_000_000_000
SECOND_NS = 1_000_000_000
MEDIAN_MS = {
    "read": 9.0,
    "post": 28.0,
    "report": 120.0,
    "login": 45.0,
    "import": 40.0,
    "provider": 3.0,
    "probe": 7.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What kind of run to write. `verdict` None leaves the run unjudged."""

    requests: int = 20_000
    duration_s: int = 180
    scale: float = 0.02
    verdict: str | None = "BREACHED"
    has_faults: bool = True
    has_samples: bool = True
    seed: int = 7
    history_months: int = 0


def write_run(folder: Path, wanted: Wanted | None = None, **changes: Any) -> Path:
    """Write one run folder and return its path."""
    wanted = replace(wanted or Wanted(), **changes)
    run = RunFolder(folder)
    run.create()
    faults = faults_of(wanted) if wanted.has_faults else ()
    run.write_manifest(manifest_of(wanted, folder.name))
    run.contract.write_bytes(CONTRACT_FILE.read_bytes())
    for event in faults:
        run.append_fault(event)
    if wanted.has_samples:
        rows = samples_of(wanted, faults)
        write_samples(run.samples / "load-0.parquet", rows)
        write_planned_load(run, planned_of(wanted, rows))
        run.readings.joinpath("load-0.jsonl").write_bytes(self_report_of(wanted, rows))
    write_host_readings(run.readings / "host.parquet", wanted)
    pq.write_table(pa.table({"unit": [1]}), run.books_after / "export.parquet")
    if wanted.verdict is not None:
        run.verdict.write_bytes(orjson.dumps(verdict_of(wanted)))
        run.findings.write_bytes(orjson.dumps({"findings": findings_of(wanted)}))
    return folder


@cache
def promised() -> Contract:
    """The first contract of the repository, read once."""
    return read_contract(CONTRACT_FILE)


def manifest_of(wanted: Wanted, run_id: str) -> Manifest:
    population = build_population(scale=wanted.scale)
    contract = promised()
    lengths = {"ramp": 0.15, "steady": 0.30, "peak": 0.35}
    lengths["faults" if wanted.has_faults else "steady_after"] = 0.20
    phases, at_s = [], 0.0
    for name, share in lengths.items():
        end_s = at_s + share * wanted.duration_s
        phases.append(
            Phase(
                name=name,
                started_ns=T0_NS + round(at_s * SECOND_NS),
                ended_ns=T0_NS + round(end_s * SECOND_NS),
                is_measured=name not in ("ramp", "faults"),
            )
        )
        at_s = end_s
    due = _due_s(wanted)
    return Manifest(
        run_id=run_id,
        created_at="2026-11-23T06:30:00+00:00",
        command=("monthend", "accept", "--scale", str(wanted.scale), "--seed", str(wanted.seed)),
        versions={"monthend": "0.1.0", "python": "3.11.7", "engine_sha256": ENGINE},
        machine={"cpu": "Example CPU", "cores": 2, "memory_bytes": 25_769_803_776, "kernel": "6.1"},
        seed=wanted.seed,
        scale=wanted.scale,
        level="L2",
        demand="base",
        composition="A",
        duration_s=float(wanted.duration_s),
        think_scale=0.05,
        business_date="2025-12-01",
        workers=2,
        history_months=wanted.history_months,
        contract_id=contract.id,
        contract_sha256=contract.sha256,
        population_units=len(population.units),
        population_accounts=population.account_count,
        population_sha256=population.sha256,
        plan_sha256="b" * 64,
        planned_sessions=wanted.requests // 8,
        planned_requests=wanted.requests,
        planned_by_operation=planned_by_operation(wanted),
        planned_by_activity={"enquiry": wanted.requests // 8},
        planned_per_s=tuple(np.bincount(due.astype(int), minlength=wanted.duration_s).tolist()),
        target_kind="embedded",
        target_url="",
        fingerprint={
            "name": "reference-ledger", "version": "0.1.0", "database": "PostgreSQL 18.1",
            "fsync": "on", "synchronous_commit": "on", "defects": "",
        },
        faults_requested=("worker_kill", "database_restart") if wanted.has_faults else (),
        t0_ns=T0_NS,
        phases=tuple(phases),
        load_processes=({"process": 0, "cpu_share": 0.31, "rss_bytes": 91_000_000},),
        ended="completed",
        calibration=calibration(calibrated_at="2026-11-20T06:00:00+00:00").content(),
    )  # fmt: skip


def planned_by_operation(wanted: Wanted) -> dict[str, int]:
    """Return the requests that the plan has of each operation."""
    counts = np.bincount(samples_of(wanted, ())["operation"], minlength=len(OPERATIONS))
    return {name: int(count) for name, count in zip(OPERATIONS, counts, strict=True) if count}


def faults_of(wanted: Wanted) -> tuple[FaultEvent, ...]:
    at_s = 0.82 * wanted.duration_s

    def event(name: str, target: str, start_s: float, length_s: float, detail: str) -> FaultEvent:
        return FaultEvent(
            name=name,
            target=target,
            injected_ns=T0_NS + round(start_s * SECOND_NS),
            healed_ns=T0_NS + round((start_s + length_s) * SECOND_NS),
            detail=detail,
        )

    return (
        event("worker_kill", "app w1", at_s, 1.2, "SIGKILL to w1; restarted by the supervisor"),
        event("database_restart", "database", at_s + 0.08 * wanted.duration_s, 3.1,
              "immediate stop, then start"),
    )  # fmt: skip


def samples_of(wanted: Wanted, faults: Sequence[FaultEvent]) -> np.ndarray[Any, Any]:
    """Draw the samples: one row per request of the plan, sorted by nothing in particular."""
    chance = np.random.default_rng(wanted.seed)
    rows = np.zeros(wanted.requests, dtype=SAMPLE_DTYPE)
    names = list(OPERATIONS)
    kinds = np.array([OPERATIONS[name].value for name in names])
    weights = np.where(kinds == "read", 6.0, np.where(kinds == "probe", 0.02, 1.0))
    rows["operation"] = chance.choice(len(names), wanted.requests, p=weights / weights.sum())
    units = np.array([unit.unit for unit in build_population(scale=wanted.scale).units])
    rows["unit"] = chance.choice(units, wanted.requests)
    rows["session"] = np.arange(wanted.requests) // 8
    rows["step"] = np.arange(wanted.requests) % 8
    due_s = _due_s(wanted)
    rows["planned_ns"] = T0_NS + (due_s * SECOND_NS).astype(np.int64)
    rows["sent_ns"] = rows["planned_ns"] + chance.integers(10_000, 900_000, wanted.requests)
    median_ms = np.array([MEDIAN_MS[kind] for kind in kinds])[rows["operation"]]
    load = np.interp(due_s, [0, 0.45 * wanted.duration_s, 0.8 * wanted.duration_s], [1, 1.2, 2.6])
    latency_ms = median_ms * load * chance.lognormal(0.0, 0.55, wanted.requests)
    rows["done_ns"] = rows["sent_ns"] + (latency_ms * 1e6).astype(np.int64)
    rows["first_byte_ns"] = rows["done_ns"] - 100_000
    rows["status"] = 200
    rows["bytes_in"] = 900
    is_probe = (kinds == "probe")[rows["operation"]]
    rows["status"][is_probe] = 403
    rows["failure"][is_probe] = Failure.EXPECTED_REFUSAL
    rows["outcome"][is_probe] = Outcome.REFUSED
    for event in faults:
        down = (rows["planned_ns"] >= event.injected_ns) & (rows["planned_ns"] < event.healed_ns)
        _fail(rows, np.flatnonzero(down & (chance.random(wanted.requests) < 0.6)), chance)
    return rows


def _fail(rows: np.ndarray[Any, Any], hit: np.ndarray[Any, Any], chance: Any) -> None:
    kind = chance.random(hit.size)
    timeouts, shed, broken = hit[kind < 0.2], hit[(kind >= 0.2) & (kind < 0.7)], hit[kind >= 0.7]
    for chosen, failure, outcome, status in (
        (timeouts, Failure.TIMEOUT, Outcome.INDEFINITE, 0),
        (shed, Failure.SHED, Outcome.REFUSED, 503),
        (broken, Failure.CONNECTION, Outcome.INDEFINITE, 0),
    ):
        rows["failure"][chosen] = failure
        rows["outcome"][chosen] = outcome
        rows["status"][chosen] = status
    rows["done_ns"][timeouts] = 0


def _due_s(wanted: Wanted) -> np.ndarray[Any, Any]:
    """Due times whose rate rises over the ramp, holds, peaks and falls back."""
    chance = np.random.default_rng(wanted.seed + 1)
    edges = np.array([0.0, 0.15, 0.45, 0.80, 1.0]) * wanted.duration_s
    rates = np.array([0.5, 1.0, 1.6, 1.0])
    work = np.concatenate([[0.0], np.cumsum(np.diff(edges) * rates)])
    return np.interp(np.sort(chance.random(wanted.requests)) * work[-1], work, edges)


def write_samples(
    path: Path, rows: np.ndarray[Any, Any], operations: Mapping[str, str] | None = None
) -> None:
    """Seal *rows* as the harness does: same columns, the log's header as schema metadata."""
    named = operations or {name: kind.value for name, kind in OPERATIONS.items()}
    header = {
        "format_version": 1,
        "process_index": 0,
        "t0_ns": T0_NS,
        "operations": [{"name": name, "kind": kind} for name, kind in named.items()],
    }
    columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
    table = pa.table(columns).replace_schema_metadata({"header": orjson.dumps(header)})
    pq.write_table(table, path)


def planned_of(wanted: Wanted, rows: np.ndarray[Any, Any]) -> PlannedLoad:
    """Return the plan that these samples carried out, to the instant."""
    count = -(-wanted.requests // 8)
    kinds = list(OperationKind)
    kind = np.array([kinds.index(one) for one in OPERATIONS.values()])[rows["operation"]]
    offsets_ns = rows["planned_ns"] - T0_NS
    per_s = np.zeros((len(kinds), wanted.duration_s), dtype=np.int64)
    np.add.at(per_s, (kind, offsets_ns // SECOND_NS), 1)
    return PlannedLoad(
        session=np.arange(count, dtype=np.int32),
        start_ns=offsets_ns[::8],
        requests=np.bincount(rows["session"], minlength=count).astype(np.int32),
        activity=(np.arange(count) % 2).astype(np.int16),
        activities=("enquiry", "receipt"),
        per_s=per_s,
    )


def self_report_of(wanted: Wanted, rows: np.ndarray[Any, Any]) -> bytes:
    """Return what the load process said of itself: quiet, on time, four looks a second."""
    ends_ns = np.sort(rows["done_ns"][rows["done_ns"] > 0])
    lines = []
    for second in range(1, wanted.duration_s + 1):
        at_ns = T0_NS + second * SECOND_NS
        looks = [[at_ns - quarter * SECOND_NS // 4, 3, 40] for quarter in range(3, -1, -1)]
        done = int(np.searchsorted(ends_ns, at_ns))
        lines.append({
            "event": "progress", "at_ns": at_ns, "cpu_share": 0.31, "looks": looks, "sent": done,
            "done": done, "loop_lag_ms_max": 1.0 + second % 7, "run_delay_ns": second * 10**7,
            "connections": 24, "connections_max": 19_744, "connections_opened": 30,
            "closed_by_target": 4, "descriptors": 60, "descriptors_max": 20_000,
            "own_shortages": 0, "dropped_sessions": 0,
        })  # fmt: skip
    lines.append({"event": "finished"})
    return b"\n".join(map(orjson.dumps, lines))


def write_host_readings(path: Path, wanted: Wanted) -> None:
    seconds = np.arange(wanted.duration_s)
    shares = {"app": 0.55, "database": 0.45, "load": 0.35, "provider": 0.02, "harness": 0.03}
    parts = [
        {"at_ns": T0_NS + s * SECOND_NS, "probe": "host", "subject": role, "name": "cpu_share",
         "value": share * (1 + 0.3 * np.sin(s / 9)), "unit": "cores"}
        for s in seconds.tolist()
        for role, share in shares.items()
    ]  # fmt: skip
    parts += [
        {"at_ns": T0_NS + s * SECOND_NS, "probe": "host", "subject": "host", "name": "cpu_share",
         "value": 0.78, "unit": "share"}
        for s in seconds.tolist()
    ]  # fmt: skip
    parts.append({"at_ns": T0_NS, "probe": "host", "subject": "host", "name": "cpu_count",
                  "value": 2.0, "unit": "count"})  # fmt: skip
    pq.write_table(pa.Table.from_pylist(parts), path)


def verdict_of(wanted: Wanted) -> dict[str, Any]:
    contract = promised()
    clauses = [_clause(clause, place, wanted) for place, clause in enumerate(contract.clauses)]
    return {
        "verdict": wanted.verdict,
        "scale": wanted.scale,
        "level": "L2",
        "target": "embedded",
        "contract": {"id": contract.id, "sha256": contract.sha256},
        "clauses": clauses,
        "caveats": [
            {"id": "shared_machine", "text": "The load generator, the target and its database "
             "shared one machine, so the target had less of it than it would have alone.",
             "text_th": "เครื่องสร้างภาระงาน ระบบที่ทดสอบ และฐานข้อมูลใช้เครื่องเดียวกัน "
             "ระบบจึงได้ทรัพยากรน้อยกว่าเมื่อทำงานลำพัง", "blocks": wanted.verdict == "INCONCLUSIVE"},
        ],
        "bottlenecks": [
            {"class": "lock_queue", "place": "ledger.counter (queries.sql:next_number)",
             "share": 0.41, "tier": "T1", "confidence": "high",
             "evidence": "sessions waited for one row lock in 41 % of request time"},
        ],
        "not_tested": [
            {"id": clause["id"], "reason": "no check measures it", "reason_th": "ไม่มีวิธีวัด"}
            for clause in clauses
            if clause["verdict"] == "NOT_TESTED"
        ],
    }  # fmt: skip


def _clause(clause: Clause, place: int, wanted: Wanted) -> dict[str, Any]:
    verdict, bound = "MET", clause.limit.bound
    share = 0.2 + 0.7 * ((place * 37) % 100) / 100
    value: float | None = (
        bound * share if clause.limit.at_most is not None else min(1.0, bound * 1.003)
    )
    if clause.quantity is Quantity.RECOVERY:
        value = 6.0 + place
    if clause.not_measured_because is not None or "L2" not in clause.levels:
        verdict, value = "NOT_TESTED", None
    elif wanted.verdict == "BREACHED" and (
        (clause.quantity is Quantity.INVARIANT and clause.selector == "I6") or place == 3
    ):
        verdict, value = "BREACHED", 17.0 if clause.limit.unit == "count" else bound * 1.34
    elif wanted.verdict == "INCONCLUSIVE" and place % 5 == 1:
        verdict, value = "INCONCLUSIVE", None
    return {
        "id": clause.id,
        "verdict": verdict,
        "value": value,
        "title": {"th": clause.title.th, "en": clause.title.en},
        "limit": bound,
        "limit_side": "at_most" if clause.limit.at_most is not None else "at_least",
        "unit": clause.limit.unit.value,
        "operation": clause.selector,
        "sample_count": 0 if value is None else 1_200 + place * 977,
        "reason": "measured over the measured phases",
        "reason_th": "วัดตลอดช่วงที่ใช้ตัดสิน",
    }


def findings_of(wanted: Wanted) -> list[dict[str, Any]]:
    if wanted.verdict != "BREACHED":
        return []
    units = [unit.unit for unit in build_population(scale=wanted.scale).units[:12]]
    return [
        {
            "about": "I6", "rule": "gap", "count": 17,
            "text": {"th": "เลขที่เอกสารขาดหาย 17 เลข ใน 12 หน่วยบัญชี",
                     "en": "17 document numbers are missing in 12 units"},
            "witnesses": [
                {"unit": unit, "document": unit * 10**7 + 5, "key": "", "kind": "receipt",
                 "period": 202512, "expected": str(40 + place), "found": str(41 + place)}
                for place, unit in enumerate(units)
            ],
        }
    ]  # fmt: skip
