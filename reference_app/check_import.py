"""The process that checks uploaded files, one after the other: apart from the worker, because a
hostile file may take all memory and time that it is given, and because people wait on the worker.

A line "UNIT IMPORT" on its input is a file to check; it answers "ok" when the database holds the
result, "later" when it could not be settled now, "failed" when it never will be. It ends with its
input, and is killed with whatever it was doing by the limits below. All that a check writes is one
transaction.

    python -m reference_app.check_import     with LEDGER_DATABASE_URL in the environment
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import warnings
from time import process_time
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from reference_app.back_dated import BackDated, Document, Reading, Target
from reference_app.kinds import read_catalogue
from reference_app.sheet import rows_of
from reference_app.storage import CONTENT_CLASSES, read_queries

MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024  # 200,000 rows need 480 MB (measured 2026-11)
CPU_S_MAX: Final = 240  # for one file; 200,000 rows take 13 s, as a workbook 44 s
STATEMENT_LIMIT_S: Final = 60.0
NICENESS: Final = 10
STAGED: Final = (
    "unit", "import", "place", "sheet", "row", "reference", "key", "period", "budget_line",
    "to_line", "need", "posting",
)  # fmt: skip


async def check(database_url: str, reader: BackDated, unit: int, key: UUID) -> None:
    """Check one file and write what came of it. Raises what the driver raises."""
    queries = read_queries()
    connection = await asyncpg.connect(database_url, command_timeout=STATEMENT_LIMIT_S)
    try:
        async with connection.transaction():
            row = await connection.fetchrow(queries["import_to_check"], unit, key)
            if row is None:
                return
            target = Target(
                unit=unit, key=key, account=row["account"],
                first_period=row["first_period"], last_period=row["last_period"],
            )  # fmt: skip
            reading = reader.read(rows_of(row["content"]), target)
            if not reading.problem_count:
                await _accept(connection, queries, target, reading)
            outcome = (
                ("refuse_import", reading.problem_count, orjson.dumps(reading.problems).decode())
                if reading.problem_count
                else ("begin_import", len(reading.documents))
            )
            await connection.execute(
                queries[outcome[0]], unit, key, reading.row_count, *outcome[1:]
            )
    finally:
        await connection.close(timeout=STATEMENT_LIMIT_S)


async def _accept(connection: Any, queries: Any, target: Target, reading: Reading) -> None:
    """Reserve what the documents need, or add to *reading* why that cannot be."""
    records = (_record(target, place, one) for place, one in enumerate(reading.documents, 1))
    await connection.copy_records_to_table(
        "import_document", schema_name="ledger", columns=STAGED, records=records
    )
    for sheet, row, column, value, code in await connection.fetch(
        queries["accept_import"], target.unit, target.key
    ):
        reading.refuse(code, sheet=sheet, row=row, column=column, value=value)


def _record(target: Target, place: int, one: Document) -> tuple[object, ...]:
    posting = one.posting
    posting.place = place
    return (
        target.unit, target.key, place, one.sheet, one.row, one.reference, posting.key,
        posting.period, posting.budget_line, posting.to_line, one.need,
        orjson.dumps(posting).decode(),
    )  # fmt: skip


def main() -> int:
    """Check what is asked for until the input ends."""
    database_url = os.environ["LEDGER_DATABASE_URL"]
    os.nice(NICENESS)
    warnings.filterwarnings("ignore", module="openpyxl")  # of what it leaves out: none is of cells
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    reader = BackDated(read_catalogue())
    for line in sys.stdin:
        spent_s = int(process_time()) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent_s + CPU_S_MAX, resource.RLIM_INFINITY))
        unit, key = line.split()
        try:
            asyncio.run(check(database_url, reader, int(unit), UUID(key)))
            answer = "ok"
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            print(f"check of an import: {error!r}", file=sys.stderr, flush=True)
            is_of_content = (getattr(error, "sqlstate", None) or "")[:2] in CONTENT_CLASSES
            answer = "failed" if is_of_content else "later"
        try:
            print(answer, flush=True)
        except BrokenPipeError:  # the worker is gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            break
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
