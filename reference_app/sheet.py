"""A file of back-dated books as rows of cells: CSV or XLSX in, nothing of accounting known.

What cannot be trusted is refused as a whole, with the place: a zip bomb, an encrypted or broken
workbook, merged or hidden cells, text in no known encoding, too many rows. Pure over the bytes;
memory and time are limited by the process that reads (`check_import`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO, StringIO
from typing import Any, Final, NoReturn
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

ROWS_MAX: Final = 200_000  # the largest unit's six months are about 54,000 documents
COLUMNS_MAX: Final = 40
CELL_LENGTH_MAX: Final = 1_000
UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024  # 200,000 rows of 20 cells are about 100 MB of XML
PARTS_MAX: Final = 1_000
BLOCK: Final = 1024 * 1024
SHEET_ROWS_MAX: Final = 1_048_576  # of Excel
DELIMITERS: Final = ",;\t"
DELIMITER_NAMED: Final = re.compile("sep=([,;\t])\r?\n")  # a first line that Excel understands
PLACE: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
TRUE: Final = ("1", "true")
# What stands in a value, in pieces, of a number and of the number of a shared text.
VALUE_OF: Final = {"n": re.compile(r"[-+0-9.eE\s]*"), "s": re.compile(r"[0-9\s]*")}
# Built-in number formats of a Thai office program (ECMA-376 part 1, 18.8.30), which openpyxl lacks.
THAI_FORMATS: Final = {
    59: "t0", 60: "t0.00", 61: "t#,##0", 62: "t#,##0.00", 67: "t0%", 68: "t0.00%", 69: "t# ?/?",
    70: "t# ??/??", 71: "d/m/yyyy", 72: "d-mmm-yy", 73: "d-mmm", 74: "mmm-yy", 75: "h:mm",
    76: "h:mm:ss", 77: "d/m/yyyy h:mm", 78: "mm:ss", 79: "[h]:mm:ss", 80: "mm:ss.0", 81: "d/m/bb",
}  # fmt: skip
# A character as workbooks escape it (ECMA-376 part 1, 22.9.2.19); halves of one are none.
ESCAPE: Final = re.compile("_x(?!0000|[Dd][89A-Fa-f])([0-9A-Fa-f]{4})_")
GENERAL: Final = "General"
# A number format in pieces. Colours, spaces and the digits of a language show nothing more.
FORMAT_PIECE: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.?)|\[\$(?P<currency>[^]-]*)[^]]*\]'
    r"|(?P<condition>\[[<>=][^]]*\])|\[(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d+"
    r"|(?:db|nat)num\d)\]|_.?|\*[ *]|(?P<end>;)|(?P<text>@)"
    r"|(?P<number>general|t?[0#?]+(?:,[0#?]+)*(?:\.[0#?]+)?|\.[0#?]+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
NUMBER, TEXT = "\0", "\1"  # the value's place in what a format shows: in no workbook
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT: Final = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"  # .xls, and every encrypted workbook
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
# Whole files of other kinds, by how they begin, by a part that they have, and by a word in them.
OTHER_BEGINNINGS: Final = {
    b"%PDF": "PDF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"{\\rtf": "RTF", b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z", b"MIME-Version:": "MHTML",
}  # fmt: skip
OTHER_PARTS: Final = {
    "content.xml": "OpenDocument (.ods)", "xl/workbook.bin": "Excel Binary Workbook (.xlsb)",
    "word/document.xml": "Word (.docx)", "ppt/presentation.xml": "PowerPoint (.pptx)",
}  # fmt: skip
OTHER_MARKUP: Final = {
    b"opendocument": "OpenDocument (.fods)", b"com:office:spreadsheet": "XML Spreadsheet 2003",
    b"<html": "HTML", b"<table": "HTML",
}  # fmt: skip
CONTENT_TYPES: Final = "[Content_Types].xml"
HEAD: Final = 4096
BLANKS: Final = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
THAI: Final = re.compile("[\u0e01-\u0e5b]")
# A vowel sign or tone mark that stands on nothing: no Thai text, so not cp874.
STRAY_MARK: Final = re.compile("(?<![\u0e01-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
# What nobody sees and many programs leave behind; the rest of white space is a space.
INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
SPACE: Final = re.compile("[\t\r\n\u00a0\u2007\u202f]+")
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row with something in it; `cells` hold text, numbers, dates, `Odd` ones or None."""

    sheet: str
    number: int  # as the office's program counts, from 1
    cells: tuple[Any, ...]


