"""The command line as a person starts it, and the proof that it leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.calibration.store import FOLDER as CALIBRATIONS
from harness.processes import PROJECT_ROOT

LIMIT_S = 200.0
MARK = "MONTHEND_TEST_MARK"
CONTRACT = PROJECT_ROOT / "contracts" / "new_elaas.yaml"


@dataclass
class Command:
    """One `monthend` process with everything that it started."""

    process: subprocess.Popen[str]
    out: Path
    errors: Path
    mark: str
    status: int | None = None
    output: str = ""
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The run folder that it wrote."""
        folders = [path for path in sorted(self.out.iterdir()) if path.name != CALIBRATIONS]
        assert len(folders) == 1, folders
        return folders[0]

    @property
    def complaints(self) -> list[str]:
        """Lines on standard error that are not progress."""
        return [line for line in self.errors.read_text().splitlines() if line[:1] != "["]

    def await_line(self, text: str) -> None:
        """Wait until *text* stands on standard error."""
        limit = time.monotonic() + LIMIT_S
        while text not in self.errors.read_text():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < limit, self.errors.read_text()
            time.sleep(0.05)

    def finish(self) -> int:
        """Wait for the end; the exit status."""
        self.output = self.process.communicate(timeout=LIMIT_S)[0]
        self.status = self.process.returncode
        return self.status

    def children(self, words: str = "") -> list[int]:
        """Processes that it started, directly or not, whose command line holds *words*.

        They inherit a mark in their environment; PostgreSQL writes over its own, and is known by
        the temporary folder that it works in.
        """
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self.process.pid:
                continue
            try:
                is_marked = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes()
                if is_marked or f"/monthend-{self.process.pid}-" in str((entry / "cwd").readlink()):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if words in line:
                        found.append(int(entry.name))
            except OSError:
                continue
        return found

    def await_no_children(self) -> None:
        """Wait until nothing that it started runs; fails after the limit."""
        limit = time.monotonic() + 15.0
        while (left := self.children()) and time.monotonic() < limit:
            time.sleep(0.05)
        assert not left, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]


Start = Callable[..., Command]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start `monthend WORDS`; every one still running in the end is killed."""
    commands: list[Command] = []

    def start_command(
        *words: str, out: Path | None = None, with_out: bool = True, code: str = ""
    ) -> Command:
        place = tmp_path_factory.mktemp("command")
        mark = uuid.uuid4().hex
        program = ["-c", code] if code else ["-m", "harness.cli"]
        runs = out or place / "runs"
        out_words = ["--out", str(runs)] if with_out else []
        errors = place / "stderr"
        with errors.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, *program, *words, *out_words],
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                cwd=PROJECT_ROOT,
                env={**os.environ, MARK: mark, "LANG": "C.UTF-8"},
            )
        commands.append(Command(process, runs, errors, mark))
        return commands[-1]

    yield start_command
    for command in commands:
        if command.process.poll() is None:
            command.process.send_signal(signal.SIGKILL)
        command.process.communicate(timeout=LIMIT_S)


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path | None]:
    """A disk of *size* mounted at *place*; None where that is not allowed."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


NO_DISK = "a small disk can be mounted by root only, and not everywhere"


@pytest.fixture(scope="session")
def small_contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real contract, with as few samples asked for as a run of seconds can give.

    Left out is what such a run cannot show at all: every one of the units being served.
    """
    content: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    content["clauses"] = [
        {**clause, "samples_min": 1}
        for clause in content["clauses"]
        if clause["quantity"] not in ("participation", "fairness")
    ]
    path = tmp_path_factory.mktemp("contract") / "small.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path
