"""What a browser asks for next when an answer sends it elsewhere. Pure.

301, 302 and 303 turn a form into a look (GET); 307 and 308 repeat the request with its body, which
is the only way that a write goes out twice. What proves who one is stays with its host. A location
that no browser could use ends the journey at the redirect itself. Source: RFC 9110 section 15.4,
WHATWG Fetch "HTTP-redirect fetch".
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from scenarios.dialects.interface import Answer, Request
from scenarios.engine.exchange import address_of

HOPS_MAX: Final = 20  # WHATWG Fetch
LOCATION_BYTES_MAX: Final = 8192
_REPEATING: Final = (307, 308)
STATUSES: Final = frozenset((301, 302, 303, *_REPEATING))
_OF_THE_BODY: Final = ("content-type", "content-encoding", "idempotency-key")
_OF_THE_HOST: Final = ("authorization", "cookie")
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"


def next_request(request: Request, answer: Answer, *, asked: str) -> Request | None:
    """Return what follows *answer*, None when it leads nowhere.

    *asked* is the whole address that *request* went to; the new target is a whole address too.
    """
    target = _address(answer.header("Location"), asked)
    if target is None:
        return None
    left_out: tuple[str, ...] = ()
    method, body = request.method, request.body
    if answer.status not in _REPEATING and method not in ("GET", "HEAD"):
        method, body = "GET", b""
        left_out = _OF_THE_BODY
    if address_of(target) != address_of(asked):
        left_out += _OF_THE_HOST
    headers = tuple(pair for pair in request.headers if pair[0].lower() not in left_out)
    return request._replace(method=method, target=target, headers=headers, body=body)


def _address(location: str | None, asked: str) -> str | None:
    if not location or len(location) > LOCATION_BYTES_MAX:
        return None
    if any(c <= " " or c == "\x7f" for c in location):
        return None
    # Bytes beyond ASCII are what a server wrote without encoding them; browsers do it for it.
    location = quote(location.encode("latin-1"), safe=_SAFE)
    try:
        named = urlsplit(location)
        if named.scheme in ("http", "https") and not named.netloc:
            return None
        target = urljoin(asked, location).partition("#")[0]
        parts = urlsplit(target)
        address_of(target)
    except ValueError:
        return None
    return None if parts.username or parts.password else target
