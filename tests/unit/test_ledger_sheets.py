"""What a human reads in a sheet is what is posted, or the file is refused with the place."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from io import BytesIO
from typing import Any

import openpyxl
import pytest

from reference_app.back_dated import REASONS, BackDated, Reading, Target, read_day
from reference_app.kinds import read_catalogue
from reference_app.sheet import Unreadable, rows_of

HEADER = ("reference", "kind", "date", "channel", "payer", "amount", "account")
SOUND: tuple[Any, ...] = ("7", "receipt", "15/11/2568", "cash", "ก", "100.25", "4110101")
TARGET = Target(
    unit=1, key=uuid.UUID(int=1), account=1, first_period=202510, last_period=202609
)  # fmt: skip
READER = BackDated(read_catalogue())
SHEET = "xl/worksheets/sheet1.xml"
SHARED_PAYER = '<c r="E2" t="s"><v>0</v></c>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def read(content: bytes) -> Reading:
    return READER.read(rows_of(content), TARGET)


def csv_file(
    *rows: Sequence[object], delimiter: str = ",", header: Sequence[str] = HEADER
) -> bytes:
    lines = [header, *rows]
    return "\n".join(delimiter.join(map(str, line)) for line in lines).encode()


def changed(**changes: object) -> list[object]:
    return list((dict(zip(HEADER, SOUND, strict=True)) | changes).values())


def workbook(*rows: Sequence[object], **of_sheet: object) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    for row in rows:
        sheet.append(row)
    for name, value in of_sheet.items():
        setattr(sheet, name, value)
    if "sheet_state" in of_sheet:
        book.create_sheet("seen").append(HEADER)
        book.worksheets[1].append(SOUND)
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def formatted(column: str, value: object, code: str) -> bytes:
    """Return a sound workbook but for one cell and its number format."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    sheet.append(changed(**{column: value}))
    sheet.cell(2, HEADER.index(column) + 1).number_format = code
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def with_parts(changes: dict[str, str | bytes], names: dict[str, str] | None = None) -> bytes:
    """Return a sound workbook of one document with some parts exchanged, added or renamed."""
    content = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(workbook(SOUND))) as old,
        zipfile.ZipFile(content, "w") as new,
    ):
        for part, body in ({part: old.read(part) for part in old.namelist()} | changes).items():
            new.writestr((names or {}).get(part, part), body)
    return content.getvalue()


def text_cell(place: str, text: object) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def row_xml(number: int, cells: Sequence[object], attributes: str = "") -> str:
    inner = "".join(text_cell(f"{chr(65 + n)}{number}", cell) for n, cell in enumerate(cells))
    return f'<row r="{number}"{attributes}>{inner}</row>'


def sheet_xml(
    *rows: str,
    before: str = "",
    after: str = "",
    head: str = "",
    changes: dict[str, str | bytes] | None = None,
    names: dict[str, str] | None = None,
) -> bytes:
    data = f"{before}<sheetData>{row_xml(1, HEADER)}{''.join(rows)}</sheetData>{after}"
    sheet = f'{head}<worksheet xmlns="{MAIN}">{data}</worksheet>'
    return with_parts({SHEET: sheet, **(changes or {})}, names)


