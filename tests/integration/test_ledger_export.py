"""Complete books that leave as a file and come back into an empty unit: the same balances, the same
budget, the same things that wait.
"""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections import Counter
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import openpyxl
import pytest

from harness.targets.postgres import EmbeddedPostgres
from reference_app import exports, imports
from tests.integration.ledger_client import (
    OTHER,
    SAO,
    UNITS,
    Client,
    Country,
    fill_country,
    person,
    serving,
)
from tests.integration.test_ledger_import import (
    Cells,
    csv_file,
    document_count,
    imported,
    payment,
    upload,
)

EMPTY = OTHER
NEW_UNIT = f"{EMPTY},0,sao,12,1201,อบต.ใหม่,New SAO,0"
CLERK, DIRECTOR, APPROVER = (person(SAO, role) for role in ("clerk", "director", "approver"))
HOSTILE = (
    "=1+1", "+SUM(A1)", "-5", "@SUM(1)", "＝1", "'", "'quoted'", " ", " before", "behind ", "#N/A",
    'a "b", c; d', "0012", "1e5", "_x0041_", "_x005F_", "<b>&amp;", "😀", "ก" * 200, "ร้าน ค้าไม้",
)  # fmt: skip


@pytest.fixture
def fresh(ledger_postgres: EmbeddedPostgres, tmp_path: Path) -> Country:
    lines = [NEW_UNIT if line.startswith(str(EMPTY)) else line for line in UNITS]
    return asyncio.run(
        fill_country(
            ledger_postgres.owner_dsn, tmp_path, open_from="2025-10-01", country=lines
        )
    )  # fmt: skip


async def exported(
    client: Client, form: str = "csv", *, unit: int = SAO, year: int = 2569, part: str = ""
) -> bytes:
    path = f"{client.url}/units/{unit}/books?fiscal_year={year}&format={form}{part}"
    headers = {"Authorization": f"Bearer {client.country.tokens[person(unit, 'clerk')]}"}
    async with client.session.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def rows_of_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"), newline="")))


async def write(client: Client, path: str, account: int = CLERK, **body: Any) -> int:
    answer = await client.post(f"/units/{SAO}/{path}", account, body)
    assert answer.status == 201, answer.body
    return int(answer.body.get("document", 0))


async def reverse(client: Client, document: int, date: str) -> int:
    path = f"documents/{document}/reverse"
    return await write(client, path, APPROVER, date=date, reason="บันทึกผิดหมวด")


async def spend(client: Client, *roles: str, **changes: Any) -> tuple[int, int]:
    """Take a disbursement request through the first steps, and to its payment if it gets there."""
    request = (await client.request_payment(**changes)).body["document"]
    steps = {"checker": "check", "approver": "approve", "director": "pay"}
    taken = [await client.take(steps[role], request, person(SAO, role)) for role in roles]
    return request, taken[-1].body["document"] if roles else 0


