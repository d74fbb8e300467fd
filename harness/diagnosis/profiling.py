"""One profiled run: records the workers' stacks and the statements' cost, and writes what is hot.

A profiled run is a run of its own: nothing of it feeds a verdict. The load is an ordinary
experiment (without faults) at which the `Profiler` attends. What could not be recorded is named in
the profile's `missing`; an empty list of paths without a reason does not exist.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from contracts.records import Phase
from harness.diagnosis.explain import explain_signals
from harness.diagnosis.findings import (
    PROFILE_VERSION,
    BlockedPlace,
    Profile,
    RecordedWorker,
    profile_path,
    write_profile,
)
from harness.diagnosis.flame import icicle_svg
from harness.diagnosis.hot_paths import rank_paths
from harness.diagnosis.hot_sql import rank_statements
from harness.diagnosis.signals import Signals, read_requests, read_signals
from harness.diagnosis.stacks import (
    Stacks,
    drop_common_root,
    loop_occupancy,
    merge_stacks,
    read_stacks,
    without_torn,
    without_waiting,
)
from harness.failures import BadSetup
from harness.probes.pyspy import RATE_HZ, Recording, start_recorder
from harness.probes.statements import Statements, growth, read_statements
from harness.run_folder import RunFolder
from scenarios.levels import LEVELS, phases_of

# One turn of each kind.
RECORDED_S_MIN: Final = 5.0
FINISH_LIMIT_S: Final = 20.0
# Only one recorder can stop a process, so the two kinds take turns. Eight turns see each phase of a
# short run; a turn shorter than 2 s is mostly the recorder's own start (0.3 s, measured 2026-11).
SLICES_WANTED: Final = 8
SLICE_S_MIN: Final = 2.0
SLICE_S_MAX: Final = 15.0
SLICES_MAX: Final = 400
START_LIMIT_S: Final = 3.0
# Below this the rest is a fair sample all the same, as with failed samples (diagnosis §5).
TORN_SHARE_MAX: Final = 0.05
SNAPSHOT_LIMIT_S: Final = 10.0


class ProfiledTarget(Protocol):
    """The part of a target that the profiler uses."""

    @property
    def database_dsn(self) -> str | None:
        """Address of the database for a monitoring role, None without access."""

    def processes(self, role: str) -> tuple[int, ...]:
        """Process ids alive now in *role*; empty without access."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the profiler brought home. Times are ns of CLOCK_MONOTONIC, 0 when it never began."""

    started_ns: int
    ended_ns: int
    recordings: tuple[Recording, ...] = ()
    statements: Statements = field(
        default_factory=lambda: Statements(costs={}, missing_because="never read")
    )
    missing: tuple[str, ...] = ()


