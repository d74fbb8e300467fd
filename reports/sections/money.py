"""Money and accounting checks: which rule was checked, on how many entries, and who breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from contracts.terms import Bilingual, Quantity, Verdict
from reports.formats import ABSENT, baht, count, period
from reports.names import INVARIANTS, QUANTITIES, document_kind_name
from reports.reading import ClauseResult, FindingText, WitnessText
from reports.sources import Sources, UnitName
from reports.wording import same, say

WITNESSES_SHOWN: Final = 10
MONEY_QUANTITIES: Final = (
    Quantity.INVARIANT,
    Quantity.ACKNOWLEDGED_LOSS,
    Quantity.SHED_HONESTY,
    Quantity.EXPORT_COMPLETE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One accounting clause."""

    id: str
    rule: Bilingual
    checked: str
    violations: str
    has_violations: bool
    verdict: Verdict
    reason: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRow:
    """One place that breaks a rule."""

    unit: str
    unit_name: Bilingual
    document: str
    kind: Bilingual
    period: Bilingual
    expected: str
    found: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """All violations of one rule with the first witnesses."""

    about: str
    title: Bilingual
    text: Bilingual
    count: str
    witnesses: tuple[WitnessRow, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsRow:
    """All operations of one kind that the run sent; the last row is their sum."""

    kind: Bilingual
    sent: str
    acknowledged: str
    indefinite: str
    refused: str
    amount_baht: str
    is_sum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneySection:
    """What the section shows; `statement` says in words what is missing."""

    checks: tuple[CheckRow, ...]
    findings: tuple[FindingView, ...]
    operations: tuple[OperationsRow, ...]
    statements: tuple[Bilingual, ...]


def money_section(sources: Sources) -> MoneySection:
    """Return the accounting clauses and the findings against the target."""
    checks = tuple(
        _check(result, sources)
        for result in (sources.judged.clauses if sources.judged else ())
        if sources.measures(result, *MONEY_QUANTITIES) and result.verdict is not Verdict.NOT_TESTED
    )
    statements = []
    if sources.findings is None:
        statements.append(say("money_missing"))
    if not sources.has_books:
        statements.append(say("books_missing"))
    if sources.judged is not None and not checks:
        statements.append(say("money_none"))
    return MoneySection(
        checks=checks,
        findings=tuple(_finding(finding, sources) for finding in sources.findings or ()),
        operations=_operations(sources.money),
        statements=tuple(statements),
    )


def _operations(table: pd.DataFrame | None) -> tuple[OperationsRow, ...]:
    if table is None or table.empty:
        return ()
    rows = [(document_kind_name(str(row["kind"])), row) for _, row in table.iterrows()]
    rows.append((say("all_operations"), table.drop(columns="kind").sum()))
    return tuple(
        OperationsRow(
            kind=name,
            sent=count(row["key_count"]),
            acknowledged=count(row["acknowledged_count"]),
            indefinite=count(row["indefinite_count"]),
            refused=count(row["refused_count"]),
            # Not every kind makes ledger lines: a check or a closing moves no money.
            amount_baht=baht(amount) if (amount := int(row["acknowledged_satang"])) else ABSENT,
            is_sum=place == len(rows) - 1,
        )
        for place, (name, row) in enumerate(rows)
    )


def _check(result: ClauseResult, sources: Sources) -> CheckRow:
    clause = sources.clause(result.id)
    is_share = sources.measures(result, Quantity.EXPORT_COMPLETE)
    violations = None if is_share else result.value
    title = clause.title if clause else result.title
    return CheckRow(
        id=result.id,
        rule=title if title else same(result.id),
        checked=ABSENT if result.sample_count is None else count(result.sample_count),
        violations=ABSENT if violations is None else count(violations),
        has_violations=result.verdict is Verdict.BREACHED,
        verdict=result.verdict,
        reason=result.reason,
    )


def _finding(finding: FindingText, sources: Sources) -> FindingView:
    names = sources.unit_names or {}
    return FindingView(
        about=finding.about,
        title=_title(finding.about),
        text=finding.text,
        count=count(finding.count),
        witnesses=tuple(
            _witness(witness, names.get(witness.unit))
            for witness in finding.witnesses[:WITNESSES_SHOWN]
        ),
        is_cut=len(finding.witnesses) > WITNESSES_SHOWN or finding.count > WITNESSES_SHOWN,
    )


def _title(about: str) -> Bilingual:
    if about in INVARIANTS:
        return INVARIANTS[about]
    try:
        return QUANTITIES[Quantity(about)]
    except ValueError:
        return same(about)


def _witness(witness: WitnessText, named: UnitName | None) -> WitnessRow:
    return WitnessRow(
        unit=str(witness.unit) if witness.unit else ABSENT,
        unit_name=named.name if named else same(""),
        document=str(witness.document) if witness.document else ABSENT,
        kind=document_kind_name(witness.kind) if witness.kind else same(ABSENT),
        period=period(witness.period),
        expected=witness.expected or ABSENT,
        found=witness.found or ABSENT,
        key=witness.key or ABSENT,
    )
