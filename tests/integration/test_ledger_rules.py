"""Each rule of the ledger, with the attempt to break it, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.integration.ledger_client import (
    AUDITOR,
    BUSINESS_DATE,
    CENTRE,
    OTHER,
    PAO,
    RECEIPT,
    SAO,
    VIEWER,
    Client,
    Country,
    person,
    serving,
)


def lines_of(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(line["account"], line["debit"], line["credit"]) for line in document["lines"]]


async def test_a_receipt_debits_cash_and_credits_each_revenue(country: Country) -> None:
    async with serving(country) as client:
        posted = await client.receipt()
        path = f"/units/{SAO}/documents/{posted.body['document']}"
        read = await client.get(path, person(SAO, "clerk"))

    assert posted.status == 201
    assert posted.body["kind"] == "receipt"
    assert posted.headers["Server-Worker"] == country.settings.worker_name
    assert lines_of(read.body) == [
        ("1110101", "105.25", "0.00"),
        ("4110101", "0.00", "100.25"),
        ("4210101", "0.00", "5.00"),
    ]
    assert read.body["gross"] == "105.25"


async def test_a_payment_takes_four_steps_and_two_persons_at_least(country: Country) -> None:
    async with serving(country) as client:
        before = await client.books()
        request = await client.request_payment()
        document = request.body["document"]
        too_early = await client.take("pay", document, person(SAO, "director"))
        checked = await client.take("check", document, person(SAO, "checker"))
        approved = await client.take("approve", document, person(SAO, "approver"))
        paid = await client.take("pay", document, person(SAO, "director"))
        twice = await client.take("pay", document, person(SAO, "director"))
        after = await client.books()

    assert (too_early.status, too_early.code) == (409, "wrong-state")
    assert [a.body["status"] for a in (request, checked, approved, paid)] == [
        "submitted",
        "checked",
        "approved",
        "paid",
    ]
    assert checked.body["document"] == document
    assert paid.body["kind"] == "payment"
    assert (twice.status, twice.code) == (409, "wrong-state")
    payment = next(d for d in after["documents"] if d["document"] == paid.body["document"])
    assert payment["lines"] == [
        ["5210101", "1000.00", "0.00"],
        ["1110201", "0.00", "990.00"],
        ["2120101", "0.00", "10.00"],
    ]
    assert next(d for d in after["documents"] if d["document"] == document)["status"] == "paid"
    assert budget_change(before, after, "B03") == {"committed": Decimal(0), "paid": Decimal(1000)}


def budget_change(before: Any, after: Any, line: str) -> dict[str, Decimal]:
    old, new = (
        next(b for b in books["budget"] if b["budget_line"] == line) for books in (before, after)
    )
    return {name: Decimal(new[name]) - Decimal(old[name]) for name in ("committed", "paid")}


@pytest.mark.parametrize("step", ["check", "approve", "pay"])
async def test_the_preparer_takes_no_step_even_with_every_role(country: Country, step: str) -> None:
    everything = person(SAO, "all")
    body = {"date": BUSINESS_DATE, "budget_line": "B01", "payee": "x", "amount": "1.00",
            "withholding_tax": "0.00"}  # fmt: skip
    async with serving(country) as client:
        request = await client.post(f"/units/{SAO}/disbursement-requests", everything, body)
        document = request.body["document"]
        for earlier in ("check", "approve"):
            if earlier == step:
                break
            role = "checker" if earlier == "check" else "approver"
            assert (await client.take(earlier, document, person(SAO, role))).status == 201
        refused = await client.take(step, document, everything)

    assert (refused.status, refused.code) == (403, "forbidden-role")


@pytest.mark.parametrize("status", ["checked", "approved", "paid", "granted", "refunded"])
async def test_the_database_refuses_a_payment_by_its_preparer_whoever_asks(
    country: Country, status: str
) -> None:
    async with serving(country) as client:
        request = await client.request_payment()
        with pytest.raises(asyncpg.CheckViolationError):
            await client.sql(
                "UPDATE ledger.workflow SET status = $2, people = people || people[1]"
                " WHERE document = $1",
                request.body["document"], status,
            )  # fmt: skip


async def test_people_of_the_parent_act_for_a_dependant_and_not_the_reverse(
    country: Country,
) -> None:
    clerk = CENTRE * 1000 + 1
    body = {"date": BUSINESS_DATE, "budget_line": "B01", "payee": "x", "amount": "9.00",
            "withholding_tax": "0.00"}  # fmt: skip
    async with serving(country) as client:
        request = await client.post(f"/units/{CENTRE}/disbursement-requests", clerk, body)
        document = request.body["document"]
        checked = await client.take("check", document, person(SAO, "checker"), CENTRE)
        by_a_stranger = await client.take("approve", document, person(PAO, "approver"), CENTRE)
        upwards = await client.post(f"/units/{SAO}/receipts", clerk, RECEIPT)

    assert checked.status == 201
    assert (by_a_stranger.status, by_a_stranger.code) == (403, "forbidden-unit")
    assert (upwards.status, upwards.code) == (403, "forbidden-unit")


async def test_nobody_reads_the_books_of_another_unit(country: Country) -> None:
    paths = ["overview", "periods", "worklist", "chart-of-accounts", "budget", "payees",
             "documents", "documents/1", f"documents/by-key/{uuid.uuid4()}",
             "books?fiscal_year=2569", "reports/daily-cash?date=2025-12-01",
             "reports/trial-balance?period=2025-12",
             "reports/receipts-payments?period=2025-12",
             "reports/budget-execution?period=2025-12"]  # fmt: skip
    async with serving(country) as client:
        answers = [await client.get(f"/units/{OTHER}/{path}", person(SAO, "all")) for path in paths]
        unknown = await client.get("/units/9900001/overview", person(SAO, "all"))
        nobody = await client.get(f"/units/{SAO}/overview")

    assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden-unit")}
    assert unknown.status == 403
    assert (nobody.status, nobody.code) == (401, "unauthorized")


async def test_the_auditor_reads_everything_and_writes_nothing(country: Country) -> None:
    async with serving(country) as client:
        province = await client.get("/provinces/11/books?fiscal_year=2569", AUDITOR)
        write = await client.post(f"/units/{SAO}/receipts", AUDITOR, RECEIPT)
        by_a_clerk = await client.get("/provinces/11/books?fiscal_year=2569", person(SAO, "all"))
        no_province = await client.get("/provinces/99/books?fiscal_year=2569", AUDITOR)

    assert province.status == 200
    assert province.body.count("\n") == 3
    assert province.body.count('"chart"') == 1
    assert (write.status, write.code) == (403, "forbidden-unit")
    assert (by_a_clerk.status, by_a_clerk.code) == (403, "forbidden-role")
    assert no_province.status == 404


async def test_a_provincial_viewer_sees_the_status_of_the_own_province_only(
    country: Country,
) -> None:
    async with serving(country) as client:
        own = await client.get("/provinces/11/closing-status?period=2025-10", VIEWER)
        other = await client.get("/provinces/12/closing-status?period=2025-10", VIEWER)
        nowhere = await client.get("/provinces/99/closing-status?period=2025-10", AUDITOR)
        books = await client.get(f"/units/{SAO}/overview", VIEWER)
        clerk = await client.get("/provinces/11/closing-status?period=2025-10", person(SAO, "all"))

    assert own.body["closed"] == 3
    assert nowhere.status == 404
    assert (other.status, other.code) == (403, "forbidden-unit")
    assert books.status == 403
    assert (clerk.status, clerk.code) == (403, "forbidden-role")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("receipts", "director"),
        ("journal-vouchers", "checker"),
        ("periods/2025-11/close", "clerk"),
        ("disbursement-requests/1/check", "approver"),
        ("disbursement-requests/1/approve", "checker"),
        ("disbursement-requests/1/pay", "approver"),
    ],
)
async def test_a_write_needs_its_role(country: Country, path: str, role: str) -> None:
    async with serving(country) as client:
        refused = await client.post(f"/units/{SAO}/{path}", person(SAO, role), RECEIPT)

    assert (refused.status, refused.code) == (403, "forbidden-role")


async def test_a_repeated_key_gives_the_same_answer_and_one_document(country: Country) -> None:
    key = uuid.uuid4()
    reordered = dict(reversed(RECEIPT.items()))
    async with serving(country) as client:
        first = await client.receipt(key=key)
        again = await client.post(f"/units/{SAO}/receipts", person(SAO, "clerk"), reordered, key)
        found = await client.get(f"/units/{SAO}/documents/by-key/{key}", person(SAO, "clerk"))
        absent = await client.get(
            f"/units/{SAO}/documents/by-key/{uuid.uuid4()}", person(SAO, "clerk")
        )
        books = await client.books()

    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body == found.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [d["key"] for d in books["documents"]].count(str(key)) == 1
    assert absent.status == 404


async def test_a_key_stands_for_one_payload_and_one_unit(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country) as client:
        await client.receipt(key=key)
        altered = await client.receipt(key=key, payer="somebody else")
        other_kind = await client.post(
            f"/units/{SAO}/advance-requests",
            person(SAO, "clerk"),
            {"date": BUSINESS_DATE, "borrower": "x", "amount": "1.00"},
            key,
        )
        other_unit = await client.receipt(PAO, key=key)
        missing = await client.post(f"/units/{SAO}/receipts", person(SAO, "clerk"), RECEIPT, "")
        malformed = await client.post(f"/units/{SAO}/receipts", person(SAO, "clerk"), RECEIPT, "7")

    assert (altered.status, altered.code) == (422, "idempotency-key-reused")
    assert (other_kind.status, other_kind.code) == (422, "idempotency-key-reused")
    assert other_unit.status == 201
    assert (missing.status, missing.code) == (400, "idempotency-key-missing")
    assert (malformed.status, malformed.code) == (422, "invalid")


async def test_the_same_key_sent_twenty_times_at_once_posts_once(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country) as first_worker, serving(country) as second_worker:
        answers = await asyncio.gather(
            *(worker.receipt(key=key) for worker in (first_worker, second_worker) * 10)
        )

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["number"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1


async def test_numbers_stay_gapless_under_concurrent_posts_and_refusals(country: Country) -> None:
    async with serving(country) as first_worker, serving(country) as second_worker:
        answers = await asyncio.gather(
            *(worker.receipt(OTHER) for worker in (first_worker, second_worker) * 30),
            *(worker.receipt(OTHER, date="2025-10-15") for worker in (first_worker,) * 20),
            *(
                worker.request_payment(OTHER, amount="99000000.00")
                for worker in (second_worker,) * 9
            ),
        )
        violations = await first_worker.violations()

    receipts = [answer.body["number"] for answer in answers[:60]]
    assert sorted(receipts) == list(range(min(receipts), min(receipts) + 60))
    assert {answer.status for answer in answers[60:80]} == {409}
    assert {answer.status for answer in answers[80:]} == {422}
    assert violations == {}


async def test_a_budget_line_is_never_overspent_even_at_once(country: Country) -> None:
    async with serving(country) as first_worker, serving(country) as second_worker:
        answers = await asyncio.gather(
            *(
                worker.request_payment(PAO, budget_line="B12", amount="20000000.00")
                for worker in (first_worker, second_worker) * 5
            )
        )
        violations = await first_worker.violations()
        (line,) = await first_worker.sql(
            "SELECT committed FROM ledger.budget_line WHERE unit = $1 AND budget_line = 'B12'", PAO
        )

    assert sorted(answer.status for answer in answers) == [201, 201] + [422] * 8
    assert {answer.code for answer in answers if answer.status == 422} == {"budget-exceeded"}
    assert line["committed"] == 40_000_000
    assert violations == {}


async def test_a_budget_transfer_moves_money_and_no_more_than_there_is(country: Country) -> None:
    clerk = person(PAO, "clerk")
    transfer = {
        "date": BUSINESS_DATE,
        "from_line": "B05",
        "to_line": "B06",
        "amount": "30000000.00",
    }
    async with serving(country) as client:
        moved = await client.post(f"/units/{PAO}/budget-transfers", clerk, transfer)
        again = await client.post(f"/units/{PAO}/budget-transfers", clerk, transfer)
        unknown = await client.post(
            f"/units/{PAO}/budget-transfers", clerk, {**transfer, "to_line": "B99"}
        )
        itself = await client.post(
            f"/units/{PAO}/budget-transfers", clerk, {**transfer, "to_line": "B05"}
        )
        budget = await client.get(f"/units/{PAO}/budget", clerk)

    remaining = {line["budget_line"]: line["remaining"] for line in budget.body["lines"]}
    assert moved.status == 201
    assert (again.status, again.code) == (422, "budget-exceeded")
    assert (unknown.status, unknown.code) == (422, "invalid")
    assert (itself.status, itself.code) == (422, "invalid")
    assert (remaining["B05"], remaining["B06"]) == ("20000000.00", "80000000.00")


async def test_an_advance_is_cleared_in_parts_and_not_beyond(country: Country) -> None:
    clerk = person(SAO, "clerk")
    async with serving(country) as client:
        advance = await client.advance()
        read = await client.get(f"/units/{SAO}/documents/{advance}", clerk)
        path = f"/units/{SAO}/advances/{advance}/clear"
        answers = [
            await client.post(path, clerk, {"date": BUSINESS_DATE, "amount": amount})
            for amount in ("600.00", "200.00", "300.00", "0.01")
        ]
        receipt = await client.receipt()
        not_an_advance = await client.post(
            f"/units/{SAO}/advances/{receipt.body['document']}/clear",
            clerk,
            {"date": BUSINESS_DATE, "amount": "1.00"},
        )

    assert read.body["status"] == "outstanding"
    assert [answer.status for answer in answers] == [422, 201, 201, 409]
    assert not_an_advance.status == 404


async def test_what_was_not_spent_of_an_advance_comes_back(country: Country) -> None:
    clerk, day = person(SAO, "clerk"), {"date": BUSINESS_DATE}
    async with serving(country) as client:
        before = await client.books()
        document = await client.advance(amount="500.00")
        advance = f"/units/{SAO}/advances/{document}"
        spent = await client.post(f"{advance}/clear", clerk, {**day, "amount": "300.00"})
        returned = {**day, "channel": "cash", "amount": "200.00"}
        too_much = await client.post(f"{advance}/return", clerk, {**returned, "amount": "200.01"})
        back = await client.post(f"{advance}/return", clerk, returned)
        after = await client.books()
        worklist = await client.get(f"/units/{SAO}/worklist", clerk)

    def cash(books: Any) -> dict[str, Decimal]:
        return {row["account"]: Decimal(row["balance"]) for row in books["cash"]}

    moved = {account: cash(after)[account] - amount for account, amount in cash(before).items()}
    assert (spent.status, too_much.status, back.status) == (201, 422, 201)
    assert moved == {"1110101": Decimal(200), "1110201": Decimal(-500)}
    assert back.body["kind"] == "advance_return"
    assert document not in [item["document"] for item in worklist.body["items"]]


async def test_a_voucher_moves_money_between_cash_and_bank_only(country: Country) -> None:
    def voucher(*lines: tuple[str, str, str]) -> dict[str, Any]:
        return {
            "date": BUSINESS_DATE, "description": "เบิกเงินสด",
            "lines": [{"account": account, side: amount} for account, side, amount in lines],
        }  # fmt: skip

    drawn = ("1110101", "debit", "10.00"), ("1110201", "credit", "10.00")
    kept = ("1110101", "debit", "10.00"), ("1110201", "credit", "12.00")
    async with serving(country) as client:
        path = f"/units/{SAO}/journal-vouchers"
        within = await client.post(path, person(SAO, "clerk"), voucher(*drawn))
        out = await client.post(
            path, person(SAO, "clerk"), voucher(*kept, ("5210101", "debit", "2.00"))
        )
        violations = await client.violations()

    assert within.status == 201
    assert (out.status, out.code) == (422, "invalid")
    assert violations == {}


async def test_a_voucher_that_does_not_balance_is_refused(country: Country) -> None:
    def voucher(credit: str) -> dict[str, Any]:
        return {
            "date": BUSINESS_DATE,
            "description": "ปรับปรุง",
            "lines": [
                {"account": "5110101", "debit": "10.00"},
                {"account": "2110101", "credit": credit},
            ],
        }

    path = f"/units/{SAO}/journal-vouchers"
    async with serving(country) as client:
        good = await client.post(path, person(SAO, "clerk"), voucher("10.00"))
        bad = await client.post(path, person(SAO, "clerk"), voucher("10.01"))

    assert good.status == 201
    assert (bad.status, bad.code) == (422, "invalid")


async def test_one_person_alone_lets_no_money_out(country: Country) -> None:
    """Whoever asked for the money does not release it, and no other paper moves it."""
    everything = person(SAO, "all")
    day = {"date": BUSINESS_DATE}
    async with serving(country) as client:
        before = await client.books()
        asked = await client.post(
            f"/units/{SAO}/advance-requests", everything,
            {**day, "borrower": "x", "amount": "500.00"},
        )  # fmt: skip
        path = f"/units/{SAO}/advance-requests/{asked.body['document']}/pay"
        by_himself = await client.post(path, everything, {**day, "method": "cheque"})
        by_a_clerk = await client.post(path, person(SAO, "clerk"), {**day, "method": "cheque"})
        straight = await client.post(
            f"/units/{SAO}/advances", everything, {**day, "borrower": "x", "amount": "500.00"}
        )
        vouchers = [
            await client.post(
                f"/units/{SAO}/journal-vouchers", everything,
                {**day, "description": "x", "lines": [
                    {"account": "5110101", "debit": "10.00"}, {"account": cash, "credit": "10.00"},
                ]},
            )
            for cash in ("1110101", "1110201")
        ]  # fmt: skip
        untouched = await client.books()
        paid = await client.post(path, person(SAO, "director"), {**day, "method": "cheque"})
        again = await client.post(path, person(SAO, "director"), {**day, "method": "cheque"})
        violations = await client.violations()

    assert violations == {}
    assert asked.body["status"] == "submitted"
    assert (by_himself.status, by_himself.code) == (403, "forbidden-role")
    assert (by_a_clerk.status, by_a_clerk.code) == (403, "forbidden-role")
    assert straight.status == 404
    assert [(answer.status, answer.code) for answer in vouchers] == [(422, "invalid")] * 2
    assert untouched["trial_balance"] == before["trial_balance"]
    assert (paid.status, paid.body["kind"]) == (201, "advance")
    assert (again.status, again.code) == (409, "wrong-state")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE ledger.line SET debit = debit + 1", asyncpg.RestrictViolationError),
        ("DELETE FROM ledger.line", asyncpg.RestrictViolationError),
        ("TRUNCATE ledger.line", asyncpg.RestrictViolationError),
        ("UPDATE ledger.document SET gross = 0", asyncpg.RestrictViolationError),
        ("DELETE FROM ledger.document WHERE false", asyncpg.RestrictViolationError),
        ("UPDATE ledger.request SET answer = ''", asyncpg.RestrictViolationError),
        (
            "UPDATE ledger.budget_line SET committed = appropriated + 1",
            asyncpg.CheckViolationError,
        ),
        (
            "INSERT INTO ledger.line SELECT unit, document, 9, period, 1110101, 5, 0"
            " FROM ledger.document WHERE kind = 'receipt' LIMIT 1",
            asyncpg.CheckViolationError,
        ),
        (
            "INSERT INTO ledger.line SELECT d.unit, d.document, 9 + n, d.period, 1110101 + 100 * n,"
            " CASE n WHEN 0 THEN 5 ELSE 0 END, CASE n WHEN 0 THEN 0 ELSE 5 END"
            " FROM (SELECT * FROM ledger.document WHERE kind = 'receipt' LIMIT 1) AS d,"
            " generate_series(0, 1) AS n",
            asyncpg.CheckViolationError,
        ),
    ],
)
async def test_the_database_itself_refuses_what_no_ledger_may_do(
    country: Country, statement: str, error: type[Exception]
) -> None:
    async with serving(country) as client:
        assert (await client.receipt()).status == 201
        with pytest.raises(error):
            await client.sql(statement)
        violations = await client.violations()

    assert violations == {}


async def test_a_closed_period_takes_no_posting(country: Country) -> None:
    unit = CENTRE
    director = person(SAO, "director")
    clerk = CENTRE * 1000 + 1
    key = uuid.uuid4()
    async with serving(country) as client:
        out_of_order = await client.post(f"/units/{unit}/periods/2025-12/close", director)
        late = {**RECEIPT, "date": "2025-11-28"}
        before = await client.post(f"/units/{unit}/receipts", clerk, late)
        closed = await client.post(f"/units/{unit}/periods/2025-11/close", director, key=key)
        replayed = await client.post(f"/units/{unit}/periods/2025-11/close", director, key=key)
        again = await client.post(f"/units/{unit}/periods/2025-11/close", director)
        after = await client.post(f"/units/{unit}/receipts", clerk, late)
        next_year = await client.post(
            f"/units/{unit}/receipts", clerk, {**RECEIPT, "date": "2026-10-01"}
        )
        periods = await client.get(f"/units/{unit}/periods", clerk)
        with pytest.raises(asyncpg.CheckViolationError):
            await client.sql(INSERT_INTO_CLOSED, unit)

    assert (out_of_order.status, out_of_order.code) == (409, "wrong-state")
    assert before.status == 201
    assert (closed.status, closed.body) == (201, {"period": "2025-11", "status": "closed"})
    assert replayed.body == closed.body
    assert (again.status, again.code) == (409, "period-closed")
    assert (after.status, after.code) == (409, "period-closed")
    assert (next_year.status, next_year.code) == (409, "period-closed")
    status = {p["period"]: p["status"] for p in periods.body["periods"]}
    assert [status[p] for p in ("2025-10", "2025-11", "2025-12")] == ["closed", "closed", "open"]


INSERT_INTO_CLOSED = """
WITH d AS (
    INSERT INTO ledger.document (unit, document, kind, fiscal_year, number, period, date,
        prepared_by, gross, amount, withholding_tax, status)
    SELECT unit, document + 5000, kind, fiscal_year, number + 5000, period, date, 1, 5, 0, 0, 'x'
    FROM ledger.document WHERE unit = $1 AND kind = 'opening' RETURNING *
)
INSERT INTO ledger.line
SELECT unit, document, 1, period, 1110101, 5, 0 FROM d
UNION ALL SELECT unit, document, 2, period, 4110101, 0, 5 FROM d
"""


async def test_no_posting_slips_into_a_period_that_is_being_closed(country: Country) -> None:
    late = {"date": "2025-11-30"}
    async with serving(country) as first_worker, serving(country) as second_worker:
        await asyncio.gather(*(worker.receipt(PAO, **late) for worker in (first_worker,) * 10))
        answers = await asyncio.gather(
            *(worker.receipt(PAO, **late) for worker in (first_worker, second_worker) * 20),
            second_worker.post(f"/units/{PAO}/periods/2025-11/close", person(PAO, "director")),
            *(worker.receipt(PAO, **late) for worker in (first_worker, second_worker) * 20),
        )
        at_close = await first_worker.sql(COUNT_NOVEMBER, PAO)
        books = await first_worker.books(PAO)
        late_again = await first_worker.receipt(PAO, **late)

    assert answers[40].status == 201
    accepted = sum(a.status == 201 for i, a in enumerate(answers) if i != 40)
    november = [d for d in books["documents"] if d["period"] == "2025-11"]
    assert len(november) == at_close[0]["count"] == accepted + 10
    assert late_again.status == 409


COUNT_NOVEMBER = "SELECT count(*) FROM ledger.document WHERE unit = $1 AND period = 202511"


async def test_reports_agree_with_each_other_and_with_the_lines(country: Country) -> None:
    clerk = person(OTHER, "clerk")
    async with serving(country) as client:
        await client.receipt(OTHER)
        await client.receipt(OTHER, channel="bank", date="2025-11-15")
        request = await client.request_payment(OTHER)
        for step, role in (("check", "checker"), ("approve", "approver"), ("pay", "director")):
            await client.take(step, request.body["document"], person(OTHER, role), OTHER)
        report = {
            name: (await client.get(f"/units/{OTHER}/reports/{name}", clerk)).body
            for name in (
                "daily-cash?date=2025-12-01",
                "trial-balance?period=2025-12",
                "receipts-payments?period=2025-12",
                "budget-execution?period=2025-12",
            )
        }
        books = await client.books(OTHER)

    daily = {a["account"]: a["closing"] for a in report["daily-cash?date=2025-12-01"]["accounts"]}
    trial = report["trial-balance?period=2025-12"]
    closing = {a["account"]: a["closing"] for a in trial["accounts"]}
    assert trial["debit"] == trial["credit"]
    assert sum(map(Decimal, closing.values())) == 0
    assert daily == {code: closing[code] for code in ("1110101", "1110201")}
    assert daily == {entry["account"]: entry["balance"] for entry in books["cash"]}
    lines = [(d["period"], *line) for d in books["documents"] for line in d["lines"]]
    for account, amount in closing.items():
        moved = sum(Decimal(line[2]) - Decimal(line[3]) for line in lines if line[1] == account)
        assert moved == Decimal(amount)
    statement = report["receipts-payments?period=2025-12"]
    flow = {side: sum(Decimal(r["amount"]) for r in statement[side])
            for side in ("receipts", "payments")}  # fmt: skip
    moved = Decimal(statement["closing"]) - Decimal(statement["opening"])
    assert moved == flow["receipts"] - flow["payments"]


@pytest.mark.parametrize(
    "changes",
    [
        {"date": "2568-12-01"},
        {"date": "2025-02-30"},
        {"channel": ["cash"]},
        {"payer": ""},
        {"payer": "x" * 201},
        {"payer": "a\u0000b"},
        {"payer": "\ud800"},
        {"lines": []},
        {"lines": [{"account": "5110101", "amount": "1.00"}]},
        {"lines": [{"account": 4110101, "amount": "1.00"}]},
        {"lines": [{"account": "4110101", "amount": "0.00"}]},
        {"lines": [{"account": "4110101", "amount": "-1.00"}]},
        {"lines": [{"account": "4110101", "amount": "1.005"}]},
        {"lines": [{"account": "4110101", "amount": 1}]},
        {"lines": [{"account": "4110101", "amount": "๑.๐๐"}]},
        {"lines": [{"account": "4110101", "amount": "1e9"}]},
        {"lines": [{"account": "4110101", "amount": "1.00", "debit": "1.00"}]},
        {"surprise": 1},
    ],
)
async def test_bad_input_is_refused_in_one_line(country: Country, changes: Any) -> None:
    async with serving(country) as client:
        if changes.get("payer") == "\ud800":
            raw = b'{"date":"2025-12-01","channel":"cash","payer":"\\ud800","lines":[]}'
            refused = await post_raw(client, raw)
        else:
            refused = await client.receipt(**changes)

    assert (refused.status, refused.code) in {(422, "invalid"), (409, "period-closed")}


async def post_raw(client: Client, content: bytes) -> Any:
    from tests.integration.ledger_client import Answer

    headers = {
        "Authorization": f"Bearer {client.country.tokens[person(SAO, 'clerk')]}",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    url = f"{client.url}/units/{SAO}/receipts"
    async with client.session.post(url, data=content, headers=headers) as response:
        return Answer(response.status, response.headers, await response.json(content_type=None))


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'"x"', b"\xff\xfe", b"1" * 300_000, b"[" * 300 + b"]" * 300]
)
async def test_a_body_that_is_no_document_is_refused(country: Country, content: bytes) -> None:
    async with serving(country) as client:
        refused = await post_raw(client, content)

    assert refused.code in {"invalid", "too-large"}


async def test_a_body_that_is_not_packed_as_it_says_is_refused(country: Country) -> None:
    headers = {"Content-Encoding": "gzip", "Idempotency-Key": str(uuid.uuid4())}
    async with serving(country) as client:
        headers["Authorization"] = f"Bearer {country.tokens[person(SAO, 'clerk')]}"
        url = f"{client.url}/units/{SAO}/receipts"
        async with client.session.post(url, data=b"not gzip", headers=headers) as response:
            refused = await response.json(content_type=None)

    assert (refused["status"], refused["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("documents/99999999999999999999", 404),
        ("documents/abc", 404),
        ("documents/by-key/abc", 404),
        ("documents?after=-1", 422),
        ("documents?after=99999999999999999999", 422),
        ("documents?limit=9999", 200),
        ("documents?kind=nothing", 422),
        ("documents?kind=receipt", 200),
        (f"documents?limit={'9' * 5000}", 422),
        ("documents?limit=๑", 422),
        ("payees?query=%25", 200),
        ("budget?fiscal_year=abcd", 422),
        ("budget?fiscal_year=9999", 422),
        ("budget?fiscal_year=2999", 200),
        ("reports/daily-cash", 422),
        ("reports/trial-balance?period=2025-13", 422),
        ("books", 422),
        ("nothing", 404),
    ],
)
async def test_reads_answer_odd_questions(country: Country, path: str, status: int) -> None:
    async with serving(country) as client:
        answer = await client.get(f"/units/{SAO}/{path}", person(SAO, "clerk"))

    assert answer.status == status


async def test_documents_come_in_pages_by_key(country: Country) -> None:
    clerk = person(SAO, "clerk")
    seen: list[int] = []
    async with serving(country) as client:
        for _ in range(5):
            await client.receipt()
        after = 0
        while after is not None:
            page = await client.get(f"/units/{SAO}/documents?after={after}&limit=3", clerk)
            seen += [d["document"] for d in page.body["documents"]]
            after = page.body["after"]
        everything = await client.books()

    assert seen == sorted(d["document"] for d in everything["documents"])
