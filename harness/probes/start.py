"""Starts the probes that a target allows, each in a thread of its own, and stops them.

A probe that dies says why in its last reading and in its report; the run goes on without it and the
judge sees the gap. What the probes themselves cost in CPU is measured and written like any reading.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.failures import BadSetup
from harness.probes.host import HostProbe
from harness.probes.postgres import PostgresProbe
from harness.probes.readings import ReadingLog
from harness.run_folder import RunFolder

STOP_LIMIT_S = 10.0
ROLES = ("app", "database", "provider")


class ProbedTarget(Protocol):
    """The part of a target that probes use."""

    @property
    def database_dsn(self) -> str | None:
        """Address of the database for a monitoring role, None without access."""

    def processes(self, role: str) -> tuple[int, ...]:
        """Process ids alive now in *role*; empty without access."""


class Probe(Protocol):
    """Something that reads the target from outside until it is told to stop."""

    @property
    def name(self) -> str:
        """Name of the probe and of its file."""

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        """Add readings until *stop* is set; an exception ends the probe and is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """How one probe ended: `cpu_share` in cores over its time, `reason` "" when orderly."""

    probe: str
    row_count: int
    is_complete: bool
    reason: str
    cpu_share: float


class RunningProbe:
    """One probe in its thread."""

    def __init__(self, probe: Probe, folder: RunFolder) -> None:
        self._probe = probe
        self._log = ReadingLog(folder.readings, probe.name)
        self._stop = threading.Event()
        self._died_because: str | None = None
        self._cpu_s = 0.0
        self._started_s = time.monotonic()
        self._ended_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"probe-{probe.name}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the probe end after its current reading."""
        self._stop.set()

    def finish(self, timeout_s: float) -> ProbeReport:
        """Wait for the end, seal the file and say how it went. May be called again."""
        self._thread.join(timeout_s)
        reason = self._died_because
        if self._thread.is_alive():
            reason = f"it did not end within {timeout_s:.0f} s of being stopped"
        run_s = max(1e-9, (self._ended_s or time.monotonic()) - self._started_s)
        cores = self._cpu_s / run_s
        self._log.add(time.monotonic_ns(), "probe", "cpu_share", cores, "cores")
        self._log.close(died_because=reason)
        return ProbeReport(
            probe=self._probe.name,
            row_count=self._log.row_count,
            is_complete=reason is None,
            reason=reason or "",
            cpu_share=cores,
        )

    def _run(self) -> None:
        cpu_before_s = time.thread_time()
        try:
            self._probe.work(self._log, self._stop)
            if not self._stop.is_set():
                self._died_because = "it ended before it was stopped"
        except Exception as error:  # a probe never takes the run with it; the judge sees the gap
            self._died_because = " ".join(f"{type(error).__name__}: {error}".split())
        finally:
            self._cpu_s = time.thread_time() - cpu_before_s
            self._ended_s = time.monotonic()
            self._log.flush()


class Probes:
    """The probes of one run."""

    def __init__(self, running: Sequence[RunningProbe]) -> None:
        self._running = tuple(running)
        self._reports: tuple[ProbeReport, ...] | None = None

    def stop(self, timeout_s: float = STOP_LIMIT_S) -> tuple[ProbeReport, ...]:
        """Stop all probes, seal their files and report; later calls answer the same."""
        if self._reports is None:
            for running in self._running:
                running.ask_to_stop()
            self._reports = tuple(running.finish(timeout_s) for running in self._running)
        return self._reports


def start_probes(
    target: ProbedTarget,
    folder: RunFolder,
    *,
    load_pids: Callable[[], Sequence[int] | Mapping[str, int]] = tuple,
) -> Probes:
    """Start the host probe, and the PostgreSQL probe where the target gives access to its database.

    *load_pids* answers the process ids of the load now. Raises `BadSetup` when the readings cannot
    be written.
    """

    def pids_of_roles() -> dict[str, Sequence[int]]:
        roles: dict[str, Sequence[int]] = {role: target.processes(role) for role in ROLES}
        load = load_pids()
        roles["load"] = tuple(load.values()) if isinstance(load, Mapping) else tuple(load)
        return roles

    probes: list[Probe] = [HostProbe(pids_of_roles)]
    if target.database_dsn is not None:
        probes.append(PostgresProbe(target.database_dsn))
    try:
        return Probes([RunningProbe(probe, folder) for probe in probes])
    except OSError as error:
        raise BadSetup(
            what=f"readings cannot be written: {error.strerror}",
            where=os.fspath(folder.readings),
            mend="name a place with room and permission with --out DIR",
        ) from error
