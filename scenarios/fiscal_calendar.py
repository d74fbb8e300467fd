"""Thai fiscal years, Buddhist dates and working days: when a month end falls.

Dates are ISO (common era) inside and Buddhist era on show and in what people type. Holidays are
data (`contracts/data/thai_public_holidays.csv`) of 2025 and 2026; each is tagged `fixed` (the same
date every year), `substitute` (for one on a weekend), `lunar` or `announced` (by the cabinet, so
later announcements may be missing). They were written from general knowledge and not checked
against the Royal Gazette. Outside those years the calendar refuses to say what a working day is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

BUDDHIST_OFFSET: Final = 543
FISCAL_YEAR_FIRST_MONTH: Final = 10
BUSINESS_DATE: Final = date(2025, 12, 1)  # Monday, the first working day after November
HOLIDAYS_FILE: Final = (
    Path(__file__).parent.parent / "contracts" / "data" / "thai_public_holidays.csv"
)
MONTH_END_LAST_DAYS: Final = 3
MONTH_END_FIRST_DAYS: Final = 5
# Typed dates further from today than this are mistakes, above all CE years taken for BE ones.
_BE_YEAR_MIN: Final = 2400
_BE_YEAR_MAX: Final = 2700
_DAYS_SEARCHED_MAX: Final = 31

MONTHS_TH: Final = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน", "กรกฎาคม", "สิงหาคม",
    "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
MONTHS_TH_SHORT: Final = (
    "ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.",
    "ธ.ค.",
)  # fmt: skip
_TO_THAI: Final = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_FROM_THAI: Final = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_NUMERIC_DATE: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4}|[0-9]{2})")
_WRITTEN_DATE: Final = re.compile(r"([0-9]{1,2})\s*([ก-๛.]+)\s*(?:พ\.ศ\.\s*)?([0-9]{4}|[0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """One public holiday; `tag` says how its date comes about."""

    day: date
    name_th: str
    name_en: str
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessMonth:
    """The three periods around a business date, as `YYYY-MM`.

    `open_period` takes all postings of the run, `closing_period` is still open and is closed by
    some units while the load is on, `closed_period` was closed before.
    """

    open_period: str
    closing_period: str
    closed_period: str
    fiscal_year: int


def fiscal_year_be(day: date) -> int:
    """Return the Buddhist year in which *day*'s fiscal year (1 October to 30 September) ends."""
    return to_buddhist_year(day.year) + (1 if day.month >= FISCAL_YEAR_FIRST_MONTH else 0)


def fiscal_year_span(fiscal_year: int) -> tuple[date, date]:
    """Return the first and the last day of a fiscal year named by its Buddhist year."""
    ends = to_common_year(fiscal_year)
    return date(ends - 1, FISCAL_YEAR_FIRST_MONTH, 1), date(ends, FISCAL_YEAR_FIRST_MONTH - 1, 30)


def to_buddhist_year(year: int) -> int:
    """Convert a common-era year."""
    return year + BUDDHIST_OFFSET


def to_common_year(year_be: int) -> int:
    """Convert a Buddhist-era year."""
    return year_be - BUDDHIST_OFFSET


def full_buddhist_year(two_digits: int, *, near: int) -> int:
    """Return the Buddhist year ending in *two_digits* that is nearest to *near*.

    Of two that are equally near, the later. Raises `ValueError` when *two_digits* is not 0 to 99.
    """
    if not 0 <= two_digits <= 99:
        raise ValueError(f"two digits of a year are 0 to 99, not {two_digits}")
    century = near // 100 * 100
    candidates = (century - 100 + two_digits, century + two_digits, century + 100 + two_digits)
    return min(candidates, key=lambda year: (abs(year - near), -year))


def to_thai_digits(text: str) -> str:
    """Write the digits of *text* as Thai digits."""
    return text.translate(_TO_THAI)


def from_thai_digits(text: str) -> str:
    """Write the Thai digits of *text* as ASCII digits; everything else stays."""
    return text.translate(_FROM_THAI)


def to_buddhist(day: date, *, has_thai_digits: bool = False) -> str:
    """Write *day* as an official letter does: `1 ธันวาคม 2568`."""
    text = f"{day.day} {MONTHS_TH[day.month - 1]} {to_buddhist_year(day.year)}"
    return to_thai_digits(text) if has_thai_digits else text


def to_buddhist_numeric(day: date) -> str:
    """Write *day* as forms do: `01/12/2568`."""
    return f"{day.day:02d}/{day.month:02d}/{to_buddhist_year(day.year)}"


