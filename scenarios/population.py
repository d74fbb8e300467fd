"""The population: every accounting unit of the country, its people, and who may do what where.

Composition and seed are printed with its hash wherever a population is used: the same arguments
give the same units on every machine. Places, people and identity numbers are synthetic: no identity
number here can belong to a person, because none that was ever issued begins with 99.

It holds units only; who does how much in which second is `scenarios.arrivals`.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from scenarios.chance import stream_bits, stream_uniforms
from scenarios.country import Draft, draw_country, sample_units
from scenarios.place_names import PLACE_NAME_COUNT, PROVINCES_TH, place_name
from scenarios.units import (
    SIZES,
    UNITS_PER_PROVINCE,
    Composition,
    UnitType,
    province_names_en,
    units_national,
)

# With the words of `scenarios.units` that every user of a population needs, too.
__all__ = [
    "ACCOUNTS_PER_UNIT",
    "AUDITOR_ACCOUNT",
    "SEED_DEFAULT",
    "UNITS_PER_PROVINCE",
    "Account",
    "AccountingUnit",
    "Actors",
    "Composition",
    "Population",
    "UnitType",
    "accounts_of",
    "actors_of",
    "all_accounts",
    "auditor",
    "build_population",
    "province_names_en",
    "provincial_offices",
    "synthetic_pid",
    "units_national",
    "write_accounts_csv",
    "write_units_csv",
]

SEED_DEFAULT: Final = 2568
ACCOUNTS_PER_UNIT: Final = 1_000
AUDITOR_ACCOUNT: Final = 1
LOSSY_SHARE: Final = 0.10  # slow or lossy links; users named slow Internet as a cause
# Share of each type in DLA's size classes S, M, L (March 2017: SAO 5,125/177/35, and so on).
_SIZE_CLASSES: Final[Mapping[UnitType, tuple[float, float]]] = {
    UnitType.SAO: (0.9603, 0.9934),
    UnitType.SUBDISTRICT: (0.8404, 0.9942),
    UnitType.TOWN: (0.0950, 0.8492),
    UnitType.CITY: (0.0, 0.1667),
    UnitType.PAO: (0.0, 0.0),
    UnitType.PATTAYA: (0.0, 0.0),
}
_TITLES: Final[Mapping[UnitType, tuple[str, str]]] = {
    UnitType.PAO: ("องค์การบริหารส่วนจังหวัด", "Provincial Administrative Organisation"),
    UnitType.CITY: ("เทศบาลนคร", "City Municipality"),
    UnitType.TOWN: ("เทศบาลเมือง", "Town Municipality"),
    UnitType.SUBDISTRICT: ("เทศบาลตำบล", "Subdistrict Municipality"),
    UnitType.SAO: ("องค์การบริหารส่วนตำบล", "Subdistrict Administrative Organisation"),
    UnitType.CENTRE: ("ศูนย์พัฒนาเด็กเล็ก", "Child Development Centre"),
    UnitType.SCHOOL: ("โรงเรียน", "School"),
    UnitType.HEALTH_STATION: ("โรงพยาบาลส่งเสริมสุขภาพตำบล", "Health Station"),
    UnitType.PAWNSHOP: ("สถานธนานุบาล", "Municipal Pawnshop"),
    UnitType.ENTERPRISE: ("กิจการประปา", "Waterworks"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingUnit:
    """One unit with books of its own. `parent` is 0 for an organisation; `district` has 4 digits.

    `weight` is its documents against those of a mean SAO. `accounts` are the people of its own.
    """

    unit: int
    parent: int
    type: UnitType
    province: int
    district: int
    name_th: str
    name_en: str
    size_class: str
    population: int
    annual_budget_satang: int
    accounts: int
    weight: float
    rota_group: int
    network_class: str
    jitter_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One synthetic person who may sign in. `pid` has 13 digits and a right check digit."""

    account: int
    unit: int
    roles: tuple[str, ...]
    pid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actors:
    """Who does what in one unit. A clerk is never its checker, approver or director."""

    clerks: tuple[int, ...]
    checker: int
    approver: int
    director: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """All units in ascending order of number; `sha256` names them in every report.

    `row_by_unit` maps a unit's number to its place in `units`.
    """

    units: tuple[AccountingUnit, ...]
    composition: str
    seed: int
    scale: float
    sha256: str
    row_by_unit: Mapping[int, int] = field(repr=False)

    def unit(self, number: int) -> AccountingUnit:
        """Return the unit with this *number*. Raises `KeyError` when there is none."""
        return self.units[self.row_by_unit[number]]

    @property
    def sao_equivalents(self) -> float:
        """Sum of the weights: how many SAOs' work these units do."""
        return math.fsum(unit.weight for unit in self.units)

    @property
    def account_count(self) -> int:
        """People of all units; provincial viewers and the auditor are not counted."""
        return sum(unit.accounts for unit in self.units)

    @property
    def provinces(self) -> tuple[int, ...]:
        """Codes of the provinces that have a unit here, ascending."""
        return tuple(sorted({unit.province for unit in self.units}))


