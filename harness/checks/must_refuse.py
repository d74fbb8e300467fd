"""Requests that a right ledger refuses: which promise each one tries, and which were let through.

A key of which every attempt must be refused is a probe. It tries the closing of periods (I7) when
its period was closed by then, the isolation of units (I9) when it went to another unit than its
person's own, and otherwise the budget (I5), the only further reason to refuse a sound document.
"""

from __future__ import annotations

import numpy as np

from contracts.records import Outcome
from harness.books import is_among, unit_period
from harness.checks.money import any_row_of_keys
from harness.checks.recorded import Recorded
from harness.columns import Flags, Int32
from harness.history import refuse_impossible_times
from harness.ledger_model import Ledger
from harness.measurements import ProbeSamples

NEVER_NS = np.iinfo(np.int64).max


def probes_of_closed_periods(ledger: Ledger) -> Flags:
    """Say for each key: did it try to post into a period that was closed by then."""
    history, keys = ledger.history, ledger.keys
    pairs = unit_period(history.unit[keys.head], history.period[keys.head])
    closed = is_among(pairs, ledger.before.closed_periods())
    return keys.is_probe & (closed | sent_after_close(ledger))


def let_through(ledger: Ledger) -> Flags:
    """Say for each key that had to be refused: was it acknowledged, or is it in the books."""
    history, keys = ledger.history, ledger.keys
    accepted = any_row_of_keys(
        ledger, (history.outcome == Outcome.OK) & history.is_refusal_expected
    )
    return keys.is_probe & (accepted | (ledger.stored_count > 0))


def sent_after_close(ledger: Ledger) -> Flags:
    """Say for each key: its first attempt was sent after a close of its period was acknowledged."""
    history = ledger.history
    pairs, completed = ledger.closes
    if not pairs.size:
        return np.zeros(history.key_count, dtype=np.bool_)
    heads = ledger.keys.head
    of_keys = unit_period(history.unit[heads], history.period[heads])
    places = np.minimum(np.searchsorted(pairs, of_keys), pairs.size - 1)
    closed_at = np.where(pairs[places] == of_keys, completed[places], NEVER_NS)
    invoked = history.column("invoked_ns")
    refuse_impossible_times(invoked)
    earliest = np.minimum.reduceat(invoked, history.starts[:-1])
    late: Flags = earliest > closed_at
    return late


def probes_of_own_unit(recorded: Recorded) -> Flags:
    """Say for each key: did a person try, in the own unit, what its budget does not allow."""
    ledger, samples = recorded.ledger, recorded.probe_samples
    history, keys = ledger.history, ledger.keys
    own = _units_of_sessions(samples, history.column("session")[keys.head])
    at_home = history.unit[keys.head] == own
    return keys.is_probe & at_home & ~probes_of_closed_periods(ledger)


def _units_of_sessions(samples: ProbeSamples, sessions: Int32) -> Int32:
    """Return the own unit of the person of each session, -1 where the samples do not tell."""
    known, first = np.unique(samples.session, return_index=True)
    if not known.size:
        return np.full(sessions.size, -1, dtype=np.int32)
    places = np.minimum(np.searchsorted(known, sessions), known.size - 1)
    found: Int32 = np.where(known[places] == sessions, samples.unit[first[places]], np.int32(-1))
    return found
