"""A fleet in virtual time: a clock that jumps, a switchboard without sockets, sessions as data."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE
from contracts.terms import OperationKind
from harness.calibration.truth_log import read_log
from scenarios.dialects.interface import Answer, Request
from scenarios.engine.exchange import Exchange
from scenarios.engine.fleet import Fleet
from scenarios.engine.recorder import OperationLog, SampleLog
from scenarios.engine.tokens import TokenBook
from scenarios.journeys.forms import Receipt
from scenarios.journeys.repeats import PATIENT
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import Ending, classify
from scenarios.playbook import Opening, PlannedStep

LIMIT_NS = 10_000_000_000
TURNS_MAX = 100_000
OPERATIONS = (
    ("read", OperationKind.READ),
    ("post", OperationKind.POST),
    ("probe", OperationKind.PROBE),
    ("start_login", OperationKind.LOGIN),
    ("authorize", OperationKind.PROVIDER),
    ("finish_login", OperationKind.LOGIN),
)
FORM = Receipt(date="2025-12-01", channel="cash", payer="x", lines=(("4110101", 100),))


class VirtualAlarm:
    def __init__(self, ring):
        self.ring = ring
        self.due_ns = 2**62

    def set(self, due_ns):
        self.due_ns = due_ns

    def close(self):
        self.due_ns = 2**62


class VirtualClock:
    def __init__(self):
        self.time_ns = 0
        self.set_alarm = None

    def now_ns(self):
        return self.time_ns

    def alarm(self, ring):
        self.set_alarm = VirtualAlarm(ring)
        return self.set_alarm


@dataclass
class Fate:
    """What becomes of a request: answered with *status* after *after_s*, or ended otherwise."""

    status: int = 200
    after_s: float = 0.01
    ending: Ending = Ending.ANSWERED
    document: int = 7


class VirtualSwitchboard:
    """Ends each exchange as its fate says, or at its limit; *fates* in the order of sending."""

    def __init__(self, clock, fates):
        self.clock = clock
        self.fates = iter(fates)
        self.sent = []
        self.most_at_once = 0  # of one session
        self.in_flight_max = 0
        self._under_way = []
        self._count = itertools.count()

    def attach(self, finished, guarded):
        self.finished = finished
        self.guarded = guarded
        return self

    def prepare(self):
        pass

    @property
    def in_flight(self):
        return len(self._under_way)

    @property
    def next_ns(self):
        return self._under_way[0][0] if self._under_way else 2**62

    def dispatch(self, request, owner, *, is_safe, limit_ns=0):
        exchange = Exchange(request.body, owner, is_safe=is_safe, limit_ns=limit_ns or LIMIT_NS)
        exchange.sent_ns = self.clock.time_ns
        fate = next(self.fates)
        after_ns = int(fate.after_s * 1e9)
        answer = Answer(fate.ending)
        if fate.ending is Ending.TIMED_OUT or after_ns > exchange.limit_ns:
            after_ns = exchange.limit_ns
            answer = Answer(Ending.TIMED_OUT)
        elif fate.ending is Ending.ANSWERED:
            answer = Answer(Ending.ANSWERED, fate.status, b"", b"%d" % fate.document)
        entry = (exchange.sent_ns + after_ns, next(self._count), exchange, answer)
        heapq.heappush(self._under_way, entry)
        self.sent.append(exchange)
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        at_once = [
            other[2] for other in self._under_way if _session(other[2]) is _session(exchange)
        ]
        self.most_at_once = max(self.most_at_once, len(at_once))
        assert len({other.payload for other in at_once}) == 1, "two different requests at once"
        return exchange

    def end_next(self):
        _, _, exchange, exchange.answer = heapq.heappop(self._under_way)
        exchange.done_ns = self.clock.time_ns
        self.guarded(lambda: self.finished(exchange))

    def abandon(self):
        while self._under_way:
            _, _, exchange, _ = heapq.heappop(self._under_way)
            exchange.answer = Answer(Ending.TIMED_OUT)
            exchange.done_ns = self.clock.time_ns
            self.guarded(lambda exchange=exchange: self.finished(exchange))


def _session(exchange):
    return getattr(exchange.owner, "session", exchange.owner)


class PlainDialect:
    """The body of a request names its step; the body of an answer is a document's number."""

    def request(self, step, token):
        method = "GET" if step.key is None else "POST"
        return Request(method, "/", body=repr((step.operation, step.key, step.form)).encode())

    def reply(self, step, answer):
        outcome, failure = classify(
            ending=answer.ending,
            status=answer.status,
            refusals_expected=(422,) if step.expects_refusal else (),
            has_retry_after=answer.status == 503,
            is_in_progress=answer.status == 409 and step.key is not None,
        )
        document = int(answer.body) if answer.body and step.key is not None else 0
        is_token = step.operation == "finish_login" and answer.status == 200
        return Reply(
            outcome=outcome,
            failure=failure,
            status=answer.status,
            document=document,
            number=document,
            token="token" if is_token else "",
        )


