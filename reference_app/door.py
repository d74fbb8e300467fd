"""The door: what a full worker refuses, it refuses before HTTP is read, which costs much less.

What refusing costs is taken from the answers of others, the more so the higher the load. So this
protocol stands before aiohttp's own on every connection. While the worker takes on no more, or no
more of a unit (`admission.py`), a request for a unit's books that lies whole before it is answered
503 or 429 with finished bytes. Everything else aiohttp reads as ever, and the gate (`app.py`)
stays the law.

Where a request ends must be beyond doubt, or an answer would go to the wrong question. A request is
plain when its head has the strict form of RFC 9112 and nothing that changes its framing or the
connection. After the first chunk that is not plain, or an answer that ends the connection, the
connection is aiohttp's alone. Nothing is refused while an earlier request waits for its answer.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from reference_app.problems import Problem
from reference_app.street import Street, StreetLoop

if TYPE_CHECKING:
    from reference_app.app import Ledger

_HEAD: Final = re.compile(
    rb"(?:GET|POST) (?:/units/0*([^/? ]+))?[!-~]+ HTTP/1\.1\r\n"
    rb"(?:[!-9;-~]+:[\t -~\x80-\xff]*\r\n)+\r\n"
)
_SPECIAL: Final = re.compile(
    rb"\r\n(?:transfer-encoding|expect|upgrade|(?:proxy-)?connection|content-length):[ \t]*"
    rb"(?:keep-alive(?=\r)|([0-9]{1,9})(?=\r))?",
    re.IGNORECASE,
)
_CONNECTION: Final = (b"\r\nconnection", b"\r\nproxy-connection")
_NOT_PLAIN: Final = -1


def plain_bytes(data: bytes) -> tuple[int, bytes | None]:
    """Return how many bytes the plain request has that *data* begins with, and the unit it is for.

    0 bytes: *data* does not begin with the whole head of a plain request.
    """
    head = _HEAD.match(data)
    if head is None:
        return 0, None
    body_bytes = -1
    for special in _SPECIAL.finditer(data, 0, head.end()):
        text, length = special[0].lower(), special[1]
        if length is not None and text.startswith(b"\r\ncontent-length") and body_bytes < 0:
            body_bytes = int(length)
        elif not text.startswith(_CONNECTION) or not text.endswith(b"keep-alive"):
            return 0, None
    return head.end() + max(0, body_bytes), head[1]


class Doorway:
    """What the doors of all connections share: who was let in, and the answers to the others."""

    def __init__(self, ledger: Ledger) -> None:
        self.in_progress = 0  # units' requests that were let in and are not answered by the gate
        self.units: defaultdict[bytes, int] = defaultdict(int)  # the same by unit
        self._ledger = ledger
        self._refusals = {
            code: _refusal(code, detail, ledger.settings.worker_name)
            for code, detail in (
                ("shed", "too many requests are in progress"),
                ("shed-unit", "too many requests of this unit are in progress"),
            )
        }

    def room(self) -> float:
        """Return the share of this worker's places that is free; all of it while it stops."""
        ledger = self._ledger
        if ledger.is_draining:
            return 1.0
        limit, _ = ledger.admission.limits()
        return 1.0 - max(self.in_progress, ledger.admission.in_flight) / max(1, limit)

    def has_refused(self, unit: bytes, transport: asyncio.Transport | None) -> bool:
        """Refuse a request of *unit* that came on *transport* if that is due, or do nothing.

        A worker that stops says more than this, and who reads no answers gets none of these.
        """
        ledger = self._ledger
        in_progress = max(self.in_progress, ledger.admission.in_flight)
        code = ledger.admission.refusal(in_progress, self.units.get(unit, 0))
        if code is None or ledger.is_draining:
            return False
        if transport is None or transport.get_write_buffer_size():
            return False
        transport.write(self._refusals[code])
        ledger.metrics.counts["shed_total"] += 1
        ledger.metrics.counts["shed_at_the_door_total"] += 1
        return True

    def enter(self, unit: bytes) -> None:
        """Count a request of *unit* that is let in."""
        self.in_progress += 1
        self.units[unit] += 1

    def leave(self, unit: bytes) -> None:
        """Count it no more."""
        self.in_progress -= 1
        self.units[unit] -= 1
        if not self.units[unit]:
            del self.units[unit]


def _refusal(code: str, detail: str, worker_name: str) -> bytes:
    problem = Problem(code, detail)
    body, status = problem.body(), HTTPStatus(problem.kind.status)
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
        f"Retry-After: {problem.kind.retry_after_s}\r\nServer-Worker: {worker_name}\r\n\r\n"
    ).encode() + body


class Door(web.RequestHandler):
    """One connection of one worker."""

    __slots__ = ("_body_left", "_doorway", "_fd", "_street", "_unanswered", "_unit")

    def __init__(
        self, doorway: Doorway, street: Street, server: web.Server, **options: Any
    ) -> None:
        super().__init__(server, **options)
        self._doorway = doorway
        self._street = street
        self._fd = -1
        self._body_left = 0  # bytes of a body under way, or _NOT_PLAIN for good
        self._unanswered = 0
        self._unit: bytes | None = None  # for which a request was let in that the gate has

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stand in the street."""
        self._fd = transport.get_extra_info("socket").fileno()
        self._street.add_client(self._fd)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Refuse a whole plain request if that is due, or let aiohttp read *data*."""
        if self._body_left > 0:
            self._body_left = max(_NOT_PLAIN, self._body_left - len(data))
            self._street.set_inside(self._fd, is_inside=self._body_left > 0)
        elif self._body_left == 0 and data:
            size, unit = plain_bytes(data)
            if unit is not None and not self._unanswered:
                if size == len(data) and self._doorway.has_refused(unit, self.transport):
                    return
                self._unit = unit
                self._doorway.enter(unit)
            self._unanswered += 1
            self._body_left = max(_NOT_PLAIN, size - len(data)) if size else _NOT_PLAIN
            if self._body_left > 0:
                self._street.set_inside(self._fd, is_inside=True)
        super().data_received(data)

    async def finish_response(self, *answer: Any) -> tuple[web.StreamResponse, bool]:
        """Write an answer to its end, as aiohttp does.

        The gate is done with the request: who reads slowly, or asks on, holds no place by that.
        """
        self._leave()
        response, is_broken = await super().finish_response(*answer)
        self._unanswered -= 1
        if is_broken or not response.keep_alive:
            self._body_left = _NOT_PLAIN
        return response, is_broken

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what nobody waits for any more."""
        self._leave()
        self._street.remove_client(self._fd)
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._unit is not None:
            self._doorway.leave(self._unit)
            self._unit = None


async def open_doors(
    ledger: Ledger, runner: web.AppRunner, host: str, port: int, **listening: Any
) -> asyncio.Server:
    """Listen, with a door before each connection of *runner*; *listening* as `create_server`.

    The running loop is a `StreetLoop`.
    """
    server, loop = runner.server, asyncio.get_running_loop()
    assert server is not None, "set the runner up first"
    assert isinstance(loop, StreetLoop), "the door needs a street"
    street, doorway = loop.street, Doorway(ledger)
    street.room = doorway.room

    def door() -> Door:
        return Door(doorway, street, server, loop=loop, access_log=None)

    return await loop.create_server(door, host, port, **listening)
