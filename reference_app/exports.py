"""Books as files on their way to a client: a process writes them (`write_export`), block by block
they go through the worker, and what the client does not take yet, the process does not write yet.

Few at once and each for a limited time. A file that ends early is a broken connection, never a
shorter file; a client that goes away, and a worker that dies, end the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import web

from reference_app.problems import Problem
from reference_app.settings import Settings

EXPORTS_MAX: Final = 2
EXPORT_LIMIT_S: Final = 300.0
BEAT_S: Final = 0.5
END_S: Final = 2.0  # for the process to take its temporary file away
BLOCK: Final = 64 * 1024
CONTENT_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Exports:
    """One worker's exports of books as files."""

    def __init__(self, settings: Settings) -> None:
        self._environment = {**os.environ, "LEDGER_DATABASE_URL": settings.database_url}
        self._worker = settings.worker_name
        self._places = asyncio.Semaphore(EXPORTS_MAX)

    async def send(
        self, request: web.Request, *, unit: int, year: int, form: str, part: int
    ) -> web.StreamResponse:
        """Answer *request* with the books of a fiscal year (BE); *part* 0 is all of them.

        The entity tag names their moment: parts with the same tag belong together.
        """
        if self._places.locked():
            raise Problem("shed", f"{EXPORTS_MAX} exports are in progress")
        name = f"books-{unit}-{year}{f'-{part}' if part else ''}.{form}"
        response = web.StreamResponse(
            headers={
                "Content-Type": CONTENT_TYPES[form], "Server-Worker": self._worker,
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )  # fmt: skip
        try:
            async with (
                self._places, asyncio.timeout(EXPORT_LIMIT_S),
                self._writer(str(unit), str(year), form, str(part)) as writer,
            ):  # fmt: skip
                assert writer.stdout is not None
                moment = (await writer.stdout.readline()).decode().strip()
                if moment:
                    response.headers["ETag"] = f'"{moment}"'
                    await response.prepare(request)
                    async for block in _blocks(writer.stdout, request):
                        await response.write(block)
                is_whole = await writer.wait() == 0
        except (TimeoutError, OSError):  # it takes too long, or the client is gone
            is_whole = False
        if not response.prepared:
            raise Problem(*(
                ("not-found", "there are no books of this unit") if is_whole
                else ("shed", "the books could not be read")
            ))  # fmt: skip
        if is_whole:
            await response.write_eof()
        elif request.transport is not None:
            request.transport.abort()
        return response

    @asynccontextmanager
    async def _writer(self, *order: str) -> AsyncIterator[asyncio.subprocess.Process]:
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reference_app.write_export", *order,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=self._environment,
        )  # fmt: skip
        try:
            yield writer
        finally:
            with suppress(ProcessLookupError):
                writer.terminate()
            try:
                async with asyncio.timeout(END_S):
                    await writer.communicate()  # what it wrote last, else its pipe stays open
            except TimeoutError:
                writer.kill()
                await writer.communicate()


async def _blocks(written: asyncio.StreamReader, request: web.Request) -> AsyncIterator[bytes]:
    """Yield what is written to the end. Raises `ConnectionResetError` when the client is gone."""
    block: bytes | None = None
    while block != b"":
        block = None
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                block = await written.read(BLOCK)
        if block:
            yield block
        elif request.transport is None or request.transport.is_closing():
            raise ConnectionResetError
