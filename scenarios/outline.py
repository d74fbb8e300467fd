"""What a run asks for, second by second: the level's rates in the scenario's shape, layer by layer.

A layer is either ordinary work or a crowd, with its own rate in each phase; the phases of the run
are their sums. Scaled populations get scaled rates, so that every unit keeps its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scenarios.crowds import UNITS_NATIONAL, Crowd, Pick
from scenarios.demand import ACCOUNTS_NATIONAL, ACTIVITY_BY_NAME, PROFILES, Demand
from scenarios.levels import (
    SAO_EQUIVALENTS_NATIONAL,
    Level,
    PlannedPhase,
    phases_of,
    rates_of,
)
from scenarios.population import Population
from scenarios.scenario import CLIMB, Scenario, Shape
from scenarios.stretches import STEP, Laid, Stretch, day_stretches, lay_out

# The climb, in multiples of the level's busiest minute. Four times a month end is a tenth above a
# reopening's busiest minute, beyond which nothing was ever foreseen [estimated].
CLIMB_STEPS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLayer:
    """Ordinary work: the phases ask for requests/s."""

    mix_place: int  # in the scenario's `works`
    phases: tuple[PlannedPhase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdLayer:
    """A crowd: the phases ask for requests/s of it, in whole sessions of *requests* each."""

    crowd: Crowd
    requests: int
    phases: tuple[PlannedPhase, ...]

    @property
    def sessions(self) -> int:
        """How many come in the run."""
        return round(sum(phase.requests for phase in self.phases) / self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The phases of a run and the layers that add up to them.

    `has_valleys`: rates fall within the run by more than from a busiest minute to its hour.
    """

    phases: tuple[PlannedPhase, ...]
    works: tuple[WorkLayer, ...]
    crowds: tuple[CrowdLayer, ...]
    has_valleys: bool


def outline_of(
    scenario: Scenario,
    level: Level,
    *,
    duration_s: float,
    has_faults: bool,
    demand: Demand | str,
    population: Population,
    compression: float = 1.0,
) -> Outline:
    """Lay the run out. Raises `ValueError` for a duration that is not positive.

    *compression* is the factor by which pauses are shortened in this run.
    """
    work = _work_phases(scenario, level, duration_s, has_faults, demand, population)
    crowds = tuple(
        layer
        for crowd in scenario.crowds
        if (layer := _crowd_layer(crowd, work, level, demand, population, compression)) is not None
    )
    if not scenario.works:
        work = tuple(replace(phase, rate_req_s=0.0) for phase in work)
    works = tuple(
        WorkLayer(mix_place=place, phases=_only(work, part.stretches))
        for place, part in enumerate(scenario.works)
    )
    phases = tuple(
        replace(
            phase,
            rate_req_s=phase.rate_req_s + sum(layer.phases[place].rate_req_s for layer in crowds),
        )
        for place, phase in enumerate(work)
    )
    has_valleys = scenario.shape is not Shape.PEAK_HOUR or level.name == CLIMB
    return Outline(phases=phases, works=works, crowds=crowds, has_valleys=has_valleys)


def _work_phases(
    scenario: Scenario,
    level: Level,
    duration_s: float,
    has_faults: bool,
    demand: Demand | str,
    population: Population,
) -> tuple[PlannedPhase, ...]:
    work = population.sao_equivalents
    if scenario.shape is Shape.PEAK_HOUR and level.name != CLIMB:
        return phases_of(level, duration_s, has_faults, demand=demand, sao_equivalents=work)
    laid = lay_out(
        _stretches(scenario, level, demand),
        duration_s,
        has_faults=has_faults,
        faults_work=scenario.faults_work,
        repeats_daily=scenario.repeats_daily,
    )
    hour_req_s, minute_req_s = rates_of(level, demand=demand, sao_equivalents=work)
    return tuple(_phase(one, hour_req_s, minute_req_s) for one in laid)


