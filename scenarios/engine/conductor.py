"""The master's side of a load on several machines: deals, begins, watches, collects.

Workers each plan the whole and drive a share; the master drives nothing. It has all begin at one
instant, knows within seconds that one is lost, deals what that one had not begun to the others, and
at the end fetches every log, so that its run folder is as judgeable as that of one machine.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from time import monotonic_ns
from typing import Any, Final

import gevent
import orjson

from scenarios.engine import messages
from scenarios.engine.clocks import Exchange
from scenarios.engine.director import Director
from scenarios.engine.fetching import Fetching
from scenarios.engine.member import STATUS_NOT_CARRIED_OUT, listener
from scenarios.engine.order import BadLoadOrder, LoadOrder
from scenarios.engine.planning import planned
from scenarios.engine.tally import Tally
from scenarios.engine.worker_record import WorkerRecord
from scenarios.shares import Share

WORKERS_MAX: Final = 256
PLAN_LIMIT_S: Final = 100.0  # below the 120 s for which a load process waits for its start
PLANNING_SILENCE_S: Final = 20.0  # before the start nothing is driven yet: no hurry
OWN_PAUSE_S: Final = 1.0
START_LIMIT_S: Final = 120.0
HEAD_START_S: Final = 1.5  # every worker has heard when to begin
TAKEOVER_DELAY_S: Final = 3.0  # every survivor has heard what it takes, and has planned for it
CLOCK_QUESTIONS: Final = 12  # before and after; the quickest of so many is a quiet one
CLOCK_INTERVAL_S: Final = 3.0  # while the load is on
LATE_LIMIT_S: Final = 30.0
WATCH_S: Final = 0.1

log = logging.getLogger("monthend")


class Conductor:
    """One load over the workers that are there when it starts. `run` once; `stop` from anywhere."""

    def __init__(self, runner: Any, order: LoadOrder, director: Director) -> None:
        ready = sorted(client.id for client in runner.clients.ready)
        if not 0 < len(ready) <= WORKERS_MAX:
            raise BadLoadOrder(
                what=f"{len(ready)} workers are connected",
                where="master",
                mend=f"connect 1 to {WORKERS_MAX} with --worker",
            )
        self._runner = runner
        self._order = order
        self._director = director
        self._readings = order.out_dir / "readings"
        self._logs = order.out_dir / "logs"
        for folder in (self._readings, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        if (self._logs / "master.jsonl").exists():
            raise BadLoadOrder(
                what="there is the log of an earlier load",
                where=str(order.out_dir),
                mend="name another folder: a log is never written over",
            )
        self.deal = {worker: index for index, worker in enumerate(ready)}
        self.workers = {worker: self._record(worker, index) for worker, index in self.deal.items()}
        whole = Share().split(len(ready))
        for worker, index in self.deal.items():
            self.workers[worker].shares.append(whole[index])
        self._t0_ns = 0
        self._plan_sha256 = ""
        self._is_stopping = False
        self._looked_ns = self._looks_again_ns = monotonic_ns()
        self._fetching = Fetching(order.out_dir, self._send)
        self._key_salt = order.key_salt or (0 if order.start_file else secrets.randbits(48))

    @property
    def order_for_workers(self) -> dict[str, Any]:
        """The order as it travels; each worker adds its own place and share."""
        own = ("process_index", "process_count", "is_spare", "start_file")
        content = {name: value for name, value in asdict(self._order).items() if name not in own}
        return content | {"out_dir": self._order.out_dir.name, "key_salt": self._key_salt}

    def tally(self) -> Tally:
        """Return the workers' tallies, merged."""
        merged = Tally()
        for worker in self.workers.values():
            merged.merge(worker.tally)
        return merged

    def stop(self) -> None:
        """Have all workers stop their arrivals; what they recorded is still collected."""
        self._is_stopping = True
        self._say_to_all()

    def run(self) -> int:
        """Carry the load out; returns the exit status of the master."""
        self._plan_sha256 = gevent.get_hub().threadpool.apply(planned, (self._order,))[2]
        self._await_plans()
        sessions = sum(int((w.planned or {}).get("sessions", 0)) for w in self._driving())
        self._write("ready", sessions=sessions, plan_sha256=self._plan_sha256)
        if not self._await_start():
            self._conclude("stopped before the start")
            return STATUS_NOT_CARRIED_OUT
        self._write("started", at_ns=monotonic_ns(), t0_ns=self._t0_ns)
        self._watch()
        self._ask_clocks(self._reachable())
        fetching = [gevent.spawn(self._fetching.collect, worker) for worker in self._reachable()]
        while not all(one.ready() for one in fetching):  # each bounded by its pieces
            gevent.joinall(fetching, timeout=messages.PULSE_INTERVAL_S)
            self._progress()
        return self._conclude("stopped" if self._is_stopping else "")

    # What the workers say.

    def listen(self) -> None:
        """Take the workers' messages from now on."""
        for name, handler in (
            (messages.PULSE, self._on_pulse),
            (messages.CLOCK, self._on_clock),
            (messages.PIECE, self._fetching.take),
        ):
            self._runner.custom_messages[name] = (listener(handler), False)

    def _on_pulse(self, pulse: Mapping[str, Any]) -> None:
        worker = self.workers.get(str(pulse["from"]))
        if worker is None:
            name = str(pulse["from"])
            # The same rule as the worker's own (scenarios.engine.member): it names its files by it.
            index = len(self.deal) + self._runner.get_worker_index(name)
            worker = self.workers[name] = self._record(name, index)
            log.info("worker %d joined late: a spare, until another is lost", worker.index)
        worker.take(pulse, monotonic_ns())
        self._check_plan(worker)
        self._say(worker, number=int(pulse["number"]))

    def _on_clock(self, answer: Mapping[str, Any]) -> None:
        answered_ns = monotonic_ns()
        worker = self.workers.get(str(answer["from"]))
        if worker is not None:
            worker.exchanges.append(
                Exchange(
                    asked_ns=int(answer["asked_ns"]),
                    received_ns=int(answer["received_ns"]),
                    replied_ns=int(answer["replied_ns"]),
                    answered_ns=answered_ns,
                    wall_ns=int(answer["wall_ns"]),
                )
            )

    # Before.

    def _await_plans(self) -> None:
        limit_ns = monotonic_ns() + int(PLAN_LIMIT_S * 1e9)
        while not self._is_stopping:
            self._look_for_lost()
            waiting = [worker for worker in self._driving() if worker.planned is None]
            if not waiting:
                break
            if monotonic_ns() > limit_ns:
                for worker in waiting:
                    self._lose(worker, f"it had not planned after {PLAN_LIMIT_S:g} s")
            gevent.sleep(WATCH_S)
        self._ask_clocks(self._driving())
        if not self._driving():
            reasons = [worker.refusal or worker.lost_because for worker in self.workers.values()]
            raise BadLoadOrder(
                what=f"no worker can drive: {reasons[0]}",
                where="master",
                mend="give all machines the same release and connect them again",
            )

    def _check_plan(self, worker: WorkerRecord) -> None:
        """Refuse a worker that planned another load, or could not plan."""
        if not self._plan_sha256 or not worker.is_driving or (self._t0_ns and worker.shares):
            return
        if worker.done is not None:
            worker.refusal = f"it could not begin: {worker.done.get('error')}"
        elif worker.planned and worker.planned["plan_sha256"] != self._plan_sha256:
            worker.refusal = (
                f"worker {worker.index} planned {worker.planned['plan_sha256'][:12]}, the master "
                f"{self._plan_sha256[:12]}: another load; install the same release on both"
            )
        if worker.refusal:
            log.error("%s", worker.refusal)
            worker.readings.unlink(missing_ok=True)  # it takes no part
            self._deal_on(worker)

    def _await_start(self) -> bool:
        limit_ns = monotonic_ns() + int(START_LIMIT_S * 1e9)
        t0_ns = 0
        while not t0_ns and not self._is_stopping and monotonic_ns() < limit_ns:
            t0_ns = self._director.t0_ns()
            self._look_for_lost()
            gevent.sleep(0.0 if t0_ns else WATCH_S)
        if not t0_ns:
            return False
        self._t0_ns = max(t0_ns, monotonic_ns() + int(HEAD_START_S * 1e9))
        if t0_ns != self._t0_ns and self._order.start_file:
            self._t0_ns = t0_ns  # the harness has already written it down
        self._say_to_all()
        return True

    # Meanwhile.

    def _watch(self) -> None:
        end_s = self._order.duration_s + self._order.drain_s + LATE_LIMIT_S
        asked_ns = said_ns = monotonic_ns()
        while any(worker.done is None for worker in self._expected()):
            now_ns = monotonic_ns()
            self._look_for_lost()
            if now_ns - asked_ns > CLOCK_INTERVAL_S * 1e9:
                asked_ns = now_ns
                self._ask_each(self._reachable())
            if now_ns - said_ns > messages.PULSE_INTERVAL_S * 1e9:
                said_ns = now_ns
                self._progress()
            if (now_ns - self._t0_ns) / 1e9 > end_s:
                for worker in self._driving():
                    if worker.done is None:
                        self._lose(worker, f"still running {LATE_LIMIT_S:g} s after its end")
                break
            gevent.sleep(WATCH_S)
        self._progress()

    def _look_for_lost(self) -> None:
        now_ns = monotonic_ns()
        if now_ns - self._looked_ns > OWN_PAUSE_S * 1e9:
            # It was the master that stood still: what the workers said meanwhile is still to read.
            self._looks_again_ns = now_ns + int(OWN_PAUSE_S * 1e9)
        self._looked_ns = now_ns
        limit_s = messages.LOST_AFTER_S if self._t0_ns else PLANNING_SILENCE_S
        for worker in self._driving():
            if worker.done is not None:
                continue
            silent_s = (now_ns - worker.heard_ns) / 1e9
            if worker.id not in self._runner.clients:
                self._lose(worker, "it left")
            elif worker.last.get("forgone_sessions"):
                self._lose(worker, "its term ran out: it could not hear the master")
            elif silent_s > limit_s and now_ns > self._looks_again_ns:
                self._lose(worker, f"silent for {silent_s:.1f} s")

    def _lose(self, worker: WorkerRecord, why: str) -> None:
        worker.lost_because = why
        self._deal_on(worker)

    def _deal_on(self, lost: WorkerRecord) -> None:
        """Deal what *lost* had not begun to those who can still take it."""
        takers = [worker for worker in self._driving() if worker.done is None]
        from_s = self._seconds_in() + TAKEOVER_DELAY_S if self._t0_ns else 0.0
        why = lost.refusal or f"worker {lost.index} was lost: {lost.lost_because}"
        if not lost.shares:
            log.warning("%s; it was a spare", why)
            return
        is_begun = self._t0_ns > 0
        if (
            not takers
            or from_s >= self._order.duration_s
            or (is_begun and not self._order.takes_over)
        ):
            log.warning("%s; what it had not begun is not offered", why)
            return
        for share in lost.shares:
            parts = share.split(len(takers), from_ns=int(max(0.0, from_s) * 1e9))
            for taker, part in zip(takers, parts, strict=True):
                taker.shares.append(part)
                taker.dealt.append(part)
        lost.taken_over_by = tuple(taker.index for taker in takers)
        log.warning("%s; taken over by %s", why, ", ".join(map(str, lost.taken_over_by)))
        self._say_to_all()

    # Afterwards.

    def _conclude(self, reason: str) -> int:
        for worker in self.workers.values():
            worker.release = "collected" if worker.is_collected else "kept"
            self._say(worker)
        drove = [w for w in self.workers.values() if w.shares and not w.refusal]
        facts = [worker.facts() for worker in drove]
        (self._logs / "workers.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
        is_complete = not reason and all(
            worker.finished is not None
            and worker.finished.get("is_complete")
            and worker.is_collected
            for worker in drove
        )
        dropped = sum(int((w.finished or {}).get("dropped_sessions", 0)) for w in self._driving())
        self._write(
            "finished",
            at_ns=monotonic_ns(),
            dropped_sessions=dropped,
            is_complete=not reason,
            reason=reason,
        )
        # A harness reads what became of each worker and gives its own status.
        return 0 if is_complete or self._order.start_file else STATUS_NOT_CARRIED_OUT

    # Small things.

    def _record(self, worker: str, index: int) -> WorkerRecord:
        readings = self._readings / f"load-{index}.jsonl"
        return WorkerRecord(worker, index, readings, heard_ns=monotonic_ns())

    def _driving(self) -> list[WorkerRecord]:
        return [worker for worker in self.workers.values() if worker.is_driving]

    def _expected(self) -> list[WorkerRecord]:
        """Return those whose end is worth waiting for: also one that was lost and came back."""
        back = [worker for worker in self._reachable() if worker.has_come_back]
        return [*self._driving(), *back]

    def _reachable(self) -> list[WorkerRecord]:
        now_ns = monotonic_ns()
        recent_ns = now_ns - int(messages.LOST_AFTER_S * 1e9)
        return [w for w in self.workers.values() if not w.refusal and w.heard_ns > recent_ns]

    def _seconds_in(self) -> float:
        return (monotonic_ns() - self._t0_ns) / 1e9 if self._t0_ns else 0.0

    def _ask_clocks(self, workers: list[WorkerRecord]) -> None:
        for _ in range(CLOCK_QUESTIONS):
            self._ask_each(workers)
            gevent.sleep(0.02)

    def _ask_each(self, workers: list[WorkerRecord]) -> None:
        for worker in workers:
            self._send(worker, messages.ASK_CLOCK, {"asked_ns": monotonic_ns()})

    def _say_to_all(self) -> None:
        for worker in self.workers.values():
            self._say(worker)

    def _say(self, worker: WorkerRecord, *, number: int = 0) -> None:
        word = {
            "number": number,
            "t0_ns": worker.line.on_worker(self._t0_ns) if self._t0_ns else 0,
            "shares": [share.as_json() for share in worker.dealt],
            "is_stopping": self._is_stopping,
            "refusal": worker.refusal,
            "release": worker.release,
        }
        self._send(worker, messages.WORD, word)

    def _send(self, worker: WorkerRecord, name: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(name, data, client_id=worker.id)
        except Exception as error:  # a worker that is gone cannot be told; its pulse is missed
            log.warning("worker %d cannot be told %s: %s", worker.index, name, error)

    def _progress(self) -> None:
        last = [worker.last for worker in self.workers.values() if worker.last]
        sums = ("planned", "sent", "done", "errors", "open_sessions", "extra_logins")
        worst = ("latency_ms_p99", "lateness_ms_p99", "cpu_share")
        self._write(
            "progress",
            at_ns=monotonic_ns(),
            **{name: sum(int(one.get(name) or 0) for one in last) for name in sums},
            **{name: max((one.get(name) or 0.0 for one in last), default=0.0) for name in worst},
            workers=len(self._driving()),
        )

    def _write(self, event: str, **readings: Any) -> None:
        line = orjson.dumps({"event": event, **readings}, option=orjson.OPT_APPEND_NEWLINE)
        with (self._logs / "master.jsonl").open("ab") as file:
            file.write(line)
