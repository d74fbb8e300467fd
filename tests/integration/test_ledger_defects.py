"""Each seeded defect does what its line in the catalogue says, and nothing else is wrong."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import pytest

from reference_app.defects.catalogue import DEFECTS, read_doses
from reference_app.problems import BadSettings
from tests.integration.ledger_client import (
    OTHER,
    PAO,
    RECEIPT,
    SAO,
    Country,
    fill_country,
    person,
    serving,
)


@pytest.fixture(autouse=True)
def _fresh_books(country: Country) -> None:
    asyncio.run(fill_country(country.settings.database_url, country.folder))


def numbers(books: Any, kind: str) -> list[int]:
    return [d["number"] for d in books["documents"] if d["kind"] == kind]


async def test_m01_acknowledges_what_it_loses(country: Country) -> None:
    async with serving(country, defects="M01:1") as client:
        answer = await client.receipt()
        books = await client.books()
        violations = await client.violations()

    assert answer.status == 201
    assert numbers(books, "receipt") == []
    assert violations == {}


async def test_m02_posts_again_when_a_key_is_repeated(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country, defects="M02") as client:
        first, second = await client.receipt(key=key), await client.receipt(key=key)
        altered = await client.receipt(key=key, payer="somebody else")
        books = await client.books()
        violations = await client.violations()

    assert (first.status, second.status, altered.status) == (201, 201, 422)
    assert [first.body["number"], second.body["number"]] == numbers(books, "receipt") == [1, 2]
    assert [d["key"] for d in books["documents"]] == [None, str(key), str(key)]
    assert set(violations) == {"audit_trail"}


async def test_m03_stores_a_document_that_does_not_balance(country: Country) -> None:
    async with serving(country, defects="M03:1") as client:
        posted = await client.receipt()
        books = await client.books()
        violations = await client.violations()

    lines = next(d["lines"] for d in books["documents"] if d["kind"] == "receipt")
    assert posted.status == 201
    assert sum(Decimal(line[1]) - Decimal(line[2]) for line in lines) == Decimal("0.02")
    assert set(violations) == {"document_balances", "period_balances", "audit_trail"}


async def test_m04_serves_the_books_of_another_unit(country: Country) -> None:
    path = f"/units/{OTHER}/books?fiscal_year=2569"
    async with serving(country, defects="M04") as client:
        read = await client.get(path, person(SAO, "clerk"))
        write = await client.post(f"/units/{OTHER}/receipts", person(SAO, "clerk"), RECEIPT)

    assert read.status == 200
    assert read.body["unit"] == OTHER
    assert write.status == 403


async def test_m05_posts_into_a_closed_period(country: Country) -> None:
    async with serving(country, defects="M05") as client:
        late = await client.receipt(date="2025-10-20")
        next_year = await client.receipt(date="2026-10-20")
        violations = await client.violations()

    assert late.status == 201
    assert next_year.status == 409
    assert set(violations) == {"closed_as_answered"}


async def test_m06_sheds_what_it_executed(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country, defects="M06:1") as client:
        shed = await client.receipt(key=key)
        books = await client.books()
        again = await client.receipt(key=key)

    assert (shed.status, shed.code) == (503, "shed")
    assert "Retry-After" in shed.headers
    assert [d["key"] for d in books["documents"]] == [None, str(key)]
    assert again.status == 201


async def test_m07_leaves_gaps_in_the_numbers(country: Country) -> None:
    async with serving(country, defects="M07:1") as client:
        posted = [(await client.receipt()).body["number"] for _ in range(3)]
        violations = await client.violations()

    assert posted == [1, 3, 5]
    assert set(violations) == {"numbers_gapless"}


async def test_m08_overspends_the_budget(country: Country) -> None:
    async with serving(country, defects="M08") as client:
        posted = await client.request_payment(amount="50000000.01")
        violations = await client.violations()

    assert posted.status == 201
    assert set(violations) == {"budget_negative"}


async def test_m09_edits_a_closed_period_in_place(country: Country) -> None:
    async with serving(country, defects="M09:1") as client:
        before = await client.books(PAO)
        await client.receipt(PAO)
        after = await client.books(PAO)
        violations = await client.violations()

    opening = [
        next(d for d in books["documents"] if d["kind"] == "opening") for books in (before, after)
    ]
    assert opening[0]["period"] == "2025-10"
    assert opening[0]["lines"] != opening[1]["lines"]
    assert Decimal(opening[1]["gross"]) - Decimal(opening[0]["gross"]) == 1
    assert set(violations) == {"audit_trail"}


async def test_m10_lets_the_trial_balance_drift(country: Country) -> None:
    async with serving(country, defects="M10:1") as client:
        await client.receipt()
        violations = await client.violations()
        books = await client.books()

    december = [row for row in books["trial_balance"] if row["period"] == "2025-12"]
    assert set(violations) == {"trial_balance_is_lines", "cash_is_its_documents"}
    assert sum(Decimal(row["debit"]) - Decimal(row["credit"]) for row in december) != 0


async def test_defects_of_the_posting_function_come_together(country: Country) -> None:
    every = ",".join(f"{name}:0" for name in DEFECTS)
    async with serving(country, defects=every) as client:
        version = await client.get("/version")
        posted = await client.receipt()
        late = await client.receipt(date="2025-10-20")
        over = await client.request_payment(amount="50000000.01")
        foreign = await client.get(f"/units/{OTHER}/overview", person(SAO, "clerk"))
        violations = await client.violations()

    assert version.body["defects"] == [f"{name}:0" for name in sorted(DEFECTS)]
    assert [a.status for a in (posted, late, over, foreign)] == [201, 409, 422, 403]
    assert violations == {}


@pytest.mark.parametrize("text", ["M99", "M01:many", "M01:2", "M01:-1", "M01:nan"])
def test_a_wrong_list_of_defects_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="LEDGER_DEFECTS"):
        read_doses(text)


def test_doses_are_read_with_their_defaults() -> None:
    doses = {defect.id: dose for defect, dose in read_doses("M04, M01:0.5,")}

    assert doses == {"M01": 0.5, "M04": 1.0}
