"""How the load process itself is doing: the progress line of each second.

A generator that is late, out of CPU or out of descriptors measures itself, not the target; these
readings are how the judge notices. Latency counts from the planned time, as everywhere.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_PAGE_BYTES: Final = resource.getpagesize()
_STATM: Final = Path("/proc/self/statm")


class Vitals:
    """Takes the process's pulse; each reading covers the time since the one before."""

    __slots__ = ("_cpu_s", "_wall_s")

    def __init__(self) -> None:
        self._cpu_s = time.process_time()
        self._wall_s = time.monotonic()

    def read(self, samples: npt.NDArray[np.void]) -> dict[str, Any]:
        """Return the readings; *samples*: what was recorded since the last call."""
        cpu_s, wall_s = time.process_time(), time.monotonic()
        cpu_share = (cpu_s - self._cpu_s) / max(wall_s - self._wall_s, 1e-6)
        self._cpu_s, self._wall_s = cpu_s, wall_s
        answered = samples[samples["done_ns"] > 0]
        latency_ms = (answered["done_ns"] - answered["planned_ns"]) / 1e6
        lateness_ms = (answered["sent_ns"] - answered["planned_ns"]) / 1e6
        return {
            "latency_ms_p50": _nearest_rank(latency_ms, 0.50),
            "latency_ms_p99": _nearest_rank(latency_ms, 0.99),
            "lateness_ms_p99": _nearest_rank(lateness_ms, 0.99),
            "cpu_share": round(cpu_share, 4),
            "rss_bytes": rss_bytes(),
        }


def rss_bytes() -> int:
    """Return the memory this process holds now; its peak where the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _nearest_rank(values: npt.NDArray[np.float64], share: float) -> float | None:
    """Return the smallest value that at least *share* of *values* do not exceed (type 1)."""
    if len(values) == 0:
        return None
    rank = max(0, int(np.ceil(share * len(values))) - 1)
    return round(float(np.partition(values, rank)[rank]), 3)
