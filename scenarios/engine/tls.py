"""TLS without a socket: bytes in, bytes out, so that the wire needs only one way of waiting."""

from __future__ import annotations

import ssl

_PLAIN_BYTES: int = 64 * 1024


class HandshakeFailed(Exception):
    """The target offered no TLS that we accept: nothing of the request was sent."""


class Encryption:
    """One connection's encryption. Certificates are verified as *context* says."""

    __slots__ = ("_incoming", "_object", "_outgoing", "is_ready")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.is_ready = False

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

    def encrypt(self, plain: bytes) -> bytes:
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
