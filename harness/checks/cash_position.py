"""I3: each cash and bank account stands where its ledger lines put it, and where the work moved it.

Against the lines: brought-forward balance plus all lines of the account. Against the history:
balance before the run plus the cash effect of every operation that is in the books. An account
whose running balance I2 finds wrong, and a unit in whose books other clauses found documents that
nobody can account for, are not charged a second time.
"""

from __future__ import annotations

import numpy as np

from contracts.terms import Bilingual
from harness.books import Books, is_among
from harness.checks.answer import Finding, Witness, baht
from harness.checks.money import Examined, finding_of, first_rows
from harness.checks.recorded import Recorded
from harness.checks.trial_balance import drifted_accounts, first_openings
from harness.columns import EvidenceMissing, Int64
from harness.ledger_model import Ledger

ABOUT = "I3"


def examine_cash_position(recorded: Recorded) -> Examined:
    """Examine I3 over the cash accounts of all units."""
    ledger = recorded.ledger
    after = _balances(ledger.after)
    if not after[0].size:
        raise EvidenceMissing(
            en="no cash position was read after the run", th="ไม่มีรายงานสถานะการเงินหลังการทดสอบ"
        )
    findings = (
        *_against(ledger, after, _by_lines(ledger), "cash_is_not_the_lines",
                  Bilingual(en="cash balances that are not the sum of the lines",
                            th="ยอดเงินสดไม่เท่ากับผลรวมรายการบัญชี")),
        *_against(ledger, after, _by_history(ledger), "cash_is_not_the_history",
                  Bilingual(en="cash balances that did not move as the operations did",
                            th="ยอดเงินสดไม่เคลื่อนไหวตามรายการที่ทำ")),
    )  # fmt: skip
    moved = np.count_nonzero(ledger.new_stored_count)
    return Examined(findings, int(moved), Bilingual(en="stored writes", th="รายการที่บันทึกแล้ว"))


def summed_by(numbers: Int64, amounts: Int64) -> tuple[Int64, Int64]:
    """Add up the amounts of equal numbers; return the numbers, rising, and their sums."""
    if not numbers.size:
        return numbers, amounts
    order = np.argsort(numbers, kind="stable")
    rising = numbers[order]
    begins = np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))
    return rising[begins], np.add.reduceat(amounts[order], begins)


def differing(
    first: tuple[Int64, Int64], second: tuple[Int64, Int64]
) -> tuple[Int64, Int64, Int64]:
    """Return (number, amount in first, amount in second) where two sums differ; absent is 0."""
    numbers = np.union1d(first[0], second[0])
    amounts = []
    for known, values in (first, second):
        whole = np.zeros(numbers.size, dtype=np.int64)
        whole[np.searchsorted(numbers, known)] = values
        amounts.append(whole)
    wrong = amounts[0] != amounts[1]
    return numbers[wrong], amounts[0][wrong], amounts[1][wrong]


def _balances(books: Books) -> tuple[Int64, Int64]:
    unit = books.integers("cash_position", "unit", np.int32)
    account, _ = books.words("cash_position", "account")
    balance = books.integers("cash_position", "balance_satang", np.int64)
    return summed_by((unit.astype(np.int64) << 16) | account, balance)


def _by_lines(ledger: Ledger) -> tuple[Int64, Int64]:
    totals = ledger.lines.totals
    openings, brought_forward = first_openings(ledger.after)
    numbers = np.concatenate([(totals.unit.astype(np.int64) << 16) | totals.account, openings])
    amounts = np.concatenate([totals.debit_satang - totals.credit_satang, brought_forward])
    # Read after the lines: only then is every account's word known.
    is_cash = ledger.after.cash_accounts()
    of_cash = is_cash[numbers & 0xFFFF]
    return summed_by(numbers[of_cash], amounts[of_cash])


def _by_history(ledger: Ledger) -> tuple[Int64, Int64]:
    history, heads = ledger.history, ledger.keys.head
    delta = history.column("cash_delta_satang")[heads] * ledger.new_stored_count
    account = history.column("cash_account")[heads]
    moved = np.flatnonzero((delta != 0) & (account >= 0))
    numbers_of_words = np.array(
        [ledger.after.accounts.number(word) for word in history.cash_accounts.words], np.int64
    )
    unit = history.unit[heads][moved].astype(np.int64)
    numbers = (unit << 16) | numbers_of_words[account[moved]]
    before = _balances(ledger.before)
    return summed_by(
        np.concatenate([before[0], numbers]), np.concatenate([before[1], delta[moved]])
    )


def _against(
    ledger: Ledger,
    after: tuple[Int64, Int64],
    expected: tuple[Int64, Int64],
    rule: str,
    text: Bilingual,
) -> tuple[Finding, ...]:
    numbers, found, wanted = differing(after, expected)
    units = (numbers >> 16).astype(np.int32)
    charged = is_among(units, ledger.complete_units) & ~is_among(units, ledger.unclear_units)
    if charged.any():
        charged &= ~is_among(numbers, drifted_accounts(ledger))
    numbers, found, wanted = numbers[charged], found[charged], wanted[charged]
    shown = first_rows(numbers >> 16, numbers & 0xFFFF)
    return finding_of(
        ABOUT, rule, text, numbers.size,
        (
            Witness(
                unit=int(numbers[place] >> 16),
                kind=ledger.after.accounts.words[int(numbers[place] & 0xFFFF)],
                expected=baht(wanted[place]),
                found=baht(found[place]),
            )
            for place in shown
        ),
    )  # fmt: skip
