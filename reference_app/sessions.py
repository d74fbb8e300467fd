"""Sign-in tokens: signed, stateless, checked without the database, so a restart signs nobody out.

A token is BASE64(JSON [account, unit, roles, expires_at]) "." BASE64(HMAC-SHA256). Verified tokens
are remembered up to a limit. A token cannot be withdrawn before it expires; its life is one day's
work (settings: session_lifetime_s).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from reference_app.problems import Problem

REMEMBERED_MAX: Final = 20_000  # tokens, about 0.5 kB each


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is asking, in which roles, from which home unit, until when (s since 1970)."""

    account: int
    unit: int
    roles: frozenset[str]
    expires_at: float


class Tokens:
    """Signs and verifies tokens with one key. *clock* returns s since 1970."""

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key = key
        self._clock = clock
        self._remembered: dict[str, Session] = {}

    def sign(self, session: Session) -> str:
        """Return the token of *session*."""
        content = orjson.dumps(
            [session.account, session.unit, sorted(session.roles), session.expires_at]
        )
        return f"{_text(content)}.{_text(self._mac(content))}"

    def session_of(self, authorization: str | None) -> Session:
        """Return the session of an `Authorization` header; a `Problem` when it proves nothing."""
        session = self._remembered.get(authorization) if authorization else None
        if session is None:
            session = self._verify(authorization)
        if session.expires_at <= self._clock():
            raise Problem("unauthorized", "the session has expired; sign in again")
        return session

    def _verify(self, authorization: str | None) -> Session:
        if not authorization or not authorization.startswith("Bearer "):
            raise Problem("unauthorized", "the header Authorization: Bearer TOKEN is missing")
        first, _, second = authorization[7:].partition(".")
        try:
            content = urlsafe_b64decode(first + "=" * (-len(first) % 4))
            is_ours = hmac.compare_digest(
                urlsafe_b64decode(second + "=" * (-len(second) % 4)), self._mac(content)
            )
        except ValueError:
            is_ours = False
        if not is_ours:
            raise Problem("unauthorized", "the token is not one of ours")
        account, unit, roles, expires_at = orjson.loads(content)
        session = Session(account=account, unit=unit, roles=frozenset(roles), expires_at=expires_at)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[authorization] = session
        return session

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")


def pid_hash(key: bytes, pid: str) -> bytes:
    """Return the keyed hash under which a citizen number stands in the database."""
    return hmac.digest(key, pid.encode(), "sha256")


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
