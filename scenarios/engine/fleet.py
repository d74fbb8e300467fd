"""The fleet: what all sessions of one load process do next, and what came of it.

A session is a small generator; a unit is data, not a thread. Arrivals come at the plan's times
whatever the target does, and inside a session a person thinks between requests. Every sample keeps
when the request was *due*, so a target that stalls cannot hide it: latency counts from there.

What was planned adds up exactly: each planned request becomes one sample with attempt 0, sent or
NOT_SENT. Retries, reloads, double clicks, altered forms, sign-ins of people who came without a
token and the identity provider's own request are samples with attempt > 0.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from gevent.event import Event

from contracts.records import Failure, Outcome
from contracts.terms import OperationKind
from scenarios.dialects.interface import Dialect
from scenarios.engine.alarm import HUB_CLOCK, Clock
from scenarios.engine.exchange import Exchange
from scenarios.engine.habits import Habits
from scenarios.engine.recorder import OperationLog, SampleLog
from scenarios.engine.session import Session, Twin
from scenarios.engine.submissions import Submissions
from scenarios.engine.switchboard import Switchboard
from scenarios.engine.timetable import Timetable
from scenarios.engine.tokens import TokenBook
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.playbook import Joinable, Playbook
from scenarios.shares import Share
from scenarios.workload import SAFE_METHODS

# Steps that are asked for without a token, besides the provider's own: they are how one gets it.
_SIGN_IN: Final = frozenset({"start_login", "finish_login"})
# At the end of the drain nothing more is sent, but answers under way get this long to come in.
LAST_ANSWERS_S: Final = 3.0
# A person looks for the phone and types a number; the provider is never charged to the target.
PROVIDER_LIMIT_NS: Final = 60_000_000_000
_ERRORLESS: Final = (Failure.NONE, Failure.EXPECTED_REFUSAL)

FinishedListener = Callable[[Exchange], None]
Guard = Callable[[Callable[[], None]], None]


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
    """Drives the sessions of one process. `run` returns when all are over or `stop` was called.

    *switchboard_of* makes the switchboard, given (finished, guarded).
    """

    def __init__(
        self,
        playbook: Playbook,
        *,
        t0_ns: int,
        dialect: Dialect,
        tokens: TokenBook,
        samples: SampleLog,
        operations: OperationLog,
        switchboard_of: Callable[[FinishedListener, Guard], Switchboard],
        clock: Clock = HUB_CLOCK,
    ) -> None:
        self.playbook = playbook
        self.counters = Counters()
        self.failure: Exception | None = None
        self.stays_until_ns = 0  # until then, more sessions may join
        self._dialect = dialect
        kinds = playbook.operations
        self._operation_index = {name: index for index, (name, _) in enumerate(kinds)}
        self._provider = frozenset(name for name, kind in kinds if kind is OperationKind.PROVIDER)
        self._tokenless = self._provider | _SIGN_IN
        self._habits = Habits(playbook.manners, playbook.key_seed)
        self._tokens = tokens
        self._samples = samples
        self._submissions = Submissions(operations, clock)
        self._clock = clock
        self._t0_ns = t0_ns
        self._in_flight = 0
        self._looked_ns = 0
        self._over_by_look = 0
        self._is_stopping = False
        self._waiting: list[Session] = []  # for their time, when the load was stopped
        self._over = Event()
        self._timetable = Timetable(
            playbook.start_ns,
            t0_ns=t0_ns,
            begin=self._begin_session,
            send=self._send_item,
            guarded=self._guarded,
            clock=clock,
        )
        self.switchboard = switchboard_of(self._finished, self._guarded)

    def prepare(self) -> None:
        """Look up what the hot path needs. Raises `OSError` when the target's host is unknown."""
        self.switchboard.prepare()
        self.playbook.prepare()

    def start(self) -> None:
        """Have everything go out at its time, without waiting for it."""
        self._timetable.start()
        self._end_when_over()

    def run(self, *, end_ns: int) -> None:
        """Drive the plan; at *end_ns* drop what is left. Re-raises our own defects."""
        if self._is_stopping:
            return
        self.start()
        remaining_s = max(0.0, (end_ns - self._clock.now_ns()) / 1e9)
        if not self._over.wait(remaining_s):
            self.stop(grace_s=LAST_ANSWERS_S)
        if self.failure is not None:
            raise self.failure

    def stop(self, *, grace_s: float) -> None:
        """Send nothing more, wait for answers up to *grace_s*, record what is left as not sent."""
        if not self._is_stopping:
            self._is_stopping = True
            self._stop_waiting()
        if self._in_flight:
            self._over.clear()
            self._over.wait(grace_s)
        self.switchboard.abandon()
        if self._in_flight:
            # Abandoned exchanges end in the next turn of the hub.
            self._over.clear()
            self._over.wait(1.0)
        # Only now: recording 100,000 requests takes a second, and answers would have waited.
        self._drop_waiting()
        self._over.set()

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet ended; those that wait for a connection are not sent."""
        return self.switchboard.in_flight

    @property
    def heap_length(self) -> int:
        """Steps whose time has not come."""
        return len(self._timetable)

    def look_around(self, *, starts_until_ns: int, shares: Sequence[Share]) -> int:
        """Heed what the director says, about once a second; returns how many sessions join.

        After *starts_until_ns* new sessions are somebody else's to begin.
        """
        table = self._timetable
        table.starts_until_ns = starts_until_ns
        before = table.start_count
        for share in shares:
            if isinstance(self.playbook, Joinable) and not self._is_stopping:
                self.playbook = self.playbook.joined_by(share, begun=table.cursor)
                table.change_starts(self.playbook.start_ns)
        self._end_when_over()
        return table.start_count - before

    @property
    def forgone_sessions(self) -> int:
        """Sessions left to whoever took them over."""
        return self._timetable.forgone_count

    def close(self) -> None:
        """Give up the alarm and the connections. Idempotent."""
        self._timetable.close()
        self.switchboard.abandon()

    def _guarded(self, callback: Callable[[], None]) -> None:
        """Run *callback* in the hub; a defect of ours ends the load instead of being printed."""
        try:
            callback()
        except Exception as error:
            self.failure = self.failure or error
            self._over.set()

    def _end_when_over(self) -> None:
        if self._is_stopping:
            is_over = self._in_flight == 0
        elif self.counters.open_sessions or self._timetable.has_starts:
            is_over = False
        else:
            is_over = self._clock.now_ns() >= self.stays_until_ns  # nobody may join any more
        if is_over:
            self._over.set()

    # What goes out.

    def _begin_session(self, row: int, due_ns: int) -> None:
        self.counters.open_sessions += 1
        self._send(Session(row, self.playbook.begin(row), due_ns))

    def _schedule(self, session: Session, due_ns: int) -> None:
        session.due_ns = due_ns
        self._timetable.push(due_ns, session)

    def _send_item(self, item: Session | Twin) -> None:
        if isinstance(item, Twin):
            self._send_twin(item)
        else:
            self._send(item)

    def _send(self, session: Session) -> None:
        step = session.step
        token = ""
        if step.account and step.operation not in self._tokenless:
            token = self._token_of(session, step.account)
            if not token:
                step = self._sign_in_first(session, step)
        is_provider = step.operation in self._provider
        if session.is_sent or session.sign_in is not None or step.is_extra or is_provider:
            session.extras += 1
            session.attempt = session.extras
        else:
            session.attempt = 0
            session.is_sent = True
            session.sent_steps += 1
            self.counters.planned += 1
            self._habits.first_sent()
        session.submission = None
        if step.key is not None:
            self._open_submission(session, step)
        limit_ns = PROVIDER_LIMIT_NS if is_provider else self._habits.patience_ns(session)
        self._dispatch(step, token, session, limit_ns)

    def _open_submission(self, session: Session, step: Step) -> None:
        session.submission = self._submissions.open(
            step, session=session.number, attempt=session.key_attempt, is_replay=session.is_replay
        )
        if session.attempt == 0:
            wait_s = self._habits.second_click_s(session, step)
            if wait_s is not None:
                self._click_again(session, step, wait_s)

    def _send_twin(self, twin: Twin) -> None:
        session, step = twin.session, twin.step
        twin.submission = self._submissions.open(
            step, session=session.number, attempt=twin.key_attempt, is_replay=True
        )
        token = self._token_of(session, step.account) if step.account else ""
        self._dispatch(step, token, twin, self._habits.patience_ns(session))

    def _dispatch(self, step: Step, token: str, owner: Session | Twin, limit_ns: int) -> None:
        request = self._dialect.request(step, token)
        self._in_flight += 1
        self.counters.sent += 1
        is_safe = step.key is None and request.method in SAFE_METHODS
        self.switchboard.dispatch(request, owner, is_safe=is_safe, limit_ns=limit_ns)

    def _token_of(self, session: Session, account: int) -> str:
        """Return the token of *account*, "" when it has to sign in first.

        What the target gave last counts, to whichever session: a new one may end an old one.
        """
        won = self._tokens.won.get(account)
        if won is not None:
            return won
        if session.token_account != account or not session.token:
            session.token = self._tokens.token(account)
            session.token_account = account
        return session.token

    def _click_again(self, session: Session, step: Step, wait_s: float) -> None:
        """Have the same form go out a second time soon, whether or not the first was answered."""
        twin = session.twin = Twin(session, step, self._clock.now_ns() + int(wait_s * 1e9))
        self._timetable.push(twin.due_ns, twin)

    def _sign_in_first(self, session: Session, step: Step) -> Step:
        signing_in = self.playbook.sign_in(session.row, step.account)
        if signing_in is None:
            return step
        session.pending = step
        session.sign_in = signing_in
        session.step = next(signing_in)
        self.counters.extra_logins += 1
        return session.step

    # What came of it.

    def look(self) -> tuple[int, int]:
        """Return requests in flight now, and how many of the last look's were over by then.

        Those had been answered, as the kernel's stamps tell; the answers were only not yet read.
        """
        over, self._over_by_look = self._over_by_look, 0
        self._looked_ns = self._clock.now_ns()
        return self.in_flight, over

    def _finished(self, exchange: Exchange) -> None:
        self._in_flight -= 1
        if exchange.done_ns < self._looked_ns:
            self._over_by_look += 1
        self.counters.done += 1
        if isinstance(exchange.owner, Twin):
            self._twin_finished(exchange.owner, exchange)
        else:
            self._session_finished(exchange.owner, exchange)
        # Answers and requests take turns where both wait.
        self._timetable.release(exchange.done_ns, count_max=1)

    def _session_finished(self, session: Session, exchange: Exchange) -> None:
        step, twin = session.step, session.twin
        reply = self._dialect.reply(step, exchange.answer)
        if session.is_replay and session.kept is not None:
            reply = _compared(reply, session.kept)
        elif twin is not None and twin.reply is not None:
            reply = _compared(reply, twin.reply)
        self._record(session, step, exchange, reply, session.due_ns, session.attempt)
        if session.submission is not None:
            self._submissions.close(session.submission, reply, exchange.done_ns)
        elif step.settles is not None:
            self._submissions.settle(step.settles, reply, exchange.done_ns)
        if twin is None:
            self._go_on(session, step, reply, exchange.done_ns)
        elif twin.is_over:
            session.twin = None
            self._go_on(session, step, reply, exchange.done_ns)
        else:
            twin.first_reply = reply

    def _twin_finished(self, twin: Twin, exchange: Exchange) -> None:
        session, step = twin.session, twin.step
        reply = self._dialect.reply(step, exchange.answer)
        if reply.status == 409 and reply.outcome is Outcome.INDEFINITE:
            # The first is still under way, which is what a ledger should say to the second.
            reply = reply._replace(failure=Failure.EXPECTED_REFUSAL)
        if twin.first_reply is not None:
            reply = _compared(reply, twin.first_reply)
        assert twin.submission is not None
        self._record(session, step, exchange, reply, twin.due_ns, twin.attempt)
        self._submissions.close(twin.submission, reply, exchange.done_ns)
        twin.reply = reply
        self._end_twin(twin, exchange.done_ns)

    def _end_twin(self, twin: Twin, done_ns: int) -> None:
        """The second click is over; its person goes on when the first one is answered too."""
        twin.is_over = True
        if twin.first_reply is not None:
            twin.session.twin = None
            self._go_on(twin.session, twin.step, twin.first_reply, done_ns)

    def _record(
        self,
        session: Session,
        step: Step,
        exchange: Exchange,
        reply: Reply,
        due_ns: int,
        attempt: int,
    ) -> None:
        if reply.failure not in _ERRORLESS:
            self.counters.errors += 1
        answer = exchange.answer
        self._samples.add(
            due_ns,
            exchange.sent_ns,
            exchange.first_byte_ns,
            exchange.done_ns,
            session.number,
            session.unit,
            len(answer.head) + len(answer.body) + exchange.unseen_bytes,
            self._operation_index[step.operation],
            answer.status,
            session.sent_steps - 1 if session.is_sent else session.sent_steps,
            attempt,
            reply.outcome,
            reply.failure,
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
        else:
            wait_s = self._habits.wait_before_repeat_s(session, step, reply)
            if wait_s is not None:
                self._schedule(session, done_ns + int(wait_s * 1e9))
                return
            first, session.kept, session.is_replay = session.kept, None, False
            self._next_step(session, first or reply, done_ns)

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

    def _next_step(self, session: Session, reply: Reply, done_ns: int) -> None:
        try:
            step = session.step = session.journey.send(reply)
        except StopIteration:
            self._close(session, done_ns)
            return
        session.key_attempt = 0
        session.retries = 0
        if step.is_extra:
            pause_s = step.after_s
        elif step.operation in self._provider:
            pause_s = 0.0  # the browser follows the redirect
        else:
            session.is_sent = False
            session.extras = 0
            pause_s = self.playbook.pause_s(session.row, session.sent_steps)
        if pause_s > 0.0:
            self._schedule(session, done_ns + int(pause_s * 1e9))
        else:
            session.due_ns = done_ns
            self._send(session)

    # What was planned and never sent.

    def _stop_waiting(self) -> None:
        for item in self._timetable.stop():
            if isinstance(item, Twin):
                self._end_twin(item, item.due_ns)
            else:
                self._waiting.append(item)

    def _drop_waiting(self) -> None:
        """Record what waited for its time when the load was stopped. Idempotent."""
        waiting, self._waiting = self._waiting, []
        for session in waiting:
            self._close(session, session.due_ns)
        self._drop_arrivals()

    def _close(self, session: Session, due_ns: int) -> None:
        """End a session; whatever it still had to send is recorded as not sent."""
        self.counters.open_sessions -= 1
        session.journey.close()
        if session.sent_steps < session.planned:
            self.counters.dropped_sessions += 1
            self._record_not_sent(
                session.row, session.number, session.unit, session.sent_steps, due_ns
            )
        self._end_when_over()

    def _drop_arrivals(self) -> None:
        starts_ns = self.playbook.start_ns
        for row in range(self._timetable.cursor, len(starts_ns)):
            self.counters.dropped_sessions += 1
            opening = self.playbook.begin(row)
            opening.journey.close()
            self._record_not_sent(
                row, opening.number, opening.unit, 0, self._t0_ns + starts_ns[row]
            )
        self._timetable.cursor = len(starts_ns)

    def _record_not_sent(self, row: int, number: int, unit: int, first: int, due_ns: int) -> None:
        planned = self.playbook.planned_steps(row)
        for index in range(first, len(planned)):
            if index > first:
                due_ns += int(planned[index].pause_s * 1e9)
            operation = self._operation_index[planned[index].operation]
            self._samples.add_not_sent(due_ns, number, unit, operation, index)


def _compared(again: Reply, first: Reply) -> Reply:
    """Return *again* as WRONG_ANSWER when two answers under one key name different documents."""
    is_same = (again.document, again.number) == (first.document, first.number)
    if is_same or not again.is_ok or not first.is_ok:
        return again
    return again._replace(failure=Failure.WRONG_ANSWER)