async def work_through_the_year(client: Client) -> None:
    """Post documents of every kind, in three months: whole, half way, taken back."""
    early, later, day = "2025-10-15", "2025-11-20", "2025-12-01"
    both = [{"account": "4110101", "amount": "7.00"}] * 3
    await client.receipt(date=early, lines=both)
    await client.receipt(channel="bank")
    for text in HOSTILE:
        await client.receipt(payer=text)
    voucher: Cells = {"description": "=ปรับปรุง", "lines": [
        *[{"account": "5310101", "debit": "7.00"}] * 2, {"account": "2110101", "credit": "14.00"},
    ]}  # fmt: skip
    await write(client, "journal-vouchers", date=early, **voucher)
    line: Cells = {"budget_line": "B05", "payee": "ผู้รับจ้าง", "amount": "80.00"}
    await write(client, "commitments", date=early, **line)
    given: Cells = {"budget_line": "B01", "amount": "100.00", "description": "เพิ่มเติม"}
    await write(client, "supplementary-budgets", DIRECTOR, date=early, **given)
    ordinance = await write(client, "budget-ordinances", DIRECTOR, date=early, **given)
    await write(client, "remittances", date=early, description="นำส่ง", amount="10.00")

    # B02 gives nearly all that it has to B12, which needs it.
    moved: Cells = {"from_line": "B02", "to_line": "B12", "amount": "49999999.99"}
    await write(client, "budget-transfers", date=day, **moved)
    await spend(client, "checker", "approver", "director", budget_line="B12", amount="70000000.00")
    gone = await write(
        client, "budget-transfers", date=day, from_line="B03", to_line="B04", amount="5.00"
    )

    for roles in ((), ("checker",), ("checker", "approver")):
        await spend(client, *roles)
    _, paid = await spend(client, "checker", "approver", "director", budget_line="B06")
    await spend(client, "checker", "approver", "director", withholding_tax="0.00")
    dropped, _ = await spend(client)

    bank: Cells = {"date": early, "channel": "bank", "amount": "300.00"}
    advances = [await client.advance(date=early, amount="100.00") for _ in range(4)]
    await write(client, "advance-requests", date=later, borrower="=ผู้ยืม", amount="9.00")
    deposits = [await write(client, "deposits", **bank, depositor="-ผู้ฝาก") for _ in range(3)]
    for document, amount in ((advances[1], "40.00"), (advances[2], "100.00")):
        await write(client, f"advances/{document}/clear", date=later, amount=amount)
    back: Cells = {"date": later, "amount": "120.00", "method": "cheque"}
    await write(client, f"deposits/{deposits[1]}/refund", DIRECTOR, **back)
    tax: Cells = {"date": day, "payee": "สรรพากร", "amount": "10.00"}
    for _ in range(2):
        remitted = await write(client, "tax-remittances", **tax)
    await write(client, f"tax-remittances/{remitted}/pay", DIRECTOR, date=day, method="cheque")

    receipt = (await client.receipt(date=early)).body["document"]
    note = await write(client, "journal-vouchers", date=day, **voucher)
    for document, date in (
        (receipt, later), (note, day), (ordinance, day), (gone, day), (paid, day), (dropped, day),
        (advances[3], later), (deposits[2], early),
    ):  # fmt: skip
        await reverse(client, document, date)


def standing(books: Any) -> tuple[Any, Any, Any]:
    return books["trial_balance"], books["cash"], books["budget"]


async def waiting(client: Client, unit: int) -> Counter[tuple[str, ...]]:
    answer = await client.get(f"/units/{unit}/worklist", person(unit, "clerk"))
    return Counter(
        (item["kind"], item["date"], item["party"], item["open_amount"])
        for item in answer.body["items"]
    )


async def payers(client: Client, unit: int) -> list[str]:
    rows = await client.sql(
        "SELECT party FROM ledger.document WHERE unit = $1 AND kind = 'receipt' ORDER BY number",
        unit,
    )
    return [row["party"] for row in rows]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_books_come_back_into_an_empty_unit_as_they_were(fresh: Country, form: str) -> None:
    async with serving(fresh) as client:
        await work_through_the_year(client)
        original, waits = await client.books(), await waiting(client, SAO)
        content = await exported(client, form)
        result = await imported(client, content, EMPTY, account=person(EMPTY, "director"),
            name=f"books.{form}")  # fmt: skip
        copy, copy_waits = await client.books(EMPTY), await waiting(client, EMPTY)
        again = await exported(client, form, unit=EMPTY)
        names, copied = await payers(client, SAO), await payers(client, EMPTY)
        violations = await client.violations()

    assert result["state"] == "done", result["problems"]
    assert standing(copy) == standing(original)
    assert copy_waits == waits
    assert set(HOSTILE) < set(names)
    assert copied == names[:-1]  # the last was taken back
    assert violations == {}
    assert len(again) > 0.9 * len(content)
    if form == "csv":
        rows = rows_of_csv(content)
        assert content.startswith("\ufeffเลขที่เอกสาร,".encode())
        cells = [cell for row in rows for cell in row.values() if cell]
        assert not [cell for cell in cells if cell[0] in "=+-@"]
        assert rows[0]["เลขที่เอกสาร"] == "budget-2569-B01"
        assert rows[0]["จำนวนเงิน"] == "50000100.00"
        assert {"receipt-2569-1", "payment-2569-1"} < {row["เลขที่เอกสาร"] for row in rows}
    else:
        sheet = openpyxl.load_workbook(BytesIO(content)).worksheets[0]
        types = {cell.data_type for row in sheet.iter_rows() for cell in row}
        assert types == {"s", "n"}


