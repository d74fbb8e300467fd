"""Child processes that are always reaped, whatever happens to the harness.

Every child is a leader of its own process group, writes to a log file and asks the kernel for a
signal when the harness dies, so that even `kill -9` of the harness leaves nothing running. Stopping
is SIGTERM, a limit, SIGKILL, a limit. May be used from any thread. Knows not what a child is for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.failures import BrokenExperiment

PROJECT_ROOT: Final = Path(__file__).resolve().parents[1]
KILL_LIMIT_S: Final = 5.0  # a killed process that is still there after 5 s hangs in the kernel

SPAWN_LIMIT_S: Final = 10.0
# The kernel's death signal follows the *thread* that started a child, so all are started by one
# thread that lives as long as the harness, whoever asks.
_SPAWNER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

# Runs in the child before the real command. prctl(PR_SET_PDEATHSIG = 1) must come after the change
# of user, because the kernel forgets it there, and the parent may have died before it was asked.
_LAUNCH: Final = """\
import ctypes, os, sys
user, group, death_signal, parent = map(int, sys.argv[1:5])
if user >= 0:
    os.setgroups([]); os.setgid(group); os.setuid(user)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(1, death_signal, 0, 0, 0) != 0:
    sys.exit("prctl(PR_SET_PDEATHSIG): " + os.strerror(ctypes.get_errno()))
if os.getppid() != parent:
    sys.exit("the parent died before the child started")
try:
    os.execvp(sys.argv[5], sys.argv[5:])
except OSError as error:
    sys.exit(sys.argv[5] + ": " + str(error.strerror))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUser:
    """An operating-system user to run a child as."""

    uid: int
    gid: int


@dataclass(slots=True)
class Child:
    """One running child. Its log holds both of its output streams."""

    name: str
    log: Path
    _process: subprocess.Popen[bytes]
    started_ns: int = field(default_factory=time.monotonic_ns)

    @property
    def pid(self) -> int:
        """Its process number, which is its group's number too."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status (negative: the signal), or None while it runs; reaps it."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Send a signal to the child alone; nothing happens when it has ended."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Wait for the end and return the exit status. Raises `TimeoutError`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} still runs after {timeout_s:g} s") from error

    def stop(self, *, grace_s: float = 5.0, first: int = signal.SIGTERM) -> int | None:
        """End the whole group: signal *first*, then SIGKILL after *grace_s*. Idempotent.

        Returns the exit status, None for a process that the kernel would not let go in time.
        """
        try:
            if self.poll() is None:
                self.signal_group(first)
                with suppress(TimeoutError):
                    self.wait(grace_s)
        finally:
            # Also when the wait was interrupted, and for grandchildren that outlived the leader.
            self.signal_group(signal.SIGKILL)
        with suppress(TimeoutError):
            self.wait(KILL_LIMIT_S)
        return self.poll()

    def signal_group(self, number: int) -> None:
        """Send a signal to the child and all that it started; nothing happens when all ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def tail(self, line_count: int = 5) -> str:
        """Return the last lines that it wrote, on one line, for an error message."""
        return log_tail(self.log, line_count)


def start_child(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: SystemUser | None = None,
    death_signal: int = signal.SIGKILL,
    cwd: Path = PROJECT_ROOT,
) -> Child:
    """Start *command* in a group of its own, its output appended to *log*.

    *environment* is added to the harness's own. *death_signal* is what the kernel sends the child
    when the harness dies. Raises `BrokenExperiment` when it cannot start.
    """
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH]
    numbers = [str(n) for n in (uid, gid, int(death_signal), os.getpid())]

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [*launcher, *numbers, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
                process_group=0,
            )

    try:
        process = _SPAWNER.submit(spawn).result(SPAWN_LIMIT_S)
    except (OSError, TimeoutError) as error:
        raise BrokenExperiment(
            what=f"{name} cannot be started: {error}",
            where=command[0],
            mend="see whether the machine has processes, files and disk space left",
        ) from error
    return Child(name, log, process)


def run_to_end(child: Child, *, timeout_s: float, mend: str) -> None:
    """Wait until *child* ends well. Raises `BrokenExperiment` quoting its log when it does not."""
    try:
        status = child.wait(timeout_s)
    except TimeoutError as error:
        raise BrokenExperiment(
            what=f"not finished after {timeout_s:g} s; it wrote: {child.tail()}",
            where=child.name,
            mend=mend,
        ) from error
    finally:
        child.stop(grace_s=1.0)
    if status != 0:
        raise BrokenExperiment(
            what=f"ended with status {status}; it wrote: {child.tail()}",
            where=child.name,
            mend=mend,
        )


def log_tail(log: Path, line_count: int = 5) -> str:
    """Return the last non-empty lines of *log* joined by ` | `, at most 1,000 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(no log)"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-line_count:])[-1000:] or "(nothing)"


def is_alive(pid: int) -> bool:
    """Say whether a process with this number runs (a zombie does not)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def start_time_ticks(pid: int) -> int:
    """Return when process *pid* started, in kernel ticks since boot; 0 when it is gone.

    Together with the pid it names a process for good: pids are used again, start times are not.
    Source: proc(5), field 22 of /proc/pid/stat.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[19])
