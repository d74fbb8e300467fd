"""Synthetic records of one load: what the generator says and what the truth server says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from contracts.records import SAMPLE_DTYPE, Failure, Outcome
from harness.calibration.delays import Kind
from harness.calibration.joining import Counts, Joined, join
from harness.calibration.record import Calibration, Latencies, LoadFigures, Row
from harness.calibration.truth_log import TRUTH_DTYPE, Ending, Records
from harness.columns import Int64

ENGINE = "e" * 64
T0_NS = 5_000_000_000_000
WIRE_NS = 80_000  # from the server's last byte to the generator's done


@dataclass
class TwoRecords:
    """A load of *count* requests at a constant rate that both sides recorded alike."""

    count: int = 1000
    seed: int = 1
    start_ns: Int64 = field(init=False)
    samples: Records = field(init=False)
    truth: Records = field(init=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self.start_ns = np.arange(self.count, dtype=np.int64) * 1_000_000
        delay_ns = random.exponential(5e6, self.count).astype(np.int64)
        self.truth = np.zeros(self.count, dtype=TRUTH_DTYPE)
        self.truth["request"] = np.arange(self.count)
        self.truth["received_ns"] = T0_NS + self.start_ns + WIRE_NS
        self.truth["intended_ns"] = delay_ns
        self.truth["last_byte_ns"] = self.truth["received_ns"] + delay_ns
        self.truth["first_byte_ns"] = self.truth["last_byte_ns"]
        self.truth["handed_ns"] = self.truth["last_byte_ns"] + 10_000
        self.truth["kind"] = Kind.EXPONENTIAL
        self.truth["status"] = 200
        self.samples = np.zeros(self.count, dtype=SAMPLE_DTYPE)
        self.samples["planned_ns"] = T0_NS + self.start_ns
        self.samples["sent_ns"] = self.samples["planned_ns"] + WIRE_NS // 2
        self.samples["done_ns"] = self.truth["last_byte_ns"] + WIRE_NS
        self.samples["session"] = np.arange(self.count)
        self.samples["status"] = 200
        self.samples["outcome"] = Outcome.OK
        order = random.permutation(self.count)  # logs are in order of completion, not of plan
        self.truth, self.samples = (
            self.truth[order],
            self.samples[np.argsort(self.samples["done_ns"])],
        )

    def joined(self) -> Joined:
        return join(self.samples, self.truth, self.start_ns, t0_ns=T0_NS)

    def answer(self, request: int) -> Records:
        """Return the truth's record of *request*, to be changed in place."""
        at = int(np.flatnonzero(self.truth["request"] == request)[0])
        return self.truth[at : at + 1]

    def sample(self, request: int) -> Records:
        """Return the generator's record of *request*, to be changed in place."""
        at = int(np.flatnonzero(self.samples["session"] == request)[0])
        return self.samples[at : at + 1]

    def reset(self, request: int, *, was_kept: bool) -> None:
        """Have the server reset *request* before any byte, and the generator say so."""
        answer, sample = self.answer(request), self.sample(request)
        answer["ending"], answer["status"], answer["place"] = Ending.RESET_BEFORE, 0, int(was_kept)
        answer["first_byte_ns"] = 0
        sample["status"], sample["failure"] = 0, Failure.CONNECTION

    def ask_again(self, request: int) -> None:
        """Have *request* come to the server once more, a little later, and be answered well."""
        again = self.answer(request).copy()
        again["place"], again["ending"], again["status"] = 0, Ending.WHOLE, 200
        for name in ("received_ns", "first_byte_ns", "last_byte_ns", "handed_ns"):
            again[name] = self.answer(request)["received_ns"] + 200_000
        self.truth = np.append(self.truth, again)


def latencies(scale: float = 1.0) -> Latencies:
    return Latencies(p50=1.0 * scale, p99=10.0 * scale, p999=50.0 * scale, longest=100.0 * scale)


def calibration(
    *,
    factor: float = 1.001,
    counts: Counts | None = None,
    calibrated_at: str = "2025-12-01T08:00:00+00:00",
) -> Calibration:
    """Return a calibration whose measured percentiles are *factor* times the true ones."""
    return Calibration(
        machine="0123456789ab",
        about_machine="a test's machine, 2 cores",
        engine_sha256=ENGINE,
        calibrated_at=calibrated_at,
        is_quick=True,
        duration_s=20.0,
        rate_max_per_s=8000.0,
        foreign_share=0.03,
        counts=counts or Counts(planned=1000, answered=990, resent=2),
        loads=tuple(
            LoadFigures(
                label="mix",
                share=share,
                rate_per_s=8000.0 * share,
                lateness_ms_p50=0.05,
                lateness_ms_p99=0.4,
                lateness_ms_max=3.0,
                cpu_us_per_request=48.0,
                cpu_share=0.4 * share,
                memory_bytes=90_000_000,
                connections_max=120,
                truth_doubt_ms_p99=0.02,
            )
            for share in (0.1, 0.5, 0.9)
        ),
        rows=tuple(
            Row(
                kind=kind,
                share=share,
                count=500,
                true_ms=latencies(),
                measured_ms=latencies(factor),
            )
            for share in (0.1, 0.5, 0.9)
            for kind in ("plain", "exponential", "stall")
        ),
    )
