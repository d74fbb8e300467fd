"""Which real addresses may stand in a workload as examples, and what stands for all others.

Only what several clients asked for in just this form and what is too short to name anybody: small
numbers, short words, dates. Everything else gives way to a made-up value of the same form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from scenarios.access_logs.routes import CLIENTS_FEW, CLIENTS_MIN, placeholder_of

CANDIDATES_MAX: Final = 64  # addresses watched per operation
EXAMPLES_MAX: Final = 20  # of them kept
QUERY_KEYS_MAX: Final = 20
VALUES_FEW: Final = 10  # a key with more different values holds data, not choices [estimated]
# Longer numbers may be telephone, account or citizen numbers (13 digits in Thailand).
DIGITS_MAX: Final = 6
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z_.\[\]-]{0,29}\d?")
_SAFE_WORD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,15}")
_SECRET: Final = re.compile(
    r"(?i)token|secret|passw|pwd|auth|session|sid|key|sig|code|otp|pin|nonce|state|user|name|mail"
    r"|^(?:q|s|query|search\w*|keyword|term|find|filter)$"
    r"|tel|phone|mobile|addr|citizen|idcard|card|account|acct|email|birth|dob|lat|lon|tax|jwt|cookie"
)
_MADE_UP: Final = {
    "{n}": "1",
    "{date}": "2025-01-31",
    "{uuid}": "00000000-0000-4000-8000-000000000000",
    "{hash}": "00000000",
}


@dataclass(slots=True)
class Candidates:
    """Addresses of one operation with how often and for how many clients (up to the least)."""

    counts: dict[bytes, int] = field(default_factory=dict)
    clients: dict[bytes, set[int]] = field(default_factory=dict)
    other_count: int = 0

    def see(self, target: bytes, client: int) -> None:
        """Count one request."""
        count = self.counts.get(target)
        if count is None:
            if len(self.counts) >= CANDIDATES_MAX:
                self.other_count += 1
                return
            self.counts[target] = 1
            self.clients[target] = {client}
            return
        self.counts[target] = count + 1
        known = self.clients[target]
        if len(known) < CLIENTS_MIN:
            known.add(client)


def examples_of(
    name: str, candidates: Candidates, client_count: int
) -> tuple[dict[str, float], float]:
    """Return example -> requests that it stands for, and how many requests only made-up ones do.

    *name* is the operation's final name. Requests whose own values may not be shown, or were not
    watched, are asked for by real examples with the same query keys, where there are any.
    """
    template = name.partition(" ")[2]
    free_keys = _keys_with_many_values(candidates)
    groups: dict[tuple[str, ...], _Group] = {}
    for target, count in candidates.counts.items():
        is_common = client_count >= CLIENTS_FEW and len(candidates.clients[target]) >= CLIENTS_MIN
        text = target.decode("ascii")
        example, is_real = _filtered(template, text, free_keys if is_common else None)
        group = groups.setdefault(_keys_of(example), _Group())
        group.count += count
        chosen = group.real if is_real else group.made_up
        chosen[example] = chosen.get(example, 0) + count
    watched = sum(group.count for group in groups.values())
    scale = (watched + candidates.other_count) / watched
    shown: dict[str, float] = {}
    for group in groups.values():
        shown |= group.shares(scale)
    return shown, sum(group.count * scale for group in groups.values() if not group.real)


@dataclass(slots=True)
class _Group:
    """Addresses with the same query keys."""

    count: int = 0
    real: dict[str, int] = field(default_factory=dict)
    made_up: dict[str, int] = field(default_factory=dict)

    def shares(self, scale: float) -> dict[str, float]:
        """Share the group's requests among its most frequent examples, real ones if there are."""
        ranked = sorted((self.real or self.made_up).items(), key=lambda item: (-item[1], item[0]))
        kept = ranked[:EXAMPLES_MAX]
        total = sum(count for _, count in kept)
        return {one: round(self.count * scale * count / total, 2) for one, count in kept}


def _keys_of(target: str) -> tuple[str, ...]:
    query = target.partition("?")[2]
    return tuple(sorted(pair.partition("=")[0] for pair in query.split("&"))) if query else ()


def _keys_with_many_values(candidates: Candidates) -> frozenset[str]:
    values: dict[str, set[str]] = {}
    for target in candidates.counts:
        for pair in target.decode("ascii").partition("?")[2].split("&", QUERY_KEYS_MAX):
            key, _, value = pair.partition("=")
            values.setdefault(key, set()).add(value)
    return frozenset(key for key, known in values.items() if len(known) > VALUES_FEW)


def _filtered(template: str, target: str, free_keys: frozenset[str] | None) -> tuple[str, bool]:
    """Return *target* with each value that does not pass made up, and whether all passed.

    *free_keys* hold data, not choices; None: this address was asked for by too few, nothing passes.
    """
    path, _, query = target.partition("?")
    shape, _, route_query = template.partition("?")
    parts, is_real = [], True
    segments = path.split("/")
    for place, label in enumerate(shape.split("/")):
        segment = segments[place].partition(";")[0] if place < len(segments) else ""
        is_value = label in ("{n}", "{date}") and free_keys is not None
        if not label.startswith("{"):
            parts.append(label)
        elif is_value and is_harmless(segment):
            parts.append(segment)
        else:
            parts.append(_MADE_UP.get(label, "x"))
            is_real = False
    pairs, is_query_real = _query(query, route_query, free_keys)
    return "/".join(parts) + pairs, is_real and is_query_real


def _query(query: str, route_query: str, free_keys: frozenset[str] | None) -> tuple[str, bool]:
    pairs, is_real = [], True
    route_key = route_query.partition("=")[0]
    if route_query and not route_query.startswith("{"):
        pairs.append(route_query)
    for pair in query.split("&", QUERY_KEYS_MAX)[:QUERY_KEYS_MAX]:
        key, _, value = pair.partition("=")
        if not _KEY.fullmatch(key) or key == route_key:
            continue
        is_choice = free_keys is not None and key not in free_keys and not _SECRET.search(key)
        if is_choice and is_harmless(value):
            pairs.append(f"{key}={value}")
        else:
            is_real = is_real and not value
            pairs.append(f"{key}={_MADE_UP.get(placeholder_of(value), 'x') if value else ''}")
    return ("?" + "&".join(pairs) if pairs else ""), is_real


def is_harmless(value: str) -> bool:
    """Say whether *value* is too short and plain to name anybody or to open anything."""
    if value.isdecimal():
        return len(value) <= DIGITS_MAX
    if placeholder_of(value) == "{date}":
        return True
    return _SAFE_WORD.fullmatch(value) is not None
