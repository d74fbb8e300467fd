"""The plan must hold the level's rates, reach every unit, and repeat from its seed.

Due times are worked out here again from the plan's columns with `requests_of`, session by session,
so that the vectorised planner and what a load process will do cannot disagree.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from scenarios.arrivals import LoadPlan, plan_load
from scenarios.demand import ACTIVITIES, ACTIVITY_BY_NAME, requests_of
from scenarios.population import Population, build_population

DURATION_S = 180


@pytest.fixture(scope="module")
def country() -> Population:
    return build_population()


@pytest.fixture(scope="module")
def month_end(country: Population) -> LoadPlan:
    return plan_load(country, level="L2", duration_s=DURATION_S, seed=1)


def due_times_s(plan: LoadPlan) -> list[tuple[float, str]]:
    due = []
    for row in range(plan.sessions):
        at_s = float(plan.start_ns[row]) / 1e9
        activity = plan.activities[plan.activity[row]]
        for request in requests_of(
            activity, seed=int(plan.seed[row]), navigation=int(plan.navigation[row])
        ):
            at_s += request.think_s * plan.think_scale
            due.append((at_s, request.operation))
    return due


def name_of(plan: LoadPlan) -> npt.NDArray[np.str_]:
    return np.array([activity.name for activity in plan.activities])[plan.activity]


@pytest.mark.parametrize("has_faults", [False, True])
@pytest.mark.parametrize("level", ["L1", "L2", "L4"])
@pytest.mark.parametrize("seed", [1, 2])
def test_each_phase_holds_its_planned_rate(
    country: Population, level: str, has_faults: bool, seed: int
) -> None:
    plan = plan_load(country, level=level, duration_s=DURATION_S, seed=seed, has_faults=has_faults)

    for phase in plan.phases:
        planned = sum(plan.planned_per_s[int(phase.start_s) : int(phase.end_s)])
        assert planned == pytest.approx(phase.requests, rel=0.01), phase.name


def test_the_peak_minute_is_full(month_end: LoadPlan) -> None:
    peak = next(phase for phase in month_end.phases if phase.name == "peak")
    seconds = np.array(month_end.planned_per_s[int(peak.start_s) : int(peak.end_s)])

    for first in range(len(seconds) - 59):
        assert seconds[first : first + 60].mean() == pytest.approx(1_153, rel=0.01)
    # It bunches as independent people do, and neither sags nor leaps.
    assert 0.5 < seconds.std() / np.sqrt(1_153) < 2.5
    assert seconds.min() > 0.8 * 1_153


def test_demand_and_an_hour_long_run_hold_their_rates(country: Population) -> None:
    plan = plan_load(country, level="L1", demand="high", duration_s=3_600, seed=3)

    assert plan.think_scale == 1
    assert max(phase.rate_req_s for phase in plan.phases) == pytest.approx(1_018, rel=0.01)
    for phase in plan.phases:
        planned = sum(plan.planned_per_s[int(phase.start_s) : int(phase.end_s)])
        assert planned == pytest.approx(phase.requests, rel=0.015), phase.name


def test_the_plan_is_what_its_sessions_do() -> None:
    plan = plan_load(build_population(scale=0.05), level="L2", duration_s=DURATION_S, seed=4)
    due = due_times_s(plan)

    per_s = np.bincount([min(int(at_s), DURATION_S - 1) for at_s, _ in due], minlength=DURATION_S)
    # A request due on the turn of a second may be counted on either side of it.
    assert np.abs(per_s - np.array(plan.planned_per_s)).sum() <= 4
    assert Counter(operation for _, operation in due) == plan.planned_by_operation
    assert len(due) == plan.planned_requests == sum(plan.planned_per_s)
    assert max(at_s for at_s, _ in due) <= DURATION_S
    assert Counter(name_of(plan).tolist()) == plan.planned_by_activity


@pytest.mark.parametrize("duration_s", [0.5, 10, 25.5, 60])
@pytest.mark.parametrize("scale", [0.02, 0.05])
def test_short_and_small_runs_are_planned_too(duration_s: float, scale: float) -> None:
    plan = plan_load(
        build_population(scale=scale), level="L2", duration_s=duration_s, seed=5, has_faults=True
    )
    wanted = sum(phase.requests for phase in plan.phases)

    assert plan.planned_requests == pytest.approx(wanted, abs=1)
    assert sum(plan.planned_per_s) == plan.planned_requests
    assert plan.start_ns.min(initial=0) >= 0
    assert max(at_s for at_s, _ in due_times_s(plan)) <= duration_s


def test_every_unit_takes_part(country: Population, month_end: LoadPlan) -> None:
    units = {unit.unit for unit in country.units}

    assert set(month_end.unit.tolist()) >= units
    assert month_end.units_planned == len(units)


def test_no_unit_comes_only_to_be_refused(country: Population, month_end: LoadPlan) -> None:
    names = np.array([activity.name for activity in month_end.activities])
    served = month_end.unit[~np.isin(names[month_end.activity], ["curious", "overspend"])]

    assert set(served.tolist()) >= {unit.unit for unit in country.units}


@pytest.mark.parametrize("level", ["L1", "L3", "L4"])
def test_every_unit_takes_part_at_every_full_level(country: Population, level: str) -> None:
    plan = plan_load(country, level=level, duration_s=DURATION_S, seed=6)

    assert plan.units_planned == len(country.units)


def test_a_run_too_light_for_everybody_says_so(country: Population) -> None:
    plan = plan_load(country, level="L0", duration_s=DURATION_S, seed=1)

    assert plan.units_planned < len(country.units)
    assert plan.units_planned == len(np.unique(plan.unit[plan.unit % 100_000 > 0]))


def test_work_goes_to_units_by_their_weight(country: Population, month_end: LoadPlan) -> None:
    is_work = ~np.isin(name_of(month_end), ["browse", "month_close", "provincial_refresh"])
    drawn = np.bincount(month_end.unit_row[is_work], minlength=len(country.units))
    weights = np.array([unit.weight for unit in country.units])
    large = weights >= 10
    expected = drawn.sum() * weights / weights.sum()

    assert drawn[large].sum() == pytest.approx(expected[large].sum(), rel=0.08)
    # Chi-square per degree of freedom of the large units: near 1 for a fair draw.
    chi = ((drawn[large] - expected[large]) ** 2 / expected[large]).mean()
    assert 0.6 < chi < 1.5


def test_activities_come_in_the_proportion_of_the_month(month_end: LoadPlan) -> None:
    counted = month_end.planned_by_activity
    monthly = {a.name: a.per_sao_month.base for a in ACTIVITIES if a.per_sao_month.base}
    per_journey = sum(counted[name] for name in monthly) / sum(monthly.values())

    for name, times in monthly.items():
        assert counted[name] == pytest.approx(times * per_journey, abs=2), name


def test_the_navigation_overhead_is_what_the_demand_says(month_end: LoadPlan) -> None:
    useful = sum(
        count * ACTIVITY_BY_NAME[name].requests
        for name, count in month_end.planned_by_activity.items()
        if ACTIVITY_BY_NAME[name].per_sao_month.base
    )

    assert month_end.planned_requests / useful == pytest.approx(1.20, abs=0.002)


def test_side_activities_have_their_shares(country: Population, month_end: LoadPlan) -> None:
    counted = month_end.planned_by_activity

    assert counted["month_close"] == round(0.01 * len(country.units))
    assert counted["curious"] / month_end.planned_requests == pytest.approx(0.001, rel=0.02)
    assert counted["provincial_refresh"] > 0


@pytest.mark.parametrize("duration_s", [10, 20])
def test_even_a_small_run_tries_everything_that_must_be_refused(duration_s: int) -> None:
    plan = plan_load(build_population(scale=0.05), level="L2", duration_s=duration_s, seed=7)

    assert plan.planned_by_activity["month_close"] >= 1
    assert plan.planned_by_activity["curious"] >= 1
    assert plan.planned_by_activity["overspend"] >= 1


def test_no_unit_closes_its_month_twice(month_end: LoadPlan) -> None:
    closing = month_end.unit[name_of(month_end) == "month_close"]

    assert len(np.unique(closing)) == len(closing)


def test_only_offices_refresh_the_provincial_page(country: Population, month_end: LoadPlan) -> None:
    is_refresh = name_of(month_end) == "provincial_refresh"

    assert set((month_end.unit[is_refresh] % 100_000).tolist()) == {0}
    assert (month_end.unit[~is_refresh] % 100_000 > 0).all()
    assert set((month_end.unit[is_refresh] // 100_000).tolist()) <= set(country.provinces)
    assert (month_end.unit_row[is_refresh] >= len(country.units)).all()


def test_bursts_and_offices_do_not_look_around(month_end: LoadPlan) -> None:
    looks = name_of(month_end)[month_end.navigation > 0]

    assert not {"login", "browse", "month_close", "provincial_refresh", "curious"} & set(
        looks.tolist()
    )
    assert month_end.navigation.max() <= 8


def test_sessions_are_in_order_of_start(month_end: LoadPlan) -> None:
    assert (np.diff(month_end.start_ns) >= 0).all()
    assert month_end.start_ns[0] >= 0
    assert len(np.unique(month_end.seed)) == month_end.sessions


def test_the_same_seed_plans_the_same_load(country: Population, month_end: LoadPlan) -> None:
    again = plan_load(country, level="L2", duration_s=DURATION_S, seed=1)
    other = plan_load(country, level="L2", duration_s=DURATION_S, seed=2)

    assert again.sha256 == month_end.sha256
    assert np.array_equal(again.start_ns, month_end.start_ns)
    assert other.sha256 != month_end.sha256
    assert not np.array_equal(other.unit[: month_end.sessions], month_end.unit[: other.sessions])


def test_the_default_plan_is_pinned(month_end: LoadPlan) -> None:
    # Runs are compared by this hash: change it on purpose only, and say so in the change note.
    assert month_end.sha256 == ("09a8ab4a1b7ad5f7b354dab735aec72725a1b04c934294b539fe1f123862d0aa")


def test_the_hash_names_faults_and_duration_too(country: Population, month_end: LoadPlan) -> None:
    with_faults = plan_load(country, level="L2", duration_s=DURATION_S, seed=1, has_faults=True)
    longer = plan_load(country, level="L2", duration_s=DURATION_S + 1, seed=1)

    assert len({month_end.sha256, with_faults.sha256, longer.sha256}) == 3


def test_units_in_a_sample_keep_their_rate() -> None:
    small = build_population(scale=0.05)
    plan = plan_load(small, level="L2", duration_s=DURATION_S, seed=1)
    peak = next(phase for phase in plan.phases if phase.name == "peak")

    assert peak.rate_req_s / small.sao_equivalents == pytest.approx(1_153.1 / 16_180.65, rel=1e-3)


@pytest.mark.parametrize(("level", "scenario"), [("L7", "month_end"), ("L2", "doomsday")])
def test_a_level_or_scenario_without_a_plan_is_refused(
    country: Population, level: str, scenario: str
) -> None:
    with pytest.raises(KeyError):
        plan_load(country, level=level, scenario=scenario, duration_s=DURATION_S, seed=1)


def test_planning_the_country_costs_less_than_drawing_it() -> None:
    began = time.process_time()
    country = build_population.__wrapped__()
    drawn = time.process_time()
    plan_load(country, level="L2", duration_s=DURATION_S, seed=9)
    planned = time.process_time()

    assert planned - drawn < 2 * (drawn - began)
