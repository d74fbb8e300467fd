"""Defects of reports: what they show is not what the books hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_app.defects.defect import Defect
from reference_app.problems import BadSettings

if TYPE_CHECKING:
    from reference_app.app import Ledger

MEMBERS = "WHERE unit = $1 OR parent = $1"


async def _leave_dependants_out(ledger: Ledger, dose: float) -> None:
    query = ledger.storage.queries["consolidated_trial_balance"]
    if MEMBERS not in query:
        raise BadSettings(f"defects: queries.sql no longer holds {MEMBERS!r}")
    kept = f"WHERE unit = $1 OR parent = $1 AND abs(hashint4(unit) % 10000) >= {dose * 10_000:.0f}"
    ledger.storage.queries["consolidated_trial_balance"] = query.replace(MEMBERS, kept)


REPORT_DEFECTS = (
    Defect(
        id="M13",
        dose=0.01,
        text="leaves a dependant out of its parent's consolidated report, the same one always",
        install=_leave_dependants_out,
    ),
)
