"""Who does what in a run: exact counts of activities, drawn over the units, without a time yet.

Activities come in the proportion of the demand table and go to units by weight. The navigation
overhead of the demand pays for everything else: a visit of every unit that drew nothing, closings
of a month, provincial pages, attempts that must be refused, and looks around on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from scenarios.chance import stream_bits, stream_uniforms
from scenarios.demand import ACTIVITIES, NAVIGATION, NAVIGATION_SHARE, Demand
from scenarios.levels import PlannedPhase
from scenarios.mixes import ORDINARY, PROBE_SHARES, PROVINCIAL_SHARE, Mix
from scenarios.population import UNITS_PER_PROVINCE, Population

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SIDE_SHARE_SMALL_RUN_MAX: Final = 0.05
# Above this share of one-request visits the plan would no longer be a month end.
_BROWSE_SHARE_MAX: Final = 0.6
_NAVIGATION_PER_JOURNEY_MAX: Final = 8
_PLACE: Final = {activity.name: place for place, activity in enumerate(ACTIVITIES)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Journeys:
    """Sessions without a time: who does what."""

    activity: Ints
    unit: Ints
    unit_row: Ints
    navigation: Ints
    seed: Ints

    @property
    def requests(self) -> Ints:
        """Requests of each session, looks around included."""
        own = np.array([activity.requests for activity in ACTIVITIES], dtype=np.int64)
        return own[self.activity] + self.navigation


class _Roster:
    """The sessions drawn so far, as columns of activity and unit row."""

    def __init__(self, rows: Ints) -> None:
        self._rows = rows
        self._activity: list[Ints] = []
        self._unit_row: list[Ints] = []

    def add(self, name: str, places: Ints) -> None:
        """Add one session of activity *name* for each of *places* among the units that work."""
        self._append(name, self._rows[places])

    def add_offices(self, unit_row: Ints) -> None:
        """Add one look at the closing page for each of *unit_row*, the offices' own places."""
        self._append("provincial_refresh", unit_row)

    def _append(self, name: str, unit_row: Ints) -> None:
        self._activity.append(np.full(len(unit_row), _PLACE[name], dtype=np.int64))
        self._unit_row.append(unit_row.astype(np.int64))

    @property
    def activity(self) -> Ints:
        """Index into `ACTIVITIES`, per session."""
        return np.concatenate(self._activity)

    @property
    def unit_row(self) -> Ints:
        """Place of the unit in the population, per session."""
        return np.concatenate(self._unit_row)

    @property
    def requests(self) -> int:
        """Requests of all sessions, without looking around."""
        return int(_own_requests()[self.activity].sum())


def draw_journeys(
    population: Population,
    phases: Sequence[PlannedPhase],
    demand: Demand,
    seed: int,
    *,
    mix: Mix = ORDINARY,
    rota_group: int = 0,
    total: int | None = None,
    stream: str = "",
) -> Journeys:
    """Draw the sessions of ordinary work, with as many requests as *phases* ask for, or *total*.

    *rota_group*, when given, is the only one of the three groups whose units may work today; it
    then does the work of all. *stream* keeps the chance of several draws under one seed apart.
    """
    if total is None:
        total = max(1, round(sum(phase.requests for phase in phases)))
    rows = rows_of_group(population, rota_group)
    weights = np.array([population.units[row].weight for row in rows.tolist()])
    roster = _Roster(rows)
    visits = _sessions_for(total, "provincial_refresh", PROVINCIAL_SHARE)
    roster.add_offices(len(population.units) + np.arange(visits) % len(population.provinces))
    closes = min(
        round(mix.close_units * len(weights)), _sessions_for(total, "month_close", mix.close_share)
    )
    roster.add("month_close", distinct(len(weights), closes, seed, f"{stream}closers"))
    for name, share in mix.others.items():
        u = stream_uniforms(seed, f"{stream}{name}", _sessions_for(total, name, share))
        roster.add(name, _pick_by_weight(weights, u))
    monthly = np.array(mix.monthly(demand))
    useful = _useful_requests(total, roster.requests, weights, monthly, demand)
    counts = _activity_counts(useful, monthly)
    for activity, count in zip(ACTIVITIES, counts.tolist(), strict=True):
        u = stream_uniforms(seed, f"{stream}units-{activity.name}", count)
        roster.add(activity.name, _pick_by_weight(weights, u))
    left = max(0, total - roster.requests)
    # A unit that does nothing but what must be refused comes by as well.
    served = roster.unit_row[~np.isin(roster.activity, [_PLACE[probe] for probe in PROBE_SHARES])]
    idle = np.flatnonzero(~np.isin(rows, served))
    idle = idle[distinct(len(idle), min(len(idle), left), seed, f"{stream}idle")]
    roster.add("browse", idle)
    looks = _spread_navigation(roster.activity, left - len(idle), seed, stream)
    # Where nobody is at work to look around in passing, people come for that alone.
    alone = left - len(idle) - int(looks.sum())
    u = stream_uniforms(seed, f"{stream}browse", alone)
    roster.add("browse", _pick_by_weight(weights, u))
    bits = stream_bits(seed, f"{stream}sessions", len(roster.unit_row))
    return Journeys(
        activity=roster.activity,
        unit=unit_numbers(population)[roster.unit_row],
        unit_row=roster.unit_row,
        navigation=np.concatenate((looks, np.zeros(alone, dtype=np.int64))),
        seed=(bits >> np.uint64(1)).astype(np.int64),
    )


