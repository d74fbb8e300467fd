"""The ledger when it is too busy, when its database fails it, and when it is told to stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson
import psutil
import pytest
import yaml

from harness.targets.postgres import EmbeddedPostgres
from reference_app.app import make_app
from reference_app.problems import Problem
from reference_app.routes import books, requests
from tests.integration.ledger_client import (
    AUDITOR,
    OTHER,
    PAO,
    RECEIPT,
    SAO,
    Client,
    Country,
    person,
    serving,
)

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 20.0


@asynccontextmanager
async def holding(country: Country, statement: str) -> AsyncIterator[None]:
    """Hold the locks of *statement* in an open transaction of somebody else."""
    connection = await asyncpg.connect(country.settings.database_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
        yield
    finally:
        await transaction.rollback()
        await connection.close()


def hold_book(unit: int) -> str:
    return f"SELECT FROM ledger.book WHERE unit = {unit} FOR UPDATE"


async def keys_in_books(client: Client, unit: int) -> set[str]:
    return {document["key"] for document in (await client.books(unit))["documents"]}


async def until_in_flight(client: Client, count: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while client.ledger.admission.in_flight < count:  # noqa: ASYNC110 (no event to wait for)
            await asyncio.sleep(0.005)


async def test_what_is_shed_was_not_executed(country: Country) -> None:
    keys = [uuid.uuid4() for _ in range(12)]
    async with serving(country, in_flight_max=2, lock_timeout_ms=3000) as client:
        async with holding(country, hold_book(SAO)):
            admitted = [asyncio.create_task(client.receipt(key=key)) for key in keys[:2]]
            await until_in_flight(client, 2)
            shed = [await client.receipt(key=key) for key in keys[2:]]
            health = await client.get("/healthz")
            metrics = await client.get("/metrics")
        posted = [await task for task in admitted]
        found = await keys_in_books(client, SAO)

    assert {(answer.status, answer.code) for answer in shed} == {(503, "shed")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in shed)
    assert {answer.status for answer in posted} == {201}
    assert found & set(map(str, keys)) == set(map(str, keys[:2]))
    assert health.status == 200
    assert 'ledger_shed_total{worker="worker-1"} 10' in metrics.body
    assert 'ledger_in_flight{worker="worker-1"} 2' in metrics.body


def read_of(country: Country, unit: int = SAO) -> bytes:
    token = country.tokens[person(unit, "clerk")]
    return (
        f"GET /units/{unit}/overview HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def receipt_of(country: Country) -> bytes:
    body = orjson.dumps(RECEIPT)
    head = (
        f"POST /units/{SAO}/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {country.tokens[person(SAO, 'clerk')]}\r\n"
        f"Idempotency-Key: {uuid.uuid4()}\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def line_to(
    client: Client,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection on which the test itself writes and reads HTTP."""
    address = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Read one answer and return its status."""
    async with asyncio.timeout(LIMIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
    return int(head.split()[1])


async def at_the_door(client: Client) -> int:
    metrics = await client.get("/metrics")
    found = re.search(r"^ledger_shed_at_the_door_total{[^}]*} (\d+)$", metrics.body, re.MULTILINE)
    return int(found[1]) if found else 0


async def test_a_full_worker_refuses_at_the_door_and_lets_in_again(country: Country) -> None:
    async with (
        serving(country, in_flight_max=1, lock_timeout_ms=3000) as client,
        line_to(client) as (reader, writer),
    ):
        async with holding(country, hold_book(SAO)):
            waiting = asyncio.create_task(client.receipt())
            await until_in_flight(client, 1)
            statuses = []
            for request in (read_of(country), receipt_of(country), read_of(country, OTHER)):
                writer.write(request)
                statuses.append(await status_of(reader))
            refused = await at_the_door(client)
        posted = await waiting
        writer.write(receipt_of(country))
        then = await status_of(reader)
        left = await at_the_door(client)

    assert statuses == [503, 503, 503]
    assert refused == left == 3
    assert (posted.status, then) == (201, 201)


async def test_what_is_not_plain_is_refused_behind_the_door_and_in_order(country: Country) -> None:
    async with (
        serving(country, in_flight_max=1, lock_timeout_ms=3000) as client,
        line_to(client) as (first_reader, first_writer),
        line_to(client) as (reader, writer),
    ):
        async with holding(country, hold_book(SAO)):
            first_writer.write(receipt_of(country))
            await until_in_flight(client, 1)
            first_writer.write(read_of(country))  # behind a question that has no answer yet
            request = receipt_of(country)
            writer.write(request[:-5])
            in_two_parts = await status_of(reader)
            writer.write(request[-5:])
            await asyncio.sleep(0.05)
            writer.write(read_of(country) + read_of(country))
            together = [await status_of(reader) for _ in range(2)]
            writer.write(read_of(country))  # where a request ends here is in doubt now
            after = await status_of(reader)
            refused = await at_the_door(client)
        in_order = [await status_of(first_reader) for _ in range(2)]

    assert (in_two_parts, together, after) == (503, [503, 503], 503)
    assert refused == 0
    assert in_order == [201, 200]


@pytest.mark.parametrize("tail", [b"\r\n", b"G"])
async def test_a_place_is_given_back_whatever_follows_a_request(
    country: Country, tail: bytes
) -> None:
    async with (
        serving(country, in_flight_max=1, lock_timeout_ms=3000) as client,
        line_to(client) as (reader, writer),
    ):
        async with holding(country, hold_book(SAO)):
            writer.write(receipt_of(country))
            await until_in_flight(client, 1)
            writer.write(tail)
            await asyncio.sleep(0.05)
        first = await status_of(reader)
        async with line_to(client) as (other_reader, other_writer):
            other_writer.write(read_of(country, OTHER))
            then = await status_of(other_reader)

    assert (first, then) == (201, 200)


async def test_who_reads_slowly_holds_no_place(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(country, in_flight_max=1) as client, line_to(client) as (_, writer):
        text = client.ledger.storage.text

        async def much(*_: object) -> str:
            return '"' + "x" * 20_000_000 + '"'

        monkeypatch.setattr(client.ledger.storage, "text", much)
        writer.write(read_of(country))  # and reads nothing of it
        async with asyncio.timeout(LIMIT_S):
            while not client.ledger.metrics.requests:  # noqa: ASYNC110 (no event to wait for)
                await asyncio.sleep(0.005)
        monkeypatch.setattr(client.ledger.storage, "text", text)
        async with line_to(client) as (reader, other_writer):
            other_writer.write(read_of(country, OTHER))
            then = await status_of(reader)

    assert then == 200


async def test_a_unit_beyond_its_share_closes_no_door_to_others(country: Country) -> None:
    limits = {"in_flight_max": 3, "in_flight_per_unit_max": 2, "lock_timeout_ms": 3000}
    async with serving(country, **limits) as client:
        async with holding(country, hold_book(SAO)):
            waiting = [asyncio.create_task(client.receipt()) for _ in range(2)]
            await until_in_flight(client, 2)
            async with line_to(client) as (reader, writer):
                statuses = []
                for unit in (SAO, OTHER, SAO):
                    writer.write(read_of(country, unit))
                    statuses.append(await status_of(reader))
            refused = await at_the_door(client)
        posted = [await task for task in waiting]

    assert statuses == [429, 200, 429]
    assert refused == 2
    assert {answer.status for answer in posted} == {201}


async def test_nothing_is_said_behind_an_answer_that_ends_the_connection(country: Country) -> None:
    answers = []
    async with serving(country, in_flight_max=0) as client:
        for number in range(100):
            async with line_to(client) as (reader, writer):
                answer = b""
                writer.write(b"GET /me HTTP/1.1\r\nX: y\r\n\r\n")
                for _ in range(number % 12):
                    await asyncio.sleep(0)
                with suppress(ConnectionResetError):
                    writer.write(read_of(country))
                    async with asyncio.timeout(LIMIT_S):
                        while some := await reader.read(4096):
                            answer += some
            answers.append(re.findall(rb"HTTP/1\.\d (\d+)", answer))

    assert [b"400"] in answers
    assert [answer for answer in answers if answer not in ([], [b"400"])] == []


async def test_who_goes_away_leaves_the_door_as_it_was(country: Country) -> None:
    async with serving(country, in_flight_max=1, lock_timeout_ms=3000) as client:
        async with holding(country, hold_book(SAO)):
            async with line_to(client) as (_, writer):
                writer.write(receipt_of(country))
                await until_in_flight(client, 1)
            waiting = client.ledger.admission.in_flight
        async with asyncio.timeout(LIMIT_S):
            while client.ledger.admission.in_flight:  # noqa: ASYNC110 (no event to wait for)
                await asyncio.sleep(0.005)
        then = await client.receipt()

    assert waiting == 1
    assert then.status == 201


async def test_one_unit_cannot_take_the_place_of_the_others(country: Country) -> None:
    async with serving(country, in_flight_per_unit_max=3, lock_timeout_ms=3000) as client:
        async with holding(country, hold_book(SAO)):
            waiting = [asyncio.create_task(client.receipt()) for _ in range(3)]
            await until_in_flight(client, 3)
            fourth = await client.receipt()
            other = await client.receipt(OTHER)
        posted = [await task for task in waiting]

    assert (fourth.status, fourth.code) == (429, "shed")
    assert "Retry-After" in fourth.headers
    assert other.status == 201
    assert {answer.status for answer in posted} == {201}


async def test_a_unit_is_one_however_its_number_is_written(country: Country) -> None:
    async with serving(country, in_flight_per_unit_max=2, lock_timeout_ms=3000) as client:
        async with holding(country, hold_book(SAO)):
            waiting = [
                asyncio.create_task(
                    client.post(f"/units/{zeros}{SAO}/receipts", person(SAO, "clerk"), RECEIPT)
                )
                for zeros in ("", "0")
            ]
            await until_in_flight(client, 2)
            third = await client.post(f"/units/00{SAO}/receipts", person(SAO, "clerk"), RECEIPT)
        posted = [await task for task in waiting]

    assert (third.status, third.code) == (429, "shed")
    assert {answer.status for answer in posted} == {201}


async def test_a_body_that_never_arrives_gives_its_place_back(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_LIMIT_S", 0.2)
    async with serving(country) as client:
        address = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        token = country.tokens[person(SAO, "clerk")]
        writer.write(
            f"POST /units/{SAO}/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid.uuid4()}\r\n\r\n{{".encode()
        )
        async with asyncio.timeout(LIMIT_S):
            status = await reader.readline()
            rest = await reader.read()
        writer.close()
        in_flight = client.ledger.admission.in_flight

    assert b" 422 " in status
    assert b"did not arrive" in rest
    assert in_flight == 0


async def test_who_signs_in_takes_no_place_from_people_at_work(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asyncio.Event()

    async def slow(_redirect_uri: str) -> str:
        await answered.wait()
        return "https://provider.example/"

    async with serving(country, in_flight_max=2) as client:
        monkeypatch.setattr(client.ledger.provider, "authorize_url", slow)
        signing_in = [asyncio.create_task(client.get("/auth/login")) for _ in range(2)]
        async with asyncio.timeout(LIMIT_S):
            while client.ledger.sign_ins.in_flight < 2:  # noqa: ASYNC110 (no event to wait for)
                await asyncio.sleep(0.005)
        third = await client.get("/auth/login")
        at_work = [await client.get("/me", person(SAO, "clerk")) for _ in range(3)]
        answered.set()
        signed_in = [await task for task in signing_in]

    assert (third.status, third.code) == (503, "shed")
    assert {answer.status for answer in at_work} == {200}
    assert {answer.status for answer in signed_in} == {302}


async def test_a_locked_unit_is_refused_in_time_and_the_others_go_on(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country, lock_timeout_ms=400) as client:
        async with holding(country, hold_book(SAO)):
            blocked = asyncio.create_task(client.receipt(key=key))
            await until_in_flight(client, 1)
            others = [await client.receipt(unit) for unit in (PAO, OTHER) * 5]
            were_first = not blocked.done()
            answer = await blocked
        absent = str(key) not in await keys_in_books(client, SAO)
        again = await client.receipt(key=key)

    assert {other.status for other in others} == {201}
    assert were_first
    assert (answer.status, answer.code) == (503, "shed")
    assert absent
    assert again.status == 201


async def test_a_locked_table_ends_in_a_refusal_that_is_true(country: Country) -> None:
    key = uuid.uuid4()
    async with serving(country, lock_timeout_ms=100, deadline_s=0.6) as client:
        async with holding(country, "LOCK TABLE ledger.document IN EXCLUSIVE MODE"):
            answer = await client.receipt(key=key)
        await asyncio.sleep(0.3)
        found = await keys_in_books(client, SAO)

    assert (answer.status, answer.code) == (503, "shed")
    assert str(key) not in found


async def test_postings_are_exactly_once_while_connections_are_cut(country: Country) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name LIKE 'ledger/%'"
    )
    keys = [uuid.uuid4() for _ in range(150)]
    async with serving(country) as first_worker, serving(country) as second_worker:
        workers = (first_worker, second_worker)
        before = await keys_in_books(first_worker, PAO) | await keys_in_books(first_worker, OTHER)

        async def post(place: int) -> int:
            await asyncio.sleep(place * 0.003)
            worker, unit = workers[place % 2], (PAO, OTHER)[place // 2 % 2]
            return (await worker.receipt(unit, key=keys[place])).status

        posting = asyncio.gather(*(post(place) for place in range(len(keys))))
        for _ in range(3):
            await asyncio.sleep(0.1)
            await first_worker.sql(cut)
        statuses = await posting
        found = await keys_in_books(first_worker, PAO) | await keys_in_books(first_worker, OTHER)
        violations = await first_worker.violations()

    acknowledged = {str(k) for k, status in zip(keys, statuses, strict=True) if status == 201}
    assert set(statuses) <= {201, 503}
    assert len(acknowledged) > len(keys) / 2
    assert found - before == acknowledged
    assert violations == {}


async def test_a_frozen_database_is_waited_for_no_longer_than_the_deadline(
    country: Country, ledger_postgres: EmbeddedPostgres
) -> None:
    key = uuid.uuid4()
    limits = {"deadline_s": 3.0, "command_timeout_s": 1.0, "acquire_timeout_s": 1.0}
    async with serving(country, lock_timeout_ms=200, **limits) as client:
        await client.get(f"/units/{SAO}/overview", person(SAO, "all"))
        assert ledger_postgres.pid is not None
        server = psutil.Process(ledger_postgres.pid)
        family = [server, *server.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            posting = asyncio.create_task(client.receipt(key=key))
            read = await client.get(f"/units/{SAO}/overview", person(SAO, "all"))
            posted = await posting
        finally:
            for process in family:
                process.resume()
        again = await client.receipt(key=key)
        found = [d["key"] for d in (await client.books(SAO))["documents"]]

    assert (read.status, read.code) == (503, "shed")
    assert (posted.status, posted.code) == (504, "indefinite")
    assert again.status == 201
    assert found.count(str(key)) == 1


async def test_reads_survive_cut_connections(country: Country) -> None:
    async with serving(country) as client:
        await client.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'ledger/%'"
        )
        answers = [await client.get(f"/units/{SAO}/overview", person(SAO, "all")) for _ in range(5)]

    assert {answer.status for answer in answers} == {200}


async def test_without_a_database_it_says_so_and_recovers(country: Country) -> None:
    async with serving(country, deadline_s=0.3) as client:
        url = client.ledger.storage.queries["ready"]
        client.ledger.storage.queries["ready"] = (
            "/* ready */ SELECT pg_terminate_backend(pg_backend_pid())"
        )
        not_ready = await client.get("/readyz")
        client.ledger.storage.queries["ready"] = url
        ready = await client.get("/readyz")

    assert (not_ready.status, not_ready.code) == (503, "shed")
    assert ready.status == 200


async def test_an_export_that_breaks_off_is_seen_to_be_incomplete(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "DOCUMENTS_PER_READ", 1)
    async with serving(country) as client:
        rows = client.ledger.storage.rows
        reads = 0

        async def broken(name: str, *arguments: object) -> Any:
            nonlocal reads
            reads += name == "books"
            if reads > 1:
                raise Problem("shed", "the database does not answer")
            return await rows(name, *arguments)

        monkeypatch.setattr(client.ledger.storage, "rows", broken)
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
            await client.get("/provinces/11/books?fiscal_year=2569", AUDITOR)
        refused = await client.get("/provinces/11/books?fiscal_year=2569", AUDITOR)

    assert refused.status == 503


async def test_the_interface_file_names_exactly_the_paths_that_are_served(
    country: Country,
) -> None:
    interface = yaml.safe_load((ROOT / "contracts" / "ledger_api.yaml").read_text("utf-8"))
    promised = {
        (method.upper(), path)
        for path, operations in interface["paths"].items()
        for method in operations
        if method != "parameters"
    }
    async with serving(country) as client:
        app = make_app(client.ledger)
        served = {
            (route.method, route.resource.canonical)
            for route in app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
        statements = [
            row["query"] for row in await client.sql("SELECT query FROM pg_stat_activity")
        ]
        named = [text for text in statements if text.startswith("/* ")]

    assert served == promised
    assert named


async def test_its_metrics_are_prometheus_text(country: Country) -> None:
    async with serving(country) as client:
        await client.receipt()
        await client.get(f"/units/{SAO}/nothing", person(SAO, "all"))
        metrics = await client.get("/metrics")

    sample = re.compile(r'ledger_[a-z_]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} -?[0-9.e+-]+')
    lines = [line for line in metrics.body.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not sample.fullmatch(line)] == []
    assert 'method="POST",route="/units/{unit}/receipts",status="201"' in metrics.body
    assert 'route="unknown",status="404"' in metrics.body
    assert "ledger_batch_size_count" in metrics.body


def environment_of(country: Country, **changes: str) -> dict[str, str]:
    settings = country.settings
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_SESSION_KEY": settings.session_key.hex(),
        "LEDGER_PID_KEY": settings.pid_key.hex(),
        "LEDGER_PORT": "0",
        **changes,
    }


@pytest.fixture
def worker(country: Country) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A worker in a process of its own and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "reference_app", "serve"],
        cwd=ROOT, env=environment_of(country), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, orjson.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


async def test_a_worker_that_is_told_to_stop_ends_what_it_began(
    country: Country, worker: tuple[subprocess.Popen[str], str]
) -> None:
    process, url = worker
    headers = {
        "Authorization": f"Bearer {country.tokens[person(SAO, 'clerk')]}",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    async with aiohttp.ClientSession() as session:
        async with holding(country, hold_book(SAO)):
            posting = asyncio.create_task(
                session.post(f"{url}/units/{SAO}/receipts", json=RECEIPT, headers=headers)
            )
            await until_metric(session, url, "ledger_in_flight", 1)
            process.send_signal(signal.SIGTERM)
            await until_refused(url)
        async with await posting as answer:
            status, connection = answer.status, answer.headers.get("Connection")
    exit_status = await asyncio.to_thread(process.wait, LIMIT_S)

    assert status == 201
    assert connection == "close"
    assert exit_status == 0


async def until_metric(session: aiohttp.ClientSession, url: str, name: str, value: float) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            async with session.get(f"{url}/metrics") as answer:
                text = await answer.text()
            if re.search(rf"^{name}{{[^}}]*}} {value}$", text, re.MULTILINE):
                return
            await asyncio.sleep(0.01)


async def until_refused(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except (ConnectionRefusedError, ConnectionResetError):
                return
            writer.close()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LEDGER_DEFECTS": "M77"}, "no defect 'M77'"),
        ({"LEDGER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "is the database up"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    country: Country, changes: dict[str, str], words: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "reference_app", "serve"], cwd=ROOT, timeout=LIMIT_S, check=False,
        env=environment_of(country, **changes), capture_output=True, text=True,
    )  # fmt: skip

    assert ended.returncode == 3
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_audit_command_tells_right_books_from_wrong_ones(country: Country) -> None:
    def audit() -> tuple[int, dict[str, int]]:
        ended = subprocess.run(
            [sys.executable, "-m", "reference_app", "audit"], cwd=ROOT, timeout=LIMIT_S,
            env=environment_of(country), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return ended.returncode, orjson.loads(ended.stdout)

    right = audit()
    asyncio.run(spoil(country))
    wrong = audit()

    assert right[0] == 0
    assert set(right[1].values()) == {0}
    assert wrong[0] == 1
    assert wrong[1]["numbers_gapless"] == 1
    assert wrong[1]["trial_balance_is_lines"] == 1


async def spoil(country: Country) -> None:
    connection = await asyncpg.connect(country.settings.database_url)
    try:
        await connection.execute(
            "UPDATE ledger.counter SET last_number = 99 WHERE unit = $1 AND kind = 'opening'", SAO
        )
        await connection.execute("ALTER TABLE ledger.balance DISABLE TRIGGER balance_is_of_lines")
        await connection.execute(
            "UPDATE ledger.balance SET debit = debit + 1 WHERE unit = $1 AND account = 1110101"
            " AND period = 202510",
            SAO,
        )
    finally:
        await connection.close()


async def test_a_drained_worker_is_not_ready(country: Country) -> None:
    async with serving(country) as client:
        client.ledger.is_draining = True
        not_ready = await client.get("/readyz")
        still_served = await client.receipt()

    assert not_ready.status == 503
    assert still_served.status == 201
    assert still_served.headers["Connection"] == "close"
