"""The JSON parts of a run folder as types: verdict, findings, manifest, faults.

A folder may come from another party years later, so nothing is trusted: each value is checked for
the type that the page needs and refused as `BadSetup` with file and key, and lists are read up to a
limit. A part that is missing is `None`: the page then says so. Texts may be one string or a pair
`{th, en}`, or have twins `text_th`, `text_en` beside them.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import orjson

from contracts.records import FaultEvent, Phase
from contracts.terms import Bilingual, Verdict
from harness.failures import BadSetup
from harness.run_folder import Manifest, RunFolder
from reports.formats import shown

# More of these than any honest run has; the rest is counted and not shown.
CLAUSES_MAX: Final = 500
TEXTS_MAX: Final = 200
_TIME_NS_MAX: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseResult:
    """One clause as judged. `bound` is the limit's number where its side is not named."""

    id: str
    title: Bilingual | None
    verdict: Verdict
    value: float | None
    at_most: float | None
    at_least: float | None
    bound: float | None
    unit: str
    operation: str
    quantity: str
    selector: str
    sample_count: int | None
    reason: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class CaveatText:
    """A doubt that travels with the verdict."""

    id: str
    text: Bilingual
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckText:
    """A named place where work queues; `share` 0..1 of request time, None when not stated."""

    bottleneck_class: str
    place: str
    share: float | None
    tier: str
    confidence: str
    evidence: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTested:
    """Something that the run says nothing about, often a clause by its id, and why."""

    id: str
    text: Bilingual
    reason: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What `verdict.json` says. `clause_count` counts all clauses, also those not kept here."""

    verdict: Verdict
    contract_id: str
    contract_sha256: str
    clauses: tuple[ClauseResult, ...]
    clause_count: int
    caveats: tuple[CaveatText, ...]
    bottlenecks: tuple[BottleneckText, ...]
    not_tested: tuple[NotTested, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessText:
    """One place in the books or the history that breaks a rule; empty parts are not known."""

    unit: int
    document: int
    key: str
    kind: str
    period: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingText:
    """All violations of one rule, as the judge wrote them."""

    about: str
    rule: str
    count: int
    text: Bilingual
    witnesses: tuple[WitnessText, ...]


class Node:
    """One JSON value of a file with the way to it, so that a refusal names file and key."""

    def __init__(self, value: Any, file: Path, way: str = "") -> None:
        self._value = value
        self._file = file
        self._way = way

    def refuse(self, wanted: str) -> BadSetup:
        """Return the refusal of this value, which is not *wanted*."""
        place = f"{self._file}" + (f", key {shown(self._way, 80)}" if self._way else "")
        return BadSetup(
            what=f"{wanted} was expected, found {type(self._value).__name__}",
            where=place,
            mend="take an unbroken copy of the run folder",
        )

    @property
    def raw(self) -> Any:
        """The JSON value itself."""
        return self._value

    @property
    def is_null(self) -> bool:
        """Whether the value is null or its key is absent."""
        return self._value is None

    def key(self, name: str) -> Node:
        """Return the value under *name*, null when absent. Raises `BadSetup` when no object."""
        if not isinstance(self._value, dict):
            raise self.refuse("an object")
        return Node(self._value.get(name), self._file, f"{self._way}.{name}".lstrip("."))

    def items(self, limit: int) -> tuple[Node, ...]:
        """Return the first *limit* elements of a list; null is an empty list."""
        if self._value is None:
            return ()
        if not isinstance(self._value, list):
            raise self.refuse("a list")
        return tuple(
            Node(value, self._file, f"{self._way}[{place}]")
            for place, value in enumerate(self._value[:limit])
        )

    def keys(self, limit: int) -> tuple[str, ...]:
        """Return the first *limit* keys of an object; null is an empty object."""
        if self._value is None:
            return ()
        if not isinstance(self._value, dict):
            raise self.refuse("an object")
        return tuple(list(self._value)[:limit])

    def text(self) -> str:
        """Return a string fit to be shown; numbers are taken as their digits, null as empty."""
        if self._value is None:
            return ""
        if isinstance(self._value, bool) or not isinstance(self._value, (str, int, float)):
            raise self.refuse("a text")
        return shown(self._value)

    def number(self) -> float | None:
        """Return a finite number, or None for null."""
        if self._value is None:
            return None
        if isinstance(self._value, bool) or not isinstance(self._value, (int, float)):
            raise self.refuse("a number")
        return float(self._value)

    def count(self) -> int | None:
        """Return a whole number, or None for null."""
        number = self.number()
        if number is not None and not number.is_integer():
            raise self.refuse("a whole number")
        return None if number is None else int(number)

    def verdict(self) -> Verdict:
        """Return a verdict."""
        try:
            return Verdict(self._value)
        except ValueError as error:
            raise self.refuse("one of " + ", ".join(Verdict)) from error

    def both(self, name: str) -> Bilingual:
        """Return the text under *name* in both languages, whichever way the file holds it."""
        inner = self.key(name)
        if isinstance(inner.raw, dict):
            thai, english = inner.key("th").text(), inner.key("en").text()
        else:
            thai, english = self.key(f"{name}_th").text(), self.key(f"{name}_en").text()
            plain = inner.text()
            thai, english = thai or plain, english or plain
        return Bilingual(th=thai or english, en=english or thai)


def read_json(path: Path) -> Node | None:
    """Read a JSON file of the folder; None when it is missing. Raises `BadSetup` when broken."""
    try:
        return Node(orjson.loads(path.read_bytes()), path)
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, OSError) as error:
        raise BadSetup(
            what=f"the file is not readable as JSON: {' '.join(str(error).split())[:120]}",
            where=str(path),
            mend="take an unbroken copy of the run folder",
        ) from error


def read_verdict(folder: RunFolder) -> Judged | None:
    """Read `verdict.json`; None when the run was not judged."""
    root = read_json(folder.verdict)
    if root is None:
        return None
    clauses = root.key("clauses")
    contract = root.key("contract")
    return Judged(
        verdict=root.key("verdict").verdict(),
        contract_id="" if contract.is_null else contract.key("id").text(),
        contract_sha256="" if contract.is_null else contract.key("sha256").text(),
        clauses=tuple(_clause(node) for node in clauses.items(CLAUSES_MAX)),
        clause_count=0 if clauses.is_null else len(clauses.raw),
        caveats=tuple(_caveat(node) for node in root.key("caveats").items(TEXTS_MAX)),
        bottlenecks=tuple(_bottleneck(node) for node in root.key("bottlenecks").items(TEXTS_MAX)),
        not_tested=tuple(_not_tested(node) for node in root.key("not_tested").items(TEXTS_MAX)),
    )


def read_findings(folder: RunFolder) -> tuple[FindingText, ...] | None:
    """Read `findings.json`; None when the judge left none."""
    root = read_json(folder.findings)
    if root is None:
        return None
    listed = root if isinstance(root.raw, list) else root.key("findings")
    return tuple(
        FindingText(
            about=node.key("about").text(),
            rule=node.key("rule").text(),
            count=node.key("count").count() or 0,
            text=node.both("text"),
            witnesses=tuple(_witness(one) for one in node.key("witnesses").items(TEXTS_MAX)),
        )
        for node in listed.items(TEXTS_MAX)
    )


def _witness(node: Node) -> WitnessText:
    return WitnessText(
        unit=node.key("unit").count() or 0,
        document=node.key("document").count() or 0,
        key=node.key("key").text(),
        kind=node.key("kind").text(),
        period=node.key("period").count() or 0,
        expected=node.key("expected").text(),
        found=node.key("found").text(),
    )


def _clause(node: Node) -> ClauseResult:
    limit, side = node.key("limit"), node.key("limit_side").text()
    if side not in ("", "at_most", "at_least"):
        raise node.key("limit_side").refuse("at_most or at_least")
    identifier, title = node.key("id").text(), node.key("title")
    if not identifier:
        raise node.key("id").refuse("the id of a clause")
    return ClauseResult(
        id=identifier,
        title=None if title.is_null else node.both("title"),
        verdict=node.key("verdict").verdict(),
        value=node.key("value").number(),
        at_most=limit.number() if side == "at_most" else None,
        at_least=limit.number() if side == "at_least" else None,
        bound=limit.number() if not side else None,
        unit=node.key("unit").text(),
        operation=node.key("operation").text(),
        quantity=node.key("quantity").text(),
        selector=node.key("selector").text(),
        sample_count=node.key("sample_count").count(),
        reason=node.both("reason"),
    )


def _caveat(node: Node) -> CaveatText:
    if isinstance(node.raw, str):
        return CaveatText(id="", text=Bilingual(th=node.text(), en=node.text()), blocks=False)
    return CaveatText(
        id=node.key("id").text(), text=node.both("text"), blocks=node.key("blocks").raw is True
    )


def _bottleneck(node: Node) -> BottleneckText:
    return BottleneckText(
        bottleneck_class=node.key("class").text(),
        place=node.key("place").text(),
        share=node.key("share").number(),
        tier=node.key("tier").text(),
        confidence=node.key("confidence").text(),
        evidence=node.both("evidence"),
    )


def _not_tested(node: Node) -> NotTested:
    nothing = Bilingual(th="", en="")
    if isinstance(node.raw, str):
        return NotTested(id="", text=Bilingual(th=node.text(), en=node.text()), reason=nothing)
    return NotTested(id=node.key("id").text(), text=node.both("text"), reason=node.both("reason"))


def read_manifest(folder: RunFolder) -> Manifest:
    """Read the manifest and hold every value to its declared type: the page computes with them."""
    try:
        manifest = folder.read_manifest()
    except (TypeError, AttributeError, KeyError, ValueError, OSError) as error:
        raise _manifest_refused(folder, f"its values have wrong types: {error}") from error
    hints = typing.get_type_hints(Manifest)
    for field in fields(Manifest):
        if not _is_of(getattr(manifest, field.name), hints[field.name]):
            raise _manifest_refused(folder, f"key {field.name} has a value of a wrong type")
    for phase in manifest.phases:
        _refuse_wild_times(folder, phase, (phase.started_ns, phase.ended_ns))
    if not abs(manifest.t0_ns) < _TIME_NS_MAX:
        raise _manifest_refused(folder, "t0_ns is outside the range of a clock")
    return manifest


def read_faults(folder: RunFolder) -> tuple[FaultEvent, ...]:
    """Read the fault events, each held to its declared types."""
    try:
        events = folder.read_faults()
    except (TypeError, ValueError, OSError) as error:
        raise BadSetup(
            what=f"a line is no fault event: {' '.join(str(error).split())[:120]}",
            where=str(folder.faults),
            mend="take an unbroken copy of the run folder",
        ) from error
    hints = typing.get_type_hints(FaultEvent)
    for event in events:
        times = (event.injected_ns, event.healed_ns)
        if not all(_is_of(getattr(event, f.name), hints[f.name]) for f in fields(FaultEvent)) or (
            not all(abs(time_ns) < _TIME_NS_MAX for time_ns in times)
        ):
            raise BadSetup(
                what="a fault event has a value of a wrong type or a time outside any clock",
                where=str(folder.faults),
                mend="take an unbroken copy of the run folder",
            )
    return events


def _refuse_wild_times(folder: RunFolder, phase: Phase, times: Sequence[Any]) -> None:
    sound = all(isinstance(t, int) and abs(t) < _TIME_NS_MAX for t in times)
    if not sound or not isinstance(phase.name, str) or not isinstance(phase.is_measured, bool):
        raise _manifest_refused(folder, "a phase has a wrong type or a time outside any clock")


def _manifest_refused(folder: RunFolder, reason: str) -> BadSetup:
    return BadSetup(
        what=f"the manifest is broken: {' '.join(reason.split())[:160]}",
        where=str(folder.manifest),
        mend="take an unbroken copy of the run folder",
    )


def _is_of(value: Any, hint: Any) -> bool:
    """Say whether *value* fits the annotation of a manifest's key (the few forms it uses)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        # A fact that may be a number may also be a truth value; a count or a seed may not.
        is_truth = isinstance(value, bool) and int in arguments
        return is_truth or any(_is_of(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(item, arguments[0]) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(
            isinstance(key, str) and _is_of(item, arguments[1]) for key, item in value.items()
        )
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
