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


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """HTTP status and title of a code; `retry_after_s` 0 means no Retry-After."""

    status: int
    title: str
    retry_after_s: int = 0


PROBLEMS = {
    "invalid": ProblemKind(422, "The request breaks a rule of the ledger"),
    "idempotency-key-missing": ProblemKind(
        400, "A write needs the header Idempotency-Key with a UUID"
    ),
    "idempotency-key-reused": ProblemKind(422, "This key was used with another payload"),
    "unauthorized": ProblemKind(401, "Sign in first"),
    "login-refused": ProblemKind(401, "The identity provider's answer is not valid"),
    "forbidden-unit": ProblemKind(403, "These are the books of another unit"),
    "forbidden-role": ProblemKind(403, "Your role may not do this"),
    "not-found": ProblemKind(404, "There is no such thing"),
    "method-not-allowed": ProblemKind(405, "The path does not have this method"),
    "wrong-state": ProblemKind(409, "The document or period is not in that state"),
    "period-closed": ProblemKind(409, "The period is not open"),
    "too-large": ProblemKind(413, "The request body is too large"),
    "budget-exceeded": ProblemKind(422, "The budget line does not hold that much"),
    "shed-unit": ProblemKind(429, "This unit sends too much at once", retry_after_s=1),
    "shed": ProblemKind(503, "Too busy; nothing was executed", retry_after_s=1),
    "provider-unavailable": ProblemKind(
        503, "The identity provider does not answer", retry_after_s=5
    ),
    "internal": ProblemKind(500, "The ledger failed"),
    "indefinite": ProblemKind(504, "No result in time; ask again with the same key to learn it"),
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
        about = {"title": kind.title, "status": kind.status, "detail": self.detail, "code": code}
        return orjson.dumps({"type": f"urn:monthend:problem:{code}", **about})
