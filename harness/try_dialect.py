"""`monthend try-dialect`: does this dialect speak with that system? One request at a time.

A smoke test for whoever writes a dialect; it measures nothing and judges no contract. It does
write a few papers and closes a month of one unit, as the load would. Exit status 0 when the two
understood each other, 1 when not, 3 when it could not even begin.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from typing import Final

import aiohttp

from harness.consolidated_reads import UNREADABLE, consolidating, period_of, read_report
from harness.dialect_walk import Trial, Walk, is_backlog, left_out_lines
from harness.failures import BadSetup
from harness.options import FISCAL_YEAR
from harness.preparation import read_dialect, read_tokens
from harness.targets.asking import normal_url
from harness.targets.remote import remote_target
from scenarios.demand import ACTIVITIES
from scenarios.dialects.interface import Answer, Dialect, Request
from scenarios.outcomes import Ending
from scenarios.population import (
    ACCOUNTS_PER_UNIT,
    AUDITOR_ACCOUNT,
    UNITS_PER_PROVINCE,
    Population,
    build_population,
)
from scenarios.spoken import lacking

ANSWER_LIMIT_S: Final = 10.0
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
BOOKS_BYTES_MAX: Final = 512 * 1024 * 1024
_OK, _WRONG = 0, 1


def try_dialect(arguments: argparse.Namespace) -> int:
    """Walk through the dialect's operations against the target and say what came of each."""
    dialect = read_dialect(arguments.dialect)
    if not _is_date(arguments.date):
        raise BadSetup(what="this is no day", where=f"--date {arguments.date}",
                       mend="write it as in --date 2025-12-01")  # fmt: skip
    tokens = read_tokens(arguments.sessions) if arguments.sessions else {}
    population = build_population(composition=arguments.composition, scale=1.0)
    unit = _unit(arguments.account, tokens, population)
    target = remote_target(
        normal_url(arguments.target),
        sessions_csv=arguments.sessions,
        health_path=dialect.health_path,
        version_path=dialect.version_path,
    )
    target.check_alive()
    return asyncio.run(_try(dialect, target.url, population, unit, tokens, arguments))


async def _try(
    dialect: Dialect,
    url: str,
    population: Population,
    unit: int,
    tokens: dict[int, str],
    arguments: argparse.Namespace,
) -> int:
    print(f"unit {unit}, {len(dialect.operations)} operations")
    async with _Carrier(url) as carrier:
        walk = Walk(
            dialect,
            carrier.carry,
            population=population,
            unit=unit,
            date=arguments.date,
            key_seed=secrets.randbits(60),
            tokens=tokens,
            tried=_print_trial,
            has_backlog=arguments.backlog,
        )
        unreached = await walk.run()
        wrong = len(walk.wrong) + await _try_books(dialect, carrier, unit, tokens)
        wrong += await _try_reports(dialect, carrier, unit, tokens, arguments.date)
    for line in left_out_lines(dialect):
        print(f"left out of every plan: {line}")
    if unreached:
        print(f"never reached: {', '.join(unreached)}")
    planned = _planned(dialect, has_backlog=arguments.backlog)
    if wrong:
        print(f"{wrong} operation(s) went wrong")
    elif planned:
        print("the dialect and the system understand each other")
    else:
        print("nothing is proven: every activity needs an operation that the dialect lacks")
    if unreached:
        print("what was never reached is not proven")
    sys.stdout.flush()
    return _WRONG if wrong or not planned or set(unreached) & planned else _OK


def _planned(dialect: Dialect, *, has_backlog: bool) -> set[str]:
    """Return the operations that the walk must have come to: some activity of a plan needs them."""
    return {
        name
        for activity in ACTIVITIES
        if not lacking(activity, dialect.operations) and (has_backlog or not is_backlog(activity))
        for variant in activity.variants
        for name in variant
    }


def _print_trial(trial: Trial) -> None:
    mark = "ok   " if trial.is_ok else "WRONG"
    status = str(trial.status or "-")
    print(
        f"{mark} {trial.operation:<29} {status:>3} {trial.took_ms:6.0f} ms  {trial.asked[:90]}"
        + (f"  [{trial.understood}]" if trial.understood else "")
    )
    if not trial.is_ok:
        print(f"      {trial.wrong}; mend: {trial.mend}")
    sys.stdout.flush()


