"""Which connections a request goes out on: one pool per address, the target's first.

Turns the dialect's Request into bytes. A target's redirects may name a few other addresses (its
identity provider), not any number of them.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from scenarios.dialects.interface import Request
from scenarios.engine.exchange import Address, Exchange, address_of
from scenarios.engine.wire import Pool

ADDRESSES_MAX: Final = 4  # the target and its identity provider, not whatever a redirect names


class Switchboard:
    """All pools of one load process. *finished* and *guarded* are handed on to them."""

    def __init__(
        self,
        base_url: str,
        finished: Callable[[Exchange], None],
        guarded: Callable[[Callable[[], None]], None],
        *,
        connections_max: int,
        timeout_s: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._finished = finished
        self._guarded = guarded
        self.connections_max = connections_max
        self._timeout_s = timeout_s
        self._tls = tls
        self._pools: dict[Address, Pool] = {}
        self._base_path = urlsplit(base_url).path.rstrip("/")
        self._target = self._pool(address_of(base_url))

    def prepare(self) -> None:
        """Look the target up. Raises `OSError` when its host is unknown."""
        self._target.resolve()

    def dispatch(
        self, request: Request, owner: Any, *, is_safe: bool, limit_ns: int = 0
    ) -> Exchange:
        """Send *request* for *owner*; `finished` gets the exchange. *is_safe*: may go out twice.

        *limit_ns*: how long the answer may take; 0: as long as any other.
        """
        pool, payload = self._route(request)
        exchange = Exchange(payload, owner, is_safe=is_safe, limit_ns=limit_ns)
        pool.send(exchange)
        return exchange

    def _route(self, request: Request) -> tuple[Pool, bytes]:
        target = request.target
        if target.startswith("/"):
            pool = self._target
            path = self._base_path + target
        else:
            parts = urlsplit(target)
            pool = self._pool(address_of(target))
            path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
        if request.method != "GET":
            lines += f"Content-Length: {len(request.body)}\r\n"
        head = f"{request.method} {path} HTTP/1.1\r\n{pool.fixed_headers}{lines}\r\n"
        return pool, head.encode("latin-1") + request.body

    def sweep(self) -> None:
        """End requests that took too long. To be called about every `wire.SWEEP_INTERVAL_S`."""
        for pool in self._pools.values():
            pool.sweep()

    def abandon(self) -> None:
        """End everything in flight and close every connection."""
        for pool in self._pools.values():
            pool.abandon()

    @property
    def connections(self) -> int:
        """Connections open now."""
        return sum(pool.open_count for pool in self._pools.values())

    @property
    def connections_opened(self) -> int:
        """Connections opened so far: near the number open when keep-alive works."""
        return sum(pool.opened_count for pool in self._pools.values())

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet ended; what waits for a connection is not among them."""
        return sum(len(pool.in_flight) for pool in self._pools.values())

    @property
    def closed_by_target(self) -> int:
        """How often the target closed a connection, after an answer or while it was idle."""
        return sum(pool.closed_by_target for pool in self._pools.values())

    @property
    def retired(self) -> int:
        """Connections that we closed on purpose, with nothing in flight."""
        return sum(pool.retired_count for pool in self._pools.values())

    @property
    def resent(self) -> int:
        """Requests that met a closed door and went out once more, as the same exchange."""
        return sum(pool.resent_count for pool in self._pools.values())

    @property
    def own_shortages(self) -> int:
        """How often this machine had no descriptor or port left: not the target's fault."""
        return sum(pool.exhausted_count for pool in self._pools.values())

    def _pool(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            if len(self._pools) >= ADDRESSES_MAX:
                return self._target
            pool = Pool(
                address,
                finished=self._finished,
                guarded=self._guarded,
                limit=self.connections_max,
                timeout_s=self._timeout_s,
                tls=self._tls if address.scheme == "https" else None,
            )
            self._pools[address] = pool
        return pool
