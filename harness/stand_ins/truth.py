"""A server with known delays that logs the truth itself: what a generator is measured against.

One thread over epoll, no framework: it must never be what is measured. It waits with select on the
epoll file, whose timeout is exact to microseconds (epoll's own is in whole milliseconds). Paths are
`/<kind>/<number>`, kinds stand in `harness.calibration.delays`; the log in `truth_log`. It serves
loopback only and keeps nothing but its log.

    python -m harness.stand_ins.truth --log truth.log --seed 1 [--stall-s 2 --stall-every-s 20]
"""

from __future__ import annotations

import argparse
import errno
import gc
import heapq
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns
from typing import Final

import orjson

from harness.calibration.delays import (
    BURST_PERIOD_S,
    BURST_S,
    DRAWS,
    DRIP_PAUSE_MS,
    DRIP_PIECES,
    Kind,
    delays_of,
    resets_of,
)
from harness.calibration.truth_log import NO_NUMBER, STALL_REQUEST, TRUTH, Ending

BODY: Final = b"hello world\n"
BACKLOG: Final = 65_535  # the kernel cuts it to its own limit (net.core.somaxconn)
REQUEST_BYTES_MAX: Final = 64 * 1024
FLUSH_BYTES: Final = 256 * 1024
FLUSH_INTERVAL_NS: Final = 250_000_000
ACCEPTS_MAX: Final = 256  # in one turn, so that a rush of connections does not hold answers up
_NEVER_NS: Final = 2**62
_DIGITS_MAX: Final = 18  # of a number that fits 64 bits
_HEAD_END: Final = b"\r\n\r\n"
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # close sends RST, not FIN


