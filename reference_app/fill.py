"""Fill an empty database with the country: units, people, budgets, opening documents.

Units and people come by COPY from two files; what follows from them is made inside the database.
Also writes a token for everybody, as for people who signed in before the window. Refuses nothing
twice: an existing ledger is dropped first.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import asyncpg

from reference_app.history import CLOSE, DAYS, VACUUM, add_history
from reference_app.kinds import Catalogue, read_catalogue
from reference_app.problems import BadSettings
from reference_app.rules import fiscal_year_of
from reference_app.sessions import Session, Tokens, pid_hash
from reference_app.settings import Settings
from reference_app.storage import SCHEMA_FILES

APPROPRIATION_MIN: Final = Decimal("50000000.00")  # THB per line: base load never exhausts it
OPENING_CASH: Final = Decimal("500000.00")  # THB
INT_MAX: Final = 2**31 - 1
OPENING_PREPARER: Final = 0  # no person: taken over from the former system
UNIT_COLUMNS: Final = (
    "unit", "parent", "type", "province", "district", "name_th", "name_en", "annual_budget_satang",
)  # fmt: skip
ACCOUNT_COLUMNS: Final = ("account", "unit", "roles", "pid")

LARGE_TABLES: Final = "ledger.line, ledger.document"
OTHER_TABLES: Final = (
    "ledger.workflow, ledger.unit, ledger.account, ledger.book, ledger.counter, "
    "ledger.budget_line, ledger.balance"
)

INSERTS: Final = (
    # $1 first period, $2 last period; closed are the months before, until everything is in
    """INSERT INTO ledger.book (unit, first_period, closed_through, last_period, document_count)
    SELECT unit, $1, ledger.previous_period($1), $2, (annual_budget > 0)::int
    FROM ledger.unit WHERE unit % 100000 > 0 ORDER BY unit""",
    # $1 fiscal year, $2 budget lines, $3 their accounts, $4 smallest appropriation; a unit without
    # a budget is new: nothing is taken over from the former system
    """INSERT INTO ledger.budget_line
        (unit, fiscal_year, budget_line, account, appropriated, brought)
    SELECT u.unit, $1, l.budget_line, l.account, b.amount, b.amount
    FROM ledger.unit AS u CROSS JOIN unnest($2::text[], $3::int[]) AS l (budget_line, account)
    CROSS JOIN LATERAL (SELECT CASE WHEN u.annual_budget > 0
        THEN greatest(round(u.annual_budget / 12, 2), $4) ELSE 0 END AS amount) AS b
    WHERE u.unit % 100000 > 0 ORDER BY u.unit, l.budget_line""",
    # $1 fiscal year
    """INSERT INTO ledger.counter (unit, kind, fiscal_year, last_number)
    SELECT unit, 'opening', $1, 1 FROM ledger.book WHERE document_count > 0 ORDER BY unit""",
    # $1 fiscal year, $2 period, $3 day, $4 cash, $5 preparer
    """INSERT INTO ledger.document (unit, document, kind, fiscal_year, number, period, date,
        prepared_by, gross, amount, withholding_tax, status)
    SELECT unit, unit::bigint * 10000000 + 1, 'opening', $1, 1, $2, $3, $5,
        sum(appropriated) + $4::numeric, sum(appropriated) + $4::numeric, 0, 'posted'
    FROM ledger.budget_line GROUP BY unit HAVING sum(appropriated) > 0 ORDER BY unit""",
    # $1 cash account, $2 bank account, $3 fund account, $4 cash
    """INSERT INTO ledger.line (unit, document, position, period, account, debit, credit)
    SELECT d.unit, d.document, l.position, d.period, l.account, l.debit, l.credit
    FROM ledger.document AS d CROSS JOIN LATERAL (VALUES
        (1, $1::int, $4::numeric, 0), (2, $2::int, d.gross - $4, 0), (3, $3::int, 0, d.gross)
    ) AS l (position, account, debit, credit) ORDER BY d.unit, l.position""",
)


async def fill(
    settings: Settings,
    *,
    units: Path,
    accounts: Path,
    sessions_out: Path,
    business_date: date,
    open_from: date | None = None,
    history: int = 0,
) -> Mapping[str, float]:
    """Fill and return the seconds of each part. Raises `BadSettings` for a wrong file.

    The month before *business_date* is open and so is *open_from*, when given, and what follows:
    units whose books of months are still to be imported. The last *history* closed months of the
    fiscal year hold documents; when there are fewer, the open ones that are over do so, too.
    """
    catalogue = read_catalogue()
    closed_through = _closed_through(business_date, open_from)
    months = months_of_history(business_date, closed_through, history)
    started_at = time.monotonic()
    seconds: dict[str, float] = {}

    def note(part: str) -> None:
        seconds[part] = round(time.monotonic() - started_at - sum(seconds.values()), 2)

    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS ledger CASCADE")
        async with connection.transaction():
            for path in SCHEMA_FILES:
                await connection.execute(path.read_text(encoding="utf-8"))
            await _copy(connection, "unit", _unit_rows(units))
            note("units")
            await _copy(connection, "account", _account_rows(accounts, settings.pid_key))
            note("accounts")
            await _insert(connection, catalogue, fiscal_year_of(business_date))
            if not months:
                await connection.execute(CLOSE, 0, INT_MAX, closed_through)
            note("books")
        if months:
            await add_history(settings.database_url, catalogue, months, closed_through)
            note("history")
        else:
            await connection.execute(f"{VACUUM} {LARGE_TABLES}")
        await connection.execute(f"{VACUUM} {OTHER_TABLES}")
        await connection.execute("CHECKPOINT")
        note("vacuum")
    finally:
        await connection.close()
    _write_sessions(settings, accounts, sessions_out)
    note("sessions")
    return seconds


def _closed_through(business_date: date, open_from: date | None) -> int:
    """Return the last closed period: two months before, or the one before the year began."""
    before_year = (fiscal_year_of(business_date) - 544) * 100 + 9
    last = _months_before(business_date, 2)
    if open_from is not None:
        last = min(last, _months_before(open_from, 1))
    return max(last, before_year)


def months_of_history(business_date: date, closed_through: int, count: int) -> list[date]:
    """Return the first days of *count* months of the fiscal year of *business_date*.

    They are the last ones up to the period *closed_through*, and when it has fewer, further ones
    that are over on that day, on their 28th at the earliest. Raises `BadSettings` when there are
    not so many.
    """
    year_be = fiscal_year_of(business_date)
    year = year_be - 543
    months = [date(year - 1, month, 1) for month in (10, 11, 12)]
    months += [date(year, month, 1) for month in range(1, 10)]
    over = [day for day in months if day.replace(day=DAYS) <= business_date]
    if not 0 <= count <= len(over):
        raise BadSettings(
            f"--history {count}: {len(over)} months of fiscal year {year_be} are over on "
            f"{business_date}; ask for at most so many, or name a later --business-date in the year"
        )
    closed = sum(day.year * 100 + day.month <= closed_through for day in months)
    end = max(closed, count)
    return over[end - count : end]


async def _insert(connection: Any, catalogue: Catalogue, year_be: int) -> None:
    rows = [
        (a.account, a.account_class, a.is_cash, a.name_th, a.name_en)
        for a in catalogue.chart.values()
    ]
    await _copy(connection, "chart", iter(rows))
    first_day = date(year_be - 544, 10, 1)
    first_period, last_period = (year_be - 544) * 100 + 10, (year_be - 543) * 100 + 9
    lines = catalogue.budget_lines
    cash, bank = catalogue.channels["cash"], catalogue.channels["bank"]
    arguments: tuple[tuple[object, ...], ...] = (
        (first_period, last_period),
        (year_be, list(lines), list(lines.values()), APPROPRIATION_MIN),
        (year_be,),
        (year_be, first_period, first_day, OPENING_CASH, OPENING_PREPARER),
        (cash, bank, catalogue.accumulated_fund, OPENING_CASH),
    )
    for statement, values in zip(INSERTS, arguments, strict=True):
        await connection.execute(statement, *values)


def _months_before(day: date, months: int) -> int:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return year * 100 + month + 1


async def _copy(connection: Any, table: str, rows: Iterator[tuple[object, ...]]) -> None:
    await connection.copy_records_to_table(table, schema_name="ledger", records=rows)


def _unit_rows(path: Path) -> Iterator[tuple[object, ...]]:
    for row in _read_csv(path, UNIT_COLUMNS):
        unit, parent, unit_type, province, district, name_th, name_en, budget = row
        yield (
            int(unit), int(parent or 0), unit_type, int(province), district, name_th, name_en,
            Decimal(int(budget)) / 100,
        )  # fmt: skip


def _account_rows(path: Path, pid_key: bytes) -> Iterator[tuple[object, ...]]:
    for account, unit, roles, pid in _read_csv(path, ACCOUNT_COLUMNS):
        yield int(account), int(unit), roles.split("|"), pid_hash(pid_key, pid)


def _read_csv(path: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if tuple(header) != columns:
                raise BadSettings(f"{path}: columns are {header}; they must be {','.join(columns)}")
            for row in reader:
                if len(row) != len(columns):
                    raise BadSettings(f"{path}:{reader.line_num}: {len(columns)} fields expected")
                yield row
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read: {error.strerror}") from error


def _write_sessions(settings: Settings, accounts: Path, sessions_out: Path) -> None:
    tokens = Tokens(settings.session_key, time.time)
    expires_at = int(time.time()) + settings.session_lifetime_s
    with sessions_out.open("w", encoding="utf-8", newline="") as file:
        file.write("account,token\n")
        for account, unit, roles, _pid in _read_csv(accounts, ACCOUNT_COLUMNS):
            session = Session(
                account=int(account),
                unit=int(unit),
                roles=frozenset(roles.split("|")),
                expires_at=expires_at,
            )
            file.write(f"{account},{tokens.sign(session)}\n")
