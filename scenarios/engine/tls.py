"""TLS without a socket: bytes in, bytes out, so that the wire needs only one way of waiting."""

from __future__ import annotations

import ssl
from typing import Final

_PLAIN_BYTES: Final = 64 * 1024
# Who is not among the latest makes a whole handshake: more work for the target, never less.
SESSIONS_MAX: Final = 4096


class HandshakeFailed(Exception):
    """The target offered no TLS that we accept: nothing of the request was sent."""


class Encryption:
    """One connection's encryption. Certificates are verified as *context* says.

    *session*: of an earlier connection to the same host, to be taken up again if the target agrees.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "is_ready")

    def __init__(
        self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host, session=session
        )
        self.is_ready = False

    @property
    def session(self) -> ssl.SSLSession | None:
        """What the next connection may take up; complete once an answer has come (TLS 1.3)."""
        return self._object.session

    def shake_hands(self, received: bytes) -> bool:
        """Go on with the handshake; returns whether it is complete. Raises `HandshakeFailed`."""
        if received:
            self._incoming.write(received)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise HandshakeFailed(str(error)) from error
        self.is_ready = True
        return True

    def outgoing(self) -> bytes:
        """Return the bytes that must go to the target now."""
        return self._outgoing.read()

    def encrypt(self, plain: bytes | memoryview) -> bytes:
        """Return *plain* as it must be sent."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """Return what *received* completes; raises `ssl.SSLError` for what is not TLS."""
        self._incoming.write(received)
        parts = []
        try:
            while part := self._object.read(_PLAIN_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._incoming.write_eof()
        return b"".join(parts)


class TlsSessions:
    """Sessions that people may take up again, the latest of each; bounded, the oldest go first."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions: dict[int, ssl.SSLSession] = {}

    def get(self, person: int) -> ssl.SSLSession | None:
        """Return the session of *person*, None for a stranger."""
        return self._sessions.get(person)

    def keep(self, person: int, session: ssl.SSLSession | None) -> None:
        """Remember *session* for *person*'s next connection."""
        if session is None:
            return
        self._sessions.pop(person, None)
        self._sessions[person] = session
        if len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
