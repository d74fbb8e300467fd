"""The load engine against a target whose behaviour is known, in processes of their own.

Locust changes the interpreter it is imported into, so it never runs inside pytest. All loads of
this file run side by side; each test then reads what one of them recorded.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import orjson
import pytest

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE, Failure, Outcome
from contracts.terms import OperationKind
from harness.calibration.truth_log import read_log
from harness.checks.self_reports import read_self_reports
from harness.littles_law import compare, sessions_in_progress
from scenarios.arrivals import plan_load
from scenarios.population import all_accounts, build_population

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.05
LEVEL = "L4"  # the densest: some 200 requests/s at this scale
DURATION_S = 6.0
SEED = 11
STALL_AT_S, STALL_S = 2.5, 2.0
DUMMY_DESCRIPTORS = 1100
LIMIT_S = 60

# 280 descriptors leave 24 for connections; at 200 ms each they carry 120 requests/s, not 200.
DESCRIPTORS_FEW, CONNECTIONS_FEW = 280, 24
SHORT_OF_DESCRIPTORS = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS_FEW}, {DESCRIPTORS_FEW}))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# Opens descriptors and leaves them open to the program it becomes.
CROWDED = f"""
import os, sys
for _ in range({DUMMY_DESCRIPTORS}):
    os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
HARMLESS = [
    ["chunked", 7, 3], ["http10", 31, 5], ["connection_close", 29, 6], ["until_close", 37, 7],
    ["slow_body", 11, 8], ["interim", 13, 9], ["extra_bytes", 41, 10], ["silent_close", 17, 11],
]  # fmt: skip
HOSTILE = [
    [name, 190, 10 + 5 * place]
    for place, name in enumerate(
        (
            "reset", "never", "close", "garbage", "endless_garbage", "huge_headers",
            "negative_length", "two_lengths", "wrong_chunk", "huge_length", "error500",
            "interim_forever", "evil_redirect", "early_close", "answer_lost", "executed_500",
            "wrong_content", "not_json", "shed",
        )
    )
]  # fmt: skip


PREAMBLES = {"healthy": CROWDED, "limited": SHORT_OF_DESCRIPTORS}


