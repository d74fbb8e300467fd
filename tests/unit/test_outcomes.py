"""What a client may conclude: the table of facts/chaos.md §4.1, row by row."""

from __future__ import annotations

import pytest

from contracts.records import Failure, Outcome
from scenarios.outcomes import Ending, classify

ANSWERED = Ending.ANSWERED
TABLE = [
    ({"ending": ANSWERED, "status": 200}, Outcome.OK, Failure.NONE),
    ({"ending": ANSWERED, "status": 201, "expected": (201,)}, Outcome.OK, Failure.NONE),
    (
        {"ending": ANSWERED, "status": 200, "is_content_right": False},
        Outcome.OK,
        Failure.WRONG_ANSWER,
    ),
    ({"ending": ANSWERED, "status": 202}, Outcome.OK, Failure.WRONG_ANSWER),
    ({"ending": ANSWERED, "status": 400}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 401}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 422}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 409}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    (
        {"ending": ANSWERED, "status": 409, "is_in_progress": True},
        Outcome.INDEFINITE,
        Failure.UNEXPECTED_STATUS,
    ),
    ({"ending": ANSWERED, "status": 408}, Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 302}, Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 429, "has_retry_after": True}, Outcome.REFUSED, Failure.SHED),
    ({"ending": ANSWERED, "status": 503, "has_retry_after": True}, Outcome.REFUSED, Failure.SHED),
    ({"ending": ANSWERED, "status": 429}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    ({"ending": ANSWERED, "status": 503}, Outcome.INDEFINITE, Failure.SERVER_ERROR),
    ({"ending": ANSWERED, "status": 500}, Outcome.INDEFINITE, Failure.SERVER_ERROR),
    (
        {"ending": ANSWERED, "status": 500, "has_retry_after": True},
        Outcome.INDEFINITE,
        Failure.SERVER_ERROR,
    ),
    ({"ending": ANSWERED, "status": 502}, Outcome.INDEFINITE, Failure.SERVER_ERROR),
    ({"ending": ANSWERED, "status": 504}, Outcome.INDEFINITE, Failure.SERVER_ERROR),
    ({"ending": Ending.TIMED_OUT}, Outcome.INDEFINITE, Failure.TIMEOUT),
    ({"ending": Ending.BROKEN}, Outcome.INDEFINITE, Failure.CONNECTION),
    ({"ending": Ending.NOTHING_SENT}, Outcome.REFUSED, Failure.CONNECTION),
]
PROBES = [
    (403, False, Outcome.REFUSED, Failure.EXPECTED_REFUSAL),
    (404, False, Outcome.REFUSED, Failure.EXPECTED_REFUSAL),
    (200, False, Outcome.OK, Failure.WRONG_ANSWER),
    (201, False, Outcome.OK, Failure.WRONG_ANSWER),
    (401, False, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    (503, True, Outcome.REFUSED, Failure.SHED),
    (500, False, Outcome.INDEFINITE, Failure.SERVER_ERROR),
]


@pytest.mark.parametrize(("seen", "outcome", "failure"), TABLE)
def test_each_ending_has_its_conclusion(seen, outcome, failure):
    assert classify(**seen) == (outcome, failure)


@pytest.mark.parametrize(("status", "has_retry_after", "outcome", "failure"), PROBES)
def test_a_probe_counts_only_when_refused_the_right_way(status, has_retry_after, outcome, failure):
    seen = classify(
        ending=ANSWERED,
        status=status,
        refusals_expected=(403, 404),
        has_retry_after=has_retry_after,
    )

    assert seen == (outcome, failure)


@pytest.mark.parametrize("status", range(100, 600))
def test_no_status_is_taken_for_certain_without_reason(status):
    """Only 4xx and honest shedding say that nothing happened; only 2xx says that it did."""
    outcome, _ = classify(ending=ANSWERED, status=status, expected=())

    if outcome is Outcome.REFUSED:
        assert 400 <= status < 500
    if outcome is Outcome.OK:
        assert 200 <= status < 300
