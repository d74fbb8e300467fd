"""From joined requests to the rows that a person reads: measured against true, kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from harness.calibration.delays import Kind
from harness.calibration.joining import Counts, Joined
from harness.calibration.record import Latencies, Row
from harness.checks.percentiles import nearest_rank
from harness.columns import Flags, Int64

PERCENTILES: Final = (50.0, 99.0, 99.9, 100.0)
STALL: Final = "stall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time of one load with one rate. Times are ns from t0, the end not included.

    `share`: of the highest rate. *is_stalled*: the server stands still now and then meanwhile.
    """

    share: float
    rate_per_s: float
    from_ns: int
    to_ns: int
    is_stalled: bool = False

    def holds(self, planned_ns: Int64) -> Flags:
        """Say which planned times lie inside."""
        inside: Flags = (planned_ns >= self.from_ns) & (planned_ns < self.to_ns)
        return inside


def rows_of(joined: Joined, stretches: Sequence[Stretch]) -> tuple[Row, ...]:
    """Return a row for each kind and stretch that holds answers."""
    rows = []
    for stretch in stretches:
        inside = stretch.holds(joined.planned_ns) & joined.is_answered
        for kind in Kind:
            chosen = inside & (joined.kind == kind)
            if chosen.any():
                name = STALL if stretch.is_stalled else kind.path
                rows.append(_row(name, stretch.share, joined, chosen))
    return tuple(rows)


def _row(kind: str, share: float, joined: Joined, chosen: Flags) -> Row:
    return Row(
        kind=kind,
        share=share,
        count=int(np.count_nonzero(chosen)),
        true_ms=latencies_ms(joined.true_ns[chosen]),
        measured_ms=latencies_ms(joined.measured_ns[chosen]),
    )


def latencies_ms(latency_ns: Int64) -> Latencies:
    """Return the percentiles by nearest rank of at least one latency."""
    ranks = [nearest_rank(latency_ns.size, percentile) - 1 for percentile in PERCENTILES]
    ordered = np.partition(latency_ns, ranks)
    p50, p99, p999, longest = (round(float(ordered[rank]) / 1e6, 6) for rank in ranks)
    return Latencies(p50=p50, p99=p99, p999=p999, longest=longest)


def summed(counts: Sequence[Counts]) -> Counts:
    """Return the sum of what several loads did not agree on."""
    return Counts(
        **{field.name: sum(getattr(one, field.name) for one in counts) for field in fields(Counts)}
    )
