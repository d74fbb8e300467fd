"""A target that tells the truth about itself: when requests came, on how many sockets, how slowly
it answered on purpose.

    python tests/fakes/trap_server.py '{"delay_ms": 0, "freeze": [2.0, 1.5]}'

prints {"url": ...} and serves until stdin closes. `freeze` [at_s, length_s] stops the whole process
that long, counted from the first request. GET /control/truth tells when each request came
(`arrivals_ns`), what they took from arrival to answer (`took_ms_p95`), and sockets accepted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

BODY = b"hello world\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\n" + BODY
BACKLOG = 4096


class Truth:
    """What all connections share."""

    def __init__(self, *, delay_ms: float = 0.0, freeze: tuple[float, float] | None = None) -> None:
        self.delay_s = delay_ms / 1000
        self.freeze = freeze
        self.arrivals_ns: list[int] = []
        self.took_ns: list[int] = []
        self.connections = 0

    def arrived(self) -> int:
        now_ns = time.monotonic_ns()
        if not self.arrivals_ns and self.freeze:
            at_s, length_s = self.freeze
            asyncio.get_running_loop().call_later(at_s, time.sleep, length_s)
        self.arrivals_ns.append(now_ns)
        return now_ns

    def told(self) -> bytes:
        body = json.dumps({
            "arrivals_ns": self.arrivals_ns, "requests": len(self.arrivals_ns),
            "connections": self.connections,
            "took_ms_p95": sorted(self.took_ns or [0])[len(self.took_ns) * 95 // 100] / 1e6,
        }).encode()  # fmt: skip
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Connection(asyncio.Protocol):
    """One client; it asks again only when it was answered."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.received = b""
        self.is_counted = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            if head.startswith(b"GET /control/truth "):
                self.transport.write(self.truth.told())
                continue
            if not self.is_counted:
                self.is_counted = True
                self.truth.connections += 1
            arrived_ns = self.truth.arrived()
            if self.truth.delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(self.truth.delay_s, self.answer, arrived_ns)
            else:
                self.answer(arrived_ns)

    def answer(self, arrived_ns: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER)
        self.truth.took_ns.append(time.monotonic_ns() - arrived_ns)


async def serve(behaviour: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    truth = Truth(**behaviour)
    server = await loop.create_server(lambda: Connection(truth), "127.0.0.1", 0, backlog=BACKLOG)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: None if sys.stdin.read(1) else ended.set())
    await ended.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
