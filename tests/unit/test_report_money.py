"""The money table counted back from the rows of a small honest ledger, and a judged run's page."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from contracts.records import Outcome
from harness.failures import BadSetup
from harness.run_folder import RunFolder
from harness.verdict import judge
from reports.build import build_junit, build_report
from reports.formats import baht
from reports.money_folds import read_money
from tests.fakes.judge_contract import contract
from tests.fakes.run_folders import KINDS, FakeRun, good_run


@pytest.fixture(scope="module")
def fake() -> FakeRun:
    return good_run(3, units=4, operations=80, indefinite_share=0.2, shed_share=0.2)


@pytest.fixture(scope="module")
def run(fake: FakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("money") / "run-money"
    fake.write(folder)
    judge(RunFolder(folder), contract())
    return folder


def test_operations_are_counted_by_key_and_kind(fake: FakeRun, run: Path) -> None:
    # The slow way: the last row of each attempt, then all attempts of each key together.
    last = {(row["key"], row["attempt"]): row for row in fake.operations}
    keys: dict[int, list[dict[str, int]]] = {}
    for (key, _), row in sorted(last.items()):
        keys.setdefault(key, []).append(row)
    expected: dict[str, list[int]] = {}
    for attempts in keys.values():
        if attempts[0]["expected_refusal"]:
            continue
        own = [row for row in attempts if not row["expected_refusal"]]
        outcomes = {row["outcome"] for row in own}
        is_ok = Outcome.OK in outcomes
        may_be = not is_ok and bool(outcomes & {Outcome.INDEFINITE, Outcome.OPEN})
        counts = expected.setdefault(KINDS[attempts[0]["kind"]], [0] * 5)
        counts[0] += 1
        counts[1] += is_ok
        counts[2] += may_be
        counts[3] += not (is_ok or may_be)
        counts[4] += attempts[0]["gross_satang"] * is_ok

    table = read_money(run / "operations")

    assert table is not None
    found = {row[0]: list(row[1:]) for row in table.itertuples(index=False)}
    assert found == expected
    assert sum(counts[2] for counts in expected.values()) > 0
    assert table["key_count"].is_monotonic_decreasing


def test_the_page_shows_the_sum_in_baht(run: Path) -> None:
    table = read_money(run / "operations")
    assert table is not None
    text = build_report(run, "en").read_text("utf-8")

    assert baht(int(table["acknowledged_satang"].sum())) in text


def test_a_folder_without_operations_has_no_table(tmp_path: Path) -> None:
    assert read_money(tmp_path) is None


def test_broken_operations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "load-0.parquet").write_bytes(b"PAR1 no more")

    with pytest.raises(BadSetup, match="operations"):
        read_money(tmp_path)


def test_a_judged_run_is_shown_as_it_was_judged(run: Path) -> None:
    """The judge's own files, not the made-up ones of the other tests, are what people will see."""
    text = build_report(run, "en").read_text("utf-8")
    plain = html.unescape(re.sub(r"<[^>]+>", " ", text))
    document = build_junit(run)

    assert 'class="verdict v-MET"' in text
    for clause in contract().clauses:
        assert clause.title.en in plain
    assert "Accounting rule" in plain
    assert document is not None
    assert 'failures="0"' in document.read_text("utf-8")
