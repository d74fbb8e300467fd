"""What a seeded defect is: an id, a default dose, and how it is put into a worker at its start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_app.app import Ledger

Install = Callable[["Ledger", float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """`dose` is the default probability 0..1 with which each chance to fail is taken."""

    id: str
    dose: float
    text: str
    install: Install
