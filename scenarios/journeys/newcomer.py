"""People without training: they sign in for the first time, err, correct themselves, give up.

All courses of 2568 were cancelled, so the people who come back to the system do not know it. What
they do wrong is planned like any other request: a form that a right ledger must refuse is followed
by the same form done right, and a form that nobody sends off leaves the pages that led to it.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.demand import ACTIVITY_BY_NAME
from scenarios.fiscal_calendar import BUDDHIST_OFFSET
from scenarios.journeys.clerk import Clerk, accrual_drawn, receipt_drawn
from scenarios.journeys.forms import Form, JournalVoucher, Receipt
from scenarios.journeys.person import Person, sign_in
from scenarios.journeys.vocabulary import Journey, Reply, Visit


def enrol(visit: Visit) -> Journey:
    """Bind the account to its person by a first sign-in, look once, leave."""
    person = Person(visit, visit.crew.visitor)
    signed_in: Reply = yield from sign_in(person, visit.pid)
    if not signed_in.is_ok:
        return
    yield person.view_me()
    yield person.view_overview()


def correct_a_mistake(visit: Visit) -> Journey:
    """Hand in a form that must be refused, read why, hand in the right one."""
    clerk = Clerk(visit, visit.crew.clerk)
    _, _, mistake, create, _ = ACTIVITY_BY_NAME["mistaken_paper"].operations_for(visit.seed)
    yield clerk.view_chart_of_accounts()
    yield clerk.list_documents()
    wrong: Form
    right: Form
    if mistake == "submit_wrong_year":
        receipt = receipt_drawn(visit.draw, visit.day.date)
        wrong, right = in_the_wrong_year(receipt), receipt
    else:
        voucher = accrual_drawn(visit.draw, visit.day.date)
        wrong, right = out_of_balance(voucher), voucher
    yield clerk.hand_in(mistake, wrong, expects_refusal=True)
    document = yield clerk.hand_in(create, right)
    if not document.is_ok:
        return
    yield clerk.view_document(document.document)


def leave_the_form(visit: Visit) -> Journey:
    """Fill in half a form and go away."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_chart_of_accounts()
    yield clerk.view_budget()
    yield clerk.find_payees()


def in_the_wrong_year(receipt: Receipt) -> Receipt:
    """Return *receipt* with its Buddhist year typed where the common era was asked for."""
    year = int(receipt.date[:4]) + BUDDHIST_OFFSET
    return replace(receipt, date=f"{year:04d}{receipt.date[4:]}")


def out_of_balance(voucher: JournalVoucher) -> JournalVoucher:
    """Return *voucher* with its first debit a hundred times too large: a forgotten decimal."""
    (account, debit_satang, credit_satang), *rest = voucher.lines
    return replace(voucher, lines=((account, debit_satang * 100, credit_satang), *rest))