class _Carrier:
    """Carries requests, each person with their own cookies where the dialect browses."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browsers: dict[int, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> _Carrier:
        return self

    async def __aexit__(self, *_: object) -> None:
        for browser in self._browsers.values():
            await browser.close()

    async def carry(self, request: Request, account: int) -> tuple[Answer, float]:
        """Return the answer and how long it took, ms. Bounded by `ANSWER_LIMIT_S`."""
        began = time.perf_counter()
        answer = await self._answer(request, account, BODY_BYTES_MAX)
        return answer, (time.perf_counter() - began) * 1e3

    async def fetch(self, request: Request) -> Answer:
        """Return the answer to the read of the books."""
        return await self._answer(request, AUDITOR_ACCOUNT, BOOKS_BYTES_MAX)

    async def _answer(self, request: Request, account: int, bytes_max: int) -> Answer:
        url = self._url + request.target if request.target.startswith("/") else request.target
        try:
            async with (
                asyncio.timeout(ANSWER_LIMIT_S),
                self._browser(request, account).request(
                    request.method,
                    url,
                    headers=list(request.headers),
                    data=request.body or None,
                    allow_redirects=request.follow > 0,
                    max_redirects=request.follow + 1,
                ) as response,
            ):
                return await _read(response, bytes_max)
        except aiohttp.TooManyRedirects as error:
            return await _read(error.history[-1], 0)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL):
            return Answer(Ending.NOTHING_SENT)
        except TimeoutError:
            return Answer(Ending.TIMED_OUT)
        except (aiohttp.ClientError, ValueError):
            return Answer(Ending.BROKEN)

    def _browser(self, request: Request, account: int) -> aiohttp.ClientSession:
        browser = self._browsers.get(account)
        if browser is None:
            jar: aiohttp.abc.AbstractCookieJar = aiohttp.DummyCookieJar()
            if request.is_browsing:
                jar = aiohttp.CookieJar(unsafe=True)  # cookies of addresses, too
            browser = aiohttp.ClientSession(cookie_jar=jar)
            self._browsers[account] = browser
        return browser


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> Answer:
    body = await response.content.read(-1) if bytes_max else b""
    if len(body) > bytes_max:
        return Answer(Ending.BROKEN)
    lines = b"".join(b"%b: %b\r\n" % pair for pair in response.raw_headers)
    return Answer(
        Ending.ANSWERED,
        response.status,
        b"HTTP/1.1 %d X\r\n" % response.status + lines,
        body,
        str(response.url) if response.history else "",
    )


async def _try_books(dialect: Dialect, carrier: _Carrier, unit: int, tokens: dict[int, str]) -> int:
    """Say whether the final books can be read; returns how many things are wrong with them."""
    if not dialect.has_books:
        print("books: this dialect cannot read them: the clauses on money stay INCONCLUSIVE")
        return 0
    token = tokens.get(AUDITOR_ACCOUNT, "")
    if not token:
        print(f"books: not tried: --sessions names no account {AUDITOR_ACCOUNT}, the auditor")
        return 0
    province = unit // UNITS_PER_PROVINCE
    (request,) = dialect.read_books_requests([province], FISCAL_YEAR, token=token)
    answer = await carrier.fetch(request)
    if answer.status != 200:
        print(f"WRONG books: GET {request.target} gave {answer.status or answer.ending.value}; "
              "mend: see the auditor's rights, and read_books_requests")  # fmt: skip
        return 1
    try:
        books = dialect.parse_books(answer.body)
        units = list(books["export"]["is_complete"])
    except (ValueError, LookupError, TypeError) as error:
        print(f"WRONG books: parse_books raised {type(error).__name__}: {error}; mend: correct it")
        return 1
    print(f"ok    books: {sum(units)} of {len(units)} units of province {province} are whole, "
          f"{len(books['documents']['unit']):,} documents")  # fmt: skip
    return int(not all(units))


async def _try_reports(
    dialect: Dialect, carrier: _Carrier, unit: int, tokens: dict[int, str], date: str
) -> int:
    """Say whether a consolidated report can be read; returns how many things are wrong with it."""
    reading = consolidating(dialect)
    if reading is None:
        print("reports: this dialect reads no consolidated ones: invariant I11 stays NOT_TESTED")
        return 0
    token = tokens.get(AUDITOR_ACCOUNT, "")
    if not token:
        return 0  # said of the books already
    requests = reading.read_consolidated_requests([unit], period_of(date), token=token)
    if len(requests) != 1:
        print(f"WRONG reports: read_consolidated_requests gave {len(requests)} requests for one "
              "parent; mend: give one for each")  # fmt: skip
        return 1
    answer = await carrier.fetch(requests[0])
    if answer.status != 200:
        print(f"WRONG reports: GET {requests[0].target} gave "
              f"{answer.status or answer.ending.value}; mend: see the auditor's rights, and "
              "read_consolidated_requests")  # fmt: skip
        return 1
    try:
        accounts = len(read_report(reading, answer.body))
    except UNREADABLE as error:
        print("WRONG reports: parse_consolidated raised "
              f"{type(error).__name__}: {error}; mend: correct it")  # fmt: skip
        return 1
    print(f"ok    reports: the consolidated report of unit {unit} has {accounts} accounts")
    return 0


def _unit(account: int | None, tokens: dict[int, str], population: Population) -> int:
    """Return the unit to work in: of *account*, else of somebody signed in, else the first."""
    known = {unit.unit for unit in population.units}
    if account is not None:
        if account // ACCOUNTS_PER_UNIT not in known:
            raise BadSetup(
                what="it belongs to no unit of the population",
                where=f"--account {account}",
                mend="write unit * 1000 + number of the person, as in the sessions file",
            )
        return account // ACCOUNTS_PER_UNIT
    signed_in = sorted({one // ACCOUNTS_PER_UNIT for one in tokens} & known)
    return signed_in[0] if signed_in else population.units[0].unit


def _is_date(text: str) -> bool:
    try:
        return bool(time.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False
