"""The records that cross between folders and stay in a run folder, with their exact columns.

The load writes samples and operations, the harness writes readings, faults and books; the judge
reads all of them from disk and nothing else. All times are ns of CLOCK_MONOTONIC of the one machine
(int64); all money is integer satang (int64); a unit is its number (int32). A column that does not
stand here does not exist. `FORMAT_VERSION` changes when a column changes its meaning.

While a run is on, samples and operations are append-only logs of fixed-width records
(`SAMPLE_DTYPE`, `OPERATION_DTYPE` after one JSON header line), because such a log survives kill -9
up to its last record; when the load has ended they are sealed into Parquet with the same columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np

# 1 (2026-11): first.
FORMAT_VERSION: Final = 1


class LoadKind(StrEnum):
    """Whose load a run put on the target."""

    COUNTRY = "country"  # planned from the population: units, journeys, money
    WORKLOAD = "workload"  # a workload file replayed: planned, but without units or money
    LOCUSTFILE = "locustfile"  # somebody's locustfile: a closed load without a plan


class Outcome(IntEnum):
    """What a client may conclude about the effect of one request."""

    OK = 0  # acknowledged
    REFUSED = 1  # certainly no effect
    INDEFINITE = 2  # may have happened: no answer, a broken answer, 500/502/504
    OPEN = 3  # the record was written before sending and never completed; judged as INDEFINITE


class Failure(IntEnum):
    """Why a sample counts as an error; NONE and EXPECTED_REFUSAL do not."""

    NONE = 0
    EXPECTED_REFUSAL = 1  # a probe was refused, as it must be
    SHED = 2  # 429 or 503 with Retry-After: promised not executed
    SERVER_ERROR = 3  # other 5xx
    TIMEOUT = 4
    CONNECTION = 5  # refused, reset, closed early
    UNEXPECTED_STATUS = 6
    WRONG_ANSWER = 7  # right status, wrong content; or a probe that was let through
    NOT_SENT = 8  # an earlier step failed or the load ended first: planned, never sent


# One row per request of the plan. `operation` indexes the header's `operations` list of
# {"name": str, "kind": OperationKind}. `session` numbers the arrival in the plan (the same number
# in every run with the same seed); `step` counts requests within it from 0. A retry or a replay is
# a row of its own with `attempt` > 0. Times that did not happen are 0. `planned_ns` is when the
# request was due: the arrival's planned start for step 0, else end of previous step + think time.
SAMPLE_DTYPE: Final = np.dtype(
    [
        ("planned_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("first_byte_ns", "<i8"),
        ("done_ns", "<i8"),
        ("session", "<i4"),
        ("unit", "<i4"),
        ("bytes_in", "<i4"),
        ("operation", "<i2"),
        ("status", "<i2"),  # HTTP status, 0 when there was no answer
        ("step", "<i2"),
        ("attempt", "i1"),
        ("outcome", "i1"),  # Outcome
        ("failure", "i1"),  # Failure
        ("padding", "i1"),
    ]
)

# One row per attempt of a money operation, written before it is sent (outcome OPEN) and again when
# it completes; the later row of the same (key, attempt) replaces the earlier. `kind` indexes the
# header's `kinds` list; `key_high`, `key_low` are the two halves of the 128-bit Idempotency-Key
# (two integers: numpy strips trailing zero bytes from strings). `number` is the acknowledged
# document number, -1 when none. `gross_satang` is the document's total debit. `budget_line` and
# `cash_account` are -1 or index the header's lists. `expected_refusal` 1 marks an attempt that a
# right ledger refuses (a closed period, another unit's books, an altered payload under a used key).
# `document` is the target's own document id, 0 when unknown.
OPERATION_DTYPE: Final = np.dtype(
    [
        ("key_high", "<u8"),
        ("key_low", "<u8"),
        ("invoked_ns", "<i8"),
        ("completed_ns", "<i8"),
        ("gross_satang", "<i8"),
        ("cash_delta_satang", "<i8"),  # signed effect on `cash_account`
        ("budget_delta_satang", "<i8"),  # signed effect on paid + committed of `budget_line`
        ("document", "<i8"),
        ("number", "<i4"),
        ("session", "<i4"),
        ("unit", "<i4"),
        ("period", "<i4"),  # CE year * 100 + month, e.g. 202512
        ("kind", "<i2"),
        ("status", "<i2"),
        ("budget_line", "<i2"),
        ("cash_account", "<i2"),
        ("attempt", "i1"),
        ("outcome", "i1"),
        ("expected_refusal", "i1"),
        ("replay", "i1"),  # 1 when an already acknowledged key is sent again on purpose
    ]
)

# A probe's time series, one file per probe: what was read, from where, when.
READING_COLUMNS: Final = ("at_ns", "probe", "subject", "name", "value", "unit")

# What was planned: one row per session (`start_ns` from t0, `requests` it means to make), and the
# requests due in each second of the load by kind of operation, if the target answers at once.
PLAN_SESSIONS_COLUMNS: Final = ("session", "start_ns", "requests", "activity")
PLAN_SECONDS_COLUMNS: Final = ("second", "kind", "requests")

# Final reads, one set before the load (books/before) and one after (books/after).
BOOKS_COLUMNS: Final = {
    "documents": (
        "unit", "document", "kind", "number", "fiscal_year", "period", "date", "key_high",
        "key_low", "gross_satang", "budget_line", "status", "line_count",
    ),  # key halves are 0, 0 for a document that no client key made
    "lines": ("unit", "document", "account", "debit_satang", "credit_satang"),
    "trial_balance": (
        "unit", "period", "account", "opening_satang", "debit_satang", "credit_satang",
        "closing_satang",
    ),
    "cash_position": ("unit", "account", "balance_satang"),
    "budget": (
        "unit", "budget_line", "appropriated_satang", "transferred_satang", "committed_satang",
        "paid_satang", "remaining_satang",
    ),
    "periods": ("unit", "period", "status"),
    "chart": ("account", "class", "is_cash"),
    "export": ("unit", "is_complete", "reason"),  # one row per unit of the plan, read or not
}  # fmt: skip

# The consolidated trial balances of all parents for one period (books/after, if the dialect reads
# them), and whose they are to hold by the plan: a row for the parent and each of its dependants,
# with the reason why the parent's report was not read, "" when it was.
CONSOLIDATION_COLUMNS: Final = {
    "consolidated": BOOKS_COLUMNS["trial_balance"],
    "members": ("parent", "unit", "period", "reason"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A named stretch of the run. Latency clauses are judged over phases with `is_measured`."""

    name: str
    started_ns: int
    ended_ns: int
    is_measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent:
    """What was done to the target, when, and when it was undone (0: not healed)."""

    name: str
    target: str
    injected_ns: int
    healed_ns: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """A doubt that travels with the verdict. `blocks` turns a MET verdict INCONCLUSIVE."""

    id: str
    text_th: str
    text_en: str
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """A named place where work queues. `share` 0..1 of request time; `tier` T0..T3."""

    bottleneck_class: str
    place: str
    share: float
    tier: str
    confidence: str
    evidence: str
