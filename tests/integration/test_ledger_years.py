"""A period reopened with a reason, a year closed for good, the next one begun, and the trail."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
import pytest

from tests.integration.ledger_client import (
    AUDITOR,
    OTHER,
    SAO,
    VIEWER,
    Answer,
    Client,
    Country,
    fill_country,
    person,
    serving,
)

DIRECTOR = person(SAO, "director")


@pytest.fixture(autouse=True)
def _fresh_books(country: Country) -> None:
    asyncio.run(fill_country(
        country.settings.database_url, country.folder, business_date="2026-09-28"
    ))  # fmt: skip


async def close(client: Client, period: str) -> Answer:
    return await client.post(f"/units/{SAO}/periods/{period}/close", DIRECTOR)


async def reopen(client: Client, period: str, date: str, reason: str = "แก้ไขรายการ") -> Answer:
    path = f"/units/{SAO}/periods/{period}/reopen"
    return await client.post(path, DIRECTOR, {"date": date, "reason": reason})


async def year(client: Client, which: int, action: str) -> Answer:
    return await client.post(f"/units/{SAO}/fiscal-years/{which}/{action}", DIRECTOR)


async def receipt(client: Client, date: str) -> Answer:
    return await client.receipt(date=date)


async def test_only_the_last_closed_period_is_reopened_and_the_reason_stands_in_the_books(
    country: Country,
) -> None:
    async with serving(country) as client:
        late = await receipt(client, "2026-07-15")
        earlier = await reopen(client, "2026-06", "2026-06-30")
        other_day = await reopen(client, "2026-07", "2026-08-01")
        no_reason = await reopen(client, "2026-07", "2026-07-31", reason="")
        opened = await reopen(client, "2026-07", "2026-07-31")
        again = await reopen(client, "2026-07", "2026-07-31")
        in_time = await receipt(client, "2026-07-15")
        out_of_order = await close(client, "2026-08")
        closed = [await close(client, period) for period in ("2026-07", "2026-08")]
        books = await client.books()
        violations = await client.violations()

    assert (late.status, late.code) == (409, "period-closed")
    assert [a.status for a in (earlier, other_day, no_reason)] == [409, 422, 422]
    assert opened.status == 201
    assert opened.body["kind"] == "period_reopening"
    assert again.status == 409
    assert in_time.status == 201
    assert out_of_order.status == 409
    assert [answer.status for answer in closed] == [201, 201]
    assert [d["kind"] for d in books["documents"]].count("period_reopening") == 1
    assert violations == {}


async def test_the_year_is_closed_into_the_accumulated_fund_and_the_next_opens_as_it_closed(
    country: Country,
) -> None:
    async with serving(country) as client:
        await receipt(client, "2026-09-01")
        await client.post(
            f"/units/{SAO}/journal-vouchers", person(SAO, "clerk"),
            {"date": "2026-09-02", "description": "x", "lines": [
                {"account": "5310101", "debit": "30.00"},
                {"account": "2110101", "credit": "30.00"}]},
        )  # fmt: skip
        too_early = await year(client, 2569, "close")
        await close(client, "2026-08")
        opened = await year(client, 2570, "open")
        too_far = await year(client, 2572, "open")
        twice = await year(client, 2570, "open")
        october = await receipt(client, "2026-10-01")
        closed = await year(client, 2569, "close")
        again = await year(client, 2569, "close")
        late = await receipt(client, "2026-09-30")
        reopened = await reopen(client, "2026-09", "2026-09-30")
        trial = await client.get(
            f"/units/{SAO}/reports/trial-balance?period=2026-10", person(SAO, "clerk")
        )
        budget = await client.get(f"/units/{SAO}/budget", person(SAO, "clerk"))
        violations = await client.violations()
        document = await client.get(
            f"/units/{SAO}/documents/{closed.body['document']}", person(SAO, "clerk")
        )

    assert (too_early.status, opened.status, too_far.status, twice.status) == (409, 201, 409, 409)
    assert opened.body == {"fiscal_year": 2570, "status": "open"}
    assert october.status == 201
    assert closed.status == 201
    assert [
        (line["account"], line["debit"], line["credit"]) for line in document.body["lines"]
    ] == [
        ("4110101", "100.25", "0.00"),
        ("4210101", "5.00", "0.00"),
        ("5310101", "0.00", "30.00"),
        ("3110101", "0.00", "75.25"),
    ]
    assert [a.status for a in (again, late, reopened)] == [409, 409, 409]
    opening = {row["account"]: Decimal(row["opening"]) for row in trial.body["accounts"]}
    assert opening["4110101"] == opening["5310101"] == 0
    assert sum(opening.values()) == 0
    assert budget.body["fiscal_year"] == 2570
    assert {line["appropriated"] for line in budget.body["lines"]} == {"0.00"}
    assert violations == {}


async def test_a_new_year_begins_with_its_ordinance(country: Country) -> None:
    async with serving(country) as client:
        await close(client, "2026-08")
        await year(client, 2570, "open")
        await year(client, 2569, "close")
        body = {"date": "2026-10-01", "budget_line": "B03", "amount": "1000.00", "description": "x"}
        poor = await client.request_payment(date="2026-10-02")
        ordinance = await client.post(f"/units/{SAO}/budget-ordinances", DIRECTOR, body)
        rich = await client.request_payment(date="2026-10-02")
        more = await client.request_payment(
            date="2026-10-02", amount="0.01", withholding_tax="0.00"
        )
        path = f"/units/{SAO}/supplementary-budgets"
        added = await client.post(path, DIRECTOR, {**body, "amount": "0.01"})
        then = await client.request_payment(
            date="2026-10-02", amount="0.01", withholding_tax="0.00"
        )
        violations = await client.violations()

    assert [a.status for a in (poor, ordinance, rich, more, added, then)] == [
        422, 201, 201, 422, 201, 201
    ]  # fmt: skip
    assert violations == {}


async def test_what_one_year_reserved_is_not_paid_out_of_the_next(country: Country) -> None:
    async with serving(country) as client:
        await year(client, 2570, "open")
        request = await client.request_payment(date="2026-09-28")
        document = request.body["document"]
        for step, role in (("check", "checker"), ("approve", "approver")):
            await client.take(step, document, person(SAO, role))
        path = f"/units/{SAO}/disbursement-requests/{document}/pay"
        late, in_time = [
            await client.post(path, DIRECTOR, {"date": date, "method": "cheque"})
            for date in ("2026-10-01", "2026-09-30")
        ]
        violations = await client.violations()

    assert (late.status, late.code) == (422, "invalid")
    assert in_time.status == 201
    assert violations == {}


async def test_october_is_not_closed_before_the_old_year_is(country: Country) -> None:
    async with serving(country) as client:
        await year(client, 2570, "open")
        plainly = [await close(client, period) for period in ("2026-08", "2026-09", "2026-10")]
        not_yet = await year(client, 2569, "close")
        await reopen(client, "2026-09", "2026-09-30")
        closed = await year(client, 2569, "close")
        october = await close(client, "2026-10")

    assert [answer.status for answer in plainly] == [201, 201, 409]
    assert not_yet.status == 409
    assert (closed.status, october.status) == (201, 201)


async def test_a_year_close_under_postings_loses_none_of_them(country: Country) -> None:
    async with serving(country) as client, serving(country) as other:
        await close(client, "2026-08")
        answers = await asyncio.gather(
            *(receipt(worker, "2026-09-30") for worker in (client, other) * 20),
            year(client, 2569, "close"),
            *(receipt(worker, "2026-09-30") for worker in (client, other) * 20),
        )
        if answers[40].status == 409:  # the books moved meanwhile: one asks again
            answers.append(await year(client, 2569, "close"))
        violations = await client.violations()
        books = await client.books()

    posted = [a for a in answers if a.status == 201 and a.body["kind"] == "receipt"]
    assert {a.status for a in answers} <= {201, 409}
    assert len([d for d in books["documents"] if d["kind"] == "receipt"]) == len(posted)
    assert len([d for d in books["documents"] if d["kind"] == "year_close"]) == 1
    assert violations == {}


async def test_a_year_with_waiting_requests_is_not_closed(country: Country) -> None:
    async with serving(country) as client:
        await close(client, "2026-08")
        waiting = await client.request_payment(date="2026-09-02")
        refused = await year(client, 2569, "close")
        reversed_ = await client.post(
            f"/units/{SAO}/documents/{waiting.body['document']}/reverse", person(SAO, "approver"),
            {"date": "2026-09-03", "reason": "x"},
        )  # fmt: skip
        closed = await year(client, 2569, "close")
        violations = await client.violations()

    assert (refused.status, refused.code) == (409, "wrong-state")
    assert (reversed_.status, closed.status) == (201, 201)
    assert violations == {}


async def test_no_more_than_one_year_is_opened_ahead(country: Country) -> None:
    async with serving(country) as client:
        answers = [await year(client, which, "open") for which in (2570, 2571)]
        await close(client, "2026-08")
        await year(client, 2569, "close")
        answers.append(await year(client, 2571, "open"))

    assert [answer.status for answer in answers] == [201, 409, 201]


async def test_a_closer_of_another_unit_is_refused(country: Country) -> None:
    async with serving(country) as client:
        stranger, clerk = person(OTHER, "director"), person(SAO, "clerk")
        answers = [
            await client.post(f"/units/{SAO}/{path}", account, body)
            for account in (stranger, clerk)
            for path, body in (
                ("fiscal-years/2569/close", {}), ("fiscal-years/2570/open", {}),
                ("periods/2026-07/reopen", {"date": "2026-07-31", "reason": "x"}),
            )
        ]  # fmt: skip
        nonsense = [
            await client.post(f"/units/{SAO}/fiscal-years/{text}/close", DIRECTOR)
            for text in ("2026", "x", "-1", "9999", "0001", "๒๕๖๙")
        ]

    assert {answer.status for answer in answers} == {403}
    assert {answer.status for answer in nonsense} <= {404, 409, 422}


async def test_the_database_refuses_gaps_late_documents_and_touched_balances_whoever_asks(
    country: Country,
) -> None:
    copy = (
        "INSERT INTO ledger.document SELECT unit, document + 100, kind, fiscal_year, number + $2,"
        " $3, date, gen_random_uuid(), prepared_by, gross, amount, withholding_tax, budget_line,"
        " to_line, party, note, reference, status FROM ledger.document"
        " WHERE unit = $1 AND kind = 'receipt'"
    )
    async with serving(country) as client:
        await receipt(client, "2026-09-01")
        for step, period in ((2, 202609), (1, 202607)):
            with pytest.raises(asyncpg.CheckViolationError):
                await client.sql(copy, SAO, step, period)
        for statement in (
            "UPDATE ledger.balance SET debit = debit + 1 WHERE unit = $1",
            "DELETE FROM ledger.balance WHERE unit = $1",
        ):
            with pytest.raises(asyncpg.RestrictViolationError):
                await client.sql(statement, SAO)


@pytest.mark.parametrize(
    ("tables", "statement", "broken"),
    [
        ("line", "UPDATE ledger.line SET debit = debit * 2, credit = credit * 2"
         " WHERE unit = $1 AND document = $2", 2),
        ("document", "UPDATE ledger.document SET party = 'somebody' WHERE unit = $1"
         " AND document = $2", 2),
        ("request", "DELETE FROM ledger.request WHERE unit = $1 AND position = 2"
         " AND $2::bigint > 0", 2),
        ("request", "UPDATE ledger.request SET account = 7 WHERE unit = $1 AND position = 3"
         " AND $2::bigint > 0", 3),
        ("request", "DELETE FROM ledger.request WHERE unit = $1 AND position = 3"
         " AND $2::bigint > 0", 4),
        ("document", "UPDATE ledger.document SET gross = 1 WHERE unit = $1 AND key IS NULL"
         " AND $2::bigint > 0", 1),
    ],
)  # fmt: skip
async def test_the_audit_trail_names_the_first_write_that_was_touched(
    country: Country, tables: str, statement: str, broken: int
) -> None:
    async with serving(country) as client:
        made = [await receipt(client, "2026-09-01") for _ in range(3)]
        path = f"/units/{SAO}/audit-trail"
        whole = await client.get(path, person(SAO, "clerk"))
        await client.sql(f"ALTER TABLE ledger.{tables} DISABLE TRIGGER USER")
        await client.sql(statement, SAO, made[1].body["document"])
        touched = await client.get(path, person(SAO, "clerk"))
        stranger = await client.get(path, person(OTHER, "clerk"))

    assert whole.body["is_whole"] is True
    assert (whole.body["entries"], whole.body["first_broken"]) == (3, None)
    assert (touched.body["is_whole"], touched.body["first_broken"]) == (False, broken)
    assert touched.body["head"] == whole.body["head"]
    assert stranger.status == 403


async def counted(client: Client, path: str) -> Answer:
    for _ in range(200):
        answer = await client.get(path, VIEWER)
        if answer.status != 202:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError("it was never counted")


async def test_the_nation_is_counted_in_the_background_and_answered_as_of(country: Country) -> None:
    july, august = (f"/nation/closing-status?period=2026-{month}" for month in ("07", "08"))
    async with serving(country) as client:
        first = await client.get(july, AUDITOR)
        before = await counted(client, july)
        await close(client, "2026-08")
        stale = await client.get(july, AUDITOR)
        later = await counted(client, august)
        clerk = await client.get(july, person(SAO, "clerk"))
        no_period = await client.get("/nation/closing-status", AUDITOR)

    assert (first.status, first.headers["Retry-After"]) == (202, "1")
    assert (before.body["closed"], before.body["open"]) == (4, 0)
    assert {p["province"]: p["closed"] for p in before.body["provinces"]} == {11: 3, 12: 1}
    assert stale.body["as_of"] == before.body["as_of"]
    assert (later.body["closed"], later.body["open"]) == (1, 3)
    assert (clerk.status, no_period.status) == (403, 422)