def _phase(laid: Laid, hour_req_s: float, minute_req_s: float) -> PlannedPhase:
    stretch = laid.stretch
    return PlannedPhase(
        name=stretch.name,
        start_s=laid.start_s,
        end_s=laid.end_s,
        rate_req_s=minute_req_s * stretch.work if stretch.is_peak else hour_req_s * stretch.work,
        is_measured=stretch.is_measured,
    )


def _stretches(scenario: Scenario, level: Level, demand: Demand | str) -> tuple[Stretch, ...]:
    if level.name == CLIMB:
        return climb_stretches()
    if scenario.shape is Shape.DAY:
        # A reopening day is bounded by people, not by documents: it has a month end's hours.
        return day_stretches(PROFILES.get(level.profile, PROFILES["month_end"]), demand)
    return scenario.stretches


def climb_stretches() -> tuple[Stretch, ...]:
    """Return the steps up to four times the busiest minute, and the way back to the contract's.

    What is above the contract's rate is not measured: there a target may shed, as long as it is
    honest. Measured is whether it serves as before once the load is back.
    """
    steps = (
        Stretch(name=f"{STEP}{number}", real_s=120, work=multiple, is_peak=True, is_measured=False)
        for number, multiple in enumerate(CLIMB_STEPS, start=1)
    )
    return (
        Stretch(name="ramp", real_s=60, work=CLIMB_STEPS[0], is_peak=True, is_measured=False),
        *steps,
        Stretch(name="drain", real_s=60, is_measured=False),
        Stretch(name="recovery", real_s=300),
    )


def _only(phases: Sequence[PlannedPhase], names: tuple[str, ...]) -> tuple[PlannedPhase, ...]:
    """Keep the rate in the phases *names*, up to the last of them; all phases for no names."""
    if not names:
        return tuple(phases)
    kept = [phase if phase.name in names else replace(phase, rate_req_s=0.0) for phase in phases]
    while kept and kept[-1].name not in names:
        kept.pop()
    return tuple(kept)


def _crowd_layer(
    crowd: Crowd,
    work: Sequence[PlannedPhase],
    level: Level,
    demand: Demand | str,
    population: Population,
    compression: float,
) -> CrowdLayer | None:
    """Return the crowd's own phases; None when it sends nobody in this run."""
    activity = ACTIVITY_BY_NAME.get(crowd.activity)
    if activity is None:
        return None
    share = level.share * _share_of(crowd.pick, population)
    if crowd.is_divided and compression > 0:
        share /= compression
    rates = [share * crowd.rate_per_s(phase.name, demand) for phase in work]
    lengths_s = [phase.length_s * (0.5 if phase.is_ramp else 1.0) for phase in work]
    asked = sum(rate * length_s for rate, length_s in zip(rates, lengths_s, strict=True))
    wanted = float(crowd.count or max(crowd.least, min(asked, _most(crowd, population))))
    if wanted != asked:
        # So many, whatever the rate would say: evenly where the crowd comes, or else anywhere.
        rates = [wanted * rate / asked for rate in rates] if asked else []
        rates = rates or [wanted / sum(lengths_s)] * len(work)
    phases = tuple(
        replace(phase, rate_req_s=rate * activity.requests)
        for phase, rate in zip(work, rates, strict=True)
    )
    layer = CrowdLayer(crowd=crowd, requests=activity.requests, phases=phases)
    return layer if layer.sessions else None


def _most(crowd: Crowd, population: Population) -> float:
    """Return how many can come at all; a series has a whale and a malformed file besides."""
    if crowd.pick is not Pick.UNIT_ONCE:
        return math.inf
    return max(0, len(population.units) - (2 if crowd.series else 0))


def _share_of(pick: Pick, population: Population) -> float:
    """Return what part of the country's units, people or work *population* holds."""
    match pick:
        case Pick.ACCOUNT:
            return population.account_count / ACCOUNTS_NATIONAL.base
        case Pick.UNIT | Pick.UNIT_ONCE:
            return len(population.units) / UNITS_NATIONAL
        case Pick.HEAVIEST:
            return population.sao_equivalents / SAO_EQUIVALENTS_NATIONAL
