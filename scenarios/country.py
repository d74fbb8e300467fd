"""Draws the country: every organisation with its residents, dependents, budget and share of work.

All draws run over the whole country and only then is a sample taken, so that a unit is the same in
every scale. Units are drafts here, without names or people; `scenarios.population` finishes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from scenarios.chance import stream_bits, stream_uniforms
from scenarios.units import (
    DEPENDENT_COUNTS,
    SIZES,
    UNITS_PER_PROVINCE,
    Composition,
    UnitType,
    read_counts,
)

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


@dataclass(slots=True)
class Draft:
    """A unit while the country is being put together."""

    unit: int
    parent: int
    type: UnitType
    province: int
    district: int
    population: int = 0
    weight: float = 0.0
    budget_satang: int = 0
    rota_group: int = 1


def draw_country(composition: Composition, seed: int) -> list[Draft]:
    """Return all units of the country in order of number."""
    drafts = _draw_organisations(seed)
    drafts += _draw_dependents(drafts, composition, seed)
    drafts.sort(key=lambda draft: draft.unit)
    _draw_budgets(drafts, composition, seed)
    return drafts


def sample_units(drafts: list[Draft], seed: int, scale: float) -> list[Draft]:
    """Keep a share of each type; dependents only of organisations that stay."""
    if scale == 1:
        return drafts
    kept: list[Draft] = []
    counts: dict[UnitType, int] = {}
    for draft in drafts:
        counts[draft.type] = counts.get(draft.type, 0) + 1
    kept_numbers: set[int] = set()
    for kind in UnitType:
        same = [draft for draft in drafts if draft.type is kind]
        wanted = round(scale * counts.get(kind, 0))
        order = _shuffled(same, seed, f"sample-{kind}")
        if kind in (UnitType.PAO, UnitType.CITY, UnitType.PATTAYA):
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


def _draw_organisations(seed: int) -> list[Draft]:
    drafts: list[Draft] = []
    for province, counts in sorted(read_counts().items()):
        kinds = [kind for kind in UnitType for _ in range(counts.get(kind, 0))]
        # The country has 878 districts for 7,851 organisations: nine to a district.
        districts = max(1, round(len(kinds) / 9))
        for sequence, kind in enumerate(kinds, start=1):
            district = province * 100 + 1 + (sequence - 1) * districts // len(kinds)
            drafts.append(
                Draft(
                    unit=province * UNITS_PER_PROVINCE + sequence,
                    parent=0, type=kind, province=province, district=district,
                )
            )  # fmt: skip
    for place, draft in enumerate(drafts):
        draft.rota_group = place % 3 + 1
    _draw_residents(drafts, seed)
    return drafts


def _draw_residents(drafts: list[Draft], seed: int) -> None:
    """SAOs and municipalities are lognormal; the largest municipalities are cities, then towns."""
    saos = [draft for draft in drafts if draft.type is UnitType.SAO]
    for draft, people in zip(
        saos, _lognormals(seed, "residents-sao", len(saos), _SAO_RESIDENTS), strict=True
    ):
        draft.population = people
    ranked: list[Draft] = []
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


def _shuffled(drafts: Sequence[Draft], seed: int, stream: str) -> list[Draft]:
    keys = stream_bits(seed, stream, len(drafts)).tolist()
    return [draft for _, draft in sorted(zip(keys, drafts, strict=True), key=lambda p: p[0])]


def _draw_dependents(
    organisations: list[Draft], composition: Composition, seed: int
) -> list[Draft]:
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
    dependents: list[Draft] = []
    for kind, parents in owners.items():
        for parent in sorted(parents, key=lambda draft: draft.unit):
            used[parent.province] += 1
            child = Draft(
                unit=parent.province * UNITS_PER_PROVINCE + used[parent.province],
                parent=parent.unit, type=kind, province=parent.province,
                district=parent.district, rota_group=parent.rota_group,
                population=_CHILDREN_PER_CENTRE if kind is UnitType.CENTRE else 0,
            )  # fmt: skip
            dependents.append(child)
    return dependents


def _centre_owners(by_type: Mapping[UnitType, list[Draft]], wanted: int) -> list[Draft]:
    """One for each municipality and SAO; more go where more people live."""
    owners = [
        draft
        for kind in (UnitType.PATTAYA, UnitType.CITY, UnitType.TOWN, UnitType.SUBDISTRICT,
                     UnitType.SAO)
        for draft in by_type[kind]
    ]  # fmt: skip
    extra = _apportion([draft.population for draft in owners], wanted - len(owners))
    return [draft for draft, more in zip(owners, extra, strict=True) for _ in range(1 + more)]


def _school_owners(by_type: Mapping[UnitType, list[Draft]], wanted: int, seed: int) -> list[Draft]:
    """PAO 1-10, cities 5-11, towns 2-4, and one each in the larger subdistrict municipalities."""
    owners: list[Draft] = []
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
    organisations: list[Draft], by_type: Mapping[UnitType, list[Draft]], wanted: int, seed: int
) -> list[Draft]:
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


def _draw_budgets(drafts: list[Draft], composition: Composition, seed: int) -> None:
    """Budgets are lognormal by type; weights follow them and keep the type's published mean."""
    normal = NormalDist()
    own = _SIZE_AND_BUDGET
    rest = math.sqrt(1 - own * own)
    by_type: dict[UnitType, list[Draft]] = {}
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
