"""Rows of a sheet to postings, with the report that an office can correct from. Pure.

The first row of a sheet names its columns, in English or Thai (`kinds.toml`, [columns]); a row is a
document, or one line of a document whose rows follow each other with the same reference. The rules
are those of every posting (`rules.Rules`); what depends on the books is judged again when the
database accepts the file. The key of a document is the UUID version 5 of its reference within the
import's own, so that the same file never makes two documents of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from itertools import groupby, zip_longest
from typing import Any, Final
from uuid import UUID, uuid5

from reference_app.kinds import Catalogue, Kind
from reference_app.problems import Problem
from reference_app.rules import Posting, Rules
from reference_app.sheet import NUMBER, Dressed, Odd, Row, Unreadable

PROBLEMS_SHOWN_MAX: Final = 200
VALUE_SHOWN_MAX: Final = 80
REFERENCE_LENGTH_MAX: Final = 50
BE_TO_CE: Final = 543
SHORT_BE_TO_CE: Final = 57  # from 1968, which Excel makes of "68", to 2025
NONE: Final = "0.00"
THAI_DIGITS: Final = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
MONTHS: Final = (
    ("ม.ค.", "มกราคม"), ("ก.พ.", "กุมภาพันธ์"), ("มี.ค.", "มีนาคม"), ("เม.ย.", "เมษายน"),
    ("พ.ค.", "พฤษภาคม"), ("มิ.ย.", "มิถุนายน"), ("ก.ค.", "กรกฎาคม"), ("ส.ค.", "สิงหาคม"),
    ("ก.ย.", "กันยายน"), ("ต.ค.", "ตุลาคม"), ("พ.ย.", "พฤศจิกายน"), ("ธ.ค.", "ธันวาคม"),
)  # fmt: skip
MONTH_NUMBER: Final = {
    word.replace(".", ""): m for m, words in enumerate(MONTHS, 1) for word in words
}
DAY_FIRST: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d\d)")
YEAR_FIRST: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
IN_WORDS: Final = re.compile(r"(\d{1,2})[\s/-]*([^\d\s/-]+?)[\s/-]*(?:พ\.?ศ\.?)?\s*(\d{4}|\d\d)")
MIDNIGHT: Final = re.compile(r"[ T]0?0:00(?::00(?:\.0+)?)?$")  # what programs write behind a day
MONEY: Final = re.compile(r"(?:\d{1,13}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,2}0*)?", re.ASCII)
MONEY_END: Final = 10**13  # as rules.MONEY
# What may stand around an amount that is one of baht: 1,234.- and no other currency.
BAHT: Final = re.compile(
    rf"(?:฿|thb|baht|บาท)?\s*{NUMBER}(?:\.-?)?\s*(?:฿|thb|baht|บาท|บ\.)?", re.IGNORECASE
)
EXACT_END: Final = 10**15  # office programs keep 15 digits of a number; the rest became zeros
SHORTENED: Final = re.compile(r"\d(?:\.\d+)?E\+\d+")  # a long number as Excel writes it into CSV
SERIAL: Final = re.compile(r"\d{5,6}")
SERIAL_ZERO: Final = date(1899, 12, 30)  # day 0 of Excel's 1900 calendar
LINE_COLUMNS: Final = {
    "revenue_lines": ("account", "amount"), "voucher_lines": ("account", "debit", "credit"),
}  # fmt: skip
MONEY_COLUMNS: Final = ("amount", "withholding_tax", "debit", "credit")
NO_MONEY: Final = "-"  # what the accounting format writes of a zero into CSV

# Why a row or a file is refused, in English and Thai.
REASONS: Final = {
    "formula": ("a formula; paste the value", "เป็นสูตร กรุณาวางเป็นค่า"),
    "error-value": ("an error value; correct it", "เป็นค่าผิดพลาด กรุณาแก้ไข"),
    "not-text": (
        "a number, date or logical value where a text belongs, or shown otherwise by its number"
        " format; format the column as text and write it again",
        "เป็นตัวเลข วันที่ หรือค่าตรรกะ หรือแสดงต่างจากค่าจริง กรุณากำหนดรูปแบบคอลัมน์เป็นข้อความ"
        "แล้วพิมพ์ใหม่",
    ),
    "hidden": (
        "something stands in a hidden row, column or sheet; show it, or delete it",
        "มีข้อมูลในแถว คอลัมน์ หรือแผ่นงานที่ซ่อนอยู่ กรุณาเลิกซ่อนหรือลบออก",
    ),
    "too-far-right": (
        "stands right of the 40th column; move or delete it",
        "อยู่ถัดจากคอลัมน์ที่ 40 กรุณาย้ายหรือลบออก",
    ),
    "row-order": (
        "rows or cells are not in their order; save the workbook again",
        "ลำดับแถวหรือเซลล์ไม่ถูกต้อง กรุณาบันทึกไฟล์ใหม่",
    ),
    "merged": ("merged cells; unmerge them", "มีเซลล์ที่ผสานกัน กรุณายกเลิกการผสาน"),
    "too-many-rows": ("more than 200,000 rows; divide the file", "เกิน 200,000 แถว กรุณาแบ่งไฟล์"),
    "zip-bomb": ("unpacks to far too much", "ขนาดเมื่อขยายแล้วใหญ่เกินไป"),
    "old-or-encrypted": (
        "an old or encrypted workbook; save it as .xlsx without a password",
        "เป็นไฟล์รุ่นเก่าหรือมีรหัสผ่าน กรุณาบันทึกเป็น .xlsx โดยไม่ใส่รหัสผ่าน",
    ),
    "other-format": (
        "another kind of file; open it and save it as Excel Workbook (.xlsx)",
        "เป็นไฟล์ชนิดอื่น กรุณาเปิดแล้วบันทึกเป็น Excel Workbook (.xlsx)",
    ),
    "broken-xlsx": (
        "not a whole .xlsx workbook; open it and save it again as Excel Workbook",
        "ไฟล์ .xlsx ไม่สมบูรณ์ กรุณาเปิดแล้วบันทึกใหม่เป็น Excel Workbook",
    ),
    "broken-csv": ("not a sound CSV file", "ไฟล์ CSV ไม่สมบูรณ์"),
    "encoding": ("neither UTF-8 nor cp874; save it as CSV UTF-8", "ไม่ใช่ UTF-8 หรือ cp874"),
    "too-much-work": ("takes more memory or time than is allowed", "ใช้หน่วยความจำหรือเวลาเกินกำหนด"),
    "not-checkable": (
        "the check failed; tell whoever runs the ledger",
        "ตรวจไฟล์ไม่สำเร็จ กรุณาแจ้งผู้ดูแลระบบ",
    ),
    "no-columns": (
        "the first row must name the columns reference, kind and date",
        "แถวแรกต้องเป็นชื่อคอลัมน์ และมีเลขที่เอกสาร ประเภท วันที่",
    ),
    "unknown-column": ("no such column, or it is there twice", "ไม่รู้จักคอลัมน์นี้ หรือมีซ้ำ"),
    "unnamed-column": (
        "something stands in a column without a name; name the column, or empty it",
        "มีข้อมูลในคอลัมน์ที่ไม่มีชื่อ กรุณาตั้งชื่อคอลัมน์หรือลบข้อมูลออก",
    ),
    "empty": ("the file has no documents", "ไม่มีเอกสารในไฟล์"),
    "no-reference": ("every row needs the office's own number", "ทุกแถวต้องมีเลขที่เอกสาร"),
    "unknown-kind": ("no such kind of document", "ไม่รู้จักประเภทเอกสารนี้"),
    "not-a-day": ("not a day; write it like 15/6/2568", "ไม่ใช่วันที่ ให้เขียนเช่น 15/6/2568"),
    "year-slip": ("543 years off: BE and CE are confused", "ปีคลาดเคลื่อน 543 ปี (พ.ศ./ค.ศ.)"),
    "short-year": (
        "57 years off: a two-digit Buddhist year became 19xx; write all four digits",
        "ปีคลาดเคลื่อน 57 ปี: ปี พ.ศ. สองหลักกลายเป็น ค.ศ. 19xx กรุณาเขียนปีสี่หลัก",
    ),
    "other-year": ("not in the fiscal year of these books", "ไม่อยู่ในปีงบประมาณของบัญชีนี้"),
    "not-money": (
        "not an amount in baht like 1234.50 or 1,234.50: at most 13 digits and two decimals, no"
        " sign",
        "ไม่ใช่จำนวนเงินบาทเช่น 1234.50 หรือ 1,234.50: ไม่เกิน 13 หลัก ทศนิยมสองตำแหน่ง ไม่มีเครื่องหมาย",
    ),
    "not-of-this-kind": ("has no place in this kind of document", "ไม่ใช้กับเอกสารประเภทนี้"),
    "differs": ("differs from the document's first row", "ไม่ตรงกับแถวแรกของเอกสาร"),
    "duplicate": ("the same document or row again in this file", "เอกสารหรือแถวซ้ำในไฟล์"),
    "rule": ("breaks a rule of the ledger", "ผิดกฎการบันทึกบัญชี"),
    "already-in-books": ("already imported before", "เคยนำเข้าแล้ว"),
    "period-closed": ("the month is closed", "ปิดบัญชีเดือนนี้แล้ว"),
    "no-budget-line": ("no such budget line in this unit", "ไม่มีรหัสงบประมาณนี้ในหน่วยงาน"),
    "budget-exceeded": ("more than is left of the budget line", "เกินงบประมาณคงเหลือ"),
}  # fmt: skip


# The rules speak English (rules.py); what they say of a sheet, in Thai.
RULES_TH: Final = {
    "must be more than zero": "ต้องมากกว่าศูนย์",
    "money is text": "ต้องระบุจำนวนเงิน",
    "printable characters": "ต้องเป็นข้อความ 1 ถึง 200 ตัวอักษร",
    "a code like": "ต้องเป็นรหัส เช่น B01",
    "there is no": "ไม่มีรหัสงบประมาณนี้",
    "one of cash": "ต้องเป็น cash (เงินสด) หรือ bank (เงินฝากธนาคาร)",
    "not a revenue account": "ไม่ใช่รหัสบัญชีรายได้",
    "not in the chart": "ไม่มีรหัสบัญชีนี้ในผังบัญชี",
    "each has account and": "แต่ละแถวต้องมีรหัสบัญชี และจำนวนเงินด้านเดียว",
    "a list of 1 to": "เอกสารหนึ่งมีได้ 1 ถึง 200 แถว",
    "is not credit": "ยอดเดบิตไม่เท่ากับยอดเครดิต",
    "more than the amount": "มากกว่าจำนวนเงิน",
    "another line than": "ต้องเป็นรหัสงบประมาณคนละรหัส",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a file is for: the import itself, who hands it in, and the periods of the books."""

    unit: int
    key: UUID
    account: int
    first_period: int
    last_period: int

    def holds(self, day: date) -> bool:
        """Say whether *day* lies in the fiscal year of the books."""
        return self.first_period <= day.year * 100 + day.month <= self.last_period


