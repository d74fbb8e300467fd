"""A ledger that somebody else runs, known by its URL and by people who are signed in."""

from __future__ import annotations

import signal
from pathlib import Path

import orjson
import pytest

from harness.calibration.store import path_of
from harness.cli import main
from harness.machine import this_machine
from harness.processes import is_alive
from harness.run_folder import RunFolder
from tests.acceptance.conftest import Command, Start


@pytest.fixture(scope="module")
def running(start: Start) -> Command:
    command = start("target", "--scale", "0.005", "--workers", "1", with_out=False)
    assert command.process.stdout is not None
    said = dict(
        line.split(maxsplit=1)
        for line in iter(command.process.stdout.readline, "up; Ctrl-C stops it\n")
    )
    command.addresses = {name: value.strip() for name, value in said.items()}
    return command


@pytest.fixture(scope="module")
def run(
    start: Start,
    running: Command,
    small_contract: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    out = tmp_path_factory.mktemp("runs")
    broken = path_of(out, this_machine().id)
    broken.parent.mkdir()
    broken.write_bytes(b'{"format": "monthend-calibration/1", "rows": [')
    command = start(
        "run", "--target", running.addresses["url"], "--sessions", running.addresses["sessions"],
        "--scale", "0.005", "--duration", "10", "--contract", str(small_contract),
        out=out,
    )  # fmt: skip
    command.finish()
    return command


def test_it_is_loaded_judged_and_left_running(run: Command, running: Command) -> None:
    assert run.status == 0, run.errors.read_text()
    assert main(["judge", str(run.folder)]) in (0, 2)
    folder = RunFolder(run.folder)
    verdict = orjson.loads(folder.verdict.read_bytes())
    assert "BREACHED" not in {clause["verdict"] for clause in verdict["clauses"]}
    manifest = folder.read_manifest()
    assert (manifest.target_kind, manifest.workers) == ("remote", 0)
    assert manifest.target_url == running.addresses["url"]
    assert manifest.fingerprint["name"] == "reference-ledger"
    run.await_no_children()
    assert running.process.poll() is None


def test_a_broken_calibration_is_one_line_and_counts_as_none(run: Command) -> None:
    said = [line for line in run.complaints if "calibration" in line]

    assert len(said) == 1
    assert "the last calibration is not used" in said[0]
    assert RunFolder(run.folder).read_manifest().calibration is None


def test_faults_on_a_target_that_runs_elsewhere_are_refused(start: Start, running: Command) -> None:
    command = start(
        "accept", "--target", running.addresses["url"], "--scale", "0.005", "--duration", "60",
        "--faults", "database_restart",
    )  # fmt: skip
    assert command.finish() == 3
    assert len(command.complaints) == 1
    assert "database_restart is not possible" in command.complaints[0]


def test_a_load_process_that_cannot_start(start: Start, running: Command) -> None:
    """The engine's own packages are imported in its process; the line still names the cause."""
    code = (
        "import sys\n"
        "import harness.load\n"
        "harness.load.LOCUSTFILE = 'scenarios/no_such_file.py'\n"
        "from harness.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = start(
        "run", "--target", running.addresses["url"], "--scale", "0.005", "--duration", "10",
        code=code,
    )  # fmt: skip
    assert command.finish() == 3
    refusal = command.complaints[-1]
    assert refusal.startswith("monthend: load process 0: ended with status")
    assert "no_such_file" in refusal
    assert not command.out.is_dir() or not list(command.out.iterdir())
    command.await_no_children()


def test_ctrl_c_stops_the_target_with_everything(run: Command, running: Command) -> None:
    children = running.children()
    assert len(children) >= 3
    running.process.send_signal(signal.SIGINT)
    assert running.finish() == 0
    running.await_no_children()
    assert not [pid for pid in children if is_alive(pid)]
    assert not Path(running.addresses["sessions"]).exists()
