"""Months of history: the books of every unit as if its people had posted them.

A month of each type of unit is made document by document through the rules and copied; the database
multiplies it by the units of the type and by the months, with every trigger on, a chunk of units a
transaction and two at a time. Every request is paid and every advance cleared within its month; the
methods are cash, bank and cheque, because no bank was there to be asked. Used by the fill alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from reference_app.kinds import Catalogue, Kind, Step
from reference_app.problems import BadSettings
from reference_app.rules import Posting, Rules, fiscal_year_of, money_text, request_values
from reference_app.storage import SESSION_SETTINGS

# Documents of an SAO's month: 362 of 1,436 lines, with the payment of each request and the clearing
# of each advance; the estimate of 358 has no requests for the 4 advances. Then the documents of a
# type against an SAO's. Source: facts/domain.md 4.2, 4.3.
DOCUMENTS: Final = {
    "receipt": 80, "disbursement_request": 100, "commitment": 40, "advance_request": 4,
    "journal_voucher": 25, "budget_transfer": 5,
}  # fmt: skip
WEIGHTS: Final[Mapping[str, float]] = {
    "pao": 15, "city": 20, "town": 6, "subdistrict_municipality": 1.8, "sao": 1, "pattaya": 25,
    "centre": 0.15, "school": 0.5, "health_station": 0.35, "pawnshop": 0.5, "enterprise": 0.6,
}  # fmt: skip
DAYS: Final = 28  # every month has them
STEP_DAYS: Final = 3  # from a request to its payment, from an advance to its clearing
RECEIPT_LINES: Final = 8  # and the one of the money
VOUCHER_PAIRS: Final = 8
ACTORS: Final = ("clerk", "checker", "approver", "director")  # `people` of a unit, from 1
CONNECTIONS: Final = 2
MAINTENANCE_MEMORY: Final = "384MB"  # of a connection
# Before anything else reads a new page: whoever reads it first must note in it that its rows count,
# and write it once more.
VACUUM: Final = "VACUUM (ANALYZE, BUFFER_USAGE_LIMIT '128MB')"
CHUNK_LINES: Final = 100_000  # a chunk's lines are held twice by the triggers, 100 bytes each
SETTINGS: Final = {**SESSION_SETTINGS, "join_collapse_limit": "1", "work_mem": "128MB"}

TABLES: Final = """
    CREATE UNLOGGED TABLE ledger.pattern (
        type text, place int, kind text, number int, monthly int, day int, actor int,
        gross numeric(18, 2), amount numeric(18, 2), withholding_tax numeric(18, 2),
        budget_line text, to_line text, committed numeric(18, 2), paid numeric(18, 2),
        transferred numeric(18, 2), party text, note text, reference int, status text,
        ends_as text, takers int[], accounts int[], debits numeric(18, 2)[],
        credits numeric(18, 2)[]
    );
    CREATE UNLOGGED TABLE ledger.pattern_month (
        n int, first_day date, period int, fiscal_year int
    )"""

MULTIPLICANDS: Final = """
    CREATE UNLOGGED TABLE ledger.pattern_line AS
    SELECT p.type, p.place, l.position::smallint, l.account, l.debit, l.credit
    FROM ledger.pattern AS p CROSS JOIN LATERAL unnest(p.accounts, p.debits, p.credits)
        WITH ORDINALITY AS l (account, debit, credit, position)
    ORDER BY p.type, p.place, l.position;
    CREATE UNLOGGED TABLE ledger.pattern_kind AS
    SELECT type, kind, count(*)::int AS monthly FROM ledger.pattern GROUP BY type, kind;
    CREATE UNLOGGED TABLE ledger.pattern_budget AS
    SELECT type, budget_line, sum(committed) AS committed, sum(paid) AS paid,
        sum(transferred) AS transferred
    FROM (
        SELECT type, budget_line, committed, paid, transferred FROM ledger.pattern
        UNION ALL SELECT type, to_line, 0, 0, amount FROM ledger.pattern
    ) AS e WHERE budget_line IS NOT NULL GROUP BY type, budget_line;
    CREATE UNLOGGED TABLE ledger.pattern_unit AS
    WITH person AS (
        SELECT a.unit, r.role, min(a.account) AS account
        FROM ledger.account AS a CROSS JOIN unnest(a.roles) AS r (role) GROUP BY a.unit, r.role
    )
    SELECT u.unit, u.type, u.unit::bigint * 10000000 + b.document_count AS base, t.monthly,
        t.line_count, array_agg(coalesce(own.account, chief.account) ORDER BY r.n) AS people
    FROM ledger.book AS b
    JOIN ledger.unit AS u ON u.unit = b.unit
    LEFT JOIN (
        SELECT type, max(place) AS monthly, sum(cardinality(accounts))::int AS line_count
        FROM ledger.pattern GROUP BY type
    ) AS t ON t.type = u.type
    CROSS JOIN (VALUES ('clerk', 1), ('checker', 2), ('approver', 3), ('director', 4))
        AS r (role, n)
    LEFT JOIN person AS own ON own.unit = u.unit AND own.role = r.role
    LEFT JOIN person AS chief ON chief.unit = u.parent AND chief.role = r.role
    WHERE b.document_count > 0 GROUP BY u.unit, b.document_count, t.monthly, t.line_count
    ORDER BY u.unit;
    CREATE INDEX ON ledger.pattern (type, place);
    CREATE INDEX ON ledger.pattern_line (type, place, position);
    CREATE INDEX ON ledger.pattern_unit (unit)"""

PATTERN_TABLES: Final = ", ".join(
    f"ledger.pattern{name}" for name in ("", "_month", "_line", "_kind", "_budget", "_unit")
)

# $1 first unit, $2 last unit of a chunk
STATEMENTS: Final = (
    """INSERT INTO ledger.document (unit, document, kind, fiscal_year, number, period, date,
        prepared_by, gross, amount, withholding_tax, budget_line, to_line, party, note, reference,
        status)
    SELECT u.unit, u.base + m.n * u.monthly + p.place, p.kind, m.fiscal_year,
        m.n * p.monthly + p.number, m.period, m.first_day + p.day, u.people[p.actor], p.gross,
        p.amount, p.withholding_tax, p.budget_line, p.to_line, p.party, p.note,
        u.base + m.n * u.monthly + p.reference, p.status
    FROM ledger.pattern_unit AS u CROSS JOIN ledger.pattern_month AS m
    JOIN ledger.pattern AS p ON p.type = u.type WHERE u.unit BETWEEN $1 AND $2""",
    """INSERT INTO ledger.line (unit, document, position, period, account, debit, credit)
    SELECT u.unit, u.base + m.n * u.monthly + p.place, p.position, m.period, p.account, p.debit,
        p.credit
    FROM ledger.pattern_unit AS u CROSS JOIN ledger.pattern_month AS m
    JOIN ledger.pattern_line AS p ON p.type = u.type WHERE u.unit BETWEEN $1 AND $2""",
    """INSERT INTO ledger.workflow (unit, document, status, is_open, open_amount, people)
    SELECT u.unit, u.base + m.n * u.monthly + p.place, p.ends_as, false, 0,
        ARRAY(SELECT u.people[t.actor] FROM unnest(p.takers) AS t (actor))
    FROM ledger.pattern_unit AS u CROSS JOIN ledger.pattern_month AS m
    JOIN ledger.pattern AS p ON p.type = u.type AND p.ends_as IS NOT NULL
    WHERE u.unit BETWEEN $1 AND $2""",
    """INSERT INTO ledger.counter (unit, kind, fiscal_year, last_number)
    SELECT u.unit, k.kind, m.fiscal_year, sum(k.monthly)
    FROM ledger.pattern_unit AS u CROSS JOIN ledger.pattern_month AS m
    JOIN ledger.pattern_kind AS k ON k.type = u.type WHERE u.unit BETWEEN $1 AND $2
    GROUP BY u.unit, k.kind, m.fiscal_year""",
    """UPDATE ledger.budget_line AS l SET committed = l.committed + e.committed,
        paid = l.paid + e.paid, transferred = l.transferred + e.transferred
    FROM (
        SELECT u.unit, m.fiscal_year, b.budget_line, sum(b.committed) AS committed,
            sum(b.paid) AS paid, sum(b.transferred) AS transferred
        FROM ledger.pattern_unit AS u CROSS JOIN ledger.pattern_month AS m
        JOIN ledger.pattern_budget AS b ON b.type = u.type WHERE u.unit BETWEEN $1 AND $2
        GROUP BY u.unit, m.fiscal_year, b.budget_line
    ) AS e
    WHERE l.unit = e.unit AND l.fiscal_year = e.fiscal_year AND l.budget_line = e.budget_line""",
    """UPDATE ledger.book AS b SET document_count = b.document_count + u.monthly * m.months
    FROM ledger.pattern_unit AS u
    CROSS JOIN (SELECT count(*) AS months FROM ledger.pattern_month) AS m
    WHERE b.unit = u.unit AND u.unit BETWEEN $1 AND $2""",
)
# $1 and $2 as above, $3 closed through
CLOSE: Final = """UPDATE ledger.book AS b SET closed_through = $3,
        head = coalesce((SELECT link FROM ledger.trail_begin AS t WHERE t.unit = b.unit), '')
    WHERE b.unit BETWEEN $1 AND $2"""


async def add_history(
    database_url: str, catalogue: Catalogue, months: Sequence[date], closed_through: int
) -> None:
    """Fill the *months* (their first days, oldest first) of units that have an opening; close all.

    Raises `BadSettings` for a unit of an unknown type or without people.
    """
    connection = await asyncpg.connect(database_url)
    try:
        chunks = await _lay_out(connection, catalogue, months)
        indexes = await _postpone(connection)
        await _by_chunks(database_url, chunks, STATEMENTS)
        await asyncio.gather(
            *(_in_order(database_url, f"{VACUUM} {table}", index) for table, index in indexes)
        )
        await _by_chunks(database_url, chunks, (CLOSE,), closed_through)
        await connection.execute(f"DROP TABLE {PATTERN_TABLES}")
    finally:
        await connection.close()


async def _lay_out(
    connection: Any, catalogue: Catalogue, months: Sequence[date]
) -> list[tuple[int, int]]:
    """Make the tables that are multiplied, and return the chunks: first and last unit."""
    await connection.execute(TABLES)
    types = [row["type"] for row in await connection.fetch("SELECT DISTINCT type FROM ledger.unit")]
    rules = Rules(catalogue)
    rows = [
        (name, *row)
        for name in types
        if name in WEIGHTS
        for row in pattern_rows(rules, catalogue, WEIGHTS[name], months[0])
    ]
    dates = [
        (n, day, day.year * 100 + day.month, fiscal_year_of(day)) for n, day in enumerate(months)
    ]
    for table, records in (("pattern", rows), ("pattern_month", dates)):
        await connection.copy_records_to_table(table, schema_name="ledger", records=records)
    await connection.execute(MULTIPLICANDS)
    await connection.execute(f"ANALYZE {PATTERN_TABLES}")
    units = await connection.fetch("SELECT * FROM ledger.pattern_unit ORDER BY unit")
    for unit in units:
        if unit["monthly"] is None or None in unit["people"]:
            why = f"nobody for each of {', '.join(ACTORS)}"
            if unit["monthly"] is None:
                why = f"no documents for the type {unit['type']}; known: {', '.join(WEIGHTS)}"
            raise BadSettings(f"unit {unit['unit']}: {why}; leave --history out")
    books = await connection.fetchrow("SELECT min(unit), max(unit) FROM ledger.book")
    return chunks_of([(u["unit"], u["line_count"] * len(months)) for u in units], *books)


def chunks_of(sizes: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Cut the units from *first* to *last* into chunks of at most `CHUNK_LINES`, one unit at least.

    *sizes* are (unit, lines) by rising unit; units without lines may lie between.
    """
    begins, lines = [first], 0
    for unit, size in sizes:
        if lines and lines + size > CHUNK_LINES:
            begins.append(unit)
            lines = 0
        lines += size
    return list(zip(begins, [*(begin - 1 for begin in begins[1:]), last], strict=True))


