"""Arrivals that come beside the ordinary work of a day: log-ins, report storms, closings, imports.

A crowd is one activity at a stated national rate in stated stretches of a day. The numbers are
those of facts/domain.md §4.5 and §4.6, as data with their arithmetic; none was ever measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from contracts.terms import Bilingual
from scenarios.demand import ACCOUNTS_NATIONAL, ACTIVITY_BY_NAME, Demand, Range
from scenarios.levels import SAO_EQUIVALENTS_NATIONAL
from scenarios.stretches import FAULTS, HOUR_S, PEAK

UNITS_NATIONAL: Final = 22_402  # composition A
# Share of the accounts that sign in, and within which time.
MONTH_END_LOGIN_SHARE: Final = Range(0.60, 0.60, 0.60)  # 43,096 people
MONTH_END_LOGIN_S: Final = 1_800.0
LOGIN_PEAK_MINUTE_SHARE: Final = 0.06  # of all of them: 43 a second
REOPENING_LOGIN_SHARE: Final = Range(0.70, 0.70, 0.70)  # 50,279 people, 84 a second
REOPENING_LOGIN_S: Final = 600.0
FLASH_LOGIN_SHARE: Final = Range(0.70, 0.70, 0.85)  # 279 a second, 549 when demand is high
FLASH_LOGIN_S: Final = 180.0
REPORT_STORM_S: Final = 2 * HOUR_S  # every unit's four heavy reports: 89,608 in 2 h, 12.4 a second
IMPORT_DOCUMENTS_PER_S: Final = 276.0  # six months of all units in five working days of 7 h
ANYWHERE: Final = "*"


class Pick(Enum):
    """Who comes."""

    ACCOUNT = "account"  # every account in turn, in random order
    UNIT = "unit"  # every unit in turn, in random order; begins anew when all have come
    UNIT_ONCE = "unit_once"  # as before, and nobody twice
    HEAVIEST = "heaviest"  # the unit with the most work


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """One activity beside the work. `rates` are national sessions/s by stretch (`*`: in all).

    `count`, when given, is how many come in the whole run, whatever its scale; at `least` so many
    come in the shortest. Crowds of one `series` never send the same unit. `basis` says where the
    number comes from. `is_divided`: in a run with shortened pauses each brings a smaller part of
    its work, and so many more come.
    """

    activity: str
    title: Bilingual
    basis: str
    pick: Pick
    rates: Mapping[str, Range] = field(default_factory=dict)
    count: int = 0
    least: int = 0
    series: str = ""
    is_divided: bool = False

    def rate_per_s(self, stretch: str, demand: Demand | str) -> float:
        """Return the national sessions/s in *stretch*; 0 where the crowd does not come."""
        rate = self.rates.get(stretch, self.rates.get(ANYWHERE))
        return 0.0 if rate is None else rate.of(demand)


def _per_s(share: Range, seconds: float) -> Range:
    """Sessions/s when *share* of all accounts sign in within *seconds*, evenly."""
    return Range(*(ACCOUNTS_NATIONAL.of(case) * share.of(case) / seconds for case in Demand))


def _scaled(rate: Range, factor: float) -> Range:
    return Range(rate.low * factor, rate.base * factor, rate.high * factor)


def month_end_logins(activity: str = "morning_login") -> Crowd:
    """Return the rush of 08:15 to 08:45: 43,096 people, 6 % of them in the peak minute."""
    mean = _per_s(MONTH_END_LOGIN_SHARE, MONTH_END_LOGIN_S)
    peak = _scaled(mean, LOGIN_PEAK_MINUTE_SHARE * MONTH_END_LOGIN_S / 60.0)
    # The rest of them in the rest of the half hour.
    aside = _scaled(
        mean, (1 - LOGIN_PEAK_MINUTE_SHARE) * MONTH_END_LOGIN_S / (MONTH_END_LOGIN_S - 60.0)
    )
    return Crowd(
        activity=activity,
        title=Bilingual(th="การเข้าสู่ระบบครึ่งชั่วโมงแรก", en="Sign-ins of the first half hour"),
        basis="60 % of 71,827 accounts in 30 min, 6 % of them in one",
        pick=Pick.ACCOUNT,
        least=1,
        rates={"ramp": aside, "login_rush": aside, PEAK: peak, "rush_after": aside, FAULTS: aside},
    )


def day_logins() -> Crowd:
    """Return the same people within a whole day's shape, without a minute of their own."""
    return Crowd(
        activity="morning_login",
        title=Bilingual(th="การเข้าสู่ระบบตอนเช้า", en="Sign-ins of the morning"),
        basis="60 % of 71,827 accounts in 40 min",
        pick=Pick.ACCOUNT,
        rates={"login_rush": _per_s(MONTH_END_LOGIN_SHARE, 2_400.0)},
    )


