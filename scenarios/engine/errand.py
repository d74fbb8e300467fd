"""A request that takes more than one plain exchange: cookies, redirects, compression, a slow line.

An errand stands behind one `Exchange` from the moment a person asks to the moment the answer is
seen. It goes out with the person's cookies, takes those it is given, follows redirects as far as
the dialect asked, unpacks, and suffers what the person's line does. The sample is one: sent when
the person sent it, its first byte that of the last answer, done when that was seen whole.

What was sent once and led on is never said not to have been sent. Requests that need none of this
never meet this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Final, Protocol

from scenarios.dialects.interface import Answer, Request
from scenarios.engine.content_coding import BrokenCoding, decoded
from scenarios.engine.cookies import CookieJar, merged
from scenarios.engine.exchange import NO_ANSWER, Exchange, address_of
from scenarios.engine.redirects import HOPS_MAX, STATUSES, next_request
from scenarios.engine.wire import Pool
from scenarios.networks import Break, Passage
from scenarios.outcomes import Ending

_CODINGS: Final = (("Accept-Encoding", "gzip, deflate"),)
_NO_LINE: Final = Passage(0.0, 0.0, float("inf"), Break.NONE, 0.0)


class Board(Protocol):
    """What an errand needs of the switchboard."""

    errands: dict[Errand, None]
    jars: dict[int, CookieJar]
    guarded: Callable[[Callable[[], None]], None]
    loop: Any

    def whole_address(self, target: str) -> str:
        """Return *target* with scheme and host."""
        ...

    def route(self, request: Request) -> tuple[Pool, bytes]:
        """Return where *request* goes and its bytes."""
        ...

    def may_reach(self, target: str) -> bool:
        """Whether a redirect to the whole address *target* is followed."""
        ...

    def passage(self, exchange: Exchange, request_bytes: int, hop: int) -> Passage | None:
        """Return what the person's line does to the next request; None on a clean line."""
        ...

    def ended(self, exchange: Exchange) -> None:
        """Hand the exchange back to its owner."""
        ...


