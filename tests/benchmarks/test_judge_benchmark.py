"""How long the judge takes, and that it gives the right answer while it is measured.

Small by default. The budget is ten million operations (each recorded twice) in five minutes and
4 GiB, and ten million samples in 30 s:

    MONTHEND_BENCHMARK_ROWS=10000000 python -m pytest tests/benchmarks/test_judge_benchmark.py \
        --benchmark-enable --timeout=1800
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from contracts.terms import Contract, Verdict
from harness.checks.catalogue import CHECKS_OF_TIME
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from tests.fakes.judge_contract import contract
from tests.fakes.large_runs import write_large_run

ROWS = int(os.environ.get("MONTHEND_BENCHMARK_ROWS", "30000"))
# A synthetic run has no probes, no faults, no readings and no files of back-dated books.
NOT_THERE = {"I9", "recovery", "idle", "shed", "participation", "fairness", "import"}


def clauses_about(*, time: bool) -> Contract:
    chosen = [
        clause for clause in contract().clauses if (clause.quantity in CHECKS_OF_TIME) is time
    ]
    return contract(
        clauses=tuple(replace(one, samples_min=1) for one in chosen if one.id not in NOT_THERE)
    )


@pytest.fixture(scope="module")
def many_operations(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("operations")
    return write_large_run(path, operations=ROWS, samples=1_000)


@pytest.fixture(scope="module")
def many_samples(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("samples")
    return write_large_run(path, operations=1_000, samples=ROWS)


def test_checking_the_money_of_many_operations(
    benchmark: BenchmarkFixture, many_operations: RunFolder
) -> None:
    about_money = clauses_about(time=False)

    verdict = benchmark.pedantic(
        evaluate, (many_operations, about_money), rounds=1, warmup_rounds=0
    )

    assert verdict.verdict == Verdict.MET
    assert next(one.sample_count for one in verdict.clauses if one.clause.id == "I10") == ROWS


def test_judging_the_latency_of_many_samples(
    benchmark: BenchmarkFixture, many_samples: RunFolder
) -> None:
    about_time = clauses_about(time=True)

    verdict = benchmark.pedantic(evaluate, (many_samples, about_time), rounds=1, warmup_rounds=0)

    assert {one.verdict for one in verdict.clauses} == {Verdict.MET}
