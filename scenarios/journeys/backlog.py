"""Half a year's books kept by hand, handed in as one file: which papers it holds, and the journeys.

Files are made of blocks of a thousand papers that are drawn once for each variant, because a city's
file has 43,000 and the load must not wait while they are drawn; what makes a file its own is the
mark in front of its references. The key of each document in the books is the UUID version 5 of its
reference within the file's own key (RFC 9562), so that the history knows every document of a file.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.records import OPERATION_DTYPE, Outcome
from scenarios.demand import ACTIVITY_BY_NAME
from scenarios.journeys.forms import (
    BUDGET_LINES,
    MATERIALS_EXPENSE,
    PAYABLES,
    REVENUE_ACCOUNTS,
    UTILITIES_EXPENSE,
    Advance,
    BackDatedBooks,
    BackDatedPayment,
    BudgetTransfer,
    Commitment,
    JournalVoucher,
    Paper,
    Receipt,
    effect_of,
)
from scenarios.journeys.person import PAYEES, Person
from scenarios.journeys.vocabulary import Draw, Journey, Step, Visit

BLOCK: Final = 1000
VARIANTS: Final = 3
MONTHS_MAX: Final = 6
# Papers of each kind in a block: those of a month (facts/domain.md §4.3), a paid request as one.
_MIX: Final = (
    (Receipt, 310), (BackDatedPayment, 390), (Commitment, 155), (Advance, 30),
    (JournalVoucher, 95), (BudgetTransfer, 20),
)  # fmt: skip
# Small, so that the largest file leaves every budget line room for the ordinary work [estimated].
_AMOUNT_SATANG: Final = 4_000_00
_EXTRA_POLLS_MAX: Final = 300
_EXTRA_POLL_AFTER_S: Final = 2.0
_POLLS: Final = len(ACTIVITY_BY_NAME["import_backlog"].operations) - 1
Records = npt.NDArray[np.void]


def months_of_backlog(date: str) -> tuple[str, ...]:
    """Return the months (YYYY-MM) of the fiscal year before that of *date* (ISO), at most six."""
    year, month = int(date[:4]), int(date[5:7])
    passed = (month - 10) % 12 or 1
    first = year * 12 + month - 1 - passed
    months = range(first, first + min(passed, MONTHS_MAX))
    return tuple(f"{number // 12}-{number % 12 + 1:02d}" for number in months)


@lru_cache(maxsize=VARIANTS)
def papers_of_block(variant: int, months: tuple[str, ...]) -> tuple[Paper, ...]:
    """Return the thousand papers of a block, the kinds and months well mixed."""
    draw = Draw(variant)
    kinds = [kind for kind, count in _MIX for _ in range(count)]
    order = sorted(range(BLOCK), key=lambda _: draw.bits())
    return tuple(
        _paper(kinds[place], f"{months[number % len(months)]}-{1 + draw.below(28):02d}", draw)
        for number, place in enumerate(order)
    )


def _paper(kind: type[Paper], date: str, draw: Draw) -> Paper:
    amount_satang = draw.amount_satang(_AMOUNT_SATANG)
    line = draw.below(len(BUDGET_LINES))
    party = PAYEES[draw.below(len(PAYEES))]
    if kind is Receipt:
        account = REVENUE_ACCOUNTS[draw.below(len(REVENUE_ACCOUNTS))]
        channel = "bank" if draw.below(2) else "cash"
        return Receipt(date=date, channel=channel, payer=party, lines=((account, amount_satang),))
    if kind is BackDatedPayment:
        return BackDatedPayment(
            date=date, budget_line=BUDGET_LINES[line], payee=party, amount_satang=amount_satang,
            withholding_tax_satang=amount_satang // 100,
        )  # fmt: skip
    if kind is Commitment:
        return Commitment(
            date=date, budget_line=BUDGET_LINES[line], payee=party, amount_satang=amount_satang
        )
    if kind is Advance:
        return Advance(date=date, borrower=party, amount_satang=amount_satang)
    if kind is BudgetTransfer:
        return BudgetTransfer(
            date=date, from_line=BUDGET_LINES[line], amount_satang=amount_satang,
            to_line=BUDGET_LINES[(line + 1) % len(BUDGET_LINES)],
        )  # fmt: skip
    other_satang = draw.amount_satang(_AMOUNT_SATANG)
    lines = (
        (MATERIALS_EXPENSE, amount_satang, 0),
        (UTILITIES_EXPENSE, other_satang, 0),
        (PAYABLES, 0, amount_satang + other_satang),
    )
    return JournalVoucher(date=date, description="ตั้งค้างจ่าย", lines=lines)


def reference_of_block(form: BackDatedBooks, number: int) -> str:
    """Return what the references of block *number* begin with; the place in it follows."""
    return f"{form.mark}-{number:03d}"


def unsound_paper(form: BackDatedBooks) -> JournalVoucher:
    """Return the voucher that does not balance and so spoils a whole file; it stands last."""
    lines = ((MATERIALS_EXPENSE, 100_00, 0), (PAYABLES, 0, 90_00))
    return JournalVoucher(date=f"{form.months[-1]}-01", description="ไม่ลงตัว", lines=lines)


def paper_records(form: BackDatedBooks, key: tuple[int, int]) -> Records:
    """Return an operation record for each paper of the file, with its effect and key; OPEN."""
    block = _block_records(form.variant, form.months)
    whole = np.tile(block, -(-form.documents // BLOCK))[: form.documents]
    if not form.is_sound:
        whole[-1:] = _records((unsound_paper(form),))
    whole["key_high"], whole["key_low"] = _document_keys(form, key)
    return whole


@lru_cache(maxsize=VARIANTS)
def _block_records(variant: int, months: tuple[str, ...]) -> Records:
    return _records(papers_of_block(variant, months))


def _records(papers: tuple[Paper, ...]) -> Records:
    records = np.zeros(len(papers), dtype=OPERATION_DTYPE)
    records["number"] = -1
    records["outcome"] = Outcome.OPEN
    for row, paper in enumerate(papers):
        effect = effect_of(paper)
        for column in (
            "kind", "period", "gross_satang", "cash_delta_satang", "cash_account",
            "budget_delta_satang", "budget_line",
        ):  # fmt: skip
            records[column][row] = getattr(effect, column)
    return records


def _document_keys(form: BackDatedBooks, key: tuple[int, int]) -> tuple[Any, Any]:
    namespace = sha1(key[0].to_bytes(8, "big") + key[1].to_bytes(8, "big"), usedforsecurity=False)
    digests = bytearray()
    for first in range(0, form.documents, BLOCK):
        start = namespace.copy()
        start.update(reference_of_block(form, first // BLOCK).encode())
        for place in range(min(BLOCK, form.documents - first)):
            name = start.copy()
            name.update(b"%03d" % place)
            digests += name.digest()[:16]
    halves = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    high = (halves[:, 0] & ~np.uint64(0xF000)) | np.uint64(0x5000)
    low = (halves[:, 1] & ~np.uint64(3 << 62)) | np.uint64(2 << 62)
    return high, low


class Importer(Person):
    """The finance director, who answers for what is handed in."""

    __slots__ = ()

    def books(self, *, is_sound: bool = True) -> BackDatedBooks:
        """Return the unit's books of the months that have passed."""
        visit = self.visit
        return BackDatedBooks(
            months=months_of_backlog(visit.day.date),
            documents=max(1, visit.documents),
            variant=visit.seed % VARIANTS,
            mark=f"{visit.seed & 0xFFFFFFFF:08x}",
            is_sound=is_sound,
        )

    def look_how_far(self, upload: Step, location: str, operation: str = "view_import") -> Step:
        """Ask what became of *upload*."""
        return Step(
            operation=operation, account=self.account, unit=self.unit, location=location,
            settles=upload,
        )  # fmt: skip


def import_backlog(visit: Visit) -> Journey:
    """Hand the file in and look again and again how far it is, to the end and a little longer."""
    director = Importer(visit, visit.crew.director)
    upload = director.hand_in("upload_books", director.books())
    received = yield upload
    if not received.is_ok:
        return
    for _ in range(_POLLS):
        seen = yield director.look_how_far(upload, received.location)
    # Whoever has waited so long waits for the end; the judge must know how it ended.
    for _ in range(_EXTRA_POLLS_MAX):
        if seen.settled is not Outcome.INDEFINITE:
            return
        again = director.look_how_far(upload, received.location)
        seen = yield again._replace(is_extra=True, after_s=_EXTRA_POLL_AFTER_S)


def import_malformed(visit: Visit) -> Journey:
    """Hand in a file of which one row is wrong; it must be refused and leave nothing behind."""
    director = Importer(visit, visit.crew.director)
    upload = director.hand_in("upload_malformed_books", director.books(is_sound=False))
    received = yield upload
    if not received.is_ok:
        return
    for _ in range(_POLLS - 1):
        yield director.look_how_far(upload, received.location)
    yield director.look_how_far(upload, received.location, "view_refused_import")
