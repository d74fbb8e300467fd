"""The part of a plan that a dialect can speak: what it lacks is left out beforehand, and said.

An activity that needs an operation which the system does not have is left out whole; all others
keep their sessions and times, so the load on them is neither less nor more. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from scenarios.arrivals import LoadPlan
from scenarios.chance import uniforms_of
from scenarios.demand import NAVIGATION, Activity
from scenarios.population import UNITS_PER_PROVINCE
from scenarios.roster import Ints, Journeys, count_operations


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An activity that the system cannot take part in, and what it would have been."""

    activity: str
    operations: tuple[str, ...]
    sessions: int
    requests: int


def left_out(plan: LoadPlan, operations: Collection[str]) -> tuple[LeftOut, ...]:
    """Return the activities of *plan* that need more than *operations*."""
    requests = _own_requests(plan) + plan.navigation
    found = []
    for index, activity in enumerate(plan.activities):
        missing = lacking(activity, operations)
        rows = plan.activity == index
        if missing and rows.any():
            found.append(
                LeftOut(
                    activity=activity.name,
                    operations=missing,
                    sessions=int(np.count_nonzero(rows)),
                    requests=int(requests[rows].sum()),
                )
            )
    return tuple(found)


def spoken_part(plan: LoadPlan, operations: Collection[str]) -> LoadPlan:
    """Return *plan* without the activities that need more than *operations*.

    Where people cannot look around as the plan has it, they go straight to work. The same plan
    comes back when nothing is lacking.
    """
    is_spoken = np.array([not lacking(one, operations) for one in plan.activities])
    keeps_looking = set(NAVIGATION) <= set(operations)
    if is_spoken[plan.activity].all() and (keeps_looking or not plan.navigation.any()):
        return plan
    rows = np.flatnonzero(is_spoken[plan.activity])
    navigation = plan.navigation[rows] if keeps_looking else np.zeros_like(plan.navigation[rows])
    part = replace(
        plan,
        start_ns=plan.start_ns[rows],
        unit=plan.unit[rows],
        unit_row=plan.unit_row[rows],
        activity=plan.activity[rows],
        navigation=navigation,
        seed=plan.seed[rows],
        sha256=_sha256(plan, operations),
    )
    journeys = Journeys(
        activity=part.activity.astype(np.int64),
        unit=part.unit.astype(np.int64),
        unit_row=part.unit_row.astype(np.int64),
        navigation=navigation.astype(np.int64),
        seed=part.seed,
    )
    counts = np.bincount(part.activity, minlength=len(plan.activities)).tolist()
    return replace(
        part,
        planned_requests=int(journeys.requests.sum()),
        planned_per_s=_due_per_s(part, journeys.requests),
        planned_by_activity={
            activity.name: count
            for activity, count in zip(plan.activities, counts, strict=True)
            if count
        },
        planned_by_operation=count_operations(journeys),
        units_planned=len(np.unique(part.unit[part.unit % UNITS_PER_PROVINCE != 0])),
    )


def lacking(activity: Activity, operations: Collection[str]) -> tuple[str, ...]:
    """Return what *activity* needs beyond *operations*."""
    needed = {name for variant in activity.variants for name in variant}
    return tuple(sorted(needed - set(operations)))


def _own_requests(plan: LoadPlan) -> Ints:
    own = np.array([activity.requests for activity in plan.activities], dtype=np.int64)
    return own[plan.activity]


def _due_per_s(plan: LoadPlan, requests: Ints) -> tuple[int, ...]:
    """Return the requests due in each second of the run when the target answers at once."""
    due_s = plan.start_ns / 1e9
    seconds = len(plan.planned_per_s)
    per_s = np.zeros(seconds, dtype=np.int64)
    for step in range(int(requests.max(initial=0))):
        if step:
            mean_s = np.array([activity.think_s(step) for activity in plan.activities])
            pace = 0.5 + uniforms_of(plan.seed, step)
            due_s = due_s + mean_s[plan.activity] * plan.think_scale * pace
        at = np.minimum(due_s[requests > step].astype(np.int64), seconds - 1)
        per_s += np.bincount(at, minlength=seconds)
    return tuple(per_s.tolist())


def _sha256(plan: LoadPlan, operations: Collection[str]) -> str:
    spoken = ",".join(sorted(operations))
    return sha256(f"spoken/1|{plan.sha256}|{spoken}".encode()).hexdigest()
