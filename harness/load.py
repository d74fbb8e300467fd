"""The load processes: started, told when to begin, listened to, stopped. Each drives a share.

They talk through files in the run folder: one line of JSON a second from each, and one start file
for all, so that a load process may die at any moment without taking the harness along.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from harness.failures import BadSetup, BrokenExperiment
from harness.options import Options
from harness.preparation import AnyPlan, Preparation
from harness.processes import Child, start_child
from harness.progress import Pulse
from harness.run_folder import RunFolder
from harness.targets import Target
from scenarios.demand import Demand
from scenarios.dialects import anywhere
from scenarios.population import Composition
from scenarios.shares import Share

LOCUSTFILE: Final = "scenarios/month_end.py"  # any scenario's would do: the order names it
# The client gives up after this; facts/chaos.md §5.2 item 11: client 10 s > service 5 s > pool 1 s.
REQUEST_TIMEOUT_S: Final = 10.0
DRAIN_S: Final = 10.0
READY_LIMIT_S: Final = 110.0  # below the 120 s for which a load process waits for its start
START_DELAY_S: Final = 1.0  # between writing the start file and t0: every process has read it
LATE_LIMIT_S: Final = 60.0  # after duration + drain, a load process that still runs is hung
# A load process says something each second; one that is silent for so long neither sends nor will.
SILENCE_LIMIT_S: Final = 15.0
# By then every survivor has read that it takes over (it looks once a second), and planned for it.
TAKEOVER_DELAY_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOrder:
    """What all load processes are told; the file's keys are these names."""

    seed: int
    composition: str
    scale: float
    level: str
    demand: str
    duration_s: float
    has_faults: bool
    dialect: str
    sessions_csv: str | None
    out_dir: str
    process_count: int
    business_date: str
    request_timeout_s: float
    start_file: str
    drain_s: float
    key_salt: int
    workload: str = ""  # a file to replay instead of the country
    takes_over: bool = True
    scenario: str = "month_end"
    retries: str = ""
    connections: str = "shared"
    network: str = "clean"
    rate_scale: float = 1.0
    send_writes: bool = False


