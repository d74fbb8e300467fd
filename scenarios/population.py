"""The population: every accounting unit of the country, drawn from published counts and one seed.

Counts by province and type are public (20 December 2019: 7,850 local administrative organisations
without Bangkok, and Pattaya); what hangs under them is not, so its composition is a named choice
(A, B or C) and is printed wherever the population is. Sizes are estimates of the monthend design
(2026), per constant below. Places, people and identity numbers are synthetic: no identity number
here can belong to a person, because none that was ever issued begins with 99.

It draws units only; who does how much in which second is `scenarios.arrivals`.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Final

from scenarios.chance import stream_bits, stream_uniforms
from scenarios.place_names import PLACE_NAME_COUNT, PROVINCES_TH, place_name

SEED_DEFAULT: Final = 2568
UNITS_PER_PROVINCE: Final = 100_000
ACCOUNTS_PER_UNIT: Final = 1_000
AUDITOR_ACCOUNT: Final = 1
COUNTS_FILE: Final = Path(__file__).parent.parent / "contracts" / "data" / "lao_by_province.csv"
LOSSY_SHARE: Final = 0.10  # slow or lossy links; users named slow Internet as a cause
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
# Many centres by themselves make no more documents together than the pools would.
_CENTRE_POOLS: Final = 7_775
_BUDGET_EXPONENT: Final = 0.6  # larger units make fewer, larger documents

# Residents, 31 Dec 2021: log-mean, log-sigma, largest; cut below at the first percentile.
_SAO_RESIDENTS: Final = (8.674, 0.547, 91_385)
_MUNICIPAL_RESIDENTS: Final = (8.873, 0.863, 248_788)
_PERCENTILE_1_Z: Final = -2.326
_PATTAYA_RESIDENTS: Final = 118_000
_CHILDREN_PER_CENTRE: Final = 43  # 860,000 children in nearly 20,000 centres
_BUDGET_Z_MAX: Final = 3.0
_SIZE_AND_BUDGET: Final = 0.7  # correlation: more people, more money

# Share of each type in DLA's size classes S, M, L (March 2017: SAO 5,125/177/35, and so on).
_SIZE_CLASSES: Final[Mapping[UnitType, tuple[float, float]]] = {
    UnitType.SAO: (0.9603, 0.9934),
    UnitType.SUBDISTRICT: (0.8404, 0.9942),
    UnitType.TOWN: (0.0950, 0.8492),
    UnitType.CITY: (0.0, 0.1667),
    UnitType.PAO: (0.0, 0.0),
    UnitType.PATTAYA: (0.0, 0.0),
}
_LAO_TYPES: Final = (UnitType.PAO, UnitType.CITY, UnitType.TOWN, UnitType.SUBDISTRICT, UnitType.SAO)
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


@dataclass(slots=True)
class _Draft:
    """A unit while the country is being put together."""

    unit: int
    parent: int
    type: UnitType
    province: int
    district: int
    population: int = 0
    budget_z: float = 0.0
    weight: float = 0.0
    budget_satang: int = 0
    rota_group: int = 1
    children: list[_Draft] = field(default_factory=list)


@lru_cache(maxsize=8)
def build_population(
    *, composition: str = "A", seed: int = SEED_DEFAULT, scale: float = 1.0
) -> Population:
    """Draw the units. The same arguments give the same units and `sha256` on every machine.

    *scale* in (0, 1] keeps that share of each type, always with one PAO and one city of ordinary
    size for their type; a smaller scale keeps a part of what a larger one keeps.
    Raises `ValueError` for an unknown composition or a scale outside its bounds.
    """
    if not 0 < scale <= 1:
        raise ValueError(f"scale is a share of the units above 0 and at most 1, not {scale}")
    choice = Composition(composition)
    drafts = _draw_organisations(seed)
    drafts += _draw_dependents(drafts, choice, seed)
    drafts.sort(key=lambda draft: draft.unit)
    _draw_budgets(drafts, choice, seed)
    units = _finish(_sample(drafts, seed, scale), drafts, seed)
    return Population(
        units=units,
        composition=choice.value,
        seed=seed,
        scale=scale,
        sha256=_sha256(units, choice, seed, scale),
        row_by_unit={unit.unit: row for row, unit in enumerate(units)},
    )


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


def _draw_organisations(seed: int) -> list[_Draft]:
    drafts: list[_Draft] = []
    for province, counts in sorted(read_counts().items()):
        kinds = [kind for kind in UnitType for _ in range(counts.get(kind, 0))]
        # The country has 878 districts for 7,851 organisations: nine to a district.
        districts = max(1, round(len(kinds) / 9))
        for sequence, kind in enumerate(kinds, start=1):
            district = province * 100 + 1 + (sequence - 1) * districts // len(kinds)
            drafts.append(
                _Draft(
                    unit=province * UNITS_PER_PROVINCE + sequence,
                    parent=0, type=kind, province=province, district=district,
                )
            )  # fmt: skip
    for place, draft in enumerate(drafts):
        draft.rota_group = place % 3 + 1
    _draw_residents(drafts, seed)
    return drafts


def _draw_residents(drafts: list[_Draft], seed: int) -> None:
    """SAOs and municipalities are lognormal; the largest municipalities are cities, then towns."""
    saos = [draft for draft in drafts if draft.type is UnitType.SAO]
    for draft, people in zip(
        saos, _lognormals(seed, "residents-sao", len(saos), _SAO_RESIDENTS), strict=True
    ):
        draft.population = people
    ranked: list[_Draft] = []
    for kind in (UnitType.CITY, UnitType.TOWN, UnitType.SUBDISTRICT):
        same = [draft for draft in drafts if draft.type is kind]
        ranked += _shuffled(same, seed, f"residents-{kind}")
    people_ranked = _lognormals(seed, "residents-municipal", len(ranked), _MUNICIPAL_RESIDENTS)
    people_ranked.sort(reverse=True)
    for draft, people in zip(ranked, people_ranked, strict=True):
        draft.population = people
    served: dict[int, int] = {}
    for draft in drafts:
        if draft.type is UnitType.PATTAYA:
            draft.population = _PATTAYA_RESIDENTS
        served[draft.province] = served.get(draft.province, 0) + draft.population
    for draft in drafts:
        if draft.type is UnitType.PAO:
            draft.population = served[draft.province]


def _lognormals(seed: int, stream: str, count: int, shape: tuple[float, float, int]) -> list[int]:
    mu, sigma, largest = shape
    normal = NormalDist()
    low = normal.cdf(_PERCENTILE_1_Z)
    high = normal.cdf((math.log(largest) - mu) / sigma)
    return [
        round(math.exp(mu + sigma * normal.inv_cdf(low + u * (high - low))))
        for u in stream_uniforms(seed, stream, count).tolist()
    ]


def _shuffled(drafts: Sequence[_Draft], seed: int, stream: str) -> list[_Draft]:
    keys = stream_bits(seed, stream, len(drafts)).tolist()
    return [draft for _, draft in sorted(zip(keys, drafts, strict=True), key=lambda p: p[0])]


def _draw_dependents(
    organisations: list[_Draft], composition: Composition, seed: int
) -> list[_Draft]:
    by_type = {
        kind: sorted(
            (draft for draft in organisations if draft.type is kind),
            key=lambda draft: (-draft.population, draft.unit),
        )
        for kind in UnitType
    }
    wanted = DEPENDENT_COUNTS[composition]
    large = by_type[UnitType.PATTAYA] + by_type[UnitType.CITY]
    owners = {
        UnitType.CENTRE: _centre_owners(by_type, wanted[UnitType.CENTRE]),
        UnitType.SCHOOL: _school_owners(by_type, wanted[UnitType.SCHOOL], seed),
        UnitType.HEALTH_STATION: _station_owners(
            organisations, by_type, wanted[UnitType.HEALTH_STATION], seed
        ),
        # Cities and towns first, then a second one for the cities, then the larger others.
        UnitType.PAWNSHOP: [
            *large, *by_type[UnitType.TOWN], *by_type[UnitType.CITY], *by_type[UnitType.SUBDISTRICT]
        ][: wanted[UnitType.PAWNSHOP]],
        UnitType.ENTERPRISE: [
            *large, *by_type[UnitType.TOWN], *by_type[UnitType.SUBDISTRICT]
        ][: wanted[UnitType.ENTERPRISE]],
    }  # fmt: skip
    used: dict[int, int] = {}
    for draft in organisations:
        used[draft.province] = used.get(draft.province, 0) + 1
    dependents: list[_Draft] = []
    for kind, parents in owners.items():
        for parent in sorted(parents, key=lambda draft: draft.unit):
            used[parent.province] += 1
            child = _Draft(
                unit=parent.province * UNITS_PER_PROVINCE + used[parent.province],
                parent=parent.unit, type=kind, province=parent.province,
                district=parent.district, rota_group=parent.rota_group,
                population=_CHILDREN_PER_CENTRE if kind is UnitType.CENTRE else 0,
            )  # fmt: skip
            parent.children.append(child)
            dependents.append(child)
    return dependents


def _centre_owners(by_type: Mapping[UnitType, list[_Draft]], wanted: int) -> list[_Draft]:
    """One for each municipality and SAO; more go where more people live."""
    owners = [
        draft
        for kind in (UnitType.PATTAYA, UnitType.CITY, UnitType.TOWN, UnitType.SUBDISTRICT,
                     UnitType.SAO)
        for draft in by_type[kind]
    ]  # fmt: skip
    extra = _apportion([draft.population for draft in owners], wanted - len(owners))
    return [draft for draft, more in zip(owners, extra, strict=True) for _ in range(1 + more)]


def _school_owners(
    by_type: Mapping[UnitType, list[_Draft]], wanted: int, seed: int
) -> list[_Draft]:
    """PAO 1-10, cities 5-11, towns 2-4, and one each in the larger subdistrict municipalities."""
    owners: list[_Draft] = []
    for kind, fewest, most in (
        (UnitType.PAO, 1, 10), (UnitType.CITY, 5, 11), (UnitType.PATTAYA, 5, 11),
        (UnitType.TOWN, 2, 4),
    ):  # fmt: skip
        bits = stream_bits(seed, f"schools-{kind}", len(by_type[kind])).tolist()
        for draft, number in zip(by_type[kind], bits, strict=True):
            owners += [draft] * (fewest + number % (most - fewest + 1))
    rest = by_type[UnitType.SUBDISTRICT][: wanted - len(owners)]
    assert len(owners) + len(rest) == wanted
    return owners + rest


def _station_owners(
    organisations: list[_Draft], by_type: Mapping[UnitType, list[_Draft]], wanted: int, seed: int
) -> list[_Draft]:
    """62 of the 76 PAOs took over health stations, in proportion to the province's subdistricts."""
    if wanted == 0:
        return []
    owners = sorted(
        _shuffled(by_type[UnitType.PAO], seed, "stations")[:62], key=lambda draft: draft.unit
    )
    subdistricts: dict[int, int] = {}
    for draft in organisations:
        subdistricts[draft.province] = subdistricts.get(draft.province, 0) + 1
    shares = _apportion([subdistricts[draft.province] for draft in owners], wanted)
    return [draft for draft, count in zip(owners, shares, strict=True) for _ in range(count)]


