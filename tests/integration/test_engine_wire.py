"""The wire against a server that answers by the script of each test: limits, and closed doors."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import gevent
import pytest

from scenarios.engine.exchange import Address, Exchange
from scenarios.engine.wire import SWEEP_INTERVAL_S, Pool
from scenarios.outcomes import Ending

LIMIT_S = 10.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class ScriptedServer:
    """Does with each request what the next entry says: an answer, "wait" or "close"."""

    def __init__(self, script):
        self.script = iter(script)
        self.requests = 0
        self.waiting = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self.serve, args=self.listener.accept()[:1], daemon=True
                ).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(65536):
                self.requests += 1
                act = next(self.script)
                if act == "wait":
                    self.waiting.append(connection)
                    connection.recv(1)  # until the client gives up
                    return
                if act == "close":
                    return
                connection.sendall(act)


@pytest.fixture
def pool_of():
    made = []

    def make(script, *, timeout_s=LIMIT_S, limit=10):
        server = ScriptedServer(script)
        ended = []
        pool = Pool(
            Address("http", "127.0.0.1", server.port),
            finished=ended.append,
            guarded=lambda callback: callback(),
            limit=limit,
            timeout_s=timeout_s,
        )
        pool.resolve()
        made.append((server, pool))
        return server, pool, ended

    yield make
    for server, pool in made:
        pool.abandon()
        server.listener.close()


def sent(pool, **options):
    exchange = Exchange(b"GET / HTTP/1.1\r\n\r\n", None, **{"is_safe": True, **options})
    pool.send(exchange)
    return exchange


def sweep_until(pool, condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition() and time.monotonic() < deadline:
        gevent.sleep(SWEEP_INTERVAL_S / 10)
        pool.sweep()
    assert condition()


def test_an_exchange_ends_at_its_own_limit_and_takes_its_connection_along(pool_of):
    _, pool, ended = pool_of(["wait", "wait", ANSWER])
    patient = sent(pool)
    impatient = sent(pool, limit_ns=50_000_000)

    sweep_until(pool, lambda: ended)
    later = sent(pool)
    sweep_until(pool, lambda: len(ended) == 2)

    assert ended == [impatient, later]
    assert impatient.answer.ending is Ending.TIMED_OUT
    assert 50e6 <= impatient.done_ns - impatient.sent_ns < LIMIT_S * 1e9
    assert later.answer.ending is Ending.ANSWERED
    assert list(pool.in_flight) == [patient]
    assert pool.opened_count == 3


def test_without_a_limit_of_its_own_an_exchange_has_the_pools(pool_of):
    _, pool, ended = pool_of(["wait"], timeout_s=0.05)
    exchange = sent(pool)

    sweep_until(pool, lambda: ended)

    assert exchange.answer.ending is Ending.TIMED_OUT


def test_a_read_that_meets_a_closed_door_goes_out_once_more_and_is_counted(pool_of):
    server, pool, ended = pool_of([ANSWER, "close", ANSWER])
    sent(pool)
    sweep_until(pool, lambda: ended)

    again = sent(pool)
    sweep_until(pool, lambda: len(ended) == 2)

    assert again.answer.ending is Ending.ANSWERED
    assert (pool.resent_count, server.requests) == (1, 3)


def test_a_write_that_may_have_arrived_is_never_sent_twice(pool_of):
    server, pool, ended = pool_of([ANSWER, "close"])
    sent(pool)
    sweep_until(pool, lambda: ended)

    write = sent(pool, is_safe=False)
    sweep_until(pool, lambda: len(ended) == 2)

    assert write.answer.ending is Ending.BROKEN
    assert (pool.resent_count, server.requests) == (0, 2)


def test_a_connection_carries_one_exchange_at_a_time(pool_of):
    _, pool, _ = pool_of(["wait"])
    connection = sent(pool).connection

    with pytest.raises(AssertionError, match="one exchange at a time"):
        connection.begin(Exchange(b"", None, is_safe=True))


def test_a_target_that_closes_idle_connections_is_counted(pool_of):
    _, pool, ended = pool_of([ANSWER[:-2].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n{}")])
    sent(pool)

    sweep_until(pool, lambda: ended)

    assert (pool.closed_by_target, pool.open_count) == (1, 0)
