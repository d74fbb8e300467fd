"""Ctrl-C, SIGTERM and a closed terminal: the first is a wish, the second is an order.

Outside the load a signal raises `KeyboardInterrupt`, so that `finally` cleans up. While the load is
on, the first one only sets a flag: the load is stopped, the faults are healed, what was recorded is
kept and judged.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Interrupts:
    """Whether somebody asked to stop; handlers are installed by `listening`."""

    name: str = ""
    _is_gentle: bool = False

    @property
    def is_asked(self) -> bool:
        """Whether a signal came while the load was on."""
        return bool(self.name)

    @contextmanager
    def gently(self) -> Iterator[None]:
        """While inside, the first signal is only noted."""
        self._is_gentle = True
        try:
            yield
        finally:
            self._is_gentle = False

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Handle one signal."""
        is_first = not self.name
        self.name = signal.Signals(number).name
        if not (self._is_gentle and is_first):
            raise KeyboardInterrupt(self.name)


@contextmanager
def listening() -> Iterator[Interrupts]:
    """Install the handlers, and put the former ones back at the end."""
    interrupts = Interrupts()
    former = {
        number: signal.signal(number, interrupts.receive)
        for number in SIGNALS
        # Under nohup a closed terminal is no reason to stop.
        if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN)
    }
    try:
        yield interrupts
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
