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
from scenarios.levels import LEVELS, PlannedPhase, phases_of
from scenarios.population import Population
from scenarios.roster import Ints, count_operations, draw_journeys
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


def plan_load(
    population: Population,
    *,
    level: str,
    demand: Demand | str = Demand.BASE,
    duration_s: float,
    seed: int,
    has_faults: bool = False,
) -> LoadPlan:
    """Draw the plan. The same arguments give the same plan and `sha256` on every machine.

    Raises `KeyError` for a level without a plan, `ValueError` for a duration that is not positive.
    """
    phases = phases_of(
        LEVELS[level],
        duration_s,
        has_faults,
        demand=demand,
        sao_equivalents=population.sao_equivalents,
    )
    think_scale = min(1.0, duration_s / FULL_PACE_S)
    journeys = draw_journeys(population, phases, Demand(demand), seed)
    spread = Spread(phases=phases, pause_s=THINK_S * think_scale, journeys=journeys, seed=seed)
    start_ns, due_per_s = spread.place()
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
        phases=phases,
        think_scale=think_scale,
        planned_per_s=tuple(due_per_s.tolist()),
        planned_by_operation=count_operations(journeys),
        planned_by_activity={
            activity.name: int(count)
            for activity, count in zip(ACTIVITIES, by_activity, strict=True)
            if count
        },
        planned_requests=int(journeys.requests.sum()),
        units_planned=len(np.unique(journeys.unit_row[journeys.unit_row < len(population.units)])),
        sha256=_sha256(population, phases, columns),
    )


def _sha256(
    population: Population,
    phases: Sequence[PlannedPhase],
    columns: Mapping[str, npt.NDArray[np.generic]],
) -> str:
    digest = hashlib.sha256(f"plan/2|{population.sha256}|{tuple(phases)!r}".encode())
    for name, column in columns.items():
        digest.update(f"|{name}|{column.dtype.newbyteorder('<').str}|".encode())
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
