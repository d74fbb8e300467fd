"""I11: the units of a parent add up to the parent's consolidated trial balance.

For the period that was read, opening, debit, credit and closing of every account are the sums over
the trial balances of the parent and of its dependants by the plan. The balances themselves are I2's
matter: only the adding up is judged here, so that a wrong balance is charged once. Source: domain
facts §3.4.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from contracts.terms import Bilingual
from harness.books import Books, is_among
from harness.checks.answer import Witness, baht
from harness.checks.cash_position import summed_by
from harness.checks.money import Examined, finding_of, first_rows
from harness.checks.recorded import Recorded
from harness.checks.trial_balance import TrialBalance, read_trial_balance
from harness.columns import EvidenceMissing, Flags, Int32, Int64

ABOUT: Final = "I11"
AMOUNTS: Final = ("opening", "debit", "credit", "closing")


class Members(NamedTuple):
    """Who belongs to whom by the plan, by unit, rising; a parent is a member of itself."""

    unit: Int32
    parent: Int32
    period: int
    is_read: Flags


def examine_consolidation(recorded: Recorded) -> Examined:
    """Examine I11 over the parents whose report and members' books were read."""
    books = recorded.ledger.after
    members = _read_members(books)
    is_whole = members.is_read & is_among(members.unit, books.complete_units)
    judged = np.setdiff1d(members.parent, members.parent[~is_whole]).astype(np.int32)
    wanted_rows = _standing(read_trial_balance(books), members.period)
    shown_rows = read_trial_balance(books, "consolidated")
    if shown_rows.unit.size and (shown_rows.period != members.period).any():
        raise EvidenceMissing(
            en="the consolidated reports are of another period than they should be",
            th="รายงานรวมไม่ใช่ของงวดที่ควรอ่าน",
        )
    place = np.minimum(np.searchsorted(members.unit, wanted_rows.unit), members.unit.size - 1)
    is_member = members.unit[place] == wanted_rows.unit
    wanted = _sums(np.where(is_member, members.parent[place], -1), wanted_rows, judged)
    shown = _sums(shown_rows.unit, shown_rows, judged)
    numbers = np.union1d(wanted[0], shown[0])
    difference = np.zeros((len(AMOUNTS), numbers.size), dtype=np.int64)
    difference[:, np.searchsorted(numbers, shown[0])] += shown[1]
    difference[:, np.searchsorted(numbers, wanted[0])] -= wanted[1]
    wrong = np.flatnonzero((difference != 0).any(axis=0))
    parents = (numbers[wrong] >> 16).astype(np.int64)
    findings = finding_of(
        ABOUT, "report_is_not_the_sum",
        Bilingual(en="balances of consolidated reports that are not the sum of the units",
                  th="ยอดในรายงานรวมที่ไม่เท่ากับผลรวมของหน่วยงาน"),
        wrong.size,
        (
            Witness(
                unit=int(parents[place]),
                kind=books.accounts.words[numbers[wrong[place]] & 0xFFFF],
                period=members.period,
                expected="the sum of the parent and its dependants",
                found=", ".join(
                    f"{name} off by {baht(off)}"
                    for name, off in zip(AMOUNTS, difference[:, wrong[place]], strict=True)
                    if off
                ),
            )
            for place in first_rows(parents, numbers[wrong])
        ),
    )  # fmt: skip
    unread = np.unique(members.parent[~members.is_read]).size
    if unread and not findings:
        raise EvidenceMissing(
            en=f"{unread} of {np.unique(members.parent).size} consolidated reports were not read",
            th=f"อ่านรายงานรวมไม่ได้ {unread} จาก {np.unique(members.parent).size} ฉบับ",
        )
    return Examined(
        findings,
        int(numbers.size),
        Bilingual(en="balances of consolidated reports", th="ยอดในรายงานรวม"),
    )


def _read_members(books: Books) -> Members:
    parent, unit, period = (
        books.integers("members", column, np.int32) for column in ("parent", "unit", "period")
    )
    reason, words = books.words("members", "reason")
    order = np.argsort(unit, kind="stable")
    if not unit.size or np.unique(period).size != 1 or (np.diff(unit[order]) == 0).any():
        raise EvidenceMissing(
            en=f"{books.name}/members does not say once for each unit to whom it belongs",
            th=f"{books.name}/members ไม่ได้ระบุต้นสังกัดของแต่ละหน่วยงานเพียงครั้งเดียว",
        )
    is_read = reason == words.find("")
    return Members(unit[order], parent[order], int(period[0]), is_read[order])


def _standing(rows: TrialBalance, period: int) -> TrialBalance:
    """Return a row per unit and account as it stands in *period*, moved in it or not."""
    is_last = np.ones(rows.unit.size, dtype=np.bool_)
    is_last[:-1] = (rows.unit_account[1:] != rows.unit_account[:-1]) | (rows.period[1:] > period)
    last = np.flatnonzero(is_last & (rows.period <= period))
    closing, moved = rows.closing[last], rows.period[last] == period
    return TrialBalance(
        unit=rows.unit[last],
        period=np.full(last.size, period, dtype=np.int32),
        account=rows.account[last],
        opening=np.where(moved, rows.opening[last], closing),
        debit=np.where(moved, rows.debit[last], 0),
        credit=np.where(moved, rows.credit[last], 0),
        closing=closing,
    )


def _sums(parents: Int32 | Int64, rows: TrialBalance, judged: Int32) -> tuple[Int64, Int64]:
    """Return (parent and account as one number, rising; amounts by `AMOUNTS`, a row for each)."""
    chosen = is_among(parents, judged)
    numbers = (parents[chosen].astype(np.int64) << 16) | rows.account[chosen]
    sums = [
        summed_by(numbers, column[chosen])
        for column in (rows.opening, rows.debit, rows.credit, rows.closing)
    ]
    return sums[0][0], np.stack([amounts for _, amounts in sums])
