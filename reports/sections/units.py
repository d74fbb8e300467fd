"""Results by accounting unit: the spread of the units' p95, and those that were served worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from contracts.terms import Bilingual
from reports.figures.units import draw_unit_spread
from reports.folds import UNIT_REQUESTS_MIN, WORST_UNITS_SHOWN, Folded
from reports.formats import ABSENT, count
from reports.sections.load import latency_cell
from reports.sources import Sources, UnitName
from reports.wording import same, say
from scenarios.networks import LOSSY


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """One of the worst-served units."""

    rank: str
    unit: str
    name: Bilingual
    type: Bilingual
    province: Bilingual
    requests: str
    failed: str
    has_failed: bool
    p95: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsSection:
    """What the section shows; no rows when no unit made enough requests."""

    lead: Bilingual
    answered: Bilingual
    figure: Markup | None
    unanswered: Bilingual | None
    lines: Bilingual | None
    has_names: bool
    heading: Bilingual
    rows: tuple[UnitRow, ...]


def units_section(sources: Sources) -> UnitsSection | None:
    """Return the section; None when the folder holds no samples."""
    folded = sources.folded
    if folded is None:
        return None
    units = folded.units
    least = count(UNIT_REQUESTS_MIN)
    worst = units.head(WORST_UNITS_SHOWN)
    rows = tuple(
        _row(place, row, (sources.unit_names or {}).get(int(row["unit"])))
        for place, (_, row) in enumerate(worst.iterrows(), start=1)
    )
    lead = say("units_lead", least=least, units=count(len(units)))
    return UnitsSection(
        lead=lead if rows else say("units_too_few", least=least),
        answered=say(
            "units_answered",
            seen=count(folded.units_answered),
            units=count(sources.manifest.population_units),
        ),
        figure=draw_unit_spread(folded),
        unanswered=_unanswered(folded),
        lines=_lines(folded, sources),
        has_names=sources.unit_names is not None,
        heading=say("units_worst", count=count(len(rows))),
        rows=rows,
    )


def _unanswered(folded: Folded) -> Bilingual | None:
    """Say how many units the figure cannot show; None when it shows all."""
    hidden = int(np.count_nonzero(np.isinf(folded.units["p95_ms"].to_numpy(dtype=float))))
    return say("units_unanswered", count=count(hidden)) if hidden else None


def _lines(folded: Folded, sources: Sources) -> Bilingual | None:
    """Set the units behind emulated lossy lines beside the others; None in a run without any."""
    names = sources.unit_names
    if sources.manifest.network != LOSSY or names is None:
        return None
    units = folded.units
    is_lossy = units["unit"].map(lambda unit: int(unit) in names and names[int(unit)].is_lossy)
    lossy, others = (_median_ms(units[chosen]) for chosen in (is_lossy, ~is_lossy))
    return say(
        "units_lines", count=count(int(is_lossy.sum())), of=count(len(units)),
        lossy=lossy, others=others,
    )  # fmt: skip


def _median_ms(units: pd.DataFrame) -> str:
    """Return the median of the units' p95; an infinite one was not answered often enough."""
    if not len(units):
        return ABSENT
    median_ms = float(np.median(units["p95_ms"].to_numpy(dtype=float)))
    return f"{median_ms:,.0f} ms" if np.isfinite(median_ms) else ABSENT


def _row(place: int, row: pd.Series, named: UnitName | None) -> UnitRow:
    unknown = same(ABSENT)
    return UnitRow(
        rank=count(place),
        unit=str(int(row["unit"])),
        name=named.name if named else unknown,
        type=named.type if named else unknown,
        province=named.province if named else unknown,
        requests=count(row["request_count"]),
        failed=count(row["failed_count"]),
        has_failed=bool(row["failed_count"]),
        p95=latency_cell(row["p95_ms"]),
    )
