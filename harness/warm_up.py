"""A few seconds of light reading before the load, so that it does not measure cold starts.

Opens the target's connections and fills its caches with ordinary reads of many units. Not recorded,
not judged; a target that cannot answer even this is met by the load itself.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from scenarios.dialects.interface import Dialect
from scenarios.journeys.vocabulary import Step
from scenarios.population import ACCOUNTS_PER_UNIT, AUDITOR_ACCOUNT

WARM_UP_S: Final = 2.0
REQUESTS_MAX: Final = 600
WIDTH: Final = 8
OPERATIONS: Final = ("view_overview", "view_worklist", "view_budget")


@dataclass(frozen=True, slots=True)
class _SignedIn:
    account: int
    token: str


def warm_up(*, url: str, dialect: Dialect, sessions_csv: Path) -> int:
    """Read for at most `WARM_UP_S`; the number of good answers."""
    people = _people(sessions_csv)
    return asyncio.run(_read(url, dialect, people)) if people else 0


def _people(sessions_csv: Path) -> list[_SignedIn]:
    """Some people spread over the file, that is, over the country."""
    with sessions_csv.open(encoding="utf-8", newline="") as file:
        rows = [
            _SignedIn(int(row["account"]), row["token"])
            for row in csv.DictReader(file)
            if row["account"].isdigit() and int(row["account"]) != AUDITOR_ACCOUNT
        ]
    units = [row for row in rows if row.account // ACCOUNTS_PER_UNIT % 100_000]
    return units[:: max(1, len(units) // REQUESTS_MAX)][:REQUESTS_MAX]


async def _read(url: str, dialect: Dialect, people: list[_SignedIn]) -> int:
    spoken = [operation for operation in OPERATIONS if operation in dialect.operations]
    work = iter(list(zip(people, itertools.cycle(spoken), strict=False)))
    answered = 0
    timeout = aiohttp.ClientTimeout(total=WARM_UP_S)

    async def reader(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for person, operation in work:
            step = Step(
                operation=operation,
                account=person.account,
                unit=person.account // ACCOUNTS_PER_UNIT,
            )
            request = dialect.request(step, person.token)
            async with session.request(
                request.method, url + request.target, headers=dict(request.headers)
            ) as response:
                await response.read()
                answered += response.status == 200

    async with aiohttp.ClientSession(timeout=timeout) as session:
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(WARM_UP_S):
                await asyncio.gather(*(reader(session) for _ in range(WIDTH)))
    return answered
