"""A calibration as lines of text: loads, measured against true, what was lost, the budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.calibration.record import (
    AIM_MS,
    AIM_SHARE,
    LATENESS_P99_MS_MAX,
    MUST_MS,
    MUST_SHARE,
    Calibration,
    Latencies,
    LoadFigures,
    Row,
    Standing,
)

_MISSED_SHOWN: Final = 5
_PERCENTILES: Final = ("p50", "p99", "p99.9", "max")


def calibration_lines(calibration: Calibration) -> list[str]:
    """Return the whole calibration as lines."""
    kind = "quick" if calibration.is_quick else "full"
    return [
        f"{calibration.about_machine}; engine {calibration.engine_sha256[:12]}; {kind} calibration",
        f"highest true rate {calibration.rate_max_per_s:,.0f} requests/s "
        f"(sent and taken note of within {LATENESS_P99_MS_MAX:g} ms, p99); "
        f"others used {calibration.foreign_share:.0%} of this machine's CPU meanwhile",
        "",
        *aligned([_LOAD_HEADS, *map(_load_cells, calibration.loads)]),
        "",
        "latency from the planned time, ms: true (the server's log) / measured / error",
        *aligned([_ROW_HEADS, *map(_row_cells, calibration.rows)]),
        "",
        *_count_lines(calibration),
        _budget_line("must", MUST_MS, MUST_SHARE, calibration),
        _budget_line("aim", AIM_MS, AIM_SHARE, calibration),
        *([_DISTURBED] if calibration.standing is Standing.DISTURBED else []),
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return *rows* in columns: the first to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


_DISTURBED: Final = (
    "others used this machine meanwhile, so this says nothing about the generator: stop them, and "
    "calibrate again"
)
_LOAD_HEADS: Final = (
    "load", "rate/s", "late p50", "p99", "max ms", "CPU us/request", "CPU", "MB", "connections",
    "truth's doubt p99 ms",
)  # fmt: skip
_ROW_HEADS: Final = (
    "kind", "load", "requests", *(f"true {name}" for name in _PERCENTILES),
    *(f"meas. {name}" for name in _PERCENTILES), *(f"error {name}" for name in _PERCENTILES),
)  # fmt: skip


def _load_cells(load: LoadFigures) -> tuple[str, ...]:
    return (
        f"{load.label} {load.share:.0%}",
        f"{load.rate_per_s:,.0f}",
        f"{load.lateness_ms_p50:.2f}",
        f"{load.lateness_ms_p99:.2f}",
        f"{load.lateness_ms_max:.1f}",
        f"{load.cpu_us_per_request:.0f}",
        f"{load.cpu_share:.0%}",
        f"{load.memory_bytes / 1e6:.0f}",
        f"{load.connections_max:,}",
        f"{load.truth_doubt_ms_p99:.2f}",
    )


def _row_cells(row: Row) -> tuple[str, ...]:
    return (
        row.kind,
        f"{row.share:.0%}",
        f"{row.count:,}",
        *_cells(row.true_ms),
        *_cells(row.measured_ms),
        *(f"{error:+.2f}" for error in row.errors_ms()),
    )


def _cells(latencies: Latencies) -> list[str]:
    values = (latencies.p50, latencies.p99, latencies.p999, latencies.longest)
    return [f"{value:.2f}" for value in values]


def _count_lines(calibration: Calibration) -> list[str]:
    counts = calibration.counts
    agreed = (
        f"requests: {counts.planned:,} planned, {counts.answered:,} answered, {counts.resent:,} "
        "reads sent once more after a kept connection was reset"
    )
    wrong = {
        "lost": counts.lost,
        "doubled": counts.doubled,
        "in no log of the server": counts.unasked,
        "never sent": counts.unsent,
        "counted otherwise than they happened": counts.miscounted,
        "planned otherwise": counts.replanned,
        "answered before they were": counts.impossible,
        "sent once more untold": counts.untold,
    }
    disagreed = ", ".join(f"{count:,} {name}" for name, count in wrong.items())
    return [agreed, f"of these {disagreed}"]


def _budget_line(name: str, limit_ms: float, limit_share: float, calibration: Calibration) -> str:
    promise = (
        f"{name}: p50, p99 and p99.9 within {limit_share:.0%} or {limit_ms:g} ms, counts exact"
    )
    missed = [
        f"{row.kind} at {row.share:.0%}"
        for row in calibration.rows
        if not row.is_within(limit_ms, limit_share)
    ]
    if not calibration.counts.is_exact:
        missed.insert(0, "the counts")
    if not missed:
        return f"{promise}: met"
    more = len(missed) - _MISSED_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    return f"{promise}: NOT met ({', '.join(missed[:_MISSED_SHOWN])}{rest})"
