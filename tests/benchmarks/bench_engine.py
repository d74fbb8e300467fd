"""This engine, plain Locust, k6 and wrk doing the same work, held against a server that knows.

Runs are interleaved (A B B A) and the median of each is shown; true is what the truth server logged
of the very same requests. The stall shows what omission costs: everybody is asked how long somebody
waits who wants an answer at any moment. Timings on a busy machine mean nothing, so this is a script
and no test.

    .venv/bin/python -m tests.benchmarks.bench_engine [--quick]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness.calibration.delays import Kind
from harness.calibration.record import Latencies
from harness.calibration.table import aligned
from tests.benchmarks.clients import Client, Measured, Work, k6, locust, measure, this_engine, wrk
from tests.benchmarks.engine_budgets import (
    HEADS,
    Budget,
    budget_cells,
    errors,
    highest_rate,
    many_sessions,
    reading,
    start_of_a_run,
)

PEERS: Final = Path(sys.prefix) / "peers" / "bin"
FULL_SPEED_SHARE: Final = 0.9  # of its highest rate on time: our engine sends as planned, or late
CLIENT_HEADS: Final = (
    "work", "client", "requests", "rate/s", "CPU us/request", "MB", "true p50", "p99", "p99.9",
    "said p50", "p99", "p99.9", "error p50", "p99", "p99.9 ms",
)  # fmt: skip


def clients_here(*, is_quick: bool) -> tuple[list[Client], list[str]]:
    """Return the clients that are installed, and a line for each that is not."""
    found = [this_engine(), locust("fast", "Locust FastHttpUser")]
    missing = []
    if not is_quick:
        found.append(locust("http", "Locust HttpUser"))
    if (PEERS / "k6").exists():
        found.append(k6(PEERS / "k6"))
    else:
        missing.append("k6 is not installed: run make bench-engine, which fetches it")
    if program := shutil.which("wrk"):
        found.append(wrk(program))
    else:
        missing.append("wrk is not installed here: left out")
    return found, missing


def works(*, seconds: float) -> list[Work]:
    """Return what clients that keep a rate are asked to do."""
    return [
        Work(kind=Kind.PLAIN, rate_per_s=1_000, seconds=seconds),
        Work(kind=Kind.PLAIN, rate_per_s=3_000, seconds=seconds),
        Work(kind=Kind.LOGNORMAL, rate_per_s=1_000, seconds=seconds),
        Work(kind=Kind.PLAIN, rate_per_s=500, seconds=2 * seconds, stall_s=0.2 * seconds),
    ]


def compare(
    clients: Sequence[Client], asked: Sequence[Work], rounds: int, place: Path
) -> list[Measured]:
    """Return one median per client and work, of runs that took turns A B B A."""
    found: list[Measured] = []
    for number, work in enumerate(asked):
        runs: dict[str, list[Measured]] = {client.name: [] for client in clients}
        for turn in range(rounds):
            for client in clients if turn % 2 == 0 else reversed(clients):
                print(f"  {work.label}: {client.name}", file=sys.stderr, flush=True)
                folder = place / f"{number}-{turn}-{client.name.replace(' ', '-')}"
                runs[client.name].append(measure(client, work, folder))
                shutil.rmtree(folder)
        found += [median_of(several) for several in runs.values()]
    return found


def median_of(runs: Sequence[Measured]) -> Measured:
    """Return the median run: each figure by itself."""

    def middle(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    def latencies(name: str) -> Latencies:
        values = {
            field.name: statistics.median(getattr(getattr(run, name), field.name) for run in runs)
            for field in fields(Latencies)
        }
        return Latencies(**values)

    return Measured(
        client=runs[0].client,
        work=runs[0].work,
        requests=int(middle("requests")),
        rate_per_s=middle("rate_per_s"),
        cpu_us=middle("cpu_us"),
        memory_bytes=int(middle("memory_bytes")),
        true_ms=latencies("true_ms"),
        reported_ms=latencies("reported_ms"),
    )


def client_cells(one: Measured) -> tuple[str, ...]:
    """Return one row of the table of clients; a client that does not say has a dash."""
    true = (one.true_ms.p50, one.true_ms.p99, one.true_ms.p999)
    said = (one.reported_ms.p50, one.reported_ms.p99, one.reported_ms.p999)
    return (
        one.work.label,
        one.client,
        f"{one.requests:,}",
        f"{one.rate_per_s:,.0f}",
        f"{one.cpu_us:.0f}",
        f"{one.memory_bytes / 1e6:.0f}",
        *(f"{value:.3f}" for value in true),
        *(f"{value:.2f}" if value == value else "-" for value in said),
        *(f"{s - t:+.2f}" if s == s else "-" for s, t in zip(said, true, strict=True)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; status 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="bench_engine", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of short runs")
    options = parser.parse_args(arguments)
    seconds, rounds, rows = (2.0, 1, 300_000) if options.quick else (4.0, 2, 10_000_000)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"  {line}", file=sys.stderr, flush=True)

    clients, missing = clients_here(is_quick=options.quick)
    rated = [client for client in clients if client.name != "wrk"]
    with TemporaryDirectory(prefix="monthend-bench-engine-") as name:
        place = Path(name)
        highest = highest_rate(place, say)
        found = compare(rated, works(seconds=seconds), rounds, place / "rated")
        plain = Work(kind=Kind.PLAIN, rate_per_s=highest * FULL_SPEED_SHARE, seconds=seconds)
        ours = compare(clients[:1], [plain], rounds, place / "ours")
        full = Work(kind=Kind.PLAIN, rate_per_s=0, seconds=seconds)
        theirs = compare(clients[1:], [full], rounds, place / "theirs")
        budgets = [
            Budget(name=f"CPU per request, plain GET at {ours[0].rate_per_s:,.0f}/s",
                   value=ours[0].cpu_us, must=100, aim=50, unit="us"),
            Budget(name="highest true rate of one process", value=highest, must=7_000, aim=12_000,
                   unit="requests/s", is_more_better=True),
            *errors(place / "errors", say),
            *many_sessions(place / "sessions", 11 * seconds),
            *start_of_a_run(place / "start"),
            *reading(place / "judge", rows),
        ]  # fmt: skip
    print(*aligned([CLIENT_HEADS, *map(client_cells, [*found, *ours, *theirs])]), sep="\n")
    print(*missing, "", *aligned([HEADS, *map(budget_cells, budgets)]), sep="\n")
    print(f"\n{time.monotonic() - began:.0f} s; latencies in ms, true by the server's own log")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