class Unreadable(Exception):
    """The file is refused as a whole; *code* is one of `back_dated.REASONS`."""

    def __init__(self, code: str, *, sheet: str = "", row: int = 0, value: str = "") -> None:
        super().__init__(code, sheet, row, value)
        self.code, self.sheet, self.row, self.value = code, sheet, row, value


@dataclass(frozen=True, slots=True)
class Odd:
    """What may stand in no cell; *code* is one of `back_dated.REASONS`."""

    code: str
    shown: str

    def __str__(self) -> str:
        return self.shown


FORMULA: Final = Odd("formula", "=")


@dataclass(frozen=True, slots=True)
class Dressed:
    """A value that its number format shows with something around it, as another one or not at all.

    `look` is what is shown, with `NUMBER` or `TEXT` in the value's place: `0%` gives NUMBER + "%".
    """

    value: Any
    format: str
    look: str

    def __str__(self) -> str:
        return f"{self.value} ({self.format})"


def rows_of(content: bytes) -> Iterator[Row]:
    """Yield the rows of a file in its order. Raises `Unreadable`."""
    if content[:4] == OLD_EXCEL:
        raise Unreadable("old-or-encrypted")
    for beginning, kind in OTHER_BEGINNINGS.items():
        if content.startswith(beginning):
            raise Unreadable("other-format", value=kind)
    if content[:HEAD].lstrip(BLANKS).startswith(b"<"):
        head = content[:HEAD].replace(b"\0", b"").lower()
        kind = next((what for word, what in OTHER_MARKUP.items() if word in head), "XML")
        raise Unreadable("other-format", value=kind)
    reader = _xlsx_rows if content[:4] in ZIP else _csv_rows
    count = 0
    for row in reader(content):
        if any(cell is not None and cell != "" for cell in row.cells):
            count += 1
            if count > ROWS_MAX + 1:  # and one that names the columns
                raise Unreadable("too-many-rows", sheet=row.sheet, row=row.number)
            yield row


def _csv_rows(content: bytes) -> Iterator[Row]:
    text = _decoded(content)
    named = DELIMITER_NAMED.match(text)
    number = 0 if named is None else 1
    first_line = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(DELIMITERS, key=first_line.count) if named is None else named[1]
    lines = StringIO(text[named.end() :] if named else text, newline="")
    csv.field_size_limit(CELL_LENGTH_MAX)
    try:
        # Rows are counted as a sheet shows them: a cell may hold several lines.
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            number += 1
            shown = (FORMULA if cell.startswith("=") else _plain(cell) for cell in cells)
            yield Row("", number, tuple(shown))
    except csv.Error as error:
        raise Unreadable("broken-csv", row=number + 1, value=str(error)) from error


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
        stray = STRAY_MARK.search(text)
        if stray is not None:
            raise Unreadable("encoding", row=text.count("\n", 0, stray.start()) + 1) from None
        if THAI.search(text) is None:
            raise Unreadable("encoding") from None
    found = CONTROL.search(text)
    if found is not None:
        raise Unreadable("encoding", row=text.count("\n", 0, found.start()) + 1)
    return text


def _xlsx_rows(content: bytes) -> Iterator[Row]:
    from openpyxl.reader.excel import ExcelReader  # half a second that a CSV file need not pay

    try:
        with _Package(BytesIO(content)) as parts:
            _refuse_dangerous(parts)
            _refuse_others(parts)
            reader = ExcelReader(BytesIO(content), read_only=True, keep_links=False)
            reader.archive = reader.valid_files = parts
            # Only what tells of cells: other programs let odd properties and themes pass.
            reader.read_manifest()
            reader.read_workbook()
            formats = dict[int, str]()
            for relation in reader.parser.rels.values():
                if relation.target not in parts:
                    continue
                if relation.Type.endswith("/styles"):
                    formats = _formats(parts, relation.target)
                elif relation.Type.endswith("/sharedStrings"):
                    reader.shared_strings = _shared_texts(parts, relation.target)
            _tell_dates(reader.wb, formats)
            if any(sheet.target not in parts for _, sheet in reader.parser.find_sheets()):
                raise Unreadable("broken-xlsx", value="a sheet is missing")
            reader.read_worksheets()
            for sheet in reader.wb.worksheets:
                _Layout(sheet.title, is_hidden=sheet.sheet_state != "visible").read(
                    parts, sheet._worksheet_path
                )
                sheet.reset_dimensions()  # what the file says of its own size proves nothing
                yield from _sheet_rows(sheet, formats)
    except (Unreadable, MemoryError):
        raise
    except BadZipFile as error:
        raise Unreadable("broken-xlsx", value=str(error)) from error
    except Exception as error:  # the library raises whatever a hostile file leads it to
        raise Unreadable("broken-xlsx", value=type(error).__name__) from error


