"""The books of the target as they were read back: once before the load, once after it.

Opens the tables of `contracts.records.BOOKS_COLUMNS` in one folder and gives their columns on
demand. A unit whose books were not read whole is known as such, so that what is absent there is
never taken for lost. Nothing is compared here: that is `harness.ledger_model` and the checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.records import BOOKS_COLUMNS, CONSOLIDATION_COLUMNS
from harness.columns import (
    Batch,
    ColumnFile,
    EvidenceMissing,
    Flags,
    Int16,
    Int32,
    Int64,
    Vocabulary,
    hash_pair,
    open_columns,
    refuse_large_sums,
)

CE_TO_BE: Final = 543
FIRST_MONTH_OF_FISCAL_YEAR: Final = 10


@dataclass(frozen=True, kw_only=True)
class Books:
    """Tables of one reading of the books. Words are numbered by `accounts`, `kinds`, `lines`."""

    name: str  # "books/before" or "books/after"
    folder: Path
    accounts: Vocabulary
    kinds: Vocabulary
    budget_lines: Vocabulary

    @cached_property
    def _opened(self) -> dict[str, ColumnFile]:
        return {}

    def table(self, table: str) -> ColumnFile:
        """Open one table. Raises `EvidenceMissing`."""
        if table not in self._opened:
            columns = (BOOKS_COLUMNS | CONSOLIDATION_COLUMNS)[table]
            name = f"{self.name}/{table}"
            self._opened[table] = open_columns(name, self._paths(table), columns)
        return self._opened[table]

    def has(self, table: str) -> bool:
        """Say whether a table was recorded, readable or not."""
        return bool(self._paths(table))

    def _paths(self, table: str) -> list[Path]:
        return sorted(
            [*self.folder.glob(f"{table}.parquet"), *self.folder.glob(f"{table}-*.parquet")]
        )

    def integers(self, table: str, column: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Read a column of whole numbers; amounts must be small enough to be added up."""
        values = self.table(table).integers(column, dtype)
        if column.endswith("_satang"):
            refuse_large_sums(f"{self.name}/{table}", values)
        return values

    def words(self, table: str, column: str) -> tuple[Int16, Vocabulary]:
        """Read a column of text as numbers and the words that they stand for."""
        vocabulary = {
            "account": self.accounts,
            "kind": self.kinds,
            "budget_line": self.budget_lines,
        }.get(column, Vocabulary())
        return self.table(table).words(column, vocabulary), vocabulary

    def line_batches(self) -> Iterator[Batch]:
        """Read the ledger lines a bounded number at a time."""
        return self.table("lines").batches(BOOKS_COLUMNS["lines"])

    @cached_property
    def complete_units(self) -> Int32:
        """Units whose books were read whole, rising."""
        units = self.integers("export", "unit", np.int32)
        is_complete = self.integers("export", "is_complete", np.int8) != 0
        complete = np.setdiff1d(units[is_complete], units[~is_complete])
        return complete.astype(np.int32)

    @cached_property
    def exported_units(self) -> Int32:
        """Units whose books were asked for, read whole or not, rising."""
        return np.unique(self.integers("export", "unit", np.int32)).astype(np.int32)

    @cached_property
    def incomplete_units(self) -> Int32:
        """Units whose books were asked for and not read whole, rising."""
        return np.setdiff1d(self.exported_units, self.complete_units).astype(np.int32)

    def cash_accounts(self) -> Flags:
        """For each word of `accounts`: is it a cash account by the target's chart?"""
        codes, _ = self.words("chart", "account")
        is_cash = self.integers("chart", "is_cash", np.int8) != 0
        if not codes.size:
            raise EvidenceMissing(
                en=f"{self.name}/chart names no account", th=f"{self.name}/chart ไม่มีรหัสบัญชี"
            )
        flags = np.zeros(len(self.accounts.words), dtype=np.bool_)
        flags[codes[is_cash]] = True
        return flags

    def closed_periods(self) -> Int64:
        """Closed (unit, period) pairs as `unit_period` numbers, rising."""
        units = self.integers("periods", "unit", np.int32)
        periods = self.integers("periods", "period", np.int32)
        status, words = self.words("periods", "status")
        return np.unique(unit_period(units, periods)[status == words.find("closed")])


