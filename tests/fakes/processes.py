"""Processes that tests start: a logging web server, and a load process with its order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import orjson

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60


class LoggingServer:
    """`tests/fakes/logging_server.py` in a process of its own, writing *log*."""

    def __init__(self, log: Path, **behaviour: object) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "tests/fakes/logging_server.py", str(log), json.dumps(behaviour)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def lines(self) -> list[str]:
        """The access log so far."""
        return self.log.read_text("utf-8").splitlines()

    def close(self) -> None:
        """End it and wait for its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


def carry_out(folder: Path, url: str, **order: object) -> subprocess.CompletedProcess[str]:
    """Run one load process with *order*; its logs go to *folder*."""
    folder.mkdir(exist_ok=True)
    load = {"out_dir": str(folder), "seed": 1, "drain_s": 4.0, "request_timeout_s": 3.0, **order}
    (folder / "LOAD.json").write_bytes(orjson.dumps(load))
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", "scenarios/month_end.py", "--headless",
         "--only-summary", "--host", url, "--monthend-load", str(folder / "LOAD.json")],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
