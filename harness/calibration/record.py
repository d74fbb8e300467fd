"""What a calibration found, as it is kept: per machine in a file, and in each run's manifest.

Rows compare measured with true latency, one per kind of delay and load; loads say how the generator
fared at each rate. Reading is strict, because the file may come from anywhere; what it means for a
verdict is decided in `harness.caveats`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Final

from harness.calibration.joining import Counts
from scenarios.strict_json import Place

FORMAT: Final = "monthend-calibration/1"
# facts: the error that a verdict can live with, and the one that we want (design.md section 7).
MUST_MS, MUST_SHARE = 1.0, 0.02
AIM_MS, AIM_SHARE = 0.5, 0.01
LATENESS_P99_MS_MAX: Final = 5.0
# As of a run: beyond the kernel's own work, what belongs to none of our processes is others'.
FOREIGN_LIMIT_SHARE: Final = 0.25
ROWS_MAX: Final = 200
LOADS_MAX: Final = 50
_COUNT_MAX: Final = 2**53


class Standing(Enum):
    """What a calibration is worth."""

    MET = "met"  # the numbers of this machine can be defended
    FAILED = "failed"  # they cannot
    DISTURBED = "disturbed"  # the must was missed while others used the machine: nobody can say


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Percentiles of the same requests, ms."""

    p50: float
    p99: float
    p999: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of delay at one load. `share`: of the highest rate. `count`: requests compared."""

    kind: str
    share: float
    count: int
    true_ms: Latencies
    measured_ms: Latencies

    def errors_ms(self) -> tuple[float, float, float, float]:
        """Return measured minus true, ms, in the order of `Latencies`."""
        true, measured = self.true_ms, self.measured_ms
        return (
            measured.p50 - true.p50,
            measured.p99 - true.p99,
            measured.p999 - true.p999,
            measured.longest - true.longest,
        )

    def is_within(self, limit_ms: float, limit_share: float) -> bool:
        """Whether p50, p99 and p99.9 are each wrong by no more than one of the two limits.

        The longest is one request: it is shown, and judges nobody.
        """
        true = (self.true_ms.p50, self.true_ms.p99, self.true_ms.p999)
        return all(
            abs(error) <= limit_ms or abs(error) <= limit_share * abs(value)
            for error, value in zip(self.errors_ms(), true, strict=False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """How the generator fared at one rate. `truth_doubt_ms_p99`: what the truth does not know."""

    label: str
    share: float
    rate_per_s: float
    lateness_ms_p50: float
    lateness_ms_p99: float
    lateness_ms_max: float
    cpu_us_per_request: float
    cpu_share: float
    memory_bytes: int
    connections_max: int
    truth_doubt_ms_p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One calibration. `calibrated_at` is ISO in UTC. `rate_max_per_s`: highest true rate found.

    `foreign_share`: of the machine's CPU, what others used meanwhile.
    """

    machine: str
    about_machine: str
    engine_sha256: str
    calibrated_at: str
    is_quick: bool
    duration_s: float
    rate_max_per_s: float
    foreign_share: float
    counts: Counts
    loads: tuple[LoadFigures, ...]
    rows: tuple[Row, ...]

    @property
    def is_must_met(self) -> bool:
        """Whether the numbers can be defended: every row within the must, every request there."""
        return self._is_met(MUST_MS, MUST_SHARE)

    @property
    def is_aim_met(self) -> bool:
        """Whether every row is within the aim."""
        return self._is_met(AIM_MS, AIM_SHARE)

    @property
    def standing(self) -> Standing:
        """What the calibration is worth; counts that are wrong are no disturbance."""
        if self.is_must_met:
            return Standing.MET
        is_disturbed = self.counts.is_exact and self.foreign_share > FOREIGN_LIMIT_SHARE
        return Standing.DISTURBED if is_disturbed else Standing.FAILED

    def _is_met(self, limit_ms: float, limit_share: float) -> bool:
        return (
            bool(self.rows)
            and self.counts.is_exact
            and all(row.is_within(limit_ms, limit_share) for row in self.rows)
        )

    def content(self) -> dict[str, Any]:
        """Return the JSON content; what follows from the rest stands in it for readers."""
        judged = {
            "is_must_met": self.is_must_met,
            "is_aim_met": self.is_aim_met,
            "standing": self.standing.value,
        }
        lists = {"loads": list(map(asdict, self.loads)), "rows": list(map(asdict, self.rows))}
        return {"format": FORMAT, **asdict(self), **lists, **judged}


