"""One bounded HTTP question to a target, outside the load: is it there, and what is it?

Plain sockets of the standard library, a connection per question, no retry, no redirect. The answer
or `NoAnswer` with the reason in words. Nothing that is measured goes through here.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from harness.failures import BadSetup

BODY_BYTES_MAX: Final = 1_000_000


class NoAnswer(Exception):
    """Nothing that speaks HTTP answered; the message says what happened instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers (names in lower case) and the first part of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json_object(self) -> dict[str, Any] | None:
        """Return the body as a JSON object, None when it is anything else."""
        try:
            content = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return content if isinstance(content, dict) else None


def normal_url(text: str) -> str:
    """Return an http(s) URL without trailing slash. Raises `BadSetup` for anything else."""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for a port that is no number or out of range
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment or parts.username:
        raise BadSetup(
            what="this is not the URL of a target",
            where=f"--target {text}",
            mend="name `embedded` or an address such as http://127.0.0.1:8080",
        )
    return text.rstrip("/")


def ask(url: str, path: str, *, timeout_s: float) -> Answer:
    """GET *url* + *path*. Raises `NoAnswer`."""
    return _exchange(url, path, None, timeout_s)


def tell(url: str, path: str, body: bytes, timeout_s: float) -> None:
    """POST the JSON *body* to *url* + *path*. Raises `NoAnswer` for any answer but 200, too."""
    status = _exchange(url, path, body, timeout_s).status
    if status != 200:
        raise NoAnswer(f"it answered {status}")


def _exchange(url: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        method, headers = ("GET" if body is None else "POST"), {"Connection": "close"}
        connection.request(method, parts.path + path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        content = response.read(BODY_BYTES_MAX)
    except TimeoutError as error:
        raise NoAnswer(f"no answer within {timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise NoAnswer(f"TLS failed: {error.reason or error}") from error
    except ConnectionRefusedError as error:
        raise NoAnswer("connection refused: nothing listens there") from error
    except OSError as error:
        raise NoAnswer(f"no connection: {error.strerror or error}") from error
    except (http.client.HTTPException, UnicodeError) as error:
        raise NoAnswer(f"what answered does not speak HTTP ({type(error).__name__})") from error
    finally:
        connection.close()
    return Answer(status=response.status, headers=found, body=content)