def unit_period(units: Int32, periods: Int32) -> Int64:
    """Join a unit and a period into one number per row."""
    return (units.astype(np.int64) << 32) | periods.astype(np.int64)


def is_among(values: npt.NDArray[Any], rising: npt.NDArray[Any]) -> Flags:
    """Say for each value whether it stands in the *rising* array."""
    if not rising.size:
        return np.zeros(values.size, dtype=np.bool_)
    places = np.minimum(np.searchsorted(rising, values), rising.size - 1)
    found: Flags = rising[places] == values
    return found


def fiscal_years_be(periods: Int32) -> Int32:
    """Return the fiscal year (Buddhist era, named by the year it ends in) of each period."""
    years = periods // 100 + CE_TO_BE + (periods % 100 >= FIRST_MONTH_OF_FISCAL_YEAR)
    return years.astype(np.int32)


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents of one reading, one entry per row. Rare columns are read on demand."""

    books: Books

    @cached_property
    def unit(self) -> Int32:
        """Unit in whose books the document stands."""
        units: Int32 = self.books.integers("documents", "unit", np.int32)
        if units.size and int(units.min()) < 0:
            raise EvidenceMissing(
                en=f"{self.books.name}/documents holds negative units",
                th=f"{self.books.name}/documents มีหน่วยงานที่ติดลบ",
            )
        return units

    @cached_property
    def document(self) -> Int64:
        """The target's own id."""
        documents: Int64 = self.books.integers("documents", "document", np.int64)
        return documents

    @cached_property
    def kind(self) -> Int16:
        """Number of the kind in `books.kinds`."""
        return self.books.words("documents", "kind")[0]

    @cached_property
    def period(self) -> Int32:
        """CE year * 100 + month."""
        periods: Int32 = self.books.integers("documents", "period", np.int32)
        return periods

    @property
    def row_count(self) -> int:
        """Number of documents."""
        return int(self.unit.size)

    @cached_property
    def index(self) -> DocumentIndex:
        """Find documents by unit and id."""
        return DocumentIndex(self.unit, self.document)

    def integers(self, column: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Read one more column of whole numbers."""
        return self.books.integers("documents", column, dtype)


class DocumentIndex:
    """Finds the row of a document by its unit and its id; ids may be unique only within a unit."""

    def __init__(self, units: Int32, documents: Int64) -> None:
        self._units = units
        self._documents = documents
        low, high = (int(documents.min()), int(documents.max())) if documents.size else (0, 0)
        # Ids given out by one counter are nearly dense: a table finds them without a search.
        self._offset = low
        self._table: Int32 | None = None
        if documents.size and high - low < 4 * documents.size + 1024:
            table = np.full(high - low + 1, -1, dtype=np.int32)
            table[documents - low] = np.arange(documents.size, dtype=np.int32)
            if bool(np.all(table[documents - low] == np.arange(documents.size))):
                self._table = table
                return
        hashes = hash_pair(units, documents)
        self._order = np.argsort(hashes, kind="stable").astype(np.int32)
        self._hashes = hashes[self._order]

    def rows(self, units: Int32, documents: Int64) -> Int32:
        """Return for each (unit, document) its first row, -1 where there is none."""
        if not self._documents.size:
            return np.full(documents.size, -1, dtype=np.int32)
        if self._table is not None:
            inside = (documents >= self._offset) & (documents < self._offset + self._table.size)
            found = np.full(documents.size, -1, dtype=np.int32)
            found[inside] = self._table[documents[inside] - self._offset]
        else:
            hashes = hash_pair(units, documents)
            places = np.minimum(np.searchsorted(self._hashes, hashes), self._hashes.size - 1)
            found = np.where(self._hashes[places] == hashes, self._order[places], np.int32(-1))
        known = np.flatnonzero(found >= 0)
        at = found[known]
        wrong = (self._units[at] != units[known]) | (self._documents[at] != documents[known])
        found[known[wrong]] = -1
        return found
