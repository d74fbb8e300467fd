"""Arrival rate over time: planned, sent and carried, in requests per second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from reports.figures.bands import Band, draw_bands, names_height_pt
from reports.figures.drawing import INK, WIDTH_PT, Canvas, count_axis, time_axis
from reports.folds import Folded
from reports.wording import say

PLANNED: Final = "#8d99a5"
CARRIED: Final = "#1f5a9c"
_AXES_PT: Final = 170.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalLines:
    """Requests per second in each window of the timeline; `planned` is the plan's own number."""

    starts_s: npt.NDArray[np.float64]
    planned_per_s: npt.NDArray[np.float64]
    sent_per_s: npt.NDArray[np.float64]
    carried_per_s: npt.NDArray[np.float64]


def arrival_lines(folded: Folded, planned_per_s: Sequence[int]) -> ArrivalLines:
    """Return the numbers. *planned_per_s*: one count per second of load, from the manifest."""
    timeline = folded.timeline
    planned = np.zeros(timeline.count)
    seconds = np.minimum(
        np.arange(len(planned_per_s)) // timeline.window_s, timeline.count - 1
    ).astype(int)
    np.add.at(planned, seconds, np.asarray(planned_per_s, dtype=float))
    return ArrivalLines(
        starts_s=timeline.starts_s,
        planned_per_s=planned / timeline.window_s,
        sent_per_s=folded.rates["sent_per_s"].to_numpy(),
        carried_per_s=folded.rates["carried_per_s"].to_numpy(),
    )


def draw_arrivals(folded: Folded, planned_per_s: Sequence[int], bands: Sequence[Band]) -> Markup:
    """Draw the plan as an outline, what was carried as a filled area, what was sent as a line."""
    lines = arrival_lines(folded, planned_per_s)
    last_s = folded.timeline.last_s
    edges = np.append(lines.starts_s, last_s)
    canvas = Canvas(height_pt=_AXES_PT + 44 + names_height_pt(bands, last_s))
    axes = canvas.axes(left_pt=62, bottom_pt=40, width_pt=WIDTH_PT - 122,
                       height_pt=_AXES_PT)  # fmt: skip
    draw_bands(axes, canvas, bands, last_s=last_s, names_pt=3)
    axes.stairs(lines.carried_per_s, edges, fill=True, color=CARRIED, alpha=0.16, lw=0)
    axes.stairs(lines.planned_per_s, edges, color=PLANNED, lw=1.6, ls=(0, (5, 2)), baseline=None)
    axes.stairs(lines.sent_per_s, edges, color=INK, lw=1.1, baseline=None)
    axes.stairs(lines.carried_per_s, edges, color=CARRIED, lw=1.5, baseline=None)
    count_axis(axes)
    axes.set_ylabel(canvas.say(say("axis_requests_per_s")), labelpad=8)
    time_axis(axes, last_s=last_s, canvas=canvas, label=say("axis_time"))
    return canvas.svg("arrivals")
