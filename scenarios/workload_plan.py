"""From a workload to a plan: which session begins when, and every request that it will ask for.

Each session is a walk from operation to operation that follows from its own seed alone, so that the
plan counts exactly what the engine will send. Sessions that began before the run's start enter it
half-way: otherwise a run shorter than a session would never reach the workload's rate. Steps due
after the end belong to no run. The plan assumes a target that answers at once; it sends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scenarios.chance import stream_bits, stream_uniforms
from scenarios.levels import PEAK_S_MIN, PlannedPhase
from scenarios.workload import END, ReplayedWorkload
from scenarios.workload_paths import Floats, Ints, Paths, WalkedStep

SESSIONS_MAX: Final = 50_000_000  # 1.2 GB of plan; the engine would need days for them
RATE_SCALE_MAX: Final = 1e4
# How far back sessions are looked for that are still in progress at the start.
LEAD_S_MAX: Final = 7_200.0
# Sessions drawn to learn how long they last, and the share of them that the lead has to cover.
LEAD_SESSIONS: Final = 2_000
LEAD_SHARE: Final = 0.99
# The first tenth of a run, and at most half a minute, warms the target up and is not judged.
WARM_UP_SHARE: Final = 0.1
WARM_UP_S_MAX: Final = 30.0


class WorkloadTooLarge(ValueError):
    """The plan would not fit: the message says by how much."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkloadPlan:
    """All sessions of a run, in order of start; the row is the session's number.

    Arrays, one entry per session: `start_ns` of its first request in the run, from t0; `seed`;
    `skipped`, steps that lie before the run's start; `requests` in the run. Writes that are not to
    be sent are in none of the counts but `left_out`, requests by operation. `think_scale` is 1: the
    pauses are those of the workload.
    """

    workload: ReplayedWorkload
    paths: Paths
    start_ns: Ints
    seed: Ints
    skipped: npt.NDArray[np.int32]
    requests: npt.NDArray[np.int32]
    sends: tuple[bool, ...]
    left_out: Mapping[str, int]
    duration_s: float
    rate_scale: float
    window_s: float  # where in the workload's own arrivals the run begins
    phases: tuple[PlannedPhase, ...]
    planned_per_s: tuple[int, ...]
    planned_by_operation: Mapping[str, int]
    planned_requests: int
    sha256: str
    sessions_in_progress_max: int
    demand: str = ""
    scenario: str = ""
    think_scale: float = 1.0

    @property
    def sessions(self) -> int:
        """Number of sessions."""
        return len(self.start_ns)

    @property
    def planned_by_activity(self) -> Mapping[str, int]:
        """Nothing: a workload names no activities."""
        return {}

    def steps_of(self, row: int) -> list[WalkedStep]:
        """Return the requests of session *row* in this run; the first one's pause is 0."""
        skipped, wanted = int(self.skipped[row]), int(self.requests[row])
        steps: list[WalkedStep] = []
        pause_s = 0.0
        for number, step in enumerate(self.paths.walk(int(self.seed[row]))):
            pause_s += step.pause_s
            if number < skipped or not self.sends[step.operation]:
                continue
            steps.append(step._replace(pause_s=pause_s if steps else 0.0))
            pause_s = 0.0
            if len(steps) == wanted:
                break
        return steps


def plan_workload(
    workload: ReplayedWorkload,
    *,
    duration_s: float,
    rate_scale: float = 1.0,
    seed: int,
    send_writes: bool = False,
) -> WorkloadPlan:
    """Draw the plan. The same arguments give the same plan and `sha256` on every machine.

    Of arrivals longer than the run the busiest stretch is taken; shorter ones begin again. Raises
    `WorkloadTooLarge`, and `ValueError` for what is no duration or no scale.
    """
    if not duration_s > 0 or not 0 < rate_scale <= RATE_SCALE_MAX:
        raise ValueError(f"no plan lasts {duration_s} s at {rate_scale} times the rate")
    paths = Paths(workload)
    lead_s = _lead_s(paths, seed)
    window_s, began_s = _begins(workload, paths, duration_s, lead_s, rate_scale, seed)
    seeds = (stream_bits(seed, "sessions", len(began_s)) >> np.uint64(1)).astype(np.int64)
    sends = tuple(send_writes or not operation.is_write for operation in workload.operations)
    walked = _Walked.of(paths, began_s, seeds, np.array(sends), duration_s)
    kept = np.flatnonzero(walked.requests)
    start_ns = np.rint(walked.start_s[kept] * 1e9).astype(np.int64)
    kept = kept[order := np.lexsort((seeds[kept], start_ns))]
    columns: dict[str, Any] = {
        "start_ns": start_ns[order],
        "seed": seeds[kept],
        "skipped": walked.skipped[kept].astype(np.int32),
        "requests": walked.requests[kept].astype(np.int32),
    }
    names = [operation.name for operation in workload.operations]
    per_s = walked.per_s.tolist()
    return WorkloadPlan(
        workload=workload,
        paths=paths,
        **columns,
        sends=sends,
        left_out={n: c for n, c in zip(names, walked.left_out.tolist(), strict=True) if c},
        duration_s=float(duration_s),
        rate_scale=float(rate_scale),
        window_s=window_s,
        phases=_phases(float(duration_s), per_s),
        planned_per_s=tuple(per_s),
        planned_by_operation={
            n: c for n, c in zip(names, walked.by_operation.tolist(), strict=True) if c
        },
        planned_requests=int(walked.by_operation.sum()),
        sessions_in_progress_max=_most_at_once(walked.start_s[kept], walked.end_s[kept]),
        sha256=_sha256(workload, duration_s, rate_scale, send_writes, columns),
    )


