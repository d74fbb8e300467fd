"""E-payments are paid once whatever fails; statements are kept as they came and compared."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import jsonschema
import pytest
import yaml

from harness.stand_ins.bank import Bank, Knobs, start
from harness.targets.postgres import EmbeddedPostgres
from reference_app import bank as orders
from tests.integration.ledger_client import (
    AUDITOR,
    BUSINESS_DATE,
    OTHER,
    SAO,
    Answer,
    Client,
    Country,
    fill_country,
    person,
    serving,
)

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 20.0
PERIOD = "2025-12"
LINE = {"entry": "F-1", "date": "2025-12-05", "amount": "-15.00", "description": "ค่าธรรมเนียม"}


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("IDLE_S", 0.02), ("TROUBLE_S", 0.02), ("PAUSE_FIRST_S", 0.02)):
        monkeypatch.setattr(orders, name, value)


@pytest.fixture
def fresh(ledger_postgres: EmbeddedPostgres, tmp_path: Any) -> Country:
    return asyncio.run(fill_country(ledger_postgres.owner_dsn, tmp_path))


@asynccontextmanager
async def banking(**knobs: Any) -> AsyncIterator[Bank]:
    """Run the bank's stand-in inside the running loop."""
    playing = Bank(knobs=Knobs(date="2025-12-01", **knobs))
    runner = await start(playing)
    try:
        yield playing
    finally:
        await runner.cleanup()


@pytest.fixture
def late(ledger_postgres: EmbeddedPostgres, tmp_path: Path) -> Country:
    """The last month of a year, so that the year can be closed."""
    return asyncio.run(
        fill_country(ledger_postgres.owner_dsn, tmp_path, business_date="2026-09-28")
    )


async def pay(client: Client, method: str = "e-payment", unit: int = SAO, **changes: Any) -> int:
    """Pay a disbursement request of 1,000 THB less 10 THB of tax; the payment's document."""
    request = (await client.request_payment(unit, **changes)).body["document"]
    for step, role in (("check", "checker"), ("approve", "approver")):
        assert (await client.take(step, request, person(unit, role), unit)).status == 201
    answer = await client.post(
        f"/units/{unit}/disbursement-requests/{request}/pay", person(unit, "director"),
        {"date": changes.get("date", BUSINESS_DATE), "method": method},
    )  # fmt: skip
    assert answer.status == 201, answer.body
    return int(answer.body["document"])


async def bank_orders(client: Client, unit: int = SAO) -> list[dict[str, Any]]:
    answer = await client.get(f"/units/{unit}/bank-orders", person(unit, "clerk"))
    assert answer.status == 200
    return list(answer.body["orders"])


