"""The chain of arithmetic from the units to requests a second, one step a line.

A reader who doubts the load can say which step is wrong. Pure: nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.terms import Bilingual
from scenarios.arrivals import LoadPlan
from scenarios.demand import (
    ACCOUNTS_NATIONAL,
    NAVIGATION_SHARE,
    OFFICE_HOURS_PER_DAY,
    PEAK_MINUTE_FACTOR,
    PROFILES,
    REOPENING_ACTIVE_SHARE,
    REOPENING_CYCLE_S,
    REOPENING_PEAK_FACTOR,
    WORKING_DAYS_PER_MONTH,
    demand_steps,
    useful_requests_per_sao_month,
)
from scenarios.levels import LEVELS, SAO_EQUIVALENTS_NATIONAL, Level, rates_of
from scenarios.outline import CLIMB_STEPS, CrowdLayer, outline_of
from scenarios.population import Population
from scenarios.scenario import CLIMB, SCENARIOS, Scenario
from scenarios.stretches import FAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the arithmetic: what it gives, from what, in which unit."""

    label: Bilingual
    formula: str
    value: float
    unit: str


def steps_of(plan: LoadPlan, population: Population) -> tuple[Step, ...]:
    """Walk from the units to the rates of *plan*: the ordinary work, then what comes beside it."""
    level, scenario = LEVELS[plan.level], SCENARIOS[plan.scenario]
    outline = outline_of(
        scenario,
        level,
        duration_s=plan.duration_s,
        has_faults=any(phase.name == FAULTS for phase in plan.phases),
        demand=plan.demand,
        population=population,
        compression=plan.think_scale,
    )
    ordinary = _work_steps(level, plan, population) if scenario.works else ()
    return (
        *ordinary,
        *_rota_steps(scenario, population),
        *_climb_steps(level, plan, population),
        *(step for layer in outline.crowds for step in _crowd_steps(layer)),
        *_whole_steps(scenario, plan),
    )


def _work_steps(level: Level, plan: LoadPlan, population: Population) -> tuple[Step, ...]:
    work = population.sao_equivalents
    units = f"{len(population.units):,} units"
    first = Step(
        label=Bilingual(th="ปริมาณงานเทียบเท่า อบต.", en="Work, in SAOs"),
        formula=f"sum of the weights of {units}", value=work, unit="SAO",
    )  # fmt: skip
    if level.profile == "reopening":
        return (first, *_reopening_steps(level, plan, work))
    return (first, *_day_steps(level, plan, work))


def _day_steps(level: Level, plan: LoadPlan, work: float) -> tuple[Step, ...]:
    """Follow a day that is shaped by its work: the month's documents come, whoever types them."""
    profile = PROFILES[level.profile]
    demand = plan.demand
    walked = demand_steps(profile, demand=demand, sao_equivalents=work)
    useful = useful_requests_per_sao_month(demand)
    factor, share = profile.day_factor.of(demand), profile.peak_hour_share.of(demand)
    peak_hour, peak_minute = rates_of(level, demand=demand, sao_equivalents=work)
    return (
        Step(
            label=Bilingual(th="คำขอต่อ อบต. ต่อเดือน", en="Requests of one SAO in a month"),
            formula=f"{useful:,.0f} x (1 + {NAVIGATION_SHARE.of(demand):.2f} navigation)",
            value=walked.requests_per_sao_month, unit="requests",
        ),
        Step(
            label=Bilingual(th="คำขอต่อเดือน", en="Requests in a month"),
            formula=f"{work:,.0f} x {walked.requests_per_sao_month:,.0f}",
            value=walked.requests_per_month, unit="requests",
        ),
        Step(
            label=Bilingual(th="คำขอต่อวันทำการเฉลี่ย", en="Requests on a mean working day"),
            formula=f"/ {WORKING_DAYS_PER_MONTH} working days",
            value=walked.requests_per_mean_day, unit="requests",
        ),
        Step(
            label=Bilingual(th="อัตราเฉลี่ยในเวลาราชการ", en="Mean rate in office hours"),
            formula=f"/ {OFFICE_HOURS_PER_DAY} h / 3,600 s",
            value=walked.office_hours_req_s, unit="req/s",
        ),
        Step(
            label=Bilingual(th="คำขอของวันตามแบบ", en=f"Requests of the day ({profile.name})"),
            formula=f"mean day x {factor:g}",
            value=walked.requests_per_day, unit="requests",
        ),
        Step(
            label=Bilingual(th="ชั่วโมงที่หนาแน่นที่สุด", en="Busiest hour"),
            formula=f"x {share:g} of the day / 3,600 s" + _level_share(level),
            value=peak_hour, unit="req/s",
        ),
        Step(
            label=Bilingual(th="นาทีที่หนาแน่นที่สุด", en="Busiest minute"),
            formula=f"x {PEAK_MINUTE_FACTOR:g}",
            value=peak_minute, unit="req/s",
        ),
    )  # fmt: skip


