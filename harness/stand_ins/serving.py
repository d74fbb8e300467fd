"""What the stand-ins that speak JSON have in common: answers, turning knobs, serving to the end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from typing import Any, Final, Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

SHUTDOWN_LIMIT_S: Final = 0.5  # a slow stand-in that is told to stop gives up who waits for it


class Adjustable(Protocol):
    """A stand-in whose behaviour is a frozen dataclass of plain numbers, words and switches."""

    knobs: Any


def json_answer(content: Mapping[str, Any], status: int = 200) -> web.Response:
    """Answer with *content*."""
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def refuse(status: int, error: str, description: str) -> web.Response:
    """Answer with an error; 429 and 503 say when to come back."""
    response = json_answer({"error": error, "error_description": description}, status=status)
    if status in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def knob_turner(stand_in: Adjustable) -> Handler:
    """Return the handler of POST /control/knobs, which changes those that the body names."""
    types = {knob.name: type(getattr(stand_in.knobs, knob.name)) for knob in fields(stand_in.knobs)}

    async def control(request: web.Request) -> web.StreamResponse:
        changes = orjson.loads(await request.read())
        for name, value in changes.items():
            if name not in types:
                return refuse(400, "unknown_knob", f"{name}; known: {', '.join(types)}")
            changes[name] = types[name](value)
        stand_in.knobs = replace(stand_in.knobs, **changes)
        return json_answer({knob: getattr(stand_in.knobs, knob) for knob in types})

    return control


async def listen(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Listen; return the runner, which the caller cleans up, and the real address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_LIMIT_S)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, f"http://{host}:{runner.addresses[0][1]}"


def serve(name: str, port: int, start: Callable[[], Awaitable[tuple[web.AppRunner, str]]]) -> int:
    """Serve until SIGTERM and return the exit status; the first line printed is {"url": ...}."""
    try:
        asyncio.run(_serve(start))
    except OSError as error:
        print(f"{name}: port {port}: {error.strerror}; choose another --port", file=sys.stderr)
        return 3
    return 0


async def _serve(start: Callable[[], Awaitable[tuple[web.AppRunner, str]]]) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    runner, url = await start()
    print(orjson.dumps({"url": url}).decode(), flush=True)
    await stop.wait()
    await runner.cleanup()
