"""No citizen number, token, key or secret comes into a log or a refusal, whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import orjson
import pytest

from harness.stand_ins import thaid
from tests.integration.ledger_client import (
    SAO,
    Country,
    fill_country,
    person,
    pid_of,
    providing,
    serving,
)

ROOT = Path(__file__).resolve().parents[2]
SECRET = "kept-to-ourselves-4711"
CLERK = person(SAO, "clerk")
BROKEN = (  # what aiohttp refuses before a route is found
    b"GET /me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\x01\r\n\r\n",
    b"GET /me HTTP/1.1\r\nHost: x\r\nAuthorization Bearer %s\r\n\r\n",
    b"GET /auth/callback?code=%s\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
)


def keeper() -> thaid.Thaid:
    return thaid.Thaid(client=thaid.Client(client_id="ledger", client_secret=SECRET))


class Visit:
    """Everything that can go wrong in a visit, and what nobody may read of it."""

    def __init__(self, url: str, country: Country) -> None:
        self.url = url
        self.secrets = [pid_of(CLERK), SECRET, country.tokens[CLERK], "s" * 32, "p" * 32]
        self.secrets += [b"s".hex() * 32, b"p".hex() * 32]
        self.refusals = ""

    async def ask(self, session: aiohttp.ClientSession, path: str, **how: object) -> str:
        """Ask and keep the answer when it is a refusal."""
        url = path if path.startswith("http") else self.url + path
        async with session.get(url, allow_redirects=False, **how) as answer:  # type: ignore[arg-type]
            content = await answer.text()
            if answer.status >= 400:
                self.refusals += content
            return answer.headers.get("Location", content)

    async def callback(self, session: aiohttp.ClientSession, account: int = CLERK) -> str:
        """Begin to sign in and return where the provider sends the browser."""
        login = await self.ask(session, "/auth/login")
        back = urlsplit(await self.ask(session, f"{login}&login_hint={pid_of(account)}"))
        self.secrets += parse_qs(back.query)["code"]
        return f"{back.path}?{back.query}"

    async def go_wrong(self, provider: thaid.Thaid) -> None:
        """Sign in, and then with every wrong answer of the provider; send what nobody can read."""
        async with aiohttp.ClientSession() as session:
            token = orjson.loads(await self.ask(session, await self.callback(session)))["token"]
            self.secrets.append(token)
            callback = await self.callback(session)
            await self.ask(session, callback)
            await self.ask(session, callback)
            await self.ask(session, await self.callback(session, 999))
            sign = provider.sign
            for false in (lambda *_: token, lambda key, claims: sign(thaid.new_key(), claims)):
                provider.sign = false
                await self.ask(session, await self.callback(session))
            provider.sign = sign
            for authorization in (token, f"Bearer {token}x", f"Bearer x.{token}"):
                await self.ask(session, "/me", headers={"Authorization": authorization})
            known = {"Authorization": f"Bearer {token}"}
            for path in (f"/units/{SAO}/overview", f"/units/{SAO}/payees?query={pid_of(CLERK)}"):
                await self.ask(session, path, headers=known)
            callback = await self.callback(session)
            provider.knobs = thaid.Knobs(outage=True)
            await self.ask(session, callback)
            provider.knobs = thaid.Knobs()
            await self.send_broken_requests(token)

    async def send_broken_requests(self, token: str) -> None:
        address = urlsplit(self.url)
        for request in BROKEN:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request % token.encode())
            assert b" 400 " in await reader.readline()
            writer.close()

    def seen_in(self, written: str) -> list[str]:
        """Return the secrets that stand in *written* or in a refusal."""
        return [s for s in self.secrets if s in written or s in self.refusals]


async def test_no_secret_comes_into_logs_and_refusals_even_when_a_handler_crashes(
    country: Country, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    for name in ("ledger", "aiohttp", "asyncpg"):
        caplog.set_level("DEBUG", logger=name)
    how = {"client_secret": SECRET}
    async with (
        providing(keeper()) as provider,
        serving(country, provider_url=provider.issuer, **how) as client,
    ):
        queries = client.ledger.storage.queries
        for name in ("overview", "payees"):
            monkeypatch.setitem(queries, name, f"SELECT no_such_column /* {name} */")
        visit = Visit(client.url, country)
        await visit.go_wrong(provider)
        monkeypatch.setitem(queries, "person", "SELECT no_such_column WHERE $1 = ''::bytea")
        async with aiohttp.ClientSession() as session:
            await visit.ask(session, await visit.callback(session))

    assert caplog.text.count("UndefinedColumnError") >= 3
    assert "Error handling request" in caplog.text
    assert visit.refusals.count("see the log of the worker") == 3
    assert visit.seen_in(caplog.text) == []


async def test_no_secret_comes_into_what_a_worker_writes(country: Country) -> None:
    async with providing(keeper()) as provider:
        with working(country, provider.issuer) as (process, url):
            visit = Visit(url, country)
            await asyncio.to_thread(asyncio.run, drop_workflows(country))
            await visit.go_wrong(provider)
            process.terminate()
            written = "".join(await asyncio.to_thread(process.communicate, timeout=20))
    await asyncio.to_thread(
        asyncio.run, fill_country(country.settings.database_url, country.folder)
    )

    assert "UndefinedTableError" in written
    assert "Error handling request" in written
    assert visit.seen_in(written) == []


@contextmanager
def working(country: Country, provider_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A worker in a process of its own, which writes all that it can."""
    settings = replace(country.settings, client_secret=SECRET)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_SESSION_KEY": settings.session_key.hex(),
        "LEDGER_PID_KEY": settings.pid_key.hex(),
        "LEDGER_PORT": "0",
        "LEDGER_PROVIDER_URL": provider_url,
        "LEDGER_CLIENT_SECRET": SECRET,
    }
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "reference_app", "serve"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process, orjson.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.wait()


async def drop_workflows(country: Country) -> None:
    """Make handlers crash."""
    connection = await asyncpg.connect(country.settings.database_url)
    try:
        await connection.execute("DROP TABLE ledger.workflow CASCADE")
    finally:
        await connection.close()
