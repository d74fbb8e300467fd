"""All seeded defects by id, and how a list of them ("M01:0.01,M04") is put into a worker.

Nothing here runs in a healthy ledger: `install` returns at once when the list is empty.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from reference_app.defects.access import ACCESS_DEFECTS
from reference_app.defects.around_posting import AROUND_POSTING_DEFECTS
from reference_app.defects.defect import Defect
from reference_app.defects.importing import IMPORTING_DEFECTS
from reference_app.defects.posting_function import POSTING_FUNCTION_DEFECTS
from reference_app.defects.reports import REPORT_DEFECTS
from reference_app.problems import BadSettings

if TYPE_CHECKING:
    from reference_app.app import Ledger

_BY_PLACE = (
    AROUND_POSTING_DEFECTS,
    POSTING_FUNCTION_DEFECTS,
    IMPORTING_DEFECTS,
    ACCESS_DEFECTS,
    REPORT_DEFECTS,
)
DEFECTS = {defect.id: defect for defect in sorted(chain(*_BY_PLACE), key=lambda defect: defect.id)}


def catalogue_text() -> str:
    """Return a line per defect: id, default dose, what it does."""
    return "\n".join(f"{d.id}  {d.dose:<8g}{d.text}" for d in DEFECTS.values())


def read_doses(text: str) -> list[tuple[Defect, float]]:
    """Read "ID[:DOSE],..."; ordered by id. Raises `BadSettings` for what is not in the list."""
    doses: dict[str, float] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, dose = part.partition(":")
        if name not in DEFECTS:
            raise BadSettings(f"LEDGER_DEFECTS: no defect {name!r}; known: {', '.join(DEFECTS)}")
        try:
            doses[name] = float(dose) if dose else DEFECTS[name].dose
        except ValueError as error:
            raise BadSettings(f"LEDGER_DEFECTS: {part!r}: the dose is not a number") from error
        if not 0 <= doses[name] <= 1:
            raise BadSettings(f"LEDGER_DEFECTS: {part!r}: a dose is a probability from 0 to 1")
    return [(DEFECTS[name], doses[name]) for name in sorted(doses)]


async def install(ledger: Ledger, text: str) -> None:
    """Put the defects that *text* names into *ledger*, before its routes are made."""
    doses = read_doses(text)
    for defect, dose in doses:
        await defect.install(ledger, dose)
    ledger.defects = tuple(f"{defect.id}:{dose:g}" for defect, dose in doses)
