"""The logs: columns as agreed, readable after a kill, loud when they cannot be written."""

from __future__ import annotations

import os

import numpy as np
import pytest

from contracts.records import FORMAT_VERSION, OPERATION_DTYPE, SAMPLE_DTYPE, Failure, Outcome
from harness.calibration.truth_log import read_log
from scenarios.engine.recorder import (
    AppendLog,
    LogFull,
    OperationLog,
    SampleLog,
)
from scenarios.journeys.forms import Advance, effect_of

EFFECT = effect_of(Advance(date="2025-12-01", borrower="x", amount_satang=12_345))
SAMPLE_VALUES = (2**62, 2**61, 2**60, 2**59, 2**31 - 1, 9_700_001, 4096, 31, 503, 23, 2, 2, 4)


@pytest.fixture
def samples(tmp_path):
    log = SampleLog(
        tmp_path / "samples" / "load-0.log",
        process_index=3,
        t0_ns=99,
        operations=[("view_me", "read")],
    )
    yield log
    log.close()


@pytest.fixture
def operations(tmp_path):
    log = OperationLog(tmp_path / "operations" / "load-0.log", process_index=3)
    yield log
    log.close()


def test_a_sample_comes_back_in_every_column(samples, tmp_path):
    samples.add(*SAMPLE_VALUES)
    samples.close()

    header, rows = read_log(tmp_path / "samples" / "load-0.log", SAMPLE_DTYPE)

    assert header == {
        "format_version": FORMAT_VERSION,
        "process_index": 3,
        "t0_ns": 99,
        "operations": [{"name": "view_me", "kind": "read"}],
    }
    assert rows[0].item()[:-1] == SAMPLE_VALUES


def test_a_request_never_sent_has_no_times(samples):
    samples.add_not_sent(77, 5, 7, 2, 9)
    samples.flush()

    (row,) = samples.take_recent()

    assert (row["planned_ns"], row["sent_ns"], row["done_ns"]) == (77, 0, 0)
    assert (row["session"], row["unit"], row["operation"], row["step"]) == (5, 7, 2, 9)
    assert (row["outcome"], row["failure"]) == (Outcome.REFUSED, Failure.NOT_SENT)


def test_the_live_display_sees_each_sample_once(samples):
    for _ in range(3):
        samples.add(*SAMPLE_VALUES)
    samples.flush()

    assert len(samples.take_recent()) == 3
    assert len(samples.take_recent()) == 0


def test_many_samples_are_handed_over_before_the_second_is_up(samples, tmp_path):
    for _ in range(10_000):
        samples.add(*SAMPLE_VALUES)

    _, rows = read_log(tmp_path / "samples" / "load-0.log", SAMPLE_DTYPE)

    assert len(rows) > 4_000


def test_an_operation_is_on_disk_open_before_and_complete_after(operations, tmp_path):
    same = {"session": 4, "unit": 7, "attempt": 1, "expects_refusal": True, "is_replay": False}
    path = tmp_path / "operations" / "load-0.log"

    operations.add((2**64 - 1, 2**63), EFFECT, invoked_ns=10, **same)
    _, before = read_log(path, OPERATION_DTYPE)
    operations.add(
        (2**64 - 1, 2**63), EFFECT, invoked_ns=10, completed_ns=20, outcome=0, status=201,
        document=2**62, number=8, **same,
    )  # fmt: skip
    header, rows = read_log(path, OPERATION_DTYPE)

    assert [Outcome(o) for o in before["outcome"]] == [Outcome.OPEN]
    assert [Outcome(o) for o in rows["outcome"]] == [Outcome.OPEN, Outcome.OK]
    last = rows[1]
    assert (last["key_high"], last["key_low"]) == (2**64 - 1, 2**63)
    assert (last["gross_satang"], last["cash_delta_satang"]) == (12_345, -12_345)
    assert header["kinds"][last["kind"]] == "advance"
    assert header["cash_accounts"][last["cash_account"]] == "1110201"
    assert (last["number"], last["document"], last["period"]) == (8, 2**62, 202512)
    assert (last["attempt"], last["expected_refusal"], last["replay"]) == (1, 1, 0)
    assert (before[0]["number"], before[0]["budget_line"]) == (-1, -1)


def test_a_record_torn_by_a_kill_is_left_out(samples, tmp_path):
    for _ in range(3):
        samples.add(*SAMPLE_VALUES)
    samples.close()
    path = tmp_path / "samples" / "load-0.log"
    os.truncate(path, path.stat().st_size - 7)

    _, rows = read_log(path, SAMPLE_DTYPE)

    assert len(rows) == 2


def test_a_log_is_never_written_over(tmp_path):
    AppendLog(tmp_path / "x.log", {}).close()

    with pytest.raises(FileExistsError):
        AppendLog(tmp_path / "x.log", {})


def test_a_full_disk_is_said_aloud(tmp_path):
    log = AppendLog(tmp_path / "x.log", {})
    log.close()

    with pytest.raises(LogFull, match="cannot write the log"):
        log.write(b"x")


def test_closing_twice_is_closing_once(samples):
    samples.close()
    samples.close()


def test_the_records_are_the_contracts_own():
    assert np.dtype(SAMPLE_DTYPE).names[-1] == "padding"
