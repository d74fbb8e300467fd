"""The demand model must reproduce every figure of the published load model, and agree with itself.

Figures: monthend design 2026, operations and load model; each within 1 %, as they were rounded.
"""

from __future__ import annotations

import pytest

from scenarios import demand as model
from scenarios.demand import (
    ACTIVITIES,
    ACTIVITY_BY_NAME,
    MONTH_END,
    NORMAL_DAY,
    OPERATIONS,
    PROFILES,
    THINK_S,
    YEAR_END,
    DayProfile,
    Demand,
    demand_steps,
    documents_per_sao_month,
    navigation_operations,
    pace_of,
    reopening_req_s,
    requests_of,
    requests_per_sao_month,
)

SAO_EQUIVALENTS = 16_181
WITHIN = 0.01


def close(figure: float) -> object:
    return pytest.approx(figure, rel=WITHIN)


@pytest.mark.parametrize(
    ("demand", "requests", "documents", "per_month_million", "per_day_million", "office_req_s"),
    [
        ("low", 3_063, 196, 50, 2.36, 94),
        ("base", 6_122, 358, 99, 4.72, 187),
        ("high", 11_264, 615, 182, 8.68, 344),
    ],
)
def test_one_saos_month_becomes_the_countrys_mean_day(
    demand: str,
    requests: float,
    documents: float,
    per_month_million: float,
    per_day_million: float,
    office_req_s: float,
) -> None:
    assert requests_per_sao_month(demand) == pytest.approx(requests, abs=1)
    assert documents_per_sao_month(demand) == documents

    steps = demand_steps(NORMAL_DAY, demand=demand, sao_equivalents=SAO_EQUIVALENTS)

    assert steps.requests_per_month / 1e6 == close(per_month_million)
    assert steps.requests_per_mean_day / 1e6 == close(per_day_million)
    assert steps.office_hours_req_s == close(office_req_s)


@pytest.mark.parametrize(
    ("profile", "demand", "day_million", "peak_hour_req_s", "peak_minute_req_s"),
    [
        (NORMAL_DAY, "low", 2.36, 111, 178),
        (NORMAL_DAY, "base", 4.72, 262, 419),
        (NORMAL_DAY, "high", 10.4, 636, 1_018),
        (MONTH_END, "low", 3.78, 189, 302),
        (MONTH_END, "base", 11.8, 721, 1_153),
        (MONTH_END, "high", 30.4, 2_110, 3_375),
        (YEAR_END, "low", 5.9, 197, 315),
        (YEAR_END, "base", 18.9, 786, 1_258),
        (YEAR_END, "high", 52.1, 2_604, 4_166),
    ],
)
def test_each_kind_of_day_has_its_published_rates(
    profile: DayProfile,
    demand: str,
    day_million: float,
    peak_hour_req_s: float,
    peak_minute_req_s: float,
) -> None:
    steps = demand_steps(profile, demand=demand, sao_equivalents=SAO_EQUIVALENTS)

    assert steps.requests_per_day / 1e6 == close(day_million)
    assert steps.peak_hour_req_s == close(peak_hour_req_s)
    assert steps.peak_minute_req_s == close(peak_minute_req_s)


@pytest.mark.parametrize(
    ("demand", "accounts", "active", "req_s"),
    [
        ("low", 52_175, 26_088, 1_044),
        ("base", 71_827, 53_870, 3_591),
        ("high", 116_296, 104_666, 10_467),
    ],
)
def test_reopening_day_is_bounded_by_people(
    demand: str, accounts: int, active: int, req_s: float
) -> None:
    assert model.ACCOUNTS_NATIONAL.of(demand) == accounts
    assert accounts * model.REOPENING_ACTIVE_SHARE.of(demand) == pytest.approx(active, abs=1)
    assert reopening_req_s(demand=demand, accounts=accounts) == pytest.approx(req_s, abs=1)


def test_think_time_agrees_with_the_open_model() -> None:
    at_work = 0.45 * 71_827

    assert at_work * 0.45 / THINK_S == close(727)
    steps = demand_steps(MONTH_END, demand="base", sao_equivalents=SAO_EQUIVALENTS)
    assert at_work * 0.45 / THINK_S == pytest.approx(steps.peak_hour_req_s, rel=0.02)


