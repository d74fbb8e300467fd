"""Clauses about money: from the invariant that a clause names to its examination.

The list of invariants is that of the domain facts §3.4. One of them has no check: I8 needs two
fiscal years, which a month-end has not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from contracts.terms import Bilingual, Clause
from harness.checks.answer import Answer, not_tested
from harness.checks.budget import examine_budget
from harness.checks.cash_position import examine_cash_position
from harness.checks.closed_periods import examine_closed_periods
from harness.checks.consolidation import examine_consolidation
from harness.checks.double_entry import examine_double_entry
from harness.checks.exactly_once import (
    examine_acknowledged_loss,
    examine_exactly_once,
    examine_shed_honesty,
    shed_count,
)
from harness.checks.isolation import examine_isolation
from harness.checks.money import Examined, answer_of
from harness.checks.numbering import examine_numbering
from harness.checks.recorded import Recorded
from harness.checks.registers import examine_registers
from harness.checks.trial_balance import examine_trial_balance
from scenarios.scenario import SCENARIOS

EXAMINATIONS: Final[Mapping[str, Callable[[Recorded], Examined]]] = {
    "I1": examine_double_entry,
    "I2": examine_trial_balance,
    "I3": examine_cash_position,
    "I4": examine_registers,
    "I5": examine_budget,
    "I6": examine_numbering,
    "I7": examine_closed_periods,
    "I9": examine_isolation,
    "I10": examine_exactly_once,
    "I11": examine_consolidation,
}
WITHOUT_CHECK: Final[Mapping[str, Bilingual]] = {
    "I8": Bilingual(
        en="a month-end has no opening of a new fiscal year",
        th="การทดสอบสิ้นเดือนไม่มีการเปิดปีงบประมาณใหม่",
    ),
}


def judge_invariant(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the number of violations of one invariant."""
    if clause.selector in WITHOUT_CHECK:
        return not_tested(WITHOUT_CHECK[clause.selector])
    if clause.selector == "I11" and not recorded.ledger.after.has("members"):
        return not_tested(
            Bilingual(
                en="the consolidated reports were not read back: the dialect reads none, or the "
                "books themselves were not read",
                th="ไม่ได้อ่านรายงานรวมของต้นสังกัดกลับมา เพราะตัวแปลงไม่รองรับ หรือไม่ได้อ่านบัญชี",
            )
        )
    examine = EXAMINATIONS.get(clause.selector)
    if examine is None:
        return not_tested(
            Bilingual(
                en=f"no check measures the invariant {clause.selector!r}",
                th=f"ไม่มีวิธีตรวจกฎ {clause.selector!r}",
            )
        )
    examined = examine(recorded)
    if clause.selector == "I7" and not examined.sample_count and _is_all_open(recorded):
        return not_tested(
            Bilingual(
                en="half a year's books are open in this scenario, and nobody closes a period",
                th="สถานการณ์นี้เปิดบัญชีย้อนหลังครึ่งปีไว้ และไม่มีการปิดงวด",
            )
        )
    return answer_of(clause, recorded, examined)


def _is_all_open(recorded: Recorded) -> bool:
    """Say whether the plan itself left every period open, so that none could be violated."""
    scenario = SCENARIOS.get(recorded.manifest.scenario)
    return scenario is not None and scenario.has_backlog


def judge_acknowledged_loss(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the number of acknowledged writes that are not in the books."""
    return answer_of(clause, recorded, examine_acknowledged_loss(recorded))


def judge_shed_honesty(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the number of shed writes that took effect all the same.

    A run in which nothing was shed did not put this promise to the test.
    """
    if not shed_count(recorded.ledger):
        return not_tested(
            Bilingual(
                en="no write was shed in this run", th="การทดสอบครั้งนี้ไม่มีรายการที่ถูกปฏิเสธเพราะภาระสูง"
            )
        )
    return answer_of(clause, recorded, examine_shed_honesty(recorded))
