"""One load process from order to closed logs: plan, get ready, wait for the start, drive, finish.

Writes into the run folder: `samples/load-<i>.log`, `operations/load-<i>.log` and the progress lines
`readings/load-<i>.jsonl`. It judges nothing and talks to no one but the target; the harness talks
to it through the order, the start file and signals.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import resource
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import gevent
import numpy as np
import numpy.typing as npt
import orjson

from contracts.terms import OperationKind
from scenarios.connections import connections_allowed
from scenarios.engine.director import Director, director_of
from scenarios.engine.exchange import address_of, resolve
from scenarios.engine.fleet import Fleet
from scenarios.engine.order import BadLoadOrder, LoadOrder
from scenarios.engine.planning import planned
from scenarios.engine.recorder import OperationLog, SampleLog
from scenarios.engine.switchboard import Switchboard
from scenarios.engine.tokens import TokenBook
from scenarios.engine.vitals import Vitals
from scenarios.engine.wire import SWEEP_INTERVAL_S
from scenarios.networks import LOSSY, lossy_units
from scenarios.population import build_population

START_WAIT_S: Final = 120.0
START_POLL_S: Final = 0.02
PROGRESS_INTERVAL_S: Final = 1.0
GRACE_S: Final = 3.0

log = logging.getLogger(__name__)
# Called about once a second with what was recorded since, and the operations that it indexes.
SamplesListener = Callable[[npt.NDArray[np.void], Sequence[tuple[str, OperationKind]]], None]


class LoadProcess:
    """The whole life of one load process. `run` once; `stop` from any greenlet."""

    def __init__(
        self,
        order: LoadOrder,
        *,
        host: str,
        on_samples: Sequence[SamplesListener] = (),
        director: Director | None = None,
    ) -> None:
        self.order = order
        self._director = director or director_of(order)
        self._host = host
        self._on_samples = on_samples
        self._fleet: Fleet | None = None
        self._samples: SampleLog | None = None
        self._is_stopped = False
        self._vitals = Vitals(look_interval_s=SWEEP_INTERVAL_S)
        name = f"load-{order.process_index}"
        self._samples_path = order.out_dir / "samples" / f"{name}.log"
        self._operations_path = order.out_dir / "operations" / f"{name}.log"
        self._readings_path = order.out_dir / "readings" / f"{name}.jsonl"

    def run(self) -> int:
        """Carry the order out; returns the exit status.

        Raises `BadLoadOrder` before any load, or our own defects.
        """
        order = self.order
        _check_place(self._samples_path, self._operations_path)
        _check_host(self._host)
        # In a thread of its own: a worker that is silent while it plans would be taken for lost.
        threads = gevent.get_hub().threadpool
        playbook, dialect, plan_sha256 = threads.apply(planned, (order,))
        tokens = TokenBook.read(Path(order.sessions_csv)) if order.sessions_csv else TokenBook()
        self._readings_path.parent.mkdir(parents=True, exist_ok=True)
        connections_max = _raise_descriptor_limit()
        keep_collector_quiet()
        give_memory_back()
        self._say("ready", sessions=len(playbook.start_ns), plan_sha256=plan_sha256)
        t0_ns = self._wait_for_start()
        if t0_ns == 0:
            self._say("finished", dropped_sessions=0, reason="stopped before the start")
            return 0
        samples = self._samples = SampleLog(
            self._samples_path,
            process_index=order.process_index,
            t0_ns=t0_ns,
            operations=[(name, kind.value) for name, kind in playbook.operations],
        )
        operations = OperationLog(self._operations_path, process_index=order.process_index)
        try:
            fleet = self._fleet = Fleet(
                playbook,
                t0_ns=t0_ns,
                dialect=dialect,
                tokens=tokens,
                samples=samples,
                operations=operations,
                switchboard_of=partial(
                    Switchboard,
                    self._host,
                    connections_max=connections_max,
                    timeout_s=order.request_timeout_s,
                    tls=ssl.create_default_context(),
                    connections=order.connections,
                    lossy=_lossy_units(order),
                ),
            )
            fleet.prepare()
            if self._director.has_fellows:
                fleet.stays_until_ns = t0_ns + int(order.duration_s * 1e9)
            self._follow(fleet)
            if self._is_stopped:  # while it was being made
                fleet.stop(grace_s=0.0)
            self._drive(fleet, t0_ns)
        finally:
            samples.close()
            operations.close()
        log.info("the load is over; logs in %s", order.out_dir)
        return 0

    def stop(self, *, grace_s: float = GRACE_S) -> None:
        """Stop arrivals, give answers under way up to *grace_s*, record the rest as not sent."""
        self._is_stopped = True
        if self._fleet is not None:
            self._fleet.stop(grace_s=min(grace_s, self.order.drain_s))

    def _drive(self, fleet: Fleet, t0_ns: int) -> None:
        self._say("started", at_ns=monotonic_ns(), t0_ns=t0_ns)
        attendants = [gevent.spawn(self._tend, fleet), gevent.spawn(self._report, fleet)]
        end_ns = t0_ns + int((self.order.duration_s + self.order.drain_s) * 1e9)
        try:
            fleet.run(end_ns=end_ns)
        finally:
            fleet.stop(grace_s=0.0)
            gevent.killall(attendants)
            fleet.close()
            self._progress(fleet)
            self._say(
                "finished",
                at_ns=monotonic_ns(),
                dropped_sessions=fleet.counters.dropped_sessions,
                forgone_sessions=fleet.forgone_sessions,
                is_complete=not self._is_stopped and fleet.failure is None,
                reason="stopped" if self._is_stopped else str(fleet.failure or ""),
            )

    def _tend(self, fleet: Fleet) -> None:
        """Look, then sweep: what a sweep ends is noted only in the hub's next turn."""
        while True:
            gevent.sleep(SWEEP_INTERVAL_S)
            in_flight, over = fleet.look()
            self._vitals.look(
                in_flight=in_flight, open_sessions=fleet.counters.open_sessions, over_by_last=over
            )
            fleet.switchboard.sweep()

    def _report(self, fleet: Fleet) -> None:
        while True:
            gevent.sleep(PROGRESS_INTERVAL_S)
            self._progress(fleet)
            self._follow(fleet)
            # Only what was made since the last second is looked at, so this takes well under 1 ms.
            gc.collect(0)

    def _follow(self, fleet: Fleet) -> None:
        shares = self._director.take_shares()
        until_ns = self._director.arrivals_until_ns()
        joined = fleet.look_around(starts_until_ns=until_ns, shares=shares)
        if shares:
            taken = [share.as_json() for share in shares]
            self._say("took_shares", at_ns=monotonic_ns(), sessions=joined, shares=taken)

    def _progress(self, fleet: Fleet) -> None:
        assert self._samples is not None
        self._samples.flush()
        recent = self._samples.take_recent()
        counters = fleet.counters
        self._say(
            "progress",
            at_ns=monotonic_ns(),
            planned=counters.planned,
            sent=counters.sent,
            done=counters.done,
            errors=counters.errors,
            open_sessions=counters.open_sessions,
            dropped_sessions=counters.dropped_sessions,
            forgone_sessions=fleet.forgone_sessions,
            extra_logins=counters.extra_logins,
            in_flight=fleet.in_flight,
            heap_length=fleet.heap_length,
            connections=fleet.switchboard.connections,
            connections_max=fleet.switchboard.connections_max,
            connections_opened=fleet.switchboard.connections_opened,
            closed_by_target=fleet.switchboard.closed_by_target,
            connections_evicted=fleet.switchboard.evicted,
            connections_retired=fleet.switchboard.retired,
            resent=fleet.switchboard.resent,
            own_shortages=fleet.switchboard.own_shortages,
            **self._vitals.read(recent),
        )
        for listener in self._on_samples:
            listener(recent, fleet.playbook.operations)

    def _say(self, event: str, **readings: Any) -> None:
        self._director.tell({"event": event, **readings})
        line = orjson.dumps({"event": event, **readings}, option=orjson.OPT_APPEND_NEWLINE)
        with self._readings_path.open("ab", buffering=0) as file:
            file.write(line)

    def _wait_for_start(self) -> int:
        """Return t0 in ns, 0 when stopped while waiting. Raises `BadLoadOrder` after the limit."""
        deadline_ns = monotonic_ns() + int(START_WAIT_S * 1e9)
        while monotonic_ns() < deadline_ns:
            if self._is_stopped:
                return 0
            t0_ns = self._director.t0_ns()
            if t0_ns:
                return t0_ns
            gevent.sleep(START_POLL_S)
        raise BadLoadOrder(
            what=f"no start within {START_WAIT_S:.0f} s",
            where=self.order.start_file or "load order",
            mend='write {"t0_ns": int} when every load process is ready',
        )


