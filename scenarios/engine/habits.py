"""What the people of one load process do again: after no answer, an error, a second thought.

The decisions are `scenarios.journeys.repeats`; here they meet the session they are about. Nothing
is sent or waited for here.
"""

from __future__ import annotations

from typing import Final

from contracts.records import Failure
from scenarios.chance import uniform_of
from scenarios.engine.session import Session
from scenarios.journeys.forms import altered
from scenarios.journeys.repeats import (
    DOUBLE_CLICK_AFTER_S,
    REPLAY_AFTER_S,
    Manners,
    RetryBudget,
    SecondThought,
    second_thought,
    wait_before_retry_s,
)
from scenarios.journeys.vocabulary import Reply, Step

# Draws of a session that have to do with its repeats, apart from those of its journey.
_SPREAD: Final = 1_000


class Habits:
    """The manners of a run and its budget of retries. *key_seed*: see `Playbook`."""

    __slots__ = ("_budget", "_is_patient", "_key_seed", "_manners")

    def __init__(self, manners: Manners, key_seed: int) -> None:
        self._manners = manners
        self._is_patient = not manners.patience_s
        self._key_seed = key_seed
        self._budget = RetryBudget()

    def first_sent(self) -> None:
        """Note that a planned request goes out: it earns a part of a retry."""
        self._budget.earn()

    def patience_ns(self, session: Session) -> int:
        """Return how long the person waits for this answer; 0 for the ordinary time limit."""
        if self._is_patient:
            return 0
        step, count = session.sent_steps, session.retries
        return int(self._manners.patience_of_s(session.seed, step, count) * 1e9)

    def second_click_s(self, session: Session, step: Step) -> float | None:
        """Return how soon a form sent for the first time is clicked again, None when it is not."""
        if step.key is None or step.expects_refusal or not self._manners.clicks_twice(step.key):
            return None
        return DOUBLE_CLICK_AFTER_S * (1.0 + self._spread(session))

    def wait_before_repeat_s(self, session: Session, step: Step, reply: Reply) -> float | None:
        """Return after how long the same step goes out again, None when the session goes on.

        Marks *session* for what comes: another retry, a replay, or an altered form.
        """
        if session.kept is not None:
            return None
        if reply.failure is Failure.NONE:
            wait_s = self._second_thought(session, step, reply) if step.key is not None else None
        else:
            wait_s = self._retry(session, step, reply)
        if wait_s is not None:
            session.key_attempt += 1
        return wait_s

    def _retry(self, session: Session, step: Step, reply: Reply) -> float | None:
        manners = self._manners
        wait_s = wait_before_retry_s(
            step,
            reply,
            retries=session.retries,
            share=self._spread(session),
            will_reload=manners.reloads(session.seed, session.sent_steps, session.retries),
        )
        if wait_s is None or (manners.has_budget and not self._budget.spend()):
            return None
        session.retries += 1
        return wait_s

    def _second_thought(self, session: Session, step: Step, reply: Reply) -> float | None:
        if step.expects_refusal or step.form is None or step.key is None or not reply.is_ok:
            return None
        thought = second_thought(step.key, self._key_seed)
        if thought is SecondThought.NONE:
            return None
        if thought is SecondThought.ALTER:
            changed = altered(step.form)
            if changed is None:
                return None
            session.step = step._replace(form=changed, expects_refusal=True)
        else:
            session.is_replay = True
        session.kept = reply
        return REPLAY_AFTER_S

    def _spread(self, session: Session) -> float:
        return uniform_of(session.seed, _SPREAD + session.extras)
