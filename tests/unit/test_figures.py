"""The numbers that are given to the figures, counted by hand or by a slow second way.

Not the pixels: what a figure draws is tested by what stands in its SVG as text and by the arrays
behind it.
"""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Failure, FaultEvent, Outcome, Phase
from contracts.terms import Bilingual, OperationKind
from harness.measurements import Measurements
from reports.figures.arrivals import arrival_lines, draw_arrivals
from reports.figures.bands import bands_of, named_rows
from reports.figures.drawing import Canvas, decades
from reports.figures.failures import draw_failures, failure_stack
from reports.figures.latency import draw_latency, label_places, latency_panels
from reports.figures.recovery import draw_recovery, recovery_panels
from reports.figures.resources import draw_resources, resource_stack
from reports.figures.units import draw_unit_spread, unit_spread
from reports.folds import (
    NEVER_US,
    PERCENTILES,
    WINDOWS_MAX,
    Folded,
    fold,
    percentiles_by_group,
    timeline_of,
)

T0 = 1_000_000_000_000
S = 1_000_000_000
OPERATIONS = (
    ("view_overview", OperationKind.READ),
    ("create_receipt", OperationKind.POST),
    ("authorize_at_provider", OperationKind.PROVIDER),
    ("read_other_unit", OperationKind.PROBE),
)
READ, POST, PROVIDER, PROBE = range(4)


def measured(*rows: dict[str, Any]) -> Measurements:
    """Make measurements of rows; times in s since the start, `latency_ms` None = no answer."""
    columns: dict[str, list[int]] = {
        name: []
        for name in ("planned_ns", "sent_ns", "done_ns", "session", "unit", "operation", "step",
                     "attempt", "outcome", "failure")
    }  # fmt: skip
    for place, row in enumerate(rows):
        due_ns = T0 + round(row["at_s"] * S)
        latency_ms = row.get("latency_ms", 10.0)
        failure = row.get("failure", Failure.NONE)
        is_sent = failure is not Failure.NOT_SENT
        columns["planned_ns"].append(due_ns)
        columns["sent_ns"].append(due_ns if is_sent else 0)
        answered = is_sent and latency_ms is not None
        columns["done_ns"].append(due_ns + round(latency_ms * 1e6) if answered else 0)
        columns["session"].append(row.get("session", place))
        columns["unit"].append(row.get("unit", 1_100_001))
        columns["operation"].append(row.get("operation", READ))
        columns["step"].append(row.get("step", 0))
        columns["attempt"].append(row.get("attempt", 0))
        is_ok = failure is Failure.NONE and answered
        columns["outcome"].append(Outcome.OK if is_ok else Outcome.REFUSED)
        columns["failure"].append(failure)
    types = {"planned_ns": np.int64, "sent_ns": np.int64, "done_ns": np.int64, "session": np.int32,
             "unit": np.int32, "operation": np.int16, "step": np.int16, "attempt": np.int8,
             "outcome": np.int8, "failure": np.int8}  # fmt: skip
    return Measurements(
        operations=OPERATIONS,
        files=(("load-0", len(columns["unit"])),),
        **{name: np.array(columns[name], dtype=types[name]) for name in columns},
    )


def phase(name: str, started_s: float, ended_s: float, *, is_measured: bool = True) -> Phase:
    return Phase(name=name, started_ns=T0 + round(started_s * S), ended_ns=T0 + round(ended_s * S),
                 is_measured=is_measured)  # fmt: skip


def fault(name: str, injected_s: float, healed_s: float | None) -> FaultEvent:
    healed_ns = 0 if healed_s is None else T0 + round(healed_s * S)
    return FaultEvent(name=name, target="app", injected_ns=T0 + round(injected_s * S),
                      healed_ns=healed_ns, detail="")  # fmt: skip


def folded(*rows: dict[str, Any], phases: tuple[Phase, ...] = ()) -> Folded:
    return fold(measured(*rows), phases, T0)


