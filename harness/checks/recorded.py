"""Everything that a check may look at: one run folder, read part by part when it is asked for.

No clock, no network, no target. A part that is missing or unreadable raises `EvidenceMissing` each
time it is asked for, so that every clause that needs it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import orjson

from contracts.records import FaultEvent, Phase
from contracts.terms import OperationKind
from harness.books import Books
from harness.checks.readings import HostCpu, read_host_cpu
from harness.checks.self_reports import SelfReport, read_self_reports
from harness.columns import EvidenceMissing, Vocabulary
from harness.history import read_history
from harness.ledger_model import Ledger
from harness.measurements import Measurements, ProbeSamples, read_measurements
from harness.run_folder import Manifest, RunFolder
from scenarios.stretches import STEP

FAULT_EVENTS_MAX: Final = 10_000


@dataclass(kw_only=True)
class Recorded:
    """One run as it was recorded. `operation_kinds` are those that the contract says itself."""

    folder: RunFolder
    manifest: Manifest
    operation_kinds: Mapping[str, OperationKind] = field(default_factory=dict)

    @cached_property
    def measurements(self) -> Measurements:
        """The samples; large, so `release_samples` lets go of them."""
        samples = read_measurements(self.folder.samples)
        if not self.operation_kinds:
            return samples
        own = self.operation_kinds
        operations = tuple((name, own.get(name, kind)) for name, kind in samples.operations)
        return replace(samples, operations=operations)

    @cached_property
    def probe_samples(self) -> ProbeSamples:
        """Requests that had to be refused."""
        return self.measurements.probe_samples()

    def release_samples(self) -> None:
        """Let go of the samples once the clauses about time are judged."""
        self.__dict__.pop("measurements", None)

    @cached_property
    def ledger(self) -> Ledger:
        """History and books. Reading starts with the first question to it."""
        accounts, kinds, budget_lines = Vocabulary(), Vocabulary(), Vocabulary()
        before, after = (
            Books(name=f"books/{path.name}", folder=path, accounts=accounts, kinds=kinds,
                  budget_lines=budget_lines)
            for path in (self.folder.books_before, self.folder.books_after)
        )  # fmt: skip
        return Ledger(
            read_history=lambda: read_history(self.folder.operations), before=before, after=after
        )

    @cached_property
    def faults(self) -> tuple[FaultEvent, ...]:
        """What was injected and healed, in the order of injection."""
        try:
            content = self.folder.faults.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _broken_faults() from error
        lines = content.splitlines()[:FAULT_EVENTS_MAX]
        events = [_fault_event(line) for line in lines if line.strip()]
        return tuple(sorted(events, key=lambda event: event.injected_ns))

    @property
    def watched_phases(self) -> tuple[Phase, ...]:
        """Phases in which saturation is looked for: the measured ones and the steps of a climb."""
        return tuple(
            phase
            for phase in self.manifest.phases
            if phase.is_measured or phase.name.startswith(STEP)
        )

    @property
    def measured_phases(self) -> tuple[Phase, ...]:
        """Phases over which clauses about time are judged."""
        return tuple(phase for phase in self.manifest.phases if phase.is_measured)

    @property
    def load_ended_ns(self) -> int:
        """When the last phase of the load ended; 0 when no phase was recorded."""
        return max((phase.ended_ns for phase in self.manifest.phases), default=0)

    @cached_property
    def self_reports(self) -> Mapping[str, SelfReport]:
        """What each load process said about itself, by the name of its file."""
        return read_self_reports(self.folder.readings)

    @cached_property
    def host_cpu(self) -> HostCpu:
        """CPU of the machine over time."""
        return read_host_cpu(self.folder.readings)


def _fault_event(line: bytes) -> FaultEvent:
    try:
        content: dict[str, Any] = orjson.loads(line)
        event = FaultEvent(**content)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise _broken_faults() from error
    is_sound = (
        all(isinstance(text, str) for text in (event.name, event.target, event.detail))
        and all(
            type(at) is int and 0 <= at < 1 << 62 for at in (event.injected_ns, event.healed_ns)
        )
        and event.injected_ns > 0
    )
    if not is_sound:
        raise _broken_faults()
    return event


def _broken_faults() -> EvidenceMissing:
    return EvidenceMissing(
        en="faults.jsonl cannot be read: a line of it is broken",
        th="อ่าน faults.jsonl ไม่ได้: มีบรรทัดที่เสียหาย",
    )
