"""Lines in the common and combined formats of Apache and nginx, with what people add to them.

    [virtual host[:port]] client ident user [time] "request" status bytes ["referer" "agent" ...]

At the end may stand the request time (seconds with a point as nginx writes them, `rt=0.012`, or
Apache's whole number of microseconds) and X-Forwarded-For in quotes, in any order.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from scenarios.access_logs.entries import (
    Entry,
    Unusable,
    checked_request,
    combined_time,
    sound_duration,
)

# Possessive throughout: no line, however hostile, is looked at twice.
_LINE: Final = re.compile(
    rb'([^\[\]"]*+(?:"[^"]*+"[^\[\]"]*+)?)\[([^\]]{1,64}+)\] '
    rb'"((?:[^"\\]++|\\.)*+)" (\d{3}) (?:\d++|-)'
    rb'(?: "((?:[^"\\]++|\\.)*+)" "((?:[^"\\]++|\\.)*+)")?+(.*+)'
)
_REST: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"|(\S++)')
_SECONDS: Final = re.compile(rb"(?:[A-Za-z_]{1,30}+[=:])?+(\d{1,7}+\.\d{1,9}+)s?+")
_WHOLE: Final = re.compile(rb"(?:[A-Za-z_]{1,30}+[=:])?+(\d{1,12}+)")
_TIMES_MAX: Final = 100_000
REST_MAX: Final = 2_000


class CombinedReader:
    """Reads lines; remembers the times that it parsed, because many lines share a second.

    *whole_unit_s* is the unit of a request time without a point: 1e-6 for Apache's `%D`.
    """

    def __init__(self, whole_unit_s: float = 1e-6) -> None:
        self._whole_unit_s = whole_unit_s
        self._times: dict[bytes, float] = {}

    def entry(self, line: bytes) -> Entry:
        """Return what *line* says. Raises `Unusable`."""
        match = _LINE.match(line)
        if match is None:
            raise Unusable("not a line of an access log")
        head, time, request, status, _, agent, rest = match.groups()
        words = request.split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/"):
            raise Unusable("not an HTTP request that can be replayed")
        method, target = checked_request(words[0], words[1])
        duration_s, forwarded = self._rest(rest) if rest else (-1.0, b"")
        client, user = _who(head)
        known = user or (forwarded or client, agent)
        return Entry(self._time(time), duration_s, method, target, int(status), hash(known), user)

    def _time(self, text: bytes) -> float:
        at_s = self._times.get(text)
        if at_s is None:
            if len(self._times) >= _TIMES_MAX:
                self._times.clear()
            at_s = self._times[text] = combined_time(text)
        return at_s

    def _rest(self, rest: bytes) -> tuple[float, bytes]:
        duration_s, forwarded = -1.0, b""
        for quoted, bare in _REST.findall(rest[:REST_MAX]):
            word = quoted or bare
            if duration_s < 0:
                if found := _SECONDS.fullmatch(word):
                    duration_s = sound_duration(float(found[1]))
                    continue
                if found := _WHOLE.fullmatch(word):
                    duration_s = sound_duration(int(found[1]) * self._whole_unit_s)
                    continue
            if quoted and not forwarded:
                forwarded = forwarded_client(quoted)
        return duration_s, forwarded


def _who(head: bytes) -> tuple[bytes, bytes]:
    """Return the client's address and the user's name, empty when there is none."""
    words = head.replace(b'"', b" ").split()
    if len(words) < 3:
        raise Unusable("not a line of an access log")
    # A virtual host in front has an address behind it; a list of proxies ends its parts in commas.
    first = 0
    if len(words) > 3 and not words[0].endswith(b",") and _is_address(words[1]):
        first = 1
    last = first
    while words[last].endswith(b",") and last + 1 < len(words):
        last += 1
    user = b" ".join(words[last + 2 :])
    return words[first].rstrip(b","), b"" if user in (b"-", b"") else user


def forwarded_client(text: bytes) -> bytes:
    """Return the first address of an X-Forwarded-For value, empty when it holds none."""
    first = text.partition(b",")[0].strip()
    return first if _is_address(first) else b""


def _is_address(word: bytes) -> bool:
    if not 2 <= len(word) <= 45 or not (word[:1].isdigit() or b":" in word):
        return False
    try:
        ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        return False
    return True
