"""Folds of the recorded requests into the small tables that the page and its figures show.

Latency is the judge's own (`harness.measurements`): from the planned time to the first right
answer. A request that never got one sorts after all answers, so silence and errors cannot make a
latency look better: a percentile that falls among them is `inf`, which the page prints in words.
Percentiles are exact nearest-rank values over the raw column (Hyndman and Fan 1996, type 1), never
averages of percentiles. Requests that the generator failed to offer have no latency; they count as
not sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.records import Failure, Phase
from contracts.terms import OperationKind
from harness.measurements import NEVER_NS, Measurements

PERCENTILES: Final = (50.0, 95.0, 99.0)
WINDOWS_MAX: Final = 240
WINDOWS_MIN: Final = 30
# A p99 of fewer requests is the slowest one of them.
WINDOW_REQUESTS_MIN: Final = 400
# Lengths of a window that a reader can say: from 1 s up to a day.
WINDOW_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400)
# A unit's p95 over fewer requests than this is not ranked: it would be the luck of one request.
UNIT_REQUESTS_MIN: Final = 5
# A soak of 72 h has 259,200 s; more is a broken folder.
SECONDS_MAX: Final = 300_000
WORST_UNITS_SHOWN: Final = 20
ERRORS: Final = tuple(
    failure for failure in Failure if failure not in (Failure.NONE, Failure.EXPECTED_REFUSAL)
)
# Microseconds that stand for "never answered": they sort after every latency (35 min at most).
NEVER_US: Final = int(np.iinfo(np.int32).max)
# The identity provider's own time is never charged to the target.
_FOREIGN_KINDS: Final = frozenset({OperationKind.PROVIDER})

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Windows of equal length from the start of the load; all tables count in the same windows."""

    window_s: float
    count: int

    @property
    def last_s(self) -> float:
        """End of the last window in s since the start of the load."""
        return self.window_s * self.count

    @property
    def starts_s(self) -> npt.NDArray[np.float64]:
        """Start of each window in s since the start of the load."""
        return np.arange(self.count, dtype=np.float64) * self.window_s

    @property
    def middles_s(self) -> npt.NDArray[np.float64]:
        """Middle of each window, where a figure puts its value."""
        return self.starts_s + self.window_s / 2

    def of(self, offsets_ns: Int64) -> Int64:
        """Return the window of each offset; the outer windows take what lies beyond them."""
        return np.clip(offsets_ns // round(self.window_s * 1e9), 0, self.count - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """All tables of one run. Columns end in their units; times are s since the start of the load.

    `latency`: kind, window, p50_ms, p95_ms, p99_ms, request_count, unanswered_count.
    `rates`: window, due_per_s, sent_per_s, carried_per_s.
    `kind_rates`: kind, window, due_per_s, sent_per_s, carried_per_s.
    `failures`: window, due_count and one column per name of `ERRORS`.
    `seconds`: second, carried_count (by time of the answer), failed_count (by planned time).
    `phases`: phase, is_measured, kind, request_count, unanswered_count, p50..p99_ms, max_ms.
    `operations`: operation, kind, request_count, ok_count, refused_count, failed_count, p50_ms...
    `units`: unit, request_count, failed_count, p95_ms; units with enough requests, worst first.
    """

    timeline: Timeline
    latency: pd.DataFrame
    rates: pd.DataFrame
    kind_rates: pd.DataFrame
    failures: pd.DataFrame
    seconds: pd.DataFrame
    phases: pd.DataFrame
    operations: pd.DataFrame
    units: pd.DataFrame
    request_count: int
    sent_count: int
    carried_count: int
    failed_count: int
    unanswered_count: int
    units_answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requests:
    """The requests of the plan (first attempts), one entry each; times are ns since the start."""

    operations: tuple[tuple[str, OperationKind], ...]
    operation: npt.NDArray[np.int16]
    unit: Int32
    planned_ns: Int64
    sent_ns: Int64  # -1 when it was never sent
    carried_ns: Int64  # when the right answer came; -1 without one
    latency_us: Int32  # NEVER_US without a right answer
    is_timed: Flags  # takes part in latency
    failure: npt.NDArray[np.int8]

    @property
    def is_failed(self) -> Flags:
        return np.isin(self.failure, ERRORS)


def timeline_of(last_offset_s: float, request_count: int = 0) -> Timeline:
    """Choose windows: few enough to be seen, long enough to hold a percentile.

    The shortest step that gives at most `WINDOWS_MAX` windows with `WINDOW_REQUESTS_MIN` requests
    each in the mean, as long as `WINDOWS_MIN` windows are left.
    """
    needed = max(last_offset_s, 1.0)
    for step, longer in pairwise((*WINDOW_STEPS_S, needed)):
        is_full = request_count * step / needed >= WINDOW_REQUESTS_MIN
        if needed / step <= WINDOWS_MAX and (is_full or needed / longer < WINDOWS_MIN):
            return Timeline(window_s=step, count=max(1, int(np.ceil(needed / step))))
    return Timeline(window_s=float(np.ceil(needed / WINDOWS_MAX)), count=WINDOWS_MAX)


def fold(measurements: Measurements, phases: tuple[Phase, ...], t0_ns: int) -> Folded:
    """Fold all requests of a run that the target has to answer for."""
    requests = _requests(measurements, t0_ns)
    latest = max(int(requests.planned_ns.max(initial=0)), int(requests.sent_ns.max(initial=0)))
    timeline = timeline_of((latest + 1) / 1e9, int(requests.operation.size))
    window = timeline.of(requests.planned_ns)
    carried = requests.carried_ns >= 0
    return Folded(
        timeline=timeline,
        latency=_latency(requests, timeline, window),
        rates=_rates(requests, timeline),
        kind_rates=_kind_rates(requests, timeline),
        failures=_failures(requests, timeline, window),
        seconds=_seconds(requests),
        phases=_phases(requests, phases, t0_ns),
        operations=_operations(requests),
        units=_units(requests, _measured(requests, phases, t0_ns)),
        request_count=int(requests.operation.size),
        sent_count=int(np.count_nonzero(requests.sent_ns >= 0)),
        carried_count=int(np.count_nonzero(carried)),
        failed_count=int(np.count_nonzero(requests.is_failed)),
        unanswered_count=int(np.count_nonzero(requests.latency_us[requests.is_timed] == NEVER_US)),
        units_answered=int(np.unique(requests.unit[carried]).size),
    )


def percentiles_by_group(
    group: npt.NDArray[Any], latency_us: Int32, group_count: int
) -> npt.NDArray[np.float64]:
    """Return nearest-rank percentiles in ms, shape (group_count, len(PERCENTILES)).

    *group*: one int 0..group_count-1 per value, any order. A group without values gives nan; a
    percentile among requests without a right answer gives inf.
    """
    key = (group.astype(np.int64) << 32) | latency_us
    key.sort()
    edges = np.searchsorted(key, np.arange(group_count + 1, dtype=np.int64) << 32)
    sizes = np.diff(edges)
    result = np.full((group_count, len(PERCENTILES)), np.nan)
    filled = sizes > 0
    for place, percentile in enumerate(PERCENTILES):
        # ceil(p * n / 100) in whole numbers: a float product would miss exact ranks.
        rank = -(-sizes[filled] * round(percentile * 10) // 1_000)
        value = key[edges[:-1][filled] + rank - 1] & 0xFFFF_FFFF
        result[filled, place] = np.where(value == NEVER_US, np.inf, value / 1_000)
    return result


def _requests(measurements: Measurements, t0_ns: int) -> _Requests:
    chosen = measurements.is_request & ~measurements.of_kinds(_FOREIGN_KINDS)
    failure = measurements.failure[chosen]
    planned_ns = measurements.planned_ns[chosen]
    sent_ns = measurements.sent_ns[chosen]
    latency_ns = measurements.latency_ns[chosen]
    # A request that had to be refused and was has its right answer in the refusal.
    refused = failure == Failure.EXPECTED_REFUSAL
    done_ns = measurements.done_ns[chosen]
    latency_ns[refused] = np.maximum(done_ns[refused] - planned_ns[refused], 0)
    is_never = latency_ns == NEVER_NS
    carried_ns = np.where(is_never, -1, planned_ns + np.where(is_never, 0, latency_ns) - t0_ns)
    latency_us = np.minimum(latency_ns // 1_000, NEVER_US - 1).astype(np.int32)
    latency_us[is_never] = NEVER_US
    return _Requests(
        operations=measurements.operations,
        operation=measurements.operation[chosen],
        unit=measurements.unit[chosen],
        planned_ns=planned_ns - t0_ns,
        sent_ns=np.where(sent_ns > 0, np.maximum(sent_ns - t0_ns, 0), -1),
        carried_ns=np.maximum(carried_ns, -1),
        latency_us=latency_us,
        is_timed=~measurements.is_unoffered[chosen],
        failure=failure,
    )


def _latency(requests: _Requests, timeline: Timeline, window: Int64) -> pd.DataFrame:
    kinds, kind_of = _kinds(requests)
    timed = requests.is_timed
    group = (kind_of[requests.operation].astype(np.int64) * timeline.count + window)[timed]
    latency_us = requests.latency_us[timed]
    group_count = len(kinds) * timeline.count
    table = pd.DataFrame({
        "kind": np.repeat(np.array([kind.value for kind in kinds], dtype=object), timeline.count),
        "window": np.tile(np.arange(timeline.count), len(kinds)),
        "request_count": np.bincount(group, minlength=group_count),
        "unanswered_count": np.bincount(group[latency_us == NEVER_US], minlength=group_count),
    })  # fmt: skip
    _add_percentiles(table, percentiles_by_group(group, latency_us, group_count))
    return table


def per_s(offsets_ns: Int64, timeline: Timeline) -> npt.NDArray[np.float64]:
    """Return events per second in each window; negative offsets stand for what never happened."""
    # What came behind the last window is no part of the last window's rate.
    within = offsets_ns[(offsets_ns >= 0) & (offsets_ns < timeline.last_s * 1e9)]
    return np.bincount(timeline.of(within), minlength=timeline.count) / timeline.window_s


def _rates(requests: _Requests, timeline: Timeline) -> pd.DataFrame:
    return pd.DataFrame({
        "window": np.arange(timeline.count),
        "due_per_s": per_s(np.maximum(requests.planned_ns, 0), timeline),
        "sent_per_s": per_s(requests.sent_ns, timeline),
        "carried_per_s": per_s(requests.carried_ns, timeline),
    })  # fmt: skip


def _kind_rates(requests: _Requests, timeline: Timeline) -> pd.DataFrame:
    kinds, kind_of = _kinds(requests)
    kind = kind_of[requests.operation]
    tables = [
        pd.DataFrame({
            "kind": one.value,
            "window": np.arange(timeline.count),
            "due_per_s": per_s(np.maximum(requests.planned_ns[kind == place], 0), timeline),
            "sent_per_s": per_s(requests.sent_ns[kind == place], timeline),
            "carried_per_s": per_s(requests.carried_ns[kind == place], timeline),
        })
        for place, one in enumerate(kinds)
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _failures(requests: _Requests, timeline: Timeline, window: Int64) -> pd.DataFrame:
    table = pd.DataFrame({"window": np.arange(timeline.count)})
    table["due_count"] = np.bincount(window, minlength=timeline.count)
    for failure in ERRORS:
        hit = window[requests.failure == failure]
        table[failure.name] = np.bincount(hit, minlength=timeline.count)
    return table


def _seconds(requests: _Requests) -> pd.DataFrame:
    latest_ns = max(int(requests.planned_ns.max(initial=0)), 0)
    last = min(SECONDS_MAX - 1, latest_ns // 1_000_000_000)

    def per_second(offsets_ns: Int64) -> Int64:
        seconds = offsets_ns // 1_000_000_000
        within = (seconds >= 0) & (seconds <= last)
        return np.bincount(seconds[within], minlength=last + 1)

    return pd.DataFrame({
        "second": np.arange(last + 1),
        "carried_count": per_second(requests.carried_ns),
        "failed_count": per_second(requests.planned_ns[requests.is_failed]),
    })  # fmt: skip


def _phases(requests: _Requests, phases: tuple[Phase, ...], t0_ns: int) -> pd.DataFrame:
    kinds, kind_of = _kinds(requests)
    kind = kind_of[requests.operation]
    columns = ["phase", "is_measured", "kind", "request_count", "unanswered_count", "p50_ms",
               "p95_ms", "p99_ms", "max_ms"]  # fmt: skip
    rows: list[pd.DataFrame] = []
    for phase in phases:
        within = _within(requests, phase, t0_ns) & requests.is_timed
        group, latency_us = kind[within].astype(np.int64), requests.latency_us[within]
        table = pd.DataFrame({
            "phase": phase.name,
            "is_measured": phase.is_measured,
            "kind": [kind.value for kind in kinds],
            "request_count": np.bincount(group, minlength=len(kinds)),
            "unanswered_count": np.bincount(group[latency_us == NEVER_US], minlength=len(kinds)),
        })  # fmt: skip
        _add_percentiles(table, percentiles_by_group(group, latency_us, len(kinds)))
        answered = latency_us != NEVER_US
        longest = pd.Series(latency_us[answered] / 1_000).groupby(group[answered]).max()
        table["max_ms"] = longest.reindex(range(len(kinds))).to_numpy()
        rows.append(table[table["request_count"] > 0])
    if not rows:
        return pd.DataFrame(columns=columns)
    return pd.concat(rows, ignore_index=True)[columns]


def _operations(requests: _Requests) -> pd.DataFrame:
    group_count = len(requests.operations)
    timed = requests.is_timed

    def counted(mask: Flags) -> Int64:
        return np.bincount(requests.operation[mask], minlength=group_count)

    refused = requests.failure == Failure.EXPECTED_REFUSAL
    table = pd.DataFrame({
        "operation": [name for name, _ in requests.operations],
        "kind": [kind.value for _, kind in requests.operations],
        "request_count": counted(np.ones(requests.operation.size, dtype=bool)),
        "ok_count": counted((requests.carried_ns >= 0) & ~refused),
        "refused_count": counted(refused),
        "failed_count": counted(requests.is_failed),
    })  # fmt: skip
    _add_percentiles(
        table,
        percentiles_by_group(requests.operation[timed], requests.latency_us[timed], group_count),
    )
    table["order"] = table["kind"].map([kind.value for kind in OperationKind].index)
    table = table[table["request_count"] > 0]
    ordered = table.sort_values(["order", "request_count"], ascending=[True, False])
    return ordered.drop(columns="order").reset_index(drop=True)


def _units(requests: _Requests, measured: Flags) -> pd.DataFrame:
    chosen = measured & requests.is_timed
    units, group = np.unique(requests.unit[chosen], return_inverse=True)
    failed = requests.is_failed[chosen]
    table = pd.DataFrame({
        "unit": units,
        "request_count": np.bincount(group, minlength=units.size),
        "failed_count": np.bincount(group[failed], minlength=units.size),
    })  # fmt: skip
    latency_us = requests.latency_us[chosen]
    _add_percentiles(table, percentiles_by_group(group, latency_us, units.size))
    silent = np.bincount(group[latency_us == NEVER_US], minlength=units.size)
    table["unanswered_share"] = silent / table["request_count"]
    enough = table[table["request_count"] >= UNIT_REQUESTS_MIN]
    # Among units whose p95 is no number, those that got least are worst.
    return enough.sort_values(
        ["p95_ms", "unanswered_share", "request_count", "unit"],
        ascending=[False, False, False, True],
        ignore_index=True,
    )[["unit", "request_count", "failed_count", "p95_ms"]]


def _measured(requests: _Requests, phases: tuple[Phase, ...], t0_ns: int) -> Flags:
    measured = [phase for phase in phases if phase.is_measured]
    mask = np.full(requests.operation.size, not measured)
    for phase in measured:
        mask |= _within(requests, phase, t0_ns)
    return mask


def _within(requests: _Requests, phase: Phase, t0_ns: int) -> Flags:
    mask: Flags = requests.planned_ns >= phase.started_ns - t0_ns
    mask &= requests.planned_ns < phase.ended_ns - t0_ns
    return mask


def _kinds(requests: _Requests) -> tuple[list[OperationKind], npt.NDArray[np.int8]]:
    """Return the kinds present, in the contract's order, and the place of each operation in it."""
    present = {kind for _, kind in requests.operations}
    kinds = [kind for kind in OperationKind if kind in present]
    places = [kinds.index(kind) for _, kind in requests.operations]
    return kinds, np.array(places, dtype=np.int8)


def _add_percentiles(table: pd.DataFrame, values_ms: npt.NDArray[np.float64]) -> None:
    for place, percentile in enumerate(PERCENTILES):
        table[f"p{percentile:g}_ms"] = values_ms[:, place]
