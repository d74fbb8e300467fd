"""Failed requests over time as a share of what was due, stacked by the way they failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from contracts.records import Failure
from reports.figures.bands import Band, draw_bands, names_height_pt
from reports.figures.drawing import WIDTH_PT, Canvas, count_axis, time_axis
from reports.folds import ERRORS, Folded
from reports.wording import say

# From "the target said so, honestly" to "the target said nothing": light to dark.
FAILURE_COLOURS: Final = {
    Failure.SHED: "#d9a441",
    Failure.SERVER_ERROR: "#a3261f",
    Failure.TIMEOUT: "#5d4a99",
    Failure.CONNECTION: "#2f6f8f",
    Failure.UNEXPECTED_STATUS: "#8a6d3b",
    Failure.WRONG_ANSWER: "#111111",
    Failure.NOT_SENT: "#b4bcc4",
}
_AXES_PT: Final = 140.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStack:
    """Per way of failing, the share (in percent) of the requests that were due in each window."""

    starts_s: npt.NDArray[np.float64]
    percent: dict[Failure, npt.NDArray[np.float64]]
    counts: dict[Failure, int]


def failure_stack(folded: Folded) -> FailureStack:
    """Return the numbers of the ways that occurred at all, most frequent first."""
    table = folded.failures
    due = table["due_count"].to_numpy(dtype=float)
    counts = {failure: int(table[failure.name].sum()) for failure in ERRORS}
    occurred = sorted((f for f in ERRORS if counts[f]), key=lambda f: -counts[f])
    percent: dict[Failure, npt.NDArray[np.float64]] = {
        failure: np.divide(
            table[failure.name].to_numpy(dtype=float) * 100, due,
            out=np.zeros_like(due), where=due > 0,
        )
        for failure in occurred
    }  # fmt: skip
    return FailureStack(
        starts_s=folded.timeline.starts_s,
        percent=percent,
        counts={failure: counts[failure] for failure in occurred},
    )


def draw_failures(folded: Folded, bands: Sequence[Band]) -> Markup | None:
    """Draw the stack; None when no request failed, because a sentence says that better."""
    stack = failure_stack(folded)
    if not stack.percent:
        return None
    last_s = folded.timeline.last_s
    edges = np.append(stack.starts_s, last_s)
    canvas = Canvas(height_pt=_AXES_PT + 44 + names_height_pt(bands, last_s))
    axes = canvas.axes(left_pt=62, bottom_pt=40, width_pt=WIDTH_PT - 122,
                       height_pt=_AXES_PT)  # fmt: skip
    draw_bands(axes, canvas, bands, last_s=last_s, names_pt=3)
    floor = np.zeros(stack.starts_s.size)
    for failure, percent in stack.percent.items():
        axes.stairs(floor + percent, edges, baseline=floor, fill=True, lw=0,
                    color=FAILURE_COLOURS[failure])  # fmt: skip
        floor = floor + percent
    count_axis(axes)
    axes.set_ylim(0, max(float(floor.max()) * 1.08, 0.1))
    axes.set_ylabel(canvas.say(say("axis_failed_percent")), labelpad=8)
    time_axis(axes, last_s=last_s, canvas=canvas, label=say("axis_time"))
    return canvas.svg("failures")
