"""Locust's request event: for those who listen, each request once, and Locust's own stay out."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE, Failure
from contracts.terms import OperationKind
from scenarios.engine.request_events import RequestEvents, RequestFailed

OPERATIONS = (("view_me", OperationKind.READ), ("create_receipt", OperationKind.POST))
DUE_NS = 10**12


class Hook:
    """As Locust's EventHook: handlers that are called with all arguments."""

    def __init__(self):
        self._handlers = []

    def fire(self, **arguments):
        for handler in self._handlers:
            handler(**arguments)


def of_locust(**_):
    raise AssertionError("Locust's own listener is fed in bulk and may not be fired")


of_locust.__module__ = "locust.runners"


@pytest.fixture
def samples():
    table = np.zeros(3, dtype=SAMPLE_DTYPE)
    table["planned_ns"] = DUE_NS
    table["sent_ns"] = [DUE_NS + 1, DUE_NS + 2, 0]
    table["done_ns"] = [DUE_NS + 9_000_000, DUE_NS + 4_000_000, 0]
    table["operation"] = [0, 1, 1]
    table["failure"] = [Failure.NONE, Failure.SERVER_ERROR, Failure.NOT_SENT]
    table["status"] = [200, 502, 0]
    table["bytes_in"] = [70, 80, 0]
    table["unit"] = 1300001
    return table


def test_every_request_that_was_sent_is_told_once_in_the_order_of_its_end(samples):
    heard = []
    hook = Hook()
    hook._handlers = [of_locust, lambda **arguments: heard.append(arguments)]

    RequestEvents(hook, Hook).add(samples, OPERATIONS)

    assert [(one["name"], one["request_type"]) for one in heard] == [
        ("create_receipt", "post"),
        ("view_me", "read"),
    ]
    assert [one["response_time"] for one in heard] == [4.0, 9.0]  # from when it was due, ms
    assert [one["response_length"] for one in heard] == [80, 70]
    assert heard[0]["context"]["unit"] == 1300001
    assert isinstance(heard[0]["exception"], RequestFailed)
    assert str(heard[0]["exception"]) == "SERVER_ERROR 502"
    assert heard[1]["exception"] is None


def test_where_nobody_but_locust_listens_nothing_is_fired(samples):
    hook = Hook()
    hook._handlers = [of_locust]
    events = RequestEvents(hook, Hook)

    events.add(samples, OPERATIONS)

    assert not events.is_listened_to
    hook._handlers.append(lambda **_: None)
    assert events.is_listened_to
