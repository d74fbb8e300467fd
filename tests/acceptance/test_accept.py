"""A short experiment end to end: the healthy reference ledger, a fault, the books, the verdict."""

from __future__ import annotations

import datetime
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.calibration.record import Calibration
from harness.calibration.store import keep
from harness.cli import main
from harness.machine import engine_sha256, this_machine
from harness.run_folder import RunFolder
from tests.acceptance.conftest import Command, Start
from tests.fakes.calibrations import calibration

VERDICT_KEYS = {
    "verdict", "scale", "level", "target", "contract", "clauses", "caveats", "bottlenecks",
    "not_tested", "calibration",
}  # fmt: skip
CLAUSE_KEYS = {"id", "verdict", "value", "limit", "unit", "operation", "sample_count", "reason"}


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    """A calibration of this machine and engine, as `monthend calibrate` would have kept it."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return replace(
        calibration(calibrated_at=now), machine=this_machine().id, engine_sha256=engine_sha256()
    )


@pytest.fixture(scope="module")
def accepted(
    start: Start,
    small_contract: Path,
    calibrated: Calibration,
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    out = tmp_path_factory.mktemp("runs")
    keep(calibrated, out)
    command = start(
        "accept", "--scale", "0.02", "--duration", "24", "--contract", str(small_contract),
        "--faults", "worker_kill", "--seed", "7", "--lang", "en", out=out,
    )  # fmt: skip
    command.finish()
    return command


@pytest.fixture(scope="module")
def verdict(accepted: Command) -> dict[str, Any]:
    content = orjson.loads(RunFolder(accepted.folder).verdict.read_bytes())
    assert isinstance(content, dict)
    return content


def test_a_healthy_ledger_is_not_found_in_breach(
    accepted: Command, verdict: dict[str, Any]
) -> None:
    """On a quiet machine it is MET; a busy one may make it INCONCLUSIVE, never worse."""
    in_breach = [clause for clause in verdict["clauses"] if clause["verdict"] == "BREACHED"]
    assert not in_breach
    assert (verdict["verdict"], accepted.status) in (("MET", 0), ("INCONCLUSIVE", 2))
    if verdict["verdict"] == "INCONCLUSIVE":
        blocked = [caveat["id"] for caveat in verdict["caveats"]]
        doubtful = [c["id"] for c in verdict["clauses"] if c["verdict"] == "INCONCLUSIVE"]
        assert blocked or doubtful, "an INCONCLUSIVE verdict says why"


def test_the_verdict_carries_the_last_calibration_of_this_machine(
    verdict: dict[str, Any], calibrated: Calibration
) -> None:
    assert verdict["calibration"] == calibrated.content()
    assert "not_calibrated" not in {caveat["id"] for caveat in verdict["caveats"]}


def test_money_was_judged_and_found_right(verdict: dict[str, Any]) -> None:
    """Money does not depend on how busy the machine is."""
    money = [c for c in verdict["clauses"] if c["unit"] == "count" and c["sample_count"] > 20]
    assert len(money) >= 6
    assert {clause["verdict"] for clause in money} == {"MET"}


def test_the_verdict_has_its_stable_keys(verdict: dict[str, Any]) -> None:
    assert verdict.keys() >= VERDICT_KEYS
    assert verdict["scale"] == 0.02
    assert verdict["level"] == "L2"
    assert verdict["contract"].keys() >= {"id", "sha256"}
    for clause in verdict["clauses"]:
        assert clause.keys() >= CLAUSE_KEYS


def test_the_manifest_names_what_was_run(accepted: Command, small_contract: Path) -> None:
    folder = RunFolder(accepted.folder)
    manifest = folder.read_manifest()
    assert (manifest.ended, manifest.end_reason) == ("completed", "")
    assert manifest.command[:3] == ("accept", "--scale", "0.02")
    assert manifest.fingerprint["fsync"] == "on"
    assert manifest.seed == 7
    assert [phase.name for phase in manifest.phases] == ["ramp", "steady", "peak", "faults"]
    assert folder.contract.read_bytes() == small_contract.read_bytes()
    assert re.fullmatch(r"[0-9a-f]{64}", manifest.versions["monthend_source_sha256"])
    assert not list(accepted.folder.glob("*/*.log.new"))
    assert not list(folder.samples.glob("*.log"))


def test_the_fault_was_injected_and_healed(accepted: Command) -> None:
    (event,) = RunFolder(accepted.folder).read_faults()
    assert event.name == "worker_kill"
    assert 0 < event.injected_ns < event.healed_ns


def test_the_report_and_the_junit_file_are_there(accepted: Command) -> None:
    folder = RunFolder(accepted.folder)
    assert b"</html>" in folder.report.read_bytes()
    assert b"<testsuite" in folder.junit.read_bytes()


def test_the_terminal_gets_a_table_and_the_word(accepted: Command, verdict: dict[str, Any]) -> None:
    lines = accepted.output.splitlines()
    assert f"VERDICT: {verdict['verdict']}" in accepted.output
    assert "evidence, not acceptance" in accepted.output, "a scaled run says so"
    for clause in verdict["clauses"]:
        assert any(line.startswith(clause["id"]) for line in lines)
    assert str(accepted.folder) in accepted.output


def test_progress_is_plain_lines_where_there_is_no_terminal(accepted: Command) -> None:
    said = accepted.errors.read_text()
    assert "\r" not in said
    assert "\x1b" not in said
    assert len([line for line in said.splitlines() if "req/s" in line]) >= 3


def test_nothing_is_left_behind(accepted: Command) -> None:
    accepted.await_no_children()
    import tempfile

    leftovers = Path(tempfile.gettempdir()).glob(f"monthend-{accepted.process.pid}-*")
    assert list(leftovers) == []


def test_judging_again_elsewhere_gives_the_same_bytes(
    accepted: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(accepted.folder)
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(folder.path, copy.path)
    os.remove(copy.verdict)
    os.remove(copy.findings)
    assert main(["judge", str(copy.path)]) == accepted.status
    assert copy.verdict.read_bytes() == folder.verdict.read_bytes()
    assert copy.findings.read_bytes() == folder.findings.read_bytes()
    assert "VERDICT:" in capsys.readouterr().out


def test_tampered_books_are_found_when_judged_again(accepted: Command, tmp_path: Path) -> None:
    """The judge reads the evidence, not the old verdict: one satang moved is a breach."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(accepted.folder, copy.path)
    lines = copy.books_after / "lines.parquet"
    table = pq.read_table(lines)
    first = pc.index(pc.greater(table["debit_satang"], 0), True).as_py()
    amounts = table["debit_satang"].to_pylist()
    amounts[first] += 1
    place = table.schema.get_field_index("debit_satang")
    pq.write_table(table.set_column(place, "debit_satang", pa.array(amounts, pa.int64())), lines)
    assert main(["judge", str(copy.path)]) == 1
