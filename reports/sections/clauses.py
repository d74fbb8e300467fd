"""Result by clause: what was promised, what was measured, how near it came, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from contracts.terms import Bilingual, Clause, Unit, Verdict
from reports.formats import ABSENT, count, decimal, measured, percent
from reports.names import kind_name
from reports.reading import ClauseResult
from reports.sources import Sources
from reports.wording import in_both, same, say

# A meter shows 0 to 1.5 times the limit; what lies beyond is cut at its end.
METER_SHARE_MAX: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How a value stands to its limit, as a share of the limit; `is_floor` when more is better."""

    share: float
    is_floor: bool
    words: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseRow:
    """One line of the clause table."""

    id: str
    verdict: Verdict
    title: Bilingual
    text: Bilingual | None
    value: Bilingual
    has_value: bool
    limit: Bilingual
    samples: str
    reason: Bilingual
    source: Bilingual | None
    penalty: Bilingual | None
    meter: Meter | None
    room: float | None


def clause_rows(sources: Sources) -> tuple[ClauseRow, ...]:
    """Return all clauses in the order of the verdict file, which is the contract's order."""
    if sources.judged is None:
        return ()
    return tuple(_row(result, sources.clause(result.id)) for result in sources.judged.clauses)


def verdict_counts(rows: tuple[ClauseRow, ...]) -> dict[Verdict, int]:
    """Count the clauses per verdict."""
    return {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}


def deciding_rows(rows: tuple[ClauseRow, ...], verdict: Verdict) -> tuple[ClauseRow, ...]:
    """Return the clauses that decided *verdict*, or, for MET, those closest to their limits."""
    if verdict is Verdict.MET:
        near = [row for row in rows if row.verdict is Verdict.MET and row.room is not None]
        return tuple(sorted(near, key=lambda row: row.room or 0.0))
    return tuple(row for row in rows if row.verdict is verdict)


def _room(result: ClauseResult, at_most: float | None, at_least: float | None) -> float | None:
    """Return how much of the room between limit and ideal is left, 0..1; None when none was given.

    The ideal of a ceiling is 0, that of a floor of a share is 1. A limit that is itself the ideal
    (no loss at all, every unit) leaves no room, so nothing can come close to it.
    """
    value = result.value
    if value is None or not math.isfinite(value):
        return None
    if at_most is not None and at_most > 0:
        return 1 - value / at_most
    if at_least is not None and result.unit == Unit.SHARE and 0 <= at_least < 1:
        return (value - at_least) / (1 - at_least)
    return None


def _row(result: ClauseResult, clause: Clause | None) -> ClauseRow:
    unit = _unit(result, clause)
    at_most, at_least = _bounds(result, clause)
    has_value = result.value is not None and math.isfinite(result.value)
    reason = result.reason
    if clause and clause.not_measured_because and result.verdict is Verdict.NOT_TESTED:
        reason = reason if reason.th else clause.not_measured_because
    return ClauseRow(
        id=result.id,
        verdict=result.verdict,
        title=_title(result, clause),
        text=clause.text if clause else None,
        value=_quantity(result.value, unit, result.unit) if has_value else _no_value(result),
        has_value=has_value,
        limit=_limit(at_most, at_least, result, unit),
        samples=ABSENT if result.sample_count is None else count(result.sample_count),
        reason=reason,
        source=say("source", source=in_both(clause.source)) if clause and clause.source else None,
        penalty=say("penalty", penalty=in_both(clause.penalty))
        if clause and clause.penalty
        else None,
        meter=_meter(result.value, at_most, at_least),
        room=_room(result, at_most, at_least),
    )


def _no_value(result: ClauseResult) -> Bilingual:
    """Return the words for a value that is no number: JSON has none for "never answered"."""
    is_time = result.unit in (Unit.MS, Unit.S)
    if result.verdict is Verdict.BREACHED and is_time:
        return say("never_answered")
    return say("not_tested_value" if result.verdict is Verdict.NOT_TESTED else "not_measured")


def _title(result: ClauseResult, clause: Clause | None) -> Bilingual:
    title = clause.title if clause is not None else result.title
    if title is not None:
        return title
    return kind_name(result.operation) if result.operation else same(result.id)


def _unit(result: ClauseResult, clause: Clause | None) -> Unit | None:
    try:
        return Unit(result.unit)
    except ValueError:
        return clause.limit.unit if clause and not result.unit else None


def _bounds(result: ClauseResult, clause: Clause | None) -> tuple[float | None, float | None]:
    """Return (at most, at least); the verdict's own number wins over the contract's."""
    if result.at_most is not None or result.at_least is not None:
        return result.at_most, result.at_least
    if clause is None:
        return None, None
    if result.bound is None:
        return clause.limit.at_most, clause.limit.at_least
    return (result.bound, None) if clause.limit.at_most is not None else (None, result.bound)


def _limit(
    at_most: float | None, at_least: float | None, result: ClauseResult, unit: Unit | None
) -> Bilingual:
    if at_most is not None:
        return say("at_most", value=_quantity(at_most, unit, result.unit))
    if at_least is not None:
        return say("at_least", value=_quantity(at_least, unit, result.unit))
    if result.bound is not None:
        return _quantity(result.bound, unit, result.unit)
    return same(ABSENT)


def _quantity(value: float | None, unit: Unit | None, unit_text: str) -> Bilingual:
    assert value is not None
    if unit is not None:
        return measured(value, unit)
    return same(f"{decimal(value, 4)} {unit_text}".strip())


def _meter(value: float | None, at_most: float | None, at_least: float | None) -> Meter | None:
    bound = at_most if at_most is not None else at_least
    if value is None or bound is None or bound <= 0 or value < 0 or not math.isfinite(value):
        return None
    share = value / bound
    return Meter(
        share=share,
        is_floor=at_most is None,
        words=say("use_percent", share=percent(share) if share < 10 else f"{decimal(share)} ×"),
    )
