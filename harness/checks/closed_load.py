"""What a closed load hides: while its users wait for a stalled target they ask for nothing.

Each user has a usual cycle, the median time from one of its requests to the next. A request that
took v in a cycle of e kept the requests due after e, 2e, ... from being sent; they would have
waited v - e, v - 2e, ... They are added to the percentile, each weighted by the share that the
operations in question have of all requests, because nobody knows what the user would have asked.

Source: G. Tene's expected-interval correction (HdrHistogram, recordValueWithExpectedInterval), here
per user. It is a judgement, not a measurement: an open load is better.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.columns import Flags, Int64
from harness.measurements import Measurements

# One wait stands for at most so many points; more are spread evenly and weigh more each.
POINTS_MAX: Final = 64
INTERVALS_MIN: Final = 3  # of one user, below which the median over all users is taken

Floats = npt.NDArray[np.float64]


class Kept(NamedTuple):
    """Requests that waits kept from being sent: their latencies, ns, and how many each stands for.

    `waits` is the number of requests whose user would have asked again meanwhile.
    """

    latency_ns: Floats
    weight: Floats
    waits: int


def kept_back(samples: Measurements, rows: Int64) -> Kept:
    """Return what the users of *rows*, all that they sent, were kept from asking for."""
    sent_ns, done_ns = samples.sent_ns[rows], samples.done_ns[rows]
    took_ns = np.where(done_ns > 0, done_ns - sent_ns, 0).astype(np.float64)
    cycle_ns = _cycles(samples.session[rows], sent_ns)
    with np.errstate(divide="ignore", invalid="ignore"):
        missing = np.where(cycle_ns > 0, np.floor(took_ns / cycle_ns) - 1, 0)
    waits = np.flatnonzero(missing >= 1)
    missing, took_ns, cycle_ns = missing[waits], took_ns[waits], cycle_ns[waits]
    points = np.minimum(missing, POINTS_MAX).astype(np.int64)
    whose = np.repeat(np.arange(waits.size), points)
    place = np.arange(whose.size) - np.repeat(np.cumsum(points) - points, points)
    # The middles of equal parts of 1..missing: exactly 1, 2, 3 ... where there are few.
    nth = (place + 0.5) * (missing / np.maximum(points, 1))[whose] + 0.5
    return Kept(
        latency_ns=took_ns[whose] - nth * cycle_ns[whose],
        weight=(missing / np.maximum(points, 1))[whose],
        waits=int(waits.size),
    )


def _cycles(sessions: npt.NDArray[np.int32], sent_ns: Int64) -> Floats:
    """Return for each row the usual time between its user's requests, ns; 0 when unknown."""
    order = np.lexsort((sent_ns, sessions))
    gaps = np.diff(sent_ns[order]).astype(np.float64)
    same = sessions[order][1:] == sessions[order][:-1]
    of_user, gaps = sessions[order][1:][same], gaps[same]
    if not gaps.size:
        return np.zeros(sessions.size)
    ranked = np.lexsort((gaps, of_user))
    of_user, gaps = of_user[ranked], gaps[ranked]
    users, first, count = np.unique(of_user, return_index=True, return_counts=True)
    median = gaps[first + (count - 1) // 2]
    median[count < INTERVALS_MIN] = np.median(gaps)
    place = np.minimum(np.searchsorted(users, sessions), users.size - 1)
    return np.where(users[place] == sessions, median[place], np.median(gaps))


def corrected_percentile(
    latency_ns: Int64, kept: Kept, percentile: float, *, share: float
) -> float:
    """Return the *percentile* of *latency_ns* with *share* of the kept requests added, ns.

    Infinite where it falls on a request that was never answered.
    """
    never = float(np.iinfo(np.int64).max)
    values = np.concatenate([latency_ns.astype(np.float64), kept.latency_ns])
    weights = np.concatenate([np.ones(latency_ns.size), kept.weight * share])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = reached[-1] * percentile / 100.0
    place = min(int(np.searchsorted(reached, wanted * (1 - 1e-12))), values.size - 1)
    value = float(values[order][place])
    return math.inf if value >= never else value


def share_of(chosen: Flags, rows: Int64) -> float:
    """Return the share of *rows* that are *chosen*, flags over all samples."""
    return float(np.count_nonzero(chosen[rows])) / max(1, rows.size)
