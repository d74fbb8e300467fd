"""What another system answers is read as far as it is sane, and not a byte further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from reference_app.answers import ANSWER_SIZE_MAX, BLOCK, json_of
from reference_app.problems import Problem
from reference_app.provider import Provider
from reference_app.settings import Settings

LIMIT_S = 10.0


@asynccontextmanager
async def answering(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Serve *handler* for every path; yields the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def saying(content: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def say(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json")

    return say


async def read(content: bytes) -> Any:
    async with (
        answering(saying(content)) as url,
        aiohttp.ClientSession() as client,
        client.get(url) as response,
    ):
        return await json_of(response)


async def test_an_answer_of_a_sane_size_is_read_whole() -> None:
    words = "x" * (ANSWER_SIZE_MAX - 2)
    assert await read(b'{"a": [1, "\xe0\xb8\x81"]}') == {"a": [1, "ก"]}
    assert await read(f'"{words}"'.encode()) == words


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff", b"[" * 5000, b'"' + b"x" * ANSWER_SIZE_MAX + b'"'],
    ids=["empty", "html", "not utf-8", "deep", "large"],
)  # fmt: skip
async def test_what_is_no_sane_json_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its kinds are the readers' own)
        await read(content)


async def test_a_provider_that_never_stops_answering_is_cut_off() -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * BLOCK)
                sent += BLOCK
        return response

    async with answering(flood) as url, asyncio.timeout(LIMIT_S):
        settings = Settings(database_url="", provider_url=url, command_timeout_s=2 * LIMIT_S)
        provider = Provider(settings, lambda: 0.0)
        provider.start()
        try:
            with pytest.raises(Problem) as refused:
                await provider.authorize_url("http://127.0.0.1/back")
        finally:
            await provider.stop()

    assert refused.value.code == "provider-unavailable"
    assert sent < 64 * ANSWER_SIZE_MAX  # what the sockets' buffers held, not more
