"""For those who run the ledger: alive, ready, metrics, and what exactly is running here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from reference_app.problems import Problem
from reference_app.routes.requests import json_response

if TYPE_CHECKING:
    from reference_app.app import Ledger

NAME: Final = "reference-ledger"
VERSION: Final = "0.1.0"


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the routes of operation; they need no sign-in and pass admission."""
    yield web.get("/healthz", _healthz)
    yield web.get("/readyz", partial(_readyz, ledger))
    yield web.get("/metrics", partial(_metrics, ledger))
    yield web.get("/version", partial(_version, ledger))


async def _healthz(_request: web.Request) -> web.StreamResponse:
    return json_response(b'{"status":"alive"}')


async def _readyz(ledger: Ledger, _request: web.Request) -> web.StreamResponse:
    if ledger.is_draining:
        raise Problem("shed", "this worker is stopping")
    await ledger.storage.rows("ready")
    return json_response(b'{"status":"ready"}')


async def _metrics(ledger: Ledger, _request: web.Request) -> web.StreamResponse:
    in_flight = ledger.admission.in_flight + ledger.sign_ins.in_flight
    ledger.metrics.gauges["in_flight"] = in_flight
    return web.Response(
        body=ledger.metrics.text().encode(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def _version(ledger: Ledger, _request: web.Request) -> web.StreamResponse:
    (settings,) = await ledger.storage.rows("database_settings")
    body = {
        "name": NAME,
        "version": VERSION,
        "worker": ledger.settings.worker_name,
        "database_version": settings["version"],
        "fsync": settings["fsync"],
        "synchronous_commit": settings["synchronous_commit"],
        "full_page_writes": settings["full_page_writes"],
        "defects": list(ledger.defects),
    }
    return json_response(orjson.dumps(body))
