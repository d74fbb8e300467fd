"""The finance director's work: payments, and closing the month.

The journeys that close end with a posting into the month just closed. A right ledger refuses it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from scenarios.journeys.forms import (
    REVENUE_ACCOUNTS,
    AdvancePayment,
    AdvanceRequest,
    DisbursementRequest,
    Payment,
    PeriodClose,
    Receipt,
)
from scenarios.journeys.person import PAYEES, Person
from scenarios.journeys.vocabulary import Journey, Reply, Step, Visit

LATE_RECEIPT_SATANG: Final = 500_00


class FinanceDirector(Person):
    """Signs the cheque and closes the books."""

    __slots__ = ()

    def pay(self, document: int, bill: DisbursementRequest) -> Step:
        """Pay the approved request."""
        date, method = self.visit.day.date, self._method()
        form = Payment(document=document, date=date, method=method, request=bill)
        return self.hand_in("pay_disbursement_request", form, document=document)

    def lend(self, document: int, loan: AdvanceRequest) -> Step:
        """Pay what an official asked for in advance."""
        date, method = self.visit.day.date, self._method()
        form = AdvancePayment(document=document, date=date, method=method, request=loan)
        return self.hand_in("pay_advance_request", form, document=document)

    def _method(self) -> str:
        return "cheque" if self.visit.draw.below(2) else "e-payment"

    def settle(self, document: int, bill: DisbursementRequest) -> Generator[Step, Reply, None]:
        """Read the approved request, see the budget, pay, look at the payment."""
        yield self.view_worklist()
        yield self.view_document(document)
        yield self.view_budget()
        payment = yield self.pay(document, bill)
        if not payment.is_ok:
            return
        yield self.view_document(payment.document)
        yield self.list_documents()

    def close_period(self, period: str) -> Step:
        """Close the books of *period*."""
        return self.hand_in("close_period", PeriodClose(period=period))


def late_receipt(visit: Visit) -> Receipt:
    """Draw a receipt dated the first day of the month that was just closed."""
    return Receipt(
        date=f"{visit.day.closing_period}-01",
        channel="cash",
        payer=PAYEES[visit.draw.below(len(PAYEES))],
        lines=((REVENUE_ACCOUNTS[0], visit.draw.amount_satang(LATE_RECEIPT_SATANG)),),
    )


def close_month(visit: Visit) -> Journey:
    """Look once more at the month before, close it, and see that it stays closed."""
    director = FinanceDirector(visit, visit.crew.director)
    yield director.view_overview()
    yield director.view_periods()
    yield director.view_worklist()
    yield director.list_documents()
    yield director.view_budget()
    yield director.report("report_trial_balance", visit.day.closing_period)
    closed = yield director.close_period(visit.day.closing_period)
    if not closed.is_ok:
        return
    yield director.view_periods()
    # A clerk may post receipts, so that the period alone is the reason to refuse this one.
    clerk = Person(visit, visit.crew.clerk)
    yield clerk.hand_in("post_into_closed_period", late_receipt(visit), expects_refusal=True)


def close_year(visit: Visit) -> Journey:
    """Close the year's last two months, with the reports that the year's end asks for.

    Months are closed in order, so the last one waits for the one before. That the year stays closed
    is seen by a posting that must be refused.
    """
    director = FinanceDirector(visit, visit.crew.director)
    yield director.view_overview()
    yield director.view_periods()
    yield director.view_worklist()
    yield director.report("report_trial_balance", visit.day.closing_period)
    closed = yield director.close_period(visit.day.closing_period)
    if not closed.is_ok:
        return
    yield director.report("report_trial_balance", visit.day.period)
    yield director.report("report_receipts_payments", visit.day.period)
    yield director.report("report_budget_execution", visit.day.period)
    closed = yield director.close_period(visit.day.period)
    if not closed.is_ok:
        return
    yield director.view_periods()
    clerk = Person(visit, visit.crew.clerk)
    yield clerk.hand_in("post_into_closed_period", late_receipt(visit), expects_refusal=True)
