"""When the same key is sent again, and when not."""

from __future__ import annotations

import pytest

from contracts.records import Failure, Outcome
from scenarios.chance import uniform_of
from scenarios.journeys.forms import PeriodClose
from scenarios.journeys.repeats import (
    ALTERED_SHARE,
    GIVES_UP_SHARE,
    REPLAY_SHARE,
    RETRY_AFTER_S_MAX,
    RetryBudget,
    SecondThought,
    second_thought,
    wait_before_retry_s,
)
from scenarios.journeys.vocabulary import Reply, Step

FORM = PeriodClose(period="2025-11")
PATIENT_KEY = next(key for n in range(100) if uniform_of((key := (n, 0))[0], 1) >= GIVES_UP_SHARE)
POST = Step("close_period", 1, 1, form=FORM, key=PATIENT_KEY)
READ = Step("view_me", 1, 1)
SHED = Reply(Outcome.REFUSED, Failure.SHED, status=503, retry_after_s=2.0)
IN_DOUBT = Reply(Outcome.INDEFINITE, Failure.TIMEOUT)
UNREACHED = Reply(Outcome.REFUSED, Failure.CONNECTION)
REFUSED = Reply(Outcome.REFUSED, Failure.UNEXPECTED_STATUS, status=422)
DONE = Reply(Outcome.OK, Failure.NONE, status=201)


@pytest.mark.parametrize("reply", [SHED, IN_DOUBT, UNREACHED])
def test_a_posting_without_effect_or_in_doubt_is_sent_again_twice(reply):
    waits = [wait_before_retry_s(POST, reply, retries=n, share=0.5) for n in range(3)]

    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[2] is None


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        (READ, IN_DOUBT),
        (POST, REFUSED),
        (POST, DONE),
        (POST._replace(expects_refusal=True), SHED),
    ],
)
def test_nothing_else_is_sent_again(step, reply):
    assert wait_before_retry_s(step, reply, retries=0, share=0.5) is None


def test_a_page_that_was_shed_is_asked_for_again_twice():
    waits = [wait_before_retry_s(READ, SHED, retries=n, share=0.5) for n in range(3)]

    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[2] is None


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_retry_after_is_never_cut_short(share):
    wait_s = wait_before_retry_s(POST, SHED, retries=0, share=share)

    assert wait_s is not None
    assert 2.0 <= wait_s <= 3.1


def test_half_of_the_people_sent_away_do_not_come_back():
    """Else a target that carries out what it says it refused would hide behind the retries."""
    posts = [POST._replace(key=(n, 7 * n)) for n in range(2000)]
    waits = [wait_before_retry_s(post, SHED, retries=0, share=0.5) for post in posts]

    assert waits.count(None) / len(waits) == pytest.approx(GIVES_UP_SHARE, abs=0.05)
    assert waits == [wait_before_retry_s(post, SHED, retries=0, share=0.5) for post in posts]


def test_an_absurd_retry_after_is_bounded():
    patient = SHED._replace(retry_after_s=999_999.0)

    wait_s = wait_before_retry_s(POST, patient, retries=0, share=0.0)

    assert wait_s == RETRY_AFTER_S_MAX


def test_retries_stay_within_a_fifth_of_the_requests():
    budget = RetryBudget()
    for _ in range(100):
        budget.earn()

    granted = sum(budget.spend() for _ in range(100))

    assert granted in (19, 20)  # a fifth of 100, give or take the rounding of floats


def test_nothing_may_be_retried_before_anything_was_sent():
    assert not RetryBudget().spend()


def test_second_thoughts_come_in_the_stated_shares_and_are_repeatable():
    keys = [(n * 7919, n) for n in range(100_000)]
    thoughts = [second_thought(key, 5) for key in keys]

    assert thoughts == [second_thought(key, 5) for key in keys]
    replays = thoughts.count(SecondThought.REPLAY) / len(keys)
    alterations = thoughts.count(SecondThought.ALTER) / len(keys)
    assert replays == pytest.approx(REPLAY_SHARE, rel=0.1)
    assert alterations == pytest.approx(ALTERED_SHARE, rel=0.25)
