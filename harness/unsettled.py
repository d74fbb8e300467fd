"""Files that were taken in under load and are not done yet: waited for before the books are read.

A file is taken whole or not at all, but not at once: books read while one is being posted would
hold half of it. So each file whose end the load did not see is asked for, as long as it gets on.
One that has stopped half-way is left to the judge.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson

from contracts.records import OPERATION_DTYPE, Outcome
from scenarios.dialects.interface import Answer, Dialect
from scenarios.journeys.forms import BackDatedBooks, MoneyKind
from scenarios.journeys.vocabulary import Step
from scenarios.outcomes import Ending
from scenarios.population import AUDITOR_ACCOUNT

LOOK: Final = "view_import"
PAUSE_S: Final = 1.0
STANDSTILL_S: Final = 60.0  # without progress of any file
WAIT_LIMIT_S: Final = 900.0
ANSWER_LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A file whose fate the history leaves open."""

    unit: int
    key: tuple[int, int]


def unsettled_files(operations: Path) -> tuple[Unsettled, ...]:
    """Return the files whose last record, in the logs of this folder, leaves them open."""
    units: dict[tuple[int, int], int] = {}
    attempts: dict[tuple[int, int], dict[int, int]] = {}
    for path in sorted(operations.glob("*.log")):
        for row in _file_records(path):
            key = int(row["key_high"]), int(row["key_low"])
            units[key] = int(row["unit"])
            attempts.setdefault(key, {})[int(row["attempt"])] = int(row["outcome"])
    return tuple(
        Unsettled(unit, key)
        for key, unit in units.items()
        if Outcome.OK not in (outcomes := set(attempts[key].values()))
        and outcomes & {Outcome.OPEN, Outcome.INDEFINITE}
    )


def _file_records(path: Path) -> npt.NDArray[np.void]:
    """Return the records of whole files in a log; a log that tells of none gives none."""
    with path.open("rb") as file:
        header = file.readline()
        try:
            place = orjson.loads(header)["kinds"].index(MoneyKind.BOOKS_IMPORT)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError):
            return np.empty(0, dtype=OPERATION_DTYPE)  # sealing says what is wrong with it
        whole = (path.stat().st_size - len(header)) // OPERATION_DTYPE.itemsize
        records = np.fromfile(file, dtype=OPERATION_DTYPE, count=whole)
    return records[records["kind"] == place]


def await_settled(
    files: tuple[Unsettled, ...], *, url: str, token: str, dialect: Dialect
) -> tuple[Unsettled, ...]:
    """Ask for *files* until none is under way, and return those that stopped half-way."""
    if not files or LOOK not in dialect.operations:
        return ()
    return asyncio.run(_await_settled(files, url, token, dialect))


async def _await_settled(
    files: tuple[Unsettled, ...], url: str, token: str, dialect: Dialect
) -> tuple[Unsettled, ...]:
    now = asyncio.get_running_loop().time
    ends_at, moved_at = now() + WAIT_LIMIT_S, now()
    progress: dict[Unsettled, int] = {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while files:
            seen = {file: await _progress(session, url, token, dialect, file) for file in files}
            files = tuple(file for file, posted in seen.items() if posted is not None)
            if any(progress.get(file) != posted for file, posted in seen.items()):
                moved_at = now()
            progress = {file: posted for file, posted in seen.items() if posted is not None}
            if now() > min(ends_at, moved_at + STANDSTILL_S):
                break
            if files:
                await asyncio.sleep(PAUSE_S)
    return files


async def _progress(
    session: aiohttp.ClientSession, url: str, token: str, dialect: Dialect, file: Unsettled
) -> int | None:
    """Return how many documents of *file* are posted, -1 when unknown, None when it has ended."""
    form = BackDatedBooks(months=(), documents=0, variant=0, mark="")
    upload = Step("upload_books", AUDITOR_ACCOUNT, file.unit, form=form, key=file.key)
    look = Step(LOOK, AUDITOR_ACCOUNT, file.unit, settles=upload)
    request = dialect.request(look, token)
    with suppress(TimeoutError, aiohttp.ClientError):
        async with session.request(
            request.method, url + request.target, headers=dict(request.headers)
        ) as response:
            body = await response.read()
            reply = dialect.reply(look, Answer(Ending.ANSWERED, response.status, b"", body))
            if response.status == 404 or reply.settled in (Outcome.OK, Outcome.REFUSED):
                return None
            return reply.number
    return -1