@dataclass(frozen=True, slots=True)
class Document:
    """A document that keeps the rules, and where it stands."""

    sheet: str
    row: int
    reference: str
    need: Decimal  # baht that it takes of its budget line
    posting: Posting


@dataclass(slots=True)
class Reading:
    """What came of a file. `problems` is bounded, `problem_count` is not."""

    documents: list[Document] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    problem_count: int = 0
    row_count: int = 0

    def refuse(
        self, code: str, *, sheet: str, row: int, column: str = "", value: object = "",
        detail: str = "",
    ) -> None:  # fmt: skip
        """Add a problem to the report."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_SHOWN_MAX:
            en, th = REASONS[code]
            said = next((thai for words, thai in RULES_TH.items() if words in detail), "")
            th = f"{th}: {said}" if said else th
            shown = str(value)[:VALUE_SHOWN_MAX]
            self.problems.append(
                {"sheet": sheet, "row": row, "column": column, "value": shown, "code": code,
                 "reason": f"{en}: {detail}" if detail else en, "reason_th": th}
            )  # fmt: skip


class _Wrong(Exception):
    def __init__(self, code: str, row: Row, column: str, value: Any = "", detail: str = "") -> None:
        super().__init__(code)
        self.code, self.row, self.column, self.value, self.detail = code, row, column, value, detail


@dataclass(frozen=True, slots=True)
class _Member:
    """A row of a document: what stands in which column; empty cells are left out."""

    row: Row
    cells: dict[str, Any]

    @property
    def reference(self) -> str:
        """The office's number, the same however it is written: `๐๐๗` is 7."""
        text = _written(_whole(self.cells.get("reference", "")))
        return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text


