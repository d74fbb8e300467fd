"""Fairness: does the slowest hundredth of the units wait much longer than the unit in the middle.

Each unit has its own p95 (nearest rank) over its requests in the measured phases. Compared are two
ranks among the units: the one that only `worst_share` of them exceed, and the median. Where even
the worst units wait no longer than `unnoticed_below_ms` nobody notices, and the ratio counts as 1.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from contracts.terms import Bilingual, Clause
from harness.checks.answer import Answer, in_ms, inconclusive, measured
from harness.checks.carried import UNITS_PER_PROVINCE
from harness.checks.latency import charged_rows, chosen_by
from harness.checks.percentiles import nearest_rank
from harness.checks.recorded import Recorded
from harness.columns import Int32, Int64
from harness.measurements import NEVER_NS

PERCENTILE_OF_UNIT: Final = 95.0
# A unit number has at most 24 bits, which leaves 39 for its latency: 6.4 days, above any of a run.
LATENCY_BITS: Final = 39
NEVER_US: Final = (1 << LATENCY_BITS) - 1


def judge_fairness(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the ratio between the worst units' p95 and the median unit's."""
    unnoticed_ms = clause.parameter("unnoticed_below_ms")
    worst_share = clause.parameter("worst_share")
    per_unit_min = int(clause.parameter("samples_per_unit_min"))
    samples = recorded.measurements
    rows = charged_rows(samples, recorded, chosen_by(clause, samples))
    rows = rows[samples.unit[rows] % UNITS_PER_PROVINCE != 0]
    slowest_us, counts = _p95_of_units(samples.unit[rows], samples.latency_ns[rows])
    slowest_us = slowest_us[counts >= max(1, per_unit_min)]
    if not slowest_us.size:
        return inconclusive(
            int(rows.size),
            Bilingual(
                en=f"no unit has {per_unit_min} requests in the measured phases",
                th=f"ไม่มีหน่วยงานใดมีคำขอถึง {per_unit_min} คำขอในช่วงที่วัดผล",
            ),
        )
    ordered = np.sort(slowest_us)
    median_ms = _ms(int(ordered[nearest_rank(ordered.size, 50.0) - 1]))
    worst_ms = _ms(int(ordered[nearest_rank(ordered.size, 100.0 * (1.0 - worst_share)) - 1]))
    if math.isinf(median_ms):
        return inconclusive(
            int(ordered.size),
            Bilingual(
                en="the median unit itself was not answered: there is nothing to compare with",
                th="หน่วยงานกลางเองก็ไม่ได้รับคำตอบ จึงไม่มีสิ่งเปรียบเทียบ",
            ),
        )
    is_unnoticed = worst_ms <= unnoticed_ms
    ratio = 1.0 if is_unnoticed else worst_ms / max(median_ms, 1e-3)
    shown = "never answered" if math.isinf(worst_ms) else f"{worst_ms:.1f} ms"
    return measured(
        clause,
        ratio,
        int(ordered.size),
        Bilingual(
            en=f"p95 of the worst {worst_share:.0%} of {ordered.size} units: {shown}; of the "
            f"median unit: {median_ms:.1f} ms; up to {unnoticed_ms:g} ms nobody notices",
            th=f"p95 ของ {worst_share:.0%} ที่ช้าที่สุดจาก {ordered.size} หน่วยงาน: {shown}; หน่วยงานกลาง: "
            f"{median_ms:.1f} ms; ไม่เกิน {unnoticed_ms:g} ms ถือว่าผู้ใช้ไม่สังเกตเห็น",
        ),
    )


def _p95_of_units(units: Int32, latency_ns: Int64) -> tuple[Int64, Int64]:
    """Return each unit's p95 in us and its number of requests."""
    if not units.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    never = latency_ns == NEVER_NS
    latency_us = np.minimum(latency_ns // 1000, NEVER_US - 1)
    latency_us[never] = NEVER_US
    packed = np.sort((units.astype(np.int64) << LATENCY_BITS) | latency_us)
    sorted_units = packed >> LATENCY_BITS
    begins = np.flatnonzero(np.diff(sorted_units, prepend=sorted_units[0] - 1))
    counts = np.diff(np.append(begins, packed.size))
    ranks = np.ceil(np.round(counts * PERCENTILE_OF_UNIT / 100.0, 6)).astype(np.int64)
    chosen = packed[begins + np.maximum(ranks, 1) - 1]
    return chosen & NEVER_US, counts


def _ms(latency_us: int) -> float:
    return math.inf if latency_us == NEVER_US else in_ms(latency_us * 1000)
