"""The load over several machines, here all on this one: real masters, real workers, real losses.

Several loads go on at once, each by itself; the tests look at what they left.

    kept     three workers, one on a clock of its own (where the system has time namespaces), one
             killed in mid-load, one that joins late; the master shows Locust's web UI
    mixed    one worker of another release, which plans another load
    orphaned the master is killed in mid-load
    frozen   one of two workers is cut off for longer than its term, and then comes back
    local    no master: two load processes of this machine, one killed in mid-load
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
from harness.options import Options
from harness.preparation import prepare
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from scenarios.population import build_population
from scenarios.shares import Share, families_of
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
MONTHEND = (sys.executable, "-m", "harness.cli")
SCALE = 0.05
DURATION_S = 18.0
LIMIT_S = 90.0
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
    """One load with all its processes, and where they write. `expect` None: without a master."""

    def __init__(self, folder, url, *, expect, level="L2", options=()):
        self.folder = folder
        self.port = free_port()
        self.processes = {}
        folder.mkdir()
        master = ("--master", "--expect-workers", str(expect), "--bind", "127.0.0.1", "--port",
                  str(self.port))  # fmt: skip
        self._start(
            "master", *MONTHEND, "load", "--target", url, *(master if expect else ()),
            "--scale", str(SCALE), "--scenario", "month_end", "--level", level, "--duration",
            str(DURATION_S), "--out", str(folder / "runs"), *options,
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
        """The folder of the run. Raises `OSError` while there is none."""
        runs = self.folder / "runs"
        for path in runs.iterdir():
            return RunFolder(path)
        raise FileNotFoundError(runs)

    def has_begun(self, says=Path("logs/master.jsonl")):
        lines = (self.run.path / says).read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return any(event["event"] == "progress" and event["sent"] > 0 for event in events)

    def index_of(self, name):
        """Return the index under which worker *name* drives."""
        return int(next((self.folder / name).glob("worker-*")).name.rpartition("-")[2])

    def signal(self, name, number):
        os.killpg(self.processes[name].pid, number)

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
    frozen = Troop(folder / "frozen", target, expect=2)
    local = Troop(folder / "local", target, expect=None, options=("--workers", "2"))
    troops = {
        "kept": kept, "mixed": mixed, "orphaned": orphaned, "frozen": frozen, "local": local
    }  # fmt: skip
    found = dict(troops)
    try:
        kept.worker("ahead", *(AHEAD if has_time_namespaces() else ()))
        kept.worker("steady")
        kept.worker("victim")
        mixed.worker("right")
        mixed.worker_of_other_release("other")
        orphaned.worker("orphan")
        frozen.worker("warm")
        frozen.worker("cold")

        await_true(lambda: local.has_begun("readings/load-1.jsonl"), "the local load began")
        found["local_pid"] = pid_of_load_process(local.processes["master"].pid, "load-1.json")
        os.kill(found["local_pid"], signal.SIGKILL)
        await_true(orphaned.has_begun, "the orphaned load began")
        orphaned.signal("master", signal.SIGKILL)
        await_true(lambda: list((folder / "kept" / "victim").glob("worker-*")), "shares are dealt")
        kept.worker("late")
        await_true(frozen.has_begun, "the frozen load began")
        frozen.signal("cold", signal.SIGSTOP)
        await_true(kept.has_begun, "the load began")
        await_true(lambda: "joined late" in (kept.run.logs / "master.log").read_text(), "joined")
        found["lost"] = kept.index_of("victim")
        kept.signal("victim", signal.SIGKILL)
        found["killed_ns"] = time.monotonic_ns()
        await_true(lambda: "taken over" in (frozen.run.logs / "master.log").read_text(), "seen")
        frozen.signal("cold", signal.SIGCONT)
        await_true(lambda: "taken over" in (kept.run.logs / "master.log").read_text(), "seen")
        found["seen_after_s"] = (time.monotonic_ns() - found["killed_ns"]) / 1e9
        base = f"http://127.0.0.1:{web_port}"
        found["exact"] = json.loads(ask(f"{base}/exact.json"))["operations"]
        found["stats"] = json.loads(ask(f"{base}/stats/requests"))
        found["page"] = ask(f"{base}/exact").decode()
        found["index"] = ask(f"{base}/").decode()
        found["statuses"] = {
            (name, process): troop.wait(process)
            for name, troop in troops.items()
            for process in troop.processes
        }
        yield found
    finally:
        for troop in troops.values():
            troop.end()


def pid_of_load_process(parent, order):
    """Return the pid of the load process of *parent* that carries out *order*."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
            status = (path.parent / "stat").read_text()
        except OSError:
            continue
        is_child = int(status.rpartition(")")[2].split()[1]) == parent
        if is_child and any(word.endswith(order) for word in words):
            return int(path.parent.name)
    raise AssertionError(f"nobody carries out {order}")


