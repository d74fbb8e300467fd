"""When an answer arrived, by the kernel's own stamp: our waiting for the processor is not in it.

An answer that lies readable while the load process works on others would otherwise look late, and
that is the generator's doing, not the target's. Linux stamps what a TCP socket receives
(SO_TIMESTAMPNS) on the wall clock; an offset, renewed many times a second, turns the stamp into
CLOCK_MONOTONIC. What cannot be true (before the request was sent, or in the future: the wall clock
was set) is not believed, nor is a system without stamps needed: then the time of reading counts.
Source: Linux Documentation/networking/timestamping.rst.
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from time import monotonic_ns, time_ns
from typing import Any, Final

# 64-bit seconds and nanoseconds on every architecture; Linux 5.1 and later.
_SO_TIMESTAMPNS_NEW: Final = 64
_STAMP: Final = struct.Struct("@qq")
ANCILLARY_BYTES: Final = 64
_READINGS: Final = 3


class ArrivalClock:
    """Turns stamps into CLOCK_MONOTONIC. `renew` it now and then: the wall clock may be set.

    `turned` is to be called when the loop comes back from waiting: a closed connection has no
    stamp, but what is read in this turn had come before it.
    """

    __slots__ = ("_offset_ns", "_turn_ns")

    def __init__(self) -> None:
        self._offset_ns = 0
        self._turn_ns = 0
        self.renew()

    def renew(self) -> None:
        """Read both clocks anew.

        The wall clock is read first, so an offset is never too large and an arrival never too
        early; the largest of a few readings is the one that was interrupted least.
        """
        self._offset_ns = max(time_ns() - monotonic_ns() for _ in range(_READINGS))

    def at_ns(self, ancillary: list[tuple[int, int, bytes]], sent_ns: int) -> int:
        """Return when what came with *ancillary* arrived, for a request sent at *sent_ns*."""
        now_ns = monotonic_ns()
        if ancillary:
            seconds, nanoseconds = _STAMP.unpack_from(ancillary[0][2])
            arrived_ns: int = seconds * 1_000_000_000 + nanoseconds - self._offset_ns
            if sent_ns <= arrived_ns <= now_ns:
                return arrived_ns
        return now_ns

    def turned(self) -> None:
        """Note that the loop begins to read what has come."""
        self._turn_ns = monotonic_ns()

    def closed_ns(self, sent_ns: int) -> int:
        """Return when a connection was closed whose end is being read, after *sent_ns*."""
        return self._turn_ns if self._turn_ns > sent_ns else monotonic_ns()


def ask_for_stamps(connection: Any) -> None:
    """Have the kernel stamp what *connection*, a socket, receives; where it can."""
    if sys.platform == "linux":
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS_NEW, 1)
