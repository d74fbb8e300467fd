"""Forms handed in: each attempt is written down before it is sent and again when it ended."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.engine.alarm import Clock
from scenarios.engine.recorder import OperationLog
from scenarios.journeys.forms import Effect, effect_of
from scenarios.journeys.vocabulary import Reply, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One attempt at handing in a form; `attempt` counts those under the same key, from 0."""

    session: int
    step: Step
    key: tuple[int, int]
    attempt: int
    is_replay: bool
    effect: Effect
    invoked_ns: int


class Submissions:
    """Keeps the log of operations of one load process."""

    __slots__ = ("_clock", "_log")

    def __init__(self, log: OperationLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def open(self, step: Step, *, session: int, attempt: int, is_replay: bool) -> Submission:
        """Note that *step*, which has a key, is about to be sent."""
        assert step.key is not None
        assert step.form is not None
        submission = Submission(
            session=session,
            step=step,
            key=step.key,
            attempt=attempt,
            is_replay=is_replay,
            effect=effect_of(step.form),
            invoked_ns=self._clock.now_ns(),
        )
        self._log.add(
            step.key,
            submission.effect,
            session=session,
            unit=step.unit,
            attempt=attempt,
            expects_refusal=step.expects_refusal,
            is_replay=is_replay,
            invoked_ns=submission.invoked_ns,
        )
        return submission

    def close(self, submission: Submission, reply: Reply, done_ns: int) -> None:
        """Note how it ended."""
        self._log.add(
            submission.key,
            submission.effect,
            session=submission.session,
            unit=submission.step.unit,
            attempt=submission.attempt,
            expects_refusal=submission.step.expects_refusal,
            is_replay=submission.is_replay,
            invoked_ns=submission.invoked_ns,
            completed_ns=done_ns,
            outcome=reply.outcome,
            status=reply.status,
            document=reply.document,
            number=reply.number,
        )