# Percentiles


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, NEVER_US)), max_size=200
    )
)  # fmt: skip
def test_percentiles_are_the_nearest_rank_of_each_group(values: list[tuple[int, int]]) -> None:
    group = np.array([g for g, _ in values], dtype=np.int64)
    latency_us = np.array([v for _, v in values], dtype=np.int32)

    found = percentiles_by_group(group, latency_us, 4)

    for g in range(4):
        own = sorted(v for at, v in values if at == g)
        for place, percentile in enumerate(PERCENTILES):
            if not own:
                assert math.isnan(found[g, place])
                continue
            # The smallest value that at least this share does not exceed, the slow way.
            rank = next(r for r in range(1, len(own) + 1) if r * 100 >= percentile * len(own))
            value = own[rank - 1]
            assert found[g, place] == (math.inf if value == NEVER_US else value / 1_000)


def test_silence_makes_a_percentile_worse_never_better() -> None:
    answered = [{"at_s": 0.5, "latency_ms": 10.0}] * 98
    silent = [{"at_s": 0.5, "latency_ms": None, "failure": Failure.TIMEOUT}] * 2

    row = folded(*answered, *silent).latency.query("kind == 'read' and window == 0").iloc[0]

    assert row["p50_ms"] == 10.0
    assert row["p99_ms"] == math.inf
    assert row["unanswered_count"] == 2


def test_a_quick_error_is_no_quick_answer() -> None:
    rows = [{"at_s": 0.5, "latency_ms": 1.0, "failure": Failure.SERVER_ERROR}] * 9
    row = folded(*rows, {"at_s": 0.5, "latency_ms": 50.0}).latency.iloc[0]

    assert row["p50_ms"] == math.inf


def test_a_rightful_refusal_is_an_answer() -> None:
    row = {"at_s": 1.0, "operation": PROBE, "latency_ms": 7.0, "failure": Failure.EXPECTED_REFUSAL}

    found = folded(row).operations.iloc[0]

    assert found["refused_count"] == 1
    assert found["failed_count"] == 0
    assert found["p50_ms"] == 7.0


def test_latency_counts_from_the_planned_time() -> None:
    measurements = measured({"at_s": 0.0, "latency_ms": 800.0})
    measurements.sent_ns[0] += 500_000_000

    assert fold(measurements, (), T0).latency.iloc[0]["p50_ms"] == 800.0


def test_a_retry_that_was_answered_belongs_to_its_request() -> None:
    first = {"at_s": 0.0, "latency_ms": None, "failure": Failure.CONNECTION, "session": 5}
    retry = {"at_s": 0.3, "latency_ms": 20.0, "session": 5, "attempt": 1}

    table = folded(first, retry)

    assert table.request_count == 1
    assert table.latency.iloc[0]["p50_ms"] == pytest.approx(320.0)
    assert table.carried_count == 1


def test_the_provider_is_never_charged_to_the_target() -> None:
    table = folded(
        {"at_s": 0.0, "operation": PROVIDER, "latency_ms": 9_000.0},
        {"at_s": 0.0, "latency_ms": 10.0},
    )

    assert table.request_count == 1
    assert set(table.operations["operation"]) == {"view_overview"}
    assert [panel.kind for panel in latency_panels(table)] == ["read"]


def test_requests_that_the_generator_never_offered_have_no_latency() -> None:
    table = folded({"at_s": 0.0, "failure": Failure.NOT_SENT}, {"at_s": 0.0, "latency_ms": 5.0})

    assert table.latency.iloc[0]["request_count"] == 1
    assert table.failed_count == 1


# Windows


@pytest.mark.parametrize(
    ("last_s", "requests", "window_s"),
    [(180, 200_000, 1), (180, 10_000, 5), (3_600, 2_600_000, 15), (28_800, 20_000_000, 120),
     (10, 5, 1), (0.001, 1, 1), (40, 100, 1)],
)  # fmt: skip
def test_windows_suit_the_run(last_s: float, requests: int, window_s: float) -> None:
    timeline = timeline_of(last_s, requests)

    assert timeline.window_s == window_s
    assert timeline.count <= WINDOWS_MAX
    assert timeline.last_s >= last_s


