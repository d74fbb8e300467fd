"""Runs that do not end as planned: kept, healed, judged INCONCLUSIVE, and nothing left running.

All go at the same time: each is a tiny load, and most of their time is waiting.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.cli import main
from harness.processes import is_alive
from harness.run_folder import RunFolder
from tests.acceptance.conftest import NO_DISK, Command, Start, small_disk


@dataclass
class CutShort:
    """One run and how it was cut."""

    command: Command
    children: list[int]

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.command.folder)

    @property
    def verdict(self) -> dict[str, Any]:
        content = orjson.loads(self.folder.verdict.read_bytes())
        assert isinstance(content, dict)
        return content


def _one(command: Command, words: str) -> int:
    (pid,) = command.children(words)
    return pid


@pytest.fixture(scope="module")
def runs(
    start: Start, small_contract: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, CutShort]]:
    words = ("--scale", "0.005", "--duration", "60", "--faults", "worker_kill",
             "--workers", "1", "--contract", str(small_contract))  # fmt: skip
    with small_disk(tmp_path_factory.mktemp("small") / "disk", "90m") as disk:
        # One is judged by the same command; the others afterwards, which needs no report.
        commands = {
            "interrupted": start("accept", *words),
            "load_killed": start("run", *words),
            "target_lost": start("run", *words),
            "killed": start("run", *words),
        }
        if disk is not None:
            commands["disk_full"] = start("run", *words, out=disk / "runs")
        for command in commands.values():
            command.await_line(" sent ")
        time.sleep(3.0)
        cut = {name: CutShort(command, command.children()) for name, command in commands.items()}
        commands["interrupted"].process.send_signal(signal.SIGINT)
        os.kill(_one(commands["load_killed"], "--monthend-load"), signal.SIGKILL)
        os.kill(_one(commands["target_lost"], "stand_ins.thaid"), signal.SIGKILL)
        commands["killed"].process.kill()
        if disk is not None:
            free = shutil.disk_usage(disk).free
            (disk / "ballast").write_bytes(bytes(free - (8 << 20)))
        for command in commands.values():
            command.finish()
        for name in commands.keys() - {"interrupted", "killed"}:
            assert commands[name].status == 2
            assert main(["judge", str(commands[name].folder)]) == 2
        yield cut


@pytest.mark.parametrize(
    ("name", "ended", "says"),
    [
        ("interrupted", "interrupted", "SIGINT"),
        ("load_killed", "load_lost", "killed by signal 9"),
        ("target_lost", "target_lost", "identity provider"),
    ],
)
def test_a_run_that_is_cut_short_is_inconclusive(
    runs: dict[str, CutShort], name: str, ended: str, says: str
) -> None:
    run = runs[name]
    manifest = run.folder.read_manifest()
    assert (manifest.ended, run.command.status) == (ended, 2)
    assert says in manifest.end_reason
    assert run.verdict["verdict"] == "INCONCLUSIVE"


def test_an_interrupted_run_still_shows_its_verdict(runs: dict[str, CutShort]) -> None:
    assert "VERDICT: INCONCLUSIVE" in runs["interrupted"].command.output
    assert runs["interrupted"].folder.report.exists()


@pytest.mark.parametrize("name", ["interrupted", "load_killed", "target_lost"])
def test_what_was_recorded_is_kept_and_judged(runs: dict[str, CutShort], name: str) -> None:
    import pyarrow.parquet as pq

    folder = runs[name].folder
    (samples,) = folder.samples.glob("*.parquet")
    assert pq.read_metadata(samples).num_rows > 0
    assert any(clause["sample_count"] for clause in runs[name].verdict["clauses"])
    phases = folder.read_manifest().phases
    assert phases[-1].ended_ns - phases[0].started_ns < 60e9, "phases end where the load ended"


@pytest.mark.parametrize("name", ["interrupted", "load_killed", "target_lost", "killed"])
def test_nothing_is_left_running(runs: dict[str, CutShort], name: str) -> None:
    assert len(runs[name].children) >= 5
    runs[name].command.await_no_children()
    assert not [pid for pid in runs[name].children if is_alive(pid)]


def test_a_run_whose_harness_was_killed_can_be_judged_afterwards(
    runs: dict[str, CutShort], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its logs were never sealed and its books never read again: INCONCLUSIVE, not an error."""
    run = runs["killed"]
    assert run.command.status == -signal.SIGKILL
    assert list(run.folder.samples.glob("*.log"))
    assert main(["judge", str(run.folder.path)]) == 2
    assert run.verdict["verdict"] == "INCONCLUSIVE"
    assert "VERDICT: INCONCLUSIVE" in capsys.readouterr().out


def test_an_empty_run_is_inconclusive(
    runs: dict[str, CutShort], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Absence never passes: a manifest alone is evidence of nothing."""
    empty = RunFolder(tmp_path / "empty")
    empty.create()
    empty.write_manifest(runs["killed"].folder.read_manifest().evolve(ended="completed"))
    empty.contract.write_bytes(runs["killed"].folder.contract.read_bytes())
    assert main(["judge", str(empty.path)]) == 2
    verdict = orjson.loads(empty.verdict.read_bytes())
    assert "MET" not in {clause["verdict"] for clause in verdict["clauses"] if clause["value"]}
    assert "INCONCLUSIVE" in capsys.readouterr().out


def test_a_disk_that_fills_up_ends_the_run(runs: dict[str, CutShort]) -> None:
    if "disk_full" not in runs:
        pytest.skip(NO_DISK)
    manifest = runs["disk_full"].folder.read_manifest()
    assert manifest.ended == "load_lost"
    assert "the disk is full" in manifest.end_reason
    assert runs["disk_full"].verdict["verdict"] == "INCONCLUSIVE"
    runs["disk_full"].command.await_no_children()
