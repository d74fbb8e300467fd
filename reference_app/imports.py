"""The import of back-dated books: files in turn, behind the people at work.

A worker works on one file at a time and lets the next have its turn after TURN_S, so that a file of
200,000 rows does not keep the others waiting. Checking is done by a process of its own. Posting
goes in small transactions with pauses as long as the work, and gives way while postings of people
wait. All state is in the database: when a worker dies, another takes its file up where it stands.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final
from uuid import UUID

import orjson

from reference_app.back_dated import REASONS
from reference_app.metrics import Metrics
from reference_app.settings import Settings
from reference_app.storage import NotExecuted, Storage, Uncertain

CHUNK: Final = 50  # documents; about as long as one batch of people's postings holds a unit
TURN_S: Final = 1.0
LEASE_S: Final = 10.0  # after which another worker takes the file of a dead one
BEAT_S: Final = 2.0
IDLE_S: Final = 0.5
TROUBLE_S: Final = 1.0  # pause after the database was away
CHECK_LIMIT_S: Final = 600.0
CALM_WAITING: Final = 4  # postings of people that may wait without an import giving way
GIVE_WAY_S: Final = 0.02
GIVE_WAY_MAX: Final = 25  # times GIVE_WAY_S: an import gets on, however busy it is

logger = logging.getLogger("ledger")


class Importer:
    """One worker's import; *waiting* tells how many postings of people wait."""

    def __init__(
        self, settings: Settings, storage: Storage, metrics: Metrics, waiting: Callable[[], int]
    ) -> None:
        self._environment = {**os.environ, "LEDGER_DATABASE_URL": settings.database_url}
        self._storage = storage
        self._metrics = metrics
        self._waiting = waiting
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checker: asyncio.subprocess.Process | None = None
        self.turn_s = TURN_S

    def start(self) -> None:
        """Begin to look for files."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; a file that is worked on is taken up by another worker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end_checker()

    def look(self) -> None:
        """Look for files now: one has arrived."""
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            pause_s = IDLE_S
            try:
                if await self._turn():
                    continue
            except (NotExecuted, Uncertain) as error:
                logger.warning("import: %s", error)
                pause_s = TROUBLE_S
            except Exception:  # a bug: the others' files must not wait for ever
                logger.exception("import")
                pause_s = TROUBLE_S
            self._wanted.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), pause_s)

    async def _turn(self) -> bool:
        """Work on one file for a while; returns whether there was one."""
        rows = await self._storage.work("take_import", LEASE_S)
        if not rows:
            return False
        unit, key, state = rows[0]
        if state == "checking":
            await self._check(unit, key)
        else:
            await self._post(unit, key)
        await self._storage.work("keep_import", unit, key, 0.0)
        return True

    async def _post(self, unit: int, key: UUID) -> None:
        ends_at = monotonic() + self.turn_s
        while True:
            started_at = monotonic()
            ((left,),) = await self._storage.work("post_import", unit, key, CHUNK)
            spent_s = monotonic() - started_at
            self._metrics.observe("import_seconds", spent_s)
            if not left or monotonic() >= ends_at:
                return
            await asyncio.sleep(spent_s)
            for _ in range(GIVE_WAY_MAX):
                if self._waiting() <= CALM_WAITING:
                    break
                await asyncio.sleep(GIVE_WAY_S)

    async def _check(self, unit: int, key: UUID) -> None:
        """Have a file checked, holding it meanwhile; one that no process survives is refused."""
        checking = asyncio.create_task(self._checked(f"{unit} {key}\n"))
        try:
            ends_at = monotonic() + CHECK_LIMIT_S
            while not checking.done() and monotonic() < ends_at:
                await asyncio.wait({checking}, timeout=BEAT_S)
                await self._storage.work("keep_import", unit, key, LEASE_S)
        finally:
            checking.cancel()
        answer = "" if checking.cancelled() or not checking.done() else checking.result()
        if answer == "ok":
            return
        await self._end_checker()
        if answer == "later":
            raise NotExecuted(f"the check of import {key} could not be written down")
        code = "not-checkable" if answer == "failed" else "too-much-work"
        en, th = REASONS[code]
        problem = {"sheet": "", "row": 0, "column": "", "value": "", "code": code,
                   "reason": en, "reason_th": th}  # fmt: skip
        problems = orjson.dumps([problem]).decode()
        await self._storage.work("refuse_import", unit, key, 0, 1, problems)

    async def _checked(self, order: str) -> str:
        """Return the checker's answer, empty when it died."""
        checker = self._checker
        if checker is None or checker.returncode is not None:
            checker = self._checker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "reference_app.check_import",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                env=self._environment,
            )  # fmt: skip
        assert checker.stdin is not None
        assert checker.stdout is not None
        with suppress(OSError):
            checker.stdin.write(order.encode())
            await checker.stdin.drain()
        return (await checker.stdout.readline()).decode().strip()

    async def _end_checker(self) -> None:
        if self._checker is not None:
            with suppress(ProcessLookupError):
                self._checker.kill()
            await self._checker.wait()
            self._checker = None
