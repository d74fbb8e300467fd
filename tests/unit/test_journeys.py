"""Journeys make the requests of the demand table, plan the same papers, and know their effect."""

from __future__ import annotations

from collections import Counter

import pytest

from contracts.records import Failure, Outcome
from scenarios.demand import ACTIVITIES, ACTIVITY_BY_NAME, OPERATIONS, requests_of
from scenarios.journeys.casting import Casting
from scenarios.journeys.catalogue import JOURNEYS, begin
from scenarios.journeys.forms import (
    BUDGET_LINES,
    KIND_INDEX,
    Advance,
    AdvanceClearing,
    AdvancePayment,
    AdvanceRequest,
    Approval,
    BackDatedBooks,
    BackDatedPayment,
    BudgetTransfer,
    Check,
    Commitment,
    DisbursementRequest,
    Effect,
    JournalVoucher,
    MoneyKind,
    Payment,
    PeriodClose,
    Receipt,
    altered,
    effect_of,
)
from scenarios.journeys.vocabulary import BusinessDay, Crew, Draw, Reply, Visit, period_before
from scenarios.population import actors_of, build_population

DAY = BusinessDay.of("2025-12-01")
CREW = Crew(first=11, visitor=11, clerk=11, checker=12, approver=13, director=14)
OK = Reply(Outcome.OK, Failure.NONE, status=200, document=7, number=1, location="http://x/y")
EXTRA = {"authorize_at_provider"}


def visit(*, seed=5, navigation=0, session=3, key_seed=99):
    return Visit(
        session=session,
        unit=1400001,
        navigation=navigation,
        crew=CREW,
        pid="9914000010010",
        stranger_unit=2000001,
        day=DAY,
        seed=seed,
        key_seed=key_seed,
    )


def walk(activity, the_visit, answer=lambda step: OK):
    journey = begin(activity, the_visit)
    steps = [next(journey)]
    while True:
        try:
            steps.append(journey.send(answer(steps[-1])))
        except StopIteration:
            return steps


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.name)
@pytest.mark.parametrize("navigation", [0, 1, 3])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 2**62 + 1])
def test_a_journey_makes_exactly_the_planned_requests_in_order(activity, navigation, seed):
    expected = [p.operation for p in requests_of(activity, seed=seed, navigation=navigation)]

    steps = walk(activity.name, visit(seed=seed, navigation=navigation))

    assert [step.operation for step in steps if step.operation not in EXTRA] == expected


def test_every_activity_has_a_journey_and_every_journey_an_activity():
    assert JOURNEYS.keys() == ACTIVITY_BY_NAME.keys()


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.name)
def test_the_same_seed_plans_the_same_papers(activity):
    assert walk(activity.name, visit()) == walk(activity.name, visit())


def test_another_session_never_uses_the_same_key():
    keys = [
        step.key
        for session in range(500)
        for step in walk("pay_supplier", visit(session=session, seed=session))
        if step.key
    ]

    assert len(set(keys)) == len(keys) == 2000


def test_another_salt_gives_other_keys_for_the_same_papers():
    first, second = (walk("receipt", visit(key_seed=seed)) for seed in (1, 2))

    assert [s.form for s in first] == [s.form for s in second]
    assert [s.key for s in first if s.key] != [s.key for s in second if s.key]


def test_keys_have_the_shape_of_a_random_uuid():
    for _ in range(50):
        high, low = visit().new_key()
        assert (high >> 12) & 0xF == 4
        assert low >> 62 == 0b10


def test_a_bill_goes_through_four_hands_and_the_preparer_is_none_of_the_others():
    accounts = {s.operation: s.account for s in walk("pay_supplier", visit()) if s.form}

    assert list(accounts.values()) == [CREW.clerk, CREW.checker, CREW.approver, CREW.director]


def test_later_steps_name_the_document_that_the_target_made():
    steps = walk("pay_supplier", visit(), lambda step: OK._replace(document=77))

    documents = {s.document for s in steps if s.operation == "view_document"}
    assert documents == {77}
    assert all(s.document == 77 for s in steps if s.operation.endswith("_disbursement_request")
               and not s.operation.startswith("create"))  # fmt: skip


