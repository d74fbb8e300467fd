"""The plan of a run: which unit begins which activity when, so that the country's load is due.

Who does what is drawn by `scenarios.roster`, when by `scenarios.spread`; this puts the two together
under one hash. The plan assumes a target that answers at once; it is drawn from one seed, needs no
target, and sends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scenarios.demand import ACTIVITIES, THINK_S, Activity, Demand
from scenarios.gathering import gather
from scenarios.levels import LEVELS, PlannedPhase
from scenarios.outline import Outline, outline_of
from scenarios.population import Population
from scenarios.roster import Ints, Journeys, count_operations, draw_journeys
from scenarios.scenario import SCENARIOS, Scenario
from scenarios.spread import Spread

FULL_PACE_S: Final = 3600.0  # runs of an hour or more keep people's real pauses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadPlan:
    """All sessions of a run, in order of start. The row is the session's number.

    Arrays, one entry per session: `start_ns` from t0; `unit` (a province * 100000 for its office);
    `unit_row`, its place in `population.units`, offices following by province; `activity`, an index
    into `activities`; `navigation`, looks around before its own requests; `seed`, the session's own
    randomness. Pauses are `requests_of(...)`'s times `think_scale`.
    """

    activities: tuple[Activity, ...]
    start_ns: Ints
    unit: npt.NDArray[np.int32]
    unit_row: npt.NDArray[np.int32]
    activity: npt.NDArray[np.int16]
    navigation: npt.NDArray[np.int16]
    seed: Ints
    level: str
    demand: str
    duration_s: float
    phases: tuple[PlannedPhase, ...]
    think_scale: float
    scenario: str
    rota_group: int
    planned_per_s: tuple[int, ...]
    planned_by_operation: Mapping[str, int]
    planned_by_activity: Mapping[str, int]
    planned_requests: int
    units_planned: int
    sha256: str

    @property
    def sessions(self) -> int:
        """Number of sessions."""
        return len(self.start_ns)

    @property
    def sessions_in_progress_max(self) -> int:
        """Most sessions at once, if the target answers at once and people pause as long as most."""
        is_burst = np.array([activity.is_burst for activity in self.activities])[self.activity]
        own = np.array([activity.requests for activity in self.activities])[self.activity]
        delay_s = np.array([activity.human_delay_s for activity in self.activities])[self.activity]
        pauses_s = np.where(is_burst, delay_s, THINK_S * (own + self.navigation - 1))
        ends_ns = self.start_ns + (pauses_s * self.think_scale * 1e9).astype(np.int64)
        moments = np.concatenate((self.start_ns, ends_ns + 1))
        changes = np.repeat((1, -1), self.sessions)
        in_progress = np.cumsum(changes[np.argsort(moments, kind="stable")])
        return int(in_progress.max(initial=0))


def plan_load(
    population: Population,
    *,
    level: str,
    scenario: str = "month_end",
    demand: Demand | str = Demand.BASE,
    duration_s: float,
    seed: int,
    has_faults: bool = False,
) -> LoadPlan:
    """Draw the plan. The same arguments give the same plan and `sha256` on every machine.

    Raises `KeyError` for an unknown level or scenario, `ValueError` for a duration that is not
    positive.
    """
    played = SCENARIOS[scenario]
    think_scale = min(1.0, max(0.0, duration_s) / FULL_PACE_S) / played.intensity
    outline = outline_of(
        played,
        LEVELS[level],
        duration_s=duration_s,
        has_faults=has_faults,
        demand=demand,
        population=population,
        compression=think_scale,
    )
    layers = _draw_layers(played, outline, population, Demand(demand), seed)
    starts_ns = []
    due_per_s = np.zeros(int(np.ceil(duration_s)), dtype=np.int64)
    for layer in layers:
        spread = Spread(
            phases=layer.phases,
            pause_s=THINK_S * think_scale,
            journeys=layer.journeys,
            seed=seed,
            stream=layer.stream,
            has_valleys=outline.has_valleys,
        )
        start_ns, due = spread.place()
        starts_ns.append(start_ns)
        due_per_s[: len(due)] += due
    journeys = _merged([layer.journeys for layer in layers])
    start_ns = np.concatenate(starts_ns)
    order = np.lexsort((journeys.seed, start_ns))
    plan_activity = journeys.activity[order].astype(np.int16)
    by_activity = np.bincount(plan_activity, minlength=len(ACTIVITIES))
    columns: dict[str, Any] = {
        "start_ns": start_ns[order],
        "unit": journeys.unit[order].astype(np.int32),
        "unit_row": journeys.unit_row[order].astype(np.int32),
        "activity": plan_activity,
        "navigation": journeys.navigation[order].astype(np.int16),
        "seed": journeys.seed[order],
    }
    return LoadPlan(
        activities=ACTIVITIES,
        **columns,
        level=level,
        demand=Demand(demand).value,
        duration_s=float(duration_s),
        phases=outline.phases,
        think_scale=think_scale,
        scenario=scenario,
        rota_group=played.rota_group,
        planned_per_s=tuple(due_per_s.tolist()),
        planned_by_operation=count_operations(journeys),
        planned_by_activity={
            activity.name: int(count)
            for activity, count in zip(ACTIVITIES, by_activity, strict=True)
            if count
        },
        planned_requests=int(journeys.requests.sum()),
        units_planned=len(np.unique(journeys.unit_row[journeys.unit_row < len(population.units)])),
        sha256=_sha256(population, scenario, outline.phases, columns),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layer:
    """Sessions with the phases that they are to fill; `stream` keeps its chance apart."""

    phases: tuple[PlannedPhase, ...]
    journeys: Journeys
    stream: str


def _draw_layers(
    scenario: Scenario, outline: Outline, population: Population, demand: Demand, seed: int
) -> list[_Layer]:
    """Draw the crowds in whole sessions, then as much work as is left of what all phases ask."""
    group = scenario.rota_group
    gathered = gather(outline.crowds, population, seed, rota_group=group)
    layers = [
        _Layer(phases=crowd.phases, journeys=journeys, stream=f"crowd-{crowd.crowd.activity}-")
        for crowd, journeys in zip(outline.crowds, gathered, strict=True)
    ]
    left = max(1, round(sum(phase.requests for phase in outline.phases)))
    left -= sum(int(journeys.requests.sum()) for journeys in gathered)
    for number, work in enumerate(outline.works):
        is_last = number == len(outline.works) - 1
        asked = round(sum(phase.requests for phase in work.phases))
        total = left if is_last else min(asked, left)
        left -= total
        if total <= 0:
            continue
        stream = f"work-{number}-" if number else ""
        journeys = draw_journeys(
            population,
            work.phases,
            demand,
            seed,
            mix=scenario.works[number].mix,
            rota_group=group,
            total=total,
            stream=stream,
        )
        layers.append(_Layer(phases=work.phases, journeys=journeys, stream=stream))
    return layers


def _merged(parts: Sequence[Journeys]) -> Journeys:
    return Journeys(
        activity=np.concatenate([part.activity for part in parts]),
        unit=np.concatenate([part.unit for part in parts]),
        unit_row=np.concatenate([part.unit_row for part in parts]),
        navigation=np.concatenate([part.navigation for part in parts]),
        seed=np.concatenate([part.seed for part in parts]),
    )


def _sha256(
    population: Population,
    scenario: str,
    phases: Sequence[PlannedPhase],
    columns: Mapping[str, npt.NDArray[np.generic]],
) -> str:
    # The month end was there before there were others: its plans keep the hashes that runs are
    # compared by, and no other scenario's can be the same.
    named = "" if scenario == "month_end" else f"|{scenario}"
    digest = hashlib.sha256(f"plan/2|{population.sha256}|{tuple(phases)!r}{named}".encode())
    for name, column in columns.items():
        digest.update(f"|{name}|{column.dtype.newbyteorder('<').str}|".encode())
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
