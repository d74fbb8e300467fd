"""What a seeded defect is: an id, a default dose, and how it is put into a worker at its start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_app.app import Ledger

Install = Callable[["Ledger", float], Awaitable[None]]


class RegularDose:
    """Takes every 1/dose-th chance, the first after a tenth of that.

    Regular, because a defect of one in 10,000 that is left to chance shows in one run and not in
    the next, and then nobody learns whether the harness would have found it.
    """

    def __init__(self, dose: float) -> None:
        self._dose = dose
        self._level = 0.9

    def takes(self) -> bool:
        """Say whether this chance is taken."""
        self._level += self._dose
        if self._level < 1.0 - 1e-9:
            return False
        self._level -= 1.0
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """`dose` is the default share 0..1 of the chances to fail that are taken."""

    id: str
    dose: float
    text: str
    install: Install