class BackDated:
    """Reads files by one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._rules = Rules(catalogue, is_back_dated=True)
        self._columns = {
            _written(word): name
            for name, thai in catalogue.columns.items()
            for word in (name, thai)
        }
        self._channels = {
            _written(word): name
            for name, account in catalogue.channels.items()
            for word in (name, catalogue.chart[account].name_th)
        }
        self._kinds: dict[str, Kind] = {}
        for kind in catalogue.kinds.values():
            if kind.imported_as:
                self._kinds |= {_written(word): kind for word in (kind.name, kind.imported_as)}

    def read(self, rows: Iterable[Row], target: Target) -> Reading:
        """Read a whole file; nothing of it may be used unless `problem_count` is 0."""
        reading, seen = Reading(), set[str]()
        try:
            grouped = groupby(self._members(rows), lambda one: (one.row.sheet, one.reference))
            for (_, reference), group in grouped:
                members = list(group)
                reading.row_count += len(members)
                try:
                    if reference and reference in seen:
                        raise _Wrong("duplicate", members[0].row, "reference", reference)
                    document = self._document(reference, members, target)
                except _Wrong as wrong:
                    reading.refuse(
                        wrong.code, sheet=wrong.row.sheet, row=wrong.row.number,
                        column=wrong.column, value=wrong.value, detail=wrong.detail,
                    )  # fmt: skip
                else:
                    if not reading.problem_count:
                        reading.documents.append(document)
                seen.add(reference)
        except Unreadable as error:
            reading.refuse(error.code, sheet=error.sheet, row=error.row, value=error.value)
        if not reading.documents and not reading.problem_count:
            reading.refuse("empty", sheet="", row=0)
        return reading

    def _members(self, rows: Iterable[Row]) -> Iterator[_Member]:
        sheet, columns = None, list[str]()
        for row in rows:
            if row.sheet != sheet:
                sheet, columns = row.sheet, self._header(row)
                continue
            named = zip_longest(columns, row.cells, fillvalue="")
            cells = {name: cell for name, cell in named if cell not in (None, "")}
            if "" in cells:
                raise Unreadable(
                    "unnamed-column", sheet=row.sheet, row=row.number,
                    value=_nameless(columns, row.cells),
                )  # fmt: skip
            yield _Member(row, _without_dashes(cells))

    def _header(self, row: Row) -> list[str]:
        words = ["" if cell is None else str(cell) for cell in row.cells]
        names = [self._columns.get(_written(word).lower(), "") for word in words]
        if not {"reference", "kind", "date"} <= set(names):
            raise Unreadable("no-columns", sheet=row.sheet, row=row.number)
        for place, (word, name) in enumerate(zip(words, names, strict=True)):
            if word and (not name or name in names[:place]):
                raise Unreadable("unknown-column", sheet=row.sheet, row=row.number, value=word)
        return names

    def _document(self, reference: str, members: Sequence[_Member], target: Target) -> Document:
        first = members[0]
        _refuse_odd(members)
        _text(first, "reference")
        if not 0 < len(reference) <= REFERENCE_LENGTH_MAX or not reference.isprintable():
            raise _Wrong("no-reference", first.row, "reference", reference)
        if SHORTENED.fullmatch(reference):
            raise _Wrong("not-text", first.row, "reference", reference)
        word = first.cells.get("kind", "")
        kind = self._kinds.get(_written(word).lower())
        if kind is None:
            raise _Wrong("unknown-kind", first.row, "kind", word)
        lines = next((LINE_COLUMNS[t] for t in kind.fields.values() if t in LINE_COLUMNS), ())
        _refuse_strays(members, {"reference", "kind", *kind.fields, *lines}, lines)
        body: dict[str, Any] = {}
        for name, field_type in kind.fields.items():
            if field_type in LINE_COLUMNS:
                body[name] = [_line(member, lines) for member in members]
            elif field_type == "channel":
                body[name] = self._channel(first, name)
            else:
                body[name] = _value(first, name, field_type, target)
        posting = Posting(
            unit=target.unit,
            key=uuid5(target.key, reference),
            payload_hash="\\x" + blake2b(f"{kind.name}{body}".encode(), digest_size=16).hexdigest(),
            account=target.account,
        )
        try:
            self._rules.new_document(posting, kind, body)
        except Problem as problem:
            raise self._place_of(problem.detail, members) from problem
        return Document(first.row.sheet, first.row.number, reference, _reserve(posting), posting)

    def _channel(self, member: _Member, name: str) -> str:
        word = _text(member, name)
        return self._channels.get(_written(word).lower(), word)

    def _place_of(self, detail: str, members: Sequence[_Member]) -> _Wrong:
        """Say where in the sheet a rule was broken: `lines.2.debit: ...` is the second row."""
        place = detail.partition(":")[0].split(".")
        member = members[0]
        if len(place) > 1 and place[1].isdigit() and place[0] == "lines":
            member = members[min(int(place[1]), len(members)) - 1]
        column = place[-1] if place[-1] in self._columns.values() else ""
        return _Wrong("rule", member.row, column, member.cells.get(column, ""), detail)


def _nameless(columns: Sequence[str], cells: Sequence[Any]) -> str:
    """Return the first column that holds something and has no name, with its letters."""
    named = enumerate(zip_longest(columns, cells, fillvalue=""), start=1)
    number = next(place for place, (name, cell) in named if not name and cell not in (None, ""))
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"column {letters}"


def _without_dashes(cells: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is a zero beside an amount; alone it stays, and is refused in its place."""
    dashes = {name for name in MONEY_COLUMNS if cells.get(name) == NO_MONEY}
    if not dashes or not any(name in cells for name in MONEY_COLUMNS if name not in dashes):
        return cells
    return {name: cell for name, cell in cells.items() if name not in dashes}


