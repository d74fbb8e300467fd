"""Recovery: seconds from injecting a fault until service is back to its level before it.

Level is the share of due requests that were answered rightly and in good time, by windows of when
they were due. Service is back at the first of several consecutive good windows that no equally long
bad stretch follows before the next fault. A fault that never bit proves nothing; one from which the
target did not come back is a breach; a run that ended before one could tell is neither.
Source: chaos facts §3.1 (goodput at least 90 % of the level before), Bronson et al. 2021
(metastable failure: a service that comes back and falls again has not recovered).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.records import FaultEvent
from contracts.terms import Bilingual, Clause, OperationKind, Unit
from harness.checks.answer import Answer, in_unit_of, inconclusive, measured, not_tested
from harness.checks.latency import ALL_KINDS
from harness.checks.recorded import Recorded
from harness.columns import Int64
from harness.measurements import NEVER_NS, Measurements

LEVEL_SHARE: Final = 0.9  # chaos §3.1: goodput >= 90 % of the mean before
# Overridable by parameters of the clause of the same name.
DEFAULTS: Final = {
    "level_share": LEVEL_SHARE,
    "consecutive_s": 5.0,
    "answered_within_s": 5.0,  # chaos §3.1: nothing hangs longer
}
BEFORE_S: Final = 30.0  # stretch before the fault that tells the level
BEFORE_DUE_MIN: Final = 20  # requests due in it, below which the level is not known
DUE_PER_WINDOW_MIN: Final = 5.0  # windows are widened until they hold so many on average
WINDOW_S_MAX: Final = 10
# Without a working service there is nothing to come back to.
LEVEL_MIN: Final = 0.5
# The words with which a fault records that its victim was seen dead.
DEATH: Final = re.compile(r"\b(died|killed|gone|stopped)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What happened after one fault. `seconds` is infinite without a return, NaN when unknown."""

    seconds: float
    due_count: int
    note: Bilingual


