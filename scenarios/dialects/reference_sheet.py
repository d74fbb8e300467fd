"""A file of back-dated papers as the reference interface takes it: CSV as offices save it.

Blocks are written once for each variant and only marked anew for each file. The variants differ in
what differs between offices: encoding, delimiter, how a day is written.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import StringIO
from typing import Final

from scenarios.dialects.bodies import Upload, multipart_body
from scenarios.dialects.reference_papers import baht
from scenarios.fiscal_calendar import BUDDHIST_OFFSET
from scenarios.journeys.backlog import (
    BLOCK,
    papers_of_block,
    reference_of_block,
    unsound_paper,
)
from scenarios.journeys.forms import (
    Advance,
    BackDatedBooks,
    BackDatedPayment,
    BudgetTransfer,
    Commitment,
    JournalVoucher,
    Paper,
    Receipt,
)

FILE_NAME: Final = "บัญชีย้อนหลัง.csv"
COLUMNS: Final = (
    "เลขที่เอกสาร", "ประเภท", "วันที่", "ช่องทาง", "ผู้ชำระเงิน", "ผู้รับเงิน", "ผู้ยืม", "คำอธิบาย",
    "รหัสงบประมาณ", "โอนจาก", "โอนไป", "จำนวนเงิน", "ภาษีหัก ณ ที่จ่าย", "รหัสบัญชี", "เดบิต", "เครดิต",
)  # fmt: skip
# Stands in a block where the beginning of each reference comes; no text of a paper holds it.
_MARK: Final = "\x01"
_MONTHS: Final = (
    "ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.",
)  # fmt: skip
Cells = dict[str, str]


def _slashes(year: int, month: int, day: int) -> str:
    return f"{day}/{month}/{year}"


def _dashes(year: int, month: int, day: int) -> str:
    return f"{year}-{month:02d}-{day:02d}"


def _words(year: int, month: int, day: int) -> str:
    return f"{day} {_MONTHS[month - 1]} {year}"


# Encoding, delimiter and day of each variant.
_MANNERS: Final[tuple[tuple[str, str, Callable[[int, int, int], str]], ...]] = (
    ("utf-8", ",", _slashes),
    ("cp874", ";", _words),
    ("utf-8", "\t", _dashes),
)


def upload_body(form: BackDatedBooks) -> tuple[str, bytes]:
    """Return (content type, body) of the upload of *form*."""
    upload = Upload(name=FILE_NAME, content=sheet(form), content_type="text/csv")
    return multipart_body((("file", upload),))


def sheet(form: BackDatedBooks) -> bytes:
    """Return the file's content; the same form gives the same bytes."""
    encoding, _, _ = _MANNERS[form.variant]
    rows, ends = _block(form.variant, form.months)
    pieces = [b"\xef\xbb\xbf" if encoding == "utf-8" else b"", _header(form.variant)]
    sound = form.documents - (not form.is_sound)
    for first in range(0, sound, BLOCK):
        count = min(BLOCK, sound - first)
        mark = reference_of_block(form, first // BLOCK).encode()
        pieces.append(rows[: ends[count]].replace(_MARK.encode(), mark))
    if not form.is_sound:
        number, place = divmod(sound, BLOCK)
        text = _text(form.variant, _rows(form.variant, unsound_paper(form), place))
        pieces.append(text.replace(_MARK, reference_of_block(form, number)).encode(encoding))
    return b"".join(pieces)


@lru_cache(maxsize=len(_MANNERS))
def _header(variant: int) -> bytes:
    encoding, delimiter, _ = _MANNERS[variant]
    return (delimiter.join(COLUMNS) + "\r\n").encode(encoding)


@lru_cache(maxsize=len(_MANNERS))
def _block(variant: int, months: tuple[str, ...]) -> tuple[bytes, tuple[int, ...]]:
    """Return a block's rows, and where the rows of its first n papers end."""
    encoding, _, _ = _MANNERS[variant]
    content, ends = bytearray(), [0]
    for place, paper in enumerate(papers_of_block(variant, months)):
        content += _text(variant, _rows(variant, paper, place)).encode(encoding)
        ends.append(len(content))
    return bytes(content), tuple(ends)


def _text(variant: int, rows: Iterator[Cells]) -> str:
    text = StringIO()
    csv.DictWriter(text, COLUMNS, delimiter=_MANNERS[variant][1]).writerows(rows)
    return text.getvalue()


def _rows(variant: int, paper: Paper, place: int) -> Iterator[Cells]:
    year, month, day = map(int, paper.date.split("-"))
    write_day = _MANNERS[variant][2]
    kind, cells, lines = _cells(paper)
    first = {
        "เลขที่เอกสาร": f"{_MARK}{place:03d}", "ประเภท": kind,
        "วันที่": write_day(year + BUDDHIST_OFFSET, month, day),
    }  # fmt: skip
    yield first | cells | lines[0]
    for line in lines[1:]:
        yield {"เลขที่เอกสาร": first["เลขที่เอกสาร"]} | line


def _cells(paper: Paper) -> tuple[str, Cells, list[Cells]]:
    """Return the kind, the cells of the first row, and the cells of each row's line."""
    match paper:
        case Receipt():
            lines = [{"รหัสบัญชี": a, "จำนวนเงิน": baht(amount)} for a, amount in paper.lines]
            return "ใบเสร็จรับเงิน", {"ช่องทาง": paper.channel, "ผู้ชำระเงิน": paper.payer}, lines
        case BackDatedPayment():
            tax = baht(paper.withholding_tax_satang)
            return "ฎีกาที่จ่ายแล้ว", _bill(paper) | {"ภาษีหัก ณ ที่จ่าย": tax}, [{}]
        case Commitment():
            return "ก่อหนี้ผูกพัน", _bill(paper), [{}]
        case Advance():
            amount = baht(paper.amount_satang)
            return "เงินยืม", {"ผู้ยืม": paper.borrower, "จำนวนเงิน": amount}, [{}]
        case BudgetTransfer():
            cells = {"โอนจาก": paper.from_line, "โอนไป": paper.to_line}
            return "โอนงบประมาณ", cells | {"จำนวนเงิน": baht(paper.amount_satang)}, [{}]
        case JournalVoucher():
            lines = [
                {"รหัสบัญชี": account, "เดบิต": baht(debit)}
                if debit
                else {"รหัสบัญชี": account, "เครดิต": baht(credit)}
                for account, debit, credit in paper.lines
            ]
            return "ใบผ่านรายการบัญชี", {"คำอธิบาย": paper.description}, lines


def _bill(paper: BackDatedPayment | Commitment) -> Cells:
    return {
        "รหัสงบประมาณ": paper.budget_line, "ผู้รับเงิน": paper.payee,
        "จำนวนเงิน": baht(paper.amount_satang),
    }  # fmt: skip
