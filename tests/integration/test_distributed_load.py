"""The load over several machines, here all on this one: real masters, real workers, real losses.

Three loads go on at once, each with its own master; the tests look at what they left.

    kept     three workers, one on a clock of its own (where the system has time namespaces), one
             killed in mid-load, one that joins late; the master shows Locust's web UI
    mixed    one worker of another release, which plans another load
    orphaned the master is killed in mid-load
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from contracts.reading import read_contract
from harness.measurements import read_measurements
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from scenarios.arrivals import plan_load
from scenarios.population import build_population
from scenarios.shares import Share, families_of

ROOT = Path(__file__).resolve().parents[2]
MONTHEND = (sys.executable, "-m", "harness.cli")
SCALE = 0.05
DURATION_S = 16.0
LIMIT_S = 90.0
KILLED_AFTER_S = 2.0
# A clock of its own: 1,000 s ahead of everybody's (time_namespaces(7)); elsewhere the same clock.
AHEAD_S = 1_000
AHEAD = ("unshare", "--user", "--map-root-user", "--time", "--monotonic", str(AHEAD_S))
OTHER_RELEASE = """
import sys
sys.path.insert(0, {root!r})
from scenarios.engine import load_process
from scenarios.engine.locustfile import country_user

plan_here = load_process.planned

def planned(order):
    playbook, dialect, _ = plan_here(order)
    return playbook, dialect, "0" * 64

