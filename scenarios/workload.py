"""A workload as a file: what is asked of a system, in which order, how often, with which pauses.

Knows no country and no ledger. `monthend workload-from-log` writes such files from access logs, and
people write them by hand (format `monthend-workload/1`, JSON, see `WORKLOAD_EXAMPLE`):

    operations   name, kind, method, example targets with weights, headers, body, expected statuses;
                 {session} in a target becomes the number of the session that asks
    sessions     with which operation a session begins, which one follows which after how long
    arrivals     sessions begun per second, requests asked for per second, or sessions per bin

Strict, because half a workload is another load: whatever is unknown, missing or out of bounds stops
the reading with file, key and mend. `scenarios.workload_plan` draws a plan from it; nothing is sent
here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from contracts.terms import OperationKind
from scenarios.strict_json import BadJson, Fields, Place, parse_strictly, read_bounded

FORMAT: Final = "monthend-workload/1"
SESSION: Final = "{session}"  # in a target: the number of the session that asks
END: Final = -1  # a session's last step leads here

FILE_BYTES_MAX: Final = 64 << 20
OPERATIONS_MAX: Final = 1_000  # the judge takes 2,000 per run
TARGETS_MAX: Final = 50_000
TRANSITIONS_MAX: Final = 20_000
BINS_MAX: Final = 100_800  # a week of bins of six seconds
SESSION_REQUESTS_MAX: Final = 10_000  # a step's number in the samples has 16 bits
THINK_S_MAX: Final = 86_400.0
LEVELS_MAX: Final = 101
RATE_MAX: Final = 1e6
TEXT_MAX: Final = 2_000
TARGET_MAX: Final = 8_192
BODY_MAX: Final = 1 << 20
HEADERS_MAX: Final = 32
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
METHODS: Final = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
# The engine's own: who sets them twice confuses the target.
OWN_HEADERS: Final = ("connection", "content-length", "host", "transfer-encoding")
# Probes and the identity provider are the country's: a replayed operation is charged as it is.
KINDS: Final = ("read", "post", "report", "login", "export")
TOKEN_PATTERN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
TARGET_PATTERN: Final = r"/[!-~]*"
NAME_PATTERN: Final = r"[^\x00-\x1f\x7f]{1,200}"

WORKLOAD_EXAMPLE: Final = """{
  "format": "monthend-workload/1",
  "name": "a shop",
  "source": {"text": "written by hand", "sha256": ""},
  "operations": [
    {"name": "front page", "kind": "read", "method": "GET", "targets": [{"target": "/"}]},
    {"name": "article", "kind": "read", "method": "GET",
     "targets": [{"target": "/article/1", "weight": 3}, {"target": "/article/2"}]}
  ],
  "sessions": {
    "first": {"front page": 1},
    "think_levels": [0, 0.5, 1],
    "next": {
      "front page": [{"to": "article", "weight": 3, "think_s": [1, 4, 30]}, {"to": null}],
      "article": [{"to": "front page", "think_s": [2]}, {"to": null}]
    }
  },
  "arrivals": {"sessions_per_s": 5}
}
"""


class BadWorkload(ValueError):
    """The file is no workload. One line: where, what, how to mend it."""

    def __init__(self, *, what: str, where: str, mend: str) -> None:
        super().__init__(f"{where}: {what}; {mend}")
        self.what = what
        self.where = where
        self.mend = mend


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedOperation:
    """One kind of request. `weights` go with `targets`; *expected* empty means any 2xx or 3xx."""

    name: str
    kind: OperationKind
    method: str
    targets: tuple[str, ...]
    weights: tuple[float, ...]
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    expected: tuple[int, ...] = ()

    @property
    def is_write(self) -> bool:
        """Whether it may change something: sent only when that was asked for."""
        return self.method not in SAFE_METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """From one operation to operation number *to* (`END`: the session is over).

    *think_s*: pauses in s from the answer to the next request at the workload's `think_levels`, or
    one pause alone.
    """

    to: int
    weight: float
    think_s: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """When sessions begin: exactly one of the three is set.

    *is_even*: at equal distances; otherwise at random within each bin (or second).
    """

    sessions_per_s: float = 0.0
    requests_per_s: float = 0.0
    bin_s: float = 0.0
    sessions: tuple[float, ...] = ()
    is_even: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedWorkload:
    """A workload as read. `first` and `transitions` have one entry per operation.

    `sha256` is over the file's bytes. `about` is what its maker counted, for people.
    """

    name: str
    source: str
    source_sha256: str
    operations: tuple[ReplayedOperation, ...]
    first: tuple[float, ...]
    transitions: tuple[tuple[Transition, ...], ...]
    think_levels: tuple[float, ...]
    requests_max: int
    arrivals: Arrivals
    sha256: str
    about: Mapping[str, str | int | float] = field(default_factory=dict)


def read_workload(path: Path) -> ReplayedWorkload:
    """Read the workload at *path*. Raises `BadWorkload`."""
    try:
        return workload_of(read_bounded(path, FILE_BYTES_MAX), str(path))
    except BadJson as error:
        raise BadWorkload(what=error.what, where=error.where, mend=error.mend) from error


def workload_of(content: bytes, file: str) -> ReplayedWorkload:
    """Read a workload from the bytes of a file; *file* names it in errors. Raises `BadWorkload`."""
    try:
        return _workload(parse_strictly(content, file), hashlib.sha256(content).hexdigest())
    except BadJson as error:
        raise BadWorkload(what=error.what, where=error.where, mend=error.mend) from error


def _workload(place: Place, sha256: str) -> ReplayedWorkload:
    fields = place.fields(
        ("format", "name", "operations", "sessions", "arrivals"), ("source", "about")
    )
    if (found := fields["format"].text(TEXT_MAX)) != FORMAT:
        raise fields["format"].refusal(
            f"is {found!r}", f"write {FORMAT!r}, which this release reads"
        )
    operations = _operations(fields["operations"])
    number_of = {operation.name: number for number, operation in enumerate(operations)}
    first, transitions, levels, requests_max = _sessions(fields["sessions"], number_of)
    source = fields["source"].fields(("text", "sha256")) if "source" in fields else {}
    return ReplayedWorkload(
        name=fields["name"].matching(NAME_PATTERN, "a name of up to 200 characters"),
        source=source["text"].text(TEXT_MAX) if source else "",
        source_sha256=source["sha256"].matching("([0-9a-f]{64})?", "64 hex digits")
        if source
        else "",
        operations=operations,
        first=first,
        transitions=transitions,
        think_levels=levels,
        requests_max=requests_max,
        arrivals=_arrivals(fields["arrivals"]),
        sha256=sha256,
        about=_about(fields["about"]) if "about" in fields else {},
    )


def _operations(place: Place) -> tuple[ReplayedOperation, ...]:
    operations: dict[str, ReplayedOperation] = {}
    targets = 0
    for item in place.items(1, OPERATIONS_MAX):
        operation = _operation(item)
        targets += len(operation.targets)
        if operation.name in operations:
            raise item.refusal(f"{operation.name!r} stands twice", "give each a name of its own")
        if targets > TARGETS_MAX:
            raise item.refusal(f"more than {TARGETS_MAX} targets in all", "write fewer examples")
        operations[operation.name] = operation
    return tuple(operations.values())


def _operation(place: Place) -> ReplayedOperation:
    fields = place.fields(
        ("name", "kind", "method", "targets"), ("headers", "body", "content_type", "expected")
    )
    examples = [
        item.fields(("target",), ("weight",)) for item in fields["targets"].items(1, TARGETS_MAX)
    ]
    weights = tuple(_weight(one) for one in examples)
    if sum(weights) <= 0:
        raise fields["targets"].refusal("no target has a weight", "give one a weight above 0")
    body = fields["body"].text(BODY_MAX).encode() if "body" in fields else b""
    method = fields["method"].word(METHODS)
    if body and method in SAFE_METHODS:
        raise fields["body"].refusal(f"{method} takes no body", "remove it")
    return ReplayedOperation(
        name=fields["name"].matching(NAME_PATTERN, "a name of up to 200 characters"),
        kind=OperationKind(fields["kind"].word(KINDS)),
        method=method,
        targets=tuple(
            one["target"].matching(TARGET_PATTERN, "a path such as /units/7?page=2", TARGET_MAX)
            for one in examples
        ),
        weights=weights,
        headers=_headers(fields),
        body=body,
        expected=tuple(
            int(item.number(100, 599, is_whole=True)) for item in fields["expected"].items(0, 100)
        ) if "expected" in fields else (),
    )  # fmt: skip


def _headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    if "content_type" in fields:
        headers.append(("Content-Type", _header_value(fields["content_type"])))
    if "headers" in fields:
        for name, value in fields["headers"].entries(HEADERS_MAX, TOKEN_PATTERN):
            if name.lower() in OWN_HEADERS:
                raise value.refusal("the engine sets this header itself", "remove it")
            headers.append((name, _header_value(value)))
    return tuple(headers)


def _header_value(place: Place) -> str:
    return place.matching(r"[ -~\xa0-\xff]*", "a header's value on one line", TEXT_MAX)


def _weight(fields: Fields) -> float:
    return fields["weight"].number(0, 1e15) if "weight" in fields else 1.0


def _sessions(
    place: Place, number_of: Mapping[str, int]
) -> tuple[
    tuple[float, ...], tuple[tuple[Transition, ...], ...], tuple[float, ...], int
]:  # fmt: skip
    fields = place.fields(("first",), ("next", "think_levels", "requests_max"))
    first = [0.0] * len(number_of)
    for name, weight in fields["first"].entries(OPERATIONS_MAX):
        first[_known(name, weight, number_of)] = weight.number(0, 1e15)
    if sum(first) <= 0:
        raise fields["first"].refusal("no operation begins a session", "give one a weight above 0")
    levels = _levels(fields["think_levels"]) if "think_levels" in fields else (0.0, 1.0)
    transitions: list[tuple[Transition, ...]] = [()] * len(number_of)
    count = 0
    for name, place_of in fields["next"].entries(OPERATIONS_MAX) if "next" in fields else ():
        following = _transitions(place_of, number_of, len(levels))
        count += len(following)
        if count > TRANSITIONS_MAX:
            raise place_of.refusal(f"more than {TRANSITIONS_MAX} in all", "leave out rare ones")
        transitions[_known(name, place_of, number_of)] = following
    requests_max = SESSION_REQUESTS_MAX
    if "requests_max" in fields:
        requests_max = int(fields["requests_max"].number(1, SESSION_REQUESTS_MAX, is_whole=True))
    return tuple(first), tuple(transitions), levels, requests_max


def _levels(place: Place) -> tuple[float, ...]:
    levels = tuple(item.number(0, 1) for item in place.items(2, LEVELS_MAX))
    is_rising = all(low < high for low, high in pairwise(levels))
    if not is_rising or levels[0] != 0 or levels[-1] != 1:
        raise place.refusal("must rise from 0 to 1", "write them like [0, 0.5, 0.9, 1]")
    return levels


def _transitions(
    place: Place, number_of: Mapping[str, int], level_count: int
) -> tuple[Transition, ...]:
    transitions: dict[int, Transition] = {}
    for item in place.items(0, len(number_of) + 1):
        fields = item.fields(("to",), ("weight", "think_s"))
        name = fields["to"].text_or_null(TEXT_MAX)
        to = END if name is None else _known(name, fields["to"], number_of)
        if to in transitions:
            raise fields["to"].refusal("stands twice", "keep one of them")
        think_s = _think(fields["think_s"], level_count) if "think_s" in fields else (0.0,)
        transitions[to] = Transition(to=to, weight=_weight(fields), think_s=think_s)
    if transitions and sum(one.weight for one in transitions.values()) <= 0:
        raise place.refusal("no weight is above 0", "give one, or remove them all to end there")
    return tuple(transitions.values())


def _think(place: Place, level_count: int) -> tuple[float, ...]:
    pauses = tuple(item.number(0, THINK_S_MAX) for item in place.items(1, level_count))
    if len(pauses) not in (1, level_count):
        raise place.refusal(
            f"has {len(pauses)} pauses", f"write one, or one for each of {level_count} think_levels"
        )
    if any(low > high for low, high in pairwise(pauses)):
        raise place.refusal("must not fall", "write quantiles in rising order")
    return pauses


def _known(name: str, place: Place, number_of: Mapping[str, int]) -> int:
    if name not in number_of:
        raise place.refusal(f"{name[:80]!r} is no operation of this file", "name one of them")
    return number_of[name]


def _arrivals(place: Place) -> Arrivals:
    fields = place.fields((), ("sessions_per_s", "requests_per_s", "bin_s", "sessions", "spacing"))
    is_even = "bin_s" not in fields
    if "spacing" in fields:
        is_even = fields["spacing"].word(("even", "random")) == "even"
    ways = [name for name in ("sessions_per_s", "requests_per_s", "bin_s") if name in fields]
    if len(ways) != 1 or ("sessions" in fields) != ("bin_s" in fields):
        raise place.refusal(
            "must say in one way how often sessions begin",
            "write sessions_per_s, or requests_per_s, or bin_s with sessions",
        )
    if ways == ["bin_s"]:
        counts = tuple(item.number(0, 1e9) for item in fields["sessions"].items(1, BINS_MAX))
        if sum(counts) <= 0:
            raise fields["sessions"].refusal("no session begins", "give one bin a count above 0")
        return Arrivals(
            bin_s=fields["bin_s"].number(0.001, THINK_S_MAX), sessions=counts, is_even=is_even
        )
    rate = fields[ways[0]].number(1e-6, RATE_MAX)
    if ways == ["sessions_per_s"]:
        return Arrivals(sessions_per_s=rate, is_even=is_even)
    return Arrivals(requests_per_s=rate, is_even=is_even)


def _about(place: Place) -> Mapping[str, str | int | float]:
    return {name: value.scalar(TEXT_MAX) for name, value in place.entries(200, r"[a-z0-9_]{1,60}")}


def content_of(workload: ReplayedWorkload) -> dict[str, Any]:
    """Return the JSON content of the file that reads back as *workload*."""
    names = [operation.name for operation in workload.operations]
    return {
        "format": FORMAT,
        "name": workload.name,
        "source": {"text": workload.source, "sha256": workload.source_sha256},
        "about": dict(workload.about),
        "operations": [_operation_content(one) for one in workload.operations],
        "sessions": {
            "first": {
                names[number]: weight for number, weight in enumerate(workload.first) if weight
            },
            "requests_max": workload.requests_max,
            "think_levels": list(workload.think_levels),
            "next": {
                names[number]: [_transition_content(one, names) for one in following]
                for number, following in enumerate(workload.transitions)
                if following
            },
        },
        "arrivals": _arrivals_content(workload.arrivals),
    }


def _operation_content(operation: ReplayedOperation) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": operation.name,
        "kind": operation.kind.value,
        "method": operation.method,
        "targets": [
            {"target": target, "weight": weight}
            for target, weight in zip(operation.targets, operation.weights, strict=True)
        ],
    }
    if operation.headers:
        content["headers"] = dict(operation.headers)
    if operation.body:
        content["body"] = operation.body.decode()
    if operation.expected:
        content["expected"] = list(operation.expected)
    return content


def _transition_content(one: Transition, names: Sequence[str]) -> dict[str, Any]:
    if one.to == END:
        return {"to": None, "weight": one.weight}
    return {"to": names[one.to], "weight": one.weight, "think_s": list(one.think_s)}


def _arrivals_content(arrivals: Arrivals) -> dict[str, Any]:
    spacing = "even" if arrivals.is_even else "random"
    if arrivals.bin_s:
        counts = list(arrivals.sessions)
        return {"bin_s": arrivals.bin_s, "sessions": counts, "spacing": spacing}
    if arrivals.sessions_per_s:
        return {"sessions_per_s": arrivals.sessions_per_s, "spacing": spacing}
    return {"requests_per_s": arrivals.requests_per_s, "spacing": spacing}
