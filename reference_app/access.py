"""Who may do what in which unit. Pure; units are held in memory, roles come with the session.

A person works in the home unit and in units whose parent is the home unit: parents check,
approve and pay for dependants too small to have two persons. The auditor reads everything and
writes nothing; a provincial viewer sees the closing status of the own province, and the nation's
in numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reference_app.problems import Problem
from reference_app.sessions import Session

PROVINCE_FACTOR = 100_000  # unit = province * PROVINCE_FACTOR + sequence


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit in the register; `parent` 0 means none."""

    parent: int
    province: int


class Access:
    """Decides over the register of units. Each method returns or raises a `Problem`."""

    def __init__(self, units: Mapping[int, UnitEntry]) -> None:
        self.units = units
        self.provinces = frozenset(entry.province for entry in units.values())

    def _is_own(self, session: Session, unit: int) -> bool:
        if session.unit == unit:
            return True
        entry = self.units.get(unit)
        return entry is not None and entry.parent == session.unit and session.unit != 0

    def read(self, session: Session, unit: int) -> None:
        """Allow reading the books of *unit*."""
        if not self._is_own(session, unit) and "auditor" not in session.roles:
            raise Problem("forbidden-unit", f"unit {unit} is not yours")
        if unit not in self.units:
            raise Problem("not-found", f"there are no books of unit {unit}")

    def write(self, session: Session, unit: int, role: str) -> None:
        """Allow a write in *unit* that needs *role*."""
        if not self._is_own(session, unit):
            raise Problem("forbidden-unit", f"unit {unit} is not yours")
        if role not in session.roles:
            raise Problem("forbidden-role", f"this needs the role {role}")
        if unit not in self.units:
            raise Problem("not-found", f"there are no books of unit {unit}")

    def province_status(self, session: Session, province: int) -> None:
        """Allow the closing status of *province*."""
        is_own = session.unit // PROVINCE_FACTOR == province
        if "auditor" in session.roles or ("provincial_viewer" in session.roles and is_own):
            if province not in self.provinces:
                raise Problem("not-found", f"there is no province {province}")
            return
        if "provincial_viewer" in session.roles:
            raise Problem("forbidden-unit", f"province {province} is not yours")
        raise Problem("forbidden-role", "this needs the role provincial_viewer")

    def national_status(self, session: Session) -> None:
        """Allow the counts of the nation's closing, which name no unit."""
        if not session.roles & {"auditor", "provincial_viewer"}:
            raise Problem("forbidden-role", "this needs the role provincial_viewer")

    def province_books(self, session: Session, province: int) -> list[int]:
        """Allow the books of *province* and return its units, ascending."""
        if "auditor" not in session.roles:
            raise Problem("forbidden-role", "this needs the role auditor")
        units = [unit for unit, entry in self.units.items() if entry.province == province]
        if not units:
            raise Problem("not-found", f"there is no province {province}")
        return sorted(units)
