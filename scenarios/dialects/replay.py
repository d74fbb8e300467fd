"""The dialect of a replayed workload: each operation is its example request; the status decides.

Made for one workload, hence in no registry. It knows nothing of the system, so it can judge no
content and has no books to read.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.dialects.interface import Answer, BookColumns, Request
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import classify
from scenarios.workload import SESSION, ReplayedOperation, ReplayedWorkload

# What a system answers when it does as asked, unless the workload says otherwise.
GOOD: tuple[int, ...] = tuple(range(200, 400))


class ReplayDialect:
    """Keeps the `Dialect` protocol for one workload; without one it speaks no operation."""

    health_path = "/"
    version_path = ""
    has_books = False

    def __init__(self, workload: ReplayedWorkload | None) -> None:
        operations = workload.operations if workload else ()
        self.operations = frozenset(one.name for one in operations)
        self._requests = {one.name: _requests_of(one) for one in operations}
        self._numbered = {one.name for one in operations if any(SESSION in t for t in one.targets)}
        self._expected = {one.name: one.expected or GOOD for one in operations}

    def request(self, step: Step, token: str) -> Request:
        """Return the example request that *step* names; its unit is the session's number."""
        request = self._requests[step.operation][step.document]
        if step.operation in self._numbered:
            target = request.target.replace(SESSION, str(step.unit))
            return request._replace(target=target)
        return request

    def reply(self, step: Step, answer: Answer) -> Reply:
        """Judge by how the exchange ended and its status alone."""
        status = answer.status
        has_retry_after = status in (429, 503) and answer.header("Retry-After") is not None
        outcome, failure = classify(
            ending=answer.ending,
            status=status,
            expected=self._expected[step.operation],
            has_retry_after=has_retry_after,
        )
        return Reply(outcome, failure, status)

    def read_books_requests(
        self, provinces: Sequence[int], fiscal_year: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return nothing: a replayed workload keeps no books."""
        return ()

    def parse_books(self, body: bytes) -> BookColumns:
        """Refuse: a replayed workload keeps no books."""
        raise ValueError("a replayed workload keeps no books")


def _requests_of(operation: ReplayedOperation) -> Sequence[Request]:
    return [
        Request(operation.method, target, operation.headers, operation.body)
        for target in operation.targets
    ]
