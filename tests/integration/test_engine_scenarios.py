"""Every scenario's own locustfile, side by side, against a target whose behaviour is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from contracts.records import SAMPLE_DTYPE, Failure
from harness.calibration.truth_log import read_log
from scenarios.arrivals import plan_load
from scenarios.population import build_population
from scenarios.scenario import SCENARIOS
from tests.integration.test_engine_alone import ROOT, serve

SCALE, DURATION_S, LIMIT_S = 0.05, 8, 120
# The known target takes no files of books; the reference ledger does (tests/acceptance).
PLAYED = sorted(name for name, scenario in SCENARIOS.items() if not scenario.has_backlog)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Play all of them at once; returns exit status and samples by scenario."""
    folder = tmp_path_factory.mktemp("scenarios")
    server, url = serve(folder, delay_ms=1)
    processes = {}
    try:
        for name in PLAYED:
            place = folder / name
            place.mkdir()
            with (place / "locust.log").open("wb") as log:
                processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "locust", "-f", f"scenarios/{name}.py", "--host", url,
                     "--headless", "--monthend-scale", str(SCALE), "--monthend-out", str(place),
                     "--monthend-duration", str(DURATION_S)],
                    cwd=ROOT, env=dict(os.environ), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT,
                )  # fmt: skip
        statuses = {name: process.wait(timeout=LIMIT_S) for name, process in processes.items()}
        yield {name: (statuses[name], folder / name) for name in PLAYED}
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        server.stdin.close()
        server.stdout.close()
        server.wait(timeout=10)


def recorded(folder):
    (path,) = (folder / "samples").glob("*.log")
    return read_log(path, SAMPLE_DTYPE)


@pytest.mark.parametrize("name", PLAYED)
def test_a_locustfile_plays_its_scenario_to_the_end_as_planned(runs, name):
    status, folder = runs[name]
    plan = plan_load(
        build_population(scale=SCALE), level=SCENARIOS[name].level, scenario=name,
        duration_s=DURATION_S, seed=1,
    )  # fmt: skip
    header, samples = recorded(folder)

    assert status == 0, (folder / "locust.log").read_text()
    first = samples[samples["attempt"] == 0]
    names = [operation["name"] for operation in header["operations"]]
    counted = {
        names[index]: int(count)
        for index, count in enumerate(np.bincount(first["operation"], minlength=len(names)))
        if count
    }
    assert counted == plan.planned_by_operation
    assert set(first["failure"].tolist()) <= {Failure.NONE, Failure.EXPECTED_REFUSAL}
    ready = json.loads((folder / "readings" / "load-0.jsonl").read_text().splitlines()[0])
    assert ready["plan_sha256"] == plan.sha256


def test_people_take_their_time_at_the_provider_and_the_target_is_not_charged(runs):
    header, samples = recorded(runs["enrolment"][1])
    names = [operation["name"] for operation in header["operations"]]
    finish = samples[samples["operation"] == names.index("finish_login")]
    provider = samples[samples["operation"] == names.index("authorize_at_provider")]
    answered = dict(zip(provider["session"].tolist(), provider["done_ns"].tolist(), strict=True))

    # 10 to 40 s, shortened as all pauses are in a run of seconds.
    pauses_s = [
        (row["planned_ns"] - answered[int(row["session"])]) / 1e9 * 3_600 / DURATION_S
        for row in finish
    ]
    assert len(pauses_s) > 5
    assert all(10 <= pause_s <= 40 for pause_s in pauses_s)
    late_ms = (finish["done_ns"] - finish["planned_ns"]) / 1e6
    assert np.median(late_ms) < 1_000
