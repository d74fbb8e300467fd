"""What each quantity of a contract takes: its unit, its side, its selector, its further numbers.

One table, from which the reader refuses and the JSON Schema is generated, so that they cannot come
to disagree. It judges nothing: a check measures a quantity, a clause promises it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contracts.terms import OperationKind, Quantity, Unit

LEVELS: Final = ("L0", "L1", "L2", "L3", "L4", "L5", "L6")
INVARIANTS: Final = tuple(f"I{number}" for number in range(1, 12))
# What may happen to a target. A name that no fault of the harness carries makes a clause that is
# not measured yet, which the contract must then say.
FAULTS: Final = (
    "worker_kill",
    "database_restart",
    "provider_slow",
    "provider_outage",
    "site_loss",
)
COMPOSITIONS: Final = ("A", "B", "C")
DEMANDS: Final = ("low", "base", "high")
CALENDAR_PROFILES: Final = ("normal_day", "month_end", "year_end", "reopening")
PARTY_ROLES: Final = ("purchaser", "acceptance_committee", "vendor", "users", "observer")
ALL_OPERATIONS: Final = "all"
# Instead of a kind a clause may name one operation: `selector: "operation:GET /units/{n}"`.
OPERATION_PREFIX: Final = "operation:"
OPERATION_NAME_PATTERN: Final = r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?"
OPERATION_PATTERN: Final = OPERATION_PREFIX + OPERATION_NAME_PATTERN
# Probes must be refused and the provider is somebody else's, so neither has a promised latency.
_TIMED_KINDS: Final = tuple(
    kind.value
    for kind in OperationKind
    if kind not in (OperationKind.PROBE, OperationKind.PROVIDER)
)


# Of which kinds the operations of a load of the user's own may be.
OWN_KINDS: Final = _TIMED_KINDS


class Side(StrEnum):
    """On which side of the number the promise lies."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRule:
    """Bounds of a number. `above` excludes its own value, `at_least` and `at_most` include it."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    is_whole: bool = False

    def accepts(self, number: float) -> bool:
        """Say whether *number* lies within the bounds."""
        return (
            (self.above is None or number > self.above)
            and (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
            and (not self.is_whole or float(number).is_integer())
        )

    def __str__(self) -> str:
        parts = ["a whole number" if self.is_whole else "a number"]
        bounds = (("above", self.above), ("at least", self.at_least), ("at most", self.at_most))
        limits = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        return " ".join(parts) + (" " + " and ".join(limits) if limits else "")


SHARE: Final = NumberRule(at_least=0, at_most=1)
COUNT: Final = NumberRule(at_least=0, is_whole=True)
POSITIVE: Final = NumberRule(above=0, at_most=1e9)
SAMPLES_MIN: Final = NumberRule(at_least=1, at_most=1e9, is_whole=True)  # absence never passes


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityRule:
    """How a clause on one quantity must look. `selectors` is empty when it takes none.

    `takes_operation`: one operation may be named in their place.
    """

    unit: Unit
    side: Side
    bound: NumberRule
    selectors: tuple[str, ...] = ()
    takes_operation: bool = False
    is_selector_optional: bool = False
    parameters: Mapping[str, NumberRule] = field(default_factory=dict)
    parameters_optional: Mapping[str, NumberRule] = field(default_factory=dict)


_PERCENTILE: Final = NumberRule(above=0, at_most=100)

QUANTITY_RULES: Final[Mapping[Quantity, QuantityRule]] = {
    Quantity.LATENCY: QuantityRule(
        unit=Unit.MS, side=Side.AT_MOST, bound=POSITIVE, selectors=_TIMED_KINDS,
        takes_operation=True, parameters={"percentile": _PERCENTILE},
    ),
    Quantity.ERROR_SHARE: QuantityRule(
        unit=Unit.SHARE, side=Side.AT_MOST, bound=SHARE, selectors=(ALL_OPERATIONS, *_TIMED_KINDS),
        takes_operation=True, is_selector_optional=True,
    ),
    # Without a required rate the plan of the run is the measure.
    Quantity.CARRIED_SHARE: QuantityRule(
        unit=Unit.SHARE, side=Side.AT_LEAST, bound=SHARE,
        parameters_optional={"required_per_s": POSITIVE},
    ),
    Quantity.PARTICIPATION: QuantityRule(unit=Unit.SHARE, side=Side.AT_LEAST, bound=SHARE),
    Quantity.FAIRNESS: QuantityRule(
        unit=Unit.RATIO, side=Side.AT_MOST, bound=NumberRule(at_least=1, at_most=1e6),
        selectors=(ALL_OPERATIONS, *_TIMED_KINDS), takes_operation=True,
        parameters={
            "unnoticed_below_ms": NumberRule(at_least=0, at_most=1e9),
            "worst_share": NumberRule(above=0, at_most=0.5),
            "samples_per_unit_min": SAMPLES_MIN,
        },
    ),
    Quantity.INVARIANT: QuantityRule(
        unit=Unit.COUNT, side=Side.AT_MOST, bound=COUNT, selectors=INVARIANTS
    ),
    Quantity.ACKNOWLEDGED_LOSS: QuantityRule(unit=Unit.COUNT, side=Side.AT_MOST, bound=COUNT),
    Quantity.SHED_HONESTY: QuantityRule(unit=Unit.COUNT, side=Side.AT_MOST, bound=COUNT),
    Quantity.RECOVERY: QuantityRule(
        unit=Unit.S, side=Side.AT_MOST, bound=POSITIVE, selectors=FAULTS,
        parameters={
            "level_share": NumberRule(above=0, at_most=1),
            "consecutive_s": POSITIVE,
            "answered_within_s": POSITIVE,
        },
    ),
    Quantity.IDLE_SATURATION: QuantityRule(
        unit=Unit.COUNT, side=Side.AT_MOST, bound=COUNT,
        parameters={
            "window_s": POSITIVE,
            "offered_rise_share": POSITIVE,
            "completed_rise_share": NumberRule(at_least=0, at_most=1),
            "p95_rise_share": POSITIVE,
            "cpu_below_share": SHARE,
        },
    ),
    Quantity.EXPORT_COMPLETE: QuantityRule(unit=Unit.SHARE, side=Side.AT_LEAST, bound=SHARE),
    Quantity.PROVENANCE: QuantityRule(unit=Unit.COUNT, side=Side.AT_MOST, bound=COUNT),
    Quantity.IMPORT_RATE: QuantityRule(unit=Unit.PER_S, side=Side.AT_LEAST, bound=POSITIVE),
    Quantity.SCALING: QuantityRule(unit=Unit.RATIO, side=Side.AT_LEAST, bound=POSITIVE),
    Quantity.AVAILABILITY: QuantityRule(unit=Unit.SHARE, side=Side.AT_LEAST, bound=SHARE),
}  # fmt: skip
