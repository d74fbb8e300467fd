"""Connections to a target: a keep-alive pool that grows with concurrency, driven by the hub.

Nothing here blocks. Each connection has one read watcher that lives as long as it does, so a target
that closes an idle connection is noticed at once, and no descriptor is ever given to select (which
breaks above 1023: the trap that makes other clients lose keep-alive with thousands of users).
One `Exchange` is one request with its times. What an answer means is decided elsewhere.

A request on a reused connection may meet a target that has just closed it. If nothing was sent, or
if the request is safe to repeat (a read), it goes out once more on a fresh connection, as the same
exchange; a write that may have arrived ends BROKEN.
"""

from __future__ import annotations

import errno
import socket as patched_socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final

import gevent
from gevent import get_hub
from gevent.monkey import get_original

from scenarios.dialects.interface import Answer
from scenarios.engine.exchange import NO_ANSWER, Address, Exchange, resolve
from scenarios.engine.http1 import AnswerReader, NotHttp, whole_answer
from scenarios.engine.sources import PORTS_PER_ADDRESS, SourceAddresses
from scenarios.engine.tls import Encryption, HandshakeFailed, TlsSessions
from scenarios.outcomes import Ending

RECEIVE_BYTES: Final = 64 * 1024
CONNECT_TIMEOUT_NS: Final = 5_000_000_000
IDLE_KEPT_NS: Final = 20_000_000_000
# Of a long request, this much is encrypted at a time: 0.1 ms of CPU (AES-GCM, about 1 GB/s), so
# that an upload does not make others late.
PIECE_BYTES: Final = 64 * 1024
SWEEP_INTERVAL_S: Final = 0.05
_READ, _WRITE = 1, 2
_BLOCKED: Final = (BlockingIOError, InterruptedError)
# Ours, not the target's: out of descriptors, ports or memory.
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)

_ABORTIVE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
_socket_class: Any = get_original("socket", "socket")


