"""The books of units as the reference interface gives them: NDJSON in, columns out.

One line is one unit. A line that is not as agreed gives one `export` row that says so and nothing
else: half a unit's books would look like lost documents. A line that cannot even be ascribed to a
unit is charged to unit 0. Nothing is judged here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import orjson

from contracts.records import BOOKS_COLUMNS
from scenarios.dialects.interface import AccountTotals

Columns = dict[str, dict[str, list[Any]]]
_MONEY: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{2}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_TOTALS: Final = ("opening", "debit", "credit", "closing")
_LOW: Final = (1 << 64) - 1
_REASON_LENGTH_MAX: Final = 200
# Amounts, days and accounts come again and again; only texts are kept, as they raise for all else.
WORDS_KEPT: Final = 1 << 16


class BooksUnreadable(ValueError):
    """A unit's books are not as agreed; the message says what and where."""


def parse_books(body: bytes) -> Columns:
    """Return table -> column -> values of all units in *body*.

    Money in satang, periods as CE year * 100 + month, keys as two 64-bit halves, absent texts "".
    `chart` holds each account once.
    """
    books: Columns = {
        table: {column: [] for column in columns} for table, columns in BOOKS_COLUMNS.items()
    }
    charted: set[str] = set()
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        unit = 0
        try:
            content = orjson.loads(line)
            unit = _integer(content["unit"])
            rows = _rows_of_unit(unit, content, charted)
            lines = _lines_of_unit(unit, content)
        except (BooksUnreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"line {number}: {type(error).__name__} {error}"[:_REASON_LENGTH_MAX]
            _append(books, "export", (unit, False, reason))
            continue
        for table, table_rows in rows.items():
            columns = books[table].values()
            for column, values in zip(columns, zip(*table_rows, strict=True), strict=False):
                column.extend(values)
        for column, added in zip(books["lines"].values(), lines, strict=True):
            column.extend(added)
        charted.update(row[0] for row in rows["chart"])
        _append(books, "export", (unit, True, ""))
    return books


def parse_consolidated(body: bytes) -> list[AccountTotals]:
    """Return the rows of one consolidated trial balance. Raises `BooksUnreadable` or what comes."""
    return [
        AccountTotals(_text(row["account"]), *(_satang(row[name]) for name in _TOTALS))
        for row in orjson.loads(body)["accounts"]
    ]


def _append(books: Columns, table: str, row: tuple[Any, ...]) -> None:
    for column, value in zip(books[table].values(), row, strict=True):
        column.append(value)


def _rows_of_unit(
    unit: int, content: dict[str, Any], charted: set[str]
) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "documents": [_document_row(unit, document) for document in content["documents"]],
        "trial_balance": [
            (unit, _period(row["period"]), _text(row["account"]), _satang(row["opening"]),
             _satang(row["debit"]), _satang(row["credit"]), _satang(row["closing"]))
            for row in content["trial_balance"]
        ],
        "cash_position": [
            (unit, _text(row["account"]), _satang(row["balance"])) for row in content["cash"]
        ],
        "budget": [
            (unit, _text(row["budget_line"]), _satang(row["appropriated"]),
             _satang(row["transferred"]), _satang(row["committed"]), _satang(row["paid"]),
             _satang(row["remaining"]))
            for row in content["budget"]
        ],
        "periods": [
            (unit, _period(row["period"]), _text(row["status"])) for row in content["periods"]
        ],
        "chart": [
            (_text(row["account"]), _integer(row["class"]), bool(row["is_cash"]))
            for row in content.get("chart") or ()
            if row["account"] not in charted
        ],
    }  # fmt: skip


def _lines_of_unit(unit: int, content: dict[str, Any]) -> tuple[list[Any], ...]:
    """Return the columns of the lines, the largest table by far, without a tuple for each row."""
    documents = content["documents"]
    lines = [line for document in documents for line in document["lines"]]
    return (
        [unit] * len(lines),
        [number for d in documents for number in [d["document"]] * len(d["lines"])],
        [_text(account) for account, _, _ in lines],
        [_satang(debit) for _, debit, _ in lines],
        [_satang(credit) for _, _, credit in lines],
    )


def _document_row(unit: int, document: dict[str, Any]) -> tuple[Any, ...]:
    high, low = _key_halves(document["key"])
    return (
        unit,
        _integer(document["document"]),
        _text(document["kind"]),
        _integer(document["number"]),
        _integer(document["fiscal_year"]),
        _period(document["period"]),
        _day(document["date"]),
        high,
        low,
        _satang(document["gross"]),
        _text(document["budget_line"] or ""),
        _text(document["status"] or ""),
        len(document["lines"]),
    )


@lru_cache(maxsize=WORDS_KEPT)
def _satang(text: Any) -> int:
    if not isinstance(text, str) or _MONEY.fullmatch(text) is None:
        raise BooksUnreadable(f"not an amount with two decimals: {text!r}")
    return int(text[:-3] + text[-2:])


def _key_halves(key: Any) -> tuple[int, int]:
    if key is None:
        return 0, 0
    value = int(_matched(_UUID, key).replace("-", ""), 16)
    return value >> 64, value & _LOW


@lru_cache(maxsize=WORDS_KEPT)
def _period(text: Any) -> int:
    matched = _matched(_PERIOD, text)
    return int(matched[:4]) * 100 + int(matched[5:])


@lru_cache(maxsize=WORDS_KEPT)
def _day(text: Any) -> str:
    return _matched(_DATE, text)


def _matched(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise BooksUnreadable(f"not of the form {pattern.pattern}: {text!r}")
    return text


@lru_cache(maxsize=WORDS_KEPT)
def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BooksUnreadable(f"not a text: {value!r}")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise BooksUnreadable(f"not an integer of 64 bits: {value!r}")
    return value
