"""Who comes in a crowd: each account or each unit in turn, in an order drawn once.

The sessions have no time yet; `scenarios.spread` places them. A session of an activity with the
role `each` names its account by the session's seed, so that a rush is of people and not of visits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from scenarios.chance import stream_bits
from scenarios.crowds import Pick
from scenarios.demand import ACTIVITIES
from scenarios.outline import CrowdLayer
from scenarios.population import Population
from scenarios.roster import Ints, Journeys, distinct, rows_of_group, unit_numbers

_PLACE: Final = {activity.name: place for place, activity in enumerate(ACTIVITIES)}


def gather(
    layers: Sequence[CrowdLayer], population: Population, seed: int, *, rota_group: int = 0
) -> tuple[Journeys, ...]:
    """Draw the sessions of each crowd; crowds of one series send different units."""
    rows = rows_of_group(population, rota_group)
    taken: dict[str, list[int]] = {}
    drawn = []
    for layer in layers:
        crowd = layer.crowd
        busy = taken.setdefault(crowd.series, []) if crowd.series else []
        free = np.setdiff1d(rows, np.array(busy, dtype=np.int64))
        stream = f"crowd-{crowd.activity}-"
        unit_row, person = _drawn(crowd.pick, layer.sessions, population, free, seed, stream)
        busy += unit_row.tolist()
        drawn.append(
            Journeys(
                activity=np.full(len(unit_row), _PLACE[crowd.activity], dtype=np.int64),
                unit=unit_numbers(population)[unit_row],
                unit_row=unit_row,
                navigation=np.zeros(len(unit_row), dtype=np.int64),
                seed=_seeds(population, unit_row, person, seed, stream),
            )
        )
    return tuple(drawn)


def _drawn(
    pick: Pick, count: int, population: Population, rows: Ints, seed: int, stream: str
) -> tuple[Ints, Ints]:
    """Return *count* places of units, and which of its people comes from each (from 0)."""
    match pick:
        case Pick.HEAVIEST:
            row = max(rows.tolist(), key=lambda row: (population.units[row].weight, -row))
            order = np.array([row], dtype=np.int64)
        case Pick.ACCOUNT:
            accounts = np.array([population.units[row].accounts for row in rows.tolist()])
            ends = np.cumsum(accounts)
            numbers = np.resize(distinct(int(ends[-1]), count, seed, stream), count)
            place = np.searchsorted(ends, numbers, side="right")
            return rows[place], numbers - (ends - accounts)[place]
        case Pick.UNIT | Pick.UNIT_ONCE:
            order = rows[distinct(len(rows), count, seed, stream)]
    chosen = order if pick is Pick.UNIT_ONCE else np.resize(order, count)
    return chosen, np.zeros(len(chosen), dtype=np.int64)


def _seeds(population: Population, unit_row: Ints, person: Ints, seed: int, stream: str) -> Ints:
    """Draw the sessions' seeds so that each names its person: seed modulo the unit's accounts."""
    # Two bits fewer than there are leave room for the person without leaving 63 bits.
    bits = (stream_bits(seed, f"{stream}sessions", len(unit_row)) >> np.uint64(2)).astype(np.int64)
    accounts = np.array([population.units[row].accounts for row in unit_row.tolist()])
    named: Ints = bits - bits % np.maximum(accounts, 1) + person if len(bits) else bits
    return named
