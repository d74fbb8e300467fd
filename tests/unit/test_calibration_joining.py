"""Measured against true, request by request: whatever the generator gets wrong must show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Failure
from harness.calibration.comparison import Stretch, latencies_ms, rows_of, summed
from harness.calibration.delays import Kind
from harness.calibration.joining import Counts
from harness.calibration.record import MUST_MS, MUST_SHARE
from harness.calibration.truth_log import STALL_REQUEST, Ending
from tests.fakes.calibrations import WIRE_NS, TwoRecords

ALL = Stretch(share=0.5, rate_per_s=1000.0, from_ns=0, to_ns=2**60)


def is_must_met(records: TwoRecords) -> bool:
    joined = records.joined()
    rows = rows_of(joined, [ALL])
    return joined.counts.is_exact and all(row.is_within(MUST_MS, MUST_SHARE) for row in rows)


def test_a_generator_that_tells_the_truth_agrees_with_it() -> None:
    records = TwoRecords()

    joined = records.joined()

    assert joined.counts == Counts(planned=1000, answered=1000, resent=0)
    assert set(joined.measured_ns - joined.true_ns) == {WIRE_NS}
    assert set(joined.lateness_ns) == {WIRE_NS // 2}
    assert set(joined.doubt_ns) == {10_000}
    assert is_must_met(records)


def test_true_counts_from_the_plan_and_not_from_what_the_generator_calls_planned() -> None:
    # Coordinated omission: the generator was 3 ms late and moves the planned time along.
    records = TwoRecords()
    for name in ("planned_ns", "sent_ns", "done_ns"):
        records.samples[name] += 3_000_000
    for name in ("received_ns", "first_byte_ns", "last_byte_ns", "handed_ns"):
        records.truth[name] += 3_000_000

    joined = records.joined()

    assert joined.counts.replanned == 1000
    assert int(np.median(joined.true_ns - joined.measured_ns)) == 3_000_000 - WIRE_NS
    assert not is_must_met(records)


@pytest.mark.parametrize("shift_ns", [3_000_000, -3_000_000])
def test_a_clock_that_is_wrong_shows_as_error(shift_ns: int) -> None:
    records = TwoRecords()
    for name in ("planned_ns", "sent_ns", "done_ns"):
        records.samples[name] += shift_ns

    joined = records.joined()

    assert joined.counts.replanned == 1000
    assert (joined.counts.impossible > 0) == (shift_ns < 0)
    assert not is_must_met(records)


def test_a_clock_that_runs_slow_shows_as_error() -> None:
    records = TwoRecords()
    elapsed_ns = records.samples["done_ns"] - records.samples["planned_ns"]
    records.samples["done_ns"] = records.samples["planned_ns"] + elapsed_ns // 2

    joined = records.joined()

    assert joined.counts.impossible > 900
    assert not is_must_met(records)


def test_rounding_to_two_digits_shows_as_error() -> None:
    records = TwoRecords()
    elapsed_ms = (records.samples["done_ns"] - records.samples["planned_ns"]) / 1e6
    rounded_ms = np.round(elapsed_ms / 10.0) * 10.0
    records.samples["done_ns"] = records.samples["planned_ns"] + (rounded_ms * 1e6).astype(int)

    assert not is_must_met(records)


def test_samples_that_were_dropped_are_lost() -> None:
    records = TwoRecords()
    slow = np.argsort(records.samples["done_ns"] - records.samples["planned_ns"])[-10:]
    records.samples = np.delete(records.samples, slow)

    joined = records.joined()

    assert joined.counts.lost == 10
    assert joined.counts.unsent == 10
    assert not is_must_met(records)


def test_a_request_that_was_sent_twice_is_doubled() -> None:
    records = TwoRecords()
    records.ask_again(7)

    assert records.joined().counts.doubled == 1
    assert not is_must_met(records)


def test_a_sample_that_nobody_asked_for_is_unasked() -> None:
    records = TwoRecords()
    records.truth = records.truth[records.truth["request"] != 5]

    assert records.joined().counts.unasked == 1
    assert not is_must_met(records)


def test_what_was_never_sent_is_counted() -> None:
    records = TwoRecords()
    records.truth = records.truth[records.truth["request"] != 5]
    records.sample(5)["sent_ns"] = 0

    counts = records.joined().counts

    assert (counts.unsent, counts.lost, counts.unasked) == (1, 0, 0)
    assert not counts.is_exact


def test_a_reset_that_was_recorded_as_one_agrees() -> None:
    records = TwoRecords()
    records.reset(9, was_kept=False)

    assert records.joined().counts == Counts(planned=1000, answered=999, resent=0)


def test_a_reset_that_was_noticed_late_is_counted_and_enters_no_percentile() -> None:
    """As in verdicts, where a request without an answer has no latency."""
    records = TwoRecords()
    records.reset(9, was_kept=False)
    late = records.samples["session"] == 9
    records.samples["done_ns"][late] += 9_000_000_000

    (row,) = rows_of(records.joined(), [ALL])

    assert row.count == 999
    assert row.measured_ms.longest < 9_000
    assert is_must_met(records)


def test_a_read_that_met_a_reset_on_a_kept_connection_may_go_out_once_more() -> None:
    records = TwoRecords()
    records.reset(9, was_kept=True)
    records.ask_again(9)
    sample = records.sample(9)
    sample["status"], sample["failure"] = 200, Failure.NONE

    assert records.joined().counts == Counts(planned=1000, answered=1000, resent=1)


def test_on_a_fresh_connection_or_twice_it_may_not() -> None:
    fresh, twice = TwoRecords(), TwoRecords()
    for records, was_kept in ((fresh, False), (twice, True)):
        records.reset(9, was_kept=was_kept)
        records.ask_again(9)
        sample = records.sample(9)
        sample["status"], sample["failure"] = 200, Failure.NONE
    twice.ask_again(9)

    assert fresh.joined().counts.doubled == 1
    assert twice.joined().counts.doubled == 1


@pytest.mark.parametrize(
    ("status", "ending", "failure"),
    [
        (503, Ending.WHOLE, Failure.NONE),
        (0, Ending.RESET_AFTER, Failure.NONE),
        (0, Ending.RESET_BEFORE, Failure.TIMEOUT),
    ],
)
def test_what_was_counted_otherwise_than_it_happened_shows(
    status: int, ending: Ending, failure: Failure
) -> None:
    records = TwoRecords()
    answer, sample = records.answer(3), records.sample(3)
    answer["status"], answer["ending"] = status, ending
    sample["failure"] = failure

    assert records.joined().counts.miscounted == 1
    assert not is_must_met(records)


def test_a_client_that_gave_up_is_a_timeout_on_both_sides() -> None:
    records = TwoRecords()
    records.answer(3)["ending"], records.sample(3)["status"] = Ending.CLIENT_LEFT, 0
    records.sample(3)["failure"] = Failure.TIMEOUT

    assert records.joined().counts == Counts(planned=1000, answered=999, resent=0)


def test_stalls_and_foreign_requests_in_the_log_are_nobodys() -> None:
    records = TwoRecords()
    foreign = records.truth[:3].copy()
    foreign["request"] = (STALL_REQUEST, -1, 10**12)
    records.truth = np.append(records.truth, foreign)

    assert records.joined().counts == Counts(planned=1000, answered=1000, resent=0)


def test_empty_records_are_no_evidence() -> None:
    records = TwoRecords()
    records.samples, records.truth = records.samples[:0], records.truth[:0]

    joined = records.joined()

    assert joined.counts.unsent == 1000
    assert rows_of(joined, [ALL]) == ()


@given(
    lost=st.sets(st.integers(0, 99), max_size=20),
    doubled=st.sets(st.integers(0, 99), max_size=20),
    unasked=st.sets(st.integers(0, 99), max_size=20),
)
def test_every_disagreement_is_counted_once(
    lost: set[int], doubled: set[int], unasked: set[int]
) -> None:
    doubled -= lost
    unasked -= lost | doubled
    records = TwoRecords(count=100)
    for request in doubled:
        records.ask_again(request)
    records.samples = records.samples[~np.isin(records.samples["session"], list(lost))]
    records.truth = records.truth[~np.isin(records.truth["request"], list(unasked))]

    counts = records.joined().counts

    assert (counts.lost, counts.doubled, counts.unasked) == (len(lost), len(doubled), len(unasked))
    assert counts.is_exact == (not lost and not doubled and not unasked)


def test_rows_are_by_kind_and_stretch() -> None:
    records = TwoRecords()
    records.truth["kind"][records.truth["request"] % 2 == 0] = Kind.PLAIN
    half_ns = 500_000_000
    stretches = [
        Stretch(share=0.1, rate_per_s=100.0, from_ns=0, to_ns=half_ns),
        Stretch(share=0.5, rate_per_s=500.0, from_ns=half_ns, to_ns=2**60, is_stalled=True),
    ]

    rows = rows_of(records.joined(), stretches)

    assert [(row.kind, row.share, row.count) for row in rows] == [
        ("plain", 0.1, 250), ("exponential", 0.1, 250), ("stall", 0.5, 250), ("stall", 0.5, 250),
    ]  # fmt: skip


def test_percentiles_are_by_nearest_rank() -> None:
    found = latencies_ms(np.arange(1, 1001, dtype=np.int64) * 1_000_000)

    assert (found.p50, found.p99, found.p999, found.longest) == (500.0, 990.0, 999.0, 1000.0)


def test_counts_add_up() -> None:
    one = Counts(planned=10, answered=9, resent=1, lost=2)

    assert summed([one, replace(one, miscounted=3)]) == Counts(
        planned=20, answered=18, resent=2, lost=4, miscounted=3
    )