class _Connection:
    """One socket: connecting, encrypting, idle or busy with one exchange."""

    __slots__ = (
        "_encryption", "_outgoing", "_plain", "_pool", "_reader", "_socket", "_watcher", "exchange",
        "idle_since_ns", "is_connected", "is_reused", "person", "started_ns",
    )  # fmt: skip

    def __init__(self, pool: Pool, exchange: Exchange) -> None:
        self._pool = pool
        self.exchange: Exchange | None = exchange
        self._reader: AnswerReader | None = None  # only for an answer that comes in pieces
        self.is_connected = False
        self.is_reused = False
        self.started_ns = exchange.sent_ns
        self.idle_since_ns = 0
        self.person = exchange.person
        self._outgoing: bytes | memoryview = b""  # what the kernel would not take yet
        self._plain: bytes | memoryview = b""  # what is still to be encrypted
        self._encryption: Encryption | None = None
        family, address = pool.resolved
        self._socket = _socket_class(family, patched_socket.SOCK_STREAM)
        self._watcher: Any = None
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(patched_socket.IPPROTO_TCP, patched_socket.TCP_NODELAY, 1)
            if pool.sources is not None:
                pool.sources.bind(self._socket, exchange.person)
            code = self._socket.connect_ex(address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, errno.errorcode.get(code, "cannot connect"))
        except OSError:
            self._socket.close()
            raise
        self._watch(_WRITE, self._on_connected)

    def begin(self, exchange: Exchange) -> None:
        """Send *exchange* on this idle connection."""
        assert self.exchange is None, "a connection carries one exchange at a time"
        exchange.connection = self
        self.exchange = exchange
        self.is_reused = True
        self._send_payload(exchange.payload)

    def close(self) -> None:
        """Give up the socket. Idempotent; ends no exchange."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
            self._socket.close()
            self._pool.forget(self)

    def _watch(self, events: int, callback: Callable[[], None]) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        self._watcher = self._pool.loop.io(self._socket.fileno(), events)
        self._watcher.start(self._pool.guarded, callback)

    def _on_connected(self) -> None:
        code = self._socket.getsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_ERROR)
        if code != 0:
            self._end(Ending.NOTHING_SENT)
            return
        self.is_connected = True
        self._pool.connecting.pop(self, None)
        if self._pool.tls is not None:
            session = self._pool.tls_sessions.get(self.person)
            self._encryption = Encryption(self._pool.tls, self._pool.address.host, session)
            self._watch(_READ, self._on_readable)
            self._continue_handshake(b"")
            return
        self._watch(_READ, self._on_readable)
        self._send_waiting_request()

    def _continue_handshake(self, received: bytes) -> None:
        assert self._encryption is not None
        try:
            is_ready = self._encryption.shake_hands(received)
        except HandshakeFailed:
            self._end(Ending.NOTHING_SENT)
            return
        if outgoing := self._encryption.outgoing():
            self._write(outgoing)
        if is_ready:
            self._send_waiting_request()

    def _send_waiting_request(self) -> None:
        """Send what this connection was opened for, unless it ended in the meantime."""
        if self.exchange is not None:
            self._send_payload(self.exchange.payload)

    def _send_payload(self, payload: bytes) -> None:
        encryption = self._encryption
        if encryption is None:
            self._write(payload)
            return
        if len(payload) > PIECE_BYTES:
            whole = memoryview(payload)
            self._plain, payload = whole[PIECE_BYTES:], payload[:PIECE_BYTES]
        self._write(encryption.encrypt(payload))
        if self._plain and not self._outgoing and self.exchange is not None:
            self._watch(_READ | _WRITE, self._on_ready)

    def _write(self, payload: bytes) -> None:
        if self._outgoing:
            self._outgoing = bytes(self._outgoing) + payload  # the rest of a handshake
            return
        try:
            sent = self._socket.send(payload)
        except _BLOCKED:
            sent = 0
        except OSError:
            # The kernel took not one byte of it.
            self._end(Ending.NOTHING_SENT)
            return
        if sent < len(payload):
            self._outgoing = memoryview(payload)[sent:]
            self._watch(_READ | _WRITE, self._on_ready)

    def _on_ready(self) -> None:
        """The rest of a long request: read what comes, write what fits."""
        if not self._outgoing and self._encryption is not None:
            self._outgoing = self._encryption.encrypt(self._plain[:PIECE_BYTES])
            self._plain = self._plain[PIECE_BYTES:]
        try:
            sent = self._socket.send(self._outgoing)
        except _BLOCKED:
            sent = 0
        except OSError:
            self._end(Ending.BROKEN)
            return
        self._outgoing = self._outgoing[sent:]
        if not self._outgoing and not self._plain:
            self._watch(_READ, self._on_readable)
        elif sent == 0:
            self._on_readable()

    def _on_readable(self) -> None:
        try:
            received = self._socket.recv(RECEIVE_BYTES)
        except _BLOCKED:
            return
        except OSError:
            received = b""
        if not received:
            self._closed_by_target()
        elif self._encryption is not None:
            self._take_encrypted(self._encryption, received)
        else:
            self._take(received)

    def _take_encrypted(self, encryption: Encryption, received: bytes) -> None:
        if not encryption.is_ready:
            self._continue_handshake(received)
            return
        try:
            plain = encryption.decrypt(received)
        except ssl.SSLError:
            self._closed_by_target()
            return
        if plain:
            self._take(plain)

    def _take(self, received: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.close()  # an answer that nobody asked for
            return
        # Before the bytes are looked at: reading them is our time, not the target's.
        now_ns = monotonic_ns()
        reader = self._reader
        if reader is None:
            exchange.first_byte_ns = now_ns
            answer = whole_answer(received) if exchange.has_body else None
            if answer is not None:
                self._answered(exchange, answer, now_ns, is_reusable=True)
                return
            reader = self._reader = AnswerReader(has_body=exchange.has_body)
        try:
            is_done = reader.feed(received)
        except NotHttp:
            self._end(Ending.BROKEN)
            return
        if is_done:
            self._answered(exchange, reader.answer(), now_ns, is_reusable=reader.is_reusable)

    def _answered(
        self, exchange: Exchange, answer: Answer, done_ns: int, *, is_reusable: bool
    ) -> None:
        exchange.done_ns = done_ns
        exchange.answer = answer
        exchange.connection = None
        self.exchange = None
        self._reader = None
        pool = self._pool
        if self._encryption is not None and not self.is_reused:
            pool.tls_sessions.keep(self.person, self._encryption.session)
        # The connection is free before the exchange ends: the next step may need it at once.
        if is_reusable and not self._outgoing and not self._plain:
            self.idle_since_ns = done_ns
            pool.release(self)
        else:
            pool.closed_by_target += 1
            self.close()
        pool.finished(exchange)

    def _closed_by_target(self) -> None:
        exchange, reader = self.exchange, self._reader
        if exchange is None:
            self._pool.closed_by_target += 1
            self.close()
        elif not self.is_connected or (
            self._encryption is not None and not self._encryption.is_ready
        ):
            self._end(Ending.NOTHING_SENT)
        elif reader is not None and reader.finish():
            self._answered(exchange, reader.answer(), monotonic_ns(), is_reusable=False)
        else:
            self._end(Ending.BROKEN)

    def _end(self, ending: Ending) -> None:
        """End the exchange without an answer, or send it once more where that is honest."""
        exchange = self.exchange
        self.exchange = None
        self.close()
        if exchange is None:
            return
        is_stale = self.is_reused and exchange.first_byte_ns == 0 and not exchange.is_second_try
        if is_stale and (exchange.is_safe or ending is Ending.NOTHING_SENT):
            exchange.is_second_try = True
            self._pool.resent_count += 1
            self._pool.connect(exchange)
            return
        self._pool.fail(exchange, ending)

    def reset(self) -> None:
        """Break the connection as a bad line does; the exchange ends as far as it came."""
        has_left = self.is_connected and (self._encryption is None or self._encryption.is_ready)
        if self._watcher is not None:
            self._pool.retired_count += 1
            self._socket.setsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_LINGER, _ABORTIVE)
        self.give_up(Ending.BROKEN if has_left else Ending.NOTHING_SENT)

    def give_up(self, ending: Ending) -> None:
        """End the exchange now, whatever the target may still say."""
        exchange = self.exchange
        self.exchange = None
        self.close()
        if exchange is not None:
            self._pool.fail(exchange, ending)


class Pool:
    """All connections to one address.

    *finished* is called in the hub with each ended exchange; *guarded* wraps every callback, so
    that a defect of ours ends the load instead of vanishing in the hub. *limit*: connections at
    once; what exceeds it waits, and its `sent_ns` is when its turn came. *timeout_s*: how long an
    answer may take where the exchange itself sets no limit.
    """

    def __init__(
        self,
        address: Address,
        *,
        finished: Callable[[Exchange], None],
        guarded: Callable[[Callable[[], None]], None],
        limit: int,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.finished_by_owner = finished
        self.guarded = guarded
        self.limit = limit
        self.timeout_ns = int(timeout_s * 1e9)
        self._shortest_limit_ns = self.timeout_ns
        self.tls = tls
        self.tls_sessions = TlsSessions()
        self.sources: SourceAddresses | None = None
        self.idle_kept_ns = IDLE_KEPT_NS
        self.loop = get_hub().loop
        self.fixed_headers = f"Host: {address.authority}\r\nUser-Agent: monthend\r\nAccept: */*\r\n"
        self.resolved: tuple[int, Any] = (0, None)
        self.connecting: dict[_Connection, None] = {}
        self.in_flight: dict[Exchange, None] = {}
        self.idle: dict[_Connection, None] = {}  # in order of release
        self.open_count = 0
        self.opened_count = 0
        self.closed_by_target = 0  # after an answer or while idle
        self.resent_count = 0
        self.retired_count = 0  # by us, on purpose
        self.exhausted_count = 0
        self.evicted_count = 0
        self._open: set[_Connection] = set()
        self._waiting: deque[Exchange] = deque()

    def resolve(self) -> None:
        """Look the host up; waits in the calling greenlet. Raises `OSError` when it is unknown."""
        self.resolved = resolve(self.address)

    def send(self, exchange: Exchange) -> None:
        """Send *exchange* on an idle or a new connection, or when its turn comes."""
        exchange.sent_ns = monotonic_ns()
        if exchange.limit_ns == 0:
            exchange.limit_ns = self.timeout_ns
        elif exchange.limit_ns < self._shortest_limit_ns:
            self._shortest_limit_ns = exchange.limit_ns
        self.in_flight[exchange] = None
        self._dispatch(exchange)

    def _dispatch(self, exchange: Exchange) -> None:
        if self.idle:
            self.idle.popitem()[0].begin(exchange)
        else:
            self._send_on_new(exchange)

    def _send_on_new(self, exchange: Exchange) -> None:
        if self.resolved[1] is None:
            self._waiting.append(exchange)
            if len(self._waiting) == 1:
                gevent.spawn(self._resolve_then_send)
        elif self.open_count < self.limit:
            self.connect(exchange)
        else:
            self.in_flight.pop(exchange, None)
            self._waiting.append(exchange)

    def connect(self, exchange: Exchange) -> None:
        """Send *exchange* on a new connection."""
        try:
            connection = self._opened(exchange)
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self.exhausted_count += 1
            self.fail(exchange, Ending.NOTHING_SENT)
            return
        self.open_count += 1
        self.opened_count += 1
        self._open.add(connection)
        exchange.connection = connection
        self.connecting[connection] = None

    def _opened(self, exchange: Exchange) -> _Connection:
        """Open a connection, from another address of ours where ports run out on loopback."""
        if self.open_count >= PORTS_PER_ADDRESS:
            self._use_more_sources()
        try:
            return _Connection(self, exchange)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or not self._use_more_sources():
                raise
        return _Connection(self, exchange)

    def _use_more_sources(self) -> bool:
        """Begin to spread over 127.0.0.0/8; returns whether that is something new."""
        family, address = self.resolved
        if self.sources is not None or family != patched_socket.AF_INET:
            return False
        if not address[0].startswith("127."):
            return False
        self.sources = SourceAddresses()
        return True

    def release(self, connection: _Connection) -> None:
        """Take back a connection that is free for the next exchange."""
        if self._waiting:
            self._begin_waiting(self._waiting.popleft(), connection)
        else:
            self.idle[connection] = None

    def _begin_waiting(self, exchange: Exchange, connection: _Connection) -> None:
        exchange.sent_ns = monotonic_ns()
        self.in_flight[exchange] = None
        connection.begin(exchange)

    def forget(self, connection: _Connection) -> None:
        """Note that *connection* was closed; its place goes to whoever waits."""
        self._open.discard(connection)
        self.connecting.pop(connection, None)
        self.open_count -= 1
        self.idle.pop(connection, None)
        if self._waiting and self.open_count < self.limit and self.resolved[1] is not None:
            exchange = self._waiting.popleft()
            exchange.sent_ns = monotonic_ns()
            self.in_flight[exchange] = None
            self.loop.run_callback(self.guarded, lambda: self.connect(exchange))

    def break_idle(self, person: int) -> None:
        """Break an idle connection that *person* would have used, as a bad line does."""
        if self.idle:
            next(reversed(self.idle)).reset()

    def finished(self, exchange: Exchange) -> None:
        """Hand an ended exchange back to its owner."""
        self.in_flight.pop(exchange, None)
        if exchange.errand is None:
            self.finished_by_owner(exchange)
        else:
            exchange.errand.returned()

    def fail(self, exchange: Exchange, ending: Ending) -> None:
        """End *exchange* without an answer, in a later turn of the hub: callers are mid-step."""
        exchange.answer = NO_ANSWER[ending]
        exchange.done_ns = monotonic_ns()
        exchange.connection = None
        self.loop.run_callback(self.guarded, lambda: self.finished(exchange))

    def sweep(self) -> None:
        """End what took too long, and close what nobody used for a while."""
        now_ns = monotonic_ns()
        while self.connecting:
            connection = next(iter(self.connecting))
            if now_ns - connection.started_ns < CONNECT_TIMEOUT_NS:
                break
            connection.give_up(Ending.NOTHING_SENT)
        for exchange in self._overdue(now_ns):
            self._give_up(exchange)
        # The longest idle stand first: the last one released is the first one used again.
        while self.idle:
            connection = next(iter(self.idle))
            if now_ns - connection.idle_since_ns < self.idle_kept_ns:
                break
            self.retired_count += 1
            connection.close()

    def abandon(self) -> None:
        """End everything in flight as timed out and close every connection."""
        for exchange in list(self.in_flight):
            self._give_up(exchange)
        for exchange in self._waiting:
            self.fail(exchange, Ending.NOTHING_SENT)
        self._waiting.clear()
        for connection in list(self._open):
            connection.close()

    def _overdue(self, now_ns: int) -> list[Exchange]:
        overdue = []
        for exchange in self.in_flight:  # in the order in which they were sent
            age_ns = now_ns - exchange.sent_ns
            if age_ns < self._shortest_limit_ns:
                break
            if age_ns >= exchange.limit_ns:
                overdue.append(exchange)
        return overdue

    def _give_up(self, exchange: Exchange) -> None:
        connection = exchange.connection
        if connection is None:
            return  # already ended, or it waits for the name server
        has_left = connection.is_connected
        connection.give_up(Ending.TIMED_OUT if has_left else Ending.NOTHING_SENT)

    def _resolve_then_send(self) -> None:
        try:
            self.resolve()
        except OSError:
            waiting, self._waiting = self._waiting, deque()
            for exchange in waiting:
                self.fail(exchange, Ending.NOTHING_SENT)
            return
        while self._waiting and self.open_count < self.limit:
            self.connect(self._waiting.popleft())