async def _postpone(connection: Any) -> tuple[tuple[str, str], ...]:
    """Take away what nothing needs until the end, and return (table, what brings it back).

    An index built in one go costs a third of one that grows, and has no half-empty pages.
    """
    key = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'line_pkey'"
    )
    by_date = await connection.fetchval(
        "SELECT pg_get_indexdef('ledger.document_by_date'::regclass)"
    )
    await connection.execute("""
        ALTER TABLE ledger.line DROP CONSTRAINT line_pkey, SET (autovacuum_enabled = off);
        ALTER TABLE ledger.document SET (autovacuum_enabled = off);
        DROP INDEX ledger.document_by_date""")
    return (
        (
            "ledger.line",
            f"ALTER TABLE ledger.line ADD CONSTRAINT line_pkey {key}, RESET (autovacuum_enabled)",
        ),
        ("ledger.document", f"{by_date}; ALTER TABLE ledger.document RESET (autovacuum_enabled)"),
    )


async def _in_order(database_url: str, *statements: str) -> None:
    """Carry out *statements*, each a transaction, over a connection of their own."""
    connection = await asyncpg.connect(
        database_url, server_settings={"maintenance_work_mem": MAINTENANCE_MEMORY}
    )
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _by_chunks(
    database_url: str,
    chunks: Sequence[tuple[int, int]],
    statements: Sequence[str],
    *arguments: object,
) -> None:
    """Carry out *statements*, a chunk a transaction, over several connections side by side."""
    left = iter(chunks)

    async def work() -> None:
        connection = await asyncpg.connect(database_url, server_settings=SETTINGS)
        try:
            for first, last in left:
                async with connection.transaction():
                    for statement in statements:
                        await connection.execute(statement, first, last, *arguments)
        finally:
            await connection.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


