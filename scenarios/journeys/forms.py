"""The papers of a municipal finance office, as filled in, and what each does to the books.

A form says what a person asks for, in integer satang and ISO dates, in no system's own wording: a
dialect turns it into a request. `Effect` is the harness's own opinion of what the ledger must hold
after a form was carried out once; it is defined here and nowhere else, and it is written into the
history before the request is sent. Nothing here talks to a target or reads an answer.

Account codes follow the standard chart of Thai local governments (facts: `facts/domain.md` §3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

CASH: Final = "1110101"
BANK: Final = "1110201"
CASH_ACCOUNTS: Final = (CASH, BANK)
REVENUE_ACCOUNTS: Final = ("4110101", "4210101", "4310101", "4410101", "4510101", "4610101")
MATERIALS_EXPENSE: Final = "5310101"
UTILITIES_EXPENSE: Final = "5410101"
PAYABLES: Final = "2110101"
BUDGET_LINES: Final = tuple(f"B{line:02d}" for line in range(1, 13))


class MoneyKind(StrEnum):
    """Every operation that moves money or changes what may still be moved; order = log index."""

    RECEIPT = "receipt"
    DISBURSEMENT_REQUEST = "disbursement_request"
    DISBURSEMENT_CHECK = "disbursement_check"
    DISBURSEMENT_APPROVAL = "disbursement_approval"
    PAYMENT = "payment"
    COMMITMENT = "commitment"
    ADVANCE = "advance"
    ADVANCE_CLEARING = "advance_clearing"
    JOURNAL_VOUCHER = "journal_voucher"
    BUDGET_TRANSFER = "budget_transfer"
    PERIOD_CLOSE = "period_close"
    BOOKS_IMPORT = "books_import"
    BACK_DATED_PAYMENT = "back_dated_payment"
    ADVANCE_REQUEST = "advance_request"


KIND_INDEX: Final = {kind: index for index, kind in enumerate(MoneyKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one carried-out form adds to the books. Accounts and lines are indexes, -1 for none.

    `period` is CE year * 100 + month. `budget_delta_satang` is the change of paid + committed, so a
    payment of a reserved amount changes nothing.
    """

    kind: int
    period: int
    gross_satang: int = 0
    cash_delta_satang: int = 0
    cash_account: int = -1
    budget_delta_satang: int = 0
    budget_line: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money that came in, by revenue account; `channel` is `cash` or `bank`."""

    date: str
    channel: str
    payer: str
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisbursementRequest:
    """A request to pay a supplier out of a budget line, with the tax withheld from the payment."""

    date: str
    budget_line: str
    payee: str
    amount_satang: int
    withholding_tax_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A second person's check of the request `request`."""

    document: int
    request: DisbursementRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """The approval of a checked request."""

    document: int
    request: DisbursementRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """The payment of an approved request, by cheque or e-payment."""

    document: int
    date: str
    method: str
    request: DisbursementRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A contract or purchase order: reserves budget, posts nothing."""

    date: str
    budget_line: str
    payee: str
    amount_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceRequest:
    """An official asks for money for a trip or a project, before the vouchers are there."""

    date: str
    borrower: str
    amount_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvancePayment:
    """The payment of what was asked for in advance, by cheque or e-payment."""

    document: int
    date: str
    method: str
    request: AdvanceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Money that was lent to an official on paper; it stands in a file only."""

    date: str
    borrower: str
    amount_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceClearing:
    """The vouchers that turn an advance into an expense."""

    document: int
    date: str
    amount_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalVoucher:
    """A manual entry of lines (account, debit, credit); this harness never touches cash with it."""

    date: str
    description: str
    lines: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTransfer:
    """Budget moved from one line to another."""

    date: str
    from_line: str
    to_line: str
    amount_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodClose:
    """The end of a month's books: nothing dated in `period` (YYYY-MM) may follow."""

    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackDatedPayment:
    """A request that was made, approved and paid on paper; it stands in a file only."""

    date: str
    budget_line: str
    payee: str
    amount_satang: int
    withholding_tax_satang: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackDatedBooks:
    """A file of papers of past *months* (YYYY-MM), taken whole or not at all.

    *documents* papers of *variant*; *mark* begins their references. Not `is_sound`: the last of
    them breaks a rule, and the file must be refused.
    """

    months: tuple[str, ...]
    documents: int
    variant: int
    mark: str
    is_sound: bool = True


# What may stand in a file.
Paper = Receipt | BackDatedPayment | Commitment | Advance | JournalVoucher | BudgetTransfer

Form = (
    Receipt
    | DisbursementRequest
    | Check
    | Approval
    | Payment
    | Commitment
    | AdvanceRequest
    | AdvancePayment
    | AdvanceClearing
    | JournalVoucher
    | BudgetTransfer
    | PeriodClose
    | BackDatedBooks
)


def period_number(date_or_period: str) -> int:
    """Return CE year * 100 + month of an ISO date or a YYYY-MM period."""
    return int(date_or_period[:4]) * 100 + int(date_or_period[5:7])


def _receipt(form: Receipt) -> Effect:
    total_satang = sum(amount for _, amount in form.lines)
    return Effect(
        kind=KIND_INDEX[MoneyKind.RECEIPT],
        period=period_number(form.date),
        gross_satang=total_satang,
        cash_delta_satang=total_satang,
        cash_account=CASH_ACCOUNTS.index(CASH if form.channel == "cash" else BANK),
    )


