"""I4: the registers count what was done: receipts, payments, and requests that became payments.

Per unit: receipts and payments made during the run are as many as were acknowledged (those left
open counted where the books have them); and over all the books, requests with the status paid are
as many as payments. Source: domain facts §3.4, what users were told to compare by hand.
"""

from __future__ import annotations

import numpy as np

from contracts.terms import Bilingual
from harness.books import is_among
from harness.checks.answer import Finding, Witness
from harness.checks.cash_position import differing, summed_by
from harness.checks.money import Examined, finding_of, first_rows
from harness.checks.recorded import Recorded
from harness.columns import Int64
from harness.ledger_model import REQUEST_STATUS_ORDER, Ledger

ABOUT = "I4"
REGISTERS = ("receipt", "payment")


def examine_registers(recorded: Recorded) -> Examined:
    """Examine I4 over all units."""
    ledger = recorded.ledger
    findings: list[Finding] = []
    sample_count = 0
    for kind in REGISTERS:
        expected, found = _acknowledged(ledger, kind), _made(ledger, kind)
        sample_count += int(expected[1].sum())
        findings += _differences(
            ledger, found, expected, kind, f"{kind}_register",
            Bilingual(en=f"units whose register of {kind}s is not what was acknowledged",
                      th=f"หน่วยงานที่ทะเบียน {kind} ไม่ตรงกับที่ตอบรับ"),
        )  # fmt: skip
    findings += _paid_requests(ledger)
    return Examined(
        tuple(findings), sample_count,
        Bilingual(en="receipts and payments", th="ใบเสร็จรับเงินและการจ่ายเงิน"),
    )  # fmt: skip


def _acknowledged(ledger: Ledger, kind: str) -> tuple[Int64, Int64]:
    """Return (unit, documents of *kind* that must have been made during the run)."""
    keys, history = ledger.keys, ledger.history
    of_kind = history.kind[keys.head] == history.kinds.find(kind)
    # Repeating an earlier run finds its keys in the books from before: they make nothing new.
    was_there = (ledger.stored_count > 0) & (ledger.new_stored_count == 0)
    happened = (keys.is_ok & ~was_there) | (ledger.new_stored_count > 0)
    chosen = np.flatnonzero(of_kind & happened & keys.is_judged)
    units = history.unit[keys.head[chosen]].astype(np.int64)
    return summed_by(units, np.ones(units.size, dtype=np.int64))


def _made(ledger: Ledger, kind: str) -> tuple[Int64, Int64]:
    documents = ledger.documents
    of_kind = documents.kind == ledger.after.kinds.find(kind)
    units = documents.unit[ledger.is_new & of_kind].astype(np.int64)
    return summed_by(units, np.ones(units.size, dtype=np.int64))


def _paid_requests(ledger: Ledger) -> list[Finding]:
    documents = ledger.documents
    status, words = ledger.after.words("documents", "status")
    kinds = ledger.after.kinds
    is_request = documents.kind == kinds.find("disbursement_request")
    known = [words.find(word) for word in REQUEST_STATUS_ORDER]
    if not np.isin(status[is_request], [number for number in known if number >= 0]).any():
        return []  # this target's interface shows no status of requests: nothing to compare
    paid = is_request & (status == words.find("paid"))
    payment = documents.kind == kinds.find("payment")
    counted = []
    for chosen in (payment, paid):
        units = documents.unit[chosen].astype(np.int64)
        counted.append(summed_by(units, np.ones(units.size, dtype=np.int64)))
    return _differences(
        ledger, counted[0], counted[1], "payment", "paid_requests",
        Bilingual(en="units with not as many payments as paid requests",
                  th="หน่วยงานที่จำนวนการจ่ายไม่เท่ากับฎีกาที่จ่ายแล้ว"),
    )  # fmt: skip


def _differences(
    ledger: Ledger,
    found: tuple[Int64, Int64],
    expected: tuple[Int64, Int64],
    kind: str,
    rule: str,
    text: Bilingual,
) -> list[Finding]:
    units, in_books, wanted = differing(found, expected)
    judged = is_among(units, ledger.complete_units)
    units, in_books, wanted = units[judged], in_books[judged], wanted[judged]
    shown = first_rows(units, units)
    return [
        *finding_of(
            ABOUT, rule, text, units.size,
            (
                Witness(unit=int(units[place]), kind=kind, expected=str(int(wanted[place])),
                        found=str(int(in_books[place])))
                for place in shown
            ),
        )
    ]  # fmt: skip
