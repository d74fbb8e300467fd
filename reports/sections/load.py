"""Latency, arrival rate and failures over the run: figures with the tables that say the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import pandas as pd
from markupsafe import Markup

from contracts.terms import Bilingual, OperationKind, Quantity, Unit
from reports.figures.arrivals import draw_arrivals
from reports.figures.bands import bands_of
from reports.figures.failures import FAILURE_COLOURS, draw_failures, failure_stack
from reports.figures.latency import PANEL_KINDS, draw_latency
from reports.folds import Folded
from reports.formats import ABSENT, count, decimal, percent, span
from reports.names import FAILURE_MEANINGS, FAILURES, kind_name, operation_name, phase_name
from reports.sections.generator import GeneratorSection, generator_section
from reports.sections.offer import OfferSection, offer_section
from reports.sources import Sources
from reports.wording import say

_MS_PER_S: Final = 1_000.0
# More rows than the plan of any dialect has operations; the rest is in the samples.
OPERATIONS_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileCells:
    """p50, p95 and p99 of one row, as they are shown in ms."""

    p50: Bilingual
    p95: Bilingual
    p99: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """Latency of one operation kind in one phase."""

    phase: Bilingual
    is_measured: bool
    kind: Bilingual
    requests: str
    unanswered: str
    percentiles: PercentileCells
    longest: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One operation over the whole run."""

    name: Bilingual
    identifier: str
    kind: Bilingual
    planned: str
    requests: str
    succeeded: str
    refused: str
    failed: str
    has_failed: bool
    percentiles: PercentileCells


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One way of failing."""

    name: Bilingual
    meaning: Bilingual
    count: str
    share: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSection:
    """What the three sections on load show. Figures are None when a sentence says it better."""

    latency_lead: Bilingual
    latency_figure: Markup
    unanswered: Bilingual
    has_unanswered: bool
    has_faults: bool
    has_limits: bool
    phases: tuple[PhaseRow, ...]
    operations: tuple[OperationRow, ...]
    arrivals_figure: Markup
    totals: Bilingual
    offer: OfferSection | None
    generator: GeneratorSection | None
    failures_figure: Markup | None
    failures_lead: Bilingual
    failures: tuple[FailureRow, ...]


def load_section(sources: Sources) -> LoadSection | None:
    """Return the sections on load; None when the folder holds no samples."""
    folded, manifest = sources.folded, sources.manifest
    if folded is None:
        return None
    bands = bands_of(
        manifest.phases, sources.faults, t0_ns=manifest.t0_ns, last_s=folded.timeline.last_s
    )
    limits = latency_limits(sources)
    shown_kinds = folded.latency[folded.latency["kind"].isin(PANEL_KINDS)]
    unanswered = int(shown_kinds["unanswered_count"].sum())
    return LoadSection(
        latency_lead=say("latency_lead", window=span(folded.timeline.window_s)),
        latency_figure=draw_latency(folded, bands, limits),
        unanswered=_unanswered(unanswered, int(shown_kinds["request_count"].sum())),
        has_unanswered=unanswered > 0,
        has_faults=any(band.is_fault for band in bands),
        has_limits=any(limits.values()),
        phases=_phase_rows(folded),
        operations=_operation_rows(folded, sources),
        arrivals_figure=draw_arrivals(folded, manifest.planned_per_s, bands),
        totals=_totals(folded, manifest.planned_requests),
        offer=None
        if sources.offer is None
        else offer_section(folded, sources.offer, manifest.planned_by_operation, bands),
        generator=None
        if sources.generator is None
        else generator_section(sources.generator, folded.timeline),
        failures_figure=draw_failures(folded, bands),
        failures_lead=_failures_lead(folded),
        failures=_failure_rows(folded),
    )


def latency_limits(sources: Sources) -> dict[OperationKind, list[tuple[float, float]]]:
    """Return per operation kind the contract's latency limits: percentile and ms."""
    limits: dict[OperationKind, list[tuple[float, float]]] = {}
    clauses = sources.contract.clauses if sources.contract else ()
    for clause in clauses:
        if clause.quantity is not Quantity.LATENCY or clause.limit.at_most is None:
            continue
        if sources.manifest.level not in clause.levels:
            continue
        try:
            kind, percentile = OperationKind(clause.selector), clause.parameter("percentile")
        except (ValueError, KeyError):
            continue
        factor = _MS_PER_S if clause.limit.unit is Unit.S else 1.0
        limits.setdefault(kind, []).append((percentile, clause.limit.at_most * factor))
    return limits