def _reopening_steps(level: Level, plan: LoadPlan, work: float) -> tuple[Step, ...]:
    """Follow a day that is bounded by people: everybody types as fast as a person can."""
    demand = plan.demand
    accounts = ACCOUNTS_NATIONAL.of(demand) * work / SAO_EQUIVALENTS_NATIONAL
    share, cycle_s = REOPENING_ACTIVE_SHARE.of(demand), REOPENING_CYCLE_S.of(demand)
    peak_hour, peak_minute = rates_of(level, demand=demand, sao_equivalents=work)
    return (
        Step(
            label=Bilingual(th="บัญชีผู้ใช้", en="Accounts"),
            formula=f"{ACCOUNTS_NATIONAL.of(demand):,.0f} nationally, by work", value=accounts,
            unit="accounts",
        ),
        Step(
            label=Bilingual(th="บัญชีผู้ใช้ที่ทำงานพร้อมกัน", en="Accounts at work at once"),
            formula=f"x {share:g}", value=accounts * share, unit="accounts",
        ),
        Step(
            label=Bilingual(th="ชั่วโมงที่หนาแน่นที่สุด", en="Busiest hour"),
            formula=f"/ {cycle_s:g} s from request to request" + _level_share(level),
            value=peak_hour, unit="req/s",
        ),
        Step(
            label=Bilingual(th="นาทีที่หนาแน่นที่สุด", en="Busiest minute"),
            formula=f"x {REOPENING_PEAK_FACTOR:g} (reloads)", value=peak_minute, unit="req/s",
        ),
    )  # fmt: skip


def _level_share(level: Level) -> str:
    return "" if level.share == 1 else f" x {level.share:g} ({level.name})"


def _rota_steps(scenario: Scenario, population: Population) -> tuple[Step, ...]:
    """Say how many units are let in; they do the work of all."""
    if not scenario.rota_group:
        return ()
    units = sum(unit.rota_group == scenario.rota_group for unit in population.units)
    return (
        Step(
            label=Bilingual(th="หน่วยบัญชีของกลุ่มที่ใช้ระบบวันนี้", en="Units let in today"),
            formula=f"group {scenario.rota_group} of 3, each at {scenario.intensity:g} x its pace",
            value=units, unit="units",
        ),
    )  # fmt: skip


def _climb_steps(level: Level, plan: LoadPlan, population: Population) -> tuple[Step, ...]:
    """Say how far the rate climbs, and that the way is bounded."""
    if level.name != CLIMB:
        return ()
    minute = rates_of(level, demand=plan.demand, sao_equivalents=population.sao_equivalents)[1]
    steps = ", ".join(f"{multiple:g}" for multiple in CLIMB_STEPS)
    return (
        Step(
            label=Bilingual(th="ขั้นสูงสุดของการเพิ่มภาระ", en="Highest step of the climb"),
            formula=f"busiest minute x {steps}", value=minute * CLIMB_STEPS[-1], unit="req/s",
        ),
    )  # fmt: skip


def _crowd_steps(layer: CrowdLayer) -> tuple[Step, ...]:
    """Say where a crowd's number comes from, and what it asks for where it is densest."""
    crowd = layer.crowd
    rate = max(phase.rate_req_s for phase in layer.phases)
    per_s = f"{rate / layer.requests:,.2f}/s" if not crowd.count else f"{crowd.count} in the run"
    return (
        Step(
            label=crowd.title,
            formula=f"{crowd.basis}: {per_s} x {layer.requests} requests", value=rate, unit="req/s",
        ),
    )  # fmt: skip


def _whole_steps(scenario: Scenario, plan: LoadPlan) -> tuple[Step, ...]:
    """Add up the busiest phase where more than ordinary work goes into it."""
    if not scenario.crowds:
        return ()
    busiest = max(plan.phases, key=lambda phase: phase.rate_req_s)
    return (
        Step(
            label=Bilingual(th="ช่วงที่หนาแน่นที่สุดรวมทุกส่วน", en="Busiest phase, all together"),
            formula=f"phase {busiest.name}", value=busiest.rate_req_s, unit="req/s",
        ),
    )  # fmt: skip
