"""How far the nation is with closing a period: counted in the background, answered "as of".

Counting 22,000 books for every provincial office that looks would be work for the posting that
nobody sees. So a worker counts a period at most every COUNT_EVERY_S, however many ask, never while
somebody waits; whoever asks first is told to come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from reference_app.problems import Problem

COUNT_EVERY_S: Final = 10.0
PERIODS_MAX: Final = 24  # two fiscal years; the longest unasked one is forgotten


class NationalClosing:
    """The counts of one worker, by period; *count* makes one as JSON text."""

    def __init__(self, count: Callable[[int], Awaitable[str]]) -> None:
        self._count = count
        self._counted: dict[int, tuple[float, str]] = {}
        self._counting: dict[int, asyncio.Task[None]] = {}

    def of(self, period: int) -> str | None:
        """Return the last count of *period*, None when there is none yet; renew an old one."""
        found = self._counted.pop(period, None)
        if found is not None:
            self._counted[period] = found
        is_old = found is None or found[0] + COUNT_EVERY_S < monotonic()
        if is_old and period not in self._counting and len(self._counting) < PERIODS_MAX:
            self._counting[period] = asyncio.create_task(self._renew(period))
        return found[1] if found is not None else None

    async def _renew(self, period: int) -> None:
        try:
            self._counted[period] = (monotonic(), await self._count(period))
            while len(self._counted) > PERIODS_MAX:
                del self._counted[next(iter(self._counted))]
        except Problem:
            pass  # the database is away: the old count stands, and says of when it is
        finally:
            del self._counting[period]

    async def stop(self) -> None:
        """Stop counting."""
        for task in self._counting.values():
            task.cancel()
        await asyncio.gather(*self._counting.values(), return_exceptions=True)
