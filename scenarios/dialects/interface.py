"""What a dialect is: the pure translation between a journey's steps and one kind of system's HTTP.

A dialect turns a Step into a Request and an Answer into a Reply, and reads that system's final
books. It opens no connection and keeps no state; the engine and the harness send what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import Ending


class Request(NamedTuple):
    """One HTTP request. `target` is a path with query on the system under test, or, for another
    host (the identity provider), a whole http or https address.

    `follow` is how many redirects may be followed for it; all of them are one sample, done when
    the last answer is. `is_browsing`: cookies are kept for the person who asks and sent along,
    compressed answers are announced and unpacked.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    follow: int = 0
    is_browsing: bool = False


class Answer(NamedTuple):
    """How an exchange ended and, when it was answered, with what. `head` is the raw status line
    and headers, each line ended by CRLF. `address` is where redirects led, whole; "" when none was
    followed.
    """

    ending: Ending
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    address: str = ""

    def header(self, name: str) -> str | None:
        """Return the first header called *name* (any case), None when there is none."""
        start = self.head.lower().find(b"\r\n%b:" % name.lower().encode())
        if start < 0:
            return None
        start += len(name) + 3
        end = self.head.find(b"\r\n", start)
        return self.head[start : end if end >= 0 else None].strip().decode("latin-1")


BookColumns = Mapping[str, Mapping[str, Sequence[Any]]]


class AccountTotals(NamedTuple):
    """A row of a trial balance; opening and closing are debit positive."""

    account: str
    opening_satang: int
    debit_satang: int
    credit_satang: int
    closing_satang: int


class Dialect(Protocol):
    """The seam between the harness and one kind of system.

    `operations` are those that the system has; activities that need another are left out of the
    plan. `health_path` answers 200 when the system is up. `version_path` gives a JSON object with
    a `name`, "" where there is none. `has_books`: the final books can be read.
    """

    @property
    def operations(self) -> frozenset[str]:
        """Names out of `scenarios.demand.OPERATIONS`."""
        ...

    @property
    def health_path(self) -> str:
        """Path that answers 200 to anybody while the system is up."""
        ...

    @property
    def version_path(self) -> str:
        """Path at which the system says what it is, "" for none."""
        ...

    @property
    def has_books(self) -> bool:
        """Whether `read_books_requests` and `parse_books` do anything."""
        ...

    def request(self, step: Step, token: str) -> Request:
        """Translate *step*, asked by the holder of *token* (empty when not signed in)."""
        ...

    def reply(self, step: Step, answer: Answer) -> Reply:
        """Say what *answer* means for *step*; never raises, whatever the target sent."""
        ...

    def read_books_requests(
        self, provinces: Sequence[int], fiscal_year: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return the reads of the complete books of *provinces*, for the holder of *token*."""
        ...

    def parse_books(self, body: bytes) -> BookColumns:
        """Return table -> column -> values for the tables of `contracts.records.BOOKS_COLUMNS`."""
        ...


class ConsolidatingDialect(Protocol):
    """What a dialect has besides when its system shows consolidated reports."""

    def read_consolidated_requests(
        self, parents: Sequence[int], period: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return a read of the consolidated trial balance of each of *parents* for *period*
        (CE year * 100 + month), for the holder of *token*.
        """
        ...

    def parse_consolidated(self, body: bytes) -> Sequence[AccountTotals]:
        """Return what one such report says of each account."""
        ...
