"""The import rate, on runs written by hand: kept, broken, not offered, not tried at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.records import Outcome
from contracts.terms import Limit, Quantity, Unit, Verdict
from harness.checks.answer import Answer
from harness.checks.import_rate import judge_import_rate
from harness.checks.recorded import Recorded
from tests.fakes.judge_contract import clause
from tests.fakes.run_folders import FakeRun, good_run
from tests.fakes.small_ledger import KINDS, S

FILE = KINDS.index("books_import")


@pytest.fixture
def run() -> FakeRun:
    return good_run(1, operations=5)


def judged(run: FakeRun, tmp_path: Path, *, at_least: float) -> Answer:
    promise = clause("import", Quantity.IMPORT_RATE, Limit(unit=Unit.PER_S, at_least=at_least))
    recorded = Recorded(folder=run.write(tmp_path / "run"), manifest=run.manifest)
    return judge_import_rate(promise, recorded)


def only_what_was_told(run: FakeRun, *outcomes: Outcome) -> None:
    sessions = {row["session"] for row in run.operations
                if row["kind"] == FILE and row["outcome"] in outcomes}  # fmt: skip
    files = {row["session"] for row in run.operations if row["kind"] == FILE}
    run.operations = [
        row for row in run.operations
        if row["session"] not in files - sessions
    ]  # fmt: skip


def done_after(run: FakeRun, seconds: int) -> None:
    for row in run.operations:
        if row["kind"] == FILE and row["outcome"] == Outcome.OK:
            row["completed_ns"] = row["invoked_ns"] + seconds * S


def test_documents_of_files_that_were_done_count_over_the_time_it_took(
    run: FakeRun, tmp_path: Path
) -> None:
    done_after(run, 3)

    answer = judged(run, tmp_path, at_least=1.9)

    assert answer.value == pytest.approx(2.0)
    assert (answer.verdict, answer.sample_count) == (Verdict.MET, 6)
    assert "6 of 15 documents of 3 files" in answer.reason.en


def test_a_slow_import_breaks_the_promise(run: FakeRun, tmp_path: Path) -> None:
    done_after(run, 600)

    assert judged(run, tmp_path, at_least=0.1).verdict is Verdict.BREACHED


def test_a_scaled_run_is_held_against_its_share(run: FakeRun, tmp_path: Path) -> None:
    done_after(run, 3)
    run.manifest = run.manifest.evolve(scale=0.1)

    answer = judged(run, tmp_path, at_least=19)

    assert answer.value == pytest.approx(20.0)
    assert "0.1" in answer.reason.en


def test_a_run_that_offered_less_than_was_promised_leaves_it_open(
    run: FakeRun, tmp_path: Path
) -> None:
    only_what_was_told(run, Outcome.OK)
    done_after(run, 3)

    answer = judged(run, tmp_path, at_least=276)

    assert answer.verdict is Verdict.INCONCLUSIVE
    assert "offered only" in answer.reason.en


def test_a_target_that_finishes_nothing_of_enough_breaks_the_promise(
    run: FakeRun, tmp_path: Path
) -> None:
    only_what_was_told(run, Outcome.INDEFINITE)

    assert judged(run, tmp_path, at_least=0.04).verdict is Verdict.BREACHED
    assert judged(run, tmp_path / "more", at_least=276).verdict is Verdict.INCONCLUSIVE


def test_a_run_without_a_file_does_not_test_it(run: FakeRun, tmp_path: Path) -> None:
    only_what_was_told(run)

    assert judged(run, tmp_path, at_least=1).verdict is Verdict.NOT_TESTED