def reopening_logins() -> Crowd:
    """Return the rush of a reopening: 50,279 people in ten minutes."""
    rate = _per_s(REOPENING_LOGIN_SHARE, REOPENING_LOGIN_S)
    return Crowd(
        activity="morning_login",
        title=Bilingual(th="การเข้าสู่ระบบเมื่อเปิดระบบ", en="Sign-ins of a reopening"),
        basis="70 % of 71,827 accounts in 10 min",
        pick=Pick.ACCOUNT,
        rates=dict.fromkeys(("login_rush", FAULTS), rate),
    )


def flash_logins() -> Crowd:
    """Return an announced opening: 70 to 85 % of all people in three minutes."""
    rate = _per_s(FLASH_LOGIN_SHARE, FLASH_LOGIN_S)
    return Crowd(
        activity="morning_login",
        title=Bilingual(th="การเข้าสู่ระบบพร้อมกันทันที", en="Sign-ins of a flash crowd"),
        basis="70 % (demand high: 85 %) of the accounts in 3 min",
        pick=Pick.ACCOUNT,
        rates={PEAK: rate, FAULTS: rate},
    )


def report_storm(*stretches: str) -> Crowd:
    """Return every unit's four heavy reports on the first working day, within two hours."""
    rate = UNITS_NATIONAL / REPORT_STORM_S
    return Crowd(
        activity="month_reports",
        title=Bilingual(th="รายงานสี่ฉบับของทุกหน่วย", en="Four reports of every unit"),
        basis="22,402 units in 2 h, 12.4 reports/s",
        pick=Pick.UNIT,
        rates={name: Range(rate, rate, rate) for name in stretches},
    )


def imports() -> Crowd:
    """Return the units' files of back-dated books, one of each unit, at 276 documents/s.

    A file is as large as its unit's work, so that the mean file of all units sets the rate; files
    are shortened as the pauses of a short run are (`CountryPlaybook`).
    """
    activity = ACTIVITY_BY_NAME.get("import_backlog")
    documents = activity.documents if activity else 0
    per_file = documents * SAO_EQUIVALENTS_NATIONAL / UNITS_NATIONAL
    rate = IMPORT_DOCUMENTS_PER_S / per_file if per_file else 0.0
    return Crowd(
        activity="import_backlog",
        title=Bilingual(th="ไฟล์เอกสารย้อนหลังหกเดือน", en="Files of six months' books"),
        basis="276 documents/s (34.8 M in 5 working days)",
        pick=Pick.UNIT_ONCE,
        rates={ANYWHERE: Range(rate, rate, rate)},
        least=1,
        series="import",
        is_divided=True,
    )


def whale_import() -> Crowd:
    """Return the one file of 200,000 rows that hurt India's tax network (facts/domain.md §4.5)."""
    return Crowd(
        activity="import_whale",
        title=Bilingual(th="ไฟล์ขนาดใหญ่พิเศษ", en="The whale's file"),
        basis="one file of the unit with most work",
        pick=Pick.HEAVIEST,
        count=1,
        series="import",
    )


def malformed_import() -> Crowd:
    """Return the one file in a form that nobody foresaw."""
    return Crowd(
        activity="import_malformed",
        title=Bilingual(th="ไฟล์ผิดรูปแบบ", en="A malformed file"),
        basis="one file that must be refused",
        pick=Pick.UNIT_ONCE,
        count=1,
        series="import",
    )


def year_closings(length_s: float) -> Crowd:
    """Return the closing of the year's last months by every unit, once, within *length_s*."""
    rate = UNITS_NATIONAL / length_s
    return Crowd(
        activity="year_close",
        title=Bilingual(th="การปิดงวดสุดท้ายของปี", en="Closing of the year's last period"),
        basis="22,402 units, once each, in 2 h",
        pick=Pick.UNIT_ONCE,
        least=2,  # a year's end in which nobody closes is none
        rates={"year_close": Range(rate, rate, rate)},
    )
