"""The traps of load generators: plain Locust falls into each, this engine into none.

For each trap both sides do the same work on a real server of their own, which tells the truth about
itself. Where an assertion on `plain` fails, Locust has mended that trap: then say so where it is
described, and take the pair out. All loads run side by side, most of their time is waiting; times
are compared with wide margins, since others use the machine too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import psutil
import pytest

from contracts.records import SAMPLE_DTYPE, Phase
from contracts.terms import Limit, Quantity, Unit, Verdict
from harness.calibration.truth_log import read_log
from harness.run_folder import RunFolder
from harness.sealing import seal
from harness.verdict import evaluate
from tests.fakes.judge_contract import clause, contract
from tests.fakes.ports import free_port
from tests.fakes.run_folders import manifest_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # starting twenty processes takes time

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ROOT / "tests" / "fakes" / "plain_locust"
LIMIT_S = 120
RATE_PER_S = 50.0
FREEZE_AT_S, FREEZE_S = 2.0, 2.5
SLOW_MS = 10_003  # Locust rounds it to 10,000
SLOW_LIMIT_MS = 10_000
CYCLE_S = 4.0  # a herd of 300 is through in a second, also on a busy machine
BLOCKED_MS = 50.0  # long enough that a blocking call meets requests in flight
STOPPED_S = 2.0
# Opens more descriptors than select can watch, and leaves them open to the program it becomes.
CROWDED = """
import os, sys
for _ in range(1100):
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Server:
    """A target in a process of its own; it ends when its standard input is closed."""

    def __init__(self, **behaviour):
        self.process = subprocess.Popen(
            [sys.executable, "tests/fakes/trap_server.py", json.dumps(behaviour)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.url = json.loads(self.process.stdout.readline())["url"]

    def truth(self):
        with urllib.request.urlopen(f"{self.url}/control/truth", timeout=30) as answer:
            return json.loads(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


class Plain:
    """One plain Locust run of a locustfile beside the fakes."""

    def __init__(self, folder, server, locustfile, *options, run_time_s, crowded=False, gate=None):
        folder.mkdir()
        self.server, self.told_path = server, folder / "told.json"
        port = str(free_port())
        environment = {"TRAP_TOLD": str(self.told_path), "TRAP_GATE": json.dumps(gate),
                       "TRAP_RUN_TIME_S": str(run_time_s)}  # fmt: skip
        with (folder / "locust.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(["-c", CROWDED] if crowded else []), "-m", "locust", "-f",
                 str(PLAIN / locustfile), "--headless", "--only-summary", "--host", server.url,
                 "--master-bind-port", port, "--master-port", port,
                 "-r", "1000", *options],
                cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait(self):
        self.status = self.process.wait(timeout=LIMIT_S)

    @property
    def told(self):
        return json.loads(self.told_path.read_text())


class Ours:
    """The same work by the engine: page after page at a constant rate, by one or more processes."""

    def __init__(self, folder, server, *, rate_per_s, duration_s, processes=1, crowded=False):
        self.path, self.server, self.duration_s = folder, server, duration_s
        self.planned = round(rate_per_s * duration_s)
        self.folder = RunFolder(folder)
        self.folder.create()
        workload = {
            "format": "monthend-workload/1", "name": "pages",
            "operations": [{"name": "page", "kind": "read", "method": "GET",
                            "targets": [{"target": "/page"}]}],
            "sessions": {"first": {"page": 1}},
            "arrivals": {"sessions_per_s": rate_per_s},
        }  # fmt: skip
        (folder / "workload.json").write_bytes(orjson.dumps(workload))
        self.start_file = folder / "start.json"
        self.process_count = processes
        self.processes = [self._start(index, crowded=crowded) for index in range(processes)]

    def _start(self, index, *, crowded):
        order = {
            "out_dir": str(self.path), "workload": str(self.path / "workload.json"), "seed": 5,
            "duration_s": self.duration_s, "drain_s": 15.0, "request_timeout_s": 15.0,
            "process_index": index, "process_count": self.process_count,
            "start_file": str(self.start_file),
        }  # fmt: skip
        path = self.path / f"LOAD-{index}.json"
        path.write_bytes(orjson.dumps(order))
        with path.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *(["-c", CROWDED] if crowded else []), "-m", "locust", "-f",
                 "scenarios/month_end.py", "--headless", "--only-summary", "--host",
                 self.server.url, "--monthend-load", str(path)],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def begin(self):
        """Start the load once every process is ready, as the harness does."""
        await_that(
            lambda: all(self._is_ready(i) for i in range(self.process_count)),
            self.path,
            *self.processes,
        )
        self.t0_ns = time.monotonic_ns() + 500_000_000
        unfinished = self.start_file.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps({"t0_ns": self.t0_ns}))
        unfinished.replace(self.start_file)

    def _is_ready(self, index):
        events = self.folder.readings / f"load-{index}.jsonl"
        return events.exists() and b'"ready"' in events.read_bytes()

    def wait(self):
        self.statuses = [process.wait(timeout=LIMIT_S) for process in self.processes]
        logs = sorted(self.folder.samples.glob("*.log"))
        self.samples = np.concatenate([read_log(path, SAMPLE_DTYPE)[1] for path in logs])
        seal(self.folder)

    @property
    def latency_ms(self):
        return (self.samples["done_ns"] - self.samples["planned_ns"]) / 1e6

    def judged(self, limit_ms=1_000.0, kind="read"):
        """Judge the run by one clause on p95; returns the clause's verdict and the caveats."""
        ended_ns = self.t0_ns + int(self.duration_s * 1e9)
        manifest = manifest_of(1, self.planned, {"page": self.planned}).evolve(
            t0_ns=self.t0_ns, planned_requests=self.planned, duration_s=self.duration_s,
            faults_requested=(), load_processes=({},) * self.process_count,
            phases=(Phase(name="steady", started_ns=self.t0_ns, ended_ns=ended_ns,
                          is_measured=True),),
        )  # fmt: skip
        self.folder.write_manifest(manifest)
        limit = Limit(unit=Unit.MS, at_most=limit_ms)
        asked = clause("p95", Quantity.LATENCY, limit, kind, percentile=95.0)
        verdict = evaluate(self.folder, contract(clauses=(asked,)))
        return verdict.clauses[0], {caveat.id: caveat.text_en for caveat in verdict.caveats}


def await_that(is_so: Callable[[], bool], what, *processes):
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        assert all(process.poll() is None for process in processes), what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def loads(tmp_path_factory):
    """Run every pair of this file side by side."""
    folder = tmp_path_factory.mktemp("traps")
    freeze = [FREEZE_AT_S, FREEZE_S]
    five = ("-u", "5")
    two = ("-u", "10", "--processes", "2")
    # Of the slow page the fastest answers are looked at: others may use the machine meanwhile.
    gate = [["/page", 0.05, SLOW_LIMIT_MS], ["/never asked for", 0.95, 1]]
    plans = {
        "keep_alive": ({}, ("steady.py", *five), {"run_time_s": 3, "crowded": True},
                       {"rate_per_s": RATE_PER_S, "duration_s": 3.0, "crowded": True}),
        "pacing": ({}, ("paced.py", "-u", "300"), {"run_time_s": 13},
                   {"rate_per_s": 75.0, "duration_s": 13.0}),
        "omission": ({"freeze": freeze}, ("steady.py", *five), {"run_time_s": 8},
                     {"rate_per_s": RATE_PER_S, "duration_s": 8.0}),
        "gate": ({"delay_ms": SLOW_MS}, ("gated.py", "-u", "20"),
                 {"run_time_s": 12, "gate": gate}, {"rate_per_s": 10.0, "duration_s": 2.0}),
        "test_stop": ({}, ("steady.py", *two), {"run_time_s": 2},
                      {"rate_per_s": RATE_PER_S, "duration_s": 5.0, "processes": 2}),
        "lost_worker": ({}, ("steady.py", *two), {"run_time_s": 6},
                        {"rate_per_s": RATE_PER_S, "duration_s": 6.0, "processes": 2}),
        "blocking": ({"delay_ms": BLOCKED_MS}, ("blocking.py", *five), {"run_time_s": 6},
                     {"rate_per_s": RATE_PER_S, "duration_s": 6.0}),
    }  # fmt: skip
    servers, plain, ours = [], {}, {}
    try:
        for name, (behaviour, arguments, plainly, order) in plans.items():
            servers += [Server(**behaviour), Server(**behaviour)]
            plain[name] = Plain(folder / f"plain {name}", servers[-2], *arguments, **plainly)
            ours[name] = Ours(folder / f"ours {name}", servers[-1], **order)
        lose_a_worker(plain["lost_worker"])
        for run in ours.values():
            run.begin()
        lose_and_stop(ours["lost_worker"], ours["blocking"])
        for run in (*plain.values(), *ours.values()):
            run.wait()
        yield plain, ours
    finally:
        for process in [one.process for one in plain.values()] + [
            process for one in ours.values() for process in one.processes
        ]:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        for server in servers:
            server.close()


def lose_a_worker(plain):
    """Kill one of the two workers while both are at work."""
    asks = "plain Locust asks for pages"
    await_that(lambda: plain.server.truth()["requests"] > 4, asks, plain.process)
    os.kill(psutil.Process(plain.process.pid).children()[-1].pid, signal.SIGKILL)


def lose_and_stop(two, one):
    """Kill one of two load processes, and stop another one for a while."""
    asks = "the engine asks for pages"
    await_that(lambda: two.server.truth()["requests"] > 4, asks, *two.processes)
    two.processes[1].kill()
    await_that(lambda: one.server.truth()["requests"] > 4, asks, *one.processes)
    one.processes[0].send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)  # it is the length of the stop that is tested
    one.processes[0].send_signal(signal.SIGCONT)


