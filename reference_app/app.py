"""The application of one worker: parts put together, the gate before every handler, start and stop.

Everything is built here from settings and handed down; nothing is global. `Ledger` holds the parts,
and the seeded defects (off by default) may replace some of them before the routes are made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from time import monotonic, time
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from reference_app.access import Access, UnitEntry
from reference_app.admission import Admission
from reference_app.bank import Bank
from reference_app.closing import NationalClosing
from reference_app.imports import Importer
from reference_app.kinds import Catalogue, read_catalogue
from reference_app.metrics import Metrics
from reference_app.posting import PostingQueue, executor
from reference_app.problems import Problem
from reference_app.provider import Provider
from reference_app.rules import Rules
from reference_app.sessions import Tokens
from reference_app.settings import Settings
from reference_app.storage import Storage

BODY_SIZE_MAX: Final = 256 * 1024
LAG_PERIOD_S: Final = 0.1
SIGN_IN: Final = frozenset({"/auth/login", "/auth/callback"})
UNGATED: Final = frozenset({"/healthz", "/readyz", "/metrics", "/version"})

logger = logging.getLogger("ledger")


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The parts of one worker. Not frozen: seeded defects replace parts before the start."""

    settings: Settings
    catalogue: Catalogue
    metrics: Metrics
    storage: Storage
    access: Access
    rules: Rules
    tokens: Tokens
    provider: Provider
    admission: Admission
    sign_ins: Admission
    queue: PostingQueue
    importer: Importer
    bank: Bank
    closing: NationalClosing
    is_draining: bool = False
    defects: tuple[str, ...] = ()
    posting_source: str = ""  # of the defects: the posting function as they have changed it


async def build_ledger(settings: Settings) -> Ledger:
    """Connect to the database and put the parts together."""
    catalogue = read_catalogue()
    metrics = Metrics(settings.worker_name)
    storage = Storage(settings, metrics)
    await storage.open()
    units = {
        row["unit"]: UnitEntry(row["parent"], row["province"])
        for row in await storage.rows("units")
    }
    queue = PostingQueue(settings, executor(storage.post), metrics)
    return Ledger(
        settings=settings,
        catalogue=catalogue,
        metrics=metrics,
        storage=storage,
        access=Access(units),
        rules=Rules(catalogue),
        tokens=Tokens(settings.session_key, time),
        provider=Provider(settings, time),
        admission=Admission(
            in_flight_max=settings.in_flight_max,
            per_unit_max=settings.in_flight_per_unit_max,
            standing_max=settings.standing_max,
            standing_s=settings.standing_s,
        ),
        sign_ins=Admission(
            in_flight_max=settings.in_flight_max, per_unit_max=settings.in_flight_max
        ),
        queue=queue,
        importer=Importer(settings, storage, metrics, lambda: queue.waiting),
        bank=Bank(settings, storage, metrics),
        closing=NationalClosing(partial(storage.one, "national_closing")),
    )


def gate(ledger: Ledger) -> Middleware:
    """Return the one middleware: admission, problems, counts, the worker's name."""
    metrics = ledger.metrics
    worker = ledger.settings.worker_name

    @web.middleware
    async def pass_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        started_at = monotonic()
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        admission = ledger.sign_ins if route in SIGN_IN else ledger.admission
        unit = request.match_info.get("unit")
        if unit is not None:
            unit = unit.lstrip("0")  # a number, however it is written
        is_entered = False
        try:
            if route not in UNGATED:
                admission.enter(unit)
                is_entered = True
            response = await handler(request)
        except Problem as problem:
            response = problem_response(problem)
            if problem.kind.status in (429, 503):
                metrics.counts["shed_total"] += 1
        except web.HTTPException as error:
            response = problem_response(_problem_of(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except Exception:
            logger.exception("%s %s failed", request.method, route)
            response = problem_response(Problem("internal", "see the log of the worker"))
        finally:
            if is_entered:
                admission.leave(unit)
        metrics.requests[request.method, route, response.status] += 1
        metrics.observe("request_seconds", monotonic() - started_at)
        if not response.prepared:
            response.headers["Server-Worker"] = worker
            if ledger.is_draining:
                response.force_close()
        return response

    return pass_gate


def problem_response(problem: Problem) -> web.Response:
    """Return a problem as its HTTP answer."""
    kind = problem.kind
    headers = {"Content-Type": "application/problem+json"}
    if kind.retry_after_s:
        headers["Retry-After"] = str(kind.retry_after_s)
    return web.Response(body=problem.body(), status=kind.status, headers=headers)


def _problem_of(error: web.HTTPException) -> Problem:
    code = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(error.status)
    return Problem(code or "invalid", error.reason)


def without_content(record: logging.LogRecord) -> bool:
    """Keep what a broken request held, a token perhaps, out of the log; only its kind stays."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (HttpProcessingError, web.RequestPayloadError)):
        record.msg, record.args = "%s: %s", (record.getMessage(), type(error).__name__)
        record.exc_info = None
    return True


async def watch_loop(ledger: Ledger) -> None:
    """Measure how late the event loop is: the one queue that no counter of requests shows."""
    while True:
        asleep_at = monotonic()
        await asyncio.sleep(LAG_PERIOD_S)
        ledger.metrics.observe("loop_lag_seconds", max(0.0, monotonic() - asleep_at - LAG_PERIOD_S))


def make_app(ledger: Ledger) -> web.Application:
    """Return the web application over *ledger*, its queue started and stopped with it."""
    from reference_app.routes import auth, bank, books, documents, imports, operations, reports

    logging.getLogger("aiohttp.server").addFilter(without_content)
    app = web.Application(client_max_size=BODY_SIZE_MAX, middlewares=[gate(ledger)])
    # The router tries the paths below /units/{unit} in their order: what people ask most, first.
    for group in (reports, documents, imports, bank, books, auth, operations):
        app.add_routes(group.routes(ledger))

    async def run_parts(_app: web.Application) -> AsyncIterator[None]:
        ledger.provider.start()
        ledger.queue.start()
        ledger.importer.start()
        ledger.bank.start()
        watch = asyncio.create_task(watch_loop(ledger))
        yield
        watch.cancel()
        await ledger.importer.stop()
        await ledger.bank.stop()
        await ledger.closing.stop()
        await ledger.queue.stop()
        await ledger.provider.stop()
        await ledger.storage.close(ledger.settings.acquire_timeout_s)

    app.cleanup_ctx.append(run_parts)
    return app
