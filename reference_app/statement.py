"""The lines of a bank's statement, from a request body; pure, every refusal is a `Problem`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from reference_app.rules import FIELD_READERS, day_of, invalid, money_text, satang_of

LINES_MAX: Final = 500  # of one upload
DOCUMENT_MAX: Final = 2**62
NEEDED: Final = frozenset({"entry", "date", "amount", "description"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line; `amount` is text, negative for money that left, `entry` the bank's own number."""

    entry: str
    date: date
    amount: str
    document: int | None
    description: str


def lines_of(body: object) -> list[StatementLine]:
    """Read {"lines": [...]}, each entry at most once."""
    lines = body.get("lines") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(lines, list) or not 0 < len(lines) <= LINES_MAX:
        raise invalid(f"the body has exactly the field lines, a list of 1 to {LINES_MAX} lines")
    read = [_line(line) for line in lines]
    if len({line.entry for line in read}) < len(read):
        raise invalid("lines.entry: each stands in a statement once")
    return read


def _line(line: object) -> StatementLine:
    if not isinstance(line, dict) or line.keys() - {"document"} != NEEDED:
        raise invalid("lines: each has entry, date, amount, description and perhaps document")
    document, text = line.get("document"), FIELD_READERS["text"]
    if document is not None and (type(document) is not int or not 0 < document < DOCUMENT_MAX):
        raise invalid("lines.document: the number of a document, or none")
    return StatementLine(
        entry=text(line["entry"], "lines.entry"),
        date=day_of(line["date"], "lines.date"),
        amount=money_text(_signed(line["amount"])),
        document=document,
        description=text(line["description"], "lines.description"),
    )


def _signed(value: object) -> int:
    """Read money with a sign, "-990.00" for money that left, as satang."""
    is_out = isinstance(value, str) and value.startswith("-")
    satang = satang_of(value[1:] if isinstance(value, str) and is_out else value, "lines.amount")
    if satang == 0:
        raise invalid("lines.amount: must not be zero")
    return -satang if is_out else satang
