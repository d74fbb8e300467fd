"""How numbers, money, dates and spans of time look on show, in Thai and in English.

ISO dates and integer satang stay inside the harness; here, and only here, they become Buddhist-era
dates and baht. Every function is pure and never raises for a value that a broken folder may hold:
what is no number or date is shown as it came. Thai digits are not used: committees compare figures
with screens and spreadsheets, which show 0-9.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from contracts.terms import Bilingual, Unit

BUDDHIST_ERA_OFFSET: Final = 543
# Thailand keeps one offset all year and has since 1920, so no time-zone database is needed.
THAILAND: Final = timezone(timedelta(hours=7))
ABSENT: Final = "–"
# A number and its unit stay on one line.
FIXED_SPACE: Final = "\N{NO-BREAK SPACE}"

MONTHS_TH: Final = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
MONTHS_EN: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

# Control characters, and the marks that reorder or hide text (bidirectional overrides, zero width,
# byte-order mark). U+200B-U+200D stay out as well: Thai needs none of them.
_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e"
                             r"\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]")  # fmt: skip
TEXT_CHARACTERS_MAX: Final = 2_000


def shown(text: object, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Text from a folder, fit to be shown: no control or reordering characters, limited length."""
    clean = _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", str(text)[: characters_max + 1])
    return clean if len(clean) <= characters_max else clean[: characters_max - 1] + "…"


def sentence(text: Bilingual) -> Bilingual:
    """Return a text whose English begins with a capital and ends with a full stop, as one reads."""
    english = text.en[:1].upper() + text.en[1:]
    if english and english[-1].isalnum():
        english += "."
    return Bilingual(th=text.th, en=english)


def count(value: float) -> str:
    """Return a whole number with thousands separators."""
    return f"{round(value):,}" if math.isfinite(value) else ABSENT


def decimal(value: float, digits: int = 3) -> str:
    """Return a number with thousands separators and about *digits* significant digits."""
    if not math.isfinite(value):
        return ABSENT
    if value == 0 or (float(value).is_integer() and abs(value) < 1e15):
        return f"{value:,.0f}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if places > 9:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float, digits: int = 3) -> str:
    """Return a share 0..1 as a percentage; never rounded up to 100 or down to 0."""
    if not math.isfinite(share):
        return ABSENT
    text = decimal(share * 100, digits)
    if share < 1 and text == "100":
        text = "> 99.99" if share > 0.9999 else f"{math.floor(share * 10_000) / 100:.2f}"
    return f"{text}{FIXED_SPACE}%"


def baht(amount_satang: int) -> str:
    """Return integer satang as baht with two decimals; exact for any size."""
    sign = "-" if amount_satang < 0 else ""
    whole, part = divmod(abs(amount_satang), 100)
    return f"{sign}{whole:,}.{part:02d}"


UNIT_SIGNS: Final = {
    Unit.MS: Bilingual(th="มิลลิวินาที", en="ms"),
    Unit.S: Bilingual(th="วินาที", en="s"),
    Unit.SHARE: Bilingual(th="", en=""),
    Unit.RATIO: Bilingual(th="เท่า", en="×"),
    Unit.COUNT: Bilingual(th="รายการ", en=""),
    Unit.PER_S: Bilingual(th="ต่อวินาที", en="per s"),
}


def measured(value: float, unit: Unit) -> Bilingual:
    """Return a value of a clause with its unit, in both languages."""
    number = percent(value) if unit is Unit.SHARE else decimal(value, 4)
    sign = UNIT_SIGNS[unit]
    return Bilingual(
        th=f"{number}{FIXED_SPACE}{sign.th}".strip(), en=f"{number}{FIXED_SPACE}{sign.en}".strip()
    )


def span(duration_s: float) -> Bilingual:
    """Return a span of time in words, from seconds."""
    if not math.isfinite(duration_s) or duration_s < 0:
        return Bilingual(th=ABSENT, en=ABSENT)
    if duration_s < 90:
        number = decimal(duration_s, 3)
        return Bilingual(th=f"{number} วินาที", en=f"{number} s")
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 90:
        rest = (f" {seconds} วินาที", f" {seconds} s") if seconds else ("", "")
        return Bilingual(th=f"{minutes} นาที{rest[0]}", en=f"{minutes} min{rest[1]}")
    hours, minutes = divmod(minutes, 60)
    rest = (f" {minutes} นาที", f" {minutes} min") if minutes else ("", "")
    return Bilingual(th=f"{hours:,} ชั่วโมง{rest[0]}", en=f"{hours:,} h{rest[1]}")


def clock(offset_s: float) -> str:
    """Return seconds since the start of the load as m:ss or h:mm:ss."""
    if not math.isfinite(offset_s) or abs(offset_s) > 1e9:
        return ABSENT
    sign = "-" if offset_s < 0 else ""
    minutes, seconds = divmod(round(abs(offset_s)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{sign}{hours}:{minutes:02d}:{seconds:02d}"
    return f"{sign}{minutes}:{seconds:02d}"


def day(iso_date: str) -> Bilingual:
    """Return an ISO date in words: Buddhist era in Thai, CE with the BE year in English."""
    try:
        moment = date.fromisoformat(iso_date)
    except ValueError:
        return Bilingual(th=shown(iso_date, 40), en=shown(iso_date, 40))
    return _day(moment)


def period(number: int) -> Bilingual:
    """Return an accounting period, CE year * 100 + month, as a month in words."""
    year, month = divmod(number, 100)
    if not (1 <= month <= 12 and 1_000 <= year <= 9_999):
        return Bilingual(th=ABSENT, en=ABSENT)
    return Bilingual(
        th=f"{MONTHS_TH[month - 1]} {year + BUDDHIST_ERA_OFFSET}",
        en=f"{MONTHS_EN[month - 1]} {year}",
    )


def moment(iso_time: str) -> Bilingual:
    """Return an ISO time (UTC when it names no zone) as a day and a time of Thailand."""
    try:
        parsed = datetime.fromisoformat(iso_time)
        zoned = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        local = zoned.astimezone(THAILAND)
    except (ValueError, OverflowError):
        return Bilingual(th=shown(iso_time, 40), en=shown(iso_time, 40))
    words = _day(local.date())
    return Bilingual(
        th=f"{words.th} เวลา {local:%H:%M} น.", en=f"{words.en}, {local:%H:%M} Thailand time"
    )


def _day(value: date) -> Bilingual:
    year_be = value.year + BUDDHIST_ERA_OFFSET
    return Bilingual(
        th=f"{value.day} {MONTHS_TH[value.month - 1]} พ.ศ. {year_be}",
        en=f"{value.day} {MONTHS_EN[value.month - 1]} {value.year} (BE {year_be})",
    )
