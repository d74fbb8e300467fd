"""HTTP/1.1 answers from bytes, with a limit on everything: no socket, no waiting.

A target under test is not trusted: whatever is not plain HTTP/1.1 raises `NotHttp`, and nothing
grows without bound. It reads what a client needs (status, length or chunks, keep-alive) and leaves
the other headers as they came. Source: RFC 9112.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from scenarios.dialects.interface import Answer
from scenarios.outcomes import Ending

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
CHUNK_LINE_BYTES_MAX: Final = 1024
INTERIM_ANSWERS_MAX: Final = 8
_DIGITS_MAX: Final = 12
# Most answers of a target have one of a few heads, which change with the second of Date.
HEADS_REMEMBERED: Final = 256
_LENGTH_MARK: Final = b"\r\ncontent-length:"

_HEAD, _BODY, _UNTIL_CLOSE, _CHUNK_LINE, _CHUNK, _CHUNK_END, _TRAILER, _DONE = range(8)


class NotHttp(ValueError):
    """The target answered with what is not HTTP/1.1, or with too much of it."""


def whole_answer(received: bytes) -> Answer | None:
    """Return the answer when *received* is all of it and nothing is unusual about it, else None.

    The usual answer comes in one piece on a connection that stays open, and this takes a fifth of
    the time of an `AnswerReader`, which decides whatever is left. Where this answers, both agree.
    """
    end = received.find(b"\r\n\r\n")
    if not 0 < end <= HEAD_BYTES_MAX:
        return None
    head = received[: end + 2]
    usual = _usual_head(head)
    if usual is None or usual[1] != len(received) - end - 4:
        return None
    return Answer(Ending.ANSWERED, usual[0], head, received[end + 4 :])


@lru_cache(maxsize=HEADS_REMEMBERED)
def _usual_head(head: bytes) -> tuple[int, int] | None:
    """Return status and body's length of a head without surprises, None for any other."""
    status = head[9:12]
    if (
        head[:9] != b"HTTP/1.1 "
        or head[12:13] != b" "
        or not b"200" <= status <= b"599"
        or not status.isdigit()
        or status in (b"204", b"304")
    ):
        return None
    lower = head.lower()
    if lower.find(b"\r\nconnection:") >= 0 or lower.find(b"\r\ntransfer-encoding:") >= 0:
        return None
    start = lower.find(_LENGTH_MARK)
    if start < 0 or lower.find(_LENGTH_MARK, start + 1) >= 0:
        return None
    start += len(_LENGTH_MARK)
    digits = lower[start : lower.find(b"\r\n", start)].strip()
    if not digits.isdigit() or len(digits) > _DIGITS_MAX:
        return None
    return int(status), int(digits)


