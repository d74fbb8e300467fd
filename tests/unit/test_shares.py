"""Shares of the country: never overlapping, nothing left out, however often they are dealt on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.arrivals import plan_load
from scenarios.country_playbook import country_playbook
from scenarios.population import UNITS_PER_PROVINCE, actors_of, build_population
from scenarios.shares import DEPTH_MAX, Share, families_of, share_from

COUNTRY = build_population(scale=0.1)
PLAN = plan_load(COUNTRY, level="L2", duration_s=120.0, seed=1)
FAMILIES = families_of(COUNTRY, PLAN.unit_row)


def sessions_of(share):
    return np.flatnonzero(share.covers(FAMILIES, PLAN.start_ns))


def playbook_of(share):
    return country_playbook(PLAN, COUNTRY, share=share, business_date="2025-12-01", seed=1)


def people_of(sessions):
    units = set(PLAN.unit[sessions].tolist())
    people = set()
    for unit in units:
        if unit % UNITS_PER_PROVINCE == 0:
            people.add(unit)
            continue
        actors = actors_of(COUNTRY, unit)
        people |= {*actors.clerks, actors.checker, actors.approver, actors.director}
    return people


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4), st.integers(0, 70)), max_size=6))
def test_every_session_belongs_to_exactly_one_however_shares_are_dealt_on(deals):
    held = list(Share().split(3))
    given_up = np.zeros(PLAN.sessions, dtype=bool)

    for count, which, from_s in deals:
        lost = held.pop(which % len(held))
        parts = lost.split(count, from_ns=from_s * 1_000_000_000)
        taken = np.concatenate([sessions_of(part) for part in parts])
        given_up[np.setdiff1d(sessions_of(lost), taken)] = True
        held += parts

    driven = np.zeros(PLAN.sessions, dtype=int)
    for share in held:
        driven[sessions_of(share)] += 1
    assert driven.max() <= 1
    assert np.array_equal(driven == 0, given_up)


def test_shares_are_of_about_one_size():
    sizes = [len(sessions_of(share)) for share in Share().split(4)]

    assert sum(sizes) == PLAN.sessions
    assert max(sizes) < 1.5 * min(sizes)


def test_nobody_signs_in_at_two_load_processes():
    people = [people_of(sessions_of(share)) for share in Share().split(3)]

    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]


def test_provincial_offices_are_dealt_too():
    offices = [
        set(PLAN.unit[rows][PLAN.unit[rows] % UNITS_PER_PROVINCE == 0].tolist())
        for rows in map(sessions_of, Share().split(2))
    ]

    assert all(offices)
    assert not offices[0] & offices[1]


def test_a_share_survives_its_way_between_processes():
    share = Share().split(3)[2].split(2, from_ns=5)[1]

    assert share_from(share.as_json()) == share


@pytest.mark.parametrize(
    "content",
    [
        {}, {"path": [], "from_ns": None}, {"path": [[0, 0]], "from_ns": 0},
        {"path": [[2, 2]], "from_ns": 0}, {"path": [[2]], "from_ns": 0},
        {"path": [[1, 0]] * (DEPTH_MAX + 1), "from_ns": 0}, {"path": "33", "from_ns": 0},
    ],
)  # fmt: skip
def test_what_is_no_share_is_refused(content):
    with pytest.raises(ValueError, match="not a share"):
        share_from(content)


def test_a_playbook_that_is_joined_keeps_what_it_began_and_loses_nothing():
    mine, lost = Share().split(2)
    before = playbook_of(mine)
    begun = 40
    part = lost.split(1, from_ns=before.start_ns[begun])[0]

    after = before.joined_by(part, begun=begun)

    assert list(after.number[:begun]) == list(before.number[:begun])
    assert sorted([*before.number, *sessions_of(part)]) == sorted(after.number)
    assert list(after.start_ns[begun:]) == sorted(after.start_ns[begun:])
    assert after.begin(begun + 1).number == after.number[begun + 1]


def test_a_spare_begins_with_nothing_and_can_be_joined():
    spare = playbook_of(None)

    joined = spare.joined_by(Share().split(2)[0], begun=0)

    assert len(spare.start_ns) == 0
    assert list(joined.number) == sessions_of(Share().split(2)[0]).tolist()
