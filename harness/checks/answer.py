"""What a check gives back: a verdict on one clause, its number, and the witnesses against it.

A broken promise is a value, never an exception. `measured` is the one place where a number becomes
a verdict, so that no check can forget the smallest number of samples or the side of a limit.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.terms import Bilingual, Clause, Unit, Verdict

# Witnesses shown for one finding; the count is always complete.
WITNESSES_MAX: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One place in the books or the history that breaks a promise; empty parts are not known."""

    unit: int
    document: int = 0
    key: str = ""
    kind: str = ""
    period: int = 0
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All violations of one rule. `about` is the invariant or quantity, `rule` what was broken."""

    about: str
    rule: str
    count: int
    text: Bilingual
    witnesses: tuple[Witness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer of a check to a clause. `value` is in the unit of the clause's limit.

    None stands for no value; `math.inf` for a request that was never answered.
    """

    verdict: Verdict
    value: float | None
    sample_count: int
    reason: Bilingual
    findings: tuple[Finding, ...] = ()


def measured(
    clause: Clause,
    value: float,
    sample_count: int,
    reason: Bilingual,
    findings: Sequence[Finding] = (),
) -> Answer:
    """Hold *value* against the clause's limit; too few samples prove nothing either way."""
    if math.isnan(value):
        return inconclusive(
            sample_count,
            Bilingual(en=f"no number came out: {reason.en}", th=f"คำนวณค่าไม่ได้: {reason.th}"),
        )
    needed = max(1, clause.samples_min)
    if sample_count < needed:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            value=value,
            sample_count=sample_count,
            reason=Bilingual(
                en=f"{sample_count} samples, at least {needed} are needed; {reason.en}",
                th=f"มี {sample_count} ตัวอย่าง ต้องมีอย่างน้อย {needed}; {reason.th}",
            ),
            findings=tuple(findings),
        )
    verdict = Verdict.MET if clause.limit.holds(value) else Verdict.BREACHED
    return Answer(
        verdict=verdict,
        value=value,
        sample_count=sample_count,
        reason=reason,
        findings=tuple(findings),
    )


def inconclusive(sample_count: int, reason: Bilingual, value: float | None = None) -> Answer:
    """Say that nobody can tell, and why."""
    return Answer(
        verdict=Verdict.INCONCLUSIVE, value=value, sample_count=sample_count, reason=reason
    )


def not_tested(reason: Bilingual) -> Answer:
    """Say that the clause was not put to the test in this run, and why."""
    return Answer(verdict=Verdict.NOT_TESTED, value=None, sample_count=0, reason=reason)


def in_ms(nanoseconds: float) -> float:
    """Convert ns to ms; what never happened stays infinite."""
    return nanoseconds / 1e6


def in_unit_of(clause: Clause, seconds: float) -> float:
    """Convert s to the unit of the clause's limit, ms or s."""
    return seconds * 1000.0 if clause.limit.unit == Unit.MS else seconds


def baht(satang: int) -> str:
    """Write an amount as people do: baht with two decimals."""
    sign = "-" if satang < 0 else ""
    return f"{sign}{abs(int(satang)) // 100:,}.{abs(int(satang)) % 100:02d}"


def key_text(high: int, low: int) -> str:
    """Write a key as its UUID."""
    return str(uuid.UUID(int=(int(high) << 64) | int(low)))
