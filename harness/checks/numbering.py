"""I6: document numbers run from 1 without gap or double, per unit, kind and fiscal year.

A number that is missing because its acknowledged document was lost (I10), or because a document of
before the run was deleted (I7), is explained there and not charged again. A document must also
stand in the fiscal year of its period, and its date in its period, or its number would belong to
another series.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from contracts.terms import Bilingual
from harness.books import fiscal_years_be, is_among
from harness.checks.answer import WITNESSES_MAX, Finding, Witness
from harness.checks.exactly_once import lost_keys
from harness.checks.money import Examined, document_witnesses, finding_of
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing, Int16, Int32, Int64, Vocabulary
from harness.ledger_model import Ledger

ABOUT = "I6"


def examine_numbering(recorded: Recorded) -> Examined:
    """Examine I6 over all documents of the books after the run."""
    ledger = recorded.ledger
    documents = ledger.documents
    number = documents.integers("number", np.int32)
    fiscal_year = documents.integers("fiscal_year", np.int32)
    years = np.unique(fiscal_year)
    if years.size > 1000:
        raise EvidenceMissing(
            en="the books hold more than 1000 fiscal years", th="บัญชีมีปีงบประมาณเกิน 1000 ปี"
        )
    series = _series(ledger, documents.unit, documents.kind, fiscal_year, years)
    findings = (
        *_doubles_and_gaps(ledger, series, number, years),
        *_in_the_wrong_year(ledger, fiscal_year),
    )
    return Examined(
        findings,
        int(np.count_nonzero(ledger.is_new)),
        Bilingual(en="documents made under load", th="เอกสารที่เกิดขึ้นระหว่างทดสอบ"),
    )


def _series(ledger: Ledger, unit: Int32, kind: Int16, fiscal_year: Int32, years: Int32) -> Int64:
    """Join unit, kind and fiscal year into one number per row."""
    kinds = max(1, len(ledger.after.kinds.words))
    if unit.size and (int(unit.max()) + 1) * kinds * years.size >= 1 << 31:
        raise EvidenceMissing(
            en="the books hold more series of numbers than there can be",
            th="บัญชีมีชุดเลขที่เอกสารมากเกินกว่าจะเป็นไปได้",
        )
    year = np.searchsorted(years, fiscal_year)
    joined: Int64 = (unit.astype(np.int64) * kinds + kind) * max(1, years.size) + year
    return joined


def _doubles_and_gaps(
    ledger: Ledger, series: Int64, number: Int32, years: Int32
) -> tuple[Finding, ...]:
    if not series.size:
        return ()
    ordered = _packed(series, number)
    ordered.sort()
    group, value = ordered >> 32, ordered & 0xFFFFFFFF
    step = np.diff(value, prepend=0)
    begins = np.flatnonzero(group[1:] != group[:-1]) + 1
    step[begins] = value[begins]
    # Documents without a number (0 or less) stand first in their series and are wrong themselves.
    is_double = (step == 0) | (value == 0)
    double_count, doubled = int(np.count_nonzero(is_double)), np.unique(ordered[is_double])
    gaps = np.flatnonzero(step > 1)
    low, high, gap_series = value[gaps] - step[gaps] + 1, value[gaps] - 1, group[gaps]
    del ordered, group, value, step, is_double
    rows = np.flatnonzero(is_among(_packed(series, number), doubled)) if doubled.size else doubled
    explained = _explained_numbers(ledger, gap_series, low, high, years)
    missing = high - low + 1 - explained
    open_gaps = np.flatnonzero(missing > 0)
    return (
        *finding_of(
            ABOUT, "number_twice_or_none",
            Bilingual(en="documents with a number that another bears, or none",
                      th="เอกสารที่เลขที่ซ้ำหรือไม่มีเลขที่"),
            double_count, document_witnesses(ledger, rows, expected="a number of its own"),
        ),
        *finding_of(
            ABOUT, "number_missing",
            Bilingual(en="missing document numbers", th="เลขที่เอกสารที่หายไป"),
            int(missing[open_gaps].sum()),
            (
                _gap_witness(ledger, int(gap_series[gap]), int(low[gap]), int(high[gap]), years)
                for gap in open_gaps[:WITNESSES_MAX]
            ),
        ),
    )  # fmt: skip


def _packed(series: Int64, number: Int32) -> Int64:
    """Join series and number into one number per row that sorts by both."""
    return (series << 32) | np.maximum(number, 0)


def _explained_numbers(
    ledger: Ledger, gap_series: Int64, low: Int64, high: Int64, years: Int32
) -> Int64:
    """Count for each gap the numbers in it whose documents are known to be gone."""
    explained = np.zeros(gap_series.size, dtype=np.int64)
    if not gap_series.size:
        return explained
    series, numbers = _gone_numbers(ledger, years)
    # Gaps are rising by series, then by number: the last gap that begins at or before the number.
    rising, dense = np.unique(gap_series, return_inverse=True)
    of_gone = np.minimum(np.searchsorted(rising, series), rising.size - 1)
    gap_begins, wanted = (dense.astype(np.int64) << 32) | low, (of_gone << 32) | numbers
    place = np.searchsorted(gap_begins, wanted, side="right") - 1
    inside = (place >= 0) & (gap_series[place] == series) & (numbers <= high[place])
    pairs = np.unique(np.stack([place[inside], numbers[inside]]), axis=1)
    np.add.at(explained, pairs[0], 1)
    return explained


def _gone_numbers(ledger: Ledger, years: Int32) -> tuple[Int64, Int64]:
    """Return (series, number) of acknowledged documents that were lost and of deleted ones."""
    history, lost = ledger.history, lost_keys(ledger)
    heads = ledger.keys.head[lost]
    then, deleted = ledger.documents_before, ledger.deleted
    kind = ledger.books_kind[history.kind[heads]]
    unit = np.concatenate([history.unit[heads], then.unit[deleted]])
    kind = np.concatenate([kind, then.kind[deleted]])
    period = np.concatenate([history.period[heads], then.period[deleted]])
    then_number = then.integers("number", np.int32)[deleted]
    number = np.concatenate([ledger.keys.number[lost], then_number]).astype(np.int64)
    year = fiscal_years_be(period)
    known = np.isin(year, years) & (number > 0) & (kind >= 0)
    return _series(ledger, unit[known], kind[known], year[known], years), number[known]


def _gap_witness(ledger: Ledger, series: int, low: int, high: int, years: Int32) -> Witness:
    rest, year = divmod(series, max(1, years.size))
    unit, kind = divmod(rest, max(1, len(ledger.after.kinds.words)))
    numbers = str(low) if low == high else f"{low} to {high}"
    return Witness(
        unit=unit,
        kind=ledger.after.kinds.words[kind],
        expected=f"numbers without a gap in fiscal year {int(years[year])}",
        found=f"{numbers} missing",
    )


def _in_the_wrong_year(ledger: Ledger, fiscal_year: Int32) -> tuple[Finding, ...]:
    documents = ledger.documents
    wrong = fiscal_year != fiscal_years_be(documents.period)
    codes, words = ledger.after.words("documents", "date")
    periods = _periods_of(words)
    wrong |= periods[codes] != documents.period
    rows = np.flatnonzero(wrong)
    return finding_of(
        ABOUT, "in_the_wrong_series",
        Bilingual(en="documents whose date, period and fiscal year do not agree",
                  th="เอกสารที่วันที่ งวด และปีงบประมาณไม่ตรงกัน"),
        rows.size,
        document_witnesses(ledger, rows, expected="date in its period in its fiscal year"),
    )  # fmt: skip


def _periods_of(words: Vocabulary) -> Int32:
    """Return the period of each date word, -1 for one that is no date."""
    periods = []
    for word in words.words:
        try:
            day = date.fromisoformat(word[:10])
            periods.append(day.year * 100 + day.month)
        except ValueError:
            periods.append(-1)
    return np.array(periods, dtype=np.int32)
