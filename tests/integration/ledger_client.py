"""A tiny country, a ledger served inside a test, and a client that reads like the work it does."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg
import orjson
from aiohttp import web

from harness.stand_ins import thaid
from reference_app.app import Ledger, build_ledger, make_app
from reference_app.defects.catalogue import install
from reference_app.door import open_doors
from reference_app.fill import fill
from reference_app.settings import Settings
from reference_app.street import StreetLoop

T = TypeVar("T")

BUSINESS_DATE = "2025-12-01"
PAO, SAO, CENTRE, OTHER = 1100001, 1100002, 1100003, 1200001
BUDGET = "60000000000"  # satang a year: 50 million THB for each of the twelve lines
UNITS = (
    f"{PAO},0,pao,11,1101,อบจ.ทดสอบ,Test PAO,{BUDGET}",
    f"{SAO},0,sao,11,1102,อบต.ทดสอบ,Test SAO,{BUDGET}",
    f"{CENTRE},{SAO},centre,11,1102,ศูนย์เด็ก,Test centre,{BUDGET}",
    f"{OTHER},0,sao,12,1201,อบต.อื่น,Other SAO,{BUDGET}",
)
AUDITOR, VIEWER = 1, 1100000001
PEOPLE = (
    (AUDITOR, 0, "auditor"),
    (VIEWER, 1100000, "provincial_viewer"),
    *(
        (unit * 1000 + number, unit, roles)
        for unit in (PAO, SAO, OTHER)
        for number, roles in enumerate(
            ("director", "approver", "checker", "clerk", "clerk|checker|approver|director"), 1
        )
    ),
    (CENTRE * 1000 + 1, CENTRE, "clerk"),
)


def pid_of(account: int) -> str:
    """Return the synthetic citizen number of *account*, with a right check digit."""
    digits = f"99{account:010d}"
    total = sum(int(d) * w for d, w in zip(digits, range(13, 1, -1), strict=True))
    return f"{digits}{(11 - total % 11) % 10}"


def person(unit: int, role: str) -> int:
    """Return the account of *unit*'s person with *role*; `all` has every role."""
    number = ("director", "approver", "checker", "clerk", "all").index(role) + 1
    return unit * 1000 + number


@dataclass(frozen=True, slots=True)
class Country:
    """The filled database: settings for a worker, and a token per account."""

    settings: Settings
    tokens: Mapping[int, str]
    folder: Path


def settings_for(dsn: str) -> Settings:
    """Return settings of one worker on a free port."""
    return Settings(
        database_url=dsn,
        port=0,
        client_secret="secret",
        session_key=b"s" * 32,
        pid_key=b"p" * 32,
        read_connections=2,
    )


async def fill_country(
    dsn: str,
    folder: Path,
    *,
    business_date: str = BUSINESS_DATE,
    open_from: str = "",
    country: Sequence[str] = UNITS,
    history: int = 0,
) -> Country:
    """Write the files of the tiny country and fill the database with it."""
    settings = settings_for(dsn)
    units, accounts, sessions = folder / "U.csv", folder / "A.csv", folder / "S.csv"
    header = "unit,parent,type,province,district,name_th,name_en,annual_budget_satang"
    units.write_text("\n".join([header, *country]) + "\n", encoding="utf-8")
    rows = [f"{account},{unit},{roles},{pid_of(account)}" for account, unit, roles in PEOPLE]
    accounts.write_text("\n".join(["account,unit,roles,pid", *rows]) + "\n", encoding="utf-8")
    await fill(
        settings,
        units=units,
        accounts=accounts,
        sessions_out=sessions,
        business_date=date.fromisoformat(business_date),
        open_from=date.fromisoformat(open_from) if open_from else None,
        history=history,
    )
    lines = sessions.read_text(encoding="utf-8").splitlines()[1:]
    tokens = {int(line.split(",")[0]): line.split(",")[1] for line in lines}
    return Country(settings, tokens, folder)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `body` is the parsed JSON, or the text when it is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(self.body["code"])


