"""Latency: a percentile over the requests of one operation kind, from the planned time.

Only measured phases count. A request that was never answered (a time-out, an error, a session that
the target's failure ended early) is worse than any limit and stays inside the percentile. Where the
95 % interval straddles the limit the point decides, and the reason says so.
"""

from __future__ import annotations

import math

import numpy as np

from contracts.quantities import ALL_OPERATIONS
from contracts.terms import Bilingual, Clause, OperationKind, Unit
from harness.checks.answer import Answer, in_unit_of, inconclusive, measured
from harness.checks.percentiles import percentile_of
from harness.checks.recorded import Recorded
from harness.columns import Int64
from harness.measurements import NEVER_NS, Measurements

# Requests that must be refused and the identity provider's own answers are never charged here.
NEVER_CHARGED = frozenset({OperationKind.PROBE, OperationKind.PROVIDER})
ALL_KINDS = frozenset(OperationKind) - NEVER_CHARGED


def kinds_of(selector: str) -> frozenset[OperationKind]:
    """Return the operation kinds that a clause's selector names; all that are charged for none."""
    return ALL_KINDS if selector in ("", ALL_OPERATIONS) else frozenset({OperationKind(selector)})


def judge_latency(clause: Clause, recorded: Recorded) -> Answer:
    """Judge one percentile of one operation kind."""
    percentile = clause.parameter("percentile")
    samples = recorded.measurements
    rows = charged_rows(samples, recorded, kinds_of(clause.selector))
    if not rows.size:
        return inconclusive(0, _no_samples(clause.selector))
    latency_ns = samples.latency_ns[rows]
    found = percentile_of(latency_ns, percentile)
    value = in_unit_of(clause, found.value_ns / 1e9)
    low, high = (in_unit_of(clause, ns / 1e9) for ns in (found.low_ns, found.high_ns))
    never_count = int(np.count_nonzero(latency_ns == NEVER_NS))
    reason = _reason(clause, percentile, value, (low, high), never_count)
    return measured(clause, value, int(rows.size), reason)


def charged_rows(
    samples: Measurements, recorded: Recorded, kinds: frozenset[OperationKind]
) -> Int64:
    """Return the rows of requests of *kinds* due in measured phases, as far as offered."""
    return np.flatnonzero(
        samples.is_request
        & samples.of_kinds(kinds)
        & samples.planned_in(recorded.measured_phases)
        & ~samples.is_unoffered
    )


def _reason(
    clause: Clause,
    percentile: float,
    value: float,
    interval: tuple[float, float],
    never_count: int,
) -> Bilingual:
    unit = clause.limit.unit
    name = f"p{percentile:g}"
    low, high = interval
    if math.isinf(value):
        en = f"{name} is a request that was never answered ({never_count} of them)"
        th = f"{name} ตกที่คำขอที่ไม่ได้รับคำตอบเลย (มี {never_count} คำขอ)"
    else:
        en = f"{name} is {_shown(value, unit)}"
        th = f"{name} เท่ากับ {_shown(value, unit)}"
        if never_count:
            en += f"; {never_count} requests were never answered"
            th += f"; มี {never_count} คำขอที่ไม่ได้รับคำตอบ"
    en += f"; 95 % interval {_shown(low, unit)} to {_shown(high, unit)}"
    th += f"; ช่วงความเชื่อมั่น 95 % ตั้งแต่ {_shown(low, unit)} ถึง {_shown(high, unit)}"
    if (clause.limit.holds(low) is not clause.limit.holds(high)) and not math.isnan(value):
        en += "; the interval straddles the limit, the point decides"
        th += "; ช่วงคร่อมขีดจำกัด จึงตัดสินด้วยค่าที่วัดได้"
    return Bilingual(en=en, th=th)


def _shown(value: float, unit: Unit) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.3f} s" if unit == Unit.S else f"{value:.1f} {unit.value}"


def _no_samples(selector: str) -> Bilingual:
    return Bilingual(
        en=f"no request of kind {selector or 'any'} was due in a measured phase",
        th=f"ไม่มีคำขอประเภท {selector or 'ใด ๆ'} ในช่วงที่วัดผล",
    )
