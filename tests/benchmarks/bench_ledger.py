"""The reference ledger's speed, as one table of ratios; `make bench-ledger`.

Two ledgers stand side by side: one with empty books, one with a fiscal year in them. On the empty
one, receipts of four lines over HTTP, all rules on, take turns (A B B A) with pgbench executing the
application's own posting statement, prepared, one posting a transaction, without HTTP, sessions or
rules before it; then receipts into the full books take turns with receipts into the empty ones;
then one person reads trial balances of the year. Processor time is of workers and database. Timings
on a busy machine mean nothing, so this is a script and no test.

    .venv/bin/python -m tests.benchmarks.bench_ledger --seconds 6 --rounds 4 --months 12
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import random
import re
import statistics
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from harness.targets.embedded import EmbeddedOptions, EmbeddedTarget, start_embedded
from harness.targets.postgres import DATABASE, OWNER_ROLE, server_programs
from reference_app.storage import SESSION_SETTINGS
from scenarios.population import Population, all_accounts, build_population
from tests.benchmarks.bench_import import cpu_s

BUSINESS_DATE: Final = "2026-09-28"
READ_PERIOD: Final = "2026-09"
READS: Final = 200
AUDITOR: Final = 1
BODY: Final = (
    b'{"date":"2026-09-28","channel":"cash","payer":"bench","lines":['
    b'{"account":"4110101","amount":"100.25"},{"account":"4210101","amount":"5.00"},'
    b'{"account":"4510101","amount":"7.50"}]}'
)
POSTING: Final = (
    '[{"place": 0,"unit": %s,"key":"%s","payload_hash":"\\\\x00ff","account": 1,"kind":"receipt",'
    '"fiscal_year": 2569,"period": 202609,"date":"2026-09-28","gross":"112.75","amount":"0",'
    '"withholding_tax":"0","appropriated":"0","committed":"0","paid":"0","transferred":"0",'
    '"party":"bench","status":"posted","is_open": false,"is_other_person": false,"taken":"0",'
    '"accounts": [1110101,4110101,4210101,4510101],"debits": ["112.75","0","0","0"],'
    '"credits": ["0","100.25","5.00","7.50"]}]'
)
# measure, must, aim (the issue that asked for this table; design.md section 7 for the first)
POSTING_RATIO: Final = (0.5, 1.0)
FULL_RATIO: Final = (0.9, 1.0)
READ_MS: Final = {"sao": (20.0, 5.0), "city": (100.0, 30.0)}


class Poster(asyncio.Protocol):
    """One kept-alive connection that posts one receipt after another until *until*."""

    def __init__(self, people: list[tuple[str, str]], host: str, until: float) -> None:
        self._people = people
        self._host = host
        self._until = until
        self._answer = b""
        self._transport: asyncio.Transport | None = None
        self.statuses: Counter[str] = Counter()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        unit, token = random.choice(self._people)
        head = (
            f"POST /units/{unit}/receipts HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        assert self._transport is not None
        self._transport.write(head.encode() + BODY)

    def data_received(self, data: bytes) -> None:
        """Note a complete answer and send the next request."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self.statuses[head[9:12].decode()] += 1
        self._answer = b""
        if monotonic() < self._until:
            self._send()
        else:
            assert self._transport is not None
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that this connection is done."""
        self.ended.set_result(None)


async def post_over_http(
    url: str, people: list[tuple[str, str]], connections: int, seconds: float
) -> float:
    """Return receipts/s that were answered 201; anything else stops the measurement."""
    address = urlsplit(url)
    assert address.hostname
    assert address.port
    loop, started_at = asyncio.get_running_loop(), monotonic()
    posters = [Poster(people, address.netloc, started_at + seconds) for _ in range(connections)]
    for poster in posters:
        await loop.create_connection(partial(_itself, poster), address.hostname, address.port)
    await asyncio.gather(*(poster.ended for poster in posters))
    statuses = sum((poster.statuses for poster in posters), Counter())
    if set(statuses) != {"201"}:
        raise SystemExit(f"answers other than 201: {dict(statuses)}")
    return statuses["201"] / (monotonic() - started_at)


def _itself(poster: Poster) -> Poster:
    return poster


def post_with_pgbench(
    target: EmbeddedTarget, scripts: list[Path], connections: int, seconds: float
) -> float:
    """Return transactions/s of pgbench over the same function."""
    options = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
    files = [word for script in scripts for word in ("-f", str(script))]
    ended = subprocess.run(
        [server_programs() / "pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "2",
         "-T", str(int(seconds)), "-h", target.postgres.folder, "-U", OWNER_ROLE, *files, DATABASE],
        env={**os.environ, "PGOPTIONS": options}, capture_output=True, text=True, check=False,
        timeout=seconds + 60,
    )  # fmt: skip
    rate = re.search(r"tps = ([\d.]+)", ended.stdout)
    if ended.returncode or rate is None:
        raise SystemExit(f"pgbench: {ended.stderr[-500:]}")
    return float(rate[1])


def write_script(folder: Path, units: list[int]) -> Path:
    """Write the pgbench script: one receipt of a unit drawn at random, by its place in the list."""
    script = folder / "receipt.sql"
    script.write_text(
        f"\\set place random(1, {len(units)})\n"
        f"SELECT p.* FROM (SELECT ('{{{','.join(map(str, units))}}}'::int[])[:place] AS unit) AS u,"
        " LATERAL ledger.post(ARRAY[u.unit],"
        f" format('{POSTING}', u.unit, gen_random_uuid())::json) AS p;\n"
    )
    return script


def clerks(target: EmbeddedTarget, population: Population) -> list[tuple[str, str]]:
    """Return (unit, token) of a clerk of each unit that has one."""
    with target.sessions_csv.open(encoding="utf-8") as file:
        tokens = {int(row["account"]): row["token"] for row in csv.DictReader(file)}
    found: dict[int, str] = {}
    for account in all_accounts(population):
        if "clerk" in account.roles and account.unit:
            found[account.unit] = tokens[account.account]
    return [(str(unit), token) for unit, token in found.items()]


def turns(
    first: Callable[[], float], second: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Return the figures of both, measured A B B A and so on, after one unmeasured turn of each."""
    results: tuple[list[float], list[float]] = ([], [])
    first(), second()
    for number in range(rounds):
        order = ((first, results[0]), (second, results[1]))
        for measure, into in order if number % 2 == 0 else order[::-1]:
            into.append(measure())
    return results


