"""Synthetic run folders: what a run on a right ledger leaves behind, as rows for a test to change.

`good_run(seed)` plays sessions against a small honest ledger; `FakeRun.write` puts the rows on disk
as a sealed run folder. Known damage stands in `tests.fakes.run_damage`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import (
    BOOKS_COLUMNS,
    CONSOLIDATION_COLUMNS,
    OPERATION_DTYPE,
    READING_COLUMNS,
    SAMPLE_DTYPE,
    Failure,
    FaultEvent,
    Outcome,
    Phase,
)
from harness.run_folder import Manifest, RunFolder
from tests.fakes.calibrations import ENGINE, calibration
from tests.fakes.judge_contract import SHA
from tests.fakes.small_ledger import BANK, CASH, KINDS, LINES, MS, T0, Row, S, SmallLedger, Work

OPERATIONS = [("view_worklist", "read"), ("create_receipt", "post"),
              ("report_trial_balance", "report"), ("start_sign_in", "login"),
              ("authorize_at_provider", "provider"), ("post_into_closed_period", "probe"),
              ("pry_into_other_unit", "probe"), ("overspend", "probe")]  # fmt: skip
READ, POST, REPORT, LOGIN, PROVIDER, LATE_POST, PRY, OVERSPEND = range(8)
PERIOD = 202512
WALL_OFFSET_NS = 1_700_000_000 * S


@dataclass
class FakeRun:
    """A run as rows, to be changed and then written."""

    manifest: Manifest
    samples: list[Row]
    operations: list[Row]
    before: dict[str, list[Row]]
    after: dict[str, list[Row]]
    faults: list[FaultEvent]
    host_cpu: list[tuple[int, float]]
    load_cpu: float = 0.3
    said: dict[int, Row] = field(default_factory=dict)  # by second: readings that differ
    parents: dict[int, int] = field(default_factory=dict)  # of the dependants
    # Given the rows of the consolidated reports, and of the members, as right targets show them.
    spoil_reports: Callable[[list[Row], list[Row]], None] = lambda reports, members: None

    def document_of(self, kind: str, place: int = 0) -> Row:
        """Return a document of *kind* that was made during the run."""
        old = {document["document"] for document in self.before["documents"]}
        return [
            d for d in self.after["documents"] if d["kind"] == kind and d["document"] not in old
        ][place]

    def write(self, path: Path) -> RunFolder:
        """Write everything as a sealed run folder."""
        folder = RunFolder(path)
        folder.create()
        folder.write_manifest(self.manifest)
        write_samples(folder.samples / "load-0.parquet", self.samples)
        write_operations(folder.operations / "load-0.parquet", self.operations)
        write_books(folder.books_before, self.before)
        write_books(folder.books_after, self.after)
        if self.parents:
            self._write_consolidated(folder.books_after)
        for event in self.faults:
            folder.append_fault(event)
        self._write_readings(folder)
        return folder

    def _write_consolidated(self, into: Path) -> None:
        heads = sorted(set(self.parents.values()))
        parent_of = {head: head for head in heads} | self.parents
        totals: dict[tuple[int, str], Row] = {}
        standing = {
            (row["unit"], row["account"]): row
            for row in sorted(self.after["trial_balance"], key=lambda row: row["period"])
            if row["period"] <= PERIOD
        }
        for (unit, account), row in standing.items():
            if unit not in parent_of:
                continue
            head = parent_of[unit]
            total = totals.setdefault(
                (head, account),
                {"unit": head, "period": PERIOD, "account": account}
                | {f"{name}_satang": 0 for name in ("opening", "debit", "credit", "closing")},
            )
            moved = row["period"] == PERIOD
            total["opening_satang"] += row["opening_satang" if moved else "closing_satang"]
            total["debit_satang"] += row["debit_satang"] * moved
            total["credit_satang"] += row["credit_satang"] * moved
            total["closing_satang"] += row["closing_satang"]
        reports = list(totals.values())
        members = [
            {"parent": head, "unit": unit, "period": PERIOD, "reason": ""}
            for unit, head in sorted(parent_of.items())
        ]
        self.spoil_reports(reports, members)
        write_table(into / "consolidated.parquet", "consolidated", reports)
        write_table(into / "members.parquet", "members", members)

    def _write_readings(self, folder: RunFolder) -> None:
        rows = [(at, "host", "host", "cpu_share", share, "share") for at, share in self.host_cpu]
        rows.append((T0 + 200 * S, "host", "host", "ended", 1.0, "count"))
        columns = {name: [row[i] for row in rows] for i, name in enumerate(READING_COLUMNS)}
        pq.write_table(pa.table(columns), folder.readings / "host.parquet")
        lines: list[Row] = [{"event": "ready"}, {"event": "started"}]
        lines += [{"event": "progress", **line} for line in self._self_report()]
        lines.append({"event": "finished", "dropped_sessions": 0})
        (folder.readings / "load-0.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))

    def _self_report(self) -> list[Row]:
        """Return what an honest load process would have said while it made these samples."""
        sent = [row for row in self.samples if row["sent_ns"]]
        begun_ns = np.sort([row["sent_ns"] for row in sent])
        ended_ns = np.sort([row["done_ns"] for row in sent])
        last_s = int(max(120, (ended_ns.max(initial=0) - T0) // S + 1))
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for row in sent:
            number = row["session"]
            first[number] = min(first.get(number, row["sent_ns"]), row["sent_ns"])
            last[number] = max(last.get(number, 0), row["done_ns"])
        opened_ns, closed_ns = np.sort(list(first.values())), np.sort(list(last.values()))

        def look(at_ns: int) -> list[int]:
            return [at_ns] + [
                int(np.searchsorted(begun, at_ns) - np.searchsorted(ended, at_ns))
                for begun, ended in ((begun_ns, ended_ns), (opened_ns, closed_ns))
            ]

        return [
            {
                "at_ns": T0 + second * S, "cpu_share": self.load_cpu,
                "sent": int(np.searchsorted(begun_ns, T0 + second * S, "right")),
                "done": int(np.searchsorted(ended_ns, T0 + second * S, "right")),
                "looks": [look(T0 + second * S - quarter * S // 4) for quarter in range(3, -1, -1)],
                "connections": 20, "connections_max": 19_744, "connections_opened": 20,
                "closed_by_target": 0, "own_shortages": 0, "descriptors": 40,
                "descriptors_max": 20_000, "loop_lag_ms_max": 2.0, "run_delay_ns": second * 10**7,
                "wall_offset_ns": WALL_OFFSET_NS, "boot_offset_ns": 0, "clock_doubt_ns": 500,
                **self.said.get(second, {}),
            }
            for second in range(last_s + 1)
        ]  # fmt: skip


def write_samples(path: Path, rows: list[Row], **header: Any) -> None:
    """Write samples as a sealed log."""
    content = {"format_version": 1, "process_index": 0, "t0_ns": T0,
               "operations": [{"name": n, "kind": k} for n, k in OPERATIONS], **header}  # fmt: skip
    names = [name for name in SAMPLE_DTYPE.names or () if name != "padding"]
    _write_sealed(path, rows, names, SAMPLE_DTYPE, content)


def write_operations(path: Path, rows: list[Row], **header: Any) -> None:
    """Write operations as a sealed log."""
    content = {"format_version": 1, "process_index": 0, "kinds": KINDS, "budget_lines": LINES,
               "cash_accounts": [CASH, BANK], **header}  # fmt: skip
    split = [
        row | {"key_high": row["key"] >> 64, "key_low": row["key"] & (1 << 64) - 1} for row in rows
    ]
    _write_sealed(path, split, list(OPERATION_DTYPE.names or ()), OPERATION_DTYPE, content)


def _write_sealed(
    path: Path, rows: list[Row], names: list[str], dtype: np.dtype[Any], header: Row
) -> None:
    table = pa.table(
        {name: pa.array(np.array([row[name] for row in rows], dtype=dtype[name])) for name in names}
    )
    pq.write_table(table.replace_schema_metadata({b"header": orjson.dumps(header)}), path)


def write_books(folder: Path, tables: dict[str, list[Row]]) -> None:
    """Write one reading of the books."""
    documents, lines = [], []
    for document in tables["documents"]:
        row = {name: document.get(name) for name in BOOKS_COLUMNS["documents"]}
        row |= {"key_high": document["key"] >> 64, "key_low": document["key"] & (1 << 64) - 1,
                "gross_satang": document["gross"]}  # fmt: skip
        documents.append(row)
        lines += [
            {"unit": document["unit"], "document": document["document"], "account": account,
             "debit_satang": debit, "credit_satang": credit}
            for account, debit, credit in document["lines"]
        ]  # fmt: skip
    for name, rows in {**tables, "documents": documents, "lines": lines}.items():
        write_table(folder / f"{name}.parquet", name, rows)


def write_table(path: Path, name: str, rows: list[Row]) -> None:
    """Write one table of the books."""
    columns = {}
    for column in (BOOKS_COLUMNS | CONSOLIDATION_COLUMNS)[name]:
        kind = None
        if column in ("key_high", "key_low"):
            kind = pa.uint64()
        elif column.endswith("_satang") or column == "document":
            kind = pa.int64()
        elif column in ("unit", "parent", "number", "fiscal_year", "period", "line_count", "class"):
            kind = pa.int32()
        elif column.startswith("is_"):
            kind = pa.bool_()
        else:
            kind = pa.string()
        columns[column] = pa.array([row[column] for row in rows], type=kind)
    pq.write_table(pa.table(columns), path)


PHASES = (
    Phase(name="ramp", started_ns=T0, ended_ns=T0 + 10 * S, is_measured=False),
    Phase(name="steady", started_ns=T0 + 10 * S, ended_ns=T0 + 30 * S, is_measured=True),
    Phase(name="peak", started_ns=T0 + 30 * S, ended_ns=T0 + 60 * S, is_measured=True),
    Phase(name="faults", started_ns=T0 + 60 * S, ended_ns=T0 + 120 * S, is_measured=False),
)
STEADY_PER_S, PEAK_PER_S = 20, 32


def manifest_of(units: int, sessions: int, planned: Mapping[str, int]) -> Manifest:
    """Return the manifest of a run of two minutes at L2; *planned*: requests by operation."""
    per_s = [PEAK_PER_S if 30 <= second < 60 else STEADY_PER_S for second in range(120)]
    return Manifest(
        run_id="fake", created_at="2026-11-23T06:00:00Z", command=("monthend", "accept"),
        versions={"monthend": "0.1.0", "engine_sha256": ENGINE}, machine={"cores": 2}, seed=7,
        scale=1.0, level="L2", demand="base", composition="A", duration_s=120.0, think_scale=0.03,
        business_date="2025-12-01", workers=1, contract_id="fake", contract_sha256=SHA,
        population_units=units, population_accounts=units * 3, population_sha256="p" * 64,
        plan_sha256="q" * 64, planned_sessions=sessions, planned_requests=sum(per_s),
        planned_by_operation=dict(planned), planned_by_activity={},
        planned_per_s=tuple(per_s), target_kind="embedded", target_url="http://127.0.0.1:1",
        fingerprint={"name": "fake", "version": "1", "database_version": "18", "fsync": "on",
                     "synchronous_commit": "on"},
        faults_requested=("worker_kill",), t0_ns=T0, phases=PHASES,
        load_processes=({"index": 0},), ended="completed",
        calibration=calibration(calibrated_at="2026-11-20T06:00:00+00:00").content(),
    )  # fmt: skip


def good_run(
    seed: int = 1, *, units: int = 8, operations: int = 160, indefinite_share: float = 0.05,
    shed_share: float = 0.05, about_money_only: bool = False,
) -> FakeRun:  # fmt: skip
    """Return a run on an honest ledger, all clauses of `contract()` MET.

    With *about_money_only* the samples are those of the probes alone, for `money_contract()`.
    """
    chance = random.Random(seed)
    numbers = [10 * 100_000 + sequence for sequence in range(1, units + 1)]
    ledger = SmallLedger(units=numbers)
    ledger.fill()
    before = ledger.tables()
    work = Work(ledger, chance, indefinite_share=indefinite_share, shed_share=shed_share)
    for _ in range(operations):
        work.one_operation()
    work.close_a_month()
    work.pry()
    work.hand_in_file(numbers[-3], 6, told=Outcome.OK, stored=6)
    work.hand_in_file(numbers[-2], 5, told=Outcome.INDEFINITE, stored=5)
    work.hand_in_file(numbers[-1], 4, told=Outcome.OPEN, stored=0)
    work.hand_in_file(numbers[-1], 3, told=Outcome.REFUSED, stored=0)
    tried = work.refused("commitment", numbers[3], 202512, line="B05")
    samples = _samples(chance, numbers, seconds=0 if about_money_only else 120)
    samples.append(_refused(tried["session"], numbers[3], OVERSPEND, T0 + 15 * S))
    planned = Counter(OPERATIONS[row["operation"]][0] for row in samples if row["attempt"] == 0)
    return FakeRun(
        manifest=manifest_of(units, len({row["session"] for row in samples}), planned),
        samples=samples, operations=work.rows, before=before, after=ledger.tables(),
        faults=[FaultEvent(name="worker_kill", target="app worker 1", injected_ns=T0 + 70 * S,
                           healed_ns=T0 + 72 * S, detail="pid 1 of 2 workers; died after 1 ms")],
        host_cpu=[(T0 + second * S, 0.6) for second in range(120)],
        parents={numbers[1]: numbers[0], numbers[2]: numbers[0]},
    )  # fmt: skip


def _samples(chance: random.Random, units: list[int], *, seconds: int) -> list[Row]:
    """Return what a target that answers everything in 5 to 45 ms leaves behind."""
    rows: list[Row] = []
    session = 0
    for second in range(seconds):
        per_s = PEAK_PER_S if 30 <= second < 60 else STEADY_PER_S
        for place in range(per_s // 4):
            start = T0 + second * S + place * (4 * S // per_s)
            unit = units[session % len(units)]
            for step in range(4):
                operation = [READ, POST, REPORT, LOGIN][step]
                planned = start + step * 100 * MS
                rows.append(sample(session, unit, operation, planned,
                                   took_ns=chance.randrange(5, 45) * MS, step=step))  # fmt: skip
            session += 1
    for place in range(10):  # people who try what they may not
        rows.append(_refused(session, units[0], PRY, T0 + (12 + place) * S))
        session += 1
    return rows


def _refused(session: int, unit: int, operation: int, planned_ns: int) -> Row:
    answered = sample(session, unit, operation, planned_ns, took_ns=5 * MS)
    refused = {"status": 403, "outcome": Outcome.REFUSED, "failure": Failure.EXPECTED_REFUSAL}
    return answered | refused


def sample(
    session: int, unit: int, operation: int, planned_ns: int, *, took_ns: int, step: int = 0
) -> Row:
    """Return one request that was answered rightly."""
    sent_ns = planned_ns + MS // 2
    return {
        "planned_ns": planned_ns, "sent_ns": sent_ns, "first_byte_ns": sent_ns + took_ns // 2,
        "done_ns": sent_ns + took_ns, "session": session, "unit": unit, "bytes_in": 500,
        "operation": operation, "status": 200, "step": step, "attempt": 0, "outcome": Outcome.OK,
        "failure": Failure.NONE,
    }  # fmt: skip


def unanswered(row: Row, failure: Failure = Failure.TIMEOUT) -> Row:
    """Return *row* as a request that got no answer."""
    row["outcome"], row["failure"], row["status"] = Outcome.INDEFINITE, failure, 0
    row["done_ns"] = row["sent_ns"] + 30 * S
    return row
