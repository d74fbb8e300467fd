"""The line of one unit in ten: the same bad luck for the same seed, and as much as was said."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.networks import RURAL, Break, lossy_units, passage_of
from scenarios.population import build_population

COUNT = 40_000


def draw(seed=0, number=0, *, request_bytes=0, is_first=False, is_tls=False):
    return passage_of(seed, number, request_bytes=request_bytes, is_first=is_first, is_tls=is_tls)


@pytest.fixture(scope="module")
def passages():
    return [draw(seed, number) for seed in range(COUNT // 20) for number in range(20)]


def test_the_same_request_always_has_the_same_luck():
    assert draw(7, 3) == draw(7, 3)
    assert len({draw(7, number).up_s for number in range(50)}) == 50
    assert len({draw(seed, 3).up_s for seed in range(50)}) == 50


def test_about_a_tenth_of_the_units_are_behind_a_lossy_line():
    population = build_population(composition="A", scale=0.2)

    units = lossy_units(population)

    assert units < {unit.unit for unit in population.units}
    assert 0.08 < len(units) / len(population.units) < 0.12


def test_a_round_trip_takes_as_long_as_the_line_says(passages):
    without_pauses = [p.up_s + p.down_s for p in passages if p.up_s + p.down_s < 0.9]

    assert np.mean(without_pauses) == pytest.approx(RURAL.round_trip_s, rel=0.01)
    assert min(without_pauses) >= RURAL.round_trip_s - RURAL.jitter_s
    assert max(without_pauses) <= RURAL.round_trip_s + RURAL.jitter_s


def test_losses_show_as_pauses_of_one_or_three_seconds(passages):
    totals = np.array([p.up_s + p.down_s for p in passages])
    once, twice = (totals > 1) & (totals < 2), totals > 3

    assert np.mean(once | twice) == pytest.approx(RURAL.loss_share, rel=0.15)
    assert twice.sum() / (once | twice).sum() == pytest.approx(RURAL.loss_again_share, rel=0.2)
    assert totals.max() < 3 + RURAL.round_trip_s + RURAL.jitter_s


def test_connections_break_before_and_after_the_request_left(passages):
    breaks = [p.breaks for p in passages]

    shares = {kind: breaks.count(kind) / len(breaks) for kind in Break}
    assert shares[Break.BEFORE] + shares[Break.AFTER] == pytest.approx(RURAL.break_share, rel=0.3)
    assert min(shares[Break.BEFORE], shares[Break.AFTER]) > RURAL.break_share / 4


def test_a_long_form_takes_longer_on_a_narrow_line():
    slow, quick = draw(1, 1, request_bytes=96_000), draw(1, 1)

    assert slow.up_s - quick.up_s == pytest.approx(1.0)
    assert slow.down_s == quick.down_s


def test_a_first_request_pays_for_the_connection():
    usual, first, encrypted = draw(1), draw(1, is_first=True), draw(1, is_first=True, is_tls=True)

    trip_s = first.up_s - usual.up_s
    assert RURAL.round_trip_s - RURAL.jitter_s <= trip_s <= RURAL.round_trip_s + RURAL.jitter_s
    assert encrypted.up_s - usual.up_s == pytest.approx(2 * trip_s)
