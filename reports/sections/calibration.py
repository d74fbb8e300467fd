"""How far the load generator can be believed: measured against true, on the machine of the run."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.terms import Bilingual
from harness.calibration.doubts import calibration_in
from harness.calibration.record import (
    MUST_MS,
    MUST_SHARE,
    Calibration,
    LoadFigures,
    Row,
    Standing,
)
from reports.formats import count, decimal, moment, percent, shown
from reports.names import delay_name
from reports.sections.record import Entry
from reports.sources import Sources
from reports.wording import same, say

PERCENTILES: tuple[str, ...] = ("p50", "p99", "p99.9")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """One kind of delay at one rate; `cells` are true, measured and error of each percentile."""

    kind: Bilingual
    share: str
    requests: str
    cells: tuple[str, ...]
    is_within: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRow:
    """The generator itself at one rate."""

    label: Bilingual
    share: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSection:
    """What the section shows. `columns` head the cells of the rows."""

    statement: Bilingual
    is_met: bool
    facts: tuple[Entry, ...]
    columns: tuple[Bilingual, ...]
    rows: tuple[ErrorRow, ...]
    loads: tuple[LoadRow, ...]


def calibration_section(sources: Sources) -> CalibrationSection | None:
    """Return the section; None when the run holds no calibration that can be read."""
    found = calibration_in(sources.manifest)
    if found is None:
        return None
    return CalibrationSection(
        statement=_statement(found),
        is_met=found.standing is Standing.MET,
        facts=_facts(found),
        columns=tuple(
            column
            for name in PERCENTILES
            for column in (
                say("column_true", name=name),
                say("column_measured", name=name),
                say("column_error"),
            )
        ),
        rows=tuple(map(_error_row, found.rows)),
        loads=tuple(map(_load_row, found.loads)),
    )


def _statement(found: Calibration) -> Bilingual:
    budget = {"share": percent(MUST_SHARE), "ms": decimal(MUST_MS)}
    if found.standing is Standing.DISTURBED:
        return say("calibration_disturbed", foreign=percent(found.foreign_share), **budget)
    return say(
        "calibration_met" if found.standing is Standing.MET else "calibration_not_met", **budget
    )


def _facts(found: Calibration) -> tuple[Entry, ...]:
    counts = found.counts
    wrong = counts.unasked + counts.miscounted + counts.replanned + counts.impossible
    compared = say(
        "calibrated_counts_value",
        planned=count(counts.planned),
        lost=count(counts.lost + counts.unsent),
        doubled=count(counts.doubled + counts.untold),
        wrong=count(wrong),
    )
    return (
        Entry(label=say("calibrated_at"), value=moment(found.calibrated_at)),
        Entry(label=say("calibrated_machine"), value=same(shown(found.about_machine, 300))),
        Entry(
            label=say("calibrated_rate"),
            value=say("calibrated_rate_value", rate=count(found.rate_max_per_s)),
        ),
        Entry(label=say("calibrated_counts"), value=compared),
    )


def _error_row(row: Row) -> ErrorRow:
    true, measured = row.true_ms, row.measured_ms
    values = zip(
        (true.p50, true.p99, true.p999),
        (measured.p50, measured.p99, measured.p999),
        row.errors_ms(),
        strict=False,
    )
    return ErrorRow(
        kind=delay_name(row.kind),
        share=percent(row.share),
        requests=count(row.count),
        cells=tuple(
            cell for one in values for cell in (_ms(one[0]), _ms(one[1]), f"{one[2]:+.2f}")
        ),
        is_within=row.is_within(MUST_MS, MUST_SHARE),
    )


def _load_row(load: LoadFigures) -> LoadRow:
    return LoadRow(
        label=delay_name(load.label),
        share=percent(load.share),
        cells=(
            count(load.rate_per_s),
            _ms(load.lateness_ms_p50),
            _ms(load.lateness_ms_p99),
            _ms(load.lateness_ms_max),
            count(load.cpu_us_per_request),
            percent(load.cpu_share),
            count(load.memory_bytes / 1e6),
        ),
    )


def _ms(value: float) -> str:
    return f"{value:,.2f}"
