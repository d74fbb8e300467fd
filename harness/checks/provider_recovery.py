"""Failure of the identity provider: people signed in go on, and signing in comes back after it.

Two promises in one number. While the provider is out, requests other than signing in must be
answered as well as before: when they are not, the target never recovered from something that it
need not have felt, and the value is infinite. Then counts how long after the provider's return
signing in takes to be back at its own level. An outage during which nobody tried to sign in proves
nothing.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from contracts.records import FaultEvent
from contracts.terms import Bilingual, Clause, OperationKind
from harness.checks.answer import Answer, in_unit_of, inconclusive, measured
from harness.checks.latency import ALL_KINDS
from harness.checks.recorded import Recorded
from harness.checks.recovery import (
    DEFAULTS,
    DUE_PER_WINDOW_MIN,
    LEVEL_MIN,
    WINDOW_S_MAX,
    Recovered,
    before_of,
    due_rows,
    first_lasting,
    recovered_after,
    unknown,
    until_of,
    window_shares,
    without_event,
)
from harness.columns import Flags

PROVIDER_FAULTS: Final = frozenset({"provider_outage", "provider_slow"})
SIGNING_IN: Final = frozenset({OperationKind.LOGIN})
AT_PROVIDER: Final = frozenset({OperationKind.PROVIDER})
GOING_ON: Final = ALL_KINDS - SIGNING_IN
DUE_MIN: Final = 20  # requests in the outage, below which nobody can say that people went on
SIGN_INS_MIN: Final = 5  # before the outage, and after it


def judge_provider_recovery(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the slowest return of signing in, and that nobody else was held up."""
    name = clause.selector
    events = [event for event in recorded.faults if event.name == name]
    if not events:
        return without_event(name, recorded.manifest.faults_requested)
    results = [_after(clause, recorded, event) for event in events]
    due_count = sum(result.due_count for result in results)
    note = Bilingual(
        en="; ".join(result.note.en for result in results),
        th="; ".join(result.note.th for result in results),
    )
    worst_s = max((r.seconds for r in results if not math.isnan(r.seconds)), default=math.nan)
    if any(math.isnan(result.seconds) for result in results) and not math.isinf(worst_s):
        return inconclusive(due_count, note)
    return measured(clause, in_unit_of(clause, worst_s), due_count, note)


def _after(clause: Clause, recorded: Recorded, event: FaultEvent) -> Recovered:
    parameters = DEFAULTS | dict(clause.parameters)
    samples = recorded.measurements
    limit_ns = int(parameters["answered_within_s"] * 1e9)
    rows = due_rows(samples, GOING_ON)
    planned_ns, is_good = samples.planned_ns[rows], samples.latency_ns[rows] <= limit_ns
    healed_ns = event.healed_ns or until_of(recorded, event)
    before, _ = before_of(recorded, event, planned_ns)
    during = (planned_ns >= event.injected_ns) & (planned_ns < healed_ns)
    if min(np.count_nonzero(before), np.count_nonzero(during)) < DUE_MIN:
        return unknown(event, int(during.sum()), "too few requests of people signed in were due",
                       "มีคำขอของผู้ที่เข้าสู่ระบบแล้วน้อยเกินไป")  # fmt: skip
    level, share = _share(is_good, before), _share(is_good, during)
    if share < parameters["level_share"] * level:
        return Recovered(
            seconds=math.inf,
            due_count=int(during.sum()),
            note=Bilingual(
                en=f"{event.name}: people who were signed in could not go on: {share:.1%} of "
                f"their requests were answered in time, {level:.1%} before",
                th=f"{event.name}: ผู้ที่เข้าสู่ระบบแล้วทำงานต่อไม่ได้: ตอบทันเวลา {share:.1%} "
                f"จากเดิม {level:.1%}",
            ),
        )
    return _signing_in_again(clause, recorded, event, healed_ns)


def _share(is_good: Flags, chosen: Flags) -> float:
    return float(np.count_nonzero(is_good & chosen)) / max(1, int(np.count_nonzero(chosen)))


def _signing_in_again(
    clause: Clause, recorded: Recorded, event: FaultEvent, healed_ns: int
) -> Recovered:
    parameters = DEFAULTS | dict(clause.parameters)
    samples = recorded.measurements
    limit_ns = int(parameters["answered_within_s"] * 1e9)
    asked = due_rows(samples, SIGNING_IN)
    # Whoever is turned away at the provider never comes back to the target to be counted there.
    is_turned_away = samples.of_kinds(AT_PROVIDER) & (samples.sent_ns > 0) & ~samples.is_right
    turned_away = np.flatnonzero(is_turned_away)
    rows = np.concatenate((asked, turned_away))
    planned_ns = samples.planned_ns[rows]
    is_good = samples.latency_ns[rows] <= limit_ns
    is_good[asked.size :] = False
    ended_ns = until_of(recorded, event)
    before, before_s = before_of(recorded, event, planned_ns)
    during = (planned_ns >= event.injected_ns) & (planned_ns < healed_ns)
    after = (planned_ns >= healed_ns) & (planned_ns < ended_ns)
    due_after = int(after.sum())
    if np.count_nonzero(before) < SIGN_INS_MIN or _share(is_good, before) < LEVEL_MIN:
        return unknown(event, due_after, "too few people signed in before it",
                       "ก่อนหน้านั้นมีผู้เข้าสู่ระบบน้อยเกินไป")  # fmt: skip
    level = _share(is_good, before)
    if not np.any(during & ~is_good):
        return unknown(event, due_after, "nobody was kept from signing in by it",
                       "ไม่มีผู้ใดเข้าสู่ระบบไม่ได้เพราะเหตุนี้")  # fmt: skip
    rate_per_s = np.count_nonzero(before) / max(1e-9, before_s)
    window_s = min(WINDOW_S_MAX, max(1, math.ceil(DUE_PER_WINDOW_MIN / rate_per_s)))
    goodness = window_shares(
        planned_ns[after] - healed_ns, is_good[after],
        window_ns=window_s * 1_000_000_000, length_ns=ended_ns - healed_ns,
    )  # fmt: skip
    needed = max(1, math.ceil(parameters["consecutive_s"] / window_s))
    is_back = goodness >= parameters["level_share"] * level
    window = first_lasting(is_back, np.isnan(goodness), needed)
    if window is not None:
        return recovered_after(event, float(window * window_s), level,
                               samples.latency_ns[rows][after])  # fmt: skip
    observed_s = (ended_ns - healed_ns) / 1e9
    if observed_s < clause.limit.bound + needed * window_s:
        return unknown(event, due_after, f"only {observed_s:.0f} s were observed after it",
                       f"สังเกตหลังจากนั้นเพียง {observed_s:.0f} วินาที")  # fmt: skip
    return Recovered(
        seconds=math.inf,
        due_count=due_after,
        note=Bilingual(
            en=f"{event.name}: signing in did not come back within {observed_s:.0f} s",
            th=f"{event.name}: การเข้าสู่ระบบไม่กลับคืนภายใน {observed_s:.0f} วินาที",
        ),
    )
