"""The load levels a contract names, and how one run walks through the phases of a level.

A level is a kind of day (`scenarios.demand`) and a share of it. Its rates follow from the weights
of the population, so a scaled population gets a scaled rate and every unit keeps its own. Short
runs are compressed: fewer minutes, the same rates. How a day goes is the scenario's
(`scenarios.scenario`); the shape here is that of a busiest hour with its busiest minute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from scenarios.demand import (
    ACCOUNTS_NATIONAL,
    PEAK_MINUTE_FACTOR,
    PROFILES,
    REOPENING_PEAK_FACTOR,
    Demand,
    demand_steps,
    reopening_req_s,
)

SAO_EQUIVALENTS_NATIONAL: Final = 16_180.65  # composition A: the sum of all units' weights
PEAK_S_MIN: Final = 60.0  # a peak minute that lasts less than a minute proves nothing about it
_HOUR_S: Final = 3600.0
_WHOLE_SECONDS_S: Final = 10.0
_SHORT_S: Final = 120.0  # below this a whole peak minute leaves no room for anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level. `peak_hour_req_s` and `peak_minute_req_s` are those of base demand, all units.

    `profile` names a day profile or `reopening`; `share` is the part of that day's load which the
    level asks for. `has_faults`: things are broken on purpose unless somebody says otherwise.
    """

    name: str
    title: str
    profile: str
    share: float
    has_faults: bool = True

    @property
    def peak_hour_req_s(self) -> float:
        """Mean rate of the busiest hour, base demand, all units."""
        return rates_of(self)[0]

    @property
    def peak_minute_req_s(self) -> float:
        """Mean rate of the busiest minute, base demand, all units."""
        return rates_of(self)[1]


LEVELS: Final[dict[str, Level]] = {
    level.name: level
    for level in (
        Level(name="L0", title="smoke, 1 % of a month end", profile="month_end", share=0.01),
        Level(name="L1", title="normal day", profile="normal_day", share=1.0),
        Level(name="L2", title="month end", profile="month_end", share=1.0),
        Level(name="L3", title="year end", profile="year_end", share=1.0),
        Level(name="L4", title="reopening day", profile="reopening", share=1.0),
        # In steps up to a multiple of a month end's busiest minute, and back.
        Level(
            name="L5", title="ramp to break", profile="month_end", share=1.0, has_faults=False
        ),
        # The surge after an outage lasts one to two weeks (facts/domain.md §4.5), at the rates of
        # the eight working days around a month's end.
        Level(name="L6", title="soak", profile="month_end", share=1.0, has_faults=False),
    )
}  # fmt: skip


def rates_of(
    level: Level,
    *,
    demand: Demand | str = Demand.BASE,
    sao_equivalents: float = SAO_EQUIVALENTS_NATIONAL,
) -> tuple[float, float]:
    """Return the peak hour's and the peak minute's requests/s for units worth *sao_equivalents*."""
    if level.profile == "reopening":
        national = reopening_req_s(demand=demand, accounts=ACCOUNTS_NATIONAL.of(demand))
        peak_hour = level.share * national * sao_equivalents / SAO_EQUIVALENTS_NATIONAL
        return peak_hour, peak_hour * REOPENING_PEAK_FACTOR
    steps = demand_steps(PROFILES[level.profile], demand=demand, sao_equivalents=sao_equivalents)
    peak_hour = level.share * steps.peak_hour_req_s
    return peak_hour, peak_hour * PEAK_MINUTE_FACTOR


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPhase:
    """A stretch of the plan at one rate. `ramp` climbs from nothing to its rate instead."""

    name: str
    start_s: float
    end_s: float
    rate_req_s: float
    is_measured: bool

    @property
    def length_s(self) -> float:
        """Seconds from start to end."""
        return self.end_s - self.start_s

    @property
    def is_ramp(self) -> bool:
        """Whether the rate climbs through the phase."""
        return self.name == "ramp"

    @property
    def requests(self) -> float:
        """Requests that the phase asks for."""
        return self.rate_req_s * self.length_s * (0.5 if self.is_ramp else 1.0)


def phases_of(
    level: Level,
    duration_s: float,
    has_faults: bool = False,
    *,
    demand: Demand | str = Demand.BASE,
    sao_equivalents: float = SAO_EQUIVALENTS_NATIONAL,
) -> tuple[PlannedPhase, ...]:
    """Return the phases of a run, without gaps, from 0 to *duration_s*.

    Names: `ramp`, `steady`, `peak`, then `steady_after` or, with faults, `faults` (which is not
    measured for latency). A run of an hour or more goes through `steady` and a `peak` of five
    minutes three times. Runs of ten seconds or more change phase on whole seconds, and from two
    minutes on the peak holds at least its full minute.
    """
    if duration_s <= 0:
        raise ValueError(f"a run lasts longer than 0 s, not {duration_s}")
    steady_rate, peak_rate = rates_of(level, demand=demand, sao_equivalents=sao_equivalents)
    phases: list[PlannedPhase] = []
    start_s = 0.0
    for name, length_s in _lengths(float(duration_s), has_faults):
        phases.append(
            PlannedPhase(
                name=name,
                start_s=start_s,
                end_s=start_s + length_s,
                rate_req_s=peak_rate if name == "peak" else steady_rate,
                is_measured=name not in ("ramp", "faults"),
            )
        )
        start_s += length_s
    return (*phases[:-1], replace(phases[-1], end_s=float(duration_s)))


def _lengths(duration_s: float, has_faults: bool) -> list[tuple[str, float]]:
    last = "faults" if has_faults else "steady_after"
    if duration_s >= _HOUR_S:
        ramp_s, peak_s = 300.0, 300.0
        steady_s = float(round((0.14 if has_faults else 0.17) * duration_s))
        last_s = duration_s - ramp_s - 3 * (steady_s + peak_s)
        return [("ramp", ramp_s), *(3 * [("steady", steady_s), ("peak", peak_s)]), (last, last_s)]
    ramp_s = (0.07 if has_faults else 0.10) * duration_s
    last_s = (0.40 if has_faults else 0.22) * duration_s
    peak_s = 0.35 * duration_s
    if duration_s >= _WHOLE_SECONDS_S:
        ramp_s, last_s, peak_s = float(round(ramp_s)), float(round(last_s)), float(round(peak_s))
    if duration_s >= _SHORT_S:
        peak_s = max(PEAK_S_MIN, peak_s)
    steady_s = duration_s - ramp_s - peak_s - last_s
    if duration_s >= _WHOLE_SECONDS_S:
        steady_s = float(int(steady_s))
    return [("ramp", ramp_s), ("steady", steady_s), ("peak", peak_s), (last, last_s)]
