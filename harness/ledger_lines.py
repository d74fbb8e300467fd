"""Ledger lines folded onto their documents, and added up by unit, period and account.

The lines are the largest table of the books (two to four per document), so they are read in batches
and never kept: sums per document, an order-free hash of the lines of the documents asked for, and
totals by account remain. Sums are integer satang throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.books import Documents
from harness.columns import (
    SATANG_SUM_MAX,
    EvidenceMissing,
    Int16,
    Int32,
    Int64,
    UInt64,
    absolute_sum,
    hash_pair,
)

# Partial totals are merged when so many rows have gathered.
PARTIAL_ROWS_MAX: Final = 4_000_000
ORPHANS_KEPT_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTotals:
    """Debits and credits by (unit, period, account), each combination once, rising."""

    unit: Int32
    period: Int32
    account: Int16
    debit_satang: Int64
    credit_satang: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFold:
    """What the lines say about each row of the documents table.

    `fingerprint` is the sum over a document's lines of a 64-bit hash, whatever their order; it is 0
    where none was asked for. `orphans` are lines (unit, document) whose document is not in the
    table; at most a few are kept.
    """

    debit_satang: Int64
    credit_satang: Int64
    line_count: Int32
    fingerprint: UInt64
    totals: AccountTotals
    orphan_count: int
    orphans: tuple[tuple[int, int], ...]


def fold_lines(documents: Documents) -> LineFold:
    """Fold all ledger lines of one reading of the books. Raises `EvidenceMissing`."""
    books, count = documents.books, documents.row_count
    debit, credit = np.zeros(count, np.int64), np.zeros(count, np.int64)
    line_count, fingerprint = np.zeros(count, np.int32), np.zeros(count, np.uint64)
    period_words, period_codes = np.unique(documents.period, return_inverse=True)
    if period_words.size > np.iinfo(np.int16).max:
        raise EvidenceMissing(
            en=f"{books.name}/documents has too many periods",
            th=f"{books.name}/documents มีจำนวนงวดบัญชีมากเกินไป",
        )
    period_codes = period_codes.astype(np.int64)
    partials: list[tuple[Int64, Int64, Int64]] = []
    partial_rows, orphan_count, total_satang = 0, 0, 0.0
    orphans: list[tuple[int, int]] = []
    for batch in books.line_batches():
        units = batch.integers("unit", np.int32)
        ids = batch.integers("document", np.int64)
        debits = batch.integers("debit_satang", np.int64)
        credits = batch.integers("credit_satang", np.int64)
        accounts = batch.words("account", books.accounts)
        total_satang += absolute_sum(debits) + absolute_sum(credits)
        if not total_satang < SATANG_SUM_MAX:
            raise EvidenceMissing(
                en=f"{books.name}/lines cannot be read: amounts are too large to be added up",
                th=f"อ่าน {books.name}/lines ไม่ได้: จำนวนเงินมากเกินกว่าจะรวมได้",
            )
        rows = documents.index.rows(units, ids)
        lost = np.flatnonzero(rows < 0)
        if lost.size:
            orphan_count += int(lost.size)
            room = ORPHANS_KEPT_MAX - len(orphans)
            orphans += [(int(units[i]), int(ids[i])) for i in lost[: max(0, room)]]
            kept = rows >= 0
            units, ids, accounts, rows = units[kept], ids[kept], accounts[kept], rows[kept]
            debits, credits = debits[kept], credits[kept]
        if not rows.size:
            continue
        _add_by_row(debit, rows, debits)
        _add_by_row(credit, rows, credits)
        _add_by_row(line_count, rows, np.ones(rows.size, np.int32))
        _add_by_row(fingerprint, rows, _line_hash(accounts, debits, credits))
        key = (units.astype(np.int64) << 32) | (period_codes[rows] << 16) | accounts
        partials.append(_totals(key, debits, credits))
        partial_rows += partials[-1][0].size
        if partial_rows > PARTIAL_ROWS_MAX:
            partials = [_merge(partials)]
            partial_rows = partials[0][0].size
    key, debits, credits = _merge(partials)
    return LineFold(
        debit_satang=debit,
        credit_satang=credit,
        line_count=line_count,
        fingerprint=fingerprint,
        totals=AccountTotals(
            unit=(key >> 32).astype(np.int32),
            period=period_words[(key >> 16) & 0xFFFF].astype(np.int32),
            account=(key & 0xFFFF).astype(np.int16),
            debit_satang=debits,
            credit_satang=credits,
        ),
        orphan_count=orphan_count,
        orphans=tuple(orphans),
    )


def _add_by_row(sums: Int64 | Int32 | UInt64, rows: Int32, values: Int64 | Int32 | UInt64) -> None:
    # Lines of one document mostly follow each other: add up each run first, then scatter.
    begins = np.flatnonzero(np.diff(rows, prepend=np.int32(-1)))
    np.add.at(sums, rows[begins], np.add.reduceat(values, begins).astype(sums.dtype))


def _line_hash(accounts: Int16, debits: Int64, credits: Int64) -> UInt64:
    return hash_pair(hash_pair(debits, credits), accounts)


def _totals(key: Int64, debits: Int64, credits: Int64) -> tuple[Int64, Int64, Int64]:
    if not key.size:
        return key, debits, credits
    order = np.argsort(key, kind="stable")
    key = key[order]
    begins = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    return (
        key[begins],
        np.add.reduceat(debits[order], begins),
        np.add.reduceat(credits[order], begins),
    )


def _merge(partials: list[tuple[Int64, Int64, Int64]]) -> tuple[Int64, Int64, Int64]:
    if not partials:
        return (np.empty(0, np.int64),) * 3
    key, debits, credits = (np.concatenate(columns) for columns in zip(*partials, strict=True))
    return _totals(key, debits, credits)
