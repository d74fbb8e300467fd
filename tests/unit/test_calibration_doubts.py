"""What a calibration does to a verdict: nothing, a doubt, or that times cannot be defended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts.terms import Verdict
from harness.calibration.doubts import calibration_in
from harness.calibration.joining import Counts
from harness.caveat_kinds import KINDS
from harness.verdict import CHECKS_OF_TIME, RunVerdict, judge
from tests.fakes.calibrations import calibration
from tests.fakes.judge_contract import contract
from tests.fakes.run_folders import FakeRun, good_run

RECENT = "2026-11-20T06:00:00+00:00"


@pytest.fixture
def run() -> FakeRun:
    return good_run(1)


def judged(run: FakeRun, tmp_path: Path, content: Any, **manifest: Any) -> RunVerdict:
    run.manifest = run.manifest.evolve(calibration=content, **manifest)
    return judge(run.write(tmp_path / "run"), contract())


def caveats_in(verdict: RunVerdict) -> set[str]:
    return {one.id for one in verdict.caveats} & {"not_calibrated", "calibration_failed"}


def test_a_calibration_that_keeps_its_budget_raises_no_doubt(run: FakeRun, tmp_path: Path) -> None:
    verdict = judged(run, tmp_path, calibration(calibrated_at=RECENT).content())

    assert verdict.verdict == Verdict.MET
    assert caveats_in(verdict) == set()


def test_verdict_json_carries_it_whole(run: FakeRun, tmp_path: Path) -> None:
    found = calibration(calibrated_at=RECENT)
    judged(run, tmp_path, found.content())

    content = orjson.loads((tmp_path / "run" / "verdict.json").read_bytes())

    assert content["calibration"] == found.content()
    assert content["calibration"]["standing"] == "met"


def test_without_one_the_verdict_stands_with_a_doubt(run: FakeRun, tmp_path: Path) -> None:
    verdict = judged(run, tmp_path, None)

    assert verdict.verdict == Verdict.MET
    assert caveats_in(verdict) == {"not_calibrated"}
    assert orjson.loads(verdict.to_json())["calibration"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": 1.03},
        {"counts": Counts(planned=9, answered=8, resent=0, lost=1)},
    ],
)
def test_one_that_failed_blocks_and_takes_back_what_rests_on_time(
    wrong: dict[str, Any], run: FakeRun, tmp_path: Path
) -> None:
    verdict = judged(run, tmp_path, calibration(calibrated_at=RECENT, **wrong).content())
    about_time = [one for one in verdict.clauses if one.clause.quantity in CHECKS_OF_TIME]

    assert verdict.verdict == Verdict.INCONCLUSIVE
    assert caveats_in(verdict) == {"calibration_failed"}
    assert KINDS["calibration_failed"].blocks
    assert {one.verdict for one in about_time} <= {Verdict.INCONCLUSIVE, Verdict.NOT_TESTED}


def test_a_failure_that_others_caused_decides_nothing(run: FakeRun, tmp_path: Path) -> None:
    disturbed = replace(calibration(factor=1.03, calibrated_at=RECENT), foreign_share=0.4)

    verdict = judged(run, tmp_path, disturbed.content())

    assert verdict.verdict == Verdict.MET
    assert caveats_in(verdict) == {"not_calibrated"}


@pytest.mark.parametrize(
    ("calibrated_at", "doubt"),
    [
        ("2026-10-25T06:00:00+00:00", set()),
        ("2026-10-20T06:00:00+00:00", {"not_calibrated"}),
        ("2026-12-20T06:00:00+00:00", {"not_calibrated"}),
        ("2026-11-20T13:00:00", set()),
        ("yesterday", {"not_calibrated"}),
        ("", {"not_calibrated"}),
    ],
)
def test_it_counts_for_thirty_days(
    calibrated_at: str, doubt: set[str], run: FakeRun, tmp_path: Path
) -> None:
    verdict = judged(run, tmp_path, calibration(calibrated_at=calibrated_at).content())

    assert caveats_in(verdict) == doubt


@pytest.mark.parametrize("versions", [{"engine_sha256": "f" * 64}, {}])
def test_another_engine_is_not_calibrated_by_it(
    versions: dict[str, str], run: FakeRun, tmp_path: Path
) -> None:
    content = calibration(calibrated_at=RECENT).content()

    assert caveats_in(judged(run, tmp_path, content, versions=versions)) == {"not_calibrated"}


@pytest.mark.parametrize(
    "content", [{}, {"p99": 0.4}, [], "yes", 7, {**calibration().content(), "rows": "<script>"}]
)
def test_what_cannot_be_read_is_none(content: Any, run: FakeRun, tmp_path: Path) -> None:
    verdict = judged(run, tmp_path, content)

    assert caveats_in(verdict) == {"not_calibrated"}
    assert calibration_in(run.manifest) is None


def test_a_failed_calibration_does_not_hide_a_breach_of_money(tmp_path: Path, run: FakeRun) -> None:
    for row in run.after["trial_balance"]:
        row["closing_satang"] += 1

    verdict = judged(run, tmp_path, calibration(factor=1.5, calibrated_at=RECENT).content())

    assert verdict.verdict == Verdict.BREACHED
