"""Reads of one unit: a table of path, query and how its arguments come out of the request.

Every query answers with finished JSON text, so one handler serves them all.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from reference_app.problems import Problem
from reference_app.routes.requests import json_response, number_of, unit_of
from reference_app.rules import day_of, fiscal_year_of, invalid, period_of

if TYPE_CHECKING:
    from reference_app.app import Ledger

Arguments = Callable[[web.Request], tuple[object, ...]]
PAGE_MAX = 200
DOCUMENT_MAX = 2**62


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the read routes; `{document}` comes after the fixed words that could stand there."""
    cash = sorted(code for code, entry in ledger.catalogue.chart.items() if entry.is_cash)
    table: tuple[tuple[str, str, Arguments], ...] = (
        ("overview", "overview", lambda _: (cash,)),
        ("worklist", "worklist", lambda _: ()),
        ("documents", "documents", _page),
        ("periods", "periods", lambda _: ()),
        ("budget", "budget", _fiscal_year),
        ("payees", "payees", lambda r: (r.query.get("query", "")[:100],)),
        ("documents/by-key/{key}", "answer_by_key", _key),
        ("imports/{key}", "import", _key),
        ("documents/{document}", "document", lambda r: (number_of(r, "document"),)),
        ("reports/daily-cash", "daily_cash", lambda r: _day(r, cash)),
        ("reports/trial-balance", "trial_balance", lambda r: (_period(r),)),
        ("reports/receipts-payments", "receipts_payments", lambda r: (*_month(r), cash)),
        ("reports/budget-execution", "budget_execution", _budget_month),
    )
    for path, query, arguments in table:
        yield web.get(f"/units/{{unit}}/{path}", _read(ledger, query, arguments))
    yield web.get("/units/{unit}/chart-of-accounts", _chart(ledger))
    yield web.get("/provinces/{province}/closing-status", _closing_status(ledger))


def _read(ledger: Ledger, query: str, arguments: Arguments) -> Handler:
    async def read(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        unit = unit_of(request)
        ledger.access.read(session, unit)
        text = await ledger.storage.text(query, unit, *arguments(request))
        if text is None:
            raise Problem("not-found", "there is no such thing in this unit")
        return json_response(text)

    return read


def _chart(ledger: Ledger) -> Handler:
    accounts = [
        {
            "account": str(entry.account),
            "class": entry.account_class,
            "is_cash": entry.is_cash,
            "name_th": entry.name_th,
            "name_en": entry.name_en,
        }
        for entry in ledger.catalogue.chart.values()
    ]
    content = orjson.dumps({"accounts": accounts})

    async def chart(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        ledger.access.read(session, unit_of(request))
        return json_response(content)

    return chart


def _closing_status(ledger: Ledger) -> Handler:
    async def closing_status(request: web.Request) -> web.StreamResponse:
        session = ledger.tokens.session_of(request.headers.get("Authorization"))
        province = number_of(request, "province")
        ledger.access.province_status(session, province)
        text = await ledger.storage.text("closing_status", province, _period(request))
        assert text is not None
        return json_response(text)

    return closing_status


def _page(request: web.Request) -> tuple[object, ...]:
    after, limit = request.query.get("after") or "0", request.query.get("limit") or "50"
    if not (after.isdecimal() and limit.isdecimal()) or int(after) > DOCUMENT_MAX:
        raise invalid("after, limit: whole numbers")
    return int(after), request.query.get("kind") or None, max(1, min(int(limit), PAGE_MAX))


def _key(request: web.Request) -> tuple[object, ...]:
    try:
        return (UUID(request.match_info["key"]),)
    except ValueError as error:
        raise Problem("not-found", "not a UUID") from error


def _period(request: web.Request) -> int:
    return period_of(request.query.get("period"))


def _month(request: web.Request) -> tuple[int, date, date]:
    period = _period(request)
    year, month = divmod(period, 100)
    return period, date(year, month, 1), date(year, month, monthrange(year, month)[1])


def _day(request: web.Request, cash: list[int]) -> tuple[object, ...]:
    day = day_of(request.query.get("date"), "date")
    return day, day.year * 100 + day.month, cash


def _budget_month(request: web.Request) -> tuple[object, ...]:
    period, first, last = _month(request)
    return fiscal_year_of(first), period, first, last


def _fiscal_year(request: web.Request) -> tuple[object, ...]:
    text = request.query.get("fiscal_year")
    return (None if text is None else fiscal_year(text),)


def fiscal_year(text: str | None) -> int:
    """Read a fiscal year of the Buddhist era like 2569."""
    if text is None or not (text.isascii() and text.isdecimal() and len(text) == 4):
        raise invalid("fiscal_year: four digits of the Buddhist era, like 2569")
    return int(text)
