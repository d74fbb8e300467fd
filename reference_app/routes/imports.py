"""Uploads of back-dated books. The file is kept before the answer; everything else comes later.

Whoever hands a file in answers for it: the finance director. Its payments were made and approved on
paper; importing them releases no money.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from reference_app.problems import Problem
from reference_app.routes.requests import key_of, unit_of, write_response
from reference_app.rules import invalid

if TYPE_CHECKING:
    from reference_app.app import Ledger

FILE_SIZE_MAX: Final = 32 * 1024 * 1024
FILE_NAME_LENGTH_MAX: Final = 200
UPLOADS_MAX: Final = 4  # in memory at once
TRIES: Final = 2  # the same file may have come in between, and is seen only by the second
UPLOAD_LIMIT_S: Final = 60.0
BLOCK: Final = 64 * 1024


def routes(ledger: Ledger) -> Iterable[web.RouteDef]:
    """Return the route of the upload; how far an import is, is a read (reports.py)."""
    yield web.post(
        "/units/{unit}/imports", partial(_upload, ledger, asyncio.Semaphore(UPLOADS_MAX))
    )


async def _upload(
    ledger: Ledger, places: asyncio.Semaphore, request: web.Request
) -> web.StreamResponse:
    session = ledger.tokens.session_of(request.headers.get("Authorization"))
    unit = unit_of(request)
    ledger.access.write(session, unit, "director")
    key = key_of(request)
    if places.locked():
        raise Problem("shed", f"{UPLOADS_MAX} uploads are in progress")
    async with places:
        name, content = await _read_file(request)
        digest = sha256(content).digest()
        for _ in range(TRIES):
            rows = await ledger.storage.rows(
                "receive_import", unit, key, digest, name, session.account, content, is_write=True
            )
            if (found := _kept(rows, key, digest)) is not None:
                break
        else:
            raise Problem("shed-unit", "another file of this unit is not finished")
    kept, is_new = found
    if is_new:
        ledger.importer.look()
    response = write_response(
        orjson.dumps({"unit": unit, "import": str(kept), "state": "received"}),
        is_replay=not is_new,
        status=202,
    )
    response.headers["Location"] = f"/units/{unit}/imports/{kept}"
    return response


def _kept(
    rows: Iterable[tuple[UUID, bytes, bool]], key: UUID, digest: bytes
) -> tuple[UUID, bool] | None:
    """Return the import that stands for the file, and whether it is new; None: another's turn."""
    for kept, content_hash, is_new in rows:
        if kept == key and content_hash != digest:
            raise Problem("idempotency-key-reused", "the key belongs to another file")
        if content_hash == digest:
            return kept, is_new
    return None


async def _read_file(request: web.Request) -> tuple[str, bytes]:
    """Return name and content of the one file of a form, or raise a `Problem`."""
    if request.content_type != "multipart/form-data":
        raise invalid("the body is multipart/form-data with one part, file")
    try:
        async with asyncio.timeout(UPLOAD_LIMIT_S):
            form = await request.multipart()
            part = await form.next()
            if not isinstance(part, BodyPartReader) or part.name != "file":
                raise invalid("the form has one part, file")
            name = _checked_name(part.filename)
            content = await _read_part(part)
            if await form.next() is not None:
                raise invalid("the form has one part, file")
    except TimeoutError as error:
        raise invalid(f"the file did not arrive within {UPLOAD_LIMIT_S:g} s") from error
    except (
        ValueError, KeyError, AssertionError, RuntimeError, web.RequestPayloadError,
        HttpProcessingError,
    ) as error:  # fmt: skip
        raise invalid("the form is not sound") from error
    return name, content


async def _read_part(part: BodyPartReader) -> bytes:
    content = bytearray()
    while block := await part.read_chunk(BLOCK):
        content += block
        if len(content) > FILE_SIZE_MAX:
            raise Problem("too-large", f"a file has at most {FILE_SIZE_MAX} bytes")
    if not content:
        raise invalid("the file is empty")
    return bytes(content)


def _checked_name(name: str | None) -> str:
    """Allow a plain name that ends in .xlsx or .csv; it is shown to people, never opened."""
    if (
        not name
        or len(name) > FILE_NAME_LENGTH_MAX
        or not name.isprintable()
        or any(sign in name for sign in '/\\:*?"<>|')
        or not name.lower().endswith((".xlsx", ".csv"))
    ):
        raise invalid("file: a name that ends in .xlsx or .csv, without signs of a path")
    return name
