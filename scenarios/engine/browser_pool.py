"""Connections as browsers hold them: each person has their own, and keeps them.

At most six per host, kept while the target keeps them and otherwise for five minutes. The machine
has not descriptors for everybody: at the limit the connection that was idle longest is closed. That
is counted and is no error; its person connects anew, as after a long pause.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from scenarios.connections import CONNECTIONS_PER_PERSON
from scenarios.engine.exchange import Exchange
from scenarios.engine.wire import Pool

# Chromium: the time-out of used idle sockets, 300 s.
IDLE_KEPT_NS: Final = 300_000_000_000


class _Browser:
    """One person's connections: those that are free, and how many there are in all."""

    __slots__ = ("count", "idle", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.idle: list[Any] = []
        self.waiting: deque[Exchange] | None = None


class BrowserPool(Pool):
    """A `Pool` in which `Exchange.person` says whose connection may be used."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.idle_kept_ns = IDLE_KEPT_NS
        self._browsers: dict[int, _Browser] = {}

    def _dispatch(self, exchange: Exchange) -> None:
        browser = self._browsers.get(exchange.person)
        if browser is None:
            self._send_on_new(exchange)
        elif browser.idle:
            connection = browser.idle.pop()
            del self.idle[connection]
            connection.begin(exchange)
        elif browser.count < CONNECTIONS_PER_PERSON:
            self._send_on_new(exchange)
        else:
            self.in_flight.pop(exchange, None)
            if browser.waiting is None:
                browser.waiting = deque()
            browser.waiting.append(exchange)

    def _send_on_new(self, exchange: Exchange) -> None:
        if self.open_count >= self.limit and self.idle:
            self._evict()
        super()._send_on_new(exchange)

    def _evict(self) -> None:
        """Close the connection that was idle longest."""
        self.evicted_count += 1
        self.retired_count += 1
        next(iter(self.idle)).close()

    def _opened(self, exchange: Exchange) -> Any:
        try:
            connection = super()._opened(exchange)
        except OSError:
            # Out of descriptors, ports or memory before the plan's limit: one less will do.
            if not self.idle:
                raise
            self._evict()
            connection = super()._opened(exchange)
        browser = self._browsers.get(exchange.person)
        if browser is None:
            browser = self._browsers[exchange.person] = _Browser()
        browser.count += 1
        return connection

    def release(self, connection: Any) -> None:
        """Take back a free connection: for its person's next request, else to be kept."""
        browser = self._browsers[connection.person]
        if browser.waiting:
            self._begin_waiting(browser.waiting.popleft(), connection)
            return
        self.idle[connection] = None
        browser.idle.append(connection)
        if self._waiting:  # somebody else waits for a place
            self._evict()

    def forget(self, connection: Any) -> None:
        """Note that *connection* was closed; its place goes to whoever waits."""
        browser = self._browsers[connection.person]
        browser.count -= 1
        if connection in self.idle:
            browser.idle.remove(connection)
        if browser.waiting and browser.count < CONNECTIONS_PER_PERSON:
            self._waiting.appendleft(browser.waiting.popleft())
        if browser.count == 0 and not browser.waiting:
            del self._browsers[connection.person]
        super().forget(connection)

    def break_idle(self, person: int) -> None:
        """Break an idle connection of *person*'s, as a bad line does."""
        browser = self._browsers.get(person)
        if browser is not None and browser.idle:
            browser.idle[-1].reset()

    def abandon(self) -> None:
        """End everything in flight as timed out and close every connection."""
        for browser in self._browsers.values():
            if browser.waiting:
                self._waiting.extend(browser.waiting)
                browser.waiting.clear()
        super().abandon()
