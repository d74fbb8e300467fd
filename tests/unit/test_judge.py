"""The judge is tested before it is trusted: good runs, known damage, empty and hostile folders.

Every kind of clause meets a run that keeps it, one that breaks it, and one that says nothing about
it. A wrong ledger must be named by the right clause, and by no other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.records import BOOKS_COLUMNS
from contracts.terms import Quantity, Verdict
from harness.failures import BadSetup
from harness.run_folder import RunFolder
from harness.verdict import RunVerdict, evaluate, judge
from tests.fakes.judge_contract import contract, money_contract
from tests.fakes.run_damage import DAMAGES
from tests.fakes.run_folders import FakeRun, good_run, write_table
from tests.fakes.small_ledger import T0, Row, S

NOT_JUDGED = {"I8", "availability"}


@pytest.fixture(scope="module")
def good_folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return good_run(1).write(tmp_path_factory.mktemp("runs") / "good")


@pytest.fixture
def copied_folder(good_folder: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a copy of the good run that a test may spoil."""
    shutil.copytree(good_folder.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture
def bare_folder(good_folder: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a folder with nothing but the manifest of the good run."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    shutil.copy(good_folder.manifest, folder.manifest)
    return folder


def verdicts_of(verdict: RunVerdict) -> dict[str, Verdict]:
    return {one.clause.id: one.verdict for one in verdict.clauses}


def breached(verdict: RunVerdict) -> set[str]:
    return {name for name, one in verdicts_of(verdict).items() if one == Verdict.BREACHED}


def test_a_good_run_meets_every_clause_that_it_tests(good_folder: RunFolder) -> None:
    verdict = evaluate(good_folder, contract())

    assert verdict.verdict == Verdict.MET
    assert {one.clause.id for one in verdict.not_tested} == NOT_JUDGED
    assert all(
        one.verdict == Verdict.MET and one.sample_count > 0
        for one in verdict.clauses
        if one.clause.id not in NOT_JUDGED
    )


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_known_damage_is_named_by_the_right_clauses_only(name: str, tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES[name].apply(run)

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert verdict.verdict == Verdict.BREACHED
    assert breached(verdict) == DAMAGES[name].breached


def test_every_kind_of_clause_has_damage_that_breaches_it() -> None:
    testable = {clause.id for clause in contract().clauses} - NOT_JUDGED - {"export"}

    assert testable == set().union(*(damage.breached for damage in DAMAGES.values()))


def test_the_same_folder_is_judged_the_same_to_the_bit(
    good_folder: RunFolder, tmp_path: Path
) -> None:
    run = good_run(1)
    DAMAGES["post_twice"].apply(run)
    folder = run.write(tmp_path / "first")
    shutil.copytree(folder.path, tmp_path / "elsewhere")
    elsewhere = RunFolder(tmp_path / "elsewhere")

    for place in (folder, elsewhere, folder):
        judge(place, contract())

    assert folder.verdict.read_bytes() == elsewhere.verdict.read_bytes()
    assert folder.findings.read_bytes() == elsewhere.findings.read_bytes()


def test_verdict_json_has_the_stable_keys(good_folder: RunFolder) -> None:
    content = orjson.loads(judge(good_folder, contract()).to_json())

    assert {"verdict", "scale", "level", "target", "contract", "clauses", "caveats", "bottlenecks",
            "not_tested"} <= set(content)  # fmt: skip
    assert set(content["contract"]) == {"id", "sha256"}
    for one in content["clauses"]:
        assert {"id", "verdict", "value", "limit", "unit", "operation", "sample_count", "reason",
                "title", "quantity", "selector"} <= set(one)  # fmt: skip
        assert isinstance(one["reason"], str)
    assert {one["id"] for one in content["not_tested"]} == NOT_JUDGED


def test_a_request_that_was_never_answered_has_no_number_in_json(tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES["silent_posts"].apply(run)
    content = orjson.loads(judge(run.write(tmp_path / "run"), contract()).to_json())
    post = next(one for one in content["clauses"] if one["id"] == "latency-post")

    assert post["value"] is None
    assert "never answered" in post["reason"]


def test_an_empty_folder_is_inconclusive_throughout(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    folder.write_manifest(good_run(1, operations=1).manifest.evolve(faults_requested=()))

    verdict = evaluate(folder, contract())

    assert verdict.verdict == Verdict.INCONCLUSIVE
    met = {name for name, one in verdicts_of(verdict).items() if one == Verdict.MET}
    assert met == {"provenance"}  # the manifest is there, and it is all that this clause asks for


def test_a_run_without_money_operations_is_inconclusive_about_money(tmp_path: Path) -> None:
    run = good_run(1)
    run.operations, run.after = [], run.before

    verdict = verdicts_of(evaluate(run.write(tmp_path / "run"), contract()))

    assert verdict["latency-read"] == Verdict.MET
    assert {verdict[f"I{number}"] for number in (1, 2, 3, 4, 5, 6, 9, 10)} == {Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("table", sorted(set(BOOKS_COLUMNS) - {"chart"}))
@pytest.mark.parametrize("reading", ["before", "after"])
def test_missing_books_never_pass(copied_folder: RunFolder, table: str, reading: str) -> None:
    (copied_folder.path / "books" / reading / f"{table}.parquet").unlink()

    verdict = evaluate(copied_folder, money_contract())

    assert verdict.verdict == Verdict.INCONCLUSIVE
    assert breached(verdict) == set()


def test_a_unit_whose_books_were_not_read_is_not_taken_for_lost(tmp_path: Path) -> None:
    run = good_run(1)
    unit = run.after["export"][3]["unit"]
    run.after["export"][3] |= {"is_complete": False, "reason": "timed out"}
    for table in ("documents", "trial_balance", "cash_position", "budget", "periods"):
        run.after[table] = [row for row in run.after[table] if row["unit"] != unit]

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert breached(verdict) == {"export"}
    assert "books_incomplete" in {caveat.id for caveat in verdict.caveats}


def without_reports(reports: list[Row], members: list[Row]) -> None:
    reports.clear()
    for row in members:
        row["reason"] = "HTTP 500"


def of_another_month(reports: list[Row], members: list[Row]) -> None:
    for row in reports:
        row["period"] = 202511


def belonging_to_two(reports: list[Row], members: list[Row]) -> None:
    members.append(members[0] | {"parent": 99})


@pytest.mark.parametrize("spoil", [without_reports, of_another_month, belonging_to_two])
def test_consolidated_reports_that_were_not_read_well_never_pass(
    spoil: Callable[[list[Row], list[Row]], None], tmp_path: Path
) -> None:
    run = good_run(1)
    run.spoil_reports = spoil

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert verdicts_of(verdict)["I11"] == Verdict.INCONCLUSIVE
    assert breached(verdict) == set()


def test_a_wrong_report_is_a_breach_though_another_could_not_be_read(tmp_path: Path) -> None:
    run = good_run(1)
    units = [row["unit"] for row in run.after["export"]]
    run.parents = {units[1]: units[0], units[3]: units[2]}

    def spoil(reports: list[Row], members: list[Row]) -> None:
        reports[:] = [row for row in reports if row["unit"] == units[0]]
        reports[0]["opening_satang"] -= 500
        for row in members:
            row["reason"] = "" if row["parent"] == units[0] else "timed out"

    run.spoil_reports = spoil
    verdict = evaluate(run.write(tmp_path / "run"), contract())
    money = next(one for one in verdict.clauses if one.clause.id == "I11")

    assert breached(verdict) == {"I11"}
    assert money.findings[0].count == 1
    assert money.findings[0].witnesses[0].unit == units[0]
    assert money.findings[0].witnesses[0].found == "opening off by -5.00"


def test_a_parent_with_a_unit_that_was_not_read_is_not_judged(tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES["leave_out_a_dependant"].apply(run)
    unread = next(row for row in run.after["export"] if row["unit"] == min(run.parents))
    unread |= {"is_complete": False, "reason": "timed out"}

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert "I11" not in breached(verdict)


def test_without_consolidated_reports_they_are_not_tested(tmp_path: Path) -> None:
    run = good_run(1)
    run.parents = {}

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert verdict.verdict == Verdict.MET
    assert verdicts_of(verdict)["I11"] == Verdict.NOT_TESTED


def test_a_unit_that_was_forgotten_in_the_export_is_noticed(tmp_path: Path) -> None:
    run = good_run(1)
    for tables in (run.before, run.after):
        unit = tables["export"].pop()["unit"]
        for table in ("documents", "trial_balance", "cash_position", "budget", "periods"):
            tables[table] = [row for row in tables[table] if row["unit"] != unit]
    run.operations = [row for row in run.operations if row["unit"] != unit]

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert breached(verdict) == {"export"}
    money = next(one for one in verdict.clauses if one.clause.id == "I10")
    assert money.verdict == Verdict.INCONCLUSIVE
    assert money.reason.en.startswith("the books of 1 units were not read")


def test_a_clause_of_another_level_is_not_tested(tmp_path: Path) -> None:
    run = good_run(1)
    run.manifest = run.manifest.evolve(level="L4")

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert verdict.verdict == Verdict.INCONCLUSIVE
    assert len(verdict.not_tested) == len(contract().clauses)
    assert "this run was at L4" in verdict.not_tested[0].reason.en


def test_too_few_samples_prove_nothing(good_folder: RunFolder) -> None:
    from dataclasses import replace

    demanding = tuple(replace(clause, samples_min=10_000_000) for clause in contract().clauses)

    verdict = evaluate(good_folder, contract(clauses=demanding))

    assert Verdict.MET not in verdicts_of(verdict).values()
    assert breached(verdict) == set()


def test_a_check_that_crashes_does_not_silence_its_siblings(
    good_folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("of a defect in the check")

    monkeypatch.setitem(evaluate.__globals__["CATALOGUE"], Quantity.ERROR_SHARE, crash)

    verdict = evaluate(good_folder, contract())

    assert verdict.verdict == Verdict.INCONCLUSIVE
    assert verdicts_of(verdict)["errors"] == Verdict.INCONCLUSIVE
    assert verdicts_of(verdict)["I10"] == Verdict.MET
    reason = next(one.reason.en for one in verdict.clauses if one.clause.id == "errors")
    assert "ZeroDivisionError: of a defect in the check" in reason


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace_column(path: Path, name: str, values: Callable[[int], pa.Array]) -> None:
    table = pq.read_table(path)
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, values(table.num_rows)), path)


SAMPLES = "samples/load-0.parquet"
OPERATIONS = "operations/load-0.parquet"
HOSTILE: dict[str, Callable[[Path], object]] = {
    "samples cut off": lambda run: truncate(run / SAMPLES),
    "operations cut off": lambda run: truncate(run / OPERATIONS),
    "lines cut off": lambda run: truncate(run / "books/after/lines.parquet"),
    "documents are no parquet": lambda run: (
        run / "books/after/documents.parquet"
    ).write_bytes(b"PAR1 but no more"),
    "samples lack a column": lambda run: pq.write_table(
        pq.read_table(run / SAMPLES).drop_columns(["done_ns"]), run / SAMPLES
    ),
    "samples have no header": lambda run: pq.write_table(
        pq.read_table(run / SAMPLES).replace_schema_metadata({}), run / SAMPLES
    ),
    "operations have a broken header": lambda run: pq.write_table(
        pq.read_table(run / OPERATIONS).replace_schema_metadata({b"header": b"[1"}),
        run / OPERATIONS,
    ),
    "times are not numbers": lambda run: replace_column(
        run / SAMPLES, "done_ns", lambda n: pa.array([float("nan")] * n)
    ),
    "times are negative": lambda run: replace_column(
        run / SAMPLES, "planned_ns", lambda n: pa.array([-5] * n, pa.int64())
    ),
    "times are beyond any clock": lambda run: replace_column(
        run / SAMPLES, "done_ns", lambda n: pa.array([2**63 - 1] * n, pa.int64())
    ),
    "an operation that nobody named": lambda run: replace_column(
        run / SAMPLES, "operation", lambda n: pa.array([999] * n, pa.int16())
    ),
    "answers before the machine was started": lambda run: replace_column(
        run / OPERATIONS, "completed_ns", lambda n: pa.array([-1] * n, pa.int64())
    ),
    "sent beyond any clock": lambda run: replace_column(
        run / OPERATIONS, "invoked_ns", lambda n: pa.array([2**63 - 1] * n, pa.int64())
    ),
    "a processor that is busy seven times over": lambda run: replace_column(
        run / "readings/host.parquet", "value", lambda n: pa.array([7.0] * n)
    ),
    "outcomes of another format": lambda run: replace_column(
        run / OPERATIONS, "outcome", lambda n: pa.array([77] * n, pa.int8())
    ),
    "kinds that nobody named": lambda run: replace_column(
        run / OPERATIONS, "kind", lambda n: pa.array([500] * n, pa.int16())
    ),
    "empty keys": lambda run: [
        replace_column(run / OPERATIONS, name, lambda n: pa.array([0] * n, pa.uint64()))
        for name in ("key_high", "key_low")
    ],
    "amounts whose sums overflow": lambda run: replace_column(
        run / "books/after/lines.parquet", "debit_satang",
        lambda n: pa.array([2**62] * n, pa.int64()),
    ),
    "effects whose sums overflow": lambda run: replace_column(
        run / OPERATIONS, "cash_delta_satang", lambda n: pa.array([-(2**63)] * n, pa.int64())
    ),
    "amounts are text": lambda run: replace_column(
        run / "books/after/cash_position.parquet", "balance_satang",
        lambda n: pa.array(["much"] * n),
    ),
    "amounts are empty": lambda run: replace_column(
        run / "books/after/budget.parquet", "paid_satang", lambda n: pa.nulls(n, pa.int64())
    ),
    "accounts are lists": lambda run: replace_column(
        run / "books/after/lines.parquet", "account", lambda n: pa.array([["1"]] * n)
    ),
    "units beyond int32": lambda run: replace_column(
        run / "books/after/documents.parquet", "unit", lambda n: pa.array([2**40] * n)
    ),
    "more words than a chart can have": lambda run: replace_column(
        run / "books/after/trial_balance.parquet", "account",
        lambda n: pa.array([f"{place}" for place in range(n)]).dictionary_encode(),
    ),
    "faults are no JSON": lambda run: (run / "faults.jsonl").write_bytes(b"{oh\n"),
    "faults of another shape": lambda run: (run / "faults.jsonl").write_bytes(b"[1]\n"),
    "readings cut off": lambda run: truncate(run / "readings/host.parquet"),
    "a directory for a file": lambda run: [(run / SAMPLES).unlink(), (run / SAMPLES).mkdir()],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_folder_is_never_met_and_never_a_traceback(
    name: str, copied_folder: RunFolder
) -> None:
    HOSTILE[name](copied_folder.path)

    verdict = evaluate(copied_folder, contract())

    assert verdict.verdict != Verdict.MET
    assert not any("the check failed" in one.reason.en for one in verdict.clauses)
    assert str(copied_folder.path) not in verdict.to_json().decode()


MANIFESTS: dict[str, bytes] = {
    "no JSON": b"{",
    "a list": b"[]",
    "no keys": b"{}",
}


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_a_broken_manifest_is_a_bad_set_up(name: str, bare_folder: RunFolder) -> None:
    bare_folder.manifest.write_bytes(MANIFESTS[name])

    with pytest.raises(BadSetup, match=r"manifest\.json"):
        evaluate(bare_folder, contract())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scale", "one"), ("scale", 0), ("phases", [1]), ("phases", 5), ("planned_per_s", ["x"]),
        ("planned_per_s", [-1]), ("fingerprint", {"fsync": 1}), ("t0_ns", 1.5), ("t0_ns", 2**70),
        ("population_units", None), ("planned_by_operation", {"a": "b"}), ("level", 2),
        ("phases", [{"name": "peak", "started_ns": 5, "ended_ns": 1, "is_measured": True}]),
    ],
)  # fmt: skip
def test_a_manifest_with_wrong_values_is_a_bad_set_up(
    key: str, value: object, bare_folder: RunFolder
) -> None:
    content = orjson.loads(bare_folder.manifest.read_bytes())
    bare_folder.manifest.write_bytes(
        orjson.dumps(content | {key: value})
        if value != 2**70
        else orjson.dumps(content).replace(
            b'"t0_ns":5000000000000', b'"t0_ns":1180591620717411303424'
        )
    )

    with pytest.raises(BadSetup):
        evaluate(bare_folder, contract())


def test_damage_of_one_posting_in_ten_thousand_is_found_exactly(tmp_path: Path) -> None:
    run = good_run(3, operations=9_000, indefinite_share=0.01, shed_share=0.0,
                   about_money_only=True)  # fmt: skip
    old = {document["document"] for document in run.before["documents"]}
    acknowledged = {row["key"] for row in run.operations if row["outcome"] == 0}
    made = [d for d in run.after["documents"]
            if d["document"] not in old and d["key"] in acknowledged
            and d["kind"] == "budget_transfer"]  # fmt: skip
    lost = made[len(made) // 2]
    run.after["documents"].remove(lost)

    verdict = evaluate(run.write(tmp_path / "run"), money_contract())

    loss = next(one for one in verdict.clauses if one.clause.id == "loss")
    assert breached(verdict) == {"I10", "loss"}
    assert loss.value == 1
    assert loss.sample_count > 9_000
    witness = loss.findings[0].witnesses[0]
    assert (witness.unit, witness.document) == (lost["unit"], lost["document"])
    assert int(witness.key.replace("-", ""), 16) == lost["key"]


def test_books_may_come_in_several_files(good_folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(good_folder.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    for table in ("documents", "lines"):
        whole = folder.books_after / f"{table}.parquet"
        rows = pq.read_table(whole)
        half = rows.num_rows // 2
        pq.write_table(rows.slice(0, half), folder.books_after / f"{table}-10.parquet")
        pq.write_table(rows.slice(half), folder.books_after / f"{table}-11.parquet")
        whole.unlink()

    assert evaluate(folder, contract()).verdict == Verdict.MET


def test_rows_of_the_books_may_come_in_any_order(good_folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(good_folder.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    order = np.random.default_rng(5)
    for path in [*folder.books_after.glob("*.parquet"), *folder.books_before.glob("*.parquet")]:
        rows = pq.read_table(path)
        pq.write_table(rows.take(order.permutation(rows.num_rows)), path)

    assert evaluate(folder, contract()).verdict == Verdict.MET


def test_a_second_run_with_the_same_keys_finds_its_documents_from_before(tmp_path: Path) -> None:
    """A target that still knows the keys answers each with the first document, and makes none."""
    first = good_run(1, indefinite_share=0.0, shed_share=0.0)
    again = FakeRun(**{**vars(first), "before": first.after, "after": first.after})
    again.before["periods"] = first.after["periods"]

    verdict = evaluate(again.write(tmp_path / "run"), contract())

    assert breached(verdict) == set()


def test_an_empty_table_is_no_book(copied_folder: RunFolder) -> None:
    write_table(copied_folder.books_after / "documents.parquet", "documents", [])
    write_table(copied_folder.books_after / "lines.parquet", "lines", [])

    verdict = evaluate(copied_folder, contract())

    assert {"I10", "loss"} <= breached(verdict)


def test_a_late_generator_is_never_called_a_slow_target(tmp_path: Path) -> None:
    run = good_run(1)
    DAMAGES["lose"].apply(run)
    for row in run.samples:
        if row["planned_ns"] > T0 + 20 * S:
            for name in ("sent_ns", "first_byte_ns", "done_ns"):
                row[name] += 3 * S

    verdict = evaluate(run.write(tmp_path / "run"), contract())

    assert "generator_late" in {caveat.id for caveat in verdict.caveats}
    assert breached(verdict) == {"I10", "loss"}  # a lost posting is a lost posting