@given(st.floats(0, 1e12), st.integers(0, 10**8))
def test_windows_are_bounded_whatever_a_folder_says(last_s: float, requests: int) -> None:
    timeline = timeline_of(last_s, requests)

    assert 1 <= timeline.count <= WINDOWS_MAX
    assert timeline.last_s >= last_s


# Figures


def test_arrivals_are_planned_sent_and_carried_per_second() -> None:
    rows = [{"at_s": s + 0.1 * k} for s in range(40) for k in range(4)]
    rows += [{"at_s": 39.5, "latency_ms": None, "failure": Failure.TIMEOUT}] * 4
    lines = arrival_lines(folded(*rows), [5] * 40)

    assert len(lines.starts_s) == 40
    assert lines.planned_per_s.tolist() == [5.0] * 40
    assert lines.sent_per_s.tolist() == [4.0] * 39 + [8.0]
    assert lines.carried_per_s.tolist() == [4.0] * 40


def test_the_plan_keeps_its_sum_when_windows_hold_several_seconds() -> None:
    rows = [{"at_s": s / 2} for s in range(360)]
    table = folded(*rows)
    lines = arrival_lines(table, list(range(180)))

    assert table.timeline.window_s == 5
    assert lines.planned_per_s.sum() * 5 == sum(range(180))


def test_failures_are_shares_of_what_was_due() -> None:
    good = [{"at_s": 0.5}] * 6
    shed = [{"at_s": 0.5, "failure": Failure.SHED}] * 3
    silent = [{"at_s": 0.5, "latency_ms": None, "failure": Failure.TIMEOUT}]
    stack = failure_stack(folded(*good, *shed, *silent, {"at_s": 1.5}))

    assert list(stack.percent) == [Failure.SHED, Failure.TIMEOUT]
    assert stack.percent[Failure.SHED].tolist() == [30.0, 0.0]
    assert stack.percent[Failure.TIMEOUT].tolist() == [10.0, 0.0]
    assert stack.counts == {Failure.SHED: 3, Failure.TIMEOUT: 1}


def test_a_run_without_failures_has_no_figure_of_them() -> None:
    assert draw_failures(folded({"at_s": 0.0}), ()) is None


def test_units_are_ranked_by_their_own_p95_in_measured_phases() -> None:
    phases = (phase("ramp", 0, 1, is_measured=False), phase("steady", 1, 10))
    rows = [{"at_s": 0.5, "unit": 3, "latency_ms": 9_999.0}] * 9  # the ramp counts for nobody
    rows += [{"at_s": 2.0, "unit": 1, "latency_ms": 100.0}] * 5
    rows += [{"at_s": 2.0, "unit": 2, "latency_ms": 10.0}] * 4
    rows += [{"at_s": 2.0, "unit": 2, "latency_ms": 700.0}]
    rows += [{"at_s": 2.0, "unit": 4, "latency_ms": 5_000.0}] * 4  # too few to be ranked
    rows += [{"at_s": 2.0, "unit": 5, "latency_ms": None, "failure": Failure.TIMEOUT}] * 5
    rows += [{"at_s": 2.0, "unit": 6, "latency_ms": None, "failure": Failure.SHED}] * 5
    rows += [{"at_s": 2.0, "unit": 6}] * 45  # served more often than unit 5, so less bad
    table = folded(*rows, phases=phases)

    assert table.units["unit"].tolist() == [5, 6, 2, 1]
    assert table.units["p95_ms"].tolist() == [math.inf, math.inf, 700.0, 100.0]
    assert table.units["failed_count"].tolist() == [5, 5, 0, 0]
    spread = unit_spread(table)
    assert spread is not None
    assert spread.unit_counts.sum() == 2
    assert spread.median_ms == 700.0
    assert spread.worst_percent_ms == math.inf
    assert spread.unanswered_units == 2


