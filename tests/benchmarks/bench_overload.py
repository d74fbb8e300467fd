"""What a full worker still answers well when more and more is asked: `make bench-overload`.

The reference ledger has one core, the load the other, so that neither takes the other's time. First
people who wait for each answer find out how much it carries; then multiples of that come at planned
times, whether earlier answers are there or not (an open load), for some seconds each. Goodput that
falls while the load rises means that refusing costs what working would need. Timings on a busy
machine mean nothing, so this is a script and no test.

    .venv/bin/python -m tests.benchmarks.bench_overload --seconds 5 --rounds 4
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import statistics
import sys
import uuid
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from harness.targets.embedded import EmbeddedOptions, start_embedded
from scenarios.population import build_population
from tests.benchmarks.bench_import import POST_SHARE
from tests.benchmarks.bench_ledger import BODY, BUSINESS_DATE, clerks

READS: Final = ("overview", "documents", "budget", "worklist", "periods", "payees?query=bench")
CLOSED_CONNECTIONS: Final = 64
CONNECTIONS_MAX: Final = 4_000  # beyond that requests wait at the door: counted, status 0, not sent
EXPECTED: Final = (0, 200, 201, 429, 503)
GOOD_S: Final = 1.0  # an answer that takes longer is none (clause 1.1: p95 of reading)
SETTLE_S: Final = 6.0  # a queue that stands is taken for overload after 5
ANSWER_LIMIT_S: Final = 10.0  # the application gives up after 5
LOADS: Final = (0.8, 1.0, 1.5, 2.0, 3.0)  # of what it carries
KEPT_SHARE: Final = (0.9, 0.95)  # of the goodput at the knee: must (chaos facts 3.1) and aim


@dataclass(slots=True, kw_only=True)
class Load:
    """What is asked and what came of it; latencies in seconds from the planned time."""

    host: str
    people: list[tuple[str, str]]
    statuses: Counter[int] = field(default_factory=Counter)
    good_s: list[float] = field(default_factory=list)
    free: deque[Asker] = field(default_factory=deque)
    late_s: float = 0.0
    begin: float = 0.0  # monotonic; what was planned before is not counted
    until: float = 0.0  # those who wait for answers ask on until then
    connections: int = 0  # set when nothing more is asked
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self, asker: Asker) -> None:
        """Take back a connection whose request was answered."""
        self.free.append(asker)
        if len(self.free) == self.connections:
            self.is_answered.set()

    def request(self) -> bytes:
        """Write one request of the month end's mix."""
        unit, token = random.choice(self.people)
        common = f"HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {token}\r\n"
        if random.random() >= POST_SHARE:
            return f"GET /units/{unit}/{random.choice(READS)} {common}\r\n".encode()
        head = (
            f"POST /units/{unit}/receipts {common}Idempotency-Key: {uuid.uuid4()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        return head.encode() + BODY


class Asker(asyncio.Protocol):
    """One kept-alive connection, with one request on its way at most."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._answer = b""
        self._asked_at = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, planned_at: float) -> None:
        """Send a request that was planned for *planned_at*."""
        assert self.transport is not None
        self._asked_at = planned_at
        self.transport.write(self._load.request())

    def data_received(self, data: bytes) -> None:
        """Note a complete answer."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        fields = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(fields):
            return
        status, now = int(head[9:12]), monotonic()
        self._answer = b""
        if self._asked_at >= self._load.begin:
            self._load.statuses[status] += 1
            if status < 300 and now - self._asked_at <= GOOD_S:
                self._load.good_s.append(now - self._asked_at)
        if now < self._load.until:
            self.ask(now)
        else:
            self._load.release(self)


async def ask_on(load: Load, url: str, seconds: float) -> None:
    """People who wait for each answer before they ask again."""
    askers = [await _connect(load, url) for _ in range(CLOSED_CONNECTIONS)]
    load.until = monotonic() + seconds
    for asker in askers:
        asker.ask(monotonic())
    await asyncio.sleep(seconds)
    await _until_free(load, askers)


async def ask_anyway(load: Load, url: str, seconds: float, rate_per_s: float) -> None:
    """An open load: requests at planned times, at random distances."""
    askers = [await _connect(load, url) for _ in range(CLOSED_CONNECTIONS)]
    load.free.extend(askers)
    planned_at = monotonic()
    load.begin = planned_at + SETTLE_S
    while (planned_at := planned_at + random.expovariate(rate_per_s)) < load.begin + seconds:
        if (pause_s := planned_at - monotonic()) > 0.001:
            await asyncio.sleep(pause_s)
        elif not load.free:
            await asyncio.sleep(0)
        if not load.free:
            if len(askers) >= CONNECTIONS_MAX:
                load.statuses[0] += planned_at >= load.begin
                continue
            askers.append(await _connect(load, url))
            load.free.append(askers[-1])
        load.late_s = max(load.late_s, monotonic() - planned_at)
        load.free.popleft().ask(planned_at)
    await _until_free(load, askers)


async def _connect(load: Load, url: str) -> Asker:
    address = urlsplit(url)
    asker = Asker(load)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: asker, address.hostname, address.port)
    return asker


