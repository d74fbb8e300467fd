"""Every reason to send the same thing twice: no answer, a double click, a changed form.

Real people repeat themselves, and a ledger must count each paper once. The decisions are pure; the
engine sends the repeats as attempts of their own, outside the planned number of requests.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from contracts.records import Failure, Outcome
from scenarios.chance import uniform_of
from scenarios.journeys.vocabulary import Reply, Step

RETRIES_MAX: Final = 2
RETRY_AFTER_S_MAX: Final = 30.0
# Half of the people whom the target sent away do not come back with the same paper. If all did, a
# target that carries out what it claims to have refused would be covered by their retries.
GIVES_UP_SHARE: Final = 0.5
# A person without an answer tries again after about a second, then after about two [estimated].
PATIENCE_S: Final = 1.0
# Retries may add at most this share to the requests first sent, so that the harness itself never
# makes a retry storm. Source: facts/load.md and the retry budgets of Finagle (0.2).
RETRY_SHARE_MAX: Final = 0.2
# facts/chaos.md I11: repeat 1-5 % of keys.
REPLAY_SHARE: Final = 0.015
ALTERED_SHARE: Final = 0.002
REPLAY_AFTER_S: Final = 0.3


class SecondThought(Enum):
    """What a person does after a posting was acknowledged."""

    NONE = "none"
    REPLAY = "replay"  # the same form again, as by a double click: must give the same number
    ALTER = "alter"  # another amount under the used key: must be refused


def second_thought(key: tuple[int, int], seed: int) -> SecondThought:
    """Return what follows the acknowledgement of *key*; the same key always thinks the same."""
    share = uniform_of(key[0] ^ key[1] ^ seed, 0)
    if share < ALTERED_SHARE:
        return SecondThought.ALTER
    if share < ALTERED_SHARE + REPLAY_SHARE:
        return SecondThought.REPLAY
    return SecondThought.NONE


class RetryBudget:
    """Allows retries as a share of the requests first sent."""

    __slots__ = ("_earned", "_spent")

    def __init__(self) -> None:
        self._earned = 0.0
        self._spent = 0

    def earn(self) -> None:
        """Note that a request was sent for the first time."""
        self._earned += RETRY_SHARE_MAX

    def spend(self) -> bool:
        """Say whether one more retry is within the budget, and take it when it is."""
        if self._spent + 1 > self._earned:
            return False
        self._spent += 1
        return True


def wait_before_retry_s(step: Step, reply: Reply, *, retries: int, share: float) -> float | None:
    """Return how long to wait before the same step is sent again, None when it should not be.

    A page that was shed is asked for again when Retry-After says so; after another failure of a
    page the person goes on. A paper is sent again whenever its fate is not known.
    *retries*: how often it was already sent again. *share*: a draw from 0 to 1 that spreads people
    who were all refused at the same moment; it only ever lengthens what Retry-After asked for.
    """
    if step.expects_refusal or retries >= RETRIES_MAX:
        return None
    if reply.failure is Failure.SHED:
        if step.key is not None and uniform_of(step.key[0] ^ step.key[1], 1) < GIVES_UP_SHARE:
            return None
        asked_s = reply.retry_after_s if reply.retry_after_s is not None else PATIENCE_S
        return min(asked_s, RETRY_AFTER_S_MAX) * (1.0 + 0.5 * share) + 0.1 * share
    if step.key is None:
        return None
    if reply.outcome is Outcome.INDEFINITE or reply.failure is Failure.CONNECTION:
        return PATIENCE_S * (1 << retries) * (0.5 + share)
    return None
