"""What a dialect cannot say is left out of the plan before the run, and everything else stays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scenarios.arrivals import plan_load
from scenarios.country_playbook import country_playbook
from scenarios.demand import NAVIGATION, OPERATIONS
from scenarios.population import build_population
from scenarios.shares import Share
from scenarios.spoken import left_out, spoken_part

ALL = frozenset(OPERATIONS)
WITHOUT = ALL - {"create_budget_transfer", "view_closing_status"}


@pytest.fixture(scope="module")
def population():
    return build_population(composition="A", scale=0.05)


@pytest.fixture(scope="module")
def plan(population):
    return plan_load(population, level="L2", duration_s=200.0, seed=3)


def test_a_system_that_has_everything_gets_the_plan_as_it_is(plan):
    assert spoken_part(plan, ALL) is plan
    assert left_out(plan, ALL) == ()


def test_what_is_left_out_is_named_with_what_it_would_have_been(plan):
    found = left_out(plan, WITHOUT)

    assert {one.activity: one.operations for one in found} == {
        "budget_transfer": ("create_budget_transfer",),
        "provincial_refresh": ("view_closing_status",),
    }
    part = spoken_part(plan, WITHOUT)
    assert sum(one.sessions for one in found) == plan.sessions - part.sessions > 0
    assert sum(one.requests for one in found) == plan.planned_requests - part.planned_requests


def test_everybody_else_comes_when_they_would_have_come(plan):
    part = spoken_part(plan, WITHOUT)

    kept = {(s, u, x) for s, u, x in zip(part.start_ns, part.unit, part.seed, strict=True)}
    before = {(s, u, x) for s, u, x in zip(plan.start_ns, plan.unit, plan.seed, strict=True)}
    assert kept < before
    assert list(part.start_ns) == sorted(part.start_ns)
    assert part.phases == plan.phases
    assert part.sha256 != plan.sha256


def test_no_session_of_the_part_makes_a_request_that_the_system_lacks(plan, population):
    part = spoken_part(plan, WITHOUT)
    playbook = country_playbook(part, population, share=Share(), business_date="2025-12-01", seed=3)

    planned = Counter(
        step.operation
        for row in range(len(playbook.start_ns))
        for step in playbook.planned_steps(row)
    )

    assert set(planned) <= WITHOUT
    assert dict(planned) == dict(part.planned_by_operation)
    assert sum(planned.values()) == part.planned_requests == sum(part.planned_per_s)


def test_seconds_are_counted_as_the_plan_itself_counts_them(plan):
    """Counting the whole plan again gives the plan's own numbers, to the rounding of its starts."""
    from scenarios.spoken import _due_per_s, _own_requests

    again = np.array(_due_per_s(plan, _own_requests(plan) + plan.navigation))

    assert np.abs(np.cumsum(again) - np.cumsum(plan.planned_per_s)).max() <= 3


def test_where_nobody_can_look_around_people_go_straight_to_work(plan):
    part = spoken_part(plan, ALL - {NAVIGATION[0]})

    assert part.navigation.sum() == 0
    assert NAVIGATION[0] not in part.planned_by_operation
    assert part.planned_requests == sum(part.planned_by_operation.values())


def test_a_system_that_can_do_nothing_gets_an_empty_plan(plan):
    part = spoken_part(plan, {"view_me"})

    assert part.sessions == part.planned_requests == part.units_planned == 0
    assert sum(part.planned_per_s) == 0
