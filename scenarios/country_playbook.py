"""The playbook of the country: its share of the plan as plain columns, and the people who act."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from contracts.terms import OperationKind
from scenarios.arrivals import LoadPlan
from scenarios.chance import mix
from scenarios.demand import (
    BACKLOG_DOCUMENTS_PER_SAO,
    OPERATIONS,
    WHALE_DOCUMENTS,
    Activity,
    pace_of,
    requests_of,
)
from scenarios.journeys.casting import Casting
from scenarios.journeys.catalogue import begin
from scenarios.journeys.person import Person, sign_in
from scenarios.journeys.repeats import PATIENT, Manners
from scenarios.journeys.vocabulary import BusinessDay, Reply, Step, Visit
from scenarios.playbook import Opening, PlannedStep
from scenarios.population import Population
from scenarios.shares import Ints, Numbers, Share, families_of

_OPERATIONS: Final = tuple(OPERATIONS.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryPlaybook:
    """Sessions in order of start, one entry per session; `number` is the session's row in the plan.

    `start_ns` counts from t0. The buffers give Python integers at once and hold 8 bytes or fewer
    per entry, where lists would hold an object each.
    """

    activities: tuple[Activity, ...]
    number: Sequence[int]
    start_ns: Sequence[int]
    unit: Sequence[int]
    activity: Sequence[int]
    navigation: Sequence[int]
    seed: Sequence[int]
    think_scale: float
    day: BusinessDay
    key_seed: int
    casting: Casting
    plan: LoadPlan
    families: Numbers
    manners: Manners = PATIENT

    @property
    def operations(self) -> Sequence[tuple[str, OperationKind]]:
        """Every operation of the demand table, in its order."""
        return _OPERATIONS

    def prepare(self) -> None:
        """Look up the people of every unit that takes part."""
        self.casting.prepare(self.unit)

    def begin(self, row: int) -> Opening:
        """Return the session of *row* at its start."""
        activity = self._activity(row)
        visit = self._visit(row)
        return Opening(
            number=visit.session,
            unit=visit.unit,
            seed=visit.seed,
            journey=begin(activity.name, visit),
            planned=activity.requests + visit.navigation,
        )

    def pause_s(self, row: int, step: int) -> float:
        """Return the pause before planned request *step*; a page's own requests follow at once."""
        mean_s = self._activity(row).think_s(step)
        return mean_s * pace_of(self.seed[row], step) * self.think_scale if mean_s else 0.0

    def planned_steps(self, row: int) -> Sequence[PlannedStep]:
        """Return every planned request of *row*."""
        planned = requests_of(
            self._activity(row), seed=self.seed[row], navigation=self.navigation[row]
        )
        return [PlannedStep(step.operation, step.think_s * self.think_scale) for step in planned]

    def sign_in(self, row: int, account: int) -> Generator[Step, Reply, Reply]:
        """Return how *account* signs in, in the unit of *row*."""
        return sign_in(Person(self._visit(row), account), self.casting.pid(account))

    def joined_by(self, share: Share, *, begun: int) -> CountryPlaybook:
        """Return this playbook with the sessions of *share* among those after the first *begun*."""
        rows = np.asarray(self.number)
        joined = np.flatnonzero(share.covers(self.families, self.plan.start_ns))
        waiting = np.union1d(rows[begun:], joined)  # a row of the plan: in order of start
        return replace(self, **_columns(self.plan, np.concatenate([rows[:begun], waiting])))

    def _documents(self, activity: str, unit: int) -> int:
        """Return how many papers a file holds: all of a short run is short, files like pauses."""
        if activity == "import_whale":
            return round(WHALE_DOCUMENTS * self.think_scale)
        if activity not in ("import_backlog", "import_malformed"):
            return 0
        weight = self.casting.weight(unit)
        return round(BACKLOG_DOCUMENTS_PER_SAO * weight * self.think_scale)

    def _activity(self, row: int) -> Activity:
        return self.activities[self.activity[row]]

    def _visit(self, row: int) -> Visit:
        activity, unit, seed = self._activity(row), self.unit[row], self.seed[row]
        crew = self.casting.crew(activity, unit, seed)
        is_curious = activity.name == "curious"
        return Visit(
            session=self.number[row],
            unit=unit,
            navigation=self.navigation[row],
            crew=crew,
            pid=self.casting.pid(crew.visitor) if activity.is_sign_in else "",
            stranger_unit=self.casting.stranger_unit(crew.clerk, seed) if is_curious else 0,
            documents=self._documents(activity.name, unit),
            day=self.day,
            seed=seed,
            key_seed=self.key_seed,
        )


def country_playbook(
    plan: LoadPlan,
    population: Population,
    *,
    share: Share | None,
    business_date: str,
    seed: int,
    key_salt: int = 0,
    manners: Manners = PATIENT,
) -> CountryPlaybook:
    """Return what the load process with *share* drives; without one, nothing until it is joined.

    *key_salt* makes the idempotency keys of a second run with the same seed new to a target that
    still holds the documents of the first.
    """
    families = families_of(population, plan.unit_row)
    rows = np.flatnonzero(share.covers(families, plan.start_ns)) if share else np.arange(0)
    return CountryPlaybook(
        activities=plan.activities,
        **_columns(plan, rows),
        think_scale=plan.think_scale,
        day=BusinessDay.of(business_date),
        # Keys belong to this very plan: another plan has other papers under the same session.
        key_seed=mix(seed) ^ mix(key_salt) ^ int(plan.sha256[:16], 16),
        casting=Casting(population),
        plan=plan,
        families=families,
        manners=manners,
    )


def _columns(plan: LoadPlan, rows: Ints) -> dict[str, Any]:
    return {
        "number": rows.astype("int64").data,
        "start_ns": plan.start_ns[rows].data,
        "unit": plan.unit[rows].data,
        "activity": plan.activity[rows].data,
        "navigation": plan.navigation[rows].data,
        "seed": plan.seed[rows].data,
    }
