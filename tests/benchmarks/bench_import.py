"""Documents per second of back-dated books, alone and beside people at work.

Every round hands in files of an SAO's half year (2,148 documents each), of units that had none yet,
and waits until all are done: once with nobody else there, once beside reads and receipts at a fixed
rate, whose own times are shown with and without the import. Rounds are interleaved (A B A B).
Timings on a busy machine mean nothing, so this is a script and no test; CPU seconds mean more.

    .venv/bin/python -m tests.benchmarks.bench_import --files 6 --rounds 2 --rate 60
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import aiohttp
import psutil

from contracts.records import Outcome
from harness.targets.embedded import EmbeddedOptions, EmbeddedTarget, start_embedded
from scenarios.demand import BACKLOG_DOCUMENTS_PER_SAO
from scenarios.dialects.interface import Answer, Dialect
from scenarios.dialects.reference import ReferenceDialect
from scenarios.journeys.backlog import VARIANTS, months_of_backlog
from scenarios.journeys.forms import BackDatedBooks, Receipt
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import Ending
from scenarios.population import Population, actors_of, build_population

BUSINESS_DATE: Final = "2026-04-01"
POLL_S: Final = 0.25
UPLOAD_TRIES: Final = 60
DONE_LIMIT_S: Final = 600.0
POST_SHARE: Final = 0.12  # of the requests of a month end, about as many are postings


@dataclass(slots=True)
class Office:
    """The country's people, with their tokens, and the units that handed nothing in yet."""

    url: str
    dialect: Dialect
    population: Population
    tokens: dict[int, str]
    units: list[int]
    session: aiohttp.ClientSession

    async def ask(self, step: Step) -> Reply:
        """Send one step and return what came of it."""
        request = self.dialect.request(step, self.tokens[step.account])
        async with self.session.request(
            request.method, self.url + request.target, headers=dict(request.headers),
            data=request.body or None,
        ) as response:  # fmt: skip
            body = await response.read()
            lines = "".join(f"{k}: {v}\r\n" for k, v in response.headers.items())
            head = f"HTTP/1.1 {response.status} X\r\n{lines}".encode()
            return self.dialect.reply(step, Answer(Ending.ANSWERED, response.status, head, body))


@dataclass(slots=True)
class Crowd:
    """People who read and post at a fixed rate, each request due at its own time."""

    office: Office
    rate_per_s: float
    latencies_ms: list[float] = field(default_factory=list)
    errors: int = 0

    async def run(self, until: asyncio.Event) -> None:
        """Send requests when they are due until *until* is set."""
        started_at, count, tasks = monotonic(), 0, set[asyncio.Task[None]]()
        while not until.is_set():
            due_at = started_at + count / self.rate_per_s
            await asyncio.sleep(max(0.0, due_at - monotonic()))
            task = asyncio.create_task(self._one(count, due_at))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            count += 1
        await asyncio.gather(*tasks)

    async def _one(self, count: int, due_at: float) -> None:
        units = self.office.population.units
        unit = units[count * 7919 % len(units)].unit
        clerk = actors_of(self.office.population, unit).clerks[0]
        step = Step("view_overview", clerk, unit)
        if count % round(1 / POST_SHARE) == 0:
            form = Receipt(date=BUSINESS_DATE, channel="cash", payer="bench",
                           lines=(("4110101", 100_25),))  # fmt: skip
            step = step._replace(operation="create_receipt", form=form, key=_new_key())
        reply = await self.office.ask(step)
        self.errors += not reply.is_ok
        self.latencies_ms.append((monotonic() - due_at) * 1e3)


def _new_key() -> tuple[int, int]:
    number = uuid.uuid4().int
    return number >> 64, number & (1 << 64) - 1


async def import_files(office: Office, count: int) -> float:
    """Hand in *count* files at once and return the seconds until all are done."""
    started_at = monotonic()
    await asyncio.gather(*(_import_one(office, office.units.pop()) for _ in range(count)))
    return monotonic() - started_at


