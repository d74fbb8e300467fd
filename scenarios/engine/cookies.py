"""The cookies of one person, as a browser keeps them: RFC 6265, the part that servers rely on.

Path, Domain (host-only or not), Expires, Max-Age and Secure count; HttpOnly and SameSite mean
nothing to a client without scripts. What a hostile target sets is bounded in number and size. There
is no list of public suffixes, only the Thai ones: the few hosts of one run are all under test.
Pure: the caller passes the time (Unix s).
"""

from __future__ import annotations

from calendar import timegm
from email.utils import parsedate_tz
from typing import Final, NamedTuple

COOKIES_MAX: Final = 50  # per person; what browsers must keep per host (RFC 6265 section 6.1)
COOKIE_BYTES_MAX: Final = 4096  # name and value (the same section)
ATTRIBUTE_BYTES_MAX: Final = 1024  # RFC 6265bis section 5.7
SET_COOKIES_MAX: Final = 50  # read of one answer
# Second levels under .th that THNIC gives to anybody: a cookie for one of them is nobody's.
_PUBLIC: Final = frozenset(f"{second}.th" for second in ("ac", "co", "go", "in", "mi", "net", "or"))


class Cookie(NamedTuple):
    """One cookie. `expires_s` is Unix time, infinite for one that ends with the visit."""

    name: str
    value: str
    host: str
    is_host_only: bool
    path: str
    expires_s: float
    is_secure: bool

    def goes_to(self, host: str, path: str, *, is_trusted: bool) -> bool:
        """Whether it is sent with a request for *path* of *host*."""
        is_at_home = host == self.host or (not self.is_host_only and _is_below(host, self.host))
        return is_at_home and _is_within(path, self.path) and (is_trusted or not self.is_secure)


class CookieJar:
    """What one person holds, in the order in which it was first set."""

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: tuple[Cookie, ...] = ()

    def __len__(self) -> int:
        return len(self._cookies)

    def take(self, head: bytes, *, scheme: str, host: str, path: str, now_s: float) -> None:
        """Do as the Set-Cookie headers in *head* say; *path* is what was asked for."""
        for text in _set_cookies(head):
            cookie = _cookie(text, scheme=scheme, host=host, path=path, now_s=now_s)
            if cookie is not None:
                self._put(cookie, now_s)

    def header(self, *, scheme: str, host: str, path: str, now_s: float) -> str:
        """Return the value of the Cookie header for a request, "" when none goes along."""
        path = path.partition("?")[0]
        is_trusted = _is_trusted(scheme, host)
        chosen = [
            cookie
            for cookie in self._cookies
            if cookie.expires_s > now_s and cookie.goes_to(host, path, is_trusted=is_trusted)
        ]
        chosen.sort(key=lambda cookie: -len(cookie.path))  # longer paths first; else as they came
        return "; ".join(
            [f"{cookie.name}={cookie.value}" if cookie.name else cookie.value for cookie in chosen]
        )

    def _put(self, cookie: Cookie, now_s: float) -> None:
        kept = []
        is_placed = cookie.expires_s <= now_s  # a date that is past takes the cookie away
        for old in self._cookies:
            if (old.name, old.host, old.path) == (cookie.name, cookie.host, cookie.path):
                if not is_placed:
                    kept.append(cookie)  # keeps the place of the one it replaces
                    is_placed = True
            elif old.expires_s > now_s:
                kept.append(old)
        if not is_placed:
            kept.append(cookie)
        self._cookies = tuple(kept[-COOKIES_MAX:])


def merged(written: str, kept: str) -> str:
    """Return one Cookie header of what a dialect *written* itself and what the jar *kept*.

    The jar wins: it has what the target set last.
    """
    if not written or not kept:
        return written or kept
    names = {pair.partition("=")[0] for pair in kept.split("; ")}
    others = [pair for pair in written.split("; ") if pair.partition("=")[0] not in names]
    return "; ".join([kept, *others])


def _set_cookies(head: bytes) -> list[str]:
    lines = head.split(b"\r\n")
    found = [line[11:] for line in lines if line[:11].lower() == b"set-cookie:"]
    return [line.decode("latin-1") for line in found[:SET_COOKIES_MAX]]


def _cookie(text: str, *, scheme: str, host: str, path: str, now_s: float) -> Cookie | None:
    """Read one Set-Cookie value (RFC 6265 sections 5.2 and 5.3); None when it must be ignored."""
    pair, *rest = text.split(";")
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    name, value = name.strip(" \t"), value.strip(" \t")
    is_clean = not any((c < " " and c != "\t") or c == "\x7f" for c in text)
    if not is_clean or not (name or value) or len(name) + len(value) > COOKIE_BYTES_MAX:
        return None
    attributes = _attributes(rest)
    domain = attributes.get("domain", "").lstrip(".").lower()
    is_secure = "secure" in attributes
    if domain and not _may_set(host, domain):
        return None
    if is_secure and not _is_trusted(scheme, host):
        return None
    place = attributes.get("path", "")
    place = place if place.startswith("/") else _default_path(path)
    if name.startswith("__Host-") and (not is_secure or domain or place != "/"):
        return None
    if name.startswith("__Secure-") and not is_secure:
        return None
    return Cookie(
        name=name,
        value=value,
        host=domain or host,
        is_host_only=not domain,
        path=place,
        expires_s=_expires_s(attributes, now_s),
        is_secure=is_secure,
    )


def _attributes(parts: list[str]) -> dict[str, str]:
    attributes = {}
    for part in parts:
        name, _, value = part.partition("=")
        if len(value) <= ATTRIBUTE_BYTES_MAX:
            attributes[name.strip(" \t").lower()] = value.strip(" \t")  # the last one counts
    return attributes


def _expires_s(attributes: dict[str, str], now_s: float) -> float:
    """Return when the cookie ends; Max-Age goes before Expires, nonsense counts as neither."""
    age = attributes.get("max-age", "")
    if age.lstrip("-").isdigit() and age.isascii() and not age.startswith("--"):
        return now_s + int(age[:12]) if not age.startswith("-") else 0.0
    expires = attributes.get("expires")
    if expires is None:
        return float("inf")
    try:
        parsed = parsedate_tz(expires)
        return _unix_s(parsed[:6]) if parsed else float("inf")
    except (ValueError, OverflowError, IndexError, TypeError):
        return float("inf")


def _unix_s(date: tuple[int, ...]) -> float:
    return float(timegm((*date, 0, 0, 0)))


def _may_set(host: str, domain: str) -> bool:
    if host == domain:
        return True
    return "." in domain and domain not in _PUBLIC and _is_below(host, domain)


def _is_below(host: str, domain: str) -> bool:
    is_name = not host.replace(".", "").isdigit() and ":" not in host
    return is_name and host.endswith(f".{domain}")


def _is_within(path: str, place: str) -> bool:
    if not path.startswith(place):
        return False
    return len(path) == len(place) or place.endswith("/") or path[len(place)] == "/"


def _default_path(path: str) -> str:
    path = path.partition("?")[0]
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _is_trusted(scheme: str, host: str) -> bool:
    """Say whether Secure cookies travel: TLS, or this machine (as Chrome and Firefox do)."""
    is_here = host in ("localhost", "::1") or host.startswith("127.")
    return scheme == "https" or is_here
