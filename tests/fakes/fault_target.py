"""A target that is only what faults and probes ask for, with nothing behind it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeDatabase:
    """Counts starts; fails to start when told to."""

    start_error: Exception | None = None
    start_count: int = 0

    def stop_immediate(self) -> None:
        """Do nothing: there is no server."""

    def start(self) -> None:
        """Count, and fail when told to."""
        self.start_count += 1
        if self.start_error is not None:
            raise self.start_error


@dataclass
class FakeTarget:
    """Answers what it was made with."""

    app_pids: tuple[int, ...] = ()
    database_pids: tuple[int, ...] = ()
    base_url: str = "http://127.0.0.1:9"
    provider_url: str = ""
    database: FakeDatabase | None = None
    database_dsn: str | None = None
    killed: list[int] = field(default_factory=list)

    def processes(self, role: str) -> tuple[int, ...]:
        """Return the pids given for *role*."""
        return {"app": self.app_pids, "database": self.database_pids}.get(role, ())

    def kill_worker(self, pid: int) -> None:
        """Note the pid; nothing dies."""
        self.killed.append(pid)