def test_keep_alive_above_descriptor_1023(loads):
    """Trap 1: geventhttpclient tests idle sockets with select, which refuses high descriptors."""
    plain, ours = (side["keep_alive"].server.truth() for side in loads)

    assert plain["connections"] > 0.9 * plain["requests"], "plain Locust keeps its connections now"
    assert ours["requests"] == RATE_PER_S * 3
    assert ours["connections"] < 0.2 * ours["requests"]


def busiest_quarter(arrivals_ns):
    """Return the share of requests in the busiest quarter of a cycle, folded over all cycles."""
    since_s = (np.array(arrivals_ns) - arrivals_ns[0]) / 1e9
    settled = since_s[since_s > 0.95 * CYCLE_S]  # the first cycle is as random as it was told
    per_bin = np.bincount((settled % CYCLE_S / CYCLE_S * 20).astype(int), minlength=20)
    return np.sort(per_bin)[-5:].sum() / per_bin.sum()


def test_people_who_were_told_to_keep_a_pace_do_not_fall_into_step(loads):
    """Trap 2: constant_pacing counts from when a user was made, and takes the jitter back."""
    plain, ours = (side["pacing"] for side in loads)

    assert busiest_quarter(plain.server.truth()["arrivals_ns"]) > 0.6, (
        "plain Locust keeps its users out of step now"
    )
    assert busiest_quarter(ours.server.truth()["arrivals_ns"]) < 0.4
    # The queue inside the generator is reported as the target's response time.
    assert plain.told["p50_ms"] > 3 * np.median(ours.latency_ms)