def _disbursement_request(form: DisbursementRequest) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.DISBURSEMENT_REQUEST],
        period=period_number(form.date),
        budget_delta_satang=form.amount_satang,
        budget_line=BUDGET_LINES.index(form.budget_line),
    )


def _check(form: Check) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.DISBURSEMENT_CHECK],
        period=period_number(form.request.date),
        budget_line=BUDGET_LINES.index(form.request.budget_line),
    )


def _approval(form: Approval) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.DISBURSEMENT_APPROVAL],
        period=period_number(form.request.date),
        budget_line=BUDGET_LINES.index(form.request.budget_line),
    )


def _payment(form: Payment) -> Effect:
    request = form.request
    return Effect(
        kind=KIND_INDEX[MoneyKind.PAYMENT],
        period=period_number(form.date),
        gross_satang=request.amount_satang,
        cash_delta_satang=request.withholding_tax_satang - request.amount_satang,
        cash_account=CASH_ACCOUNTS.index(BANK),
        budget_line=BUDGET_LINES.index(request.budget_line),
    )


def _commitment(form: Commitment) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.COMMITMENT],
        period=period_number(form.date),
        budget_delta_satang=form.amount_satang,
        budget_line=BUDGET_LINES.index(form.budget_line),
    )


def _advance_request(form: AdvanceRequest) -> Effect:
    return Effect(kind=KIND_INDEX[MoneyKind.ADVANCE_REQUEST], period=period_number(form.date))


def _advance_payment(form: AdvancePayment) -> Effect:
    return _lent(form.date, form.request.amount_satang)


def _advance(form: Advance) -> Effect:
    return _lent(form.date, form.amount_satang)


def _lent(date: str, amount_satang: int) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.ADVANCE],
        period=period_number(date),
        gross_satang=amount_satang,
        cash_delta_satang=-amount_satang,
        cash_account=CASH_ACCOUNTS.index(BANK),
    )


def _advance_clearing(form: AdvanceClearing) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.ADVANCE_CLEARING],
        period=period_number(form.date),
        gross_satang=form.amount_satang,
    )


def _journal_voucher(form: JournalVoucher) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.JOURNAL_VOUCHER],
        period=period_number(form.date),
        gross_satang=sum(debit for _, debit, _ in form.lines),
    )


def _budget_transfer(form: BudgetTransfer) -> Effect:
    # A transfer changes what is appropriated, not what is paid or committed, and posts no line.
    return Effect(
        kind=KIND_INDEX[MoneyKind.BUDGET_TRANSFER],
        period=period_number(form.date),
        budget_line=BUDGET_LINES.index(form.from_line),
    )


def _period_close(form: PeriodClose) -> Effect:
    return Effect(kind=KIND_INDEX[MoneyKind.PERIOD_CLOSE], period=period_number(form.period))


def _back_dated_payment(form: BackDatedPayment) -> Effect:
    return Effect(
        kind=KIND_INDEX[MoneyKind.BACK_DATED_PAYMENT],
        period=period_number(form.date),
        gross_satang=form.amount_satang,
        cash_delta_satang=form.withholding_tax_satang - form.amount_satang,
        cash_account=CASH_ACCOUNTS.index(BANK),
        budget_delta_satang=form.amount_satang,
        budget_line=BUDGET_LINES.index(form.budget_line),
    )


def _back_dated_books(form: BackDatedBooks) -> Effect:
    # The file itself is no document; each of its papers has a record of its own.
    return Effect(kind=KIND_INDEX[MoneyKind.BOOKS_IMPORT], period=period_number(form.months[-1]))


_EFFECTS: Final[dict[type, Callable[..., Effect]]] = {
    Receipt: _receipt,
    DisbursementRequest: _disbursement_request,
    Check: _check,
    Approval: _approval,
    Payment: _payment,
    Commitment: _commitment,
    AdvanceRequest: _advance_request,
    AdvancePayment: _advance_payment,
    Advance: _advance,
    AdvanceClearing: _advance_clearing,
    JournalVoucher: _journal_voucher,
    BudgetTransfer: _budget_transfer,
    PeriodClose: _period_close,
    BackDatedPayment: _back_dated_payment,
    BackDatedBooks: _back_dated_books,
}


def effect_of(form: Form | Paper) -> Effect:
    """Return what *form*, carried out once, must add to the books."""
    return _EFFECTS[type(form)](form)


ALTERATION_SATANG: Final = 100


def altered(form: Form) -> Form | None:
    """Return *form* with another amount, or None when it carries none to alter.

    Sent under the key of the unaltered form it must be refused: the key is used up.
    """
    if isinstance(form, Receipt):
        (account, amount), *rest = form.lines
        return replace(form, lines=((account, amount + ALTERATION_SATANG), *rest))
    if isinstance(form, JournalVoucher):
        more = ((MATERIALS_EXPENSE, ALTERATION_SATANG, 0), (PAYABLES, 0, ALTERATION_SATANG))
        return replace(form, lines=form.lines + more)
    match form:
        case (
            DisbursementRequest()
            | Commitment()
            | AdvanceRequest()
            | AdvanceClearing()
            | BudgetTransfer()
        ):
            return replace(form, amount_satang=form.amount_satang + ALTERATION_SATANG)
    return None