def judge_recovery(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the slowest recovery from the fault that the clause names."""
    name = clause.selector
    events = [event for event in recorded.faults if event.name == name]
    if not events:
        return without_event(name, recorded.manifest.faults_requested)
    rows = due_rows(recorded.measurements)
    results = [_recovery(clause, recorded, event, rows) for event in events]
    due_count = sum(result.due_count for result in results)
    note = Bilingual(
        en="; ".join(result.note.en for result in results),
        th="; ".join(result.note.th for result in results),
    )
    known = [result.seconds for result in results if not math.isnan(result.seconds)]
    worst_s = max(known, default=math.nan)
    limit_s = clause.limit.bound / (1000.0 if clause.limit.unit == Unit.MS else 1.0)
    if len(known) < len(results) and not worst_s > limit_s:
        return inconclusive(due_count, note)
    return measured(clause, in_unit_of(clause, worst_s), due_count, note)


def without_event(name: str, requested: tuple[str, ...]) -> Answer:
    """Answer about a fault that did not happen."""
    if name in requested or "all" in requested:
        return inconclusive(
            0,
            Bilingual(
                en=f"{name} was asked for and never injected",
                th=f"มีการสั่งทดสอบ {name} แต่ไม่ได้เกิดขึ้นจริง",
            ),
        )
    return not_tested(
        Bilingual(en=f"{name} was not injected in this run", th=f"การทดสอบครั้งนี้ไม่ได้ทำ {name}")
    )


def due_rows(samples: Measurements, kinds: frozenset[OperationKind] = ALL_KINDS) -> Int64:
    """Return the requests of *kinds* that were really made."""
    # Steps never sent because an earlier one failed would keep an old failure alive in the windows
    # after it; whether the service is back shows in requests that were really made.
    sent = samples.is_request & samples.of_kinds(kinds) & (samples.sent_ns > 0)
    return np.flatnonzero(sent)


def _recovery(clause: Clause, recorded: Recorded, event: FaultEvent, rows: Int64) -> Recovered:
    parameters = DEFAULTS | dict(clause.parameters)
    samples = recorded.measurements
    planned_ns = samples.planned_ns[rows]
    latency_limit_ns = int(parameters["answered_within_s"] * 1e9)
    is_good = samples.latency_ns[rows] <= latency_limit_ns
    ended_ns = until_of(recorded, event)
    before, before_s = before_of(recorded, event, planned_ns)
    due_before = int(np.count_nonzero(before))
    after = (planned_ns >= event.injected_ns) & (planned_ns < ended_ns)
    due_after = int(np.count_nonzero(after))
    if due_before < BEFORE_DUE_MIN:
        return unknown(event, due_after, f"only {due_before} requests were due before it",
                        f"ก่อนหน้านั้นมีเพียง {due_before} คำขอ")  # fmt: skip
    level = float(np.count_nonzero(is_good & before)) / due_before
    if level < LEVEL_MIN:
        return unknown(event, due_after, f"only {level:.0%} of requests were answered before it",
                        f"ก่อนหน้านั้นตอบได้เพียง {level:.0%}")  # fmt: skip
    rate_per_s = due_before / max(1e-9, before_s)
    window_s = min(WINDOW_S_MAX, max(1, math.ceil(DUE_PER_WINDOW_MIN / rate_per_s)))
    goodness = window_shares(
        planned_ns[after] - event.injected_ns, is_good[after],
        window_ns=window_s * 1_000_000_000, length_ns=ended_ns - event.injected_ns,
    )  # fmt: skip
    needed = max(1, math.ceil(parameters["consecutive_s"] / window_s))
    is_back = goodness >= parameters["level_share"] * level
    has_bitten = bool(np.any(~is_back & ~np.isnan(goodness)))
    if not has_bitten and not DEATH.search(event.detail):
        return unknown(event, due_after, "it had no effect that could be seen",
                        "ไม่เห็นผลกระทบใด ๆ")  # fmt: skip
    window = first_lasting(is_back, np.isnan(goodness), needed)
    observed_s = (ended_ns - event.injected_ns) / 1e9
    if window is not None:
        seconds = float(window * window_s)
        return recovered_after(event, seconds, level, samples.latency_ns[rows][after])
    limit_s = clause.limit.bound / (1000.0 if clause.limit.unit == Unit.MS else 1.0)
    if observed_s < limit_s + needed * window_s:
        return unknown(event, due_after,
                        f"not back within the {observed_s:.0f} s observed, too early to tell",
                        f"ยังไม่กลับคืนใน {observed_s:.0f} วินาทีที่สังเกต เร็วเกินกว่าจะสรุป")  # fmt: skip
    return Recovered(
        seconds=math.inf,
        due_count=due_after,
        note=Bilingual(
            en=f"{event.name}: service did not come back within the {observed_s:.0f} s observed",
            th=f"{event.name}: ระบบไม่กลับคืนภายใน {observed_s:.0f} วินาทีที่สังเกต",
        ),
    )


def first_lasting(
    is_back: npt.NDArray[np.bool_], is_empty: npt.NDArray[np.bool_], needed: int
) -> int | None:
    """Return the first window at which service came back to stay, None when it did not.

    The first of *needed* good windows in a row, after the first bad one if there is any, that no
    *needed* bad windows in a row follow. A window in which nothing was due breaks no row and adds
    nothing to one.
    """
    candidate: int | None = None
    good_from, good_count, bad_count, seen_bad = 0, 0, 0, False
    for window, (good, empty) in enumerate(zip(is_back.tolist(), is_empty.tolist(), strict=True)):
        if empty:
            continue
        if good:
            good_from = window if good_count == 0 else good_from
            good_count, bad_count = good_count + 1, 0
            if good_count >= needed and candidate is None:
                candidate = good_from
        else:
            good_count, bad_count = 0, bad_count + 1
            # Good windows right after the injection were before the fault took hold.
            if bad_count >= needed or not seen_bad:
                candidate = None
            seen_bad = True
    return candidate


def before_of(
    recorded: Recorded, event: FaultEvent, planned_ns: Int64
) -> tuple[npt.NDArray[np.bool_], float]:
    """Return the requests that tell the level before *event*, and how many s they span.

    The stretch before the fault, as far as no other fault lies in it. Where faults follow each
    other too closely for that, the stretch before the one before tells what the service was.
    """
    earlier = [one for one in recorded.faults if one.injected_ns < event.injected_ns]
    until_ns = event.injected_ns
    while True:
        healed_ns = max((max(one.injected_ns, one.healed_ns) for one in earlier), default=0)
        began_ns = max(until_ns - int(BEFORE_S * 1e9), recorded.manifest.t0_ns, healed_ns)
        before = (planned_ns >= began_ns) & (planned_ns < until_ns)
        if not earlier or int(np.count_nonzero(before)) >= BEFORE_DUE_MIN:
            return before, (until_ns - began_ns) / 1e9
        until_ns = min(until_ns, earlier.pop().injected_ns)


def until_of(recorded: Recorded, event: FaultEvent) -> int:
    """Return until when the time after *event* belongs to it: the next fault, or the end."""
    starts = [one.injected_ns for one in recorded.faults if one.injected_ns > event.injected_ns]
    return min([recorded.load_ended_ns, *starts])


def window_shares(
    offset_ns: Int64, is_good: npt.NDArray[np.bool_], *, window_ns: int, length_ns: int
) -> npt.NDArray[np.float64]:
    """Return the share of good requests of each whole window; NaN where nothing was due."""
    count = max(0, length_ns // window_ns)
    windows = offset_ns // window_ns
    inside = windows < count
    due = np.bincount(windows[inside], minlength=count)
    good = np.bincount(windows[inside & is_good], minlength=count)
    shares: npt.NDArray[np.float64] = np.full(count, np.nan)
    np.divide(good, due, out=shares, where=due > 0)
    return shares


def recovered_after(
    event: FaultEvent, seconds: float, level: float, latencies_ns: Int64
) -> Recovered:
    """Say after how many seconds service was back, and how long anybody waited since."""
    # A service may hold requests back until it can answer them: then nobody is turned away and the
    # time to recover is 0, but people waited, and the longest wait says how long.
    answered = latencies_ns[latencies_ns < NEVER_NS]
    longest_s = float(answered.max(initial=0)) / 1e9
    unanswered = latencies_ns.size - answered.size
    return Recovered(
        seconds=seconds,
        due_count=int(latencies_ns.size),
        note=Bilingual(
            en=f"{event.name}: back after {seconds:.0f} s (level before: {level:.1%} in good time; "
            f"longest wait for an answer since: {longest_s:.1f} s; never answered: {unanswered})",
            th=f"{event.name}: กลับคืนภายใน {seconds:.0f} วินาที (ระดับก่อนหน้า {level:.1%}; "
            f"รอคำตอบนานที่สุดหลังจากนั้น {longest_s:.1f} วินาที; ไม่ได้คำตอบ {unanswered} คำขอ)",
        ),
    )


def unknown(event: FaultEvent, due_count: int, why_en: str, why_th: str) -> Recovered:
    """Say that nobody can tell how long it took, and why."""
    return Recovered(
        seconds=math.nan,
        due_count=due_count,
        note=Bilingual(en=f"{event.name}: {why_en}", th=f"{event.name}: {why_th}"),
    )