def _check_place(*logs: Path) -> None:
    for path in logs:
        if path.exists():
            raise BadLoadOrder(
                what="there is the log of an earlier load",
                where=str(path),
                mend="name another folder: a log is never written over",
            )


def _check_host(host: str) -> None:
    try:
        resolve(address_of(host))
    except (ValueError, OSError) as error:
        raise BadLoadOrder(
            what=f"no target there: {error}",
            where=f"--host {host}",
            mend="give the address of the target, like http://127.0.0.1:8080",
        ) from error


def _lossy_units(order: LoadOrder) -> frozenset[int]:
    """Return the units that are behind a bad line in this run; a replayed workload has no units."""
    if order.network != LOSSY or order.workload:
        return frozenset()
    return lossy_units(build_population(composition=order.composition, scale=order.scale))


def _raise_descriptor_limit() -> int:
    """Allow as many descriptors as the system lets us; returns how many may be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            log.warning("only %d file descriptors: connections are limited to that", soft)
    return connections_allowed(None if soft == resource.RLIM_INFINITY else soft)


def give_memory_back() -> None:
    """Return what planning took and needs no more to the system, where the C library can.

    An hour of the whole country leaves 158 MB behind, of which 105 MB are in use (measured,
    November 2026); with several processes on a machine that is worth a call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_collector_quiet() -> None:
    """Take everything planned out of the collector's sight and stop it from running by itself.

    A full collection over 32,000 sessions stops everything for tens of ms, which would count as
    latency of the target. Sessions make no reference cycles; the youngest generation is collected
    once a second by hand.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
