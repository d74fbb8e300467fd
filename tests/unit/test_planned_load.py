"""What was planned, written beside what was recorded: whole, exact, and refused when broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.terms import OperationKind
from harness import planned_load as module
from harness.columns import EvidenceMissing
from harness.planned_load import PlannedLoad, planned_load, read_planned_load, write_planned_load
from harness.run_folder import RunFolder
from scenarios.arrivals import LoadPlan, plan_load
from scenarios.country_playbook import country_playbook
from scenarios.population import build_population
from scenarios.shares import Share


@pytest.fixture(scope="module")
def plan() -> LoadPlan:
    return plan_load(build_population(scale=0.02), level="L2", duration_s=30.0, seed=3)


@pytest.fixture(scope="module")
def planned(plan: LoadPlan) -> PlannedLoad:
    playbook = country_playbook(
        plan, build_population(scale=0.02), share=Share(), business_date="2025-12-01", seed=3
    )
    names = tuple(activity.name for activity in plan.activities)
    return planned_load(playbook, activities=names, activity=plan.activity)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


def test_the_walk_through_the_plan_adds_up_to_the_plan(
    plan: LoadPlan, planned: PlannedLoad
) -> None:
    """Two ways to the same numbers: the plan counts arrays, the walk asks for every step."""
    assert planned.per_s.sum(axis=0).tolist() == list(plan.planned_per_s)
    assert planned.requests.sum() == plan.planned_requests
    assert planned.start_ns.tolist() == plan.start_ns.tolist()
    by_activity = np.bincount(planned.activity, minlength=len(planned.activities))
    assert {
        name: count
        for name, count in zip(planned.activities, by_activity.tolist(), strict=True)
        if count
    } == plan.planned_by_activity


def test_what_is_written_is_what_is_read(folder: RunFolder, planned: PlannedLoad) -> None:
    write_planned_load(folder, planned)

    read = read_planned_load(folder)

    assert read is not None
    for name in ("session", "start_ns", "requests", "per_s"):
        assert np.array_equal(getattr(read, name), getattr(planned, name)), name
    assert [read.activities[place] for place in read.activity] == [
        planned.activities[place] for place in planned.activity
    ]


def test_a_plan_too_long_to_walk_through_keeps_its_sessions(
    plan: LoadPlan, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUESTS_WALKED_MAX", 100)
    playbook = country_playbook(
        plan, build_population(scale=0.02), share=Share(), business_date="2025-12-01", seed=3
    )

    long = planned_load(playbook, activities=("any",), activity=np.zeros(plan.sessions, np.int16))
    write_planned_load(folder, long)
    read = read_planned_load(folder)

    assert read is not None
    assert read.per_s.shape == (len(OperationKind), 0)
    assert read.requests.sum() == plan.planned_requests


def test_a_folder_without_a_plan_has_none(folder: RunFolder) -> None:
    assert read_planned_load(folder) is None


@pytest.mark.parametrize(
    "table",
    [
        {"session": [1], "start_ns": [1], "requests": [1]},
        {"session": [-1], "start_ns": [1], "requests": [1], "activity": ["x"]},
        {"session": [1], "start_ns": ["soon"], "requests": [1], "activity": ["x"]},
        {"session": [1], "start_ns": [None], "requests": [1], "activity": ["x"]},
        {"session": [1.5], "start_ns": [1], "requests": [1], "activity": ["x"]},
    ],
)
def test_broken_sessions_are_refused(table: dict[str, list[object]], folder: RunFolder) -> None:
    folder.plan.mkdir()
    pq.write_table(pa.table(table), folder.plan / "sessions.parquet")

    with pytest.raises(EvidenceMissing, match="plan/sessions"):
        read_planned_load(folder)


@pytest.mark.parametrize(
    "table",
    [
        {"second": [1], "kind": ["nonsense"], "requests": [1]},
        {"second": [10**9], "kind": ["read"], "requests": [1]},
        {"second": [1], "kind": ["read"], "requests": [-1]},
    ],
)
def test_broken_seconds_are_refused(
    table: dict[str, list[object]], folder: RunFolder, planned: PlannedLoad
) -> None:
    write_planned_load(folder, planned)
    pq.write_table(pa.table(table), folder.plan / "seconds.parquet")

    with pytest.raises(EvidenceMissing, match="plan/seconds"):
        read_planned_load(folder)


def test_a_file_that_is_no_table_is_refused(folder: RunFolder) -> None:
    folder.plan.mkdir()
    (folder.plan / "sessions.parquet").write_bytes(b"PAR1 but not really")

    with pytest.raises(EvidenceMissing, match="plan/sessions"):
        read_planned_load(folder)
