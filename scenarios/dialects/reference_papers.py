"""Forms as the reference interface wants them: path, JSON body, and what the answer must name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from scenarios.journeys.forms import (
    AdvanceClearing,
    AdvancePayment,
    AdvanceRequest,
    Approval,
    BudgetTransfer,
    Check,
    Commitment,
    DisbursementRequest,
    Form,
    JournalVoucher,
    Payment,
    PeriodClose,
    Receipt,
)


def baht(amount_satang: int) -> str:
    """Write satang as baht with two decimals, the money format of the interface."""
    sign = "-" if amount_satang < 0 else ""
    whole, satang = divmod(abs(amount_satang), 100)
    return f"{sign}{whole}.{satang:02d}"


def _receipt(form: Receipt) -> dict[str, Any]:
    return {
        "date": form.date,
        "channel": form.channel,
        "payer": form.payer,
        "lines": [{"account": a, "amount": baht(amount)} for a, amount in form.lines],
    }


def _disbursement_request(form: DisbursementRequest) -> dict[str, Any]:
    return {
        "date": form.date,
        "budget_line": form.budget_line,
        "payee": form.payee,
        "amount": baht(form.amount_satang),
        "withholding_tax": baht(form.withholding_tax_satang),
    }


def _nothing(_form: Check | Approval | PeriodClose) -> dict[str, Any]:
    return {}


def _payment(form: Payment | AdvancePayment) -> dict[str, Any]:
    return {"date": form.date, "method": form.method}


def _commitment(form: Commitment) -> dict[str, Any]:
    return {
        "date": form.date,
        "budget_line": form.budget_line,
        "payee": form.payee,
        "amount": baht(form.amount_satang),
    }


def _advance_request(form: AdvanceRequest) -> dict[str, Any]:
    return {"date": form.date, "borrower": form.borrower, "amount": baht(form.amount_satang)}


def _advance_clearing(form: AdvanceClearing) -> dict[str, Any]:
    return {"date": form.date, "amount": baht(form.amount_satang)}


def _journal_voucher(form: JournalVoucher) -> dict[str, Any]:
    lines = [
        {"account": account, "debit": baht(debit)}
        if debit
        else {"account": account, "credit": baht(credit)}
        for account, debit, credit in form.lines
    ]
    return {"date": form.date, "description": form.description, "lines": lines}


def _budget_transfer(form: BudgetTransfer) -> dict[str, Any]:
    return {
        "date": form.date,
        "from_line": form.from_line,
        "to_line": form.to_line,
        "amount": baht(form.amount_satang),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """How a form is handed in, and what its answer must say."""

    path: Callable[[int, Any], str]
    body: Callable[[Any], dict[str, Any]]
    kind: str
    period: Callable[[Any], str]
    statuses: tuple[int, ...] = (201,)
    has_number: bool = True


def _dated(form: Any) -> str:
    date: str = form.date
    return date[:7]


def _requested(form: Any) -> str:
    date: str = form.request.date
    return date[:7]


PAPERS: Final[dict[type[Form], Paper]] = {
    Receipt: Paper(
        path=lambda unit, _: f"/units/{unit}/receipts",
        body=_receipt, kind="receipt", period=_dated,
    ),
    DisbursementRequest: Paper(
        path=lambda unit, _: f"/units/{unit}/disbursement-requests",
        body=_disbursement_request, kind="disbursement_request", period=_dated,
    ),
    Check: Paper(
        path=lambda unit, form: f"/units/{unit}/disbursement-requests/{form.document}/check",
        body=_nothing, kind="disbursement_request", period=_requested, statuses=(200, 201),
    ),
    Approval: Paper(
        path=lambda unit, form: f"/units/{unit}/disbursement-requests/{form.document}/approve",
        body=_nothing, kind="disbursement_request", period=_requested, statuses=(200, 201),
    ),
    Payment: Paper(
        path=lambda unit, form: f"/units/{unit}/disbursement-requests/{form.document}/pay",
        body=_payment, kind="payment", period=_dated,
    ),
    Commitment: Paper(
        path=lambda unit, _: f"/units/{unit}/commitments",
        body=_commitment, kind="commitment", period=_dated,
    ),
    AdvanceRequest: Paper(
        path=lambda unit, _: f"/units/{unit}/advance-requests",
        body=_advance_request, kind="advance_request", period=_dated,
    ),
    AdvancePayment: Paper(
        path=lambda unit, form: f"/units/{unit}/advance-requests/{form.document}/pay",
        body=_payment, kind="advance", period=_dated,
    ),
    AdvanceClearing: Paper(
        path=lambda unit, form: f"/units/{unit}/advances/{form.document}/clear",
        body=_advance_clearing, kind="advance_clearing", period=_dated,
    ),
    JournalVoucher: Paper(
        path=lambda unit, _: f"/units/{unit}/journal-vouchers",
        body=_journal_voucher, kind="journal_voucher", period=_dated,
    ),
    BudgetTransfer: Paper(
        path=lambda unit, _: f"/units/{unit}/budget-transfers",
        body=_budget_transfer, kind="budget_transfer", period=_dated,
    ),
    PeriodClose: Paper(
        path=lambda unit, form: f"/units/{unit}/periods/{form.period}/close",
        body=_nothing, kind="", period=lambda form: str(form.period), statuses=(200, 201),
        has_number=False,
    ),
}  # fmt: skip