@dataclass(slots=True)
class LoadProcess:
    """One load process and what it last said of itself."""

    index: int
    child: Child
    events: Path
    is_ready: bool = False
    plan_sha256: str = ""
    last: Mapping[str, Any] = field(default_factory=dict)
    finished: Mapping[str, Any] | None = None
    rate_per_s: float = 0.0
    heard_ns: int = 0
    shares: list[Share] = field(default_factory=list)
    lost_because: str = ""
    taken_over_by: tuple[int, ...] = ()
    _offset: int = 0

    def listen(self) -> None:
        """Read the lines written since the last call; a half-written one waits for the next."""
        try:
            with self.events.open("rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return
        whole, _, _ = fresh.rpartition(b"\n")
        if not whole:
            return
        self._offset += len(whole) + 1
        self.heard_ns = time.monotonic_ns()
        for line in whole.splitlines():
            event = orjson.loads(line)
            if event["event"] == "ready":
                self.is_ready = True
                self.plan_sha256 = str(event.get("plan_sha256", ""))
            elif event["event"] == "progress":
                self._take(event)
            elif event["event"] == "finished":
                self.finished = event

    def facts(self) -> Mapping[str, str | int | float]:
        """How it ended and what it last said; -999 for one that the kernel would not let go."""
        status = self.child.poll()
        said = {**self.last, **(self.finished or {})}
        return {
            "process_index": self.index,
            "exit_status": -999 if status is None else status,
            "has_finished": int(self.finished is not None),
            "is_lost": int(bool(self.lost_because)),
            "lost_because": self.lost_because,
            "taken_over_by": ", ".join(map(str, self.taken_over_by)),
            # Switches become 0 and 1; `event` is the line's own name.
            **{
                key: int(value) if isinstance(value, bool) else value
                for key, value in said.items()
                if key != "event" and isinstance(value, (int, float, str))
            },
        }

    def _take(self, event: Mapping[str, Any]) -> None:
        if self.last:
            length_s = (event["at_ns"] - self.last["at_ns"]) / 1e9
            self.rate_per_s = (event["done"] - self.last["done"]) / max(length_s, 1e-3)
        self.last = event


@dataclass(slots=True)
class Load:
    """All load processes of one run."""

    order: LoadOrder
    processes: list[LoadProcess]
    ready_limit_s: float = READY_LIMIT_S
    late_limit_s: float = LATE_LIMIT_S
    t0_ns: int = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """Pids of the load processes that live."""
        return tuple(p.child.pid for p in self.processes if p.child.poll() is None)

    def await_ready(self, plan: AnyPlan) -> None:
        """Wait until all have planned as *plan* says. Raises `BadSetup`; no load was sent then."""
        limit = time.monotonic() + self.ready_limit_s
        while True:
            for process in self.processes:
                process.listen()
                if process.child.poll() is not None:
                    raise _not_ready(process, f"ended with status {process.child.poll()}")
            if all(process.is_ready for process in self.processes):
                break
            if time.monotonic() > limit:
                late = next(process for process in self.processes if not process.is_ready)
                raise _not_ready(late, f"not ready after {self.ready_limit_s:g} s")
            time.sleep(0.02)
        for process in self.processes:
            if process.plan_sha256 != plan.sha256:
                raise _not_ready(process, "it planned another load than the harness")

    def begin(self) -> int:
        """Name the moment at which the load begins, ns of CLOCK_MONOTONIC, and return it."""
        self.t0_ns = time.monotonic_ns() + int(START_DELAY_S * 1e9)
        start_file = Path(self.order.start_file)
        unfinished = start_file.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps({"t0_ns": self.t0_ns}))
        unfinished.replace(start_file)
        return self.t0_ns

    @property
    def is_running(self) -> bool:
        """Whether any load process still runs."""
        return any(process.child.poll() is None for process in self.processes)

    def listen(self) -> tuple[str, ...]:
        """Take in what the processes wrote; returns a sentence for each that was lost just now.

        The share of a lost one is dealt to the others. Raises `BrokenExperiment` when there is
        nobody left, or when the load hangs.
        """
        lost = [process for process in self.processes if self._is_newly_lost(process)]
        sentences = tuple(self._deal_on(process) for process in lost)
        if lost and not self.driving:
            raise BrokenExperiment(
                what=f"{lost[-1].lost_because}; it wrote: {lost[-1].child.tail()}",
                where=f"load process {lost[-1].index}",
                mend="see its log in the run folder, and whether memory or disk ran out",
            )
        if self._seconds_in() > self.order.duration_s + self.order.drain_s + self.late_limit_s:
            raise BrokenExperiment(
                what=f"still running {self.late_limit_s:g} s after its end was due",
                where="load",
                mend="see its log in the run folder",
            )
        return sentences

    @property
    def driving(self) -> list[LoadProcess]:
        """The processes that were not lost."""
        return [process for process in self.processes if not process.lost_because]

    def _is_newly_lost(self, process: LoadProcess) -> bool:
        if process.lost_because:
            return False
        status = process.child.poll()  # before listening: its last words are then complete
        process.listen()
        if status not in (None, 0):
            is_killed = status < 0
            process.lost_because = (
                f"killed by signal {-status}" if is_killed else f"ended with status {status}"
            )
        elif status is None and self._seconds_in() > SILENCE_LIMIT_S:
            silent_s = (time.monotonic_ns() - process.heard_ns) / 1e9
            if silent_s > SILENCE_LIMIT_S:
                # Before its share is dealt on it must be certain that it sends no more.
                process.child.stop(grace_s=0.0, first=signal.SIGKILL)
                process.lost_because = f"said nothing for {silent_s:.0f} s and was killed"
        return bool(process.lost_because)

    def _deal_on(self, lost: LoadProcess) -> str:
        """Deal what *lost* had not begun to the others; says who takes it."""
        takers = [p for p in self.driving if p.finished is None and p.child.poll() is None]
        from_s = self._seconds_in() + TAKEOVER_DELAY_S
        said = f"load process {lost.index} was lost: {lost.lost_because}"
        if not self.order.takes_over or not takers or from_s >= self.order.duration_s:
            return f"{said}; what it had not begun is not offered"
        lines = []
        for share in lost.shares:
            parts = share.split(len(takers), from_ns=int(from_s * 1e9))
            for taker, part in zip(takers, parts, strict=True):
                taker.shares.append(part)
                lines.append(orjson.dumps({"by": taker.index, **part.as_json()}))
        with Path(self.order.start_file).with_name("shares.jsonl").open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        lost.taken_over_by = tuple(taker.index for taker in takers)
        return f"{said}; {len(takers)} other(s) take over what begins {from_s:.0f} s after t0"

    @property
    def has_finished(self) -> bool:
        """Whether every process that was not lost said that it carried out its plan."""
        return all(p.finished is not None and p.finished["is_complete"] for p in self.driving)

    @property
    def has_sent(self) -> bool:
        """Whether any request was sent."""
        return self._sum("sent") > 0

    @property
    def answered_well(self) -> int:
        """Requests that ended without an error so far."""
        return self._sum("done") - self._sum("errors")

    def pulse(self, plan: AnyPlan) -> Pulse:
        """Sum up what the processes last said."""
        in_s = self._seconds_in()
        phases = [phase.name for phase in plan.phases if phase.start_s <= in_s]
        latencies = [p.last.get("latency_ms_p99") or 0.0 for p in self.processes]
        return Pulse(
            phase=phases[-1] if phases else "start",
            rate_per_s=sum(process.rate_per_s for process in self.driving),
            latency_ms_p99=max(latencies, default=0.0),
            sent=self._sum("sent"),
            planned_requests=plan.planned_requests,
            errors=self._sum("errors"),
            open_sessions=self._sum("open_sessions"),
            left_s=self.order.duration_s - in_s,
        )

    def _sum(self, name: str) -> int:
        return sum(int(process.last.get(name, 0)) for process in self.processes)

    def stop(self) -> None:
        """Ask all to stop arrivals, drain and close their logs; kill what does not. Idempotent."""
        for process in self.processes:
            if process.child.poll() is None:
                process.child.send(signal.SIGINT)
        for process in self.processes:
            process.child.stop(grace_s=self.order.drain_s + 10.0, first=signal.SIGINT)
            process.listen()

    def facts(self) -> tuple[Mapping[str, str | int | float], ...]:
        """What each process came to, for the manifest."""
        return tuple(process.facts() for process in self.processes)

    def _seconds_in(self) -> float:
        return (time.monotonic_ns() - self.t0_ns) / 1e9 if self.t0_ns else 0.0


