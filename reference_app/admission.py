"""Admission: how much this worker takes on at once; the rest is told at once that it was not done.

aiohttp takes on everything by itself, and then everybody waits. Here a request beyond the limit is
answered 503 with Retry-After before its body is read; one beyond its unit's share is answered 429,
so that one unit cannot take the place of the others. Health and metrics always pass.

The limit is wide, so that a database that restarts is waited for by whoever came meanwhile. But a
queue that stands is no stall, it is overload: it serves nobody sooner, and makes everybody wait.
When it did not clear for some seconds, the limit is narrow until it does (after CoDel, Nichols and
Jacobson 2012: the smallest queue of an interval is the one that tells). Who signs in waits for the
provider, not for the ledger, and is counted apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import inf
from time import monotonic

from reference_app.problems import Problem


class Admission:
    """Counts requests in flight, in all and per unit. The caller leaves what it entered.

    The limit is *in_flight_max*, and *standing_max* while more than half of that were in flight for
    *standing_s* seconds without a break; a unit's share is then a quarter of it at most.
    """

    def __init__(
        self,
        *,
        in_flight_max: int,
        per_unit_max: int,
        standing_max: int | None = None,
        standing_s: float = inf,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        standing_max = min(standing_max or in_flight_max, in_flight_max)
        self._wide = in_flight_max, per_unit_max
        self._narrow = standing_max, min(per_unit_max, max(1, standing_max // 4))
        self._cleared_at = standing_max // 2
        self._standing_s = standing_s
        self._clock = clock
        self._stands_from = inf  # when a queue that has not cleared since will be a standing one
        self.in_flight = 0
        self._units: defaultdict[str, int] = defaultdict(int)

    def enter(self, unit: str | None) -> None:
        """Take a place, or raise the problem `shed` or `shed-unit`."""
        of_unit = 0 if unit is None else self._units.get(unit, 0)
        code = self.refusal(self.in_flight, of_unit)
        if code is not None:
            count = self.in_flight if code == "shed" else of_unit
            whose = "" if code == "shed" else "of this unit "
            raise Problem(code, f"{count} requests {whose}are in progress")
        if unit is not None:
            self._units[unit] += 1
        self.in_flight += 1
        if self.in_flight > self._cleared_at and self._stands_from == inf:
            self._stands_from = self._clock() + self._standing_s

    def refusal(self, in_progress: int, of_unit: int) -> str | None:
        """Say as what one more is refused with so many in progress, in all and of its unit."""
        limit, share = self.limits()
        if in_progress >= limit:
            return "shed"
        return "shed-unit" if of_unit >= share else None

    def limits(self) -> tuple[int, int]:
        """Return how many may be in progress now, in all and of one unit."""
        stands = self._stands_from < inf and self._clock() >= self._stands_from
        return self._narrow if stands else self._wide

    def leave(self, unit: str | None) -> None:
        """Give the place back."""
        self.in_flight -= 1
        if self.in_flight <= self._cleared_at:
            self._stands_from = inf
        if unit is not None:
            self._units[unit] -= 1
            if not self._units[unit]:
                del self._units[unit]
