"""The kernel's stamps of arrival: believed where they can be true, and never flattering."""

from __future__ import annotations

import socket
import struct
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import SAMPLE_DTYPE
from scenarios.engine.arrival_clock import ANCILLARY_BYTES, ArrivalClock, ask_for_stamps
from scenarios.engine.vitals import LOOKS_APART, Vitals

needs_stamps = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps arrivals")


def stamp(wall_ns: int) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, 64, struct.pack("@qq", *divmod(wall_ns, 1_000_000_000)))]


@needs_stamps
def test_an_answer_that_was_read_late_arrived_when_it_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        ask_for_stamps(ours)
        for _ in range(1000):  # the kernel begins to stamp when it comes to it
            theirs.send(b"early")
            if ours.recvmsg(1024, ANCILLARY_BYTES)[1]:
                break
            time.sleep(0.01)
        begun_ns = time.monotonic_ns()
        theirs.send(b"answer")
        sent_by_ns = time.monotonic_ns()
        read_from_ns = begun_ns + 30_000_000
        while time.monotonic_ns() < read_from_ns:  # as a busy generator does
            pass

        received, ancillary, _, _ = ours.recvmsg(1024, ANCILLARY_BYTES)
        at_ns = ArrivalClock().at_ns(ancillary, begun_ns)

    assert received == b"answer"
    assert begun_ns <= at_ns < read_from_ns
    # Over loopback the kernel hands it over within the call that sends it.
    assert at_ns <= sent_by_ns + 10_000_000


def test_without_a_stamp_the_time_of_reading_counts() -> None:
    before_ns = time.monotonic_ns()

    assert before_ns <= ArrivalClock().at_ns([], before_ns) <= time.monotonic_ns()


@pytest.mark.parametrize("ahead_s", [3600, -3600, 5, -5])
def test_a_wall_clock_that_was_set_is_not_believed(ahead_s: int) -> None:
    clock = ArrivalClock()
    sent_ns = time.monotonic_ns()

    at_ns = clock.at_ns(stamp(time.time_ns() + ahead_s * 1_000_000_000), sent_ns)

    assert sent_ns <= at_ns <= time.monotonic_ns()
    assert time.monotonic_ns() - at_ns < 1_000_000_000


@given(st.integers(0, 2**62))
def test_no_stamp_makes_an_answer_come_before_its_request_or_in_the_future(wall_ns: int) -> None:
    sent_ns = time.monotonic_ns()

    at_ns = ArrivalClock().at_ns(stamp(wall_ns), sent_ns)

    assert sent_ns <= at_ns <= time.monotonic_ns()


def test_the_offset_never_makes_an_arrival_early() -> None:
    """The wall clock is read first: what the doubt is, it makes arrivals later."""
    clock = ArrivalClock()
    for _ in range(1000):
        before_ns = time.monotonic_ns()

        assert clock.at_ns(stamp(time.time_ns()), 0) >= before_ns


def test_a_clock_renewed_after_a_step_believes_stamps_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead_ns = 7_200_000_000_000
    monkeypatch.setattr("scenarios.engine.arrival_clock.time_ns", lambda: time.time_ns() + ahead_ns)
    clock = ArrivalClock()
    sent_ns = time.monotonic_ns()
    wall_ns = time.time_ns() + ahead_ns
    read_from_ns = sent_ns + 20_000_000
    while time.monotonic_ns() < read_from_ns:
        pass

    assert clock.at_ns(stamp(wall_ns), sent_ns) < read_from_ns


def test_a_look_does_not_count_what_had_been_answered_and_was_not_yet_read() -> None:
    vitals = Vitals(look_interval_s=0.05)
    for _ in range(LOOKS_APART):
        vitals.look(in_flight=7, open_sessions=3)

    vitals.look(in_flight=0, open_sessions=3, over_by_last=2)

    ((_, in_flight, sessions),) = vitals.read(np.zeros(0, SAMPLE_DTYPE))["looks"]
    assert (in_flight, sessions) == (5, 3)
