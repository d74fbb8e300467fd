"""Posted documents to rows of a sheet that the import reads again (`back_dated`). Pure.

Books of a year that come out and go into an empty unit give the same balances in every period, the
same budget and the same things that wait. What is written to that end:

    carried forward   one voucher of the first day: what stands on the accounts from earlier years,
                      without what of their advances and deposits still waits; that waits again,
                      from the first day on
    appropriations    one ordinance of the first day for each budget line: what it has by now
    void              a reversed document and its reversal are vouchers: they moved the accounts,
                      and in the end no budget
    settled           a payment is one made on paper, and its request is gone; what an advance or a
                      deposit was settled for is a voucher, and it waits with the rest
    all others        as their own kind, or as a voucher of their lines when none may be imported

Transfers stand before what draws on them, so a file may be divided between any two documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from reference_app.back_dated import BE_TO_CE, MONTHS
from reference_app.kinds import Catalogue, Kind
from reference_app.rules import TEXT_LENGTH_MAX

# A part is never more than the import takes (sheet.ROWS_MAX, imports.FILE_SIZE_MAX), whatever its
# texts: a row has at most 1,100 bytes. A city's 344,000 lines a year are at most twelve parts.
PART_ROWS: Final = 30_000
PAID_ON_PAPER: Final = {"payment": "back_dated_payment"}
# Excel takes a text with such a beginning, in either width, for a formula or an error, or hides it.
UNSAFE: Final = tuple("=+-@＝＋－＠#'")
THAI_MONTHS: Final = "|".join(re.escape(word.rstrip(".")) for words in MONTHS for word in words)
# Of what an office program makes a number, day, time or logical value when it opens a CSV file.
TAKEN_FOR_ANOTHER: Final = re.compile(
    rf"(?=.*\d)(?:[^\w]|\d|am|pm|thb|[etz]|พ\.ศ|{THAI_MONTHS}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)*+|true|false",
    re.IGNORECASE,
)

Cells = dict[str, str | Decimal]
Line = tuple[int, Decimal, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A document as the query `export_documents` tells it; amounts in baht.

    `open_amount` is None when nobody has to do anything about a document of its kind.
    """

    kind: str
    fiscal_year: int
    number: int
    date: date
    amount: Decimal
    withholding_tax: Decimal
    budget_line: str | None
    to_line: str | None
    party: str | None
    note: str | None
    open_amount: Decimal | None
    accounts: Sequence[int]
    debits: Sequence[Decimal]
    credits: Sequence[Decimal]
    is_void: bool


