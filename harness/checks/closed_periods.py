"""I7: a closed period does not change any more, and no document of before the run changes at all.

For periods closed before the run: documents, lines and trial balance are what they were, and
nothing was added. For periods closed during the run: nothing sent after the acknowledgement of the
close was posted into them. A close that was acknowledged shows in the books. Corrections are new
vouchers, never edits: a document that was edited or deleted counts whatever its period.
"""

from __future__ import annotations

import numpy as np

from contracts.terms import Bilingual
from harness.books import is_among, unit_period
from harness.checks.answer import WITNESSES_MAX, Finding, Witness, baht
from harness.checks.money import (
    Examined,
    document_witnesses,
    finding_of,
    first_rows,
    key_witnesses,
)
from harness.checks.must_refuse import (
    let_through,
    probes_of_closed_periods,
    sent_after_close,
)
from harness.checks.recorded import Recorded
from harness.checks.trial_balance import read_trial_balance
from harness.columns import Int64
from harness.ledger_model import Ledger

ABOUT = "I7"


def examine_closed_periods(recorded: Recorded) -> Examined:
    """Examine I7 over all units."""
    ledger = recorded.ledger
    closed = _judged(ledger, ledger.before.closed_periods())
    closed_now = ledger.after.closed_periods()
    closes, _ = ledger.closes
    must_be_closed = np.union1d(closed, _judged(ledger, closes))
    reopened = np.setdiff1d(must_be_closed, closed_now)
    findings = (
        *_edited_and_deleted(ledger),
        *_posted_late(ledger, closed),
        *_balances_changed(ledger, closed),
        *finding_of(
            ABOUT, "period_not_closed",
            Bilingual(en="closed periods that are not closed in the books",
                      th="งวดที่ปิดแล้วแต่ในบัญชีไม่ปิด"),
            reopened.size,
            (
                Witness(unit=int(pair >> 32), period=int(pair & 0xFFFFFFFF), expected="closed",
                        found="not closed")
                for pair in reopened[:WITNESSES_MAX]
            ),
        ),
    )  # fmt: skip
    return Examined(
        findings, int(must_be_closed.size), Bilingual(en="closed periods", th="งวดบัญชีที่ปิดแล้ว")
    )


def _posted_late(ledger: Ledger, closed: Int64) -> tuple[Finding, ...]:
    keys, documents = ledger.keys, ledger.documents
    pairs = unit_period(documents.unit, documents.period)
    rows = np.flatnonzero(ledger.is_new & is_among(pairs, closed))
    posted = keys.is_ok | (ledger.stored_count > 0)
    late = sent_after_close(ledger) & keys.makes_document & ~keys.is_probe & posted
    late |= probes_of_closed_periods(ledger) & let_through(ledger)
    # A document of a late key that stands in a period closed before the run is one violation.
    of_rows = ledger.key_of_document[rows]
    late[of_rows[of_rows >= 0]] = False
    late_keys = np.flatnonzero(late)
    text = Bilingual(en="postings into closed periods", th="การบันทึกเข้างวดที่ปิดแล้ว")
    return (
        *finding_of(
            ABOUT, "new_document_in_closed_period", text, rows.size,
            document_witnesses(ledger, rows, expected="refused", found="stored"),
        ),
        *finding_of(
            ABOUT, "acknowledged_after_close", text, late_keys.size,
            key_witnesses(ledger, late_keys, expected="refused", found="acknowledged or stored"),
        ),
    )  # fmt: skip


def _edited_and_deleted(ledger: Ledger) -> tuple[Finding, ...]:
    deleted = ledger.deleted
    then = ledger.documents_before
    shown = deleted[first_rows(then.unit[deleted], then.document[deleted])]
    return (
        *finding_of(
            ABOUT, "document_edited",
            Bilingual(en="documents that were changed after they were posted",
                      th="เอกสารที่ถูกแก้ไขหลังบันทึก"),
            ledger.edited.size,
            document_witnesses(ledger, ledger.edited, expected="as before", found="changed"),
        ),
        *finding_of(
            ABOUT, "document_deleted",
            Bilingual(en="documents that were deleted", th="เอกสารที่ถูกลบ"),
            deleted.size,
            (
                Witness(
                    unit=int(then.unit[row]), document=int(then.document[row]),
                    kind=ledger.before.kinds.words[then.kind[row]], period=int(then.period[row]),
                    expected="as before the run", found="absent",
                )
                for row in shown
            ),
        ),
    )  # fmt: skip


def _balances_changed(ledger: Ledger, closed: Int64) -> tuple[Finding, ...]:
    before, after = read_trial_balance(ledger.before), read_trial_balance(ledger.after)
    sides = []
    for sign, rows in ((1, after), (-1, before)):
        chosen = is_among(unit_period(rows.unit, rows.period), closed)
        amounts = np.stack([rows.opening, rows.debit, rows.credit, rows.closing])[:, chosen] * sign
        sides.append((rows.unit[chosen], rows.period[chosen], rows.account[chosen], amounts))
    unit, period, account = (np.concatenate([side[i] for side in sides]) for i in range(3))
    amounts = np.concatenate([side[3] for side in sides], axis=1)
    if not unit.size:
        return ()
    order = np.lexsort((account, period, unit))
    unit, period, account = unit[order], period[order], account[order]
    begins = np.flatnonzero(
        np.concatenate(
            [[True], (unit[1:] != unit[:-1]) | (period[1:] != period[:-1])
             | (account[1:] != account[:-1])]
        )
    )  # fmt: skip
    changed = np.add.reduceat(amounts[:, order], begins, axis=1)
    unit, period, account = unit[begins], period[begins], account[begins]
    wrong = np.any(changed != 0, axis=0)
    # A changed or late document changes balances: it was named by itself.
    wrong &= ~is_among(unit_period(unit, period), _named_periods(ledger, closed))
    places = np.flatnonzero(wrong)
    shown = places[first_rows(unit[places], period[places])]
    return finding_of(
        ABOUT, "closed_balance_changed",
        Bilingual(en="trial balance rows of closed periods that changed",
                  th="งบทดลองของงวดที่ปิดแล้วเปลี่ยนไป"),
        places.size,
        (
            Witness(
                unit=int(unit[place]), period=int(period[place]),
                kind=ledger.after.accounts.words[account[place]],
                expected="as before the run",
                found=f"closing balance off by {baht(changed[3, place])}",
            )
            for place in shown
        ),
    )  # fmt: skip


def _named_periods(ledger: Ledger, closed: Int64) -> Int64:
    now, then = ledger.documents, ledger.documents_before
    new = np.flatnonzero(ledger.is_new)
    rows = np.concatenate([ledger.edited, new])
    pairs = np.concatenate(
        [
            unit_period(now.unit[rows], now.period[rows]),
            unit_period(then.unit[ledger.deleted], then.period[ledger.deleted]),
        ]
    )
    return np.intersect1d(pairs, closed)


def _judged(ledger: Ledger, pairs: Int64) -> Int64:
    """Keep the pairs of units whose books were read whole both times."""
    units = (pairs >> 32).astype(np.int32)
    return pairs[is_among(units, ledger.complete_units)]