class Profiler:
    """Attends an experiment: records from *start_s* to *end_s* after the load's start."""

    def __init__(self, *, start_s: float, end_s: float) -> None:
        self._start_s = start_s
        self._end_s = end_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorded = Recorded(started_ns=0, ended_ns=0, missing=("the load never started",))

    def load_started(self, target: ProfiledTarget, folder: RunFolder, t0_ns: int) -> None:
        """Begin to wait for the time to record; returns at once."""
        self._thread = threading.Thread(
            target=self._work, args=(target, folder, t0_ns), name="profiler", daemon=True
        )
        self._thread.start()

    def load_ended(self) -> None:
        """Let the recorders write what they have."""
        self._stop.set()

    def finish(self) -> Recorded:
        """Wait until everything is written and return it; may be called again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(FINISH_LIMIT_S + SNAPSHOT_LIMIT_S)
            if self._thread.is_alive():
                return replace(self._recorded, missing=("the profiler did not end in time",))
        return self._recorded

    def _work(self, target: ProfiledTarget, folder: RunFolder, t0_ns: int) -> None:
        try:
            self._recorded = self._record(target, folder, t0_ns)
        except Exception as error:  # the run goes on; the profile says that it has nothing
            reason = " ".join(f"the profiler failed: {type(error).__name__}: {error}".split())
            self._recorded = Recorded(started_ns=0, ended_ns=0, missing=(reason,))

    def _record(self, target: ProfiledTarget, folder: RunFolder, t0_ns: int) -> Recorded:
        if self._stop.wait(max(0.0, (t0_ns - time.monotonic_ns()) / 1e9 + self._start_s)):
            return Recorded(started_ns=0, ended_ns=0, missing=("the load ended before recording",))
        started_ns = time.monotonic_ns()
        before = _snapshot(target)
        recordings = self._record_slices(target, folder, until_ns=t0_ns + int(self._end_s * 1e9))
        return Recorded(
            started_ns=started_ns,
            ended_ns=time.monotonic_ns(),
            statements=growth(before, _snapshot(target)),
            recordings=recordings,
            missing=() if recordings else ("no process of the target can be attached to",),
        )

    def _record_slices(
        self, target: ProfiledTarget, folder: RunFolder, *, until_ns: int
    ) -> tuple[Recording, ...]:
        """Record running stacks and all stacks in turns, A B B A, so that both see every phase."""
        window_s = (until_ns - time.monotonic_ns()) / 1e9
        slice_s = round(min(SLICE_S_MAX, max(SLICE_S_MIN, window_s / SLICES_WANTED)))
        recordings: list[Recording] = []
        for number in range(SLICES_MAX):
            left_s = (until_ns - time.monotonic_ns()) / 1e9
            if self._stop.is_set() or left_s < SLICE_S_MIN:
                break
            is_with_idle = number % 4 in (1, 2)
            recorders = [
                start_recorder(
                    f"worker-{index}",
                    pid,
                    folder.profile / _file_name(index, pid, number, is_with_idle=is_with_idle),
                    duration_s=min(slice_s, int(left_s)),
                    is_with_idle=is_with_idle,
                )
                for index, pid in enumerate(target.processes("app"))
            ]
            self._stop.wait(min(slice_s, left_s))
            # A recorder ends by itself about now; told to stop, it is ended at once.
            limit_s = time.monotonic() + (0.0 if self._stop.is_set() else START_LIMIT_S)
            recordings += [r.finish(max(0.0, limit_s - time.monotonic())) for r in recorders]
            if not recorders:
                break
        return tuple(recordings)


def profile(
    run: Callable[[Profiler], RunFolder], *, level: str, duration_s: float
) -> tuple[RunFolder, Profile]:
    """Carry out *run*, an experiment without faults that the given profiler attends; profile it.

    Recording leaves out the ramp. Writes `profile/profile.json` and two icicles beside the raw
    stacks. Raises `BadSetup` when *duration_s* is too short to record anything.
    """
    phases = [phase for phase in phases_of(LEVELS[level], duration_s) if phase.is_measured]
    start_s, end_s = phases[0].start_s, phases[-1].end_s
    if end_s - start_s < RECORDED_S_MIN:
        raise BadSetup(
            what=f"{end_s - start_s:.1f} s of load are too short to be profiled",
            where="--duration",
            mend="write at least 10 s",
        )
    profiler = Profiler(start_s=start_s, end_s=end_s)
    try:
        folder = run(profiler)
    finally:
        recorded = profiler.finish()
    return folder, write_findings(folder, recorded)


def write_findings(folder: RunFolder, recorded: Recorded) -> Profile:
    """Fold what was recorded with the run's own samples and readings, and write it."""
    window = Phase(
        name="recorded",
        started_ns=recorded.started_ns,
        ended_ns=recorded.ended_ns,
        is_measured=True,
    )
    signals = read_signals(
        samples=folder.samples, readings=folder.readings, phases=(window,), profile=None
    )
    running, with_idle = (
        _read_recordings(folder, recorded.recordings, is_with_idle=kind) for kind in (False, True)
    )
    found = fold_profile(recorded, running=running, with_idle=with_idle, signals=signals)
    explanation = explain_signals(replace(signals, profile=found, missing=found.missing))
    found = replace(found, bottlenecks=explanation.bottlenecks)
    for stacks, name, title in (
        (running.stacks, "icicle.svg", "Running stacks of all workers"),
        (
            without_waiting(with_idle.stacks),
            "icicle-idle.svg",
            "Running and waiting stacks of all workers, without those that wait for events",
        ),
    ):
        svg = icicle_svg(drop_common_root(stacks), title=title, rate_hz=RATE_HZ)
        (folder.profile / name).write_text(svg, encoding="utf-8")
    write_profile(profile_path(folder), found)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """All usable recordings of one kind: their stacks, for how long (s of all workers together),
    the requests completed meanwhile, and the share of samples left out because they were torn.
    """

    stacks: Stacks
    worker_s: float
    completed_requests: int
    torn_share: float


def fold_profile(
    recorded: Recorded, *, running: Sampled, with_idle: Sampled, signals: Signals
) -> Profile:
    """Fold stacks, statements and signals of one recorded window into a profile. Pure."""
    completed = signals.requests.count if signals.requests else 0
    occupancy, loop_samples = loop_occupancy(with_idle.stacks)
    pids = {recording.pid for recording in recorded.recordings}
    app_cores = signals.cores.get("app")
    return Profile(
        version=PROFILE_VERSION,
        duration_s=(recorded.ended_ns - recorded.started_ns) / 1e9,
        rate_hz=RATE_HZ,
        completed_requests=completed,
        loop_occupancy=occupancy if loop_samples else None,
        running_share=_running_share(running, with_idle),
        cpu_cores_per_worker=app_cores / len(pids) if app_cores and pids else None,
        broken_lines=running.stacks.broken_line_count + with_idle.stacks.broken_line_count,
        paths=rank_paths(
            running.stacks, rate_hz=RATE_HZ, completed_requests=running.completed_requests
        ),
        paths_with_idle=rank_paths(
            with_idle.stacks, rate_hz=RATE_HZ, completed_requests=with_idle.completed_requests
        ),
        statements=rank_statements(
            recorded.statements.costs,
            call_sites=signals.call_sites,
            completed_requests=completed,
        ),
        blocked=blocked_places(signals),
        bottlenecks=(),
        recordings=tuple(_recorded_worker(recording) for recording in recorded.recordings),
        missing=tuple(_missing(recorded, running, with_idle, signals)),
    )


