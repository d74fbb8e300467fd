"""Latency: a percentile over the requests of one kind or one operation, from the planned time.

Only measured phases count. A request that was never answered (a time-out, an error, a session that
the target's failure ended early) is worse than any limit and stays inside the percentile. Where the
95 % interval straddles the limit the point decides, and the reason says so.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from contracts.quantities import ALL_OPERATIONS
from contracts.records import LoadKind
from contracts.terms import Bilingual, Clause, OperationKind, Unit, Verdict
from harness.checks.answer import Answer, in_unit_of, inconclusive, measured
from harness.checks.closed_load import corrected_percentile, kept_back, share_of
from harness.checks.percentiles import percentile_of
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing, Flags, Int64
from harness.measurements import NEVER_NS, Measurements

# Requests that must be refused and the identity provider's own answers are never charged here.
NEVER_CHARGED = frozenset({OperationKind.PROBE, OperationKind.PROVIDER})
ALL_KINDS = frozenset(OperationKind) - NEVER_CHARGED
NAMED_MAX: Final = 5  # operations named in a message


def chosen_by(clause: Clause, samples: Measurements) -> Flags:
    """Return the rows that a clause's selector names; all that are charged for none.

    Raises `EvidenceMissing` when it names an operation that the run never had.
    """
    if clause.operation:
        known = sorted({name for name, _ in samples.operations})
        if clause.operation not in known:
            raise EvidenceMissing(
                en=f"the run had no operation called {clause.operation!r}; it had "
                f"{', '.join(known[:NAMED_MAX])}{' ...' if len(known) > NAMED_MAX else ''}",
                th=f"การทดสอบไม่มีรายการชื่อ {clause.operation!r}",
            )
        return samples.of_operation(clause.operation) & samples.of_kinds(ALL_KINDS)
    if clause.selector in ("", ALL_OPERATIONS):
        return samples.of_kinds(ALL_KINDS)
    return samples.of_kinds({OperationKind(clause.selector)})


def judge_latency(clause: Clause, recorded: Recorded) -> Answer:
    """Judge one percentile of one operation kind."""
    percentile = clause.parameter("percentile")
    samples = recorded.measurements
    chosen = chosen_by(clause, samples)
    rows = charged_rows(samples, recorded, chosen)
    if not rows.size:
        return inconclusive(0, _no_samples(clause))
    latency_ns = samples.latency_ns[rows]
    found = percentile_of(latency_ns, percentile)
    value = in_unit_of(clause, found.value_ns / 1e9)
    low, high = (in_unit_of(clause, ns / 1e9) for ns in (found.low_ns, found.high_ns))
    never_count = int(np.count_nonzero(latency_ns == NEVER_NS))
    reason = _reason(clause, percentile, value, (low, high), never_count)
    answer = measured(clause, value, int(rows.size), reason)
    if recorded.manifest.load_kind == LoadKind.LOCUSTFILE and answer.verdict is Verdict.MET:
        return _held_against_omission(clause, recorded, answer, chosen, rows)
    if answer.verdict is Verdict.BREACHED:
        return _without_own_lateness(clause, samples, answer, rows)
    return answer


def _without_own_lateness(
    clause: Clause, samples: Measurements, answer: Answer, rows: Int64
) -> Answer:
    """Keep a BREACHED only if the generator's own lateness is not what made it.

    A step is planned from the answer before it, so being sent late is never the target's doing.
    """
    latency_ns = samples.latency_ns[rows]
    late_ns = np.maximum(samples.sent_ns[rows] - samples.planned_ns[rows], 0)
    own_ns = np.where(latency_ns == NEVER_NS, latency_ns, np.maximum(latency_ns - late_ns, 0))
    percentile = clause.parameter("percentile")
    value = in_unit_of(clause, percentile_of(own_ns, percentile).value_ns / 1e9)
    if not clause.limit.holds(value):
        return answer
    shown = _shown(value, clause.limit.unit)
    reason = Bilingual(
        en=f"{answer.reason.en}; without the time that the generator itself was late "
        f"p{percentile:g} is {shown}, so the target may have kept it",
        th=f"{answer.reason.th}; หากไม่นับเวลาที่ตัวสร้างโหลดส่งช้าเอง p{percentile:g} เท่ากับ {shown} "
        f"ระบบจึงอาจเป็นไปตามข้อนี้",
    )
    return inconclusive(answer.sample_count, reason, value=answer.value)


def _held_against_omission(
    clause: Clause, recorded: Recorded, answer: Answer, chosen: Flags, rows: Int64
) -> Answer:
    """Keep a MET of a closed load only if it also holds with what waits kept from being sent."""
    samples, percentile = recorded.measurements, clause.parameter("percentile")
    sent = np.flatnonzero((samples.sent_ns > 0) & samples.planned_in(recorded.measured_phases))
    kept = kept_back(samples, sent)
    corrected_ns = corrected_percentile(
        samples.latency_ns[rows], kept, percentile, share=share_of(chosen, sent)
    )
    value = in_unit_of(clause, corrected_ns / 1e9)
    shown = _shown(value, clause.limit.unit)
    reason = Bilingual(
        en=f"{answer.reason.en}; with the requests that {kept.waits} waits kept the closed load "
        f"from sending, p{percentile:g} is {shown}",
        th=f"{answer.reason.th}; เมื่อรวมคำขอที่ไม่ได้ส่งเพราะผู้ใช้รอ {kept.waits} ครั้ง "
        f"p{percentile:g} เท่ากับ {shown}",
    )
    if clause.limit.holds(value):
        return replace(answer, reason=reason)
    return inconclusive(answer.sample_count, reason, value=answer.value)


def charged_rows(samples: Measurements, recorded: Recorded, chosen: Flags) -> Int64:
    """Return the rows of *chosen* requests due in measured phases, as far as offered."""
    return np.flatnonzero(
        samples.is_request
        & chosen
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


def _no_samples(clause: Clause) -> Bilingual:
    if clause.operation:
        return Bilingual(
            en=f"no request of {clause.operation!r} was due in a measured phase",
            th=f"ไม่มีคำขอ {clause.operation!r} ในช่วงที่วัดผล",
        )
    return Bilingual(
        en=f"no request of kind {clause.selector or 'any'} was due in a measured phase",
        th=f"ไม่มีคำขอประเภท {clause.selector or 'ใด ๆ'} ในช่วงที่วัดผล",
    )
