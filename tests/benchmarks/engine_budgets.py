"""The load engine's budgets, each measured here and now: rows of must, aim and what it was.

python -m tests.benchmarks.engine_budgets --judge FOLDER     one row's work, in a process alone
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from contracts.records import SAMPLE_DTYPE
from harness.calibration.course import QUICK, calibrate, find_rate
from harness.calibration.delays import Kind
from harness.calibration.drive import Drive, await_url, order_of, start_truth, workload_content
from harness.calibration.record import worst_errors
from harness.calibration.truth_log import read_log
from harness.checks.catalogue import CHECKS_OF_TIME
from harness.load import LOCUSTFILE
from harness.processes import PROJECT_ROOT, Child, start_child
from harness.run_folder import RunFolder
from harness.verdict import evaluate
from tests.fakes.judge_contract import contract
from tests.fakes.large_runs import write_large_run

# 32,000 people in progress at 1,600 requests/s: each asks every 20 s.
SESSIONS: Final = 32_000
THINK_S: Final = 20.0
SESSION_REQUESTS: Final = 10
JUDGE_LIMIT_S: Final = 300.0
START_LIMIT_S: Final = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One promise. *is_more_better*: a rate, not a cost."""

    name: str
    value: float
    must: float
    aim: float
    unit: str
    is_more_better: bool = False

    def holds(self, limit: float) -> bool:
        """Whether the value keeps *limit*; nan keeps none."""
        return self.value >= limit if self.is_more_better else self.value <= limit


def budget_cells(budget: Budget) -> tuple[str, ...]:
    """Return one row of the table of budgets."""
    met = "aim met" if budget.holds(budget.aim) else "must met"
    if not budget.holds(budget.must):
        met = "NOT met"
    numbers = (f"{number:,.4g}" if number < 1000 else f"{number:,.0f}"
               for number in (budget.value, budget.must, budget.aim))  # fmt: skip
    return (budget.name, *numbers, budget.unit, met)


HEADS: Final = ("measure", "here", "must", "aim", "unit", "")


def highest_rate(place: Path, say: Say) -> float:
    """Return the highest rate of plain GETs that one process carries on time, requests/s."""
    return find_rate(QUICK, {Kind.PLAIN: 1.0}, place / "rate", say)


def errors(place: Path, say: Say) -> list[Budget]:
    """Return how wrong a quick calibration found the engine, over all kinds and rates."""
    found = calibrate(QUICK, place, say)
    worst_ms, worst_share = worst_errors(found.rows)
    value = 0.005 if found.is_aim_met else 0.015 if found.is_must_met else max(worst_share, 0.021)
    name = (
        "worst error of p50, p99, p99.9 up to 90 % "
        f"({worst_ms:.1f} ms; others used {found.foreign_share:.0%} of the CPU)"
    )
    return [Budget(name=name, value=value, must=0.02, aim=0.01, unit="of the truth, or 1 ms")]


def many_sessions(place: Path, seconds: float) -> list[Budget]:
    """Return memory and CPU of one process with `SESSIONS` people in progress.

    They come in during the first `THINK_S` and leave during the last: a plan holds no request after
    its end. *seconds* below twice that hold fewer.
    """
    place.mkdir()
    lines = _drive_people(place, seconds)
    sessions = max(line["open_sessions"] for line in lines)
    settled = [line for line in lines if line["open_sessions"] > 0.9 * sessions]
    cpu = sum(line["cpu_share"] for line in settled) / len(settled)
    memory = max(line["rss_bytes"] for line in settled)
    rate = (settled[-1]["done"] - settled[0]["done"]) / max(
        1e-9, (settled[-1]["at_ns"] - settled[0]["at_ns"]) / 1e9
    )
    name = f"{sessions:,} sessions in progress, {rate:,.0f} req/s"
    return [
        Budget(name=f"{name}: memory", value=memory / 1e6, must=400, aim=150, unit="MB"),
        Budget(name=f"{name}: CPU", value=cpu * 100, must=40, aim=15, unit="% of a core"),
    ]


