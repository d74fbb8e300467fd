"""The load's evidence as it happens: two append-only logs of fixed-width records per process.

`samples/load-<i>.log` takes one record per request, handed to the kernel at least once a second.
`operations/load-<i>.log` takes one record per attempt of a money operation, handed over *before*
the request is sent (OPEN) and again when it ended: after kill -9 an operation is in doubt, never
missing. Columns stand in `contracts.records`; here is how they are packed, and nothing is judged.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from contracts.records import FORMAT_VERSION, OPERATION_DTYPE, SAMPLE_DTYPE, Failure, Outcome
from scenarios.journeys.forms import BUDGET_LINES, CASH_ACCOUNTS, Effect, MoneyKind

SAMPLE: Final = struct.Struct("<qqqqiiihhhbbbx")
OPERATION: Final = struct.Struct("<QQqqqqqqiiiihhhhbbbb")
assert SAMPLE.size == SAMPLE_DTYPE.itemsize
assert OPERATION.size == OPERATION_DTYPE.itemsize

_FLUSH_BYTES: Final = 256 * 1024
_OPEN: Final = int(Outcome.OPEN)
_NOT_SENT: Final = (int(Outcome.REFUSED), int(Failure.NOT_SENT))


class LogFull(OSError):
    """A log could not be written: the run cannot go on, what was written is kept."""


class AppendLog:
    """A file that only grows, one JSON header line first. Every write reaches the kernel whole.

    With *room_bytes* the header line has that length, blanks at its end, and may be written anew.
    """

    __slots__ = ("_fd", "_room_bytes", "path")

    def __init__(self, path: Path, header: Mapping[str, Any], *, room_bytes: int = 0) -> None:
        self.path = path
        self._room_bytes = room_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self.write(self._line(header))

    def rewrite_header(self, header: Mapping[str, Any]) -> None:
        """Replace the header in its place. Raises `ValueError` when it does not fit its room."""
        fd = os.open(self.path, os.O_WRONLY)  # what is open for appending writes nowhere else
        try:
            os.pwrite(fd, self._line(header), 0)
        finally:
            os.close(fd)

    def _line(self, header: Mapping[str, Any]) -> bytes:
        line = orjson.dumps(header)
        if self._room_bytes and len(line) >= self._room_bytes:
            raise ValueError(f"the header of {self.path} needs {len(line)} bytes")
        return line.ljust(max(0, self._room_bytes - 1)) + b"\n"

    def write(self, records: bytes | bytearray) -> None:
        """Append *records*. Raises `LogFull` when the place has no room."""
        try:
            written = os.write(self._fd, records)
            while written < len(records):
                records = records[written:]
                written = os.write(self._fd, records)
        except OSError as error:
            raise LogFull(
                error.errno, f"cannot write the log: {error.strerror}", str(self.path)
            ) from error

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class SampleLog:
    """Buffers samples for at most a second; `take_recent` shows them to the live display."""

    __slots__ = ("_buffer", "_header", "_is_renamed", "_log", "_recent")

    def __init__(
        self,
        path: Path,
        *,
        process_index: int,
        t0_ns: int,
        operations: Sequence[tuple[str, str]],
        room_bytes: int = 0,
    ) -> None:
        self._header: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "process_index": process_index,
            "t0_ns": t0_ns,
            "operations": [{"name": name, "kind": kind} for name, kind in operations],
        }
        self._log = AppendLog(path, self._header, room_bytes=room_bytes)
        self._is_renamed = False
        self._buffer = bytearray()
        self._recent: list[bytearray] = []

    def name_operation(self, name: str, kind: str) -> None:
        """Add an operation, numbered next, to a log with room in its header."""
        self._header["operations"].append({"name": name, "kind": kind})
        self._is_renamed = True

    def add(
        self,
        planned_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        session: int,
        unit: int,
        bytes_in: int,
        operation: int,
        status: int,
        step: int,
        attempt: int,
        outcome: int,
        failure: int,
    ) -> None:
        """Add one record; positional, in the order of `SAMPLE_DTYPE`: this is the hot path."""
        self._buffer += SAMPLE.pack(
            planned_ns, sent_ns, first_byte_ns, done_ns, session, unit, bytes_in, operation,
            status, step, attempt, outcome, failure,
        )  # fmt: skip
        if len(self._buffer) >= _FLUSH_BYTES:
            self.flush()

    def add_not_sent(
        self, planned_ns: int, session: int, unit: int, operation: int, step: int
    ) -> None:
        """Add a request that was planned and never sent."""
        self.add(planned_ns, 0, 0, 0, session, unit, 0, operation, 0, step, 0, *_NOT_SENT)

    def flush(self) -> None:
        """Hand everything to the kernel; names before the records that use them."""
        if self._is_renamed:
            self._log.rewrite_header(self._header)
            self._is_renamed = False
        if self._buffer:
            self._log.write(self._buffer)
            self._recent.append(self._buffer)
            self._buffer = bytearray()

    def take_recent(self) -> npt.NDArray[np.void]:
        """Return what was flushed since the last call, as `SAMPLE_DTYPE`."""
        recent, self._recent = self._recent, []
        return np.frombuffer(b"".join(recent), dtype=SAMPLE_DTYPE)

    def close(self) -> None:
        """Flush and close. Idempotent."""
        if self._buffer:
            self.flush()
        self._log.close()


class OperationLog:
    """Writes each money operation through at once, before and after."""

    __slots__ = ("_log",)

    def __init__(self, path: Path, *, process_index: int) -> None:
        header = {
            "format_version": FORMAT_VERSION,
            "process_index": process_index,
            "kinds": [kind.value for kind in MoneyKind],
            "budget_lines": list(BUDGET_LINES),
            "cash_accounts": list(CASH_ACCOUNTS),
        }
        self._log = AppendLog(path, header)

    def add(
        self,
        key: tuple[int, int],
        effect: Effect,
        *,
        session: int,
        unit: int,
        attempt: int,
        expects_refusal: bool,
        is_replay: bool,
        invoked_ns: int,
        completed_ns: int = 0,
        outcome: int = _OPEN,
        status: int = 0,
        document: int = 0,
        number: int = -1,
    ) -> None:
        """Write one record through; without *outcome* it is OPEN, to be replaced by a later one."""
        self._log.write(
            OPERATION.pack(
                key[0], key[1], invoked_ns, completed_ns, effect.gross_satang,
                effect.cash_delta_satang, effect.budget_delta_satang, document, number, session,
                unit, effect.period, effect.kind, status, effect.budget_line, effect.cash_account,
                attempt, outcome, expects_refusal, is_replay,
            )
        )  # fmt: skip

    def add_many(self, records: npt.NDArray[np.void]) -> None:
        """Write *records*, which are of `OPERATION_DTYPE`, through at once."""
        self._log.write(records.tobytes())

    def close(self) -> None:
        """Close. Idempotent."""
        self._log.close()
