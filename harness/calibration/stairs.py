"""The highest rate that the generator carries on time, from one load that climbs in steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.calibration.joining import Joined
from harness.calibration.record import LATENESS_P99_MS_MAX
from harness.checks.percentiles import nearest_rank
from harness.columns import Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stairs:
    """Rates of the steps in requests/s, rising; each lasts *step_s*."""

    rates_per_s: tuple[float, ...]
    step_s: float


def stairs(*, first_per_s: float, factor: float, last_per_s: float, step_s: float) -> Stairs:
    """Return steps from *first_per_s* up to *last_per_s*, each *factor* times the one before."""
    rates = [first_per_s]
    while rates[-1] * factor <= last_per_s:
        rates.append(rates[-1] * factor)
    return Stairs(rates_per_s=tuple(rates), step_s=step_s)


def lateness_p99_ms(lateness_ns: Int64) -> float:
    """Return p99 of at least one lateness, ms."""
    rank = nearest_rank(lateness_ns.size, 99.0) - 1
    return float(np.partition(lateness_ns, rank)[rank]) / 1e6


def highest_rate(found: Stairs, joined: Joined, start_ns: Int64) -> float:
    """Return the highest rate that was carried whole and on time both ways, 0 when none was.

    Both ways: requests leave within the limit of their plan, and answers are taken note of within
    the limit of the server's last byte. One late step is a hiccup of the machine; two in a row are
    the end of the stairs. *start_ns* as in `joining.join`.
    """
    step_ns = int(found.step_s * 1e9)
    planned = np.bincount(start_ns // step_ns, minlength=len(found.rates_per_s))
    step = joined.planned_ns // step_ns
    lag_ns = joined.measured_ns - joined.true_ns
    highest = 0.0
    for number in range(len(found.rates_per_s)):
        chosen = step == number
        is_on_time = (
            0 < planned[number] == np.count_nonzero(chosen)
            and lateness_p99_ms(joined.lateness_ns[chosen]) < LATENESS_P99_MS_MAX
            and lateness_p99_ms(lag_ns[chosen]) < LATENESS_P99_MS_MAX
        )
        if is_on_time:
            highest = float(planned[number]) / found.step_s
    return highest
