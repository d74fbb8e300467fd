"""The truth server's log: one fixed-width record per request, as it happened on the server.

A file that only grows: one JSON header line (seed, when the server started), then records. What
counts is what the server did, not what it meant to do: its own lateness is in the log.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from harness.failures import BrokenExperiment

STALL_REQUEST: Final = -2  # in place of a request's number: the server stood still
NO_NUMBER: Final = -1  # a path without a number


class Ending(IntEnum):
    """How the server's part of a request ended."""

    WHOLE = 0  # the kernel took the last byte of the answer
    RESET_BEFORE = 1  # the connection was reset before any byte of an answer
    RESET_AFTER = 2  # the connection was reset in the middle of an answer
    CLIENT_LEFT = 3  # the client went away first


# Times are ns of CLOCK_MONOTONIC. `received_ns`: the whole request had been read. `intended_ns`:
# ns from there to the last byte, as drawn. `first_byte_ns`: just before the first byte was handed
# to the kernel, 0 when none was. `last_byte_ns` and `handed_ns`: just before and just after the
# last byte (or the reset) was handed over; between the two lies what the truth does not know.
# `place` counts the requests of one connection from 0.
TRUTH: Final = struct.Struct("<qqqqqqiihbb4x")
TRUTH_DTYPE: Final = np.dtype(
    [
        ("request", "<i8"),
        ("received_ns", "<i8"),
        ("intended_ns", "<i8"),
        ("first_byte_ns", "<i8"),
        ("last_byte_ns", "<i8"),
        ("handed_ns", "<i8"),
        ("connection", "<i4"),
        ("place", "<i4"),
        ("status", "<i2"),
        ("kind", "i1"),  # delays.Kind
        ("ending", "i1"),  # Ending
        ("padding", "V4"),
    ]
)
assert TRUTH.size == TRUTH_DTYPE.itemsize

Records = npt.NDArray[np.void]


def read_log(path: Path, dtype: np.dtype[np.void]) -> tuple[dict[str, Any], Records]:
    """Return header and whole records of a log; its last record may be cut short.

    Raises `BrokenExperiment` when it is no log.
    """
    try:
        content = path.read_bytes()
        end = content.index(b"\n") + 1
        header = orjson.loads(content[:end])
    except (OSError, ValueError) as error:
        raise BrokenExperiment(
            what=f"this is no log: {error}",
            where=str(path),
            mend="see what its writer said beside it, and calibrate again",
        ) from error
    count = (len(content) - end) // dtype.itemsize
    return header, np.frombuffer(content, dtype, count, end)