@pytest.mark.parametrize("latency_ms", [0.001, 1.0, 10.0, 100.0, 999.999, 1_000.0, 60_000.0])
def test_every_unit_stands_in_the_histogram(latency_ms: float) -> None:
    rows = [
        {"at_s": 0.0, "unit": unit, "latency_ms": latency_ms} for unit in (1, 2) for _ in "12345"
    ]
    spread = unit_spread(folded(*rows))

    assert spread is not None
    assert spread.unit_counts.sum() == 2


def test_phases_hold_what_was_due_in_them() -> None:
    phases = (phase("ramp", 0, 1, is_measured=False), phase("peak", 1, 2))
    rows = [{"at_s": 0.0}, {"at_s": 0.999}, {"at_s": 1.0, "latency_ms": 30.0}, {"at_s": 2.0}]
    table = folded(*rows, phases=phases).phases

    assert table["phase"].tolist() == ["ramp", "peak"]
    assert table["request_count"].tolist() == [2, 1]
    assert table["max_ms"].tolist() == [10.0, 30.0]
    assert table["is_measured"].tolist() == [False, True]


def test_recovery_shows_the_seconds_around_a_fault() -> None:
    rows = [{"at_s": s + 0.5} for s in range(100) if not 50 <= s < 53]
    rows += [{"at_s": s + 0.5, "failure": Failure.SHED} for s in (50, 51, 52)]
    table = folded(*rows)
    (panel,) = recovery_panels(
        table, [fault("worker_kill", 50.0, 52.0)], t0_ns=T0, recovery_s={"worker_kill": 3.0}
    )

    assert panel.injected_s == 50.0
    assert panel.recovered_s == 53.0
    assert panel.seconds[0] == 30
    carried = dict(zip(panel.seconds.tolist(), panel.carried_per_s.tolist(), strict=True))
    failed = dict(zip(panel.seconds.tolist(), panel.failed_per_s.tolist(), strict=True))
    assert [carried[s] for s in (49, 50, 52, 53)] == [1, 0, 0, 1]
    assert [failed[s] for s in (49, 50, 52, 53)] == [0, 1, 1, 0]
    assert draw_recovery([panel]) is not None


def test_faults_outside_the_recorded_time_are_not_drawn() -> None:
    table = folded({"at_s": 5.0})
    events = [fault("a", -4.0, -2.0), fault("b", 5_000.0, None)]

    assert recovery_panels(table, events, t0_ns=T0, recovery_s={}) == ()
    assert draw_recovery(()) is None


