"""The scenarios that a run may play: one row each, and nothing about any of them anywhere else.

A scenario says what day it is, how the day goes, what people do and how they behave; the level says
how much of it. `SCENARIOS` is the only list: the locustfiles, the command line, the plan and the
report read it. To add one: a row here, a locustfile of three lines, a test that it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from contracts.terms import Bilingual
from scenarios import crowds
from scenarios.crowds import Crowd
from scenarios.journeys.repeats import HURRIED, PATIENT, Manners
from scenarios.mixes import (
    ORDINARY,
    READING_ONLY,
    UNTRAINED,
    UNTRAINED_WITHOUT_CLOSING,
    WITHOUT_CLOSING,
    Mix,
)
from scenarios.stretches import HOUR_S, NOON_OF_HUMP, PEAK, Stretch

FIRST_WORKING_DAY: Final = "2025-12-01"  # a Monday; November is closed on it
LAST_DAY_OF_YEAR: Final = "2026-09-30"  # a Wednesday, the end of fiscal year 2569
# Half a fiscal year lies behind it, as it did behind the real reopening.
AFTER_SIX_MONTHS: Final = "2026-04-01"
RETRIES: Final = ("budget", "storm")


class Shape(Enum):
    """How the rate goes over a run."""

    PEAK_HOUR = "peak_hour"  # `scenarios.levels.phases_of`: ramp, busiest hour, busiest minute
    DAY = "day"  # a working day from 08:15 into the evening
    STRETCHES = "stretches"  # the scenario's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Ordinary work by one mix; `stretches`, when not empty, are the only ones it is done in."""

    mix: Mix
    stretches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. `level` is the one it is meant for; another level may be asked for.

    `rota_group` 1 to 3 lets only a third of the units in, who then do all the work of the day, at
    `intensity` times their ordinary pace. `counterpart` is the scenario that a plan and a report
    set beside it. `has_backlog`: half a year's books are open and wait for their import.
    `repeats_daily`: a run longer than its day goes through another. `is_for_all_units`: every unit
    is meant to take part.
    """

    name: str
    title: Bilingual
    shows: Bilingual
    level: str
    shape: Shape
    works: tuple[Work, ...]
    crowds: tuple[Crowd, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    faults_work: float = 1.0
    manners: Manners = PATIENT
    business_date: str = FIRST_WORKING_DAY
    rota_group: int = 0
    intensity: float = 1.0
    counterpart: str = ""
    has_backlog: bool = False
    repeats_daily: bool = False
    is_for_all_units: bool = True


_IMPORTS: Final = (
    crowds.whale_import(),
    crowds.malformed_import(),
    crowds.imports(),
)
_RUSH: Final = (
    Stretch(name="ramp", real_s=120, work=NOON_OF_HUMP, is_measured=False),
    Stretch(name="login_rush", real_s=750, work=NOON_OF_HUMP),
    Stretch(name=PEAK, real_s=60, work=NOON_OF_HUMP),
    Stretch(name="rush_after", real_s=870, work=NOON_OF_HUMP),
)
_FLASH: Final = (
    Stretch(name="ramp", real_s=60, work=NOON_OF_HUMP, is_measured=False),
    Stretch(name=PEAK, real_s=crowds.FLASH_LOGIN_S, work=NOON_OF_HUMP),
    Stretch(name="rush_after", real_s=240),
)
_REOPENING: Final = (
    Stretch(name="ramp", real_s=60, work=0.5, is_measured=False),
    Stretch(name="login_rush", real_s=crowds.REOPENING_LOGIN_S, work=0.5),
    Stretch(name="steady", real_s=1_800),
    Stretch(name=PEAK, real_s=300, is_peak=True),
    Stretch(name="steady_after", real_s=840),
)

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="month_end",
            title=Bilingual(th="วันสิ้นเดือน", en="Month end"),
            shows=Bilingual(
                th="ระบบรับชั่วโมงเร่งด่วนและนาทีสูงสุดของวันสิ้นเดือนได้หรือไม่",
                en="whether the busiest hour and minute of a month end are carried",
            ),
            level="L2", shape=Shape.PEAK_HOUR, works=(Work(mix=ORDINARY),),
        ),
        Scenario(
            name="year_end",
            title=Bilingual(th="วันสิ้นปีงบประมาณ", en="End of the fiscal year"),
            shows=Bilingual(
                th="ทุกหน่วยปิดงวดสุดท้ายของปีในค่ำวันเดียวพร้อมออกรายงานได้หรือไม่",
                en="whether all units can close the year's last period and print, in one evening",
            ),
            level="L3", shape=Shape.DAY, business_date=LAST_DAY_OF_YEAR,
            works=(
                Work(mix=WITHOUT_CLOSING, stretches=("ramp", "login_rush", "report_storm",
                     "morning", "noon", "afternoon", "closing_time", PEAK, "evening", "faults")),
                Work(mix=READING_ONLY, stretches=("year_close",)),
            ),
            crowds=(crowds.day_logins(), crowds.report_storm("evening"),
                    crowds.year_closings(2 * HOUR_S)),
        ),
        Scenario(
            name="reopening",
            title=Bilingual(th="วันเปิดระบบอีกครั้ง", en="Reopening day"),
            shows=Bilingual(
                th="ระบบรับผู้ใช้ทั้งประเทศที่กลับมาพร้อมกันและเอกสารย้อนหลังได้ หรือผลัดงานอย่างซื่อสัตย์",
                en="whether everybody's return with half a year's backlog is carried, "
                "or shed honestly",
            ),
            level="L4", shape=Shape.STRETCHES, stretches=_REOPENING, manners=HURRIED,
            works=(Work(mix=UNTRAINED_WITHOUT_CLOSING),), business_date=AFTER_SIX_MONTHS,
            crowds=(crowds.reopening_logins(), *_IMPORTS), has_backlog=True,
        ),
        Scenario(
            name="login_rush",
            title=Bilingual(th="การเข้าสู่ระบบพร้อมกันตอนเช้า", en="Morning login rush"),
            shows=Bilingual(
                th="การเข้าสู่ระบบผ่าน ThaiD ของทั้งประเทศในครึ่งชั่วโมงไม่รบกวนผู้ที่ทำงานอยู่",
                en="whether the country signs in through ThaiD in half an hour, and those at "
                "work go on",
            ),
            level="L2", shape=Shape.STRETCHES, stretches=_RUSH, faults_work=NOON_OF_HUMP,
            works=(Work(mix=ORDINARY),), crowds=(crowds.month_end_logins(),), manners=HURRIED,
        ),
        Scenario(
            name="flash_crowd",
            title=Bilingual(th="วันแรก ทุกคนมาพร้อมกัน", en="First-day flash crowd"),
            shows=Bilingual(
                th="เมื่อประกาศเวลาเปิด ผู้ใช้ส่วนใหญ่เข้าสู่ระบบภายในสามนาที",
                en="what happens when an opening was announced and most people sign in within "
                "three minutes",
            ),
            level="L4", shape=Shape.STRETCHES, stretches=_FLASH, faults_work=NOON_OF_HUMP,
            works=(Work(mix=UNTRAINED),), crowds=(crowds.flash_logins(),), manners=HURRIED,
        ),
        Scenario(
            name="enrolment",
            title=Bilingual(th="ยืนยันตัวตนครั้งแรกเท่านั้น", en="Enrolment only"),
            shows=Bilingual(
                th="ผู้ใช้ยืนยันตัวตนครั้งแรก ดูหน้าแรก แล้วออก โดยไม่มีงานบัญชี",
                en="whether people can bind their accounts: a first sign-in, one look, no work",
            ),
            level="L2", shape=Shape.STRETCHES, stretches=_RUSH, works=(),
            crowds=(crowds.month_end_logins("enrol"),), manners=HURRIED, is_for_all_units=False,
        ),
        Scenario(
            name="report_storm",
            title=Bilingual(th="รายงานทุกหน่วยในวันทำการแรก", en="Report storm"),
            shows=Bilingual(
                th="รายงานหนักสี่ฉบับของทุกหน่วยไม่ทำให้งานบันทึกรายการช้าลง",
                en="whether four heavy reports of every unit leave the posting of others alone",
            ),
            level="L2", shape=Shape.PEAK_HOUR, works=(Work(mix=ORDINARY),),
            crowds=(crowds.report_storm(crowds.ANYWHERE),), counterpart="month_end",
        ),
        Scenario(
            name="rota",
            title=Bilingual(th="ผลัดกันใช้สามกลุ่ม", en="Rota of three groups"),
            shows=Bilingual(
                th="การผลัดใช้ลดจำนวนผู้ใช้พร้อมกันเหลือหนึ่งในสาม แต่ปริมาณงานต่อวินาทีไม่ลดลง",
                en="that a rota leaves a third of the sessions and all of the requests per second",
            ),
            # Nothing but the rota sets it apart from its counterpart.
            level="L2", shape=Shape.PEAK_HOUR, works=(Work(mix=ORDINARY),),
            rota_group=1, intensity=3.0, counterpart="month_end", is_for_all_units=False,
        ),
        Scenario(
            name="backlog_import",
            title=Bilingual(th="นำเข้าเอกสารย้อนหลังหกเดือน", en="Import of six months' backlog"),
            shows=Bilingual(
                th="การนำเข้าเอกสารย้อนหลังไม่รบกวนผู้ที่ทำงานในวันสิ้นเดือน",
                en="whether the import of the backlog leaves people at a month end's work alone",
            ),
            level="L2", shape=Shape.PEAK_HOUR, works=(Work(mix=WITHOUT_CLOSING),),
            crowds=_IMPORTS, business_date=AFTER_SIX_MONTHS, has_backlog=True,
            counterpart="month_end",
        ),
        Scenario(
            name="soak",
            title=Bilingual(th="ภาระงานต่อเนื่องทั้งวัน", en="Soak"),
            shows=Bilingual(
                th="ระบบยังเร็วเท่าเดิมหลังทำงานต่อเนื่องหลายชั่วโมงหรือหลายวัน",
                en="whether hours and days of work leave the system as fast as it began",
            ),
            level="L6", shape=Shape.DAY, works=(Work(mix=ORDINARY),), repeats_daily=True,
            crowds=(crowds.day_logins(), crowds.report_storm("report_storm")),
        ),
    )
}  # fmt: skip

# The scenario that a level stands for when only the level is named.
SCENARIO_OF_LEVEL: Final = {"L3": "year_end", "L4": "reopening", "L6": "soak"}
CLIMB: Final = (
    "L5"  # climbs by itself, so that it takes only scenarios without a shape of their own
)


class NotAScenario(ValueError):
    """No run can be what was asked for. One line: what, and what may be asked for."""


def chosen(scenario: str, level: str, *, default_level: str = "L2") -> tuple[str, str]:
    """Return the names of scenario and level when either may be "" for not said.

    Raises `NotAScenario` for an unknown scenario and for a pair that cannot be.
    """
    if not scenario:
        level = level or default_level
        return SCENARIO_OF_LEVEL.get(level, "month_end"), level
    if scenario not in SCENARIOS:
        raise NotAScenario(f"there is no scenario {scenario!r}: {', '.join(SCENARIOS)}")
    level = level or SCENARIOS[scenario].level
    if level == CLIMB and SCENARIOS[scenario].shape is not Shape.PEAK_HOUR:
        fitting = [s.name for s in SCENARIOS.values() if s.shape is Shape.PEAK_HOUR]
        raise NotAScenario(
            f"{scenario} has a shape of its own and cannot climb: {CLIMB} takes "
            f"{', '.join(fitting)}"
        )
    return scenario, level


def manners_of(scenario: Scenario, retries: str) -> Manners:
    """Return how people behave; *retries* `budget` or `storm` has everybody reload, "" nobody new.

    A storm has no budget: every reload is sent, as from browsers that nothing holds back.
    """
    if not retries:
        return scenario.manners
    if retries not in RETRIES:
        raise NotAScenario(f"retries are {' or '.join(RETRIES)}, not {retries!r}")
    double_clicks = scenario.manners.double_click_share
    return replace(HURRIED, has_budget=retries == "budget", double_click_share=double_clicks)
