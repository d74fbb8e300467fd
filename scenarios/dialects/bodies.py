"""Request bodies as browsers make them: JSON, form-encoded, multipart. Pure; no dialect in it.

Each returns (content type, body), ready for a `Request`. Sources: WHATWG HTML "form submission"
for form-encoded bodies and for file names, RFC 7578 for multipart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import orjson

BOUNDARY_TRIES_MAX: Final = 8
_SAMPLE_BYTES: Final = 4096


class Upload(NamedTuple):
    """A file in a form. `name` may be Thai."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


def json_body(values: Any) -> tuple[str, bytes]:
    """Return *values* as JSON."""
    return "application/json", orjson.dumps(values)


def form_body(
    fields: Mapping[str, str] | Sequence[tuple[str, str]], *, charset: str = "utf-8"
) -> tuple[str, bytes]:
    """Return *fields* form-encoded. What *charset* cannot write becomes a question mark."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    text = urlencode(tuple(pairs), encoding=charset, errors="replace")
    return "application/x-www-form-urlencoded", text.encode("ascii")


def multipart_body(parts: Sequence[tuple[str, str | Upload]]) -> tuple[str, bytes]:
    """Return fields and files as multipart/form-data; the same parts give the same bytes.

    Raises `ValueError` when no boundary can be found that the content does not hold.
    """
    boundary = _boundary(parts)
    pieces = []
    for name, value in parts:
        pieces.append(f"--{boundary}\r\nContent-Disposition: form-data; ".encode())
        pieces.append(f'name="{_quoted(name)}"'.encode())
        if isinstance(value, Upload):
            kind = value.content_type.replace("\r", "").replace("\n", "")
            pieces.append(f'; filename="{_quoted(value.name)}"\r\nContent-Type: {kind}'.encode())
        pieces += (b"\r\n\r\n", _content(value), b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _content(value: str | Upload) -> bytes:
    return value.content if isinstance(value, Upload) else value.encode()


def _quoted(name: str) -> str:
    """Return *name* as browsers write it between quotes (WHATWG HTML, multipart encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _boundary(parts: Sequence[tuple[str, str | Upload]]) -> str:
    """Return a boundary that no part holds: drawn from the content itself, and then looked for."""
    contents = [_content(value) for _, value in parts]
    for attempt in range(BOUNDARY_TRIES_MAX):
        digest = blake2b(attempt.to_bytes(1, "big"), digest_size=16)
        for content in contents:
            digest.update(len(content).to_bytes(8, "big") + content[:_SAMPLE_BYTES])
        boundary = f"----monthend{digest.hexdigest()}"
        if not any(boundary.encode() in content for content in contents):
            return boundary
    raise ValueError("the content holds every boundary that was tried")