def _sheet_rows(sheet: Any, formats: Mapping[int, str]) -> Iterator[Row]:
    for number, cells in enumerate(sheet.iter_rows(max_col=COLUMNS_MAX), start=1):
        yield Row(sheet.title, number, tuple(_shown(cell, formats) for cell in cells))


def _shown(cell: Any, formats: Mapping[int, str]) -> Any:
    value, kind = cell.value, cell.data_type
    if kind == "f":
        return FORMULA
    if kind == "e":
        return Odd("error-value", str(value))
    if value is None or kind not in ("n", "s"):
        return value
    shown = _plain(ESCAPE.sub(_escaped_character, value)) if kind == "s" else value
    code = formats.get(cell._style_id, GENERAL)
    if code == GENERAL or shown == "":
        return shown
    look = _look(code, None if kind == "s" else (value > 0) - (value < 0))
    return shown if look == (TEXT if kind == "s" else NUMBER) else Dressed(shown, code, look)


def _shared_texts(parts: ZipFile, path: str) -> list[str]:
    """Return what cells share, without its fonts and how it is pronounced."""
    texts: list[str] = []
    within: list[str] = []

    def start(name: str, _: object) -> None:
        within.append(name.rpartition(" ")[2])
        if within[-1] == "si":
            texts.append("")

    def piece(text: str) -> None:
        if within[-1] == "t" and "rPh" not in within:
            texts[-1] += text

    parser = _parser()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.CharacterDataHandler = piece
    parser.EndElementHandler = lambda _: within.pop()
    _feed(parser, parts, path)
    return texts


def _formats(parts: ZipFile, path: str) -> dict[int, str]:
    """Return the number formats by the number that a cell names its style with.

    Of all that a workbook says of styles nothing else is read: odd fonts and colours do no harm.
    """
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    codes: dict[int, str] = BUILTIN_FORMATS | THAI_FORMATS
    ids: list[int] = []
    within = [""]

    def start(name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if (within[-1], tag) == ("numFmts", "numFmt"):
            codes[int(attributes["numFmtId"])] = attributes["formatCode"]
        elif (within[-1], tag) == ("cellXfs", "xf"):
            ids.append(int(attributes.get("numFmtId", 0)))
        within.append(tag)

    parser = _parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: within.pop()
    _feed(parser, parts, path)
    return {style: codes.get(number, GENERAL) for style, number in enumerate(ids)}


def _tell_dates(book: Any, formats: Mapping[int, str]) -> None:
    """Say to openpyxl, as its own reading of styles does, which of them show a day or a time."""
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format

    book._date_formats = {n for n, code in formats.items() if is_date_format(code)}
    book._timedelta_formats = {n for n, code in formats.items() if is_timedelta_format(code)}


@lru_cache(maxsize=1_000)
def _look(code: str, sign: int | None) -> str:
    """Return what a number format shows of a number of that sign, or (None) of a text."""
    looks, text, has_conditions = [""], TEXT, False
    for piece in FORMAT_PIECE.finditer(code):
        name = piece.lastgroup
        if name == "end":
            looks.append("")
        elif name == "condition":
            has_conditions = True
        elif name is not None:
            looks[-1] += {"number": NUMBER, "text": TEXT}.get(name, piece[name])
    looks = [look.strip() for look in looks]
    if len(looks) > 3 or TEXT in looks[-1]:
        text = looks.pop()
    if sign is None:
        return text
    looks = looks or [text.replace(TEXT, NUMBER)]
    if has_conditions:  # any section may be the one that is shown
        return next((look for look in looks if look != NUMBER), NUMBER)
    place = {1: 0, -1: 1, 0: 2}[sign]
    return looks[place if place < len(looks) else 0]


def _escaped_character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def _plain(cell: str) -> str:
    """Read a text; behind an apostrophe, as in Excel, it is exactly what stands there."""
    if cell.startswith("'"):
        return cell[1:]
    if cell.isascii() and cell.isalnum():
        return cell
    return SPACE.sub(" ", INVISIBLE.sub("", cell)).strip()


class _Package(ZipFile):
    """The parts of a workbook; some programs write names in another case, or with \\ for /."""

    @cached_property
    def _names(self) -> dict[str, str]:
        return {_folded(name): name for name in self.namelist()}

    def __contains__(self, name: str) -> bool:
        return _folded(name) in self._names

    def getinfo(self, name: str) -> ZipInfo:
        """Return the entry of a part. Raises `KeyError`."""
        return super().getinfo(self._names.get(_folded(name), name))


def _folded(name: str) -> str:
    return name.replace("\\", "/").lower()


def _refuse_dangerous(parts: ZipFile) -> None:
    members = parts.infolist()
    # The zip module never unpacks more of a member than its entry says.
    if len(members) > PARTS_MAX or sum(m.file_size for m in members) > UNPACKED_BYTES_MAX:
        raise Unreadable("zip-bomb")
    if len({_folded(member.filename) for member in members}) < len(members):
        raise Unreadable("broken-xlsx", value="a part is there twice")
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable("old-or-encrypted")
        if member.filename.lower().endswith((".xml", ".rels")):
            parser = _parser()
            with suppress(expat.ExpatError):  # whoever needs the part will say so
                _feed(parser, parts, member.filename)


def _refuse_others(parts: _Package) -> None:
    for part, kind in OTHER_PARTS.items():
        if part in parts:
            raise Unreadable("other-format", value=kind)
    if CONTENT_TYPES not in parts:
        raise Unreadable("other-format", value="ZIP")


def _parser() -> expat.XMLParserType:
    """Return a parser that refuses what defines entities, in any encoding."""
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: object) -> None:
        raise Unreadable("broken-xlsx", value="DOCTYPE")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _feed(parser: expat.XMLParserType, parts: ZipFile, path: str) -> None:
    with parts.open(path) as part:
        while block := part.read(BLOCK):
            parser.Parse(block)
        parser.Parse(b"", True)


