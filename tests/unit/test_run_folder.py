"""The run folder: round trips, refusals in one line, and a manifest that is never half there."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from contracts.records import FaultEvent, Phase
from harness.disk import check_room
from harness.failures import BadSetup
from harness.machine import machine_facts, source_sha256, versions
from harness.manifests import phases_until
from harness.run_folder import Manifest, RunFolder


def _manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "run_id": "r", "created_at": "2025-12-01T01:00:00+00:00", "command": ("accept",),
        "versions": {"python": "3.11"}, "machine": {"cpu_count": 2}, "seed": 1, "scale": 0.5,
        "level": "L2", "demand": "base", "composition": "A", "duration_s": 60.0,
        "think_scale": 0.1, "business_date": "2025-12-01", "workers": 2, "contract_id": "c",
        "contract_sha256": "0" * 64, "population_units": 10, "population_accounts": 20,
        "population_sha256": "1" * 64, "plan_sha256": "2" * 64, "planned_sessions": 5,
        "planned_requests": 50, "planned_by_operation": {"view_me": 50},
        "planned_by_activity": {"browse": 5}, "planned_per_s": (20, 30),
        "target_kind": "embedded", "target_url": "http://127.0.0.1:1", "fingerprint": {"name": "x"},
        "faults_requested": ("worker_kill",),
        "phases": (Phase(name="ramp", started_ns=1, ended_ns=5, is_measured=False),),
        "load_processes": ({"process_index": 0},),
    }  # fmt: skip
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def test_a_manifest_comes_back_as_it_was_written(folder: RunFolder) -> None:
    manifest = _manifest()
    folder.write_manifest(manifest)
    assert folder.read_manifest() == manifest
    assert manifest.ended == "load_lost", "until somebody says how it ended"
    assert not list(folder.path.glob("*.new"))


def test_a_manifest_is_replaced_as_one_step(folder: RunFolder) -> None:
    folder.write_manifest(_manifest())
    folder.write_manifest(_manifest(ended="completed"))
    assert folder.read_manifest().ended == "completed"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no manifest.json"),
        (b"{", "not JSON"),
        (b"[]", "format version None"),
        (b'{"format_version": 99}', "format version 99"),
        (b'{"format_version": 1}', "keys are not those"),
    ],
)
def test_a_folder_that_is_no_run_folder_is_refused(
    folder: RunFolder, content: bytes | None, says: str
) -> None:
    if content is not None:
        folder.manifest.write_bytes(content)
    with pytest.raises(BadSetup, match=says):
        folder.read_manifest()


def test_an_unknown_key_is_refused(folder: RunFolder) -> None:
    folder.write_manifest(_manifest())
    content = orjson.loads(folder.manifest.read_bytes())
    folder.manifest.write_bytes(orjson.dumps({**content, "colour": "red"}))
    with pytest.raises(BadSetup, match="colour"):
        folder.read_manifest()


def test_fault_events_come_back_in_order(folder: RunFolder) -> None:
    assert folder.read_faults() == ()
    events = tuple(
        FaultEvent(name=name, target="t", injected_ns=1, healed_ns=2, detail="d")
        for name in ("worker_kill", "database_restart")
    )
    for event in events:
        folder.append_fault(event)
    assert folder.read_faults() == events


def test_a_place_that_cannot_be_written_is_bad_setup(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadSetup, match="--out"):
        RunFolder(tmp_path / "file" / "run").create()


def test_too_little_room_is_bad_setup_before_anything_starts(tmp_path: Path) -> None:
    check_room(tmp_path, 1, mend="")
    with pytest.raises(BadSetup, match=r"the disk has .* MB left and this needs"):
        check_room(tmp_path, 1 << 60, mend="make room")
    with pytest.raises(BadSetup, match="cannot be read"):
        check_room(tmp_path / "absent", 1, mend="make room")


PHASES = tuple(
    Phase(name=name, started_ns=start, ended_ns=end, is_measured=True)
    for name, start, end in (("ramp", 10, 20), ("steady", 20, 40), ("peak", 40, 60))
)


@pytest.mark.parametrize(
    ("ended_ns", "expected"),
    [
        (99, [("ramp", 20), ("steady", 40), ("peak", 60)]),
        (60, [("ramp", 20), ("steady", 40), ("peak", 60)]),
        (45, [("ramp", 20), ("steady", 40), ("peak", 45)]),
        (40, [("ramp", 20), ("steady", 40)]),
        (15, [("ramp", 15)]),
        (3, [("ramp", 10)]),  # ended before it began: an empty phase, never one that ends early
    ],
)
def test_phases_end_where_the_load_ended(ended_ns: int, expected: list[tuple[str, int]]) -> None:
    assert [(phase.name, phase.ended_ns) for phase in phases_until(PHASES, ended_ns)] == expected


def test_a_changed_source_file_changes_the_hash(tmp_path: Path) -> None:
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "a.py").write_text("x = 1\n")
    before = source_sha256(tmp_path)
    assert source_sha256(tmp_path) == before
    (tmp_path / "harness" / "a.py").write_text("x = 2\n")
    assert source_sha256(tmp_path) != before
    (tmp_path / "harness" / "a.py").rename(tmp_path / "harness" / "b.py")
    assert source_sha256(tmp_path) != before


def test_versions_and_machine_are_named(tmp_path: Path) -> None:
    assert versions().keys() >= {"python", "monthend", "monthend_source_sha256", "git_commit"}
    assert versions()["aiohttp"][0].isdigit()
    facts = machine_facts(tmp_path)
    assert int(facts["cpu_count"]) >= 1
    assert int(facts["memory_bytes"]) > 0
