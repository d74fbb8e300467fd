"""Which clauses a load of the user's own can put to the test, and why it cannot the others.

A replayed workload and a foreign locustfile know no accounting units and keep no money history; a
locustfile has no plan either. What was not put to the test is said, never met.
"""

from __future__ import annotations

from typing import Final

from contracts.records import LoadKind
from contracts.terms import Bilingual, Clause, Quantity

_MONEY: Final = frozenset(
    {
        Quantity.INVARIANT, Quantity.ACKNOWLEDGED_LOSS, Quantity.SHED_HONESTY,
        Quantity.EXPORT_COMPLETE, Quantity.IMPORT_RATE,
    }
)  # fmt: skip
_UNITS: Final = frozenset({Quantity.PARTICIPATION, Quantity.FAIRNESS})
NO_MONEY: Final = Bilingual(en="this load keeps no money history", th="ภาระงานนี้ไม่มีประวัติรายการเงิน")
NO_UNITS: Final = Bilingual(en="this load names no accounting units", th="ภาระงานนี้ไม่ระบุหน่วยบัญชี")
NO_PLAN: Final = Bilingual(
    en="a locustfile has no plan to compare with; the clause would have to state required_per_s",
    th="ไฟล์ Locust ไม่มีแผนให้เปรียบเทียบ ต้องระบุ required_per_s ในข้อสัญญา",
)
NO_FAULTS: Final = Bilingual(en="this load runs without faults", th="ภาระงานนี้ไม่มีการจำลองเหตุขัดข้อง")
REQUIRED: Final = "required_per_s"


def why_not_tested(clause: Clause, load_kind: str) -> Bilingual | None:
    """Return why a load of *load_kind* leaves *clause* out; None when it can test it."""
    if load_kind == LoadKind.COUNTRY:
        return None
    if clause.quantity in _MONEY:
        return NO_MONEY
    if clause.quantity in _UNITS:
        return NO_UNITS
    if clause.quantity is Quantity.RECOVERY:
        return NO_FAULTS
    is_unplanned = load_kind == LoadKind.LOCUSTFILE and REQUIRED not in dict(clause.parameters)
    if clause.quantity is Quantity.CARRIED_SHARE and is_unplanned:
        return NO_PLAN
    return None
