"""The share of one load process: its arrivals out of the plan, as plain lists for the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.arrivals import LoadPlan
from scenarios.chance import mix
from scenarios.demand import Activity
from scenarios.journeys.vocabulary import BusinessDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Arrivals in order of start, one entry per session; `number` is the session's row in the plan.

    `start_ns` counts from t0. The buffers give Python integers at once and hold 8 bytes or fewer
    per entry, where lists would hold an object each.
    """

    activities: tuple[Activity, ...]
    number: Sequence[int]
    start_ns: Sequence[int]
    unit: Sequence[int]
    activity: Sequence[int]
    navigation: Sequence[int]
    seed: Sequence[int]
    think_scale: float
    day: BusinessDay
    key_seed: int


def share_of(
    plan: LoadPlan,
    *,
    process_index: int,
    process_count: int,
    business_date: str,
    seed: int,
    key_salt: int = 0,
) -> Share:
    """Return what load process *process_index* of *process_count* drives.

    *key_salt* makes the idempotency keys of a second run with the same seed new to a target that
    still holds the documents of the first.
    """
    rows = plan.rows_of_process(process_index, process_count)
    return Share(
        activities=plan.activities,
        number=rows.astype("int64").data,
        start_ns=plan.start_ns[rows].data,
        unit=plan.unit[rows].data,
        activity=plan.activity[rows].data,
        navigation=plan.navigation[rows].data,
        seed=plan.seed[rows].data,
        think_scale=plan.think_scale,
        day=BusinessDay.of(business_date),
        # Keys belong to this very plan: another plan has other papers under the same session.
        key_seed=mix(seed) ^ mix(key_salt) ^ int(plan.sha256[:16], 16),
    )