@dataclass
class Script:
    """A session: steps by name, the pause before each; *gives_up*: it ends at the first error."""

    steps: list
    start_s: float = 0.0
    account: int = 0
    gives_up: bool = False


@dataclass
class ScriptBook:
    """A playbook of scripts. A step "extra" is outside the plan, as is "authorize"."""

    scripts: list
    manners: object = PATIENT
    key_seed: int = 1
    operations: tuple = OPERATIONS
    start_ns: list = field(init=False)

    def __post_init__(self):
        self.scripts = sorted(self.scripts, key=lambda script: script.start_s)
        self.start_ns = [int(script.start_s * 1e9) for script in self.scripts]

    def prepare(self):
        pass

    def begin(self, row):
        planned = len(self.planned_steps(row))
        return Opening(number=row, unit=1, seed=row, journey=self._journey(row), planned=planned)

    def pause_s(self, row, step):
        return self.planned_steps(row)[step].pause_s

    def planned_steps(self, row):
        return [
            PlannedStep(name, pause_s)
            for name, pause_s in self.scripts[row].steps
            if name not in ("extra", "authorize")
        ]

    def sign_in(self, row, account):
        return self._sign_in(account)

    def _sign_in(self, account):
        reply = Reply(None, None)
        for name in ("start_login", "authorize", "finish_login"):
            reply = yield Step(name, account, 1)
            if not reply.is_ok:
                break
        return reply

    def _journey(self, row):
        script = self.scripts[row]
        for index, (name, pause_s) in enumerate(script.steps):
            reply = yield _step(name, pause_s, script.account, key=(row + 1, index + 1))
            if script.gives_up and not reply.is_ok:
                return


def _step(name, pause_s, account, *, key):
    match name:
        case "extra":
            return Step("read", account, 1, is_extra=True, after_s=pause_s)
        case "post":
            return Step("post", account, 1, form=FORM, key=key)
        case "probe":
            return Step("probe", account, 1, form=FORM, key=key, expects_refusal=True)
    return Step(name, account, 1)


class VirtualRun:
    """Drives a `ScriptBook` to its end, or stops it at *stop_s*."""

    def __init__(self, folder, book, fates, *, stop_s=float("inf")):
        clock = VirtualClock()
        self.switchboard = VirtualSwitchboard(clock, fates)
        kinds = [(name, kind.value) for name, kind in OPERATIONS]
        samples = SampleLog(folder / "samples.log", process_index=0, t0_ns=0, operations=kinds)
        operations = OperationLog(folder / "operations.log", process_index=0)
        self.fleet = Fleet(
            book,
            t0_ns=0,
            dialect=PlainDialect(),
            tokens=TokenBook(),
            samples=samples,
            operations=operations,
            switchboard_of=self.switchboard.attach,
            clock=clock,
        )
        self._drive(clock, stop_s * 1e9)
        self.fleet.stop(grace_s=0.0)
        self.fleet.close()
        samples.close()
        operations.close()
        self.samples = read_log(folder / "samples.log", SAMPLE_DTYPE)[1]
        self.operations = read_log(folder / "operations.log", OPERATION_DTYPE)[1]

    def _drive(self, clock, stop_ns):
        self.fleet.start()
        for _ in range(TURNS_MAX):
            alarm = clock.set_alarm
            next_ns = min(alarm.due_ns, self.switchboard.next_ns)
            if next_ns >= min(stop_ns, 2**62) or self.fleet.failure is not None:
                return
            clock.time_ns = max(clock.time_ns, next_ns)
            if self.switchboard.next_ns <= alarm.due_ns:
                self.switchboard.end_next()
            else:
                alarm.due_ns = 2**62
                alarm.ring()
        raise AssertionError("it never ends")