@dataclass(slots=True, kw_only=True)
class _Walked:
    """All sessions walked at once, step by step; only sums are kept."""

    start_s: Floats
    end_s: Floats
    skipped: Ints
    requests: Ints
    per_s: Ints
    by_operation: Ints
    left_out: Ints

    @classmethod
    def of(
        cls, paths: Paths, began_s: Floats, seeds: Ints, sends: npt.NDArray[np.bool_], end_s: float
    ) -> _Walked:
        count, kinds = len(began_s), len(paths.operations)
        walked = cls(
            start_s=np.zeros(count), end_s=np.zeros(count), skipped=np.zeros(count, np.int64),
            requests=np.zeros(count, np.int64), per_s=np.zeros(int(np.ceil(end_s)), np.int64),
            by_operation=np.zeros(kinds, np.int64), left_out=np.zeros(kinds, np.int64),
        )  # fmt: skip
        rows, due_s, operation = np.arange(count), began_s, paths.first_of(seeds)
        for step in range(paths.requests_max):
            if step:
                operation, pause_s = paths.next_of(operation, seeds[rows], step)
                due_s = due_s + pause_s
                goes_on = (operation != END) & (due_s < end_s)
                rows, due_s, operation = rows[goes_on], due_s[goes_on], operation[goes_on]
            if not rows.size:
                break
            walked._take(rows, due_s, operation, sends)
        return walked

    def _take(
        self, rows: Ints, due_s: Floats, operation: Ints, sends: npt.NDArray[np.bool_]
    ) -> None:
        inside = due_s >= 0
        self.skipped[rows[~inside]] += 1
        sent = inside & sends[operation]
        kinds = len(self.by_operation)
        self.left_out += np.bincount(operation[inside & ~sent], minlength=kinds)
        self.by_operation += np.bincount(operation[sent], minlength=kinds)
        self.per_s += np.bincount(due_s[sent].astype(np.int64), minlength=len(self.per_s))
        begins = sent & (self.requests[rows] == 0)
        self.start_s[rows[begins]] = due_s[begins]
        self.end_s[rows[sent]] = due_s[sent]
        self.requests[rows[sent]] += 1


def _most_at_once(start_s: Floats, end_s: Floats) -> int:
    """Return how many sessions are between their first and last request at once, at most."""
    moments = np.concatenate((start_s, end_s + 1e-9))
    changes = np.repeat((1, -1), len(start_s))
    return int(np.cumsum(changes[np.argsort(moments, kind="stable")]).max(initial=0))


def _lead_s(paths: Paths, seed: int) -> float:
    """Return how long before the run sessions began that may still be in progress at its start."""
    seeds = (stream_bits(seed, "lead", LEAD_SESSIONS) >> np.uint64(1)).astype(np.int64)
    length_s = np.zeros(LEAD_SESSIONS)
    rows, operation = np.arange(LEAD_SESSIONS), paths.first_of(seeds)
    for step in range(1, paths.requests_max):
        operation, pause_s = paths.next_of(operation, seeds[rows], step)
        goes_on = (operation != END) & (length_s[rows] < LEAD_S_MAX)
        length_s[rows] += np.where(operation != END, pause_s, 0.0)
        rows, operation = rows[goes_on], operation[goes_on]
        if not rows.size:
            break
    return min(LEAD_S_MAX, float(np.quantile(length_s, LEAD_SHARE)))


