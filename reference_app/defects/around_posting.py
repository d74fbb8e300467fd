"""Defects around the posting function: before and after the database has spoken.

Each wraps `PostingQueue.execute`, the function that sends a batch, and keeps its contract: an
outcome per posting, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reference_app.defects.defect import Defect, RegularDose
from reference_app.posting import Outcome, executor
from reference_app.rules import Posting

if TYPE_CHECKING:
    from reference_app.app import Ledger

# The statement leaves the document balanced and the running balances true to the lines, so that
# nothing but the comparison with what was there before can find it.
EDIT_CLOSED_LINES = """
WITH old AS (
    SELECT document, period FROM ledger.line JOIN ledger.book USING (unit)
    WHERE unit = $1 AND period <= closed_through ORDER BY document LIMIT 1
), edited AS (
    UPDATE ledger.line AS l
    SET debit = debit + (debit > 0)::int, credit = credit + (credit > 0)::int
    FROM old WHERE l.unit = $1 AND l.document = old.document AND l.position = ANY (ARRAY[
        (SELECT min(position) FROM ledger.line AS d
            WHERE d.unit = $1 AND d.document = old.document AND d.debit > 0),
        (SELECT min(position) FROM ledger.line AS c
            WHERE c.unit = $1 AND c.document = old.document AND c.credit > 0)])
    RETURNING l.period, l.account, (l.debit > 0)::int AS debit, (l.credit > 0)::int AS credit
), gross AS (
    UPDATE ledger.document AS d SET gross = gross + 1 FROM old
    WHERE d.unit = $1 AND d.document = old.document
)
UPDATE ledger.balance AS b SET debit = b.debit + e.debit, credit = b.credit + e.credit
FROM edited AS e WHERE b.unit = $1 AND b.period = e.period AND b.account = e.account
"""

NO_IMMUTABILITY = """
ALTER TABLE ledger.line DISABLE TRIGGER line_is_immutable;
ALTER TABLE ledger.document DISABLE TRIGGER document_is_immutable;
ALTER TABLE ledger.balance DISABLE TRIGGER balance_is_of_lines
"""


async def _lose_acknowledged(ledger: Ledger, dose: float) -> None:
    inner = ledger.queue.execute
    regular = RegularDose(dose)

    async def send_and_roll_back(units: list[int], batch: str) -> Sequence[Any]:
        async with ledger.storage.poster() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                return await connection.fetch(ledger.storage.queries["post"], units, batch)
            finally:
                await transaction.rollback()

    lose = executor(send_and_roll_back)

    async def execute(postings: list[Posting]) -> Sequence[Outcome]:
        outcomes: dict[int, Outcome] = {}
        lost = {p.unit for p in postings if p.kind is not None and regular.takes()}
        for send, part in (
            (inner, [p for p in postings if p.unit not in lost]),
            (lose, [p for p in postings if p.unit in lost]),
        ):
            if part:
                results = await send(part)
                outcomes |= {p.unit: result for p, result in zip(part, results, strict=True)}
        return [outcomes[posting.unit] for posting in postings]

    ledger.queue.execute = execute


async def _shed_after_commit(ledger: Ledger, dose: float) -> None:
    inner = ledger.queue.execute
    regular = RegularDose(dose)

    async def execute(postings: list[Posting]) -> Sequence[Outcome]:
        return [
            Outcome("shed-all-the-same", None)
            if outcome.outcome == "ok" and regular.takes()
            else outcome
            for outcome in await inner(postings)
        ]

    ledger.queue.execute = execute
    ledger.queue.problems["shed-all-the-same"] = ("shed", "too many postings wait")


async def _edit_closed_lines(ledger: Ledger, dose: float) -> None:
    inner = ledger.queue.execute
    regular = RegularDose(dose)
    async with ledger.storage.poster() as connection:
        await connection.execute(NO_IMMUTABILITY)

    async def execute(postings: list[Posting]) -> Sequence[Outcome]:
        outcomes = await inner(postings)
        for posting, outcome in zip(postings, outcomes, strict=True):
            if outcome.outcome == "ok" and regular.takes():
                async with ledger.storage.poster() as connection:
                    await connection.execute(EDIT_CLOSED_LINES, posting.unit)
        return outcomes

    ledger.queue.execute = execute


AROUND_POSTING_DEFECTS = (
    Defect(
        id="M01",
        dose=0.0001,
        text="loses an acknowledged posting: answers 201 and rolls back",
        install=_lose_acknowledged,
    ),
    Defect(
        id="M06",
        dose=0.01,
        text="answers 503 with Retry-After to a posting that was executed all the same",
        install=_shed_after_commit,
    ),
    Defect(
        id="M09",
        dose=0.01,
        text="edits a line of a closed period in place (document and balances stay in step)",
        install=_edit_closed_lines,
    ),
)