def pattern_rows(
    rules: Rules, catalogue: Catalogue, weight: float, month: date
) -> list[tuple[object, ...]]:
    """Return one unit's month, *weight* times that of an SAO, as rows of `ledger.pattern`."""
    counts = {name: max(1, round(count * weight)) for name, count in DOCUMENTS.items()}
    steps = {name: [s for s in catalogue.steps if s.of.name == name] for name in catalogue.kinds}
    plan: list[tuple[int, int, str, int]] = []
    for name, count in counts.items():
        for index in range(count):
            day = index * DAYS // count
            plan += [
                (min(day + STEP_DAYS * age, DAYS - 1), age, name, index)
                for age in range(len(_life(catalogue.kinds[name], steps)))
            ]
    made: dict[tuple[str, int], tuple[int, Posting]] = {}
    rows: list[tuple[object, ...]] = []
    for place, (day, age, name, index) in enumerate(sorted(plan), 1):
        body = _body(catalogue, name, index, month + timedelta(days=day))
        life = _life(catalogue.kinds[name], steps)
        if age:
            step = steps[life[age - 1].name][-1]
            posting = _last_step(rules, catalogue, step, made[name, index], body)
        else:
            posting = rules.new_document(_posting(life[0].role), life[0], body)
        made[name, index] = place, posting
        taken = steps[life[age].name]
        waits = posting.is_open and taken
        rows.append((
            place, posting.kind, index + 1, counts[name], day, posting.account, posting.gross,
            posting.amount, posting.withholding_tax, posting.budget_line, posting.to_line,
            posting.committed, posting.paid, posting.transferred, posting.party, posting.note,
            posting.reference, posting.status, taken[-1].to_status if waits else None,
            [posting.account, *(_actor(step.role) for step in taken)] if waits else None,
            posting.accounts, posting.debits, posting.credits,
        ))  # fmt: skip
    return rows


