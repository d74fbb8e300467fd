"""Joins what the generator recorded with what the truth server logged, request by request.

The key is the session's number, which stands in the path of its one request. True is when the
server began to hand over the last byte, minus when the request was *planned*: so the true latency
holds everything that a person on the network would have waited for up to the server's last byte,
the generator's own lateness too, and the measured latency minus the true one is what the generator
adds by itself: the kernel's loopback, its own waiting for the processor, its clock and its
book-keeping. The planned time comes from the plan and the start that the harness named, not
from the generator's record. Pure: arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.records import Failure
from harness.calibration.truth_log import Ending
from harness.columns import Flags, Int64

Records = npt.NDArray[np.void]
# Planned times are integers of one clock, computed twice: they agree to the rounding of a float.
PLANNED_NS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """On what the two records agree (the first three), and on what they do not.

    `resent`: reads that the generator sent again, on a fresh connection, because the server had
    reset the kept one before any byte of an answer, as browsers do.
    """

    planned: int
    answered: int
    resent: int
    lost: int = 0  # the server was asked, the generator has no sample
    doubled: int = 0  # asked more often than the generator says
    unasked: int = 0  # a sample of a request that never reached the server
    unsent: int = 0  # planned and never sent
    miscounted: int = 0  # another status or ending than the server's
    replanned: int = 0  # the sample's planned time is not the plan's
    impossible: int = 0  # answered before the server answered: the clocks do not agree
    untold: int = 0  # sent again without the generator saying so, or the other way round

    @property
    def is_exact(self) -> bool:
        """Whether nothing was lost, doubled or counted otherwise than it happened."""
        return not any(
            (self.lost, self.doubled, self.unasked, self.unsent, self.miscounted,
             self.replanned, self.impossible, self.untold)
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """One entry per request that both sides know, ns. `planned_ns` is the plan's, from t0.

    `doubt_ns` is how long the server took to hand the last byte over: what the truth itself does
    not know. What was not answered whole is in the counts and enters no percentile, as in verdicts.
    """

    kind: npt.NDArray[np.int8]
    planned_ns: Int64
    lateness_ns: Int64
    measured_ns: Int64
    true_ns: Int64
    is_answered: Flags
    doubt_ns: Int64
    counts: Counts


def join(
    samples: Records,
    truth: Records,
    start_ns: Int64,
    *,
    t0_ns: int,
    resent_told: int | None = None,
) -> Joined:
    """Join *samples* (`SAMPLE_DTYPE`) and *truth* (`TRUTH_DTYPE`) of one load.

    *start_ns*: when each session's request was planned, from *t0_ns*; the index is its number.
    *resent_told*: requests that the generator says it sent again; None where it could not say.
    """
    planned = len(start_ns)
    sent = samples[samples["sent_ns"] > 0]
    sent = sent[np.lexsort((sent["attempt"], sent["session"]))]
    asked = truth[(truth["request"] >= 0) & (truth["request"] < planned)]
    asked = asked[np.lexsort((asked["received_ns"], asked["request"]))]
    is_resend = _resends(asked)
    sample_count = np.bincount(sent["session"], minlength=planned)
    asked_count = np.bincount(asked["request"][~is_resend], minlength=planned)
    surplus = asked_count - sample_count
    # The last record of a request goes with the last sample of its session.
    last_sent, last_asked = sent[_is_last(sent["session"])], asked[_is_last(asked["request"])]
    _, mine_at, theirs_at = np.intersect1d(
        last_sent["session"], last_asked["request"], assume_unique=True, return_indices=True
    )
    mine, theirs = last_sent[mine_at], last_asked[theirs_at]
    planned_ns = start_ns[mine["session"]]
    resent = int(np.count_nonzero(is_resend))
    counts = Counts(
        planned=planned,
        answered=int(np.count_nonzero(mine["status"] > 0)),
        resent=resent,
        untold=0 if resent_told is None else abs(resent - resent_told),
        lost=int(np.count_nonzero((surplus > 0) & (sample_count == 0))),
        doubled=int(surplus[(surplus > 0) & (sample_count > 0)].sum()),
        unasked=-int(surplus[surplus < 0].sum()),
        unsent=int(np.count_nonzero(sample_count == 0)),
        miscounted=int(np.count_nonzero(~_agree(mine, theirs))),
        replanned=int(
            np.count_nonzero(np.abs(mine["planned_ns"] - t0_ns - planned_ns) > PLANNED_NS_MAX)
        ),
        impossible=int(
            np.count_nonzero(
                (theirs["ending"] == Ending.WHOLE) & (mine["done_ns"] < theirs["last_byte_ns"])
            )
        ),
    )
    return Joined(
        kind=theirs["kind"],
        planned_ns=planned_ns,
        lateness_ns=mine["sent_ns"] - t0_ns - planned_ns,
        measured_ns=mine["done_ns"] - mine["planned_ns"],
        true_ns=theirs["last_byte_ns"] - t0_ns - planned_ns,
        is_answered=(mine["status"] > 0) & (theirs["ending"] == Ending.WHOLE),
        doubt_ns=theirs["handed_ns"] - theirs["last_byte_ns"],
        counts=counts,
    )


def _is_last(numbers: npt.NDArray[np.integer[Any]]) -> Flags:
    """Say for each entry of a rising column whether it is the last with its number."""
    is_last = np.ones(len(numbers), dtype=np.bool_)
    is_last[:-1] = numbers[1:] != numbers[:-1]
    return is_last


def _resends(asked: Records) -> Flags:
    """Say which records were rightly followed by another of the same request.

    *asked* is in order of request and time. Once only, and only for a kept connection.
    """
    is_first = np.ones(len(asked), dtype=np.bool_)
    is_first[1:] = asked["request"][1:] != asked["request"][:-1]
    was_kept = asked["place"] > 0
    is_resend: Flags = (
        is_first & ~_is_last(asked["request"]) & was_kept & (asked["ending"] == Ending.RESET_BEFORE)
    )
    return is_resend


def _agree(mine: Records, theirs: Records) -> Flags:
    """Say for each pair whether the sample tells what the server did."""
    is_whole = theirs["ending"] == Ending.WHOLE
    is_reset = (theirs["ending"] == Ending.RESET_BEFORE) | (theirs["ending"] == Ending.RESET_AFTER)
    has_answer = is_whole & (mine["status"] == theirs["status"])
    has_broken = is_reset & (mine["status"] == 0) & (mine["failure"] == Failure.CONNECTION)
    has_left = (theirs["ending"] == Ending.CLIENT_LEFT) & (mine["failure"] == Failure.TIMEOUT)
    agree: Flags = has_answer | has_broken | has_left
    return agree