def rows_of_group(population: Population, rota_group: int) -> Ints:
    """Return the places of the units that may work today: of one rota group, or of all for 0."""
    chosen = [rota_group in (0, unit.rota_group) for unit in population.units]
    return np.flatnonzero(np.array(chosen, dtype=np.bool_))


def unit_numbers(population: Population) -> Ints:
    """Return the number of each unit by its place; the provincial offices follow by province."""
    units = [unit.unit for unit in population.units]
    offices = [province * UNITS_PER_PROVINCE for province in population.provinces]
    return np.array(units + offices, dtype=np.int64)


def _own_requests() -> Ints:
    return np.array([activity.requests for activity in ACTIVITIES], dtype=np.int64)


def _sessions_for(total: int, name: str, share: float) -> int:
    """Sessions of a side activity: its *share* of *total*, and one where that is not too much.

    Without a single probe of a closed period, another unit or a budget nobody knows what happens.
    """
    requests = ACTIVITIES[_PLACE[name]].requests
    least = 1 if share > 0 and requests <= _SIDE_SHARE_SMALL_RUN_MAX * total else 0
    return max(least, round(total * share / requests))


def _useful_requests(
    total: int, side: int, weights: Floats, monthly: Floats, demand: Demand
) -> int:
    """Requests for the activities of the demand table, out of *total*.

    The rest is navigation, of which units that would otherwise stay idle take one each. When that
    is not enough for them, useful work gives way; when even that is not enough, units stay idle.
    """
    nominal = round(total / (1 + NAVIGATION_SHARE.of(demand)))
    low, high = int(total * (1 - _BROWSE_SHARE_MAX)), nominal
    per_journey = float((monthly * _own_requests()).sum()) / float(monthly.sum())
    if _idle_expected(low / per_journey, weights) > total - side - low:
        return min(nominal, total - side)
    for _ in range(40):  # Bisection: more useful work leaves fewer units idle, but less room.
        if high - low <= 1:
            break
        middle = (low + high) // 2
        if _idle_expected(middle / per_journey, weights) <= total - side - middle:
            low = middle
        else:
            high = middle
    return low


def _idle_expected(journeys: float, weights: Floats) -> float:
    """Upper bound of the units that draw no journey: the mean and four standard deviations."""
    idle = float(np.exp(-journeys * weights / weights.sum()).sum())
    return idle + 4 * float(np.sqrt(idle))


def _activity_counts(useful: int, monthly: Floats) -> Ints:
    """Split *useful* requests over activities by the table; a few requests may be left over."""
    own = _own_requests()
    exact = useful * monthly / float((monthly * own).sum())
    counts = np.floor(exact).astype(np.int64)
    spare = useful - int((counts * own).sum())
    for place in np.lexsort((np.arange(len(own)), counts - exact)).tolist():
        if monthly[place] > 0 and own[place] <= spare:
            counts[place] += 1
            spare -= int(own[place])
    return counts


def _pick_by_weight(weights: Floats, uniforms: Floats) -> Ints:
    # Whole micro-weights add up exactly, in any order and on any machine.
    edges = np.cumsum(np.rint(weights * 1e6).astype(np.int64))
    picked = np.searchsorted(edges.astype(np.float64), uniforms * float(edges[-1]), side="right")
    return np.minimum(picked, len(weights) - 1).astype(np.int64)


def distinct(population: int, count: int, seed: int, stream: str) -> Ints:
    """Return *count* different numbers below *population* in random order."""
    return np.argsort(stream_bits(seed, stream, population), kind="stable")[:count].astype(np.int64)


def _spread_navigation(activity: Ints, requests: int, seed: int, stream: str) -> Ints:
    """Give looks around to people at work, at random, up to a limit for each of them."""
    navigation = np.zeros(len(activity), dtype=np.int64)
    at_work = np.array([a.per_sao_month.base > 0 and not a.is_burst for a in ACTIVITIES])
    rows = np.flatnonzero(at_work[activity])
    if requests <= 0 or len(rows) == 0:
        return navigation
    places = (stream_uniforms(seed, f"{stream}navigation", requests) * len(rows)).astype(np.int64)
    navigation[rows] = np.bincount(places, minlength=len(rows))
    return np.minimum(navigation, _NAVIGATION_PER_JOURNEY_MAX)


def count_operations(journeys: Journeys) -> dict[str, int]:
    """Count the requests of all sessions by operation."""
    counts: dict[str, int] = {}
    for place, activity in enumerate(ACTIVITIES):
        chosen = journeys.activity == place
        variant = np.bincount(
            journeys.seed[chosen] % len(activity.variants), minlength=len(activity.variants)
        )
        for operations, sessions in zip(activity.variants, variant.tolist(), strict=True):
            for operation in operations:
                counts[operation] = counts.get(operation, 0) + sessions
    for step in range(int(journeys.navigation.max(initial=0))):
        looking = journeys.navigation > step
        ring = np.bincount((journeys.seed[looking] + step) % len(NAVIGATION), minlength=1)
        for place, sessions in enumerate(ring.tolist()):
            counts[NAVIGATION[place]] = counts.get(NAVIGATION[place], 0) + sessions
    return {operation: count for operation, count in sorted(counts.items()) if count}
