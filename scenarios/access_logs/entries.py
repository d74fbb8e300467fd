"""One line of an access log as an entry, and the times in it. Nothing personal is kept.

Who asked becomes a number at once (`client`), known only inside this process.
"""

from __future__ import annotations

import calendar
import math
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"PATCH", b"DELETE"))
TARGET_MAX: Final = 8_192
# Years of the Buddhist era that some Thai systems write: 1900 to 2100 CE.
BUDDHIST_FIRST, BUDDHIST_LAST, BUDDHIST_AHEAD = 2443, 2643, 543
DURATION_S_MAX: Final = 86_400.0
_TARGET: Final = re.compile(rb"/[!-~]*+")
_COMBINED_TIME: Final = re.compile(
    rb"(\d{1,2})/([A-Za-z]{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?: ([+-])(\d\d):?(\d\d))?"
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
         b"dec"), start=1,
    )
}  # fmt: skip


class Entry(NamedTuple):
    """One request. `at_s` is the time in the line, s since 1970; *duration_s* is -1 when unknown.

    `is_start`: the time is known to be the request's start. `user` is only for keeping it out of
    names; `client` is a number that stands for who asked.
    """

    at_s: float
    duration_s: float
    method: bytes
    target: bytes
    status: int
    client: int
    user: bytes = b""
    is_start: bool = False


class Unusable(Exception):
    """This line is no request that can be used; the message is the reason it is counted under."""


def checked_request(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """Return method and target as path and query. Raises `Unusable`."""
    if method not in METHODS:
        raise Unusable("not an HTTP request that can be replayed")
    if not target.startswith(b"/"):
        scheme, _, rest = target.partition(b"://")
        if scheme.lower() not in (b"http", b"https"):
            raise Unusable("not an HTTP request that can be replayed")
        target = b"/" + rest.partition(b"/")[2]
    if len(target) > TARGET_MAX:
        raise Unusable("address is too long")
    if not _TARGET.fullmatch(target):
        raise Unusable("address holds what no address may")
    return method, target


def combined_time(text: bytes) -> float:
    """Return the time in `10/Oct/2025:13:55:36 +0700`. Raises `Unusable`."""
    match = _COMBINED_TIME.fullmatch(text)
    if match is None:
        return iso_time(text.decode("latin-1"))
    day, month, year, hour, minute, second, fraction, sign, zone_h, zone_m = match.groups()
    number = _MONTHS.get(month.lower(), 0)
    try:
        at = datetime(_common_era(int(year)), number, int(day), int(hour), int(minute))
    except ValueError as error:
        raise Unusable("time cannot be read") from error
    at_s = calendar.timegm(at.timetuple()) + int(second) + float(fraction or 0)
    if sign is None:
        return at_s
    offset_s = int(zone_h) * 3600 + int(zone_m) * 60
    return at_s - offset_s if sign == b"+" else at_s + offset_s


def iso_time(text: str) -> float:
    """Return an ISO 8601 time in s; one without a zone is taken as UTC. Raises `Unusable`."""
    try:
        if text[:4].isdecimal():
            text = f"{_common_era(int(text[:4])):04d}{text[4:]}"
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Unusable("time cannot be read") from error


def epoch_time(number: float) -> float:
    """Return s since 1970 of a number of s, ms, us or ns. Raises `Unusable`."""
    if not math.isfinite(number) or number <= 0:
        raise Unusable("time cannot be read")
    for above, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if number > above:
            return number / unit
    return float(number)


def sound_duration(seconds: float) -> float:
    """Return a duration that can be meant, or -1."""
    return seconds if 0 <= seconds <= DURATION_S_MAX else -1.0


def _common_era(year: int) -> int:
    return year - BUDDHIST_AHEAD if BUDDHIST_FIRST <= year <= BUDDHIST_LAST else year
