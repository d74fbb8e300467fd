"""Defects of access: who sees whose books."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from reference_app.access import Access
from reference_app.defects.defect import Defect
from reference_app.sessions import Session

if TYPE_CHECKING:
    from reference_app.app import Ledger


async def _open_books(ledger: Ledger, dose: float) -> None:
    class OpenAccess(Access):
        def read(self, session: Session, unit: int) -> None:
            if unit not in self.units or random.random() >= dose:
                super().read(session, unit)

    ledger.access = OpenAccess(ledger.access.units)


ACCESS_DEFECTS = (
    Defect(
        id="M04",
        dose=1.0,
        text="serves another unit's books to anybody who signed in",
        install=_open_books,
    ),
)
