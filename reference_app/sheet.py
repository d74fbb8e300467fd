"""A file of back-dated books as rows of cells: CSV or XLSX in, nothing of accounting known.

What cannot be trusted is refused as a whole, with the place: a zip bomb, an encrypted or broken
workbook, merged cells, text in no known encoding, too many rows. Pure over the bytes; memory and
time are limited by the process that reads (`check_import`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

ROWS_MAX: Final = 200_000  # the largest unit's six months are about 54,000 documents
COLUMNS_MAX: Final = 40
CELL_LENGTH_MAX: Final = 1_000
UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024  # 200,000 rows of 20 cells are about 100 MB of XML
PARTS_MAX: Final = 1_000
BLOCK: Final = 1024 * 1024
TAG_LENGTH_MAX: Final = 512  # of a tag that two blocks share
DELIMITERS: Final = ",;\t"
MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+)[^"]*"')
DOCTYPE: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"  # .xls, and every encrypted workbook
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
THAI: Final = re.compile("[\u0e01-\u0e5b]")
# A vowel sign or tone mark that stands on nothing: no Thai text, so not cp874.
STRAY_MARK: Final = re.compile("(?<![\u0e01-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row with something in it; `cells` hold text, numbers, dates, `FORMULA` or None."""

    sheet: str
    number: int  # as the office's program counts, from 1
    cells: tuple[Any, ...]


class Unreadable(Exception):
    """The file is refused as a whole; *code* is one of `back_dated.REASONS`."""

    def __init__(self, code: str, *, sheet: str = "", row: int = 0, value: str = "") -> None:
        super().__init__(code, sheet, row, value)
        self.code, self.sheet, self.row, self.value = code, sheet, row, value


class _Formula:
    def __str__(self) -> str:
        return "="


FORMULA: Final = _Formula()


def rows_of(content: bytes) -> Iterator[Row]:
    """Yield the rows of a file in its order. Raises `Unreadable`."""
    if content[:4] == OLD_EXCEL:
        raise Unreadable("old-or-encrypted")
    reader = _xlsx_rows if content[:4] == b"PK\x03\x04" else _csv_rows
    for count, row in enumerate(reader(content)):
        if count >= ROWS_MAX + 1:  # and one that names the columns
            raise Unreadable("too-many-rows", sheet=row.sheet, row=row.number)
        if any(cell is not None and cell != "" for cell in row.cells):
            yield row


def _csv_rows(content: bytes) -> Iterator[Row]:
    text = _decoded(content)
    first_line = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(DELIMITERS, key=first_line.count)
    csv.field_size_limit(CELL_LENGTH_MAX)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            shown = (FORMULA if cell.startswith("=") else _plain(cell) for cell in cells)
            yield Row("", reader.line_num, tuple(shown))
    except csv.Error as error:
        raise Unreadable("broken-csv", row=reader.line_num, value=str(error)) from error


def _decoded(content: bytes) -> str:
    """Read UTF-8, with or without BOM, or cp874: only what can be nothing else."""
    if content[:2] in UTF_16:
        raise Unreadable("encoding")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("cp874")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise Unreadable("encoding", row=line) from error
        if THAI.search(text) is None or STRAY_MARK.search(text) is not None:
            raise Unreadable("encoding") from None
    found = CONTROL.search(text)
    if found is not None:
        raise Unreadable("encoding", row=text.count("\n", 0, found.start()) + 1)
    return text


def _xlsx_rows(content: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook  # half a second that a CSV file need not pay

    try:
        with ZipFile(BytesIO(content)) as parts:
            _refuse_dangerous(parts)
            book = load_workbook(BytesIO(content), read_only=True, keep_links=False)
            for sheet in book.worksheets:
                _refuse_merged(parts, sheet)
                sheet.reset_dimensions()  # what the file says of its own size proves nothing
                yield from _sheet_rows(sheet)
    except (Unreadable, MemoryError):
        raise
    except BadZipFile as error:
        raise Unreadable("broken-xlsx", value=str(error)) from error
    except Exception as error:  # the library raises whatever a hostile file leads it to
        raise Unreadable("broken-xlsx", value=type(error).__name__) from error


def _sheet_rows(sheet: Any) -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX), start=1):
        values = (FORMULA if cell.data_type == "f" else cell.value for cell in cells)
        yield Row(
            sheet.title, number, tuple(_plain(v) if isinstance(v, str) else v for v in values)
        )


def _plain(cell: str) -> str:
    """Read a text; behind an apostrophe, as in Excel, it is exactly what stands there."""
    return cell[1:] if cell.startswith("'") else cell.strip()


def _refuse_dangerous(parts: ZipFile) -> None:
    members = parts.infolist()
    # The zip module never unpacks more of a member than its entry says.
    if len(members) > PARTS_MAX or sum(m.file_size for m in members) > UNPACKED_BYTES_MAX:
        raise Unreadable("zip-bomb")
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable("old-or-encrypted")
        with parts.open(member) as part:
            if DOCTYPE.search(part.read(BLOCK)):
                raise Unreadable("broken-xlsx", value="DOCTYPE")


def _refuse_merged(parts: ZipFile, sheet: Any) -> None:
    """Find merged cells, which a workbook that is read as a stream does not tell of."""
    tail = b""
    with parts.open(sheet._worksheet_path) as part:
        while block := part.read(BLOCK):
            found = MERGED.search(tail + block)
            if found is not None:
                column, row = found[1].decode(), int(found[2])
                raise Unreadable("merged", sheet=sheet.title, row=row, value=f"{column}{row}")
            tail = block[-TAG_LENGTH_MAX:]
