"""The clerk's work: receipts, requests to pay, commitments, advances, vouchers, transfers, looking.

Each journey makes the requests that `scenarios.demand` lists for its activity, in that order. Where
a later step needs a document that an earlier one failed to make, the journey ends there: the engine
records what was planned and not sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scenarios.demand import ACTIVITY_BY_NAME, navigation_operations
from scenarios.journeys.approver import Approver
from scenarios.journeys.checker import Checker
from scenarios.journeys.finance_director import FinanceDirector
from scenarios.journeys.forms import (
    BUDGET_LINES,
    MATERIALS_EXPENSE,
    PAYABLES,
    REVENUE_ACCOUNTS,
    UTILITIES_EXPENSE,
    AdvanceClearing,
    AdvanceRequest,
    BudgetTransfer,
    Commitment,
    DisbursementRequest,
    JournalVoucher,
    Receipt,
)
from scenarios.journeys.person import PAYEES, Person, sign_in
from scenarios.journeys.vocabulary import Draw, Journey, Reply, Step, Visit

# Typical amounts in satang. A disbursement request of an SAO is about 33,000 THB (40 M THB a year
# in 1,200 requests, facts/domain.md §4.3); the others are of that order [estimated].
RECEIPT_SATANG: Final = 1_500_00
DISBURSEMENT_SATANG: Final = 33_000_00
COMMITMENT_SATANG: Final = 60_000_00
ADVANCE_SATANG: Final = 8_000_00
VOUCHER_SATANG: Final = 20_000_00
TRANSFER_SATANG: Final = 10_000_00
# More than any budget line of a local government: a trillion THB, a quarter of the State's budget
# (3.75 trillion THB for fiscal year 2568, Budget Act).
BEYOND_ANY_BUDGET_SATANG: Final = 10**12 * 100
# 1 % of the amount is withheld from a supplier's payment (Revenue Code section 50(4)).
WITHHOLDING_SHARE_INVERSE: Final = 100


class Clerk(Person):
    """Prepares papers; never checks, approves or pays what they prepared."""

    __slots__ = ()


def receipt_drawn(draw: Draw, date: str) -> Receipt:
    """Draw a receipt of one to three revenue lines, each on an account of its own."""
    first = draw.below(len(REVENUE_ACCOUNTS) - 2)
    accounts = REVENUE_ACCOUNTS[first : first + 1 + draw.below(3)]
    lines = tuple((account, draw.amount_satang(RECEIPT_SATANG)) for account in accounts)
    return Receipt(
        date=date,
        channel="bank" if draw.below(3) else "cash",
        payer=PAYEES[draw.below(len(PAYEES))],
        lines=lines,
    )


def disbursement_drawn(draw: Draw, date: str) -> DisbursementRequest:
    """Draw a supplier's bill; every second one is subject to withholding tax."""
    amount_satang = draw.amount_satang(DISBURSEMENT_SATANG)
    taxed = draw.below(2)
    return DisbursementRequest(
        date=date,
        budget_line=BUDGET_LINES[draw.below(len(BUDGET_LINES))],
        payee=PAYEES[draw.below(len(PAYEES))],
        amount_satang=amount_satang,
        withholding_tax_satang=taxed * (amount_satang // WITHHOLDING_SHARE_INVERSE),
    )


def receive_money(visit: Visit) -> Journey:
    """Somebody pays a tax or a fee at the counter."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_chart_of_accounts()
    yield clerk.list_documents()
    receipt = yield clerk.hand_in("create_receipt", receipt_drawn(visit.draw, visit.day.date))
    if not receipt.is_ok:
        return
    yield clerk.view_document(receipt.document)
    yield clerk.view_overview()


def pay_supplier(visit: Visit) -> Journey:
    """A bill goes through four hands: clerk, checker, approver, finance director."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_overview()
    yield clerk.view_worklist()
    yield clerk.find_payees()
    yield clerk.view_chart_of_accounts()
    yield clerk.view_budget()
    yield clerk.list_documents()
    yield clerk.find_payees()
    yield clerk.view_budget()
    bill = disbursement_drawn(visit.draw, visit.day.date)
    request = yield clerk.hand_in("create_disbursement_request", bill)
    if not request.is_ok:
        return
    yield clerk.view_document(request.document)
    checked = yield from Checker(visit, visit.crew.checker).examine(request.document, bill)
    if not checked.is_ok:
        return
    approved = yield from Approver(visit, visit.crew.approver).decide(request.document, bill)
    if not approved.is_ok:
        return
    yield from FinanceDirector(visit, visit.crew.director).settle(request.document, bill)


def commit_budget(visit: Visit) -> Journey:
    """A purchase order reserves budget."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_worklist()
    yield clerk.view_budget()
    yield clerk.find_payees()
    yield clerk.list_documents()
    yield clerk.view_budget()
    order = Commitment(
        date=visit.day.date,
        budget_line=BUDGET_LINES[visit.draw.below(len(BUDGET_LINES))],
        payee=PAYEES[visit.draw.below(len(PAYEES))],
        amount_satang=visit.draw.amount_satang(COMMITMENT_SATANG),
    )
    commitment = yield clerk.hand_in("create_commitment", order)
    if not commitment.is_ok:
        return
    yield clerk.view_document(commitment.document)
    yield clerk.view_budget()


def lend_and_clear(visit: Visit) -> Journey:
    """An official takes an advance and brings the vouchers back; the whole advance is spent.

    The clerk writes the request, the finance director releases the money.
    """
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_worklist()
    yield clerk.find_payees()
    loan = AdvanceRequest(
        date=visit.day.date,
        borrower=PAYEES[visit.draw.below(len(PAYEES))],
        amount_satang=visit.draw.amount_satang(ADVANCE_SATANG),
    )
    request = yield clerk.hand_in("create_advance_request", loan)
    if not request.is_ok:
        return
    director = FinanceDirector(visit, visit.crew.director)
    yield director.view_document(request.document)
    advance = yield director.lend(request.document, loan)
    if not advance.is_ok:
        return
    yield clerk.list_documents()
    vouchers = AdvanceClearing(
        document=advance.document, date=visit.day.date, amount_satang=loan.amount_satang
    )
    clearing = yield clerk.hand_in("clear_advance", vouchers, document=advance.document)
    if not clearing.is_ok:
        return
    yield clerk.view_document(clearing.document)


def accrual_drawn(draw: Draw, date: str) -> JournalVoucher:
    """Draw a voucher that takes two unpaid invoices into the books."""
    materials_satang = draw.amount_satang(VOUCHER_SATANG)
    utilities_satang = draw.amount_satang(VOUCHER_SATANG)
    return JournalVoucher(
        date=date,
        description="ตั้งค้างจ่ายประจำเดือน",
        lines=(
            (MATERIALS_EXPENSE, materials_satang, 0),
            (UTILITIES_EXPENSE, utilities_satang, 0),
            (PAYABLES, 0, materials_satang + utilities_satang),
        ),
    )


def adjust_books(visit: Visit) -> Journey:
    """A manual voucher takes an unpaid invoice into the books of the month."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_periods()
    yield clerk.view_chart_of_accounts()
    yield clerk.list_documents()
    accrual = accrual_drawn(visit.draw, visit.day.date)
    voucher = yield clerk.hand_in("create_journal_voucher", accrual)
    if not voucher.is_ok:
        return
    yield clerk.view_document(voucher.document)
    yield clerk.view_overview()


def move_budget(visit: Visit) -> Journey:
    """Budget moves from a line with room to one without."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_budget()
    yield clerk.view_periods()
    yield clerk.list_documents()
    yield clerk.view_budget()
    yield clerk.view_overview()
    from_line = visit.draw.below(len(BUDGET_LINES))
    distance = 1 + visit.draw.below(len(BUDGET_LINES) - 1)
    move = BudgetTransfer(
        date=visit.day.date,
        from_line=BUDGET_LINES[from_line],
        to_line=BUDGET_LINES[(from_line + distance) % len(BUDGET_LINES)],
        amount_satang=visit.draw.amount_satang(TRANSFER_SATANG),
    )
    transfer = yield clerk.hand_in("create_budget_transfer", move)
    if not transfer.is_ok:
        return
    yield clerk.view_document(transfer.document)
    yield clerk.view_budget()


def count_cash(visit: Visit) -> Journey:
    """The daily cash report."""
    clerk = Clerk(visit, visit.crew.clerk)
    yield clerk.view_overview()
    yield clerk.report("report_daily_cash", visit.day.date)
    yield clerk.list_documents()


def enquire(visit: Visit) -> Journey:
    """Somebody asks about a paper; the clerk lists the documents and opens one."""
    clerk = Clerk(visit, visit.crew.clerk)
    listed = yield clerk.list_documents()
    if not listed.is_ok or listed.document == 0:
        return
    yield clerk.view_document(listed.document)


def print_report(visit: Visit) -> Journey:
    """One of the heavy monthly reports."""
    clerk = Clerk(visit, visit.crew.clerk)
    reports = ("report_trial_balance", "report_receipts_payments", "report_budget_execution")
    yield clerk.view_periods()
    yield clerk.report(reports[visit.seed % len(reports)], visit.day.period)


def print_month_reports(visit: Visit) -> Journey:
    """All heavy reports of the month before, as every unit wants them on the first working day."""
    clerk = Clerk(visit, visit.crew.clerk)
    month = visit.day.closing_period
    yield clerk.view_periods()
    yield clerk.report("report_trial_balance", month)
    yield clerk.report("report_receipts_payments", month)
    yield clerk.report("report_budget_execution", month)
    yield clerk.report("report_daily_cash", visit.day.date)


def log_in(visit: Visit) -> Journey:
    """Sign in and see the front pages load."""
    visitor = Person(visit, visit.crew.visitor)
    signed_in: Reply = yield from sign_in(visitor, visit.pid)
    if not signed_in.is_ok:
        return
    yield visitor.view_me()
    yield visitor.view_overview()
    yield visitor.view_periods()
    yield visitor.view_worklist()


def browse(visit: Visit) -> Journey:
    """Open one page and leave."""
    (operation,) = navigation_operations(visit.seed, 1)
    yield Person(visit, visit.crew.visitor).look(operation)


def pry(visit: Visit) -> Journey:
    """Try to read or write the books of a unit that is not one's own; must be refused."""
    clerk = Clerk(visit, visit.crew.clerk)
    (operation,) = ACTIVITY_BY_NAME["curious"].operations_for(visit.seed)
    step = Step(
        operation=operation,
        account=clerk.account,
        unit=visit.stranger_unit,
        expects_refusal=True,
    )
    if operation == "post_to_other_unit":
        form = receipt_drawn(visit.draw, visit.day.date)
        step = step._replace(form=form, key=visit.new_key())
    yield step


def overspend(visit: Visit) -> Journey:
    """Ask for more money than the budget line holds; must be refused."""
    clerk = Clerk(visit, visit.crew.clerk)
    request = disbursement_drawn(visit.draw, visit.day.date)
    yield Step(
        operation="spend_over_budget",
        account=clerk.account,
        unit=visit.unit,
        form=replace(request, amount_satang=BEYOND_ANY_BUDGET_SATANG),
        key=visit.new_key(),
        expects_refusal=True,
    )