def _begins(
    workload: ReplayedWorkload,
    paths: Paths,
    duration_s: float,
    lead_s: float,
    rate_scale: float,
    seed: int,
) -> tuple[float, Floats]:
    """Return where in the arrivals the run begins, and when sessions begin, s from its start."""
    arrivals = workload.arrivals
    if arrivals.bin_s:
        window_s, edges_s, counts = _cut(workload, duration_s, lead_s, rate_scale)
    else:
        rate = arrivals.sessions_per_s or arrivals.requests_per_s / paths.requests_mean
        rate *= rate_scale
        _check_size(rate * (lead_s + duration_s))
        if arrivals.is_even:
            first, last = -int(lead_s * rate), int(np.ceil(duration_s * rate - 1e-9))
            return 0.0, np.arange(first, last) / rate
        seconds = np.arange(-int(np.ceil(lead_s)), int(np.ceil(duration_s)))
        edges_s = np.append(seconds, duration_s).astype(np.float64)
        window_s, counts = 0.0, _rounded(np.diff(edges_s) * rate)
    if arrivals.is_even:
        inside = _even_inside(counts)
    else:
        inside = stream_uniforms(seed, "arrivals", int(counts.sum()))
    began_s = np.repeat(edges_s[:-1], counts) + inside * np.repeat(np.diff(edges_s), counts)
    return window_s, began_s


def _cut(
    workload: ReplayedWorkload, duration_s: float, lead_s: float, rate_scale: float
) -> tuple[float, Floats, Ints]:
    """Take the busiest stretch of the bins as long as the run, with the lead before it."""
    bin_s, counts = workload.arrivals.bin_s, np.array(workload.arrivals.sessions) * rate_scale
    lead, whole = int(np.ceil(lead_s / bin_s)), int(np.ceil(duration_s / bin_s - 1e-9))
    sums = np.concatenate(([0.0], np.cumsum(counts)))
    begin = 0
    if whole < len(counts):
        begin = int(np.argmax(sums[whole:] - sums[:-whole]))
    _check_size(float(sums[-1]) * ((lead + whole) / len(counts) + 1))
    # Before its beginning a log shows nothing; what is longer than the log begins again.
    places = np.arange(begin - lead, begin + whole)
    places = places[places >= 0]
    edges_s = np.append((places - begin) * bin_s, min(whole * bin_s, duration_s))
    share = np.diff(edges_s) / bin_s
    return begin * bin_s, edges_s, _rounded(counts[places % len(counts)] * share)


def _rounded(expected: Floats) -> Ints:
    """Round so that every running total is right to within half a session."""
    totals = np.rint(np.cumsum(expected)).astype(np.int64)
    return np.diff(totals, prepend=np.int64(0))


def _even_inside(counts: Ints) -> Floats:
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return (np.arange(int(counts.sum())) - first) / np.repeat(counts, counts)


def _check_size(sessions: float) -> None:
    if sessions > SESSIONS_MAX:
        raise WorkloadTooLarge(f"{sessions:,.0f} sessions; at most {SESSIONS_MAX:,} can be planned")


def _phases(duration_s: float, per_s: list[int]) -> tuple[PlannedPhase, ...]:
    """Return the phases; the peak is the busiest minute, or half of what a short run measures."""
    warm_s = float(int(min(WARM_UP_S_MAX, WARM_UP_SHARE * duration_s)))
    peak_s = float(max(1, int(min(PEAK_S_MIN, (duration_s - warm_s) / 2))))
    sums = np.concatenate(([0], np.cumsum(per_s)))
    first, last = int(warm_s), max(int(warm_s), int(duration_s - peak_s))
    width = min(int(peak_s), len(per_s))
    at_s = first + int(np.argmax([sums[min(s + width, len(per_s))] - sums[s]
                                  for s in range(first, last + 1)]))  # fmt: skip
    edges = [("warm_up", 0.0, warm_s), ("load", warm_s, float(at_s)),
             ("peak", float(at_s), min(at_s + peak_s, duration_s)),
             ("load_after", at_s + peak_s, duration_s)]  # fmt: skip
    return tuple(
        PlannedPhase(
            name=name,
            start_s=start_s,
            end_s=end_s,
            rate_req_s=float(sums[min(int(np.ceil(end_s)), len(per_s))] - sums[int(start_s)])
            / (end_s - start_s),
            is_measured=name != "warm_up",
        )
        for name, start_s, end_s in edges
        if end_s > start_s
    )


def _sha256(
    workload: ReplayedWorkload,
    duration_s: float,
    rate_scale: float,
    send_writes: bool,
    columns: Mapping[str, npt.NDArray[np.generic]],
) -> str:
    made_of = (workload.sha256, float(duration_s), float(rate_scale), send_writes)
    digest = hashlib.sha256(f"workload-plan/1|{made_of!r}".encode())
    for name, column in columns.items():
        digest.update(f"|{name}|{column.dtype.newbyteorder('<').str}|".encode())
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
