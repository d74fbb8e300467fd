"""One visit in progress, as small as it can be: tens of thousands of them are open at once."""

from __future__ import annotations

from collections.abc import Generator

from scenarios.engine.submissions import Submission
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.playbook import Opening


class Session:
    """One visit in progress. `sent_steps` counts planned requests already sent."""

    __slots__ = (
        "attempt", "due_ns", "extras", "has_signed_in_again", "is_replay", "is_sent", "journey",
        "kept", "key_attempt", "number", "pending", "planned", "retries", "row", "seed",
        "sent_steps", "sign_in", "step", "submission", "token", "token_account", "twin", "unit",
    )  # fmt: skip

    def __init__(self, row: int, opening: Opening, due_ns: int) -> None:
        self.row = row
        self.number, self.unit, self.seed, self.journey, self.planned = opening
        self.step: Step = next(self.journey)
        self.due_ns = due_ns
        self.sent_steps = 0
        self.is_sent = False  # the current step went out for the first time
        self.extras = 0
        self.attempt = 0
        self.key_attempt = 0
        self.retries = 0
        self.is_replay = False
        self.kept: Reply | None = None  # what the first of a replayed form was answered
        self.submission: Submission | None = None
        self.twin: Twin | None = None
        self.sign_in: Generator[Step, Reply, Reply] | None = None
        self.pending: Step | None = None
        self.has_signed_in_again = False
        self.token = ""
        self.token_account = 0


class Twin:
    """The second half of a double click: a session's step once more, under the same key.

    The session goes on when both are over: `first_reply` is what the first was answered while this
    one was not over yet, `reply` what this one was.
    """

    __slots__ = (
        "attempt", "due_ns", "first_reply", "is_over", "key_attempt", "reply", "session", "step",
        "submission",
    )  # fmt: skip

    def __init__(self, session: Session, step: Step, due_ns: int) -> None:
        session.extras += 1
        session.key_attempt += 1
        self.session = session
        self.step = step
        self.attempt = session.extras
        self.key_attempt = session.key_attempt
        self.due_ns = due_ns
        self.submission: Submission | None = None
        self.first_reply: Reply | None = None
        self.reply: Reply | None = None
        self.is_over = False