@pytest.mark.parametrize(
    ("weight", "month", "normal_day", "peak_day", "year_end_day", "backlog"),
    [
        (1, 358, 17, 43, 68, 2_148),
        (1.8, 644, 31, 77, 123, 3_866),
        (6, 2_148, 102, 256, 409, 12_888),
        (20, 7_160, 341, 852, 1_364, 42_960),
        (15, 5_370, 256, 639, 1_023, 32_220),
        (25, 8_950, 426, 1_065, 1_705, 53_700),
        (0.15, 54, 3, 6, 10, 322),
        (0.5, 179, 9, 21, 34, 1_074),
        (0.35, 125, 6, 15, 24, 752),
        (0.6, 215, 10, 26, 41, 1_289),
    ],
)
def test_documents_of_each_type_of_unit(
    weight: float, month: int, normal_day: int, peak_day: int, year_end_day: int, backlog: int
) -> None:
    documents = documents_per_sao_month("base") * weight
    day = documents / model.WORKING_DAYS_PER_MONTH

    assert documents == pytest.approx(month, abs=0.5)
    assert day == pytest.approx(normal_day, abs=0.51)
    assert day * MONTH_END.day_factor.base == pytest.approx(peak_day, abs=0.51)
    assert day * YEAR_END.day_factor.base == pytest.approx(year_end_day, abs=0.51)
    assert documents * 6 == pytest.approx(backlog, abs=0.51)


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("receipt", 5), ("pay_supplier", 10 + 8 + 6), ("commitment", 8), ("advance", 8),
        ("journal_voucher", 6), ("budget_transfer", 8), ("daily_cash", 3), ("enquiry", 2),
        ("report", 2), ("login", 6), ("browse", 1), ("month_close", 9),
        ("provincial_refresh", 4), ("curious", 1), ("overspend", 1),
    ],
)  # fmt: skip
def test_an_activity_makes_as_many_requests_as_estimated(name: str, requests: int) -> None:
    activity = ACTIVITY_BY_NAME[name]

    assert activity.requests == requests
    assert {len(variant) for variant in activity.variants} == {requests}


def test_every_operation_of_an_activity_has_a_kind() -> None:
    used = {
        operation
        for activity in ACTIVITIES
        for variant in activity.variants
        for operation in variant
    }

    assert used <= set(OPERATIONS)
    assert set(model.NAVIGATION) <= set(OPERATIONS)
    assert "authorize_at_provider" not in used


def test_a_sessions_requests_are_its_looks_around_and_then_its_own() -> None:
    receipt = ACTIVITY_BY_NAME["receipt"]

    requests = requests_of(receipt, seed=6, navigation=3)

    names = tuple(request.operation for request in requests)
    assert names == navigation_operations(6, 3) + receipt.operations
    assert requests[0].think_s == 0
    assert all(0.5 * THINK_S <= request.think_s < 1.5 * THINK_S for request in requests[1:])


def test_a_burst_has_no_pauses() -> None:
    requests = requests_of(ACTIVITY_BY_NAME["login"], seed=1, navigation=0)

    assert [request.think_s for request in requests] == [0.0] * 6


def test_seeds_choose_all_variants() -> None:
    report = ACTIVITY_BY_NAME["report"]

    assert {report.operations_for(seed) for seed in range(3)} == set(report.variants)


def test_paces_differ_and_average_to_one() -> None:
    paces = [pace_of(seed, step) for seed in range(200) for step in range(1, 21)]

    assert min(paces) >= 0.5
    assert max(paces) < 1.5
    assert sum(paces) / len(paces) == pytest.approx(1.0, abs=0.02)
    assert len(set(paces)) == len(paces)


def test_an_unknown_demand_is_refused() -> None:
    with pytest.raises(ValueError, match="enormous"):
        requests_per_sao_month("enormous")


def test_profiles_are_found_by_name() -> None:
    assert {name: profile.name for name, profile in PROFILES.items()} == {
        "normal_day": "normal_day", "month_end": "month_end", "year_end": "year_end",
    }  # fmt: skip
    assert [demand.value for demand in Demand] == ["low", "base", "high"]
