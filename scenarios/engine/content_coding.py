"""Compressed answers: gzip and deflate, with a limit on what may come out. Pure.

Brotli and zstd are never announced, so an answer in them is nothing that was asked for. What is
broken, too much or in an unknown coding raises `BrokenCoding`: the answer did not arrive.
Source: RFC 9110 section 8.4.1; "deflate" is zlib there, and bare deflate in some servers.
"""

from __future__ import annotations

import zlib
from typing import Final

# A page of an accounting system is far below. Unpacking this much takes 15 to 23 ms of CPU (zeros,
# rows; measured, November 2026), and that is how long a bomb may delay all other sessions.
DECODED_BYTES_MAX: Final = 8 * 1024 * 1024
MEMBERS_MAX: Final = 64
_GZIP, _ZLIB, _BARE = 31, 15, -15


class BrokenCoding(ValueError):
    """The body cannot be decoded, or becomes too much."""


def decoded(head: bytes, body: bytes) -> bytes:
    """Return *body* without the content coding that *head* names. Raises `BrokenCoding`."""
    coding = _coding(head)
    if coding in (b"", b"identity") or not body:
        return body
    if coding in (b"gzip", b"x-gzip"):
        return _inflated(body, _GZIP)
    if coding == b"deflate":
        return _inflated(body, _ZLIB if _has_zlib_header(body) else _BARE)
    raise BrokenCoding(f"a content coding that nobody asked for: {coding[:40]!r}")


def _coding(head: bytes) -> bytes:
    lower = head.lower()
    start = lower.find(b"\r\ncontent-encoding:")
    if start < 0:
        return b""
    start += 19
    return lower[start : lower.find(b"\r\n", start)].strip()


def _has_zlib_header(body: bytes) -> bool:
    """Say whether *body* begins as RFC 1950 says: method 8, and a check number."""
    return body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _inflated(body: bytes, window: int) -> bytes:
    parts: list[bytes] = []
    room = DECODED_BYTES_MAX
    for _ in range(MEMBERS_MAX):
        inflater = zlib.decompressobj(window)
        try:
            part = inflater.decompress(body, room + 1)
        except zlib.error as error:
            raise BrokenCoding(str(error)) from error
        room -= len(part)
        if room < 0:
            raise BrokenCoding(f"more than {DECODED_BYTES_MAX} bytes unpacked")
        if not inflater.eof:
            raise BrokenCoding("it ends in the middle")
        parts.append(part)
        body = inflater.unused_data
        # Several gzip members in a row are one answer; padding of zeros after them is none.
        if window != _GZIP or not body.lstrip(b"\0"):
            return b"".join(parts)
    raise BrokenCoding(f"more than {MEMBERS_MAX} members")