async def test_a_later_year_begins_with_what_the_year_before_has_left(fresh: Country) -> None:
    async with serving(fresh) as client:
        await work_through_the_year(client)
        for unit in (SAO, EMPTY):
            opened = await client.post(
                f"/units/{unit}/fiscal-years/2570/open", person(unit, "director")
            )
            assert opened.status == 201, opened.body
        given: Cells = {"budget_line": "B01", "amount": "100.00", "description": "ปี 2570"}
        await write(client, "budget-ordinances", DIRECTOR, date="2026-10-05", **given)
        await client.receipt(date="2026-10-06")
        content = await exported(client, year=2570)
        result = await imported(client, content, EMPTY, account=person(EMPTY, "director"))
        balances = [
            await client.get(f"/units/{unit}/reports/trial-balance?period=2026-10", account)
            for unit, account in ((SAO, CLERK), (EMPTY, person(EMPTY, "clerk")))
        ]
        budgets = [
            await client.get(f"/units/{unit}/budget?fiscal_year=2570", account)
            for unit, account in ((SAO, CLERK), (EMPTY, person(EMPTY, "clerk")))
        ]
        waiting, copy = [
            (await client.get(f"/units/{unit}/worklist", account)).body["items"]
            for unit, account in ((SAO, CLERK), (EMPTY, person(EMPTY, "clerk")))
        ]
        violations = await client.violations()

    assert result["state"] == "done", result["problems"]
    assert {row["kind"] for row in waiting} >= {"advance", "deposit", "tax_remittance"}
    of_the_year_before = [row for row in waiting if row["kind"] != "disbursement_request"]
    assert sorted((row["kind"], row["party"], row["open_amount"]) for row in copy) == sorted(
        (row["kind"], row["party"], row["open_amount"]) for row in of_the_year_before
    )
    assert violations == {}
    closing, copied = (
        {row["account"]: row["closing"] for row in b.body["accounts"] if Decimal(row["closing"])}
        for b in balances
    )
    assert copied == closing
    assert len(closing) > 8
    assert budgets[0].body["lines"] == budgets[1].body["lines"]
    assert rows_of_csv(content)[0]["คำอธิบาย"] == "ยอดยกมา 2570"


async def test_people_go_on_by_hand_in_the_sheet_and_hand_it_in(fresh: Country) -> None:
    async with serving(fresh) as client:
        await client.receipt()
        book = openpyxl.load_workbook(BytesIO(await exported(client, "xlsx")))
        sheet = book.worksheets[0]
        names = {cell.value: cell.column for cell in sheet[1]}
        by_hand = {"เลขที่เอกสาร": "มือ 1", "ประเภท": "ใบเสร็จรับเงิน", "วันที่": "2/12/2568",
                   "ช่องทาง": "cash",
                   "ผู้ชำระเงิน": "นายมือ", "รหัสบัญชี": 4110101, "จำนวนเงิน": 9.5}  # fmt: skip
        last = sheet.max_row + 1
        for name, value in by_hand.items():
            sheet.cell(last, names[name], value)
        saved = BytesIO()
        book.save(saved)
        result = await imported(client, saved.getvalue(), EMPTY,
            account=person(EMPTY, "director"), name="books.xlsx")  # fmt: skip
        copied = await payers(client, EMPTY)

    assert result["state"] == "done", result["problems"]
    assert copied == ["นางสาวทดสอบ ใจดี", "นายมือ"]


def ordinance(reference: str, amount: str) -> dict[str, Any]:
    return {
        "reference": reference, "kind": "งบประมาณตามข้อบัญญัติ", "date": "1/10/2568",
        "budget_line": "B03", "amount": amount, "description": "ข้อบัญญัติ",
    }  # fmt: skip


