"""One load on one truth server: the real load process, a replayed workload, both records read back.

The truth server gets a core of its own where there are two; the load process gets the others.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import psutil

from contracts.records import SAMPLE_DTYPE
from harness.calibration.delays import Kind
from harness.calibration.truth_log import TRUTH_DTYPE, Records, read_log
from harness.columns import Int64
from harness.failures import BrokenExperiment
from harness.load import REQUEST_TIMEOUT_S, Load, LoadOrder, start_process
from harness.options import BUSINESS_DATE
from harness.processes import Child, start_child
from harness.run_folder import RunFolder
from scenarios.workload import FORMAT, SESSION, workload_of
from scenarios.workload_plan import plan_workload

DRAIN_S: Final = 10.0
SERVER_LIMIT_S: Final = 15.0
LISTEN_EVERY_S: Final = 0.1
REPORT_EVERY_MS: Final = 2_000.0  # a load process reports once a second; one may be slow
SERVER: Final = "truth server"

Progress = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """What is asked of the server. `requests`: how many begin in each bin of *bin_s* seconds.

    `mix`: weights of the kinds. `stall_s` 0: the server never stands still.
    """

    mix: Mapping[Kind, float]
    requests: tuple[float, ...]
    bin_s: float
    seed: int = 1
    stall_s: float = 0.0
    stall_every_s: float = 20.0

    @property
    def duration_s(self) -> float:
        """Length of the load."""
        return len(self.requests) * self.bin_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """What both sides recorded; `progress` are the lines in which the load process reported."""

    samples: Records
    truth: Records
    start_ns: Int64
    t0_ns: int
    progress: tuple[Progress, ...]


def drive(what: Drive, folder: Path, *, late_ms_max: float = math.inf) -> Driven:
    """Carry *what* out in the new *folder*, or until a report is late by over *late_ms_max*.

    Raises `BadSetup` before any load, `BrokenExperiment` when a process was lost.
    """
    run = RunFolder(folder)
    run.create()
    workload = folder / "workload.json"
    workload.write_bytes(orjson.dumps(workload_content(what)))
    plan = plan_workload(
        workload_of(workload.read_bytes(), str(workload)),
        duration_s=what.duration_s,
        seed=what.seed,
    )
    server = start_truth(
        folder / "truth.log",
        run.logs / "truth.log",
        seed=what.seed,
        stall_s=what.stall_s,
        stall_every_s=what.stall_every_s,
    )
    try:
        order = order_of(what, run, workload)
        load = Load(order, [start_process(order, 0, await_url(server), run)])
        try:
            _leave_core_to(server, load)
            load.await_ready(plan)
            load.begin()
            _listen(load, server, late_ms_max)
        finally:
            load.stop()
    finally:
        server.stop()
    _, samples = read_log(run.samples / "load-0.log", SAMPLE_DTYPE)
    _, truth = read_log(folder / "truth.log", TRUTH_DTYPE)
    return Driven(
        samples=samples,
        truth=truth,
        start_ns=np.asarray(plan.start_ns, dtype=np.int64),
        t0_ns=load.t0_ns,
        progress=_progress(run.readings / "load-0.jsonl"),
    )


def start_truth(
    log: Path, said: Path, *, seed: int, stall_s: float = 0.0, stall_every_s: float = 20.0
) -> Child:
    """Start a truth server that logs to *log* and prints its address to *said*."""
    words = ("--log", log, "--seed", seed, "--stall-s", stall_s, "--stall-every-s", stall_every_s)
    return start_child(
        (sys.executable, "-m", "harness.stand_ins.truth", *map(str, words), "--core",
         str(server_core())),
        name=SERVER,
        log=said,
    )  # fmt: skip


def await_url(server: Child) -> str:
    """Return the address that a truth server printed. Raises `BrokenExperiment` after a limit."""
    limit = time.monotonic() + SERVER_LIMIT_S
    while time.monotonic() < limit and server.poll() is None:
        with suppress(OSError, ValueError):
            line = server.log.read_bytes().partition(b"\n")[0]
            return str(orjson.loads(line)["url"])
        time.sleep(0.01)
    raise BrokenExperiment(
        what=f"it did not start; it wrote: {server.tail()}",
        where=SERVER,
        mend="see whether the machine has processes, files and disk space left",
    )


def server_core() -> int:
    """Return the core of the truth server: the last of several, -1 when there is one for all."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1] if len(cores) > 1 else -1


