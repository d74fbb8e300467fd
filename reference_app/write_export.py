"""The process that writes the complete books of a unit: apart from the worker, because a year of a
city is many seconds of work, and on a connection of its own, because people wait on the worker's.

It prints which moment the books show (nothing when there are none), then the file. All of it is
one transaction, hence one moment. It ends when its input does: with the worker that started it.

    python -m reference_app.write_export UNIT FISCAL_YEAR csv|xlsx PART     with LEDGER_DATABASE_URL
"""

from __future__ import annotations

import asyncio
import csv
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import TextIOWrapper
from shutil import rmtree
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, BinaryIO, Final

import asyncpg

from reference_app.back_dated import BE_TO_CE
from reference_app.export import Cells, Exporter, Posted, part_of
from reference_app.kinds import read_catalogue
from reference_app.storage import SESSION_SETTINGS, read_queries

MEMORY_BYTES_MAX: Final = 768 * 1024 * 1024
CPU_S_MAX: Final = 240
EXPORT_LIMIT_S: Final = 300.0  # a client that reads slowly holds a snapshot of the tables so long
STATEMENT_LIMIT_S: Final = 60.0
ROWS_PER_READ: Final = 1000
NICENESS: Final = 10
ESCAPE_BEGINS: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")  # as sheet.ESCAPE
SETTINGS: Final = {
    **SESSION_SETTINGS,
    "lock_timeout": "10000",  # ms
    # The server notices that this process was ended even while it waits for a lock or computes.
    "client_connection_check_interval": "1000",
    "application_name": "ledger/export",
    "idle_in_transaction_session_timeout": str(int(EXPORT_LIMIT_S * 1000)),
}


def documents(
    runner: asyncio.Runner, connection: Any, exporter: Exporter, unit: int, year: int
) -> Iterator[Sequence[Cells]]:
    """Read the books of a fiscal year (BE), some documents at a time, within a transaction."""
    queries = read_queries()

    def fetch(name: str, *arguments: object) -> Any:
        return runner.run(connection.fetch(queries[name], unit, *arguments))

    balances = fetch("balances", (year - BE_TO_CE - 1) * 100 + 9)
    budget = fetch("export_budget", year)
    waiting = [Posted(**row) for row in fetch("export_waiting", year)]
    yield from exporter.beginning(year, balances, dict(budget), waiting)
    for is_transfer in (True, False):
        query = queries["export_documents"]
        cursor = runner.run(_cursor(connection, query, unit, year, is_transfer))
        while rows := runner.run(cursor.fetch(ROWS_PER_READ)):
            for row in rows:
                yield from exporter.document(Posted(**row))


async def _cursor(connection: Any, query: str, *arguments: object) -> Any:
    return await connection.cursor(query, *arguments)


def write_csv(columns: Mapping[str, str], rows: Iterable[Cells], out: BinaryIO) -> None:
    """Write comma-separated text as Excel reads it: UTF-8 behind a byte order mark."""
    text = TextIOWrapper(out, encoding="utf-8-sig", newline="")
    csv.writer(text).writerow(columns.values())
    csv.DictWriter(text, list(columns)).writerows(rows)
    text.detach()


def write_xlsx(columns: Mapping[str, str], rows: Iterable[Cells], out: BinaryIO) -> None:
    """Write a workbook of one sheet; its rows wait in a temporary file until it is whole."""
    from openpyxl import Workbook  # half a second that a CSV file need not wait

    book = Workbook(write_only=True)
    sheet = book.create_sheet("บัญชี")
    sheet.freeze_panes = "A2"
    sheet.append(list(columns.values()))
    for row in rows:
        sheet.append([_escaped(row.get(name)) for name in columns])
    book.save(out)


def _escaped(cell: str | Decimal | None) -> str | Decimal | None:
    """Write a text that looks like an escaped character so that programs show it as it is."""
    return ESCAPE_BEGINS.sub("_x005F_", cell) if isinstance(cell, str) else cell


WRITERS: Final = {"csv": write_csv, "xlsx": write_xlsx}


def export(database_url: str, unit: int, year: int, form: str, part: int, out: BinaryIO) -> None:
    """Write one file. Raises what the driver and the stream raise."""
    exporter = Exporter(read_catalogue())
    with asyncio.Runner() as runner:
        connection = runner.run(
            asyncpg.connect(
                database_url, command_timeout=STATEMENT_LIMIT_S, server_settings=SETTINGS
            )
        )
        try:
            snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
            runner.run(snapshot.start())
            moment = runner.run(connection.fetchval(read_queries()["export_moment"], unit))
            if moment is not None:
                out.write(f"{moment}\n".encode())
                out.flush()
                rows = part_of(documents(runner, connection, exporter, unit, year), part)
                WRITERS[form](exporter.columns, rows, out)
        finally:
            runner.run(connection.close(timeout=STATEMENT_LIMIT_S))


def _end_with_the_worker() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_with(folder: str) -> None:
    """End at once when told to, or out of time, and take the temporary files away."""

    def end(*_: object) -> None:
        rmtree(folder, ignore_errors=True)
        os._exit(1)

    tempfile.tempdir = folder
    for number in (signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, end)
    Thread(target=_end_with_the_worker, daemon=True).start()


def main() -> int:
    """Write one file to the output."""
    unit, year, form, part = sys.argv[1:]
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX + 5))
    database_url = os.environ["LEDGER_DATABASE_URL"]
    try:
        with (
            TemporaryDirectory(prefix="ledger-export-") as folder,
            open(1, "wb", closefd=False) as out,
        ):
            _end_with(folder)
            export(database_url, int(unit), int(year), form, int(part), out)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"export of {unit}: {error!r}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
