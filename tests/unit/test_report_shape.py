"""What a scenario shows by itself: the rota's two numbers, the climb's knee, and their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.records import Phase
from harness.run_folder import Manifest, RunFolder
from reports.build import build_report
from reports.names import PHASES, phase_name, scenario_name
from reports.sections.shape import shape_section
from reports.sources import read_sources
from scenarios.demand import PROFILES, Demand
from scenarios.levels import LEVELS
from scenarios.outline import climb_stretches, outline_of
from scenarios.population import build_population
from scenarios.scenario import SCENARIOS
from scenarios.stretches import day_stretches, night_after
from tests.fakes.report_folders import write_run

MONTH_END = {
    "scenario": "month_end", "peak_req_s": 1_153.1, "requests": 152_285,
    "sessions_in_progress_max": 1_620, "units": 22_402,
}  # fmt: skip


def changed(folder: Path, **changes: Any) -> Manifest:
    """Write the folder's manifest with *changes* and return it."""
    run = RunFolder(folder)
    manifest = replace(run.read_manifest(), **changes)
    run.write_manifest(manifest)
    return manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", requests=4_000, has_faults=False)


def test_every_phase_of_every_scenario_has_a_name_in_words() -> None:
    population = build_population(scale=0.02)
    names = {
        phase.name
        for scenario in SCENARIOS.values()
        for has_faults in (False, True)
        for phase in outline_of(
            scenario, LEVELS[scenario.level], duration_s=180, has_faults=has_faults,
            demand=Demand.BASE, population=population,
        ).phases
    }  # fmt: skip
    names |= {stretch.name for stretch in climb_stretches()}
    names.add(night_after(day_stretches(PROFILES["month_end"], "base")).name)

    unnamed = {name for name in names if phase_name(name).en == name}

    assert unnamed == set()
    assert phase_name("step_3").en == f"{PHASES['step'].en} 3"


def test_the_page_names_its_scenario_in_both_languages(folder: Path) -> None:
    changed(folder, scenario="year_end", retries="storm")

    page = build_report(folder).read_text("utf-8")

    assert SCENARIOS["year_end"].title.en in page
    assert SCENARIOS["year_end"].title.th in page
    assert "nothing holds them back" in page


def test_an_unknown_scenario_is_shown_as_it_came() -> None:
    assert scenario_name("harvest<b>").en == "harvest<b>"


def test_a_rota_shows_both_numbers_and_what_follows_from_them(folder: Path) -> None:
    run = RunFolder(folder).read_manifest()
    busiest = max(run.planned_per_s) * 1.0
    changed(
        folder, scenario="rota", planned_in_progress_max=540, units_planned=7_467,
        counterpart={**MONTH_END, "peak_req_s": busiest / 2},
    )  # fmt: skip

    shape = shape_section(read_sources(folder))

    assert "from 1,620 to 540" in shape.beside_lead.en
    assert "does not ration the work" in shape.beside_lead.en
    assert [row.in_progress for row in shape.beside] == ["540", "1,620"]
    assert [row.units for row in shape.beside] == ["7,467", "22,402"]
    page = build_report(folder).read_text("utf-8")
    assert "1,620" in page
    assert shape.beside_lead.th in page


def test_a_scenario_with_more_work_than_its_counterpart_says_that(folder: Path) -> None:
    changed(folder, scenario="report_storm", planned_in_progress_max=1_700, counterpart=MONTH_END)

    assert "its counterpart for" in shape_section(read_sources(folder)).beside_lead.en


@pytest.mark.parametrize(
    "counterpart",
    [
        None,
        {},
        {"scenario": 7},
        {**MONTH_END, "units": "many"},
        {**MONTH_END, "peak_req_s": float("inf")},
        {**MONTH_END, "requests": -1},
        {key: value for key, value in MONTH_END.items() if key != "units"},
    ],
)
def test_numbers_that_are_none_are_left_out(
    folder: Path, counterpart: dict[str, Any] | None
) -> None:
    sources = read_sources(folder)

    shape = shape_section(
        replace(sources, manifest=replace(sources.manifest, counterpart=counterpart))
    )

    assert shape.beside == ()


def climbing(folder: Path, planned_by_step: list[int]) -> None:
    """Make the folder's run a climb: equal steps, planned as given, answered as recorded."""
    run = RunFolder(folder).read_manifest()
    seconds = len(run.planned_per_s)
    each = seconds // len(planned_by_step)
    phases = tuple(
        Phase(
            name=f"step_{number + 1}",
            started_ns=run.t0_ns + number * each * 10**9,
            ended_ns=run.t0_ns + (number + 1) * each * 10**9,
            is_measured=False,
        )
        for number in range(len(planned_by_step))
    )
    per_s = [planned_by_step[min(second // each, len(planned_by_step) - 1)]
             for second in range(seconds)]  # fmt: skip
    changed(folder, level="L5", phases=phases, planned_per_s=tuple(per_s))


def test_the_knee_of_a_climb_is_the_last_step_before_something_was_left(folder: Path) -> None:
    climbing(folder, [1, 1, 10_000])

    shape = shape_section(read_sources(folder))

    assert [row.is_carried for row in shape.climb] == [True, True, False]
    assert shape.climb_lead.en.startswith("Everything was answered up to 1 ")
    assert "(Step 2)" in shape.climb_lead.en
    assert shape.climb_lead.th in build_report(folder).read_text("utf-8")


def test_a_climb_whose_first_step_was_too_much_has_no_carried_rate(folder: Path) -> None:
    climbing(folder, [10_000, 1])

    assert "There is no step" in shape_section(read_sources(folder)).climb_lead.en


def test_a_climb_that_nothing_broke_has_no_knee(folder: Path) -> None:
    climbing(folder, [1, 1])

    shape = shape_section(read_sources(folder))

    assert [row.is_carried for row in shape.climb] == [True, True]
    assert "no knee was found" in shape.climb_lead.en


def test_a_run_without_steps_shows_no_climb(folder: Path) -> None:
    assert shape_section(read_sources(folder)).climb == ()
