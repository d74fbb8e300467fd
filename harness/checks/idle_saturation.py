"""Saturation below capacity: more work is asked for, no more is done, and the machine idles.

The rule of the domain facts (§5.5) over windows of five minutes: between two windows the offered
load rises by 20 % or more, the completed load by less than 5 %, the p95 by 50 % or more, while the
machine's CPU stays under 40 %. In a compressed run the windows shrink as the think times do.
Counted are the windows in which that is so. The CPU must be the target's own: where only the
generator's machine was read, nobody can tell.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from contracts.terms import Bilingual, Clause
from harness.checks.answer import Answer, in_ms, inconclusive, measured
from harness.checks.latency import ALL_KINDS
from harness.checks.percentiles import nearest_rank
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing
from harness.measurements import NEVER_NS

# Source of all five: domain facts §5.5; a clause may name others.
DEFAULTS: Final = {
    "window_s": 300.0,
    "offered_rise_share": 0.20,
    "completed_rise_share": 0.05,
    "p95_rise_share": 0.50,
    "cpu_below_share": 0.40,
}
# Shorter windows hold too few readings (one a second) to speak of a level.
WINDOW_S_MIN: Final = 5.0
TARGETS_ON_THIS_MACHINE: Final = ("embedded", "containers")


class Window(NamedTuple):
    """One stretch of a measured phase. `cpu_share` is NaN where none was read."""

    started_s: float  # since the start of the load
    offered_per_s: float
    completed_per_s: float
    p95_ns: float
    cpu_share: float


def judge_idle_saturation(clause: Clause, recorded: Recorded) -> Answer:
    """Count the windows that saturated while the machine was idle."""
    if recorded.manifest.target_kind not in TARGETS_ON_THIS_MACHINE:
        raise EvidenceMissing(
            en="the CPU of the target's own machine was not recorded",
            th="ไม่มีบันทึกการใช้ CPU ของเครื่องที่ถูกทดสอบ",
        )
    parameters = DEFAULTS | dict(clause.parameters)
    windows = _windows(recorded, parameters["window_s"])
    if any(math.isnan(window.cpu_share) for window in windows):
        return inconclusive(
            len(windows),
            Bilingual(en="the machine's CPU was not recorded throughout",
                      th="ไม่มีบันทึกการใช้ CPU ครบทุกช่วงเวลา"),
        )  # fmt: skip
    risen = [
        (early, late)
        for index, late in enumerate(windows)
        for early in windows[:index]
        if early.offered_per_s > 0
        and late.offered_per_s >= (1 + parameters["offered_rise_share"]) * early.offered_per_s
    ]
    if not risen:
        return inconclusive(
            len(windows),
            Bilingual(
                en="the offered load never rose enough to try the rule",
                th="ปริมาณงานไม่เคยเพิ่มขึ้นพอที่จะใช้กฎนี้",
            ),
        )
    saturated = {
        late.started_s: (early, late) for early, late in risen if _is_idle(early, late, parameters)
    }
    compared = len({late.started_s for _, late in risen})
    return measured(clause, float(len(saturated)), compared, _reason(saturated, compared, windows))


def _is_idle(early: Window, late: Window, parameters: dict[str, float]) -> bool:
    return (
        late.completed_per_s < (1 + parameters["completed_rise_share"]) * early.completed_per_s
        and late.p95_ns >= (1 + parameters["p95_rise_share"]) * early.p95_ns
        and late.cpu_share < parameters["cpu_below_share"]
    )


def _windows(recorded: Recorded, window_s: float) -> list[Window]:
    manifest, samples, cpu = recorded.manifest, recorded.measurements, recorded.host_cpu
    length_ns = int(max(WINDOW_S_MIN, window_s * min(1.0, manifest.think_scale)) * 1e9)
    charged = np.flatnonzero(
        samples.is_request & samples.of_kinds(ALL_KINDS) & ~samples.is_unoffered
    )
    planned_ns = samples.planned_ns[charged]
    latency_ns = samples.latency_ns[charged]
    done_ns = samples.done_ns[samples.is_right & samples.of_kinds(ALL_KINDS)]
    windows = []
    for phase in recorded.watched_phases:
        for start_ns in range(phase.started_ns, phase.ended_ns - length_ns + 1, length_ns):
            end_ns = start_ns + length_ns
            due = latency_ns[(planned_ns >= start_ns) & (planned_ns < end_ns)]
            done = np.count_nonzero((done_ns >= start_ns) & (done_ns < end_ns))
            inside = (cpu.at_ns >= start_ns) & (cpu.at_ns < end_ns)
            first = round((start_ns - manifest.t0_ns) / 1e9)
            last = round((end_ns - manifest.t0_ns) / 1e9)
            offered = manifest.planned_per_s[max(0, first) : max(0, last)]
            windows.append(
                Window(
                    started_s=(start_ns - manifest.t0_ns) / 1e9,
                    offered_per_s=sum(offered) / max(1, len(offered)),
                    completed_per_s=float(done) * 1e9 / length_ns,
                    p95_ns=_p95_ns(due),
                    cpu_share=float(cpu.share[inside].mean()) if inside.any() else math.nan,
                )
            )
    return windows


def _p95_ns(latency_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    if not latency_ns.size:
        return math.inf
    rank = nearest_rank(latency_ns.size, 95.0) - 1
    value = int(np.partition(latency_ns, rank)[rank])
    return math.inf if value == NEVER_NS else float(value)


def _reason(
    saturated: dict[float, tuple[Window, Window]], compared: int, windows: list[Window]
) -> Bilingual:
    if not saturated:
        busiest = max(window.cpu_share for window in windows)
        return Bilingual(
            en=f"completed load followed offered load in {compared} windows "
            f"(CPU up to {busiest:.0%})",
            th=f"งานที่เสร็จเพิ่มตามงานที่เข้ามาใน {compared} ช่วง (CPU สูงสุด {busiest:.0%})",
        )
    early, late = saturated[min(saturated)]
    p95 = "never answered" if math.isinf(late.p95_ns) else f"{in_ms(late.p95_ns):.0f} ms"
    numbers = (
        f"{early.offered_per_s:.0f} -> {late.offered_per_s:.0f}/s, "
        f"{early.completed_per_s:.0f} -> {late.completed_per_s:.0f}/s, p95 {p95}, "
        f"CPU {late.cpu_share:.0%}"
    )
    return Bilingual(
        en=f"saturated while idle from second {late.started_s:.0f} on: "
        f"offered, completed {numbers}",
        th=f"อิ่มตัวทั้งที่เครื่องว่าง ตั้งแต่วินาทีที่ {late.started_s:.0f}: งานเข้า งานเสร็จ {numbers}",
    )
