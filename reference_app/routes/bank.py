"""Statements of the bank, handed in by the clerk; what comes of them is read in reports.py."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from reference_app.problems import Problem
from reference_app.routes.requests import posting_of, unit_of, write_response
from reference_app.statement import lines_of

if TYPE_CHECKING:
    from reference_app.app import Ledger

DETAILS = {
    "idempotency-key-reused": "the key belongs to another statement",
    "wrong-state": "an entry of this number stands in the statement with other content: {}",
}


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the route of the upload."""
    yield web.post("/units/{unit}/bank-statements", partial(_receive, ledger))


async def _receive(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    unit = unit_of(request)
    ledger.access.write(session, unit, "clerk")
    posting, body = await posting_of(request, session, unit)
    lines = orjson.dumps(lines_of(body)).decode()
    ((outcome, answer),) = await ledger.storage.rows(
        "receive_statement",
        unit,
        posting.key,
        posting.payload_hash,
        session.account,
        lines,
        is_write=True,
    )
    if outcome in DETAILS:
        raise Problem(outcome, DETAILS[outcome].format(answer))
    return write_response(answer, is_replay=outcome == "replay")
