"""What only some scenarios show: a rota beside its counterpart, a climb step by step.

Both are read from the folder: what was planned from the manifest, what was answered from samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.records import Phase
from contracts.terms import Bilingual
from harness.run_folder import Manifest
from reports.folds import Folded
from reports.formats import count, decimal, percent
from reports.names import phase_name, scenario_name
from reports.sources import Sources
from reports.wording import say
from scenarios.stretches import STEP

# As much as the contract asks of a peak (clause 2.1 of contracts/new_elaas.yaml).
CARRIED_SHARE_MIN: Final = 0.99
# Beyond anything that a plan can hold: a manifest with such numbers was tampered with.
NUMBER_MAX: Final = 1e12
_COUNTERPART_KEYS: Final = ("peak_req_s", "requests", "sessions_in_progress_max", "units")


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideRow:
    """One scenario in the numbers that a rationing of users confuses."""

    scenario: Bilingual
    units: str
    busiest: str
    requests: str
    in_progress: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbRow:
    """One step of a climb."""

    phase: Bilingual
    asked: str
    answered: str
    share: str
    is_carried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeSection:
    """Both tables; empty where the scenario has nothing to show of the kind."""

    beside_lead: Bilingual
    beside: tuple[BesideRow, ...]
    climb_lead: Bilingual
    climb: tuple[ClimbRow, ...]


def shape_section(sources: Sources) -> ShapeSection:
    """Return what the scenario of the run shows by itself."""
    manifest = sources.manifest
    nothing = Bilingual(th="", en="")
    steps = _steps(manifest, sources.folded) if sources.folded is not None else []
    other = _counterpart(manifest)
    return ShapeSection(
        beside_lead=_beside_lead(manifest, other) if other else nothing,
        beside=_beside(manifest, other) if other else (),
        climb_lead=_knee(steps) if steps else nothing,
        climb=tuple(
            ClimbRow(
                phase=phase_name(step.name),
                asked=decimal(step.asked_per_s),
                answered=decimal(step.answered_per_s),
                share=percent(step.share),
                is_carried=step.share >= CARRIED_SHARE_MIN,
            )
            for step in steps
        ),
    )


def _counterpart(manifest: Manifest) -> dict[str, float]:
    """Return the counterpart's numbers; nothing when there is none or its numbers are none."""
    noted = manifest.counterpart
    if not isinstance(noted, dict) or not isinstance(noted.get("scenario"), str):
        return {}
    numbers = {}
    for key in _COUNTERPART_KEYS:
        value = noted.get(key)
        if not isinstance(value, int | float) or not 0 <= value < NUMBER_MAX:
            return {}
        numbers[key] = float(value)
    return numbers


def _beside_lead(manifest: Manifest, other: dict[str, float]) -> Bilingual:
    busiest = _busiest_per_s(manifest)
    theirs = other["sessions_in_progress_max"]
    is_rota = manifest.planned_in_progress_max < theirs and busiest >= 0.95 * other["peak_req_s"]
    if is_rota:
        return say(
            "beside_fewer",
            own=count(manifest.planned_in_progress_max),
            theirs=count(int(theirs)),
            rate=decimal(busiest),
        )
    return say("beside_more", rate=decimal(busiest), their_rate=decimal(other["peak_req_s"]))


def _beside(manifest: Manifest, other: dict[str, float]) -> tuple[BesideRow, ...]:
    assert manifest.counterpart is not None
    return (
        BesideRow(
            scenario=scenario_name(manifest.scenario),
            units=count(manifest.units_planned),
            busiest=decimal(_busiest_per_s(manifest)),
            requests=count(manifest.planned_requests),
            in_progress=count(manifest.planned_in_progress_max),
        ),
        BesideRow(
            scenario=scenario_name(str(manifest.counterpart["scenario"])),
            units=count(int(other["units"])),
            busiest=decimal(other["peak_req_s"]),
            requests=count(int(other["requests"])),
            in_progress=count(int(other["sessions_in_progress_max"])),
        ),
    )


def _busiest_per_s(manifest: Manifest) -> float:
    rates = [_planned_per_s(manifest, phase) for phase in manifest.phases]
    return max(rates, default=0.0)


def _planned_per_s(manifest: Manifest, phase: Phase) -> float:
    """Return the planned requests/s of the whole seconds that *phase* holds."""
    first = round((phase.started_ns - manifest.t0_ns) / 1e9)
    last = round((phase.ended_ns - manifest.t0_ns) / 1e9)
    planned = manifest.planned_per_s[max(0, first) : max(0, last)]
    return sum(planned) / len(planned) if planned else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    name: str
    asked_per_s: float
    answered_per_s: float
    share: float


def _steps(manifest: Manifest, folded: Folded) -> list[_Step]:
    """Fold the steps of a climb: of the requests due in each, how many were ever answered."""
    steps = []
    for phase in manifest.phases:
        length_s = (phase.ended_ns - phase.started_ns) / 1e9
        rows = folded.phases[folded.phases["phase"] == phase.name]
        due = int(rows["request_count"].sum())
        if not phase.name.startswith(STEP) or length_s <= 0 or due == 0:
            continue
        answered = due - int(rows["unanswered_count"].sum())
        asked = _planned_per_s(manifest, phase)
        # Work that an earlier failure kept from falling due was not carried either.
        whole = max(float(due), asked * length_s)
        steps.append(
            _Step(
                name=phase.name,
                asked_per_s=asked,
                answered_per_s=answered / length_s,
                share=answered / whole,
            )
        )
    return steps


def _knee(steps: list[_Step]) -> Bilingual:
    """Say up to which step everything was carried, counted from the first."""
    carried: list[_Step] = []
    for step in steps:
        if step.share < CARRIED_SHARE_MIN:
            break
        carried.append(step)
    if not carried:
        return say("climb_none")
    last = carried[-1]
    if len(carried) == len(steps):
        return say("climb_unbroken", rate=decimal(last.asked_per_s))
    words = phase_name(last.name)
    rate = decimal(last.asked_per_s)
    return Bilingual(
        th=say("climb_knee", rate=rate, phase=words.th).th,
        en=say("climb_knee", rate=rate, phase=words.en).en,
    )
