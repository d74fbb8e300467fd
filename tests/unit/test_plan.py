"""The plan must show the arithmetic that the load follows, and name what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contracts.reading import read_contract
from contracts.terms import Contract
from harness.connections import Connections
from harness.plan import PlanDescription, describe_plan
from harness.plan_text import render_plan
from scenarios.arrivals import plan_load
from scenarios.population import build_population
from scenarios.scenario import SCENARIOS

CONTRACT = Path(__file__).parent.parent.parent / "contracts" / "new_elaas.yaml"
ALL_FAULTS = ("worker_kill", "database_restart")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return read_contract(CONTRACT)


COMMON = Connections(
    descriptors_max=20_000, load_processes=1, is_each_persons_own=False, request_timeout_s=10.0
)


def described(
    contract: Contract,
    *,
    level: str = "L2",
    scenario: str = "month_end",
    scale: float = 1.0,
    duration_s: float = 180,
    faults: tuple[str, ...] = ALL_FAULTS,
    connections: Connections = COMMON,
) -> PlanDescription:
    population = build_population(scale=scale)
    plan = plan_load(
        population,
        level=level,
        scenario=scenario,
        duration_s=duration_s,
        seed=1,
        has_faults=bool(faults),
    )
    return describe_plan(
        contract=contract,
        population=population,
        plan=plan,
        seed=1,
        fault_names=faults,
        connections=connections,
    )


@pytest.fixture(scope="module")
def month_end(contract: Contract) -> PlanDescription:
    return described(contract)


def test_the_steps_lead_from_the_units_to_the_busiest_minute(month_end: PlanDescription) -> None:
    values = [step.value for step in month_end.steps]

    assert values == pytest.approx(
        [16_181, 6_122, 99.06e6, 4.717e6, 187.2, 11.79e6, 720.7, 1_153.1], rel=0.001
    )
    assert values[-1] == max(phase.rate_req_s for phase in month_end.phases)


def test_the_steps_of_a_reopening_day_are_bounded_by_people(contract: Contract) -> None:
    description = described(contract, level="L4")

    assert [step.value for step in description.steps] == pytest.approx(
        [16_181, 71_827, 53_870, 3_591, 4_310], rel=0.001
    )
    assert description.steps[-1].value == max(p.rate_req_s for p in description.phases)


def test_a_smoke_test_shows_its_share(contract: Contract) -> None:
    description = described(contract, level="L0", scale=0.05)

    assert description.steps[-1].value == max(p.rate_req_s for p in description.phases)
    assert "x 0.01 (L0)" in description.steps[-2].formula


def test_tables_add_up_to_the_plan(month_end: PlanDescription) -> None:
    plan = month_end.plan

    assert sum(row.requests for row in month_end.operations) == plan.planned_requests
    assert sum(row.share for row in month_end.operations) == pytest.approx(1)
    assert sum(row.sessions for row in month_end.activities) == plan.sessions
    assert sum(row.units for row in month_end.types) == 22_402
    assert sum(row.accounts for row in month_end.types) == 71_827
    assert sum(row.sao_equivalents for row in month_end.types) == pytest.approx(16_180.65)


def test_the_cost_is_that_of_the_planned_load(month_end: PlanDescription) -> None:
    cost = month_end.cost

    assert cost.load_s == 180
    assert cost.requests == month_end.plan.planned_requests
    assert cost.generator_cores == pytest.approx(1_153.1 * 100e-6, rel=1e-3)
    # Little's law: about peak rate x mean pause people are in the system at once.
    assert cost.sessions_in_progress_max == pytest.approx(1_153 * 20 * 180 / 3_600, rel=0.4)
    assert cost.evidence_bytes > cost.requests * 50


def test_a_full_run_leaves_out_what_nothing_measures_and_other_levels(
    month_end: PlanDescription,
) -> None:
    left_out = {gap.clause for gap in month_end.not_tested}

    assert left_out == {"2.3", "3.8", "4.3", "4.4", "7.1", "7.2", "7.3"}
    assert [gap.clause for gap in month_end.doubts] == [""]  # the hour is compressed
    assert all(gap.reason.th and gap.reason.en for gap in month_end.not_tested)


def test_a_run_without_faults_does_not_test_recovery(contract: Contract) -> None:
    description = described(contract, faults=())

    assert {"4.1", "4.2"} <= {gap.clause for gap in description.not_tested}
    assert [phase.name for phase in description.phases][-1] == "steady_after"


def test_a_clause_for_other_levels_names_them(contract: Contract) -> None:
    reasons = {gap.clause: gap.reason for gap in described(contract, level="L4").not_tested}

    assert reasons["1.1"].en == "applies at L1, L2, L3, L5, L6; this run is L4"
    assert "L4" in reasons["1.1"].th
    assert "2.3" not in reasons


def test_a_short_small_run_says_what_it_could_not_answer(contract: Contract) -> None:
    doubts = {
        gap.clause: gap.reason.en
        for gap in described(contract, scale=0.05, duration_s=20).doubts
        if gap.clause
    }

    assert "less than its minute" in doubts["2.1"]
    assert "units have no request" in doubts["2.4"]
    assert "samples expected, at least 60 needed" in doubts["1.5"]
    assert "samples expected" in doubts["2.2"]
    assert "2.5" in doubts


def test_scale_and_compression_are_said(contract: Contract) -> None:
    said = [gap.reason.en for gap in described(contract, scale=0.05).doubts if not gap.clause]

    assert any("evidence, not acceptance" in sentence for sentence in said)
    assert any("rates are real" in sentence for sentence in said)


def test_an_hour_of_the_whole_country_has_no_circumstances(contract: Contract) -> None:
    assert described(contract, level="L1", duration_s=3_600).doubts == ()


def test_a_rota_stands_beside_its_counterpart_in_both_numbers(contract: Contract) -> None:
    rota, month_end = described(contract, scenario="rota").beside

    assert (rota.scenario, month_end.scenario) == ("rota", "month_end")
    assert rota.peak_req_s == month_end.peak_req_s
    assert rota.requests == month_end.requests
    assert rota.sessions_in_progress_max < 0.45 * month_end.sessions_in_progress_max
    text = render_plan(described(contract, scenario="rota"), "en")
    assert f"{rota.sessions_in_progress_max:,}" in text
    assert f"{month_end.sessions_in_progress_max:,}" in text


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_lays_its_arithmetic_open_in_both_languages(
    contract: Contract, scenario: str
) -> None:
    played = SCENARIOS[scenario]
    description = described(contract, level=played.level, scenario=scenario, scale=0.05)

    peak_req_s = max(phase.rate_req_s for phase in description.phases)
    assert description.steps[-1].value == pytest.approx(peak_req_s) or played.rota_group
    for language, title in (("en", played.title.en), ("th", played.title.th)):
        text = render_plan(description, language)
        assert title in text
        assert all(phase.name in text for phase in description.phases)
    assert all(step.label.th and step.label.en for step in description.steps)


def test_the_climb_names_its_steps(contract: Contract) -> None:
    description = described(contract, level="L5", faults=())

    assert "0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4" in description.steps[-1].formula
    assert description.steps[-1].value == max(p.rate_req_s for p in description.phases)


def test_what_a_scenario_cannot_show_is_not_tested_and_says_why(contract: Contract) -> None:
    enrolment = {gap.clause: gap.reason for gap in described(
        contract, scenario="enrolment", scale=0.05).not_tested}  # fmt: skip
    rota = {gap.clause: gap.reason for gap in described(
        contract, scenario="rota", scale=0.05).not_tested}  # fmt: skip

    assert "no request of kind post" in enrolment["1.3"].en
    assert "no request of kind report" in enrolment["1.5"].en
    assert "1.6" not in enrolment
    assert "does not let every unit in" in rota["2.4"].en
    assert "1.3" not in rota
    assert all(reason.th for reason in (*enrolment.values(), *rota.values()))


def test_the_text_holds_hashes_tables_and_gaps(month_end: PlanDescription) -> None:
    text = render_plan(month_end, "en")

    for expected in (
        month_end.contract.sha256, month_end.population.sha256, month_end.plan.sha256,
        "22,402 units", "71,827 accounts", "1,153.1", "720.7", "pay_disbursement_request",
        "What would NOT be tested", "worker_kill, database_restart", "7.3",
    ):  # fmt: skip
        assert expected in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_thai_text_has_thai_headings_and_reasons(month_end: PlanDescription) -> None:
    text = render_plan(month_end, "th")

    for expected in ("สิ่งที่จะไม่ได้ทดสอบ", "ที่มาของอัตราคำขอ", "นาทีที่หนาแน่นที่สุด", "1,153.1"):
        assert expected in text
    assert "What would NOT" not in text


def test_columns_stay_aligned_with_thai_vowels_above_and_below(month_end: PlanDescription) -> None:
    lines = render_plan(month_end, "th").splitlines()
    rows = [line for line in lines if line.endswith("req/s") and "/ 3,600 s" in line]

    assert len(rows) == 2


def test_another_language_is_refused(month_end: PlanDescription) -> None:
    with pytest.raises(ValueError, match="'fr'"):
        render_plan(month_end, "fr")


# Connections.


def test_the_plan_says_how_many_connections_a_standstill_would_take(
    month_end: PlanDescription,
) -> None:
    cost, plan = month_end.cost, month_end.plan
    arrivals = [
        int(np.searchsorted(plan.start_ns, start + 10 * 10**9, side="right")) - row
        for row, start in enumerate(plan.start_ns.tolist())
        if row % 97 == 0
    ]

    assert cost.connections_allowed == 20_000 - 256
    assert cost.connections_needed >= cost.sessions_in_progress_max + max(arrivals)
    assert cost.connections_needed < cost.connections_allowed
    assert f"{cost.connections_needed:,} of 19,744 if the target stands still" in render_plan(
        month_end
    )


@pytest.mark.parametrize(("processes", "is_short"), [(1, True), (40, False)])
def test_a_plan_that_needs_more_connections_than_files_may_be_open_says_so(
    processes: int, is_short: bool, contract: Contract
) -> None:
    few = replace(COMMON, descriptors_max=1_024, load_processes=processes)

    plan = described(contract, connections=few)

    said = [gap.reason for gap in plan.doubts if "ulimit -n" in gap.reason.en]
    assert bool(said) is is_short
    assert all("ulimit -n" in reason.th and "--load-processes" in reason.en for reason in said)


def test_browsers_need_six_times_as_many(month_end: PlanDescription) -> None:
    browsers = replace(COMMON, is_each_persons_own=True)

    assert browsers.needed(month_end.plan) == 6 * COMMON.needed(month_end.plan)


@pytest.mark.parametrize(
    ("descriptors_max", "allowed"), [(None, 28_000), (10**6, 28_000), (20_000, 19_744), (100, 16)]
)
def test_a_process_keeps_descriptors_for_itself(descriptors_max: int | None, allowed: int) -> None:
    assert replace(COMMON, descriptors_max=descriptors_max).allowed == allowed
