"""The closing table of a load: what was planned, what became of it, and percentiles, exact.

From the sealed samples alone. Latency counts from when a request was due; a request that never got
a right answer is worse than any number and stays inside every percentile, so a percentile may be
"never". Percentiles are nearest ranks over all requests that were sent, never averages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.records import Failure
from harness.columns import Flags, Int64
from harness.measurements import NEVER_NS, Measurements

SHARES: Final = (0.5, 0.95, 0.99, 0.999, 1.0)
_HEADS: Final = (
    "operation", "planned", "sent", "answered", "errors", "p50 ms", "p95 ms", "p99 ms", "p99.9 ms",
    "max ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation; `latencies_ms` by `SHARES`, None for "never". Errors count every attempt."""

    operation: str
    planned: int
    sent: int
    answered: int
    errors: int
    latencies_ms: tuple[float | None, ...]


def load_rows(samples: Measurements, planned: Mapping[str, int]) -> tuple[Row, ...]:
    """Return one row per operation that was planned or sent, and one of all together."""
    latency_ns = _latencies(samples)
    is_error = _errors(samples)
    rows = []
    for number, (name, _) in enumerate(samples.operations):
        chosen = samples.operation == number
        if (chosen & samples.is_request).any() or planned.get(name):
            rows.append(
                _row(name, samples, latency_ns, is_error, chosen, planned.get(name, 0))
            )  # fmt: skip
    everything = np.ones(samples.row_count, dtype=np.bool_)
    whole = _row("all operations", samples, latency_ns, is_error, everything, sum(planned.values()))
    return (*rows, whole)


def table_lines(rows: Sequence[Row]) -> list[str]:
    """Return the table as lines for a terminal."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]


def _row(
    name: str,
    samples: Measurements,
    latency_ns: Int64,
    is_error: Flags,
    chosen: Flags,
    planned: int,
) -> Row:
    first = chosen & samples.is_request & (samples.sent_ns > 0)
    known = np.sort(latency_ns[first])
    return Row(
        operation=name,
        planned=planned,
        sent=int(np.count_nonzero(first)),
        answered=int(np.count_nonzero(known != NEVER_NS)),
        errors=int(np.count_nonzero(is_error & chosen)),
        latencies_ms=tuple(_rank_ms(known, share) for share in SHARES),
    )


def _latencies(samples: Measurements) -> Int64:
    """The judge's latencies; a refusal that had to be is an answer here, too."""
    latency_ns = samples.latency_ns.copy()
    refused = samples.is_request & (samples.failure == Failure.EXPECTED_REFUSAL)
    latency_ns[refused] = np.maximum(samples.done_ns[refused] - samples.planned_ns[refused], 0)
    return latency_ns


def _errors(samples: Measurements) -> Flags:
    harmless = (Failure.NONE, Failure.EXPECTED_REFUSAL, Failure.NOT_SENT)
    return ~np.isin(samples.failure, harmless)


def _rank_ms(ordered_ns: Int64, share: float) -> float | None:
    if not ordered_ns.size:
        return math.nan
    value = int(ordered_ns[max(0, math.ceil(share * ordered_ns.size) - 1)])
    return None if value == NEVER_NS else value / 1e6


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.planned, row.sent, row.answered, row.errors)
    return (row.operation, *(f"{count:,}" for count in counts), *map(_shown, row.latencies_ms))


def _shown(latency_ms: float | None) -> str:
    if latency_ms is None:
        return "never"
    return "-" if math.isnan(latency_ms) else f"{latency_ms:,.2f}"
