"""Planned against offered: the sentence, the figure and the tables that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from contracts.terms import Bilingual
from reports.figures.bands import Band
from reports.figures.offer import draw_offer
from reports.folds import Folded
from reports.formats import ABSENT, count
from reports.names import activity_name, operation_name
from reports.offer import Offer
from reports.wording import say

ROWS_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """Sessions of one activity."""

    name: Bilingual
    identifier: str
    planned: str
    begun: str
    on_time: str
    whole: str
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """Requests of one operation: planned = sent + not sent."""

    name: Bilingual
    identifier: str
    planned: str
    sent: str
    dropped: str
    unoffered: str
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSection:
    """What the section shows; `is_exact` when plan and record agree in every number."""

    sentence: Bilingual
    proof: Bilingual
    is_exact: bool
    figure: Markup
    activities: tuple[ActivityRow, ...]
    operations: tuple[OfferRow, ...]


def offer_section(
    folded: Folded, offer: Offer, planned: Mapping[str, int], bands: tuple[Band, ...]
) -> OfferSection:
    """Return the section. *planned*: requests by operation, from the manifest."""
    rows = _operation_rows(offer, planned)
    table = offer.operations
    sent, dropped, unoffered = (
        int(table[name].sum()) for name in ("sent_count", "dropped_count", "unoffered_count")
    )
    is_exact = all(row.is_exact for row in rows)
    return OfferSection(
        sentence=_sessions_sentence(offer),
        proof=say(
            "offer_proof" if is_exact else "offer_proof_broken",
            planned=count(sum(planned.values())),
            sent=count(sent),
            dropped=count(dropped),
            unoffered=count(unoffered),
        ),
        is_exact=is_exact and (not offer.has_plan or offer.on_time_count == offer.planned_count),
        figure=draw_offer(folded, offer, bands),
        activities=_activity_rows(offer),
        operations=rows,
    )


def _sessions_sentence(offer: Offer) -> Bilingual:
    if not offer.has_plan:
        return say("offer_no_plan", begun=count(offer.begun_count))
    return say(
        "offer_sessions",
        planned=count(offer.planned_count),
        begun=count(offer.begun_count),
        on_time=count(offer.on_time_count),
        exact=count(offer.exact_count),
    )


def _activity_rows(offer: Offer) -> tuple[ActivityRow, ...]:
    return tuple(
        ActivityRow(
            name=activity_name(str(row["activity"])),
            identifier=str(row["activity"])[:60],
            planned=count(row["planned_count"]),
            begun=count(row["begun_count"]),
            on_time=count(row["on_time_count"]),
            whole=count(row["whole_count"]),
            is_exact=row["planned_count"] == row["on_time_count"],
        )
        for _, row in offer.activities.head(ROWS_SHOWN).iterrows()
        if row["activity"]
    )


def _operation_rows(offer: Offer, planned: Mapping[str, int]) -> tuple[OfferRow, ...]:
    table = offer.operations
    recorded = {str(row["operation"]): row for _, row in table.iterrows() if row["recorded_count"]}
    names = sorted({*recorded, *(name for name, number in planned.items() if number)})
    rows = []
    for name in names[:ROWS_SHOWN]:
        row = recorded.get(name)
        rows.append(
            OfferRow(
                name=operation_name(name),
                identifier=name[:60],
                planned=count(planned[name]) if name in planned else ABSENT,
                sent=count(row["sent_count"] if row is not None else 0),
                dropped=count(row["dropped_count"] if row is not None else 0),
                unoffered=count(row["unoffered_count"] if row is not None else 0),
                is_exact=planned.get(name, 0) == (row["recorded_count"] if row is not None else 0),
            )
        )
    return tuple(rows)
