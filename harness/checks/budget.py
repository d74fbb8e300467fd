"""I5: what remains of a budget line is what was given, moved, promised and paid; never below 0.

Remaining = appropriated + transferred - committed - paid. Transfers move budget within a unit and
make none. What was appropriated does not change during a month. Committed plus paid moved as the
operations in the books say, and so did paid alone. A unit in whose books other clauses found
documents that nobody can account for is not charged a second time for its movements.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.terms import Bilingual
from harness.books import Books, is_among
from harness.checks.answer import Finding, Witness, baht
from harness.checks.cash_position import differing, summed_by
from harness.checks.money import Examined, finding_of, first_rows, key_witnesses
from harness.checks.must_refuse import let_through, probes_of_own_unit
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing, Int64
from harness.ledger_model import PAYMENT_KINDS, Ledger

ABOUT = "I5"
AMOUNTS = ("appropriated", "transferred", "committed", "paid", "remaining")


class Budget(NamedTuple):
    """One entry per budget line; `line` joins its unit and its number in the vocabulary."""

    line: Int64
    appropriated: Int64
    transferred: Int64
    committed: Int64
    paid: Int64
    remaining: Int64


def examine_budget(recorded: Recorded) -> Examined:
    """Examine I5 over all budget lines."""
    ledger = recorded.ledger
    before, after = _read(ledger.before), _read(ledger.after)
    if not after.line.size:
        raise EvidenceMissing(
            en="no budget was read after the run", th="ไม่มีข้อมูลงบประมาณหลังการทดสอบ"
        )
    rest = after.appropriated + after.transferred - after.committed - after.paid
    findings = (
        *_lines(ledger, after.line[rest != after.remaining], rest[rest != after.remaining],
                after.remaining[rest != after.remaining], "budget_does_not_add_up",
                Bilingual(en="budget lines whose remainder does not add up",
                          th="งบประมาณคงเหลือคำนวณไม่ตรง")),
        *_overspent(ledger, after),
        *_moved(ledger, (after.line, after.appropriated), (before.line, before.appropriated),
                "appropriation_changed", Bilingual(en="budget lines that were given another amount",
                                                   th="วงเงินงบประมาณถูกเปลี่ยน")),
        *_moved(ledger, _by_unit(after.line, after.transferred),
                _by_unit(before.line, before.transferred), "transfers_made_budget",
                Bilingual(en="units whose transfers do not cancel out",
                          th="หน่วยงานที่ยอดโอนงบประมาณไม่หักล้างกัน")),
        *_followed_history(ledger, before, after),
        *_let_through(recorded),
    )  # fmt: skip
    moved = np.count_nonzero(ledger.new_stored_count)
    return Examined(findings, int(moved), Bilingual(en="stored writes", th="รายการที่บันทึกแล้ว"))


def _let_through(recorded: Recorded) -> tuple[Finding, ...]:
    ledger = recorded.ledger
    if not ledger.keys.is_probe.any():
        return ()
    accepted = np.flatnonzero(probes_of_own_unit(recorded) & let_through(ledger))
    return finding_of(
        ABOUT, "overspending_accepted",
        Bilingual(en="documents beyond the budget that were let through",
                  th="รับเอกสารที่เกินงบประมาณ"),
        accepted.size, key_witnesses(ledger, accepted, expected="refused", found="accepted"),
    )  # fmt: skip


def _read(books: Books) -> Budget:
    unit = books.integers("budget", "unit", np.int32)
    line, _ = books.words("budget", "budget_line")
    numbers = (unit.astype(np.int64) << 16) | line
    if np.unique(numbers).size != numbers.size:
        raise EvidenceMissing(
            en=f"{books.name}/budget has a line twice", th=f"{books.name}/budget มีบรรทัดงบประมาณซ้ำ"
        )
    amounts = [books.integers("budget", f"{name}_satang", np.int64) for name in AMOUNTS]
    return Budget(numbers, *amounts)


def _overspent(ledger: Ledger, after: Budget) -> tuple[Finding, ...]:
    negative = after.remaining < 0
    return _lines(
        ledger, after.line[negative], np.zeros(int(negative.sum()), dtype=np.int64),
        after.remaining[negative], "budget_overspent",
        Bilingual(en="overspent budget lines", th="งบประมาณถูกใช้เกิน"),
    )  # fmt: skip


def _followed_history(ledger: Ledger, before: Budget, after: Budget) -> tuple[Finding, ...]:
    history, heads = ledger.history, ledger.keys.head
    effect = ledger.new_stored_count
    numbers_of_words = np.array(
        [ledger.after.budget_lines.number(word) for word in history.budget_lines.words], np.int64
    )
    line = history.column("budget_line")[heads]
    used = history.column("budget_delta_satang")[heads] * effect
    payments = [history.kinds.find(kind) for kind in PAYMENT_KINDS]
    is_payment = np.isin(history.kind[heads], payments)
    paid = np.where(is_payment, history.column("gross_satang")[heads], 0) * effect
    unit = history.unit[heads].astype(np.int64) << 16
    texts = (
        ("budget_use_is_not_the_history", "budget lines that were not used as the operations say",
         "การใช้งบประมาณไม่ตรงกับรายการที่ทำ", used, before.committed + before.paid,
         after.committed + after.paid),
        ("paid_is_not_the_history", "budget lines whose payments are not those of the operations",
         "ยอดจ่ายตามงบประมาณไม่ตรงกับรายการที่ทำ", paid, before.paid, after.paid),
    )  # fmt: skip
    findings: list[Finding] = []
    for rule, en, th, delta, was, became in texts:
        moved = np.flatnonzero((delta != 0) & (line >= 0))
        expected = summed_by(
            np.concatenate([before.line, unit[moved] | numbers_of_words[line[moved]]]),
            np.concatenate([was, delta[moved]]),
        )
        findings += _moved(ledger, (after.line, became), expected, rule, Bilingual(en=en, th=th))
    return tuple(findings)


def _by_unit(line: Int64, amount: Int64) -> tuple[Int64, Int64]:
    return summed_by((line >> 16) << 16, amount)


def _moved(
    ledger: Ledger,
    found: tuple[Int64, Int64],
    expected: tuple[Int64, Int64],
    rule: str,
    text: Bilingual,
) -> tuple[Finding, ...]:
    numbers, in_books, wanted = differing(summed_by(*found), summed_by(*expected))
    units = numbers >> 16
    charged = is_among(units, ledger.complete_units) & ~is_among(units, ledger.unclear_units)
    return _lines(ledger, numbers[charged], wanted[charged], in_books[charged], rule, text)


def _lines(
    ledger: Ledger, numbers: Int64, wanted: Int64, found: Int64, rule: str, text: Bilingual
) -> tuple[Finding, ...]:
    shown = first_rows(numbers >> 16, numbers & 0xFFFF)
    return finding_of(
        ABOUT, rule, text, numbers.size,
        (
            Witness(
                unit=int(numbers[place] >> 16),
                kind=ledger.after.budget_lines.words[int(numbers[place] & 0xFFFF)],
                expected=baht(wanted[place]),
                found=baht(found[place]),
            )
            for place in shown
        ),
    )  # fmt: skip
