"""The database, as one object: named queries, pools with limits, errors in three words.

Every statement of the program stands in queries.sql and is sent with its name in front. A failure
is translated here, once: `NotExecuted` (rolled back for sure), `Rejected` (the database refused the
content) or `Uncertain` (the connection was lost on the way: it may have happened). Reads are sent
again when the connection was lost, with a limit; postings are not, the posting queue does that
with their keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, Final

import asyncpg

from reference_app.metrics import Metrics
from reference_app.problems import Problem
from reference_app.settings import Settings

SCHEMA_FILE = Path(__file__).with_name("schema.sql")
SCHEMA_FILES = (SCHEMA_FILE, *map(SCHEMA_FILE.with_name, ("imports.sql", "bank.sql", "audit.sql")))
QUERIES_FILE = Path(__file__).with_name("queries.sql")
READ_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # a restart takes 0.2-2 s
RELEASE_LIMIT_S: Final = 0.5
STATEMENT_SHARE: Final = 0.9  # of the command's time limit, for the server's own
RECYCLE_NEVER: Final = 10**9

# A plan made while the tables were empty must not live on, and every query addresses rows by unit
# first: so plans are generic and walk the indexes.
SESSION_SETTINGS: Final = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "idle_in_transaction_session_timeout": "5000",
}
LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
PASSING_CLASSES: Final = ("53", "55", "57")  # SQLSTATE: resources, locks, operator intervention
CONTENT_CLASSES: Final = ("22", "23", "P0")  # SQLSTATE: data exception, integrity, raised by us


class NotExecuted(Exception):
    """Rolled back for sure; it may be sent again."""


class AllBusy(NotExecuted):
    """No connection became free in time."""


class Rejected(Exception):
    """The database refused what was sent; sending it again gives the same."""


class Uncertain(Exception):
    """The answer was lost: it may have happened."""


def read_queries(path: Path = QUERIES_FILE) -> dict[str, str]:
    """Return the statements of queries.sql by name, each opening with its name as a comment."""
    queries: dict[str, str] = {}
    for part in path.read_text(encoding="utf-8").split("-- name: ")[1:]:
        name, _, text = part.partition("\n")
        body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        queries[name.strip()] = f"/* {name.strip()} */ {body.strip()}"
    return queries


class Storage:
    """Pools for reading, posting and importing, apart, so that none starves another."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.queries = read_queries()
        self._settings = settings
        self._metrics = metrics
        self._readers: Any = None
        self._posters: Any = None
        self._importers: Any = None

    async def open(self) -> None:
        """Connect. Raises what the driver raises when the database is not there."""
        logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)  # else a traceback per attempt
        self._readers = await self._pool(self._settings.read_connections)
        self._posters = await self._pool(self._settings.posting_lanes)
        self._importers = await self._pool(1)

    async def _pool(self, size: int) -> Any:
        # The server gives up before the client does: its refusal is certain, ours would not be.
        statement_ms = int(self._settings.command_timeout_s * 1000 * STATEMENT_SHARE)
        return await asyncpg.create_pool(
            self._settings.database_url,
            min_size=size,
            max_size=size,
            max_queries=RECYCLE_NEVER,
            max_inactive_connection_lifetime=0,
            command_timeout=self._settings.command_timeout_s,
            timeout=self._settings.acquire_timeout_s,
            reset=_keep_session,
            server_settings={
                **SESSION_SETTINGS,
                "lock_timeout": str(self._settings.lock_timeout_ms),
                "statement_timeout": str(statement_ms),
                "application_name": f"ledger/{self._settings.worker_name}",
            },
        )

    async def close(self, limit_s: float) -> None:
        """Close the pools; what does not close within *limit_s* is cut off."""
        for pool in (self._readers, self._posters, self._importers):
            if pool is None:
                continue
            try:
                async with asyncio.timeout(limit_s):
                    await pool.close()
            except (TimeoutError, *LOST):
                pool.terminate()

    async def text(self, name: str, *arguments: object) -> str | None:
        """Return the one value of a read, or None when there is no row."""
        rows = await self.rows(name, *arguments)
        return rows[0][0] if rows else None

    async def one(self, name: str, *arguments: object) -> str:
        """Return the one value of a read that always has one."""
        return str((await self.rows(name, *arguments))[0][0])

    async def rows(self, name: str, *arguments: object, is_write: bool = False) -> Sequence[Any]:
        """Return the rows of a statement that may be sent twice; again after a lost connection.

        At the end it is the problem `shed`, or `indefinite` when a write may have happened.
        """
        settings, query, is_uncertain = self._settings, self.queries[name], False
        deadline = monotonic() + settings.deadline_s
        for pause_s in READ_PAUSES_S:
            limit_s = min(settings.command_timeout_s, deadline - monotonic())
            try:
                connection = await self._acquire(self._readers)
                try:
                    return await connection.fetch(query, *arguments, timeout=limit_s)
                finally:
                    await _release(self._readers, connection)
            except AllBusy:
                break
            except NotExecuted:
                pass
            except LOST:
                is_uncertain = is_write
            except asyncpg.DataError as error:
                raise Problem("invalid", "a value is out of range") from error
            except asyncpg.PostgresError as error:
                if error.sqlstate[:2] not in PASSING_CLASSES:
                    raise
            if monotonic() + pause_s + settings.acquire_timeout_s > deadline:
                break
            await asyncio.sleep(pause_s)
        code = "indefinite" if is_uncertain else "shed"
        raise Problem(code, "the database does not answer")

    async def _acquire(self, pool: Any) -> Any:
        asked_at = monotonic()
        try:
            async with asyncio.timeout(self._settings.acquire_timeout_s):
                connection = await pool.acquire()
        except TimeoutError as error:
            raise AllBusy("no connection became free in time") from error
        except (asyncpg.PostgresError, *LOST) as error:
            raise NotExecuted(f"no connection: {error!r}") from error
        self._metrics.observe("pool_wait_seconds", monotonic() - asked_at)
        return connection

    @asynccontextmanager
    async def poster(self) -> AsyncIterator[Any]:
        """Lend a connection for postings."""
        connection = await self._acquire(self._posters)
        try:
            yield connection
        finally:
            await _release(self._posters, connection)

    async def post(self, units: list[int], batch: str) -> Sequence[Any]:
        """Send one batch of postings. Raises `NotExecuted`, `Rejected` or `Uncertain`."""
        async with self.poster() as connection:
            return await self._write(connection, "post", units, batch)

    async def work(self, name: str, *arguments: object) -> Sequence[Any]:
        """Send one statement of the work behind people: imports, orders to the bank.

        Raises `NotExecuted`, `Rejected` or `Uncertain`.
        """
        connection = await self._acquire(self._importers)
        try:
            return await self._write(connection, name, *arguments)
        finally:
            await _release(self._importers, connection)

    async def _write(self, connection: Any, name: str, *arguments: object) -> Sequence[Any]:
        try:
            return await connection.fetch(self.queries[name], *arguments)
        except LOST as error:
            raise Uncertain(repr(error)) from error
        except asyncpg.PostgresError as error:
            if error.sqlstate[:2] in CONTENT_CLASSES:
                raise Rejected(str(error)) from error
            raise NotExecuted(repr(error)) from error


async def _release(pool: Any, connection: Any) -> None:
    """Give *connection* back; one that does not come to rest in time is cut off by the driver."""
    with suppress(asyncpg.PostgresError, *LOST):
        await pool.release(connection, timeout=RELEASE_LIMIT_S)


async def _keep_session(_connection: Any) -> None:
    """Replace the driver's reset, a round trip per release: our sessions hold no state."""
