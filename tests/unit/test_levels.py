"""Levels must ask for the contract's rates, and their phases must leave no second out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.quantities import LEVELS as LEVEL_NAMES
from scenarios.levels import LEVELS, PEAK_S_MIN, SAO_EQUIVALENTS_NATIONAL, phases_of, rates_of

durations = st.one_of(
    st.integers(min_value=10, max_value=20_000),
    st.floats(min_value=0.5, max_value=20_000, allow_nan=False),
)


@pytest.mark.parametrize(
    ("level", "peak_hour_req_s", "peak_minute_req_s"),
    [
        ("L0", 7.2, 11.5),
        ("L1", 262, 419),
        ("L2", 721, 1_153),
        ("L3", 786, 1_258),
        ("L4", 3_591, 4_310),
    ],
)
def test_levels_ask_for_the_published_rates(
    level: str, peak_hour_req_s: float, peak_minute_req_s: float
) -> None:
    assert LEVELS[level].peak_hour_req_s == pytest.approx(peak_hour_req_s, rel=0.01)
    assert LEVELS[level].peak_minute_req_s == pytest.approx(peak_minute_req_s, rel=0.01)


def test_the_rate_of_a_unit_does_not_depend_on_how_many_there_are() -> None:
    whole = rates_of(LEVELS["L2"])
    tenth = rates_of(LEVELS["L2"], sao_equivalents=SAO_EQUIVALENTS_NATIONAL / 10)

    assert tenth == pytest.approx([rate / 10 for rate in whole])


def test_levels_have_the_names_that_contracts_use() -> None:
    assert set(LEVELS) <= set(LEVEL_NAMES)
    assert {name: level.name for name, level in LEVELS.items()} == {name: name for name in LEVELS}


@settings(max_examples=40)
@given(durations, st.booleans(), st.sampled_from(sorted(LEVELS)))
def test_phases_follow_each_other_from_start_to_end(
    duration_s: float, has_faults: bool, level: str
) -> None:
    phases = phases_of(LEVELS[level], duration_s, has_faults)

    assert phases[0].start_s == 0
    assert phases[-1].end_s == duration_s
    assert all(a.end_s == b.start_s for a, b in pairwise(phases))
    assert all(phase.length_s >= 0 for phase in phases)
    assert phases[-1].name == ("faults" if has_faults else "steady_after")
    for phase in phases:
        assert phase.is_measured == (phase.name not in ("ramp", "faults"))
        is_peak = phase.name == "peak"
        assert phase.rate_req_s == rates_of(LEVELS[level])[is_peak]


@settings(max_examples=40)
@given(st.integers(min_value=120, max_value=20_000), st.booleans())
def test_a_peak_holds_its_full_minute(duration_s: int, has_faults: bool) -> None:
    peaks = [p for p in phases_of(LEVELS["L2"], duration_s, has_faults) if p.name == "peak"]

    assert all(peak.length_s >= PEAK_S_MIN for peak in peaks)
    assert len(peaks) == (3 if duration_s >= 3_600 else 1)


@settings(max_examples=40)
@given(st.integers(min_value=10, max_value=20_000), st.booleans())
def test_phases_change_on_whole_seconds(duration_s: int, has_faults: bool) -> None:
    for phase in phases_of(LEVELS["L2"], duration_s, has_faults):
        assert phase.end_s == int(phase.end_s)


def test_the_ramp_climbs_from_nothing() -> None:
    ramp = phases_of(LEVELS["L2"], 180)[0]

    assert ramp.is_ramp
    assert ramp.requests == pytest.approx(ramp.rate_req_s * ramp.length_s / 2)


@pytest.mark.parametrize("duration_s", [0, -1])
def test_a_run_without_time_is_refused(duration_s: float) -> None:
    with pytest.raises(ValueError, match="longer than 0"):
        phases_of(LEVELS["L2"], duration_s)
