"""A workload replayed by the real engine against a server that writes an access log."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE, Failure
from harness.calibration.truth_log import read_log
from scenarios.workload_plan import plan_workload
from tests.fakes.processes import ROOT, LoggingServer, carry_out
from tests.fakes.workloads import constant, read, shop

DURATION_S = 2.5
ASKED = re.compile(r'"([A-Z]+) (\S+) HTTP/1.1" (\d+)')


@pytest.fixture
def server(tmp_path):
    server = LoggingServer(tmp_path / "access.log", delay_ms=5, statuses={"/article/2": 503})
    yield server
    server.close()


def replay(tmp_path, server, content, **order):
    path = tmp_path / "workload.json"
    path.write_text(json.dumps(content))
    ended = carry_out(
        tmp_path / "run", server.url, workload=str(path), duration_s=DURATION_S, **order
    )
    header, samples = read_log(tmp_path / "run" / "samples" / "load-0.log", SAMPLE_DTYPE)
    names = [operation["name"] for operation in header["operations"]]
    asked = Counter(
        (method, target, int(status))
        for method, target, status in ASKED.findall("\n".join(server.lines()))
    )
    return ended, names, samples, asked


def test_a_replay_sends_exactly_what_was_planned_and_no_writes(tmp_path, server):
    plan = plan_workload(read(shop()), duration_s=DURATION_S, seed=1)

    ended, names, samples, asked = replay(tmp_path, server, shop())

    assert ended.returncode == 0, ended.stdout
    by_operation = Counter(names[operation] for operation in samples["operation"].tolist())
    assert by_operation == Counter(plan.planned_by_operation)
    assert asked.total() == plan.planned_requests
    assert {method for method, _, _ in asked} == {"GET"}
    assert plan.left_out["order"] > 0
    # A refused article was not asked for again: nobody in a log does so on our behalf.
    refused = samples[samples["status"] == 503]
    assert len(refused) == asked["GET", "/article/2", 503] > 0
    assert set(refused["failure"].tolist()) == {int(Failure.SERVER_ERROR)}
    assert set(samples["attempt"].tolist()) == {0}
    assert set(samples["unit"].tolist()) == {0}


def test_writes_are_sent_when_asked_for_with_their_bodies(tmp_path, server):
    plan = plan_workload(read(shop()), duration_s=DURATION_S, seed=1, send_writes=True)

    ended, _, samples, asked = replay(tmp_path, server, shop(), send_writes=True)

    assert ended.returncode == 0, ended.stdout
    assert asked["POST", "/orders", 200] == plan.planned_by_operation["order"] > 0
    assert len(samples) == plan.planned_requests


def test_a_constant_rate_of_requests_arrives_at_that_rate(tmp_path, server):
    again = [{"to": "a", "weight": 3, "think_s": [0.2]}, {"to": "b", "think_s": [0.2]}]
    content = constant(100, mix={"a": 3, "b": 1}, next={"a": again, "b": again}, requests_max=5)

    ended, _, samples, asked = replay(tmp_path, server, content)

    assert ended.returncode == 0, ended.stdout
    assert np.ptp(samples["sent_ns"]) / 1e9 == pytest.approx(DURATION_S, abs=0.6)
    assert asked.total() == len(samples) == pytest.approx(250, abs=20)
    assert asked["GET", "/a", 200] / asked.total() == pytest.approx(0.75, abs=0.1)
    # Pauses are counted from the answer, however long that took.
    whole = [samples[samples["session"] == session] for session in range(10, 30)]
    pauses_s = [
        (one["planned_ns"][1:] - one["done_ns"][:-1]) / 1e9
        for one in (np.sort(each, order="step") for each in whole)
        if len(one) == 5
    ]
    assert len(pauses_s) > 10
    assert np.median(pauses_s) == pytest.approx(0.2, abs=0.01)


def test_a_wrong_workload_ends_the_load_process_before_any_load(tmp_path):
    path = tmp_path / "workload.json"
    path.write_text(json.dumps({**constant(1), "x": 1}))

    ended = carry_out(tmp_path / "run", "http://127.0.0.1:9", workload=str(path), duration_s=2.0)

    assert ended.returncode == 3
    assert "unknown key" in ended.stdout
    assert str(path) in ended.stdout


def test_the_replay_is_a_locustfile_of_its_own(tmp_path, server):
    path = tmp_path / "workload.json"
    path.write_text(json.dumps(constant(40, mix={"a": 1})))
    command = [
        sys.executable, "-m", "locust", "-f", "scenarios/replay.py", "--headless", "--only-summary",
        "--host", server.url,
    ]  # fmt: skip
    words = ["--monthend-workload", str(path), "--monthend-duration", "2", "--monthend-rate-scale",
             "2", "--monthend-out", str(tmp_path / "run")]  # fmt: skip

    refused, done = (
        subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60,
                       check=False)
        for more in ([], words)
    )  # fmt: skip

    assert refused.returncode == 3
    assert "add --monthend-workload FILE" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert len(server.lines()) == 160
