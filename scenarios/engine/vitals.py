"""How the load process itself is doing: the progress line of each second.

A generator that is late, out of CPU or out of descriptors measures itself, not the target; these
readings are how the judge notices. They are taken from the process's own state and from the
kernel, never from the samples, so that the one can be held against the other. Latency counts from
the planned time, as everywhere.
"""

from __future__ import annotations

import os
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# Of twenty looks a second every fifth is written down: 600 in the measured time of a short run.
LOOKS_APART: Final = 5
LOOKS_MAX: Final = 8  # in one line; a process that stood still has fewer
_CLOCK_DOUBT_NS: Final = 1_000_000
_CLOCK_READINGS_MAX: Final = 3
_PAGE_BYTES: Final = resource.getpagesize()
_STATM: Final = Path("/proc/self/statm")
_SCHEDSTAT: Final = Path("/proc/self/schedstat")
_DESCRIPTORS: Final = "/proc/self/fd"
# Counts suspended time too, where the system has such a clock.
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Vitals:
    """Takes the process's pulse; each reading covers the time since the one before."""

    __slots__ = (
        "_cpu_s", "_lag_ns_max", "_look_count", "_look_interval_ns", "_looked_ns", "_looks",
        "_wall_s",
    )  # fmt: skip

    def __init__(self, *, look_interval_s: float) -> None:
        self._look_interval_ns = int(look_interval_s * 1e9)
        self._cpu_s = time.process_time()
        self._wall_s = time.monotonic()
        self._looked_ns = 0
        self._look_count = 0
        self._lag_ns_max = 0
        self._looks: list[tuple[int, int, int]] = []

    def look(self, *, in_flight: int, open_sessions: int, over_by_last: int = 0) -> None:
        """Note what is under way now. To be called by a loop timer, every *look_interval_s*.

        *over_by_last*: requests that counted as in flight at the last look and had been answered.

        How much later than that it is called is how long the loop, and all that was due, had to
        wait for something: a blocking call, the collector, another process on the core.
        """
        now_ns = time.monotonic_ns()
        if over_by_last and self._looks and self._looks[-1][0] == self._looked_ns:
            at_ns, seen, sessions = self._looks[-1]
            self._looks[-1] = (at_ns, seen - over_by_last, sessions)
        if self._looked_ns:
            lag_ns = now_ns - self._looked_ns - self._look_interval_ns
            self._lag_ns_max = max(self._lag_ns_max, lag_ns)
        self._looked_ns = now_ns
        self._look_count += 1
        if self._look_count % LOOKS_APART == 0 and len(self._looks) < LOOKS_MAX:
            self._looks.append((now_ns, in_flight, open_sessions))

    def read(self, samples: npt.NDArray[np.void]) -> dict[str, Any]:
        """Return the readings; *samples*: what was recorded since the last call.

        `looks` are (at_ns, requests in flight, open sessions); `run_delay_ns` is how long the
        process was ready to run and had no core, since its start; counters count since then too.
        `*_offset_ns` are how far other clocks are ahead of CLOCK_MONOTONIC, each right to within
        `clock_doubt_ns`.
        """
        cpu_s, wall_s = time.process_time(), time.monotonic()
        cpu_share = (cpu_s - self._cpu_s) / max(wall_s - self._wall_s, 1e-6)
        self._cpu_s, self._wall_s = cpu_s, wall_s
        looks, self._looks = self._looks, []
        lag_ns_max, self._lag_ns_max = self._lag_ns_max, 0
        answered = samples[samples["done_ns"] > 0]
        latency_ms = (answered["done_ns"] - answered["planned_ns"]) / 1e6
        lateness_ms = (answered["sent_ns"] - answered["planned_ns"]) / 1e6
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "latency_ms_p50": _nearest_rank(latency_ms, 0.50),
            "latency_ms_p99": _nearest_rank(latency_ms, 0.99),
            "lateness_ms_p50": _nearest_rank(lateness_ms, 0.50),
            "lateness_ms_p99": _nearest_rank(lateness_ms, 0.99),
            "lateness_ms_max": _nearest_rank(lateness_ms, 1.0),
            "loop_lag_ms_max": round(lag_ns_max / 1e6, 3),
            "looks": looks,
            "cpu_share": round(cpu_share, 4),
            "rss_bytes": rss_bytes(),
            "run_delay_ns": _run_delay_ns(),
            "context_switches_voluntary": usage.ru_nvcsw,
            "context_switches_involuntary": usage.ru_nivcsw,
            "descriptors": _descriptor_count(),
            "descriptors_max": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            **_clocks(),
        }


def rss_bytes() -> int:
    """Return the memory this process holds now; its peak where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _clocks() -> dict[str, int]:
    """Return how far the other clocks are ahead; the closest of a few readings is kept.

    Between two readings the process may lose its core: what lies between them is the doubt.
    """
    best: dict[str, int] = {}
    for _ in range(_CLOCK_READINGS_MAX):
        before_ns = time.monotonic_ns()
        wall_ns, boot_ns = time.time_ns(), time.clock_gettime_ns(_BOOT_CLOCK)
        doubt_ns = time.monotonic_ns() - before_ns
        if not best or doubt_ns < best["clock_doubt_ns"]:
            best = {
                "wall_offset_ns": wall_ns - before_ns,
                "boot_offset_ns": boot_ns - before_ns,
                "clock_doubt_ns": doubt_ns,
            }
        if doubt_ns < _CLOCK_DOUBT_NS:
            break
    return best


def _run_delay_ns() -> int:
    """Return the time spent waiting for a core; 0 where the kernel does not keep count."""
    with suppress(OSError, ValueError, IndexError):
        return int(_SCHEDSTAT.read_text().split()[1])
    return 0


def _descriptor_count() -> int:
    """Return how many descriptors are open; 0 where the system does not say.

    Linux 6.2 and later give the count as the directory's size; listing 20,000 entries would stop
    the loop for 60 ms.
    """
    with suppress(OSError):
        return os.stat(_DESCRIPTORS).st_size
    return 0


def _nearest_rank(values: npt.NDArray[np.float64], share: float) -> float | None:
    """Return the smallest value that at least *share* of *values* do not exceed (type 1)."""
    if len(values) == 0:
        return None
    rank = max(0, int(np.ceil(share * len(values))) - 1)
    return round(float(np.partition(values, rank)[rank]), 3)