load_process.planned = planned
MonthEndUser = country_user("month_end")
"""


def has_time_namespaces():
    try:
        return subprocess.run([*AHEAD, "true"], capture_output=True, timeout=10).returncode == 0
    except OSError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def await_true(condition, what):
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (OSError, ValueError, urllib.error.URLError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"it never came true: {what}")


class Troop:
    """One master, its workers, and where they all write."""

    def __init__(self, folder, url, *, expect, level="L2", options=()):
        self.folder = folder
        self.port = free_port()
        self.processes = {}
        folder.mkdir()
        self._start(
            "master", *MONTHEND, "load", "--master", "--target", url, "--expect-workers",
            str(expect), "--bind", "127.0.0.1", "--port", str(self.port), "--scale", str(SCALE),
            "--level", level, "--duration", str(DURATION_S), "--out", str(folder / "runs"),
            *options,
        )  # fmt: skip

    def worker(self, name, *before):
        self._start(
            name, *before, *MONTHEND, "load", "--worker", "--master-host", "127.0.0.1",
            "--master-port", str(self.port), "--out", str(self.folder / name),
        )  # fmt: skip

    def worker_of_other_release(self, name):
        locustfile = self.folder / "other_release.py"
        locustfile.write_text(OTHER_RELEASE.format(root=str(ROOT)))
        self._start(
            name, sys.executable, "-m", "locust", "-f", str(locustfile), "--worker",
            "--master-host", "127.0.0.1", "--master-port", str(self.port), "--monthend-out",
            str(self.folder / name),
        )  # fmt: skip

    def _start(self, name, *command):
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    @property
    def run(self):
        return RunFolder(next((self.folder / "runs").iterdir()))

    def events(self):
        return [
            json.loads(line)
            for line in (self.run.logs / "master.jsonl").read_text().splitlines()
        ]  # fmt: skip

    def has_begun(self):
        return any(
            event["event"] == "progress" and event["sent"] > 0 for event in self.events()
        )  # fmt: skip

    def kill_worker_that_drives(self, name):
        """Kill it as the kernel would; returns its index."""
        places = list((self.folder / name).glob("worker-*"))
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        return int(places[0].name.rpartition("-")[2])

    def wait(self, name):
        return self.processes[name].wait(timeout=LIMIT_S)

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def ask(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    parents = tmp_path_factory.mktemp("target") / "parents.json"
    units = build_population(scale=SCALE).units
    parents.write_text(json.dumps({unit.unit: unit.parent for unit in units}))
    behaviour = {"parents": str(parents), "delay_ms": 3}
    process = subprocess.Popen(
        [sys.executable, "tests/fakes/known_server.py", json.dumps(behaviour)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    yield json.loads(process.stdout.readline())["url"]
    process.stdin.close()
    process.stdout.close()
    process.wait(timeout=10)


@pytest.fixture(scope="module")
def world(tmp_path_factory, target):
    folder = tmp_path_factory.mktemp("distributed")
    web_port = free_port()
    kept = Troop(
        folder / "kept", target, expect=3, level="L4", options=("--web-port", str(web_port))
    )
    mixed = Troop(folder / "mixed", target, expect=2)
    orphaned = Troop(folder / "orphaned", target, expect=1)
    found = {"kept": kept, "mixed": mixed, "orphaned": orphaned}
    try:
        kept.worker("ahead", *(AHEAD if has_time_namespaces() else ()))
        kept.worker("steady")
        kept.worker("victim")
        mixed.worker("right")
        mixed.worker_of_other_release("other")
        orphaned.worker("orphan")

        await_true(orphaned.has_begun, "the orphaned load began")
        os.killpg(orphaned.processes["master"].pid, signal.SIGKILL)
        found["orphaned_at_s"] = time.monotonic()

        await_true(kept.has_begun, "the load began")
        kept.worker("late")
        time_to_kill = time.monotonic() + KILLED_AFTER_S
        await_true(lambda: time.monotonic() > time_to_kill, "time goes on")
        found["lost"] = kept.kill_worker_that_drives("victim")
        found["killed_ns"] = time.monotonic_ns()
        base = f"http://127.0.0.1:{web_port}"
        await_true(lambda: "taken over" in (kept.run.logs / "master.log").read_text(), "it is seen")
        found["seen_after_s"] = (time.monotonic_ns() - found["killed_ns"]) / 1e9
        found["exact"] = json.loads(ask(f"{base}/exact.json"))["operations"]
        found["stats"] = json.loads(ask(f"{base}/stats/requests"))
        found["page"] = ask(f"{base}/exact").decode()
        found["index"] = ask(f"{base}/").decode()
        found["statuses"] = {
            (name, process): troop.wait(process)
            for name, troop in (("kept", kept), ("mixed", mixed))
            for process in troop.processes
        }
        found["statuses"]["orphaned", "orphan"] = orphaned.wait("orphan")
        yield found
    finally:
        for troop in (kept, mixed, orphaned):
            troop.end()


@pytest.fixture(scope="module")
def plan():
    return plan_load(build_population(scale=SCALE), level="L4", duration_s=DURATION_S, seed=1)


@pytest.fixture(scope="module")
def kept(world):
    return world["kept"].run


@pytest.fixture(scope="module")
def samples(kept):
    return read_measurements(kept.samples)


def facts_of(run, index):
    return next(
        one for one in run.read_manifest().load_processes if one["process_index"] == index
    )  # fmt: skip


def spare_of(run):
    return next(one for one in run.read_manifest().load_processes if one["process_index"] > 2)


def test_a_killed_worker_is_noticed_within_seconds_and_never_ends_well(world):
    assert world["seen_after_s"] < 8
    assert world["statuses"]["kept", "master"] == 2
    assert world["statuses"]["kept", "victim"] == -signal.SIGKILL
    assert world["statuses"]["kept", "steady"] == 0
    assert world["statuses"]["kept", "ahead"] == 0
    assert world["statuses"]["kept", "late"] == 0


def test_its_share_is_driven_on_by_the_others_and_by_nobody_else(world, plan, samples, kept):
    lost = Share().split(3)[world["lost"]]
    families = families_of(build_population(scale=SCALE), plan.unit_row)
    t0_ns = kept.read_manifest().t0_ns
    taken_from_ns = world["killed_ns"] + int(9e9) - t0_ns  # noticed by then, and three more seconds
    begun = np.unique(samples.session[samples.is_request & (samples.sent_ns > 0)])

    its_own = np.flatnonzero(lost.covers(families, plan.start_ns))
    later = its_own[plan.start_ns[its_own] >= taken_from_ns]
    others = np.setdiff1d(np.arange(plan.sessions), its_own)
    assert later.size > 3
    assert np.isin(later, begun).all()
    assert np.isin(others, begun).all()
    takers = facts_of(kept, world["lost"])["taken_over_by"].split(", ")
    assert len(takers) == 3  # the two that were there and the one that joined late


def test_no_session_is_driven_twice(samples):
    first = samples.is_request
    pairs = (samples.session[first].astype(np.int64) << 16) | samples.step[first]

    assert np.unique(pairs).size == pairs.size


def test_a_worker_that_joins_late_gets_nothing_but_what_was_lost(world, plan, kept):
    late = spare_of(kept)
    name = f"load-{late['process_index']}.parquet"
    table = pq.read_table(kept.samples / name, columns=["session"])
    families = families_of(build_population(scale=SCALE), plan.unit_row)
    lost = Share().split(3)[world["lost"]]

    driven = np.unique(table["session"].to_numpy())
    assert late["is_lost"] == 0
    assert driven.size > 0
    assert lost.covers(families[driven], plan.start_ns[driven]).all()


def test_the_clocks_of_all_machines_become_one(world, kept, samples):
    apart_s = AHEAD_S if has_time_namespaces() else 0
    ahead = int(next((world["kept"].folder / "ahead").glob("worker-*")).name[-1])
    facts = facts_of(kept, ahead)
    phases = kept.read_manifest().phases

    assert abs(facts["clock_offset_ns"] - apart_s * 10**9) <= facts["clock_error_ns"] + 10**6
    assert facts["clock_error_ns"] < 50_000_000
    assert samples.planned_ns.min() >= phases[0].started_ns
    assert samples.planned_ns.max() < phases[-1].ended_ns + 60 * 10**9
    assert samples.disordered_count == 0


def test_the_collected_run_can_be_judged_and_says_what_was_lost(kept):
    verdict = evaluate(kept, read_contract(kept.contract))

    caveats = {caveat.id: caveat for caveat in verdict.caveats}
    assert "worker_lost" in caveats
    assert "taken over by" in caveats["worker_lost"].text_en
    assert "load_lost" not in caveats
    assert verdict.verdict != "MET"


def test_logs_are_collected_byte_for_byte_and_then_left_by_the_workers(world, kept):
    lost, folder = world["lost"], world["kept"].folder
    names = {path.stem for path in kept.samples.iterdir()}

    indices = {0, 1, 2, spare_of(kept)["process_index"]} - {lost}
    assert names == {f"load-{index}" for index in indices}
    for name in ("ahead", "steady", "late"):
        assert list((folder / name).rglob("*.log")) == []
    assert len(list((folder / "victim").rglob("samples/*.log"))) == 1
    assert str(folder / "victim") in facts_of(kept, lost)["where"]


def test_the_closing_table_counts_what_the_samples_hold(world, samples):
    last = [
        line for line in world["kept"].log("master").splitlines() if "all operations" in line
    ][-1]  # fmt: skip
    planned, sent = (int(word.replace(",", "")) for word in last.split()[2:4])

    assert sent == np.count_nonzero(samples.is_request & (samples.sent_ns > 0))
    assert planned > sent


def test_the_web_ui_of_a_master_shows_exact_percentiles_of_all_workers(world):
    rows = {row["operation"]: row for row in world["exact"]}
    whole = rows["all operations"]

    assert whole["sent"] > 20
    assert whole["p50_ms"] >= 3.0  # the target answers after 3 ms
    assert whole["p50_ms"] <= whole["p95_ms"] <= whole["p99_ms"] <= whole["p999_ms"]
    shown = {one["key"]: one["data"] for one in world["stats"]["extended_stats"]}
    assert shown["exact"][-1]["operation"] == "all operations"
    assert world["stats"]["stats"][-1]["name"] == "Aggregated"
    assert "Exact percentiles" in world["index"]
    assert "<td>all operations</td>" in world["page"]


def test_a_worker_of_another_release_is_refused_with_one_line_and_the_others_drive_all(world):
    mixed = world["mixed"]
    refusals = [line for line in mixed.log("other").splitlines() if "another load" in line]
    run = mixed.run

    samples = read_measurements(run.samples)
    assert len(refusals) == 1
    assert world["statuses"]["mixed", "other"] == 3
    assert world["statuses"]["mixed", "right"] == 0
    assert world["statuses"]["mixed", "master"] == 0
    planned = run.read_manifest().planned_requests
    assert np.count_nonzero(samples.is_request) == planned


def test_a_worker_whose_master_is_gone_ends_by_itself_and_keeps_what_it_has(world):
    log = world["orphaned"].log("orphan")

    assert world["statuses"]["orphaned", "orphan"] == 2
    assert "the master is gone" in log
    kept = list((world["orphaned"].folder / "orphan").rglob("samples/*.log"))
    assert len(kept) == 1
    assert str(kept[0].parents[1]) in log


def test_a_port_that_is_taken_is_told_in_one_line_before_anything_starts(target, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*MONTHEND, "load", "--master", "--target", target, "--bind", "127.0.0.1", "--port",
             str(port), "--scale", "0.01", "--duration", "10", "--out", str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip

    assert ended.returncode == 3
    assert f"--port {port}" in ended.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
