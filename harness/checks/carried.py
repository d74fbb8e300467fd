"""Carried share and participation: was the foreseen load carried, and by every unit.

What the plan foresaw is known before the run (`planned_per_s`). A slow target delays the later
steps of each session, so that fewer requests fall due in the peak: then the plan is the measure,
not what was left of it. An answer that comes well after the peak was not carried in it. Load that
the generator itself did not offer is never charged to the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from contracts.records import LoadKind, Phase
from contracts.terms import Bilingual, Clause
from harness.checks.answer import Answer, inconclusive, measured
from harness.checks.latency import ALL_KINDS
from harness.checks.own_load import REQUIRED
from harness.checks.recorded import Recorded

PEAK: Final = "peak"
FAULTS: Final = "faults"
# Even with quick answers a session of 24 steps runs a little later than planned, and some requests
# of the steady minutes fall due in the peak in their place. Up to this share less than planned is
# such a shift; beyond, requests were held up.
SHIFT_SHARE_MAX: Final = 0.05
# What falls due in the last moment of the peak is answered after it; chaos facts §3.1 give any
# answer 5 s.
ANSWERED_AFTER_S: Final = 5.0
# A provincial office is a unit number with sequence 0 and keeps no books.
UNITS_PER_PROVINCE: Final = 100_000


def judge_carried_share(clause: Clause, recorded: Recorded) -> Answer:
    """Judge how much of what was planned for the peak was answered."""
    peaks = [phase for phase in recorded.manifest.phases if phase.name == PEAK]
    if required_per_s := dict(clause.parameters).get(REQUIRED):
        return _held_against_rate(clause, recorded, peaks or recorded.measured_phases,
                                  required_per_s)  # fmt: skip
    if not peaks:
        return inconclusive(
            0, Bilingual(en="the run had no phase named peak", th="การทดสอบไม่มีช่วงพีก")
        )
    samples = recorded.measurements
    charged = samples.is_request & samples.of_kinds(ALL_KINDS) & samples.planned_in(peaks)
    due = np.flatnonzero(charged & ~samples.is_unoffered)
    answered = 0
    for peak in peaks:
        until_ns = peak.ended_ns + int(ANSWERED_AFTER_S * 1e9)
        of_peak = due[samples.planned_ns[due] >= peak.started_ns]
        of_peak = of_peak[samples.planned_ns[of_peak] < peak.ended_ns]
        in_time = samples.latency_ns[of_peak] < until_ns - samples.planned_ns[of_peak]
        answered += int(np.count_nonzero(in_time))
    foreseen = sum(_planned_between(recorded, peak.started_ns, peak.ended_ns) for peak in peaks)
    if foreseen <= 0:
        return inconclusive(
            int(due.size),
            Bilingual(
                en="the plan foresaw no request in the peak: nothing to compare with",
                th="แผนไม่ได้กำหนดคำขอในช่วงพีก จึงไม่มีสิ่งเปรียบเทียบ",
            ),
        )
    is_shift = due.size >= (1.0 - SHIFT_SHARE_MAX) * foreseen
    whole = int(due.size) if is_shift else foreseen
    return measured(
        clause,
        answered / whole,
        int(due.size),
        Bilingual(
            en=f"{answered} requests of the peak were answered; {due.size} fell due, "
            f"{foreseen} were planned",
            th=f"ตอบได้ {answered} คำขอในช่วงพีก ถึงกำหนด {due.size} คำขอ ตามแผน {foreseen} คำขอ",
        ),
    )


def _held_against_rate(
    clause: Clause, recorded: Recorded, phases: Sequence[Phase], required_per_s: float
) -> Answer:
    """Judge how much of a stated rate was answered; a load that asked for less cannot tell."""
    samples = recorded.measurements
    length_s = sum(phase.ended_ns - phase.started_ns for phase in phases) / 1e9
    charged = samples.is_request & samples.of_kinds(ALL_KINDS) & samples.planned_in(phases)
    due = np.flatnonzero(charged & ~samples.is_unoffered)
    answered = int(np.count_nonzero(samples.latency_ns[due] <= ANSWERED_AFTER_S * 1e9))
    required = required_per_s * length_s
    share = min(1.0, answered / required) if required else 0.0
    reason = Bilingual(
        en=f"{answered} requests were answered in {length_s:.0f} s, {required:,.0f} are required; "
        f"{due.size} were sent",
        th=f"ตอบได้ {answered} คำขอใน {length_s:.0f} วินาที ต้องได้ {required:,.0f} ส่งไป {due.size}",
    )
    # A closed load sends less because answers are slow; only one that was planned sent too little.
    is_planned = recorded.manifest.load_kind != LoadKind.LOCUSTFILE
    if is_planned and due.size < required * clause.limit.bound:
        return inconclusive(int(due.size), reason, value=share)
    return measured(clause, share, int(due.size), reason)


def judge_participation(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the share of units with at least one answered request.

    A unit that asked only while things were broken on purpose was given no fair chance: what
    happens then is what the recovery clauses promise.
    """
    samples = recorded.measurements
    declared = recorded.manifest.population_units
    if declared <= 0:
        return inconclusive(
            0, Bilingual(en="the manifest names no units", th="ไม่มีจำนวนหน่วยงานในบันทึก")
        )
    own = samples.of_kinds(ALL_KINDS) & (samples.unit % UNITS_PER_PROVINCE != 0)
    broken = samples.planned_in([p for p in recorded.manifest.phases if p.name == FAULTS])
    answered = np.unique(samples.unit[own & samples.is_right])
    offered = np.union1d(samples.unit[own & (samples.sent_ns > 0) & ~broken], answered)
    share = min(1.0, answered.size / declared)
    reason = Bilingual(
        en=f"{answered.size} of {declared} units got an answer; {offered.size} units asked",
        th=f"{answered.size} จาก {declared} หน่วยงานได้รับคำตอบ; {offered.size} หน่วยงานส่งคำขอ",
    )
    without_load = max(0, declared - int(offered.size))
    if not clause.limit.holds(share) and clause.limit.holds(share + without_load / declared):
        return inconclusive(
            int(offered.size),
            Bilingual(
                en=f"{without_load} units asked nothing, or only while faults were on; {reason.en}",
                th=f"{without_load} หน่วยงานไม่มีคำขอ หรือมีเฉพาะขณะทดสอบความขัดข้อง; {reason.th}",
            ),
            value=share,
        )
    return measured(clause, share, int(offered.size), reason)


def _planned_between(recorded: Recorded, started_ns: int, ended_ns: int) -> int:
    """Return how many requests the plan had between two times; seconds count where they begin."""
    manifest = recorded.manifest
    first = round((started_ns - manifest.t0_ns) / 1e9)
    last = round((ended_ns - manifest.t0_ns) / 1e9)
    return sum(manifest.planned_per_s[max(0, first) : max(0, last)])