async def _until_free(load: Load, askers: list[Asker]) -> None:
    load.connections = len(askers)
    if len(load.free) < len(askers):
        with suppress(TimeoutError):
            await asyncio.wait_for(load.is_answered.wait(), ANSWER_LIMIT_S)
    for asker in askers:
        assert asker.transport is not None
        asker.transport.close()
    if len(load.free) < len(askers):
        raise SystemExit(f"{len(askers) - len(load.free)} requests have no answer")


def show(loads: dict[float, list[Load]], seconds: float) -> None:
    """Print a row for each load; goodput is compared with that of people who wait, by the round."""
    print(f"{'load':<22}{'asked/s':>9}{'good/s':>9}{'other/s':>9}{'p99 good ms':>13}"
          f"{'kept':>7}")  # fmt: skip
    for factor, rounds in loads.items():
        asked = statistics.median(load.statuses.total() for load in rounds) / seconds
        good = statistics.median(len(load.good_s) for load in rounds) / seconds
        kept = statistics.median(
            len(load.good_s) / len(waiting.good_s)
            for load, waiting in zip(rounds, loads[0.0], strict=True)
        )
        spent = sorted(second for load in rounds for second in load.good_s)
        name = f"{factor:g} times as much" if factor else "waits for answers"
        late_ms = max(load.late_s for load in rounds) * 1e3
        print(f"{name:<22}{asked:>9.0f}{good:>9.0f}{asked - good:>9.0f}"
              f"{spent[int(0.99 * len(spent))] * 1e3 if spent else math.nan:>13.0f}{kept:>7.0%}"
              f"   generator late {late_ms:.0f} ms at most")  # fmt: skip
    print(f"kept past the knee: must {KEPT_SHARE[0]:.0%}, aim {KEPT_SHARE[1]:.0%}")


def main() -> int:
    """Measure and print; status 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="bench_overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--scale", type=float, default=0.1, help="of the units")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("bench_overload: two cores are needed, one for the load", file=sys.stderr)
        return 3
    population = build_population(scale=options.scale)
    os.sched_setaffinity(0, cores[:1])  # what is started from here on stays there
    target = start_embedded(
        EmbeddedOptions(population=population, business_date=BUSINESS_DATE, workers=1),
        say=lambda step: print(step, file=sys.stderr),
    )
    os.sched_setaffinity(0, cores[1:2])
    try:
        people = clerks(target, population)

        def measure(rate_per_s: float) -> Load:
            load = Load(host=urlsplit(target.url).netloc, people=people)
            if rate_per_s:
                asyncio.run(ask_anyway(load, target.url, options.seconds, rate_per_s))
            else:
                asyncio.run(ask_on(load, target.url, options.seconds))
            strange = {s: n for s, n in load.statuses.items() if s not in EXPECTED}
            if strange:
                raise SystemExit(f"answers that are neither good nor refusals: {strange}")
            return load

        measure(0)  # warms up
        loads: dict[float, list[Load]] = {factor: [] for factor in (0.0, *LOADS)}
        for number in range(options.rounds):
            loads[0.0].append(measure(0))
            carried = len(loads[0.0][-1].good_s) / options.seconds
            for factor in LOADS if number % 2 == 0 else LOADS[::-1]:
                loads[factor].append(measure(factor * carried))
        show(loads, options.seconds)
    finally:
        target.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
