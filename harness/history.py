"""The history of money operations: who asked for what under which key, and what was answered.

Reads the sealed operation records of all load processes. The last record of an attempt replaces the
one written before sending; an attempt that never completed (OPEN) may have happened. The rows are
kept in the order of their keys, so that everything said about one key stands together. What the
operations should have done to the books is the business of `harness.ledger_model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from contracts.records import Outcome
from harness.columns import (
    TIME_NS_MAX,
    ColumnFile,
    EvidenceMissing,
    Flags,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt64,
    Vocabulary,
    hash_pair,
    open_columns,
    refuse_large_sums,
)

COLUMN_TYPES: Final[dict[str, type[np.generic]]] = {
    "key_high": np.uint64,
    "key_low": np.uint64,
    "invoked_ns": np.int64,
    "completed_ns": np.int64,
    "gross_satang": np.int64,
    "cash_delta_satang": np.int64,
    "budget_delta_satang": np.int64,
    "document": np.int64,
    "number": np.int32,
    "session": np.int32,
    "unit": np.int32,
    "period": np.int32,
    "kind": np.int16,
    "status": np.int16,
    "budget_line": np.int16,
    "cash_account": np.int16,
    "attempt": np.int8,
    "outcome": np.int8,
    "expected_refusal": np.int8,
    "replay": np.int8,
}
# Columns that index a list of the header, and the list.
INDEXED: Final = {"kind": "kinds", "budget_line": "budget_lines", "cash_account": "cash_accounts"}
# Different salts of the hash; a key that still collides after so many is not chance.
SALTS_MAX: Final = 8


@dataclass(frozen=True, kw_only=True)
class History:
    """Attempts in the order of their keys: those of key `k` are `starts[k]` to `starts[k + 1]`.

    `kinds`, `budget_lines`, `cash_accounts` are the words that the columns of the same name index
    (after merging the headers of all load processes). Further columns are read on demand.
    """

    kinds: Vocabulary
    budget_lines: Vocabulary
    cash_accounts: Vocabulary
    salt: int
    starts: Int32
    unit: Int32
    kind: Int16
    period: Int32
    number: Int32
    attempt: Int8
    outcome: Int8
    is_refusal_expected: Flags
    is_replay: Flags
    file: ColumnFile
    file_rows: Int32  # where each attempt stands in the file
    renumberings: tuple[dict[str, Int16], ...]

    @property
    def key_count(self) -> int:
        """Number of distinct keys."""
        return int(self.starts.size) - 1

    @property
    def row_count(self) -> int:
        """Number of attempts."""
        return int(self.unit.size)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Read one more column, in the order of the attempts."""
        values = _read_column(self.file, name, self.renumberings)
        taken: npt.NDArray[Any] = values[self.file_rows]
        if name.endswith("_satang"):
            refuse_large_sums("operations", taken)
        return taken

    def key_halves(self) -> tuple[UInt64, UInt64]:
        """Read the upper and lower half of each key; `hash_pair` of them, with `salt`, rises."""
        rows = self.file_rows[self.starts[:-1]]
        high = self.file.integers("key_high", np.uint64)[rows]
        return high, self.file.integers("key_low", np.uint64)[rows]


def read_history(folder: Path) -> History:
    """Read all sealed operations of a run. Raises `EvidenceMissing`."""
    paths = sorted(folder.glob("*.parquet"))
    file = open_columns("operations", paths, tuple(COLUMN_TYPES))
    if not file.row_count:
        raise EvidenceMissing(en="no money operation was recorded", th="ไม่มีรายการทางการเงินใดถูกบันทึก")
    vocabularies, renumberings = _headers(file)
    high, low = file.integers("key_high", np.uint64), file.integers("key_low", np.uint64)
    attempt = file.integers("attempt", np.int8)
    salt, order, is_new = _key_order(high, low)
    if bool(np.any((high == 0) & (low == 0))):
        raise EvidenceMissing(en="operations hold an empty key", th="รายการมีกุญแจว่าง")
    del high, low
    key_number = np.cumsum(is_new, dtype=np.int32)
    last = _last_of_attempts(key_number, attempt[order])
    rows = order[last].astype(np.int32)
    key_number = key_number[last]
    starts = np.flatnonzero(np.diff(key_number, prepend=np.int32(0), append=np.int32(-1)))
    del order, is_new, last, key_number

    def taken(name: str) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = _read_column(file, name, renumberings)[rows]
        return values

    history = History(
        kinds=vocabularies["kind"],
        budget_lines=vocabularies["budget_line"],
        cash_accounts=vocabularies["cash_account"],
        salt=salt,
        starts=starts.astype(np.int32),
        unit=taken("unit"),
        kind=taken("kind"),
        period=taken("period"),
        number=taken("number"),
        attempt=attempt[rows],
        outcome=taken("outcome"),
        is_refusal_expected=taken("expected_refusal") != 0,
        is_replay=taken("replay") != 0,
        file=file,
        file_rows=rows,
        renumberings=renumberings,
    )
    _refuse_impossible(history)
    return history


