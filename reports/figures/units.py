"""How the 95th percentile of latency is spread over the accounting units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from reports.figures.drawing import (
    INK,
    KIND_COLOURS,
    LIMIT,
    WIDTH_PT,
    Canvas,
    count_axis,
    decades,
    log_axis,
)
from reports.folds import Folded
from reports.formats import decimal
from reports.wording import say

_HEIGHT_PT: Final = 210.0
_BINS_PER_DECADE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSpread:
    """Histogram of the units' p95 in ms; bins are equal on a logarithmic scale."""

    edges_ms: npt.NDArray[np.float64]
    unit_counts: npt.NDArray[np.int64]
    median_ms: float
    worst_percent_ms: float
    unanswered_units: int


def unit_spread(folded: Folded) -> UnitSpread | None:
    """Return the numbers; None when no unit made enough requests or none was answered.

    `worst_percent_ms` is the p95 that one unit in a hundred exceeds (nearest rank). A unit whose
    p95 falls among unanswered requests counts in `unanswered_units` and in both ranks.
    """
    values = np.sort(folded.units["p95_ms"].to_numpy(dtype=float))
    finite = values[np.isfinite(values) & (values > 0)]
    if not finite.size:
        return None
    low, high = decades(finite)
    decade_count = round(np.log10(high / low))
    edges = np.logspace(np.log10(low), np.log10(high), decade_count * _BINS_PER_DECADE + 1)
    edges[0], edges[-1] = min(low, finite[0]), max(high, finite[-1])
    counts, _ = np.histogram(finite, bins=edges)
    return UnitSpread(
        edges_ms=edges,
        unit_counts=counts,
        median_ms=float(values[(values.size + 1) // 2 - 1]),
        worst_percent_ms=float(values[-(-values.size * 99 // 100) - 1]),
        unanswered_units=int(np.count_nonzero(np.isinf(values))),
    )


def draw_unit_spread(folded: Folded) -> Markup | None:
    """Draw the histogram with the median unit and the worst hundredth marked."""
    spread = unit_spread(folded)
    if spread is None:
        return None
    canvas = Canvas(height_pt=_HEIGHT_PT)
    axes = canvas.axes(left_pt=62, bottom_pt=40, width_pt=WIDTH_PT - 122,
                       height_pt=_HEIGHT_PT - 74)  # fmt: skip
    axes.stairs(spread.unit_counts, spread.edges_ms, fill=True, color=KIND_COLOURS["read"],
                alpha=0.75, lw=0)  # fmt: skip
    count_axis(axes)
    log_axis(axes, "x", (float(spread.edges_ms[0]), float(spread.edges_ms[-1])))
    marks = (
        (spread.median_ms, "mark_median_unit", INK, "right" , -4),
        (spread.worst_percent_ms, "mark_worst_units", LIMIT, "left", 4),
    )  # fmt: skip
    for value_ms, key, colour, side, shift_pt in marks:
        if not np.isfinite(value_ms):
            continue
        axes.axvline(value_ms, color=colour, lw=1.1)
        words = say(key, value_ms=decimal(value_ms))
        axes.annotate(canvas.say(words), (value_ms, 1.03),
                      xycoords=("data", "axes fraction"), xytext=(shift_pt, 0),
                      textcoords="offset points", ha=side, va="bottom", fontsize=9,
                      color=colour, annotation_clip=False)  # fmt: skip
    axes.grid(False, axis="x")
    axes.set_xlabel(canvas.say(say("axis_unit_p95")), labelpad=5)
    axes.set_ylabel(canvas.say(say("axis_units")), labelpad=8)
    return canvas.svg("units")
