"""Doubts about the generator: each from readings that trip it, and none from readings just below.

The readings are those that an honest load process writes beside its samples (`FakeRun.said`
changes single seconds); the samples are those of a target that answers well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.records import READING_COLUMNS, Failure, Outcome
from contracts.terms import Verdict
from harness.caveat_kinds import KINDS
from harness.caveats import caveats_of_load
from harness.checks.recorded import Recorded
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from tests.fakes.judge_contract import contract
from tests.fakes.run_folders import (
    POST,
    WALL_OFFSET_NS,
    FakeRun,
    good_run,
    unanswered,
    write_samples,
)
from tests.fakes.small_ledger import MS, T0, Row, S

MEASURED = range(11, 60)  # seconds whose lines lie in the measured phases


@pytest.fixture
def run() -> FakeRun:
    return good_run(1, operations=10)


def texts_in(run: FakeRun, path: Path, *, spoil: Any = id) -> dict[str, str]:
    """Return the caveats of the written run by id, with their English text."""
    folder = run.write(path / "run")
    spoil(folder)
    recorded = Recorded(folder=folder, manifest=run.manifest)
    return {caveat.id: caveat.text_en for caveat in caveats_of_load(recorded, contract())}


def says(run: FakeRun, name: str, value: float, *, seconds: Any = MEASURED) -> None:
    for second in seconds:
        run.said.setdefault(second, {})[name] = value


# Starved.


@pytest.mark.parametrize(("busy_s", "is_starved"), [(4, False), (6, True)])
def test_a_tenth_of_the_seconds_without_spare_cpu_is_starvation(
    busy_s: int, is_starved: bool, run: FakeRun, tmp_path: Path
) -> None:
    says(run, "cpu_share", 0.95, seconds=range(20, 20 + busy_s))

    found = texts_in(run, tmp_path)

    assert ("generator_starved" in found) is is_starved
    assert not is_starved or "load-0: over 90% of a core" in found["generator_starved"]


@pytest.mark.parametrize(("lag_ms", "is_starved"), [(400.0, False), (600.0, True)])
def test_a_loop_that_stood_still_for_a_hundredth_of_the_time_was_starved(
    lag_ms: float, is_starved: bool, run: FakeRun, tmp_path: Path
) -> None:
    """The measured time is 50 s here."""
    says(run, "loop_lag_ms_max", lag_ms, seconds=[25])

    found = texts_in(run, tmp_path)

    assert ("generator_starved" in found) is is_starved
    assert not is_starved or "stood still for 600 ms" in found["generator_starved"]


def test_many_small_lags_are_no_standstill(run: FakeRun, tmp_path: Path) -> None:
    says(run, "loop_lag_ms_max", 45.0)

    assert "generator_starved" not in texts_in(run, tmp_path)


@pytest.mark.parametrize(("connections", "is_starved"), [(19_743, False), (19_744, True)])
def test_a_generator_with_no_connection_left_is_starved(
    connections: int, is_starved: bool, run: FakeRun, tmp_path: Path
) -> None:
    says(run, "connections", connections, seconds=[30])

    found = texts_in(run, tmp_path)

    assert ("generator_starved" in found) is is_starved
    assert not is_starved or "all of its 19,744 connections" in found["generator_starved"]


@pytest.mark.parametrize("name", ["cpu_steal", "cpu_throttled"])
@pytest.mark.parametrize(("share", "is_starved"), [(0.04, False), (0.06, True)])
def test_cpu_that_the_machine_below_took_is_named(
    name: str, share: float, is_starved: bool, run: FakeRun, tmp_path: Path
) -> None:
    def take(folder: RunFolder) -> None:
        rows: list[tuple[Any, ...]] = []
        for second in range(120):
            at_ns = T0 + second * S
            rows += [(at_ns, "host", "host", "cpu_share", 0.6, "share"),
                     (at_ns, "host", "host", name, share, "share")]  # fmt: skip
        rows.append((T0 + 121 * S, "host", "host", "ended", 1.0, "count"))
        columns = {column: [row[i] for row in rows] for i, column in enumerate(READING_COLUMNS)}
        pq.write_table(pa.table(columns), folder.readings / "host.parquet")

    found = texts_in(run, tmp_path, spoil=take)

    assert ("generator_starved" in found) is is_starved
    who = "the hypervisor" if name == "cpu_steal" else "the cgroup's CPU quota"
    assert not is_starved or f"{who} took 6%" in found["generator_starved"]


def test_a_starved_generator_never_makes_a_slow_target(run: FakeRun, tmp_path: Path) -> None:
    """Every answer seems to take 9 s; with a starved generator that is nobody's breach."""
    for row in run.samples:
        row["done_ns"] += 9 * S
    says(run, "loop_lag_ms_max", 900.0)

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert "generator_starved" in {caveat.id for caveat in verdict.caveats}
    by_id = {one.clause.id: one for one in verdict.clauses}
    for name in ("latency-read", "latency-post"):
        assert by_id[name].verdict == Verdict.INCONCLUSIVE
        assert "generator_starved" in by_id[name].reason.en
    assert verdict.verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("slow_every", "verdict"), [(500, Verdict.INCONCLUSIVE), (60, Verdict.BREACHED)]
)
def test_a_breach_that_lateness_of_our_own_makes_is_none(
    slow_every: int, verdict: Verdict, run: FakeRun, tmp_path: Path
) -> None:
    """One posting in 80 is sent 6 s late, too few to make the generator late as a whole; the
    target is slow in another one of 500, or of 60, where p99 may be 5 s."""
    posts = [row for row in run.samples if row["operation"] == POST]
    for place, row in enumerate(posts):
        if place % 80 == 7:
            for name in ("sent_ns", "first_byte_ns", "done_ns"):
                row[name] += 6 * S
        elif place % slow_every == 3:
            row["done_ns"] += 6 * S

    found = evaluate(run.write(tmp_path / "run"), contract())

    answer = next(one for one in found.clauses if one.clause.id == "latency-post")
    assert "generator_late" not in {caveat.id for caveat in found.caveats}
    assert answer.verdict == verdict
    assert answer.value is not None
    assert answer.value > 5
    is_explained = "without the time that the generator itself was late" in answer.reason.en
    assert is_explained is (verdict == Verdict.INCONCLUSIVE)


