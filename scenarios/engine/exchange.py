"""One request on its way, and where it goes: what the wire and its users hand each other."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from scenarios.dialects.interface import Answer
from scenarios.outcomes import Ending

NO_ANSWER: Final = {ending: Answer(ending=ending) for ending in Ending}
_UNANSWERED: Final = NO_ANSWER[Ending.BROKEN]


class Errand(Protocol):
    """What wants to know of an exchange's end before its owner does."""

    def returned(self) -> None:
        """Go on after the exchange ended on the wire."""
        ...


class Exchange:
    """One request and what became of it. Times are CLOCK_MONOTONIC ns, 0 when it did not happen.

    `is_safe`: sending it twice does no harm. `owner` is whatever the caller needs back. `limit_ns`
    is how long the answer may take; 0 leaves that to the pool. `person` is whose browser sends it,
    where connections are a person's own. `errand` is told of the end first, where there is one.
    `unseen_bytes` came over the wire and are not in `answer`; negative for what was unpacked.
    """

    __slots__ = (
        "answer", "connection", "done_ns", "errand", "first_byte_ns", "has_body", "is_safe",
        "is_second_try", "limit_ns", "owner", "payload", "person", "sent_ns", "unseen_bytes",
    )  # fmt: skip

    def __init__(
        self,
        payload: bytes,
        owner: Any,
        *,
        is_safe: bool,
        has_body: bool = True,
        limit_ns: int = 0,
    ) -> None:
        self.payload = payload
        self.owner = owner
        self.is_safe = is_safe
        self.has_body = has_body
        self.limit_ns = limit_ns
        self.is_second_try = False
        self.person = 0
        self.errand: Errand | None = None
        self.unseen_bytes = 0
        self.connection: Any = None
        self.answer = _UNANSWERED
        self.sent_ns = 0
        self.first_byte_ns = 0
        self.done_ns = 0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host listens. Hashable: there is one pool per address."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header: port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"
        )


def address_of(url: str) -> Address:
    """Return where *url* points. Raises `ValueError` when it is not an http or https address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https address")
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return Address(scheme=parts.scheme, host=parts.hostname, port=port)


def resolve(address: Address) -> tuple[int, Any]:
    """Look the host up: family and socket address. Raises `OSError` when it is unknown."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, _, _, _, socket_address = found[0]
    return family, socket_address
