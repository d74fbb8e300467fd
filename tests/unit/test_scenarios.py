"""Every scenario plans exactly what its phases ask for, at any scale, length and seed."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.arrivals import LoadPlan, plan_load
from scenarios.crowds import UNITS_NATIONAL
from scenarios.demand import ACCOUNTS_NATIONAL, ACTIVITY_BY_NAME, requests_of
from scenarios.journeys.repeats import HURRIED, PATIENT
from scenarios.levels import LEVELS, rates_of
from scenarios.outline import CLIMB_STEPS
from scenarios.population import Population, build_population
from scenarios.scenario import (
    SCENARIOS,
    NotAScenario,
    Shape,
    chosen,
    manners_of,
)

FOLDER = Path(__file__).resolve().parents[2] / "scenarios"
# As facts/domain.md §4.6 states them, national, base demand; per second.
MONTH_END_LOGINS, REOPENING_LOGINS, FLASH_LOGINS = 43.1, 83.8, 279.3


@functools.lru_cache(maxsize=8)
def units(scale: float) -> Population:
    return build_population(scale=scale)


@functools.lru_cache(maxsize=64)
def plan(
    name: str, *, scale: float = 1.0, duration_s: float = 180, level: str = "", seed: int = 1,
    demand: str = "base", has_faults: bool = False,
) -> LoadPlan:  # fmt: skip
    return plan_load(
        units(scale), level=level or SCENARIOS[name].level, scenario=name, demand=demand,
        duration_s=duration_s, seed=seed, has_faults=has_faults,
    )  # fmt: skip


def sessions_per_s(planned: LoadPlan, activity: str, phase: str) -> float:
    """Sessions of *activity* that begin in the first phase named *phase*, per second."""
    place = [a.name for a in planned.activities].index(activity)
    found = next(p for p in planned.phases if p.name == phase)
    starts_s = planned.start_ns[planned.activity == place] / 1e9
    begun = np.count_nonzero((starts_s >= found.start_s) & (starts_s < found.end_s))
    return float(begun) / found.length_s


def test_each_scenario_has_a_row_and_a_locustfile_of_its_name() -> None:
    for name, scenario in SCENARIOS.items():
        assert scenario.name == name
        assert f'country_user("{name}")' in (FOLDER / f"{name}.py").read_text()
        assert scenario.level in LEVELS
        for words in (scenario.title, scenario.shows):
            assert words.th
            assert words.en
    assert SCENARIOS.keys() >= {"month_end", "year_end", "reopening", "login_rush", "rota",
                                "backlog_import", "soak"}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(SCENARIOS)),
    scale=st.sampled_from([0.02, 0.05, 0.2]),
    duration_s=st.one_of(st.sampled_from([10.0, 12.5, 40.0, 180.0, 3_600.0]),
                         st.floats(min_value=5, max_value=900)),
    seed=st.integers(min_value=0, max_value=2**31 - 1),
    has_faults=st.booleans(),
    demand=st.sampled_from(["low", "base", "high"]),
)  # fmt: skip
def test_a_plan_holds_as_many_requests_as_its_phases_ask_for(
    name: str, scale: float, duration_s: float, seed: int, has_faults: bool, demand: str
) -> None:
    planned = plan_load(
        units(scale), level=SCENARIOS[name].level, scenario=name, demand=demand,
        duration_s=duration_s, seed=seed, has_faults=has_faults,
    )  # fmt: skip
    wanted = sum(phase.requests for phase in planned.phases)

    # Ordinary work fills up to the last request; where there is none, sessions are whole.
    spare = 1 if SCENARIOS[name].works else 6
    assert planned.planned_requests == pytest.approx(wanted, abs=spare)
    assert sum(planned.planned_per_s) == planned.planned_requests
    assert sum(planned.planned_by_operation.values()) == planned.planned_requests
    assert sum(planned.planned_by_activity.values()) == planned.sessions
    assert len(planned.planned_per_s) == int(np.ceil(duration_s))
    assert (np.diff(planned.start_ns) >= 0).all()
    assert planned.start_ns[0] >= 0


@pytest.mark.parametrize("has_faults", [False, True])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_phase_of_some_seconds_holds_its_rate(name: str, has_faults: bool) -> None:
    planned = plan(name, has_faults=has_faults)

    for phase in planned.phases:
        due = sum(planned.planned_per_s[int(phase.start_s) : int(phase.end_s)])
        # A stretch much shorter than a session ends before those who came in it have gone.
        is_whole = phase.length_s >= 3 and float(phase.start_s).is_integer()
        spare = 0.01 * phase.requests + 5 * np.sqrt(phase.requests) + 100
        assert not is_whole or due == pytest.approx(phase.requests, abs=spare), phase.name


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_plan_is_what_its_sessions_do(name: str) -> None:
    planned = plan(name, scale=0.05, duration_s=60)
    per_s = np.zeros(60, dtype=np.int64)

    for row in range(planned.sessions):
        at_s = float(planned.start_ns[row]) / 1e9
        for request in requests_of(
            planned.activities[planned.activity[row]], seed=int(planned.seed[row]),
            navigation=int(planned.navigation[row]),
        ):  # fmt: skip
            at_s += request.think_s * planned.think_scale
            per_s[min(int(at_s), 59)] += 1

    assert np.abs(per_s - np.array(planned.planned_per_s)).sum() <= 4


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_hash_names_the_scenario_and_repeats_from_the_seed(name: str) -> None:
    again = plan_load(
        units(0.05), level=SCENARIOS[name].level, scenario=name, duration_s=60, seed=1
    )
    hashes = {plan(other, scale=0.05, duration_s=60, level="L2").sha256 for other in SCENARIOS}

    assert again.sha256 == plan(name, scale=0.05, duration_s=60).sha256
    assert len(hashes) == len(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_unit_in_a_sample_keeps_its_rate(name: str) -> None:
    whole, tenth = plan(name), plan(name, scale=0.1)
    for large, small in zip(whole.phases, tenth.phases, strict=True):
        ratio = small.rate_req_s / large.rate_req_s
        work = units(0.1).sao_equivalents / units(1.0).sao_equivalents
        people = units(0.1).account_count / units(1.0).account_count
        number = len(units(0.1).units) / len(units(1.0).units)
        single = 30 / large.rate_req_s  # a whale comes alone at every scale
        assert min(work, people, number) * 0.999 <= ratio <= max(work, people, number) + single


def test_the_sign_ins_come_as_fast_as_stated() -> None:
    rush, reopening, flash = plan("login_rush"), plan("reopening"), plan("flash_crowd")

    assert sessions_per_s(rush, "morning_login", "peak") == pytest.approx(
        MONTH_END_LOGINS, rel=0.05
    )
    assert sessions_per_s(reopening, "morning_login", "login_rush") == pytest.approx(
        REOPENING_LOGINS, rel=0.15
    )
    assert sessions_per_s(flash, "morning_login", "peak") == pytest.approx(FLASH_LOGINS, rel=0.05)
    high = plan("flash_crowd", demand="high")
    assert sessions_per_s(high, "morning_login", "peak") == pytest.approx(549, rel=0.05)


def test_half_an_hour_of_login_rush_brings_three_of_five_people() -> None:
    planned = plan("login_rush", scale=0.2, duration_s=1_800)

    people = planned.planned_by_activity["morning_login"] / units(0.2).account_count
    assert people == pytest.approx(43_096 / ACCOUNTS_NATIONAL.base, rel=0.06)


@pytest.mark.parametrize("name", ["login_rush", "flash_crowd", "enrolment"])
def test_nobody_signs_in_twice_before_all_have_come(name: str) -> None:
    planned = plan(name, scale=0.05, duration_s=600)
    activity = "enrol" if name == "enrolment" else "morning_login"
    place = [a.name for a in planned.activities].index(activity)
    chosen_rows = planned.activity == place
    accounts = np.array([unit.accounts for unit in units(0.05).units])

    place_of = planned.seed[chosen_rows] % accounts[planned.unit_row[chosen_rows]]
    people = list(zip(planned.unit[chosen_rows].tolist(), place_of.tolist(), strict=True))
    assert len(people) > 100
    rounds = -(-len(people) // int(accounts.sum()))
    assert max(people.count(person) for person in set(people)) == rounds


def test_a_report_storm_asks_for_twelve_heavy_reports_a_second() -> None:
    storm, quiet = plan("report_storm"), plan("month_end")
    heavy = ("report_trial_balance", "report_receipts_payments", "report_budget_execution",
             "report_daily_cash")  # fmt: skip

    extra = sum(storm.planned_by_operation[o] - quiet.planned_by_operation[o] for o in heavy)

    # The ramp begins with none of them.
    measured_s = sum(p.length_s * (0.5 if p.is_ramp else 1) for p in storm.phases)
    assert extra / measured_s == pytest.approx(4 * UNITS_NATIONAL / 7_200, rel=0.02)
    assert extra / measured_s == pytest.approx(12.4, abs=0.3)


def test_the_year_is_closed_by_no_unit_twice_and_after_all_postings() -> None:
    planned = plan("year_end", scale=0.05, duration_s=3_600)
    names = np.array([activity.name for activity in planned.activities])[planned.activity]
    closing = names == "year_close"
    posts = {name for name, activity in ACTIVITY_BY_NAME.items()
             if any(o.startswith("create_") for v in activity.variants for o in v)}  # fmt: skip
    began_s = next(p.start_s for p in planned.phases if p.name == "year_close")
    ends_ns = [
        int(planned.start_ns[row])
        + sum(int(r.think_s * planned.think_scale * 1e9) for r in requests_of(
            planned.activities[planned.activity[row]], seed=int(planned.seed[row]),
            navigation=int(planned.navigation[row])))
        for row in np.flatnonzero(np.isin(names, sorted(posts))).tolist()
    ]  # fmt: skip

    assert closing.sum() > 20
    assert len(np.unique(planned.unit[closing])) == closing.sum()
    assert max(ends_ns) / 1e9 <= began_s
    assert "month_close" not in names


def test_a_whole_year_ends_day_closes_every_unit() -> None:
    planned = plan("year_end", scale=0.02, duration_s=13.75 * 3_600)

    assert planned.planned_by_activity["year_close"] == pytest.approx(450, abs=2)
    assert planned.planned_by_activity["year_close"] <= len(units(0.02).units)


def test_a_rota_lets_a_third_of_the_units_do_all_the_work_of_the_day() -> None:
    rota, everybody = plan("rota"), plan("month_end")
    group = {unit.unit for unit in units(1.0).units if unit.rota_group == 1}

    assert set(rota.unit[rota.unit % 100_000 > 0].tolist()) == group
    assert rota.phases == everybody.phases
    assert rota.planned_requests == everybody.planned_requests
    assert len(group) / len(units(1.0).units) == pytest.approx(1 / 3, abs=0.05)
    # A third of the people at once, each three times as fast: the rate is what it was.
    ratio = rota.sessions_in_progress_max / everybody.sessions_in_progress_max
    assert ratio == pytest.approx(1 / 3, abs=0.08)


def test_a_climb_goes_up_in_bounded_steps_and_back_to_the_contracts_rate() -> None:
    planned = plan("month_end", level="L5")
    hour, minute = rates_of(LEVELS["L5"], sao_equivalents=units(1.0).sao_equivalents)
    steps = [phase for phase in planned.phases if phase.name.startswith("step_")]

    assert [step.rate_req_s / minute for step in steps] == pytest.approx(list(CLIMB_STEPS))
    assert not any(step.is_measured for step in steps)
    last = planned.phases[-1]
    assert (last.name, last.is_measured) == ("recovery", True)
    assert last.rate_req_s == pytest.approx(hour)


def test_untrained_people_err_and_leave_forms_where_the_scenario_has_them() -> None:
    counted = plan("reopening").planned_by_activity

    assert counted["mistaken_paper"] * 5 / plan("reopening").planned_requests == pytest.approx(
        0.03, rel=0.15
    )
    assert counted["abandoned_form"] > 0
    assert "mistaken_paper" not in plan("month_end").planned_by_activity


def test_a_reopening_and_an_import_close_no_month() -> None:
    for name in ("reopening", "backlog_import", "year_end"):
        assert "month_close" not in plan(name).planned_by_activity


@pytest.mark.parametrize("name", ["reopening", "backlog_import"])
@pytest.mark.parametrize(("scale", "duration_s"), [(1.0, 180), (0.2, 60), (1.0, 3_600)])
def test_an_import_brings_276_documents_a_second(
    name: str, scale: float, duration_s: float
) -> None:
    planned = plan(name, scale=scale, duration_s=duration_s)
    place = [a.name for a in planned.activities].index("import_backlog")
    rows = planned.unit_row[planned.activity == place]
    ramp_s = sum(phase.length_s for phase in planned.phases if phase.is_ramp) / 2
    # A file is as large as its unit's work and shrinks with a run below an hour.
    mean_weight = units(scale).sao_equivalents / len(units(scale).units)
    documents = ACTIVITY_BY_NAME["import_backlog"].documents * mean_weight * planned.think_scale

    brought_per_s = len(rows) * documents / (duration_s - ramp_s)

    wanted = 276 * units(scale).sao_equivalents / units(1.0).sao_equivalents
    assert brought_per_s == pytest.approx(wanted, rel=0.12)
    assert len(np.unique(rows)) == len(rows), "no unit brings its books twice"
    counted = planned.planned_by_activity
    assert (counted["import_whale"], counted["import_malformed"]) == (1, 1)
    of_series = np.isin(
        np.array([a.name for a in planned.activities])[planned.activity],
        ["import_backlog", "import_whale", "import_malformed"],
    )
    assert len(np.unique(planned.unit[of_series])) == np.count_nonzero(of_series)


@pytest.mark.parametrize("scale", [0.01, 0.02, 0.2])
def test_whales_stay_at_full_size_at_any_scale(scale: float) -> None:
    weights: dict[str, float] = {}
    for unit in units(scale).units:
        weights[unit.type] = max(weights.get(unit.type, 0.0), unit.weight)

    assert weights["pao"] == pytest.approx(15, rel=0.1) or weights["pao"] > 15
    assert weights["city"] == pytest.approx(20, rel=0.1) or weights["city"] > 20
    assert weights["pattaya"] == 25


@pytest.mark.parametrize(
    ("scenario", "level", "expected"),
    [
        ("", "", ("month_end", "L2")),
        ("", "L0", ("month_end", "L0")),
        ("", "L3", ("year_end", "L3")),
        ("", "L4", ("reopening", "L4")),
        ("", "L5", ("month_end", "L5")),
        ("", "L6", ("soak", "L6")),
        ("soak", "", ("soak", "L6")),
        ("soak", "L1", ("soak", "L1")),
        ("rota", "", ("rota", "L2")),
        ("month_end", "L4", ("month_end", "L4")),
        ("rota", "L5", ("rota", "L5")),
    ],
)
def test_scenario_and_level_choose_each_other(
    scenario: str, level: str, expected: tuple[str, str]
) -> None:
    assert chosen(scenario, level) == expected


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_only_a_scenario_without_a_shape_of_its_own_can_climb(name: str) -> None:
    if SCENARIOS[name].shape is Shape.PEAK_HOUR:
        assert chosen(name, "L5") == (name, "L5")
        return
    with pytest.raises(NotAScenario, match="cannot climb: L5 takes month_end"):
        chosen(name, "L5")


def test_an_unknown_scenario_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(NotAScenario, match=r"'doomsday'.*month_end.*soak"):
        chosen("doomsday", "L2")


def test_a_storm_is_reloads_without_a_budget() -> None:
    budget, storm = (manners_of(SCENARIOS["month_end"], how) for how in ("budget", "storm"))

    assert manners_of(SCENARIOS["month_end"], "") is PATIENT
    assert manners_of(SCENARIOS["reopening"], "") is HURRIED
    assert (budget.has_budget, storm.has_budget) == (True, False)
    assert budget.reload_share == storm.reload_share == 0.3
    assert storm.double_click_share == 0, "the scenario's own people do not click twice"
    with pytest.raises(NotAScenario):
        manners_of(SCENARIOS["month_end"], "panic")
