"""A scenario end to end on the reference ledger: chosen by name, judged, shown in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from harness.cli import main
from harness.run_folder import Manifest, RunFolder
from scenarios.scenario import SCENARIOS
from tests.acceptance.conftest import Command, Start


@pytest.fixture(scope="module")
def year_end(start: Start, small_contract: Path) -> Command:
    command = start(
        "accept", "--scenario", "year_end", "--scale", "0.02", "--duration", "14",
        "--contract", str(small_contract), "--faults", "none", "--lang", "en",
    )  # fmt: skip
    command.finish()
    return command


@pytest.fixture(scope="module")
def rota(start: Start, small_contract: Path) -> Command:
    command = start(
        "accept", "--scenario", "rota", "--scale", "0.02", "--duration", "12", "--retries",
        "storm", "--contract", str(small_contract), "--faults", "none", "--lang", "en",
    )  # fmt: skip
    command.finish()
    return command


def manifest_of(command: Command) -> Manifest:
    return RunFolder(command.folder).read_manifest()


def verdict_of(command: Command) -> dict[str, Any]:
    content = orjson.loads(RunFolder(command.folder).verdict.read_bytes())
    assert isinstance(content, dict)
    return content


def page_of(command: Command) -> str:
    return RunFolder(command.folder).report.read_text("utf-8")


def test_a_year_end_closes_its_last_months_and_no_baht_is_lost(year_end: Command) -> None:
    manifest, verdict = manifest_of(year_end), verdict_of(year_end)

    assert manifest.ended == "completed"
    assert (manifest.scenario, manifest.level) == ("year_end", "L3")
    assert manifest.business_date == "2026-09-30"
    assert manifest.planned_by_operation["close_period"] >= 2
    money = [c for c in verdict["clauses"] if c["quantity"] == "invariant"]
    assert {c["verdict"] for c in money} <= {"MET", "NOT_TESTED"}, money
    closed = next(c for c in money if c["selector"] == "I7")
    assert closed["verdict"] == "MET"


def test_the_report_names_the_scenario_and_its_stretches(year_end: Command) -> None:
    page = page_of(year_end)

    assert SCENARIOS["year_end"].title.th in page
    assert SCENARIOS["year_end"].title.en in page
    for words in ("Noon", "Before closing time", "Closing of the year", "พักเที่ยง", "ปิดบัญชีสิ้นปี"):
        assert words in page


def test_a_rota_is_reported_beside_its_counterpart(rota: Command) -> None:
    manifest = manifest_of(rota)

    assert manifest.ended == "completed"
    assert manifest.retries == "storm"
    assert manifest.counterpart is not None
    assert manifest.counterpart["scenario"] == "month_end"
    assert manifest.counterpart["requests"] == manifest.planned_requests
    assert manifest.planned_in_progress_max < int(manifest.counterpart["sessions_in_progress_max"])
    page = page_of(rota)
    assert "rationing people does not ration the work" in page
    assert "nothing holds them back" in page


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_can_be_planned_by_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--scenario", name, "--scale", "0.02", "--lang", "th"]) == 0

    shown = capsys.readouterr().out
    assert SCENARIOS[name].title.th in shown
    assert SCENARIOS[name].shows.th in shown


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--scenario", "doomsday"), "no scenario 'doomsday'"),
        (("--scenario", "soak", "--level", "L5"), "cannot climb"),
        (("--retries", "panic"), "write budget or storm"),
    ],
)
def test_a_scenario_that_cannot_be_is_one_line_and_status_3(
    words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *words]) == 3

    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line