def _drive_people(place: Path, seconds: float) -> list[Mapping[str, Any]]:
    rate = SESSIONS / THINK_S
    drive = Drive(mix={Kind.PLAIN: 1.0}, requests=(rate * seconds,), bin_s=seconds)
    content = workload_content(drive)
    again = [{"to": Kind.PLAIN.path, "think_s": [THINK_S]}]
    content["sessions"] |= {"next": {Kind.PLAIN.path: again}, "requests_max": SESSION_REQUESTS}
    content["arrivals"] = {"requests_per_s": rate, "spacing": "random"}
    run = RunFolder(place / "run")
    run.create()
    workload = place / "workload.json"
    workload.write_bytes(orjson.dumps(content))
    order = replace(order_of(drive, run, workload), start_file="", drain_s=0.0)
    with _truth(place) as url:
        child = _start_load(asdict(order), url, place)
        try:
            child.wait(seconds + 60.0)
        finally:
            child.stop()
    lines = map(orjson.loads, (run.readings / "load-0.jsonl").read_bytes().splitlines())
    return [line for line in lines if line["event"] == "progress"]


def start_of_a_run(place: Path) -> list[Budget]:
    """Return how long the load process takes from its start to its first request, all units."""
    place.mkdir()
    run = RunFolder(place / "run")
    run.create()
    country = Drive(mix={Kind.PLAIN: 1.0}, requests=(1.0,), bin_s=180.0)
    order = replace(order_of(country, run, place / "none"), start_file="", workload="", drain_s=0.0)
    log = run.samples / "load-0.log"
    with _truth(place) as url:
        began_ns = time.monotonic_ns()
        child = _start_load(asdict(order), url, place)
        try:
            limit = time.monotonic() + START_LIMIT_S
            while time.monotonic() < limit and child.poll() is None:
                if log.exists() and len(read_log(log, SAMPLE_DTYPE)[1]):
                    break
                time.sleep(0.02)
        finally:
            child.stop(grace_s=10.0)
    _, samples = read_log(log, SAMPLE_DTYPE)
    sent_ns = samples["sent_ns"][samples["sent_ns"] > 0]
    seconds = (int(sent_ns.min()) - began_ns) / 1e9 if len(sent_ns) else float("inf")
    return [
        Budget(name="start of a run at 22,402 units to the first request", value=seconds,
               must=10, aim=3, unit="s")
    ]  # fmt: skip


def reading(place: Path, rows: int) -> list[Budget]:
    """Return time and memory from a run's folder to the values of all clauses about time."""
    place.mkdir()
    write_large_run(place / "run", operations=1_000, samples=rows)
    ended = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--judge", str(place / "run")],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=JUDGE_LIMIT_S, check=True,
    )  # fmt: skip
    found = json.loads(ended.stdout)
    name = f"reading a run of {rows:,} samples"
    return [
        Budget(name=f"{name}: time", value=found["seconds"], must=30, aim=10, unit="s"),
        Budget(name=f"{name}: memory", value=found["bytes"] / 2**30, must=2, aim=2, unit="GiB"),
    ]


def _judge(folder: Path) -> None:
    clauses = tuple(one for one in contract().clauses if one.quantity in CHECKS_OF_TIME)
    began = time.monotonic()
    evaluate(RunFolder(folder), contract(clauses=clauses))
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "bytes": peak}))


@contextmanager
def _truth(place: Path) -> Iterator[str]:
    """A truth server while inside; gives its address."""
    server = start_truth(place / "truth.log", place / "truth", seed=1)
    try:
        yield await_url(server)
    finally:
        server.stop()


def _start_load(order: Mapping[str, Any], url: str, place: Path) -> Child:
    path = place / "order.json"
    path.write_bytes(orjson.dumps({**order, "process_index": 0}))
    return start_child(
        (sys.executable, "-m", "locust", "-f", LOCUSTFILE, "--headless", "--host", url,
         "--monthend-load", str(path)),
        name="load process",
        log=place / "load",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge one folder and print what it took; for a process of its own."""
    parser = argparse.ArgumentParser(prog="engine_budgets", description=__doc__)
    parser.add_argument("--judge", type=Path, required=True, metavar="FOLDER")
    _judge(parser.parse_args(arguments).judge)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
