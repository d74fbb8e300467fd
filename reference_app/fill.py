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

from reference_app.kinds import Catalogue, read_catalogue
from reference_app.problems import BadSettings
from reference_app.rules import fiscal_year_of
from reference_app.sessions import Session, Tokens, pid_hash
from reference_app.settings import Settings
from reference_app.storage import SCHEMA_FILES

APPROPRIATION_MIN: Final = Decimal("50000000.00")  # THB per line: base load never exhausts it
OPENING_CASH: Final = Decimal("500000.00")  # THB
OPENING_PREPARER: Final = 0  # no person: taken over from the former system
UNIT_COLUMNS: Final = (
    "unit", "parent", "type", "province", "district", "name_th", "name_en", "annual_budget_satang",
)  # fmt: skip
ACCOUNT_COLUMNS: Final = ("account", "unit", "roles", "pid")

TABLES: Final = tuple(
    f"ledger.{name}"
    for name in ("unit", "account", "book", "counter", "budget_line", "document", "line", "balance")
)

INSERTS: Final = (
    # $1 first period, $2 closed through, $3 last period
    """INSERT INTO ledger.book (unit, first_period, closed_through, last_period, document_count)
    SELECT unit, $1, $2, $3, 1 FROM ledger.unit WHERE unit % 100000 > 0 ORDER BY unit""",
    # $1 fiscal year, $2 budget lines, $3 their accounts, $4 smallest appropriation
    """INSERT INTO ledger.budget_line (unit, fiscal_year, budget_line, account, appropriated)
    SELECT u.unit, $1, l.budget_line, l.account, greatest(round(u.annual_budget / 12, 2), $4)
    FROM ledger.unit AS u CROSS JOIN unnest($2::text[], $3::int[]) AS l (budget_line, account)
    WHERE u.unit % 100000 > 0 ORDER BY u.unit, l.budget_line""",
    # $1 fiscal year
    """INSERT INTO ledger.counter (unit, kind, fiscal_year, last_number)
    SELECT unit, 'opening', $1, 1 FROM ledger.book ORDER BY unit""",
    # $1 fiscal year, $2 period, $3 day, $4 cash, $5 preparer
    """INSERT INTO ledger.document (unit, document, kind, fiscal_year, number, period, date,
        prepared_by, gross, amount, withholding_tax, status)
    SELECT unit, unit::bigint * 10000000 + 1, 'opening', $1, 1, $2, $3, $5,
        sum(appropriated) + $4::numeric, sum(appropriated) + $4::numeric, 0, 'posted'
    FROM ledger.budget_line GROUP BY unit ORDER BY unit""",
    # $1 cash account, $2 bank account, $3 fund account, $4 cash
    """INSERT INTO ledger.line (unit, document, position, period, account, debit, credit)
    SELECT d.unit, d.document, l.position, d.period, l.account, l.debit, l.credit
    FROM ledger.document AS d CROSS JOIN LATERAL (VALUES
        (1, $1::int, $4::numeric, 0), (2, $2::int, d.gross - $4, 0), (3, $3::int, 0, d.gross)
    ) AS l (position, account, debit, credit) ORDER BY d.unit, l.position""",
    """INSERT INTO ledger.balance (unit, period, account, debit, credit)
    SELECT unit, period, account, debit, credit FROM ledger.line ORDER BY unit, account""",
)


async def fill(
    settings: Settings,
    *,
    units: Path,
    accounts: Path,
    sessions_out: Path,
    business_date: date,
    open_from: date | None = None,
) -> Mapping[str, float]:
    """Fill and return the seconds of each part. Raises `BadSettings` for a wrong file.

    The month before *business_date* is open and so is *open_from*, when given, and what follows:
    units whose books of months are still to be imported.
    """
    catalogue = read_catalogue()
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
            await _insert(connection, catalogue, business_date, open_from)
            note("books")
        await connection.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
        await connection.execute("CHECKPOINT")
        note("vacuum")
    finally:
        await connection.close()
    _write_sessions(settings, accounts, sessions_out)
    note("sessions")
    return seconds


async def _insert(
    connection: Any, catalogue: Catalogue, business_date: date, open_from: date | None
) -> None:
    rows = [
        (a.account, a.account_class, a.is_cash, a.name_th, a.name_en)
        for a in catalogue.chart.values()
    ]
    await _copy(connection, "chart", iter(rows))
    year_be = fiscal_year_of(business_date)
    first_day = date(year_be - 544, 10, 1)
    first_period, last_period = (year_be - 544) * 100 + 10, (year_be - 543) * 100 + 9
    closed_through = _months_before(business_date, 2)
    if open_from is not None:
        closed_through = min(closed_through, _months_before(open_from, 1))
    lines = catalogue.budget_lines
    cash, bank = catalogue.channels["cash"], catalogue.channels["bank"]
    arguments: tuple[tuple[object, ...], ...] = (
        (first_period, max(closed_through, _months_before(first_day, 1)), last_period),
        (year_be, list(lines), list(lines.values()), APPROPRIATION_MIN),
        (year_be,),
        (year_be, first_period, first_day, OPENING_CASH, OPENING_PREPARER),
        (cash, bank, 3110101, OPENING_CASH),
        (),
    )
    # Lines of a year that the former system closed arrive already balanced; the trigger that
    # keeps closed periods closed must let them in once.
    await connection.execute("ALTER TABLE ledger.line DISABLE TRIGGER line_balances")
    for statement, values in zip(INSERTS, arguments, strict=True):
        await connection.execute(statement, *values)
    await connection.execute("ALTER TABLE ledger.line ENABLE TRIGGER line_balances")


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
