"""Two witnesses of one queue: they agree on every honest run, and on no damaged one.

The queues are simulated: arrivals in bursts or evenly, service by one or many servers, a stall of
the target, short runs. The looks are those of a process that counts what is under way.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.columns import Int64
from harness.littles_law import compare, mean_in_flight, sessions_in_progress
from tests.fakes.small_ledger import T0, S

LOOKS_PER_S = 4


class Queue(NamedTuple):
    """What a simulated run left: intervals of the requests, and the looks taken meanwhile."""

    sent_ns: Int64
    done_ns: Int64
    at_ns: Int64
    in_flight: Int64


def simulated(
    seed: int, *, rate_per_s: float, service_s: float, length_s: int, burst: int, stall_s: float,
    servers: int,
) -> Queue:  # fmt: skip
    """Play a queue event by event, with a counter that knows nothing of the samples."""
    chance = random.Random(seed)
    free_s = [0.0] * servers
    requests: list[tuple[float, float]] = []
    now_s = 0.0
    while (now_s := now_s + chance.expovariate(rate_per_s / burst)) < length_s:
        for _ in range(burst):
            server = free_s.index(min(free_s))
            begun_s = max(now_s, free_s[server])
            if length_s / 3 <= begun_s < length_s / 3 + stall_s:
                begun_s = length_s / 3 + stall_s
            free_s[server] = begun_s + chance.expovariate(1 / service_s)
            requests.append((now_s, free_s[server]))
    changes = sorted([(sent, 1) for sent, _ in requests] + [(done, -1) for _, done in requests])
    at_s = [chance.uniform(0.2, 0.3) * place for place in range(length_s * LOOKS_PER_S)]
    seen, count, place = [], 0, 0
    for look_s in sorted(at_s):
        while place < len(changes) and changes[place][0] <= look_s:
            count += changes[place][1]
            place += 1
        seen.append(count)
    times = np.array(requests).reshape(-1, 2) * S
    return Queue(
        sent_ns=T0 + times[:, 0].astype(np.int64), done_ns=T0 + times[:, 1].astype(np.int64),
        at_ns=T0 + (np.sort(at_s) * S).astype(np.int64), in_flight=np.array(seen),
    )  # fmt: skip


QUEUES = st.builds(
    simulated,
    st.integers(0, 2**32),
    rate_per_s=st.sampled_from([0.5, 5.0, 50.0, 300.0]),
    service_s=st.sampled_from([0.001, 0.02, 0.3]),
    length_s=st.integers(2, 20),
    burst=st.sampled_from([1, 7, 60]),
    stall_s=st.sampled_from([0.0, 0.4, 3.0]),
    servers=st.sampled_from([1, 8, 400]),
)


@given(QUEUES)
def test_an_honest_record_agrees_with_what_was_seen(queue: Queue) -> None:
    agreement = compare(queue.in_flight, queue.at_ns, queue.sent_ns, queue.done_ns)

    assert not agreement.is_broken
    assert agreement.apart <= agreement.look_count // 50 + 1  # ns and float seconds may differ


@given(QUEUES, st.integers(0, 2**32))
def test_a_record_that_lacks_one_request_in_twenty_does_not_agree(queue: Queue, seed: int) -> None:
    kept = np.random.default_rng(seed).random(queue.sent_ns.size) >= 0.05

    agreement = compare(queue.in_flight, queue.at_ns, queue.sent_ns[kept], queue.done_ns[kept])

    # Enough must have been under way that a twentieth of it is no chance.
    assert agreement.is_broken or agreement.seen < 1_500


@given(QUEUES, st.sampled_from([-5 * S, S, 5 * S]))
def test_a_record_with_shifted_times_does_not_agree(queue: Queue, shift_ns: int) -> None:
    moved = compare(
        queue.in_flight, queue.at_ns, queue.sent_ns + shift_ns, queue.done_ns + shift_ns
    )

    changed = np.abs(np.diff(queue.in_flight, prepend=0)).sum()
    assert moved.is_broken or changed < 400


@given(QUEUES)
def test_times_that_run_at_another_speed_do_not_agree(queue: Queue) -> None:
    sent_ns, done_ns = (T0 + (times - T0) * 3 // 2 for times in (queue.sent_ns, queue.done_ns))

    agreement = compare(queue.in_flight, queue.at_ns, sent_ns, done_ns)

    changed = np.abs(np.diff(queue.in_flight, prepend=0)).sum()
    assert agreement.is_broken or changed < 400


def test_the_law_holds_as_rate_times_mean_time() -> None:
    """L = lambda W over a long stretch: 50 a second for 0.3 s each are 15 at once."""
    queue = simulated(
        3, rate_per_s=50.0, service_s=0.3, length_s=200, burst=1, stall_s=0.0, servers=400
    )

    rate_per_s, mean_s, product = mean_in_flight(queue.sent_ns, queue.done_ns)

    assert abs(rate_per_s - 50) < 3
    assert abs(mean_s - 0.3) < 0.02
    within = queue.at_ns < T0 + 200 * S
    assert abs(product - queue.in_flight[within].mean()) < 1.0


def test_nothing_seen_and_nothing_recorded_agree() -> None:
    nothing = np.zeros(0, dtype=np.int64)

    assert not compare(nothing, nothing, nothing, nothing).is_broken
    assert mean_in_flight(nothing, nothing) == (0.0, 0.0, 0.0)


def test_a_session_lasts_from_its_first_request_to_its_last_answer() -> None:
    session = np.array([4, 9, 4, 9, 7], dtype=np.int32)
    planned_ns = np.array([10, 12, 40, 60, 90])
    sent_ns = np.array([11, 12, 41, 0, 0])
    done_ns = np.array([20, 30, 55, 0, 0])

    progress = sessions_in_progress(session, planned_ns, sent_ns, done_ns)

    assert progress.due_ns.tolist() == [10, 12]
    assert progress.sent_ns.tolist() == [11, 12]
    assert progress.ended_ns.tolist() == [55, 60]  # session 9 still had a step, due at 60
