"""Load generators doing the same work against the truth server: how each is started and read.

Whatever a client says of itself is held against what the server logged. CPU and memory are those of
the client's process with its children, over the middle of the load, so that starting up counts for
nobody.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import psutil

from contracts.records import SAMPLE_DTYPE
from harness.calibration.comparison import latencies_ms
from harness.calibration.delays import Kind
from harness.calibration.drive import (
    Drive,
    await_url,
    order_of,
    server_core,
    start_truth,
    workload_content,
)
from harness.calibration.record import Latencies
from harness.calibration.truth_log import STALL_REQUEST, TRUTH_DTYPE, Records, read_log
from harness.load import LOCUSTFILE
from harness.processes import Child, start_child
from harness.run_folder import RunFolder

HERE: Final = Path(__file__).parent
METER_EVERY_S: Final = 0.05
EXTRA_S: Final = 40.0  # to start, to drain, to write: beyond it a client hangs
LOCUST_RATE_PER_USER: Final = 10.0
LOCUST_HEAD_S: Final = 1.0  # its run time counts from before its users are there
CLOSED_USERS: Final = 50  # enough to keep any of them busy; more only queue
# The middle of the load, of which CPU and memory are told.
MIDDLE: Final = (0.3, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What every client is asked to do. `rate_per_s` 0: as fast as it can."""

    kind: Kind
    rate_per_s: float
    seconds: float
    stall_s: float = 0.0

    @property
    def label(self) -> str:
        """For people."""
        what = "stall" if self.stall_s else self.kind.path
        return f"{what}, {self.rate_per_s:,.0f}/s" if self.rate_per_s else f"{what}, full speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of one client. Latencies in ms, nan where a client does not say."""

    client: str
    work: Work
    requests: int
    rate_per_s: float
    cpu_us: float
    memory_bytes: int
    true_ms: Latencies
    reported_ms: Latencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A load generator. `command` gets work, address and an empty folder; `reported` reads it."""

    name: str
    command: Callable[[Work, str, Path], list[str]]
    reported: Callable[[Path], Latencies]
    environment: Mapping[str, str] = field(default_factory=dict)


def measure(client: Client, work: Work, folder: Path) -> Measured:
    """Run *client* once in the new *folder*; ends the process when the client does not end."""
    folder.mkdir(parents=True)
    every_s = work.seconds if work.stall_s else 20.0
    server = start_truth(
        folder / "truth.log", folder / "truth", seed=1, stall_s=work.stall_s, stall_every_s=every_s
    )
    try:
        url = await_url(server)
        child = start_child(
            client.command(work, url, folder),
            name=client.name,
            log=folder / "client",
            environment={**client.environment, **_environment(work, url)},
        )
        try:
            meter = _meter(child, time.monotonic() + work.seconds + EXTRA_S)
        finally:
            child.stop(grace_s=1.0)
    finally:
        server.stop()
    _, truth = read_log(folder / "truth.log", TRUTH_DTYPE)
    asked = truth[truth["request"] != STALL_REQUEST]
    if len(asked) < 2:
        raise SystemExit(f"{client.name}: no load came; it wrote: {child.tail()}")
    return _measured(client, work, folder, truth, meter)


def _measured(
    client: Client, work: Work, folder: Path, truth: Records, meter: np.ndarray
) -> Measured:
    asked = truth[truth["request"] != STALL_REQUEST]
    received_ns = np.sort(asked["received_ns"])
    span_ns = received_ns[-1] - received_ns[0]
    begin, end = (received_ns[0] + share * span_ns for share in MIDDLE)
    cpu_s = np.interp([begin, end], meter[:, 0], meter[:, 1])
    in_middle = np.count_nonzero((received_ns >= begin) & (received_ns < end))
    return Measured(
        client=client.name,
        work=work,
        requests=len(asked),
        rate_per_s=len(asked) / max(float(span_ns) / 1e9, work.seconds),
        cpu_us=float(cpu_s[1] - cpu_s[0]) / max(in_middle, 1) * 1e6,
        memory_bytes=int(meter[:, 2].max()),
        true_ms=true_latencies(truth, work),
        reported_ms=client.reported(folder),
    )


def true_latencies(truth: Records, work: Work) -> Latencies:
    """Return what the server's log calls true, ms.

    Without a stall: from the whole request read to the last byte. With stalls: what somebody meets
    who wants an answer at any moment of the load, and does not wait for an earlier answer to ask.
    """
    asked = truth[truth["request"] != STALL_REQUEST]
    if not work.stall_s:
        return latencies_ms(asked["last_byte_ns"] - asked["received_ns"])
    begin = int(asked["received_ns"].min())
    due_ns = begin + np.arange(0, int(work.seconds * 1e9), 1_000_000)
    wait_ns = np.zeros(len(due_ns), dtype=np.int64)
    for stall in truth[truth["request"] == STALL_REQUEST]:
        inside = (due_ns >= stall["received_ns"]) & (due_ns < stall["last_byte_ns"])
        wait_ns[inside] = stall["last_byte_ns"] - due_ns[inside]
    return latencies_ms(wait_ns)


def _meter(child: Child, limit_s: float) -> np.ndarray:
    """Return rows of (ns, CPU s, bytes) of the client with its children, until it ends."""
    cores = sorted(os.sched_getaffinity(0) - {server_core()})
    rows = [(time.monotonic_ns(), 0.0, 0)]
    while child.poll() is None and time.monotonic() < limit_s:
        cpu_s, memory = 0.0, 0
        with suppress(psutil.Error):
            leader = psutil.Process(child.pid)
            leader.cpu_affinity(cores)
            for process in (leader, *leader.children(recursive=True)):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory += process.memory_info().rss
            rows.append((time.monotonic_ns(), cpu_s, memory))
        time.sleep(METER_EVERY_S)
    return np.array(rows, dtype=np.float64)


def _environment(work: Work, url: str) -> dict[str, str]:
    return {
        "PEER_KIND": work.kind.path,
        "PEER_RATE": f"{work.rate_per_s:g}",
        "PEER_RATE_PER_USER": f"{LOCUST_RATE_PER_USER if work.rate_per_s else 0:g}",
        "PEER_SECONDS": f"{work.seconds:g}",
        "PEER_USERS": str(_users(work)),
        "PEER_URL": url,
    }


def _users(work: Work) -> int:
    return math.ceil(work.rate_per_s / LOCUST_RATE_PER_USER) or CLOSED_USERS


# Each client.


def this_engine() -> Client:
    """The engine of this repository, through the load process that a run starts."""
    return Client(name="this engine", command=_engine_command, reported=_engine_reported)


def _engine_command(work: Work, url: str, folder: Path) -> list[str]:
    what = Drive(mix={work.kind: 1.0}, requests=(work.rate_per_s * work.seconds,),
                 bin_s=work.seconds)  # fmt: skip
    run = RunFolder(folder / "run")
    run.create()
    workload = folder / "workload.json"
    workload.write_bytes(orjson.dumps(workload_content(what)))
    order = replace(order_of(what, run, workload), start_file="")
    path = folder / "order.json"
    path.write_bytes(orjson.dumps({**asdict(order), "process_index": 0}))
    return [sys.executable, "-m", "locust", "-f", LOCUSTFILE, "--headless", "--host", url,
            "--monthend-load", str(path)]  # fmt: skip


def _engine_reported(folder: Path) -> Latencies:
    _, samples = read_log(folder / "run" / "samples" / "load-0.log", SAMPLE_DTYPE)
    answered = samples[samples["status"] > 0]
    return latencies_ms(answered["done_ns"] - answered["planned_ns"])


def locust(client: str, name: str) -> Client:
    """Plain Locust with its *client* `fast` or `http`."""
    return Client(
        name=name,
        command=_locust_command,
        reported=_locust_reported,
        environment={"PEER_CLIENT": client},
    )


def _locust_command(work: Work, url: str, folder: Path) -> list[str]:
    users = str(_users(work))
    return [sys.executable, "-m", "locust", "-f", str(HERE / "plain_locust.py"), "--headless",
            "--host", url, "--users", users, "--spawn-rate", users, "--run-time",
            f"{work.seconds + LOCUST_HEAD_S:g}s", "--only-summary",
            "--exit-code-on-error", "0"]  # fmt: skip


def _locust_reported(folder: Path) -> Latencies:
    """Read the summary that Locust prints: its CSV file may still miss the last seconds."""
    said = (folder / "client").read_text("utf-8", "replace")
    table = said.rpartition("Response time percentiles")[2]
    heads, row = re.search(r"Type +Name +(.*)", table), re.search(r"Aggregated +(.*)", table)
    if heads is None or row is None:
        raise SystemExit(f"Locust printed no percentiles: {said[-500:]}")
    value = dict(zip(heads[1].split(), map(float, row[1].split()), strict=False))
    return Latencies(p50=value["50%"], p99=value["99%"], p999=value["99.9%"], longest=value["100%"])


def k6(program: Path) -> Client:
    """k6 with a constant arrival rate."""
    return Client(
        name="k6",
        command=lambda work, url, folder: [
            str(program), "run", "--quiet", "--no-color", "--no-usage-report",
            "--summary-export", str(folder / "said.json"), str(HERE / "plain_k6.js"),
        ],
        reported=_k6_reported,
    )  # fmt: skip


def _k6_reported(folder: Path) -> Latencies:
    said = orjson.loads((folder / "said.json").read_bytes())["metrics"]["http_req_duration"]
    return Latencies(p50=said["med"], p99=said["p(99)"], p999=said["p(99.9)"], longest=said["max"])


def wrk(program: str) -> Client:
    """Wrk, which knows full speed only, and no p99.9."""
    return Client(
        name="wrk",
        command=lambda work, url, _folder: [
            program, "-t1", f"-c{_users(work)}", f"-d{work.seconds:g}s", "--latency",
            f"{url}/{work.kind.path}/1",
        ],
        reported=_wrk_reported,
    )  # fmt: skip


def _wrk_reported(folder: Path) -> Latencies:
    said = (folder / "client").read_text("utf-8")
    factors = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def found(pattern: str) -> float:
        match = re.search(pattern + r"\s+([\d.]+)(us|ms|s)\b", said)
        return float(match[1]) * factors[match[2]] if match else math.nan

    return Latencies(
        p50=found("50%"), p99=found("99%"), p999=math.nan,
        longest=found(r"Latency\s+\S+\s+\S+"),
    )  # fmt: skip