@lru_cache(maxsize=8)
def build_population(
    *, composition: str = "A", seed: int = SEED_DEFAULT, scale: float = 1.0
) -> Population:
    """Draw the units. The same arguments give the same units and `sha256` on every machine.

    *scale* in (0, 1] keeps that share of each type, always with Pattaya and with one PAO and one
    city of ordinary size for their type; a smaller scale keeps a part of what a larger one keeps.
    Raises `ValueError` for an unknown composition or a scale outside its bounds.
    """
    if not 0 < scale <= 1:
        raise ValueError(f"scale is a share of the units above 0 and at most 1, not {scale}")
    choice = Composition(composition)
    drafts = draw_country(choice, seed)
    units = _finish(sample_units(drafts, seed, scale), drafts, seed)
    return Population(
        units=units,
        composition=choice.value,
        seed=seed,
        scale=scale,
        sha256=_sha256(units, choice, seed, scale),
        row_by_unit={unit.unit: row for row, unit in enumerate(units)},
    )


def _finish(kept: list[Draft], drafts: list[Draft], seed: int) -> tuple[AccountingUnit, ...]:
    """Give names and links. Draws run over the whole country, so a sample has the same units."""
    chosen = {draft.unit for draft in kept}
    bits = stream_bits(seed, "jitter", len(drafts)).tolist()
    links = stream_uniforms(seed, "network", len(drafts)).tolist()
    classes = _size_classes(drafts)
    names = _place_numbers(drafts, seed)
    stations = 0
    units: list[AccountingUnit] = []
    for row, draft in enumerate(drafts):
        accounts = SIZES[draft.type].accounts
        if draft.type is UnitType.HEALTH_STATION:
            stations += 1
            accounts = 2 - stations % 2
        if draft.unit not in chosen:
            continue
        name_th, name_en = _names_of(draft, names[row])
        units.append(
            AccountingUnit(
                unit=draft.unit, parent=draft.parent, type=draft.type, province=draft.province,
                district=draft.district, name_th=name_th, name_en=name_en,
                size_class=classes.get(draft.unit, "S"), population=draft.population,
                annual_budget_satang=draft.budget_satang, accounts=int(accounts),
                weight=draft.weight, rota_group=draft.rota_group,
                network_class="lossy" if links[row] < LOSSY_SHARE else "ordinary",
                jitter_seed=bits[row] >> 1,
            )
        )  # fmt: skip
    return tuple(units)


def _size_classes(drafts: list[Draft]) -> dict[int, str]:
    classes: dict[int, str] = {}
    for kind, (small_to, medium_to) in _SIZE_CLASSES.items():
        ranked = sorted(
            (draft for draft in drafts if draft.type is kind),
            key=lambda draft: (draft.budget_satang, draft.unit),
        )
        for rank, draft in enumerate(ranked):
            share = (rank + 0.5) / len(ranked)
            classes[draft.unit] = "S" if share < small_to else "M" if share < medium_to else "L"
    return classes


def _place_numbers(drafts: list[Draft], seed: int) -> list[int]:
    """Place names do not repeat within a province and type; there are more names than units."""
    taken: set[tuple[int, UnitType, int]] = set()
    numbers: list[int] = []
    for draft, start in zip(drafts, stream_bits(seed, "names", len(drafts)).tolist(), strict=True):
        number = start % PLACE_NAME_COUNT
        while (draft.province, draft.type, number) in taken:
            number = (number + 1) % PLACE_NAME_COUNT
        taken.add((draft.province, draft.type, number))
        numbers.append(number)
    return numbers


def _names_of(draft: Draft, number: int) -> tuple[str, str]:
    if draft.type is UnitType.PATTAYA:
        return "เมืองพัทยา", "Pattaya City"
    title_th, title_en = _TITLES[draft.type]
    if draft.type is UnitType.PAO:
        return title_th + PROVINCES_TH[draft.province], (
            f"{province_names_en()[draft.province]} {title_en}"
        )
    place_th, place_en = place_name(number)
    return title_th + place_th, f"{place_en} {title_en}"


