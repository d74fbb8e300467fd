"""What every route needs of a request: who asks, for which unit, with which key and body.

Each function reads one thing and raises a `Problem` when it is not there or not right.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web

from reference_app.kinds import Catalogue
from reference_app.problems import Problem
from reference_app.rules import Posting
from reference_app.sessions import Session

BODY_LIMIT_S: Final = 10.0


def number_of(request: web.Request, name: str) -> int:
    """Read a whole number of the path; what is none does not exist."""
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Problem("not-found", f"{name}: not a number")
    return int(text)


def counted_of(request: web.Request, name: str, default: int, most: int) -> int:
    """Read a whole number of the query, from 0 to *most*."""
    text = request.query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise Problem("invalid", f"{name}: a whole number up to {most}")
    return int(text)


def unit_of(request: web.Request) -> int:
    """Read the unit of the path, an int32."""
    unit = number_of(request, "unit")
    if unit >= 2**31:
        raise Problem("not-found", "there is no such unit")
    return unit


def key_of(request: web.Request) -> UUID:
    """Read the idempotency key of a write."""
    text = request.headers.get("Idempotency-Key")
    if not text:
        raise Problem("idempotency-key-missing", "send one UUID per write, the same for a retry")
    try:
        return UUID(text)
    except ValueError as error:
        raise Problem("invalid", "Idempotency-Key: not a UUID") from error


async def posting_of(request: web.Request, session: Session, unit: int) -> tuple[Posting, Any]:
    """Return the empty posting of a write, with its key and payload hash, and the read body."""
    key = key_of(request)
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            raw = await request.read()
        body = orjson.loads(raw) if raw else {}
        # The order of fields does not matter: the same request written anew is the same request.
        written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError) as error:  # TypeError: nested deeper than can be written anew
        raise Problem("invalid", f"not JSON: {error}") from error
    except TimeoutError as error:
        raise Problem("invalid", f"the body did not arrive within {BODY_LIMIT_S:g} s") from error
    except web.RequestPayloadError as error:
        raise Problem("invalid", "the body does not come as its headers say") from error
    canonical = request.path.encode() + b"\n" + written
    payload_hash = "\\x" + blake2b(canonical, digest_size=16).hexdigest()
    return Posting(unit=unit, key=key, payload_hash=payload_hash, account=session.account), body


def chart_json(catalogue: Catalogue) -> bytes:
    """Return the chart of accounts as finished JSON."""
    return orjson.dumps([
        {"account": str(code), "class": a.account_class, "is_cash": a.is_cash,
         "name_th": a.name_th, "name_en": a.name_en}
        for code, a in catalogue.chart.items()
    ])  # fmt: skip


def json_response(text: str | bytes, status: int = 200) -> web.Response:
    """Answer with finished JSON."""
    body = text.encode() if isinstance(text, str) else text
    return web.Response(body=body, status=status, content_type="application/json")


def write_response(text: str | bytes, *, is_replay: bool, status: int = 201) -> web.Response:
    """Answer a write with finished JSON; a repeated key gets the same, and is told so."""
    response = json_response(text, status)
    if is_replay:
        response.headers["Idempotency-Replayed"] = "true"
    return response
