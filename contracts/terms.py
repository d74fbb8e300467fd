"""The words of a contract as types: what was promised, to whom, measured how, with which limit.

A contract file (`new_elaas.yaml`) becomes a `Contract` in `contracts.reading`, once, and is never
handled as a bare dict afterwards. Units are part of the type: a limit without a unit cannot exist.
Nothing here judges; `harness.checks` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Answer to a clause or a whole contract. "We could not tell" is an answer, never success."""

    MET = "MET"
    BREACHED = "BREACHED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_TESTED = "NOT_TESTED"


EXIT_STATUS = {Verdict.MET: 0, Verdict.BREACHED: 1, Verdict.INCONCLUSIVE: 2}
EXIT_BAD_SETUP = 3


class OperationKind(StrEnum):
    """Class of an operation for which a contract may set a limit of its own."""

    READ = "read"
    POST = "post"
    REPORT = "report"
    LOGIN = "login"
    EXPORT = "export"
    IMPORT = "import"  # the upload of a file of documents: longer than a posting, and no posting
    PROVIDER = "provider"  # the identity provider's own answer: recorded, not charged to the target
    PROBE = "probe"  # a request that must be refused (another unit's books, a closed period)


class Quantity(StrEnum):
    """What a clause measures. Each has one file in `harness/checks/` or is never measured."""

    LATENCY = "latency"  # a percentile over requests of one operation kind, from the planned time
    ERROR_SHARE = "error_share"  # share of requests that failed or answered wrongly
    CARRIED_SHARE = "carried_share"  # completed OK / planned in the level's peak minute
    PARTICIPATION = "participation"  # share of units with at least one answered request
    FAIRNESS = "fairness"  # p95 of the worst 1 % of units / p95 of the median unit
    INVARIANT = "invariant"  # number of violations of a money invariant I1..I11
    ACKNOWLEDGED_LOSS = "acknowledged_loss"  # acknowledged writes that are not in the books
    SHED_HONESTY = "shed_honesty"  # refused writes (429/503) that took effect all the same
    RECOVERY = "recovery"  # s from injection until service is back to its level before
    IDLE_SATURATION = "idle_saturation"  # windows in which it saturated while its CPU was low
    EXPORT_COMPLETE = "export_complete"  # share of units whose exported books are complete
    PROVENANCE = "provenance"  # missing items of the evidence that names what was tested
    IMPORT_RATE = "import_rate"  # documents/s of back-dated books
    SCALING = "scaling"  # throughput at twice the resources / throughput
    AVAILABILITY = "availability"  # share of service hours over weeks


class Unit(StrEnum):
    """Unit of a limit."""

    MS = "ms"
    S = "s"
    SHARE = "share"  # 0..1
    RATIO = "ratio"
    COUNT = "count"
    PER_S = "per_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bilingual:
    """One text in Thai and English."""

    th: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Bound on a measured value; exactly one of `at_most`, `at_least` is set."""

    unit: Unit
    at_most: float | None = None
    at_least: float | None = None

    def holds(self, value: float) -> bool:
        """Say whether *value*, in this limit's unit, keeps the promise."""
        if self.at_most is not None:
            return value <= self.at_most
        assert self.at_least is not None
        return value >= self.at_least

    @property
    def bound(self) -> float:
        """The number itself, whichever side it is on."""
        bound = self.at_most if self.at_most is not None else self.at_least
        assert bound is not None
        return bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One numbered promise.

    `selector` narrows the quantity: an operation kind, or `operation:` and a name, for LATENCY,
    ERROR_SHARE and FAIRNESS, an invariant id (I1..I11) for INVARIANT, a fault name for RECOVERY,
    empty otherwise. `parameters` holds the
    further numbers a quantity needs (`percentile` 0..100, `unnoticed_below_ms`, ...), each named
    with its unit. `samples_min` is the number of samples below which the clause is INCONCLUSIVE.
    `levels` are the load levels at which the clause applies; elsewhere it is NOT_TESTED.
    `not_measured_because`, when set, says why no check measures this clause yet.
    """

    id: str
    title: Bilingual
    text: Bilingual
    quantity: Quantity
    selector: str
    parameters: tuple[tuple[str, float], ...]
    levels: tuple[str, ...]
    limit: Limit
    samples_min: int
    source: str
    penalty: str | None = None
    not_measured_because: Bilingual | None = None

    def parameter(self, name: str) -> float:
        """Return the further number *name*. Raises `KeyError` when the clause has none."""
        return dict(self.parameters)[name]

    @property
    def operation(self) -> str:
        """The one operation that the clause is about, empty when it is about a kind or all."""
        prefix, _, name = self.selector.partition(":")
        return name if prefix == "operation" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of the contract."""

    role: str
    name: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The load that was foreseen and must be carried: names resolved by `scenarios`.

    `composition` A, B or C of `facts/domain.md` §2.3; `demand` is `low`, `base` or `high`
    (§4.3); `calendar_profile` is `month_end` in the first contract; `units` is the declared count.
    """

    composition: str
    demand: str
    calendar_profile: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract as read: `sha256` is over the bytes of the file, so a loosened limit shows.

    `operation_kinds` say of which kind operations are that a load of the user's own brings along.
    """

    id: str
    version: str
    title: Bilingual
    parties: tuple[Party, ...]
    workload: Workload
    clauses: tuple[Clause, ...]
    sha256: str
    operation_kinds: tuple[tuple[str, OperationKind], ...] = ()