def transfer(reference: str, amount: str) -> dict[str, Any]:
    return {
        "reference": reference, "kind": "budget_transfer", "date": "1/10/2568",
        "from_line": "B03", "to_line": "B04", "amount": amount,
    }  # fmt: skip


ORDINANCES: list[tuple[str, list[dict[str, Any]], list[tuple[str, int]], dict[str, Any]]] = [
    ("an ordinance alone", [ordinance("O", "50.00")], [], {"appropriated": "50.00"}),
    (
        "payments before their ordinance",
        [payment("P", amount="40.00", withholding_tax=0), ordinance("O", "50.00")],
        [],
        {"appropriated": "50.00", "paid": "40.00", "committed": "0.00"},
    ),
    (
        "an ordinance that is too small",
        [ordinance("O", "50.00"), payment("P", amount="50.01", withholding_tax=0)],
        [("budget-exceeded", 3)],
        {"appropriated": "0.00"},
    ),
    (
        "a payment out of what is transferred",
        [
            payment("P", amount="20.00", budget_line="B04", withholding_tax=0),
            transfer("T", "30.00"),
            ordinance("O", "50.00"),
        ],
        [],
        {"appropriated": "50.00", "transferred": "-30.00", "committed": "0.00"},
    ),
    (
        "more transferred than there is",
        [ordinance("O", "50.00"), transfer("T", "50.01")],
        [("budget-exceeded", 3)],
        {"appropriated": "0.00"},
    ),
]


@pytest.mark.parametrize(
    ("rows", "problems", "position"), [c[1:] for c in ORDINANCES], ids=[c[0] for c in ORDINANCES]
)
async def test_a_file_has_the_budget_that_it_brings_wherever_it_stands(
    fresh: Country,
    rows: list[dict[str, Any]],
    problems: list[tuple[str, int]],
    position: dict[str, str],
) -> None:
    async with serving(fresh) as client:
        result = await imported(client, csv_file(rows), EMPTY, account=person(EMPTY, "director"))
        budget = {line["budget_line"]: line for line in (await client.books(EMPTY))["budget"]}
        violations = await client.violations()

    assert [(problem["code"], problem["row"]) for problem in result["problems"]] == problems
    assert {name: budget["B03"][name] for name in position} == position
    assert budget["B04"]["appropriated"] == "0.00"
    assert violations == {}


async def test_an_export_is_one_moment_while_postings_go_on(fresh: Country) -> None:
    async with serving(fresh) as client:
        await client.receipt()

        async def post_on() -> None:
            while True:
                await asyncio.gather(*(client.receipt() for _ in range(10)))

        posting = asyncio.create_task(post_on())
        headers = {"Authorization": f"Bearer {client.country.tokens[CLERK]}"}
        path = f"{client.url}/units/{SAO}/books?fiscal_year=2569&format=csv"
        seen = []
        for _ in range(3):
            async with client.session.get(path, headers=headers) as response:
                rows = rows_of_csv(await response.read())
                seen.append((int(response.headers["ETag"].strip('"')), rows))
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)

    moments = [moment for moment, _ in seen]
    assert moments == sorted(set(moments))
    for moment, rows in seen:
        numbers = {row["เลขที่เอกสาร"] for row in rows if row["ประเภท"] == "ใบเสร็จรับเงิน"}
        assert numbers == {f"receipt-2569-{n}" for n in range(1, moment + 1)}


async def test_what_a_file_has_not_posted_yet_is_not_in_the_books(
    fresh: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 1)
    rows = [*(ordinance(f"O{n}", "1.00") for n in range(150)), transfer("T", "5.00")]
    async with serving(fresh) as client:
        answer = await upload(client, csv_file(rows), unit=EMPTY,
            account=person(EMPTY, "director"))  # fmt: skip
        async with asyncio.timeout(30.0):
            while await document_count(client, EMPTY) == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await client.ledger.importer.stop()
        count = await document_count(client, EMPTY)
        seen = rows_of_csv(await exported(client, unit=EMPTY))
        budget = {line["budget_line"]: line for line in (await client.books(EMPTY))["budget"]}

    assert answer.status == 202
    assert 0 < count < 150
    assert budget["B03"]["appropriated"] == "150.00"  # reserved for the rest of the file
    assert [row["จำนวนเงิน"] for row in seen] == [f"{count}.00"]


