"""The books of every unit, read back through the target's own interface, before and after the load.

Read province by province as the national auditor, bounded in time, width and retries. A province
that cannot be read leaves a row per unit in `export` with the reason: nothing is skipped silently.
Translates nothing itself (a dialect does) and judges nothing.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import BOOKS_COLUMNS
from harness.failures import BadSetup
from harness.patient_reads import fetch
from scenarios.dialects.interface import BookColumns, Dialect, Request
from scenarios.population import AUDITOR_ACCOUNT, Population

WIDTH: Final = 2  # provinces asked for at once: one being made while another is on its way
PROVINCE_LIMIT_S: Final = 60.0  # one province's books at full scale are 2 MB
ALL_LIMIT_S: Final = 300.0  # the whole country; a target that is slower has books not read
# A month of history makes a province's books up to 80 MB: both limits grow by themselves with each.

_TEXT: Final = frozenset({"kind", "date", "budget_line", "status", "account", "reason"})
_FLAGS: Final = frozenset({"is_cash", "is_complete"})
_UNSIGNED: Final = frozenset({"key_high", "key_low"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReport:
    """What came of one set of final reads."""

    unit_count: int
    incomplete_count: int
    byte_count: int
    first_reason: str


def read_auditor_token(sessions_csv: Path | None) -> str | None:
    """Token of the national auditor among those who signed in before the window, or None."""
    if sessions_csv is None:
        return None
    try:
        with sessions_csv.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["account"] == str(AUDITOR_ACCOUNT):
                    return row["token"]
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise BadSetup(
            what=f"it cannot be read as account,token rows: {error}",
            where=str(sessions_csv),
            mend="give a CSV file with the header account,token",
        ) from error
    return None


def read_books(
    *,
    url: str,
    token: str,
    dialect: Dialect,
    population: Population,
    fiscal_year: int,
    into: Path,
    history_months: int = 0,
) -> ReadReport:
    """Read all books and write one Parquet file per table into *into*. Bounded by `ALL_LIMIT_S`,
    once more for each of the *history_months* that the books are known to hold already.
    """
    reading = _Reading(
        url=url, token=token, dialect=dialect, population=population, into=into,
        patience=1 + history_months,
    )  # fmt: skip
    try:
        return asyncio.run(reading.run(fiscal_year))
    except BaseException:
        # Interrupted half-way: books that nobody read to the end must not look like lost ones.
        for path in into.glob("*.parquet"):
            path.unlink()
        raise


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One set of reads on its way: tables grow as provinces come in."""

    url: str
    token: str
    dialect: Dialect
    population: Population
    into: Path
    patience: int
    byte_count: int = 0
    incomplete_count: int = 0
    first_reason: str = ""

    async def run(self, fiscal_year: int) -> ReadReport:
        provinces = self.population.provinces
        requests = self.dialect.read_books_requests(provinces, fiscal_year, token=self.token)
        units: dict[int, list[int]] = {province: [] for province in provinces}
        for unit in self.population.units:
            units[unit.province].append(unit.unit)
        width = asyncio.Semaphore(WIDTH)
        timeout = aiohttp.ClientTimeout(total=PROVINCE_LIMIT_S * self.patience, sock_connect=5.0)
        # A connection per request: kept ones would all hang on the worker that took the first.
        connector = aiohttp.TCPConnector(limit=WIDTH, force_close=True)
        deadline = asyncio.get_running_loop().time() + ALL_LIMIT_S * self.patience
        with ExitStack() as stack:
            tables = _Tables(self.into, stack)
            async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

                async def read(request: Request, wanted: list[int]) -> None:
                    async with width:  # parsed within it: bodies that wait would pile up
                        body, reason = await fetch(session, self.url, request, deadline)
                        tables.add(await self._rows_of(body, reason, wanted))

                pairs = zip(requests, (units[province] for province in provinces), strict=True)
                await asyncio.gather(*(read(request, wanted) for request, wanted in pairs))
        return ReadReport(
            unit_count=len(self.population.units),
            incomplete_count=self.incomplete_count,
            byte_count=self.byte_count,
            first_reason=self.first_reason,
        )

    async def _rows_of(self, body: bytes | None, reason: str, wanted: list[int]) -> BookColumns:
        """Rows of one province with an `export` row for each of its *wanted* units."""
        rows: dict[str, Mapping[str, Sequence[Any]]] = {}
        if body is not None:
            self.byte_count += len(body)
            try:
                # In a thread: the other provinces' bytes keep coming while this one is parsed.
                rows = dict(await asyncio.to_thread(self.dialect.parse_books, body))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"the answer cannot be read: {type(error).__name__}: {error}"
        export = rows.get("export", {"unit": [], "is_complete": [], "reason": []})
        seen = set(export["unit"])
        missing = [unit for unit in wanted if unit not in seen]
        unread = _unread(missing, reason or "the unit is not in the province's books")
        merged = {name: [*export[name], *unread[name]] for name in unread}
        rows["export"] = merged
        incomplete = [
            why for is_ok, why in zip(merged["is_complete"], merged["reason"], strict=True)
            if not is_ok
        ]  # fmt: skip
        self.incomplete_count += len(incomplete)
        self.first_reason = self.first_reason or next(iter(incomplete), "")
        return rows


def _unread(units: list[int], reason: str) -> dict[str, list[Any]]:
    count = len(units)
    return {"unit": units, "is_complete": [False] * count, "reason": [reason] * count}


class _Tables:
    """One growing Parquet file per table; every file exists in the end, if only with no rows."""

    def __init__(self, into: Path, stack: ExitStack) -> None:
        self._schemas = {
            table: pa.schema([(column, arrow_type(column)) for column in columns])
            for table, columns in BOOKS_COLUMNS.items()
        }
        self._writers = {
            table: stack.enter_context(pq.ParquetWriter(into / f"{table}.parquet", schema))
            for table, schema in self._schemas.items()
        }
        self._accounts: set[str] = set()

    def add(self, rows: BookColumns) -> None:
        """Append the rows of one province."""
        for table, columns in rows.items():
            schema = self._schemas[table]
            fresh = self._fresh_chart(columns) if table == "chart" else columns
            batch = pa.table({name: fresh[name] for name in schema.names}, schema=schema)
            if batch.num_rows:
                self._writers[table].write_table(batch)

    def _fresh_chart(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        """The chart is one for the country and comes with every province: keep each account once.

        Two provinces that disagree about an account both stay, for the judge to see.
        """
        keep = []
        for row, identity in enumerate(
            zip(*(columns[n] for n in BOOKS_COLUMNS["chart"]), strict=True)
        ):
            if str(identity) not in self._accounts:
                self._accounts.add(str(identity))
                keep.append(row)
        return {name: [values[row] for row in keep] for name, values in columns.items()}


def arrow_type(column: str) -> pa.DataType:
    """Return how a column of what is read back is kept."""
    if column in _TEXT:
        return pa.string()
    if column in _FLAGS:
        return pa.bool_()
    if column in _UNSIGNED:
        return pa.uint64()
    return (
        pa.int32()
        if column in ("unit", "parent", "period", "number", "fiscal_year")
        else pa.int64()
    )