def _life(kind: Kind, steps: Mapping[str, Sequence[Step]]) -> list[Kind]:
    """Return *kind* and what the last step on it makes, and so on: a request, its advance ..."""
    life = [kind]
    while (taken := steps[life[-1].name]) and (made := taken[-1].makes):
        life.append(made)
    return life


def _actor(role: str) -> int:
    return ACTORS.index(role) + 1


def _posting(role: str) -> Posting:
    return Posting(unit=0, key=UUID(int=0), payload_hash="", account=_actor(role))


def _last_step(
    rules: Rules,
    catalogue: Catalogue,
    step: Step,
    made: tuple[int, Posting],
    given: Mapping[str, Any],
) -> Posting:
    """Return the document of the step that ends what the request *made* began."""
    place, request = made
    expense = catalogue.budget_lines.get(request.budget_line or "")
    names = ("amount", "withholding_tax", "budget_line", "party", "fiscal_year")
    values = request_values({name: getattr(request, name) for name in names})
    body = {name: {**given, "method": "cheque"}[name] for name in step.fields}
    values |= {"expense": expense, **rules.read(step.fields, body)}
    return rules.step(_posting(step.role), step, place, values)


def _body(catalogue: Catalogue, name: str, index: int, day: date) -> dict[str, Any]:
    """Return the request body of the document number *index* of its kind in a month."""
    lines, chart = list(catalogue.budget_lines), catalogue.chart.values()
    given: dict[str, Any] = {
        "date": day.isoformat(),
        "channel": ("cash", "bank")[index % 2],
        "payer": f"ผู้ชำระเงินสมมติ {index + 1}",
        "payee": f"ผู้รับเงินสมมติ {index + 1}",
        "borrower": f"ผู้ยืมสมมติ {index + 1}",
        "description": f"รายการปรับปรุงสมมติ {index + 1}",
        "budget_line": lines[index % len(lines)],
        "from_line": lines[index % len(lines)],
        "to_line": lines[(index + 1) % len(lines)],
        "amount": money_text(amount := 100_000 + index * 7_919 % 900_000),
        "withholding_tax": money_text(amount // 100),
    }
    if name == "receipt":
        revenue = [a.account for a in chart if a.account_class == 4]
        given["lines"] = [
            {"account": str(revenue[n % len(revenue)]), "amount": money_text(amount // 10 + n)}
            for n in range(RECEIPT_LINES)
        ]
    elif name == "journal_voucher":
        expense = [a.account for a in chart if a.account_class == 5]
        payable = next(a.account for a in chart if a.account_class == 2)
        given["lines"] = [
            {"account": str(account), side: money_text(amount // 10 + n)}
            for n in range(VOUCHER_PAIRS)
            for side, account in (("debit", expense[n % len(expense)]), ("credit", payable))
        ]
    return {field: given[field] for field in catalogue.kinds[name].fields}