def _refuse_odd(members: Iterable[_Member]) -> None:
    for member in members:
        for column, cell in member.cells.items():
            if isinstance(cell, Odd):
                raise _Wrong(cell.code, member.row, column, cell)


def _refuse_strays(members: Sequence[_Member], known: set[str], lines: Sequence[str]) -> None:
    """Refuse what no document of the kind has: further columns, rows that do not belong."""
    first = members[0]
    for place, member in enumerate(members):
        for column, cell in member.cells.items():
            if column not in known:
                raise _Wrong("not-of-this-kind", member.row, column, cell)
            is_same = column in lines or column == "reference" or cell == first.cells.get(column)
            if place and not is_same:
                raise _Wrong("differs", member.row, column, cell)
        if place and (not lines or member.cells == members[place - 1].cells):
            raise _Wrong("duplicate", member.row, "reference", member.reference)


def _line(member: _Member, columns: Sequence[str]) -> dict[str, str]:
    line = {
        column: _written(_text(member, column)) if column == "account" else _money(member, column)
        for column in columns
        if column in member.cells
    }
    # Beside an amount, a zero on the other side is an empty cell.
    if "debit" in line and "credit" in line and (line["debit"] == NONE) != (line["credit"] == NONE):
        del line["debit" if line["debit"] == NONE else "credit"]
    return line


