"""When each fault goes, as a pure plan; and the runner that injects, heals and records them.

The plan gives every fault a stretch of its own inside the phase, in proportion to what it needs, so
that the return of the service after one is seen before the next and after the last. The runner
never leaves a fault behind: it heals in `finally`, on abort too, and writes down what it could not
do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.records import FaultEvent
from harness.failures import BadSetup, MonthendError
from harness.faults.fault import Fault, FaultTarget, Injection

# Before the first fault, and between the start of a slot and its fault: the level before it must be
# seen. A tenth of the slot, and not more than 5 s (the recovery clause looks at 1 s windows).
LEAD_SHARE = 0.1
LEAD_S_MAX = 5.0
# Twice the 30 s that chaos §3.1 proposes for the crash of a database.
HEAL_LIMIT_S = 60.0


class FaultRecord(Protocol):
    """Where fault events are kept: `harness.run_folder.RunFolder`."""

    def append_fault(self, event: FaultEvent) -> None:
        """Add one event at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """One fault with the time at which it goes, ns of CLOCK_MONOTONIC, and the end of its slot."""

    fault: Fault
    inject_ns: int
    slot_ended_ns: int


def plan_faults(
    faults: Sequence[Fault], *, started_ns: int, ended_ns: int
) -> tuple[PlannedFault, ...]:
    """Share the phase from *started_ns* to *ended_ns* among *faults*, in their order.

    Raises `BadSetup` when the phase is too short to tell their effects apart.
    """
    need_s = sum(fault.slot_s_min for fault in faults)
    length_s = (ended_ns - started_ns) / 1e9
    if need_s > length_s:
        raise BadSetup(
            what=f"the faults phase lasts {length_s:.0f} s and {len(faults)} fault(s) need "
            f"{need_s:.0f} s to be told apart",
            where="--faults",
            mend="lengthen the run with --duration or name fewer faults",
        )
    planned = []
    slot_started_ns = started_ns
    for fault in faults:
        slot_s = length_s * fault.slot_s_min / need_s
        slot_ended_ns = slot_started_ns + int(slot_s * 1e9)
        inject_ns = slot_started_ns + int(min(LEAD_SHARE * slot_s, LEAD_S_MAX) * 1e9)
        planned.append(PlannedFault(fault=fault, inject_ns=inject_ns, slot_ended_ns=slot_ended_ns))
        slot_started_ns = slot_ended_ns
    return tuple(planned)


class FaultRunner:
    """Injects planned faults from a thread of its own and always heals them."""

    def __init__(
        self,
        target: FaultTarget,
        planned: Sequence[PlannedFault],
        record: FaultRecord,
        *,
        heal_limit_s: float = HEAL_LIMIT_S,
    ) -> None:
        self._target = target
        self._planned = tuple(planned)
        self._record = record
        self._heal_limit_s = heal_limit_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._problems: list[str] = []
        self._active: str | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be injected or healed, one line each; empty when all went to plan."""
        return tuple(self._problems)

    @property
    def active(self) -> str | None:
        """Name of the fault that is in force now."""
        return self._active

    def start(self) -> None:
        """Begin to wait for the first fault's time."""
        self._thread.start()

    def stop(self, timeout_s: float = HEAL_LIMIT_S + 5.0) -> None:
        """Inject nothing more, let the running heal finish, and return; may be called again."""
        self._stop.set()
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._note(f"the fault runner did not end within {timeout_s:.0f} s of being stopped")

    def join(self, timeout_s: float) -> bool:
        """Wait until every planned fault was dealt with; False when *timeout_s* passed first."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for planned in self._planned:
            wait_s = (planned.inject_ns - time.monotonic_ns()) / 1e9
            if self._stop.wait(max(0.0, wait_s)):
                self._note(f"{planned.fault.name} was not injected: the run was stopped before it")
                continue
            if time.monotonic_ns() > planned.slot_ended_ns:
                self._note(f"{planned.fault.name} was not injected: its time had passed")
                continue
            self._active = planned.fault.name
            try:
                self._inject_and_heal(planned)
            finally:
                self._active = None

    def _inject_and_heal(self, planned: PlannedFault) -> None:
        fault = planned.fault
        began_ns = time.monotonic_ns()
        facts = [f"{(began_ns - planned.inject_ns) / 1e6:.0f} ms after its planned time"]
        injection: Injection | None = None
        healed_ns = 0
        try:
            injection = fault.inject(self._target)
            facts += injection.facts
            self._stop.wait(fault.hold_s)
        except (
            Exception
        ) as error:  # whatever went wrong, the target must be healed and the run go on
            facts.append(f"not injected: {_one_line(error)}")
            self._note(f"{fault.name} was not injected: {_one_line(error)}")
        finally:
            try:
                deadline_ns = time.monotonic_ns() + int(self._heal_limit_s * 1e9)
                healing = fault.heal(self._target, injection, deadline_ns=deadline_ns)
                healed_ns = healing.healed_ns
                facts += healing.facts
            except Exception as error:  # becomes a problem of the run, never a silent one
                facts.append(f"not healed: {_one_line(error)}")
                self._note(f"{fault.name} was not healed: {_one_line(error)}")
        if injection is None:
            return
        self._record.append_fault(
            FaultEvent(
                name=fault.name,
                target=injection.target,
                injected_ns=injection.injected_ns,
                healed_ns=healed_ns,
                detail="; ".join(facts),
            )
        )

    def _note(self, problem: str) -> None:
        self._problems.append(problem)


def _one_line(error: Exception) -> str:
    text = str(error) if isinstance(error, MonthendError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
