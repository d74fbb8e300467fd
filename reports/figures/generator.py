"""The load generator over time: how late it sent, how busy it was, what it had in flight."""

from __future__ import annotations

from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from harness.caveats import LATENESS_LIMIT_MS
from harness.generator_doubts import CPU_LIMIT_SHARE
from reports.figures.drawing import (
    INK,
    LIMIT,
    WIDTH_PT,
    Canvas,
    count_axis,
    decades,
    log_axis,
    time_axis,
)
from reports.folds import Timeline
from reports.generator import Generator
from reports.wording import say

LAG: Final = "#a3471c"
_PANEL_PT: Final = 84.0
_GAP_PT: Final = 30.0
_TOP_PT: Final = 24.0
_BOTTOM_PT: Final = 40.0
_LEFT_PT: Final = 62.0
_TITLES: Final = ("panel_lateness", "panel_generator_cpu", "panel_in_flight")
# What is drawn on a logarithmic axis stays above the clock's own grain.
_LEAST_MS: Final = 0.01


def draw_generator(generator: Generator, timeline: Timeline) -> Markup:
    """Draw lateness with the loop's lag, CPU of each process, and requests in flight."""
    height_pt = _TOP_PT + _BOTTOM_PT + len(_TITLES) * (_PANEL_PT + _GAP_PT) - _GAP_PT
    canvas = Canvas(height_pt=height_pt)
    for place, title in enumerate(_TITLES):
        bottom_pt = height_pt - _TOP_PT - _PANEL_PT - place * (_PANEL_PT + _GAP_PT)
        axes = canvas.axes(left_pt=_LEFT_PT, bottom_pt=bottom_pt,
                           width_pt=WIDTH_PT - _LEFT_PT - 60, height_pt=_PANEL_PT)  # fmt: skip
        _PANELS[title](axes, generator, timeline)
        is_last = place == len(_TITLES) - 1
        time_axis(axes, last_s=timeline.last_s, canvas=canvas,
                  label=say("axis_time") if is_last else None)  # fmt: skip
        canvas.write(_LEFT_PT, bottom_pt + _PANEL_PT + 5, say(title), fontsize=10.5, va="bottom",
                     color=INK, fontweight="bold")  # fmt: skip
    return canvas.svg("generator")


def _draw_lateness(axes: Axes, generator: Generator, timeline: Timeline) -> None:
    table, lag_ms = generator.lateness, generator.lag_ms
    lines = [table[name].to_numpy(dtype=float) for name in ("p50_ms", "p99_ms", "max_ms")]
    shown = [np.maximum(line, _LEAST_MS) for line in (*lines, lag_ms)]
    log_axis(axes, "y", decades([LATENESS_LIMIT_MS, *(v for line in shown for v in line)]))
    axes.axhline(LATENESS_LIMIT_MS, color=LIMIT, lw=0.9, ls=(0, (4, 3)))
    for line, width, alpha in zip(shown, (1.0, 1.7, 0.9), (0.55, 1.0, 0.45), strict=False):
        axes.plot(timeline.middles_s, line, color=INK, lw=width, alpha=alpha)
    axes.plot(timeline.middles_s, shown[-1], color=LAG, lw=1.1)


def _draw_cpu(axes: Axes, generator: Generator, timeline: Timeline) -> None:
    for cores in generator.cpu_cores.values():
        axes.plot(timeline.middles_s, cores, color=INK, lw=1.2)
    axes.axhline(CPU_LIMIT_SHARE, color=LIMIT, lw=0.9, ls=(0, (4, 3)))
    count_axis(axes)
    axes.set_ylim(0, 1.1)


def _draw_in_flight(axes: Axes, generator: Generator, timeline: Timeline) -> None:
    edges = np.append(timeline.starts_s, timeline.last_s)
    in_flight = np.nan_to_num(generator.in_flight)
    axes.stairs(in_flight, edges, fill=True, color=INK, alpha=0.15, lw=0)
    axes.stairs(in_flight, edges, color=INK, lw=1.1, baseline=None)
    count_axis(axes)


_PANELS: Final = {
    "panel_lateness": _draw_lateness,
    "panel_generator_cpu": _draw_cpu,
    "panel_in_flight": _draw_in_flight,
}