def _answer(status: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


OK: Final = _answer("200 OK", BODY)
SHED: Final = _answer("503 Service Unavailable", b"", "Retry-After: 1\r\n")
UNAVAILABLE: Final = _answer("503 Service Unavailable", b"")
NOT_FOUND: Final = _answer("404 Not Found", b"")
_CUT: Final = len(OK) - len(BODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the server does beyond its paths. `stall_s` 0: it never stands still.

    The first stall begins half of `stall_every_s` after the first request.
    """

    seed: int = 1
    stall_s: float = 0.0
    stall_every_s: float = 20.0


class _Connection:
    """One client and the request of it that is being answered."""

    __slots__ = (
        "buffer", "first_byte_ns", "intended_ns", "is_busy", "kind", "pieces", "place",
        "received_ns", "request", "serial", "socket", "status",
    )  # fmt: skip

    def __init__(self, client: socket.socket, serial: int) -> None:
        self.socket = client
        self.serial = serial
        self.place = -1
        self.buffer = b""
        self.is_busy = False
        self.request = NO_NUMBER
        self.kind = 0
        self.status = 0
        self.received_ns = 0
        self.intended_ns = 0
        self.first_byte_ns = 0
        self.pieces: list[tuple[int, bytes]] = []  # ns from the request, bytes; last one first


class TruthServer:
    """Listens from the start; `run` serves until `stop`. The log is whole when `run` returned."""

    def __init__(self, log: Path, behaviour: Behaviour, *, port: int = 0) -> None:
        self._behaviour = behaviour
        self._epoll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self.port: int = self._listener.getsockname()[1]
        self._connections: dict[int, _Connection] = {}
        self._serial = 0
        self._due: list[tuple[int, int, int, _Connection]] = []
        self._scheduled = 0
        self._buffer = bytearray()
        self._started_ns = monotonic_ns()
        self._stall_ns = _NEVER_NS
        self._is_stopping = False
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        header = {"seed": behaviour.seed, "started_ns": self._started_ns}
        self._buffer += orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE)
        kinds = [kind for kind in Kind if kind is not Kind.UNKNOWN]
        self._kinds: dict[bytes, Kind] = {kind.path.encode(): kind for kind in kinds}
        self._delays: dict[Kind, list[int]] = {
            kind: delays_of(kind, behaviour.seed).tolist() for kind in kinds
        }
        self._resets: dict[Kind, list[bool]] = {
            kind: resets_of(kind, behaviour.seed).tolist() for kind in kinds
        }

    def stop(self) -> None:
        """End `run` within a flush interval."""
        self._is_stopping = True

    def run(self) -> None:
        """Serve until `stop`."""
        flush_ns = 0
        try:
            while not self._is_stopping:
                now_ns = monotonic_ns()
                if now_ns >= flush_ns or len(self._buffer) >= FLUSH_BYTES:
                    self._flush()
                    flush_ns = now_ns + FLUSH_INTERVAL_NS
                if now_ns >= self._stall_ns:
                    self._stand_still()
                self._turn(flush_ns)
        finally:
            self._flush()
            os.close(self._log)
            for client in list(self._connections.values()):
                client.socket.close()
            self._listener.close()
            self._epoll.close()

    def _turn(self, flush_ns: int) -> None:
        due = self._due
        while due and due[0][0] <= monotonic_ns():
            _, _, place, connection = heapq.heappop(due)
            if connection.is_busy and connection.place == place:
                self._hand_piece(connection)
        events = self._epoll.poll(0)
        if not events:
            until_ns = min(flush_ns, self._stall_ns, due[0][0] if due else _NEVER_NS)
            wait_s = (until_ns - monotonic_ns()) / 1e9
            if wait_s <= 0:
                return
            select.select((self._epoll,), (), (), wait_s)
            events = self._epoll.poll(0)
        connections = self._connections
        for descriptor, _ in events:
            client = connections.get(descriptor)
            if client is not None:
                self._read(client)
            elif descriptor == self._listener.fileno():
                self._accept()

    def _stand_still(self) -> None:
        began_ns = monotonic_ns()
        time.sleep(self._behaviour.stall_s)
        ended_ns = monotonic_ns()
        intended_ns = int(self._behaviour.stall_s * 1e9)
        self._buffer += TRUTH.pack(
            STALL_REQUEST, began_ns, intended_ns, 0, ended_ns, ended_ns, 0, 0, 0, 0, Ending.WHOLE
        )
        self._stall_ns += int(self._behaviour.stall_every_s * 1e9)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    return  # it waits in the kernel's queue until another connection closes
                raise
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serial += 1
            self._connections[client.fileno()] = _Connection(client, self._serial)
            self._epoll.register(client.fileno(), select.EPOLLIN)

    # Requests.

    def _read(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(REQUEST_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._client_left(connection)
            return
        is_alone = not connection.is_busy and not connection.buffer
        if is_alone and received.find(_HEAD_END) == len(received) - 4 and received[:4] == b"GET ":
            self._begin(connection, received)
            return
        connection.buffer += received
        self._take_buffered(connection)

    def _take_buffered(self, connection: _Connection) -> None:
        """Begin the next whole request of the buffer; what exceeds its bound is no client."""
        if len(connection.buffer) > REQUEST_BYTES_MAX:
            self._client_left(connection)
            return
        head, found, rest = connection.buffer.partition(_HEAD_END)
        if connection.is_busy or not found:
            return
        length = _body_length(head)
        if length > REQUEST_BYTES_MAX:
            self._client_left(connection)
        elif len(rest) >= length:
            connection.buffer = rest[length:]
            self._begin(connection, head)

    def _begin(self, connection: _Connection, head: bytes) -> None:
        received_ns = monotonic_ns()
        path = head[head.find(b" ") + 2 : head.find(b" HTTP/")]
        name, _, number = path.partition(b"/")
        kind = self._kinds.get(name, Kind.UNKNOWN)
        is_number = number.isdigit() and len(number) <= _DIGITS_MAX
        request = int(number) if is_number else NO_NUMBER
        connection.is_busy = True
        connection.place += 1
        connection.request = request
        connection.kind = kind
        connection.received_ns = received_ns
        connection.first_byte_ns = 0
        connection.status = 200
        draw = request % DRAWS
        if kind is Kind.PLAIN:
            connection.intended_ns = 0
            self._hand_last(connection, OK)
        elif kind in _DELAYED:
            delay_ns = connection.intended_ns = self._delays[kind][draw]
            connection.pieces = [(delay_ns, OK)]
            self._schedule(connection)
        else:
            connection.intended_ns = 0
            self._begin_special(connection, kind, draw)

    def _begin_special(self, connection: _Connection, kind: Kind, draw: int) -> None:
        if kind is Kind.DRIP:
            connection.intended_ns = self._delays[kind][draw]
            connection.pieces = list(_DRIP)
            self._hand_piece(connection)
        elif self._resets.get(kind) and self._resets[kind][draw]:
            if kind is Kind.RESET_AFTER:
                connection.first_byte_ns = monotonic_ns()
                self._send(connection, OK[: _CUT + 4])
            self._reset(connection)
        elif kind in (Kind.SHED, Kind.UNAVAILABLE) and self._is_burst(connection.received_ns):
            connection.status = 503
            self._hand_last(connection, SHED if kind is Kind.SHED else UNAVAILABLE)
        elif kind is Kind.UNKNOWN:
            connection.status = 404
            self._hand_last(connection, NOT_FOUND)
        else:
            self._hand_last(connection, OK)

    def _is_burst(self, at_ns: int) -> bool:
        return (at_ns - self._started_ns) % int(BURST_PERIOD_S * 1e9) < int(BURST_S * 1e9)

    # Answers.

    def _schedule(self, connection: _Connection) -> None:
        due_ns = connection.received_ns + connection.pieces[-1][0]
        self._scheduled += 1
        heapq.heappush(self._due, (due_ns, self._scheduled, connection.place, connection))

    def _hand_piece(self, connection: _Connection) -> None:
        _, piece = connection.pieces.pop()
        if not connection.pieces:
            self._hand_last(connection, piece)
            return
        connection.first_byte_ns = connection.first_byte_ns or monotonic_ns()
        if self._send(connection, piece):
            self._schedule(connection)

    def _hand_last(self, connection: _Connection, piece: bytes) -> None:
        last_ns = monotonic_ns()
        if not self._send(connection, piece):
            return
        self._record(connection, last_ns, Ending.WHOLE)
        if self._stall_ns == _NEVER_NS and self._behaviour.stall_s > 0:
            self._stall_ns = last_ns + int(self._behaviour.stall_every_s * 1e9) // 2
        if connection.buffer:
            self._take_buffered(connection)

    def _send(self, connection: _Connection, piece: bytes) -> bool:
        """Hand *piece* to the kernel; a client that does not take it whole is let go."""
        try:
            if connection.socket.send(piece) == len(piece):
                return True
        except OSError:
            pass
        self._client_left(connection)
        return False

    def _reset(self, connection: _Connection) -> None:
        ending = Ending.RESET_AFTER if connection.first_byte_ns else Ending.RESET_BEFORE
        connection.status = 0
        last_ns = monotonic_ns()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._forget(connection)
        self._record(connection, last_ns, ending)

    def _client_left(self, connection: _Connection) -> None:
        if connection.socket.fileno() < 0:
            return
        self._forget(connection)
        if connection.is_busy:
            connection.status = 0
            self._record(connection, monotonic_ns(), Ending.CLIENT_LEFT)

    def _forget(self, connection: _Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        connection.socket.close()  # which takes it out of epoll, too

    # The log.

    def _record(self, connection: _Connection, last_ns: int, ending: Ending) -> None:
        connection.is_busy = False
        first_ns = connection.first_byte_ns
        if not first_ns and ending is Ending.WHOLE:
            first_ns = last_ns
        self._buffer += TRUTH.pack(
            connection.request,
            connection.received_ns,
            connection.intended_ns,
            first_ns,
            last_ns,
            monotonic_ns(),
            connection.serial,
            connection.place,
            connection.status,
            connection.kind,
            ending,
        )

    def _flush(self) -> None:
        while self._buffer:
            del self._buffer[: os.write(self._log, self._buffer)]


_DELAYED: Final = frozenset((Kind.CONSTANT, Kind.EXPONENTIAL, Kind.LOGNORMAL, Kind.BIMODAL))
_PAUSE_NS: Final = int(DRIP_PAUSE_MS * 1e6)
_PIECE_BYTES: Final = len(BODY) // DRIP_PIECES
# Last piece first: they are taken from the end.
_DRIP: Final = [
    (place * _PAUSE_NS, OK[_CUT + (place - 1) * _PIECE_BYTES : _CUT + place * _PIECE_BYTES])
    for place in range(DRIP_PIECES, 0, -1)
]
_DRIP.append((0, OK[:_CUT]))


def _body_length(head: bytes) -> int:
    """Return Content-Length of a request, 0 when it has none; nonsense is more than we take."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value) if value.strip().isdigit() else REQUEST_BYTES_MAX + 1
    return 0


def _get_ready(core: int) -> None:
    """Take a core of our own, all descriptors that we may have, and no pauses to collect."""
    if core >= 0:
        os.sched_setaffinity(0, {core})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.disable()  # nothing here makes reference cycles


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line printed is {"url": ...}."""
    parser = argparse.ArgumentParser(prog="python -m harness.stand_ins.truth", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="where the truth is written; new")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stall-s", type=float, default=0.0, help="0: it never stands still")
    parser.add_argument("--stall-every-s", type=float, default=20.0)
    parser.add_argument("--core", type=int, default=-1, help="run on this core alone; -1: any")
    options = parser.parse_args(arguments)
    behaviour = Behaviour(
        seed=options.seed, stall_s=options.stall_s, stall_every_s=options.stall_every_s
    )
    try:
        server = TruthServer(options.log, behaviour, port=options.port)
        _get_ready(options.core)
    except OSError as error:
        print(f"truth: {error.filename or options.port}: {error.strerror}", file=sys.stderr)
        return 3
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    print(orjson.dumps({"url": f"http://127.0.0.1:{server.port}"}).decode(), flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
