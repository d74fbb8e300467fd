"""What a failing identity provider may do to a service, on samples written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.records import Failure, FaultEvent, Outcome
from contracts.terms import Limit, Quantity, Unit, Verdict
from harness.checks.answer import Answer
from harness.checks.catalogue import CATALOGUE
from harness.checks.recorded import Recorded
from tests.fakes.judge_contract import clause
from tests.fakes.run_folders import LOGIN, POST, PROVIDER, READ, FakeRun, good_run, sample
from tests.fakes.small_ledger import T0, S

OUT_S, BACK_S = 70, 80


@pytest.fixture
def run() -> FakeRun:
    run = good_run(1, operations=5)
    run.manifest = run.manifest.evolve(faults_requested=("provider_outage",))
    run.faults = [
        FaultEvent(
            name="provider_outage", target="identity provider", injected_ns=T0 + OUT_S * S,
            healed_ns=T0 + BACK_S * S, detail="the provider answered 503",
        )
    ]  # fmt: skip
    return run


def turn_away(run: FakeRun, operations: tuple[int, ...], start_s: int, end_s: int) -> None:
    for row in run.samples:
        if row["operation"] in operations and start_s <= (row["planned_ns"] - T0) / S < end_s:
            row |= {"status": 503, "outcome": Outcome.REFUSED, "failure": Failure.SHED}


def judged(run: FakeRun, tmp_path: Path, *, at_most: float = 20.0) -> Answer:
    promise = clause(
        "4.3", Quantity.RECOVERY, Limit(unit=Unit.S, at_most=at_most), "provider_outage"
    )
    recorded = Recorded(folder=run.write(tmp_path / "run"), manifest=run.manifest)
    return CATALOGUE[Quantity.RECOVERY](promise, recorded)


def test_signing_in_counts_from_the_return_of_the_provider(run: FakeRun, tmp_path: Path) -> None:
    turn_away(run, (LOGIN,), OUT_S, BACK_S + 6)

    answer = judged(run, tmp_path)

    assert answer.verdict is Verdict.MET
    assert answer.value is not None
    assert 4 <= answer.value <= 8


def test_signing_in_that_is_back_at_once_took_no_time(run: FakeRun, tmp_path: Path) -> None:
    turn_away(run, (LOGIN,), OUT_S, BACK_S)

    assert judged(run, tmp_path).value == 0


def test_people_whom_the_provider_itself_turns_away_could_not_sign_in(
    run: FakeRun, tmp_path: Path
) -> None:
    run.samples += [
        sample(90_000 + second, 1_000_001, PROVIDER, T0 + second * S, took_ns=S // 100)
        | {"attempt": 1, "status": 503, "outcome": Outcome.REFUSED, "failure": Failure.SHED}
        for second in range(OUT_S, BACK_S + 3)
        for _ in range(6)
    ]

    answer = judged(run, tmp_path)

    assert answer.verdict is Verdict.MET
    assert answer.value == 3


def test_people_who_were_signed_in_must_not_notice(run: FakeRun, tmp_path: Path) -> None:
    turn_away(run, (LOGIN, READ, POST), OUT_S, BACK_S)

    answer = judged(run, tmp_path)

    assert answer.verdict is Verdict.BREACHED
    assert "could not go on" in answer.reason.en


def test_signing_in_that_never_comes_back_breaks_the_promise(run: FakeRun, tmp_path: Path) -> None:
    turn_away(run, (LOGIN,), OUT_S, 200)

    assert judged(run, tmp_path, at_most=10).verdict is Verdict.BREACHED
    assert judged(run, tmp_path / "more", at_most=60).verdict is Verdict.INCONCLUSIVE


def test_an_outage_that_nobody_met_proves_nothing(run: FakeRun, tmp_path: Path) -> None:
    answer = judged(run, tmp_path)

    assert answer.verdict is Verdict.INCONCLUSIVE
    assert "nobody was kept" in answer.reason.en


def test_an_outage_that_was_asked_for_and_never_came_is_open(run: FakeRun, tmp_path: Path) -> None:
    run.faults = []

    assert judged(run, tmp_path).verdict is Verdict.INCONCLUSIVE
