"""The books of units as the reference interface gives them: NDJSON in, columns out.

One line is one unit. A line that is not as agreed gives one `export` row that says so and nothing
else: half a unit's books would look like lost documents. A line that cannot even be ascribed to a
unit is charged to unit 0. Nothing is judged here.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from contracts.records import BOOKS_COLUMNS

Columns = dict[str, dict[str, list[Any]]]
_MONEY: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{2}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_LOW: Final = (1 << 64) - 1
_REASON_LENGTH_MAX: Final = 200


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
        except (BooksUnreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"line {number}: {type(error).__name__} {error}"[:_REASON_LENGTH_MAX]
            _append(books, "export", (unit, False, reason))
            continue
        for table, table_rows in rows.items():
            columns = books[table].values()
            for column, values in zip(columns, zip(*table_rows, strict=True), strict=False):
                column.extend(values)
        charted.update(row[0] for row in rows["chart"])
        _append(books, "export", (unit, True, ""))
    return books


def _append(books: Columns, table: str, row: tuple[Any, ...]) -> None:
    for column, value in zip(books[table].values(), row, strict=True):
        column.append(value)


def _rows_of_unit(
    unit: int, content: dict[str, Any], charted: set[str]
) -> dict[str, list[tuple[Any, ...]]]:
    documents: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for document in content["documents"]:
        number = _integer(document["document"])
        documents.append(_document_row(unit, number, document))
        for account, debit, credit in document["lines"]:
            lines.append((unit, number, _text(account), _satang(debit), _satang(credit)))
    return {
        "documents": documents,
        "lines": lines,
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


def _document_row(unit: int, number: int, document: dict[str, Any]) -> tuple[Any, ...]:
    high, low = _key_halves(document["key"])
    return (
        unit,
        number,
        _text(document["kind"]),
        _integer(document["number"]),
        _integer(document["fiscal_year"]),
        _period(document["period"]),
        _matched(_DATE, document["date"]),
        high,
        low,
        _satang(document["gross"]),
        _text(document["budget_line"] or ""),
        _text(document["status"] or ""),
        len(document["lines"]),
    )


def _satang(text: Any) -> int:
    if text == "0.00":
        return 0
    if not isinstance(text, str) or _MONEY.fullmatch(text) is None:
        raise BooksUnreadable(f"not an amount with two decimals: {text!r}")
    return int(text[:-3] + text[-2:])


def _key_halves(key: Any) -> tuple[int, int]:
    if key is None:
        return 0, 0
    value = int(_matched(_UUID, key).replace("-", ""), 16)
    return value >> 64, value & _LOW


def _period(text: Any) -> int:
    matched = _matched(_PERIOD, text)
    return int(matched[:4]) * 100 + int(matched[5:])


def _matched(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or pattern.fullmatch(text) is None:
        raise BooksUnreadable(f"not of the form {pattern.pattern}: {text!r}")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BooksUnreadable(f"not a text: {value!r}")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise BooksUnreadable(f"not an integer of 64 bits: {value!r}")
    return value
