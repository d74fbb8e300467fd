"""What the sessions of a run do, as the fleet sees it: it asks a playbook and knows no country.

A playbook is one load process's share of a plan. It is pure: it neither sends nor waits, and the
same row always begins the same session.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from contracts.terms import OperationKind
from scenarios.journeys.repeats import Manners
from scenarios.journeys.vocabulary import Journey, Reply, Step
from scenarios.shares import Share


class Opening(NamedTuple):
    """A session as it begins. `number` is its row in the whole plan, `planned` its requests."""

    number: int
    unit: int
    seed: int
    journey: Journey
    planned: int


class PlannedStep(NamedTuple):
    """One request of a session; `pause_s` is how long its person pauses before it."""

    operation: str
    pause_s: float


class Playbook(Protocol):
    """The sessions of one load process, by row, in order of start.

    `operations` are (name, kind); the samples' `operation` column indexes them. `start_ns` counts
    from t0. `key_seed` sets which papers are thought twice about (`scenarios.journeys.repeats`).
    """

    @property
    def operations(self) -> Sequence[tuple[str, OperationKind]]:
        """Every operation that a session may ask for."""
        ...

    @property
    def start_ns(self) -> Sequence[int]:
        """When each session is due to begin, ascending."""
        ...

    @property
    def key_seed(self) -> int:
        """The randomness of this plan's papers."""
        ...

    @property
    def manners(self) -> Manners:
        """How the people of this plan take a slow answer, an error, a button that seems dead."""
        ...

    def prepare(self) -> None:
        """Look up what `begin` needs, before the clock runs."""
        ...

    def begin(self, row: int) -> Opening:
        """Return the session of *row* at its start."""
        ...

    def pause_s(self, row: int, step: int) -> float:
        """Return how long the person of *row* pauses before planned request *step* (from 0)."""
        ...

    def planned_steps(self, row: int) -> Sequence[PlannedStep]:
        """Return every planned request of *row*, for the record of what was never sent."""
        ...

    def sign_in(self, row: int, account: int) -> Generator[Step, Reply, Reply] | None:
        """Return how *account* signs in; None where nobody does. Steps of account 0 need none."""
        ...


@runtime_checkable
class Joinable(Protocol):
    """A playbook that can take over the sessions of a load process that was lost."""

    def joined_by(self, share: Share, *, begun: int) -> Playbook:
        """Return the playbook with the sessions of *share* among those after the first *begun*.

        Rows below *begun* stay what they are: their sessions are in progress or over.
        """
        ...
