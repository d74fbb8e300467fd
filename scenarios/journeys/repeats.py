"""Every reason to send the same thing twice: no answer, a double click, a changed form.

Real people repeat themselves, and a ledger must count each paper once. The decisions are pure; the
engine sends the repeats as attempts of their own, outside the planned number of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
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
# The second half of a double click, for which nobody waits to see the first answered [estimated].
DOUBLE_CLICK_AFTER_S: Final = 0.15
# Whoever reloads does so at once: the hand is on the key already [estimated].
RELOAD_AFTER_S: Final = 0.2
# facts/domain.md §4.6: after more than 5 s, or an error, 30 % reload, up to three times.
RELOAD_PATIENCE_S: Final = 5.0
RELOAD_SHARE: Final = 0.3
RELOADS_MAX: Final = 3
# Errors after which a page is reloaded; what was shed with Retry-After has its own rule.
_RELOADED: Final = frozenset(
    (Failure.SERVER_ERROR, Failure.TIMEOUT, Failure.CONNECTION, Failure.WRONG_ANSWER)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the people of a run take a slow answer, an error and a button that seems dead.

    `reload_share` of them, at each step anew, give up on an answer after `patience_s` (0: nobody
    does before the time limit) or after an error and ask again, up to `reloads_max` times a step.
    Without `has_budget` nothing holds retries back: a retry storm. `double_click_share` is of
    postings, each sent twice under one key with nobody waiting for the first answer.
    """

    patience_s: float = 0.0
    reload_share: float = 0.0
    reloads_max: int = 0
    has_budget: bool = True
    double_click_share: float = 0.0

    def reloads(self, seed: int, step: int, count: int) -> bool:
        """Say whether a person who reloaded *step* of session *seed* *count* times does it again.

        The same person always decides the same, whatever the target does meanwhile.
        """
        if count >= self.reloads_max:
            return False
        return uniform_of(seed, 4_000 + step * (RELOADS_MAX + 1) + count) < self.reload_share

    def patience_of_s(self, seed: int, step: int, count: int) -> float:
        """Return how long the person waits for this answer; 0: as long as the time limit allows."""
        return self.patience_s if self.reloads(seed, step, count) else 0.0

    def clicks_twice(self, key: tuple[int, int]) -> bool:
        """Say whether the form under *key* is sent off by a double click."""
        return uniform_of(key[0] ^ key[1], 2) < self.double_click_share


# People who know the system and wait: what the load was until anybody reloads.
PATIENT: Final = Manners()
# After a year of outages and without training (all courses of 2568 were cancelled): reloads as
# estimated, within the budget; one posting in fifty is double-clicked [estimated].
HURRIED: Final = Manners(
    patience_s=RELOAD_PATIENCE_S,
    reload_share=RELOAD_SHARE,
    reloads_max=RELOADS_MAX,
    double_click_share=0.02,
)


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


def wait_before_retry_s(
    step: Step, reply: Reply, *, retries: int, share: float, will_reload: bool = False
) -> float | None:
    """Return how long to wait before the same step is sent again, None when it should not be.

    A page that was shed is asked for again when Retry-After says so; after another failure of a
    page the person goes on, unless he is one who reloads (*will_reload*, from `Manners.reloads`).
    A paper is sent again whenever its fate is not known, always under the same key.
    *retries*: how often it was already sent again. *share*: a draw from 0 to 1 that spreads people
    who were all refused at the same moment; it only ever lengthens what Retry-After asked for.
    Account 0 is nobody in particular, as in a replayed log: nobody asks again.
    """
    if step.expects_refusal or not step.account:
        return None
    is_failed = reply.outcome is Outcome.INDEFINITE or reply.failure in _RELOADED
    if will_reload and is_failed and retries < RELOADS_MAX:
        return RELOAD_AFTER_S * (0.5 + share)
    if retries >= RETRIES_MAX:
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
