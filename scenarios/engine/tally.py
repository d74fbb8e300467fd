"""Latencies of each operation as they happen: histograms that merge without loss, never averages.

A bucket is 1 % wide, so a percentile is within 0.5 % of the true one (facts on load, §6 item 2:
a tenth of Locust's worst rounding). Histograms of several processes merge by adding counts. A
request that got no right answer is worse than any number; it stays inside every percentile.
The verdict does not rest on this: it comes from the raw samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.records import Failure
from contracts.terms import OperationKind

Int64 = npt.NDArray[np.int64]
BUCKET_WIDTH: Final = 1.01
FLOOR_NS: Final = 1_000.0  # nothing over a network is quicker than a microsecond
CEILING_NS: Final = 4 * 3600 * 1e9
BUCKETS: Final = math.ceil(math.log(CEILING_NS / FLOOR_NS) / math.log(BUCKET_WIDTH)) + 1
# A person notices nothing below (the same limit as the judge's, harness.caveats).
LATE_NS: Final = 50_000_000
SHARES: Final = (0.5, 0.95, 0.99, 0.999)


@dataclass(slots=True)
class Histogram:
    """Counts by bucket; `unanswered` requests have no latency, `max_ns` is exact."""

    counts: Int64 = field(default_factory=lambda: np.zeros(BUCKETS, dtype=np.int64))
    unanswered: int = 0
    max_ns: int = 0

    def add(self, latency_ns: Int64, *, unanswered: int = 0) -> None:
        """Count *latency_ns*, ns, and requests without an answer."""
        self.unanswered += unanswered
        if latency_ns.size:
            self.max_ns = max(self.max_ns, int(latency_ns.max()))
            scaled = np.clip(latency_ns, FLOOR_NS, CEILING_NS) / FLOOR_NS
            places = np.floor(np.log(scaled) / math.log(BUCKET_WIDTH)).astype(np.int64)
            self.counts += np.bincount(places, minlength=BUCKETS)

    def merge(self, other: Histogram) -> None:
        """Add what *other* counted."""
        self.counts += other.counts
        self.unanswered += other.unanswered
        self.max_ns = max(self.max_ns, other.max_ns)

    def percentile_ns(self, share: float) -> float | None:
        """Return the latency that *share* of all requests keep; None when so many got no answer.

        Nearest rank, as the judge does; the middle of the bucket, never above the true maximum.
        """
        count = int(self.counts.sum())
        rank = math.ceil(share * (count + self.unanswered))
        if rank == 0 or rank > count:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        middle_ns = FLOOR_NS * BUCKET_WIDTH ** (place + 0.5)
        return min(middle_ns, float(self.max_ns))


@dataclass(slots=True)
class OperationTally:
    """What became of one operation's requests. `late` were sent over 50 ms after they were due."""

    planned: int = 0
    sent: int = 0
    errors: int = 0
    late: int = 0
    latency: Histogram = field(default_factory=Histogram)

    def merge(self, other: OperationTally) -> None:
        """Add what *other* counted."""
        self.planned += other.planned
        self.sent += other.sent
        self.errors += other.errors
        self.late += other.late
        self.latency.merge(other.latency)

    def row(self, name: str) -> dict[str, Any]:
        """Return the numbers for people: counts, and milliseconds (None: no answer)."""
        percentiles = {
            f"p{share * 100:g}_ms".replace(".", ""): _ms(self.latency.percentile_ns(share))
            for share in SHARES
        }
        max_ns = None if self.latency.unanswered else float(self.latency.max_ns)
        return {
            "operation": name,
            "planned": self.planned,
            "sent": self.sent,
            "errors": self.errors,
            "late": self.late,
            **percentiles,
            "max_ms": _ms(max_ns),
        }


class Tally:
    """All operations of one process, or of several merged."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: dict[str, OperationTally] = {}

    def add(
        self, samples: npt.NDArray[np.void], operations: Sequence[tuple[str, OperationKind]]
    ) -> None:
        """Count samples; their `operation` indexes *operations*."""
        for operation in np.unique(samples["operation"]).tolist():
            name = operations[operation][0]
            mine = self.operations.setdefault(name, OperationTally())
            _count(mine, samples[samples["operation"] == operation])

    def merge(self, other: Tally) -> None:
        """Add what *other* counted."""
        for name, theirs in other.operations.items():
            self.operations.setdefault(name, OperationTally()).merge(theirs)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per operation by name, and a last one of all together."""
        whole = OperationTally()
        for one in self.operations.values():
            whole.merge(one)
        named = sorted(self.operations.items())
        return [*(one.row(name) for name, one in named), whole.row("all operations")]

    def packed(self) -> dict[str, Any]:
        """Return plain numbers for the way to the master: of each histogram what is not zero."""
        return {name: _packed(one) for name, one in self.operations.items()}


def tally_from(packed: Mapping[str, Any]) -> Tally:
    """Return the tally in *packed*. Raises `ValueError` for anything that is none."""
    tally = Tally()
    try:
        for name, content in packed.items():
            planned, sent, errors, late, unanswered, max_ns, places, counts = content
            histogram = Histogram(unanswered=int(unanswered), max_ns=int(max_ns))
            histogram.counts[np.array(places, dtype=np.int64)] = counts
            tally.operations[str(name)] = OperationTally(
                int(planned), int(sent), int(errors), int(late), histogram
            )
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError(f"not a tally: {error}") from error
    return tally


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 3)


def _count(tally: OperationTally, samples: npt.NDArray[np.void]) -> None:
    failure = samples["failure"]
    is_well = (failure == int(Failure.NONE)) | (failure == int(Failure.EXPECTED_REFUSAL))
    is_sent = samples["sent_ns"] > 0
    is_planned = samples["attempt"] == 0
    first = is_planned & is_sent
    answered = samples[first & is_well]
    tally.planned += int(np.count_nonzero(is_planned))
    tally.sent += int(np.count_nonzero(is_sent))
    tally.errors += int(np.count_nonzero(is_sent & ~is_well))
    lateness_ns = samples["sent_ns"] - samples["planned_ns"]
    tally.late += int(np.count_nonzero(first & (lateness_ns > LATE_NS)))
    tally.latency.add(
        answered["done_ns"] - answered["planned_ns"],
        unanswered=int(np.count_nonzero(first & ~is_well)),
    )


def _packed(tally: OperationTally) -> list[Any]:
    latency = tally.latency
    places = np.flatnonzero(latency.counts)
    return [
        tally.planned, tally.sent, tally.errors, tally.late, latency.unanswered, latency.max_ns,
        places.tolist(), latency.counts[places].tolist(),
    ]  # fmt: skip
