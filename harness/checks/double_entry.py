"""I1: every document is a whole double entry.

Debits equal credits, both equal the document's declared total, the declared number of lines is
there, and a document that posts has at least two. A document of before the run whose lines were
changed is named by I7, not again here.
"""

from __future__ import annotations

import numpy as np

from contracts.terms import Bilingual
from harness.checks.answer import WITNESSES_MAX, Witness
from harness.checks.money import Examined, document_witnesses, finding_of
from harness.checks.recorded import Recorded

ABOUT = "I1"


def examine_double_entry(recorded: Recorded) -> Examined:
    """Examine I1 over all documents of the books after the run."""
    ledger = recorded.ledger
    rows = np.setdiff1d(ledger.lines.unbalanced, ledger.edited)
    orphans = ledger.lines.orphans[:WITNESSES_MAX]
    findings = (
        *finding_of(
            ABOUT, "document_not_balanced",
            Bilingual(en="documents that are no whole double entry", th="เอกสารที่เดบิตเครดิตไม่ครบคู่"),
            rows.size,
            document_witnesses(ledger, rows, expected="debits = credits = declared total",
                               found="not so"),
        ),
        *finding_of(
            ABOUT, "line_without_document",
            Bilingual(en="ledger lines that belong to no document", th="รายการบัญชีที่ไม่มีเอกสาร"),
            ledger.lines.orphan_count,
            (Witness(unit=unit, document=document) for unit, document in sorted(orphans)),
        ),
    )  # fmt: skip
    return Examined(
        findings,
        int(np.count_nonzero(ledger.is_new)),
        Bilingual(en="documents made under load", th="เอกสารที่เกิดขึ้นระหว่างทดสอบ"),
    )
