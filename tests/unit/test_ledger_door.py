"""The door reads a request as aiohttp does, or not at all."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference_app.admission import Admission
from reference_app.door import Doorway, plain_bytes
from reference_app.metrics import Metrics

READ = b"GET /units/1100002/overview HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b\r\n\r\n"
WRITE = b"POST /units/1100002/receipts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
NAMES = (
    b"Host", b"Content-Length", b"content-LENGTH", b"Transfer-Encoding", b"Connection", b"Expect",
    b"Upgrade", b"X", b"Cookie", b"Proxy-Connection", b"Content-Length ", b"X-Content-Length", b"",
)  # fmt: skip
VALUES = (
    b"x", b"0", b"2", b"02", b"+2", b"-2", b"2, 2", b"2 ", b"0x2", b"\xc2\xb2", b"9999999999",
    b"chunked", b"keep-alive", b"Keep-Alive", b"close", b"keep-alive, close", b"upgrade",
    b"100-continue", b"websocket", b"h2c", b"", b"\tkeep-alive", b"a\nContent-Length: 2", b"a\r b",
    b"a\x00b", "ก".encode(), b"Content-Length: 2",
)  # fmt: skip
ENDS = (b"\n", b"\r\n ", b"\r\r\n")


def mostly(usual: bytes, *others: bytes) -> st.SearchStrategy[bytes]:
    return st.sampled_from((usual,) * 3 * len(others) + others)


END = mostly(b"\r\n", *ENDS)
LINES = st.tuples(
    st.sampled_from(NAMES), mostly(b": ", b":", b" : ", b""), st.sampled_from(VALUES), END
).map(b"".join)
PATHS = (b"/me", b"/units/", b"*", b"http://x/units/1", b"/u\xff", b"/units/1/overview?q=\x7f")
REQUESTS = st.tuples(
    mostly(b"GET", b"POST", b"HEAD", b"get", b"CONNECT", b"PATCH"),
    mostly(b" ", b"  "),
    mostly(b"/units/1/overview", *PATHS),
    mostly(b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.1 ", b"", b" HTTP/2.0"),
    END,
    mostly(b"Host: x\r\n", b"Content-Length: 2\r\n", b""),
    st.lists(LINES, max_size=3).map(b"".join),
    mostly(b"\r\n", b"\n", b""),
    st.sampled_from((b"", b"{}", b"{}{}", b"2\r\n{}\r\n0\r\n\r\n", READ)),
).map(b"".join)


class Reading:
    """What aiohttp takes *data* for; `HttpProcessingError` when it answers 400 and closes."""

    def __init__(self, data: bytes) -> None:
        loop = asyncio.new_event_loop()
        try:
            parser = HttpRequestParser(MagicMock(_reading_paused=False), loop, 2**16)
            self.messages, self.is_upgraded, _ = parser.feed_data(data)
            # A next message shows that nothing of this one is missing.
            self.is_whole = False
            with suppress(HttpProcessingError):
                more, *_ = parser.feed_data(READ)
                self.is_whole = len(more) == 1 and more[0][0].path == "/units/1100002/overview"
        finally:
            loop.close()


@settings(max_examples=500)
@given(REQUESTS)
@example(READ)
@example(WRITE)
@example(READ.replace(b"Host: x", b"Connection: keep-alive"))
def test_what_is_plain_is_the_same_one_request_to_aiohttp(data: bytes) -> None:
    size, unit = plain_bytes(data)

    if not 0 < size <= len(data):
        return
    try:
        reading = Reading(data[:size])
    except HttpProcessingError:
        return  # aiohttp answers 400 and closes: nothing comes after it
    ((message, _body),) = reading.messages
    assert not message.should_close
    assert reading.is_whole
    assert not reading.is_upgraded
    assert not message.chunked
    assert message.method in ("GET", "POST")
    named = re.match("/units/0*([^/? ]+)", message.path)
    assert (named and named[1].encode()) == unit


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (READ, (len(READ), b"1100002")),
        (WRITE, (len(WRITE), b"1100002")),
        (WRITE[:-1], (len(WRITE), b"1100002")),
        (WRITE + READ, (len(WRITE), b"1100002")),
        (READ.replace(b"/units/1100002/overview", b"/auth/login"), (len(READ) - 12, None)),
        (READ[:-1], (0, None)),
        (b"", (0, None)),
        (READ.replace(b"GET", b"HEAD"), (0, None)),
        (READ.replace(b"1.1", b"1.0"), (0, None)),
        (READ.replace(b"Host: x", b"Connection: close"), (0, None)),
        (READ.replace(b"Host: x", b"Proxy-Connection: close"), (0, None)),
        (READ.replace(b"/1100002/", b"//"), (len(READ) - 7, None)),
        (READ.replace(b"/1100002", b"/001100002"), (len(READ) + 2, b"1100002")),
        (READ.replace(b"Host: x", b"Expect: 100-continue"), (0, None)),
        (READ.replace(b"Host: x", b"TRANSFER-encoding: chunked"), (0, None)),
        (WRITE.replace(b"Host: x", b"Content-Length: 2"), (0, None)),
        (WRITE.replace(b": 2", b": 2 "), (0, None)),
    ],
)
def test_a_plain_request_is_told_from_others(data: bytes, found: tuple[int, bytes | None]) -> None:
    assert plain_bytes(data) == found


class Wire(asyncio.Transport):
    """Keeps what is written; *unread* bytes wait for the client."""

    def __init__(self, unread: int = 0) -> None:
        super().__init__()
        self.unread = unread
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unread


def doorway(
    *, in_flight_max: int, per_unit_max: int = 9, is_draining: bool = False, name: str = "worker-7"
) -> Doorway:
    ledger: Any = SimpleNamespace(
        admission=Admission(in_flight_max=in_flight_max, per_unit_max=per_unit_max),
        metrics=Metrics(name),
        settings=SimpleNamespace(worker_name=name),
        is_draining=is_draining,
    )
    return Doorway(ledger)


@pytest.mark.parametrize(
    ("entrance", "status", "title"),
    [
        (doorway(in_flight_max=0), b"503 Service Unavailable", b"Too busy; nothing was executed"),
        (doorway(in_flight_max=1, per_unit_max=0), b"429 Too Many Requests", b"This unit sends"),
    ],
)
def test_a_refusal_says_that_nothing_was_done(
    entrance: Doorway, status: bytes, title: bytes
) -> None:
    wire = Wire()

    assert entrance.has_refused(b"7", wire)
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"\r\nRetry-After: 1\r\n" in head
    assert b"\r\nServer-Worker: worker-7" in head
    assert b'"code":"shed"' in body
    assert title in body
    assert f"Content-Length: {len(body)}\r\n".encode() in head


@pytest.mark.parametrize(
    ("entrance", "wire"),
    [
        (doorway(in_flight_max=1), Wire()),
        (doorway(in_flight_max=0, is_draining=True), Wire()),  # aiohttp says: Connection: close
        (doorway(in_flight_max=0), Wire(unread=1)),  # who does not read would fill our memory
        (doorway(in_flight_max=0), None),  # the connection has just ended
    ],
)
def test_the_door_leaves_the_rest_to_the_gate(entrance: Doorway, wire: Wire | None) -> None:
    assert not entrance.has_refused(b"7", wire)
    assert wire is None or wire.written == b""


def test_who_was_let_in_counts_before_it_is_at_work_in_all_and_of_its_unit() -> None:
    entrance = doorway(in_flight_max=3, per_unit_max=2)
    answers = []
    for unit in (b"7", b"7", b"7", b"8", b"9"):
        wire = Wire()
        if not entrance.has_refused(unit, wire):
            entrance.enter(unit)
        answers.append(wire.written[9:12])
    for unit in (b"7", b"7", b"8"):
        entrance.leave(unit)

    assert answers == [b"", b"", b"429", b"", b"503"]
    assert (entrance.in_progress, dict(entrance.units)) == (0, {})


def test_a_worker_may_have_any_name() -> None:
    wire = Wire()

    assert doorway(in_flight_max=0, name="ผู้ช่วย").has_refused(b"7", wire)
    assert "Server-Worker: ผู้ช่วย\r\n".encode() in wire.written
