"""Writes: new documents, steps, reversals, periods and years closed and opened; one core for all.

A kind is a row of the catalogue, so this file has no receipts and no vouchers in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler

from reference_app.kinds import Kind, Step
from reference_app.problems import Problem
from reference_app.routes.requests import number_of, posting_of, unit_of, write_response
from reference_app.rules import Original, Posting, fiscal_year, period_of, request_values

if TYPE_CHECKING:
    from reference_app.app import Ledger


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the write routes of every kind and step in the catalogue."""
    for kind in ledger.catalogue.kinds.values():
        if kind.role:
            yield web.post(f"/units/{{unit}}/{kind.path}", _create(ledger, kind))
    for step in ledger.catalogue.steps:
        path = f"/units/{{unit}}/{step.of.path}/{{document}}/{step.name}"
        yield web.post(path, _step(ledger, step))
    for path, role, fill in (
        ("documents/{document}/reverse", "approver", _reverse),
        ("periods/{period}/close", "director", _close),
        ("periods/{period}/reopen", "director", _reopen),
        ("fiscal-years/{year}/close", "director", _close_year),
        ("fiscal-years/{year}/open", "director", _open_year),
    ):
        yield web.post(f"/units/{{unit}}/{path}", _write(ledger, role, fill))


Fill = Callable[["Ledger", web.Request, Posting, Any], Awaitable[Posting]]


def _write(ledger: Ledger, role: str, fill: Fill) -> Handler:
    """Return the handler of a write that needs *role*; *fill* makes the posting from the body."""

    async def write(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        unit = unit_of(request)
        ledger.access.write(session, unit, role)
        posting, body = await posting_of(request, session, unit)
        assert ledger.queue is not None
        outcome = await ledger.queue.submit(await fill(ledger, request, posting, body))
        assert outcome.answer is not None
        return write_response(outcome.answer, is_replay=outcome.outcome == "replay")

    return write


def _create(ledger: Ledger, kind: Kind) -> Handler:
    async def create(_: Ledger, __: web.Request, posting: Posting, body: Any) -> Posting:
        return ledger.rules.new_document(posting, kind, body)

    return _write(ledger, kind.role, create)


def _step(ledger: Ledger, step: Step) -> Handler:
    async def take_step(_: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
        document = number_of(request, "document")
        values = ledger.rules.step_values(step, body)
        if step.makes is not None:
            values = await _request_values(ledger, posting.unit, document, step) | values
        return ledger.rules.step(posting, step, document, values)

    return _write(ledger, step.role, take_step)


async def _request_values(ledger: Ledger, unit: int, document: int, step: Step) -> dict[str, Any]:
    """Read what the document of a step takes over from its request; none of it ever changes."""
    rows = await ledger.storage.rows("request_to_pay", unit, document, step.of.name)
    if not rows:
        raise Problem("not-found", "the document does not exist in this unit")
    return request_values(**rows[0])


async def _reverse(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    document = number_of(request, "document")
    rows = await ledger.storage.rows("document_to_reverse", posting.unit, document)
    if not rows:
        raise Problem("not-found", "the document does not exist in this unit")
    return ledger.rules.reversal(posting, Original(document=document, **dict(rows[0])), body)


async def _close(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    _refuse_body(body)
    return ledger.rules.close(posting, period_of(request.match_info["period"]))


async def _reopen(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    return ledger.rules.reopen(posting, period_of(request.match_info["period"]), body)


async def _close_year(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    _refuse_body(body)
    year = fiscal_year(request.match_info["year"])
    september = (year - 543) * 100 + 9
    balances = await ledger.storage.rows("balances", posting.unit, september)
    return ledger.rules.close_year(posting, year, balances)


async def _open_year(ledger: Ledger, request: web.Request, posting: Posting, body: Any) -> Posting:
    _refuse_body(body)
    return ledger.rules.open_year(posting, fiscal_year(request.match_info["year"]))


def _refuse_body(body: object) -> None:
    if body != {}:
        raise Problem("invalid", "closing and opening have an empty body")
