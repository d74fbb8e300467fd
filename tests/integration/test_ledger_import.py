"""Six months of back-dated books: what is taken, what is refused, and always whole or nothing."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO, StringIO
from typing import Any

import aiohttp
import openpyxl
import pytest

from harness import unsettled
from harness.targets.postgres import EmbeddedPostgres
from reference_app import imports
from scenarios.dialects.reference import ReferenceDialect
from tests.integration.ledger_client import (
    AUDITOR,
    OTHER,
    PAO,
    SAO,
    Answer,
    Client,
    Country,
    fill_country,
    person,
    serving,
)

LIMIT_S = 60.0
HEADER = (
    "reference", "kind", "date", "channel", "payer", "payee", "borrower", "description",
    "budget_line", "from_line", "to_line", "amount", "withholding_tax", "account", "debit",
    "credit",
)  # fmt: skip
Cells = dict[str, Any]


def receipt(reference: str, **changes: Any) -> Cells:
    return {
        "reference": reference, "kind": "receipt", "date": "15/11/2568", "channel": "cash",
        "payer": "นายทดสอบ ใจดี", "amount": "100.25", "account": "4110101", **changes,
    }  # fmt: skip


def payment(reference: str, **changes: Any) -> Cells:
    return {
        "reference": reference, "kind": "ฎีกาที่จ่ายแล้ว", "date": "2568-12-01", "payee": "ร้านค้า",
        "budget_line": "B03", "amount": "5000", "withholding_tax": "50", **changes,
    }  # fmt: skip


def voucher(reference: str) -> list[Cells]:
    first = {"reference": reference, "kind": "journal_voucher", "date": "๑๕ พ.ย. ๒๕๖๘"}
    return [
        {**first, "description": "ตั้งค้างจ่าย", "account": "5310101", "debit": "70.00"},
        {"reference": reference, "account": "2110101", "credit": "70.00"},
    ]


def csv_file(rows: Sequence[Cells], *, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    text = StringIO()
    writer = csv.DictWriter(text, HEADER, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx_file(rows: Sequence[Cells], *, merged: str = "", hidden: int = 0) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "ต.ค."
    sheet.append(HEADER)
    for row in rows:
        sheet.append([row.get(column) for column in HEADER])
    if merged:
        sheet.merge_cells(merged)
    if hidden:
        sheet.row_dimensions[hidden].hidden = True
    content = BytesIO()
    book.save(content)
    return content.getvalue()


async def upload(
    client: Client,
    content: bytes,
    *,
    unit: int = SAO,
    account: int | None = None,
    key: uuid.UUID | str | None = None,
    name: str = "books.csv",
    field: str = "file",
) -> Answer:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field(field, BytesIO(content), filename=name, content_type="application/octet-stream")
    token = client.country.tokens[account or person(unit, "director")]
    headers = {"Authorization": f"Bearer {token}"}
    if key != "":
        headers["Idempotency-Key"] = str(key or uuid.uuid4())
    path = f"{client.url}/units/{unit}/imports"
    async with client.session.post(path, data=form, headers=headers) as response:
        return Answer(response.status, response.headers, await response.json(content_type=None))


async def settled(client: Client, answer: Answer, unit: int = SAO) -> dict[str, Any]:
    """Return the import of an upload once it is refused or done."""
    assert answer.status == 202, answer.body
    async with asyncio.timeout(LIMIT_S):
        while True:
            seen = await client.get(answer.headers["Location"], person(unit, "clerk"))
            assert seen.status == 200
            if seen.body["state"] in ("refused", "done"):
                result: dict[str, Any] = seen.body
                return result
            await asyncio.sleep(0.02)


async def imported(client: Client, content: bytes, unit: int = SAO, **how: Any) -> dict[str, Any]:
    return await settled(client, await upload(client, content, unit=unit, **how), unit)


async def document_count(client: Client, unit: int = SAO) -> int:
    return len((await client.books(unit))["documents"])


@pytest.fixture
def fresh(ledger_postgres: EmbeddedPostgres, tmp_path: Any) -> Country:
    return asyncio.run(fill_country(ledger_postgres.owner_dsn, tmp_path))


async def test_a_file_of_several_kinds_is_posted_whole_and_the_books_are_right(
    country: Country,
) -> None:
    rows = [
        receipt("R1"),
        receipt("R1", account="4210101", amount="5.00"),
        payment("P1"),
        *voucher("J1"),
        {"reference": "C1", "kind": "commitment", "date": "1/12/2568", "payee": "ผู้รับจ้าง",
         "budget_line": "B09", "amount": "1,250,000.00"},
        {"reference": "A1", "kind": "เงินยืม", "date": "2025-12-02", "borrower": "นางยืม",
         "amount": 800},
        {"reference": "T1", "kind": "budget_transfer", "date": "2/12/68", "from_line": "B01",
         "to_line": "B02", "amount": "10.00"},
    ]  # fmt: skip
    key = uuid.uuid4()
    async with serving(country) as client:
        before = await client.books()
        result = await imported(client, csv_file(rows), key=key)
        after = await client.books()
        found = await client.get(
            f"/units/{SAO}/documents/by-key/{uuid.uuid5(key, 'R1')}", person(SAO, "clerk")
        )
        violations = await client.violations()

    assert (result["state"], result["rows"], result["documents"]) == ("done", 8, 6)
    assert result["documents_posted"] == 6
    assert violations == {}
    new = after["documents"][len(before["documents"]) :]
    assert [document["kind"] for document in new] == [
        "receipt", "back_dated_payment", "journal_voucher", "commitment", "advance",
        "budget_transfer",
    ]  # fmt: skip
    assert new[0]["gross"] == "105.25"
    assert new[0]["date"] == "2025-11-15"
    assert new[1]["lines"] == [
        ["5210101", "5000.00", "0.00"],
        ["1110201", "0.00", "4950.00"],
        ["2120101", "0.00", "50.00"],
    ]
    budget = {line["budget_line"]: line for line in after["budget"]}
    assert (budget["B03"]["paid"], budget["B03"]["committed"]) == ("5000.00", "0.00")
    assert budget["B09"]["committed"] == "1250000.00"
    assert budget["B02"]["transferred"] == "10.00"
    assert found.body["kind"] == "receipt"


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8-sig", ","), ("utf-8", ";"), ("cp874", "\t")],
)
async def test_csv_is_read_in_the_encodings_and_delimiters_that_offices_have(
    country: Country, encoding: str, delimiter: str
) -> None:
    content = csv_file([receipt(f"E-{encoding}")], encoding=encoding, delimiter=delimiter)
    async with serving(country) as client:
        result = await imported(client, content)
        document = (await client.books())["documents"][-1]
        path = f"/units/{SAO}/documents/{document['document']}"
        read = await client.get(path, person(SAO, "clerk"))

    assert result["state"] == "done", result
    assert read.body["party"] == "นายทดสอบ ใจดี"


async def test_a_workbook_is_read_with_excel_dates_and_numbers(country: Country) -> None:
    rows = [
        receipt("X1", date=datetime(2025, 11, 15), amount=100.25, account=4110101),
        receipt("X2", date=45976, amount=7),
    ]
    async with serving(country) as client:
        result = await imported(client, xlsx_file(rows), name="หกเดือน.xlsx")
        new = (await client.books())["documents"][-2:]

    assert result["state"] == "done", result
    assert [document["date"] for document in new] == ["2025-11-15", "2025-11-15"]
    assert [document["gross"] for document in new] == ["100.25", "7.00"]


REFUSED_ROWS: list[tuple[str, list[Cells], str, str, int]] = [
    ("no such day", [receipt("1"), receipt("2", date="31/2/68")], "not-a-day", "date", 3),
    ("no day at all", [receipt("1", date="")], "not-a-day", "date", 2),
    ("a year 543 too late", [receipt("1", date="15/11/3111")], "year-slip", "date", 2),
    ("a year 543 too early", [receipt("1", date="15/11/1482")], "year-slip", "date", 2),
    ("another fiscal year", [receipt("1", date="15/11/2567")], "other-year", "date", 2),
    ("a closed month", [receipt("1", date="15/10/2568")], "period-closed", "date", 2),
    ("a formula", [receipt("1", amount="=SUM(A1:A9)")], "formula", "amount", 2),
    ("money with three decimals", [receipt("1", amount="10.005")], "not-money", "amount", 2),
    ("money in words", [receipt("1", amount="ร้อยบาท")], "not-money", "amount", 2),
    ("money without end", [receipt("1", amount="Infinity")], "not-money", "amount", 2),
    ("negative money", [receipt("1", amount="-5.00")], "not-money", "amount", 2),
    ("a decimal comma", [receipt("1", amount="100,25")], "not-money", "amount", 2),
    ("an unknown kind", [receipt("1", kind="ขนม")], "unknown-kind", "kind", 2),
    ("a payment by a step only", [receipt("1", kind="payment")], "unknown-kind", "kind", 2),
    ("no number", [receipt("")], "no-reference", "reference", 2),
    ("a row twice", [receipt("1"), receipt("1")], "duplicate", "reference", 3),
    ("a number twice", [receipt("1"), receipt("2"), receipt("1")], "duplicate", "reference", 4),
    ("a payment of two rows", [payment("1"), payment("1", amount="7")], "differs", "amount", 3),
    ("a stray column", [receipt("1", payee="ร้านค้า")], "not-of-this-kind", "payee", 2),
    ("no such account", [receipt("1", account="9999999")], "rule", "account", 2),
    ("no such budget line", [payment("1", budget_line="B99")], "rule", "budget_line", 2),
    ("more than the budget", [payment("1", amount="60000000")], "budget-exceeded", "amount", 2),
    ("a voucher that does not balance", voucher("1")[:1], "rule", "", 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "code", "column", "row"),
    [case[1:] for case in REFUSED_ROWS],
    ids=[case[0] for case in REFUSED_ROWS],
)
async def test_a_wrong_row_refuses_the_file_with_its_place(
    country: Country, rows: list[Cells], code: str, column: str, row: int
) -> None:
    marked = [
        {**cells, "reference": cells["reference"] and f"{code}{row}{column}-{cells['reference']}"}
        for cells in rows
    ]
    async with serving(country) as client:
        before = await client.books()
        result = await imported(client, csv_file([receipt("sound-before"), *marked]))
        after = await client.books()

    assert result["state"] == "refused"
    assert (result["documents"], result["documents_posted"]) == (0, 0)
    (problem,) = result["problems"]
    assert (problem["code"], problem["column"], problem["row"]) == (code, column, row + 1)
    assert problem["reason"]
    assert problem["reason_th"]
    assert after == before


def bomb() -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as parts:
        for number in range(4):
            parts.writestr(f"xl/worksheets/sheet{number}.xml", b"\0" * 80_000_000)
    return content.getvalue()


def entity_workbook() -> bytes:
    content = BytesIO()
    sound = BytesIO(xlsx_file([receipt("1")]))
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(content, "w") as new:
        for part in old.namelist():
            body = old.read(part)
            if part == "xl/workbook.xml":
                body = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + body
            new.writestr(part, body)
    return content.getvalue()


def hostile_files() -> Iterator[tuple[str, bytes, str]]:
    sound = csv_file([receipt("1")])
    yield "merged cells", xlsx_file([receipt("1"), receipt("2")], merged="A2:A3"), "merged"
    yield "a 543-year serial", xlsx_file([receipt("1", date=datetime(2568, 11, 15))]), "year-slip"
    yield "a hidden row", xlsx_file([receipt("1"), receipt("2")], hidden=3), "hidden"
    yield "a formula in a workbook", xlsx_file([receipt("1", amount="=1+1")]), "formula"
    yield "a zip bomb", bomb(), "zip-bomb"
    yield "an entity bomb", entity_workbook(), "broken-xlsx"
    yield "half a workbook", xlsx_file([receipt("1")])[:-600], "broken-xlsx"
    yield "an old or encrypted workbook", b"\xd0\xcf\x11\xe0" + b"x" * 600, "old-or-encrypted"
    yield "a web page", b"<html><table><tr><td>reference", "other-format"
    yield "UTF-16", csv_file([receipt("1")], encoding="utf-16"), "encoding"
    yield "Latin-1", sound.split(b"\n", 1)[0] + b"\n\xe9,receipt,1/11/2568\n", "encoding"
    yield "zero bytes", sound + b"\0\0", "encoding"
    yield "an open quotation", sound + b'"', "broken-csv"
    yield "no columns", b"1,2,3\n4,5,6\n", "no-columns"
    yield "a column twice", b"reference,kind,date,date\n1,receipt,1/11/2568,\n", "unknown-column"
    yield "columns only", csv_file([]), "empty"
    yield "noise", bytes(range(128, 160)) * 50, "encoding"


@pytest.mark.parametrize(
    ("content", "code"),
    [case[1:] for case in hostile_files()],
    ids=[case[0] for case in hostile_files()],
)
async def test_a_file_that_cannot_be_trusted_is_refused_as_a_whole(
    country: Country, content: bytes, code: str
) -> None:
    name = "books.xlsx" if content[:2] == b"PK" else "books.csv"
    async with serving(country) as client:
        before = await document_count(client)
        result = await imported(client, content, name=name)
        after = await document_count(client)
        alive = await client.get("/readyz")

    assert result["state"] == "refused"
    assert [problem["code"] for problem in result["problems"]] == [code]
    assert after == before
    assert alive.status == 200


async def test_the_report_is_bounded_and_says_how_many_there_are(country: Country) -> None:
    rows = [receipt(str(number), date="32/13/2568") for number in range(450)]
    async with serving(country) as client:
        result = await imported(client, csv_file(rows))

    assert result["problem_count"] == 450
    assert len(result["problems"]) == 200
    assert result["rows"] == 450


async def test_what_was_imported_once_is_not_imported_again(country: Country) -> None:
    first, second = csv_file([receipt("once")]), csv_file([receipt("new"), receipt("once")])
    async with serving(country) as client:
        await imported(client, first)
        before = await document_count(client)
        again = await imported(client, second)
        after = await document_count(client)

    (problem,) = again["problems"]
    assert again["state"] == "refused"
    assert (problem["code"], problem["row"], problem["value"]) == ("already-in-books", 3, "once")
    assert after == before


async def test_a_repeated_upload_is_the_same_import(country: Country) -> None:
    key, content = uuid.uuid4(), csv_file([receipt("twice")])
    async with serving(country) as client:
        first = await upload(client, content, key=key)
        same_key = await upload(client, content, key=key)
        same_file = await upload(client, content)
        await settled(client, first)
        after_the_end = await upload(client, content)
        other_file = await upload(client, csv_file([receipt("else")]), key=key)
        count = sum(
            document["key"] == str(uuid.uuid5(key, "twice"))
            for document in (await client.books())["documents"]
        )

    assert {a.status for a in (first, same_key, same_file, after_the_end)} == {202}
    assert {a.headers["Location"] for a in (same_key, same_file, after_the_end)} == {
        first.headers["Location"]
    }
    assert "Idempotency-Replayed" not in first.headers
    assert same_file.headers["Idempotency-Replayed"] == "true"
    assert (other_file.status, other_file.code) == (422, "idempotency-key-reused")
    assert count == 1


async def test_a_file_that_comes_several_times_at_once_is_one_import(country: Country) -> None:
    content = csv_file([receipt("at-once")])
    async with serving(country) as client:
        answers = await asyncio.gather(*(upload(client, content) for _ in range(4)))
        await settled(client, answers[0])

    assert {answer.status for answer in answers} == {202}
    assert len({answer.headers["Location"] for answer in answers}) == 1


async def test_no_sum_of_allowed_amounts_is_too_large_for_the_books(fresh: Country) -> None:
    """What one row may hold, any number of rows may: else a file would stop half-way for ever."""
    rows = [receipt(f"R{number}", amount="9999999999999.99") for number in range(2000)]
    budget = {"kind": "budget_ordinance", "date": "15/11/2568", "budget_line": "B01",
              "amount": "9999999999999.99", "description": "ก"}  # fmt: skip
    rows += [{"reference": f"B{number}", **budget} for number in range(1200)]
    async with serving(fresh) as client:
        result = await imported(client, csv_file(rows))
        balance = await client.get(
            f"/units/{SAO}/reports/trial-balance?period=2025-11", person(SAO, "clerk")
        )
        seen = await client.get(f"/units/{SAO}/overview", person(SAO, "clerk"))
        violations = await client.violations()

    assert (result["state"], result["documents_posted"]) == ("done", 3200)
    cash = next(a for a in balance.body["accounts"] if a["account"] == "1110101")
    assert cash["debit"].startswith("19999999999999980")
    assert seen.status == 200
    assert violations == {}


async def test_a_check_that_the_database_refuses_is_not_tried_for_ever(fresh: Country) -> None:
    async with serving(fresh) as client:
        await client.sql(
            "ALTER TABLE ledger.import_document ADD CONSTRAINT none CHECK (reference <> 'odd')"
        )
        result = await imported(client, csv_file([receipt("odd")]))
        then = await imported(client, csv_file([receipt("even")]))

    assert [problem["code"] for problem in result["problems"]] == ["not-checkable"]
    assert then["state"] == "done"


async def test_uploads_are_for_the_director_of_the_unit_and_for_sound_forms(
    country: Country,
) -> None:
    content = csv_file([receipt("rights")])
    async with serving(country) as client:
        clerk = await upload(client, content, account=person(SAO, "clerk"))
        stranger = await upload(client, content, account=person(OTHER, "director"))
        keyless = await upload(client, content, key="")
        other_field = await upload(client, content, field="books")
        names = [
            await upload(client, content, name=name)
            for name in ("../../etc/passwd.csv", "ab\u202evsc.csv", "books.exe", "x" * 300 + ".csv")
        ]
        empty = await upload(client, b"")
        json_body = await client.post(f"/units/{SAO}/imports", person(SAO, "director"), {"a": 1})
        large = await upload(client, b"x" * (33 * 1024 * 1024))
        boundary = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nX-A: '
        async with client.session.post(
            f"{client.url}/units/{SAO}/imports",
            data=boundary + b"a" * 100_000 + b"\r\n\r\nx\r\n--x--\r\n",
            headers={
                "Authorization": f"Bearer {client.country.tokens[person(SAO, 'director')]}",
                "Idempotency-Key": str(uuid.uuid4()),
                "Content-Type": "multipart/form-data; boundary=x",
            },
        ) as response:
            long_header = response.status
        unknown = await client.get(f"/units/{SAO}/imports/{uuid.uuid4()}", person(SAO, "clerk"))
        outside = await client.get(f"/units/{SAO}/imports/{uuid.uuid4()}", person(OTHER, "clerk"))

    assert (clerk.status, clerk.code) == (403, "forbidden-role")
    assert (stranger.status, stranger.code) == (403, "forbidden-unit")
    assert (keyless.status, keyless.code) == (400, "idempotency-key-missing")
    assert {(a.status, a.code) for a in (other_field, empty, json_body, *names)} == {
        (422, "invalid")
    }
    assert (large.status, large.code) == (413, "too-large")
    assert long_header == 422
    assert unknown.status == 404
    assert outside.status == 403


async def test_no_month_is_closed_while_a_file_is_posted(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 1)
    rows = [receipt(f"close-{number}") for number in range(300)]
    path = f"/units/{OTHER}/periods/2025-11/close"
    async with serving(country) as client:
        answer = await upload(client, csv_file(rows), unit=OTHER)
        async with asyncio.timeout(LIMIT_S):
            while True:
                seen = await client.get(answer.headers["Location"], person(OTHER, "clerk"))
                if seen.body["documents_posted"] > 0:
                    break
                await asyncio.sleep(0.005)
        during = await client.post(path, person(OTHER, "director"))
        people = await client.receipt(OTHER)
        await settled(client, answer, OTHER)
        afterwards = await client.post(path, person(OTHER, "director"))

    assert seen.body["documents_posted"] < 300
    assert (during.status, during.code) == (409, "wrong-state")
    assert people.status == 201
    assert afterwards.status == 201


async def test_a_unit_has_one_file_at_a_time(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 1)
    rows = [receipt(f"busy-{number}") for number in range(200)]
    async with serving(country) as client:
        first = await upload(client, csv_file(rows), unit=PAO)
        second = await upload(client, csv_file([receipt("second")]), unit=PAO)
        await settled(client, first, PAO)
        third = await imported(client, csv_file([receipt("second")]), unit=PAO)

    assert (second.status, second.code) == (429, "shed")
    assert third["state"] == "done"


@pytest.mark.slow
async def test_a_worker_that_dies_and_a_database_that_restarts_lose_and_double_nothing(
    fresh: Country, ledger_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 5)
    monkeypatch.setattr(imports, "LEASE_S", 1.0)
    rows = [receipt(f"r-{number}") for number in range(800)]
    async with serving(fresh) as first:
        answer = await upload(first, csv_file(rows))
        assert answer.status == 202
        async with asyncio.timeout(LIMIT_S):
            while True:
                seen = await first.get(answer.headers["Location"], person(SAO, "clerk"))
                if seen.body["documents_posted"] > 50:
                    break
                await asyncio.sleep(0.01)
        first.ledger.importer._task.cancel()  # as kill -9: nothing is given back
    async with serving(fresh) as second:
        await asyncio.to_thread(ledger_postgres.stop_immediate)
        await asyncio.to_thread(ledger_postgres.start)
        result = await settled(second, answer)
        violations = await second.violations()
        count = await document_count(second)

    assert seen.body["documents_posted"] < 800
    assert result["documents_posted"] == 800
    assert count == 801
    assert violations == {}


@pytest.mark.slow
async def test_a_checker_that_is_killed_refuses_the_file_and_the_next_one_is_checked(
    country: Country,
) -> None:
    rows = [receipt(f"k-{number}") for number in range(60_000)]
    async with serving(country) as client:
        answer = await upload(client, csv_file(rows))
        async with asyncio.timeout(LIMIT_S):
            while (checker := client.ledger.importer._checker) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        os.kill(checker.pid, signal.SIGKILL)
        killed = await settled(client, answer)
        following = await imported(client, csv_file([receipt("after-the-kill")]))

    assert killed["state"] == "refused"
    assert [problem["code"] for problem in killed["problems"]] == ["too-much-work"]
    assert following["state"] == "done"


async def test_a_document_lost_on_the_way_is_seen_by_the_audit(fresh: Country) -> None:
    rows = [receipt(f"l-{number}") for number in range(40)]
    async with serving(fresh, defects="M11:0.05") as client:
        result = await imported(client, csv_file(rows))
        violations = await client.violations()
        count = await document_count(client)

    assert result["state"] == "done"
    assert count == 1 + 38
    assert violations == {"imports_whole": 1}


async def test_a_file_given_up_half_way_is_seen_by_the_audit(
    fresh: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 5)
    monkeypatch.setattr(imports, "TURN_S", 0.0)
    rows = [receipt(f"h-{number}") for number in range(40)]
    async with serving(fresh, defects="M12") as client:
        answer = await upload(client, csv_file(rows))
        async with asyncio.timeout(LIMIT_S):
            while True:
                seen = await client.get(answer.headers["Location"], person(SAO, "clerk"))
                if seen.body["state"] == "refused":
                    break
                await asyncio.sleep(0.02)
        violations = await client.violations()

    assert 0 < seen.body["documents_posted"] < 40
    assert violations["imports_whole"] == 1


@pytest.mark.slow
async def test_books_stay_open_from_the_month_that_is_still_to_be_imported(
    ledger_postgres: EmbeddedPostgres, tmp_path: Any
) -> None:
    country = await fill_country(
        ledger_postgres.owner_dsn, tmp_path, business_date="2026-04-01", open_from="2025-10-01"
    )
    months = ("1/10/2568", "30/11/2568", "31/12/2568", "2/1/2569", "28/2/2569", "31/3/2569")
    rows = [receipt(f"m-{number}", date=day) for number, day in enumerate(months)]
    async with serving(country) as client:
        result = await imported(client, csv_file(rows))
        periods = [d["period"] for d in (await client.books())["documents"][1:]]

    assert result["state"] == "done", result
    assert periods == ["2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03"]


async def test_whoever_reads_the_books_waits_for_files_that_get_on_and_not_for_those_that_do_not(
    fresh: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK", 20)
    monkeypatch.setattr(unsettled, "PAUSE_S", 0.05)
    key = uuid.uuid4()
    file = unsettled.Unsettled(SAO, (key.int >> 64, key.int & (1 << 64) - 1))
    rows = [receipt(f"w-{number}") for number in range(300)]

    def wait(url: str) -> tuple[unsettled.Unsettled, ...]:
        token = fresh.tokens[AUDITOR]
        return unsettled.await_settled((file,), url=url, token=token, dialect=ReferenceDialect())

    async with serving(fresh) as client:
        unknown = await asyncio.to_thread(wait, client.url)
        await upload(client, csv_file(rows), key=key)
        left = await asyncio.to_thread(wait, client.url)
        count = await document_count(client)
        await client.ledger.importer.stop()
        other = uuid.uuid4()
        await upload(client, csv_file([receipt("stuck")]), key=other)
        monkeypatch.setattr(unsettled, "STANDSTILL_S", 0.5)
        file = unsettled.Unsettled(SAO, (other.int >> 64, other.int & (1 << 64) - 1))
        stuck = await asyncio.to_thread(wait, client.url)

    assert unknown == left == ()
    assert count == 301
    assert stuck == (file,)
