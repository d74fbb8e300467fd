"""Requests in order of time become sessions: who begins with what, what follows, after how long.

A session is one client's requests without a gap of `GAP_S`. A pause runs from one request's end
(its start, where the log tells no durations) to the next one's start. Everything kept is bounded:
open sessions, transitions, and the pauses drawn of each.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from typing import Final

from scenarios.access_logs.bins import Bins
from scenarios.workload import SESSION_REQUESTS_MAX

# The usual length of inactivity after which web analytics begin a new session.
GAP_S: Final = 1800.0
OPEN_MAX: Final = 500_000
PAUSES_MAX: Final = 2_000  # of one transition, drawn at random from all of them
PAUSES_MAX_IN_ALL: Final = 10_000_000
TRANSITIONS_MAX: Final = 200_000


class Pauses:
    """How often one operation followed another, and a random choice of the pauses between."""

    __slots__ = ("count", "values")

    def __init__(self) -> None:
        self.count = 0
        self.values = array("f")


class _Open:
    """A session that may go on."""

    __slots__ = ("began_s", "last_operation", "requests", "until_s")

    def __init__(self, began_s: float, until_s: float, operation: int) -> None:
        self.began_s = began_s
        self.until_s = until_s
        self.last_operation = operation
        self.requests = 1


class Visits:
    """Sums over all sessions; operation numbers are the provisional ones of `routes`."""

    def __init__(self) -> None:
        self.first: Counter[int] = Counter()
        self.last: Counter[int] = Counter()
        self.follows: dict[tuple[int, int], Pauses] = {}
        self.arrivals = Bins()
        self.session_count = 0
        self.requests_max = 0
        self.seconds_in_sessions = 0.0
        self.cut_count = 0  # sessions cut at the longest length a workload can have
        self.lost_transitions = 0
        self._open: dict[int, _Open] = {}
        self._sweep_at = 10_000
        self._pauses_held = 0
        # For choosing samples only: the same log must give the same workload.
        self._chance = random.Random(1)

    def see(self, start_s: float, end_s: float, client: int, operation: int) -> None:
        """Take in one request; they come in order of their start, or nearly so."""
        session = self._open.get(client)
        if session is not None:
            gap_s = start_s - session.until_s
            if -GAP_S < gap_s <= GAP_S and session.requests < SESSION_REQUESTS_MAX:
                self._follow(session.last_operation, operation, max(0.0, gap_s))
                session.last_operation = operation
                session.until_s = max(session.until_s, end_s)
                session.requests += 1
                return
            self.cut_count += session.requests >= SESSION_REQUESTS_MAX
            self._close(session)
        elif len(self._open) >= self._sweep_at:
            self._sweep(start_s)
        self._open[client] = _Open(start_s, end_s, operation)
        self.session_count += 1
        self.first[operation] += 1
        self.arrivals.add(start_s)

    def finish(self) -> None:
        """Close what is open: the log is over."""
        for session in self._open.values():
            self._close(session)
        self._open.clear()

    def _follow(self, before: int, after: int, pause_s: float) -> None:
        pauses = self.follows.get((before, after))
        if pauses is None:
            if len(self.follows) >= TRANSITIONS_MAX:
                self.lost_transitions += 1
                return
            pauses = self.follows[before, after] = Pauses()
        pauses.count += 1
        held = len(pauses.values)
        if held < PAUSES_MAX and self._pauses_held < PAUSES_MAX_IN_ALL:
            pauses.values.append(pause_s)
            self._pauses_held += 1
        elif held and (place := int(self._chance.random() * pauses.count)) < held:
            pauses.values[place] = pause_s

    def _close(self, session: _Open) -> None:
        self.last[session.last_operation] += 1
        self.requests_max = max(self.requests_max, session.requests)
        self.seconds_in_sessions += max(0.0, session.until_s - session.began_s)

    def _sweep(self, now_s: float) -> None:
        over = [client for client, one in self._open.items() if abs(now_s - one.until_s) > GAP_S]
        if len(self._open) - len(over) >= OPEN_MAX:
            half = OPEN_MAX // 2
            quiet = sorted(self._open, key=lambda client: self._open[client].until_s)[:half]
            over = list({*over, *quiet})
        for client in over:
            self._close(self._open.pop(client))
        self._sweep_at = max(10_000, min(2 * len(self._open), OPEN_MAX))
