"""Logs on their way from worker to master: whole or not at all, and on the master's clock."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE
from harness.calibration.truth_log import read_log
from scenarios.engine.clocks import ClockLine
from scenarios.engine.collecting import PIECE_BYTES, Incoming, LogFile, logs_of, read_piece
from scenarios.engine.recorder import SampleLog

T0 = 10**12
AHEAD_NS = 7 * 10**9
LINE = ClockLine(
    at_ns=T0, offset_ns=AHEAD_NS, slope=0.0, error_ns=1, drift_ns=0, wall_step_ns=0
)  # fmt: skip
ROWS = 2 * PIECE_BYTES // SAMPLE_DTYPE.itemsize


@pytest.fixture
def worker(tmp_path):
    folder = tmp_path / "worker"
    log = SampleLog(
        folder / "samples" / "load-2.log", process_index=2, t0_ns=T0, operations=[("a", "read")]
    )
    for number in range(ROWS):
        log.add(T0 + number, T0 + number, 0, T0 + number + 5, number, 1, 9, 0, 200, 0, 0, 0, 0)
    log.add_not_sent(T0 + ROWS, ROWS, 1, 0, 0)
    log.close()
    return folder


def fetch(worker, incoming):
    while piece := read_piece(worker, incoming.log.name, incoming.received):
        incoming.add(piece)


def test_every_row_arrives_on_the_masters_clock(worker, tmp_path):
    (log,) = logs_of(worker, 2)
    incoming = Incoming(log, tmp_path / "master")

    fetch(worker, incoming)

    assert incoming.is_whole
    incoming.finish(LINE)
    header, rows = read_log(tmp_path / "master" / "samples" / "load-2.log", SAMPLE_DTYPE)
    assert header["t0_ns"] == T0 - AHEAD_NS
    assert len(rows) == ROWS + 1
    assert np.array_equal(rows["planned_ns"], T0 - AHEAD_NS + np.arange(ROWS + 1))
    assert rows["first_byte_ns"].max() == 0
    assert rows["sent_ns"][-1] == 0


def test_a_log_that_came_short_or_was_changed_is_never_put_into_the_folder(worker, tmp_path):
    (log,) = logs_of(worker, 2)
    short = Incoming(log, tmp_path / "short")
    changed = Incoming(LogFile(log.name, log.size, "0" * 64), tmp_path / "changed")

    short.add(read_piece(worker, log.name, 0))
    fetch(worker, changed)
    for incoming in (short, changed):
        incoming.close()

    assert not short.is_whole
    assert not changed.is_whole
    assert list((tmp_path / "short" / "samples").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["samples/../../secret", "/etc/passwd", "logs/load-0.log", "samples/a/b", ""]
)
def test_a_worker_hands_out_its_logs_and_nothing_else(worker, tmp_path, name):
    with pytest.raises(OSError, match="no log"):
        read_piece(worker, name, 0)
    with pytest.raises(ValueError, match="no log"):
        Incoming(LogFile(name, 1, ""), tmp_path)
