"""What each statement cost between two moments, out of `pg_stat_statements`.

Only the difference between two snapshots counts. Statements are known by their query id: up to
PostgreSQL 17 the text begins with the first comment that was seen, from 18 on without any (measured
2026-11 on 18.6), so the call site comes from the sessions' readings. Where the extension is missing
the reason is returned, never an empty list that looks like rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from harness.probes.postgres import LOST, connect_to_watch

# `toplevel` keeps statements inside functions apart from those that clients sent.
STATEMENTS_SQL = """/* monthend probe: statements */
SELECT queryid, toplevel, left(query, 2000) AS query, calls,
       total_exec_time + total_plan_time AS total_ms, rows,
       shared_blks_hit + shared_blks_read AS blocks, wal_bytes
  FROM pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCost:
    """Cost of one statement shape. Blocks are pages of 8 KiB that were looked at."""

    query: str
    is_top_level: bool
    calls: int
    total_ms: float
    rows: int
    blocks: int
    wal_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """A snapshot by (query id, is top level), or the reason why there is none."""

    costs: Mapping[tuple[int, bool], StatementCost]
    missing_because: str | None = None


async def read_statements(dsn: str) -> Statements:
    """Take a snapshot; a missing extension, right or server is a reason, not an exception."""
    try:
        connection = await connect_to_watch(dsn, application_name="monthend statements")
    except (*LOST, asyncpg.PostgresError) as error:
        return Statements(costs={}, missing_because=f"no connection: {error}")
    try:
        rows = await connection.fetch(STATEMENTS_SQL)
    except asyncpg.PostgresError as error:
        return Statements(costs={}, missing_because=f"pg_stat_statements: {error}")
    except LOST as error:
        return Statements(costs={}, missing_because=f"connection lost: {error}")
    finally:
        connection.terminate()
    costs = {
        (row["queryid"], row["toplevel"]): StatementCost(
            query=row["query"] or "",
            is_top_level=row["toplevel"],
            calls=row["calls"],
            total_ms=row["total_ms"],
            rows=row["rows"],
            blocks=row["blocks"],
            wal_bytes=int(row["wal_bytes"]),
        )
        for row in rows
        if row["queryid"] is not None
    }
    return Statements(costs=costs)


def growth(before: Statements, after: Statements) -> Statements:
    """Return what happened between two snapshots; a reset between them is said, not computed."""
    missing = before.missing_because or after.missing_because
    if missing:
        return Statements(costs={}, missing_because=missing)
    costs: dict[tuple[int, bool], StatementCost] = {}
    for key, now in after.costs.items():
        was = before.costs.get(key)
        if was is None:
            costs[key] = now
        elif now.calls < was.calls:
            return Statements(costs={}, missing_because="the statistics were reset meanwhile")
        elif now.calls > was.calls:
            costs[key] = StatementCost(
                query=now.query,
                is_top_level=now.is_top_level,
                calls=now.calls - was.calls,
                total_ms=now.total_ms - was.total_ms,
                rows=now.rows - was.rows,
                blocks=now.blocks - was.blocks,
                wal_bytes=now.wal_bytes - was.wal_bytes,
            )
    return Statements(costs=costs)