def _running_share(running: Sampled, with_idle: Sampled) -> float | None:
    """Return the share of the loops' occupied time in which their threads ran, 0..1."""
    occupied = [
        share * samples / sampled.worker_s if sampled.worker_s else 0.0
        for sampled in (running, with_idle)
        for share, samples in (loop_occupancy(sampled.stacks),)
    ]
    return min(1.0, occupied[0] / occupied[1]) if occupied[1] and running.worker_s else None


def blocked_places(signals: Signals) -> tuple[BlockedPlace, ...]:
    """List the call sites behind which sessions waited, most waiting first."""
    looks = signals.look_count
    all_samples = sum(signals.blocked_sessions.values()) * looks
    roots: dict[str, list[tuple[str, int]]] = {}
    for (root, victim), sessions in signals.blocked_sessions.items():
        roots.setdefault(root, []).append((victim, round(sessions * looks)))
    places = []
    for root, victims in roots.items():
        samples = sum(count for _, count in victims)
        states = {state: n for (site, state), n in signals.root_states.items() if site == root}
        places.append(
            BlockedPlace(
                root=root,
                root_state=max(states, key=lambda s: states[s]) if states else "not visible",
                samples=samples,
                share=samples / all_samples if all_samples else 0.0,
                sessions_mean=samples / looks if looks else 0.0,
                victims=tuple(sorted(victims, key=lambda v: (-v[1], v[0]))),
            )
        )
    return tuple(sorted(places, key=lambda place: (-place.samples, place.root)))


def _missing(
    recorded: Recorded, running: Sampled, with_idle: Sampled, signals: Signals
) -> list[str]:
    missing = list(recorded.missing)
    missing += [reason for reason in signals.missing if not reason.startswith("no profile")]
    refused = Counter(
        f"{'waiting and running' if r.is_with_idle else 'running'} stacks of {r.worker}: "
        f"{r.refused_because}"
        for r in recorded.recordings
        if r.refused_because
    )
    missing += [f"{reason} ({count} turns)" for reason, count in refused.items()]
    if recorded.statements.missing_because:
        missing.append(f"cost of statements: {recorded.statements.missing_because}")
    for sampled, kind in ((running, "running"), (with_idle, "waiting and running")):
        if sampled.torn_share > TORN_SHARE_MAX:
            missing.append(f"{sampled.torn_share:.0%} of the {kind} stacks were torn: left out")
    if recorded.recordings and not loop_occupancy(with_idle.stacks)[1]:
        missing.append("no asyncio event loop was seen in the stacks: occupancy is not known")
    return missing


def _read_recordings(
    folder: RunFolder, recordings: Sequence[Recording], *, is_with_idle: bool
) -> Sampled:
    usable = [
        recording
        for recording in recordings
        if recording.is_with_idle == is_with_idle and recording.refused_because is None
    ]
    stacks, torn_share = without_torn(merge_stacks(read_stacks(r.path) for r in usable))
    # The workers of one turn are recorded together, so their windows are one.
    turns = {
        _turn_of(r.path): (r.started_ns, r.started_ns + int(r.duration_s * 1e9)) for r in usable
    }
    requests = read_requests(folder.samples, list(turns.values()))
    return Sampled(
        stacks=stacks,
        worker_s=sum(recording.duration_s for recording in usable),
        completed_requests=requests.count if requests else 0,
        torn_share=torn_share,
    )


def _file_name(index: int, pid: int, turn: int, *, is_with_idle: bool) -> str:
    return f"turn-{turn:03d}.worker-{index}.{pid}{'.idle' if is_with_idle else ''}.raw"


def _turn_of(path: Path) -> str:
    return path.name.split(".")[0]


def _recorded_worker(recording: Recording) -> RecordedWorker:
    return RecordedWorker(
        worker=recording.worker,
        pid=recording.pid,
        is_with_idle=recording.is_with_idle,
        file=Path(recording.path).name,
        samples=recording.sample_count,
        errors=recording.error_count,
        refused_because=recording.refused_because,
    )


def _snapshot(target: ProfiledTarget) -> Statements:
    if target.database_dsn is None:
        return Statements(costs={}, missing_because="there is no access to the database")
    return asyncio.run(asyncio.wait_for(read_statements(target.database_dsn), SNAPSHOT_LIMIT_S))
