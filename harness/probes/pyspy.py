"""Records the stacks of a running Python process with py-spy, from outside, in one of two kinds.

Without `--idle` the recorder keeps stacks that run, with it also those that wait: a call that
sleeps in the event loop shows only there. Each sample stops the process for less than a
millisecond, because stacks of a process that moves on come out torn; a process with many threads is
not stopped. A recorder that may not attach or errs too often is reported with the reason.
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from harness.failures import MonthendError
from harness.processes import Child, start_child

# 50 to 100 Hz for a single-threaded service; above, the recorder falls behind (diagnosis §5).
RATE_HZ: Final = 100
# Above 5 % failed samples the rest is not a fair sample any more (diagnosis §5).
ERROR_SHARE_MAX: Final = 0.05
# A sample stops every thread of the process: with 159 threads a job of 1.5 s took 24 s (diagnosis
# §5). An event loop with a few helpers has a handful.
THREADS_STOPPED_MAX: Final = 8
END_LIMIT_S: Final = 10.0

_SUMMARY = re.compile(r"Samples:\s*(\d+)\s+Errors:\s*(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one recorder left. `refused_because` None: usable. Seconds = samples / `rate_hz`."""

    worker: str
    pid: int
    is_with_idle: bool
    path: Path
    rate_hz: int
    duration_s: float
    started_ns: int
    sample_count: int
    error_count: int
    refused_because: str | None


@dataclass(slots=True)
class Recorder:
    """One py-spy at work on one process."""

    worker: str
    pid: int
    is_with_idle: bool
    path: Path
    duration_s: float
    started_ns: int
    child: Child | None
    problem: str | None

    def finish(self, timeout_s: float) -> Recording:
        """Wait for the recorder's own end, or end it after *timeout_s*, and judge what it wrote."""
        output = ""
        if self.child is not None:
            try:
                self.child.wait(timeout_s)
            except TimeoutError:
                # It writes its file when interrupted.
                self.child.stop(grace_s=END_LIMIT_S, first=signal.SIGINT)
            output = self.child.log.read_text(encoding="utf-8", errors="replace")
        sample_count, error_count = _counts(output)
        return Recording(
            worker=self.worker,
            pid=self.pid,
            is_with_idle=self.is_with_idle,
            path=self.path,
            rate_hz=RATE_HZ,
            duration_s=min(self.duration_s, (time.monotonic_ns() - self.started_ns) / 1e9),
            started_ns=self.started_ns,
            sample_count=sample_count,
            error_count=error_count,
            refused_because=self.problem or self._refusal(output, sample_count, error_count),
        )

    def _refusal(self, output: str, sample_count: int, error_count: int) -> str | None:
        if not self.path.exists():
            return f"py-spy wrote nothing: {last_words(output)}"
        if sample_count == 0 and self.is_with_idle:
            return f"py-spy took no sample: {last_words(output)}"
        share = error_count / max(1, sample_count + error_count)
        if share > ERROR_SHARE_MAX:
            return f"{share:.0%} of the samples failed, more than {ERROR_SHARE_MAX:.0%}: discarded"
        return None


def find_pyspy() -> str | None:
    """Return the path of py-spy beside this Python or on the path; None when there is none."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def start_recorder(
    worker: str, pid: int, path: Path, *, duration_s: int, is_with_idle: bool
) -> Recorder:
    """Start a recorder on process *pid* for *duration_s*; a refusal shows when it finishes."""
    recorder = Recorder(
        worker=worker, pid=pid, is_with_idle=is_with_idle, path=path,
        duration_s=duration_s, started_ns=time.monotonic_ns(), child=None, problem=None,
    )  # fmt: skip
    program = find_pyspy()
    if program is None:
        recorder.problem = "py-spy is not installed"
        return recorder
    command = [
        program, "record", "--pid", str(pid), "--format", "raw", "--output", str(path),
        "--rate", str(RATE_HZ), "--duration", str(duration_s), "--full-filenames",
    ]  # fmt: skip
    if is_with_idle:
        command.append("--idle")
    if _thread_count(pid) > THREADS_STOPPED_MAX:
        command.append("--nonblocking")
    try:
        recorder.child = start_child(command, name=path.stem, log=path.with_suffix(".log"))
    except (OSError, MonthendError) as error:
        recorder.problem = f"py-spy did not start: {error}"
    return recorder


def _thread_count(pid: int) -> int:
    try:
        return int(psutil.Process(pid).num_threads())
    except psutil.Error:
        return 0


def _counts(output: str) -> tuple[int, int]:
    found = _SUMMARY.findall(output)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def last_words(output: str) -> str:
    """Return the last lines of a program's output as one short line, for a reason."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:300] or "it said nothing"
