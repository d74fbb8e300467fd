"""The street before the door: who comes to a full worker is looked at in groups, not one by one.

A request that is read the moment it comes interrupts the database and the answers under way, only
to be refused; read together with forty others it costs a fraction of that. So this event loop keeps
the connections of clients apart. When no place is free it looks at them no more, until a quarter of
the places is free, or a few are and there is nothing else to do, or 20 ms are over, whichever is
first: the places that became free are filled, and the rest is refused in one go. Health, sign-in
and all else that clients ask for wait as long; who was let in is read as ever. While any place is
free, everything is looked at as ever.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, BaseSelector, EpollSelector, SelectorKey
from time import monotonic
from typing import Any, Final

LOOK_S: Final = 0.02  # what a client asks is read so much later at most
IDLE_S: Final = 0.001  # the shortest wait that epoll knows
ROOM_MIN: Final = 0.25  # under half, or a queue that stands would seem to clear (admission.py)


class Street(BaseSelector):
    """What an event loop waits for, the reading of clients' connections apart from the rest."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._house, self._outside = EpollSelector(), EpollSelector()
        self._house.register(self._outside, EVENT_READ)
        parts: Any = self._house.get_map(), self._outside.get_map()
        self._map = ChainMap(*parts)
        self._clients: set[int] = set()
        self._clock = clock
        self._shut_until: float | None = None
        self.room: Callable[[], float] = lambda: 1.0  # the share of the places that is free

    def add_client(self, fd: int) -> None:
        """Keep *fd* apart, from its next registration on, until it is removed."""
        self._clients.add(fd)

    def remove_client(self, fd: int) -> None:
        """Keep it apart no more; its number may come again for another file."""
        self._clients.discard(fd)

    def set_inside(self, fd: int, *, is_inside: bool) -> None:
        """Read from client *fd* as ever while it is inside: what it sends was let in."""
        if is_inside == (fd not in self._clients):
            return
        (self.remove_client if is_inside else self.add_client)(fd)
        key = self._map.get(fd)
        if key is not None:
            self.modify(fd, key.events, key.data)

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """As `BaseSelector`. A client who reads slowly is waited for inside, with the rest."""
        is_apart = events == EVENT_READ and fileobj in self._clients
        return (self._outside if is_apart else self._house).register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> SelectorKey:
        """As `BaseSelector`."""
        try:
            return self._house.unregister(fileobj)
        except KeyError:
            return self._outside.unregister(fileobj)

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """As `BaseSelector`."""
        return self._map

    def close(self) -> None:
        """As `BaseSelector`."""
        self._house.close()
        self._outside.close()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """As `BaseSelector`; *timeout* in seconds, cut short where the street is shut."""
        room = self.room()
        shut_s = self._shut_s(room)
        if shut_s is not None:
            timeout = min(shut_s if room <= 0 else IDLE_S, shut_s if timeout is None else timeout)
        ready = self._house.select(timeout)
        if shut_s is not None and not ready and room > 0 and timeout == IDLE_S:
            self._open()
            return self._outside.select(0)
        for place, (key, _) in enumerate(ready):
            if key.fileobj is self._outside:
                ready[place : place + 1] = self._outside.select(0)
                break
        return ready

    def _shut_s(self, room: float) -> float | None:
        """Shut or open the street if that is due; return how long it stays shut, None: open."""
        if self._shut_until is None:
            if room > 0:
                return None
            self._shut_until = self._clock() + LOOK_S
            self._house.unregister(self._outside)
            return LOOK_S
        shut_s = self._shut_until - self._clock()
        if room < ROOM_MIN and shut_s > 0:
            return shut_s
        self._open()
        return None

    def _open(self) -> None:
        self._shut_until = None
        self._house.register(self._outside, EVENT_READ)


class StreetLoop(asyncio.SelectorEventLoop):
    """The event loop of a worker."""

    def __init__(self) -> None:
        self.street = Street()
        super().__init__(self.street)
