"""One visit in progress, as small as it can be: tens of thousands of them are open at once."""

from __future__ import annotations

from collections.abc import Generator

from scenarios.demand import THINK_S, Activity, pace_of
from scenarios.journeys.catalogue import begin
from scenarios.journeys.forms import Effect
from scenarios.journeys.vocabulary import Journey, Reply, Step, Visit


class Session:
    """One visit in progress. `sent_steps` counts planned requests already sent."""

    __slots__ = (
        "activity", "attempt", "due_ns", "effect", "extras", "has_signed_in_again", "invoked_ns",
        "is_replay", "is_sent", "journey", "kept", "key_attempt", "number", "pending", "planned",
        "retries", "seed", "sent_steps", "sign_in", "step", "token", "token_account", "unit",
        "visit",
    )  # fmt: skip

    def __init__(self, *, number: int, activity: Activity, visit: Visit, due_ns: int) -> None:
        self.number = number
        self.activity = activity
        self.visit = visit
        self.unit = visit.unit
        self.seed = visit.seed
        self.planned = activity.requests + visit.navigation
        self.journey: Journey = begin(activity.name, visit)
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

    def think_s(self, think_scale: float) -> float:
        """Return the pause before the next planned request."""
        if self.activity.is_burst:
            return 0.0
        return THINK_S * pace_of(self.seed, self.sent_steps) * think_scale
