"""Defects inside the posting function: the same function with a few words exchanged.

They are put together as `ledger.post_with_defects` beside the healthy function, which stays as it
is; this worker then calls the other one. A phrase that schema.sql no longer holds stops the start.
What the database itself would refuse is switched off in place; the next fill makes it anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from reference_app.defects.defect import Defect
from reference_app.problems import BadSettings
from reference_app.storage import SCHEMA_FILES

if TYPE_CHECKING:
    from reference_app.app import Ledger

END = "\nEND $$;\n"
INSTALL_LOCK = 20_250_700  # any number of our own: workers that start together take turns
Change = tuple[str, str]

NO_CHECK: Change = ("IF EXISTS (", "IF false AND EXISTS (")
NO_BUDGET_CHECK = "ALTER TABLE ledger.budget_line DROP CONSTRAINT IF EXISTS budget_never_negative"


def _exchange(
    *changes: Change, triggers: Mapping[str, Sequence[Change]] | None = None, statement: str = ""
) -> Callable[[Ledger, float], Awaitable[None]]:
    async def install(ledger: Ledger, dose: float) -> None:
        source = ledger.posting_source or function_source("post")
        source = _exchanged(source, changes, dose)
        ledger.posting_source = source
        ledger.storage.queries["post"] = (
            "/* post */ SELECT place, outcome, answer FROM ledger.post_with_defects($1, $2)"
        )
        async with ledger.storage.poster() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", INSTALL_LOCK)
            await connection.execute(source)
            for name, trigger_changes in (triggers or {}).items():
                trigger = function_source(name, suffix="")
                await connection.execute(_exchanged(trigger, trigger_changes, dose))
            if statement:
                await connection.execute(statement)

    return install


def _exchanged(source: str, changes: Iterable[Change], dose: float) -> str:
    for old, new in changes:
        if old not in source and new not in source:
            raise BadSettings(f"defects: schema.sql no longer holds {old!r}")
        source = source.replace(old, new.replace("DOSE", f"{dose:.10f}"))
    return source


def function_source(name: str, suffix: str = "_with_defects") -> str:
    """Return the statement that makes the function `ledger.NAME` anew as NAME + *suffix*."""
    text = "".join(path.read_text(encoding="utf-8") for path in SCHEMA_FILES)
    head = f"CREATE FUNCTION ledger.{name}("
    begin = text.index(head)
    source = text[begin : text.index(END, begin) + len(END)]
    return source.replace(head, f"CREATE OR REPLACE FUNCTION ledger.{name}{suffix}(")


POSTING_FUNCTION_DEFECTS = (
    Defect(
        id="M02",
        dose=1.0,
        text="posts again when a key is repeated",
        install=_exchange(
            (
                "WHEN r.payload_hash = i.payload_hash THEN",
                "WHEN r.payload_hash = i.payload_hash AND random() >= DOSE THEN",
            ),
            ("WHEN r.key IS NOT NULL THEN", "WHEN r.payload_hash <> i.payload_hash THEN"),
            ("new_answer FROM accepted\n", "new_answer FROM accepted ON CONFLICT DO NOTHING\n"),
        ),
    ),
    Defect(
        id="M03",
        dose=0.001,
        text="stores a credit one satang short: a document that does not balance",
        install=_exchange(
            (
                "l.account, l.debit, l.credit\n",
                "l.account, l.debit,\n"
                "            l.credit - (l.credit > 0.01 AND random() < DOSE)::int * 0.01\n",
            ),
            triggers={"balance_new_lines": [NO_CHECK]},
        ),
    ),
    Defect(
        id="M05",
        dose=1.0,
        text="lets postings into a closed period",
        install=_exchange(
            (
                "WHEN i.period <= b.closed_through THEN",
                "WHEN i.period <= b.closed_through AND random() >= DOSE THEN",
            ),
            triggers={"balance_new_lines": [NO_CHECK], "check_new_documents": [NO_CHECK]},
        ),
    ),
    Defect(
        id="M07",
        dose=0.001,
        text="leaves a gap in the numbers",
        install=_exchange(
            (
                "last_number = c.last_number + excluded.last_number\n",
                "last_number = c.last_number + excluded.last_number + (random() < DOSE)::int\n",
            ),
            triggers={"check_new_documents": [NO_CHECK]},
        ),
    ),
    Defect(
        id="M08",
        dose=1.0,
        text="lets a budget line be overspent",
        install=_exchange(
            (
                "- i.appropriated THEN 'budget-exceeded'",
                "- i.appropriated AND random() >= DOSE THEN 'budget-exceeded'",
            ),
            statement=NO_BUDGET_CHECK,
        ),
    ),
    Defect(
        id="M10",
        dose=0.001,
        text="lets the trial balance drift from the lines by one satang",
        install=_exchange(
            triggers={
                "balance_new_lines": [
                    NO_CHECK,
                    (
                        "account, sum(debit), sum(credit) FROM",
                        "account, sum(debit), sum(credit) + (random() < DOSE)::int * 0.01 FROM",
                    ),
                ]
            },
        ),
    ),
)
