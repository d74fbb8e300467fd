"""Writes: new documents, steps on documents, closing a period; one core for every kind.

A kind is a row of the catalogue, so this file has no receipts and no vouchers in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler

from reference_app.kinds import Kind, Step
from reference_app.problems import Problem
from reference_app.routes.requests import json_response, number_of, posting_of, unit_of
from reference_app.rules import Posting, period_of, satang_of

if TYPE_CHECKING:
    from reference_app.app import Ledger


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the write routes of every kind and step in the catalogue."""
    for kind in ledger.catalogue.kinds.values():
        if kind.path:
            yield web.post(f"/units/{{unit}}/{kind.path}", _create(ledger, kind))
    for step in ledger.catalogue.steps:
        path = f"/units/{{unit}}/{step.of.path}/{{document}}/{step.name}"
        yield web.post(path, _step(ledger, step))
    yield web.post("/units/{unit}/periods/{period}/close", _close(ledger))


def _create(ledger: Ledger, kind: Kind) -> Handler:
    async def create(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        unit = unit_of(request)
        ledger.access.write(session, unit, kind.role)
        posting, body = await posting_of(request, session, unit)
        return await _submit(ledger, ledger.rules.new_document(posting, kind, body))

    return create


def _step(ledger: Ledger, step: Step) -> Handler:
    async def take_step(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        unit, document = unit_of(request), number_of(request, "document")
        ledger.access.write(session, unit, step.role)
        posting, body = await posting_of(request, session, unit)
        values = ledger.rules.step_values(step, body)
        if step.makes is not None and step.takes not in values:
            values |= await _request_values(ledger, unit, document, step)
        return await _submit(ledger, ledger.rules.step(posting, step, document, values))

    return take_step


async def _request_values(ledger: Ledger, unit: int, document: int, step: Step) -> dict[str, Any]:
    """Read what a payment takes over from its request; none of it ever changes."""
    rows = await ledger.storage.rows("request_to_pay", unit, document, step.of.name)
    if not rows:
        raise Problem("not-found", "the document does not exist in this unit")
    return {
        "amount": satang_of(rows[0]["amount"], "amount"),
        "withholding_tax": satang_of(rows[0]["withholding_tax"], "withholding_tax"),
        "budget_line": rows[0]["budget_line"],
        "expense": rows[0]["expense"],
        "party": rows[0]["party"],
    }


def _close(ledger: Ledger) -> Handler:
    async def close(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        unit = unit_of(request)
        ledger.access.write(session, unit, "director")
        posting, body = await posting_of(request, session, unit)
        if body:
            raise Problem("invalid", "closing a period has an empty body")
        period = period_of(request.match_info["period"])
        return await _submit(ledger, ledger.rules.close(posting, period))

    return close


async def _submit(ledger: Ledger, posting: Posting) -> web.Response:
    assert ledger.queue is not None
    outcome = await ledger.queue.submit(posting)
    assert outcome.answer is not None
    response = json_response(outcome.answer, status=201)
    if outcome.outcome == "replay":
        response.headers["Idempotency-Replayed"] = "true"
    return response
