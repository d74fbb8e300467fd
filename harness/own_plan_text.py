"""What a load of the user's own would do, and what it would leave untested: text for a terminal.

The counterpart of `harness.plan_text` for workloads and locustfiles; starts nothing, sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.terms import Bilingual
from harness.checks.own_load import why_not_tested
from harness.closed_plan import ClosedPlan
from harness.options import Options
from harness.preparation import Preparation
from scenarios.workload_plan import WorkloadPlan

SHOWN_MAX: Final = 30
_HEADINGS: Final = {
    "plan": Bilingual(th="แผนการทดสอบ (ยังไม่มีการส่งภาระงาน)", en="Plan (no load is sent)"),
    "phases": Bilingual(th="ช่วงของการทดสอบ", en="Phases"),
    "operations": Bilingual(th="คำขอที่คาดหมายจำแนกตามรายการ", en="Expected requests by operation"),
    "left_out": Bilingual(
        th="คำขอเขียนที่จะไม่ส่ง (ใช้ --send-writes)", en="Writes that are left out (see --send-writes)"
    ),
    "not_tested": Bilingual(th="สิ่งที่จะไม่ได้ทดสอบ", en="What would NOT be tested"),
    "none": Bilingual(th="ไม่มี", en="nothing"),
}


def own_plan_text(preparation: Preparation, options: Options, language: str) -> str:
    """Return the plan as lines."""
    own, plan = preparation.own_load, preparation.plan
    assert own is not None
    blocks = [("plan", [f"contract   {preparation.contract.id}",
                        *(f"{name:<10} {text}" for name, text in own.source.items() if text),
                        f"plan       sha256 {plan.sha256}"])]  # fmt: skip
    if isinstance(plan, WorkloadPlan):
        blocks += list(_workload_blocks(plan))
    elif isinstance(plan, ClosedPlan):
        blocks.append(("phases", [f"{p.name:<14} {p.start_s:7.0f} to {p.end_s:7.0f} s"
                                  for p in plan.phases]))  # fmt: skip
    blocks.append(("not_tested", _gaps(preparation, options, language)))
    lines: list[str] = []
    for heading, rows in blocks:
        title = getattr(_HEADINGS[heading], language)
        lines += [title, "-" * len(title), *(rows or [getattr(_HEADINGS["none"], language)]), ""]
    return "\n".join(lines)


def _workload_blocks(plan: WorkloadPlan) -> Iterator[tuple[str, list[str]]]:
    yield (
        "phases",
        [
            f"{one.name:<14} {one.start_s:7.0f} to {one.end_s:7.0f} s  {one.rate_req_s:9,.1f} req/s"
            for one in plan.phases
        ],
    )
    yield "operations", _counts(plan.planned_by_operation, plan.planned_requests)
    if plan.left_out:
        yield "left_out", _counts(plan.left_out, plan.planned_requests)


def _counts(counts: object, total: int) -> list[str]:
    assert isinstance(counts, dict)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{count:>12,}  {count / max(1, total):7.2%}  {name}" for name, count in ranked]
    more = len(lines) - SHOWN_MAX
    return lines[:SHOWN_MAX] + ([f"... and {more} more"] if more > 0 else [])


def _gaps(preparation: Preparation, options: Options, language: str) -> list[str]:
    lines = []
    for clause in preparation.contract.clauses:
        reason = clause.not_measured_because or why_not_tested(clause, options.load_kind)
        if reason is None and options.level not in clause.levels:
            named = ", ".join(clause.levels)
            reason = Bilingual(th=f"ใช้ที่ระดับ {named}", en=f"applies at {named}")
        if reason is not None:
            lines.append(f"{clause.id:<6} {getattr(clause.title, language)}: "
                         f"{getattr(reason, language)}")  # fmt: skip
    return lines