class AnswerReader:
    """Reads one answer from the bytes fed to it.

    After `is_done`: `status`, `head` (status line and headers, each ended by CRLF), `body`, and
    `is_reusable`, whether the connection may carry another request.
    """

    __slots__ = (
        "_at", "_buffer", "_has_body", "_interim", "_needed", "_parts", "_read", "_state", "body",
        "head", "is_reusable", "status",
    )  # fmt: skip

    def __init__(self, *, has_body: bool = True) -> None:
        """*has_body*: False for an answer to HEAD."""
        self.status = 0
        self.head = b""
        self.body = b""
        self.is_reusable = True
        self._at = 0
        self._buffer = b""
        self._has_body = has_body
        self._interim = 0
        self._needed = 0
        self._parts: list[bytes] = []
        self._read = 0
        self._state = _HEAD

    @property
    def is_done(self) -> bool:
        """Whether the whole answer was read."""
        return self._state == _DONE

    def answer(self) -> Answer:
        """Return what was read, once it is whole."""
        return Answer(Ending.ANSWERED, self.status, self.head, self.body)

    def feed(self, received: bytes) -> bool:
        """Take *received* in; returns whether the answer is whole. Raises `NotHttp`."""
        if self._state == _HEAD:
            buffer = self._buffer + received if self._buffer else received
            end = buffer.find(b"\r\n\r\n")
            if end < 0 or end > HEAD_BYTES_MAX:
                return self._incomplete_head(buffer)
            self._take_head(buffer[: end + 2])
            received = buffer[end + 4 :]
            self._buffer = b""
            if self._state == _HEAD:  # an interim answer was skipped
                return self.feed(received) if received else False
        return self._take_body(received)

    def finish(self) -> bool:
        """Say that the target closed; returns whether that ended the answer properly."""
        if self._state != _UNTIL_CLOSE:
            return False
        self.body = b"".join(self._parts)
        self._state = _DONE
        return True

    def _incomplete_head(self, buffer: bytes) -> bool:
        if len(buffer) > HEAD_BYTES_MAX:
            raise NotHttp(f"headers of more than {HEAD_BYTES_MAX} bytes")
        if not b"HTTP/1.".startswith(buffer[:7]):
            raise NotHttp("not a status line of HTTP/1")
        self._buffer = buffer
        return False

    def _take_head(self, head: bytes) -> None:
        code = head[9:12]
        if head[:7] != b"HTTP/1." or head[8:9] != b" " or not code.isdigit() or code < b"100":
            raise NotHttp("not a status line of HTTP/1")
        if head[12:13] not in (b" ", b"\r"):
            raise NotHttp("a status is three digits")
        status = int(code)
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > INTERIM_ANSWERS_MAX:
                raise NotHttp("an answer that never comes")
            return
        self.status = status
        self.head = head
        lower = head.lower()
        # Few answers carry these two; the first is the exception, the second the old protocol.
        if lower.find(b"\r\nconnection:") >= 0 or head[:8] != b"HTTP/1.1":
            self.is_reusable = _is_kept_alive(lower)
        if not self._has_body or status in (204, 304):
            self._needed = 0
            self._state = _BODY
        elif lower.find(b"\r\ntransfer-encoding:") >= 0:
            if _value(lower, b"transfer-encoding") != b"chunked":
                raise NotHttp("a transfer encoding other than chunked")
            # Both lengths at once is how requests are smuggled: never reuse such a connection.
            self.is_reusable = self.is_reusable and lower.find(b"\r\ncontent-length:") < 0
            self._state = _CHUNK_LINE
        else:
            length = _value(lower, b"content-length")
            if length is None:
                self.is_reusable = False
                self._state = _UNTIL_CLOSE
                return
            self._needed = _length(length)
            self._state = _BODY

    def _take_body(self, received: bytes) -> bool:
        if self._state == _BODY:
            return self._take_counted(received)
        if self._state == _UNTIL_CLOSE:
            self._keep(received)
            return False
        self._buffer = self._buffer[self._at :] + received
        self._at = 0
        while self._state != _DONE:
            if not self._take_chunk_piece():
                return False
        return True

    def _take_counted(self, received: bytes) -> bool:
        missing = self._needed - self._read
        if len(received) > missing:
            self.is_reusable = False  # bytes that nobody asked for
            received = received[:missing]
        if received:
            self._keep(received)
        if self._read < self._needed:
            return False
        self._end()
        return True

    def _take_chunk_piece(self) -> bool:
        """Read one line or chunk out of the buffer; returns False when it is not all there yet."""
        if self._state == _CHUNK:
            piece = self._buffer[self._at : self._at + self._needed]
            if not piece:
                return False
            self._keep(piece)
            self._at += len(piece)
            self._needed -= len(piece)
            if self._needed == 0:
                self._state = _CHUNK_END
            return True
        end = self._buffer.find(b"\r\n", self._at, self._at + CHUNK_LINE_BYTES_MAX)
        if end < 0:
            if len(self._buffer) - self._at >= CHUNK_LINE_BYTES_MAX:
                raise NotHttp("a chunk line without an end")
            return False
        line = self._buffer[self._at : end]
        self._at = end + 2
        if self._state == _CHUNK_END:
            if line:
                raise NotHttp("a chunk longer than it said")
            self._state = _CHUNK_LINE
        elif self._state == _CHUNK_LINE:
            self._needed = _chunk_length(line)
            self._state = _CHUNK if self._needed else _TRAILER
        else:
            self._take_trailer(line)
        return True

    def _take_trailer(self, line: bytes) -> None:
        if line:
            self._interim += len(line)
            if self._interim > HEAD_BYTES_MAX:
                raise NotHttp("trailers without an end")
            return
        if len(self._buffer) > self._at:
            self.is_reusable = False  # bytes that nobody asked for
        self._end()

    def _keep(self, received: bytes) -> None:
        self._read += len(received)
        if self._read > BODY_BYTES_MAX:
            raise NotHttp(f"a body of more than {BODY_BYTES_MAX} bytes")
        self._parts.append(received)

    def _end(self) -> None:
        self.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._buffer = b""
        self._state = _DONE


def _value(lower: bytes, name: bytes) -> bytes | None:
    """Return the value of the one header *name* in the lower-case *lower*; None when absent."""
    mark = b"\r\n%b:" % name
    start = lower.find(mark)
    if start < 0:
        return None
    end = lower.find(b"\r\n", start + 2)
    value = lower[start + len(mark) : end].strip()
    again = lower.find(mark, end)
    if again >= 0 and _value(lower[again:], name) != value:
        raise NotHttp(f"two different headers {name.decode()}")
    return value


def _is_kept_alive(lower: bytes) -> bool:
    connection = _value_any(lower, b"connection")
    if lower.startswith(b"http/1.0"):
        return b"keep-alive" in connection
    return b"close" not in connection


def _value_any(lower: bytes, name: bytes) -> bytes:
    start = lower.find(b"\r\n%b:" % name)
    return lower[start + len(name) + 3 : lower.find(b"\r\n", start + 2)] if start >= 0 else b""


def _length(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _DIGITS_MAX:
        raise NotHttp(f"a length of {digits[:40]!r}")
    length = int(digits)
    if length > BODY_BYTES_MAX:
        raise NotHttp(f"a body of more than {BODY_BYTES_MAX} bytes")
    return length


def _chunk_length(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > _DIGITS_MAX or digits.strip(b"0123456789abcdefABCDEF"):
        raise NotHttp(f"a chunk length of {digits[:40]!r}")
    length = int(digits, 16)
    if length > BODY_BYTES_MAX:
        raise NotHttp(f"a chunk of more than {BODY_BYTES_MAX} bytes")
    return length
