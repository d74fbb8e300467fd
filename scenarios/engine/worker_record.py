"""What the master knows of one worker, from its first pulse to the collected logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from scenarios.engine.clocks import ClockLine, Exchange, clock_line
from scenarios.engine.tally import Tally, tally_from
from scenarios.shares import Share


@dataclass(slots=True, eq=False)
class WorkerRecord:
    """One worker. `readings` is where its progress lines go, on the master's clock."""

    id: str
    index: int
    readings: Path
    shares: list[Share] = field(default_factory=list)  # all that it is to drive
    dealt: list[Share] = field(default_factory=list)  # those that came after the deal
    heard_ns: int = 0
    planned: Mapping[str, Any] | None = None
    done: Mapping[str, Any] | None = None
    finished: Mapping[str, Any] | None = None
    last: Mapping[str, Any] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    exchanges: list[Exchange] = field(default_factory=list)
    refusal: str = ""
    lost_because: str = ""
    has_come_back: bool = False
    taken_over_by: tuple[int, ...] = ()
    is_collected: bool = False
    release: str = ""
    _lines_read: int = 0

    @property
    def is_driving(self) -> bool:
        """Whether it is to be counted upon: neither refused nor lost."""
        return not self.refusal and not self.lost_because

    @property
    def line(self) -> ClockLine:
        """Its clock against the master's, by what is known now."""
        if not self.exchanges:
            return ClockLine(
                at_ns=0, offset_ns=0, slope=0.0, error_ns=2**62, drift_ns=0, wall_step_ns=0
            )
        return clock_line(self.exchanges)

    def take(self, pulse: Mapping[str, Any], now_ns: int) -> None:
        """Take in one pulse. Raises `ValueError` or `KeyError` for one that is none."""
        self.heard_ns = now_ns
        self.has_come_back |= bool(self.lost_because)
        self.planned = pulse["planned"] or self.planned
        self.tally = tally_from(pulse["tally"])
        fresh = [line for number, line in pulse["lines"] if number > self._lines_read]
        self._lines_read = max([self._lines_read, *(number for number, _ in pulse["lines"])])
        self._write([dict(line) for line in fresh])
        self.done = pulse["done"] or self.done

    def facts(self) -> dict[str, str | int | float]:
        """Return what the manifest says of it; times in ns."""
        line, planned, done = self.line, self.planned or {}, self.done or {}
        progress = {
            key: int(value) if isinstance(value, bool) else value
            for key, value in {**self.last, **(self.finished or {})}.items()
            if key not in ("event", "at_ns") and isinstance(value, (int, float, str))
        }
        return {
            "process_index": self.index,
            "exit_status": int(done.get("status", -1)),
            "has_finished": int(self.finished is not None),
            **progress,
            "is_lost": int(bool(self.lost_because)),
            "lost_because": self.lost_because,
            "taken_over_by": ", ".join(map(str, self.taken_over_by)),
            "has_come_back": int(self.has_come_back),
            "is_collected": int(self.is_collected),
            "host": str(planned.get("host", "")),
            "where": str(planned.get("where", "")),
            "clock_offset_ns": line.offset_ns,
            "clock_error_ns": line.error_ns,
            "clock_drift_ns": line.drift_ns,
            "wall_step_ns": line.wall_step_ns,
        }

    def _write(self, lines: list[dict[str, Any]]) -> None:
        clock = self.line

        def on_master(at_ns: int) -> int:
            return int(clock.on_master(np.array([at_ns]))[0])

        with self.readings.open("ab") as file:
            for line in lines:
                line |= {name: on_master(line[name]) for name in ("at_ns", "t0_ns") if name in line}
                if "looks" in line:
                    line["looks"] = [[on_master(at_ns), *rest] for at_ns, *rest in line["looks"]]
                if line["event"] == "progress":
                    self.last = line
                elif line["event"] == "finished":
                    self.finished = line
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
