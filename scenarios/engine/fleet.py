"""The fleet: all sessions of one load process, driven from a heap of due times.

A session is a small generator; a unit is data, not a thread. Arrivals come at the plan's times
whatever the target does, and inside a session a person thinks between requests. Every sample keeps
when the request was *due*, so a target that stalls cannot hide it: latency counts from there.

What was planned adds up exactly: each planned request becomes one sample with attempt 0, sent or
NOT_SENT. Retries, double clicks, altered forms, sign-ins of people who came without a token and
the identity provider's own request are samples with attempt > 0.
"""

from __future__ import annotations

import heapq
import ssl
from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

from gevent import get_hub
from gevent.event import Event

from contracts.records import Failure
from contracts.terms import OperationKind
from scenarios.chance import uniform_of
from scenarios.dialects.interface import Dialect
from scenarios.engine.alarm import Alarm
from scenarios.engine.exchange import Exchange
from scenarios.engine.recorder import OperationLog, SampleLog
from scenarios.engine.session import Session
from scenarios.engine.switchboard import Switchboard
from scenarios.engine.tokens import TokenBook
from scenarios.journeys.forms import altered, effect_of
from scenarios.journeys.repeats import (
    REPLAY_AFTER_S,
    RetryBudget,
    SecondThought,
    second_thought,
    wait_before_retry_s,
)
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.playbook import Playbook
from scenarios.workload import SAFE_METHODS

# Steps that are asked for without a token, besides the provider's own: they are how one gets it.
_SIGN_IN: Final = frozenset({"start_login", "finish_login"})
# At the end of the drain nothing more is sent, but answers under way get this long to come in.
LAST_ANSWERS_S: Final = 3.0
_NEVER_NS: Final = 2**62
_ERRORLESS: Final = (Failure.NONE, Failure.EXPECTED_REFUSAL)


@dataclass(slots=True)
class Counters:
    """What happened so far, for the progress line."""

    planned: int = 0  # planned requests that came due
    sent: int = 0
    done: int = 0
    errors: int = 0
    extra_logins: int = 0
    dropped_sessions: int = 0
    open_sessions: int = 0


