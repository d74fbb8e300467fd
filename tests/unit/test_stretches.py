"""A day's shape: it adds up to the day's work, and a run of any length walks through all of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand import PROFILES, Demand, demand_steps
from scenarios.scenario import SCENARIOS
from scenarios.stretches import (
    DAY_S,
    FAULTS,
    PEAK,
    PEAK_S_MIN,
    SHORT_S,
    Stretch,
    day_stretches,
    lay_out,
    night_after,
)

DAYS = [day_stretches(PROFILES[profile], demand) for profile in PROFILES for demand in Demand] + [
    s.stretches for s in SCENARIOS.values() if s.stretches
]
durations = st.one_of(
    st.integers(min_value=10, max_value=200_000),
    st.floats(min_value=0.5, max_value=200_000, allow_nan=False),
)


@pytest.mark.parametrize("demand", list(Demand))
@pytest.mark.parametrize("profile", list(PROFILES))
def test_the_stretches_of_a_day_add_up_to_the_days_work(profile: str, demand: Demand) -> None:
    day = day_stretches(PROFILES[profile], demand)
    steps = demand_steps(PROFILES[profile], demand=demand, sao_equivalents=16_181)

    # The peak minutes stand on top of the busiest hour, as they do in a month end's run.
    planned = sum(s.real_s * s.work for s in day) * steps.peak_hour_req_s

    assert planned == pytest.approx(steps.requests_per_day, rel=0.01)
    assert all(0 < s.work <= 1 for s in day)


def test_noon_dips_to_a_third_and_the_year_end_sits_two_hours_longer() -> None:
    ordinary = {s.name: s for s in day_stretches(PROFILES["month_end"], "base")}
    year_end = {s.name: s for s in day_stretches(PROFILES["year_end"], "base")}

    assert ordinary["noon"].work == pytest.approx(0.35 * ordinary["morning"].work)
    hours = {name: sum(s.real_s for s in day.values()) / 3_600
             for name, day in (("month_end", ordinary), ("year_end", year_end))}  # fmt: skip
    assert hours == {"month_end": 11.75, "year_end": 13.75}  # 08:15 to 20:00, and to 22:00
    assert year_end["evening"].work > 4 * ordinary["evening"].work


@settings(max_examples=150)
@given(durations, st.booleans(), st.sampled_from(DAYS))
def test_a_run_of_any_length_goes_through_every_stretch_without_a_gap(
    duration_s: float, has_faults: bool, day: tuple[Stretch, ...]
) -> None:
    laid = lay_out(day, duration_s, has_faults=has_faults)

    assert laid[0].start_s == 0
    assert laid[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(laid))
    assert all(one.end_s > one.start_s for one in laid)
    names = [one.stretch.name for one in laid if one.stretch.name != FAULTS]
    assert names == [stretch.name for stretch in day]
    assert (FAULTS in [one.stretch.name for one in laid]) is has_faults
    for one in laid:
        if one.stretch.name == PEAK and duration_s >= SHORT_S:
            assert one.end_s - one.start_s >= PEAK_S_MIN


def test_what_comes_last_comes_after_the_faults() -> None:
    laid = lay_out(day_stretches(PROFILES["year_end"], "base"), 180, has_faults=True)

    assert [one.stretch.name for one in laid][-2:] == [FAULTS, "year_close"]


@settings(max_examples=60)
@given(st.integers(min_value=43_000, max_value=4 * 86_400), st.booleans())
def test_a_soak_of_days_repeats_them_as_they_are_with_their_nights(
    duration_s: int, has_faults: bool
) -> None:
    day = day_stretches(PROFILES["month_end"], "base")

    laid = lay_out(day, duration_s, has_faults=has_faults, repeats_daily=True)

    assert laid[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(laid))
    mornings = [one.start_s for one in laid if one.stretch.name == "morning"]
    shift_s = 900 if has_faults else 0
    expected = range(9_900, duration_s, int(DAY_S))
    assert mornings[0] == 9_900
    assert len(mornings) in (len(expected), len(expected) - 1)
    assert all((at_s - 9_900 - shift_s) % DAY_S == 0 for at_s in mornings[1:])
    assert sum(one.stretch.name == FAULTS for one in laid) <= has_faults


def test_a_day_and_its_night_last_a_day() -> None:
    day = day_stretches(PROFILES["normal_day"], "base")

    assert sum(s.real_s for s in (*day, night_after(day))) == DAY_S


@pytest.mark.parametrize("duration_s", [0, -3])
def test_a_run_without_time_is_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="longer than 0"):
        lay_out(DAYS[0], duration_s)
