"""What the harness may ask of a running system under test, whoever started it.

`Target` is the protocol that faults, probes and the experiment code against; `embedded` and
`remote` keep it. What a driver cannot do is None or empty, never pretended: a fault whose means are
missing is refused before any load. Calls may come from any thread and are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class ProcessRole(StrEnum):
    """Part of the target that a process belongs to."""

    APP = "app"
    DATABASE = "database"
    PROVIDER = "provider"


class ControlledDatabase(Protocol):
    """The target's database server, where the harness may stop and start it."""

    def stop_immediate(self) -> None:
        """Stop as at a power cut (no checkpoint); returns when the server is gone. Idempotent."""

    def start(self) -> None:
        """Start and wait until it accepts connections. Idempotent. Raises `BrokenExperiment`."""

    def is_running(self) -> bool:
        """Say whether the server process lives (it may still be recovering)."""


class Target(Protocol):
    """A running system under test. Attributes are fixed from the return of `start` on."""

    @property
    def kind(self) -> str:
        """`embedded`, `containers` or `remote`."""

    @property
    def url(self) -> str:
        """Where the load goes, without a trailing slash."""

    @property
    def base_url(self) -> str:
        """The same as `url`."""

    @property
    def provider_url(self) -> str:
        """Where the identity provider's stand-in answers, "" when it is not ours."""

    @property
    def access_tier(self) -> str:
        """T0 client only, T1 + database monitoring role, T2 + attach to processes, T3 + launch."""

    @property
    def sessions_csv(self) -> Path | None:
        """File of account,token rows of people who signed in before the window; None when none."""

    @property
    def database_dsn(self) -> str | None:
        """Connection address of a role that may read the monitoring views; None below T1."""

    @property
    def database(self) -> ControlledDatabase | None:
        """The database server where the harness controls it, else None."""

    @property
    def worker_count(self) -> int:
        """Application processes that the harness controls; 0 for a remote target."""

    def processes(self, role: str) -> tuple[int, ...]:
        """Return the pids of a `ProcessRole` that live now; for DATABASE the postmaster alone."""

    def kill_worker(self, pid: int) -> None:
        """Send SIGKILL to the worker with this pid; a supervisor starts it again."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return the target's own description: versions, durable settings, defects admitted."""

    def check_alive(self) -> None:
        """One health request, bounded. Raises `BadSetup` naming what answered instead."""

    def lost_because(self) -> str:
        """Return why the target can no longer be run (supervisor gave up), or an empty string."""

    def stop(self) -> None:
        """Stop and remove everything that `start` made. Idempotent; never raises."""