def test_a_freeze_is_not_omitted(loads):
    """Trap 3: who waits for an answer does not ask meanwhile, and what was due is not counted."""
    plain, ours = (side["omission"] for side in loads)
    limit_ms = FREEZE_S * 1000 / 2

    answer, caveats = ours.judged(limit_ms=limit_ms)

    assert plain.server.truth()["took_ms_p95"] < limit_ms, "the freeze shows at the client alone"
    assert plain.told["p95_ms"] < limit_ms, "plain Locust counts what was due in a freeze now"
    assert ours.latency_ms.size == RATE_PER_S * 8
    assert answer.value > 1.2 * limit_ms
    assert answer.verdict == (Verdict.INCONCLUSIVE if voided(caveats) else Verdict.BREACHED)


def test_a_limit_is_not_kept_by_rounding(loads):
    """Trap 4: response times from 10 s on are rounded to seconds before they are compared."""
    plain, ours = (side["gate"] for side in loads)

    answer, caveats = ours.judged(limit_ms=SLOW_LIMIT_MS)

    assert plain.told["gate_ms"][0] == SLOW_LIMIT_MS, "plain Locust does not round any more"
    assert plain.status == 0
    assert plain.told["requests"] > 0
    assert ours.latency_ms.min() > SLOW_LIMIT_MS, "each single answer took longer"
    assert answer.verdict == (Verdict.INCONCLUSIVE if voided(caveats) else Verdict.BREACHED)


def test_results_are_whole_when_the_test_has_stopped(loads):
    """Trap 6: test_stop fires on the master before the workers' last results are in."""
    plain, ours = (side["test_stop"] for side in loads)

    _, caveats = ours.judged()

    assert plain.told["requests_at_test_stop"] < 0.95 * plain.server.truth()["requests"], (
        "plain Locust waits for its workers' last results now"
    )
    assert ours.samples.size == ours.server.truth()["requests"] == ours.planned
    assert not caveats.keys() & {"samples_lost", "littles_law", "plan_not_recorded", "load_lost"}


def test_a_lost_worker_is_no_success(loads):
    """Trap 7: a killed worker is a line in the log, and the exit code is 0."""
    plain, ours = (side["lost_worker"] for side in loads)

    answer, caveats = ours.judged()

    assert plain.status == 0, "plain Locust says by its exit code that a worker was lost now"
    assert plain.told["failures"] == 0
    assert ours.statuses[1] == -signal.SIGKILL
    assert "load-1" in caveats["load_lost"]
    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "not_offered" in caveats


def test_what_nobody_asked_for_is_not_kept(loads):
    """Trap 5: an entry that was never requested has p95 0 and no failures, and passes any gate."""
    plain, ours = (side["gate"] for side in loads)

    answer, _ = ours.judged(kind="report")

    assert (plain.told["gate_ms"][1], plain.status) == (0, 0), "plain Locust misses it now"
    assert plain.told["requests"] > 0
    assert answer.verdict == Verdict.INCONCLUSIVE
    assert answer.sample_count == 0


def test_a_generator_that_stood_still_is_no_slow_target(loads):
    """A blocking call in one user is everybody's response time, and nothing says so."""
    plain, ours = (side["blocking"] for side in loads)

    answer, caveats = ours.judged(limit_ms=STOPPED_S * 1000 / 4)

    assert plain.told["p95_ms"] > 3 * plain.server.truth()["took_ms_p95"], (
        "plain Locust tells its own waiting from the target's now"
    )
    assert plain.status == 0
    assert answer.value > STOPPED_S * 1000 / 4, "it looks like a breach"
    assert answer.verdict == Verdict.INCONCLUSIVE
    assert "load-0: it stood still for" in caveats["generator_starved"]
    assert "the generator itself was late" in answer.reason.en


def voided(caveats):
    """Say whether others used the machine so much that even this run says nothing about time."""
    return caveats.keys() & {"generator_late", "generator_starved"}
