"""Reversal and never edit: what each kind of document gives back, and what cannot be taken back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.integration.ledger_client import (
    BUSINESS_DATE,
    CENTRE,
    OTHER,
    SAO,
    Answer,
    Client,
    Country,
    fill_country,
    person,
    serving,
)

REASON = {"date": BUSINESS_DATE, "reason": "บันทึกผิดหมวด"}
VOUCHER = {
    "date": BUSINESS_DATE, "description": "adjustment",
    "lines": [{"account": "5310101", "debit": "7.00"}, {"account": "2110101", "credit": "7.00"}],
}  # fmt: skip
TRANSFER = {"date": BUSINESS_DATE, "from_line": "B01", "to_line": "B02", "amount": "500.00"}
COMMITMENT = {"date": BUSINESS_DATE, "budget_line": "B05", "payee": "x", "amount": "80.00"}
ORDINANCE = {"date": BUSINESS_DATE, "budget_line": "B01", "amount": "90.00", "description": "x"}
DEPOSIT = {"date": BUSINESS_DATE, "channel": "bank", "depositor": "x", "amount": "300.00"}
ADVANCE = {"date": BUSINESS_DATE, "borrower": "x", "amount": "100.00"}


@pytest.fixture(autouse=True)
def _fresh_books(country: Country) -> None:
    asyncio.run(fill_country(country.settings.database_url, country.folder))


async def reverse(
    client: Client, document: int, account: int = person(SAO, "approver"), **changes: str
) -> Answer:
    path = f"/units/{SAO}/documents/{document}/reverse"
    return await client.post(path, account, {**REASON, **changes})


def position(books: Any) -> Any:
    """Where the money stands: balances, cash and budget, without the turnover."""
    closing: dict[str, Decimal] = {}
    for row in books["trial_balance"]:
        closing[row["account"]] = Decimal(row["closing"])
    return {k: v for k, v in closing.items() if v}, books["cash"], books["budget"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("receipts", None),
        ("journal-vouchers", VOUCHER),
        ("budget-transfers", TRANSFER),
        ("commitments", COMMITMENT),
        ("advance-requests", ADVANCE),
        ("deposits", DEPOSIT),
        ("remittances", {"date": BUSINESS_DATE, "description": "x", "amount": "10.00"}),
        ("disbursement-requests", {**COMMITMENT, "withholding_tax": "1.00"}),
        ("tax-remittances", {"date": BUSINESS_DATE, "payee": "x", "amount": "10.00"}),
    ],
)
async def test_a_reversal_puts_everything_back_where_it_was(
    country: Country, path: str, body: Any
) -> None:
    async with serving(country) as client:
        before = await client.books()
        if body is None:
            made = await client.receipt()
        else:
            made = await client.post(f"/units/{SAO}/{path}", person(SAO, "clerk"), body)
        document = made.body["document"]
        reversed_once = await reverse(client, document)
        again = await reverse(client, document)
        read = await client.get(f"/units/{SAO}/documents/{document}", person(SAO, "clerk"))
        after = await client.books()
        worklist = await client.get(f"/units/{SAO}/worklist", person(SAO, "clerk"))
        violations = await client.violations()

    assert made.status == 201, made.body
    assert reversed_once.status == 201, reversed_once.body
    assert reversed_once.body["kind"] == "reversal"
    assert (again.status, again.code) == (409, "wrong-state")
    assert read.body["reversed_by"] == reversed_once.body["document"]
    assert position(after) == position(before)
    assert worklist.body["items"] == []
    assert violations == {}


async def test_an_ordinance_that_was_spent_is_not_taken_back(country: Country) -> None:
    async with serving(country) as client:
        director = person(SAO, "director")
        made = await client.post(f"/units/{SAO}/budget-ordinances", director, ORDINANCE)
        over = await client.request_payment(budget_line="B01", amount="50000090.01")
        spent = await client.request_payment(budget_line="B01", amount="50000090.00")
        refused = await reverse(client, made.body["document"])
        await reverse(client, spent.body["document"])
        taken_back = await reverse(client, made.body["document"])
        violations = await client.violations()

    assert (over.status, spent.status) == (422, 201)
    assert (refused.status, refused.code) == (422, "budget-exceeded")
    assert taken_back.status == 201
    assert violations == {}


async def paid_request(client: Client) -> tuple[int, int]:
    request = await client.request_payment()
    document = request.body["document"]
    for step, role in (("check", "checker"), ("approve", "approver")):
        await client.take(step, document, person(SAO, role))
    paid = await client.take("pay", document, person(SAO, "director"))
    return document, paid.body["document"]


async def test_a_returned_cheque_makes_its_request_payable_again(country: Country) -> None:
    async with serving(country) as client:
        request, payment = await paid_request(client)
        approved = await client.books()
        returned = await reverse(client, payment)
        status = await client.get(f"/units/{SAO}/documents/{request}", person(SAO, "clerk"))
        not_whole = await reverse(client, request, person(SAO, "director"))
        once_more = await client.take("pay", request, person(SAO, "director"))
        after = await client.books()
        violations = await client.violations()

    assert returned.status == 201, returned.body
    assert status.body["status"] == "approved"
    assert not_whole.status == 403  # a director is no approver here
    assert once_more.status == 201
    assert once_more.body["number"] == 2
    assert position(after) == position(approved)
    assert violations == {}


async def test_what_was_paid_or_cleared_in_part_is_not_reversed_behind_it(
    country: Country,
) -> None:
    async with serving(country) as client:
        request, _ = await paid_request(client)
        document = await client.advance()
        clearing = await client.post(
            f"/units/{SAO}/advances/{document}/clear", person(SAO, "clerk"),
            {"date": BUSINESS_DATE, "amount": "40.00"},
        )  # fmt: skip
        refused = [await reverse(client, request), await reverse(client, document)]
        undone = await reverse(client, clearing.body["document"])
        whole = await reverse(client, document)
        violations = await client.violations()

    assert [(answer.status, answer.code) for answer in refused] == [(409, "wrong-state")] * 2
    assert (undone.status, whole.status) == (201, 201)
    assert violations == {}


async def test_who_prepared_a_document_does_not_reverse_it(country: Country) -> None:
    async with serving(country) as client:
        everything = person(SAO, "all")
        made = await client.post(f"/units/{SAO}/journal-vouchers", everything, VOUCHER)
        document = made.body["document"]
        by_the_preparer = await reverse(client, document, everything)
        by_a_clerk = await reverse(client, document, person(SAO, "clerk"))
        by_a_stranger = await reverse(client, document, person(OTHER, "approver"))

    assert (by_the_preparer.status, by_the_preparer.code) == (403, "forbidden-role")
    assert (by_a_clerk.status, by_a_clerk.code) == (403, "forbidden-role")
    assert (by_a_stranger.status, by_a_stranger.code) == (403, "forbidden-unit")


async def test_nobody_takes_back_the_clearing_that_he_made_of_an_advance_of_another(
    country: Country,
) -> None:
    everything = person(SAO, "all")
    async with serving(country) as client:
        advance = await client.advance()
        clearing = await client.post(
            f"/units/{SAO}/advances/{advance}/clear", everything,
            {"date": BUSINESS_DATE, "amount": "40.00"},
        )  # fmt: skip
        alone = await reverse(client, clearing.body["document"], everything)

    assert (alone.status, alone.code) == (403, "forbidden-role")


async def test_nobody_takes_back_what_was_paid_on_his_own_request(country: Country) -> None:
    everything, day = person(SAO, "all"), {"date": BUSINESS_DATE}
    async with serving(country) as client:
        path = f"/units/{SAO}/advance-requests"
        request = await client.post(path, everything, ADVANCE)
        advance = await client.post(
            f"{path}/{request.body['document']}/pay", person(SAO, "director"),
            {**day, "method": "cheque"},
        )  # fmt: skip
        by_himself = await reverse(client, advance.body["document"], everything)
        by_another = await reverse(client, advance.body["document"])
        granted = await reverse(client, request.body["document"])
        violations = await client.violations()

    assert (by_himself.status, by_himself.code) == (403, "forbidden-role")
    assert by_another.status == 201
    assert (granted.status, granted.code) == (409, "wrong-state")
    assert violations == {}


async def test_a_reversal_reads_nothing_of_another_unit(country: Country) -> None:
    async with serving(country) as client:
        theirs = await client.receipt(OTHER)
        answer = await reverse(client, theirs.body["document"])

    assert (answer.status, answer.code) == (404, "not-found")


async def test_openings_reversals_and_the_unknown_are_not_reversed(country: Country) -> None:
    async with serving(country) as client:
        made = await client.receipt()
        undone = await reverse(client, made.body["document"])
        answers = [
            await reverse(client, SAO * 10**7 + 1),
            await reverse(client, undone.body["document"]),
            await reverse(client, SAO * 10**7 + 999),
            await reverse(client, made.body["document"], date="2025-10-31"),
            await reverse(client, made.body["document"], reason=""),
        ]

    assert [answer.status for answer in answers] == [409, 409, 404, 409, 422]


async def test_the_database_refuses_a_second_reversal_whoever_asks(country: Country) -> None:
    async with serving(country) as client:
        made = await client.receipt()
        await reverse(client, made.body["document"])
        with pytest.raises(asyncpg.UniqueViolationError):
            await client.sql(
                "INSERT INTO ledger.document SELECT unit, document + 5, kind, fiscal_year,"
                " number + 1, period, date, gen_random_uuid(), prepared_by, gross, amount,"
                " withholding_tax, budget_line, to_line, party, note, reference, status"
                " FROM ledger.document WHERE unit = $1 AND kind = 'reversal'",
                SAO,
            )


async def test_a_deposit_is_refunded_by_two_persons_in_parts(country: Country) -> None:
    async with serving(country) as client:
        everything = person(SAO, "all")
        made = await client.post(f"/units/{SAO}/deposits", everything, DEPOSIT)
        path = f"/units/{SAO}/deposits/{made.body['document']}/refund"
        part = {"date": BUSINESS_DATE, "amount": "200.00", "method": "cheque"}
        alone = await client.post(path, everything, part)
        first = await client.post(path, person(SAO, "director"), part)
        too_much = await client.post(path, person(SAO, "director"), part)
        rest = await client.post(path, person(SAO, "director"), {**part, "amount": "100.00"})
        violations = await client.violations()

    assert (alone.status, alone.code) == (403, "forbidden-role")
    assert (first.status, too_much.status, rest.status) == (201, 422, 201)
    assert violations == {}


async def test_withheld_tax_is_remitted_by_two_persons(country: Country) -> None:
    async with serving(country) as client:
        await paid_request(client)
        everything = person(SAO, "all")
        body = {"date": BUSINESS_DATE, "payee": "กรมสรรพากร", "amount": "10.00"}
        made = await client.post(f"/units/{SAO}/tax-remittances", everything, body)
        path = f"/units/{SAO}/tax-remittances/{made.body['document']}/pay"
        pay = {"date": BUSINESS_DATE, "method": "e-payment"}
        alone = await client.post(path, everything, pay)
        paid = await client.post(path, person(SAO, "director"), pay)
        books = await client.books()
        violations = await client.violations()

    tax = [r["closing"] for r in books["trial_balance"] if r["account"] == "2120101"]
    assert (alone.status, paid.status) == (403, 201)
    assert tax[-1] == "0.00"
    assert violations == {}


async def test_a_dependant_is_part_of_the_consolidated_trial_balance(country: Country) -> None:
    async with serving(country) as client:
        await client.post(
            f"/units/{CENTRE}/receipts", CENTRE * 1000 + 1,
            {"date": BUSINESS_DATE, "channel": "cash", "payer": "x",
             "lines": [{"account": "4110101", "amount": "11.00"}]},
        )  # fmt: skip
        await client.receipt()
        one = await client.get(
            f"/units/{SAO}/reports/consolidated-trial-balance?period=2025-12", person(SAO, "clerk")
        )
        parts = [
            await client.get(f"/units/{unit}/reports/trial-balance?period=2025-12", AUDITOR)
            for unit in (SAO, CENTRE)
        ]

    total: dict[str, Decimal] = {}
    for part in parts:
        for row in part.body["accounts"]:
            total[row["account"]] = total.get(row["account"], Decimal(0)) + Decimal(row["closing"])
    consolidated = {row["account"]: Decimal(row["closing"]) for row in one.body["accounts"]}
    assert consolidated == total
    assert [(u["unit"], u["is_closed"]) for u in one.body["units"]] == [
        (SAO, False), (CENTRE, False)
    ]  # fmt: skip
    assert [u["debit"] for u in one.body["units"]] == ["105.25", "11.00"]


AUDITOR = 1


async def test_nothing_is_dated_before_what_it_follows(country: Country) -> None:
    async with serving(country) as client:
        made = await client.receipt(date="2025-12-05")
        path = f"/units/{SAO}/documents/{made.body['document']}/reverse"
        body = {"date": "2025-12-04", "reason": "ผิดหมวด"}
        early = await client.post(path, person(SAO, "approver"), body)
        deposit = await client.post(
            f"/units/{SAO}/deposits", person(SAO, "clerk"),
            {"date": "2025-12-05", "channel": "cash", "depositor": "x", "amount": "9.00"},
        )  # fmt: skip
        refunds = [
            await client.post(
                f"/units/{SAO}/deposits/{deposit.body['document']}/refund",
                person(SAO, "director"), {"date": day, "amount": "9.00", "method": "cheque"},
            )
            for day in ("2025-11-30", "2025-12-04", "2025-12-05")
        ]  # fmt: skip

    assert (early.status, early.code) == (422, "invalid")
    assert "before that of the document" in early.body["detail"]
    assert [answer.status for answer in refunds] == [422, 422, 201]