def _apportion(sizes: Sequence[int], total: int) -> list[int]:
    """Split *total* in proportion to *sizes* by largest remainders; ties go to the earlier."""
    whole = sum(sizes)
    shares = [total * size // whole for size in sizes]
    rests = sorted(range(len(sizes)), key=lambda place: (-(total * sizes[place] % whole), place))
    for place in rests[: total - sum(shares)]:
        shares[place] += 1
    return shares


def _draw_budgets(drafts: list[_Draft], composition: Composition, seed: int) -> None:
    """Budgets are lognormal by type; weights follow them and keep the type's published mean."""
    normal = NormalDist()
    own = _SIZE_AND_BUDGET
    rest = math.sqrt(1 - own * own)
    by_type: dict[UnitType, list[_Draft]] = {}
    for draft in drafts:
        by_type.setdefault(draft.type, []).append(draft)
    for kind, same in by_type.items():
        size = SIZES[kind]
        ranked = sorted(same, key=lambda draft: (draft.population, draft.unit))
        factors: list[float] = []
        for rank, (draft, u) in enumerate(
            zip(ranked, stream_uniforms(seed, f"budget-{kind}", len(ranked)).tolist(), strict=True)
        ):
            z = own * normal.inv_cdf((rank + 0.5) / len(ranked))
            z += rest * normal.inv_cdf(min(max(u, 1e-9), 1 - 1e-9))
            z = min(max(z, -_BUDGET_Z_MAX), _BUDGET_Z_MAX)
            million = size.budget_median_million_baht * math.exp(size.budget_sigma * z)
            draft.budget_satang = round(million * 1_000) * 100_000  # whole thousands of baht
            factors.append(math.exp(size.budget_sigma * z * _BUDGET_EXPONENT))
        weight = size.weight
        if kind is UnitType.CENTRE:
            weight *= _CENTRE_POOLS / DEPENDENT_COUNTS[composition][kind]
        mean = math.fsum(factors) / len(factors)
        for draft, factor in zip(ranked, factors, strict=True):
            draft.weight = round(weight * factor / mean, 6)


def _sample(drafts: list[_Draft], seed: int, scale: float) -> list[_Draft]:
    """Keep a share of each type; dependents only of organisations that stay."""
    if scale == 1:
        return drafts
    kept: list[_Draft] = []
    counts: dict[UnitType, int] = {}
    for draft in drafts:
        counts[draft.type] = counts.get(draft.type, 0) + 1
    kept_numbers: set[int] = set()
    for kind in UnitType:
        same = [draft for draft in drafts if draft.type is kind]
        wanted = round(scale * counts.get(kind, 0))
        order = _shuffled(same, seed, f"sample-{kind}")
        if kind in (UnitType.PAO, UnitType.CITY):
            wanted = max(1, wanted)
            whale = min(
                same, key=lambda draft: (abs(draft.weight - SIZES[kind].weight), draft.unit)
            )
            order = [whale, *(draft for draft in order if draft is not whale)]
        order = [draft for draft in order if draft.parent == 0 or draft.parent in kept_numbers]
        chosen = order[:wanted]
        kept += chosen
        kept_numbers.update(draft.unit for draft in chosen)
    return sorted(kept, key=lambda draft: draft.unit)


def _finish(kept: list[_Draft], drafts: list[_Draft], seed: int) -> tuple[AccountingUnit, ...]:
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


def _size_classes(drafts: list[_Draft]) -> dict[int, str]:
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


def _place_numbers(drafts: list[_Draft], seed: int) -> list[int]:
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


def _names_of(draft: _Draft, number: int) -> tuple[str, str]:
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
