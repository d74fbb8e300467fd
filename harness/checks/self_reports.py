"""What each load process said of itself, second by second: `readings/load-<i>.jsonl` as columns.

A line that is broken is left out, as when the process was killed in the middle of one; a reading
that a line does not have is not a number. Whether any of it is too much is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from harness.columns import TIME_NS_MAX, Int64
from harness.littles_law import Looks

LINES_MAX: Final = 1_000_000
LOOKS_MAX: Final = 8 * LINES_MAX
ERROR_SHOWN_MAX: Final = 200
# Every reading of a progress line that somebody judges or shows; counters grow from the start on.
READINGS: Final = (
    "cpu_share", "sent", "done", "open_sessions", "in_flight", "dropped_sessions", "connections",
    "connections_max", "connections_opened", "connections_retired", "closed_by_target", "resent",
    "own_shortages", "descriptors",
    "descriptors_max", "lateness_ms_p50", "lateness_ms_p99", "lateness_ms_max", "loop_lag_ms_max",
    "run_delay_ns", "rss_bytes", "wall_offset_ns", "boot_offset_ns", "clock_doubt_ns",
    "users_wanted", "task_errors", "untimed", "unreported",
)  # fmt: skip

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfReport:
    """Self-report of one load process; `values` has one entry per line and reading.

    A foreign locustfile's process ends at `ended_ns` and should have at `due_ns` (0: not said);
    `first_error` is what its tasks raised first.
    """

    at_ns: Int64
    values: Mapping[str, Values]
    looks: Looks
    has_finished: bool  # orderly, and carried its plan out
    ended_ns: int = 0
    due_ns: int = 0
    first_error: str = ""

    def most(self, name: str) -> float:
        """Return the largest value of a reading; 0 when it was never said."""
        values = self.values[name]
        return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def read_self_reports(folder: Path) -> Mapping[str, SelfReport]:
    """Read `load-<i>.jsonl` of every load process; files that cannot be opened are left out."""
    reports = {}
    for path in sorted(folder.glob("load-*.jsonl")):
        try:
            lines = path.read_bytes().splitlines()[:LINES_MAX]
        except OSError:
            continue
        reports[path.stem] = _folded(lines)
    return reports


def _folded(lines: list[bytes]) -> SelfReport:
    at_ns: list[int] = []
    rows: list[list[float]] = []
    looks: list[tuple[int, int, int]] = []
    has_finished = False
    ended_ns = due_ns = 0
    first_error = ""
    for line in lines:
        try:
            content: Any = orjson.loads(line)
            if content["event"] == "finished":
                has_finished = content.get("is_complete", True) is True
                first_error = str(content.get("first_error", ""))[:ERROR_SHOWN_MAX]
                if "due_ns" in content:
                    ended_ns, due_ns = _time_of(content["at_ns"]), _time_of(content["due_ns"])
            if content["event"] != "progress":
                continue
            at = _time_of(content["at_ns"])
            row = [_number_of(content.get(name)) for name in READINGS]
            if math.isnan(row[0]):
                raise ValueError("it does not even say its CPU")
            seen = [_look_of(look) for look in content.get("looks", ())]
        except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
            continue
        at_ns.append(at)
        rows.append(row)
        looks += seen[: LOOKS_MAX - len(looks)]
    table = np.array(rows, dtype=np.float64).reshape(-1, len(READINGS))
    return SelfReport(
        at_ns=np.array(at_ns, dtype=np.int64),
        values={name: table[:, place] for place, name in enumerate(READINGS)},
        looks=_looks_of(looks),
        has_finished=has_finished,
        ended_ns=ended_ns,
        due_ns=due_ns,
        first_error=first_error,
    )


def _looks_of(looks: list[tuple[int, int, int]]) -> Looks:
    table = np.array(sorted(looks), dtype=np.int64).reshape(-1, 3)
    return Looks(at_ns=table[:, 0], in_flight=table[:, 1], open_sessions=table[:, 2])


def _time_of(value: Any) -> int:
    at_ns = int(value)
    if not 0 < at_ns < TIME_NS_MAX:
        raise ValueError("a time that no clock shows")
    return at_ns


def _number_of(value: Any) -> float:
    if value is None:
        return math.nan
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _look_of(value: Any) -> tuple[int, int, int]:
    at_ns, in_flight, open_sessions = value
    counts = int(in_flight), int(open_sessions)
    if not all(0 <= count < 1 << 32 for count in counts):
        raise ValueError("a count that no process reaches")
    return _time_of(at_ns), *counts
