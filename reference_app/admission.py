"""Admission: how much this worker takes on at once; the rest is told at once that it was not done.

aiohttp takes on everything by itself, and then everybody waits. Here a request beyond the limit is
answered 503 with Retry-After before its body is read; one beyond its unit's share is answered 429,
so that one unit cannot take the place of the others. Health and metrics always pass.
"""

from __future__ import annotations

from collections import defaultdict

from reference_app.problems import Problem


class Admission:
    """Counts requests in flight, in all and per unit. The caller leaves what it entered."""

    def __init__(self, *, in_flight_max: int, per_unit_max: int) -> None:
        self._in_flight_max = in_flight_max
        self._per_unit_max = per_unit_max
        self.in_flight = 0
        self._units: defaultdict[str, int] = defaultdict(int)

    def enter(self, unit: str | None) -> None:
        """Take a place, or raise the problem `shed` or `shed-unit`."""
        if self.in_flight >= self._in_flight_max:
            raise Problem("shed", f"{self.in_flight} requests are in progress")
        if unit is not None:
            if self._units[unit] >= self._per_unit_max:
                raise Problem("shed-unit", f"{self._units[unit]} requests of this unit in progress")
            self._units[unit] += 1
        self.in_flight += 1

    def leave(self, unit: str | None) -> None:
        """Give the place back."""
        self.in_flight -= 1
        if unit is not None:
            self._units[unit] -= 1
            if not self._units[unit]:
                del self._units[unit]
