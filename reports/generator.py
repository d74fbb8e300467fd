"""How the load generator itself did: tables of each load process and of its lateness over time.

Lateness is folded from the samples, exactly; CPU, the loop's lag and what was in flight are what
each process said of itself. What of it is too much is judged in `harness.generator_doubts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.records import Phase
from harness.checks.self_reports import SelfReport, Values
from harness.columns import Int64
from harness.generator_doubts import agreements, waited_share
from harness.littles_law import Agreement, mean_in_flight
from harness.measurements import Measurements
from reports.folds import Timeline, percentiles_by_group

PROCESSES_SHOWN: Final = 8
# A line of a process speaks of the second before it.
_LINE_NS: Final = 1_000_000_000
_LATENESS_US_MAX: Final = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """One load process over the whole load. `law` is (rate per s, mean s, their product)."""

    name: str
    report: SelfReport
    sent_count: int
    lateness_ms: tuple[float, float, float]  # p50, p99, longest
    waited_share: float
    requests: Agreement
    sessions: Agreement
    law: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """All load processes. `lateness`: window, p50_ms, p99_ms, max_ms over all of them.

    `cpu_cores` and `lag_ms` have one array per process and one entry per window; what was not said
    is not a number. `seen_mean` and `recorded_mean` are requests in flight at the looks.
    """

    processes: tuple[ProcessFacts, ...]
    lateness: pd.DataFrame
    cpu_cores: Mapping[str, npt.NDArray[np.float64]]
    lag_ms: npt.NDArray[np.float64]
    in_flight: npt.NDArray[np.float64]


def fold_generator(
    measurements: Measurements,
    reports: Mapping[str, SelfReport],
    phases: tuple[Phase, ...],
    timeline: Timeline,
    t0_ns: int,
) -> Generator:
    """Fold what the processes said of themselves beside what they recorded."""
    processes: list[ProcessFacts] = []
    start = 0
    for name, row_count in measurements.files:
        rows = slice(start, start + row_count)
        start += row_count
        if name in reports and len(processes) < PROCESSES_SHOWN:
            processes.append(_facts(measurements, rows, name, reports[name], phases))
    return Generator(
        processes=tuple(processes),
        lateness=_lateness(measurements, timeline, t0_ns),
        cpu_cores={
            one.name: _said(one.report, "cpu_share", timeline, t0_ns)["mean"].to_numpy()
            for one in processes
        },
        lag_ms=_of_all(
            [_said(one.report, "loop_lag_ms_max", timeline, t0_ns)["max"] for one in processes],
            timeline,
        ).max(axis=1).to_numpy(),
        in_flight=_of_all(
            [_seen(one.report, timeline, t0_ns) for one in processes], timeline
        ).sum(axis=1, min_count=1).to_numpy(),
    )  # fmt: skip


def _facts(
    measurements: Measurements,
    rows: slice,
    name: str,
    report: SelfReport,
    phases: tuple[Phase, ...],
) -> ProcessFacts:
    sent = (measurements.sent_ns[rows] > 0) & (measurements.done_ns[rows] > 0)
    sent_ns, done_ns = measurements.sent_ns[rows][sent], measurements.done_ns[rows][sent]
    late_us = _late_us(sent_ns - measurements.planned_ns[rows][sent])
    requests, sessions = agreements(measurements, rows, report)
    p50, _, p99 = percentiles_by_group(np.zeros(late_us.size, dtype=np.int64), late_us, 1)[0]
    return ProcessFacts(
        name=name,
        report=report,
        sent_count=int(sent_ns.size),
        lateness_ms=(float(p50), float(p99), float(late_us.max(initial=0)) / 1_000),
        waited_share=waited_share(report, tuple(phase for phase in phases if phase.is_measured)),
        requests=requests,
        sessions=sessions,
        law=mean_in_flight(sent_ns, done_ns),
    )


def _late_us(late_ns: Int64) -> npt.NDArray[np.int32]:
    return np.clip(late_ns // 1_000, 0, _LATENESS_US_MAX).astype(np.int32)


def _lateness(measurements: Measurements, timeline: Timeline, t0_ns: int) -> pd.DataFrame:
    sent = measurements.sent_ns > 0
    planned_ns = measurements.planned_ns[sent]
    late_us = _late_us(measurements.sent_ns[sent] - planned_ns)
    window = timeline.of(planned_ns - t0_ns)
    table = pd.DataFrame({"window": np.arange(timeline.count)})
    values_ms = percentiles_by_group(window, late_us, timeline.count)
    table["p50_ms"], table["p99_ms"] = values_ms[:, 0], values_ms[:, 2]
    longest = np.full(timeline.count, -1, dtype=np.int64)
    np.maximum.at(longest, window, late_us)
    table["max_ms"] = np.where(longest < 0, np.nan, longest / 1_000)
    return table


def _said(report: SelfReport, name: str, timeline: Timeline, t0_ns: int) -> pd.DataFrame:
    """Return mean and max of one reading in each window; not a number where nothing was said."""
    spoken_of_ns = report.at_ns - _LINE_NS // 2
    return _by_window(spoken_of_ns, report.values[name], timeline, t0_ns)


def _seen(report: SelfReport, timeline: Timeline, t0_ns: int) -> pd.Series:
    """Return the mean number of requests that one process saw in flight in each window."""
    looks = report.looks
    return _by_window(looks.at_ns, looks.in_flight.astype(float), timeline, t0_ns)["mean"]


def _by_window(at_ns: Int64, values: Values, timeline: Timeline, t0_ns: int) -> pd.DataFrame:
    offsets_ns = at_ns - t0_ns
    known = np.isfinite(values) & (offsets_ns >= 0) & (offsets_ns < timeline.last_s * 1e9)
    grouped = pd.Series(values[known]).groupby(timeline.of(offsets_ns[known]))
    return grouped.agg(["mean", "max"]).reindex(range(timeline.count))


def _of_all(columns: list[pd.Series], timeline: Timeline) -> pd.DataFrame:
    if not columns:
        return pd.DataFrame({0: np.full(timeline.count, np.nan)})
    return pd.concat(columns, axis=1)
