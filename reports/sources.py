"""Everything the page is made of, read from one run folder: the only I/O of a report.

What is missing is `None` and the page says so; what is broken is refused as `BadSetup` with its
file. Samples are folded here and dropped, so that the page never holds more than small tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pandas as pd

from contracts.reading import ContractError, read_contract
from contracts.records import FaultEvent
from contracts.terms import Bilingual, Clause, Contract, Quantity
from harness.checks.self_reports import read_self_reports
from harness.columns import EvidenceMissing, open_columns
from harness.diagnosis.findings import Profile, profile_path, read_profile
from harness.diagnosis.stacks import Stacks, drop_common_root, merge_stacks, read_stacks
from harness.failures import BadSetup
from harness.measurements import read_measurements
from harness.planned_load import read_planned_load
from harness.run_folder import Manifest, RunFolder
from reports.columns import read_readings
from reports.figures.resources import ResourceStack, resource_stack
from reports.folds import Folded, fold, timeline_of
from reports.generator import Generator, fold_generator
from reports.money_folds import read_money
from reports.names import UNIT_TYPES
from reports.offer import Offer, fold_offer
from reports.reading import (
    ClauseResult,
    FindingText,
    Judged,
    read_faults,
    read_findings,
    read_manifest,
    read_verdict,
)
from reports.wording import same
from scenarios.networks import LOSSY
from scenarios.place_names import PROVINCES_TH
from scenarios.population import (
    SEED_DEFAULT,
    UNITS_PER_PROVINCE,
    Population,
    build_population,
    province_names_en,
)

# The population generator knows nothing above this; a manifest that asks for more is not ours.
_UNITS_MAX: Final = 60_000
# Raw stacks above this are for other tools; a minute of samples takes a megabyte or two.
RAW_BYTES_MAX: Final = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitName:
    """What a reader knows a unit by. `is_lossy`: it is behind a slow and lossy line."""

    name: Bilingual
    type: Bilingual
    province: Bilingual
    is_lossy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """One run folder as read. `unit_names` is None when the register could not be reproduced."""

    folder: Path
    manifest: Manifest
    judged: Judged | None
    findings: tuple[FindingText, ...] | None
    contract: Contract | None
    faults: tuple[FaultEvent, ...]
    folded: Folded | None
    offer: Offer | None
    generator: Generator | None
    money: pd.DataFrame | None
    resources: ResourceStack | None
    profile: Profile | None
    stacks: Stacks | None
    unit_names: Mapping[int, UnitName] | None
    has_books: bool
    has_evidence: bool

    def clause(self, clause_id: str) -> Clause | None:
        """Return the clause of the contract with this id."""
        if self.contract is None:
            return None
        return next((clause for clause in self.contract.clauses if clause.id == clause_id), None)

    def measures(self, result: ClauseResult, *quantities: Quantity) -> bool:
        """Say whether a clause measures one of *quantities*, by the contract or by the verdict."""
        clause = self.clause(result.id)
        return (clause.quantity if clause else result.quantity) in quantities

    def selector(self, result: ClauseResult) -> str:
        """Return what narrows the quantity of a clause, by the contract or by the verdict."""
        clause = self.clause(result.id)
        return clause.selector if clause else result.selector


def read_sources(run: Path) -> Sources:
    """Read one run folder. Raises `BadSetup` when it is none, or when a part of it is broken."""
    folder = RunFolder(run)
    # Small parts first: a broken one is refused before minutes of samples are read.
    manifest = read_manifest(folder)
    judged, findings = read_verdict(folder), read_findings(folder)
    contract, faults = _read_contract(folder), read_faults(folder)
    profile = _read_profile(folder)
    folds = _read_folds(folder, manifest)
    folded = folds.folded if folds else None
    return Sources(
        folder=run,
        manifest=manifest,
        judged=judged,
        findings=findings,
        contract=contract,
        faults=faults,
        folded=folded,
        offer=folds.offer if folds else None,
        generator=folds.generator if folds else None,
        money=read_money(folder.operations),
        resources=_read_resources(folder, manifest, folded),
        profile=profile,
        stacks=_read_stacks(folder, profile),
        unit_names=_read_unit_names(manifest, folded),
        has_books=any(folder.books_after.glob("*.parquet")),
        has_evidence=(run / "evidence.json").exists(),
    )


class _Folds(NamedTuple):
    """All tables that are made of the samples."""

    folded: Folded
    offer: Offer
    generator: Generator


def _read_folds(folder: RunFolder, manifest: Manifest) -> _Folds | None:
    paths = sorted(folder.samples.glob("*.parquet"))
    try:
        if not paths or not open_columns("samples", paths, ()).row_count:
            return None
        measurements = read_measurements(folder.samples)
        planned = read_planned_load(folder)
    except EvidenceMissing as error:
        raise BadSetup(
            what=error.text.en,
            where=str(folder.path),
            mend="take an unbroken copy of the run folder",
        ) from error
    phases, t0_ns = manifest.phases, manifest.t0_ns
    folded = fold(measurements, phases, t0_ns)
    reports = read_self_reports(folder.readings)
    return _Folds(
        folded=folded,
        offer=fold_offer(measurements, planned, folded.timeline, t0_ns),
        generator=fold_generator(measurements, reports, phases, folded.timeline, t0_ns),
    )


def _read_contract(folder: RunFolder) -> Contract | None:
    if not folder.contract.exists():
        return None
    try:
        return read_contract(folder.contract)
    except ContractError as error:
        raise BadSetup(
            what=error.what, where=f"{error.file}:{error.line}", mend=error.mend
        ) from error


def _read_resources(
    folder: RunFolder, manifest: Manifest, folded: Folded | None
) -> ResourceStack | None:
    readings = read_readings(folder.readings, "host", ("cpu_share", "cpu_count"))
    if readings is None:
        return None
    timeline = folded.timeline if folded else timeline_of(max(1.0, manifest.duration_s))
    return resource_stack(readings, timeline, manifest.t0_ns)


def _read_unit_names(manifest: Manifest, folded: Folded | None) -> Mapping[int, UnitName] | None:
    """Reproduce the register from the manifest; None when its hash shows that it is another one."""
    if folded is None or not 0 < manifest.population_units <= _UNITS_MAX:
        return None
    population = _population(manifest)
    if population is None:
        return None
    english = province_names_en()
    provinces = {
        code: Bilingual(th=name, en=english.get(code, str(code)))
        for code, name in PROVINCES_TH.items()
    }
    office = UNIT_TYPES["provincial_office"]
    names = {
        code * UNITS_PER_PROVINCE: UnitName(name=office, type=office, province=province)
        for code, province in provinces.items()
    }
    for unit in population.units:
        names[unit.unit] = UnitName(
            name=Bilingual(th=unit.name_th, en=unit.name_en),
            type=UNIT_TYPES.get(unit.type, same(unit.type)),
            province=provinces.get(unit.province, same(unit.province)),
            is_lossy=unit.network_class == LOSSY,
        )
    return names


def _population(manifest: Manifest) -> Population | None:
    for seed in dict.fromkeys((manifest.seed, SEED_DEFAULT)):
        try:
            population = build_population(
                composition=manifest.composition, seed=seed, scale=manifest.scale
            )
        except (ValueError, KeyError, ArithmeticError):
            return None
        if population.sha256 == manifest.population_sha256:
            return population
    return None


def _read_profile(folder: RunFolder) -> Profile | None:
    path = profile_path(folder)
    profile = read_profile(path)
    if profile is None:
        return None
    rows = (*profile.paths, *profile.statements, *profile.blocked, *profile.bottlenecks)
    numbers = [profile.duration_s, profile.completed_requests, profile.rate_hz]
    for row in rows:
        numbers += [
            getattr(row, name)
            for name in ("self_share", "total_share", "share", "total_ms", "mean_ms", "calls",
                         "sessions_mean")
            if hasattr(row, name)
        ]  # fmt: skip
    if not all(isinstance(number, (int, float)) for number in numbers):
        raise BadSetup(
            what="the profile holds texts where numbers belong",
            where=str(path),
            mend="profile again, or take an unbroken copy",
        )
    return profile


def _read_stacks(folder: RunFolder, profile: Profile | None) -> Stacks | None:
    """Read the running stacks that the profile was made of; None when they are not there."""
    several = []
    for recording in profile.recordings if profile else ():
        # Only the last part of the name: a recording outside the folder is nobody's business.
        path = folder.profile / Path(str(recording.file)).name
        if recording.is_with_idle or recording.refused_because or not path.is_file():
            continue
        if path.stat().st_size <= RAW_BYTES_MAX:
            several.append(read_stacks(path))
    return drop_common_root(merge_stacks(several)) if several else None
