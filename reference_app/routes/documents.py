"""Writes: new documents, steps, reversals, periods and years closed and opened; one core for all.

A kind is a row of the catalogue, so this file has no receipts and no vouchers in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from reference_app.kinds import Kind, Step
from reference_app.problems import Problem
from reference_app.routes.requests import number_of, posting_of, unit_of, write_response
from reference_app.rules import Posting, fiscal_year, period_of, request_values

if TYPE_CHECKING:
    from reference_app.app import Ledger


Fill = Callable[["Ledger", web.Request, Posting, Any], Awaitable[Posting]]


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the write routes of every kind and step in the catalogue, and of what has no kind."""
    kinds = [kind for kind in ledger.catalogue.kinds.values() if kind.role]
    steps = ledger.catalogue.steps
    table: tuple[tuple[str, str, Fill], ...] = (
        *((kind.path, kind.role, partial(_create, kind)) for kind in kinds),
        *((f"{s.of.path}/{{document}}/{s.name}", s.role, partial(_step, s)) for s in steps),
        ("documents/{document}/reverse", "approver", _reverse),
        ("periods/{period}/close", "director", _close),
        ("periods/{period}/reopen", "director", _reopen),
        ("fiscal-years/{year}/close", "director", _close_year),
        ("fiscal-years/{year}/open", "director", _open_year),
    )
    for path, role, fill in table:
        yield web.post(f"/units/{{unit}}/{path}", partial(_write, ledger, role, fill))


async def _write(ledger: Ledger, role: str, fill: Fill, request: web.Request) -> web.StreamResponse:
    """Answer a write that needs *role*; *fill* makes the posting from the body."""
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    unit = unit_of(request)
    ledger.access.write(session, unit, role)
    posting, body = await posting_of(request, session, unit)
    outcome = await ledger.queue.submit(await fill(ledger, request, posting, body))
    assert outcome.answer is not None
    return write_response(outcome.answer, is_replay=outcome.outcome == "replay")


async def _create(
    kind: Kind, ledger: Ledger, _: web.Request, posting: Posting, body: Any
) -> Posting:
    return ledger.rules.new_document(posting, kind, body)


async def _step(
    step: Step, ledger: Ledger, request: web.Request, posting: Posting, body: Any
) -> Posting:
    document = number_of(request, "document")
    values = ledger.rules.read(step.fields, body)
    if step.makes is not None:
        values = await _request_values(ledger, posting.unit, document, step) | values
    return ledger.rules.step(posting, step, document, values)


async def _request_values(ledger: Ledger, unit: int, document: int, step: Step) -> dict[str, Any]:
    """Read what the document of a step takes over from its request; none of it ever changes."""
    rows = await ledger.storage.rows("request_to_pay", unit, document, step.of.name)
    if not rows:
        raise Problem("not-found", "the document does not exist in this unit")
    return request_values(rows[0])


async def _reverse(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    document = number_of(request, "document")
    rows = await ledger.storage.rows("document_to_reverse", posting.unit, document)
    if not rows:
        raise Problem("not-found", "the document does not exist in this unit")
    return ledger.rules.reversal(posting, document, rows[0], body)


async def _close(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    ledger.rules.read({}, body)
    posting.close_period = period_of(request.match_info["period"])
    return posting


async def _reopen(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    return ledger.rules.reopen(posting, period_of(request.match_info["period"]), body)


async def _close_year(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    ledger.rules.read({}, body)
    year = fiscal_year(request.match_info["year"])
    september = (year - 543) * 100 + 9
    balances = await ledger.storage.rows("balances", posting.unit, september)
    return ledger.rules.close_year(posting, year, balances)


async def _open_year(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    ledger.rules.read({}, body)
    posting.open_year = fiscal_year(request.match_info["year"])
    return posting
