"""What was planned against what was offered, counted exactly: sessions, operations, each second.

A later step of a session follows the answer before it, so a slow target moves it; its session's
beginning moves for nobody. Hence sessions must match one for one, at their planned instant, and
requests must match session by session and operation by operation: each planned one is a sample,
sent or not sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.terms import OperationKind
from harness.columns import Int64
from harness.measurements import Measurements
from harness.planned_load import PlannedLoad
from reports.folds import Timeline, per_s

# Planned times are whole microseconds; the engine counts from the same t0.
ON_TIME_NS_MAX: Final = 1_000
_NEVER_NS: Final = np.int64(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Plan and record side by side. Without a plan in the folder, the planned side is absent.

    `sessions`: window, planned_per_s, begun_per_s. `kinds`: kind, window, planned_per_s (as if the
    target answered at once; absent for plans too long to walk through). `activities`: activity,
    planned_count, begun_count, on_time_count, whole_count. `operations`: operation, recorded_count,
    sent_count, dropped_count (an earlier step failed), unoffered_count.
    """

    sessions: pd.DataFrame
    kinds: pd.DataFrame
    activities: pd.DataFrame
    operations: pd.DataFrame
    planned_count: int
    begun_count: int
    on_time_count: int
    exact_count: int  # sessions with exactly as many requests on record as planned

    @property
    def has_plan(self) -> bool:
        """Whether the folder tells what was planned, session by session."""
        return self.planned_count > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sessions:
    """The record by session, one entry per number: first due time and send, requests on record."""

    due_ns: Int64
    begun_ns: Int64
    recorded: Int64
    sent: Int64


def fold_offer(
    measurements: Measurements, planned: PlannedLoad | None, timeline: Timeline, t0_ns: int
) -> Offer:
    """Hold the record against the plan."""
    recorded = _sessions_of(measurements)
    begun = recorded.begun_ns < _NEVER_NS
    sessions = pd.DataFrame({
        "window": np.arange(timeline.count),
        "planned_per_s": np.nan if planned is None else per_s(planned.start_ns, timeline),
        "begun_per_s": per_s(np.maximum(recorded.begun_ns[begun] - t0_ns, 0), timeline),
    })  # fmt: skip
    matched = None if planned is None else _matched(planned, recorded, t0_ns)
    return Offer(
        sessions=sessions,
        kinds=_kinds(planned, timeline),
        activities=_activities(planned, matched),
        operations=_operations(measurements),
        planned_count=0 if planned is None else int(planned.session.size),
        begun_count=int(np.count_nonzero(begun)),
        on_time_count=0 if matched is None else int(matched["on_time"].sum()),
        exact_count=0 if matched is None else int(matched["exact"].sum()),
    )


def _sessions_of(measurements: Measurements) -> _Sessions:
    size = int(measurements.session.max(initial=-1)) + 1
    sent = measurements.sent_ns > 0
    due_ns, begun_ns = (np.full(size, _NEVER_NS) for _ in range(2))
    np.minimum.at(due_ns, measurements.session, measurements.planned_ns)
    np.minimum.at(begun_ns, measurements.session[sent], measurements.sent_ns[sent])
    first = measurements.is_request
    return _Sessions(
        due_ns=due_ns,
        begun_ns=begun_ns,
        recorded=np.bincount(measurements.session[first], minlength=size),
        sent=np.bincount(measurements.session[first & sent], minlength=size),
    )


def _matched(planned: PlannedLoad, recorded: _Sessions, t0_ns: int) -> pd.DataFrame:
    """Return one row per planned session: was it begun, when it should, with all its requests."""
    known = planned.session < recorded.due_ns.size
    places = np.where(known, planned.session, 0)

    def of(column: Int64, absent: int) -> npt.NDArray[Any]:
        values = column[places] if column.size else np.full(places.size, absent)
        return np.where(known, values, absent)

    due_ns = of(recorded.due_ns, int(_NEVER_NS))
    begun = of(recorded.begun_ns, int(_NEVER_NS)) < _NEVER_NS
    is_due = np.abs(np.where(begun, due_ns - t0_ns, -1) - planned.start_ns) <= ON_TIME_NS_MAX
    return pd.DataFrame({
        "activity": planned.activity,
        "begun": begun,
        "on_time": begun & is_due,
        "exact": of(recorded.recorded, -1) == planned.requests,
        "whole": of(recorded.sent, -1) == planned.requests,
    })  # fmt: skip


def _kinds(planned: PlannedLoad | None, timeline: Timeline) -> pd.DataFrame:
    columns = ["kind", "window", "planned_per_s"]
    tables = []
    counts = planned.per_s if planned is not None else np.zeros((0, 0))
    for kind, due in zip(OperationKind, counts, strict=False):
        if due.any():
            offsets_ns = np.arange(due.size, dtype=np.int64) * 1_000_000_000
            sums = np.bincount(timeline.of(offsets_ns), weights=due, minlength=timeline.count)
            tables.append(pd.DataFrame({
                "kind": kind.value,
                "window": np.arange(timeline.count),
                "planned_per_s": sums / timeline.window_s,
            }))  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _activities(planned: PlannedLoad | None, matched: pd.DataFrame | None) -> pd.DataFrame:
    columns = ["activity", "planned_count", "begun_count", "on_time_count", "whole_count"]
    if planned is None or matched is None:
        return pd.DataFrame(columns=columns)
    sums = matched.groupby("activity")[["begun", "on_time", "whole"]].sum()
    return pd.DataFrame({
        "activity": [planned.activities[place] for place in sums.index],
        "planned_count": matched.groupby("activity").size().to_numpy(),
        "begun_count": sums["begun"].to_numpy(),
        "on_time_count": sums["on_time"].to_numpy(),
        "whole_count": sums["whole"].to_numpy(),
    }).sort_values("planned_count", ascending=False, ignore_index=True)  # fmt: skip


def _operations(measurements: Measurements) -> pd.DataFrame:
    count = len(measurements.operations)

    def counted(rows: npt.NDArray[np.bool_]) -> Int64:
        return np.bincount(measurements.operation[rows], minlength=count)

    return pd.DataFrame({
        "operation": [name for name, _ in measurements.operations],
        "recorded_count": counted(measurements.is_request),
        "sent_count": counted(measurements.is_request & (measurements.sent_ns > 0)),
        "dropped_count": counted(measurements.is_dropped),
        "unoffered_count": counted(measurements.is_unoffered),
    })  # fmt: skip
