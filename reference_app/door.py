"""The door: what a full worker refuses, it refuses before HTTP is read, at a tenth of the cost.

A refusal that costs a quarter of an answer takes half of the goodput at three times the load that
the worker can carry. So this protocol stands before aiohttp's own on every connection. While the
worker takes on no more (`admission.py`), a request for a unit's books that lies whole before it is
answered 503 with finished bytes. Everything else aiohttp reads as ever, and the gate (`app.py`)
stays the law: it counts, and knows units and their shares.

Where a request ends must be beyond doubt, or an answer would go to the wrong question. A request is
plain when its head has the strict form of RFC 9112 and nothing that changes its framing or the
connection. After the first chunk that is not plain, its connection is aiohttp's alone. Nothing is
refused while an earlier request of the same connection waits for its answer.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from reference_app.problems import Problem

if TYPE_CHECKING:
    from reference_app.app import Ledger

_HEAD: Final = re.compile(
    rb"(?:GET|POST) (/units/)?[!-~]+ HTTP/1\.1\r\n(?:[!-9;-~]+:[\t -~\x80-\xff]*\r\n)+\r\n"
)
_SPECIAL: Final = re.compile(
    rb"\r\n(?:transfer-encoding|expect|upgrade|connection|content-length):[ \t]*"
    rb"(?:keep-alive(?=\r)|([0-9]{1,9})(?=\r))?",
    re.IGNORECASE,
)
_NOT_PLAIN: Final = -1


def plain_bytes(data: bytes) -> tuple[int, bool]:
    """Return how many bytes the plain request has that *data* begins with, and if it is a unit's.

    0 bytes: *data* does not begin with the whole head of a plain request.
    """
    head = _HEAD.match(data)
    if head is None:
        return 0, False
    body_bytes = -1
    for special in _SPECIAL.finditer(data, 0, head.end()):
        text, length = special[0].lower(), special[1]
        if length is not None and text.startswith(b"\r\ncontent-length") and body_bytes < 0:
            body_bytes = int(length)
        elif not text.startswith(b"\r\nconnection") or not text.endswith(b"keep-alive"):
            return 0, False
    return head.end() + max(0, body_bytes), head[1] is not None


class Doorway:
    """What the doors of all connections share: when they are closed, and the answer then."""

    def __init__(self, ledger: Ledger) -> None:
        self.in_progress = 0  # units' requests that were let in and have no answer yet
        self._ledger = ledger
        problem = Problem("shed", "too many requests are in progress")
        body = problem.body()
        self._refusal = (
            f"HTTP/1.1 {problem.kind.status} Service Unavailable\r\n"
            f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
            f"Retry-After: {problem.kind.retry_after_s}\r\n"
            f"Server-Worker: {ledger.settings.worker_name}\r\n\r\n"
        ).encode("ascii") + body

    def has_refused(self, transport: asyncio.Transport | None) -> bool:
        """Refuse a request that came on *transport* if no more are taken on, or do nothing.

        A worker that stops says more than this, and who reads no answers gets none of these.
        """
        ledger = self._ledger
        if not ledger.admission.is_full(self.in_progress) or ledger.is_draining:
            return False
        if transport is None or transport.get_write_buffer_size():
            return False
        transport.write(self._refusal)
        ledger.metrics.counts["shed_total"] += 1
        ledger.metrics.counts["shed_at_the_door_total"] += 1
        return True


class Door(web.RequestHandler):
    """One connection of one worker."""

    __slots__ = ("_body_left", "_doorway", "_is_counted", "_unanswered")

    def __init__(self, doorway: Doorway, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._doorway = doorway
        self._body_left = 0  # bytes of a body under way, or _NOT_PLAIN for good
        self._unanswered = 0
        self._is_counted = False

    def data_received(self, data: bytes) -> None:
        """Refuse a whole plain request if that is due, or let aiohttp read *data*."""
        if self._body_left > 0:
            self._body_left = max(_NOT_PLAIN, self._body_left - len(data))
        elif self._body_left == 0 and data:
            size, is_of_unit = plain_bytes(data)
            if is_of_unit and not self._unanswered:
                if size == len(data) and self._doorway.has_refused(self.transport):
                    return
                self._is_counted = True
                self._doorway.in_progress += 1
            self._unanswered += 1
            self._body_left = max(_NOT_PLAIN, size - len(data)) if size else _NOT_PLAIN
        super().data_received(data)

    async def finish_response(self, *answer: Any) -> tuple[web.StreamResponse, bool]:
        """Write an answer to its end, as aiohttp does, and count it."""
        try:
            return await super().finish_response(*answer)
        finally:
            self._unanswered -= 1
            if self._unanswered <= 0:
                self._leave()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what nobody waits for any more."""
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._doorway.in_progress -= 1


async def open_doors(
    ledger: Ledger, server: web.Server, host: str, port: int, **listening: Any
) -> asyncio.Server:
    """Listen, with a door before each connection of *server*; *listening* as `create_server`."""
    loop, doorway = asyncio.get_running_loop(), Doorway(ledger)

    def door() -> Door:
        return Door(doorway, server, loop=loop, access_log=None)

    return await loop.create_server(door, host, port, **listening)
