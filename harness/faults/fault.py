"""What a fault is: a name, a way to inject it, and a way to heal it that is itself verified.

A fault knows one kind of damage and nothing of schedules. It meets the target as it meets a
vendor's system: by process ids, by HTTP and by SQL. Healing is idempotent, bounded by a deadline
and answers only when the service has been seen to work; `NotHealed` otherwise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from harness.failures import BrokenExperiment
from harness.processes import is_alive, start_time_ticks


class NotHealed(BrokenExperiment):
    """The target did not come back before the deadline: what follows would measure a ruin."""


class NotInjected(BrokenExperiment):
    """The damage did not happen: a pass after this would be empty."""


class DatabaseProcess(Protocol):
    """The database server of a target that we may stop and start."""

    def stop_immediate(self) -> None:
        """Stop without a checkpoint, as a crash does; bounded."""

    def start(self) -> None:
        """Start again; bounded; does nothing when it runs."""


class FaultTarget(Protocol):
    """The part of a target that faults use. Anything we have no access to is empty or None."""

    @property
    def base_url(self) -> str:
        """Where the application answers, without a trailing slash."""

    @property
    def database(self) -> DatabaseProcess | None:
        """The database server, None when its process cannot be reached."""

    @property
    def database_dsn(self) -> str | None:
        """Address of the database for probes and healing checks, None without access."""

    @property
    def provider_url(self) -> str:
        """Where the identity provider's stand-in answers, empty when it is not ours."""

    def processes(self, role: str) -> tuple[int, ...]:
        """Process ids alive now in *role* (`app`, `database`); empty without access."""

    def kill_worker(self, pid: int) -> None:
        """Kill one application worker with SIGKILL; its supervisor starts another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Damage that was done: to what, when (ns of CLOCK_MONOTONIC), and what was seen of it.

    `pid` is the process that died, `process_count` how many of its kind there were before, and
    `expected` the names that must answer again (empty when unknown). `facts` goes to the record.
    """

    target: str
    injected_ns: int
    pid: int
    process_count: int
    expected: frozenset[str]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """Service that was seen again: when (ns of CLOCK_MONOTONIC), and how it was seen."""

    healed_ns: int
    facts: tuple[str, ...]


class Fault(Protocol):
    """One kind of damage.

    `slot_s_min` is the shortest stretch of load, in s, in which this fault and the return of the
    service can be told from the fault before and after it.
    """

    @property
    def name(self) -> str:
        """Name in the catalogue, in `--faults` and in the contract's clauses."""

    @property
    def slot_s_min(self) -> float:
        """Shortest useful stretch around this fault, in s."""

    @property
    def hold_s(self) -> float:
        """How long the damage lasts before it is undone, in s; 0 for what is done at once."""

    def refusal(self, target: FaultTarget) -> str | None:
        """Say why this target cannot suffer this fault; None when it can."""

    def inject(self, target: FaultTarget) -> Injection:
        """Do the damage and verify that it happened. Raises `NotInjected`."""

    def heal(
        self, target: FaultTarget, injection: Injection | None, *, deadline_ns: int
    ) -> Healing:
        """Undo it and verify that service is back, before *deadline_ns*. Raises `NotHealed`.

        *injection* is None when injecting failed half-way: heal all the same.
        """


def await_death(pid: int, started_ticks: int, *, limit_s: float, fault: str) -> None:
    """Wait until the process *pid* that started at *started_ticks* is gone.

    The number alone proves nothing: it may belong to its successor already. Raises `NotInjected`
    when it still runs after *limit_s*.
    """
    limit_ns = time.monotonic_ns() + int(limit_s * 1e9)
    while is_alive(pid) and start_time_ticks(pid) == started_ticks:
        if time.monotonic_ns() > limit_ns:
            raise NotInjected(
                what=f"process {pid} still runs {limit_s:g} s after it was killed",
                where=fault,
                mend="the run proves nothing about this fault: repeat it",
            )
        time.sleep(0.002)
