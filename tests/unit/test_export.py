"""Posted documents to rows: what each becomes, how texts are kept, how files are divided."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import Any
from uuid import UUID

import pytest

from reference_app.back_dated import REFERENCE_LENGTH_MAX, BackDated, Target
from reference_app.export import PART_ROWS, Cells, Exporter, Posted, part_of, safe
from reference_app.kinds import read_catalogue
from reference_app.routes.imports import FILE_SIZE_MAX
from reference_app.rules import LINES_MAX, TEXT_LENGTH_MAX
from reference_app.sheet import ROWS_MAX, rows_of
from reference_app.write_export import write_csv, write_xlsx

CATALOGUE = read_catalogue()
EXPORTER = Exporter(CATALOGUE)
TARGET = Target(unit=1, key=UUID(int=1), account=1, first_period=202510, last_period=202609)
CITY_LINES = 344_000  # of a year: the largest unit (facts/domain.md 4.2, 4.3)


def posted(kind: str, *lines: tuple[int, str, str], **changes: Any) -> Posted:
    return Posted(**{
        "kind": kind, "fiscal_year": 2569, "number": 7, "date": date(2025, 11, 5),
        "amount": Decimal("100.00"), "withholding_tax": Decimal("1.00"), "budget_line": "B03",
        "to_line": None, "party": "ร้าน", "note": None, "open_amount": None,
        "accounts": [a for a, _, _ in lines], "debits": [Decimal(d) for _, d, _ in lines],
        "credits": [Decimal(c) for _, _, c in lines], "is_void": False, **changes,
    })  # fmt: skip


EXPENSE = ((5210101, "100.00", "0.00"), (1110201, "0.00", "99.00"), (2120101, "0.00", "1.00"))
ADVANCE = ((1130101, "100.00", "0.00"), (1110201, "0.00", "100.00"))
EARNED = ((1110101, "14.00", "0.00"), (4110101, "0.00", "7.00"), (4110101, "0.00", "7.00"))
MANY = [(5210101, "1.00", "0.00")] * 150 + [(1110201, "0.00", "3.00")] * 50
VOUCHER = "ใบผ่านรายการบัญชี"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (posted("payment", *EXPENSE, note="cheque"), [("payment-2569-7", "ฎีกาที่จ่ายแล้ว", 1)]),
        (posted("payment", *EXPENSE, is_void=True), [("payment-2569-7", VOUCHER, 3)]),
        (posted("disbursement_request", open_amount=Decimal("100.00")),
         [("disbursement_request-2569-7", "ฎีกาเบิกเงิน", 1)]),
        (posted("disbursement_request", open_amount=Decimal("0.00")), []),
        (posted("advance_request", open_amount=Decimal("100.00")),
         [("advance_request-2569-7", "สัญญาการยืมเงิน", 1)]),
        (posted("advance_request", open_amount=Decimal("0.00")), []),
        (posted("advance", *ADVANCE, open_amount=Decimal("100.00")),
         [("advance-2569-7", "เงินยืม", 1)]),
        (posted("advance", *ADVANCE, open_amount=Decimal("60.00")),
         [("advance-2569-7", "เงินยืม", 1), ("advance-2569-7-settled", VOUCHER, 2)]),
        (posted("advance", *ADVANCE, open_amount=Decimal("0.00")),
         [("advance-2569-7", VOUCHER, 2)]),
        (posted("receipt", *EARNED), [("receipt-2569-7", "ใบเสร็จรับเงิน", 2)]),
        (posted("receipt", *EARNED, is_void=True), [("receipt-2569-7", VOUCHER, 3)]),
        (posted("reversal", *EARNED, is_void=True), [("reversal-2569-7", VOUCHER, 3)]),
        (posted("opening", *EARNED, party=None), [("opening-2569-7", VOUCHER, 3)]),
        (posted("year_close", *EARNED, party=None), [("year_close-2569-7", VOUCHER, 3)]),
        (posted("journal_voucher", *MANY, note="มาก"), [("journal_voucher-2569-7", VOUCHER, 200)]),
        (posted("commitment"), [("commitment-2569-7", "ก่อหนี้ผูกพัน", 1)]),
        (posted("commitment", is_void=True), []),
        (posted("budget_transfer", to_line="B04"), [("budget_transfer-2569-7", "โอนงบประมาณ", 1)]),
        (posted("budget_ordinance"), []),
        (posted("supplementary_budget"), []),
        (posted("period_reopening"), []),
    ],
)  # fmt: skip
def test_a_document_comes_out_as_what_can_go_in_again(
    document: Posted, expected: list[tuple[str, str, int]]
) -> None:
    papers = list(EXPORTER.document(document))
    reading = BackDated(CATALOGUE).read(read_back(papers), TARGET)

    assert [(rows[0]["reference"], rows[0]["kind"], len(rows)) for rows in papers] == expected
    assert [p["code"] for p in reading.problems] == ([] if expected else ["empty"])
    assert sum(Decimal(one.posting.gross) for one in reading.documents) == sum(document.debits)


def read_back(papers: list[list[Cells]], write: Any = write_csv) -> Any:
    out = BytesIO()
    write(EXPORTER.columns, [row for rows in papers for row in rows], out)
    return rows_of(out.getvalue())


TAKEN = (
    "0012", "1e5", "1E+5", "1-12", "10/2568", "10.2568", "12:30", "5 PM", "50%", "(5)", "$5",
    "1,234.50", "๑๒", "1103700012345", "1 ม.ค. 68", "มกราคม 2568", "1 มี.ค. พ.ศ. 2568", "Jan-25",
    "March 5", "2025-01-01T10:00Z", "TRUE", "false", "1 1/2", "THB 5",
)  # fmt: skip


@pytest.mark.parametrize("text", TAKEN)
def test_a_text_that_a_program_would_take_for_another_value_is_kept_from_it(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["ร้านค้า 2", "B03", "นายเมษา ใจดี", "7-Eleven", "3เอ็ม", "ค่าไฟ 10/2568", "ม.ค.", "Truett"]
)
def test_a_text_that_stays_one_is_left_alone(text: str) -> None:
    assert safe(text) == text


def test_a_code_of_the_budget_comes_back_as_it_was() -> None:
    papers = [
        *EXPORTER.beginning(2569, [], {"01": Decimal("9.00"), "1E5": Decimal("9.00")}),
        *EXPORTER.document(posted("budget_transfer", budget_line="01", to_line="1E5")),
    ]

    reading = BackDated(CATALOGUE).read(read_back(papers), TARGET)

    lines = [(one.posting.budget_line, one.posting.to_line) for one in reading.documents]
    assert lines == [("01", None), ("1E5", None), ("01", "1E5")]
    assert papers[-1][0]["from_line"] == "'01"


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@a", "＝1", "'a'", " a", "a ", " ", "#N/A", 'a"b', "a,b;c", "007",
        *TAKEN, "_x000D_", "_x005f_x000d_", "a_x0041_x0042_", "_x0000_", "_xD83D_", "a_x12_",
    ],
)  # fmt: skip
def test_a_text_comes_back_as_it_was_and_is_no_formula(text: str, write: Any) -> None:
    assert safe(text)[0] not in "=+-@＝#"
    (document,) = EXPORTER.document(posted("commitment", party=text))
    reading = BackDated(CATALOGUE).read(read_back([document], write), TARGET)
    assert [one.posting.party for one in reading.documents] == [text]


def test_the_year_begins_with_what_is_carried_forward_and_what_is_appropriated() -> None:
    balances = [(1110101, Decimal("5.00")), (3110101, Decimal("-5.00"))]
    papers = list(EXPORTER.beginning(2569, balances, {"B01": Decimal("9.00")}))
    reading = BackDated(CATALOGUE).read(read_back(papers), TARGET)
    assert reading.problems == []
    assert [one.posting.date for one in reading.documents] == ["2025-10-01"] * 2
    assert reading.documents[0].posting.debits == ["5.00", "0.00"]
    assert reading.documents[1].need == Decimal("-9.00")


def test_every_kind_of_document_is_thought_of() -> None:
    """What waits with lines is divided evenly over them; a voucher of all accounts has room."""
    for kind in CATALOGUE.kinds.values():
        if kind.is_open and kind.imported_as:
            assert {line.amount for line in kind.lines} <= {"amount"}
        words = (f"{kind.name}-2569-9999999999-settled", kind.imported_as)
        assert len(words[0]) <= REFERENCE_LENGTH_MAX
    assert len(CATALOGUE.chart) <= LINES_MAX


def test_a_part_of_any_content_is_never_more_than_an_upload_takes() -> None:
    paper = posted("commitment", party="=" + "😀" * (TEXT_LENGTH_MAX - 1), number=2**31 - 1,
                   amount=Decimal("9999999999999.99"), budget_line="ก" * 12)  # fmt: skip
    row = next(EXPORTER.document(paper))
    column = max(kind.imported_as for kind in CATALOGUE.kinds.values())
    sizes = []
    for rows in ([], [row[0]], [{**row[0], "kind": column, "payee": "'" + '"' * TEXT_LENGTH_MAX}]):
        out = BytesIO()
        write_csv(EXPORTER.columns, rows, out)
        sizes.append(len(out.getvalue()))
    row_bytes_max = max(sizes) - sizes[0]

    assert PART_ROWS + LINES_MAX <= ROWS_MAX
    assert sizes[0] + (PART_ROWS + LINES_MAX) * row_bytes_max <= FILE_SIZE_MAX
    assert -(-CITY_LINES // PART_ROWS) == 12


def test_parts_divide_between_documents_and_lose_none() -> None:
    papers: list[list[Cells]] = [
        [{"reference": str(number)}] * (1 + number % 3) for number in range(PART_ROWS)
    ]
    parts = [list(part_of(papers, part)) for part in range(5)]
    whole = [row for rows in papers for row in rows]
    numbers = [{row["reference"] for row in part} for part in parts[1:]]

    assert parts[0] == whole
    assert [row for part in parts[1:] for row in part] == whole
    assert [bool(part) for part in parts[1:]] == [True, True, False, False]
    assert numbers[0].isdisjoint(numbers[1])
    assert PART_ROWS <= len(parts[1]) <= PART_ROWS + LINES_MAX


def test_an_early_part_is_read_no_further_than_it_goes() -> None:
    endless = iter(lambda: [{"reference": "r"}], None)
    assert len(list(islice(part_of(endless, 2), PART_ROWS + 1))) == PART_ROWS  # type: ignore[arg-type]
