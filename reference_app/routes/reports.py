"""Reads of one unit: a table of path, query and how its arguments come out of the request.

Every query answers with finished JSON text, so one handler serves them all.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable, Set
from datetime import date
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from aiohttp import web

from reference_app.problems import Problem
from reference_app.routes.requests import chart_json, counted_of, json_response, number_of, unit_of
from reference_app.rules import day_of, fiscal_year, fiscal_year_of, invalid, period_of

if TYPE_CHECKING:
    from reference_app.app import Ledger

Arguments = Callable[[web.Request], tuple[object, ...]]
PAGE, PAGE_MAX = 50, 200
DOCUMENT_MAX = 2**62


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the read routes, those first that people ask most (see `make_app`)."""
    cash = ledger.catalogue.cash
    bank = [ledger.catalogue.channels["bank"]]
    kinds = {"opening", *ledger.catalogue.kinds}
    table: tuple[tuple[str, str, Arguments], ...] = (
        ("overview", "overview", lambda _: (cash,)),
        ("documents", "documents", lambda r: _page(r, kinds)),
        ("budget", "budget", _fiscal_year),
        ("worklist", "worklist", lambda _: ()),
        ("documents/by-key/{key}", "answer_by_key", _key),
        ("documents/{document}", "document", lambda r: (number_of(r, "document"),)),
        ("periods", "periods", lambda _: ()),
        ("payees", "payees", lambda r: (r.query.get("query", "")[:100],)),
        ("reports/trial-balance", "trial_balance", _period),
        ("reports/receipts-payments", "receipts_payments", lambda r: (*_month(r), cash)),
        ("reports/budget-execution", "budget_execution", _budget_month),
        ("reports/daily-cash", "daily_cash", lambda r: _day(r, cash)),
        ("imports/{key}", "import", _key),
        ("bank-orders", "bank_orders", lambda _: ()),
        ("audit-trail", "audit_trail", lambda _: ()),
        ("reports/bank-reconciliation", "bank_reconciliation", lambda r: _bank_month(r, bank)),
        ("reports/consolidated-trial-balance", "consolidated_trial_balance", _period),
    )
    chart = b'{"accounts":' + chart_json(ledger.catalogue) + b"}"
    yield web.get("/units/{unit}/chart-of-accounts", partial(_chart, ledger, chart))
    for path, query, arguments in table:
        yield web.get(f"/units/{{unit}}/{path}", partial(_read, ledger, query, arguments))
    yield web.get("/provinces/{province}/closing-status", partial(_closing_status, ledger))
    yield web.get("/nation/closing-status", partial(_national_closing, ledger))


async def _read(
    ledger: Ledger, query: str, arguments: Arguments, request: web.Request
) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    unit = unit_of(request)
    ledger.access.read(session, unit)
    text = await ledger.storage.text(query, unit, *arguments(request))
    if text is None:
        raise Problem("not-found", "there is no such thing in this unit")
    return json_response(text)


async def _chart(ledger: Ledger, content: bytes, request: web.Request) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    ledger.access.read(session, unit_of(request))
    return json_response(content)


async def _closing_status(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    province = number_of(request, "province")
    ledger.access.province_status(session, province)
    return json_response(await ledger.storage.one("closing_status", province, *_period(request)))


async def _national_closing(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    ledger.access.national_status(session)
    (period,) = _period(request)
    text = ledger.closing.of(period)
    if text is not None:
        return json_response(text)
    response = json_response(orjson.dumps({"state": "counting"}), status=202)
    response.headers["Retry-After"] = "1"
    return response


def _page(request: web.Request, kinds: Set[str]) -> tuple[object, ...]:
    after = counted_of(request, "after", 0, DOCUMENT_MAX)
    limit = counted_of(request, "limit", PAGE, DOCUMENT_MAX)
    kind = request.query.get("kind")
    if kind is not None and kind not in kinds:
        raise invalid("kind: no such kind of document")
    return after, kind, max(1, min(limit, PAGE_MAX))


def _key(request: web.Request) -> tuple[object, ...]:
    try:
        return (UUID(request.match_info["key"]),)
    except ValueError as error:
        raise Problem("not-found", "not a UUID") from error


def _period(request: web.Request) -> tuple[int]:
    return (period_of(request.query.get("period")),)


def _month(request: web.Request) -> tuple[int, date, date]:
    (period,) = _period(request)
    year, month = divmod(period, 100)
    return period, date(year, month, 1), date(year, month, monthrange(year, month)[1])


def _bank_month(request: web.Request, bank: list[int]) -> tuple[object, ...]:
    period, _first, last = _month(request)
    return period, bank, last


def _day(request: web.Request, cash: list[int]) -> tuple[object, ...]:
    day = day_of(request.query.get("date"), "date")
    return day, day.year * 100 + day.month, cash


def _budget_month(request: web.Request) -> tuple[object, ...]:
    period, first, last = _month(request)
    return fiscal_year_of(first), period, first, last


def _fiscal_year(request: web.Request) -> tuple[object, ...]:
    text = request.query.get("fiscal_year")
    return (None if text is None else fiscal_year(text),)
