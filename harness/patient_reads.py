"""One read of the target outside the load, tried again within limits; it judges nothing."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from scenarios.dialects.interface import Request

TRIES: Final = 3
RETRY_DELAY_S: Final = 0.5
# A target that asks us to come back later is right to do so; only the time for all is limited.
POLITE_TRIES: Final = 300
POLITE_DELAY_S_MAX: Final = 5.0
BODY_BYTES_MAX: Final = 512 * 1024 * 1024  # twelve months of a large province


async def fetch(
    session: aiohttp.ClientSession, url: str, request: Request, deadline: float
) -> tuple[bytes | None, str]:
    """Return the body of one answer, or None with the reason of the last try.

    Nothing is begun after *deadline*, a time of the running loop.
    """
    reason = "no time was left for it"
    tries = polite_tries = 0
    while tries < TRIES and polite_tries < POLITE_TRIES:
        if asyncio.get_running_loop().time() > deadline:
            break
        try:
            async with session.request(
                request.method, url + request.target, headers=dict(request.headers)
            ) as response:
                if response.status == 200:
                    return await _whole_body(response), ""
                reason = f"HTTP {response.status}"
                delay_s = _asked_delay_s(response)
                if delay_s is not None:
                    polite_tries += 1
                    await asyncio.sleep(delay_s)
                    continue
                if response.status < 500:
                    break
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
        tries += 1
        await asyncio.sleep(RETRY_DELAY_S * 2**tries)
    return None, reason


def _asked_delay_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds after which the target asks us to come again, None when it does not ask."""
    if response.status not in (429, 503):
        return None
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), POLITE_DELAY_S_MAX) if asked.isdecimal() else None


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"more than {BODY_BYTES_MAX:,} bytes")
    return b"".join(parts)
