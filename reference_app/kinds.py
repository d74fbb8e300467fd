"""The catalogue of `kinds.toml` as types: accounts, kinds of document, steps of their workflows.

Read once at start-up. A mistake in the file (an unknown account, a step of a kind that does not
exist) is refused here, with its place, and never met by a request. Pure after reading.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from reference_app.problems import BadCatalogue

CATALOGUE_FILE = Path(__file__).with_name("kinds.toml")
SIDES = ("debit", "credit")
T = TypeVar("T")
BUDGET_COLUMNS = ("appropriated", "committed", "paid", "transferred")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartAccount:
    """An account of the chart; `account_class` 1 assets ... 5 expense.

    A control account is the sum of documents that are still open, so no voucher moves it.
    """

    account: int
    account_class: int
    is_cash: bool = False
    is_control: bool = False
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
    path: str = ""
    role: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    party: str = ""
    note: str = ""
    lines: tuple[TemplateLine, ...] = ()
    budget: tuple[BudgetEffect, ...] = ()
    status: str = "posted"
    is_open: bool = False
    is_final: bool = False
    imported_as: str = ""


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
    is_other_person: bool = False
    makes: Kind | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    takes: str = ""


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

    @property
    def cash(self) -> list[int]:
        """Return the accounts of money, ascending."""
        return sorted(code for code, entry in self.chart.items() if entry.is_cash)


def read_catalogue(path: Path = CATALOGUE_FILE) -> Catalogue:
    """Read and check the catalogue. Raises `BadCatalogue` naming the place of the mistake."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    chart = {
        int(code): _made(ChartAccount, code, entry, account=int(code), account_class=int(code[0]))
        for code, entry in content["chart"].items()
    }
    kinds = {name: _read_kind(name, entry, chart) for name, entry in content["kinds"].items()}
    steps = tuple(_read_step(entry, kinds) for entry in content["steps"])
    named = {**content["channels"], **content["budget_lines"]}
    named["accumulated_fund"] = content["accumulated_fund"]
    for name, account in named.items():
        if account not in chart:
            raise BadCatalogue(f"kinds.toml: {name} names account {account}, not in the chart")
    return _made(Catalogue, "", content, chart=chart, kinds=kinds, steps=steps)


def _made(part: type[T], place: str, entry: Mapping[str, Any], /, **read: object) -> T:
    """Make a part of the catalogue of a table, with what was *read* of it in place of its text."""
    try:
        return part(**{**entry, **read})
    except TypeError as error:  # a key is missing, or there is no such key
        raise BadCatalogue(f"kinds.toml {place}: {error}") from error


def _read_kind(name: str, entry: Mapping[str, Any], chart: Mapping[int, ChartAccount]) -> Kind:
    lines = tuple(_read_line(name, text, chart) for text in entry.get("lines", ()))
    budget = tuple(_read_effect(name, text) for text in entry.get("budget", ()))
    return _made(Kind, name, entry, name=name, lines=lines, budget=budget)


def _read_line(kind: str, text: str, chart: Mapping[int, ChartAccount]) -> TemplateLine:
    words = text.split()
    if words in (["each"], ["credit", "each"]):  # the lines that the client gave have their sides
        return TemplateLine(side="each", account="each", amount="each")
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
    named = {place: entry[place] for place in ("of", "makes") if place in entry}
    for kind in named.values():
        if kind not in kinds:
            raise BadCatalogue(f"kinds.toml [[steps]] {entry['name']}: no kind {kind!r}")
    return _made(Step, entry["name"], entry, **{place: kinds[named[place]] for place in named})