@pytest.mark.parametrize(
    ("activity", "failing"),
    [
        ("receipt", "create_receipt"),
        ("pay_supplier", "create_disbursement_request"),
        ("pay_supplier", "check_disbursement_request"),
        ("pay_supplier", "approve_disbursement_request"),
        ("pay_supplier", "pay_disbursement_request"),
        ("advance", "create_advance_request"),
        ("advance", "pay_advance_request"),
        ("advance", "clear_advance"),
        ("month_close", "close_period"),
        ("login", "start_login"),
        ("login", "authorize_at_provider"),
        ("login", "finish_login"),
    ],
)
@pytest.mark.parametrize(
    "refusal",
    [
        Reply(Outcome.REFUSED, Failure.SHED),
        Reply(Outcome.INDEFINITE, Failure.TIMEOUT),
        Reply(Outcome.OK, Failure.WRONG_ANSWER),
    ],
)
def test_a_journey_ends_where_it_cannot_go_on(activity, failing, refusal):
    steps = walk(activity, visit(), lambda s: refusal if s.operation == failing else OK)

    assert steps[-1].operation == failing


def test_a_failed_read_does_not_stop_the_work():
    steps = walk(
        "receipt",
        visit(),
        lambda s: (
            Reply(Outcome.INDEFINITE, Failure.TIMEOUT) if OPERATIONS[s.operation] == "read" else OK
        ),
    )

    assert len(steps) == ACTIVITY_BY_NAME["receipt"].requests


@pytest.mark.parametrize("seed", [0, 1])
def test_curiosity_and_late_postings_must_be_refused(seed):
    (pry,) = walk("curious", visit(seed=seed))
    late = walk("month_close", visit(seed=seed))[-1]

    assert pry.expects_refusal
    assert pry.unit == 2000001
    assert late.expects_refusal
    assert late.account == CREW.clerk, "a clerk may post, so only the period is a reason to refuse"
    assert late.form.date == "2025-11-01"


def test_overspending_in_the_own_unit_must_be_refused():
    (step,) = walk("overspend", visit(seed=4))

    assert step.expects_refusal
    assert step.unit == visit(seed=4).unit
    assert step.form.amount_satang > 10**13, "more than any budget line"


BILL = DisbursementRequest(
    date="2025-12-01",
    budget_line="B03",
    payee="x",
    amount_satang=100_00,
    withholding_tax_satang=100,
)
LOAN = AdvanceRequest(date="2025-12-01", borrower="x", amount_satang=7)
EFFECTS = [
    (
        Receipt(date="2025-12-01", channel="cash", payer="x", lines=(("a", 5), ("b", 7))),
        Effect(kind=0, period=202512, gross_satang=12, cash_delta_satang=12, cash_account=0),
    ),
    (
        Receipt(date="2025-11-30", channel="bank", payer="x", lines=(("a", 5),)),
        Effect(kind=0, period=202511, gross_satang=5, cash_delta_satang=5, cash_account=1),
    ),
    (BILL, Effect(kind=1, period=202512, budget_delta_satang=100_00, budget_line=2)),
    (Check(document=1, request=BILL), Effect(kind=2, period=202512, budget_line=2)),
    (Approval(document=1, request=BILL), Effect(kind=3, period=202512, budget_line=2)),
    (
        Payment(document=1, date="2025-12-01", method="cheque", request=BILL),
        Effect(
            kind=4,
            period=202512,
            gross_satang=100_00,
            cash_delta_satang=-99_00,
            cash_account=1,
            budget_line=2,
        ),
    ),
    (
        Commitment(date="2025-12-01", budget_line="B12", payee="x", amount_satang=9),
        Effect(kind=5, period=202512, budget_delta_satang=9, budget_line=11),
    ),
    (LOAN, Effect(kind=13, period=202512)),
    (
        AdvancePayment(document=1, date="2025-12-01", method="cheque", request=LOAN),
        Effect(kind=6, period=202512, gross_satang=7, cash_delta_satang=-7, cash_account=1),
    ),
    (
        Advance(date="2025-12-01", borrower="x", amount_satang=9),
        Effect(kind=6, period=202512, gross_satang=9, cash_delta_satang=-9, cash_account=1),
    ),
    (
        AdvanceClearing(document=1, date="2025-12-01", amount_satang=9),
        Effect(kind=7, period=202512, gross_satang=9),
    ),
    (
        JournalVoucher(date="2025-12-01", description="x", lines=(("a", 3, 0), ("b", 0, 3))),
        Effect(kind=8, period=202512, gross_satang=3),
    ),
    (
        BudgetTransfer(date="2025-12-01", from_line="B02", to_line="B01", amount_satang=4),
        Effect(kind=9, period=202512, budget_line=1),
    ),
    (PeriodClose(period="2025-11"), Effect(kind=10, period=202511)),
    (
        BackDatedBooks(months=("2025-10", "2025-11"), documents=9, variant=0, mark="x"),
        Effect(kind=11, period=202511),
    ),
    (
        BackDatedPayment(
            date="2025-10-31",
            budget_line="B03",
            payee="x",
            amount_satang=100_00,
            withholding_tax_satang=100,
        ),
        Effect(
            kind=12,
            period=202510,
            gross_satang=100_00,
            cash_delta_satang=-99_00,
            cash_account=1,
            budget_delta_satang=100_00,
            budget_line=2,
        ),
    ),
]


