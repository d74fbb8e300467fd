"""From violations to an answer: what all checks of money have in common.

A violation in books that were read is a breach however few operations there were; without one,
books that were not read whole or too few operations leave the clause open. Witnesses come smallest
first (unit, then document) and are bounded; counts are complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from contracts.terms import Bilingual, Clause, Verdict
from harness.checks.answer import (
    WITNESSES_MAX,
    Answer,
    Finding,
    Witness,
    inconclusive,
    key_text,
    measured,
)
from harness.checks.provenance import keeping_books
from harness.checks.recorded import Recorded
from harness.columns import Flags, Int32, Int64
from harness.ledger_model import Ledger


class Examined(NamedTuple):
    """What one invariant found, over how many places it looked, and what it looked at."""

    findings: tuple[Finding, ...]
    sample_count: int
    subject: Bilingual


def answer_of(clause: Clause, recorded: Recorded, examined: Examined) -> Answer:
    """Turn violations into an answer to *clause*."""
    findings = examined.findings
    count = sum(finding.count for finding in findings)
    subject = examined.subject
    if not clause.limit.holds(count):
        parts_en = "; ".join(f"{finding.text.en}: {finding.count}" for finding in findings)
        parts_th = "; ".join(f"{finding.text.th}: {finding.count}" for finding in findings)
        return Answer(
            verdict=Verdict.BREACHED,
            value=float(count),
            sample_count=examined.sample_count,
            reason=Bilingual(
                en=f"{parts_en} (of {examined.sample_count} {subject.en})",
                th=f"{parts_th} (จาก {examined.sample_count} {subject.th})",
            ),
            findings=findings,
        )
    unread = unread_unit_count(recorded)
    if unread:
        return inconclusive(
            examined.sample_count,
            Bilingual(
                en=f"the books of {unread} units were not read whole before and after the load",
                th=f"อ่านบัญชีก่อนและหลังการทดสอบไม่ครบ {unread} หน่วยงาน",
            ),
            value=float(count),
        )
    power = power_of(count, examined.sample_count)
    return measured(
        clause,
        float(count),
        examined.sample_count,
        Bilingual(
            en=f"{count} violations in {examined.sample_count} {subject.en}{power.en}",
            th=f"ผิด {count} แห่ง จาก {examined.sample_count} {subject.th}{power.th}",
        ),
        findings,
    )


def power_of(count: int, sample_count: int) -> Bilingual:
    """Say how rare a violation may be and still have shown: absence is evidence only so far.

    The rule of three: none in n means fewer than 3/n at 95 % confidence.
    Source: Hanley and Lippman-Hand 1983, JAMA 249:1743.
    """
    one_in = sample_count // 3
    if count or one_in < 1:
        return Bilingual(en="", th="")
    return Bilingual(
        en=f"; one in {one_in} or more would have shown (95 % confidence)",
        th=f"; หากผิดตั้งแต่ 1 ใน {one_in} ขึ้นไปจะตรวจพบ (ความเชื่อมั่นร้อยละ 95)",
    )


def unread_unit_count(recorded: Recorded) -> int:
    """Count the units whose books were not read whole both times, asked for or forgotten."""
    ledger = recorded.ledger
    asked = np.union1d(ledger.before.exported_units, ledger.after.exported_units)
    unread = int(np.setdiff1d(asked, ledger.complete_units).size)
    forgotten = recorded.manifest.population_units - keeping_books(asked.astype(np.int32))
    return unread + max(0, forgotten)


def finding_of(
    about: str, rule: str, text: Bilingual, count: int, witnesses: Iterable[Witness]
) -> tuple[Finding, ...]:
    """Return one finding, or none when nothing was violated."""
    if not count:
        return ()
    return (
        Finding(about=about, rule=rule, count=int(count), text=text, witnesses=tuple(witnesses)),
    )


def first_rows(units: Int64 | Int32, order: Int64 | Int32) -> Int64:
    """Return the positions of the witnesses to show: the smallest by unit, then by *order*."""
    return np.lexsort((order, units))[:WITNESSES_MAX]


def document_witnesses(
    ledger: Ledger, rows: Int64, *, expected: str = "", found: str = ""
) -> tuple[Witness, ...]:
    """Describe rows of the documents table after the run."""
    documents = ledger.documents
    rows = rows[first_rows(documents.unit[rows], documents.document[rows])]
    high = documents.integers("key_high", np.uint64)[rows] if rows.size else ()
    low = documents.integers("key_low", np.uint64)[rows] if rows.size else ()
    return tuple(
        Witness(
            unit=int(documents.unit[row]),
            document=int(documents.document[row]),
            key=key_text(high[place], low[place]) if high[place] or low[place] else "",
            kind=ledger.after.kinds.words[documents.kind[row]],
            period=int(documents.period[row]),
            expected=expected,
            found=found,
        )
        for place, row in enumerate(rows)
    )


def key_witnesses(
    ledger: Ledger, keys: Int64, *, expected: str = "", found: str = ""
) -> tuple[Witness, ...]:
    """Describe keys of the history."""
    if not keys.size:
        return ()
    history = ledger.history
    heads = ledger.keys.head[keys]
    order = first_rows(history.unit[heads], ledger.keys.number[keys])
    documents = history.column("document")
    high, low = history.key_halves()
    return tuple(
        Witness(
            unit=int(history.unit[head]),
            document=int(documents[head]),
            key=key_text(high[key], low[key]),
            kind=history.kinds.words[history.kind[head]],
            period=int(history.period[head]),
            expected=expected,
            found=found,
        )
        for key, head in ((keys[place], heads[place]) for place in order)
    )


def any_row_of_keys(ledger: Ledger, chosen: Flags) -> Flags:
    """Say for each key whether one of its attempts is *chosen*."""
    marked: Flags = np.logical_or.reduceat(chosen, ledger.history.starts[:-1])
    return marked