class Errand:
    """One errand; `begin` once. Fulfils `exchange.Errand`."""

    __slots__ = (
        "_account", "_asked", "_board", "_exchange", "_hop", "_is_on_wire", "_limit_ns", "_passage",
        "_pool", "_request", "_sent_ns", "_timer",
    )  # fmt: skip

    def __init__(self, board: Board, exchange: Exchange, request: Request, account: int) -> None:
        self._board = board
        self._exchange = exchange
        self._request = request
        self._account = account
        self._hop = 0
        self._asked = ""
        self._is_on_wire = False
        self._limit_ns = exchange.limit_ns
        self._passage = _NO_LINE
        self._pool: Pool | None = None
        self._sent_ns = 0
        self._timer: Any = None

    def begin(self, timeout_ns: int) -> None:
        """Set out. *timeout_ns*: the limit where the exchange has none of its own."""
        self._limit_ns = self._limit_ns or timeout_ns
        self._exchange.errand = self
        self._exchange.sent_ns = self._sent_ns = monotonic_ns()
        self._set_out()

    def returned(self) -> None:
        """Look at how the exchange ended on the wire, and go on or home."""
        self._stop_timer()
        self._is_on_wire = False
        exchange, answer = self._exchange, self._exchange.answer
        if answer.ending is not Ending.ANSWERED:
            self._end(answer.ending)
        elif self._passage.breaks is Break.AFTER:
            self._end(Ending.BROKEN)  # the line broke before the answer came through
        elif self._passage is _NO_LINE:
            self._see()
        else:
            exchange.first_byte_ns += int(self._passage.down_s * 1e9)
            size = len(answer.head) + len(answer.body)
            self._wait(self._passage.down_s + size / self._passage.down_bytes_s, self._see)

    def give_up(self) -> None:
        """End an errand that is not on the wire: nothing more will be sent or seen."""
        self._stop_timer()
        ending = Ending.TIMED_OUT if self._pool is not None else Ending.NOTHING_SENT
        self._board.loop.run_callback(self._board.guarded, lambda: self._end(ending))

    # Out.

    def _set_out(self) -> None:
        board, request = self._board, self._request
        self._asked = board.whole_address(request.target)
        if request.is_browsing:
            request = request._replace(headers=self._headers(request))
        pool, payload = board.route(request)
        self._exchange.payload = payload
        passage = board.passage(self._exchange, len(payload), self._hop)
        if passage is None:
            self._send(pool)
            return
        self._passage = passage
        self._wait(passage.up_s, lambda: self._arrive(pool))

    def _arrive(self, pool: Pool) -> None:
        passage = self._passage
        if passage.breaks is Break.BEFORE:
            pool.break_idle(self._exchange.person)
            self._end(Ending.NOTHING_SENT)
            return
        self._send(pool)
        if passage.breaks is Break.AFTER and self._is_on_wire:
            self._start_timer(passage.break_s, self._break)

    def _send(self, pool: Pool) -> None:
        exchange = self._exchange
        self._pool = pool
        self._is_on_wire = True
        spent_ns = monotonic_ns() - self._sent_ns
        # The pool looks through all that is older than its shortest limit: not for microseconds.
        is_late = spent_ns > self._limit_ns // 100
        exchange.limit_ns = max(1, self._limit_ns - spent_ns) if is_late else self._limit_ns
        pool.send(exchange)

    def _break(self) -> None:
        if self._exchange.connection is not None:
            self._exchange.connection.reset()

    def _headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        headers = request.headers + _CODINGS
        jar = self._board.jars.get(self._account)
        if jar is None:
            return headers
        place = address_of(self._asked)
        kept = jar.header(
            scheme=place.scheme, host=place.host, path=_path(self._asked), now_s=time.time()
        )
        written = next((value for name, value in headers if name.lower() == "cookie"), "")
        others = tuple(pair for pair in headers if pair[0].lower() != "cookie")
        both = merged(written, kept)
        return (*others, ("Cookie", both)) if both else others

    # Home.

    def _see(self) -> None:
        """Take cookies, unpack, follow; what is left is the answer."""
        exchange, answer = self._exchange, self._exchange.answer
        if self._request.is_browsing:
            if b"ookie:" in answer.head:
                self._take_cookies(answer)
            try:
                body = decoded(answer.head, answer.body)
            except BrokenCoding:
                self._end(Ending.BROKEN)
                return
            exchange.unseen_bytes += len(answer.body) - len(body)
            answer = answer._replace(body=body)
        if answer.status in STATUSES and self._hop < min(self._request.follow, HOPS_MAX):
            following = next_request(self._request, answer, asked=self._asked)
            if following is not None and self._board.may_reach(following.target):
                exchange.unseen_bytes += len(answer.head) + len(answer.body)
                self._follow(following)
                return
        if self._hop:
            answer = answer._replace(address=self._asked)
        exchange.answer = answer
        self._finish()

    def _follow(self, following: Request) -> None:
        exchange = self._exchange
        self._hop += 1
        self._request = following
        self._passage = _NO_LINE
        exchange.answer = NO_ANSWER[Ending.BROKEN]
        exchange.first_byte_ns = 0
        exchange.is_second_try = False
        exchange.is_safe = exchange.is_safe or following.method in ("GET", "HEAD")
        exchange.has_body = following.method != "HEAD"
        self._set_out()

    def _take_cookies(self, answer: Answer) -> None:
        jar = self._board.jars.get(self._account) or CookieJar()
        place = address_of(self._asked)
        jar.take(
            answer.head,
            scheme=place.scheme,
            host=place.host,
            path=_path(self._asked),
            now_s=time.time(),
        )
        if len(jar):
            self._board.jars[self._account] = jar

    def _end(self, ending: Ending) -> None:
        # What went out before a redirect had arrived, whatever became of the look after it.
        if ending is Ending.NOTHING_SENT and self._hop:
            ending = Ending.BROKEN
        self._exchange.answer = NO_ANSWER[ending]
        self._finish()

    def _finish(self) -> None:
        exchange = self._exchange
        exchange.sent_ns = self._sent_ns
        if self._passage is not _NO_LINE:
            exchange.done_ns = monotonic_ns()
        exchange.done_ns = exchange.done_ns or monotonic_ns()
        exchange.connection = None
        self._board.ended(exchange)

    # Waiting, off the wire.

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Go on after *seconds*, unless the person's patience ends before."""
        left_s = (self._limit_ns - (monotonic_ns() - self._sent_ns)) / 1e9
        if seconds >= left_s:
            seconds, then = max(0.0, left_s), lambda: self._end(Ending.TIMED_OUT)
        self._board.errands[self] = None
        self._start_timer(seconds, then)

    def _start_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self._board.loop.timer(seconds)
        # The loop knows the time of its last turn only; without the update a timer comes early.
        self._timer.start(self._board.guarded, lambda: self._rang(then), update=True)

    def _rang(self, then: Callable[[], None]) -> None:
        self._stop_timer()
        then()

    def _stop_timer(self) -> None:
        self._board.errands.pop(self, None)
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


def _path(address: str) -> str:
    """Return the path of a whole address, with its query."""
    start = address.find("/", address.find("//") + 2)
    return address[start:] if start >= 0 else "/"