def latency_cell(value_ms: float) -> Bilingual:
    """Return a latency as a table shows it: a number of ms, or words where no answer came."""
    if math.isnan(value_ms):
        return Bilingual(th=ABSENT, en=ABSENT)
    if math.isinf(value_ms):
        return say("no_answer")
    text = decimal(value_ms)
    return Bilingual(th=text, en=text)


def _percentiles(row: pd.Series) -> PercentileCells:
    return PercentileCells(
        p50=latency_cell(row["p50_ms"]),
        p95=latency_cell(row["p95_ms"]),
        p99=latency_cell(row["p99_ms"]),
    )


def _unanswered(unanswered: int, requests: int) -> Bilingual:
    if not unanswered:
        return say("unanswered_none")
    return say("unanswered_some", count=count(unanswered), requests=count(requests))


def _phase_rows(folded: Folded) -> tuple[PhaseRow, ...]:
    table = folded.phases[folded.phases["kind"].isin(PANEL_KINDS)]
    return tuple(
        PhaseRow(
            phase=phase_name(str(row["phase"])),
            is_measured=bool(row["is_measured"]),
            kind=kind_name(str(row["kind"])),
            requests=count(row["request_count"]),
            unanswered=count(row["unanswered_count"]),
            percentiles=_percentiles(row),
            longest=latency_cell(row["max_ms"]),
        )
        for _, row in table.head(OPERATIONS_SHOWN).iterrows()
    )


def _operation_rows(folded: Folded, sources: Sources) -> tuple[OperationRow, ...]:
    planned = sources.manifest.planned_by_operation
    return tuple(
        OperationRow(
            name=operation_name(str(row["operation"])),
            identifier=_identifier(str(row["operation"])),
            kind=kind_name(str(row["kind"])),
            planned=count(planned[row["operation"]]) if row["operation"] in planned else ABSENT,
            requests=count(row["request_count"]),
            succeeded=count(row["ok_count"]),
            refused=count(row["refused_count"]),
            failed=count(row["failed_count"]),
            has_failed=bool(row["failed_count"]),
            percentiles=_percentiles(row),
        )
        for _, row in folded.operations.head(OPERATIONS_SHOWN).iterrows()
    )


def _identifier(name: str) -> str:
    """Return an operation's own name where its words are others; a load of one's own has none."""
    return "" if operation_name(name).en == name else name[:60]


def _totals(folded: Folded, planned: int) -> Bilingual:
    counts = {
        "sent": count(folded.sent_count),
        "carried": count(folded.carried_count),
        "failed": count(folded.failed_count),
    }
    if not planned:
        return say("totals_unplanned", **counts)
    return say("totals_sentence", planned=count(planned), **counts)


def _failures_lead(folded: Folded) -> Bilingual:
    if not folded.failed_count:
        return say("failures_none", count=count(folded.request_count))
    return say(
        "failures_lead",
        failed=count(folded.failed_count),
        count=count(folded.request_count),
        share=percent(folded.failed_count / folded.request_count),
    )


def _failure_rows(folded: Folded) -> tuple[FailureRow, ...]:
    return tuple(
        FailureRow(
            name=FAILURES[failure],
            meaning=FAILURE_MEANINGS[failure],
            count=count(number),
            share=percent(number / max(1, folded.request_count)),
            colour=FAILURE_COLOURS[failure],
        )
        for failure, number in failure_stack(folded).counts.items()
    )
