"""One connection to a target, as a state machine that the hub drives: nothing here blocks.

It has one read watcher that lives as long as it does, so a target that closes an idle connection is
noticed at once, and no descriptor is ever given to select (which breaks above 1023: the trap that
makes other clients lose keep-alive with thousands of users). Which exchange it carries next is the
pool's to say (`wire`).
"""

from __future__ import annotations

import errno
import socket as patched_socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gevent.monkey import get_original

from scenarios.dialects.interface import Answer
from scenarios.engine.arrival_clock import ANCILLARY_BYTES, ask_for_stamps
from scenarios.engine.exchange import Exchange
from scenarios.engine.http1 import AnswerReader, NotHttp, whole_answer
from scenarios.engine.tls import Encryption, HandshakeFailed
from scenarios.outcomes import Ending

if TYPE_CHECKING:
    from scenarios.engine.wire import Pool

RECEIVE_BYTES: Final = 64 * 1024
# Of a long request, this much is encrypted at a time: 0.1 ms of CPU (AES-GCM, about 1 GB/s), so
# that an upload does not make others late.
PIECE_BYTES: Final = 64 * 1024
_READ, _WRITE = 1, 2
_BLOCKED: Final = (BlockingIOError, InterruptedError)
_ABORTIVE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
_socket_class: Any = get_original("socket", "socket")


class Connection:
    """One socket: connecting, encrypting, idle or busy with one exchange.

    Its pool is told what became of it; the exchange's own errand or owner hears of it there.
    """

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
            ask_for_stamps(self._socket)
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
            received, stamps, _, _ = self._socket.recvmsg(RECEIVE_BYTES, ANCILLARY_BYTES)
        except _BLOCKED:
            return
        except OSError:
            received, stamps = b"", []
        if not received:
            self._closed_by_target()
        elif self._encryption is not None:
            self._take_encrypted(self._encryption, received, stamps)
        else:
            self._take(received, stamps)

    def _take_encrypted(
        self, encryption: Encryption, received: bytes, stamps: list[tuple[int, int, bytes]]
    ) -> None:
        if not encryption.is_ready:
            self._continue_handshake(received)
            return
        try:
            plain = encryption.decrypt(received)
        except ssl.SSLError:
            self._closed_by_target()
            return
        if plain:
            self._take(plain, stamps)

    def _take(self, received: bytes, stamps: list[tuple[int, int, bytes]]) -> None:
        exchange = self.exchange
        if exchange is None:
            self.close()  # an answer that nobody asked for
            return
        # When they arrived, not when we came to read them: that is our time, not the target's.
        arrived_ns = self._pool.arrival_clock.at_ns(stamps, exchange.sent_ns)
        reader = self._reader
        if reader is None:
            exchange.first_byte_ns = arrived_ns
            answer = whole_answer(received) if exchange.has_body else None
            if answer is not None:
                self._answered(exchange, answer, arrived_ns, is_reusable=True)
                return
            reader = self._reader = AnswerReader(has_body=exchange.has_body)
        try:
            is_done = reader.feed(received)
        except NotHttp:
            self._end(Ending.BROKEN)
            return
        if is_done:
            self._answered(exchange, reader.answer(), arrived_ns, is_reusable=reader.is_reusable)

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
            closed_ns = self._pool.arrival_clock.closed_ns(exchange.sent_ns)
            self._answered(exchange, reader.answer(), closed_ns, is_reusable=False)
        else:
            self._end(Ending.BROKEN, self._pool.arrival_clock.closed_ns(exchange.sent_ns))

    def _end(self, ending: Ending, at_ns: int = 0) -> None:
        """End the exchange without an answer, or send it once more where that is honest.

        *at_ns*: when it ended; 0: now.
        """
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
        self._pool.fail(exchange, ending, at_ns)

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
