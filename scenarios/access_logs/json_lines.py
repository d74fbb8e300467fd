"""Access logs that hold one JSON object a line: nginx, Caddy, Traefik, load balancers, frameworks.

Nobody agrees on the names of the keys, so each thing is looked for under its usual names, without
regard to case and punctuation, in the object and in the objects within it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from scenarios.access_logs.combined import forwarded_client
from scenarios.access_logs.entries import (
    Entry,
    Unusable,
    checked_request,
    combined_time,
    epoch_time,
    iso_time,
    sound_duration,
)

_STARTS: Final = ("starttime", "startutc", "requestcreationtime", "requeststarttime", "startlocal")
_TIMES: Final = (
    *_STARTS, "timeiso8601", "timestamp", "timelocal", "time", "ts", "datetime", "date", "msec",
    "at", "eventtime",
)  # fmt: skip
_METHODS: Final = (
    "method", "requestmethod", "httpmethod", "httprequestmethod", "verb", "csmethod",
    "requesthttpmethod",
)  # fmt: skip
_TARGETS: Final = (
    "requesturi", "uri", "requestpath", "originalurl", "url", "requesturl", "httptarget", "path",
    "urlpath", "target", "csuristem", "httppath", "urloriginal",
)  # fmt: skip
_QUERIES: Final = ("querystring", "args", "query", "csuriquery", "urlquery")
_REQUESTS: Final = ("request", "requestline", "httprequest")
_STATUSES: Final = (
    "status", "statuscode", "responsestatus", "downstreamstatus", "elbstatuscode", "scstatus",
    "httpstatus", "responsestatuscode", "httpresponsestatuscode", "responsecode", "originstatus",
    "httpstatuscode",
)  # fmt: skip
# With the unit that the name means; the unit can also stand in the name or the value.
_DURATIONS: Final = (
    ("requesttime", 1.0), ("duration", 1.0), ("requestduration", 1.0), ("responsetime", 1.0),
    ("latency", 1.0), ("elapsed", 1.0), ("took", 1.0), ("timetaken", 1.0),
    ("targetprocessingtime", 1.0), ("upstreamresponsetime", 1.0), ("durationms", 1e-3),
    ("requesttimems", 1e-3), ("responsetimems", 1e-3), ("latencyms", 1e-3), ("elapsedms", 1e-3),
    ("tookms", 1e-3), ("durationus", 1e-6), ("durationns", 1e-9),
)  # fmt: skip
_CLIENTS: Final = (
    "xforwardedfor", "httpxforwardedfor", "forwardedfor", "clientip", "remoteip", "remoteaddr",
    "clientaddr", "clienthost", "client", "ip", "sourceip", "cip", "remotehost",
)  # fmt: skip
_USERS: Final = ("remoteuser", "user", "username", "clientusername", "userid", "uid")
_COOKIES: Final = ("sessionid", "session", "sid", "cookiesessionid", "cookiejsessionid", "cookie")
_AGENTS: Final = ("httpuseragent", "useragent", "requestuseragent")
_OBJECTS: Final = frozenset(("request", "httprequest", "http", "response", "headers", "req", "res",
                             "client", "url", "event", "useragent", "user"))  # fmt: skip
_PLAIN: Final = re.compile(r"[^a-z0-9]")
_GO_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m)?")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, None: 0.0}
_NAMES_MAX: Final = 10_000
_FIELDS_MAX: Final = 400


class JsonReader:
    """Reads lines; remembers how it spelt the names of keys."""

    def __init__(self) -> None:
        self._spelt: dict[str, str] = {}

    def entry(self, line: bytes) -> Entry:
        """Return what *line* says. Raises `Unusable`."""
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Unusable("not a line of an access log") from error
        if not isinstance(content, dict):
            raise Unusable("not a line of an access log")
        flat: dict[str, Any] = {}
        self._flatten(content, flat, "", 0)
        method, target = _request(flat)
        at_s, is_start = _time(flat)
        client, user = _who(flat)
        status = _first(flat, _STATUSES)
        try:
            number = int(status)
        except (TypeError, ValueError) as error:
            raise Unusable("status is missing") from error
        if not 100 <= number <= 599:
            raise Unusable("status is missing")
        return Entry(at_s, _duration(flat), method, target, number, client, user, is_start)

    def _flatten(
        self, content: Mapping[str, Any], flat: dict[str, Any], above: str, n: int
    ) -> None:
        for name, value in content.items():
            if len(flat) > _FIELDS_MAX:
                return
            spelt = self._spelt.get(name)
            if spelt is None:
                if len(self._spelt) > _NAMES_MAX:
                    self._spelt.clear()
                spelt = self._spelt[name] = _PLAIN.sub("", name[:100].lower())
            if isinstance(value, dict):
                if n < 3 and spelt in _OBJECTS:
                    self._flatten(value, flat, above + spelt, n + 1)
                continue
            if isinstance(value, list):
                value = value[0] if value else None
            flat.setdefault(spelt, value)
            if above:
                flat.setdefault(above + spelt, value)


def _first(flat: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = flat.get(name)
        if value is not None and value not in ("", "-"):
            return value
    return None


def _request(flat: Mapping[str, Any]) -> tuple[bytes, bytes]:
    method, target = _first(flat, _METHODS), _first(flat, _TARGETS)
    if not isinstance(target, str) or not isinstance(method, str):
        line = _first(flat, _REQUESTS)
        words = line.split(" ") if isinstance(line, str) else []
        if len(words) < 2:
            raise Unusable("not an HTTP request that can be replayed")
        method, target = words[0], words[1]
    query = _first(flat, _QUERIES)
    if isinstance(query, str) and "?" not in target:
        target = f"{target}?{query.lstrip('?')}"
    try:
        return checked_request(method.upper().encode("ascii"), target.encode("ascii"))
    except UnicodeEncodeError as error:
        raise Unusable("address holds what no address may") from error


def _time(flat: Mapping[str, Any]) -> tuple[float, bool]:
    for name in _TIMES:
        value = flat.get(name)
        if isinstance(value, bool) or value is None or value == "":
            continue
        is_start = name in _STARTS
        if isinstance(value, int | float):
            return epoch_time(value), is_start
        if isinstance(value, str):
            return _time_of(value), is_start
    raise Unusable("time cannot be read")


def _time_of(text: str) -> float:
    if "/" in text[:4]:
        return combined_time(text.strip("[]").encode("latin-1", "replace"))
    try:
        number = float(text)
    except ValueError:
        return iso_time(text)
    return epoch_time(number)


def _duration(flat: Mapping[str, Any]) -> float:
    for name, unit_s in _DURATIONS:
        value = flat.get(name)
        if isinstance(value, bool) or value is None:
            continue
        if name == "duration" and isinstance(value, int) and "startutc" in flat:
            unit_s = 1e-9  # Traefik counts ns
        if isinstance(value, int | float):
            return sound_duration(value * unit_s)
        if isinstance(value, str) and (found := _GO_DURATION.fullmatch(value.strip())):
            return sound_duration(float(found[1]) * (_UNITS[found[2]] or unit_s))
    return -1.0


def _who(flat: Mapping[str, Any]) -> tuple[int, bytes]:
    user = _first(flat, _USERS)
    if isinstance(user, str | int):
        name = str(user).encode("utf-8", "replace")
        return hash(name), name
    cookie = _first(flat, _COOKIES)
    if isinstance(cookie, str):
        return hash(("cookie", cookie)), b""
    client = _first(flat, _CLIENTS)
    if not isinstance(client, str):
        return 0, b""
    # A port belongs to the connection, not to who asks.
    address = client.rpartition(":")[0] if client.count(":") == 1 else client
    first = forwarded_client(address.encode("utf-8", "replace")) or address
    return hash((first, str(_first(flat, _AGENTS)))), b""
