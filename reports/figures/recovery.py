"""Faults and recovery: what was carried and what failed around each fault, second by second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes

from contracts.records import FaultEvent
from reports.figures.arrivals import CARRIED
from reports.figures.drawing import (
    FAULT_BAND,
    INK,
    KIND_COLOURS,
    LIMIT,
    MUTED,
    WIDTH_PT,
    Canvas,
    count_axis,
    time_axis,
)
from reports.folds import Folded
from reports.formats import decimal
from reports.names import fault_name
from reports.wording import say

RECOVERED: Final = KIND_COLOURS["login"]
PANELS_MAX: Final = 6
# What a reader sees before and after a fault; the after part grows with a slow recovery.
BEFORE_S: Final = 20
AFTER_S: Final = 30
_AFTER_S_MAX: Final = 900
_PANEL_PT: Final = 92.0
_GAP_PT: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPanel:
    """One fault: times in s since the start of the load; `recovered_s` None when not known."""

    name: str
    injected_s: float
    healed_s: float | None
    recovered_s: float | None
    seconds: npt.NDArray[np.int64]
    carried_per_s: npt.NDArray[np.int64]
    failed_per_s: npt.NDArray[np.int64]


def recovery_panels(
    folded: Folded,
    faults: Sequence[FaultEvent],
    *,
    t0_ns: int,
    recovery_s: Mapping[str, float],
) -> tuple[RecoveryPanel, ...]:
    """Return the numbers around each fault. *recovery_s*: measured recovery by fault name."""
    seconds = folded.seconds
    last = len(seconds) - 1
    panels: list[RecoveryPanel] = []
    for event in faults[:PANELS_MAX]:
        injected_s = (event.injected_ns - t0_ns) / 1e9
        if not 0 <= injected_s <= last + 1:
            continue
        healed_s = (event.healed_ns - t0_ns) / 1e9 if event.healed_ns else None
        recovered_s = None
        if (took_s := recovery_s.get(event.name)) is not None:
            recovered_s = injected_s + took_s
        end = max(injected_s, healed_s or 0, recovered_s or 0) + AFTER_S
        end = min(end, injected_s + _AFTER_S_MAX)
        first = max(0, int(injected_s) - BEFORE_S)
        chosen = seconds[(seconds["second"] >= first) & (seconds["second"] <= min(last, end))]
        panels.append(
            RecoveryPanel(
                name=event.name,
                injected_s=injected_s,
                healed_s=healed_s,
                recovered_s=recovered_s,
                seconds=chosen["second"].to_numpy(),
                carried_per_s=chosen["carried_count"].to_numpy(),
                failed_per_s=chosen["failed_count"].to_numpy(),
            )
        )
    return tuple(panels)


def draw_recovery(panels: Sequence[RecoveryPanel]) -> Markup | None:
    """Draw one panel per fault; None when no fault lies within the recorded time."""
    panels = [panel for panel in panels if panel.seconds.size]
    if not panels:
        return None
    height_pt = 22 + len(panels) * (_PANEL_PT + _GAP_PT) + 14
    canvas = Canvas(height_pt=height_pt)
    for place, panel in enumerate(panels):
        bottom_pt = height_pt - 22 - _PANEL_PT - place * (_PANEL_PT + _GAP_PT)
        axes = canvas.axes(left_pt=62, bottom_pt=bottom_pt, width_pt=WIDTH_PT - 122,
                           height_pt=_PANEL_PT)  # fmt: skip
        _draw_panel(axes, canvas, panel)
        first, last = float(panel.seconds[0]), float(panel.seconds[-1]) + 1
        label = say("axis_time") if place == len(panels) - 1 else None
        time_axis(axes, first_s=first, last_s=last, canvas=canvas, label=label)
        axes.tick_params(labelbottom=True)
        canvas.write(62, bottom_pt + _PANEL_PT + 7, fault_name(panel.name), fontsize=10,
                     color=LIMIT, fontweight="bold", va="bottom")  # fmt: skip
    canvas.write(12, height_pt / 2, say("axis_requests_per_s"), rotation=90, ha="center",
                 va="center", color=MUTED, fontsize=9.5)  # fmt: skip
    return canvas.svg("recovery")


def _draw_panel(axes: Axes, canvas: Canvas, panel: RecoveryPanel) -> None:
    edges = np.append(panel.seconds, panel.seconds[-1] + 1)
    end_s = panel.healed_s if panel.healed_s is not None else float(edges[-1])
    axes.axvspan(panel.injected_s, max(end_s, panel.injected_s + 0.2), color=FAULT_BAND, lw=0)
    axes.stairs(panel.carried_per_s, edges, fill=True, color=CARRIED, alpha=0.16, lw=0)
    axes.stairs(panel.carried_per_s, edges, color=CARRIED, lw=1.4, baseline=None)
    if panel.failed_per_s.any():
        axes.stairs(panel.failed_per_s, edges, fill=True, color=LIMIT, alpha=0.55, lw=0)
    axes.axvline(panel.injected_s, color=LIMIT, lw=1.1)
    if panel.recovered_s is not None and panel.recovered_s <= edges[-1]:
        axes.axvline(panel.recovered_s, color=RECOVERED, lw=1.3, ls=(0, (4, 2)))
        took = decimal(panel.recovered_s - panel.injected_s)
        words = say("mark_recovered", took_s=took)
        # Words stand on the side of the line where there is room for them.
        is_early = panel.recovered_s - edges[0] < 0.7 * (edges[-1] - edges[0])
        axes.annotate(canvas.say(words), (panel.recovered_s, 1.03), fontsize=9,
                      xycoords=("data", "axes fraction"), xytext=(4 if is_early else -4, 0),
                      textcoords="offset points", ha="left" if is_early else "right",
                      va="bottom", color=RECOVERED, annotation_clip=False)  # fmt: skip
    count_axis(axes)
    axes.spines["left"].set_color(INK)
    axes.spines["left"].set_linewidth(0)
