"""A scenario's counterpart in numbers: the same people, seed and length, played the other way.

A rota of three groups leaves a third of the sessions and all of the work. Whoever would ration the
users reads both numbers side by side, before a run and after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.arrivals import LoadPlan, plan_load
from scenarios.population import Population
from scenarios.scenario import SCENARIOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterpart:
    """What the plan of *scenario* asks for; rates are those of the busiest phase."""

    scenario: str
    peak_req_s: float
    requests: int
    sessions_in_progress_max: int
    units: int


def counterpart_of(plan: LoadPlan, population: Population, *, seed: int) -> Counterpart | None:
    """Plan the scenario that *plan*'s own names as its counterpart; None where it names none."""
    name = SCENARIOS[plan.scenario].counterpart
    if not name:
        return None
    return in_numbers(
        plan_load(
            population,
            level=plan.level,
            scenario=name,
            demand=plan.demand,
            duration_s=plan.duration_s,
            seed=seed,
            has_faults=any(phase.name == "faults" for phase in plan.phases),
        )
    )


def in_numbers(plan: LoadPlan) -> Counterpart:
    """Return the numbers of *plan* that are set beside another's."""
    return Counterpart(
        scenario=plan.scenario,
        peak_req_s=round(max(phase.rate_req_s for phase in plan.phases), 3),
        requests=plan.planned_requests,
        sessions_in_progress_max=plan.sessions_in_progress_max,
        units=plan.units_planned,
    )
