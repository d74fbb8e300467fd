"""Forms handed in: each attempt is written down before it is sent and again when it ended.

A file of many papers is settled long after it was taken in. It has a record of its own per attempt,
like any form, and one for each of its papers, all of which share the fate of the file.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.records import Outcome
from scenarios.engine.alarm import Clock
from scenarios.engine.recorder import OperationLog
from scenarios.journeys.backlog import Records, paper_records
from scenarios.journeys.forms import BackDatedBooks, Effect, effect_of
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


@dataclass(slots=True)
class _File:
    """A file whose fate is open: the attempts under way, and the one by which it was taken in."""

    papers: Records
    attempts: int = 0
    is_doubtful: bool = False
    taken_in: Submission | None = None


class Submissions:
    """Keeps the log of operations of one load process."""

    __slots__ = ("_clock", "_files", "_log")

    def __init__(self, log: OperationLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._files: dict[tuple[int, int], _File] = {}

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
        if isinstance(step.form, BackDatedBooks):
            self._open_file(submission, step.form)
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
        outcome = reply.outcome if reply.settled is None else reply.settled
        self._write(submission, reply, outcome, done_ns)
        file = self._files.get(submission.key)
        if file is not None:
            self._close_file(file, submission, reply, outcome, done_ns)

    def settle(self, upload: Step, reply: Reply, done_ns: int) -> None:
        """Note what a later read says of *upload*, if it says how it ended."""
        file = self._files.get(upload.key) if upload.key is not None else None
        if file is None or file.taken_in is None:
            return
        if reply.settled in (Outcome.OK, Outcome.REFUSED):
            self._write(file.taken_in, reply, reply.settled, done_ns)
            self._write_papers(file, file.taken_in, reply, reply.settled, done_ns)
            del self._files[file.taken_in.key]

    def _write(self, submission: Submission, reply: Reply, outcome: Outcome, done_ns: int) -> None:
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
            outcome=outcome,
            status=reply.status,
            document=reply.document,
            number=reply.number,
        )

    # Files of many papers.

    def _open_file(self, submission: Submission, form: BackDatedBooks) -> None:
        file = self._files.get(submission.key)
        if file is None:
            papers = paper_records(form, submission.key)
            papers["session"], papers["unit"] = submission.session, submission.step.unit
            papers["invoked_ns"] = submission.invoked_ns
            file = self._files[submission.key] = _File(papers)
            self._log.add_many(papers)
        file.attempts += 1

    def _close_file(
        self, file: _File, submission: Submission, reply: Reply, outcome: Outcome, done_ns: int
    ) -> None:
        """The papers are refused when every attempt was; until then they are open."""
        file.attempts -= 1
        file.is_doubtful |= outcome is not Outcome.REFUSED
        if outcome is not Outcome.REFUSED and file.taken_in is None:
            file.taken_in = submission
        if not file.is_doubtful and not file.attempts:
            self._write_papers(file, submission, reply, Outcome.REFUSED, done_ns)
            del self._files[submission.key]

    def _write_papers(
        self, file: _File, submission: Submission, reply: Reply, outcome: Outcome, done_ns: int
    ) -> None:
        papers = file.papers
        papers["outcome"], papers["completed_ns"] = outcome, done_ns
        papers["status"] = reply.status
        self._log.add_many(papers)
