"""When the same key is sent again, and when not."""

from __future__ import annotations

import pytest

from contracts.records import Failure, Outcome
from scenarios.chance import uniform_of
from scenarios.journeys.forms import PeriodClose
from scenarios.journeys.repeats import (
    ALTERED_SHARE,
    GIVES_UP_SHARE,
    HURRIED,
    PATIENT,
    RELOAD_PATIENCE_S,
    RELOAD_SHARE,
    RELOADS_MAX,
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


def test_patient_people_never_reload_nor_click_twice():
    assert not any(PATIENT.reloads(seed, 3, 0) for seed in range(500))
    assert not any(PATIENT.clicks_twice((n * 7919, n)) for n in range(500))
    assert PATIENT.patience_of_s(5, 3, 0) == 0.0


def test_a_third_of_the_hurried_reload_at_most_three_times_and_always_the_same_ones():
    chosen = [HURRIED.reloads(seed * 31, 2, 0) for seed in range(5000)]

    assert sum(chosen) / len(chosen) == pytest.approx(RELOAD_SHARE, abs=0.03)
    assert chosen == [HURRIED.reloads(seed * 31, 2, 0) for seed in range(5000)]
    assert not any(HURRIED.reloads(seed, 2, RELOADS_MAX) for seed in range(500))


def test_only_those_who_reload_give_up_on_an_answer_early():
    for seed in range(300):
        patience_s = HURRIED.patience_of_s(seed, 4, 1)
        assert patience_s == (RELOAD_PATIENCE_S if HURRIED.reloads(seed, 4, 1) else 0.0)


def test_double_clicks_come_in_their_share():
    twice = sum(HURRIED.clicks_twice((n * 7919, n)) for n in range(20_000))

    assert twice / 20_000 == pytest.approx(HURRIED.double_click_share, rel=0.2)


@pytest.mark.parametrize("step", [READ, POST], ids=["page", "paper"])
@pytest.mark.parametrize(
    "reply", [IN_DOUBT, UNREACHED, Reply(Outcome.INDEFINITE, Failure.SERVER_ERROR, status=500)]
)
def test_whoever_reloads_asks_again_at_once_up_to_three_times(step, reply):
    waits = [
        wait_before_retry_s(step, reply, retries=n, share=1.0, will_reload=True) for n in range(4)
    ]

    assert all(wait_s is not None and wait_s < 1.0 for wait_s in waits[:3])
    assert waits[3] is None


def test_a_right_answer_is_not_reloaded_and_a_refused_form_neither():
    for reply in (DONE, REFUSED):
        assert wait_before_retry_s(POST, reply, retries=0, share=0.5, will_reload=True) is None


def test_whoever_was_asked_to_come_later_does_so_even_if_he_likes_to_reload():
    wait_s = wait_before_retry_s(READ, SHED, retries=0, share=0.0, will_reload=True)

    assert wait_s == 2.0
