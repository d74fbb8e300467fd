"""Doubts about a run: each from evidence of its own, and none from a target that is merely slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.records import READING_COLUMNS, Failure, Outcome
from contracts.terms import Verdict
from harness.caveat_kinds import KINDS
from harness.caveats import LATENESS_LIMIT_MS, caveats_of_books, caveats_of_load
from harness.checks.recorded import Recorded
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from tests.fakes.judge_contract import contract
from tests.fakes.run_folders import LOGIN, FakeRun, good_run, unanswered
from tests.fakes.small_ledger import MS, T0, S


@pytest.fixture
def run() -> FakeRun:
    return good_run(1, operations=10)


def caveats_in(run: FakeRun, tmp_path: Path, spoil: Callable[[RunFolder], Any] = id) -> set[str]:
    folder = run.write(tmp_path / "run")
    spoil(folder)
    recorded = Recorded(folder=folder, manifest=run.manifest)
    return {one.id for one in (*caveats_of_load(recorded, contract()), *caveats_of_books(recorded))}


def later(run: FakeRun, delay_ns: int) -> None:
    for row in run.samples:
        for name in ("sent_ns", "first_byte_ns", "done_ns"):
            row[name] += delay_ns


def test_a_good_run_has_only_the_caveat_of_its_compression(run: FakeRun, tmp_path: Path) -> None:
    assert caveats_in(run, tmp_path) == {"compressed"}


@pytest.mark.parametrize(
    ("delay_ms", "is_late"), [(LATENESS_LIMIT_MS - 5, False), (LATENESS_LIMIT_MS + 5, True)]
)
def test_a_generator_is_late_beyond_its_limit(
    delay_ms: float, is_late: bool, run: FakeRun, tmp_path: Path
) -> None:
    later(run, int(delay_ms * MS))

    assert ("generator_late" in caveats_in(run, tmp_path)) is is_late


def test_a_slow_target_makes_no_generator_late(run: FakeRun, tmp_path: Path) -> None:
    for row in run.samples:
        row["done_ns"] += 20 * S

    assert caveats_in(run, tmp_path) == {"compressed"}


def test_a_failing_target_is_no_load_that_was_not_offered(run: FakeRun, tmp_path: Path) -> None:
    for row in run.samples:
        if row["step"] == 0:
            unanswered(row)
        else:
            row |= {"sent_ns": 0, "first_byte_ns": 0, "done_ns": 0, "outcome": Outcome.REFUSED,
                    "failure": Failure.NOT_SENT}  # fmt: skip

    assert caveats_in(run, tmp_path) == {"compressed"}


def test_a_session_whose_sign_in_failed_was_offered(run: FakeRun, tmp_path: Path) -> None:
    for row in list(run.samples):
        if row["session"] % 4 == 0:
            if row["step"] == 0:
                run.samples.append(unanswered(row | {"operation": LOGIN, "attempt": 1}))
            row |= {"sent_ns": 0, "first_byte_ns": 0, "done_ns": 0, "outcome": Outcome.REFUSED,
                    "failure": Failure.NOT_SENT}  # fmt: skip

    assert "not_offered" not in caveats_in(run, tmp_path)


def test_steps_that_nothing_prevented_were_not_offered(run: FakeRun, tmp_path: Path) -> None:
    for row in run.samples:
        if row["step"] == 3:
            row |= {"sent_ns": 0, "first_byte_ns": 0, "done_ns": 0, "outcome": Outcome.REFUSED,
                    "failure": Failure.NOT_SENT}  # fmt: skip

    assert "not_offered" in caveats_in(run, tmp_path)


def test_sessions_that_never_started_were_not_offered(run: FakeRun, tmp_path: Path) -> None:
    run.samples = [row for row in run.samples if row["session"] % 20]

    assert "not_offered" in caveats_in(run, tmp_path)


def test_a_starved_generator_is_named(run: FakeRun, tmp_path: Path) -> None:
    run.load_cpu = 0.95

    assert "generator_starved" in caveats_in(run, tmp_path)


def test_a_generator_that_lacked_ports_is_starved(run: FakeRun, tmp_path: Path) -> None:
    def lack(folder: RunFolder) -> None:
        path = folder.readings / "load-0.jsonl"
        line = {"event": "progress", "at_ns": T0 + S, "cpu_share": 0.1, "own_shortages": 3}
        path.write_bytes(orjson.dumps(line) + b"\n" + path.read_bytes())

    assert "generator_starved" in caveats_in(run, tmp_path, lack)


@pytest.mark.parametrize(
    ("ended", "caveat"),
    [("interrupted", "run_interrupted"), ("target_lost", "target_lost"), ("load_lost", "load_lost"),
     ("something new", "run_interrupted")],
)  # fmt: skip
def test_a_run_that_did_not_complete_is_never_met(
    ended: str, caveat: str, run: FakeRun, tmp_path: Path
) -> None:
    run.manifest = run.manifest.evolve(ended=ended)

    assert caveat in caveats_in(run, tmp_path)
    assert KINDS[caveat].blocks
    assert evaluate(RunFolder(tmp_path / "run"), contract()).verdict == Verdict.INCONCLUSIVE


def test_a_load_process_without_a_last_word_was_lost(run: FakeRun, tmp_path: Path) -> None:
    def cut(folder: RunFolder) -> None:
        path = folder.readings / "load-0.jsonl"
        path.write_bytes(path.read_bytes().rsplit(b"\n", 1)[0] + b'\n{"event":"fini')

    assert "load_lost" in caveats_in(run, tmp_path, cut)


def test_a_load_process_that_left_nothing_was_lost(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(load_processes=({"index": 0}, {"index": 1}))

    assert "load_lost" in caveats_in(run, tmp_path)


def test_times_that_run_backwards_are_a_broken_clock(run: FakeRun, tmp_path: Path) -> None:
    run.samples[5]["done_ns"] = run.samples[5]["sent_ns"] - 10 * MS

    assert "clock_stepped" in caveats_in(run, tmp_path)


def test_a_scaled_run_says_so_and_may_be_met(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(scale=0.05)

    assert "scaled" in caveats_in(run, tmp_path)
    assert not KINDS["scaled"].blocks


def test_a_dialect_that_lacks_something_cannot_be_met(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(dialect="ours", left_out=("budget_transfer", "advance"))

    recorded = Recorded(folder=run.write(tmp_path / "run"), manifest=run.manifest)
    (found,) = [c for c in caveats_of_load(recorded, contract()) if c.id == "partial_dialect"]
    assert found.blocks
    assert "ours cannot speak: budget_transfer, advance" in found.text_en


def test_emulated_lines_make_the_clauses_about_time_say_nothing(
    run: FakeRun, tmp_path: Path
) -> None:
    run.manifest = run.manifest.evolve(network="lossy")

    assert "lossy_network" in caveats_in(run, tmp_path)
    assert KINDS["lossy_network"].voids_time


def test_another_contract_than_that_of_the_run_is_noticed(run: FakeRun, tmp_path: Path) -> None:
    run.manifest = run.manifest.evolve(contract_sha256="d" * 64)

    assert "contract_differs" in caveats_in(run, tmp_path)


def test_faults_that_were_not_injected_are_said(run: FakeRun, tmp_path: Path) -> None:
    run.faults = []

    assert "faults_not_tested" in caveats_in(run, tmp_path)


def test_more_sign_ins_than_planned_are_said(run: FakeRun, tmp_path: Path) -> None:
    logins = sum(row["operation"] == LOGIN for row in run.samples)
    run.manifest = run.manifest.evolve(planned_by_operation={"start_sign_in": logins // 2})

    assert "extra_logins" in caveats_in(run, tmp_path)


@pytest.mark.parametrize("last", ["died", "cpu_share"])
def test_a_probe_that_did_not_end_in_order_died(last: str, run: FakeRun, tmp_path: Path) -> None:
    def spoil(folder: RunFolder) -> None:
        path = folder.readings / "host.parquet"
        rows = pq.read_table(path).slice(0, 50).to_pylist()
        rows.append(dict(zip(READING_COLUMNS, (T0, "host", "no room", last, 1.0, "count"),
                             strict=True)))  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), path)

    assert "probes_died" in caveats_in(run, tmp_path, spoil)


def test_a_load_process_without_a_report_leaves_the_generator_unobserved(
    run: FakeRun, tmp_path: Path
) -> None:
    found = caveats_in(run, tmp_path, lambda folder: (folder.readings / "load-0.jsonl").unlink())

    assert "generator_unobserved" in found


@pytest.mark.parametrize(("own_cores", "is_foreign"), [(1.9, False), (0.3, True)])
def test_a_machine_that_others_use_is_no_place_to_measure(
    own_cores: float, is_foreign: bool, run: FakeRun, tmp_path: Path
) -> None:
    def busy(folder: RunFolder) -> None:
        rows = [(T0, "host", "host", "cpu_count", 2.0, "count")]
        for second in range(120):
            at = T0 + second * S
            rows += [(at, "host", "host", "cpu_share", 1.0, "share"),
                     (at, "host", "app", "cpu_share", own_cores / 2, "cores"),
                     (at, "host", "database", "cpu_share", own_cores / 2, "cores")]  # fmt: skip
        rows.append((T0 + 121 * S, "host", "host", "ended", 1.0, "count"))
        columns = {name: [row[i] for row in rows] for i, name in enumerate(READING_COLUMNS)}
        pq.write_table(pa.table(columns), folder.readings / "host.parquet")

    assert ("foreign_load" in caveats_in(run, tmp_path, busy)) is is_foreign


def test_a_log_that_was_never_sealed_is_broken(run: FakeRun, tmp_path: Path) -> None:
    found = caveats_in(
        run, tmp_path, lambda folder: (folder.samples / "load-1.log").write_bytes(b"?")
    )

    assert "sealed_from_broken_log" in found


def test_every_caveat_has_advice_in_both_languages() -> None:
    for kind in KINDS.values():
        assert kind.advice_en
        assert any("\u0e00" <= letter <= "\u0e7f" for letter in kind.advice_th)


def test_which_caveats_block_is_part_of_the_list() -> None:
    assert {name for name, kind in KINDS.items() if not kind.blocks} == {
        "violations_without_clause", "scaled", "compressed", "faults_not_tested", "probes_died",
        "generator_unobserved", "extra_logins", "wall_clock_stepped", "target_closes_connections",
        "descriptors_scarce", "sessions_unfinished", "not_calibrated", "own_load", "closed_load",
        "few_task_errors", "untimed_events",
    }  # fmt: skip
    assert {name for name, kind in KINDS.items() if kind.voids_time} == {
        "generator_late", "generator_starved", "foreign_load", "load_lost", "not_offered",
        "run_interrupted", "clock_stepped", "doubts_unknown", "machine_paused", "samples_lost",
        "calibration_failed", "littles_law", "plan_not_recorded", "keep_alive_lost",
        "lossy_network", "unreported_requests",
    }  # fmt: skip


def test_whoever_voids_the_clauses_about_time_also_blocks() -> None:
    assert all(kind.blocks for kind in KINDS.values() if kind.voids_time)