def read_ms(target: EmbeddedTarget, unit: int) -> tuple[float, float]:
    """Return median and p99 of reading a unit's trial balance, one request after another."""
    with target.sessions_csv.open(encoding="utf-8") as file:
        token = next(r["token"] for r in csv.DictReader(file) if r["account"] == str(AUDITOR))
    url = f"{target.url}/units/{unit}/reports/trial-balance?period={READ_PERIOD}"

    async def read() -> list[float]:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            spent: list[float] = []
            for _ in range(READS):
                started_at = monotonic()
                async with session.get(url) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                spent.append((monotonic() - started_at) * 1e3)
            return spent

    spent = sorted(asyncio.run(read()))
    return statistics.median(spent), spent[int(0.99 * len(spent))]


def show(name: str, value: float, unit: str, bounds: tuple[float, float], detail: str) -> None:
    """Print one row of the table."""
    must, aim = (f"{bound:g} {unit}" for bound in bounds)
    print(f"{name:<46}{f'{value:.2f} {unit}':>12}{must:>12}{aim:>12}   {detail}")


def main() -> int:
    """Measure and print; status 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="bench_ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64, help="of the HTTP load")
    parser.add_argument("--clients", type=int, default=16, help="of pgbench")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scale", type=float, default=0.1, help="of the units, in both ledgers")
    parser.add_argument("--months", type=int, default=12, help="in the full books; 0: skip them")
    options = parser.parse_args()
    population = build_population(scale=options.scale)
    units = {unit.unit for unit in population.units}

    def start(months: int) -> EmbeddedTarget:
        return start_embedded(
            EmbeddedOptions(
                population=population, business_date=BUSINESS_DATE, workers=options.workers,
                history_months=months,
            ),
            say=lambda step: print(step, file=sys.stderr),
        )  # fmt: skip

    with ExitStack() as ending, TemporaryDirectory() as folder:
        empty = start(0)
        ending.callback(empty.stop)
        people = clerks(empty, population)
        script = write_script(Path(folder), sorted(units))

        def post(target: EmbeddedTarget, people: list[tuple[str, str]]) -> float:
            work = post_over_http(target.url, people, options.connections, options.seconds)
            return asyncio.run(work)

        http, pgbench = turns(
            lambda: post(empty, people),
            lambda: post_with_pgbench(empty, [script], options.clients, options.seconds),
            options.rounds,
        )
        used_s = cpu_s(empty)
        rate = post(empty, people)
        used_ms = (cpu_s(empty) - used_s) * 1e3 / (rate * options.seconds)
        print(f"{'measure':<46}{'measured':>12}{'must':>12}{'aim':>12}")
        detail = f"{told(http)} / {told(pgbench)} per s; {used_ms:.2f} CPU ms a receipt"
        show(
            "receipts of 4 lines: HTTP / pgbench", ratio(http, pgbench), "x", POSTING_RATIO, detail
        )
        if options.months:
            full = start(options.months)
            ending.callback(full.stop)
            full_people = clerks(full, population)
            into_full, into_empty = turns(
                lambda: post(full, full_people), lambda: post(empty, people), options.rounds
            )
            detail = f"{told(into_full)} / {told(into_empty)} per s"
            name = f"receipts: {options.months} months in the books / none"
            show(name, ratio(into_full, into_empty), "x", FULL_RATIO, detail)
            for unit_type, bounds in READ_MS.items():
                unit = next(u.unit for u in population.units if u.type == unit_type)
                median, p99 = read_ms(full, unit)
                show(f"trial balance of one {unit_type}, the same books", median, "ms", bounds,
                     f"p99 {p99:.1f} ms")  # fmt: skip
    return 0


def ratio(first: list[float], second: list[float]) -> float:
    """Return the ratio of the medians."""
    return statistics.median(first) / statistics.median(second)


def told(rates: list[float]) -> str:
    """Return all rates that were measured, rounded."""
    return "[" + " ".join(f"{rate:.0f}" for rate in rates) + "]"


if __name__ == "__main__":
    raise SystemExit(main())
