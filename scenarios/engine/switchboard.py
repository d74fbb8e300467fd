"""Which connections a request goes out on: one pool per address, the target's first.

Turns the dialect's Request into bytes. A target's redirects may name a few other addresses (its
identity provider), not any number of them.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import urlsplit

from gevent import get_hub

from scenarios.dialects.interface import Request
from scenarios.engine.browser_pool import BrowserPool
from scenarios.engine.cookies import CookieJar
from scenarios.engine.errand import Errand
from scenarios.engine.exchange import Address, Exchange, address_of
from scenarios.engine.redirects import HOPS_MAX
from scenarios.engine.wire import Pool
from scenarios.networks import Passage, passage_of

_ATTEMPTS_MAX: Final = 1000  # of one step, sign-ins included; only to keep draws apart
ADDRESSES_MAX: Final = 4  # the target and its identity provider, not whatever a redirect names


class Switchboard:
    """All pools of one load process. *finished* and *guarded* are handed on to them.

    *connections*: "shared", as few as serve everybody, or "browser", each person's own. *lossy*:
    units behind a bad line. An owner says who asks by `step.account`; it is the session, or has it
    as `session` (`unit`, `seed`, and by `sent_steps` and `extras` which request it is).
    """

    def __init__(
        self,
        base_url: str,
        finished: Callable[[Exchange], None],
        guarded: Callable[[Callable[[], None]], None],
        *,
        connections_max: int,
        timeout_s: float,
        tls: ssl.SSLContext | None,
        connections: str = "shared",
        lossy: Collection[int] = (),
    ) -> None:
        self.ended = finished
        self.guarded = guarded
        self.loop = get_hub().loop
        self.errands: dict[Errand, None] = {}  # those that wait, off the wire
        self.jars: dict[int, CookieJar] = {}  # of people who were given a cookie
        self.connections_max = connections_max
        self._timeout_s = timeout_s
        self._tls = tls
        self._is_per_person = connections == "browser"
        self._lossy = frozenset(lossy)
        self._pools: dict[Address, Pool] = {}
        self._base_url = base_url.rstrip("/")
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
        is_slow = self._lossy and _session_of(owner).unit in self._lossy
        if is_slow or request.is_browsing or request.follow:
            return self._send_on_errand(request, owner, is_safe=is_safe, limit_ns=limit_ns)
        pool, payload = self.route(request)
        has_body = request.method != "HEAD"
        exchange = Exchange(payload, owner, is_safe=is_safe, has_body=has_body, limit_ns=limit_ns)
        if self._is_per_person:
            exchange.person = owner.step.account
        pool.send(exchange)
        return exchange

    def _send_on_errand(
        self, request: Request, owner: Any, *, is_safe: bool, limit_ns: int
    ) -> Exchange:
        has_body = request.method != "HEAD"
        exchange = Exchange(b"", owner, is_safe=is_safe, has_body=has_body, limit_ns=limit_ns)
        account = owner.step.account
        if self._is_per_person:
            exchange.person = account
        Errand(self, exchange, request, account).begin(int(self._timeout_s * 1e9))
        return exchange

    def whole_address(self, target: str) -> str:
        """Return *target* with scheme and host."""
        return self._base_url + target if target.startswith("/") else target

    def may_reach(self, target: str) -> bool:
        """Whether a redirect to the whole address *target* is followed: few hosts, not any."""
        return address_of(target) in self._pools or len(self._pools) < ADDRESSES_MAX

    def passage(self, exchange: Exchange, request_bytes: int, hop: int) -> Passage | None:
        """Return what the person's line does to the next request; None on a clean line."""
        session = _session_of(exchange.owner)
        if session.unit not in self._lossy:
            return None
        number = (session.sent_steps * _ATTEMPTS_MAX + session.extras) * HOPS_MAX + hop
        return passage_of(
            session.seed,
            number,
            request_bytes=request_bytes,
            is_first=session.sent_steps <= 1 and session.extras == 0 and hop == 0,
            is_tls=self._base_url.startswith("https:"),
        )

    def route(self, request: Request) -> tuple[Pool, bytes]:
        """Return where *request* goes and its bytes."""
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
        for errand in list(self.errands):
            errand.give_up()
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
        on_the_wire = sum(len(pool.in_flight) for pool in self._pools.values())
        return on_the_wire + len(self.errands)

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
    def evicted(self) -> int:
        """Idle connections closed to make room for another person's: no error, but not a browser's
        doing either."""
        return sum(pool.evicted_count for pool in self._pools.values())

    @property
    def own_shortages(self) -> int:
        """How often this machine had no descriptor or port left: not the target's fault."""
        return sum(pool.exhausted_count for pool in self._pools.values())

    def _pool(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            if len(self._pools) >= ADDRESSES_MAX:
                return self._target
            pool = (BrowserPool if self._is_per_person else Pool)(
                address,
                finished=self.ended,
                guarded=self.guarded,
                limit=self.connections_max,
                timeout_s=self._timeout_s,
                tls=self._tls if address.scheme == "https" else None,
            )
            self._pools[address] = pool
        return pool


def _session_of(owner: Any) -> Any:
    """Return the session of *owner*: a second click belongs to one, all else is one."""
    return getattr(owner, "session", owner)
