"""A calibration as kept: read back as written, refused when broken, told as a table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.calibration.course import (
    FULL,
    QUICK,
    SHARES,
    STALL_MARGIN,
    extent_of,
    mix_stretches,
    stall_stretches,
)
from harness.calibration.drive import figures_between
from harness.calibration.joining import Counts, Joined
from harness.calibration.record import Calibration, Row, calibration_of, worst_errors
from harness.calibration.stairs import Stairs, highest_rate, stairs
from harness.calibration.store import check_place, keep, last_calibration
from harness.calibration.table import aligned, calibration_lines
from harness.failures import BadSetup
from harness.machine import Machine, engine_sha256, this_machine
from scenarios.strict_json import BadJson, Place, parse_strictly
from tests.fakes.calibrations import TwoRecords, calibration, latencies

HERE = Machine(id="0123456789ab", about="a test's machine, 2 cores")


def read(content: dict[str, Any]) -> Calibration:
    return calibration_of(Place(content, "calibration", ""))


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    found = calibration()

    path = keep(found, tmp_path)

    assert path == tmp_path / "calibrations" / "0123456789ab.json"
    assert last_calibration(tmp_path, HERE) == (found, "")
    assert json.loads(path.read_bytes())["is_must_met"] is True


def test_a_machine_that_was_never_calibrated_has_none_and_no_complaint(tmp_path: Path) -> None:
    assert last_calibration(tmp_path, HERE) == (None, "")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": "monthend-calibration/9"}', b"\xff", b"{" * 100_000],
)
def test_a_broken_file_is_one_line_and_none(tmp_path: Path, content: bytes) -> None:
    keep(calibration(), tmp_path).write_bytes(content)

    found, why = last_calibration(tmp_path, HERE)

    assert found is None
    assert why.startswith("the last calibration is not used: ")
    assert "\n" not in why


def test_the_calibration_of_another_machine_is_not_used(tmp_path: Path) -> None:
    path = keep(replace(calibration(), machine="ba9876543210"), tmp_path)
    path.rename(path.with_name("0123456789ab.json"))

    found, why = last_calibration(tmp_path, HERE)

    assert found is None
    assert "is of machine ba9876543210" in why


def test_where_nothing_can_be_kept_is_said_before_any_load(tmp_path: Path) -> None:
    (tmp_path / "calibrations").write_bytes(b"a file in the way")

    with pytest.raises(BadSetup, match="cannot be kept"):
        check_place(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("machine", "../../etc"), ("engine_sha256", "x"), ("rate_max_per_s", "fast"),
        ("rate_max_per_s", -1), ("rows", []), ("loads", None), ("counts", {}),
        ("is_quick", 1), ("rows", [{"kind": "<script>"}]), ("foreign_share", 7),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(BadJson, match=key):
        read({**calibration().content(), key: value})


def test_what_it_claims_of_itself_is_not_believed() -> None:
    content = {**calibration(factor=1.5).content(), "is_must_met": True, "is_aim_met": True}

    assert not read(content).is_must_met


@pytest.mark.parametrize(
    ("factor", "is_must_met", "is_aim_met"),
    [(1.0, True, True), (1.009, True, True), (1.015, True, False), (0.985, True, False),
     (1.03, False, False), (0.97, False, False)],
)  # fmt: skip
def test_the_budgets_are_two_and_one_percent(
    factor: float, is_must_met: bool, is_aim_met: bool
) -> None:
    found = calibration(factor=factor)

    assert (found.is_must_met, found.is_aim_met) == (is_must_met, is_aim_met)


def test_a_small_error_in_ms_is_within_whatever_its_share() -> None:
    true = latencies(0.001)
    row = Row(
        kind="plain",
        share=0.9,
        count=100,
        true_ms=true,
        measured_ms=replace(true, p50=true.p50 + 0.9, longest=500.0),
    )

    assert row.is_within(1.0, 0.02)
    assert not row.is_within(0.5, 0.01)


def test_the_longest_alone_judges_nobody() -> None:
    true = latencies()
    row = Row(
        kind="plain", share=0.9, count=9, true_ms=true, measured_ms=replace(true, longest=999.0)
    )

    assert row.is_within(0.5, 0.01)
    assert worst_errors([row]) == (0.0, 0.0)


def test_nothing_compared_is_nothing_met() -> None:
    assert not replace(calibration(), rows=()).is_must_met


@pytest.mark.parametrize("name", ["lost", "doubled", "unasked", "unsent", "miscounted",
                                  "replanned", "impossible", "untold"])  # fmt: skip
def test_one_request_that_is_counted_wrong_fails_the_must(name: str) -> None:
    counts = Counts(**{"planned": 10, "answered": 9, "resent": 0, name: 1})

    assert not calibration(counts=counts).is_must_met


def test_the_table_holds_every_row_and_says_what_missed() -> None:
    found = calibration(factor=1.03, counts=Counts(planned=7654, answered=7, resent=0, lost=3))

    lines = calibration_lines(found)
    text = "\n".join(lines)

    assert sum(line.startswith(("plain ", "exponential ", "stall ")) for line in lines) == 9
    assert "highest true rate 8,000 requests/s" in text
    assert "7,654 planned" in text
    assert "3 lost" in text
    assert "2% or 1 ms, counts exact: NOT met (the counts, plain at 10%" in text
    assert "+1.50" in text  # p99.9 of 50 ms, 3 % too high
    assert all(line == line.rstrip() for line in lines)


def test_a_calibration_that_keeps_the_budgets_says_so() -> None:
    text = "\n".join(calibration_lines(calibration()))

    assert text.count("counts exact: met") == 2


def test_columns_are_aligned() -> None:
    assert aligned([("a", "b"), ("long", "1,000")]) == ["a         b", "long  1,000"]


# The stairs.


def climbed(*, late_from: int, step: str = "lateness_ns") -> tuple[Stairs, Joined, Any]:
    """Ten steps of a tenth of a second; from step *late_from* on everything is 20 ms late."""
    records = TwoRecords()
    joined = records.joined()
    is_late = joined.planned_ns >= late_from * 100_000_000
    late = {step: getattr(joined, step) + np.where(is_late, 20_000_000, 0)}
    return (
        Stairs(rates_per_s=tuple(1000.0 for _ in range(10)), step_s=0.1),
        replace(joined, **late),
        records.start_ns,
    )


def test_the_highest_rate_is_the_last_step_on_time() -> None:
    steps = stairs(first_per_s=1000, factor=2, last_per_s=9000, step_s=1.0)

    assert steps.rates_per_s == (1000, 2000, 4000, 8000)
    assert highest_rate(*climbed(late_from=10)) == pytest.approx(1000)
    assert highest_rate(*climbed(late_from=0)) == 0.0


def test_an_answer_that_is_taken_note_of_late_is_late_too() -> None:
    assert highest_rate(*climbed(late_from=0, step="measured_ns")) == 0.0


def test_a_step_that_lost_a_request_does_not_count() -> None:
    records = TwoRecords(count=100)
    records.samples = records.samples[1:]
    steps = Stairs(rates_per_s=(1000.0,), step_s=0.1)

    assert highest_rate(steps, records.joined(), records.start_ns) == 0.0


# The course.


@pytest.mark.parametrize("extent", [QUICK, FULL])
def test_stretches_follow_each_other_and_rise(extent: Any) -> None:
    for stretches in (mix_stretches(extent, 6000.0), stall_stretches(extent, 6000.0, 50_000)):
        assert [stretch.share for stretch in stretches] == list(SHARES)
        assert [a.to_ns for a in stretches[:-1]] == [b.from_ns for b in stretches[1:]]


@given(st.floats(100, 100_000), st.integers(600, 30_000))
def test_a_stall_never_takes_more_connections_than_there_are(rate: float, descriptors: int) -> None:
    for stretch in stall_stretches(FULL, rate, descriptors):
        assert stretch.rate_per_s * FULL.stall_s * STALL_MARGIN <= descriptors
        assert stretch.share == pytest.approx(stretch.rate_per_s / rate, abs=1e-3)


@pytest.mark.parametrize("duration_s", [0.0, 1.0, -3.0, float("nan"), float("inf")])
def test_a_duration_that_measures_nothing_is_refused(duration_s: float) -> None:
    with pytest.raises(BadSetup, match="--duration"):
        extent_of(is_quick=True, duration_s=duration_s)


def test_cpu_counts_between_two_reports() -> None:
    second = 1_000_000_000
    lines = [
        {"at_ns": at * second, "done": at * 1000, "cpu_share": 0.05 * at,
         "rss_bytes": at * 1_000_000, "connections": 10 - at}
        for at in range(1, 6)
    ]  # fmt: skip

    found = figures_between(lines, 2 * second, 4 * second)

    assert found == (pytest.approx(175.0), pytest.approx(0.175), 4_000_000, 8)


# The machine.


def test_the_engine_is_named_by_its_files(tmp_path: Path) -> None:
    engine = tmp_path / "scenarios" / "engine"
    engine.mkdir(parents=True)
    (engine / "fleet.py").write_text("a = 1\n")
    before = engine_sha256(tmp_path)
    (engine / "fleet.py").write_text("a = 2\n")

    assert engine_sha256(tmp_path) != before
    assert len(engine_sha256()) == 64
    assert this_machine() == this_machine()
    assert len(this_machine().id) == 12


def test_a_manifest_may_hold_it() -> None:
    content = json.dumps(calibration().content()).encode()

    assert calibration_of(parse_strictly(content, "manifest")) == calibration()
