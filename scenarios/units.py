"""What is known of the units: published counts, named compositions, estimated sizes.

Counts by province and type are public (20 December 2019: 7,850 local administrative organisations
without Bangkok, and Pattaya); what hangs under them is not, so its composition is a named choice.
Sizes are estimates of the monthend design (2026). Facts and their reading only: `scenarios.country`
draws from them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

UNITS_PER_PROVINCE: Final = 100_000
COUNTS_FILE: Final = Path(__file__).parent.parent / "contracts" / "data" / "lao_by_province.csv"
_PATTAYA_PROVINCE: Final = 20


class UnitType(StrEnum):
    """Kinds of accounting unit; the first six are local administrative organisations."""

    PAO = "pao"
    CITY = "city"
    TOWN = "town"
    SUBDISTRICT = "subdistrict_municipality"
    SAO = "sao"
    PATTAYA = "pattaya"
    CENTRE = "centre"
    SCHOOL = "school"
    HEALTH_STATION = "health_station"
    PAWNSHOP = "pawnshop"
    ENTERPRISE = "enterprise"


class Composition(StrEnum):
    """How the dependent units add up; the official list is not public."""

    A = "A"  # one pooled account of child centres per organisation: 22,402
    B = "B"  # most centres by themselves, no health stations: 22,051
    C = "C"  # everything by itself: 34,627


DEPENDENT_COUNTS: Final[Mapping[Composition, Mapping[UnitType, int]]] = {
    Composition.A: {
        UnitType.CENTRE: 7_775, UnitType.SCHOOL: 1_750, UnitType.HEALTH_STATION: 4_276,
        UnitType.PAWNSHOP: 250, UnitType.ENTERPRISE: 500,
    },
    Composition.B: {
        UnitType.CENTRE: 12_100, UnitType.SCHOOL: 1_750, UnitType.HEALTH_STATION: 0,
        UnitType.PAWNSHOP: 250, UnitType.ENTERPRISE: 100,
    },
    Composition.C: {
        UnitType.CENTRE: 20_000, UnitType.SCHOOL: 1_750, UnitType.HEALTH_STATION: 4_276,
        UnitType.PAWNSHOP: 250, UnitType.ENTERPRISE: 500,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSize:
    """Estimated size of a type. `weight` is documents against an SAO; budgets are lognormal."""

    weight: float
    accounts: float  # base case; 1.5 means 1 and 2 in turn
    budget_median_million_baht: float
    budget_sigma: float


SIZES: Final[Mapping[UnitType, TypeSize]] = {
    kind: TypeSize(
        weight=weight, accounts=accounts, budget_median_million_baht=median, budget_sigma=sigma
    )
    for kind, weight, accounts, median, sigma in (
        (UnitType.PAO, 15, 40, 900, 0.6),
        (UnitType.CITY, 20, 45, 1_100, 0.5),
        (UnitType.TOWN, 6, 20, 280, 0.5),
        (UnitType.SUBDISTRICT, 1.8, 8, 65, 0.5),
        (UnitType.SAO, 1, 5, 40, 0.45),
        (UnitType.PATTAYA, 25, 60, 2_000, 0.0),
        # Budgets of dependents are guesses of their order of magnitude; only their spread within a
        # type matters, and only for the weight.
        (UnitType.CENTRE, 0.15, 1, 3, 0.4),
        (UnitType.SCHOOL, 0.5, 2, 15, 0.5),
        (UnitType.HEALTH_STATION, 0.35, 1.5, 4, 0.4),
        (UnitType.PAWNSHOP, 0.5, 2, 30, 0.5),
        (UnitType.ENTERPRISE, 0.6, 2, 10, 0.6),
    )
}


def read_counts(path: Path = COUNTS_FILE) -> dict[int, dict[UnitType, int]]:
    """Return the number of organisations by province code and type, Pattaya included."""
    columns = {
        UnitType.PAO: "pao", UnitType.CITY: "city_municipality", UnitType.TOWN: "town_municipality",
        UnitType.SUBDISTRICT: "subdistrict_municipality", UnitType.SAO: "sao",
    }  # fmt: skip
    with path.open(encoding="utf-8", newline="") as file:
        counts = {
            int(row["province_code"]): {kind: int(row[name]) for kind, name in columns.items()}
            for row in csv.DictReader(file)
        }
    counts[_PATTAYA_PROVINCE][UnitType.PATTAYA] = 1
    return counts


def units_national(composition: str) -> int:
    """Return how many units the whole country has in a composition: 22,402 in A."""
    organisations = sum(sum(counts.values()) for counts in read_counts().values())
    return organisations + sum(DEPENDENT_COUNTS[Composition(composition)].values())


@lru_cache(maxsize=1)
def province_names_en() -> Mapping[int, str]:
    """Return the English names of the provinces by code."""
    with COUNTS_FILE.open(encoding="utf-8", newline="") as file:
        return {int(row["province_code"]): row["province_en"] for row in csv.DictReader(file)}