def test_why_the_generator_was_late_is_said(run: FakeRun, tmp_path: Path) -> None:
    for row in run.samples:
        for name in ("sent_ns", "first_byte_ns", "done_ns"):
            row[name] += 80 * MS
    for second in range(121):
        run.said[second] = {"run_delay_ns": second * S // 4}

    assert "no core in 25% of the time" in texts_in(run, tmp_path)["generator_late"]


# Clocks.


@pytest.mark.parametrize(
    ("step_ms", "found_id"),
    [(49, None), (52, "machine_paused"), (-49, None), (-52, "wall_clock_stepped")],
)
def test_a_wall_clock_that_was_set_is_told_by_its_direction(
    step_ms: int, found_id: str | None, run: FakeRun, tmp_path: Path
) -> None:
    says(run, "wall_offset_ns", WALL_OFFSET_NS + step_ms * MS, seconds=range(40, 130))

    found = texts_in(run, tmp_path)

    assert found.keys() & {"machine_paused", "wall_clock_stepped"} == ({found_id} - {None})


def test_a_wall_clock_that_is_steered_is_no_step(run: FakeRun, tmp_path: Path) -> None:
    for second in range(130):  # the fastest that the kernel steers: 500 ppm
        run.said[second] = {"wall_offset_ns": WALL_OFFSET_NS + second * MS // 2}

    assert not texts_in(run, tmp_path).keys() & {"machine_paused", "wall_clock_stepped"}


def test_a_reading_that_was_itself_interrupted_is_no_step(run: FakeRun, tmp_path: Path) -> None:
    run.said[33] = {"wall_offset_ns": WALL_OFFSET_NS + 300 * MS, "clock_doubt_ns": 310 * MS}

    assert not texts_in(run, tmp_path).keys() & {"machine_paused", "wall_clock_stepped"}


@pytest.mark.parametrize(("slept_ms", "is_paused"), [(40, False), (3_000, True)])
def test_a_suspended_machine_is_told_by_its_other_clock(
    slept_ms: int, is_paused: bool, run: FakeRun, tmp_path: Path
) -> None:
    says(run, "boot_offset_ns", slept_ms * MS, seconds=range(40, 130))

    found = texts_in(run, tmp_path)

    assert ("machine_paused" in found) is is_paused
    assert not is_paused or "suspended for 3.00 s" in found["machine_paused"]


# Descriptors and connections.


@pytest.mark.parametrize(("descriptors", "is_scarce"), [(18_000, False), (18_001, True)])
def test_a_process_near_its_limit_of_files_says_so(
    descriptors: int, is_scarce: bool, run: FakeRun, tmp_path: Path
) -> None:
    says(run, "descriptors", descriptors, seconds=[30])

    assert ("descriptors_scarce" in texts_in(run, tmp_path)) is is_scarce


@pytest.mark.parametrize(("by_target", "by_us", "found_id"), [
    (200, 200, None), (400, 0, "target_closes_connections"), (0, 400, "keep_alive_lost"),
])  # fmt: skip
def test_who_closes_connections_is_told_apart(
    by_target: int, by_us: int, found_id: str | None, run: FakeRun, tmp_path: Path
) -> None:
    """Of some 2,900 requests, a tenth may come on a connection of their own."""
    run.said[119] = {"connections_opened": 20 + by_target + by_us, "closed_by_target": by_target}

    found = texts_in(run, tmp_path)

    kinds = {"keep_alive_lost", "target_closes_connections"}
    assert found.keys() & kinds == ({found_id} - {None})


def test_connections_given_up_after_a_timeout_are_not_our_fault(
    run: FakeRun, tmp_path: Path
) -> None:
    for row in run.samples[:400]:
        unanswered(row)
    run.said[119] = {"connections_opened": 420}

    assert "keep_alive_lost" not in texts_in(run, tmp_path)


# Is the record true?


def lose(run: FakeRun, every: int) -> Any:
    """Return what takes every so many samples out of the folder, behind the process's back."""
    kept = [row for place, row in enumerate(run.samples) if place % every]
    return lambda folder: write_samples(folder.samples / "load-0.parquet", kept)


def test_samples_that_were_lost_are_missed_in_three_ways(run: FakeRun, tmp_path: Path) -> None:
    found = texts_in(run, tmp_path, spoil=lose(run, 20))

    assert {"samples_lost", "plan_not_recorded"} <= found.keys()
    assert all(KINDS[name].blocks and KINDS[name].voids_time
               for name in ("samples_lost", "littles_law", "plan_not_recorded"))  # fmt: skip


@pytest.mark.parametrize(("shift_ns", "is_broken"), [(0, False), (S // 3, True), (-S // 3, True)])
def test_times_that_are_not_those_of_the_process_break_littles_law(
    shift_ns: int, is_broken: bool, run: FakeRun, tmp_path: Path
) -> None:
    for row in run.samples:  # slow enough that some requests are in flight at each look
        row["done_ns"] += 400 * MS

    def shift(folder: RunFolder) -> None:
        moved: list[Row] = [
            row | {name: row[name] + shift_ns for name in ("sent_ns", "first_byte_ns", "done_ns")}
            for row in run.samples
        ]
        write_samples(folder.samples / "load-0.parquet", moved)

    assert ("littles_law" in texts_in(run, tmp_path, spoil=shift)) is is_broken


def test_one_request_at_the_edge_of_the_last_line_is_no_loss(run: FakeRun, tmp_path: Path) -> None:
    last = max(second for second in range(121))
    run.said[last] = {"done": len(run.samples) + 2}

    assert "samples_lost" not in texts_in(run, tmp_path)


def test_a_request_that_stands_on_record_nowhere_is_named(run: FakeRun, tmp_path: Path) -> None:
    planned = dict(run.manifest.planned_by_operation)
    run.manifest = run.manifest.evolve(
        planned_by_operation=planned | {"view_worklist": planned["view_worklist"] + 1}
    )

    found = texts_in(run, tmp_path)["plan_not_recorded"]

    assert f"view_worklist {planned['view_worklist']:,}/{planned['view_worklist'] + 1:,}" in found


@pytest.mark.parametrize(("cut", "is_said"), [(7, False), (12, True)])
def test_sessions_that_the_end_cut_off_are_counted(
    cut: int, is_said: bool, run: FakeRun, tmp_path: Path
) -> None:
    """Of 727 sessions a hundredth may be unfinished."""
    for row in run.samples:
        if row["session"] >= 600 and row["session"] < 600 + cut and row["step"] == 3:
            row |= {"sent_ns": 0, "first_byte_ns": 0, "done_ns": 0, "outcome": Outcome.REFUSED,
                    "failure": Failure.NOT_SENT}  # fmt: skip

    assert ("sessions_unfinished" in texts_in(run, tmp_path)) is is_said


def test_readings_of_an_older_kind_raise_no_doubt_about_the_record(
    run: FakeRun, tmp_path: Path
) -> None:
    def age(folder: RunFolder) -> None:
        lines = [b'{"event":"progress","at_ns":%d,"cpu_share":0.3}' % (T0 + second * S)
                 for second in range(120)]  # fmt: skip
        (folder.readings / "load-0.jsonl").write_bytes(
            b"\n".join([*lines, b'{"event":"finished"}'])
        )

    assert texts_in(run, tmp_path, spoil=age).keys() == {"compressed"}
