"""Months of history for every unit: lines per second, CPU-seconds, bytes, and whether it is sound.

Fills a database of its own through `reference_app.fill`, from nothing to the last checkpoint, and
then counts with `ledger.audit()` what must never be. On a machine that others use compare the
CPU-seconds, not the seconds. Everything is removed at the end.

    .venv/bin/python -m tests.benchmarks.bench_fill --months 1 --scale 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from harness.disk import check_room, history_bytes
from harness.failures import BadSetup
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workplace import make_workplace
from reference_app.fill import fill
from reference_app.problems import BadSettings
from reference_app.settings import Settings
from scenarios.population import Population, build_population, write_accounts_csv, write_units_csv

MONTHS_MAX: Final = 12
TABLES: Final = ("document", "line", "workflow", "balance", "budget_line", "counter", "book")


def business_date(months: int) -> date:
    """Return a day on which *months* of fiscal year 2569 are over; two more are open till 10."""
    year, month = divmod(9 + min(months + 1, 11), 12)
    return date(2025 + year, month + 1, 28)


async def fill_database(
    postgres: EmbeddedPostgres, population: Population, months: int, folder: Path
) -> Mapping[str, float]:
    """Fill as `python -m reference_app fill` does; returns the seconds of each part."""
    units, accounts = folder / "units.csv", folder / "accounts.csv"
    write_units_csv(population, units)
    write_accounts_csv(population, accounts)
    return await fill(
        Settings(database_url=postgres.owner_dsn, session_key=b"s" * 32, pid_key=b"p" * 32),
        units=units,
        accounts=accounts,
        sessions_out=folder / "sessions.csv",
        business_date=business_date(months),
        history=months,
    )


async def sizes(dsn: str) -> tuple[int, int, int]:
    """Return how many documents, lines and bytes there are."""
    connection = await asyncpg.connect(dsn)
    try:
        documents = await connection.fetchval("SELECT count(*) FROM ledger.document")
        lines = await connection.fetchval("SELECT count(*) FROM ledger.line")
        size = await connection.fetchval(
            "SELECT sum(pg_total_relation_size(('ledger.' || name)::regclass))::bigint "
            "FROM unnest($1::text[]) AS t (name)",
            TABLES,
        )
        return documents, lines, size
    finally:
        await connection.close()


async def violations(dsn: str) -> dict[str, int]:
    """Return the invariants that are broken."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET work_mem = '256MB'")
        rows = await connection.fetch("SELECT * FROM ledger.audit()")
        return {row["invariant"]: row["violations"] for row in rows if row["violations"]}
    finally:
        await connection.close()


def database_cpu_s(pid: int) -> float:
    """Return the CPU-seconds of the server's processes, those that have ended included."""
    spent = 0.0
    for process in (server := psutil.Process(pid), *server.children()):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def measure(postgres: EmbeddedPostgres, population: Population, months: int, folder: Path) -> bool:
    """Fill, look, print; say whether the books are sound."""
    assert postgres.pid
    began, cpu_s, ours_s = time.monotonic(), database_cpu_s(postgres.pid), time.process_time()
    parts = asyncio.run(fill_database(postgres, population, months, folder))
    seconds, ours_s = time.monotonic() - began, time.process_time() - ours_s
    cpu_s = database_cpu_s(postgres.pid) - cpu_s + ours_s
    documents, lines, size = asyncio.run(sizes(postgres.owner_dsn))
    units = len(population.units)
    shares = units * months
    print(f"units           {units:14,}   months {months}, scale {population.scale:g}")
    print(f"documents       {documents:14,}")
    print(f"lines           {lines:14,}")
    print(f"seconds         {seconds:14.1f}   from nothing to the checkpoint: "
          + ", ".join(f"{name} {spent:.1f}" for name, spent in parts.items()))  # fmt: skip
    print(f"lines/s         {lines / seconds:14,.0f}   wanted: 200,000")
    print(f"CPU-s           {cpu_s:14.1f}   {cpu_s / lines * 1e6:.1f} us a line")
    print(f"CPU-ms          {cpu_s * 1e3 / shares:14.2f}   per unit and month")
    print(f"bytes           {size / shares:14,.0f}   per unit and month, {size / lines:.0f} a line")
    sys.stdout.flush()
    began = time.monotonic()
    broken = asyncio.run(violations(postgres.owner_dsn))
    print(f"audit           {broken or 'sound'!s:>14}   in {time.monotonic() - began:.1f} s")
    return not broken


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill, measure and print; status 1 when an invariant is broken, 3 for a wrong set-up."""
    parser = argparse.ArgumentParser(prog="bench_fill", description=__doc__)
    parser.add_argument("--months", type=int, default=1, help=f"1 to {MONTHS_MAX}")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the units (0, 1]")
    parser.add_argument("--keep", action="store_true", help="keep the database up until Ctrl-C")
    options = parser.parse_args(arguments)
    if not 1 <= options.months <= MONTHS_MAX or not 0 < options.scale <= 1:
        print(f"bench_fill: give 1 to {MONTHS_MAX} months and a scale in (0, 1]", file=sys.stderr)
        return 3
    population = build_population(scale=options.scale)
    workplace = make_workplace()
    postgres = EmbeddedPostgres(folder=workplace.path / "db", log=workplace.path / "postgres.log")
    try:
        needed = history_bytes(population, options.months)
        check_room(workplace.path, needed, mend="make room, or try a smaller scale")
        postgres.create()
        is_sound = measure(postgres, population, options.months, workplace.path)
        if options.keep:
            print(f"database        {postgres.owner_dsn}\nCtrl-C removes it", flush=True)
            with suppress(KeyboardInterrupt):
                signal.pause()
        return 0 if is_sound else 1
    except (BadSetup, BadSettings) as error:
        print(f"bench_fill: {error}", file=sys.stderr)
        return 3
    finally:
        postgres.stop()
        workplace.remove()


if __name__ == "__main__":
    raise SystemExit(main())
