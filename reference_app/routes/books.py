"""Complete books: of one unit for its people, of a whole province for the auditor.

A province is read and sent in portions of units, so neither side ever holds it and no transaction
stays open; the books of one unit are one statement, hence one moment. The chart of accounts comes
with the first unit. Few exports run at once: they share the connections of the reads. Books as a
file to work on by hand and to import again are not written here (`exports`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from reference_app.exports import CONTENT_TYPES, Exports
from reference_app.problems import Problem
from reference_app.routes.requests import chart_json, json_response, number_of, unit_of
from reference_app.rules import fiscal_year, invalid

if TYPE_CHECKING:
    from reference_app.app import Ledger

EXPORTS_MAX: Final = 2
DOCUMENTS_PER_READ: Final = 20_000  # a city's year is four times that (facts/domain.md 4.3)
PART: Final = re.compile(r"\d{1,3}", re.ASCII)


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the routes of complete books; what is streamed has no answer without a body."""
    chart = chart_json(ledger.catalogue)
    unit_books = partial(_unit_books, ledger, chart, Exports(ledger.settings))
    province_books = partial(_province_books, ledger, chart, asyncio.Semaphore(EXPORTS_MAX))
    yield web.get("/units/{unit}/books", unit_books, allow_head=False)
    yield web.get("/provinces/{province}/books", province_books, allow_head=False)


def portions_of(sizes: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Divide units, given with their number of documents, into what is read at once."""
    portion: list[int] = []
    documents = 0
    for unit, count in sizes:
        if portion and documents + count > DOCUMENTS_PER_READ:
            yield portion
            portion, documents = [], 0
        portion.append(unit)
        documents += count
    if portion:
        yield portion


def _with_chart(text: str, chart: bytes) -> str:
    """Put the chart into the first object of *text*, which begins with `{`."""
    return '{"chart":' + chart.decode() + "," + text[1:]


async def _unit_books(
    ledger: Ledger, chart: bytes, exports: Exports, request: web.Request
) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    unit = unit_of(request)
    ledger.access.read(session, unit)
    year_be = fiscal_year(request.query.get("fiscal_year"))
    form, part = request.query.get("format", "json"), request.query.get("part", "0")
    if form not in ("json", *CONTENT_TYPES) or not PART.fullmatch(part):
        raise invalid("format: json, csv or xlsx; part: a number, at most 999")
    if form != "json":
        return await exports.send(request, unit=unit, year=year_be, form=form, part=int(part))
    text = await ledger.storage.text("books", [unit], year_be, ledger.catalogue.cash)
    if text is None:
        raise Problem("not-found", "there are no books of this unit")
    return json_response(_with_chart(text, chart))


async def _province_books(
    ledger: Ledger, chart: bytes, places: asyncio.Semaphore, request: web.Request
) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    units = ledger.access.province_books(session, number_of(request, "province"))
    year_be = fiscal_year(request.query.get("fiscal_year"))
    if places.locked():
        raise Problem("shed", f"{EXPORTS_MAX} exports are in progress")
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    response.headers["Server-Worker"] = ledger.settings.worker_name
    async with places:
        sizes = await ledger.storage.rows("book_sizes", units)
        for portion in portions_of([(row["unit"], row["document_count"]) for row in sizes]):
            try:
                rows = await ledger.storage.rows("books", portion, year_be, ledger.catalogue.cash)
            except Problem:
                if not response.prepared:
                    raise
                # What was sent cannot be taken back: a broken connection says "incomplete".
                assert request.transport is not None
                request.transport.abort()
                return response
            lines = [row[0] for row in rows]
            if not response.prepared:
                await response.prepare(request)
                lines[0] = _with_chart(lines[0], chart)
            await response.write("".join(f"{line}\n" for line in lines).encode())
    if not response.prepared:  # nobody keeps books there
        await response.prepare(request)
    await response.write_eof()
    return response
