"""The consolidated reports of all parents, read back as the national auditor after the load.

They are read before and after the books of the units. A report that says the same both times was
at rest in between, so the books can be compared with it; one that does not is left out with that as
its reason. Who belongs to whom comes from the plan, never from the target. Judges nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import CONSOLIDATION_COLUMNS
from harness.final_reads import arrow_type
from harness.patient_reads import fetch
from scenarios.dialects.interface import AccountTotals, ConsolidatingDialect, Dialect, Request
from scenarios.population import Population

WIDTH: Final = 4  # reports asked for at once
REPORT_LIMIT_S: Final = 20.0
ALL_LIMIT_S: Final = 180.0  # 7,851 parents in the country
AMOUNT_MAX_SATANG: Final = 10**17  # a report with more is not what it claims
REASON_LENGTH_MAX: Final = 200
UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError)
HOPELESS: Final = 20  # so many unread and none read: the others are not tried


class Report(NamedTuple):
    """What one parent's report said, or the reason why it was not read."""

    totals: tuple[AccountTotals, ...]
    reason: str


def consolidating(dialect: Dialect) -> ConsolidatingDialect | None:
    """Return *dialect* if it reads consolidated reports; it need not."""
    names = ("read_consolidated_requests", "parse_consolidated")
    has_all = all(callable(getattr(dialect, name, None)) for name in names)
    return dialect if has_all else None  # type: ignore[return-value] # looked at just now


def period_of(date: str) -> int:
    """Return the month of a day, written as 2025-12-01, as CE year * 100 + month."""
    year, month, _ = date.split("-")
    return int(year) * 100 + int(month)


def members_of(population: Population) -> dict[int, list[int]]:
    """Return the units of each parent that has dependants: itself first, then these."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for unit in population.units:
        if unit.parent:
            members[unit.parent].append(unit.unit)
    return {parent: [parent, *units] for parent, units in sorted(members.items())}


@dataclass(slots=True, kw_only=True)
class Consolidation:
    """The reports of all parents for *period* (CE year * 100 + month), before and after."""

    url: str
    token: str
    dialect: ConsolidatingDialect
    population: Population
    period: int
    _earlier: dict[int, Report] = field(default_factory=dict)

    def begin(self) -> None:
        """Read all reports before the books are read. Bounded by `ALL_LIMIT_S`."""
        self._earlier = self._read()

    def conclude(self, into: Path) -> tuple[int, str]:
        """Read them again and write the tables of `CONSOLIDATION_COLUMNS` into *into*.

        Returns how many reports were not read, or changed in between, and the first reason.
        """
        later = self._read()
        totals: list[tuple[object, ...]] = []
        members: list[tuple[object, ...]] = []
        reasons = []
        for parent, units in members_of(self.population).items():
            earlier, report = self._earlier[parent], later[parent]
            reason = earlier.reason or report.reason
            if not reason and report != earlier:
                reason = "the report changed while the books were read"
            members += [(parent, unit, self.period, reason) for unit in units]
            if reason:
                reasons.append(reason)
            else:
                totals += [(parent, self.period, *row) for row in report.totals]
        _write(into, "consolidated", totals)
        _write(into, "members", members)
        return len(reasons), next(iter(reasons), "")

    def _read(self) -> dict[int, Report]:
        parents = list(members_of(self.population))
        requests = self.dialect.read_consolidated_requests(parents, self.period, token=self.token)
        if len(requests) != len(parents):
            reason = f"the dialect gives {len(requests)} requests for {len(parents)} parents"
            return dict.fromkeys(parents, Report((), reason))
        asked = dict(zip(parents, requests, strict=True))
        return asyncio.run(_read_all(self.url, self.dialect, asked))


async def _read_all(
    url: str, dialect: ConsolidatingDialect, asked: Mapping[int, Request]
) -> dict[int, Report]:
    reports: dict[int, Report] = {}
    read_count = 0
    width = asyncio.Semaphore(WIDTH)
    deadline = asyncio.get_running_loop().time() + ALL_LIMIT_S
    # A connection per request: kept ones would all hang on the worker that took the first.
    connector = aiohttp.TCPConnector(limit=WIDTH, force_close=True)
    timeout = aiohttp.ClientTimeout(total=REPORT_LIMIT_S, sock_connect=5.0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def read(parent: int, request: Request) -> None:
            nonlocal read_count
            async with width:
                if len(reports) >= HOPELESS and not read_count:
                    reports[parent] = Report((), f"none of {HOPELESS} others could be read")
                    return
                body, reason = await fetch(session, url, request, deadline)
            report = Report((), reason)
            if body is not None:
                try:
                    report = Report(read_report(dialect, body), "")
                except UNREADABLE as error:
                    why = f"the answer cannot be read: {type(error).__name__}: {error}"
                    report = Report((), why[:REASON_LENGTH_MAX])
            read_count += not report.reason
            reports[parent] = report

        await asyncio.gather(*(read(parent, request) for parent, request in asked.items()))
    return reports


def read_report(dialect: ConsolidatingDialect, body: bytes) -> tuple[AccountTotals, ...]:
    """Return the rows of one report by account. Raises one of `UNREADABLE`."""
    return tuple(sorted(_sound(row) for row in dialect.parse_consolidated(body)))


def _sound(row: Sequence[object]) -> AccountTotals:
    """Return *row* as what a dialect promises. Raises `ValueError` or `TypeError`."""
    totals = AccountTotals(*row)  # type: ignore[arg-type] # looked at below
    amounts: tuple[object, ...] = totals[1:]
    if not isinstance(totals.account, str) or any(type(amount) is not int for amount in amounts):
        raise TypeError(f"not an account and four whole numbers of satang: {totals}")
    if max(map(abs, totals[1:])) > AMOUNT_MAX_SATANG:
        raise ValueError(f"an amount is beyond all money: {totals}")
    return totals


def _write(into: Path, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    names = CONSOLIDATION_COLUMNS[table]
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays = {
        name: pa.array(values, type=arrow_type(name))
        for name, values in zip(names, columns, strict=True)
    }
    pq.write_table(pa.table(arrays), into / f"{table}.parquet")
