"""Doubts about a load of several processes: lost workers, clocks apart, logs left behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.terms import Verdict
from harness.caveat_kinds import KINDS
from harness.caveats import caveats_of_load
from harness.checks.recorded import Recorded
from harness.distribution_doubts import CLOCKS_LIMIT_NS, caveats_of_distribution
from harness.manifests import is_carried_out
from harness.verdict import merge
from tests.fakes.judge_contract import contract
from tests.fakes.run_folders import good_run

WELL = {"process_index": 0, "is_lost": 0, "is_collected": 1, "host": "one"}
LOST = {
    "process_index": 0, "is_lost": 1, "lost_because": "silent for 4.6 s", "taken_over_by": "1, 2",
    "has_come_back": 0, "is_collected": 0,
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    run = good_run(1, operations=10)
    return run.write(tmp_path / "run"), run.manifest


def doubts(written, *processes):
    folder, manifest = written
    recorded = Recorded(folder=folder, manifest=replace(manifest, load_processes=processes))
    return list(caveats_of_distribution(recorded))


def test_processes_that_did_well_leave_no_doubt(written):
    assert doubts(written, WELL, {**WELL, "process_index": 1}) == []


def test_a_lost_worker_is_named_with_reason_and_heirs_and_no_run_with_it_is_met(written):
    (caveat,) = doubts(written, LOST)

    assert caveat.id == "worker_lost"
    assert "silent for 4.6 s" in caveat.text_en
    assert "taken over by 1, 2" in caveat.text_en
    assert "1, 2" in caveat.text_th
    assert merge([Verdict.MET], [caveat]) == Verdict.INCONCLUSIVE
    assert not is_carried_out(replace(written[1], load_processes=(LOST,)))


def test_a_share_without_heirs_is_said_not_to_have_been_offered(written):
    (caveat,) = doubts(written, {**LOST, "taken_over_by": "", "has_come_back": 1})

    assert "not offered" in caveat.text_en
    assert "came back" in caveat.text_en


def test_logs_that_stayed_behind_are_named_with_their_place(written):
    left = {**WELL, "is_collected": 0, "where": "node7:/runs/worker-0"}

    (caveat,) = doubts(written, left)

    assert "node7:/runs/worker-0" in caveat.text_en
    assert caveat.blocks
    assert not is_carried_out(replace(written[1], load_processes=(left,)))


@pytest.mark.parametrize("name", ["clock_error_ns", "clock_drift_ns", "wall_step_ns"])
def test_clocks_that_differ_are_a_doubt_from_the_limit_on(written, name):
    at_limit = {**WELL, name: CLOCKS_LIMIT_NS}
    beyond = {**WELL, "process_index": 1, "host": "two", name: CLOCKS_LIMIT_NS + 1_000_000}

    assert doubts(written, at_limit) == []
    (caveat,) = doubts(written, at_limit, beyond)
    assert caveat.id == "clocks_differ"
    assert "two" in caveat.text_en
    assert "6.0 ms" in caveat.text_en
    assert caveat.blocks


def test_a_worker_whose_loss_is_known_is_not_told_a_second_time(written):
    folder, manifest = written
    progress = folder.readings / "load-0.jsonl"
    lines = [line for line in progress.read_bytes().splitlines() if b'"finished"' not in line]
    progress.write_bytes(b"\n".join(lines) + b"\n")

    def found(process):
        recorded = Recorded(folder=folder, manifest=replace(manifest, load_processes=(process,)))
        return {one.id for one in caveats_of_load(recorded, contract())}

    assert "load_lost" in found(WELL)
    assert "load_lost" not in found(LOST)
    assert "worker_lost" in found(LOST)


def test_neither_doubt_calls_a_target_slow_or_excuses_it():
    for name in ("worker_lost", "clocks_differ"):
        assert KINDS[name].blocks
        assert not KINDS[name].voids_time