class Fleet:
    """Drives the sessions of one process. `run` returns when all are over or `stop` was called."""

    def __init__(
        self,
        playbook: Playbook,
        *,
        t0_ns: int,
        base_url: str,
        dialect: Dialect,
        tokens: TokenBook,
        samples: SampleLog,
        operations: OperationLog,
        request_timeout_s: float,
        connections_max: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.playbook = playbook
        self.counters = Counters()
        self.failure: Exception | None = None
        self._dialect = dialect
        kinds = playbook.operations
        self._operation_index = {name: index for index, (name, _) in enumerate(kinds)}
        self._provider = frozenset(name for name, kind in kinds if kind is OperationKind.PROVIDER)
        self._tokenless = self._provider | _SIGN_IN
        self._starts = playbook.start_ns
        self._tokens = tokens
        self._samples = samples
        self._operations = operations
        self._heap: list[tuple[int, int, Session]] = []
        self._pushed = 0
        self._cursor = 0
        self._t0_ns = t0_ns
        self._next_due_ns = _NEVER_NS
        self._in_flight = 0
        self._is_stopping = False
        self._budget = RetryBudget()
        self._over = Event()
        self._alarm = Alarm(get_hub().loop, self._ring)
        self.switchboard = Switchboard(
            base_url,
            finished=self._finished,
            guarded=self._guarded,
            connections_max=connections_max,
            timeout_s=request_timeout_s,
            tls=tls,
        )

    def prepare(self) -> None:
        """Look up what the hot path needs. Raises `OSError` when the target's host is unknown."""
        self.switchboard.prepare()
        self.playbook.prepare()

    def run(self, *, end_ns: int) -> None:
        """Drive the plan; at *end_ns* drop what is left. Re-raises our own defects."""
        if self._is_stopping:
            return
        self._arm()
        remaining_s = max(0.0, (end_ns - monotonic_ns()) / 1e9)
        if not self._over.wait(remaining_s):
            self.stop(grace_s=LAST_ANSWERS_S)
        if self.failure is not None:
            raise self.failure

    def stop(self, *, grace_s: float) -> None:
        """Send nothing more, wait for answers up to *grace_s*, record what is left as not sent."""
        if not self._is_stopping:
            self._is_stopping = True
            waiting, self._heap = self._heap, []
            for _, _, session in waiting:
                self._close(session, session.due_ns)
            self._drop_arrivals()
        if self._in_flight:
            self._over.clear()
            self._over.wait(grace_s)
        self.switchboard.abandon()
        if self._in_flight:
            # Abandoned exchanges end in the next turn of the hub.
            self._over.clear()
            self._over.wait(1.0)
        self._over.set()

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet ended; those that wait for a connection are not sent."""
        return self.switchboard.in_flight

    @property
    def heap_length(self) -> int:
        """Steps whose time has not come."""
        return len(self._heap)

    def close(self) -> None:
        """Give up the alarm and the connections. Idempotent."""
        self._alarm.close()
        self.switchboard.abandon()

    # When.

    def _ring(self) -> None:
        self._guarded(self._release)

    def _guarded(self, callback: Callable[[], None]) -> None:
        """Run *callback* in the hub; a defect of ours ends the load instead of being printed."""
        try:
            callback()
        except Exception as error:
            self.failure = self.failure or error
            self._over.set()

    def _release(self) -> None:
        """Send everything that is due."""
        if self._is_stopping:
            return
        starts, heap = self._starts, self._heap
        count = len(starts)
        now_ns = monotonic_ns()
        while True:
            arrival_ns = self._t0_ns + starts[self._cursor] if self._cursor < count else _NEVER_NS
            step_ns = heap[0][0] if heap else _NEVER_NS
            if arrival_ns > now_ns and step_ns > now_ns:
                break
            if arrival_ns <= step_ns:
                self._cursor += 1
                self._begin_session(self._cursor - 1, arrival_ns)
            else:
                self._send(heapq.heappop(heap)[2])
            now_ns = monotonic_ns()
        self._arm()

    def _arm(self) -> None:
        starts = self._starts
        due_ns = self._heap[0][0] if self._heap else _NEVER_NS
        if self._cursor < len(starts):
            due_ns = min(due_ns, self._t0_ns + starts[self._cursor])
        elif due_ns == _NEVER_NS and self._in_flight == 0:
            self._over.set()
        self._next_due_ns = due_ns
        if due_ns != _NEVER_NS:
            self._alarm.set(due_ns)

    def _schedule(self, session: Session, due_ns: int) -> None:
        session.due_ns = due_ns
        self._pushed += 1
        heapq.heappush(self._heap, (due_ns, self._pushed, session))

    # What.

    def _begin_session(self, row: int, due_ns: int) -> None:
        self.counters.open_sessions += 1
        self._send(Session(row, self.playbook.begin(row), due_ns))

    def _send(self, session: Session) -> None:
        step = session.step
        token = ""
        if step.account and step.operation not in self._tokenless:
            token = session.token if session.token_account == step.account else ""
            if not token:
                token = session.token = self._tokens.token(step.account)
                session.token_account = step.account
            if not token:
                step = self._sign_in_first(session, step)
        if session.is_sent or session.sign_in is not None or step.operation in self._provider:
            session.extras += 1
            session.attempt = session.extras
        else:
            session.attempt = 0
            session.is_sent = True
            session.sent_steps += 1
            self.counters.planned += 1
            self._budget.earn()
        request = self._dialect.request(step, token)
        if step.key is not None:
            self._open_operation(session, step, step.key)
        self._in_flight += 1
        self.counters.sent += 1
        is_safe = step.key is None and request.method in SAFE_METHODS
        self.switchboard.dispatch(request, session, is_safe=is_safe)

    def _sign_in_first(self, session: Session, step: Step) -> Step:
        signing_in = self.playbook.sign_in(session.row, step.account)
        if signing_in is None:
            return step
        session.pending = step
        session.sign_in = signing_in
        session.step = next(signing_in)
        self.counters.extra_logins += 1
        return session.step

    def _open_operation(self, session: Session, step: Step, key: tuple[int, int]) -> None:
        assert step.form is not None
        session.effect = effect_of(step.form)
        session.invoked_ns = monotonic_ns()
        self._operations.add(
            key,
            session.effect,
            session=session.number,
            unit=step.unit,
            attempt=session.key_attempt,
            expects_refusal=step.expects_refusal,
            is_replay=session.is_replay,
            invoked_ns=session.invoked_ns,
        )

    # What came of it.

    def _finished(self, exchange: Exchange) -> None:
        session: Session = exchange.owner
        step, answer = session.step, exchange.answer
        reply = self._dialect.reply(step, answer)
        if session.is_replay and session.kept is not None and reply.is_ok:
            reply = _compared(reply, session.kept)
        counters = self.counters
        counters.done += 1
        if reply.failure not in _ERRORLESS:
            counters.errors += 1
        self._in_flight -= 1
        self._samples.add(
            session.due_ns,
            exchange.sent_ns,
            exchange.first_byte_ns,
            exchange.done_ns,
            session.number,
            session.unit,
            len(answer.head) + len(answer.body),
            self._operation_index[step.operation],
            answer.status,
            session.sent_steps - 1 if session.is_sent else session.sent_steps,
            session.attempt,
            reply.outcome,
            reply.failure,
        )
        if step.key is not None:
            self._complete_operation(session, step, step.key, reply, exchange.done_ns)
        self._go_on(session, step, reply, exchange.done_ns)
        if self._next_due_ns <= exchange.done_ns:
            self._release()
        elif self._in_flight == 0 or (self._heap and self._heap[0][0] < self._next_due_ns):
            self._arm()

    def _complete_operation(
        self, session: Session, step: Step, key: tuple[int, int], reply: Reply, done_ns: int
    ) -> None:
        assert session.effect is not None
        self._operations.add(
            key,
            session.effect,
            session=session.number,
            unit=step.unit,
            attempt=session.key_attempt,
            expects_refusal=step.expects_refusal,
            is_replay=session.is_replay,
            invoked_ns=session.invoked_ns,
            completed_ns=done_ns,
            outcome=reply.outcome,
            status=reply.status,
            document=reply.document,
            number=reply.number,
        )

    def _go_on(self, session: Session, step: Step, reply: Reply, done_ns: int) -> None:
        if reply.token:
            self._tokens.keep(step.account, reply.token)
            session.token = ""
        if self._is_stopping:
            self._close(session, done_ns)
        elif session.sign_in is not None:
            self._go_on_signing_in(session, session.sign_in, reply, done_ns)
        elif reply.status == 401 and self._sign_in_again(session, step, done_ns):
            pass
        elif not self._repeat(session, step, reply, done_ns):
            first, session.kept, session.is_replay = session.kept, None, False
            self._next_step(session, step, first or reply, done_ns)

    def _go_on_signing_in(
        self,
        session: Session,
        signing_in: Generator[Step, Reply, Reply],
        reply: Reply,
        done_ns: int,
    ) -> None:
        try:
            session.step = signing_in.send(reply)
        except StopIteration as end:
            session.sign_in = None
            if not end.value.is_ok:
                self._close(session, done_ns)
                return
            assert session.pending is not None
            session.step = session.pending
        session.due_ns = done_ns
        self._send(session)

    def _sign_in_again(self, session: Session, step: Step, done_ns: int) -> bool:
        """A token may run out in a long run: sign in and repeat the step, once per session."""
        if session.has_signed_in_again or step.operation in self._tokenless:
            return False
        session.has_signed_in_again = True
        self._tokens.forget(step.account)
        session.token = ""
        session.key_attempt += 1
        self._schedule(session, done_ns)
        return True

    def _repeat(self, session: Session, step: Step, reply: Reply, done_ns: int) -> bool:
        """Send the same step again where a person would; returns whether it will be."""
        if session.kept is not None:
            return False
        share = uniform_of(session.seed, session.extras + 1000)
        wait_s = wait_before_retry_s(step, reply, retries=session.retries, share=share)
        if wait_s is not None:
            if not self._budget.spend():
                return False
            session.retries += 1
        else:
            if not reply.is_ok or step.expects_refusal or step.form is None or step.key is None:
                return False
            thought = second_thought(step.key, self.playbook.key_seed)
            if thought is SecondThought.NONE:
                return False
            if thought is SecondThought.ALTER:
                changed = altered(step.form)
                if changed is None:
                    return False
                session.step = step._replace(form=changed, expects_refusal=True)
            else:
                session.is_replay = True
            session.kept = reply
            wait_s = REPLAY_AFTER_S
        session.key_attempt += 1
        self._schedule(session, done_ns + int(wait_s * 1e9))
        return True

    def _next_step(self, session: Session, step: Step, reply: Reply, done_ns: int) -> None:
        try:
            session.step = session.journey.send(reply)
        except StopIteration:
            self._close(session, done_ns)
            return
        session.key_attempt = 0
        session.retries = 0
        if step.operation in self._provider:
            session.due_ns = done_ns
            self._send(session)
            return
        session.is_sent = False
        session.extras = 0
        pause_s = self.playbook.pause_s(session.row, session.sent_steps)
        if pause_s > 0.0:
            self._schedule(session, done_ns + int(pause_s * 1e9))
        else:
            session.due_ns = done_ns
            self._send(session)

    # What was planned and never sent.

    def _close(self, session: Session, due_ns: int) -> None:
        """End a session; whatever it still had to send is recorded as not sent."""
        self.counters.open_sessions -= 1
        session.journey.close()
        if session.sent_steps < session.planned:
            self.counters.dropped_sessions += 1
            self._record_not_sent(
                session.row, session.number, session.unit, session.sent_steps, due_ns
            )
        if self._is_stopping and self._in_flight == 0:
            self._over.set()

    def _drop_arrivals(self) -> None:
        for row in range(self._cursor, len(self._starts)):
            self.counters.dropped_sessions += 1
            opening = self.playbook.begin(row)
            opening.journey.close()
            due_ns = self._t0_ns + self._starts[row]
            self._record_not_sent(row, opening.number, opening.unit, 0, due_ns)
        self._cursor = len(self._starts)

    def _record_not_sent(self, row: int, number: int, unit: int, first: int, due_ns: int) -> None:
        planned = self.playbook.planned_steps(row)
        for index in range(first, len(planned)):
            if index > first:
                due_ns += int(planned[index].pause_s * 1e9)
            operation = self._operation_index[planned[index].operation]
            self._samples.add_not_sent(due_ns, number, unit, operation, index)


def _compared(again: Reply, first: Reply) -> Reply:
    """Return *again* as WRONG_ANSWER when a repeated key did not give the first one's document."""
    if (again.document, again.number) == (first.document, first.number):
        return again
    return again._replace(failure=Failure.WRONG_ANSWER)
