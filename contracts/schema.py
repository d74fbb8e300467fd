"""The contract's JSON Schema, generated from the same tables that the reader uses.

`python -m contracts.schema` writes `contracts/contract.schema.json`, for editors and for parties
that write contracts with other tools; a test holds the file in step. What a schema cannot say
(lines, repeated keys, numbers that look like others) stays with `contracts.reading`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from contracts import reading
from contracts.quantities import (
    CALENDAR_PROFILES,
    COMPOSITIONS,
    DEMANDS,
    LEVELS,
    OPERATION_NAME_PATTERN,
    OPERATION_PATTERN,
    OWN_KINDS,
    PARTY_ROLES,
    QUANTITY_RULES,
    SAMPLES_MIN,
    NumberRule,
    QuantityRule,
    Side,
)
from contracts.terms import Quantity, Unit

SCHEMA_FILE: Final = Path(__file__).parent / "contract.schema.json"
Schema = dict[str, object]


def contract_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a contract file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "monthend contract",
        "description": "Numbered promises about a public finance system, measurable by monthend.",
        **_mapping(
            {
                "id": _pattern(reading.ID_PATTERN),
                "version": _pattern(reading.VERSION_PATTERN),
                "title": _ref("bilingual"),
                "parties": _list(_ref("party")),
                "workload": _ref("workload"),
                "clauses": {**_list(_ref("clause")), "maxItems": reading.CLAUSES_MAX},
                "operations": {**_list(_ref("operation")), "maxItems": reading.OPERATIONS_MAX},
            },
            reading.CONTRACT_KEYS,
        ),
        "$defs": {
            "text": {
                "type": "string",
                "pattern": r"\S",
                "maxLength": reading.TEXT_LENGTH_MAX,
            },
            "bilingual": _mapping(
                {
                    "th": {"allOf": [_ref("text"), {"pattern": reading.THAI_PATTERN}]},
                    "en": {"allOf": [_ref("text"), {"pattern": reading.ENGLISH_PATTERN}]},
                },
                ("th", "en"),
            ),
            "party": _mapping(
                {"role": {"enum": list(PARTY_ROLES)}, "name": _ref("bilingual")},
                reading.PARTY_KEYS,
            ),
            "workload": _mapping(
                {
                    "composition": {"enum": list(COMPOSITIONS)},
                    "demand": {"enum": list(DEMANDS)},
                    "calendar_profile": {"enum": list(CALENDAR_PROFILES)},
                    "units": _number(reading.UNITS_RULE),
                },
                reading.WORKLOAD_KEYS,
            ),
            "limit": {
                **_mapping(
                    {
                        "unit": {"enum": [unit.value for unit in Unit]},
                        **{side.value: {"type": "number"} for side in Side},
                    },
                    ("unit",),
                ),
                "oneOf": [{"required": [side.value]} for side in Side],
            },
            "clause": _clause(),
            "operation": _mapping(
                {"name": _pattern(OPERATION_NAME_PATTERN), "kind": {"enum": list(OWN_KINDS)}},
                reading.OPERATION_KEYS,
            ),
        },
    }


def schema_text() -> str:
    """Return the schema as it stands in the file."""
    return json.dumps(contract_schema(), ensure_ascii=False, indent=2) + "\n"


def _clause() -> Schema:
    return {
        **_mapping(
            {
                "id": _pattern(reading.CLAUSE_ID_PATTERN),
                "title": _ref("bilingual"),
                "text": _ref("bilingual"),
                "quantity": {"enum": [quantity.value for quantity in Quantity]},
                "selector": {"type": "string"},
                "parameters": {"type": "object"},
                "levels": {**_list({"enum": list(LEVELS)}), "uniqueItems": True},
                "limit": _ref("limit"),
                "samples_min": _number(SAMPLES_MIN),
                "source": _ref("text"),
                "penalty": _ref("text"),
                "not_measured_because": _ref("bilingual"),
            },
            reading.CLAUSE_KEYS,
        ),
        "allOf": [_when(quantity, rule) for quantity, rule in QUANTITY_RULES.items()],
    }


def _selector(rule: QuantityRule) -> Schema | bool:
    words: Schema = {"enum": list(rule.selectors)}
    if rule.takes_operation:
        return {"anyOf": [words, _pattern(OPERATION_PATTERN)]}
    return words if rule.selectors else False


def _when(quantity: Quantity, rule: QuantityRule) -> Schema:
    parameters = {**rule.parameters, **rule.parameters_optional}
    properties: Schema = {
        "limit": {
            "properties": {
                "unit": {"const": rule.unit.value},
                rule.side.value: _number(rule.bound),
            },
            "required": [rule.side.value],
        },
        "selector": _selector(rule),
        "parameters": _mapping(
            {name: _number(bounds) for name, bounds in parameters.items()}, tuple(rule.parameters)
        ) if parameters else False,
    }  # fmt: skip
    required = []
    if rule.selectors and not rule.is_selector_optional:
        required.append("selector")
    if rule.parameters:
        required.append("parameters")
    return {
        "if": {"properties": {"quantity": {"const": quantity.value}}, "required": ["quantity"]},
        "then": {"properties": properties, "required": required},
    }


def _mapping(properties: Mapping[str, object], required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^({pattern})$"}


def _number(rule: NumberRule) -> Schema:
    bounds = {
        "exclusiveMinimum": rule.above,
        "minimum": rule.at_least,
        "maximum": rule.at_most,
    }
    return {
        "type": "integer" if rule.is_whole else "number",
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
