"""Fetching over a bad network: pieces get lost and come twice; the log does not suffer."""

from __future__ import annotations

import itertools

import pytest

from scenarios.engine import fetching, messages
from scenarios.engine.collecting import logs_of, read_piece
from scenarios.engine.fetching import Fetching
from scenarios.engine.recorder import SampleLog
from scenarios.engine.worker_record import WorkerRecord

ROWS = 40_000


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "worker"
    log = SampleLog(
        place / "samples" / "load-0.log", process_index=0, t0_ns=9, operations=[("a", "read")]
    )
    for number in range(ROWS):
        log.add(9 + number, 9, 9, 9, number, 1, 9, 0, 200, 0, 0, 0, 0)
    log.close()
    return place


def record(tmp_path, folder):
    done = {"files": [list(one) for one in logs_of(folder, 0)]}
    return WorkerRecord("one", 0, tmp_path / "readings", done=done)


def fetched_over(network, tmp_path, folder, monkeypatch):
    monkeypatch.setattr(fetching, "PIECE_LIMIT_S", 0.02)
    worker = record(tmp_path, folder)

    def send(_worker, name, data):
        assert name == messages.ASK_PIECE
        content = read_piece(folder, data["name"], data["offset"])
        for _ in range(network()):
            fetching_now.take({"from": "one", **data, "content": content})

    fetching_now = Fetching(tmp_path / "master", send)
    fetching_now.collect(worker)
    return worker


def test_pieces_that_get_lost_or_come_twice_do_not_hurt(tmp_path, folder, monkeypatch):
    copies = itertools.cycle((0, 2, 1, 0, 0, 0, 1))

    worker = fetched_over(lambda: next(copies), tmp_path, folder, monkeypatch)

    assert worker.is_collected
    kept = (tmp_path / "master" / "samples" / "load-0.log").read_bytes()
    assert len(kept) == (folder / "samples" / "load-0.log").stat().st_size


def test_a_worker_that_answers_nothing_is_given_up_after_a_bounded_number_of_tries(
    tmp_path, folder, monkeypatch
):
    asked = []

    worker = fetched_over(lambda: asked.append(1) or 0, tmp_path, folder, monkeypatch)

    assert not worker.is_collected
    assert len(asked) == fetching.PIECE_TRIES
    assert not (tmp_path / "master" / "samples" / "load-0.log").exists()