class KnownServer:
    """A target in a process of its own; it ends when its standard input is closed."""

    def __init__(self, parents, **behaviour):
        behaviour["parents"] = str(parents)
        self.process = subprocess.Popen(
            [sys.executable, "tests/fakes/known_server.py", json.dumps(behaviour)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.url = json.loads(self.process.stdout.readline())["url"]

    def counts(self):
        with urllib.request.urlopen(f"{self.url}/control/counts", timeout=10) as answer:
            return json.loads(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=10)


class LoadRun:
    """One Locust process with its order, and what it left behind."""

    def __init__(self, folder, server, tokens, *, preamble="", host="", **order):
        self.folder = folder
        self.server = server
        self.host = host or server.url
        folder.mkdir()
        load = {
            "out_dir": str(folder), "seed": SEED, "scale": SCALE, "level": LEVEL,
            "duration_s": DURATION_S,
            "drain_s": 4.0, "request_timeout_s": 1.5, "sessions_csv": str(tokens), **order,
        }  # fmt: skip
        (folder / "LOAD.json").write_bytes(orjson.dumps(load))
        self.duration_s = load["duration_s"]
        command = [
            "-m", "locust", "-f", "scenarios/month_end.py", "--headless", "--only-summary",
            "--host", self.host, "--monthend-load", str(folder / "LOAD.json"),
        ]  # fmt: skip
        self.log = (folder / "locust.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, *(["-c", preamble] if preamble else []), *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def wait(self):
        try:
            return self.process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.log.close()

    def await_event(self, name):
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if any(event["event"] == name for event in self.events):
                return
            time.sleep(0.05)
        raise AssertionError(f"no {name}: {(self.folder / 'locust.log').read_text()}")

    @property
    def events(self):
        path = self.folder / "readings" / "load-0.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True)
                if line.endswith("\n")]  # fmt: skip

    @property
    def finished(self):
        return self.events[-1]

    @property
    def samples(self):
        return read_log(self.folder / "samples" / "load-0.log", SAMPLE_DTYPE)

    @property
    def operations(self):
        return read_log(self.folder / "operations" / "load-0.log", OPERATION_DTYPE)[1]

    @property
    def plan(self):
        return plan_load(
            build_population(scale=SCALE), level=LEVEL, demand="base", duration_s=self.duration_s,
            seed=SEED,
        )  # fmt: skip

    def planned_rows(self):
        """Return the rows of planned requests, and check that they are the plan, each once."""
        header, rows = self.samples
        first = rows[rows["attempt"] == 0]
        names = [operation["name"] for operation in header["operations"]]
        recorded = Counter(names[index] for index in first["operation"].tolist())
        planned = {name: count for name, count in self.plan.planned_by_operation.items() if count}
        assert recorded == planned
        assert len(np.unique(first[["session", "step"]])) == len(first)
        assert len(np.unique(rows[["session", "step", "attempt"]])) == len(rows)
        return first


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "S.csv"
    accounts = [account.account for account in all_accounts(build_population(scale=SCALE))]
    path.write_text("".join(f"{account},{account}\n" for account in accounts))
    return path


@pytest.fixture(scope="module")
def runs(tokens, tmp_path_factory):
    """Start every load of this file at once; most of their time is waiting."""
    folder = tmp_path_factory.mktemp("runs")
    parents = folder / "parents.json"
    units = build_population(scale=SCALE).units
    parents.write_text(json.dumps({unit.unit: unit.parent for unit in units}))
    servers = {
        "healthy": KnownServer(parents, delay_ms=3, faults=HARMLESS),
        "stalled": KnownServer(parents, stall=[STALL_AT_S, STALL_S]),
        "hostile": KnownServer(parents, faults=HOSTILE),
        "killed": KnownServer(parents, delay_ms=3, faults=[["answer_lost", 40, 5]]),
        "stopped": KnownServer(parents, delay_ms=200),
        "strangers": KnownServer(parents, allows_strangers=True),
        "limited": KnownServer(parents, delay_ms=200),
    }
    started = {
        name: LoadRun(folder / name, server, tokens, preamble=PREAMBLES.get(name, ""),
                      **({"sessions_csv": None} if name == "strangers" else {}))
        for name, server in servers.items()
    }  # fmt: skip
    started["nobody"] = LoadRun(
        folder / "nobody", None, tokens, host="http://127.0.0.1:1", duration_s=2.0
    )
    try:
        started["killed"].await_event("started")
        started["stopped"].await_event("started")
        time.sleep(2.5)
        started["killed"].process.send_signal(signal.SIGKILL)
        started["stopped"].process.send_signal(signal.SIGTERM)
        for run in started.values():
            run.status = run.wait()
        yield started
    finally:
        for run in started.values():
            if run.process.poll() is None:
                run.process.kill()
                run.process.wait()
        for server in servers.values():
            server.close()


def test_a_healthy_target_gets_exactly_the_plan(runs):
    run = runs["healthy"]

    first = run.planned_rows()

    assert run.status == 0
    assert run.finished["is_complete"] is True
    assert run.finished["dropped_sessions"] == 0
    assert len(first) == run.plan.planned_requests
    # A write that meets a door closed without a word is not sent again behind the person's back.
    met_closed_door = first["failure"] == int(Failure.CONNECTION)
    assert met_closed_door.sum() <= run.server.counts()["silent_close"]
    kinds = [operation["kind"] for operation in run.samples[0]["operations"]]
    met = {kinds[index] for index in first["operation"][met_closed_door].tolist()}
    assert met <= {OperationKind.POST, OperationKind.PROBE}
    failures = set(first["failure"][~met_closed_door].tolist())
    assert failures <= {Failure.NONE, Failure.EXPECTED_REFUSAL}


def test_requests_come_when_they_are_due(runs):
    """Planned times follow the plan's seconds; the known delay shows as latency."""
    run = runs["healthy"]
    header, rows = run.samples

    sent = rows[rows["sent_ns"] > 0]
    waited_ms = np.median(sent["done_ns"] - sent["planned_ns"]) / 1e6
    assert 3.0 <= waited_ms < 30.0
    assert np.all(sent["sent_ns"] >= sent["planned_ns"])
    # A form may meet a door that has just been closed: then no byte of an answer came.
    answered = sent[sent["failure"] != int(Failure.CONNECTION)]
    assert len(answered) > 0.99 * len(sent)
    assert np.all(answered["first_byte_ns"] >= answered["sent_ns"])
    assert np.all(answered["done_ns"] >= answered["first_byte_ns"])
    first = rows[rows["attempt"] == 0]
    seconds = (first["planned_ns"] - header["t0_ns"]) // 1_000_000_000
    recorded = np.bincount(seconds, minlength=len(run.plan.planned_per_s))
    planned = np.array(run.plan.planned_per_s)
    assert abs(np.cumsum(recorded)[: len(planned)] - np.cumsum(planned)).max() < 0.1 * planned.sum()


def test_keep_alive_holds_above_descriptor_1023(runs):
    """The trap of facts/load.md §4: clients that use select reconnect for every request there."""
    run = runs["healthy"]
    counts = run.server.counts()

    closing = ("http10", "connection_close", "until_close", "silent_close", "extra_bytes")
    closed = sum(counts[name] for name in closing)
    assert counts["requests"] > 500
    assert counts["connections"] < closed + 60


def test_a_stall_counts_against_everybody_who_was_due(runs):
    """No coordinated omission: requests due during the stall carry the wait they would have had."""
    run = runs["stalled"]
    first = run.planned_rows()
    sent = first[first["sent_ns"] > 0]
    latency_s = (sent["done_ns"] - sent["planned_ns"]) / 1e9
    late_send_s = (sent["sent_ns"] - sent["planned_ns"]) / 1e9
    worst = int(np.argmax(latency_s))
    stall_ended_ns = sent["done_ns"][worst]
    timed_out = sent["failure"] == int(Failure.TIMEOUT)
    due_in_stall = (sent["planned_ns"] > stall_ended_ns - 1.2e9) & (
        sent["planned_ns"] < stall_ended_ns - 0.3e9
    )

    assert run.status == 0
    assert due_in_stall.sum() > 20, "arrivals went on during the stall"
    remaining_s = (stall_ended_ns - sent["planned_ns"][due_in_stall]) / 1e9
    assert np.all((latency_s[due_in_stall] > remaining_s - 0.7) | timed_out[due_in_stall])
    assert np.percentile(late_send_s, 90) < 0.1, "they were sent when due, not after the stall"


def test_hostile_answers_neither_crash_nor_hang_the_fleet(runs):
    run = runs["hostile"]
    counts = run.server.counts()

    first = run.planned_rows()

    assert run.status == 0
    assert run.finished["is_complete"] is True
    assert all(counts[name] > 0 for name, *_ in HOSTILE)
    failures = Counter(Failure(failure) for failure in first["failure"].tolist())
    for seen in (Failure.CONNECTION, Failure.TIMEOUT, Failure.SERVER_ERROR, Failure.SHED,
                 Failure.WRONG_ANSWER):  # fmt: skip
        assert failures[seen] > 0, seen
    assert failures[Failure.NONE] > 0.5 * len(first)


def test_no_key_is_carried_out_twice_and_the_log_knows_what_was(runs):
    """Postings answered with a lost answer or a 500 after commit are INDEFINITE until a retry."""
    run = runs["hostile"]
    operations = run.operations

    completed = operations[operations["outcome"] != int(Outcome.OPEN)]
    keys = np.unique(operations[["key_high", "key_low"]])
    acknowledged = completed[
        (completed["outcome"] == int(Outcome.OK)) & (completed["expected_refusal"] == 0)
    ]
    assert run.server.counts()["executed_twice"] == 0
    assert len(np.unique(acknowledged[["key_high", "key_low"]])) <= run.server.counts()["executed"]
    assert run.server.counts()["executed"] <= len(keys)
    assert (completed["outcome"] == int(Outcome.INDEFINITE)).sum() > 0
    retried = completed[(completed["attempt"] > 0) & (completed["expected_refusal"] == 0)]
    assert (retried["outcome"] == int(Outcome.OK)).sum() > 0


def test_every_attempt_is_open_on_disk_before_it_is_answered(runs):
    for name in ("healthy", "hostile"):
        operations = runs[name].operations
        identity = ["key_high", "key_low", "attempt"]
        is_open = operations["outcome"] == int(Outcome.OPEN)
        opened = operations[is_open]
        completed = operations[~is_open]

        assert len(np.unique(opened[identity])) == len(opened)
        assert set(opened[identity].tolist()) == set(completed[identity].tolist())
        assert np.all(completed["completed_ns"] >= completed["invoked_ns"])
        assert np.all(opened["completed_ns"] == 0)


def test_logs_survive_a_kill_and_miss_no_posting_that_the_target_carried_out(runs):
    run = runs["killed"]
    operations = run.operations
    _, samples = run.samples

    assert run.status == -signal.SIGKILL
    assert len(samples) > 0
    executed = run.server.counts()["executed"]
    assert executed > 0
    logged = np.unique(operations[operations["expected_refusal"] == 0][["key_high", "key_low"]])
    assert executed <= len(logged)


def test_a_stop_signal_keeps_the_books_of_what_was_planned(runs):
    run = runs["stopped"]

    first = run.planned_rows()

    assert run.status == 0
    assert run.finished["event"] == "finished"
    assert run.finished["is_complete"] is False
    not_sent = first["failure"] == int(Failure.NOT_SENT)
    assert 0 < not_sent.sum() < len(first)
    assert np.all(first["sent_ns"][not_sent] == 0)
    still_open = run.operations["outcome"] == int(Outcome.OPEN)
    assert still_open.sum() * 2 == len(run.operations), "answers under way were waited for"


def test_a_target_that_is_not_there_refuses_everything_and_sends_nothing(runs):
    run = runs["nobody"]

    first = run.planned_rows()

    assert run.status == 0
    failures = {Failure(failure) for failure in first["failure"].tolist()}
    assert failures == {Failure.CONNECTION, Failure.NOT_SENT}
    assert set(first["outcome"].tolist()) == {int(Outcome.REFUSED)}


def test_the_same_seed_plans_the_same_documents(runs):
    def papers(name):
        rows = runs[name].operations
        rows = rows[(rows["attempt"] == 0) & (rows["outcome"] == int(Outcome.OPEN))]
        return {
            (row["key_high"], row["key_low"]): (
                row["kind"], row["unit"], row["gross_satang"], row["cash_delta_satang"],
                row["budget_delta_satang"], row["budget_line"], row["session"],
            )
            for row in rows
        }  # fmt: skip

    healthy, stalled = papers("healthy"), papers("stalled")

    common = healthy.keys() & stalled.keys()
    assert len(common) > 0.8 * len(healthy)
    assert all(healthy[key] == stalled[key] for key in common)


def test_what_exceeds_the_connections_waits_for_its_turn(runs):
    run = runs["limited"]

    first = run.planned_rows()

    progress = [event for event in run.events if event["event"] == "progress"]
    assert run.status == 0
    assert max(event["connections"] for event in progress) == CONNECTIONS_FEW
    assert progress[-1]["own_shortages"] == 0
    sent = first[first["sent_ns"] > 0]
    lateness_ms = (sent["sent_ns"] - sent["planned_ns"]) / 1e6
    assert np.percentile(lateness_ms, 90) > 50, "the judge can see that the generator was short"
    assert set(first["failure"].tolist()) <= {
        Failure.NONE, Failure.EXPECTED_REFUSAL, Failure.NOT_SENT
    }  # fmt: skip


def test_people_without_a_token_sign_in_first_and_being_let_in_elsewhere_is_wrong(runs):
    run = runs["strangers"]
    header, rows = run.samples
    kinds = np.array([operation["kind"] for operation in header["operations"]])
    extra = rows[rows["attempt"] > 0]

    first = run.planned_rows()

    assert run.status == 0
    logins = kinds[extra["operation"]] == OperationKind.LOGIN
    progress = [event for event in run.events if event["event"] == "progress"][-1]
    assert logins.sum() >= 2 * progress["extra_logins"] > 0
    assert np.all(kinds[first["operation"]] != OperationKind.PROVIDER)
    assert (kinds[extra["operation"]] == OperationKind.PROVIDER).sum() > 0
    names = [operation["name"] for operation in header["operations"]]
    pried = np.isin(first["operation"], [names.index("read_other_unit"),
                                         names.index("post_to_other_unit")])  # fmt: skip
    assert pried.sum() > 0
    assert set(first["failure"][pried].tolist()) == {int(Failure.WRONG_ANSWER)}


def test_progress_says_how_the_generator_itself_does(runs):
    progress = [event for event in runs["healthy"].events if event["event"] == "progress"]

    assert len(progress) >= DURATION_S
    assert [event["done"] for event in progress] == sorted(event["done"] for event in progress)
    last = progress[-1]
    assert last["planned"] == runs["healthy"].plan.planned_requests
    assert last["open_sessions"] == 0
    assert last["own_shortages"] == 0
    assert 0 < last["cpu_share"] < 1.5
    assert last["rss_bytes"] > 10_000_000


@pytest.mark.parametrize("name", ["healthy", "stalled", "hostile", "limited", "strangers"])
def test_what_a_process_saw_in_flight_is_what_it_recorded(name, runs):
    """Bursts, stalls, timeouts and a lack of connections do not part the two."""
    run = runs[name]
    _, rows = run.samples
    report = read_self_reports(run.folder / "readings")["load-0"]
    looks, sent = report.looks, rows[rows["sent_ns"] > 0]

    requests = compare(looks.in_flight, looks.at_ns, sent["sent_ns"], sent["done_ns"])
    progress = sessions_in_progress(
        rows["session"], rows["planned_ns"], rows["sent_ns"], rows["done_ns"]
    )
    sessions = compare(looks.open_sessions, looks.at_ns, progress.sent_ns, progress.ended_ns,
                       due_ns=progress.due_ns)  # fmt: skip

    assert looks.at_ns.size >= 2 * DURATION_S
    assert not requests.is_broken
    assert not sessions.is_broken
    assert sessions.seen > 20
    assert report.most("done") == len(sent)


def test_who_closed_the_connections_is_counted(runs):
    """The healthy target here closes after some answers; nobody else gives a connection up."""
    report = read_self_reports(runs["healthy"].folder / "readings")["load-0"]
    opened, closed = report.most("connections_opened"), report.most("closed_by_target")

    assert closed > 50
    kept = report.most("connections") + report.most("connections_retired")
    assert opened - closed - report.most("resent") - kept <= 5


def test_a_wrong_order_ends_with_3_before_any_load(tmp_path, tokens):
    run = LoadRun(tmp_path / "wrong", None, tokens, host="http://127.0.0.1:1", level="L99")

    assert run.wait() == 3
    assert not (run.folder / "samples").exists()
    assert "level is 'L99'" in (run.folder / "locust.log").read_text()
