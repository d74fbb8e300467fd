"""How verdicts on clauses and doubts about the run become one verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from contracts.records import Bottleneck, Caveat, Outcome
from contracts.terms import EXIT_STATUS, Bilingual, Limit, Quantity, Unit, Verdict
from harness.checks.answer import measured
from harness.failures import BadSetup
from harness.run_folder import RunFolder
from harness.verdict import evaluate, judge, merge
from tests.fakes.judge_contract import clause, contract
from tests.fakes.run_damage import DAMAGES
from tests.fakes.run_folders import good_run

MET, BREACHED, OPEN, NOT = (
    Verdict.MET, Verdict.BREACHED, Verdict.INCONCLUSIVE, Verdict.NOT_TESTED
)  # fmt: skip
DOUBT = Caveat(id="x", text_th="", text_en="", blocks=True)
REMARK = Caveat(id="y", text_th="", text_en="", blocks=False)


@pytest.mark.parametrize(
    ("verdicts", "caveats", "merged"),
    [
        ([], [], OPEN),
        ([NOT, NOT], [], OPEN),
        ([MET], [], MET),
        ([MET, NOT], [], MET),
        ([MET, OPEN], [], OPEN),
        ([MET, BREACHED], [], BREACHED),
        ([OPEN, BREACHED], [], BREACHED),
        ([NOT, BREACHED], [], BREACHED),
        ([MET], [REMARK], MET),
        ([MET], [DOUBT], OPEN),
        ([BREACHED], [DOUBT], BREACHED),
    ],
)
def test_the_algebra_of_verdicts(
    verdicts: list[Verdict], caveats: list[Caveat], merged: Verdict
) -> None:
    assert merge(verdicts, caveats) == merged
    assert merge(reversed(verdicts), caveats) == merged


def test_exit_statuses() -> None:
    assert [EXIT_STATUS[one] for one in (MET, BREACHED, OPEN)] == [0, 1, 2]


AT_MOST_TWO = clause("c", Quantity.LATENCY, Limit(unit=Unit.S, at_most=2.0), "read")
TEXT = Bilingual(th="", en="said")


@pytest.mark.parametrize(
    ("value", "samples", "samples_min", "verdict"),
    [
        (2.0, 10, 10, MET),
        (2.0001, 10, 10, BREACHED),
        (0.1, 9, 10, OPEN),
        (99.0, 9, 10, OPEN),
        (0.0, 0, 0, OPEN),  # nothing was measured: nothing is proved
        (float("nan"), 10, 1, OPEN),
        (float("inf"), 10, 1, BREACHED),
    ],
)
def test_a_number_becomes_a_verdict(
    value: float, samples: int, samples_min: int, verdict: Verdict
) -> None:
    one = replace(AT_MOST_TWO, samples_min=samples_min)

    assert measured(one, value, samples, TEXT).verdict == verdict


def test_what_is_not_measured_says_why(tmp_path: Path) -> None:
    why = Bilingual(th="ยังไม่มี", en="not yet")
    clauses = (*contract().clauses, replace(AT_MOST_TWO, not_measured_because=why))

    verdict = evaluate(good_run(1).write(tmp_path / "run"), contract(clauses=clauses))

    assert verdict.verdict == MET
    assert verdict.clauses[-1].verdict == NOT
    assert verdict.clauses[-1].reason == why


def test_bottlenecks_are_passed_on_and_colour_no_clause(tmp_path: Path) -> None:
    folder = good_run(1).write(tmp_path / "run")
    found = Bottleneck(bottleneck_class="lock", place="posting", share=0.6, tier="T1",
                       confidence="high", evidence="waits")  # fmt: skip

    verdict = judge(folder, contract(), bottlenecks=[found])

    content = orjson.loads(folder.verdict.read_bytes())
    assert verdict.verdict == MET
    assert content["bottlenecks"] == [
        {"class": "lock", "place": "posting", "share": 0.6, "tier": "T1", "confidence": "high",
         "evidence": "waits"}
    ]  # fmt: skip


def test_findings_hold_witnesses_and_whole_counts(tmp_path: Path) -> None:
    run = good_run(1)
    for row in run.after["trial_balance"]:
        row["closing_satang"] += 1
        row["debit_satang"] += 1

    folder = run.write(tmp_path / "run")
    judge(folder, contract())

    findings = orjson.loads(folder.findings.read_bytes())["findings"]
    wrong = next(one for one in findings if one["rule"] == "balance_is_not_the_lines")
    assert wrong["about"] == "I2"
    assert wrong["count"] == len(run.after["trial_balance"])
    assert len(wrong["witnesses"]) == 20
    places = [(one["unit"], one["period"]) for one in wrong["witnesses"]]
    assert places == sorted(places)


def test_a_violation_that_no_clause_covers_is_still_said(tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES["unbalance"].apply(run)
    without = tuple(one for one in contract().clauses if one.id != "I1")

    verdict = evaluate(run.write(tmp_path / "run"), contract(clauses=without))

    assert verdict.verdict == MET
    assert "violations_without_clause" in {one.id for one in verdict.caveats}
    assert {one.about for one in verdict.findings} == {"I1"}
    covered = evaluate(RunFolder(tmp_path / "run"), contract())
    assert "violations_without_clause" not in {one.id for one in covered.caveats}


def test_an_interrupted_run_takes_back_answers_about_time_only(tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES["silent_posts"].apply(run)
    DAMAGES["phantom"].apply(run)
    run.manifest = run.manifest.evolve(ended="interrupted")

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    found = {one.clause.id for one in verdict.clauses if one.verdict == BREACHED}
    assert found == {"I10"}


def test_a_promise_about_shedding_is_not_tested_when_nothing_was_shed(tmp_path: Path) -> None:
    run = good_run(1, shed_share=0.0)
    run.operations = [
        row | {"outcome": Outcome.REFUSED, "status": 422, "number": -1}
        if row["status"] == 409 else row for row in run.operations
    ]  # fmt: skip
    refused = next(row for row in run.operations if row["status"] == 422)
    run.operations.append(refused | {"key": 99, "expected_refusal": 0})

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    shed = next(one for one in verdict.clauses if one.clause.id == "shed")
    assert shed.verdict == NOT
    assert verdict.verdict == MET


def test_a_verdict_that_cannot_be_written_is_a_bad_set_up(tmp_path: Path) -> None:
    folder = good_run(1, operations=5).write(tmp_path / "run")
    (folder.path / "verdict.json.new").mkdir()

    with pytest.raises(BadSetup, match="cannot be written"):
        judge(folder, contract())


def test_a_folder_without_a_manifest_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match="not a run folder"):
        evaluate(RunFolder(tmp_path), contract())


def test_the_target_is_named_by_its_kind_or_its_address(tmp_path: Path) -> None:
    run = good_run(1, operations=5)
    here = evaluate(run.write(tmp_path / "here"), contract())
    run.manifest = run.manifest.evolve(target_kind="remote", target_url="http://ledger.example")
    there = evaluate(run.write(tmp_path / "there"), contract())

    assert (here.target, there.target) == ("embedded", "http://ledger.example")
    idle = next(one for one in there.clauses if one.clause.id == "idle")
    assert idle.verdict == OPEN  # only the generator's machine was read
