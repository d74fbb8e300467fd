"""JSON read strictly: each value knows its place, so that a refusal can say file, key and mend.

Refuses what plain JSON readers let through: repeated keys, NaN, numbers beyond a float, unknown
keys, texts and lists without end. Knows no format; `scenarios.workload` does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadJson(ValueError):
    """A value that cannot be used: what, where, how to mend it."""

    def __init__(self, *, what: str, where: str, mend: str) -> None:
        super().__init__(f"{where}: {what}; {mend}")
        self.what = what
        self.where = where
        self.mend = mend


class _Refused(ValueError):
    """What plain JSON allows and this reader does not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value and where it stands."""

    value: Any
    file: str
    key: str

    def refusal(self, what: str, mend: str) -> BadJson:
        """Return the error to raise for this value."""
        return BadJson(what=what, where=f"{self.file}: {self.key or 'top'}", mend=mend)

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> Fields:
        """Return an object's values by key; all *required* are there and no unknown one is."""
        if not isinstance(self.value, dict):
            raise self.refusal("must be an object", f"write {{...}} with {', '.join(required)}")
        known = (*required, *optional)
        for name in self.value:
            if name not in known:
                raise self._at(name[:80]).refusal("unknown key", f"known here: {', '.join(known)}")
        for name in required:
            if name not in self.value:
                raise self._at(name).refusal("the key is missing", "add it")
        return {name: self._at(name) for name in self.value}

    def entries(self, count_max: int, pattern: str = r"(?s).*") -> list[tuple[str, Place]]:
        """Return an object's values whose keys are names of the file's own."""
        if not isinstance(self.value, dict):
            raise self.refusal("must be an object", "write {name: value}")
        if len(self.value) > count_max:
            raise self.refusal(f"has more than {count_max} entries", "write fewer")
        for name in self.value:
            if not re.fullmatch(pattern, name):
                raise self.refusal(f"the name {name[:80]!r} cannot be used", "write another")
        return [
            (name, self._at(f"{name[:80]!r}")._with(value)) for name, value in self.value.items()
        ]

    def items(self, count_min: int, count_max: int) -> list[Place]:
        """Return the items of a list."""
        if not isinstance(self.value, list) or not count_min <= len(self.value) <= count_max:
            raise self.refusal(
                f"must be a list of {count_min} to {count_max} items", "write [..., ...]"
            )
        return [
            Place(value, self.file, f"{self.key}[{number}]")
            for number, value in enumerate(self.value, start=1)
        ]

    def text(self, length_max: int) -> str:
        """Return a text."""
        if not isinstance(self.value, str) or len(self.value) > length_max:
            raise self.refusal(f"must be text of up to {length_max} characters", "mend it")
        try:
            self.value.encode()
        except UnicodeEncodeError as error:  # half of a character, as JSON's escapes can write it
            raise self.refusal("is no Unicode text", "write whole characters") from error
        return self.value

    def text_or_null(self, length_max: int) -> str | None:
        """Return a text, or None for null."""
        return None if self.value is None else self.text(length_max)

    def matching(self, pattern: str, wanted: str, length_max: int = 2_000) -> str:
        """Return a text of a given form."""
        text = self.text(length_max)
        if not re.fullmatch(pattern, text):
            raise self.refusal(f"{text[:80]!r} is not {wanted}", f"write {wanted}")
        return text

    def word(self, known: Sequence[str]) -> str:
        """Return one of the *known* words."""
        if self.value not in known or not isinstance(self.value, str):
            raise self.refusal(f"unknown: {str(self.value)[:80]!r}", f"one of {', '.join(known)}")
        return self.value

    def number(self, at_least: float, at_most: float, *, is_whole: bool = False) -> float:
        """Return a number within bounds."""
        value = self.value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not at_least <= value <= at_most or (is_whole and value != int(value)):
            kind = "a whole number" if is_whole else "a number"
            raise self.refusal(
                f"{str(value)[:40]} cannot be used",
                f"write {kind} from {at_least:g} to {at_most:g}",
            )
        return float(value)

    def scalar(self, length_max: int) -> str | int | float:
        """Return a text or a number."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return self.value
        return self.text(length_max)

    def _at(self, name: str) -> Place:
        value = self.value.get(name)
        return Place(value, self.file, f"{self.key}.{name}" if self.key else name)

    def _with(self, value: Any) -> Place:
        return Place(value, self.file, self.key)


Fields = Mapping[str, Place]


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """Return the content of the file at *path*. Raises `BadJson`."""
    try:
        if not path.is_file():
            raise BadJson(what="there is no such file", where=str(path), mend="name a file")
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise BadJson(
            what=f"cannot be read: {error.strerror}", where=str(path), mend="allow reading it"
        ) from error
    if len(content) > bytes_max:
        raise BadJson(
            what=f"is larger than {bytes_max >> 20} MiB", where=str(path), mend="name a smaller one"
        )
    return content


def parse_strictly(content: bytes, file: str) -> Place:
    """Parse the bytes of a file. Raises `BadJson`."""
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadJson(what=f"not JSON: {why[:200]}", where=file, mend="mend it there") from error
    return Place(value, file, "")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {twice[:80]!r} stands twice")
    return content


def _refuse_constant(word: str) -> float:
    raise _Refused(f"{word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _Refused(f"{digits[:40]} is no number")
    return number