class _Layout:
    """What a workbook that is read as a stream does not tell of, or reads over: merged and hidden
    cells, cells out of their order or too far right.
    """

    def __init__(self, sheet: str, *, is_hidden: bool) -> None:
        self._sheet = sheet
        self._is_hidden_sheet = self._is_hidden_row = is_hidden
        self._hidden_columns: list[tuple[int, int]] = []
        self._row = self._column = 0
        self._type = self._kind = ""

    def read(self, parts: ZipFile, path: str) -> None:
        """Read a sheet's part. Raises `Unreadable`."""
        parser = _parser()
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        _feed(parser, parts, path)

    def _refuse(self, code: str, value: str = "") -> NoReturn:
        raise Unreadable(code, sheet=self._sheet, row=self._row, value=value)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        self._kind = ""
        if namespace == STRICT:
            self._refuse("broken-xlsx", "Strict Open XML; save it as Excel Workbook")
        if namespace != MAIN:  # an extension may call anything a cell
            return
        if tag == "c":
            self._cell(attributes)
        elif tag in ("v", "is", "f"):
            self._content()
            self._kind = tag
        elif tag == "row":
            self._row_begins(attributes)
        elif tag == "col" and attributes.get("hidden") in TRUE:
            self._hidden_columns.append((int(attributes["min"]), int(attributes["max"])))
        elif tag == "mergeCell":
            place = PLACE.match(attributes["ref"])
            self._row = int(place[2]) if place else 0
            self._refuse("merged", place[0] if place else "")

    def _row_begins(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._row + 1))
        if not self._row < number <= SHEET_ROWS_MAX:
            self._row = number
            self._refuse("row-order")
        self._row, self._column = number, 0
        self._is_hidden_row = self._is_hidden_sheet or attributes.get("hidden") in TRUE

    def _cell(self, attributes: dict[str, str]) -> None:
        column = self._column + 1
        if "r" in attributes:
            place = PLACE.fullmatch(attributes["r"])
            if place is None or int(place[2]) != self._row:
                self._refuse("row-order", attributes["r"])
            column = 0
            for letter in place[1]:
                column = column * 26 + ord(letter) - 64
        if column <= self._column:
            self._refuse("row-order", attributes.get("r", ""))
        self._column = column
        self._type = attributes.get("t", "n")

    def _content(self) -> None:
        column = self._column
        if self._is_hidden_row or any(low <= column <= high for low, high in self._hidden_columns):
            self._refuse("hidden", f"column {column}")
        if column > COLUMNS_MAX:
            self._refuse("too-far-right", f"column {column}")

    def _text(self, text: str) -> None:
        pattern = VALUE_OF.get(self._type) if self._kind == "v" else None
        if pattern is not None and not pattern.fullmatch(text):
            self._refuse("broken-xlsx", text[:CELL_LENGTH_MAX])
