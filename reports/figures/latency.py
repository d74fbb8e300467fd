"""Latency over time, one panel per operation kind: p50, p95, p99 from the planned time.

A percentile that falls among unanswered requests breaks its line; a mark at the upper edge shows
each window in which a request stayed without an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from contracts.terms import Bilingual, OperationKind
from reports.figures.bands import Band, draw_bands, names_height_pt
from reports.figures.drawing import (
    EDGE,
    INK,
    KIND_COLOURS,
    LIMIT,
    MUTED,
    WIDTH_PT,
    Canvas,
    decades,
    log_axis,
    time_axis,
)
from reports.folds import Folded
from reports.formats import decimal
from reports.names import kind_name
from reports.wording import say

# Order of the panels: what people wait for first.
PANEL_KINDS: Final = ("read", "post", "report", "login", "export", "import")
LINES: Final = (("p50_ms", 1.0, 0.55), ("p95_ms", 1.3, 0.8), ("p99_ms", 1.7, 1.0))

_PANEL_PT: Final = 92.0
_GAP_PT: Final = 30.0
_LEFT_PT: Final = 62.0
_NAME_PT: Final = 18.0
_BOTTOM_PT: Final = 40.0
_LABEL_PT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPanel:
    """Numbers of one panel: y values in ms, nan where no request was due or none was answered."""

    kind: str
    middles_s: npt.NDArray[np.float64]
    p50_ms: npt.NDArray[np.float64]
    p95_ms: npt.NDArray[np.float64]
    p99_ms: npt.NDArray[np.float64]
    unanswered_s: npt.NDArray[np.float64]
    request_count: int
    unanswered_count: int


def latency_panels(folded: Folded) -> tuple[LatencyPanel, ...]:
    """Return the numbers of all panels that have a request, in the order of `PANEL_KINDS`."""
    panels = []
    middles_s = folded.timeline.middles_s
    for kind in PANEL_KINDS:
        table = folded.latency[folded.latency["kind"] == kind].sort_values("window")
        if table.empty or not table["request_count"].sum():
            continue
        unanswered = table["unanswered_count"].to_numpy()
        finite = {
            name: table[name].replace([np.inf], np.nan).to_numpy(dtype=float) for name, *_ in LINES
        }
        panels.append(
            LatencyPanel(
                kind=kind,
                middles_s=middles_s,
                **finite,
                unanswered_s=middles_s[unanswered > 0],
                request_count=int(table["request_count"].sum()),
                unanswered_count=int(unanswered.sum()),
            )
        )
    return tuple(panels)


def draw_latency(
    folded: Folded,
    bands: Sequence[Band],
    limits: Mapping[OperationKind, Sequence[tuple[float, float]]],
) -> Markup:
    """Draw all panels. *limits*: per kind, pairs of a percentile and its limit in ms."""
    panels = latency_panels(folded)
    last_s = folded.timeline.last_s
    top_pt = _NAME_PT + names_height_pt(bands, last_s)
    height_pt = top_pt + _BOTTOM_PT + len(panels) * (_PANEL_PT + _GAP_PT) - _GAP_PT
    canvas = Canvas(height_pt=height_pt)
    bounds = _bounds(panels, limits)
    for place, panel in enumerate(panels):
        bottom_pt = height_pt - top_pt - _PANEL_PT - place * (_PANEL_PT + _GAP_PT)
        axes = canvas.axes(left_pt=_LEFT_PT, bottom_pt=bottom_pt,
                           width_pt=WIDTH_PT - _LEFT_PT - 60, height_pt=_PANEL_PT)  # fmt: skip
        log_axis(axes, "y", bounds)
        is_last = place == len(panels) - 1
        time_axis(axes, last_s=last_s, canvas=canvas,
                  label=say("axis_time") if is_last else None)  # fmt: skip
        draw_bands(axes, canvas, bands, last_s=last_s, names_pt=None if place else _NAME_PT)
        _draw_panel(axes, panel)
        _draw_limits(axes, canvas, limits.get(OperationKind(panel.kind), ()), bounds)
        canvas.write(_LEFT_PT, bottom_pt + _PANEL_PT + 5, kind_name(panel.kind), fontsize=10.5,
                     va="bottom", color=KIND_COLOURS[panel.kind], fontweight="bold")  # fmt: skip
    canvas.write(12, height_pt / 2, say("axis_latency"), rotation=90, ha="center", va="center",
                 color=MUTED, fontsize=9.5)  # fmt: skip
    return canvas.svg("latency")


def _draw_panel(axes: Axes, panel: LatencyPanel) -> None:
    colour = KIND_COLOURS[panel.kind]
    for name, width, alpha in LINES:
        values = getattr(panel, name)
        axes.plot(panel.middles_s, values, color=colour, lw=width, alpha=alpha)
        lonely = _lonely(values)
        if lonely.any():
            axes.plot(panel.middles_s[lonely], values[lonely], ".", color=colour, ms=3, alpha=alpha)
    if panel.unanswered_s.size:
        edge = blended_transform_factory(axes.transData, axes.transAxes)
        axes.plot(panel.unanswered_s, np.full(panel.unanswered_s.size, 0.985), marker="v", ls="",
                  ms=4.5, color=LIMIT, transform=edge, clip_on=False, zorder=5)  # fmt: skip


def _draw_limits(
    axes: Axes,
    canvas: Canvas,
    limits: Sequence[tuple[float, float]],
    bounds: tuple[float, float],
) -> None:
    places = label_places([limit_ms for _, limit_ms in limits], bounds, _PANEL_PT)
    for (percentile, limit_ms), place in zip(limits, places, strict=True):
        axes.axhline(limit_ms, color=INK, lw=0.9, ls=(0, (4, 3)), zorder=2)
        text = f"p{percentile:g} ≤ {decimal(limit_ms)}"
        axes.text(1.008, place, canvas.say(Bilingual(th=text, en=text)), fontsize=8, va="center",
                  transform=axes.transAxes, color=INK, clip_on=False)  # fmt: skip
    axes.spines["left"].set_color(EDGE)


def label_places(
    limits_ms: Sequence[float], bounds: tuple[float, float], height_pt: float
) -> list[float]:
    """Return where labels stand beside their limits, as shares of the height, none on another."""
    low, high = math.log10(bounds[0]), math.log10(bounds[1])
    apart = _LABEL_PT / height_pt
    places = [0.0] * len(limits_ms)
    below = -1.0
    for index in sorted(range(len(limits_ms)), key=lambda index: limits_ms[index]):
        own = (math.log10(limits_ms[index]) - low) / (high - low)
        places[index] = below = max(own, below + apart)
    return places


def _bounds(
    panels: Sequence[LatencyPanel],
    limits: Mapping[OperationKind, Sequence[tuple[float, float]]],
) -> tuple[float, float]:
    shown = [float(value) for panel in panels for value in (*panel.p50_ms, *panel.p99_ms)]
    shown += [
        limit_ms for panel in panels for _, limit_ms in limits.get(OperationKind(panel.kind), ())
    ]
    return decades(shown)


def _lonely(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Say which values have no neighbour to be joined with: a line would not show them."""
    present = np.concatenate(([False], np.isfinite(values), [False]))
    return present[1:-1] & ~present[:-2] & ~present[2:]
