"""Signing in through the identity provider, and who one is.

The provider is asked before anything of the ledger is touched; an answer gives a signed token and
no session is kept here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from time import time
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from reference_app.problems import Problem
from reference_app.routes.requests import json_response
from reference_app.sessions import Session, pid_hash

if TYPE_CHECKING:
    from reference_app.app import Ledger


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the routes of signing in."""
    yield web.get("/me", partial(_me, ledger))
    yield web.get("/auth/login", partial(_login, ledger))
    yield web.get("/auth/callback", partial(_callback, ledger))


def _callback_url(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}/auth/callback"


async def _login(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    url = await ledger.provider.authorize_url(_callback_url(request))
    return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})


async def _callback(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    code, state = request.query.get("code"), request.query.get("state")
    if not code or not state:
        raise Problem("login-refused", "code and state are missing")
    pid = await ledger.provider.pid_of(code=code, state=state, redirect_uri=_callback_url(request))
    rows = await ledger.storage.rows("person", pid_hash(ledger.settings.pid_key, pid))
    if not rows:
        raise Problem("login-refused", "this person has no account")
    session = Session(
        account=rows[0]["account"],
        unit=rows[0]["unit"],
        roles=frozenset(rows[0]["roles"]),
        expires_at=int(time()) + ledger.settings.session_lifetime_s,
    )
    return json_response(_session_body(session, ledger.tokens.sign(session)))


async def _me(ledger: Ledger, request: web.Request) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    return json_response(_session_body(session, None))


def _session_body(session: Session, token: str | None) -> bytes:
    body = {
        "account": session.account,
        "unit": session.unit,
        "roles": sorted(session.roles),
        "expires_at": session.expires_at,
    }
    return orjson.dumps(body if token is None else {"token": token, **body})