def _headers(file: ColumnFile) -> tuple[dict[str, Vocabulary], tuple[dict[str, Int16], ...]]:
    vocabularies = {column: Vocabulary() for column in INDEXED}
    renumberings = []
    for path, header in zip(file.paths, file.headers, strict=True):
        try:
            content = orjson.loads(header)
            listed = {
                column: [str(word) for word in content[INDEXED[column]]] for column in INDEXED
            }
        except (ValueError, KeyError, TypeError) as error:
            raise EvidenceMissing(
                en=f"operations/{path.stem} does not say which kinds and lines it holds",
                th=f"operations/{path.stem} ไม่ได้ระบุประเภทรายการและบรรทัดงบประมาณ",
            ) from error
        renumberings.append(
            {
                column: np.array([vocabularies[column].number(word) for word in words], np.int16)
                for column, words in listed.items()
            }
        )
    return vocabularies, tuple(renumberings)


def _read_column(
    file: ColumnFile, name: str, renumberings: tuple[dict[str, Int16], ...]
) -> npt.NDArray[Any]:
    values = file.integers(name, COLUMN_TYPES[name])
    if name not in INDEXED:
        return values
    place = 0
    for row_count, renumbering in zip(file.row_counts, renumberings, strict=True):
        part = values[place : place + row_count]
        words = renumbering[name]
        lowest = 0 if name == "kind" else -1
        if part.size and (int(part.min()) < lowest or int(part.max()) >= words.size):
            raise EvidenceMissing(
                en=f"operations hold a {name} that their header does not name",
                th=f"รายการมีค่า {name} ที่ส่วนหัวไม่ได้ระบุ",
            )
        # The last place serves -1, which means none.
        part[:] = np.append(words, np.int16(-1))[part]
        place += row_count
    return values


def _key_order(high: UInt64, low: UInt64) -> tuple[int, Int64, Flags]:
    """Sort rows by the hash of their key; say where in that order a new key begins."""
    for salt in range(SALTS_MAX):
        hashes = hash_pair(high, low, salt)
        # Stable, so that records of one key stay in the order in which they were written.
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        is_new = np.ones(order.size, dtype=np.bool_)
        is_new[1:] = hashes[1:] != hashes[:-1]
        joined = np.flatnonzero(~is_new)
        same = (high[order[joined]] == high[order[joined - 1]]) & (
            low[order[joined]] == low[order[joined - 1]]
        )
        if bool(same.all()):
            return salt, order, is_new
    raise EvidenceMissing(
        en="operations hold keys that were made to collide", th="รายการมีกุญแจที่ถูกทำให้ชนกัน"
    )


def _last_of_attempts(key_number: Int32, attempt: Int8) -> Int64:
    """Return where the last record of each (key, attempt) stands, by key and attempt.

    *key_number* rises; the records of one key are in the order in which they were written.
    """
    if attempt.size and int(attempt.min()) < 0:
        raise EvidenceMissing(en="operations hold negative attempts", th="รายการมีลำดับครั้งที่ติดลบ")
    same_key = key_number[1:] == key_number[:-1]
    if bool(np.any(same_key & (attempt[1:] < attempt[:-1]))):
        # Files of several processes, or a retry that overtook: sort out the attempts of each key.
        order = np.lexsort((np.arange(attempt.size), attempt, key_number))
        return order[_ends(key_number[order], attempt[order])]
    return np.flatnonzero(_ends(key_number, attempt))


def _ends(key_number: Int32, attempt: Int8) -> Flags:
    ends = np.ones(attempt.size, dtype=np.bool_)
    ends[:-1] = (key_number[1:] != key_number[:-1]) | (attempt[1:] != attempt[:-1])
    return ends


def _refuse_impossible(history: History) -> None:
    if int(history.outcome.min()) < 0 or int(history.outcome.max()) >= len(Outcome):
        raise EvidenceMissing(
            en="operations hold an outcome that this format does not know",
            th="รายการมีผลลัพธ์ที่รูปแบบนี้ไม่รู้จัก",
        )
    if int(history.unit.min()) < 0:
        raise EvidenceMissing(en="operations hold negative units", th="รายการมีหน่วยงานที่ติดลบ")


def refuse_impossible_times(times_ns: Int64) -> None:
    """Refuse times that no steady clock shows. Raises `EvidenceMissing`."""
    if times_ns.size and (int(times_ns.min()) < 0 or int(times_ns.max()) > TIME_NS_MAX):
        raise EvidenceMissing(
            en="operations hold times that no clock shows", th="รายการมีเวลาที่เป็นไปไม่ได้"
        )
