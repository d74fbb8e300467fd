"""Children end with their parent, however it ends; the real kernel is the fixture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.failures import BrokenExperiment
from harness.processes import (
    PROJECT_ROOT,
    is_alive,
    log_tail,
    run_to_end,
    start_child,
    start_time_ticks,
)

LIMIT_S = 10.0


def _await(condition, what: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.02)


def _python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


# A family: the parent starts a child through the harness, the child ignores SIGTERM, both sleep.
FAMILY = """
import signal, sys, threading, time
from pathlib import Path
from harness.processes import start_child
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"

def start():
    child = start_child((sys.executable, "-c", stubborn), name="child", log=Path(sys.argv[1]))
    print(child.pid, flush=True)

if sys.argv[2] == "thread":
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
else:
    start()
time.sleep(300)
"""


@pytest.mark.parametrize("where", ["main", "thread"])
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(tmp_path: Path, where: str, death: signal.Signals) -> None:
    """Also when a short-lived thread asked for the child: the kernel follows threads."""
    parent = subprocess.Popen(
        [*_python(FAMILY), str(tmp_path / "log"), where],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    assert parent.stdout is not None
    with parent.stdout:
        child_pid = int(parent.stdout.readline())
    time.sleep(0.2)
    assert is_alive(child_pid), "the child must outlive the thread that asked for it"
    parent.send_signal(death)
    parent.wait(LIMIT_S)
    _await(lambda: not is_alive(child_pid), "the child outlived its parent")


def test_stopping_ends_the_whole_group_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        "print(pid, flush=True) if pid else None\n"
        "time.sleep(300)\n"
    )
    log = tmp_path / "log"
    child = start_child(_python(code), name="stubborn", log=log)
    _await(lambda: log.read_text().strip().isdigit(), "the grandchild was not started")
    grandchild = int(log.read_text())
    assert child.stop(grace_s=0.1) == -signal.SIGKILL
    assert child.stop(grace_s=0.1) == -signal.SIGKILL, "stopping twice is no error"
    _await(lambda: not is_alive(grandchild), "the grandchild was left behind")


def test_a_child_that_ends_badly_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = start_child(
        _python("print('one'); print('the disk is on fire'); raise SystemExit(7)"),
        name="filler",
        log=tmp_path / "log",
    )
    with pytest.raises(BrokenExperiment, match=r"filler: ended with status 7.*disk is on fire"):
        run_to_end(child, timeout_s=LIMIT_S, mend="put it out")


def test_a_child_that_hangs_is_reported_and_ended(tmp_path: Path) -> None:
    child = start_child(_python("import time; time.sleep(300)"), name="sleeper", log=tmp_path / "l")
    with pytest.raises(BrokenExperiment, match="not finished after"):
        run_to_end(child, timeout_s=0.3, mend="wake it")
    assert child.poll() is not None
    assert not is_alive(child.pid)


def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    child = start_child(("no-such-program-anywhere",), name="nothing", log=tmp_path / "log")
    with pytest.raises(BrokenExperiment, match="no-such-program-anywhere: No such file"):
        run_to_end(child, timeout_s=LIMIT_S, mend="install it")


def test_a_log_tail_is_one_line_and_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * 100_000 + b"\n\nlast but one\n\xff last\n")
    tail = log_tail(log, 2)
    assert tail.startswith("last but one | ")
    assert "\n" not in tail
    log.write_bytes(b"y" * 100_000)
    assert len(log_tail(log)) <= 1000
    assert log_tail(tmp_path / "absent") == "(no log)"


def test_a_process_is_known_again_by_its_start_time() -> None:
    assert is_alive(os.getpid())
    assert start_time_ticks(os.getpid()) > 0
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(LIMIT_S)
    assert not is_alive(gone.pid)
    assert start_time_ticks(gone.pid) == 0
