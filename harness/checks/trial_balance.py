"""I2: the ledger's own trial balance is what its lines add up to, for each unit, period, account.

Opening plus debits minus credits is the closing balance; the next period opens with it; debits and
credits are the sums of the lines of the period's documents. The first opening balance may not
change during the run. Where a document is no whole entry (I1) or was edited (I7), its period is not
charged a second time here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.terms import Bilingual
from harness.books import Books, is_among, unit_period
from harness.checks.answer import Finding, Witness, baht
from harness.checks.money import Examined, finding_of, first_rows
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing, Flags, Int16, Int32, Int64
from harness.ledger_model import Ledger

ABOUT = "I2"


class TrialBalance(NamedTuple):
    """One row per (unit, period, account), by unit, account and period, rising."""

    unit: Int32
    period: Int32
    account: Int16
    opening: Int64
    debit: Int64
    credit: Int64
    closing: Int64

    @property
    def is_first(self) -> Flags:
        """Rows with the first period of their unit and account."""
        first = np.ones(self.unit.size, dtype=np.bool_)
        first[1:] = (self.unit[1:] != self.unit[:-1]) | (self.account[1:] != self.account[:-1])
        return first

    @property
    def unit_account(self) -> Int64:
        """Unit and account as one number per row."""
        return (self.unit.astype(np.int64) << 16) | self.account


class WrongRows(NamedTuple):
    """Rows of the trial balance that are not the sum of their lines, and by how much."""

    unit: Int32
    period: Int32
    account: Int16
    debit_off: Int64
    credit_off: Int64


def read_trial_balance(books: Books, table: str = "trial_balance") -> TrialBalance:
    """Read the trial balances of one reading of the books. Raises `EvidenceMissing`."""
    unit = books.integers(table, "unit", np.int32)
    period = books.integers(table, "period", np.int32)
    account, _ = books.words(table, "account")
    amounts = [
        books.integers(table, f"{name}_satang", np.int64)
        for name in ("opening", "debit", "credit", "closing")
    ]
    if unit.size and int(unit.min()) < 0:
        raise EvidenceMissing(
            en=f"{books.name}/{table} holds negative units",
            th=f"{books.name}/{table} มีหน่วยงานที่ติดลบ",
        )
    order = np.lexsort((period, account, unit))
    opening, debit, credit, closing = (column[order] for column in amounts)
    return TrialBalance(unit[order], period[order], account[order], opening, debit, credit, closing)


def first_openings(books: Books) -> tuple[Int64, Int64]:
    """Return (unit_account, rising; balance brought forward from before the books begin)."""
    rows = read_trial_balance(books)
    first = rows.is_first
    return rows.unit_account[first], rows.opening[first]


def examine_trial_balance(recorded: Recorded) -> Examined:
    """Examine I2 over the books after the run."""
    ledger = recorded.ledger
    rows = read_trial_balance(ledger.after)
    if not rows.unit.size:
        raise EvidenceMissing(
            en="the trial balance after the run is empty", th="งบทดลองหลังการทดสอบว่างเปล่า"
        )
    findings = (
        *_broken_chain(ledger, rows),
        *_not_the_lines(ledger, rows),
    )
    return Examined(
        findings,
        int(np.count_nonzero(ledger.is_new)),
        Bilingual(en="documents made under load", th="เอกสารที่เกิดขึ้นระหว่างทดสอบ"),
    )


def _broken_chain(ledger: Ledger, rows: TrialBalance) -> tuple[Finding, ...]:
    expected = np.zeros(rows.unit.size, dtype=np.int64)
    first = rows.is_first
    expected[1:] = rows.closing[:-1]
    expected[first] = _looked_up(rows.unit_account[first], *first_openings(ledger.before))
    wrong = (rows.opening != expected) | (rows.opening + rows.debit - rows.credit != rows.closing)
    # A unit that could not be read before the run has no opening to compare with.
    wrong &= is_among(rows.unit, ledger.complete_units)
    twice = ~first[1:] & (rows.period[1:] == rows.period[:-1])
    wrong[1:] |= twice
    places = np.flatnonzero(wrong)
    shown = places[first_rows(rows.unit[places], rows.period[places])]
    return finding_of(
        ABOUT, "balance_not_carried_forward",
        Bilingual(en="balances that do not follow from the ones before",
                  th="ยอดคงเหลือที่ไม่ต่อเนื่องจากยอดก่อนหน้า"),
        places.size,
        (
            Witness(
                unit=int(rows.unit[place]),
                kind=ledger.after.accounts.words[rows.account[place]],
                period=int(rows.period[place]),
                expected=f"opening {baht(expected[place])}",
                found=f"opening {baht(rows.opening[place])}, closing {baht(rows.closing[place])}",
            )
            for place in shown
        ),
    )  # fmt: skip


def drifted_accounts(ledger: Ledger) -> Int64:
    """Return the (unit, account) numbers, rising, whose balance I2 finds not to be the lines."""
    wrong = _wrong_rows(ledger, read_trial_balance(ledger.after))
    return np.unique((wrong.unit.astype(np.int64) << 16) | wrong.account)


def _wrong_rows(ledger: Ledger, rows: TrialBalance) -> WrongRows:
    totals = ledger.lines.totals
    unit = np.concatenate([rows.unit, totals.unit])
    period = np.concatenate([rows.period, totals.period])
    account = np.concatenate([rows.account, totals.account])
    debit = np.concatenate([rows.debit, -totals.debit_satang])
    credit = np.concatenate([rows.credit, -totals.credit_satang])
    # Both sides in one column with opposite signs: what does not cancel out is wrong.
    order = np.lexsort((account, period, unit))
    unit, period, account = unit[order], period[order], account[order]
    is_new = np.ones(unit.size, dtype=np.bool_)
    is_new[1:] = (unit[1:] != unit[:-1]) | (period[1:] != period[:-1])
    is_new[1:] |= account[1:] != account[:-1]
    begins = np.flatnonzero(is_new)
    debit_off = np.add.reduceat(debit[order], begins)
    credit_off = np.add.reduceat(credit[order], begins)
    unit, period, account = unit[begins], period[begins], account[begins]
    wrong = (debit_off != 0) | (credit_off != 0)
    wrong &= ~is_among(unit_period(unit, period), _explained_elsewhere(ledger))
    return WrongRows(
        unit[wrong], period[wrong], account[wrong], debit_off[wrong], credit_off[wrong]
    )


def _not_the_lines(ledger: Ledger, rows: TrialBalance) -> tuple[Finding, ...]:
    wrong = _wrong_rows(ledger, rows)
    return finding_of(
        ABOUT, "balance_is_not_the_lines",
        Bilingual(en="trial balance rows that are not the sum of the lines",
                  th="งบทดลองไม่เท่ากับผลรวมรายการบัญชี"),
        wrong.unit.size,
        (
            Witness(
                unit=int(wrong.unit[place]),
                kind=ledger.after.accounts.words[wrong.account[place]],
                period=int(wrong.period[place]),
                expected="the sum of the lines",
                found=f"debit off by {baht(wrong.debit_off[place])}, "
                f"credit off by {baht(wrong.credit_off[place])}",
            )
            for place in first_rows(wrong.unit, wrong.period)
        ),
    )  # fmt: skip


def _explained_elsewhere(ledger: Ledger) -> Int64:
    documents, then = ledger.documents, ledger.documents_before
    rows = np.union1d(ledger.lines.unbalanced, ledger.edited)
    now_pairs = unit_period(documents.unit[rows], documents.period[rows])
    gone = np.concatenate([ledger.row_before[ledger.edited], ledger.deleted])
    then_pairs = unit_period(then.unit[gone], then.period[gone])
    return np.union1d(now_pairs, then_pairs)


def _looked_up(wanted: Int64, rising: Int64, values: Int64) -> Int64:
    """Return the value of each wanted number, 0 where it is not known."""
    if not rising.size:
        return np.zeros(wanted.size, dtype=np.int64)
    places = np.minimum(np.searchsorted(rising, wanted), rising.size - 1)
    return np.where(rising[places] == wanted, values[places], 0)