def _value(member: _Member, name: str, field_type: str, target: Target) -> str:
    if field_type == "date":
        return _day(member, name, target).isoformat()
    if field_type == "money_or_zero" and name not in member.cells:
        return NONE
    if field_type in ("money", "money_or_zero"):
        return _money(member, name)
    return _text(member, name)


def _whole(cell: Any) -> Any:
    """Return a whole number without the decimals that a workbook gives it, all else as it is."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _written(cell: object) -> str:
    """Return a code or a word the same however its digits and letters are typed."""
    return unicodedata.normalize("NFKC", str(cell)).translate(THAI_DIGITS)


def _text(member: _Member, column: str) -> str:
    """Read a cell as text; a code that Excel took for a whole number is still that code."""
    cell = member.cells.get(column, "")
    if isinstance(cell, str):
        return cell
    whole = _whole(cell)
    if isinstance(cell, bool) or not isinstance(whole, int) or abs(whole) >= EXACT_END:
        raise _Wrong("not-text", member.row, column, cell)
    return str(whole)


def _money(member: _Member, column: str) -> str:
    cell = member.cells.get(column, "")
    # Nothing is nothing in any currency, and an accountant's zero is a dash.
    if isinstance(cell, Dressed) and (cell.value == 0 or BAHT.fullmatch(cell.look)):
        cell = cell.value
    amount: Decimal | None = None
    if isinstance(cell, str):
        text = _written(cell)
        if MONEY.fullmatch(text):
            amount = Decimal(text.replace(",", ""))
    elif isinstance(cell, (int, float)) and not isinstance(cell, bool) and 0 <= cell < MONEY_END:
        amount = Decimal(str(cell))
        if amount != round(amount, 2):
            amount = Decimal(f"{cell:.15g}")  # a sum in binary, as Excel shows it
    if amount is None or amount >= MONEY_END or amount != round(amount, 2):
        raise _Wrong("not-money", member.row, column, cell)
    return f"{abs(amount):.2f}"


def _day(member: _Member, column: str, target: Target) -> date:
    cell = member.cells.get(column, "")
    try:
        day = read_day(cell)
    except (ValueError, OverflowError):
        raise _Wrong("not-a-day", member.row, column, cell) from None
    if target.holds(day):
        return day
    slips = (target.first_period // 100 - day.year, target.last_period // 100 - day.year)
    code = "year-slip" if BE_TO_CE in map(abs, slips) else "other-year"
    raise _Wrong("short-year" if SHORT_BE_TO_CE in slips else code, member.row, column, cell)


def read_day(cell: Any) -> date:
    """Read a day as offices write it: text in BE or CE, or Excel's own. Raises `ValueError`.

    A year from 2400 on in a text is of the Buddhist era, and so are two digits. A date that Excel
    itself holds is CE whatever it shows: one of the year 2568 is 543 years off.
    """
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = MIDNIGHT.sub("", str(_whole(cell)).translate(THAI_DIGITS))
    if SERIAL.fullmatch(text):
        return SERIAL_ZERO + timedelta(days=int(text))
    if found := YEAR_FIRST.fullmatch(text):
        year, month, day = map(int, found.groups())
    elif found := DAY_FIRST.fullmatch(text):
        day, month, year = map(int, found.groups())
    elif found := IN_WORDS.fullmatch(text):
        day, year = int(found[1]), int(found[3])
        month = MONTH_NUMBER.get(found[2].replace(".", ""), 0)
    else:
        raise ValueError(text)
    year += 2500 if year < 100 else 0
    return date(year - BE_TO_CE if year >= 2400 else year, month, day)


def _reserve(posting: Posting) -> Decimal:
    """Return what *posting* takes of its budget line, and let it take that from the reserve.

    When a file is accepted, everything that it will take is reserved at once as committed, and what
    it appropriates (a need below zero) is there at once; each posting then turns its part of the
    reserve into what it is. So no posting of it can fail later.
    """
    if posting.budget_line is None:
        return Decimal(0)
    if appropriated := Decimal(posting.appropriated):
        posting.appropriated = "0"
        return -appropriated
    committed = Decimal(posting.committed)
    need = committed + Decimal(posting.paid) - Decimal(posting.transferred)
    posting.committed = str(committed - need)
    return need
