"""What somebody with the application's own database role can change by SQL, the audit finds.

The balances, numbers and closed periods that the database refuses to spoil are tested with the
rules (`test_ledger_rules`, `test_ledger_years`); here is what it cannot refuse: the application
itself writes these columns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from harness.targets.postgres import EmbeddedPostgres
from tests.integration.ledger_client import (
    BUSINESS_DATE,
    DISBURSEMENT_REQUEST,
    SAO,
    Client,
    Country,
    fill_country,
    person,
    serving,
)

BUDGET = "UPDATE ledger.budget_line SET {} WHERE unit = $1 AND budget_line IN ('B05', 'B06')"
REQUEST = (
    "UPDATE ledger.workflow SET {} WHERE (unit, document) = (SELECT unit, max(document)"
    " FROM ledger.document WHERE unit = $1 AND kind = 'disbursement_request' GROUP BY unit)"
)
ADVANCE = (
    "UPDATE ledger.workflow SET {} WHERE (unit, document) = (SELECT unit, max(document)"
    " FROM ledger.document WHERE unit = $1 AND kind = 'advance' GROUP BY unit)"
)
RECEIPT = "UPDATE ledger.document SET {} WHERE unit = $1 AND kind = 'receipt'"


@pytest.fixture
def fresh(ledger_postgres: EmbeddedPostgres, tmp_path: Path) -> Country:
    return asyncio.run(fill_country(ledger_postgres.owner_dsn, tmp_path))


async def work(client: Client) -> None:
    """A receipt, an advance, a transfer there and back, a request paid, taken back, checked."""
    approver = person(SAO, "approver")
    await client.receipt()
    await client.advance()
    for amount in ("10.00", "4.00"):
        moved = await client.post(
            f"/units/{SAO}/budget-transfers", person(SAO, "clerk"),
            {"date": BUSINESS_DATE, "from_line": "B05", "to_line": "B06", "amount": amount},
        )  # fmt: skip
    reason = {"date": BUSINESS_DATE, "reason": "x"}
    back = f"/units/{SAO}/documents/{moved.body['document']}/reverse"
    assert (await client.post(back, approver, reason)).status == 201
    for kind in ("budget-ordinances", "supplementary-budgets"):
        granted = await client.post(
            f"/units/{SAO}/{kind}", person(SAO, "director"),
            {"date": BUSINESS_DATE, "budget_line": "B05", "amount": "7.00", "description": "x"},
        )  # fmt: skip
        assert granted.status == 201, granted.body
    request = (await client.request_payment()).body["document"]
    for step in ("check", "approve", "pay"):
        role = {"check": "checker", "approve": "approver", "pay": "director"}[step]
        taken = await client.take(step, request, person(SAO, role))
        assert taken.status == 201, taken.body
    back = f"/units/{SAO}/documents/{taken.body['document']}/reverse"
    assert (await client.post(back, approver, reason)).status == 201
    second = (await client.request_payment()).body["document"]
    await client.take("check", second, person(SAO, "checker"))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (BUDGET.format("appropriated = appropriated + 1"), {"budget_is_its_documents"}),
        (BUDGET.format("paid = paid + 1"), {"budget_is_its_documents"}),
        (
            BUDGET.format("transferred = CASE budget_line WHEN 'B05' THEN -8 ELSE 8 END"),
            {"budget_is_its_documents"},
        ),
        (
            BUDGET.format("appropriated = appropriated + 1, brought = brought + 1"),
            {"audit_trail"},
        ),
        (BUDGET.format("committed = committed + 1"), {"committed_is_its_documents"}),
        (REQUEST.format("status = 'approved'"), {"steps_were_taken"}),
        (REQUEST.format("people = ARRAY[1, people[2]]"), {"steps_were_taken"}),
        (ADVANCE.format("open_amount = 0"), {"steps_were_taken"}),
        (ADVANCE.format("open_amount = open_amount - 1"), {"steps_were_taken"}),
        (ADVANCE.format("is_open = false"), {"steps_were_taken"}),
    ],
)
async def test_a_number_or_state_that_no_document_explains_is_found(
    fresh: Country, statement: str, found: set[str]
) -> None:
    async with serving(fresh) as client:
        await work(client)
        sound = await client.violations()
        await client.sql(statement, SAO)
        violations = await client.violations()

    assert sound == {}
    assert set(violations) == found


@pytest.mark.parametrize(
    "change",
    [
        "prepared_by = prepared_by + 1", "status = 'draft'", "kind = 'deposit'", "number = 7",
        "posted_at = posted_at - interval '1 day'", "fiscal_year = fiscal_year - 1",
        "date = date - 40",
    ],
)  # fmt: skip
async def test_whatever_is_changed_of_a_document_breaks_the_trail(
    fresh: Country, change: str
) -> None:
    async with serving(fresh) as client:
        await work(client)
        await client.sql("ALTER TABLE ledger.document DISABLE TRIGGER USER")
        await client.sql(RECEIPT.format(change), SAO)
        violations = await client.violations()

    assert "audit_trail" in violations


async def post_late(client: Client) -> None:
    await client.sql("UPDATE ledger.book SET closed_through = 202509 WHERE unit = $1", SAO)
    assert (await client.receipt(date="2025-10-20")).status == 201
    await client.sql("UPDATE ledger.book SET closed_through = 202510 WHERE unit = $1", SAO)


async def post_late_after_a_close(client: Client) -> None:
    path = f"/units/{SAO}/periods/2025-11/close"
    assert (await client.post(path, person(SAO, "director"))).status == 201
    await client.sql("UPDATE ledger.book SET closed_through = 202510 WHERE unit = $1", SAO)
    assert (await client.receipt(date="2025-11-20")).status == 201
    await client.sql("UPDATE ledger.book SET closed_through = 202511 WHERE unit = $1", SAO)


async def open_again_without_a_word(client: Client) -> None:
    path = f"/units/{SAO}/periods/2025-11/close"
    assert (await client.post(path, person(SAO, "director"))).status == 201
    await client.sql("UPDATE ledger.book SET closed_through = 202510 WHERE unit = $1", SAO)


@pytest.mark.parametrize("deed", [post_late, post_late_after_a_close, open_again_without_a_word])
async def test_a_period_that_was_opened_behind_the_ledgers_back_is_found(
    fresh: Country, deed: Callable[[Client], Awaitable[None]]
) -> None:
    async with serving(fresh) as client:
        await client.receipt(date="2025-11-20")
        sound = await client.violations()
        await deed(client)
        violations = await client.violations()

    assert sound == {}
    assert set(violations) == {"closed_as_answered"}


async def test_what_is_closed_reopened_and_closed_again_is_as_it_was_answered(
    fresh: Country,
) -> None:
    director = person(SAO, "director")
    async with serving(fresh) as client:
        await client.receipt(date="2025-11-20")
        for path, body in (
            ("2025-11/close", {}),
            ("2025-11/reopen", {"date": "2025-11-30", "reason": "x"}),
            ("2025-11/close", {}),
        ):
            if "reopen" not in path:
                await client.receipt(date="2025-11-21")
            answer = await client.post(f"/units/{SAO}/periods/{path}", director, body)
            assert answer.status == 201, answer.body
        violations = await client.violations()

    assert violations == {}


@pytest.mark.parametrize("table", ["budget_line", "workflow", "book"])
async def test_rows_that_answers_rest_on_are_not_taken_away(fresh: Country, table: str) -> None:
    async with serving(fresh) as client:
        await work(client)
        for statement in ("DELETE FROM ledger.{}", "TRUNCATE ledger.{}"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await client.sql(statement.format(table))


async def test_a_posted_document_gets_no_second_set_of_lines(fresh: Country) -> None:
    again = (
        "INSERT INTO ledger.line (unit, document, position, period, account, debit, credit)"
        " SELECT unit, document, (position + 100)::smallint, period, account, debit, credit"
        " FROM ledger.line WHERE unit = $1 AND document = $2"
    )
    async with serving(fresh) as client:
        made = await client.receipt()
        with pytest.raises(asyncpg.CheckViolationError):
            await client.sql(again, SAO, made.body["document"])
        violations = await client.violations()

    assert violations == {}


async def test_tax_is_remitted_only_as_far_as_it_was_withheld(fresh: Country) -> None:
    director = person(SAO, "director")
    async with serving(fresh) as client:
        request = (await client.request_payment()).body["document"]
        for step, role in (("check", "checker"), ("approve", "approver"), ("pay", "director")):
            await client.take(step, request, person(SAO, role))
        answers = []
        for amount in ("10.01", DISBURSEMENT_REQUEST["withholding_tax"], "0.01"):
            remittance = await client.post(
                f"/units/{SAO}/tax-remittances", person(SAO, "clerk"),
                {"date": BUSINESS_DATE, "payee": "กรมสรรพากร", "amount": amount},
            )  # fmt: skip
            path = f"/units/{SAO}/tax-remittances/{remittance.body['document']}/pay"
            body = {"date": BUSINESS_DATE, "method": "cheque"}
            answers.append(await client.post(path, director, body))
        violations = await client.violations()

    assert [answer.status for answer in answers] == [422, 201, 422]
    assert "withheld" in answers[0].body["detail"]
    assert violations == {}


async def test_a_budget_sheet_shows_what_was_paid_less_what_was_taken_back(fresh: Country) -> None:
    async with serving(fresh) as client:
        await work(client)
        sheet = await client.get(
            f"/units/{SAO}/reports/budget-execution?period=2025-12", person(SAO, "clerk")
        )

    (line,) = (row for row in sheet.body["lines"] if row["budget_line"] == "B03")
    assert (line["paid"], line["paid_in_period"]) == ("0.00", "0.00")


async def test_a_document_that_was_taken_back_says_so_in_lists_too(fresh: Country) -> None:
    clerk = person(SAO, "clerk")
    async with serving(fresh) as client:
        await work(client)
        listed = (await client.get(f"/units/{SAO}/documents?limit=50", clerk)).body["documents"]
        payment = next(row for row in listed if row["kind"] == "payment")
        shown = await client.get(f"/units/{SAO}/documents/{payment['document']}", clerk)

    assert payment["status"] == shown.body["status"] == "reversed"
    assert {row["status"] for row in listed if row["kind"] == "reversal"} == {"posted"}


async def test_what_wants_a_step_stands_before_what_is_held(fresh: Country) -> None:
    clerk = person(SAO, "clerk")
    async with serving(fresh) as client:
        for _ in range(50):
            held = await client.post(
                f"/units/{SAO}/deposits", clerk,
                {"date": BUSINESS_DATE, "channel": "cash", "depositor": "x", "amount": "1.00"},
            )  # fmt: skip
        request = (await client.request_payment()).body["document"]
        items = (await client.get(f"/units/{SAO}/worklist", clerk)).body["items"]

    assert held.status == 201
    assert [items[0]["document"], len(items)] == [request, 50]
    assert {row["status"] for row in items[1:]} == {"held"}


@pytest.mark.parametrize("path", ["trial-balance?period=2568-12", "daily-cash?date=2568-12-05"])
async def test_a_year_of_the_buddhist_era_is_no_year_of_reports(fresh: Country, path: str) -> None:
    async with serving(fresh) as client:
        answer = await client.get(f"/units/{SAO}/reports/{path}", person(SAO, "clerk"))
        line = {"entry": "1", "date": "2568-12-05", "amount": "1.00", "description": "x"}
        statement = await client.post(
            f"/units/{SAO}/bank-statements", person(SAO, "clerk"), {"lines": [line]}
        )

    assert (answer.status, statement.status) == (422, 422)
    assert "common era" in answer.body["detail"]


async def test_money_that_only_changes_its_place_is_neither_received_nor_paid(
    fresh: Country,
) -> None:
    clerk = person(SAO, "clerk")
    lines = [
        {"account": "1110101", "debit": "10.00"}, {"account": "1110201", "credit": "10.00"},
        {"account": "5310101", "debit": "50.00"}, {"account": "2110101", "credit": "50.00"},
    ]  # fmt: skip
    path = f"/units/{SAO}/reports/receipts-payments?period=2025-12"
    async with serving(fresh) as client:
        before = (await client.get(path, clerk)).body
        voucher = {"date": BUSINESS_DATE, "description": "x", "lines": lines}
        made = await client.post(f"/units/{SAO}/journal-vouchers", clerk, voucher)
        after = (await client.get(path, clerk)).body

    assert made.status == 201, made.body
    assert after == before
