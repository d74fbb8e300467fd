"""Months of history in a small country: sound, as if posted, and postings go on after them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet as pq
import pytest

from harness.final_reads import read_auditor_token, read_books
from harness.targets.embedded import EmbeddedOptions, start_embedded
from reference_app.problems import BadSettings
from scenarios.dialects import load_dialect
from scenarios.population import build_population
from tests.integration.ledger_client import (
    BUSINESS_DATE,
    CENTRE,
    OTHER,
    PAO,
    SAO,
    Country,
    fill_country,
    person,
    serving,
)

HISTORY_DATE = "2026-01-05"  # October and November are closed, December is open
DOCUMENTS_OF_SAO = 362  # a month
WEIGHT_OF_PAO = 15


async def filled(country: Country) -> Country:
    """Fill with two months of history."""
    return await fill_country(
        country.settings.database_url, country.folder, business_date=HISTORY_DATE, history=2
    )


async def test_history_keeps_every_invariant_and_its_months_are_closed(country: Country) -> None:
    async with serving(await filled(country)) as client:
        violations = await client.violations()
        closed = await client.sql("SELECT DISTINCT closed_through FROM ledger.book")
        counts = dict(await client.sql("SELECT unit, count(*) FROM ledger.document GROUP BY unit"))
        periods = await client.sql("SELECT DISTINCT period FROM ledger.line WHERE unit = $1", SAO)
        left_over = await client.sql("SELECT FROM pg_class WHERE relname LIKE 'pattern%'")
        late = await client.receipt(date="2025-11-28")

    assert violations == {}
    assert [row["closed_through"] for row in closed] == [202511]
    assert counts[SAO] == counts[OTHER] == 1 + 2 * DOCUMENTS_OF_SAO
    assert counts[PAO] == 1 + 2 * WEIGHT_OF_PAO * DOCUMENTS_OF_SAO
    assert 0 < counts[CENTRE] < counts[SAO] / 5
    assert {row["period"] for row in periods} == {202510, 202511}
    assert left_over == []
    assert (late.status, late.code) == (409, "period-closed")


async def test_books_of_history_read_like_posted_ones(country: Country) -> None:
    async with serving(await filled(country)) as client:
        books = await client.books()
    documents, balance = books["documents"], books["trial_balance"]
    assert all(d["fiscal_year"] == 2569 and d["key"] is None for d in documents)
    assert [d["document"] for d in documents] == sorted(d["document"] for d in documents)
    assert [d["date"] for d in documents] == sorted(d["date"] for d in documents)
    for period in ("2025-10", "2025-11"):
        rows = [row for row in balance if row["period"] == period]
        assert sum(Decimal(r["debit"]) for r in rows) == sum(Decimal(r["credit"]) for r in rows) > 0
    for line in books["budget"]:
        assert Decimal(line["remaining"]) > 0
        assert Decimal(line["paid"]) > 0
        assert Decimal(line["committed"]) > 0
    assert sum(Decimal(line["transferred"]) for line in books["budget"]) == 0
    assert {d["status"] for d in documents if d["kind"] == "disbursement_request"} == {"paid"}
    assert {d["status"] for d in documents if d["kind"] == "advance_request"} == {"granted"}
    assert {d["status"] for d in documents if d["kind"] == "advance"} == {"cleared"}


async def test_the_people_of_a_unit_took_the_steps_or_those_of_the_unit_above_it(
    country: Country,
) -> None:
    async with serving(await filled(country)) as client:
        rows = await client.sql(
            "SELECT DISTINCT unit, people FROM ledger.workflow WHERE status = 'paid'"
        )
        people = {row["unit"]: row["people"] for row in rows}
    roles = ("checker", "approver", "director")
    assert people[SAO] == [person(SAO, role) for role in ("clerk", *roles)]
    assert people[CENTRE] == [CENTRE * 1000 + 1, *(person(SAO, role) for role in roles)]


async def test_postings_go_on_with_the_next_numbers(country: Country) -> None:
    async with serving(await filled(country)) as client:
        receipt = await client.receipt(date="2025-12-15")
        request = await client.request_payment(date="2025-12-15")
        steps = [
            await client.post(
                f"/units/{SAO}/disbursement-requests/{request.body['document']}/{name}",
                person(SAO, role),
                {"date": "2025-12-16", "method": "cheque"} if name == "pay" else {},
            )
            for name, role in (("check", "checker"), ("approve", "approver"), ("pay", "director"))
        ]
        old = await client.sql(
            "SELECT min(document) AS document FROM ledger.document "
            "WHERE unit = $1 AND kind = 'payment'", SAO
        )  # fmt: skip
        reversal = await client.post(
            f"/units/{SAO}/documents/{old[0]['document']}/reverse",
            person(SAO, "approver"),
            {"date": "2025-12-17", "reason": "จ่ายผิดราย"},
        )
        close = await client.post(f"/units/{SAO}/periods/2025-12/close", person(SAO, "director"))
        violations = await client.violations()

    assert receipt.body["number"] == 2 * 80 + 1
    assert receipt.body["document"] == SAO * 10_000_000 + 1 + 2 * DOCUMENTS_OF_SAO + 1
    assert request.body["number"] == 2 * 100 + 1
    assert [answer.status for answer in steps] == [201, 201, 201]
    assert steps[-1].body["number"] == 2 * 100 + 1
    assert reversal.status == 201
    assert close.status == 201
    assert violations == {}


@pytest.mark.slow
async def test_a_whole_year_in_the_books_is_posted_to_and_closed(country: Country) -> None:
    await fill_country(
        country.settings.database_url, country.folder, business_date="2026-09-28", history=12
    )
    director = person(SAO, "director")
    async with serving(country) as client:
        receipt = await client.receipt(date="2026-09-28")
        august = await client.post(f"/units/{SAO}/periods/2026-08/close", director)
        year = await client.post(f"/units/{SAO}/fiscal-years/2569/close", director)
        balance = await client.get(
            f"/units/{SAO}/reports/trial-balance?period=2026-09", person(SAO, "clerk")
        )
        violations = await client.violations()

    assert receipt.body["number"] == 12 * 80 + 1
    assert (august.status, year.status) == (201, 201), (august.body, year.body)
    closing = {row["account"]: row["closing"] for row in balance.body["accounts"]}
    assert {amount for account, amount in closing.items() if account >= "4"} == {"0.00"}
    assert violations == {}


async def test_two_fills_give_the_same_books(country: Country) -> None:
    async def content() -> list[Any]:
        await filled(country)
        connection = await asyncpg.connect(country.settings.database_url)
        try:
            return [
                await connection.fetch(statement)
                for statement in (
                    "SELECT * FROM ledger.book ORDER BY unit",  # the heads hold every document
                    "SELECT * FROM ledger.balance ORDER BY unit, period, account",
                    "SELECT * FROM ledger.budget_line ORDER BY unit, budget_line",
                    "SELECT * FROM ledger.counter ORDER BY unit, kind",
                    "SELECT * FROM ledger.workflow ORDER BY unit, document",
                )
            ]
        finally:
            await connection.close()

    assert await content() == await content()


async def test_history_that_the_fiscal_year_does_not_hold_is_refused_before_anything_is_dropped(
    country: Country,
) -> None:
    with pytest.raises(BadSettings, match="--history 3: 2 months of fiscal year 2569"):
        await fill_country(
            country.settings.database_url,
            country.folder,
            business_date=BUSINESS_DATE,
            history=3,
        )
    async with serving(country) as client:
        assert await client.sql("SELECT FROM ledger.book") != []


def test_the_harness_reads_the_history_of_an_embedded_target(tmp_path: Path) -> None:
    """Without coroutine: the reader brings a loop of its own."""
    population = build_population(scale=0.003)
    target = start_embedded(
        EmbeddedOptions(
            population=population, business_date=BUSINESS_DATE, workers=1, history_months=1
        ),
        say=lambda _: None,
    )
    try:
        report = read_books(
            url=target.url,
            token=read_auditor_token(target.sessions_csv) or "",
            dialect=load_dialect("reference"),
            population=population,
            fiscal_year=2569,
            into=tmp_path,
        )
    finally:
        target.stop()
    assert report.incomplete_count == 0
    documents = pq.read_table(tmp_path / "documents.parquet")
    assert documents.num_rows > 25 * DOCUMENTS_OF_SAO  # Pattaya is in every scale
    lines = pq.read_table(tmp_path / "lines.parquet")
    assert lines.num_rows == documents["line_count"].to_numpy().sum()
    debit, credit = (lines[side].to_numpy().sum() for side in ("debit_satang", "credit_satang"))
    assert debit == credit > 0