def _leave_core_to(server: Child, load: Load) -> None:
    others = sorted(os.sched_getaffinity(0) - {server_core()})
    for pid in load.pids:
        with suppress(psutil.Error):
            psutil.Process(pid).cpu_affinity(others)
    if server.poll() is not None:
        raise _lost(server)


def _listen(load: Load, server: Child, late_ms_max: float) -> None:
    while load.is_running:
        load.listen()
        if server.poll() is not None:
            raise _lost(server)
        if late_ms_max < math.inf and _lateness_ms(load) > late_ms_max:
            # Its last second may be lost with it: what it was too late for anyway.
            for process in load.processes:
                process.child.stop(grace_s=0.0)
            return
        time.sleep(LISTEN_EVERY_S)
    load.listen()


def _lateness_ms(load: Load) -> float:
    """Return p99 of the last report's lateness; a report that does not come is as late as that."""
    worst = 0.0
    for process in load.processes:
        at_ns = int(process.last.get("at_ns", load.t0_ns))
        silent_ms = (time.monotonic_ns() - at_ns) / 1e6 - REPORT_EVERY_MS
        worst = max(worst, silent_ms, float(process.last.get("lateness_ms_p99") or 0.0))
    return worst


def _lost(server: Child) -> BrokenExperiment:
    return BrokenExperiment(
        what=f"it ended with status {server.poll()}; it wrote: {server.tail()}",
        where=SERVER,
        mend="see whether memory or disk ran out, and calibrate again",
    )


def _progress(path: Path) -> tuple[Progress, ...]:
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return tuple(line for line in lines if line.get("event") == "progress")


def workload_content(what: Drive) -> dict[str, Any]:
    """Return the workload file: one request per session, its kind and number in the path."""
    return {
        "format": FORMAT,
        "name": "calibration",
        "operations": [
            {
                "name": kind.path,
                "kind": "read",
                "method": "GET",
                "targets": [{"target": f"/{kind.path}/{SESSION}"}],
            }
            for kind in what.mix
        ],
        "sessions": {"first": {kind.path: weight for kind, weight in what.mix.items()}},
        "arrivals": {
            "bin_s": what.bin_s,
            "sessions": [float(count) for count in what.requests],
            "spacing": "random",
        },
    }


def order_of(what: Drive, run: RunFolder, workload: Path) -> LoadOrder:
    """Return the order of the one load process that carries *what* out into *run*."""
    return LoadOrder(
        seed=what.seed,
        composition="A",
        scale=1.0,
        level="L2",
        demand="base",
        duration_s=what.duration_s,
        has_faults=False,
        dialect="reference",
        sessions_csv=None,
        out_dir=str(run.path.resolve()),
        process_count=1,
        business_date=BUSINESS_DATE,
        request_timeout_s=REQUEST_TIMEOUT_S,
        start_file=str(run.logs.resolve() / "start.json"),
        drain_s=DRAIN_S,
        key_salt=0,
        workload=str(workload.resolve()),
    )


def figures_between(
    progress: Sequence[Progress], from_ns: int, to_ns: int
) -> tuple[float, float, int, int]:
    """Return CPU us per request, CPU share, memory in bytes and connections between two times.

    Memory and connections are peaks. CPU counts whole intervals between reports; nan where the
    time holds none.
    """
    inside = [line for line in progress if from_ns <= line["at_ns"] <= to_ns]
    pairs = list(pairwise(inside))
    wall_s = sum(b["at_ns"] - a["at_ns"] for a, b in pairs) / 1e9
    cpu_s = sum(b["cpu_share"] * (b["at_ns"] - a["at_ns"]) / 1e9 for a, b in pairs)
    done = sum(b["done"] - a["done"] for a, b in pairs)
    return (
        cpu_s / done * 1e6 if done else float("nan"),
        cpu_s / wall_s if wall_s else float("nan"),
        max((line["rss_bytes"] for line in inside), default=0),
        max((line["connections"] for line in inside), default=0),
    )