async def _import_one(office: Office, unit: int) -> None:
    director = actors_of(office.population, unit).director
    key = _new_key()
    form = BackDatedBooks(
        months=months_of_backlog(BUSINESS_DATE), documents=BACKLOG_DOCUMENTS_PER_SAO,
        variant=unit % VARIANTS, mark=f"{key[1] & 0xFFFFFFFF:08x}",
    )  # fmt: skip
    upload = Step("upload_books", director, unit, form=form, key=key)
    async with asyncio.timeout(DONE_LIMIT_S):
        for _ in range(UPLOAD_TRIES):  # the ledger takes few uploads at once
            received = await office.ask(upload)
            if not received.retry_after_s:
                break
            await asyncio.sleep(received.retry_after_s)
        if not received.is_ok:
            raise SystemExit(f"bench_import: unit {unit}: the upload was answered {received}")
        look = Step("view_import", director, unit, location=received.location, settles=upload)
        while (seen := await office.ask(look)).settled is not Outcome.OK:
            if not seen.is_ok:
                raise SystemExit(f"bench_import: unit {unit}: {dict(seen.values)}")
            await asyncio.sleep(POLL_S)


def cpu_s(target: EmbeddedTarget) -> float:
    """Return the CPU seconds of workers, their checkers and the database so far."""
    total = 0.0
    for pid in (*target.processes("app"), *target.processes("database")):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


async def bench(
    target: EmbeddedTarget, population: Population, options: argparse.Namespace
) -> None:
    """Run the rounds and print a line for each, then the medians."""
    with target.sessions_csv.open(encoding="utf-8", newline="") as file:
        tokens = {int(row["account"]): row["token"] for row in csv.DictReader(file)}
    rates: dict[str, list[float]] = {"alone": [], "beside": []}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        units = [unit.unit for unit in population.units if unit.weight <= 2]
        office = Office(target.url, ReferenceDialect(), population, tokens, units, session)
        print("                  documents/s   CPU ms/document   people: p95 ms      errors")
        for _ in range(options.rounds):
            crowd, until = Crowd(office, options.rate), asyncio.Event()
            asyncio.get_running_loop().call_later(options.quiet_s, until.set)
            await crowd.run(until)
            print(f"people alone{'':36}{p95(crowd.latencies_ms):18.1f}{crowd.errors:12}")
            for name in rates:
                crowd, until = Crowd(office, options.rate), asyncio.Event()
                people = asyncio.create_task(crowd.run(until)) if name == "beside" else None
                before_s = cpu_s(target)
                spent_s = await import_files(office, options.files)
                documents = options.files * BACKLOG_DOCUMENTS_PER_SAO
                used_ms = (cpu_s(target) - before_s) * 1e3 / documents
                until.set()
                if people is not None:
                    await people
                rates[name].append(documents / spent_s)
                text = f"import {name:<10}{documents / spent_s:12.0f}{used_ms:18.3f}"
                if people is not None:
                    text += f"{p95(crowd.latencies_ms):18.1f}{crowd.errors:12}"
                print(text)
    alone, beside = (statistics.median(rates[name]) for name in ("alone", "beside"))
    print(f"median: {alone:.0f} documents/s alone, {beside:.0f} beside {options.rate:g} requests/s")


def main() -> None:
    """Start a small country and bench it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=6, help="a round, each of 2,148 documents")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=60.0, help="requests/s of people at work")
    parser.add_argument("--quiet-s", type=float, default=8.0, help="people alone, a round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scale", type=float, default=0.02)
    options = parser.parse_args()
    population = build_population(composition="A", scale=options.scale, seed=1)
    embedded = EmbeddedOptions(
        population=population, business_date=BUSINESS_DATE, workers=options.workers,
        has_backlog=True,
    )  # fmt: skip
    target = start_embedded(embedded, say=print)
    try:
        asyncio.run(bench(target, population, options))
    finally:
        target.stop()


if __name__ == "__main__":
    main()
