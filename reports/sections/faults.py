"""Faults and recovery: what was done to the target and when, and how long service took."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from contracts.records import FaultEvent
from contracts.terms import Bilingual, Quantity, Unit, Verdict
from reports.figures.bands import BANDS_MAX
from reports.figures.recovery import draw_recovery, recovery_panels
from reports.formats import clock, shown, span
from reports.names import fault_name
from reports.sources import Sources
from reports.wording import same, say


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault as it was injected."""

    name: Bilingual
    part: str
    injected: str
    healed: Bilingual
    recovery: Bilingual
    verdict: Verdict | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsSection:
    """What the section shows; `statement` when there is no row to show."""

    rows: tuple[FaultRow, ...]
    statement: Bilingual | None
    figure: Markup | None


def faults_section(sources: Sources) -> FaultsSection:
    """Return the section of a run with or without faults."""
    manifest = sources.manifest
    recovery_s = measured_recovery_s(sources)
    rows = tuple(_row(event, sources, recovery_s) for event in sources.faults[:BANDS_MAX])
    figure = None
    if sources.folded is not None and rows:
        panels = recovery_panels(
            sources.folded, sources.faults, t0_ns=manifest.t0_ns, recovery_s=recovery_s
        )
        figure = draw_recovery(panels)
    return FaultsSection(rows=rows, statement=None if rows else _statement(sources), figure=figure)


def measured_recovery_s(sources: Sources) -> dict[str, float]:
    """Return the recovery that was measured, in s by the name of the fault."""
    found: dict[str, float] = {}
    if sources.judged is None:
        return found
    for result in sources.judged.clauses:
        if not sources.measures(result, Quantity.RECOVERY) or result.value is None:
            continue
        factor = 0.001 if result.unit == Unit.MS else 1.0
        if 0 <= result.value * factor < 1e6:
            found[sources.selector(result)] = result.value * factor
    return found


def _row(event: FaultEvent, sources: Sources, recovery_s: dict[str, float]) -> FaultRow:
    t0_ns = sources.manifest.t0_ns
    took_s = recovery_s.get(event.name)
    return FaultRow(
        name=fault_name(event.name),
        part=shown(event.target, 80),
        injected=clock((event.injected_ns - t0_ns) / 1e9),
        healed=(
            same(clock((event.healed_ns - t0_ns) / 1e9)) if event.healed_ns else say("not_healed")
        ),
        recovery=span(took_s) if took_s is not None else say("not_measured"),
        verdict=_verdict(event.name, sources),
        detail=shown(event.detail, 300),
    )


def _verdict(fault: str, sources: Sources) -> Verdict | None:
    for result in sources.judged.clauses if sources.judged else ():
        if sources.measures(result, Quantity.RECOVERY) and sources.selector(result) == fault:
            return result.verdict
    return None


def _statement(sources: Sources) -> Bilingual:
    requested = sources.manifest.faults_requested
    if not requested:
        return say("faults_not_requested")
    names = [fault_name(name) for name in requested[:10]]
    both = Bilingual(
        th=", ".join(name.th for name in names), en=", ".join(name.en for name in names)
    )
    return say("faults_not_recorded", names=both)
