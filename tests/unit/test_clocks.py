"""Clocks of two machines: whatever the network does, the true offset lies within the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.engine.clocks import Exchange, clock_line

SECOND = 1_000_000_000


def exchange(at_ns, *, offset_ns, out_ns, back_ns, drift=0.0, wall_ns=0):
    """One question asked at *at_ns* over a network that takes *out_ns* and *back_ns*."""

    def worker(master_ns):
        return master_ns + offset_ns + round(drift * master_ns)

    arrived_ns = at_ns + out_ns
    return Exchange(
        asked_ns=at_ns,
        received_ns=worker(arrived_ns),
        replied_ns=worker(arrived_ns),
        answered_ns=arrived_ns + back_ns,
        wall_ns=worker(arrived_ns) + wall_ns,
    )


WAYS = st.tuples(st.integers(0, 40_000_000), st.integers(0, 40_000_000))


@given(st.integers(-(10**15), 10**15), st.lists(WAYS, min_size=1, max_size=20))
def test_the_true_offset_lies_within_the_bound_however_lopsided_the_network(offset_ns, ways):
    line = clock_line(
        [
            exchange(10**16 + n * 50_000_000, offset_ns=offset_ns, out_ns=out_ns, back_ns=back_ns)
            for n, (out_ns, back_ns) in enumerate(ways)
        ]
    )

    now_ns = 10**16
    assert abs(line.on_worker(now_ns) - now_ns - offset_ns) <= line.error_ns
    assert abs(int(line.on_master(np.array([now_ns + offset_ns]))[0]) - now_ns) <= line.error_ns


def test_the_quickest_exchange_is_believed():
    line = clock_line(
        [
            exchange(1, offset_ns=500, out_ns=9_000_000, back_ns=1_000_000),
            exchange(2, offset_ns=500, out_ns=1_000, back_ns=1_000),
        ]
    )

    assert line.offset_ns == 500
    assert line.error_ns <= 1_001


def test_a_steady_drift_is_followed_between_before_and_after():
    asked = [*range(0, 200_000_000, 20_000_000), *range(100 * SECOND, 100 * SECOND + 9, 3)]
    line = clock_line(
        [exchange(at + SECOND, offset_ns=-7, out_ns=1, back_ns=1, drift=50e-6) for at in asked]
    )

    middle_ns = 50 * SECOND
    worker_ns = middle_ns - 7 + round(50e-6 * middle_ns)
    assert abs(int(line.on_master(np.array([worker_ns]))[0]) - middle_ns) < 2_000
    assert line.drift_ns == pytest.approx(5_000_000, rel=0.01)
    assert line.error_ns < 10_000


def test_a_clock_that_was_set_in_between_widens_the_bound():
    before = [exchange(n * SECOND, offset_ns=0, out_ns=1, back_ns=1) for n in range(1, 6)]
    after = [exchange(n * SECOND, offset_ns=80_000_000, out_ns=1, back_ns=1) for n in range(6, 9)]

    line = clock_line([*before, *after])

    assert line.error_ns > 20_000_000


def test_a_wall_clock_that_was_set_is_noticed_though_the_steady_one_went_on():
    line = clock_line(
        [
            exchange(1 * SECOND, offset_ns=0, out_ns=1, back_ns=1, wall_ns=5),
            exchange(9 * SECOND, offset_ns=0, out_ns=1, back_ns=1, wall_ns=5 + SECOND),
        ]
    )

    assert line.wall_step_ns == SECOND
    assert line.error_ns < 10


def test_no_time_stays_no_time_and_order_is_kept():
    line = clock_line(
        [
            exchange(1 * SECOND, offset_ns=10**12, out_ns=1, back_ns=1),
            exchange(99 * SECOND, offset_ns=10**12 + 10**7, out_ns=1, back_ns=1),
        ]
    )

    shifted = line.on_master(np.array([0, 10**12 + SECOND, 10**12 + 2 * SECOND]))

    assert shifted[0] == 0
    assert shifted[1] < shifted[2]


def test_without_any_exchange_nothing_is_claimed():
    with pytest.raises(ValueError, match="nobody asked"):
        clock_line([])
