"""One visit in progress, as small as it can be: tens of thousands of them are open at once."""

from __future__ import annotations

from collections.abc import Generator

from scenarios.journeys.forms import Effect
from scenarios.journeys.vocabulary import Journey, Reply, Step
from scenarios.playbook import Opening


class Session:
    """One visit in progress. `sent_steps` counts planned requests already sent."""

    __slots__ = (
        "attempt", "due_ns", "effect", "extras", "has_signed_in_again", "invoked_ns", "is_replay",
        "is_sent", "journey", "kept", "key_attempt", "number", "pending", "planned", "retries",
        "row", "seed", "sent_steps", "sign_in", "step", "token", "token_account", "unit",
    )  # fmt: skip

    def __init__(self, row: int, opening: Opening, due_ns: int) -> None:
        self.row = row
        self.number = opening.number
        self.unit = opening.unit
        self.seed = opening.seed
        self.journey: Journey = opening.journey
        self.planned = opening.planned
        self.step: Step = next(self.journey)
        self.due_ns = due_ns
        self.sent_steps = 0
        self.is_sent = False  # the current step went out for the first time
        self.extras = 0
        self.attempt = 0
        self.key_attempt = 0
        self.retries = 0
        self.is_replay = False
        self.kept: Reply | None = None
        self.effect: Effect | None = None
        self.invoked_ns = 0
        self.sign_in: Generator[Step, Reply, Reply] | None = None
        self.pending: Step | None = None
        self.has_signed_in_again = False
        self.token = ""
        self.token_account = 0