def worst_errors(rows: Iterable[Row]) -> tuple[float, float]:
    """Return the largest error of p50, p99 and p99.9 over *rows*: in ms, and as a share.

    The share counts only where the error in ms is above the aim's: 40 us of 50 us is not news.
    """
    worst_ms = worst_share = 0.0
    for row in rows:
        true = (row.true_ms.p50, row.true_ms.p99, row.true_ms.p999)
        for error, value in zip(row.errors_ms(), true, strict=False):
            worst_ms = max(worst_ms, abs(error))
            if abs(error) > AIM_MS and value > 0:
                worst_share = max(worst_share, abs(error) / value)
    return worst_ms, worst_share


def calibration_of(place: Place) -> Calibration:
    """Read a calibration from JSON. Raises `scenarios.strict_json.BadJson`."""
    derived = ("format", "is_must_met", "is_aim_met", "standing")
    found = place.fields((*(field.name for field in fields(Calibration)), *derived))
    if found["format"].text(100) != FORMAT:
        raise found["format"].refusal("another format", f"this release reads {FORMAT}")
    return Calibration(
        machine=found["machine"].matching("[0-9a-f]{12}", "12 hex digits"),
        about_machine=found["about_machine"].text(500),
        engine_sha256=found["engine_sha256"].matching("[0-9a-f]{64}", "64 hex digits"),
        calibrated_at=found["calibrated_at"].text(40),
        is_quick=_flag(found["is_quick"]),
        duration_s=found["duration_s"].number(0, 1e6),
        rate_max_per_s=found["rate_max_per_s"].number(0, 1e7),
        foreign_share=found["foreign_share"].number(0, 1),
        counts=Counts(**_whole_numbers(found["counts"])),
        loads=tuple(_load(item) for item in found["loads"].items(1, LOADS_MAX)),
        rows=tuple(_row(item) for item in found["rows"].items(1, ROWS_MAX)),
    )


def _row(place: Place) -> Row:
    found = place.fields([field.name for field in fields(Row)])
    return Row(
        kind=found["kind"].matching("[a-z0-9_]{1,40}", "a kind of delay"),
        share=found["share"].number(0, 10),
        count=int(found["count"].number(1, _COUNT_MAX, is_whole=True)),
        true_ms=Latencies(**_milliseconds(found["true_ms"])),
        measured_ms=Latencies(**_milliseconds(found["measured_ms"])),
    )


def _milliseconds(place: Place) -> Mapping[str, float]:
    found = place.fields([field.name for field in fields(Latencies)])
    return {name: value.number(-1e9, 1e9) for name, value in found.items()}


def _load(place: Place) -> LoadFigures:
    found = dict(place.fields([field.name for field in fields(LoadFigures)]))
    whole = {
        name: int(found.pop(name).number(0, _COUNT_MAX, is_whole=True))
        for name in ("memory_bytes", "connections_max")
    }
    label = found.pop("label").text(40)
    numbers: dict[str, Any] = {name: value.number(-1e9, 1e9) for name, value in found.items()}
    return LoadFigures(label=label, **whole, **numbers)


def _whole_numbers(place: Place) -> Mapping[str, int]:
    found = place.fields([field.name for field in fields(Counts)])
    return {name: int(v.number(0, _COUNT_MAX, is_whole=True)) for name, v in found.items()}


def _flag(place: Place) -> bool:
    if not isinstance(place.value, bool):
        raise place.refusal("must be true or false", "write true or false")
    return place.value
