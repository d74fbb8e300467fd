"""What can go wrong, as one small family, and how it is told to a client (RFC 9457).

    BadSettings, BadCatalogue    refused at start-up, before any request
    Problem                      an answer: a `code` of PROBLEMS and a sentence

PROBLEMS is the single list of codes with their HTTP status. A code with `retry_after_s` promises
that the request was NOT executed and may be sent again.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson


class BadSettings(Exception):
    """A setting is missing or wrong: what, where, how to mend it."""


class BadCatalogue(Exception):
    """`kinds.toml` contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """HTTP status and title of a code; `retry_after_s` 0 means no Retry-After."""

    status: int
    title: str
    retry_after_s: int = 0


PROBLEMS = {
    "invalid": ProblemKind(status=422, title="The request breaks a rule of the ledger"),
    "idempotency-key-missing": ProblemKind(
        status=400, title="A write needs the header Idempotency-Key with a UUID"
    ),
    "idempotency-key-reused": ProblemKind(
        status=422, title="This key was used with another payload"
    ),
    "unauthorized": ProblemKind(status=401, title="Sign in first"),
    "login-refused": ProblemKind(status=401, title="The identity provider's answer is not valid"),
    "forbidden-unit": ProblemKind(status=403, title="These are the books of another unit"),
    "forbidden-role": ProblemKind(status=403, title="Your role may not do this"),
    "not-found": ProblemKind(status=404, title="There is no such thing"),
    "method-not-allowed": ProblemKind(status=405, title="The path does not have this method"),
    "wrong-state": ProblemKind(status=409, title="The document or period is not in that state"),
    "period-closed": ProblemKind(status=409, title="The period is not open"),
    "too-large": ProblemKind(status=413, title="The request body is too large"),
    "budget-exceeded": ProblemKind(status=422, title="The budget line does not hold that much"),
    "shed-unit": ProblemKind(status=429, title="This unit sends too much at once", retry_after_s=1),
    "shed": ProblemKind(status=503, title="Too busy; nothing was executed", retry_after_s=1),
    "provider-unavailable": ProblemKind(
        status=503, title="The identity provider does not answer", retry_after_s=5
    ),
    "internal": ProblemKind(status=500, title="The ledger failed"),
    "indefinite": ProblemKind(
        status=504, title="No result in time; ask again with the same key to learn it"
    ),
}


class Problem(Exception):
    """An answer other than success. *code* is one of `PROBLEMS`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    @property
    def kind(self) -> ProblemKind:
        """Return the status, title and retry promise of this problem's code."""
        return PROBLEMS[self.code]

    def body(self) -> bytes:
        """Return the problem document; 429 answers carry the code `shed` as 503 answers do."""
        kind = self.kind
        code = "shed" if self.code == "shed-unit" else self.code
        return orjson.dumps(
            {
                "type": f"urn:monthend:problem:{code}",
                "title": kind.title,
                "status": kind.status,
                "detail": self.detail,
                "code": code,
            }
        )
