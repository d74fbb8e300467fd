"""How far the clocks of two machines are apart, and how surely that is known.

Each question is asked and answered by time stamps (as NTP does): the master notes when it asked and
when the answer came, the worker when the question came and when it answered. The answer's way and
the question's way are each between nothing and the whole round trip, so half of the round trip
bounds the error; of several exchanges the quickest knows best. All ns, pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
# Below this, two readings lie too near to tell a drift from the error of either.
DRIFT_SPAN_NS_MIN: Final = 2_000_000_000


class Exchange(NamedTuple):
    """One question. `asked` and `answered` on the master's clock, the others on the worker's.

    `wall_ns` is the worker's wall clock at `replied_ns`.
    """

    asked_ns: int
    received_ns: int
    replied_ns: int
    answered_ns: int
    wall_ns: int

    @property
    def offset_ns(self) -> int:
        """Worker's clock minus master's."""
        return (self.received_ns - self.asked_ns + self.replied_ns - self.answered_ns) // 2

    @property
    def error_ns(self) -> int:
        """The offset is known to within this much, to either side."""
        round_trip_ns = (self.answered_ns - self.asked_ns) - (self.replied_ns - self.received_ns)
        return max(0, round_trip_ns) // 2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLine:
    """The worker's clock against the master's, as a straight line.

    `offset_ns` holds at `at_ns` of the worker's clock; `slope` is how much it grows per ns.
    `error_ns` bounds the error over the time that was watched; `drift_ns` is how far the clocks
    moved against each other in that time; `wall_step_ns` is how far the worker's wall clock was set
    in it.
    """

    at_ns: int
    offset_ns: int
    slope: float
    error_ns: int
    drift_ns: int
    wall_step_ns: int

    def on_master(self, worker_ns: Int64) -> Int64:
        """Return times of the worker on the master's clock; 0 means no time and stays 0."""
        drifted = np.rint((worker_ns - self.at_ns) * self.slope).astype(np.int64)
        return np.where(worker_ns > 0, worker_ns - self.offset_ns - drifted, 0)

    def on_worker(self, master_ns: int) -> int:
        """Return a time of the master on the worker's clock."""
        worker_ns = master_ns + self.offset_ns
        return worker_ns + round((worker_ns - self.at_ns) * self.slope)


def clock_line(exchanges: Sequence[Exchange]) -> ClockLine:
    """Return the line through the best of the first and of the last quarter of the time watched.

    What lies off that line by more than its own error is added to the bound: a clock that was set,
    or slewed, in between. Raises `ValueError` without any exchange.
    """
    if not exchanges:
        raise ValueError("nobody asked the clock")
    ordered = sorted(exchanges)
    begin_ns, end_ns = ordered[0].asked_ns, ordered[-1].asked_ns
    quarter_ns = (end_ns - begin_ns) // 4
    best = min(ordered, key=_error)
    first = min((x for x in ordered if x.asked_ns <= begin_ns + quarter_ns), key=_error)
    last = min((x for x in ordered if x.asked_ns >= end_ns - quarter_ns), key=_error)
    if end_ns - begin_ns < DRIFT_SPAN_NS_MIN:
        first = last = best
    span_ns = last.received_ns - first.received_ns
    slope = (last.offset_ns - first.offset_ns) / span_ns if span_ns > 0 else 0.0
    bends = [
        abs(x.offset_ns - first.offset_ns - slope * (x.received_ns - first.received_ns))
        - x.error_ns
        for x in ordered
    ]
    steady = [x.wall_ns - x.replied_ns for x in ordered]
    return ClockLine(
        at_ns=first.received_ns,
        offset_ns=first.offset_ns,
        slope=slope,
        error_ns=max(first.error_ns, last.error_ns) + max(0, round(max(bends))),
        drift_ns=abs(last.offset_ns - first.offset_ns),
        wall_step_ns=max(steady) - min(steady),
    )


def _error(exchange: Exchange) -> int:
    return exchange.error_ns
