"""Planned against offered: sessions, and requests of each kind, per second of the load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from contracts.terms import Bilingual
from reports.figures.bands import Band, draw_bands, names_height_pt
from reports.figures.drawing import (
    INK,
    KIND_COLOURS,
    MUTED,
    WIDTH_PT,
    Canvas,
    count_axis,
    time_axis,
)
from reports.figures.latency import PANEL_KINDS
from reports.folds import Folded
from reports.names import kind_name
from reports.offer import Offer
from reports.wording import say

PLANNED: Final = "#8d99a5"
_PANEL_PT: Final = 62.0
_GAP_PT: Final = 26.0
_NAME_PT: Final = 20.0
_BOTTOM_PT: Final = 40.0
_LEFT_PT: Final = 62.0

Rates = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPanel:
    """One panel: events per second in each window; `planned_per_s` is not a number without plan."""

    title: Bilingual
    colour: str
    planned_per_s: Rates
    sent_per_s: Rates
    carried_per_s: Rates | None


def offer_panels(folded: Folded, offer: Offer) -> tuple[OfferPanel, ...]:
    """Return the numbers of all panels: sessions first, then each kind that has a request."""
    panels = [
        OfferPanel(
            title=say("panel_sessions"),
            colour=INK,
            planned_per_s=offer.sessions["planned_per_s"].to_numpy(dtype=float),
            sent_per_s=offer.sessions["begun_per_s"].to_numpy(dtype=float),
            carried_per_s=None,
        )
    ]
    for kind in PANEL_KINDS:
        rates = folded.kind_rates[folded.kind_rates["kind"] == kind]
        planned = offer.kinds.loc[offer.kinds["kind"] == kind, "planned_per_s"]
        if rates.empty or not (rates["due_per_s"].sum() or planned.sum()):
            continue
        panels.append(
            OfferPanel(
                title=kind_name(kind),
                colour=KIND_COLOURS[kind],
                planned_per_s=planned.to_numpy(dtype=float)
                if planned.size
                else np.full(folded.timeline.count, np.nan),
                sent_per_s=rates["sent_per_s"].to_numpy(),
                carried_per_s=rates["carried_per_s"].to_numpy(),
            )
        )
    return tuple(panels)


def draw_offer(folded: Folded, offer: Offer, bands: Sequence[Band]) -> Markup:
    """Draw the plan as an outline, what was carried as an area, what was sent as a line."""
    panels = offer_panels(folded, offer)
    last_s = folded.timeline.last_s
    edges = np.append(folded.timeline.starts_s, last_s)
    top_pt = _NAME_PT + names_height_pt(bands, last_s)
    height_pt = top_pt + _BOTTOM_PT + len(panels) * (_PANEL_PT + _GAP_PT) - _GAP_PT
    canvas = Canvas(height_pt=height_pt)
    for place, panel in enumerate(panels):
        bottom_pt = height_pt - top_pt - _PANEL_PT - place * (_PANEL_PT + _GAP_PT)
        axes = canvas.axes(left_pt=_LEFT_PT, bottom_pt=bottom_pt,
                           width_pt=WIDTH_PT - _LEFT_PT - 60, height_pt=_PANEL_PT)  # fmt: skip
        draw_bands(axes, canvas, bands, last_s=last_s, names_pt=None if place else _NAME_PT)
        _draw_panel(axes, panel, edges)
        is_last = place == len(panels) - 1
        time_axis(axes, last_s=last_s, canvas=canvas,
                  label=say("axis_time") if is_last else None)  # fmt: skip
        canvas.write(_LEFT_PT, bottom_pt + _PANEL_PT + 4, panel.title, fontsize=10.5,
                     va="bottom", color=panel.colour, fontweight="bold")  # fmt: skip
    canvas.write(12, height_pt / 2, say("axis_per_s"), rotation=90, ha="center", va="center",
                 color=MUTED, fontsize=9.5)  # fmt: skip
    return canvas.svg("offer")


def _draw_panel(axes: Axes, panel: OfferPanel, edges: Rates) -> None:
    if panel.carried_per_s is not None:
        axes.stairs(panel.carried_per_s, edges, fill=True, color=panel.colour, alpha=0.18, lw=0)
    axes.stairs(panel.sent_per_s, edges, color=panel.colour, lw=1.1, baseline=None)
    axes.stairs(panel.planned_per_s, edges, color=PLANNED, lw=1.5, ls=(0, (5, 2)), baseline=None)
    count_axis(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