def with_shared(row: str, shared: str, names: dict[str, str] | None = None) -> bytes:
    """Return a workbook with one text that cells share."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = "".join(
        f'<Relationship Id="rId{n}" Type="{office}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(
            [("worksheet", f"/{SHEET}"), ("styles", "styles.xml"), ("sharedStrings", "texts.xml")],
            1,
        )
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    whole = f'<Relationships xmlns="{package}">{relations}</Relationships>'
    changes: dict[str, str | bytes] = {
        "xl/_rels/workbook.xml.rels": whole,
        "xl/texts.xml": f'<sst xmlns="{MAIN}"><si>{shared}</si></sst>',
    }
    return sheet_xml(row, changes=changes, names=names)


def codes(reading: Reading) -> list[tuple[object, ...]]:
    return [(p["code"], p["column"], p["row"]) for p in reading.problems]


@pytest.mark.parametrize(
    ("cell", "gross"),
    [
        ("1234.5", "1234.50"), ("1,234.50", "1234.50"), ("1,234,567", "1234567.00"),
        ("๑,๒๓๔.๕๐", "1234.50"), ("１２.５", "12.50"), ("0012.500", "12.50"), (" 12 ", "12.00"),
        ("9999999999999.99", "9999999999999.99"), ("12\u00a0", "12.00"), ("\u200b100.00", "100.00"),
    ],
)  # fmt: skip
def test_money_in_a_text_is_what_it_says(cell: str, gross: str) -> None:
    reading = read(csv_file(changed(amount=cell), delimiter="\t"))

    assert codes(reading) == []
    assert [one.posting.gross for one in reading.documents] == [gross]


@pytest.mark.parametrize(
    "cell",
    [
        "100,25", "12,50", "1,5", "1,234,50", "100.2,5", ",100", "100,", "10,00.00", "1_000",
        "1.23457E+11", "1.005", "-5", "(5)", "10000000000000", "฿5", "5 บาท", ".", "1.",
        "NaN", "Infinity", "0x10", "1 000", "0.005",
    ],
)  # fmt: skip
def test_what_may_mean_another_amount_is_no_money(cell: str) -> None:
    reading = read(csv_file(changed(amount=cell), delimiter=";"))

    assert codes(reading) == [("not-money", "amount", 2)]


@pytest.mark.parametrize(
    ("cell", "gross"),
    [
        (0.1 + 0.2, "0.30"), (1234.56 + 1e-12, "1234.56"), (5, "5.00"),
        (3000000000000.25, "3000000000000.25"),
    ],
)  # fmt: skip
def test_a_number_is_what_the_office_sees(cell: float, gross: str) -> None:
    (document,) = read(workbook(changed(amount=cell))).documents

    assert document.posting.gross == gross


@pytest.mark.parametrize("cell", [1.005, True, date(2025, 11, 15), 1e300])
def test_other_numbers_are_no_money(cell: object) -> None:
    assert codes(read(workbook(changed(amount=cell)))) == [("not-money", "amount", 2)]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (0.01, "0.00%"), (6, "[$$-409]#,##0.00"), (6, '"$"#,##0.00'), (6, "[$EUR ]#,##0.00"),
        (6, "#,##0.00 [$€-407]"), (6, "\\¥0"), (6, "$0;($0)"), (1234.5, "(#,##0.00)"),
        (1234.5, '_-* "-"#,##0.00_-'), (1234.5, "-0;0"), (1234.5, "0-"), (777, ";;;"),
        (777, ";-0"), (777, '"ยกเลิก"'), (1234, "#,##0,"), (1234, '0.0,,"ล้าน"'), (1234, "0\\.00"),
        (1234, "0.00E+00"), (0.5, "# ?/?"), (777, "000-000"), (777, '[>500]"มาก";0'), (777, "*00"),
        (777, '+0;-0;"-"'), ("777.00", '"$"@'), ("777.00", ";;;"),
    ],
)  # fmt: skip
def test_an_amount_that_is_shown_as_anything_but_plain_baht_is_no_money(
    cell: object, code: str
) -> None:
    (problem,) = read(formatted("amount", cell, code)).problems

    assert (problem["code"], problem["column"], problem["row"]) == ("not-money", "amount", 2)
    assert problem["value"] == f"{cell} ({code})"


@pytest.mark.parametrize(
    "code",
    [
        "General", "0", "0.00", "#,##0.00", "#,##0", "@", "[Red]0.00", "t#,##0.00",
        '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-', "[$-D070000]0.00", "[$฿-41E]#,##0.00",
        '"฿"#,##0.00;[Red]-"฿"#,##0.00', "[$THB] #,##0.00", '#,##0.00" บาท"', '#,##0".-"',
        "**#,##0.00", "[NatNum1][$-41E]#,##0.00", "[>=1000]#,##0.00;0.00", "General;-General;",
        "\\฿0.00", "#,##0_);(#,##0)", "#,##0.-",
    ],
)  # fmt: skip
def test_an_amount_may_be_shown_as_baht_in_any_form(code: str) -> None:
    (document,) = read(formatted("amount", 1234.5, code)).documents

    assert document.posting.gross == "1234.50"


@pytest.mark.parametrize(
    "code", [";;;", "0;-0;;@", '_("$"* #,##0_);_(* \\(#,##0\\);_(* "-"_);_(@_)']
)
def test_a_zero_is_one_however_it_is_shown(code: str) -> None:
    (problem,) = read(formatted("amount", 0, code)).problems

    assert (problem["code"], problem["value"][:1]) == ("rule", "0")


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("reference", 1, '"บร."0"/2569"'), ("reference", "1/2569", '"บร."@'),
        ("reference", 256900001, "0000-00000"), ("reference", 7, ";;;"), ("reference", "7", ";;;"),
        ("account", 4110101, "0-0"), ("account", 4110101, "0,"), ("payer", "สมชาย", '"นาย "@'),
        ("payer", 12, '"ห้อง "0'), ("payer", 12, "฿0"), ("reference", 7, "0%"),
    ],
)  # fmt: skip
def test_a_code_that_is_shown_with_more_than_itself_is_none(
    column: str, cell: object, code: str
) -> None:
    reading = read(formatted(column, cell, code))

    assert codes(reading) == [("not-text", column, 2)]


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("reference", 7, "0000000"), ("reference", 7, "000"), ("account", 4110101, "#,##0"),
        ("account", 4110101, "@"), ("payer", "ก", "0.00%"), ("payer", "ก", "_(@_)"),
        ("payer", "ก", "0;-0;0;@"), ("date", 45976, "0"),
    ],
)  # fmt: skip
def test_a_format_that_shows_what_is_there_changes_nothing(
    column: str, cell: object, code: str
) -> None:
    (document,) = read(formatted(column, cell, code)).documents

    assert (document.reference, document.posting.date) == ("7", "2025-11-15")


@pytest.mark.parametrize(("number", "found"), [(67, "not-money"), (71, "not-money"), (62, None)])
def test_the_formats_that_only_thai_programs_have_are_known(number: int, found: str | None) -> None:
    xfs = f'<cellXfs><xf numFmtId="0"/><xf numFmtId="{number}"/></cellXfs>'
    row = row_xml(2, SOUND).replace(text_cell("F2", "100.25"), '<c r="F2" s="1"><v>100.25</v></c>')
    styles = f'<styleSheet xmlns="{MAIN}">{xfs}</styleSheet>'

    reading = read(sheet_xml(row, changes={"xl/styles.xml": styles}))

    assert [problem["code"] for problem in reading.problems] == ([found] if found else [])


@pytest.mark.parametrize("first", ["7", "๗", "007", "７"])
@pytest.mark.parametrize("again", ["7", "๗", "007", 7])
def test_a_number_is_the_same_however_it_is_written(first: str, again: object) -> None:
    other = changed(reference="8")
    reading = read(workbook(changed(reference=first), other, changed(reference=again)))

    assert codes(reading) == [("duplicate", "reference", 4)]


@pytest.mark.parametrize(
    "cell", [datetime(2025, 12, 11), 1.1, True, "6.80001E+12", 12345678901234570, 1.2e15, -(10**15)]
)
def test_a_number_that_a_program_has_changed_is_none(cell: object) -> None:
    assert codes(read(workbook(changed(reference=cell)))) == [("not-text", "reference", 2)]


@pytest.mark.parametrize("cell", [datetime(2025, 12, 11), 1.5, False, 10**15])
def test_a_name_is_a_text(cell: object) -> None:
    assert codes(read(workbook(changed(payer=cell)))) == [("not-text", "payer", 2)]


@pytest.mark.parametrize(
    ("content", "reference"),
    [
        (workbook(changed(reference=999999999999999)), "999999999999999"),
        (csv_file(changed(reference="1234567890123456")), "1234567890123456"),
    ],
)
def test_all_digits_that_are_there_are_read(content: bytes, reference: str) -> None:
    assert [one.reference for one in read(content).documents] == [reference]


@pytest.mark.parametrize(
    ("name", "content", "code", "row"),
    [
        ("rows out of order", sheet_xml(row_xml(4, SOUND), row_xml(2, SOUND)), "row-order", 2),
        ("a row twice", sheet_xml(row_xml(2, SOUND), row_xml(2, SOUND)), "row-order", 2),
        ("row 0", sheet_xml(row_xml(0, SOUND)), "row-order", 0),
        ("beyond Excel", sheet_xml(row_xml(1048577, SOUND)), "row-order", 1048577),
        ("a cell twice", sheet_xml(f'<row r="2">{text_cell("F2", 1)}{text_cell("F2", 2)}</row>'),
         "row-order", 2),
        ("a cell of another row", sheet_xml(f'<row r="2">{text_cell("A3", 1)}</row>'),
         "row-order", 2),
        ("column AO", sheet_xml(f'<row r="2">{text_cell("AO2", 1)}</row>'), "too-far-right", 2),
        ("a hidden row", sheet_xml(row_xml(2, SOUND, ' hidden="1"')), "hidden", 2),
        ("a hidden column", sheet_xml(
            row_xml(2, SOUND), before='<cols><col min="6" max="6" hidden="true"/></cols>'),
         "hidden", 1),
        ("a hidden sheet", workbook(SOUND, sheet_state="veryHidden"), "hidden", 1),
        ("merged cells", sheet_xml(
            row_xml(2, SOUND), after="<mergeCells><mergeCell ref = 'A2:A3'/></mergeCells>"),
         "merged", 2),
        ("merged by a reference", sheet_xml(
            row_xml(2, SOUND), after='<mergeCells><mergeCell ref="&#65;2:A3"/></mergeCells>'),
         "merged", 2),
        ("a shared text -1", sheet_xml('<row r="2"><c r="A2" t="s"><v>-1</v></c></row>'),
         "broken-xlsx", 2),
        ("no number", sheet_xml('<row r="2"><c r="A2"><v>NaN</v></c></row>'), "broken-xlsx", 2),
        ("an entity late", sheet_xml(
            row_xml(2, SOUND),
            head=f"<!--{'x' * 1_100_000}--><!DOCTYPE worksheet [<!ENTITY a '9'>]>"),
         "broken-xlsx", 0),
        ("an entity in UTF-16", with_parts({"xl/styles.xml":
            '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "9">]><x/>'
            .encode("utf-16")}), "broken-xlsx", 0),
        ("Strict Open XML", with_parts({"xl/worksheets/sheet1.xml":
            '<worksheet xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>'}),
         "broken-xlsx", 0),
    ],
)  # fmt: skip
def test_what_a_reader_would_pass_over_refuses_the_workbook(
    name: str, content: bytes, code: str, row: int
) -> None:
    reading = read(content)

    assert [(p["code"], p["row"]) for p in reading.problems] == [(code, row)], name


def zipped(*parts: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as new:
        for part in parts:
            new.writestr(part, "application/vnd.oasis.opendocument.spreadsheet")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zipped("mimetype", "content.xml"), "OpenDocument (.ods)"),
        (zipped("[Content_Types].xml", "xl/workbook.bin"), "Excel Binary Workbook (.xlsb)"),
        (zipped("[Content_Types].xml", "word/document.xml"), "Word (.docx)"),
        (zipped("books.xlsx"), "ZIP"), (zipped(), "ZIP"), (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0", "PNG"), (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html><HTML><table>", "HTML"),
        (b"<table><tr><td>reference", "HTML"), ("<html><body>".encode("utf-16"), "HTML"),
        (b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Table>',
         "XML Spreadsheet 2003"), (b'<?xml version="1.0"?><books/>', "XML"),
        (b'<?xml version="1.0"?>\n<office:document xmlns:office="urn:oasis:names:tc:opendocument">',
         "OpenDocument (.fods)"),
    ],
)  # fmt: skip
def test_a_whole_file_of_another_kind_is_told_as_that(content: bytes, kind: str) -> None:
    (problem,) = read(content).problems

    assert (problem["code"], problem["value"], problem["row"]) == ("other-format", kind, 0)


def test_a_part_that_is_there_twice_refuses_the_workbook() -> None:
    content = BytesIO(workbook(SOUND))
    with zipfile.ZipFile(content, "a") as parts, pytest.warns(UserWarning, match="Duplicate"):
        parts.writestr("xl/worksheets/sheet1.xml", b"<worksheet/>")

    with pytest.raises(Unreadable, match="broken-xlsx"):
        list(rows_of(content.getvalue()))


ODD_STYLES = f"""<styleSheet xmlns="{MAIN}">
<numFmts><numFmt numFmtId="164" formatCode="d/m/yyyy"/></numFmts>
<fonts><font><family val="34"/><color rgb="#FF0000"/></font></fonts><fills><fill/></fills>
<cellXfs><xf/><xf numFmtId="164"/></cellXfs>
<dxfs><dxf><numFmt numFmtId="164" formatCode="0%"/></dxf></dxfs>
</styleSheet>"""


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"xl/styles.xml": ODD_STYLES}, {}),
        ({"xl/styles.xml": ODD_STYLES}, {"xl/styles.xml": "XL/Styles.xml"}),
        ({"docProps/core.xml": "<created>15/11/2568</created>"}, {}),
        ({"docProps/app.xml": "", "xl/theme/theme1.xml": ""}, {}),
        ({}, {SHEET: "xl/Worksheets/Sheet1.XML", "xl/workbook.xml": "XL/Workbook.xml"}),
        ({}, {SHEET: SHEET.replace("/", "\\"), "xl/workbook.xml": "xl\\workbook.xml"}),
        ({}, {"xl/styles.xml": "xl/none.xml"}),
    ],
)
def test_what_holds_no_cells_may_be_odd(
    changes: dict[str, str | bytes], names: dict[str, str]
) -> None:
    assert codes(read(with_parts(changes, names))) == []


def test_dates_are_known_however_odd_the_styles() -> None:
    row = row_xml(2, SOUND).replace(
        text_cell("C2", "15/11/2568"), '<c r="C2" s="1"><v>45976</v></c>'
    )
    names = {"xl/styles.xml": "xl/Styles.xml"}

    rows = list(rows_of(sheet_xml(row, changes={"xl/styles.xml": ODD_STYLES}, names=names)))

    assert rows[1].cells[2] == datetime(2025, 11, 15)


def test_a_sheet_that_is_missing_refuses_the_workbook() -> None:
    with pytest.raises(Unreadable, match="a sheet is missing"):
        list(rows_of(with_parts({}, {SHEET: "xl/worksheets/sheet2.xml"})))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize(
    ("written", "payer"),
    [
        ("_x000D_\nร้าน_x000d_\nค้า_x000D_", "ร้าน ค้า"), ("_x0027_ก ", "ก "), ("_x0E01_", "ก"),
        ("_x005F_", "_"), ("_x005F_x000D_", "_x000D_"), ("_x005f_x005F_", "_x005F_"),
        ("_x0000_", "_x0000_"), ("_xD83D_", "_xD83D_"), ("x_x12_", "x_x12_"),
    ],
)  # fmt: skip
def test_escaped_characters_are_read_before_all_else(
    written: str, payer: str, is_shared: bool
) -> None:
    text = f'<t xml:space="preserve">{written}</t>'
    inline = row_xml(2, SOUND).replace("<t>ก</t>", text)
    shared = row_xml(2, SOUND).replace(text_cell("E2", "ก"), SHARED_PAYER)

    (document,) = read(with_shared(shared, text) if is_shared else sheet_xml(inline)).documents

    assert document.posting.party == payer


def test_a_number_with_an_escaped_end_of_line_is_that_number() -> None:
    reading = read(workbook(changed(reference="7_x000D_", account="4110101_x000D_\n")))

    assert [one.reference for one in reading.documents] == ["7"]


def test_a_shared_text_in_several_fonts_is_one_and_its_sound_is_not_in_it() -> None:
    runs = "<r><rPr><family val='34'/></rPr><t>ร้าน</t></r><r><t>ค้า</t></r>"
    row = row_xml(2, SOUND).replace(text_cell("E2", "ก"), SHARED_PAYER)
    content = with_shared(
        row, f'{runs}<rPh sb="0" eb="1"><t>x</t></rPh>', {"xl/texts.xml": "xl/Texts.xml"}
    )

    (document,) = read(content).documents

    assert document.posting.party == "ร้านค้า"


def two_sheets(first: Sequence[object], second: Sequence[object]) -> bytes:
    book = openpyxl.Workbook()
    for sheet, row in zip(
        (book.worksheets[0], book.create_sheet("ก")), (first, second), strict=True
    ):
        sheet.append(HEADER)
        sheet.append(row)
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def test_a_document_never_goes_on_in_another_sheet() -> None:
    reading = read(two_sheets(SOUND, changed(amount="250")))

    (problem,) = reading.problems
    place = (problem["code"], problem["sheet"], problem["row"], problem["value"])
    assert place == ("duplicate", "ก", 2, "7")


def test_rows_of_no_number_are_told_in_every_sheet() -> None:
    reading = read(two_sheets(changed(reference=""), changed(reference="")))

    assert codes(reading) == [("no-reference", "reference", 2)] * 2


def test_an_error_value_is_told_with_its_cell() -> None:
    wrong = row_xml(2, SOUND).replace(text_cell("E2", "ก"), '<c r="E2" t="e"><v>#REF!</v></c>')

    (problem,) = read(sheet_xml(wrong)).problems

    assert (problem["code"], problem["column"], problem["row"]) == ("error-value", "payer", 2)
    assert problem["value"] == "#REF!"


@pytest.mark.parametrize("column", ["kind", "reference", "amount", "payer"])
def test_a_formula_is_told_as_one_wherever_it_stands(column: str) -> None:
    assert codes(read(csv_file(changed(**{column: "=A1"})))) == [("formula", column, 2)]


def test_an_empty_row_far_down_is_no_row() -> None:
    content = sheet_xml(row_xml(2, SOUND), '<row r="1048576" ht="12.8"/>')

    reading = read(content)

    assert (codes(reading), reading.row_count) == ([], 1)


@pytest.mark.filterwarnings("ignore:Unknown extension")
def test_what_an_extension_calls_a_cell_is_none() -> None:
    row = '<x:row r="1" hidden="1"><x:c r="A1"><x:v>NaN</x:v></x:c></x:row>'
    other = f'<extLst xmlns:x="urn:x"><ext uri="u">{row}</ext></extLst>'
    content = sheet_xml(row_xml(2, SOUND), after=other)

    assert codes(read(content)) == []


def test_thai_words_and_any_letters_are_read() -> None:
    header = ("เลขที่เอกสาร", "ประเภท", "วันที่", "ช่องทาง", "ผู้ชำระเงิน", "จํานวนเงิน", "รหัสบัญชี")
    rows = (
        ("1", "ใบเสร็จรับเงิน", "15-พ.ย.-68", "เงินสด", "ก", "5", "๔๑๑๐๑๐๑"),
        ("2", "Receipt", "2568/11/15", "Bank", "ก\u00a0ข\u200b", "6", "4110101"),
    )
    reading = read(csv_file(*rows, header=header))

    assert codes(reading) == []
    cash, bank = (one.posting for one in reading.documents)
    assert (cash.date, bank.date) == ("2025-11-15", "2025-11-15")
    assert (cash.accounts, bank.accounts) == ([1110101, 4110101], [1110201, 4110101])
    assert bank.party == "ก ข"


def test_a_line_that_breaks_a_rule_is_told_with_its_own_row() -> None:
    header = ("reference", "kind", "date", "description", "account", "debit", "credit")
    head = ("1", "journal_voucher", "15/11/2568", "ก")
    rest = ("1", "", "", "")
    wrong = (
        [(*head, "5310101", "70", "0.00"), (*rest, "9999999", "0", "70")],
        [(*head, "5310101", "70", ""), (*rest, "2110101", "", "0.00")],
        [(*head, "5310101", "70", "70"), (*rest, "2110101", "", "70")],
        [(*head, "5310101", "70", ""), (*rest, "2110101", "", "60")],
    )

    found = [read(csv_file(*rows, header=header)).problems[0] for rows in wrong]
    right = read(
        csv_file((*head, "5310101", "70", "0"), (*rest, "2110101", "0.00", "70"), header=header)
    )

    assert codes(right) == []
    assert [(p["column"], p["row"], p["value"]) for p in found] == [
        ("account", 3, "9999999"), ("credit", 3, "0.00"), ("", 2, ""), ("", 2, "")
    ]  # fmt: skip
    general = REASONS["rule"][1]
    assert all(p["code"] == "rule" and len(p["reason_th"]) > len(general) for p in found)


VOUCHER_HEADER = ("reference", "kind", "date", "description", "account", "debit", "credit")


def test_the_dash_of_an_accountant_beside_an_amount_is_an_empty_cell() -> None:
    head = ("1", "journal_voucher", "15/11/2568", "ก")
    rows = [(*head, "5310101", "70", " -   "), ("1", "", "", "", "2110101", " - ", "70")]
    header = (*HEADER[:6], "debit", "credit", "withholding_tax", "account")
    receipt = (*SOUND[:6], "-", " -   ", "-", SOUND[6])

    voucher = read(csv_file(*rows, header=VOUCHER_HEADER))
    other = read(csv_file(receipt, header=header))

    assert (codes(voucher), codes(other)) == ([], [])
    assert voucher.documents[0].posting.debits == ["70.00", "0.00"]


def test_a_dash_alone_is_no_amount() -> None:
    assert codes(read(csv_file(changed(amount=" -   ")))) == [("not-money", "amount", 2)]
    assert codes(read(csv_file(changed(reference="-", payer="-")))) == []


@pytest.mark.parametrize(("place", "letters"), [(7, "H"), (15, "P"), (27, "AB"), (702, "AAA")])
def test_a_column_that_holds_something_without_a_name_is_told_once(
    place: int, letters: str
) -> None:
    rows = [[*changed(reference=str(n)), *[""] * (place - 7), "ตรวจแล้ว"] for n in range(3)]

    (problem,) = read(csv_file(*rows)).problems

    assert (problem["code"], problem["value"], problem["row"]) == (
        "unnamed-column", f"column {letters}", 2
    )  # fmt: skip


def test_rows_are_counted_as_a_sheet_shows_them() -> None:
    content = csv_file(changed(reference="1", payer='"ก\nข"'), changed(reference="2", date="x"))

    assert codes(read(content)) == [("not-a-day", "date", 3)]


@pytest.mark.parametrize("mark", ["sep=;\n", "sep=;\r\n", "\ufeff\ufeff"])
def test_what_programs_put_before_the_columns_is_no_row(mark: str) -> None:
    content = mark.encode() + csv_file(SOUND, changed(reference="2", date="x"), delimiter=";")

    assert codes(read(content)) == [("not-a-day", "date", 4 if "sep" in mark else 3)]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-11-15 00:00:00", date(2025, 11, 15)), ("2025-11-15T00:00", date(2025, 11, 15)),
        ("15 พฤศจิกายน พ.ศ. 2568", date(2025, 11, 15)), ("15-พ.ย.-68", date(2025, 11, 15)),
        ("2568/11/15", date(2025, 11, 15)), ("45976", date(2025, 11, 15)),
    ],
)  # fmt: skip
def test_days_are_read_as_programs_write_them(text: str, day: date) -> None:
    assert read_day(text) == day


@pytest.mark.parametrize("text", ["2025-11-15 10:30", "15/11/2568 10:30", "2025-11-15 0"])
def test_a_day_with_a_time_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="15"):
        read_day(text)


def test_a_two_digit_year_that_a_program_misread_is_told() -> None:
    assert codes(read(workbook(changed(date=datetime(1968, 11, 15))))) == [
        ("short-year", "date", 2)
    ]
