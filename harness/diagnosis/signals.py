"""Folds what a run left (samples, probe readings, profile) into the few numbers that rules judge.

Only measured phases count. What is not there stays None and is named in `missing`: a rule that
needs it cannot fire. Computes means and sums and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import Failure, Phase
from contracts.terms import OperationKind
from harness.diagnosis.findings import Profile
from harness.probes.readings import Reading, read_readings

# A reading belongs to the phase in which it was taken; both ends included.
SAMPLE_COLUMNS = ("planned_ns", "sent_ns", "done_ns", "operation", "failure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests of the measured phases, the identity provider's left out.

    `request_s` is the sum of done - sent, `latency_ms_p95` counts from the planned time,
    `failed_share` of requests that failed. None of them when nothing was sent.
    """

    count: int
    request_s: float
    latency_ms_p95: float
    failed_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known of a run. `*_sessions` are mean numbers of database sessions, `*_cores` mean
    cores.

    `blocked_sessions`: by (root call site, victim call site). `root_states`: looks in which a root
    session was in that state, by (call site, state). `call_sites`: of statements, by query id.
    """

    window_s: float
    requests: Requests | None
    cpu_count: int | None = None
    host_cpu_share: float | None = None
    cores: Mapping[str, float] = field(default_factory=dict)
    look_count: int = 0
    wait_sessions: Mapping[str, float] = field(default_factory=dict)
    active_sessions: Mapping[str, float] = field(default_factory=dict)
    blocked_sessions: Mapping[tuple[str, str], float] = field(default_factory=dict)
    root_states: Mapping[tuple[str, str], int] = field(default_factory=dict)
    call_sites: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    profile: Profile | None = None
    missing: tuple[str, ...] = ()

    def share_of_request_time(self, sessions_mean: float) -> float | None:
        """Return the share of all request time that *sessions_mean* sessions stand for, 0..1."""
        if self.requests is None or self.requests.request_s <= 0:
            return None
        return min(1.0, sessions_mean * self.window_s / self.requests.request_s)


def read_signals(
    *, samples: Path, readings: Path, phases: Sequence[Phase], profile: Profile | None
) -> Signals:
    """Read the signals of the measured phases out of a run folder's parts."""
    windows = [(p.started_ns, p.ended_ns) for p in phases if p.is_measured]
    missing: list[str] = []
    requests = read_requests(samples, windows)
    if requests is None:
        missing.append("no request was sent in a measured phase")
    found = {}
    for probe in ("host", "postgres"):
        probe_readings = read_readings(readings, probe)
        if probe_readings.incomplete_because:
            missing.append(probe_readings.incomplete_because)
        found[probe] = _within(probe_readings.rows, windows)
    if profile is None:
        missing.append("no profile of the workers: run `monthend profile`")
    return fold_readings(
        found["host"], found["postgres"],
        window_s=sum(end - start for start, end in windows) / 1e9,
        requests=requests, profile=profile, missing=tuple(missing),
    )  # fmt: skip


def fold_readings(
    host: Sequence[Reading],
    postgres: Sequence[Reading],
    *,
    window_s: float,
    requests: Requests | None,
    profile: Profile | None,
    missing: tuple[str, ...],
) -> Signals:
    """Fold readings, all of them from measured phases, into signals."""
    machine = [r.value for r in host if r.subject == "host" and r.name == "cpu_share"]
    cores: dict[str, list[float]] = {}
    for reading in host:
        if reading.name == "cpu_share" and reading.unit == "cores":
            cores.setdefault(reading.subject, []).append(reading.value)
    counts = [r.value for r in host if r.name == "cpu_count"]
    look_count = sum(1 for r in postgres if r.name == "sessions")
    waits: Counter[str] = Counter()
    active: Counter[str] = Counter()
    blocked: Counter[tuple[str, str]] = Counter()
    root_states: Counter[tuple[str, str]] = Counter()
    call_sites: dict[int, list[str]] = {}
    for reading in postgres:
        kind, _, rest = reading.name.partition(":")
        if kind == "wait":
            waits[reading.subject] += int(reading.value)
        elif kind == "active":
            active[reading.subject] += int(reading.value)
        elif kind == "blocked":
            blocked[(reading.subject, rest)] += int(reading.value)
        elif kind == "root":
            root_states[(reading.subject, rest)] += int(reading.value)
        elif kind == "query" and reading.subject not in call_sites.setdefault(int(rest), []):
            call_sites[int(rest)].append(reading.subject)
    per_look = 1.0 / max(1, look_count)
    return Signals(
        window_s=window_s,
        requests=requests,
        cpu_count=int(counts[0]) if counts else None,
        host_cpu_share=_mean(machine),
        cores={role: float(np.mean(values)) for role, values in cores.items()},
        look_count=look_count,
        wait_sessions={name: count * per_look for name, count in waits.items()},
        active_sessions={name: count * per_look for name, count in active.items()},
        blocked_sessions={key: count * per_look for key, count in blocked.items()},
        root_states=root_states,
        call_sites={query_id: tuple(sites) for query_id, sites in call_sites.items()},
        profile=profile,
        missing=missing,
    )


def read_requests(samples: Path, windows: Sequence[tuple[int, int]]) -> Requests | None:
    """Add up the requests planned within *windows*; None when there are none."""
    parts = [
        part
        for path in sorted(samples.glob("*.parquet"))
        for part in (_requests_of(path, windows),)
    ]
    planned, sent, done, failure = (
        np.concatenate([part[i] for part in parts]) if parts else np.zeros(0, np.int64)
        for i in range(4)
    )
    answered = (sent > 0) & (done > 0)
    if not answered.any():
        return None
    harmless = (int(Failure.NONE), int(Failure.EXPECTED_REFUSAL))
    return Requests(
        count=int(answered.sum()),
        request_s=float((done - sent)[answered].sum() / 1e9),
        latency_ms_p95=float(np.quantile((done - planned)[answered] / 1e6, 0.95)),
        failed_share=float((~np.isin(failure, harmless)).mean()),
    )


def _requests_of(path: Path, windows: Sequence[tuple[int, int]]) -> tuple[np.ndarray, ...]:
    table = pq.read_table(path, columns=list(SAMPLE_COLUMNS))
    header = orjson.loads((pq.read_schema(path).metadata or {}).get(b"header", b"{}"))
    operations = header.get("operations", [])
    providers = [i for i, o in enumerate(operations) if o.get("kind") == OperationKind.PROVIDER]
    planned, sent, done, operation, failure = (_column(table, name) for name in SAMPLE_COLUMNS)
    keep = np.zeros(len(planned), bool)
    for start, end in windows:
        keep |= (planned >= start) & (planned <= end)
    keep &= ~np.isin(operation, providers)
    return planned[keep], sent[keep], done[keep], failure[keep]


def _column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy())


def _within(rows: Sequence[Reading], windows: Sequence[tuple[int, int]]) -> list[Reading]:
    # What is true of the whole run is written once, when it is first seen.
    return [
        row
        for row in rows
        if row.name == "cpu_count"
        or row.name.startswith("query:")
        or any(start <= row.at_ns <= end for start, end in windows)
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
