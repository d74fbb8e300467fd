"""What other systems answer (identity provider, bank), read with a limit: they are not trusted."""

from __future__ import annotations

from typing import Any, Final

import aiohttp
import orjson

ANSWER_SIZE_MAX: Final = 256 * 1024  # bytes; a key set of a hundred keys has 20 KB
BLOCK: Final = 16 * 1024


async def json_of(response: aiohttp.ClientResponse) -> Any:
    """Read the JSON of *response*. Raises `ValueError` when it has none, or too much of it."""
    content = bytearray()
    async for block in response.content.iter_chunked(BLOCK):
        content += block
        if len(content) > ANSWER_SIZE_MAX:
            response.close()
            raise ValueError(f"an answer of more than {ANSWER_SIZE_MAX} bytes")
    return orjson.loads(content)
