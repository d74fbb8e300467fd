"""F1: one application worker dies at once (SIGKILL), with requests in its hands.

Nothing is cleaned up: connections break, transactions are abandoned. The target's own supervisor
has to start another worker; this fault only watches for it, so healing too is the target's merit.
The worker is back when a successor answers `/readyz` under the name that the dead one answered
under.
"""

from __future__ import annotations

import random
import time

from harness.faults.fault import (
    FaultTarget,
    Healing,
    Injection,
    NotHealed,
    NotInjected,
    await_death,
)
from harness.processes import start_time_ticks
from harness.targets.asking import NoAnswer, ask

# A killed process leaves in microseconds; a second allows for a machine under full load.
DEATH_LIMIT_S = 1.0
PAUSE_S = 0.05
ANSWER_LIMIT_S = 2.0
# Workers share one port and the kernel chooses among them for every new connection: with n workers
# each stays unseen in 20 n tries with a chance of (1 - 1/n)^(20 n), about 2e-9.
TRIES_PER_WORKER = 20


class WorkerKill:
    """Kill one worker, chosen by *seed* among those alive."""

    name = "worker_kill"
    # Lead-in, death and return of a worker (chaos F1: under 5 s), and a few s of load after it.
    slot_s_min = 8.0
    hold_s = 0.0

    def __init__(self, *, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def refusal(self, target: FaultTarget) -> str | None:
        """Say why this target cannot lose a worker."""
        if not target.processes("app"):
            return "there is no access to the processes of this target"
        return None

    def inject(self, target: FaultTarget) -> Injection:
        """Kill a worker and see it gone."""
        workers = sorted(target.processes("app"))
        if not workers:
            raise NotInjected(
                what="no application worker is alive",
                where=self.name,
                mend="look at the target's own log",
            )
        names = names_that_answer(target.base_url, len(workers))
        pid = self._random.choice(workers)
        started_ticks = start_time_ticks(pid)
        injected_ns = time.monotonic_ns()
        target.kill_worker(pid)
        await_death(pid, started_ticks, limit_s=DEATH_LIMIT_S, fault=self.name)
        died_ms = (time.monotonic_ns() - injected_ns) / 1e6
        return Injection(
            target=f"app worker {pid}",
            injected_ns=injected_ns,
            pid=pid,
            process_count=len(workers),
            expected=names if len(names) == len(workers) else frozenset(),
            facts=(f"pid {pid} of {len(workers)} workers", f"died after {died_ms:.0f} ms"),
        )

    def heal(
        self, target: FaultTarget, injection: Injection | None, *, deadline_ns: int
    ) -> Healing:
        """Wait until as many workers as before live and every one of them has answered.

        Where workers do not say their names (`Server-Worker`), enough answers in a row must do.
        """
        dead_pid, names, count = -1, frozenset[str](), max(1, len(target.processes("app")))
        if injection is not None:
            dead_pid, names, count = injection.pid, injection.expected, injection.process_count
        seen: set[str] = set()
        answer_count = 0
        while time.monotonic_ns() < deadline_ns:
            living = set(target.processes("app")) - {dead_pid}
            name = ready_worker(target.base_url) if len(living) >= count else None
            if name is None:
                answer_count = 0
                time.sleep(PAUSE_S)
                continue
            seen.add(name)
            answer_count += 1
            if seen >= names if names else answer_count >= TRIES_PER_WORKER * count:
                successors = ", ".join(str(pid) for pid in sorted(living))
                return Healing(
                    healed_ns=time.monotonic_ns(),
                    facts=(f"all {count} workers answer /readyz, pids now {successors}",),
                )
        unseen = ", ".join(sorted(names - seen)) or "none by name"
        raise NotHealed(
            what=f"{len(target.processes('app'))} of {count} workers are alive, silent: {unseen}",
            where=self.name,
            mend="the target's supervisor did not replace the worker: look at its log",
        )


def names_that_answer(base_url: str, count: int) -> frozenset[str]:
    """Return the names under which workers answer, *count* of them unless some stay unseen."""
    names: set[str] = set()
    for _ in range(TRIES_PER_WORKER * count):
        name = ready_worker(base_url)
        if name:
            names.add(name)
        if len(names) == count:
            break
    return frozenset(names)


def ready_worker(base_url: str) -> str | None:
    """Ask `/readyz` on a connection of its own and return who answered ("" when it did not say).

    None for anything but 200 in good time.
    """
    try:
        answer = ask(base_url, "/readyz", timeout_s=ANSWER_LIMIT_S)
    except NoAnswer:
        return None
    return answer.headers.get("server-worker", "") if answer.status == 200 else None
