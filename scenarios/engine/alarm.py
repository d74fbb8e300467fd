"""An alarm clock for the load: wakes the hub at an instant of CLOCK_MONOTONIC, to about 0.1 ms.

The event loop's own timers wait in whole milliseconds (epoll), which made every request about
0.7 ms late (measured, November 2026), and lateness counts against the target. A timerfd is a file
that becomes readable at the exact instant. Where there is none, the loop's timer is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from gevent import get_hub

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_ITIMERSPEC: Final = struct.Struct("@qqqq")  # interval s, ns; value s, ns
_READABLE: Final = 1
_NEVER_NS: Final = 2**62


def _timer_calls() -> tuple[Any, Any] | None:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        return library.timerfd_create, library.timerfd_settime
    except AttributeError:
        return None


class Alarm:
    """Calls *ring* in the hub at the instant last set. Setting it again replaces the instant."""

    __slots__ = ("_fd", "_loop", "_ring", "_settime", "_watcher", "due_ns")

    def __init__(self, loop: Any, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self.due_ns = _NEVER_NS  # when it will ring
        self._settime: Any = None
        self._fd = -1
        calls = _timer_calls()
        if calls is not None:
            create, self._settime = calls
            self._fd = create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            self._watcher = loop.io(self._fd, _READABLE)
            self._watcher.start(self._rang)
        else:
            self._watcher = loop.timer(0.0)

    def set(self, due_ns: int) -> None:
        """Ring at *due_ns*; at once when that is past."""
        if due_ns == self.due_ns:
            return
        self.due_ns = due_ns
        if self._fd < 0:
            self._watcher.stop()
            self._watcher = self._loop.timer(max(0, due_ns - time.monotonic_ns()) / 1e9)
            self._watcher.start(self._rang)
            return
        seconds, nanoseconds = divmod(max(due_ns, 1), 1_000_000_000)
        instant = _ITIMERSPEC.pack(0, 0, seconds, nanoseconds)
        if self._settime(self._fd, _TFD_TIMER_ABSTIME, instant, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Never ring again. Idempotent."""
        self._watcher.stop()
        if self._fd >= 0:
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1

    def _rang(self) -> None:
        self.due_ns = _NEVER_NS
        self._ring()
        if self.due_ns == _NEVER_NS and self._fd >= 0:
            # Nobody set it again, which would have cleared it: the file would stay readable.
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 8)


class Clock:
    """CLOCK_MONOTONIC, with alarms that ring in the hub."""

    __slots__ = ()

    def now_ns(self) -> int:
        """Return the time."""
        return time.monotonic_ns()

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """Return an alarm that calls *ring*."""
        return Alarm(get_hub().loop, ring)


HUB_CLOCK: Final = Clock()