@dataclass(slots=True)
class Client:
    """Sends requests as the people of the country."""

    session: aiohttp.ClientSession
    url: str
    country: Country
    ledger: Ledger
    answers: list[Answer] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        path: str,
        account: int | None = None,
        *,
        body: Any = None,
        key: uuid.UUID | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; a write gets a fresh key unless one is given."""
        sent = dict(headers or {})
        if account is not None:
            sent["Authorization"] = f"Bearer {self.country.tokens[account]}"
        if method == "POST" and key != "":
            sent["Idempotency-Key"] = str(key or uuid.uuid4())
        payload = None if body is None else orjson.dumps(body)
        async with self.session.request(
            method, self.url + path, headers=sent, data=payload, allow_redirects=False
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type and "ndjson" not in response.content_type
            return Answer(
                response.status, response.headers, orjson.loads(text) if is_json else text
            )

    async def get(self, path: str, account: int | None = None) -> Answer:
        """Read."""
        return await self.ask("GET", path, account)

    async def post(
        self, path: str, account: int, body: Any = None, key: uuid.UUID | str | None = None
    ) -> Answer:
        """Write."""
        return await self.ask("POST", path, account, body=body or {}, key=key)

    async def receipt(
        self, unit: int = SAO, *, key: uuid.UUID | None = None, **changes: Any
    ) -> Answer:
        """Post a receipt of 105.25 THB in cash."""
        return await self.post(
            f"/units/{unit}/receipts", person(unit, "clerk"), {**RECEIPT, **changes}, key
        )

    async def request_payment(self, unit: int = SAO, **changes: Any) -> Answer:
        """Post a disbursement request of 1,000 THB on B03."""
        body = {**DISBURSEMENT_REQUEST, **changes}
        return await self.post(f"/units/{unit}/disbursement-requests", person(unit, "clerk"), body)

    async def take(self, step: str, document: int, account: int, unit: int = SAO) -> Answer:
        """Take a step on a disbursement request."""
        body = {"date": BUSINESS_DATE, "method": "cheque"} if step == "pay" else {}
        return await self.post(
            f"/units/{unit}/disbursement-requests/{document}/{step}", account, body
        )

    async def advance(self, method: str = "cheque", unit: int = SAO, **changes: Any) -> int:
        """Ask for an advance of 500 THB as the clerk and pay it as the director; its document."""
        path = f"/units/{unit}/advance-requests"
        body = {"date": BUSINESS_DATE, "borrower": "นางยืม", "amount": "500.00", **changes}
        request = await self.post(path, person(unit, "clerk"), body)
        paid = await self.post(
            f"{path}/{request.body['document']}/pay", person(unit, "director"),
            {"date": body["date"], "method": method},
        )  # fmt: skip
        assert paid.status == 201, paid.body
        return int(paid.body["document"])

    async def books(self, unit: int = SAO) -> Any:
        """Read the complete books of *unit* as its clerk."""
        answer = await self.get(f"/units/{unit}/books?fiscal_year=2569", person(unit, "clerk"))
        assert answer.status == 200
        return answer.body

    async def violations(self) -> dict[str, int]:
        """Return the invariants that do not hold, with their number of violations."""
        rows = await self.sql("SELECT * FROM ledger.audit()")
        return {row["invariant"]: row["violations"] for row in rows if row["violations"]}

    async def sql(self, statement: str, *arguments: object) -> Any:
        """Run SQL as the role that the application itself has."""
        connection = await asyncpg.connect(self.country.settings.database_url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


RECEIPT = {
    "date": BUSINESS_DATE,
    "channel": "cash",
    "payer": "นางสาวทดสอบ ใจดี",
    "lines": [
        {"account": "4110101", "amount": "100.25"},
        {"account": "4210101", "amount": "5.00"},
    ],
}
DISBURSEMENT_REQUEST = {
    "date": BUSINESS_DATE,
    "budget_line": "B03",
    "payee": "ร้านทดสอบ",
    "amount": "1000.00",
    "withholding_tax": "10.00",
}


@asynccontextmanager
async def serving(country: Country, *, defects: str = "", **settings: Any) -> AsyncIterator[Client]:
    """Serve a ledger inside the running loop and yield a client of it."""
    ledger = await build_ledger(replace(country.settings, **settings))
    await install(ledger, defects)
    runner = web.AppRunner(make_app(ledger), shutdown_timeout=2.0)
    await runner.setup()
    listener = await open_doors(ledger, runner, "127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with aiohttp.ClientSession() as session:
            yield Client(session, url, country, ledger)
    finally:
        listener.close()
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Aside:
    """A ledger in a loop of another thread, for tests that are no coroutines."""

    client: Client
    loop: asyncio.AbstractEventLoop

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* in the ledger's loop and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextmanager
def aside(serves: AbstractAsyncContextManager[Client]) -> Iterator[Aside]:
    """Enter what *serves* a ledger in a loop and thread of its own."""
    loop = StreetLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        client = asyncio.run_coroutine_threadsafe(serves.__aenter__(), loop).result(60)
        served = Aside(client, loop)
        try:
            yield served
        finally:
            served.wait(serves.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def providing(provider: thaid.Thaid | None = None) -> AsyncIterator[thaid.Thaid]:
    """Run the identity provider's stand-in inside the running loop."""
    provider = provider or thaid.Thaid(
        client=thaid.Client(client_id="ledger", client_secret="secret")
    )
    runner = await thaid.start(provider)
    try:
        yield provider
    finally:
        await runner.cleanup()