@pytest.fixture(scope="module")
def plan():
    options = Options(
        command=(),
        target="http://127.0.0.1",
        scenario="month_end",
        level="L4",
        scale=SCALE,
        duration_s=DURATION_S,
    )
    return prepare(options).plan


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


def caveats_of(run):
    return {one.id: one for one in evaluate(run, read_contract(run.contract)).caveats}


def sessions_of_share(index, count, *, level):
    options = Options(
        command=(), target="http://127.0.0.1", scenario="month_end", level=level, scale=SCALE,
        duration_s=DURATION_S,
    )  # fmt: skip
    known = prepare(options)
    families = families_of(known.population, known.plan.unit_row)
    return np.flatnonzero(Share().split(count)[index].covers(families, known.plan.start_ns))


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
    ahead = world["kept"].index_of("ahead")
    facts = facts_of(kept, ahead)
    phases = kept.read_manifest().phases

    assert abs(facts["clock_offset_ns"] - apart_s * 10**9) <= facts["clock_error_ns"] + 10**6
    assert facts["clock_error_ns"] < 50_000_000
    assert samples.planned_ns.min() >= phases[0].started_ns
    assert samples.planned_ns.max() < phases[-1].ended_ns + 60 * 10**9
    assert samples.disordered_count == 0


def test_the_collected_run_can_be_judged_and_says_what_was_lost(kept):
    caveats = caveats_of(kept)

    assert "worker_lost" in caveats
    assert "taken over by" in caveats["worker_lost"].text_en
    assert "load_lost" not in caveats
    assert evaluate(kept, read_contract(kept.contract)).verdict != "MET"


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


def test_a_worker_that_was_cut_off_begins_nothing_that_another_drives(world):
    frozen = world["frozen"]
    run = frozen.run
    cold = facts_of(run, frozen.index_of("cold"))
    samples = read_measurements(run.samples)
    first = samples.is_request

    assert cold["is_lost"] == 1
    assert cold["has_come_back"] == 1
    assert cold["forgone_sessions"] > 0
    assert cold["is_collected"] == 1
    pairs = (samples.session[first].astype(np.int64) << 16) | samples.step[first]
    assert np.unique(pairs).size == pairs.size
    assert world["statuses"]["frozen", "master"] == 2
    assert "worker_lost" in caveats_of(run)


def test_a_killed_load_process_of_this_machine_is_taken_over_and_the_run_says_so(world):
    run = world["local"].run
    lost, kept = facts_of(run, 1), facts_of(run, 0)
    samples = read_measurements(run.samples)
    first = samples.is_request

    assert run.read_manifest().ended == "completed"
    assert (lost["is_lost"], lost["taken_over_by"]) == (1, "0")
    assert (kept["is_lost"], kept["has_finished"]) == (0, 1)
    assert world["statuses"]["local", "master"] == 2
    assert "killed by signal 9" in world["local"].log("master")
    caveats = caveats_of(run)
    assert "worker_lost" in caveats
    assert "load_lost" not in caveats
    pairs = (samples.session[first].astype(np.int64) << 16) | samples.step[first]
    assert np.unique(pairs).size == pairs.size
    by_the_other = pq.read_table(run.samples / "load-0.parquet", columns=["session"])
    assert np.isin(sessions_of_share(1, 2, level="L2"), by_the_other["session"].to_numpy()).any()


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