def test_resources_are_means_per_window_and_role() -> None:
    timeline = timeline_of(2.0, 10**6)
    rows = [(T0, "app", "cpu_share", 0.4, "cores"), (T0 + S // 2, "app", "cpu_share", 0.6, "cores"),
            (T0 + S, "app", "cpu_share", 1.0, "cores"), (T0, "host", "cpu_share", 0.9, "share"),
            (T0, "host", "cpu_count", 2.0, "count"), (T0 - S, "app", "cpu_share", 9.0, "cores"),
            (T0, "app", "cpu_share", -5.0, "cores"),
            (T0, "x", "cpu_share", 1.0, "cores")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["at_ns", "subject", "name", "value", "unit"])
    stack = resource_stack(frame, timeline, T0)

    assert stack is not None
    assert {role: cores.tolist() for role, cores in stack.cores.items()} == {"app": [0.5, 1.0]}
    assert stack.cores_count == 2.0
    assert stack.machine_cores is not None
    assert stack.machine_cores.tolist() == [1.8, 1.8]
    assert resource_stack(frame[frame["name"] == "cpu_count"], timeline, T0) is None
    assert "<svg" in draw_resources(stack, timeline)


def test_close_faults_are_named_one_above_the_other() -> None:
    phases = (phase("steady", 0, 100), phase("blink", 100, 101))
    events = [fault(f"f{n}", 50.0 + n, 51.0 + n) for n in range(5)] + [fault("far", 90.0, None)]
    bands = bands_of(phases, events, t0_ns=T0, last_s=101.0)
    rows = {band.name.en: row for band, row in named_rows(bands, 101.0)}

    assert rows == {"Peak hour": 0, "f0": 1, "f1": 2, "f2": 3, "far": 1}


@pytest.mark.parametrize(
    ("values", "bounds"),
    [([12.0, 340.0], (10.0, 1_000.0)), ([10.0], (10.0, 100.0)), ([1_000.0], (1_000.0, 10_000.0)),
     ([], (1.0, 1_000.0)), ([math.inf, math.nan, 0.0, 5.0], (1.0, 10.0)), ([0.02], (0.01, 0.1))],
)  # fmt: skip
def test_logarithmic_axes_end_at_powers_of_ten(
    values: list[float], bounds: tuple[float, float]
) -> None:
    low, high = decades(values)

    assert (low, high) == pytest.approx(bounds)
    assert all(low <= v <= high for v in values if 0 < v < math.inf)


# What stands in the SVG


def texts(svg: str, language: str) -> list[str]:
    return re.findall(rf'<text[^>]* lang="{language}"[^>]*>([^<]*)</text>', svg)


def test_axes_are_labelled_with_units_in_both_languages() -> None:
    table = folded(*[{"at_s": float(s), "operation": s % 2} for s in range(60)])
    latency = draw_latency(table, (), {OperationKind.READ: [(99.0, 3_000.0)]})
    arrivals = draw_arrivals(table, [1] * 60, ())

    assert "Latency (ms)" in texts(latency, "en")
    assert "เวลาตอบสนอง (มิลลิวินาที)" in texts(latency, "th")
    assert "Time since the start of the load (min:s)" in texts(latency, "en")
    assert "p99 ≤ 3,000" in texts(latency, "th")
    assert {"Reading", "Posting"} <= set(texts(latency, "en"))
    assert "คำขอต่อวินาที" in texts(arrivals, "th")
    for svg in (latency, arrivals):
        assert len(texts(svg, "th")) == len(texts(svg, "en")) > 0


def test_labels_of_close_limits_stand_apart() -> None:
    places = label_places([3_000.0, 1_000.0, 1_100.0], (0.1, 100_000.0), 90.0)

    assert places[1] == pytest.approx(4 / 6)
    assert places[2] - places[1] == pytest.approx(10 / 90)
    assert places[0] - places[2] >= 10 / 90 - 1e-9


def test_figures_are_clean_svg() -> None:
    rows = [{"at_s": float(s), "unit": s % 4, "failure": Failure.SHED if s == 9 else Failure.NONE}
            for s in range(60)]  # fmt: skip
    table = folded(*rows)
    figures = [draw_latency(table, (), {}), draw_arrivals(table, [1] * 60, ()),
               draw_failures(table, ()), draw_unit_spread(table)]  # fmt: skip
    seen: set[str] = set()
    for svg in figures:
        assert svg is not None
        root = ElementTree.fromstring(str(svg))
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        references = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg))
        assert {a or b for a, b in references} == set(ids)
        assert not seen & set(ids)
        seen.update(i for i in ids if i)
        assert "font-family" not in svg
        assert "<style" not in svg
        assert "@@" not in svg
        assert "http" not in svg


def test_a_hostile_label_stays_text() -> None:
    canvas = Canvas(height_pt=50)
    hostile = "</text><script>alert(1)</script> $\\frac{1}{0}$ @@0@@"
    canvas.write(10, 10, Bilingual(th=hostile, en="fine"))

    svg = canvas.svg("x")

    assert "<script" not in svg
    assert texts(svg, "th")[0].startswith("&lt;/text&gt;&lt;script&gt;")
    assert texts(svg, "en") == ["fine"]


def test_drawing_twice_gives_the_same_bytes() -> None:
    table = folded(*[{"at_s": float(s)} for s in range(40)])

    assert draw_arrivals(table, [1] * 40, ()) == draw_arrivals(table, [1] * 40, ())
