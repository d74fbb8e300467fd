"""Loads that a user brings along: what is refused before them, what a clause can say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contracts.reading import ContractError, read_contract
from contracts.records import Failure, LoadKind, Outcome
from contracts.terms import Limit, OperationKind, Quantity, Unit, Verdict
from harness.checks.carried import judge_carried_share
from harness.checks.closed_load import Kept, corrected_percentile, kept_back
from harness.checks.errors import judge_error_share
from harness.checks.latency import judge_latency
from harness.checks.own_load import NO_MONEY, NO_PLAN, NO_UNITS, why_not_tested
from harness.checks.recorded import Recorded
from harness.closed_plan import plan_locustfile
from harness.columns import EvidenceMissing
from harness.failures import BadSetup
from harness.measurements import Measurements
from harness.options import Options
from harness.own_load import prepare_own_load
from harness.preparation import prepare
from harness.verdict import evaluate
from tests.fakes.judge_contract import clause, contract
from tests.fakes.run_folders import READ, FakeRun, good_run, sample
from tests.fakes.small_ledger import MS, T0, Row, S
from tests.fakes.workloads import constant

ROOT = Path(__file__).resolve().parents[2]
WEB_MINIMAL = ROOT / "contracts" / "web_minimal.yaml"
URL = "http://127.0.0.1:9"
P95 = Limit(unit=Unit.MS, at_most=1000)


def options(**changes: object) -> Options:
    words = {"command": ("accept",), "contract": WEB_MINIMAL, "target": URL, **changes}
    return Options(**words)  # type: ignore[arg-type]


# Asked for.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workload": Path("w"), "locustfile": Path("l")}, "--locustfile: it does not belong"),
        ({"workload": Path("w"), "target": "embedded"}, "name the URL of the system"),
        ({"workload": Path("w"), "scale": 0.5}, "--scale: it does not belong"),
        ({"locustfile": Path("l"), "faults": "all"}, "--faults: it does not belong"),
        ({"locustfile": Path("l"), "sessions": Path("s")}, "--sessions: it does not belong"),
        ({"locustfile": Path("l"), "send_writes": True}, "it goes with --workload FILE"),
        ({"rate_scale": 2.0}, "it goes with --workload FILE"),
        ({"workload": Path("w"), "users": 5}, "it goes with --locustfile FILE"),
        ({"spawn_rate": 5.0}, "it goes with --locustfile FILE"),
        ({"workload": Path("w"), "rate_scale": 0.0}, "above 0"),
        ({"workload": Path("w"), "rate_scale": float("nan")}, "above 0"),
        ({"locustfile": Path("l"), "users": -1}, "above 0"),
        ({"locustfile": Path("l"), "users": 10**9}, "up to"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadSetup, match=said):
        options(**changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"from locust import\n", "locustfile.py:1: this is not Python"),
        (b"x = 1\nif x\n  pass\n", "locustfile.py:2: this is not Python"),
        (b"\x00", "this is not Python"),
        (b"# coding: nonsense\n", "this is not Python"),
    ],
)
def test_a_locustfile_that_is_none_is_refused_with_its_line(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "locustfile.py"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadSetup, match=said):
        prepare_own_load(options(locustfile=path))


def test_a_locustfile_is_not_run_to_be_prepared(tmp_path: Path) -> None:
    path = tmp_path / "locustfile.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    prepared = prepare(options(locustfile=path, users=20, spawn_rate=2.0, duration_s=60.0))

    assert not (tmp_path / "ran").exists()
    assert [(p.name, p.start_s, p.end_s, p.is_measured) for p in prepared.plan.phases] == [
        ("warm_up", 0, 10, False), ("load", 10, 60, True),
    ]  # fmt: skip
    assert prepared.own_load is not None
    assert prepared.own_load.source["users"] == "20"


@given(st.floats(10, 1e5), st.integers(0, 5_000), st.floats(0, 100))
def test_at_least_half_of_a_closed_run_is_measured(
    duration_s: float, users: int, spawn_rate: float
) -> None:
    plan = plan_locustfile(b"", duration_s=duration_s, users=users, spawn_rate=spawn_rate)

    measured = [phase for phase in plan.phases if phase.is_measured]
    assert sum(phase.length_s for phase in measured) >= duration_s / 2
    assert plan.phases[0].start_s == 0
    assert plan.phases[-1].end_s == duration_s


def test_a_workload_of_writes_alone_needs_permission(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    content = constant(5)
    content["operations"][0] |= {"method": "POST", "kind": "post"}
    path.write_text(json.dumps(content))

    with pytest.raises(BadSetup, match=r"writes are left out.*--send-writes"):
        prepare_own_load(options(workload=path))
    assert prepare_own_load(options(workload=path, send_writes=True)).plan.planned_requests == 900


# Promised.


def changed(tmp_path: Path, **changes: object) -> Path:
    content = yaml.safe_load(WEB_MINIMAL.read_text("utf-8"))
    for key, value in changes.items():
        if key == "operations":
            content[key] = value
        else:
            content["clauses"][0][key] = value
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return path


def test_a_clause_can_name_an_operation_and_a_contract_their_kinds(tmp_path: Path) -> None:
    path = changed(
        tmp_path, selector="operation:POST /search {q}",
        operations=[{"name": "POST /search {q}", "kind": "read"}],
    )  # fmt: skip

    read = read_contract(path)

    assert read.clauses[0].operation == "POST /search {q}"
    assert read.clauses[1].operation == ""
    assert read.operation_kinds == (("POST /search {q}", OperationKind.READ),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"selector": "operation:"}, "has not the form"),
        ({"selector": "operation:" + "x" * 201}, "has not the form"),
        ({"selector": "operation:a\x01b"}, "."),
        ({"selector": "Operation:a"}, "unknown"),
        ({"selector": ["operation:a"]}, "must be text"),
        ({"quantity": "recovery", "selector": "operation:a"}, "."),
        ({"operations": []}, "must be a list with something in it"),
        ({"operations": [{"name": "a", "kind": "probe"}]}, "unknown: 'probe'"),
        ({"operations": [{"name": "a"}]}, "the key is missing"),
        (
            {"operations": [{"name": "a", "kind": kind} for kind in ("read", "post")]},
            "stands twice",
        ),
    ],
)
def test_a_wrong_operation_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ContractError, match=said):
        read_contract(changed(tmp_path, **changes))


# Judged.


def own_run(kind: LoadKind = LoadKind.WORKLOAD) -> FakeRun:
    run = good_run(1, operations=5)
    run.manifest = run.manifest.evolve(
        load_kind=kind.value, load_source={"file": "w.json"}, population_units=0,
        planned_sessions=0, planned_by_operation={}, planned_requests=0,
    )  # fmt: skip
    return run


def recorded(run: FakeRun, tmp_path: Path) -> Recorded:
    return Recorded(folder=run.write(tmp_path / "run"), manifest=run.manifest)


def read_at(at_ms: float, took_ms: int, step: int) -> Row:
    planned_ns = T0 + 10 * S + int(at_ms * MS)
    return {
        **sample(1, 0, READ, planned_ns, took_ns=0), "planned_ns": planned_ns,
        "sent_ns": planned_ns, "done_ns": planned_ns + took_ms * MS, "step": step,
    }  # fmt: skip


def reads(count: int, took_ms: int) -> list[Row]:
    return [read_at(n * 100, took_ms, n) for n in range(count)]


def test_a_clause_on_an_operation_judges_that_operation_alone(tmp_path: Path) -> None:
    run = own_run()
    run.samples = reads(100, 20)
    run_recorded = recorded(run, tmp_path)

    one = judge_latency(
        clause("a", Quantity.LATENCY, P95, "operation:view_worklist", percentile=95), run_recorded
    )
    errors = judge_error_share(
        clause("b", Quantity.ERROR_SHARE, Limit(unit=Unit.SHARE, at_most=0.01),
               "operation:view_worklist"), run_recorded,
    )  # fmt: skip

    assert (one.verdict, one.sample_count) == (Verdict.MET, 100)
    assert (errors.verdict, errors.sample_count) == (Verdict.MET, 100)


@pytest.mark.parametrize("quantity", [Quantity.LATENCY, Quantity.ERROR_SHARE])
@pytest.mark.parametrize("name", ["/never-asked", "create_receipt"])
def test_an_operation_that_the_run_never_had_passes_nothing(
    tmp_path: Path, quantity: Quantity, name: str
) -> None:
    run = own_run()
    run.samples = reads(100, 20)
    limit = P95 if quantity is Quantity.LATENCY else Limit(unit=Unit.SHARE, at_most=0.01)
    asked = clause("a", quantity, limit, f"operation:{name}", percentile=95)

    verdict = evaluate(run.write(tmp_path / "run"), contract(clauses=(asked,)))

    (found,) = verdict.clauses
    assert found.verdict is Verdict.INCONCLUSIVE
    assert name in found.reason.en or "0 samples" in found.reason.en
    assert b'"operation": "%b"' % name.encode() in verdict.to_json()


def test_the_contract_says_of_which_kind_an_operation_is(tmp_path: Path) -> None:
    run = own_run()
    run.samples = reads(100, 20)
    asked = clause("a", Quantity.LATENCY, P95, "post", percentile=95)
    kinds = (("view_worklist", OperationKind.POST),)

    as_recorded = evaluate(run.write(tmp_path / "a"), contract(clauses=(asked,)))
    as_said = evaluate(run.write(tmp_path / "b"), contract(clauses=(asked,), operation_kinds=kinds))
    run.manifest = run.manifest.evolve(load_kind=LoadKind.COUNTRY.value)
    of_country = evaluate(
        run.write(tmp_path / "c"), contract(clauses=(asked,), operation_kinds=kinds)
    )

    assert [one.clauses[0].sample_count for one in (as_recorded, as_said, of_country)] == [
        0, 100, 0,
    ]  # fmt: skip


def test_what_an_own_load_cannot_show_is_not_tested_and_never_met(tmp_path: Path) -> None:
    for kind in (LoadKind.WORKLOAD, LoadKind.LOCUSTFILE):
        run = own_run(kind)
        verdict = evaluate(run.write(tmp_path / kind), contract())
        by_id = {one.clause.id: one for one in verdict.clauses}

        money = ["loss", "shed", "export", *(f"I{n}" for n in range(1, 12))]
        assert {by_id[name].verdict for name in money} == {Verdict.NOT_TESTED}
        assert {by_id[name].reason for name in money} == {NO_MONEY}
        assert by_id["fairness"].reason == by_id["participation"].reason == NO_UNITS
        assert (by_id["carried"].reason == NO_PLAN) is (kind is LoadKind.LOCUSTFILE)
        ids = {caveat.id for caveat in verdict.caveats}
        assert "own_load" in ids
        assert ("closed_load" in ids) is (kind is LoadKind.LOCUSTFILE)
        assert not ids & {"books_incomplete", "extra_logins", "faults_not_tested"}


def test_the_country_is_tested_as_ever() -> None:
    for one in contract().clauses:
        assert why_not_tested(one, LoadKind.COUNTRY) is None


def test_a_stated_rate_judges_a_load_without_a_plan(tmp_path: Path) -> None:
    run = own_run(LoadKind.LOCUSTFILE)
    seconds = sum(p.ended_ns - p.started_ns for p in run.manifest.phases if p.name == "peak") / 1e9
    start = next(p.started_ns for p in run.manifest.phases if p.name == "peak")
    gap_ns = 100 * MS
    run.samples = [
        {**one, "planned_ns": start + n * gap_ns, "sent_ns": start + n * gap_ns,
         "done_ns": start + n * gap_ns + 5 * MS}
        for n, one in enumerate(reads(int(seconds * 10), 5))
    ]  # fmt: skip
    run_recorded = recorded(run, tmp_path)

    def verdict(required_per_s: float) -> Verdict:
        limit = Limit(unit=Unit.SHARE, at_least=0.99)
        asked = clause("c", Quantity.CARRIED_SHARE, limit, required_per_s=required_per_s)
        return judge_carried_share(asked, run_recorded).verdict

    assert verdict(10.0) is Verdict.MET
    assert verdict(20.0) is Verdict.BREACHED


def test_a_plan_below_the_stated_rate_cannot_tell(tmp_path: Path) -> None:
    run = own_run(LoadKind.WORKLOAD)
    run.samples = reads(100, 5)
    limit = Limit(unit=Unit.SHARE, at_least=0.99)
    asked = clause("c", Quantity.CARRIED_SHARE, limit, required_per_s=500.0)

    assert judge_carried_share(asked, recorded(run, tmp_path)).verdict is Verdict.INCONCLUSIVE


# What a closed load hides.


def closed(stall_s: float, *, users: int = 50, seconds: int = 60) -> Measurements:
    """Users who ask once a second; the target answers at once but stands still at second 30."""
    rows = []
    for user in range(users):
        at_s = user / users
        while at_s < seconds:
            took_s = 0.005
            if 30.0 <= at_s < 30.0 + stall_s:
                took_s += 30.0 + stall_s - at_s
            rows.append((user, at_s, took_s))
            at_s += max(1.0, took_s)
    session, at_s_all, took = (np.array(column) for column in zip(*rows, strict=True))
    sent_ns = (T0 + at_s_all * 1e9).astype(np.int64)
    count = len(rows)
    zeros = np.zeros(count, dtype=np.int8)
    return Measurements(
        operations=(("/a", OperationKind.READ),), planned_ns=sent_ns, sent_ns=sent_ns,
        done_ns=sent_ns + (took * 1e9).astype(np.int64), session=session.astype(np.int32),
        unit=np.zeros(count, np.int32), operation=np.zeros(count, np.int16),
        step=np.zeros(count, np.int16), attempt=zeros,
        outcome=np.full(count, Outcome.OK, np.int8), failure=np.full(count, Failure.NONE, np.int8),
        files=(("load-0", count),),
    )  # fmt: skip


def open_p95_s(stall_s: float, seconds: int = 60) -> float:
    at_s = np.arange(0, seconds, 0.001)
    waits = np.where((at_s >= 30) & (at_s < 30 + stall_s), 30 + stall_s - at_s, 0) + 0.005
    return float(np.quantile(waits, 0.95, method="inverted_cdf"))


@pytest.mark.parametrize("stall_s", [4.0, 5.0, 8.0, 15.0])
def test_the_correction_finds_what_an_open_load_would_have_seen(stall_s: float) -> None:
    samples = closed(stall_s)
    rows = np.arange(samples.row_count)

    raw_s = float(np.quantile(samples.latency_ns, 0.95, method="inverted_cdf")) / 1e9
    kept = kept_back(samples, rows)
    corrected_s = corrected_percentile(samples.latency_ns, kept, 95.0, share=1.0) / 1e9

    assert raw_s < 0.1
    assert corrected_s == pytest.approx(open_p95_s(stall_s), rel=0.15, abs=0.3)


def test_without_waits_nothing_is_corrected() -> None:
    samples = closed(0.0)

    kept = kept_back(samples, np.arange(samples.row_count))

    assert kept.waits == 0
    assert corrected_percentile(samples.latency_ns, kept, 99.0, share=1.0) == 5_000_000


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=50),
    st.lists(st.tuples(st.integers(1, 10**9), st.floats(0.1, 50)), max_size=20),
    st.floats(0.1, 100), st.floats(0, 1),
)  # fmt: skip
def test_more_long_waits_never_lower_a_percentile(
    raw: list[int], waits: list[tuple[int, float]], percentile: float, share: float
) -> None:
    latency_ns = np.array(raw, dtype=np.int64)
    above = [(max(raw) + value, weight) for value, weight in waits]
    kept = Kept(
        np.array([value for value, _ in above], dtype=np.float64),
        np.array([weight for _, weight in above], dtype=np.float64), len(above),
    )  # fmt: skip
    none = Kept(np.empty(0), np.empty(0), 0)

    corrected = corrected_percentile(latency_ns, kept, percentile, share=share)

    assert corrected >= corrected_percentile(latency_ns, none, percentile, share=share)


@pytest.mark.parametrize(
    ("slow", "limit_ms", "expected"),
    [(2, 1000, Verdict.INCONCLUSIVE), (0, 1000, Verdict.MET), (40, 1000, Verdict.BREACHED)],
    ids=["disagree", "both within", "raw breaches"],
)
def test_a_closed_load_is_met_only_when_both_percentiles_are(
    tmp_path: Path, slow: int, limit_ms: float, expected: Verdict
) -> None:
    run = own_run(LoadKind.LOCUSTFILE)
    run.samples, at_ms = [], 0
    for n in range(200):
        took_ms = 4_000 if 100 <= n < 100 + slow else 10
        run.samples.append(read_at(at_ms, took_ms, n))
        at_ms += max(100, took_ms)
    run.manifest = run.manifest.evolve(
        phases=tuple(
            phase.__class__(name=phase.name, started_ns=phase.started_ns,
                            ended_ns=phase.ended_ns + 10**6 * S, is_measured=phase.is_measured)
            for phase in run.manifest.phases[:2]
        )
    )  # fmt: skip
    asked = clause("a", Quantity.LATENCY, Limit(unit=Unit.MS, at_most=limit_ms), "read",
                   percentile=95)  # fmt: skip

    answer = judge_latency(asked, recorded(run, tmp_path))

    assert answer.verdict is expected
    assert ("kept the closed load from sending" in answer.reason.en) is (
        expected is not Verdict.BREACHED
    )


def test_no_samples_at_all_are_missing_evidence(tmp_path: Path) -> None:
    run = own_run(LoadKind.LOCUSTFILE)
    run.samples = []

    with pytest.raises(EvidenceMissing):
        judge_latency(
            clause("a", Quantity.LATENCY, P95, "read", percentile=95), recorded(run, tmp_path)
        )