class Exporter:
    """Writes books by one catalogue; a document is a list of rows, a row its filled columns."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._kinds = catalogue.kinds
        self._channels = {account: name for name, account in catalogue.channels.items()}
        self.columns = catalogue.columns

    def beginning(
        self,
        year: int,
        balances: Iterable[tuple[int, Decimal]],
        budget: Mapping[str, Decimal],
        waiting: Iterable[Posted] = (),
    ) -> Iterator[list[Cells]]:
        """Yield what fiscal *year* (BE) begins with: balances (debit positive), appropriations, and
        what is *waiting* since earlier years.
        """
        day = f"{year - BE_TO_CE - 1}-10-01"
        zero = Decimal(0)
        carried = dict(balances)
        papers = []
        for posted in waiting:
            kind = self._kinds.get(posted.kind)
            if kind is None or not kind.imported_as or kind.budget or not posted.open_amount:
                continue
            papers.append(self._as_itself(posted, kind, _reference(posted), day))
            for account, debit, credit in _lines(posted):
                moved = (posted.open_amount if debit else zero) - (
                    posted.open_amount if credit else zero
                )
                carried[account] = carried.get(account, zero) - moved
        lines = [(a, max(each, zero), max(-each, zero)) for a, each in carried.items() if each]
        if lines:
            yield self._voucher(f"balance-{year}", day, f"ยอดยกมา {year}", lines)
        for line, amount in budget.items():
            yield [
                {"reference": f"budget-{year}-{line}", "date": day, "budget_line": safe(line),
                 "kind": self._kinds["budget_ordinance"].imported_as, "amount": amount,
                 "description": f"งบประมาณ {year}"}
            ]  # fmt: skip
        yield from papers

    def document(self, posted: Posted) -> Iterator[list[Cells]]:
        """Yield none, one or two documents that stand for a posted one."""
        kind = self._kinds.get(PAID_ON_PAPER.get(posted.kind, posted.kind))
        if kind and any(effect.column == "appropriated" for effect in kind.budget):
            return
        reference, day, lines = _reference(posted), posted.date.isoformat(), _lines(posted)
        if kind and kind.imported_as and not posted.is_void and posted.open_amount != 0:
            yield self._as_itself(posted, kind, reference, day)
            waiting = posted.amount if posted.open_amount is None else posted.open_amount
            if waiting == posted.amount:
                return
            reference += "-settled"
            lines = [(a, d and d - waiting, c and c - waiting) for a, d, c in lines]
        if lines:
            name = kind.imported_as if kind and kind.imported_as else posted.kind
            words = (name, str(posted.number), posted.party or posted.note)
            described = safe(" ".join(filter(None, words))[:TEXT_LENGTH_MAX])
            yield self._voucher(reference, day, described, lines)

    def _as_itself(self, posted: Posted, kind: Kind, reference: str, day: str) -> list[Cells]:
        """Return *posted* as a document of its own kind, with what of it still waits."""
        lines = _lines(posted)
        head: Cells = {"reference": reference, "kind": kind.imported_as, "date": day}
        line = posted.budget_line and safe(posted.budget_line)
        values = {
            kind.party: safe(posted.party), kind.note: safe(posted.note),
            "channel": self._channels.get(lines[0][0], "") if lines else "",
            "budget_line": line, "from_line": line,
            "to_line": posted.to_line and safe(posted.to_line),
            "withholding_tax": posted.withholding_tax,
            "amount": posted.amount if posted.open_amount is None else posted.open_amount,
        }  # fmt: skip
        head |= {name: value for name in kind.fields if (value := values.get(name)) is not None}
        if kind.fields.get("lines") == "voucher_lines":
            return _with_lines(head, map(_sides, lines))
        if "lines" in kind.fields:
            earned = [(account, credit) for account, _, credit in lines if credit]
            return _with_lines(head, ({"account": str(a), "amount": c} for a, c in earned))
        return [head]

    def _voucher(
        self, reference: str, day: str, description: str, lines: Iterable[Line]
    ) -> list[Cells]:
        kind = self._kinds["journal_voucher"].imported_as
        head: Cells = {
            "reference": reference, "kind": kind, "date": day, "description": description,
        }  # fmt: skip
        return _with_lines(head, map(_sides, lines))


def _reference(posted: Posted) -> str:
    return f"{posted.kind}-{posted.fiscal_year}-{posted.number}"


def _lines(posted: Posted) -> list[Line]:
    return list(zip(posted.accounts, posted.debits, posted.credits, strict=True))


def safe(text: str | None) -> str:
    """Write *text* so that Excel keeps it as a text, and the import reads exactly it."""
    if not text:
        return ""
    is_plain = text == text.strip() and not text.startswith(UNSAFE)
    return text if is_plain and not TAKEN_FOR_ANOTHER.fullmatch(text) else f"'{text}"


def part_of(documents: Iterable[Sequence[Cells]], part: int) -> Iterator[Cells]:
    """Yield the rows of a part, from 1 on, or of all (0); a document lies in one part, whole."""
    count = 0
    for rows in documents:
        if part in (0, count // PART_ROWS + 1):
            yield from rows
        elif part < count // PART_ROWS + 1:
            return
        count += len(rows)


def _sides(line: Line) -> Cells:
    account, debit, credit = line
    return {"account": str(account), **({"debit": debit} if debit else {"credit": credit})}


def _with_lines(head: Cells, lines: Iterable[Cells]) -> list[Cells]:
    """Return a row a line. The import takes a row that is like the one before it for one that was
    pasted twice, so of two equal lines the second leaves its date out.
    """
    rows: list[Cells] = []
    short = {name: head[name] for name in ("reference", "kind", "date")}
    for line in lines:
        row = {**(short if rows else head), **line}
        if rows and row == rows[-1]:
            del row["date"]
        rows.append(row)
    return rows
