"""One load process from order to closed logs: plan, get ready, wait for the start, drive, finish.

Writes into the run folder: `samples/load-<i>.log`, `operations/load-<i>.log` and the progress lines
`readings/load-<i>.jsonl`. It judges nothing and talks to no one but the target; the harness talks
to it through the order, the start file and signals.
"""

from __future__ import annotations

import gc
import logging
import resource
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import gevent
import numpy as np
import numpy.typing as npt
import orjson

from scenarios.arrivals import plan_load
from scenarios.country_playbook import country_playbook
from scenarios.dialects import load_dialect
from scenarios.dialects.interface import Dialect
from scenarios.dialects.replay import ReplayDialect
from scenarios.engine.exchange import address_of, resolve
from scenarios.engine.fleet import Fleet
from scenarios.engine.order import BadLoadOrder, LoadOrder
from scenarios.engine.recorder import OperationLog, SampleLog
from scenarios.engine.switchboard import Switchboard
from scenarios.engine.tokens import TokenBook
from scenarios.engine.vitals import Vitals
from scenarios.engine.wire import SWEEP_INTERVAL_S
from scenarios.playbook import Playbook
from scenarios.population import build_population
from scenarios.workload import BadWorkload, read_workload
from scenarios.workload_plan import WorkloadTooLarge, plan_workload
from scenarios.workload_playbook import workload_playbook

START_WAIT_S: Final = 120.0
START_POLL_S: Final = 0.02
PROGRESS_INTERVAL_S: Final = 1.0
# Without a harness the load begins this long after everything is ready.
HEAD_START_NS: Final = 300_000_000
# Descriptors that are not connections: logs, libraries, Locust's own sockets.
DESCRIPTORS_RESERVED: Final = 256
# Ports that one address of ours can use towards one address of the target (Linux default range).
CONNECTIONS_MAX: Final = 28_000
GRACE_S: Final = 3.0

log = logging.getLogger(__name__)
SamplesListener = Callable[[npt.NDArray[np.void]], None]


