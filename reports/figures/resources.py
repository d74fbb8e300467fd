"""Processor cores busy over time, by part of the test: was the machine full, or was it waiting?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from reports.figures.drawing import INK, WIDTH_PT, Canvas, count_axis, time_axis
from reports.folds import Timeline
from reports.formats import decimal
from reports.wording import say

# The parts in the order of the stack, the target first.
ROLES: Final = ("app", "database", "provider", "load", "harness")
ROLE_COLOURS: Final = {
    "app": "#1f5a9c",
    "database": "#5d4a99",
    "provider": "#7d6312",
    "load": "#aab4bd",
    "harness": "#d5dbe0",
}
_HEIGHT_PT: Final = 190.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStack:
    """Mean cores busy per window: by role, and of the whole machine with whatever else ran on it.

    `cores_count` of the machine is 0 when unknown; `machine_cores` is then None.
    """

    starts_s: npt.NDArray[np.float64]
    cores: dict[str, npt.NDArray[np.float64]]
    machine_cores: npt.NDArray[np.float64] | None
    cores_count: float


def resource_stack(readings: pd.DataFrame, timeline: Timeline, t0_ns: int) -> ResourceStack | None:
    """Fold the host probe's readings; None when it read no processor use during the load."""
    offsets_s = (readings["at_ns"] - t0_ns) / 1e9
    is_within = (offsets_s >= 0) & (offsets_s < timeline.last_s)
    busy = readings[(readings["name"] == "cpu_share") & is_within]
    busy = busy[busy["value"].between(0, 100_000)]
    window = (offsets_s[busy.index] // timeline.window_s).astype(int)
    # The probe sums the processes of a role; a window holds one or more of its seconds.
    means = busy.groupby([busy["subject"], window])["value"].mean()
    cores: dict[str, npt.NDArray[np.float64]] = {}
    for role in (*ROLES, "host"):
        if role in means.index.get_level_values(0):
            line = means.loc[role].reindex(range(timeline.count))
            line = line.interpolate(limit_direction="both").fillna(0)
            cores[role] = line.to_numpy(dtype=float)
    counts = readings.loc[readings["name"] == "cpu_count", "value"]
    cores_count = float(counts.iloc[0]) if not counts.empty and counts.iloc[0] > 0 else 0.0
    host_share = cores.pop("host", None)
    if not cores:
        return None
    return ResourceStack(
        starts_s=timeline.starts_s,
        cores=cores,
        machine_cores=host_share * cores_count if host_share is not None and cores_count else None,
        cores_count=cores_count,
    )


def draw_resources(stack: ResourceStack, timeline: Timeline) -> Markup:
    """Draw the stack under the line of all cores of the machine."""
    last_s = timeline.last_s
    edges = np.append(stack.starts_s, last_s)
    canvas = Canvas(height_pt=_HEIGHT_PT)
    axes = canvas.axes(left_pt=62, bottom_pt=40, width_pt=WIDTH_PT - 122,
                       height_pt=_HEIGHT_PT - 66)  # fmt: skip
    floor = np.zeros(stack.starts_s.size)
    for role, cores in stack.cores.items():
        axes.stairs(floor + cores, edges, baseline=floor, fill=True, lw=0, color=ROLE_COLOURS[role])
        floor = floor + cores
    count_axis(axes)
    top = float(floor.max())
    if stack.machine_cores is not None:
        axes.stairs(stack.machine_cores, edges, baseline=None, color=INK, lw=1.1)
        top = max(top, float(stack.machine_cores.max()))
    if stack.cores_count > 0:
        top = max(top, stack.cores_count)
        axes.axhline(stack.cores_count, color=INK, lw=0.9, ls=(0, (4, 3)))
        words = say("mark_all_cores", cores=decimal(stack.cores_count))
        axes.annotate(canvas.say(words), (1.0, stack.cores_count), fontsize=8.5, va="bottom",
                      xycoords=("axes fraction", "data"), xytext=(0, 3), ha="right",
                      textcoords="offset points", color=INK, annotation_clip=False)  # fmt: skip
    axes.set_ylim(0, top * 1.05 or 1)
    axes.set_ylabel(canvas.say(say("axis_cores")), labelpad=8)
    time_axis(axes, last_s=last_s, canvas=canvas, label=say("axis_time"))
    return canvas.svg("resources")
