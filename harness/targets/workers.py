"""Application workers that share one port, and the supervisor that replaces a dead one.

The port is held by a bound socket that never listens, so that no other program takes it while a
worker is away. Replacements are bounded: a release that cannot stay up loses the target, openly.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from harness.failures import BadSetup, BrokenExperiment
from harness.processes import Child
from harness.targets.asking import NoAnswer, ask

HOST: Final = "127.0.0.1"
WATCH_S: Final = 0.05  # a worker's death is seen within 50 ms; its successor starts at once
RESTARTS_MAX: Final = 20  # per worker and run; the fault schedule kills a handful
HASTE_S: Final = 1.0  # a worker that lived shorter than this is replaced more slowly ...
HASTE_DELAY_S: Final = 0.5  # ... by this much, so that a broken release does not eat the machine
READY_LIMIT_S: Final = 30.0
REQUEST_LIMIT_S: Final = 2.0


def reserve_port(port: int) -> socket.socket:
    """Bind *port* (0: any free one) without listening. Raises `BadSetup` when it is in use."""
    # Without SO_REUSEPORT first: with it, a port that another release's workers share would do.
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.close()
        holder.bind((HOST, port))
    except (OSError, OverflowError) as error:
        probe.close()
        holder.close()
        raise BadSetup(
            what=f"the port cannot be used: {getattr(error, 'strerror', None) or error}",
            where=f"{HOST}:{port}",
            mend="name another one with --port, or leave it out for any free port",
        ) from error
    return holder


def worker_name(index: int) -> str:
    """Name under which worker *index* answers, in the header `Server-Worker`."""
    return f"worker-{index}"


@dataclass(slots=True)
class Workers:
    """The running workers. `start_worker(index)` starts one; *count* of them are kept alive."""

    start_worker: Callable[[int], Child]
    count: int
    port: int
    restarts_max: int = RESTARTS_MAX
    haste_delay_s: float = HASTE_DELAY_S
    _children: list[Child] = field(default_factory=list)
    _restarts: list[int] = field(default_factory=list)
    _lost: str = ""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self) -> None:
        """Start all workers, wait until each answers, then watch over them."""
        self.start_all()
        self._await_all(READY_LIMIT_S)
        self.watch()

    def start_all(self) -> None:
        """Start all workers."""
        assert not self._children
        self._restarts = [0] * self.count
        for index in range(self.count):
            self._children.append(self.start_worker(index))

    def watch(self) -> None:
        """Replace the dead from now on, from a thread of its own."""
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    @property
    def pids(self) -> tuple[int, ...]:
        """Pids of the workers that live now, by index."""
        return tuple(child.pid for child in self._children if child.poll() is None)

    @property
    def lost(self) -> str:
        """Why the supervisor gave up, or an empty string."""
        return self._lost

    def kill(self, pid: int) -> None:
        """SIGKILL the worker with *pid*. Raises `BrokenExperiment` when there is none."""
        self._child_of(pid).send(signal.SIGKILL)

    def stop(self) -> None:
        """Stop watching, then the workers: all asked at once, so the drains run side by side."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join(READY_LIMIT_S)
        for child in self._children:
            if child.poll() is None:
                child.signal_group(signal.SIGTERM)
        for child in self._children:
            child.stop(grace_s=5.0)

    def _child_of(self, pid: int) -> Child:
        for child in self._children:
            if child.pid == pid and child.poll() is None:
                return child
        raise BrokenExperiment(
            what=f"there is no living worker {pid}",
            where="embedded target",
            mend="look at the workers' logs",
        )

    def _await_all(self, limit_s: float) -> None:
        """Wait until each worker has answered `/readyz` under its own name."""
        waiting = set(range(self.count))
        limit = time.monotonic() + limit_s
        while waiting:
            waiting -= {i for i in waiting if worker_name(i) == self._who_answers()}
            for index in waiting:
                if self._children[index].poll() is not None or time.monotonic() > limit:
                    raise self._not_ready(index, limit_s)
            time.sleep(0.01)

    def _not_ready(self, index: int, limit_s: float) -> BrokenExperiment:
        child = self._children[index]
        status = child.poll()
        ending = f"not ready after {limit_s:g} s" if status is None else f"ended: status {status}"
        return BrokenExperiment(
            what=f"{ending}; it wrote: {child.tail()}",
            where=child.name,
            mend="start it alone with `monthend target` and read its log",
        )

    def _who_answers(self) -> str:
        """Name of the worker that answered one readiness request well, or an empty string."""
        try:
            answer = ask(f"http://{HOST}:{self.port}", "/readyz", timeout_s=REQUEST_LIMIT_S)
        except NoAnswer:
            return ""
        return answer.headers.get("server-worker", "") if answer.status == 200 else ""

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S):
            for index, child in enumerate(self._children):
                if child.poll() is not None and not self._replace(index, child):
                    return

    def _replace(self, index: int, dead: Child) -> bool:
        if self._restarts[index] >= self.restarts_max:
            self._lost = (
                f"worker {index} ended {self.restarts_max + 1} times, the last time with status "
                f"{dead.poll()}; it wrote: {dead.tail()}"
            )
            return False
        lived_s = (time.monotonic_ns() - dead.started_ns) / 1e9
        if lived_s < HASTE_S and self._stopping.wait(self.haste_delay_s):
            return False
        self._restarts[index] += 1
        try:
            self._children[index] = self.start_worker(index)
        except BrokenExperiment as error:
            self._lost = str(error)
            return False
        return True
