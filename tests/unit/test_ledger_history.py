"""The pattern of a month of history, and how units are cut into chunks: the pure part."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from harness.options import HISTORY_MONTH_DAYS
from reference_app.fill import months_of_history
from reference_app.history import (
    CHUNK_LINES,
    DAYS,
    TABLES,
    WEIGHTS,
    chunks_of,
    pattern_rows,
)
from reference_app.kinds import read_catalogue
from reference_app.problems import BadSettings
from reference_app.rules import Rules
from scenarios.units import SIZES

CATALOGUE = read_catalogue()
COLUMNS = [
    word.split()[0]
    for word in TABLES.split("pattern (", 1)[1].split(");")[0].replace("(18, 2)", "").split(",")
]


def month_of(weight: float) -> list[dict[str, Any]]:
    """Return the pattern's rows by the names of their columns."""
    rows = pattern_rows(Rules(CATALOGUE), CATALOGUE, weight, date(2025, 10, 1))
    return [dict(zip(COLUMNS[1:], row, strict=True)) for row in rows]


def test_a_month_of_a_mean_organisation_has_the_documents_and_lines_that_were_foreseen() -> None:
    rows = month_of(1)
    requests_for_advances = 4  # the estimate counts the advances alone
    assert len(rows) == 358 + requests_for_advances
    assert sum(len(row["accounts"] or ()) for row in rows) == 1436


def test_the_weights_and_the_days_are_those_of_the_harness() -> None:
    assert {kind.value: size.weight for kind, size in SIZES.items()} == WEIGHTS
    assert DAYS == HISTORY_MONTH_DAYS


@pytest.mark.parametrize("weight", [0.15, 1, 25])
def test_places_and_numbers_follow_the_dates_without_a_gap(weight: float) -> None:
    rows = month_of(weight)
    assert [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    days = [row["day"] for row in rows]
    assert days == sorted(days)
    assert 0 <= days[0] <= days[-1] < DAYS
    for kind, count in Counter(row["kind"] for row in rows).items():
        of_kind = [row for row in rows if row["kind"] == kind]
        assert [row["number"] for row in of_kind] == list(range(1, count + 1))
        assert {row["monthly"] for row in of_kind} == {count}


def test_a_payment_comes_after_its_request_and_is_released_by_another_person() -> None:
    rows = {row["place"]: row for row in month_of(1)}
    payments = [row for row in rows.values() if row["kind"] == "payment"]
    assert len({row["reference"] for row in payments}) == len(payments) == 100
    for payment in payments:
        request = rows[payment["reference"]]
        assert request["place"] < payment["place"]
        assert request["actor"] != payment["actor"]
        assert request["takers"] == [1, 2, 3, 4]
        assert (request["ends_as"], request["amount"]) == ("paid", payment["amount"])
        assert payment["note"] == "cheque"  # an e-payment would be sent to the bank now


def test_what_a_month_commits_is_paid_but_for_the_commitments() -> None:
    rows = month_of(1)
    committed = sum(Decimal(row["committed"]) for row in rows)
    assert committed == sum(Decimal(r["amount"]) for r in rows if r["kind"] == "commitment")
    assert sum(Decimal(row["paid"]) for row in rows) > 0


def test_every_document_balances() -> None:
    for row in month_of(0.5):
        sides = [sum(map(Decimal, row[side] or ())) for side in ("debits", "credits")]
        assert sides == [Decimal(row["gross"])] * 2


def test_chunks_cover_all_units_and_split_none() -> None:
    sizes = [(5, CHUNK_LINES), (7, 1), (8, 3 * CHUNK_LINES), (9, 2)]
    assert chunks_of(sizes, 3, 11) == [(3, 6), (7, 7), (8, 8), (9, 11)]
    assert chunks_of([], 3, 11) == [(3, 11)]


@pytest.mark.parametrize(
    ("day", "closed_through", "count", "first", "last"),
    [
        (date(2026, 3, 2), 202601, 2, date(2025, 12, 1), date(2026, 1, 1)),
        (date(2026, 3, 2), 202601, 5, date(2025, 10, 1), date(2026, 2, 1)),
        (date(2026, 9, 28), 202607, 10, date(2025, 10, 1), date(2026, 7, 1)),
        (date(2026, 9, 28), 202607, 12, date(2025, 10, 1), date(2026, 9, 1)),
        (date(2025, 10, 28), 202509, 1, date(2025, 10, 1), date(2025, 10, 1)),
    ],
)
def test_history_ends_with_the_last_closed_month_unless_more_is_asked_for(
    day: date, closed_through: int, count: int, first: date, last: date
) -> None:
    months = months_of_history(day, closed_through, count)
    assert (len(months), months[0], months[-1]) == (count, first, last)
    assert months_of_history(day, closed_through, 0) == []


def test_more_months_than_are_over_are_refused_in_one_line() -> None:
    with pytest.raises(BadSettings, match=r"--history 3: 2 months of fiscal year 2569 are over"):
        months_of_history(date(2025, 12, 27), 202510, 3)
    with pytest.raises(BadSettings, match="--history -1"):
        months_of_history(date(2025, 12, 1), 202510, -1)
