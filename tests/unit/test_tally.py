"""Live histograms: within 0.5 % of the true percentile, and merged without any further loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import SAMPLE_DTYPE, Failure
from contracts.terms import OperationKind
from scenarios.engine.tally import SHARES, Histogram, Tally, tally_from

OPERATIONS = (("view_me", OperationKind.READ), ("create_receipt", OperationKind.POST))
LATENCIES = st.lists(st.integers(1_000, 3_600 * 10**9), min_size=1, max_size=300)


def true_rank(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def samples_of(*rows):
    table = np.zeros(len(rows), dtype=SAMPLE_DTYPE)
    for row, values in zip(table, rows, strict=True):
        for name, value in values.items():
            row[name] = value
    return table


def sample(latency_ms, *, operation=0, failure=Failure.NONE, attempt=0, late_ms=0):
    planned_ns = 10**12
    return {
        "planned_ns": planned_ns, "sent_ns": planned_ns + late_ms * 10**6, "operation": operation,
        "done_ns": planned_ns + int(latency_ms * 10**6), "failure": failure, "attempt": attempt,
    }  # fmt: skip


@given(LATENCIES, st.sampled_from(SHARES))
def test_a_percentile_is_within_half_a_percent(values, share):
    histogram = Histogram()
    histogram.add(np.array(values))

    assert histogram.percentile_ns(share) == pytest.approx(true_rank(values, share), rel=0.005)
    assert histogram.max_ns == max(values)


@given(LATENCIES, LATENCIES)
def test_merged_is_what_one_would_have_counted(ours, theirs):
    one, other, whole = Histogram(), Histogram(), Histogram()
    one.add(np.array(ours), unanswered=1)
    other.add(np.array(theirs))
    whole.add(np.array(ours + theirs), unanswered=1)

    one.merge(other)

    assert np.array_equal(one.counts, whole.counts)
    assert (one.unanswered, one.max_ns) == (whole.unanswered, whole.max_ns)


def test_an_average_of_percentiles_is_not_what_comes_out():
    quick, slow = Histogram(), Histogram()
    quick.add(np.full(990, 1_000_000))
    slow.add(np.full(10, 900_000_000))

    quick.merge(slow)

    assert quick.percentile_ns(0.95) == pytest.approx(1_000_000, rel=0.005)
    assert quick.percentile_ns(0.999) == pytest.approx(900_000_000, rel=0.005)


def test_requests_without_an_answer_stay_inside_every_percentile():
    tally = Tally()
    tally.add(
        samples_of(*[sample(5)] * 90, *[sample(9_999, failure=Failure.TIMEOUT)] * 10), OPERATIONS
    )

    row = tally.rows()[0]
    assert row["p50_ms"] == pytest.approx(5, rel=0.005)
    assert row["p95_ms"] is None
    assert row["max_ms"] is None
    assert (row["sent"], row["errors"]) == (100, 10)


def test_planned_sent_late_and_second_attempts_are_told_apart():
    unsent = {"planned_ns": 10**12, "operation": 0, "failure": Failure.NOT_SENT}
    tally = Tally()
    tally.add(samples_of(unsent, sample(9, late_ms=60), sample(7, attempt=1)), OPERATIONS)

    row = tally.rows()[0]
    assert (row["planned"], row["sent"], row["late"], row["errors"]) == (2, 2, 1, 0)
    assert row["max_ms"] == 9


def test_a_tally_survives_its_way_to_the_master():
    tally = Tally()
    tally.add(samples_of(sample(5), sample(80, operation=1), sample(81, operation=1)), OPERATIONS)

    again = tally_from(tally.packed())

    assert again.rows() == tally.rows()
    assert [row["operation"] for row in again.rows()][:2] == ["create_receipt", "view_me"]


@pytest.mark.parametrize(
    "packed", [{"a": 1}, {"a": [1, 2]}, {"a": [0, 0, 0, 0, 0, 0, [10**9], [1]]}, []]
)
def test_what_is_no_tally_is_refused(packed):
    with pytest.raises(ValueError, match="not a tally"):
        tally_from(packed)
