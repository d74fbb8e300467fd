"""People without training: mistakes that must be refused, forms left alone, repeated sign-ins."""

from __future__ import annotations

import pytest

from contracts.records import Failure, Outcome
from scenarios.demand import ACTIVITY_BY_NAME, HUMAN_DELAY_S, OPERATIONS, requests_of
from scenarios.journeys.casting import Casting
from scenarios.journeys.forms import JournalVoucher, PeriodClose, Receipt
from scenarios.journeys.person import SIGN_IN_TRIES_MAX
from scenarios.journeys.vocabulary import Reply
from scenarios.population import build_population
from tests.unit.test_journeys import OK, visit, walk

DOWN = Reply(Outcome.REFUSED, Failure.SERVER_ERROR, status=503)
REFUSED = Reply(Outcome.REFUSED, Failure.EXPECTED_REFUSAL, status=422)


@pytest.mark.parametrize("seed", range(12))
def test_a_mistake_is_refused_and_then_the_same_paper_is_handed_in_right(seed):
    steps = walk("mistaken_paper", visit(seed=seed))

    wrong, right = (step for step in steps if step.form)
    assert wrong.expects_refusal
    assert not right.expects_refusal
    assert wrong.key != right.key, "the corrected form is another paper"
    assert OPERATIONS[wrong.operation] == "probe"
    assert OPERATIONS[right.operation] == "post"


def test_both_kinds_of_mistake_are_ones_that_a_right_ledger_refuses():
    by_kind = {type(s.form): s.form for seed in (0, 1)
               for s in walk("mistaken_paper", visit(seed=seed)) if s.expects_refusal}  # fmt: skip

    assert set(by_kind) == {Receipt, JournalVoucher}
    assert by_kind[Receipt].date == "2568-12-01", "a Buddhist year where the common era is asked"
    voucher = by_kind[JournalVoucher]
    assert sum(d for _, d, _ in voucher.lines) != sum(c for _, _, c in voucher.lines)


def test_an_abandoned_form_posts_nothing():
    assert [s.form for s in walk("abandoned_form", visit())] == [None, None, None]


def test_the_years_last_months_are_closed_in_their_order_and_stay_closed():
    steps = walk("year_close", visit())

    assert [s.form.period for s in steps if isinstance(s.form, PeriodClose)] == [
        "2025-11", "2025-12",
    ]  # fmt: skip
    assert steps[-1].expects_refusal


@pytest.mark.parametrize("failing", ["start_login", "authorize_at_provider", "finish_login"])
@pytest.mark.parametrize("activity", ["login", "morning_login", "enrol"])
def test_a_sign_in_that_fails_is_tried_again_a_bounded_number_of_times(activity, failing):
    steps = walk(activity, visit(), lambda s: DOWN if s.operation == failing else OK)

    starts = [step for step in steps if step.operation == "start_login"]
    assert len(starts) == SIGN_IN_TRIES_MAX
    assert [step.is_extra for step in starts] == [False, True, True]
    assert all(step.after_s > 0 for step in starts[1:])
    finishes = [step.is_extra for step in steps if step.operation == "finish_login"]
    assert finishes == ([False, True, True] if failing == "finish_login" else [])


@pytest.mark.parametrize("good_from", [1, 2])
@pytest.mark.parametrize("failing", ["start_login", "authorize_at_provider", "finish_login"])
def test_whoever_gets_in_later_does_all_that_was_planned_and_nothing_of_it_twice(
    failing, good_from
):
    failed = 0

    def answer(step):
        nonlocal failed
        if step.operation == failing and failed < good_from:
            failed += 1
            return DOWN
        return OK

    steps = walk("morning_login", visit(), answer)

    planned = [s.operation for s in steps
               if not s.is_extra and s.operation != "authorize_at_provider"]  # fmt: skip
    assert planned == list(ACTIVITY_BY_NAME["morning_login"].operations)


def test_a_sign_in_that_is_refused_for_good_is_not_tried_again():
    forbidden = Reply(Outcome.REFUSED, Failure.UNEXPECTED_STATUS, status=403)

    steps = walk("login", visit(), lambda s: forbidden)

    assert len(steps) == 1


def test_nobody_comes_back_before_the_target_asked_them_to():
    shed = Reply(Outcome.REFUSED, Failure.SHED, status=503, retry_after_s=25.0)

    steps = walk("enrol", visit(), lambda s: shed)

    assert all(step.after_s >= 25.0 for step in steps[1:])


def test_a_person_takes_10_to_40_s_at_the_provider_and_nobody_else_waits():
    for seed in range(200):
        pauses = [
            r.think_s for r in requests_of(ACTIVITY_BY_NAME["enrol"], seed=seed, navigation=0)
        ]
        assert pauses[0] == 0
        assert 10 <= pauses[1] <= 40
        assert pauses[2:] == [0, 0]
    assert HUMAN_DELAY_S == 25


def test_each_account_of_a_unit_is_named_by_a_seed_of_its_own():
    population = build_population(scale=0.02)
    unit = max(population.units, key=lambda unit: unit.accounts)
    casting = Casting(population)

    people = {casting.crew(ACTIVITY_BY_NAME["enrol"], unit.unit, seed).visitor
              for seed in range(unit.accounts)}  # fmt: skip

    assert people == {unit.unit * 1000 + 1 + number for number in range(unit.accounts)}