def from_buddhist(text: str, *, near: int = 2568) -> date:
    """Read a Buddhist date: `1/12/2568`, `1/12/68`, `๑ ธันวาคม ๒๕๖๘`, `1 ธ.ค. 68`.

    The year is converted before the date is built, because 2567 is no leap year of the common era
    and 29/02/2567 is a day all the same. Two digits mean the year nearest to *near*. Raises
    `ValueError` for anything else, a common-era year included.
    """
    plain = from_thai_digits(text.strip())
    if match := _NUMERIC_DATE.fullmatch(plain):
        day, month, year = (int(part) for part in match.groups())
        return date(_common_year_typed(match[3], year, near), month, day)
    if match := _WRITTEN_DATE.fullmatch(plain):
        year = int(match[3])
        return date(
            _common_year_typed(match[3], year, near), _month_number(match[2]), int(match[1])
        )
    raise ValueError(f"{text!r} is not a Buddhist date such as 1/12/2568 or 1 ธันวาคม 2568")


def _common_year_typed(digits: str, year: int, near: int) -> int:
    if len(digits) == 2:
        year = full_buddhist_year(year, near=near)
    if not _BE_YEAR_MIN <= year <= _BE_YEAR_MAX:
        raise ValueError(f"{year} is not a year of the Buddhist era")
    return to_common_year(year)


def _month_number(name: str) -> int:
    for names in (MONTHS_TH, MONTHS_TH_SHORT):
        if name in names:
            return names.index(name) + 1
    raise ValueError(f"{name!r} is not a Thai month")


@lru_cache(maxsize=1)
def holidays() -> Mapping[date, Holiday]:
    """Return the public holidays by day, of all years that are known."""
    with HOLIDAYS_FILE.open(encoding="utf-8", newline="") as file:
        rows = [
            Holiday(
                day=date.fromisoformat(row["date"]), name_th=row["name_th"],
                name_en=row["name_en"], tag=row["tag"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    return {holiday.day: holiday for holiday in rows}


@lru_cache(maxsize=1)
def holiday_years() -> frozenset[int]:
    """Return the common-era years of which the holidays are known."""
    return frozenset(day.year for day in holidays())


def is_working_day(day: date) -> bool:
    """Say whether offices work on *day*. Raises `ValueError` for a year of unknown holidays."""
    if day.year not in holiday_years():
        known = ", ".join(str(year) for year in sorted(holiday_years()))
        raise ValueError(f"public holidays of {day.year} are not known, only those of {known}")
    return day.weekday() < 5 and day not in holidays()


def working_days(first: date, last: date) -> tuple[date, ...]:
    """Return the working days from *first* to *last*, both included."""
    count = (last - first).days + 1
    days = (first + timedelta(days=number) for number in range(count))
    return tuple(day for day in days if is_working_day(day))


def next_working_day(day: date) -> date:
    """Return *day* itself or the first working day after it."""
    for number in range(_DAYS_SEARCHED_MAX):
        candidate = day + timedelta(days=number)
        if is_working_day(candidate):
            return candidate
    raise ValueError(f"no working day within {_DAYS_SEARCHED_MAX} days after {day}")


def month_span(year: int, month: int) -> tuple[date, date]:
    """Return the first and the last day of a month of the common era."""
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return first, following - timedelta(days=1)


def month_end_window(year: int, month: int) -> tuple[date, ...]:
    """Return the working days on which a month is finished: its last 3, the next month's first 5.

    More than half of a month's work falls on these days.
    """
    first, last = month_span(year, month)
    following = last + timedelta(days=1)
    following_last = month_span(following.year, following.month)[1]
    return (
        *working_days(first, last)[-MONTH_END_LAST_DAYS:],
        *working_days(following, following_last)[:MONTH_END_FIRST_DAYS],
    )


def period_of(day: date) -> str:
    """Return the accounting period of *day*, `YYYY-MM` in the common era."""
    return f"{day.year:04d}-{day.month:02d}"


def business_month(day: date = BUSINESS_DATE) -> BusinessMonth:
    """Return the periods that a run on business date *day* works in."""
    before = day.replace(day=1) - timedelta(days=1)
    before_that = before.replace(day=1) - timedelta(days=1)
    return BusinessMonth(
        open_period=period_of(day),
        closing_period=period_of(before),
        closed_period=period_of(before_that),
        fiscal_year=fiscal_year_be(day),
    )