def _sha256(
    units: tuple[AccountingUnit, ...], composition: Composition, seed: int, scale: float
) -> str:
    """Hash one line per unit with every field, after a line that says how they were drawn."""
    lines = [f"population/1|{composition}|{seed}|{scale!r}"]
    lines += [
        f"{u.unit}|{u.parent}|{u.type}|{u.province}|{u.district}|{u.name_th}|{u.name_en}"
        f"|{u.size_class}|{u.population}|{u.annual_budget_satang}|{u.accounts}"
        f"|{round(u.weight * 1_000_000)}|{u.rota_group}|{u.network_class}|{u.jitter_seed}"
        for u in units
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def synthetic_pid(account: int) -> str:
    """Return the 13-digit number of a person who does not exist: 99, the account, a check digit."""
    body = f"99{account:010d}"
    assert len(body) == 12
    total = sum(int(digit) * (13 - place) for place, digit in enumerate(body))
    return f"{body}{(11 - total % 11) % 10}"


def _roles(count: int) -> tuple[tuple[str, ...], ...]:
    """Roles of a unit's people. The first account is the finance director's."""
    match count:
        case 1:
            return (("clerk",),)
        case 2:
            return (("checker", "approver", "director"), ("clerk",))
        case 3:
            return (("approver", "director"), ("checker",), ("clerk",))
        case _:
            return (("director",), ("approver",), ("checker",), *([("clerk",)] * (count - 3)))


def accounts_of(unit: AccountingUnit) -> tuple[Account, ...]:
    """Return the people of *unit*, numbered from 1."""
    return tuple(
        Account(
            account=number,
            unit=unit.unit,
            roles=roles,
            pid=synthetic_pid(number),
        )
        for number, roles in enumerate(
            _roles(unit.accounts), start=unit.unit * ACCOUNTS_PER_UNIT + 1
        )
    )


def provincial_offices(population: Population) -> tuple[Account, ...]:
    """Return one provincial viewer per province; its pseudo-unit is province * 100000."""
    return tuple(
        Account(account=account, unit=office, roles=("provincial_viewer",),
                pid=synthetic_pid(account))
        for office in (province * UNITS_PER_PROVINCE for province in population.provinces)
        for account in (office * ACCOUNTS_PER_UNIT + 1,)
    )  # fmt: skip


def auditor() -> Account:
    """Return the national auditor, who may read all books and write nothing."""
    return Account(
        account=AUDITOR_ACCOUNT, unit=0, roles=("auditor",), pid=synthetic_pid(AUDITOR_ACCOUNT)
    )


def actors_of(population: Population, unit: int) -> Actors:
    """Return who prepares, checks, approves and pays in *unit*.

    A unit of one person prepares by itself and is checked, approved and paid by its parent's
    people. Raises `KeyError` for a unit that is not in the population.
    """
    own = population.unit(unit)
    clerks = _with_role(own, "clerk")
    chief = own if own.accounts >= 2 else population.unit(own.parent)
    return Actors(
        clerks=clerks,
        checker=_with_role(chief, "checker")[0],
        approver=_with_role(chief, "approver")[0],
        director=_with_role(chief, "director")[0],
    )


def _with_role(unit: AccountingUnit, role: str) -> tuple[int, ...]:
    first = unit.unit * ACCOUNTS_PER_UNIT + 1
    return tuple(first + n for n, roles in enumerate(_roles(unit.accounts)) if role in roles)


def all_accounts(population: Population) -> Iterator[Account]:
    """Yield everybody who may sign in: the auditor, the provincial viewers, the units' people."""
    yield auditor()
    yield from provincial_offices(population)
    for unit in population.units:
        yield from accounts_of(unit)


def write_units_csv(population: Population, path: Path) -> None:
    """Write the units for a target to fill itself with."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("unit", "parent", "type", "province", "district", "name_th", "name_en",
             "annual_budget_satang")
        )  # fmt: skip
        writer.writerows(
            (u.unit, u.parent, u.type.value, u.province, u.district, u.name_th, u.name_en,
             u.annual_budget_satang)
            for u in population.units
        )  # fmt: skip


def write_accounts_csv(population: Population, path: Path) -> None:
    """Write everybody who may sign in: roles are separated by a bar."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("account", "unit", "roles", "pid"))
        writer.writerows(
            (a.account, a.unit, "|".join(a.roles), a.pid) for a in all_accounts(population)
        )