async def order_when(client: Client, document: int, is_wanted: Any) -> dict[str, Any]:
    """Return the order of *document* as soon as it is as wanted."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            (order,) = [o for o in await bank_orders(client) if o["document"] == document]
            if is_wanted(order):
                return order
            await asyncio.sleep(0.01)


async def settled(client: Client, document: int) -> dict[str, Any]:
    return await order_when(client, document, lambda order: order["state"] != "waiting")


async def hand_in(client: Client, lines: Any, *, unit: int = SAO, **how: Any) -> Answer:
    return await client.ask(
        "POST", f"/units/{unit}/bank-statements", how.pop("account", person(unit, "clerk")),
        body={"lines": lines}, **how,
    )  # fmt: skip


async def reconciliation(client: Client, period: str = PERIOD) -> dict[str, Any]:
    answer = await client.get(
        f"/units/{SAO}/reports/bank-reconciliation?period={period}", person(SAO, "clerk")
    )
    assert answer.status == 200, answer.body
    result: dict[str, Any] = answer.body
    return result


def assert_as_promised(schema: str, answer: object) -> None:
    """Hold *answer* against its schema in the interface file."""
    interface = yaml.safe_load((ROOT / "contracts" / "ledger_api.yaml").read_text("utf-8"))
    reference = {"$ref": f"#/components/schemas/{schema}", "components": interface["components"]}
    jsonschema.Draft202012Validator(reference).validate(answer)


async def test_an_e_payment_reaches_the_bank_net_of_tax_and_a_cheque_does_not(
    country: Country,
) -> None:
    async with banking() as playing, serving(country, bank_url=playing.url) as client:
        await pay(client, "cheque")
        whole = await pay(client, withholding_tax="1000.00")
        document = await pay(client, payee="ร้าน ก")
        order = await settled(client, document)
        again = await bank_orders(client)
        violations = await client.violations()
        metrics = await client.get("/metrics")

    (line,) = playing.lines[SAO]
    assert (line.amount, line.document) == ("-990.00", document)
    assert_as_promised("BankOrders", {"unit": SAO, "orders": again})
    assert order == {
        "document": document, "number": 3, "date": "2025-12-01", "payee": "ร้าน ก",
        "amount": "990.00", "state": "accepted", "attempts": 1, "bank_reference": line.entry,
        "reason": None,
    }  # fmt: skip
    assert whole not in [o["document"] for o in again]
    assert violations == {}
    assert "ledger_bank_orders_accepted_total" in metrics.body


async def test_an_advance_and_a_refund_go_to_the_bank_like_a_payment(country: Country) -> None:
    day = {"date": "2025-12-01"}
    async with banking() as playing, serving(country, bank_url=playing.url) as client:
        deposit = await client.post(
            f"/units/{SAO}/deposits", person(SAO, "clerk"),
            {**day, "channel": "bank", "depositor": "ร้าน ข", "amount": "70.00"},
        )  # fmt: skip
        refund = await client.post(
            f"/units/{SAO}/deposits/{deposit.body['document']}/refund", person(SAO, "director"),
            {**day, "amount": "30.00", "method": "e-payment"},
        )  # fmt: skip
        advance = await client.advance("e-payment", borrower="นางยืม", amount="500.00")
        orders = [await settled(client, refund.body["document"]), await settled(client, advance)]

    assert [(o["payee"], o["amount"], o["state"]) for o in orders] == [
        ("ร้าน ข", "30.00", "accepted"), ("นางยืม", "500.00", "accepted"),
    ]  # fmt: skip
    assert ("-500.00", advance) in [(line.amount, line.document) for line in playing.lines[SAO]]


@pytest.mark.slow
async def test_while_the_bank_is_down_people_are_not_held_up_and_afterwards_it_pays_once(
    fresh: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "CALL_LIMIT_S", 0.5)
    async with (
        banking(delay_ms=60_000.0) as playing,
        serving(fresh, bank_url=playing.url) as client,
    ):
        document = await pay(client)
        await order_when(client, document, lambda order: order["attempts"])
        spent_s = []
        for _ in range(20):
            began = monotonic()
            assert (await client.receipt()).status == 201
            await pay(client)
            spent_s.append(monotonic() - began)
        playing.knobs = replace(playing.knobs, delay_ms=0.0, outage=True)
        tried = await order_when(client, document, lambda order: order["attempts"] >= 3)
        playing.knobs = replace(playing.knobs, outage=False)
        for order in await bank_orders(client):
            await settled(client, order["document"])
        states = {order["state"] for order in await bank_orders(client)}
        violations = await client.violations()

    assert (tried["state"], states) == ("waiting", {"accepted"})
    assert len({line.document for line in playing.lines[SAO]}) == len(playing.lines[SAO]) == 21
    assert violations == {}
    # Five requests each; one that waited for the bank would take half a second and more.
    assert sorted(spent_s)[len(spent_s) // 2] < 0.4


async def test_an_order_whose_answer_was_lost_is_not_paid_twice(country: Country) -> None:
    async with (
        banking(loses_answers=True) as playing,
        serving(country, bank_url=playing.url) as client,
    ):
        document = await pay(client)
        await order_when(client, document, lambda order: order["attempts"] >= 3)
        playing.knobs = replace(playing.knobs, loses_answers=False)
        order = await settled(client, document)

    (line,) = playing.lines[SAO]
    assert (order["state"], order["bank_reference"]) == ("accepted", line.entry)


async def test_a_refused_order_is_final_and_nobody_changes_it(country: Country) -> None:
    async with (
        banking(refused_payee="ร้านทดสอบ") as playing,
        serving(country, bank_url=playing.url) as client,
    ):
        document = await pay(client)
        order = await settled(client, document)
        await asyncio.sleep(0.1)
        later = (await bank_orders(client))[0]
        with pytest.raises(Exception, match="never changed"):
            await client.sql(
                "UPDATE ledger.bank_order SET state = 'waiting' WHERE document = $1", document
            )

    assert (order["state"], order["reason"]) == ("refused", "the payee has no account")
    assert later == order
    assert playing.lines == {}


async def test_what_the_bank_paid_is_not_paid_again_before_it_came_back(country: Country) -> None:
    async with banking() as playing, serving(country, bank_url=playing.url) as client:
        document = await pay(client)
        await settled(client, document)
        paid = await client.get(f"/units/{SAO}/documents/{document}", person(SAO, "clerk"))
        request = paid.body["reference"]
        reversal = await client.post(
            f"/units/{SAO}/documents/{document}/reverse", person(SAO, "approver"),
            {"date": BUSINESS_DATE, "reason": "ผิดบัญชี"},
        )  # fmt: skip
        again = [await client.take("pay", request, person(SAO, "director"))]
        for entry, amount in (("X-1", "-990.00"), ("X-2", "990.00")):
            line = {**LINE, "entry": entry, "document": document, "amount": amount}
            assert (await hand_in(client, [line])).status == 201
            again.append(await client.take("pay", request, person(SAO, "director")))
        violations = await client.violations()

    assert reversal.status == 201
    assert [(answer.status, answer.code) for answer in again[:2]] == [(409, "wrong-state")] * 2
    assert "the bank may have paid" in again[0].body["detail"]
    assert again[2].status == 201
    assert violations == {}


@pytest.mark.slow
async def test_an_order_whose_worker_died_is_taken_up_by_another(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LEASE_S", 0.6)
    async with (
        banking(delay_ms=60_000.0) as playing,
        serving(country, bank_url=playing.url) as first,
    ):
        document = await pay(first)
        await order_when(first, document, lambda order: order["attempts"])
        first.ledger.bank._task.cancel()  # as kill -9: nothing is given back
        playing.knobs = replace(playing.knobs, delay_ms=0.0)
        began = monotonic()
        async with serving(country, bank_url=playing.url) as second:
            order = await settled(second, document)
        waited_s = monotonic() - began

    assert (order["state"], order["attempts"]) == ("accepted", 2)
    assert [line.document for line in playing.lines[SAO]] == [document]
    assert 0.1 < waited_s < LIMIT_S


async def test_without_a_bank_orders_wait_and_a_payment_reversed_meanwhile_is_withdrawn(
    fresh: Country,
) -> None:
    async with serving(fresh) as client:
        kept, reversed_one = await pay(client), await pay(client)
        answer = await client.post(
            f"/units/{SAO}/documents/{reversed_one}/reverse", person(SAO, "approver"),
            {"date": "2025-12-01", "reason": "ผิดคน"},
        )  # fmt: skip
        assert answer.status == 201, answer.body
        waiting = await bank_orders(client)
        report = await reconciliation(client)
    async with banking() as playing, serving(fresh, bank_url=playing.url) as client:
        await settled(client, kept)

    assert [(o["document"], o["state"]) for o in waiting] == [
        (reversed_one, "withdrawn"), (kept, "waiting"),
    ]  # fmt: skip
    assert [i["document"] for i in report["payments_outstanding"]["items"]] == [kept]
    assert report["deposits_in_transit"]["count"] == 0
    assert report["unexplained"] == "0.00"
    assert [line.document for line in playing.lines[SAO]] == [kept]


async def test_a_payment_that_is_rolled_back_leaves_no_order(country: Country) -> None:
    async with serving(country) as client:
        await pay(client)
        before = await client.sql("SELECT count(*) FROM ledger.bank_order")
        with pytest.raises(ZeroDivisionError):
            await _post_a_payment_and_fail(client)
        after = await client.sql("SELECT count(*) FROM ledger.bank_order")

    assert before == after


async def _post_a_payment_and_fail(client: Client) -> None:
    async with client.ledger.storage.poster() as connection, connection.transaction():
        copied = await connection.fetch(
            """INSERT INTO ledger.document SELECT (d).* FROM (
                SELECT jsonb_populate_record(p, jsonb_build_object('document', p.document + 500,
                    'number', c.last_number + 1)) AS d
                FROM ledger.document AS p JOIN ledger.counter AS c USING (unit, kind, fiscal_year)
                WHERE p.kind = 'payment' AND p.note = 'e-payment' AND p.unit = $1 LIMIT 1
            ) AS copy RETURNING document""",
            SAO,
        )
        ordered = await connection.fetch(
            "SELECT FROM ledger.bank_order WHERE document = $1", copied[0]["document"]
        )
        assert len(ordered) == 1
        raise ZeroDivisionError


async def test_a_statement_handed_in_twice_is_kept_once(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country) as client:
        first = await hand_in(client, [LINE], key=key)
        again = await hand_in(client, [LINE], key=key)
        reused = await hand_in(client, [{**LINE, "amount": "-16.00"}], key=key)
        more = await hand_in(client, [LINE, {**LINE, "entry": "F-2"}])
        other = await hand_in(client, [{**LINE, "entry": "F-3"}, {**LINE, "amount": "-16.00"}])
        kept = await client.sql("SELECT entry, amount::text FROM ledger.bank_entry ORDER BY entry")
        with pytest.raises(Exception, match="never changed"):
            await client.sql("UPDATE ledger.bank_entry SET amount = 0")

    assert (first.status, first.body) == (201, {"unit": SAO, "lines": 1, "new": 1, "known": 0})
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (reused.status, reused.code) == (422, "idempotency-key-reused")
    assert (more.status, more.body) == (201, {"unit": SAO, "lines": 2, "new": 1, "known": 1})
    assert (other.status, other.code) == (409, "wrong-state")
    assert [tuple(row) for row in kept] == [("F-1", "-15.00"), ("F-2", "-15.00")]


async def test_statements_handed_in_at_once_are_taken_one_after_the_other(fresh: Country) -> None:
    key, shared = uuid.uuid4(), [{**LINE, "entry": f"S-{number}"} for number in range(500)]
    async with serving(fresh) as client:
        same = await asyncio.gather(*(hand_in(client, shared, key=key) for _ in range(4)))
        others = await asyncio.gather(*(hand_in(client, shared[::-1]) for _ in range(4)))
        posted = await asyncio.gather(
            *(client.receipt() for _ in range(4)), hand_in(client, shared)
        )
        count = await client.sql("SELECT count(*) FROM ledger.bank_entry")

    assert {(a.status, str(a.body)) for a in same} == {(201, str(same[0].body))}
    assert [a.body["known"] for a in others] == [500] * 4
    assert [a.status for a in posted] == [201] * 5
    assert count[0][0] == 500


async def test_only_the_units_own_clerk_hands_in_a_statement(country: Country) -> None:
    async with serving(country) as client:
        refusals = [
            await hand_in(client, [LINE], account=person(OTHER, "clerk")),
            await hand_in(client, [LINE], account=person(SAO, "director")),
            await hand_in(client, [LINE], account=AUDITOR),
            await hand_in(client, [LINE], account=None),
            await hand_in(client, [LINE], key=""),
            await hand_in(client, [LINE], key="no-uuid"),
        ]
        paths = ("bank-orders", f"reports/bank-reconciliation?period={PERIOD}")
        others = [await client.get(f"/units/{SAO}/{p}", person(OTHER, "clerk")) for p in paths]
        audited = [await client.get(f"/units/{SAO}/{p}", AUDITOR) for p in paths]

    assert [answer.code for answer in refusals] == [
        "forbidden-unit", "forbidden-role", "forbidden-unit", "unauthorized",
        "idempotency-key-missing", "invalid",
    ]  # fmt: skip
    assert [answer.code for answer in others] == ["forbidden-unit"] * 2
    assert [answer.status for answer in audited] == [200] * 2


async def test_hostile_bodies_are_refused_and_leave_nothing(fresh: Country) -> None:
    path, clerk = f"/units/{SAO}/bank-statements", person(SAO, "clerk")
    raw = (
        b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"lines":' + b"[" * 5000, b'{"lines":[null]}',
        b'{"lines":[{"entry":"\\u0000","date":"2025-12-01","amount":"1.00","description":"x"}]}',
    )  # fmt: skip
    async with serving(fresh) as client:
        headers = {"Authorization": f"Bearer {fresh.tokens[clerk]}"}
        statuses = []
        for content in raw:
            sent = {**headers, "Idempotency-Key": str(uuid.uuid4())}
            async with client.session.post(client.url + path, data=content, headers=sent) as answer:
                statuses.append(answer.status)
        many = await hand_in(client, [{**LINE, "entry": f"E{n}"} for n in range(501)])
        large = await hand_in(client, [{**LINE, "description": "ก" * 100_000}])
        wrong = [
            await hand_in(client, [{**LINE, **changes}])
            for changes in (
                {"amount": "-99999999999999.00"}, {"document": 2**62}, {"date": "2025-02-30"},
            )
        ]  # fmt: skip
        periods = [
            await client.get(f"/units/{SAO}/reports/bank-reconciliation{query}", clerk)
            for query in ("", "?period=2025-13", "?period='", "?period=2025-12-01")
        ]
        kept = await client.sql("SELECT count(*) FROM ledger.bank_entry")

    assert set(statuses) == {422}
    assert (many.status, large.status) == (422, 413)
    assert [answer.code for answer in (*wrong, *periods)] == ["invalid"] * 7
    assert kept[0][0] == 0


async def test_the_reconciliation_names_everything_that_one_side_does_not_have(
    fresh: Country,
) -> None:
    async with (
        banking(refused_payee="ร้านปิด") as playing,
        serving(fresh, bank_url=playing.url) as client,
    ):
        cashed, cheque = await pay(client, "cheque"), await pay(client, "cheque")
        refused, paid = await pay(client, payee="ร้านปิด"), await pay(client)
        for document in (refused, paid):
            await settled(client, document)
        receipts = [(await client.receipt(channel="bank")).body["document"] for _ in range(2)]
        playing.enter(SAO, "-990.00", cashed, "cheque")
        playing.enter(SAO, "105.25", receipts[0], "deposit")
        playing.enter(SAO, "-15.00", None, "fee")
        async with client.session.get(f"{playing.url}/statement?unit={SAO}") as answer:
            lines = (await answer.json())["lines"]
        handed_in = await hand_in(client, lines)
        cashed_later = {**lines[0], "entry": "L-1", "date": "2026-01-03", "document": cheque}
        later = await hand_in(client, [cashed_later])
        december, january = await reconciliation(client), await reconciliation(client, "2026-01")
        november = await reconciliation(client, "2025-11")
        wrong = {**LINE, "entry": "L-2", "document": receipts[1], "amount": "105.20"}
        assert (await hand_in(client, [wrong])).status == later.status == 201
        differing = await reconciliation(client)
        books = await client.books()

    opening = 600_000_000
    assert_as_promised("BankReconciliation", december)
    assert_as_promised("BankStatementTaken", handed_in.body)
    assert handed_in.body["new"] == 4
    assert december["book_balance"] == f"{opening - 4 * 990 + 2 * 105.25:.2f}"
    assert december["statement_balance"] == f"{opening - 2 * 990 + 105.25 - 15:.2f}"
    outstanding = december["payments_outstanding"]
    assert (outstanding["count"], outstanding["total"]) == (2, "-1980.00")
    assert [(i["document"], i["amount"], i["note"], i["state"]) for i in outstanding["items"]] == [
        (cheque, "-990.00", "cheque", None),
        (refused, "-990.00", "e-payment", "refused"),
    ]
    transit = december["deposits_in_transit"]
    assert (transit["count"], transit["total"]) == (1, "105.25")
    assert (transit["items"][0]["document"], transit["items"][0]["kind"]) == (
        receipts[1],
        "receipt",
    )
    foreign = december["not_in_books"]
    assert (foreign["count"], foreign["total"]) == (1, "-15.00")
    assert (foreign["items"][0]["description"], foreign["items"][0]["document"]) == ("fee", None)
    assert january["payments_outstanding"]["total"] == "-990.00"
    assert november["statement_balance"] == november["book_balance"] == f"{opening}.00"
    assert {r["unexplained"] for r in (december, january, november)} == {"0.00"}
    assert differing["unexplained"] == "0.05"
    assert {"account": "1110201", "balance": december["book_balance"]} in books["cash"]


async def test_a_long_list_is_cut_and_its_total_is_not(fresh: Country) -> None:
    async with serving(fresh) as client:
        lines = [{**LINE, "entry": f"E{n:03d}"} for n in range(250)]
        await hand_in(client, lines)
        report = await reconciliation(client)

    foreign = report["not_in_books"]
    assert (foreign["count"], len(foreign["items"]), foreign["total"]) == (250, 200, "-3750.00")
    assert foreign["items"][0]["entry"] == "E000"
    assert report["unexplained"] == "0.00"


async def test_a_year_is_not_closed_over_a_payment_that_the_bank_refused(
    late: Country,  # fills the database anew, so this stands last
) -> None:
    day = {"date": "2026-09-28"}
    async with (
        banking(refused_payee="ร้านทดสอบ") as playing,
        serving(late, bank_url=playing.url) as client,
    ):
        document = await pay(client, **day)
        await settled(client, document)
        director = person(SAO, "director")
        year = f"/units/{SAO}/fiscal-years/2569/close"
        await client.post(f"/units/{SAO}/periods/2026-08/close", director)
        refused = await client.post(year, director)
        taken_back = await client.post(
            f"/units/{SAO}/documents/{document}/reverse", person(SAO, "approver"),
            {**day, "reason": "ธนาคารปฏิเสธ"},
        )  # fmt: skip
        again = await client.post(year, director)

    assert (refused.status, taken_back.status) == (409, 201)
    assert "the bank refused" in refused.body["detail"]
    assert "requests of the year still wait" in again.body["detail"]
