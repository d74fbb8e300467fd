"""How a day goes, stretch by stretch, and how a run of any length walks through it.

A stretch has its length in the real day and its rate as a multiple of the level's busiest hour. A
long run uses the day as it is; a short one shortens every stretch and keeps every rate, so that a
soak of minutes still sees the morning, the noon dip, the push before closing and the evening.

Evidence for the shape: facts/domain.md §4.6 (the State's own systems protect 09-12 and 16-17 h; the
help desk of the year's end sat until 20:00 and 22:00, §3.5). Multiples are estimates; the two humps
take what the day's work leaves after the other stretches, so that a day adds up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scenarios.demand import DayProfile, Demand

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
PEAK_S_MIN: Final = 60.0  # a peak minute that lasts less than a minute proves nothing about it
SHORT_S: Final = 120.0  # below this a whole peak minute leaves no room for anything else
FAULTS: Final = "faults"
PEAK: Final = "peak"
STEP: Final = "step_"  # of a climb, numbered from 1
# Shares of a short run: faults need their time to be told apart, a peak to be seen.
_FAULTS_SHARE: Final = 0.40
_FAULTS_S_MAX: Final = 900.0
_PEAK_SHARE: Final = 0.25
_WHOLE_SECONDS_S: Final = 10.0

# Multiples of the busiest hour's rate [estimated].
EARLY: Final = 0.30  # 08:15 to 09:00: those who came first have begun
NOON_OF_HUMP: Final = 0.35  # facts/domain.md §4.6: the dip from 12 to 13 h
EVENING: Final = 0.08
EVENING_OF_YEAR_END: Final = 0.40
CLOSING_EVENING: Final = 0.30
NIGHT: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a day: `real_s` in a real day, `work` as a multiple of the busiest hour's rate.

    `is_peak` asks for the rate of the busiest minute instead. `is_last` stays behind the faults.
    """

    name: str
    real_s: float
    work: float = 1.0
    is_peak: bool = False
    is_measured: bool = True
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A stretch in its place in a run, s from the start."""

    stretch: Stretch
    start_s: float
    end_s: float


def day_stretches(profile: DayProfile, demand: Demand | str) -> tuple[Stretch, ...]:
    """Return the working day of *profile* from 08:15 to 20:00, at a year's end to 22:00.

    Mean rate times length over all stretches is the day's work, peak minutes on top of it.
    """
    is_year_end = profile.name == "year_end"
    evening = EVENING_OF_YEAR_END if is_year_end else EVENING
    closing_s = 2 * HOUR_S if is_year_end else 0.0
    # In busiest hours: the whole day, and what is not in the humps or in their dip.
    whole = 1.0 / profile.peak_hour_share.of(demand)
    apart = 1.0 + 0.75 * EARLY + 3.5 * evening + closing_s / HOUR_S * CLOSING_EVENING
    hump = (whole - apart) / (5.5 + NOON_OF_HUMP)
    day = (
        Stretch(name="ramp", real_s=300, work=EARLY, is_measured=False),
        Stretch(name="login_rush", real_s=2_400, work=EARLY),
        Stretch(name="report_storm", real_s=2 * HOUR_S, work=hump),
        Stretch(name="morning", real_s=HOUR_S, work=hump),
        Stretch(name="noon", real_s=HOUR_S, work=NOON_OF_HUMP * hump),
        Stretch(name="afternoon", real_s=2.5 * HOUR_S, work=hump),
        Stretch(name="closing_time", real_s=3_300),
        Stretch(name=PEAK, real_s=300, is_peak=True),
        Stretch(name="evening", real_s=3.5 * HOUR_S, work=evening),
    )
    if not is_year_end:
        return day
    closing = Stretch(name="year_close", real_s=closing_s, work=CLOSING_EVENING, is_last=True)
    return (*day, closing)


def night_after(day: Sequence[Stretch]) -> Stretch:
    """Return the night that makes *day* 24 hours long."""
    return Stretch(name="night", real_s=DAY_S - sum(s.real_s for s in day), work=NIGHT)


def lay_out(
    stretches: Sequence[Stretch],
    duration_s: float,
    *,
    has_faults: bool = False,
    faults_work: float = 1.0,
    repeats_daily: bool = False,
) -> tuple[Laid, ...]:
    """Lay *stretches* into a run of *duration_s* without gaps; with faults, one stretch for them.

    From two minutes on a peak holds its full minute; from ten seconds on stretches change on whole
    seconds, unless one would be shorter than that. A run longer than the day either repeats it,
    with its nights, or lengthens its stretches. Raises `ValueError` for a run without time.
    """
    if duration_s <= 0:
        raise ValueError(f"a run lasts longer than 0 s, not {duration_s}")
    chosen = list(stretches)
    if has_faults:
        faults = Stretch(name=FAULTS, real_s=0, work=faults_work, is_measured=False)
        last = sum(stretch.is_last for stretch in chosen)
        chosen.insert(len(chosen) - last, faults)
    day_s = sum(stretch.real_s for stretch in stretches)
    if repeats_daily and duration_s > day_s:
        return _repeated((*chosen, night_after(stretches)), duration_s)
    return _placed(chosen, _lengths(chosen, duration_s), duration_s)


def _lengths(stretches: Sequence[Stretch], duration_s: float) -> list[float]:
    """Lengths in proportion in a run of an hour; the shorter a run, the more alike they become."""
    power = 0.5 + 0.5 * min(1.0, duration_s / HOUR_S)
    weights = [stretch.real_s**power for stretch in stretches]
    lengths = [duration_s * weight / sum(weights) for weight in weights]
    fixed: dict[int, float] = {}
    for place, stretch in enumerate(stretches):
        if stretch.name == FAULTS:
            is_short = duration_s < HOUR_S
            fixed[place] = _FAULTS_SHARE * duration_s if is_short else _FAULTS_S_MAX
        elif stretch.name == PEAK:
            floor_s = PEAK_S_MIN if duration_s >= SHORT_S else _PEAK_SHARE * duration_s
            fixed[place] = max(lengths[place], floor_s)
    free_s = sum(length for place, length in enumerate(lengths) if place not in fixed)
    squeeze = (duration_s - sum(fixed.values())) / free_s
    return [fixed.get(place, length * squeeze) for place, length in enumerate(lengths)]


def _placed(
    stretches: Sequence[Stretch], lengths: Sequence[float], duration_s: float
) -> tuple[Laid, ...]:
    is_whole = duration_s >= _WHOLE_SECONDS_S and min(lengths) >= 1.0
    laid: list[Laid] = []
    at_s = end_s = 0.0
    for place, (stretch, length_s) in enumerate(zip(stretches, lengths, strict=True)):
        at_s += length_s
        start_s, end_s = end_s, math.floor(at_s + 0.5) if is_whole else at_s
        if place == len(stretches) - 1:
            end_s = duration_s
        laid.append(Laid(stretch=stretch, start_s=start_s, end_s=float(end_s)))
    return tuple(laid)


def _repeated(day: Sequence[Stretch], duration_s: float) -> tuple[Laid, ...]:
    """Walk through whole days as they are until the run ends; faults come on the first of them."""
    laid: list[Laid] = []
    at_s = 0.0
    is_first = True
    while at_s < duration_s:
        for stretch in day:
            if stretch.name == FAULTS:
                if not is_first:
                    continue
                stretch = replace(stretch, real_s=_FAULTS_S_MAX)
            end_s = min(at_s + stretch.real_s, duration_s)
            if end_s > at_s:
                laid.append(Laid(stretch=stretch, start_s=at_s, end_s=end_s))
            at_s = end_s
        is_first = False
    return tuple(laid)
