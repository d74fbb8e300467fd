"""The catalogue of `kinds.toml` as types: accounts, kinds of document, steps of their workflows.

Read once at start-up. A mistake in the file (an unknown account, a step of a kind that does not
exist) is refused here, with its place, and never met by a request. Pure after reading.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_app.problems import BadCatalogue

CATALOGUE_FILE = Path(__file__).with_name("kinds.toml")
SIDES = ("debit", "credit")
BUDGET_COLUMNS = ("appropriated", "committed", "paid", "transferred")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartAccount:
    """An account of the chart; `account_class` 1 assets ... 5 expense."""

    account: int
    account_class: int
    is_cash: bool
    name_th: str
    name_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLine:
    """One line of a posting template; `account` and `amount` name where the value comes from."""

    side: str
    account: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEffect:
    """`amount` (a field) times `sign` is added to `column` of the budget line."""

    column: str
    sign: int
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of document. Without a `role` only a step, an import or the ledger itself makes it.

    One that `is_final` cannot be reversed. `imported_as` is its name in sheets of back-dated books,
    empty when it may not stand there.
    """

    name: str
    path: str
    role: str
    fields: Mapping[str, str]
    party: str
    note: str
    lines: tuple[TemplateLine, ...]
    budget: tuple[BudgetEffect, ...]
    status: str
    is_open: bool
    is_final: bool
    imported_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that somebody takes on a document: from one state to the next.

    `fields` are those of the request body; the document that it `makes` takes the rest from the one
    that the step is taken on.
    """

    of: Kind
    name: str
    role: str
    from_status: str
    to_status: str
    is_other_person: bool
    makes: Kind | None
    fields: Mapping[str, str]
    takes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that `kinds.toml` says."""

    chart: Mapping[int, ChartAccount]
    channels: Mapping[str, int]
    accumulated_fund: int
    budget_lines: Mapping[str, int]
    columns: Mapping[str, str]
    kinds: Mapping[str, Kind]
    steps: tuple[Step, ...]


def read_catalogue(path: Path = CATALOGUE_FILE) -> Catalogue:
    """Read and check the catalogue. Raises `BadCatalogue` naming the place of the mistake."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    chart = {
        int(code): ChartAccount(
            account=int(code),
            account_class=int(code[0]),
            is_cash=entry.get("is_cash", False),
            name_th=entry["name_th"],
            name_en=entry["name_en"],
        )
        for code, entry in content["chart"].items()
    }
    kinds = {name: _read_kind(name, entry, chart) for name, entry in content["kinds"].items()}
    steps = tuple(_read_step(entry, kinds) for entry in content["steps"])
    named = {**content["channels"], **content["budget_lines"]}
    named["accumulated_fund"] = content["accumulated_fund"]
    for name, account in named.items():
        if account not in chart:
            raise BadCatalogue(f"kinds.toml: {name} names account {account}, not in the chart")
    return Catalogue(
        chart=chart,
        channels=content["channels"],
        accumulated_fund=content["accumulated_fund"],
        budget_lines=content["budget_lines"],
        columns=content["columns"],
        kinds=kinds,
        steps=steps,
    )


def _read_kind(name: str, entry: Mapping[str, Any], chart: Mapping[int, ChartAccount]) -> Kind:
    return Kind(
        name=name,
        path=entry.get("path", ""),
        role=entry.get("role", ""),
        fields=entry.get("fields", {}),
        party=entry.get("party", ""),
        note=entry.get("note", ""),
        lines=tuple(_read_line(name, text, chart) for text in entry.get("lines", ())),
        budget=tuple(_read_effect(name, text) for text in entry.get("budget", ())),
        status=entry.get("status", "posted"),
        is_open=entry.get("is_open", False),
        is_final=entry.get("is_final", False),
        imported_as=entry.get("imported_as", ""),
    )


def _read_line(kind: str, text: str, chart: Mapping[int, ChartAccount]) -> TemplateLine:
    words = text.split()
    if words == ["each"]:
        return TemplateLine(side="each", account="each", amount="each")
    if words == ["credit", "each"]:
        return TemplateLine(side="credit", account="each", amount="each")
    if len(words) != 3 or words[0] not in SIDES:
        raise BadCatalogue(f"kinds.toml [kinds.{kind}] lines: {text!r} is not SIDE ACCOUNT AMOUNT")
    side, account, amount = words
    if account not in ("@channel", "@expense") and int(account) not in chart:
        raise BadCatalogue(f"kinds.toml [kinds.{kind}] lines: account {account} is not in [chart]")
    return TemplateLine(side=side, account=account, amount=amount)


def _read_effect(kind: str, text: str) -> BudgetEffect:
    words = text.split()
    if len(words) != 3 or words[0] not in BUDGET_COLUMNS or words[1] not in "+-":
        raise BadCatalogue(f"kinds.toml [kinds.{kind}] budget: {text!r} is not COLUMN +/- FIELD")
    return BudgetEffect(column=words[0], sign=1 if words[1] == "+" else -1, amount=words[2])


def _read_step(entry: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Step:
    for name in (entry["of"], entry.get("makes", entry["of"])):
        if name not in kinds:
            raise BadCatalogue(f"kinds.toml [[steps]] {entry['name']}: no kind {name!r}")
    return Step(
        of=kinds[entry["of"]],
        name=entry["name"],
        role=entry["role"],
        from_status=entry["from"],
        to_status=entry["to"],
        is_other_person=entry.get("other_person", False),
        makes=kinds[entry["makes"]] if "makes" in entry else None,
        fields=entry.get("fields", {}),
        takes=entry.get("takes", ""),
    )
