"""Who plays which part of a visit: from the population, for one session at a time.

Pure and deterministic: the same unit and seed always meet the same people. Casting keeps nothing
per session; a run has hundreds of thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scenarios.chance import mix
from scenarios.demand import Activity
from scenarios.journeys.vocabulary import Crew
from scenarios.population import (
    ACCOUNTS_PER_UNIT,
    UNITS_PER_PROVINCE,
    Actors,
    Population,
    actors_of,
    synthetic_pid,
)

_CAST: Final = 0xCA57
_STRANGER_TRIES_MAX: Final = 32
# A unit that no population has; asking for it must be refused as not found.
_NOWHERE: Final = 99 * UNITS_PER_PROVINCE + 1


class Casting:
    """Finds the people of a visit in one population."""

    __slots__ = ("_actors", "_population")

    def __init__(self, population: Population) -> None:
        self._population = population
        self._actors: dict[int, Actors] = {}

    def prepare(self, units: Iterable[int]) -> None:
        """Look up the people of *units* now, so that no session has to wait for it."""
        for unit in units:
            if unit % UNITS_PER_PROVINCE and unit not in self._actors:
                self._actors[unit] = actors_of(self._population, unit)

    def crew(self, activity: Activity, unit: int, seed: int) -> Crew:
        """Return who acts in *unit* when somebody comes to do *activity*."""
        if unit % UNITS_PER_PROVINCE == 0:
            viewer = unit * ACCOUNTS_PER_UNIT + 1
            return Crew(viewer, viewer, viewer, viewer, viewer, viewer)
        actors = self._actors.get(unit)
        if actors is None:
            actors = self._actors[unit] = actors_of(self._population, unit)
        clerks = actors.clerks
        bits = mix(seed ^ _CAST)
        clerk = first = visitor = clerks[bits % len(clerks)]
        if activity.role == "each":
            own = self._population.unit(unit)
            first = visitor = unit * ACCOUNTS_PER_UNIT + 1 + seed % own.accounts
        elif activity.role == "any":
            people = (clerk, actors.checker, actors.approver, actors.director)
            first = visitor = people[(bits >> 32) % len(people)]
        elif activity.role == "director":
            first = actors.director
        return Crew(first, visitor, clerk, actors.checker, actors.approver, actors.director)

    def weight(self, unit: int) -> float:
        """Return how many SAOs' work *unit* has."""
        return self._population.unit(unit).weight

    def pid(self, account: int) -> str:
        """Return the 13-digit number that *account* gives the identity provider."""
        return synthetic_pid(account)

    def stranger_unit(self, account: int, seed: int) -> int:
        """Return a unit in whose books *account* may do nothing: not its own, not one below it."""
        home = account // ACCOUNTS_PER_UNIT
        units = self._population.units
        for attempt in range(_STRANGER_TRIES_MAX):
            unit = units[mix(seed + attempt) % len(units)]
            if home not in (unit.unit, unit.parent):
                return unit.unit
        return _NOWHERE