def start_load(
    options: Options, preparation: Preparation, target: Target, folder: RunFolder
) -> Load:
    """Start the load processes, which plan at once and then wait for `begin`."""
    order = order_for(options, preparation, target, folder)
    count = options.load_processes
    return Load(order, [start_process(order, index, target.url, folder) for index in range(count)])


def order_for(
    options: Options, preparation: Preparation, target: Target, folder: RunFolder
) -> LoadOrder:
    """Return what all load processes of this run are told."""
    plan = preparation.plan
    return LoadOrder(
        seed=options.seed,
        # Of a replay the next four mean nothing; they must be words that the engine knows.
        composition=preparation.population.composition or Composition.A,
        scale=options.scale,
        scenario=options.scenario,
        level=options.level,
        retries=options.retries,
        demand=plan.demand or Demand.BASE,
        duration_s=options.duration_s,
        has_faults=bool(preparation.fault_names),
        dialect=anywhere(options.dialect),
        sessions_csv=str(target.sessions_csv.resolve()) if target.sessions_csv else None,
        out_dir=str(folder.path.resolve()),
        process_count=options.load_processes,
        business_date=preparation.scenario.business_date,
        request_timeout_s=REQUEST_TIMEOUT_S,
        start_file=str(folder.logs.resolve() / "start.json"),
        drain_s=DRAIN_S,
        # A target that we did not just fill may remember the keys of an earlier run.
        key_salt=0 if options.is_embedded else secrets.randbits(48),
        takes_over=options.takes_over,
        connections=options.connections,
        network=options.network,
        workload=str(options.workload.resolve()) if options.workload else "",
        rate_scale=options.rate_scale,
        send_writes=options.send_writes,
    )


def start_process(order: LoadOrder, index: int, url: str, folder: RunFolder) -> LoadProcess:
    """Start load process *index* on *url*; its logs go into *folder*."""
    path = folder.logs.resolve() / f"load-{index}.json"
    path.write_bytes(orjson.dumps({**asdict(order), "process_index": index}))
    child = start_child(
        (sys.executable, "-m", "locust", "-f", LOCUSTFILE, "--headless", "--host", url,
         "--monthend-load", str(path)),
        name=f"load process {index}",
        log=folder.logs / f"load-{index}.log",
        environment=import_path(order.dialect),
    )  # fmt: skip
    share = Share(path=((order.process_count, index),))
    return LoadProcess(index, child, folder.readings / f"load-{index}.jsonl", shares=[share])


def import_path(dialect: str) -> dict[str, str]:
    """Have a dialect that is named by its module be found where the command was given."""
    if "." not in dialect or dialect.endswith(".py"):
        return {}
    folders = (os.environ.get("PYTHONPATH", ""), os.getcwd())
    return {"PYTHONPATH": os.pathsep.join(filter(None, folders))}


def _not_ready(process: LoadProcess, what: str) -> BadSetup:
    return BadSetup(
        what=f"{what}; it wrote: {process.child.tail()}",
        where=process.child.name,
        mend="mend what it names; `make setup` brings this project's own packages",
    )
