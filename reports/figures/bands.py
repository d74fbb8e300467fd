"""Phases and faults as bands behind a figure that runs over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes

from contracts.records import FaultEvent, Phase
from contracts.terms import Bilingual
from reports.figures.drawing import EDGE, FAULT_BAND, LIMIT, MUTED, UNMEASURED_BAND, Canvas
from reports.names import fault_name, phase_name

# Bands that are drawn; a folder with more is broken or hostile, and the table lists them anyway.
BANDS_MAX: Final = 40
# A band narrower than this share of the figure keeps its colour and loses its label.
_LABELLED_SHARE_MIN: Final = 0.09
FAULT_ROWS: Final = 3
# What a fault's name takes of the width, generously: labels are measured by nobody before display.
_NAME_SHARE: Final = 0.24
_ROW_PT: Final = 13.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of the run in s since the start of the load."""

    started_s: float
    ended_s: float
    name: Bilingual
    is_fault: bool
    is_measured: bool


def bands_of(
    phases: Sequence[Phase], faults: Sequence[FaultEvent], *, t0_ns: int, last_s: float
) -> tuple[Band, ...]:
    """Return the bands of a run. A fault that was never healed lasts to the end of the figure."""
    bands = [
        Band(
            started_s=(phase.started_ns - t0_ns) / 1e9,
            ended_s=(phase.ended_ns - t0_ns) / 1e9,
            name=phase_name(phase.name),
            is_fault=False,
            is_measured=phase.is_measured,
        )
        for phase in phases[:BANDS_MAX]
    ]
    bands += [
        Band(
            started_s=(event.injected_ns - t0_ns) / 1e9,
            ended_s=(event.healed_ns - t0_ns) / 1e9 if event.healed_ns else last_s,
            name=fault_name(event.name),
            is_fault=True,
            is_measured=False,
        )
        for event in faults[:BANDS_MAX]
    ]
    return tuple(band for band in bands if band.started_s < last_s and band.ended_s > 0)


def draw_bands(
    axes: Axes, canvas: Canvas, bands: Sequence[Band], *, last_s: float, names_pt: float | None
) -> None:
    """Draw *bands* behind the lines of *axes*; names begin *names_pt* above them."""
    for band in bands:
        start, end = max(band.started_s, 0.0), min(band.ended_s, last_s)
        if band.is_fault:
            # A short fault stays visible: at least half a percent of the width.
            axes.axvspan(start, max(end, start + last_s / 200), color=FAULT_BAND, lw=0, zorder=0.4)
            axes.axvline(start, color=LIMIT, lw=0.9, zorder=0.5)
        else:
            if not band.is_measured:
                axes.axvspan(start, end, color=UNMEASURED_BAND, lw=0, zorder=0.1)
            if start > 0:
                axes.axvline(start, color=EDGE, lw=0.7, zorder=0.3)
    if names_pt is not None:
        for band, row in named_rows(bands, last_s):
            axes.annotate(canvas.say(band.name), (max(band.started_s, 0.0), 1.0), fontsize=8.5,
                          xycoords=("data", "axes fraction"), xytext=(1, names_pt + row * _ROW_PT),
                          textcoords="offset points", ha="left", va="bottom",
                          annotation_clip=False,
                          color=LIMIT if band.is_fault else MUTED)  # fmt: skip


def named_rows(bands: Sequence[Band], last_s: float) -> list[tuple[Band, int]]:
    """Return the bands whose names are written and the row of each: phases below, faults above.

    Faults that follow each other closely stand one above the other, in up to `FAULT_ROWS` rows.
    """
    rows = [
        (band, 0)
        for band in bands
        if not band.is_fault
        and (min(band.ended_s, last_s) - max(band.started_s, 0)) / last_s >= _LABELLED_SHARE_MIN
    ]
    free_from = [0.0] * FAULT_ROWS
    for band in sorted((band for band in bands if band.is_fault), key=lambda band: band.started_s):
        fitting = [row for row in range(FAULT_ROWS) if free_from[row] <= band.started_s]
        if fitting:
            free_from[fitting[0]] = band.started_s + last_s * _NAME_SHARE
            rows.append((band, fitting[0] + 1))
    return rows


def names_height_pt(bands: Sequence[Band], last_s: float) -> float:
    """Return how much room the names need above the axes."""
    return (1 + max((row for _, row in named_rows(bands, last_s)), default=0)) * _ROW_PT + 4
