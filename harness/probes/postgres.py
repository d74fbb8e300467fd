"""Looks into PostgreSQL while the load is on: waits and blockers at 10 Hz, counters at 1 Hz.

It holds one connection of its own with limits on every statement and lock, so that it cannot hang
behind what it watches. A restart of the database is survived by connecting again within a limit; a
lost connection, counters that went backwards and the probe's own end are readings too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

import asyncpg

from harness.probes.activity import Look, look_at, sessions_from_rows
from harness.probes.readings import ReadingLog

# 10 Hz: a look costs 0.14 ms on the server with 20 sessions (diagnosis §1c).
INTERVAL_S = 0.1
COUNTER_EVERY = 10
CONNECT_LIMIT_S = 3.0
STATEMENT_LIMIT_S = 2.0
# Twice the longest heal that the fault runner allows.
OUTAGE_LIMIT_S = 120.0
RECONNECT_PAUSE_S = 0.2
# A program with more shapes than this builds its statements at run time: they name nothing.
STATEMENTS_MAX = 2000

ACTIVITY_SQL = """/* monthend probe: activity */
SELECT pid, state, wait_event_type, wait_event, left(query, 400) AS query, query_id,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_s,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) END AS blockers
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND datname = current_database()"""

COUNTER_SQL = """/* monthend probe: counters */
SELECT xact_commit AS commits, xact_rollback AS rollbacks, tup_returned AS rows_returned,
       tup_fetched AS rows_fetched, tup_inserted AS rows_inserted, tup_updated AS rows_updated,
       blks_hit AS blocks_hit, blks_read AS blocks_read, deadlocks, temp_bytes
  FROM pg_stat_database WHERE datname = current_database()"""

LOST = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError,
        asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError,
        asyncpg.InternalClientError, asyncpg.TooManyConnectionsError)  # fmt: skip


class DatabaseUnreachable(Exception):
    """No connection within the outage limit: the probe gives up and says so."""


class PostgresProbe:
    """Reads until stopped; `work` runs an event loop of its own in the probe's thread."""

    name = "postgres"

    def __init__(
        self,
        dsn: str,
        *,
        interval_s: float = INTERVAL_S,
        outage_limit_s: float = OUTAGE_LIMIT_S,
    ) -> None:
        self._dsn = dsn
        self._interval_s = interval_s
        self._outage_limit_s = outage_limit_s
        self._seen: set[tuple[int, str]] = set()

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        """Add readings until *stop* is set. Raises `DatabaseUnreachable` after a long outage."""
        asyncio.run(self._watch(log, stop))

    async def _watch(self, log: ReadingLog, stop: threading.Event) -> None:
        while not stop.is_set():
            connection = await self._connect(stop)
            if connection is None:
                return
            log.add(time.monotonic_ns(), "database", "connected", 1.0, "count")
            try:
                await self._read_until_lost(connection, log, stop)
            except LOST as error:
                reason = f"{type(error).__name__}: {error}"
                log.add(time.monotonic_ns(), reason, "connected", 0.0, "count")
            finally:
                log.flush()
                await _close(connection)

    async def _connect(self, stop: threading.Event) -> Any | None:
        limit_s = time.monotonic() + self._outage_limit_s
        while not stop.is_set():
            try:
                return await connect_to_watch(self._dsn, application_name="monthend probe")
            except LOST as error:
                if time.monotonic() > limit_s:
                    raise DatabaseUnreachable(
                        f"no connection for {self._outage_limit_s:.0f} s: {error}"
                    ) from error
                await asyncio.sleep(RECONNECT_PAUSE_S)
        return None

    async def _read_until_lost(
        self, connection: Any, log: ReadingLog, stop: threading.Event
    ) -> None:
        counters: Mapping[str, int] = {}
        counted_ns = turn = 0
        due_s = time.monotonic()
        activity = await connection.prepare(ACTIVITY_SQL)
        while not stop.is_set():
            now_ns = time.monotonic_ns()
            sessions = sessions_from_rows(await activity.fetch())
            look = look_at(sessions)
            add_look(log, now_ns, look)
            self._add_new_statements(log, now_ns, look)
            if turn % COUNTER_EVERY == 0:
                row = await connection.fetchrow(COUNTER_SQL)
                now_ns, before, before_ns = time.monotonic_ns(), counters, counted_ns
                counters, counted_ns = dict(row or {}), now_ns
                if before:
                    add_counters(log, now_ns, before, counters, (now_ns - before_ns) / 1e9)
                log.flush()
            turn += 1
            # A late look is not made up for: samples stay at least one interval apart.
            due_s = max(due_s + self._interval_s, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())

    def _add_new_statements(self, log: ReadingLog, at_ns: int, look: Look) -> None:
        for query_id, site in look.statements - self._seen:
            if len(self._seen) >= STATEMENTS_MAX:
                return
            self._seen.add((query_id, site))
            log.add(at_ns, site, f"query:{query_id}", 1.0, "count")


def add_look(log: ReadingLog, at_ns: int, look: Look) -> None:
    """Write one look at the sessions as readings."""
    log.add(at_ns, "total", "sessions", look.session_count, "count")
    for wait, count in look.waits.items():
        if wait != "idle":
            log.add(at_ns, wait, "wait", count, "count")
    for site, count in look.active.items():
        log.add(at_ns, site, "active", count, "count")
    for (root, victim), count in look.blocked.items():
        log.add(at_ns, root, f"blocked:{victim}", count, "count")
    for (root, state), count in look.root_states.items():
        log.add(at_ns, root, f"root:{state}", count, "count")
    if look.transaction_s_max >= 1.0:
        log.add(at_ns, "oldest", "transaction_age", look.transaction_s_max, "s")


def add_counters(
    log: ReadingLog,
    at_ns: int,
    before: Mapping[str, int],
    after: Mapping[str, int],
    elapsed_s: float,
) -> None:
    """Write the growth of the server's counters per second.

    An immediate stop forgets the counters; a growth below zero is written as `counters_lost`.
    """
    growth = {name: after[name] - before[name] for name in after if name in before}
    if any(value < 0 for value in growth.values()) or elapsed_s <= 0:
        log.add(at_ns, "database", "counters_lost", 1.0, "count")
        return
    for name, value in growth.items():
        log.add(at_ns, "database", name, value / elapsed_s, "per_s")


async def connect_to_watch(dsn: str, *, application_name: str) -> Any:
    """Open a connection that cannot hang: limits on connecting, statements and locks."""
    limit_ms = str(int(STATEMENT_LIMIT_S * 1000))
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_LIMIT_S,
        command_timeout=STATEMENT_LIMIT_S,
        server_settings={
            "application_name": application_name,
            "statement_timeout": limit_ms,
            "lock_timeout": limit_ms,
            "default_transaction_read_only": "on",
            "jit": "off",
        },
    )


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=CONNECT_LIMIT_S)
    except LOST:
        connection.terminate()