class LoadProcess:
    """The whole life of one load process. `run` once; `stop` from any greenlet."""

    def __init__(
        self, order: LoadOrder, *, host: str, on_samples: SamplesListener | None = None
    ) -> None:
        self.order = order
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

    def run(self) -> None:
        """Carry the order out. Raises `BadLoadOrder` before any load, or our own defects."""
        order = self.order
        _check_place(self._samples_path, self._operations_path)
        _check_host(self._host)
        playbook, dialect, plan_sha256 = _planned(order)
        tokens = TokenBook.read(Path(order.sessions_csv)) if order.sessions_csv else TokenBook()
        self._readings_path.parent.mkdir(parents=True, exist_ok=True)
        connections_max = _raise_descriptor_limit()
        keep_collector_quiet()
        self._say("ready", sessions=len(playbook.start_ns), plan_sha256=plan_sha256)
        t0_ns = self._wait_for_start()
        if t0_ns == 0:
            self._say("finished", dropped_sessions=0, reason="stopped before the start")
            return
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
                ),
            )
            fleet.prepare()
            if self._is_stopped:  # while it was being made
                fleet.stop(grace_s=0.0)
            self._drive(fleet, t0_ns)
        finally:
            samples.close()
            operations.close()

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
                is_complete=not self._is_stopped and fleet.failure is None,
                reason="stopped" if self._is_stopped else str(fleet.failure or ""),
            )

    def _tend(self, fleet: Fleet) -> None:
        """Look, then sweep: what a sweep ends is noted only in the hub's next turn."""
        while True:
            gevent.sleep(SWEEP_INTERVAL_S)
            self._vitals.look(in_flight=fleet.in_flight, open_sessions=fleet.counters.open_sessions)
            fleet.switchboard.sweep()

    def _report(self, fleet: Fleet) -> None:
        while True:
            gevent.sleep(PROGRESS_INTERVAL_S)
            self._progress(fleet)
            # Only what was made since the last second is looked at, so this takes well under 1 ms.
            gc.collect(0)

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
            extra_logins=counters.extra_logins,
            in_flight=fleet.in_flight,
            heap_length=fleet.heap_length,
            connections=fleet.switchboard.connections,
            connections_max=fleet.switchboard.connections_max,
            connections_opened=fleet.switchboard.connections_opened,
            closed_by_target=fleet.switchboard.closed_by_target,
            connections_retired=fleet.switchboard.retired,
            resent=fleet.switchboard.resent,
            own_shortages=fleet.switchboard.own_shortages,
            **self._vitals.read(recent),
        )
        if self._on_samples is not None:
            self._on_samples(recent)

    def _say(self, event: str, **readings: Any) -> None:
        line = orjson.dumps({"event": event, **readings}, option=orjson.OPT_APPEND_NEWLINE)
        with self._readings_path.open("ab", buffering=0) as file:
            file.write(line)

    def _wait_for_start(self) -> int:
        """Return t0 in ns, 0 when stopped while waiting. Raises `BadLoadOrder` after the limit."""
        if self._is_stopped:
            return 0
        if not self.order.start_file:
            return monotonic_ns() + HEAD_START_NS
        path = Path(self.order.start_file)
        deadline_ns = monotonic_ns() + int(START_WAIT_S * 1e9)
        while monotonic_ns() < deadline_ns:
            if self._is_stopped:
                return 0
            t0_ns = _read_start(path)
            if t0_ns:
                return t0_ns
            gevent.sleep(START_POLL_S)
        raise BadLoadOrder(
            what=f"no start within {START_WAIT_S:.0f} s",
            where=str(path),
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


def _planned(order: LoadOrder) -> tuple[Playbook, Dialect, str]:
    """Return what the sessions do, in whose words, and the plan's name."""
    if order.workload:
        return _planned_replay(order)
    population = build_population(composition=order.composition, scale=order.scale)
    plan = plan_load(
        population,
        level=order.level,
        demand=order.demand,
        duration_s=order.duration_s,
        seed=order.seed,
        has_faults=order.has_faults,
    )
    playbook = country_playbook(
        plan,
        population,
        process_index=order.process_index,
        process_count=order.process_count,
        business_date=order.business_date,
        seed=order.seed,
        key_salt=order.key_salt,
    )
    return playbook, load_dialect(order.dialect), plan.sha256


def _planned_replay(order: LoadOrder) -> tuple[Playbook, Dialect, str]:
    try:
        workload = read_workload(Path(order.workload))
        plan = plan_workload(
            workload,
            duration_s=order.duration_s,
            rate_scale=order.rate_scale,
            seed=order.seed,
            send_writes=order.send_writes,
        )
    except BadWorkload as error:
        raise BadLoadOrder(what=error.what, where=error.where, mend=error.mend) from error
    except WorkloadTooLarge as error:
        raise BadLoadOrder(
            what=str(error), where=order.workload, mend="lower the rate or the duration"
        ) from error
    playbook = workload_playbook(
        plan, process_index=order.process_index, process_count=order.process_count
    )
    return playbook, ReplayDialect(workload), plan.sha256


def _read_start(path: Path) -> int:
    """Return t0 from the start file, 0 while it is not there or half written."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return 0
    t0_ns = content.get("t0_ns") if isinstance(content, dict) else None
    return t0_ns if type(t0_ns) is int and t0_ns > 0 else 0


def _raise_descriptor_limit() -> int:
    """Allow as many descriptors as the system lets us; returns how many may be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            log.warning("only %d file descriptors: connections are limited to that", soft)
    allowed = CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else soft - DESCRIPTORS_RESERVED
    return max(16, min(CONNECTIONS_MAX, allowed))


def keep_collector_quiet() -> None:
    """Take everything planned out of the collector's sight and stop it from running by itself.

    A full collection over 32,000 sessions stops everything for tens of ms, which would count as
    latency of the target. Sessions make no reference cycles; the youngest generation is collected
    once a second by hand.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
