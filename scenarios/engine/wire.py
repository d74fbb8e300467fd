"""The pool of connections to a target: kept alive, growing with concurrency, driven by the hub.

One `Exchange` is one request with its times. What an answer means is decided elsewhere.

A request on a reused connection may meet a target that has just closed it. If nothing was sent, or
if the request is safe to repeat (a read), it goes out once more on a fresh connection, as the same
exchange; a write that may have arrived ends BROKEN.
"""

from __future__ import annotations

import errno
import socket as patched_socket
import ssl
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final

import gevent
from gevent import get_hub

from scenarios.engine.arrival_clock import ArrivalClock
from scenarios.engine.connection import Connection
from scenarios.engine.exchange import NO_ANSWER, Address, Exchange, resolve
from scenarios.engine.sources import PORTS_PER_ADDRESS, SourceAddresses
from scenarios.engine.tls import TlsSessions
from scenarios.outcomes import Ending

CONNECT_TIMEOUT_NS: Final = 5_000_000_000
IDLE_KEPT_NS: Final = 20_000_000_000
SWEEP_INTERVAL_S: Final = 0.05
# Ours, not the target's: out of descriptors, ports or memory.
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)


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
        self.arrival_clock = ArrivalClock()
        self._turns = self.loop.check(ref=False)
        self._turns.start(self.arrival_clock.turned)
        self.fixed_headers = f"Host: {address.authority}\r\nUser-Agent: monthend\r\nAccept: */*\r\n"
        self.resolved: tuple[int, Any] = (0, None)
        self.connecting: dict[Connection, None] = {}
        self.in_flight: dict[Exchange, None] = {}
        self.idle: dict[Connection, None] = {}  # in order of release
        self.open_count = 0
        self.opened_count = 0
        self.closed_by_target = 0  # after an answer or while idle
        self.resent_count = 0
        self.retired_count = 0  # by us, on purpose
        self.exhausted_count = 0
        self.evicted_count = 0
        self._open: set[Connection] = set()
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

    def _opened(self, exchange: Exchange) -> Connection:
        """Open a connection, from another address of ours where ports run out on loopback."""
        if self.open_count >= PORTS_PER_ADDRESS:
            self._use_more_sources()
        try:
            return Connection(self, exchange)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or not self._use_more_sources():
                raise
        return Connection(self, exchange)

    def _use_more_sources(self) -> bool:
        """Begin to spread over 127.0.0.0/8; returns whether that is something new."""
        family, address = self.resolved
        if self.sources is not None or family != patched_socket.AF_INET:
            return False
        if not address[0].startswith("127."):
            return False
        self.sources = SourceAddresses()
        return True

    def release(self, connection: Connection) -> None:
        """Take back a connection that is free for the next exchange."""
        if self._waiting:
            self._begin_waiting(self._waiting.popleft(), connection)
        else:
            self.idle[connection] = None

    def _begin_waiting(self, exchange: Exchange, connection: Connection) -> None:
        exchange.sent_ns = monotonic_ns()
        self.in_flight[exchange] = None
        connection.begin(exchange)

    def forget(self, connection: Connection) -> None:
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

    def fail(self, exchange: Exchange, ending: Ending, at_ns: int = 0) -> None:
        """End *exchange* without an answer, in a later turn of the hub: callers are mid-step.

        *at_ns*: when it ended; 0: now.
        """
        exchange.answer = NO_ANSWER[ending]
        exchange.done_ns = at_ns or monotonic_ns()
        exchange.connection = None
        self.loop.run_callback(self.guarded, lambda: self.finished(exchange))

    def sweep(self) -> None:
        """End what took too long, and close what nobody used for a while."""
        self.arrival_clock.renew()
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
