"""What a scenario cannot put to the test, whatever its length: a clause and the reason.

The plan says it before a run and the verdict after it, in the same words.
"""

from __future__ import annotations

from contracts.terms import Bilingual, Clause, OperationKind, Quantity
from scenarios.demand import ACTIVITIES, ACTIVITY_BY_NAME, NAVIGATION, OPERATIONS, Demand
from scenarios.scenario import SCENARIOS, Scenario


def left_out_by(name: str, clause: Clause) -> Bilingual | None:
    """Return why the scenario *name* leaves *clause* out; None when it does not, or is unknown."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        return None
    if clause.quantity is Quantity.PARTICIPATION and not scenario.is_for_all_units:
        return Bilingual(
            th=f"สถานการณ์ {scenario.title.th} ไม่ได้ให้ทุกหน่วยบัญชีใช้ระบบ",
            en=f"the scenario {scenario.name} does not let every unit in",
        )
    is_timed = clause.quantity in (Quantity.LATENCY, Quantity.FAIRNESS)
    if is_timed and clause.selector in set(OperationKind) - kinds_of(scenario):
        return Bilingual(
            th=f"สถานการณ์ {scenario.title.th} ไม่มีคำขอประเภท {clause.selector}",
            en=f"the scenario {scenario.name} plans no request of kind {clause.selector}",
        )
    return None


def kinds_of(scenario: Scenario) -> set[OperationKind]:
    """Return the kinds of operation that a long enough run of *scenario* asks for."""
    names = {crowd.activity for crowd in scenario.crowds}
    for work in scenario.works:
        names |= {
            activity.name
            for activity, often in zip(ACTIVITIES, work.mix.monthly(Demand.BASE), strict=True)
            if often
        }
        names |= {"provincial_refresh", *work.mix.others}
    activities = [ACTIVITY_BY_NAME[name] for name in names if name in ACTIVITY_BY_NAME]
    operations = {o for a in activities for variant in a.variants for o in variant}
    if scenario.works:
        operations |= set(NAVIGATION)
    return {OPERATIONS[operation] for operation in operations}
