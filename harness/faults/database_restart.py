"""F4: the database server stops at once, without a checkpoint, and is started again.

Every session breaks and the log is replayed at the start: what was acknowledged must still be
there, and the application must find its way back by itself. Back means that a query of ours is
answered; whether the service is back is the recovery clause's to judge, from the load's own
samples.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from harness.failures import MonthendError
from harness.faults.fault import (
    FaultTarget,
    Healing,
    Injection,
    NotHealed,
    NotInjected,
    await_death,
)
from harness.processes import start_time_ticks

# An immediate stop waits for no client; the server's own limit for its children is 5 s.
DEATH_LIMIT_S = 10.0
PAUSE_S = 0.05
QUERY_LIMIT_S = 2.0


class DatabaseRestart:
    """Stop PostgreSQL in immediate mode and start it again."""

    name = "database_restart"
    # Lead-in, gap of 0.3 to 2.0 s (measured in chaos F3 to F5), reconnection, load after it.
    slot_s_min = 12.0
    hold_s = 0.0

    def refusal(self, target: FaultTarget) -> str | None:
        """Say why the database of this target cannot be restarted."""
        if target.database is None or target.database_dsn is None:
            return "there is no access to the database server of this target"
        return None

    def inject(self, target: FaultTarget) -> Injection:
        """Stop the server and see its process gone."""
        pids = target.processes("database")
        if target.database is None or not pids:
            raise NotInjected(
                what="the database server was not running",
                where=self.name,
                mend="look at the database's own log",
            )
        pid = pids[0]
        started_ticks = start_time_ticks(pid)
        injected_ns = time.monotonic_ns()
        target.database.stop_immediate()
        await_death(pid, started_ticks, limit_s=DEATH_LIMIT_S, fault=self.name)
        died_ms = (time.monotonic_ns() - injected_ns) / 1e6
        return Injection(
            target=f"database server {pid}",
            injected_ns=injected_ns,
            pid=pid,
            process_count=1,
            expected=frozenset(),
            facts=(f"postmaster pid {pid}", f"died after {died_ms:.0f} ms"),
        )

    def heal(
        self, target: FaultTarget, injection: Injection | None, *, deadline_ns: int
    ) -> Healing:
        """Start the server, again and again while it refuses, until a query is answered."""
        database, dsn = target.database, target.database_dsn
        assert database is not None, "refusal() was not asked"
        assert dsn is not None, "refusal() was not asked"
        began_ns = time.monotonic_ns()
        attempts, doubt = 0, "no attempt was made"
        while attempts == 0 or time.monotonic_ns() < deadline_ns:
            attempts += 1
            try:
                # A start may be refused while the children of the old server are still leaving.
                database.start()
                asyncio.run(_answers_a_query(dsn))
            except (OSError, TimeoutError, MonthendError, asyncpg.PostgresError,
                    asyncpg.InterfaceError) as error:  # fmt: skip
                doubt = f"{type(error).__name__}: {error}"
                time.sleep(PAUSE_S)
                continue
            healed_ns = time.monotonic_ns()
            new_pid = next(iter(target.processes("database")), 0)
            facts = [
                f"started after {attempts} attempt(s) in {(healed_ns - began_ns) / 1e6:.0f} ms"
            ]
            if injection is not None:
                down_ms = (healed_ns - injection.injected_ns) / 1e6
                facts += [
                    f"new postmaster pid {new_pid}",
                    f"no query answered for {down_ms:.0f} ms",
                ]
            return Healing(healed_ns=healed_ns, facts=tuple(facts))
        raise NotHealed(
            what=f"no query was answered after {attempts} attempts to start ({doubt})",
            where=self.name,
            mend="look at the database's own log",
        )


async def _answers_a_query(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=QUERY_LIMIT_S, command_timeout=QUERY_LIMIT_S)
    try:
        await connection.execute("SELECT 1")
    finally:
        await connection.close(timeout=QUERY_LIMIT_S)
