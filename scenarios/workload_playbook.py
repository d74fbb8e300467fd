"""The playbook of a replayed workload: walks from operation to operation, nobody signs in.

A session's whole path is known when it begins; it goes on whatever the answers were, as the people
in a log did. Pure, like every playbook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from contracts.terms import OperationKind
from scenarios.journeys.repeats import PATIENT, Manners
from scenarios.journeys.vocabulary import Journey, Step
from scenarios.playbook import Opening, PlannedStep
from scenarios.shares import Ints, Share
from scenarios.workload_paths import WalkedStep
from scenarios.workload_plan import WorkloadPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPlaybook:
    """The sessions of one load process, by row; `number` is the row in the whole plan."""

    plan: WorkloadPlan
    number: Sequence[int]
    start_ns: Sequence[int]
    operations: Sequence[tuple[str, OperationKind]]
    key_seed: int = 0  # a replay has no papers to think twice about
    manners: Manners = PATIENT
    _pauses: dict[int, list[float]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Nothing is left to look up."""

    def begin(self, row: int) -> Opening:
        """Return the session of *row* at its start."""
        number = self.number[row]
        steps = self.plan.steps_of(number)
        if len(steps) > 1:
            self._pauses[row] = [step.pause_s for step in steps]
        return Opening(
            number=number,
            unit=0,
            seed=int(self.plan.seed[number]),
            journey=self._journey(row, number, steps),
            planned=len(steps),
        )

    def pause_s(self, row: int, step: int) -> float:
        """Return the pause before request *step* of a session in progress."""
        return self._pauses[row][step]

    def planned_steps(self, row: int) -> Sequence[PlannedStep]:
        """Return every planned request of *row*."""
        names = self.operations
        return [
            PlannedStep(names[step.operation][0], step.pause_s)
            for step in self.plan.steps_of(self.number[row])
        ]

    def sign_in(self, row: int, account: int) -> None:
        """Nobody signs in."""
        return None  # noqa: RET501  # the protocol's other playbooks return a generator

    def joined_by(self, share: Share, *, begun: int) -> WorkloadPlaybook:
        """Return this playbook with the sessions of *share* among those after the first *begun*."""
        own = np.asarray(self.number)
        waiting = np.union1d(own[begun:], _rows_in(self.plan, share))
        return replace(self, **_columns(self.plan, np.concatenate([own[:begun], waiting])))

    def _journey(self, row: int, number: int, steps: Sequence[WalkedStep]) -> Journey:
        try:
            for step in steps:
                # Account 0 is nobody in particular; the session's number stands as the unit, the
                # example asked for as the document.
                yield Step(self.operations[step.operation][0], 0, number, document=step.example)
        finally:
            self._pauses.pop(row, None)


def workload_playbook(plan: WorkloadPlan, *, share: Share | None) -> WorkloadPlaybook:
    """Return what the load process with *share* drives: sessions in turn, for a log has no units.

    Without a share, nothing until it is joined.
    """
    rows = _rows_in(plan, share) if share else np.arange(0)
    return WorkloadPlaybook(
        plan=plan,
        **_columns(plan, rows),
        operations=[(one.name, one.kind) for one in plan.workload.operations],
    )


def _rows_in(plan: WorkloadPlan, share: Share) -> Ints:
    return np.flatnonzero(share.covers(np.arange(plan.sessions), plan.start_ns))


def _columns(plan: WorkloadPlan, rows: Ints) -> dict[str, Any]:
    return {"number": rows.astype("int64").data, "start_ns": plan.start_ns[rows].data}
