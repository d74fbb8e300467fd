"""Reads a contract file into types, once, or says in one line what is wrong where.

Strict, because a contract that is half understood is worse than none: an unknown key, a missing
unit, a percentile of 150 or a promise without its Thai text stops the reading. All problems of a
file are collected; `read_contract` raises the first, `problems_of` lists them. It knows no load and
no target: whether a level can be run is for `harness.plan` to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import yaml

from contracts.quantities import (
    CALENDAR_PROFILES,
    COMPOSITIONS,
    DEMANDS,
    LEVELS,
    OPERATION_NAME_PATTERN,
    OPERATION_PATTERN,
    OPERATION_PREFIX,
    OWN_KINDS,
    PARTY_ROLES,
    QUANTITY_RULES,
    SAMPLES_MIN,
    NumberRule,
    QuantityRule,
    Side,
)
from contracts.strict_yaml import (
    ContractError,
    compose,
    line_of,
    number_of,
    read_bytes_bounded,
)
from contracts.terms import (
    Bilingual,
    Clause,
    Contract,
    Limit,
    OperationKind,
    Party,
    Quantity,
    Unit,
    Workload,
)

__all__ = ["ContractError", "contract_from_bytes", "problems_of", "read_contract"]

ID_PATTERN: Final = r"[a-z0-9]+([-_][a-z0-9]+)*"
CLAUSE_ID_PATTERN: Final = r"[1-9][0-9]{0,2}(\.[1-9][0-9]{0,2}){0,3}"
VERSION_PATTERN: Final = r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}"
THAI_PATTERN: Final = "[\u0e01-\u0e5b]"
ENGLISH_PATTERN: Final = "[A-Za-z]"
TEXT_LENGTH_MAX: Final = 2_000
CLAUSES_MAX: Final = 500
UNITS_RULE: Final = NumberRule(at_least=1, at_most=1_000_000, is_whole=True)

CONTRACT_KEYS: Final = ("id", "version", "title", "parties", "workload", "clauses")
CONTRACT_KEYS_OPTIONAL: Final = ("operations",)
OPERATION_KEYS: Final = ("name", "kind")
OPERATIONS_MAX: Final = 1_000
WORKLOAD_KEYS: Final = ("composition", "demand", "calendar_profile", "units")
PARTY_KEYS: Final = ("role", "name")
CLAUSE_KEYS: Final = (
    "id", "title", "text", "quantity", "levels", "limit", "samples_min", "source",
)  # fmt: skip
CLAUSE_KEYS_OPTIONAL: Final = ("selector", "parameters", "penalty", "not_measured_because")

_Word = TypeVar("_Word", bound=StrEnum)


def read_contract(path: Path) -> Contract:
    """Read the contract at *path*. Raises `ContractError` for the first problem of the file."""
    return contract_from_bytes(read_bytes_bounded(path), path)


def contract_from_bytes(content: bytes, path: Path) -> Contract:
    """Read a contract from the bytes of a file; *path* names it in errors."""
    contract, problems = _read(content, path)
    if problems:
        raise problems[0]
    assert contract is not None
    return contract


def problems_of(path: Path) -> tuple[ContractError, ...]:
    """Return every problem of the file at *path* in order of line; none when it can be read."""
    try:
        return _read(read_bytes_bounded(path), path)[1]
    except ContractError as error:
        return (error,)


def _read(content: bytes, path: Path) -> tuple[Contract | None, tuple[ContractError, ...]]:
    reading = _Reading(path)
    contract = _contract(reading, compose(content, path), hashlib.sha256(content).hexdigest())
    return contract, tuple(sorted(reading.problems, key=lambda problem: problem.line))


class _Reading:
    """The problems found so far, and the small readers of single values.

    Each reader returns its value, or None (or an empty text) after noting a problem.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[ContractError] = []

    def note(self, node: yaml.Node, key: str, what: str, mend: str) -> None:
        """Add a problem at *node*."""
        self.problems.append(
            ContractError(file=str(self.path), line=line_of(node), key=key, what=what, mend=mend)
        )

    def fields(
        self, node: yaml.Node, key: str, required: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key, noting unknown, repeated and missing keys."""
        if not isinstance(node, yaml.MappingNode):
            self.note(node, key, "must be a mapping", f"write the keys {', '.join(required)}")
            return {}
        known = (*required, *optional)
        values: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
            full = f"{key}.{name}" if key else name
            if name not in known:
                self.note(name_node, full, "unknown key", f"known here: {', '.join(known)}")
            elif name in values:
                self.note(name_node, full, "the key stands twice", "keep one of them")
            else:
                values[name] = value
        for name in required:
            if name not in values:
                full = f"{key}.{name}" if key else name
                self.note(node, full, "the key is missing", f"add `{name}: ...`")
        return values

    def items(self, node: yaml.Node | None, key: str) -> list[yaml.Node]:
        """Return the items of a list that may not be empty."""
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.note(node, key, "must be a list with something in it", "write `- ...` below it")
            return []
        return list(node.value)

    def text(self, node: yaml.Node | None, key: str) -> str:
        """Return a text that is not blank."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
            self.note(node, key, "must be text", 'write it in quotes: "..."')
            return ""
        text = str(node.value).strip()
        if not text:
            self.note(node, key, "is blank", "write the text")
        elif len(text) > TEXT_LENGTH_MAX:
            self.note(node, key, f"is longer than {TEXT_LENGTH_MAX} characters", "shorten it")
        return text

    def pattern(self, node: yaml.Node | None, key: str, pattern: str, example: str) -> str:
        """Return a text of a given form."""
        text = self.text(node, key)
        if node is not None and text and not re.fullmatch(pattern, text):
            self.note(node, key, f"{text!r} has not the form of {example!r}", "write it so")
        return text

    def word(self, node: yaml.Node | None, key: str, known: Iterable[str]) -> str:
        """Return one of the *known* words."""
        words = tuple(known)
        text = self.text(node, key)
        if node is not None and text and text not in words:
            self.note(node, key, f"unknown: {text!r}", f"write one of {', '.join(words)}")
        return text

    def member(self, node: yaml.Node | None, key: str, kind: type[_Word]) -> _Word | None:
        """Return a member of an enumeration."""
        text = self.word(node, key, [member.value for member in kind])
        return kind(text) if text in [member.value for member in kind] else None

    def number(self, node: yaml.Node | None, key: str, rule: NumberRule) -> float | None:
        """Return a number within its bounds."""
        if node is None:
            return None
        number = number_of(node)
        if number is None:
            self.note(node, key, "must be a number in plain digits", f"write {rule}")
        elif not rule.accepts(number):
            self.note(node, key, f"{number:g} is impossible", f"write {rule}")
        else:
            return number
        return None

    def bilingual(self, node: yaml.Node | None, key: str) -> Bilingual:
        """Return a text in both languages, each in its own letters."""
        if node is None:
            return Bilingual(th="", en="")
        values = self.fields(node, key, ("th", "en"))
        texts = {name: self.text(values.get(name), f"{key}.{name}") for name in ("th", "en")}
        for name, pattern, language in (
            ("th", THAI_PATTERN, "Thai"), ("en", ENGLISH_PATTERN, "English"),
        ):  # fmt: skip
            if texts[name] and not re.search(pattern, texts[name]):
                self.note(
                    values[name], f"{key}.{name}", f"is not {language}", f"write it in {language}"
                )
        return Bilingual(**texts)


def _contract(reading: _Reading, node: yaml.Node, sha256: str) -> Contract | None:
    values = reading.fields(node, "", CONTRACT_KEYS, CONTRACT_KEYS_OPTIONAL)
    return Contract(
        id=reading.pattern(values.get("id"), "id", ID_PATTERN, "new-elaas"),
        version=reading.pattern(values.get("version"), "version", VERSION_PATTERN, "1.0"),
        title=reading.bilingual(values.get("title"), "title"),
        parties=_parties(reading, values.get("parties")),
        workload=_workload(reading, values.get("workload")),
        clauses=_clauses(reading, values.get("clauses")),
        sha256=sha256,
        operation_kinds=_operation_kinds(reading, values.get("operations")),
    )


def _operation_kinds(
    reading: _Reading, node: yaml.Node | None
) -> tuple[tuple[str, OperationKind], ...]:
    kinds: dict[str, OperationKind] = {}
    items = reading.items(node, "operations")
    if len(items) > OPERATIONS_MAX:
        reading.note(items[OPERATIONS_MAX], "operations", f"more than {OPERATIONS_MAX}", "fewer")
    for place, item in enumerate(items[:OPERATIONS_MAX], start=1):
        key = f"operations[{place}]"
        values = reading.fields(item, key, OPERATION_KEYS)
        name = reading.pattern(
            values.get("name"), f"{key}.name", OPERATION_NAME_PATTERN, "GET /units"
        )
        kind = reading.word(values.get("kind"), f"{key}.kind", OWN_KINDS)
        if name in kinds:
            reading.note(values["name"], f"{key}.name", f"{name!r} stands twice", "keep one")
        elif kind in OWN_KINDS:
            kinds[name] = OperationKind(kind)
    return tuple(kinds.items())


def _parties(reading: _Reading, node: yaml.Node | None) -> tuple[Party, ...]:
    parties: list[Party] = []
    for place, item in enumerate(reading.items(node, "parties"), start=1):
        key = f"parties[{place}]"
        values = reading.fields(item, key, PARTY_KEYS)
        role = reading.word(values.get("role"), f"{key}.role", PARTY_ROLES)
        parties.append(Party(role=role, name=reading.bilingual(values.get("name"), f"{key}.name")))
    return tuple(parties)


def _workload(reading: _Reading, node: yaml.Node | None) -> Workload:
    values = {} if node is None else reading.fields(node, "workload", WORKLOAD_KEYS)
    units = reading.number(values.get("units"), "workload.units", UNITS_RULE)
    return Workload(
        composition=reading.word(values.get("composition"), "workload.composition", COMPOSITIONS),
        demand=reading.word(values.get("demand"), "workload.demand", DEMANDS),
        calendar_profile=reading.word(
            values.get("calendar_profile"), "workload.calendar_profile", CALENDAR_PROFILES
        ),
        units=int(units or 0),
    )


def _clauses(reading: _Reading, node: yaml.Node | None) -> tuple[Clause, ...]:
    clauses: list[Clause] = []
    lines: dict[str, int] = {}
    items = reading.items(node, "clauses")
    if len(items) > CLAUSES_MAX:
        reading.note(items[CLAUSES_MAX], "clauses", f"more than {CLAUSES_MAX}", "write fewer")
    for place, item in enumerate(items[:CLAUSES_MAX], start=1):
        key = f"clauses[{_id_of(item) or f'#{place}'}]"
        values = reading.fields(item, key, CLAUSE_KEYS, CLAUSE_KEYS_OPTIONAL)
        clause = _clause(reading, item, key, values)
        if clause is None:
            continue
        if clause.id in lines:
            first = lines[clause.id]
            reading.note(
                values["id"], f"{key}.id", f"clause {clause.id} stands on line {first} already",
                "give it a number of its own",
            )  # fmt: skip
        elif "id" in values:
            lines[clause.id] = line_of(values["id"])
        clauses.append(clause)
    return tuple(clauses)


def _id_of(node: yaml.Node) -> str:
    """Return a clause's number for use in messages, however broken the rest of it is."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == "id":
                return str(value.value) if isinstance(value, yaml.ScalarNode) else ""
    return ""


def _clause(
    reading: _Reading, node: yaml.Node, key: str, values: Mapping[str, yaml.Node]
) -> Clause | None:
    quantity = reading.member(values.get("quantity"), f"{key}.quantity", Quantity)
    rule = None if quantity is None else QUANTITY_RULES[quantity]
    reason = values.get("not_measured_because")
    clause_id = reading.pattern(values.get("id"), f"{key}.id", CLAUSE_ID_PATTERN, "2.1")
    title = reading.bilingual(values.get("title"), f"{key}.title")
    text = reading.bilingual(values.get("text"), f"{key}.text")
    levels = _levels(reading, values.get("levels"), f"{key}.levels")
    samples_min = reading.number(values.get("samples_min"), f"{key}.samples_min", SAMPLES_MIN)
    source = reading.text(values.get("source"), f"{key}.source")
    penalty = reading.text(values.get("penalty"), f"{key}.penalty") or None
    because = (
        reading.bilingual(reason, f"{key}.not_measured_because") if reason is not None else None
    )
    if quantity is None or rule is None:
        return None
    return Clause(
        id=clause_id,
        title=title,
        text=text,
        quantity=quantity,
        selector=_selector(reading, node, key, quantity, rule, values.get("selector")),
        parameters=_parameters(reading, node, key, quantity, rule, values.get("parameters")),
        levels=levels,
        limit=_limit(reading, f"{key}.limit", quantity, rule, values.get("limit")),
        samples_min=int(samples_min or 0),
        source=source,
        penalty=penalty,
        not_measured_because=because,
    )


def _levels(reading: _Reading, node: yaml.Node | None, key: str) -> tuple[str, ...]:
    levels: list[str] = []
    for item in reading.items(node, key):
        level = reading.word(item, key, LEVELS)
        if level in levels:
            reading.note(item, key, f"{level} stands twice", "keep one of them")
        levels.append(level)
    return tuple(levels)


def _selector(
    reading: _Reading,
    clause: yaml.Node,
    key: str,
    quantity: Quantity,
    rule: QuantityRule,
    node: yaml.Node | None,
) -> str:
    if not rule.selectors:
        if node is not None:
            reading.note(node, f"{key}.selector", f"{quantity} takes no selector", "remove it")
        return ""
    if node is None:
        if not rule.is_selector_optional:
            reading.note(
                clause, f"{key}.selector", f"{quantity} needs a selector",
                f"write one of {', '.join(rule.selectors)}",
            )  # fmt: skip
        return ""
    is_operation = isinstance(node, yaml.ScalarNode) and node.value.startswith(OPERATION_PREFIX)
    if rule.takes_operation and is_operation:
        return reading.pattern(
            node, f"{key}.selector", OPERATION_PATTERN, f"{OPERATION_PREFIX}GET /units"
        )
    return reading.word(node, f"{key}.selector", rule.selectors)


def _parameters(
    reading: _Reading,
    clause: yaml.Node,
    key: str,
    quantity: Quantity,
    rule: QuantityRule,
    node: yaml.Node | None,
) -> tuple[tuple[str, float], ...]:
    full = f"{key}.parameters"
    if node is None:
        if rule.parameters:
            names = ", ".join(rule.parameters)
            reading.note(clause, full, f"{quantity} needs parameters", f"write {names}")
        return ()
    known = {**rule.parameters, **rule.parameters_optional}
    if not known:
        reading.note(node, full, f"{quantity} takes no parameters", "remove them")
        return ()
    values = reading.fields(node, full, tuple(rule.parameters), tuple(rule.parameters_optional))
    numbers = {
        name: reading.number(values.get(name), f"{full}.{name}", bounds)
        for name, bounds in known.items()
    }
    return tuple((name, number) for name, number in numbers.items() if number is not None)


def _limit(
    reading: _Reading, key: str, quantity: Quantity, rule: QuantityRule, node: yaml.Node | None
) -> Limit:
    """Read unit and bound; the bound must be on the side on which the promise makes sense."""
    nothing = Limit(unit=rule.unit, at_most=0.0)
    if node is None:
        return nothing
    values = reading.fields(node, key, ("unit",), tuple(side.value for side in Side))
    unit = reading.member(values.get("unit"), f"{key}.unit", Unit)
    if unit is not None and unit is not rule.unit:
        reading.note(
            values["unit"], f"{key}.unit", f"{quantity} is not measured in {unit}",
            f"write the limit in {rule.unit}",
        )  # fmt: skip
    sides = [side for side in Side if side.value in values]
    if len(sides) != 1:
        what = "has both at_most and at_least" if sides else "has neither at_most nor at_least"
        reading.note(node, key, what, f"write {rule.side} alone")
        return nothing
    if sides[0] is not rule.side:
        reading.note(
            values[sides[0]], f"{key}.{sides[0]}", f"{quantity} is promised {rule.side}",
            f"write {rule.side}",
        )  # fmt: skip
        return nothing
    bound = reading.number(values[rule.side], f"{key}.{rule.side}", rule.bound)
    if bound is None:
        return nothing
    if rule.side is Side.AT_MOST:
        return Limit(unit=rule.unit, at_most=bound)
    return Limit(unit=rule.unit, at_least=bound)
