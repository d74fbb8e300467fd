"""Exact percentiles of raw latencies, with the interval that says how sure they are.

Nearest rank: the smallest value that at least a share q of all requests did not exceed (Hyndman and
Fan 1996, type 1). Interval: order statistics by the binomial distribution, free of any assumption
about the shape of latencies. A request that was never answered is the largest of all values.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from harness.columns import Int64
from harness.measurements import NEVER_NS

# Above so many samples the normal approximation of the binomial is exact to well under one rank
# wherever both tails hold at least NORMAL_TAIL_MIN expected samples.
EXACT_SAMPLES_MAX: Final = 100_000
NORMAL_TAIL_MIN: Final = 50.0
CONFIDENCE: Final = 0.95
Z_95: Final = 1.959963984540054


class Percentile(NamedTuple):
    """A percentile in ns and its 95 % interval; `math.inf` where requests were never answered.

    `low_ns` is 0 and `high_ns` infinite where the samples are too few to bound that side.
    """

    value_ns: float
    low_ns: float
    high_ns: float


def nearest_rank(count: int, percentile: float) -> int:
    """Return the rank (from 1) of *percentile* (0 to 100) among *count* values in rising order."""
    # The share is a decimal of the contract: 99.9 / 100 * 1000 must be 999, not 999.0000000000001.
    return min(count, max(1, math.ceil(round(count * percentile / 100.0, 6))))


def percentile_of(latency_ns: Int64, percentile: float) -> Percentile:
    """Return the *percentile* of at least one latency; *latency_ns* is in any order."""
    count = int(latency_ns.size)
    low, high = interval_ranks(count, percentile / 100.0)
    ranks = [nearest_rank(count, percentile), *(rank for rank in (low, high) if 1 <= rank <= count)]
    ordered = np.partition(latency_ns, sorted({rank - 1 for rank in ranks}))
    return Percentile(
        value_ns=_ns(ordered[ranks[0] - 1]),
        low_ns=_ns(ordered[low - 1]) if low >= 1 else 0.0,
        high_ns=_ns(ordered[high - 1]) if high <= count else math.inf,
    )


def interval_ranks(count: int, share: float) -> tuple[int, int]:
    """Return the ranks between which the quantile of *share* lies with 95 % confidence.

    Rank 0 or *count* + 1 means that this side has no bound. Let B be binomial(count, share): the
    low rank is the largest l with P(B < l) at most 2.5 %, the high rank the smallest u with
    P(B < u) at least 97.5 %.
    """
    if not 0.0 < share < 1.0:
        return (0, count + 1)
    tail = count * min(share, 1.0 - share)
    if count > EXACT_SAMPLES_MAX and tail >= NORMAL_TAIL_MIN:
        middle, spread = count * share, Z_95 * math.sqrt(count * share * (1.0 - share))
        return (max(0, math.floor(middle - spread)), min(count + 1, math.ceil(middle + spread) + 1))
    below = np.cumsum(_binomial(count, share))  # below[k] = P(B <= k)
    alpha = (1.0 - CONFIDENCE) / 2.0
    low = int(np.searchsorted(below, alpha, side="right"))
    high = int(np.searchsorted(below, 1.0 - alpha, side="left")) + 1
    return (low, min(high, count + 1))


def _binomial(count: int, share: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    successes = np.arange(count + 1, dtype=np.float64)
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    log_ways = factorial[count] - factorial - factorial[::-1]
    log_chance = successes * math.log(share) + (count - successes) * math.log1p(-share)
    chances: np.ndarray[tuple[int], np.dtype[np.float64]] = np.exp(log_ways + log_chance)
    return chances


def _ns(value: np.int64) -> float:
    return math.inf if int(value) == NEVER_NS else float(value)
