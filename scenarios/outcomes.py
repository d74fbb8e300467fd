"""What a client may conclude from how one request ended: a pure function, as a table in prose.

    how it ended                                   outcome      failure
    2xx, content as asked                          OK           NONE
    2xx, wrong content; or a probe let through     OK           WRONG_ANSWER
    a probe refused the way it must be             REFUSED      EXPECTED_REFUSAL
    429 or 503 with Retry-After                    REFUSED      SHED
    other 4xx                                      REFUSED      UNEXPECTED_STATUS
    408, 409 "in progress", 3xx, unknown status    INDEFINITE   UNEXPECTED_STATUS
    other 5xx                                      INDEFINITE   SERVER_ERROR
    no whole answer in time                        INDEFINITE   TIMEOUT
    reset, closed early, not HTTP                  INDEFINITE   CONNECTION
    not one byte of the request left               REFUSED      CONNECTION

It never looks at an exception's name: what counts is whether anything was sent. A wrong conclusion
here would let a lost posting pass as refused, so whatever is in doubt is INDEFINITE.
Source: facts/chaos.md §4.1, after Jepsen's definite and indefinite errors.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from contracts.records import Failure, Outcome


class Ending(Enum):
    """How an exchange ended on the wire."""

    ANSWERED = "answered"  # a whole answer came back
    NOTHING_SENT = "nothing sent"  # refused to connect, or the connection broke before the request
    TIMED_OUT = "timed out"  # sent, no whole answer within the limit
    BROKEN = "broken"  # sent, then reset, closed early or answered with what is not HTTP


IN_DOUBT_4XX: Final = (408,)  # a proxy's timeout says nothing about the ledger behind it


def classify(
    *,
    ending: Ending,
    status: int = 0,
    expected: tuple[int, ...] = (200,),
    refusals_expected: tuple[int, ...] = (),
    has_retry_after: bool = False,
    is_in_progress: bool = False,
    is_content_right: bool = True,
) -> tuple[Outcome, Failure]:
    """Return what may be concluded.

    *expected*: the statuses of a right answer. *refusals_expected*: the statuses with which a right
    ledger refuses this request; not empty only for probes. *is_in_progress*: the answer says that
    another attempt with the same key is still under way.
    """
    if ending is not Ending.ANSWERED:
        return _UNANSWERED[ending]
    if refusals_expected:
        if status in refusals_expected and not is_in_progress:
            return Outcome.REFUSED, Failure.EXPECTED_REFUSAL
        if 200 <= status < 300:
            return Outcome.OK, Failure.WRONG_ANSWER
    elif status in expected:
        return Outcome.OK, Failure.NONE if is_content_right else Failure.WRONG_ANSWER
    if status in (429, 503) and has_retry_after:
        return Outcome.REFUSED, Failure.SHED
    return _unexpected(status, is_in_progress=is_in_progress)


_UNANSWERED: Final = {
    Ending.NOTHING_SENT: (Outcome.REFUSED, Failure.CONNECTION),
    Ending.TIMED_OUT: (Outcome.INDEFINITE, Failure.TIMEOUT),
    Ending.BROKEN: (Outcome.INDEFINITE, Failure.CONNECTION),
}


def _unexpected(status: int, *, is_in_progress: bool) -> tuple[Outcome, Failure]:
    if 500 <= status < 600:
        return Outcome.INDEFINITE, Failure.SERVER_ERROR
    if 200 <= status < 300:
        # Acknowledged, though not as agreed: 202 for 201 may yet come to nothing, but the client
        # was told that it was accepted.
        return Outcome.OK, Failure.WRONG_ANSWER
    if 400 <= status < 500 and not is_in_progress and status not in IN_DOUBT_4XX:
        return Outcome.REFUSED, Failure.UNEXPECTED_STATUS
    return Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS
