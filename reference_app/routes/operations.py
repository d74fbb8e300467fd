"""For those who run the ledger: alive, ready, metrics, and what exactly is running here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from reference_app.problems import Problem
from reference_app.routes.requests import json_response

if TYPE_CHECKING:
    from reference_app.app import Ledger

NAME: Final = "reference-ledger"
VERSION: Final = "0.1.0"


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the routes of operation; they need no sign-in and pass admission."""
    yield web.get("/healthz", _healthz)
    yield web.get("/readyz", _readyz(ledger))
    yield web.get("/metrics", _metrics(ledger))
    yield web.get("/version", _version(ledger))


async def _healthz(_request: web.Request) -> web.StreamResponse:
    return json_response(b'{"status":"alive"}')


def _readyz(ledger: Ledger) -> Handler:
    async def readyz(_request: web.Request) -> web.StreamResponse:
        if ledger.is_draining:
            raise Problem("shed", "this worker is stopping")
        await ledger.storage.rows("ready")
        return json_response(b'{"status":"ready"}')

    return readyz


def _metrics(ledger: Ledger) -> Handler:
    async def metrics(_request: web.Request) -> web.StreamResponse:
        in_flight = ledger.admission.in_flight + ledger.sign_ins.in_flight
        ledger.metrics.gauges["in_flight"] = in_flight
        return web.Response(
            body=ledger.metrics.text().encode(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return metrics


def _version(ledger: Ledger) -> Handler:
    async def version(_request: web.Request) -> web.StreamResponse:
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

    return version
