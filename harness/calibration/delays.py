"""What the truth server does to a request, by the first part of its path: kinds of known delay.

Delays are drawn from a seed and belong to a request's number, so that anybody can draw them again:
request n of a kind waits the entry n modulo `DRAWS` of that kind's table. Pure; the server carries
them out and logs what it really did.

The sizes are ours: small enough that a calibration takes minutes, apart enough that a generator
that mixes them up, rounds them or drops their tail shows it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from scenarios.chance import stream_uniforms

DRAWS: Final = 1 << 14
CONSTANT_MS: Final = 5.0
EXPONENTIAL_MEAN_MS: Final = 5.0
LOGNORMAL_MEDIAN_MS: Final = 3.0
LOGNORMAL_SIGMA: Final = 1.0  # p99 is 10 times the median, as of a busy database
BIMODAL_MS: Final = 1.0
BIMODAL_SHARE: Final = 0.01
BIMODAL_FACTOR: Final = 100.0
DRIP_PIECES: Final = 4
DRIP_PAUSE_MS: Final = 5.0
RESET_SHARE: Final = 0.25
# A burst of 503 comes once a period, counted from the server's start.
BURST_PERIOD_S: Final = 1.0
BURST_S: Final = 0.2

Nanoseconds = npt.NDArray[np.int64]


class Kind(IntEnum):
    """What happens to a request. The path is `/<name in lower case>/<number>`."""

    UNKNOWN = 0  # no such path: 404
    PLAIN = 1  # answered at once
    CONSTANT = 2
    EXPONENTIAL = 3
    LOGNORMAL = 4
    BIMODAL = 5  # one answer in a hundred takes a hundred times as long
    SHED = 6  # at once, but 503 with Retry-After during a burst
    UNAVAILABLE = 7  # at once, but 503 without Retry-After during a burst
    DRIP = 8  # head at once, body in pieces
    RESET_BEFORE = 9  # one in four is reset before the first byte of an answer
    RESET_AFTER = 10  # one in four is reset in the middle of an answer

    @property
    def path(self) -> str:
        """First part of the path, without slashes."""
        return self.name.lower()


def delays_of(kind: Kind, seed: int) -> Nanoseconds:
    """Return the table of *kind*: ns from a request to the last byte of its answer."""
    uniform = stream_uniforms(seed, f"delay/{kind.path}", 2 * DRAWS)
    first, second = uniform[:DRAWS], uniform[DRAWS:]
    delay_ms = np.zeros(DRAWS)
    if kind is Kind.CONSTANT:
        delay_ms[:] = CONSTANT_MS
    elif kind is Kind.EXPONENTIAL:
        delay_ms = -EXPONENTIAL_MEAN_MS * np.log1p(-first)
    elif kind is Kind.LOGNORMAL:
        # Box and Muller 1958: two uniforms make one normal number.
        normal = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
        delay_ms = LOGNORMAL_MEDIAN_MS * np.exp(LOGNORMAL_SIGMA * normal)
    elif kind is Kind.BIMODAL:
        delay_ms = np.where(first < BIMODAL_SHARE, BIMODAL_FACTOR, 1.0) * BIMODAL_MS
    elif kind is Kind.DRIP:
        delay_ms[:] = DRIP_PIECES * DRIP_PAUSE_MS
    return np.round(delay_ms * 1e6).astype(np.int64)


def resets_of(kind: Kind, seed: int) -> npt.NDArray[np.bool_]:
    """Return for each entry of the table whether that request is reset."""
    if kind not in (Kind.RESET_BEFORE, Kind.RESET_AFTER):
        return np.zeros(DRAWS, dtype=np.bool_)
    return stream_uniforms(seed, f"reset/{kind.path}", DRAWS) < RESET_SHARE
