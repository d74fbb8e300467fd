"""The run folder: every arrow of the flow is a file in it, so every step can be repeated alone.

Names the files once, reads and writes the manifest, and refuses a folder of another format version.
It interprets nothing: columns are defined in `contracts.records`, verdicts in `harness.verdict`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson

from contracts.records import FORMAT_VERSION, FaultEvent, LoadKind, Phase
from harness.failures import BadSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was run, on what, against what, and how it ended.

    `planned_per_s` holds one int per second of load: requests due in that second if the target
    answers at once. `ended` is `completed`, `interrupted` (Ctrl-C), `target_lost` or `load_lost`.
    Times are ns of CLOCK_MONOTONIC, `t0_ns` is the start of the load. `fingerprint` is the target
    as it described itself (versions, durable settings, defects that it admits to). `retries` is ""
    for people who behave as the scenario has it. `counterpart` holds the same numbers of the
    scenario that this one is set beside. Keys with a default came later than version 1.
    `left_out` are activities that the dialect cannot speak; they are in no planned number.
    `calibration` is the last one of the machine, as `harness.calibration.record` keeps it; its
    reader judges it. `load_source` names what a load other than the country's was made from: file,
    hash, number of users. `history_months` are those that the embedded ledger was filled with.
    """

    run_id: str
    created_at: str
    command: tuple[str, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, str | int | float]
    seed: int
    scale: float
    level: str
    demand: str
    composition: str
    duration_s: float
    think_scale: float
    business_date: str
    workers: int
    contract_id: str
    contract_sha256: str
    population_units: int
    population_accounts: int
    population_sha256: str
    plan_sha256: str
    planned_sessions: int
    planned_requests: int
    planned_by_operation: Mapping[str, int]
    planned_by_activity: Mapping[str, int]
    planned_per_s: tuple[int, ...]
    target_kind: str
    target_url: str
    fingerprint: Mapping[str, str]
    faults_requested: tuple[str, ...] = ()
    t0_ns: int = 0
    phases: tuple[Phase, ...] = ()
    load_processes: tuple[Mapping[str, str | int | float], ...] = ()
    ended: str = "load_lost"
    end_reason: str = ""
    calibration: object = None
    scenario: str = "month_end"
    retries: str = ""
    planned_in_progress_max: int = 0
    units_planned: int = 0
    counterpart: Mapping[str, str | int | float] | None = None
    dialect: str = "reference"
    connections: str = "shared"
    network: str = "clean"
    left_out: tuple[str, ...] = ()
    load_kind: str = LoadKind.COUNTRY.value
    load_source: Mapping[str, str] = field(default_factory=dict)
    history_months: int = 0
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def is_own_load(self) -> bool:
        """Whether the load was brought along: it names no units and keeps no money history."""
        return self.load_kind != LoadKind.COUNTRY

    def evolve(self, **changes: Any) -> Manifest:
        """Return a copy with *changes*; the run learns its times only while it goes."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside one run folder. Creating the object touches nothing on disk."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What was run and how it ended."""
        return self.path / "manifest.json"

    @property
    def contract(self) -> Path:
        """The contract as judged, byte for byte."""
        return self.path / "contract.yaml"

    @property
    def samples(self) -> Path:
        """One row per request."""
        return self.path / "samples"

    @property
    def plan(self) -> Path:
        """What was planned: one row per session, and requests per second by kind."""
        return self.path / "plan"

    @property
    def operations(self) -> Path:
        """One row per attempt of a money operation."""
        return self.path / "operations"

    @property
    def readings(self) -> Path:
        """Time series of the probes and of the load processes."""
        return self.path / "readings"

    @property
    def profile(self) -> Path:
        """Collapsed stacks and what was folded from them."""
        return self.path / "profile"

    @property
    def books_before(self) -> Path:
        """Final reads of the books before the load."""
        return self.path / "books" / "before"

    @property
    def books_after(self) -> Path:
        """Final reads of the books after the load."""
        return self.path / "books" / "after"

    @property
    def faults(self) -> Path:
        """What was injected and healed, when."""
        return self.path / "faults.jsonl"

    @property
    def verdict(self) -> Path:
        """The judgement."""
        return self.path / "verdict.json"

    @property
    def findings(self) -> Path:
        """Witnesses of violations and ranked bottlenecks."""
        return self.path / "findings.json"

    @property
    def junit(self) -> Path:
        """The verdict for CI systems."""
        return self.path / "junit.xml"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def evidence(self) -> Path:
        """Hashes of everything that was judged."""
        return self.path / "evidence.json"

    @property
    def logs(self) -> Path:
        """What the target's and the load's processes wrote; for people, never judged."""
        return self.path / "logs"

    def create(self) -> None:
        """Make the folder and its sub-folders; `BadSetup` when the place cannot be written."""
        try:
            for folder in (self.samples, self.operations, self.readings, self.profile,
                           self.books_before, self.books_after, self.logs):  # fmt: skip
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSetup(
                what=f"the run folder cannot be written: {error.strerror}",
                where=str(self.path),
                mend="name a place with room and permission with --out DIR",
            ) from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest as one step, so that a reader never sees half of one."""
        _replace_file(self.manifest, orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))

    def read_manifest(self) -> Manifest:
        """Read the manifest. Raises `BadSetup` for a missing, broken or foreign one."""
        try:
            content = orjson.loads(self.manifest.read_bytes())
        except FileNotFoundError as error:
            raise BadSetup(
                what="this is not a run folder: it has no manifest.json",
                where=str(self.path),
                mend="name a folder that `monthend accept` or `monthend run` wrote",
            ) from error
        except orjson.JSONDecodeError as error:
            raise BadSetup(
                what=f"the manifest is not JSON: {error}",
                where=str(self.manifest),
                mend="take an unbroken copy of the run folder",
            ) from error
        version = content.get("format_version") if isinstance(content, dict) else None
        if version != FORMAT_VERSION:
            raise BadSetup(
                what=f"format version {version!r}; this release reads {FORMAT_VERSION}",
                where=str(self.manifest),
                mend="judge the folder with the release that wrote it",
            )
        names = {f.name for f in fields(Manifest)}
        later = {f.name for f in fields(Manifest) if f.default is not MISSING}
        if wrong_names := (set(content) - names) | (names - later - set(content)):
            wrong = ", ".join(sorted(wrong_names))
            raise BadSetup(
                what=f"the manifest's keys are not those of its version: {wrong}",
                where=str(self.manifest),
                mend="take an unbroken copy of the run folder",
            )
        content["phases"] = tuple(Phase(**phase) for phase in content["phases"])
        for name in ("command", "planned_per_s", "faults_requested", "load_processes", "left_out"):
            content[name] = tuple(content[name])
        return Manifest(**content)

    def append_fault(self, event: FaultEvent) -> None:
        """Add one fault event; appended at once, so that a later failure does not lose it."""
        with self.faults.open("ab") as file:
            file.write(orjson.dumps(asdict(event), option=orjson.OPT_APPEND_NEWLINE))

    def read_faults(self) -> tuple[FaultEvent, ...]:
        """Return the fault events in the order of injection; none when no fault was asked for."""
        if not self.faults.exists():
            return ()
        lines = self.faults.read_bytes().splitlines()
        return tuple(FaultEvent(**orjson.loads(line)) for line in lines if line)


def _replace_file(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)
