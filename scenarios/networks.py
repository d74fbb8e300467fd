"""What lies between a person and the system: for one unit in ten a slow and lossy line.

Users of New e-LAAS named slow Internet among the causes. Which units are behind such a line is part
of the population (`network_class`); what a line does to one request is a function of the session's
seed and of the request's number, so the same run has the same bad luck. The kernel here has no
network emulation, so the engine does to the exchange what the line would: it waits, and breaks.

    person --- round trip, jitter, narrow --- system
               a lost packet costs a retransmission pause of 1 s, lost twice 3 s
               a broken connection: before the request left, or after: its fate is not known

Not modelled: a slow upload holds no server thread for its length, because it arrives in one piece.
Pure; figures with their source, or [estimated].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from scenarios.chance import mix, uniform_of
from scenarios.population import Population

NETWORKS: Final = ("clean", "lossy")
LOSSY: Final = "lossy"
_LINE: Final = 0x11E5
_DRAWS_PER_REQUEST: Final = 8
# The initial retransmission time-out and its double (RFC 6298 sections 2.1 and 5.5).
RETRANSMISSION_S: Final = (1.0, 3.0)
TLS_ROUND_TRIPS: Final = 1  # TLS 1.3, RFC 8446


class Break(Enum):
    """Whether a connection breaks under a request, and when."""

    NONE = "none"
    BEFORE = "before"  # before anything of the request left
    AFTER = "after"  # after it left: its fate is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One class of line. Shares are per request; rates in bytes/s."""

    round_trip_s: float
    jitter_s: float
    down_bytes_s: float
    up_bytes_s: float
    loss_share: float
    loss_again_share: float
    break_share: float


# A rural mobile line: WebPageTest's profile "3G" (1.6 Mbit/s down, 768 kbit/s up, 300 ms); jitter,
# losses and breaks [estimated].
RURAL: Final = Line(
    round_trip_s=0.3,
    jitter_s=0.1,
    down_bytes_s=1_600_000 / 8,
    up_bytes_s=768_000 / 8,
    loss_share=0.02,
    loss_again_share=0.2,
    break_share=0.005,
)


class Passage(NamedTuple):
    """What the line does to one request. `up_s` and `down_s`: delay before its first byte arrives
    at the system, and before the answer's first byte is seen; then the rates hold. A break AFTER
    comes `break_s` after the request arrived, or instead of the answer.
    """

    up_s: float
    down_s: float
    down_bytes_s: float
    breaks: Break
    break_s: float


def lossy_units(population: Population) -> frozenset[int]:
    """Return the units behind a lossy line."""
    return frozenset(unit.unit for unit in population.units if unit.network_class == LOSSY)


def passage_of(
    seed: int, number: int, *, request_bytes: int, is_first: bool, is_tls: bool, line: Line = RURAL
) -> Passage:
    """Return what *line* does to request *number* of the session with *seed*.

    *is_first*: the session's first request, for which a connection has to be made.
    """
    stream = mix(seed ^ _LINE)

    def draw(place: int) -> float:
        return uniform_of(stream, number * _DRAWS_PER_REQUEST + place)

    round_trip_s = line.round_trip_s + line.jitter_s * (draw(0) + draw(1) - 1.0)
    set_up = (1 + (TLS_ROUND_TRIPS if is_tls else 0)) if is_first else 0
    up_s = round_trip_s * (0.5 + set_up) + request_bytes / line.up_bytes_s
    down_s = round_trip_s * 0.5
    pause_s = RETRANSMISSION_S[draw(3) < line.loss_again_share] if draw(2) < line.loss_share else 0
    if draw(4) < 0.5:
        up_s += pause_s
    else:
        down_s += pause_s
    breaks = Break.NONE
    if draw(5) < line.break_share:
        breaks = Break.BEFORE if draw(6) < 0.5 else Break.AFTER
    return Passage(up_s, down_s, line.down_bytes_s, breaks, round_trip_s * draw(7))
