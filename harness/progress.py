"""What a person sees while a run goes on: one rewritten line on a terminal, plain lines elsewhere.

Goes to standard error, so that standard output holds the verdict alone. Shows, keeps nothing.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import Final, TextIO

PLAIN_EVERY_S: Final = 5.0
TERMINAL_EVERY_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """The load at one moment, over all load processes: counts since its start, times over 1 s."""

    phase: str
    rate_per_s: float
    latency_ms_p99: float
    sent: int
    planned_requests: int
    errors: int
    open_sessions: int
    left_s: float

    def text(self) -> str:
        """One line of at most 100 characters or so."""
        share = self.errors / self.sent if self.sent else 0.0
        planned = f"/{self.planned_requests:,}" if self.planned_requests else ""
        return (
            f"{self.phase:<12} {self.rate_per_s:7,.0f} req/s  p99 {self.latency_ms_p99:8,.1f} ms  "
            f"errors {self.errors:,} ({share:.2%})  {self.sent:,}{planned} sent  "
            f"{self.open_sessions:,} people  {_clock(self.left_s)} left"
        )


@dataclass(slots=True)
class Display:
    """Writes steps and pulses to *stream*; `is_quiet` silences everything but warnings."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    is_quiet: bool = False
    _started_s: float = field(default_factory=time.monotonic)
    _shown_s: float = 0.0
    _has_open_line: bool = False

    def step(self, text: str) -> None:
        """Say what begins now, with the time since the start."""
        if not self.is_quiet:
            self._close_line()
            print(f"[{time.monotonic() - self._started_s:6.1f} s] {text}", file=self.stream)
            self.stream.flush()

    def warn(self, text: str) -> None:
        """Say what went wrong though the run goes on."""
        self._close_line()
        print(f"monthend: {text}", file=self.stream, flush=True)

    def pulse(self, pulse: Pulse) -> None:
        """Show the load as it goes; as often as the place it is shown in can bear."""
        is_terminal = self.stream.isatty()
        now_s = time.monotonic()
        if self.is_quiet or now_s - self._shown_s < (
            TERMINAL_EVERY_S if is_terminal else PLAIN_EVERY_S
        ):
            return
        self._shown_s = now_s
        if is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[2K{pulse.text()[:width]}")
            self._has_open_line = True
        else:
            self.stream.write(f"[{now_s - self._started_s:6.1f} s] {pulse.text()}\n")
        self.stream.flush()

    def _close_line(self) -> None:
        if self._has_open_line:
            self.stream.write("\n")
            self._has_open_line = False


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
