"""Columns out of Parquet files that nobody vouches for: read narrow, checked, and never guessed.

A run folder may come from a killed run, another machine or another party. What cannot be read as it
was promised (a missing file or column, another type, an empty cell) raises `EvidenceMissing` with a
sentence in two languages; the judge turns that into INCONCLUSIVE. Nothing here judges. Columns are
read when they are asked for and not kept, so that ten million rows fit into a small machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.terms import Bilingual

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

BATCH_ROWS: Final = 1 << 19
# A table of the books with so few rows takes a few MiB: opening its file again costs more.
KEPT_ROWS_MAX: Final = 100_000
# Distinct words in one text column: accounts, kinds, dates. A file with more is not what it claims.
WORDS_MAX: Final = 30_000
# Rows of one table are counted in int32, a hundred times the largest history that is foreseen.
ROWS_MAX: Final = (1 << 31) - 2
# No time of CLOCK_MONOTONIC reaches this within 146 years of uptime; differences cannot overflow.
TIME_NS_MAX: Final = 1 << 62
# The largest sum of absolute amounts for which no partial sum overflows int64, with room for the
# rounding of the float64 in which it is computed.
SATANG_SUM_MAX: Final = 4.0e18


class EvidenceMissing(Exception):
    """Evidence is not there or not readable: nobody can say whether the promise was kept."""

    def __init__(self, *, en: str, th: str) -> None:
        super().__init__(en)
        self.text = Bilingual(en=en, th=th)


@dataclass(slots=True)
class Vocabulary:
    """Distinct words of text columns, numbered in the order in which they were met."""

    words: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, word: str) -> int:
        """Return the number of *word*, a new one when it was not met before."""
        number = self.numbers.get(word)
        if number is None:
            number = self.numbers[word] = len(self.words)
            self.words.append(word)
        return number

    def find(self, word: str) -> int:
        """Return the number of *word*, -1 when it was never met."""
        return self.numbers.get(word, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFile:
    """Parquet files of one table, in the order of their names, as one run of rows."""

    name: str  # for people: "books/after/lines"
    paths: tuple[Path, ...]
    row_counts: tuple[int, ...]
    headers: tuple[bytes, ...]  # schema metadata b"header", b"" when there is none
    columns: tuple[str, ...]
    _kept: dict[Path, list[pa.RecordBatch]] = field(default_factory=dict, repr=False)

    @property
    def row_count(self) -> int:
        """Rows of all files together."""
        return sum(self.row_counts)

    def integers(self, column: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Read one column of whole numbers (or truth values) into an array of *dtype*."""
        whole = np.empty(self.row_count, dtype=dtype)
        place = 0
        for batch in self.batches((column,)):
            part = batch.integers(column, dtype)
            whole[place : place + part.size] = part
            place += part.size
        return whole

    def words(self, column: str, vocabulary: Vocabulary) -> Int16:
        """Read one column of text as numbers of *vocabulary*; an empty cell is the word ""."""
        whole = np.empty(self.row_count, dtype=np.int16)
        place = 0
        for batch in self.batches((column,)):
            part = batch.words(column, vocabulary)
            whole[place : place + part.size] = part
            place += part.size
        return whole

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Read *columns* a bounded number of rows at a time; a small table is kept."""
        for path, row_count in zip(self.paths, self.row_counts, strict=True):
            seen = 0
            if row_count <= KEPT_ROWS_MAX and path not in self._kept:
                self._kept[path] = list(_record_batches(path, self.columns, self.name))
            kept = self._kept.get(path)
            for record_batch in kept or _record_batches(path, columns, self.name):
                seen += record_batch.num_rows
                yield Batch(name=self.name, columns=record_batch)
            if seen != row_count:
                raise _unreadable(self.name, f"{row_count} rows are declared and {seen} are there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows of a table."""

    name: str
    columns: pa.RecordBatch

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return int(self.columns.num_rows)

    def integers(self, column: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        """Return one column as whole numbers of *dtype*; anything that does not fit is refused."""
        array = self.columns.column(column)
        if pa.types.is_boolean(array.type):
            array = pc.cast(array, pa.int8())
        if not pa.types.is_integer(array.type):
            raise _unreadable(self.name, f"column {column} is {array.type}, not whole numbers")
        if array.null_count:
            raise _unreadable(self.name, f"column {column} has {array.null_count} empty cells")
        return _as_integers(array, dtype, f"column {column}", self.name)

    def words(self, column: str, vocabulary: Vocabulary) -> Int16:
        """Return one column of text as numbers of *vocabulary*."""
        array = self.columns.column(column)
        if pa.types.is_null(array.type):
            array = pc.cast(array, pa.string())
        kind = array.dictionary.type if isinstance(array, pa.DictionaryArray) else array.type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (is_text or pa.types.is_integer(kind) or pa.types.is_date(kind)):
            raise _unreadable(self.name, f"column {column} is {kind}, not text")
        encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
        indices, dictionary = encoded.indices, encoded.dictionary
        if len(dictionary) > WORDS_MAX:
            raise _unreadable(self.name, f"column {column} has more than {WORDS_MAX} words")
        places = [vocabulary.number(_word(value)) for value in dictionary.to_pylist()]
        if len(vocabulary.words) > WORDS_MAX:
            raise _unreadable(self.name, f"column {column} has more than {WORDS_MAX} words")
        # One more place at the end, for the cells that are empty.
        places.append(vocabulary.number(""))
        filled = indices.fill_null(len(dictionary)) if indices.null_count else indices
        return np.asarray(places, dtype=np.int16)[filled.to_numpy(zero_copy_only=False)]


def open_columns(name: str, paths: Sequence[Path], columns: Sequence[str]) -> ColumnFile:
    """Open the files of one table. Raises `EvidenceMissing` when one is not as promised."""
    if not paths:
        raise EvidenceMissing(en=f"{name} was not recorded", th=f"ไม่มีบันทึก {name}")
    row_counts, headers = [], []
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                row_counts.append(int(file.metadata.num_rows))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(name, f"{path.name}: {_one_line(error, path)}") from error
        lacking = [column for column in columns if column not in schema.names]
        if lacking:
            raise _unreadable(name, f"{path.name} lacks column {', '.join(lacking)}")
        twice = [column for column in columns if schema.names.count(column) > 1]
        if twice:
            raise _unreadable(name, f"{path.name} has column {', '.join(twice)} twice")
        headers.append((schema.metadata or {}).get(b"header", b""))
    if sum(row_counts) > ROWS_MAX:
        raise _unreadable(name, f"it has more than {ROWS_MAX} rows")
    return ColumnFile(
        name=name,
        paths=tuple(paths),
        row_counts=tuple(row_counts),
        headers=tuple(headers),
        columns=tuple(columns),
    )


def refuse_large_sums(name: str, *amounts_satang: Int64) -> None:
    """Refuse amounts whose sums could overflow. Raises `EvidenceMissing`."""
    for amounts in amounts_satang:
        if not absolute_sum(amounts) < SATANG_SUM_MAX:
            raise _unreadable(name, "amounts are too large to be added up")


def absolute_sum(amounts_satang: Int64) -> float:
    """Add up absolute amounts where int64 might overflow; exact enough to tell whether it does."""
    total = 0.0
    for begin in range(0, amounts_satang.size, BATCH_ROWS):
        total += float(np.abs(amounts_satang[begin : begin + BATCH_ROWS].astype(np.float64)).sum())
    return total


def hash_pair(first: npt.NDArray[Any], second: npt.NDArray[Any], salt: int = 0) -> UInt64:
    """Mix two whole numbers per row into 64 bits (the finalizer of MurmurHash3, public domain)."""
    with np.errstate(over="ignore"):
        mixed = first.astype(np.uint64) * np.uint64((0x9E3779B97F4A7C15 + 2 * salt) & _ALL_BITS)
        mixed ^= mixed >> np.uint64(32)
        mixed += second.astype(np.uint64)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(0xC4CEB9FE1A85EC53)
        mixed ^= mixed >> np.uint64(33)
    return mixed


_ALL_BITS: Final = (1 << 64) - 1


def _record_batches(path: Path, columns: Sequence[str], name: str) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, read_dictionary=list(columns)) as file:
            yield from file.iter_batches(
                batch_size=BATCH_ROWS, columns=list(columns), use_threads=False
            )
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        # A column of nested values is not found under its own name: KeyError.
        raise _unreadable(name, f"{path.name}: {_one_line(error, path)}") from error


def _as_integers(
    array: pa.Array[Any], dtype: type[np.generic], what: str, name: str
) -> npt.NDArray[Any]:
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype == dtype or not values.size:
        return values.astype(dtype, copy=False)
    bounds = np.iinfo(np.dtype(dtype))
    if int(values.min()) < int(bounds.min) or int(values.max()) > int(bounds.max):
        raise _unreadable(name, f"{what} holds a number outside {bounds.min}..{bounds.max}")
    return values.astype(dtype)


def _word(value: object) -> str:
    return "" if value is None else str(value)


def _one_line(error: Exception, path: Path) -> str:
    # A sentence of evidence may not depend on where the folder lies: it is judged again elsewhere.
    return " ".join(str(error).replace(str(path), path.name).split())[:200]


def _unreadable(name: str, why: str) -> EvidenceMissing:
    return EvidenceMissing(en=f"{name} cannot be read: {why}", th=f"อ่าน {name} ไม่ได้: {why}")
