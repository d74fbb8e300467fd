"""Counters and histograms of one worker, in Prometheus text. No locks: one thread, one loop.

Names begin with `ledger_`; times are seconds, as Prometheus asks. Cost per observation is one
bisect; nothing is kept per request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "pool_wait_seconds": SECONDS,
    "request_seconds": SECONDS,
    "posting_seconds": SECONDS,
    "loop_lag_seconds": SECONDS,
    "batch_size": SIZES,
    "import_seconds": SECONDS,
}


class Metrics:
    """What this worker counts."""

    def __init__(self, worker_name: str) -> None:
        self._worker = worker_name
        self.requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.gauges: dict[str, float] = {}
        self._histograms = {name: [0] * (len(bounds) + 1) for name, bounds in BUCKETS.items()}
        self._sums = dict.fromkeys(BUCKETS, 0.0)

    def observe(self, name: str, value: float) -> None:
        """Add *value* to the histogram *name* of `BUCKETS`."""
        self._histograms[name][bisect_left(BUCKETS[name], value)] += 1
        self._sums[name] += value

    def text(self) -> str:
        """Return all of it as Prometheus text."""
        label = f'worker="{self._worker}"'
        lines: list[str] = ["# TYPE ledger_requests_total counter"]
        for (method, route, status), count in sorted(self.requests.items()):
            labels = f'{label},method="{method}",route="{route}",status="{status}"'
            lines.append(f"ledger_requests_total{{{labels}}} {count}")
        for name, count in sorted(self.counts.items()):
            lines += [f"# TYPE ledger_{name} counter", f"ledger_{name}{{{label}}} {count}"]
        for name, value in sorted(self.gauges.items()):
            lines += [f"# TYPE ledger_{name} gauge", f"ledger_{name}{{{label}}} {value}"]
        for name, bounds in BUCKETS.items():
            lines.append(f"# TYPE ledger_{name} histogram")
            total = 0
            for bound, count in zip((*bounds, "+Inf"), self._histograms[name], strict=True):
                total += count
                lines.append(f'ledger_{name}_bucket{{{label},le="{bound}"}} {total}')
            lines.append(f"ledger_{name}_sum{{{label}}} {self._sums[name]:.6f}")
            lines.append(f"ledger_{name}_count{{{label}}} {total}")
        return "\n".join(lines) + "\n"