@pytest.mark.parametrize(("form", "effect"), EFFECTS, ids=lambda value: type(value).__name__)
def test_each_form_has_its_effect_on_the_books(form, effect):
    assert effect_of(form) == effect


def test_every_kind_of_money_has_an_effect_under_test():
    assert {effect.kind for _, effect in EFFECTS} == set(KIND_INDEX.values())
    assert len(MoneyKind) == len(KIND_INDEX) == 14


@pytest.mark.parametrize("seed", range(40))
def test_papers_are_such_as_a_right_ledger_takes(seed):
    for activity in ("receipt", "pay_supplier", "advance", "journal_voucher", "budget_transfer"):
        for form in (s.form for s in walk(activity, visit(seed=seed)) if s.form):
            match form:
                case Receipt():
                    accounts = [account for account, _ in form.lines]
                    assert len(set(accounts)) == len(accounts)
                    assert all(amount > 0 for _, amount in form.lines)
                case DisbursementRequest():
                    assert 0 <= form.withholding_tax_satang < form.amount_satang
                    assert form.budget_line in BUDGET_LINES
                case JournalVoucher():
                    assert sum(d for _, d, _ in form.lines) == sum(c for _, _, c in form.lines)
                case BudgetTransfer():
                    assert form.from_line != form.to_line


@pytest.mark.parametrize(("form", "effect"), EFFECTS, ids=lambda value: type(value).__name__)
def test_an_altered_form_is_another_request_and_still_well_formed(form, effect):
    changed = altered(form)

    if isinstance(
        form,
        Check | Approval | Payment | AdvancePayment | PeriodClose | BackDatedBooks
        | BackDatedPayment | Advance,
    ):  # fmt: skip
        assert changed is None
        return
    assert changed != form
    assert type(changed) is type(form)
    if isinstance(changed, JournalVoucher):
        assert sum(d for _, d, _ in changed.lines) == sum(c for _, _, c in changed.lines)


def test_a_draw_is_even_and_repeatable():
    counts = Counter(Draw(seed).below(4) for seed in range(4000))

    assert all(800 < count < 1200 for count in counts.values())
    assert [Draw(9).bits() for _ in range(3)] == [Draw(9).bits() for _ in range(3)]


def test_amounts_stay_within_a_factor_of_eight():
    draw = Draw(1)
    amounts = [draw.amount_satang(1000) for _ in range(2000)]

    assert min(amounts) >= 125
    assert max(amounts) <= 8000


def test_the_month_before_january_is_december():
    assert period_before("2026-01") == "2025-12"
    assert period_before("2025-12") == "2025-11"


class TestCasting:
    population = build_population(scale=0.02)
    casting = Casting(population)

    def test_who_prepares_never_decides(self):
        for unit in self.population.units[::7]:
            for seed in range(3):
                crew = self.casting.crew(ACTIVITY_BY_NAME["pay_supplier"], unit.unit, seed)
                assert crew.clerk not in (crew.checker, crew.approver, crew.director)
                assert crew.clerk in actors_of(self.population, unit.unit).clerks

    def test_a_stranger_is_neither_ones_own_unit_nor_below_it(self):
        for unit in self.population.units[::7]:
            account = unit.unit * 1000 + 1
            stranger = self.casting.stranger_unit(account, 3)
            assert stranger != unit.unit
            assert self.population.unit(stranger).parent != unit.unit

    def test_a_provincial_visit_is_the_viewers_own(self):
        crew = self.casting.crew(ACTIVITY_BY_NAME["provincial_refresh"], 1400000, 3)
        assert set(crew) == {1400000001}

    def test_anybody_of_the_unit_may_log_in(self):
        unit = max(self.population.units, key=lambda u: u.accounts).unit
        login = ACTIVITY_BY_NAME["login"]
        visitors = {self.casting.crew(login, unit, seed).visitor for seed in range(60)}
        actors = actors_of(self.population, unit)
        assert {actors.checker, actors.approver, actors.director} < visitors