async def test_parts_hold_all_of_it_and_end(fresh: Country) -> None:
    async with serving(fresh) as client:
        await client.receipt()
        whole, first, second = [
            await exported(client, part=part) for part in ("", "&part=1", "&part=2")
        ]

    assert first == whole
    assert rows_of_csv(second) == []
    assert whole.startswith(second)


async def test_files_are_for_whoever_may_read_the_books(fresh: Country) -> None:
    path = f"/units/{SAO}/books?fiscal_year=2569&format="
    async with serving(fresh) as client:
        stranger = [await client.get(path + form, person(OTHER, "clerk")) for form in
                    ("csv", "xlsx")]  # fmt: skip
        nobody = await client.get(path + "csv")
        bodiless = await client.session.head(client.url + path + "csv")
        wrong = [await client.get(path + form, CLERK) for form in ("pdf", "csv&part=-1",
                 "csv&part=x", "xlsx&part=1234")]  # fmt: skip
        other_year = await client.get(f"/units/{SAO}/books?fiscal_year=2599&format=csv", CLERK)

    assert {(a.status, a.code) for a in stranger} == {(403, "forbidden-unit")}
    assert (nobody.status, bodiless.status) == (401, 405)
    assert {(a.status, a.code) for a in wrong} == {(422, "invalid")}
    assert other_year.status == 200


async def until(client: Client, count: int) -> None:
    """Wait until *count* exports are at the database."""
    statement = "SELECT FROM pg_stat_activity WHERE application_name = 'ledger/export'"
    async with asyncio.timeout(30.0):
        while len(await client.sql(statement)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_client_that_goes_away_leaves_no_process_and_no_file(
    fresh: Country, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(exports, "EXPORTS_MAX", 1)
    path = f"/units/{SAO}/books?fiscal_year=2569&format=xlsx"
    headers = {"Authorization": f"Bearer {fresh.tokens[CLERK]}"}
    lock = await asyncpg.connect(fresh.settings.database_url)
    async with serving(fresh) as client:
        async with lock.transaction():
            await lock.execute("LOCK TABLE ledger.document IN ACCESS EXCLUSIVE MODE")
            response = await client.session.get(client.url + path, headers=headers)
            second = await client.get(path, CLERK)
            async with asyncio.timeout(30.0):
                while not list(folder.iterdir()):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            response.close()
            await until(client, 0)
            async with asyncio.timeout(30.0):
                while list(folder.iterdir()):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            async with asyncio.timeout(30.0):  # until the place of the first is free again
                while True:
                    killed = await client.session.get(client.url + path, headers=headers)
                    if killed.status == 200:
                        break
                    killed.release()
                    await asyncio.sleep(0.02)
            await until(client, 1)
            await lock.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'ledger/export'"
            )
            with pytest.raises(aiohttp.ClientPayloadError):
                await killed.read()
        afterwards = await exported(client, "xlsx")
    await lock.close()

    assert (second.status, second.code) == (503, "shed")
    assert afterwards.startswith(b"PK")
    assert list(folder.iterdir()) == []


async def test_a_worker_that_dies_takes_the_process_and_its_file_along(
    fresh: Country, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    lock = await asyncpg.connect(fresh.settings.database_url)
    async with lock.transaction():
        await lock.execute("LOCK TABLE ledger.document IN ACCESS EXCLUSIVE MODE")
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reference_app.write_export", str(SAO), "2569", "xlsx", "0",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LEDGER_DATABASE_URL": fresh.settings.database_url,
                 "TMPDIR": str(folder)},
        )  # fmt: skip
        assert writer.stdin is not None
        assert writer.stdout is not None
        moment = await writer.stdout.readline()
        assert list(folder.iterdir()) != []
        writer.stdin.close()  # as the kernel does for a worker that was killed
        async with asyncio.timeout(30.0):
            status = await writer.wait()
    await lock.close()

    assert moment == b"0\n"
    assert status == 1
    assert list(folder.iterdir()) == []
