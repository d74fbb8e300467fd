"""The locustfile by itself: options, Locust's own display, several processes, TLS, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE, Failure
from harness.calibration.truth_log import read_log
from scenarios.arrivals import plan_load
from scenarios.population import build_population
from tests.fakes.certificates import certificate
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.05
LIMIT_S = 60
# What somebody else brings: it listens to Locust's events and writes down what it heard.
PLUGIN = """
import json
from locust import events

heard = {{"requests": 0, "starts": 0, "stops": 0, "slowest_ms": 0.0}}

@events.request.add_listener
def on_request(response_time, exception, **_):
    heard["requests"] += 1
    heard["slowest_ms"] = max(heard["slowest_ms"], response_time)

@events.test_start.add_listener
def on_start(**_):
    heard["starts"] += 1

@events.test_stop.add_listener
def on_stop(**_):
    heard["stops"] += 1

@events.quitting.add_listener
def on_quitting(**_):
    with open({heard!r}, "w") as file:
        json.dump(heard, file)
"""


def serve(folder, **behaviour):
    parents = folder / "parents.json"
    units = build_population(scale=SCALE).units
    parents.write_text(json.dumps({unit.unit: unit.parent for unit in units}))
    behaviour["parents"] = str(parents)
    process = subprocess.Popen(
        [sys.executable, "tests/fakes/known_server.py", json.dumps(behaviour)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    return process, json.loads(process.stdout.readline())["url"]


def locust(folder, url, *options, duration_s=4, environment=None, beside=""):
    folder.mkdir()
    with (folder / "locust.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", f"scenarios/month_end.py{beside}", "--host", url,
             "--monthend-scale", str(SCALE), "--monthend-level", "L4", "--monthend-out",
             str(folder), "--monthend-duration", str(duration_s), *options],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


def samples_of(folder):
    return np.concatenate(
        [read_log(path, SAMPLE_DTYPE)[1] for path in sorted((folder / "samples").glob("*.log"))]
    )


def planned_requests(duration_s):
    plan = plan_load(
        build_population(scale=SCALE), level="L4", demand="base", duration_s=duration_s, seed=1
    )
    return plan.planned_requests


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run everything at once: four loads and, by hand of the tests, one with the web display."""
    folder = tmp_path_factory.mktemp("alone")
    pem = certificate(folder)
    servers = [serve(folder, certificate=str(pem)), serve(folder)]
    (_, https), (_, http) = servers
    trusting = {"SSL_CERT_FILE": str(pem)}
    (folder / "plugin.py").write_text(PLUGIN.format(heard=str(folder / "heard.json")))
    beside = f",{folder / 'plugin.py'}"
    headless = ("--headless",)
    port = str(free_port())
    two = ("--processes", "2", "--master-bind-port", port, "--master-port", port)
    runs = {
        "trusted": locust(
            folder / "trusted", https, *headless, environment=trusting, beside=beside
        ),
        "untrusted": locust(folder / "untrusted", https, *headless, duration_s=2),
        "many": locust(folder / "many", http, *headless, *two),
        "interrupted": locust(folder / "interrupted", http, *headless, duration_s=60),
    }
    try:
        deadline = time.monotonic() + LIMIT_S
        readings = folder / "interrupted" / "readings" / "load-0.jsonl"
        while time.monotonic() < deadline:
            if readings.exists() and "progress" in readings.read_text():
                break
            time.sleep(0.1)
        runs["interrupted"].send_signal(signal.SIGINT)
        statuses = {name: process.wait(timeout=LIMIT_S) for name, process in runs.items()}
        yield {"folder": folder, "statuses": statuses, "http": http}
    finally:
        for process in runs.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        for process, _ in servers:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=10)


def test_tls_is_spoken_and_locust_shows_what_was_recorded(world):
    samples = samples_of(world["folder"] / "trusted")
    log = (world["folder"] / "trusted" / "locust.log").read_text()

    sent = samples[samples["sent_ns"] > 0]
    assert world["statuses"]["trusted"] == 0
    assert set(samples["failure"].tolist()) <= {Failure.NONE, Failure.EXPECTED_REFUSAL}
    assert (samples["attempt"] == 0).sum() == planned_requests(4)
    shown = re.findall(r"Aggregated\s+(\d+)\s+(\d+)\(", log)[-1]
    assert shown == (str(len(sent)), "0")


def test_listeners_of_others_hear_every_request_and_the_life_of_the_test(world):
    samples = samples_of(world["folder"] / "trusted")
    heard = json.loads((world["folder"] / "heard.json").read_text())

    sent = samples[samples["sent_ns"] > 0]
    slowest_ms = (sent["done_ns"] - sent["planned_ns"]).max() / 1e6
    assert heard == {
        "requests": len(sent), "starts": 1, "stops": 1, "slowest_ms": float(slowest_ms)
    }  # fmt: skip


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(world):
    samples = samples_of(world["folder"] / "untrusted")

    assert set(samples["failure"].tolist()) == {Failure.CONNECTION, Failure.NOT_SENT}


def test_several_processes_share_the_plan_without_gap_or_overlap(world):
    folder = world["folder"] / "many"
    samples = samples_of(folder)

    first = samples[samples["attempt"] == 0]
    assert world["statuses"]["many"] == 0
    assert len(list((folder / "samples").glob("load-*.log"))) == 2
    assert len(np.unique(first[["session", "step"]])) == len(first) == planned_requests(4)


def test_ctrl_c_stops_the_load_and_keeps_what_was_recorded(world):
    folder = world["folder"] / "interrupted"
    finished = json.loads((folder / "readings" / "load-0.jsonl").read_text().splitlines()[-1])
    samples = samples_of(folder)

    assert finished["event"] == "finished"
    assert finished["is_complete"] is False
    assert (samples["attempt"] == 0).sum() == planned_requests(60)


def test_the_web_display_starts_shows_and_stops_the_load(world, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ("--web-host", "127.0.0.1", "--web-port", str(port))
    process = locust(tmp_path / "web", world["http"], *options, duration_s=60)
    try:
        await_true(lambda: ask(url))
        form = {"user_count": 1, "spawn_rate": 1, "host": world["http"]}
        ask(f"{url}/swarm", urllib.parse.urlencode(form).encode())
        await_true(lambda: json.loads(ask(f"{url}/stats/requests"))["total_rps"] > 0)
        ask(f"{url}/stop", b"")
        readings = tmp_path / "web" / "readings" / "load-0.jsonl"
        await_true(lambda: '"finished"' in readings.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=LIMIT_S)

    samples = samples_of(tmp_path / "web")
    assert (samples["attempt"] == 0).sum() == planned_requests(60)


def ask(url, body=None):
    with urllib.request.urlopen(url, data=body, timeout=10) as answer:
        return answer.read()


def await_true(condition):
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    raise AssertionError("it never came true")
