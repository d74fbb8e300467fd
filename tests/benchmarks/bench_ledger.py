"""Receipts per second over HTTP, all rules on, against pgbench posting the same by itself.

Both post the same receipt through the same function into the same PostgreSQL: pgbench as one
prepared statement per transaction, with no HTTP, no session, no rules before it; the ledger with
all of them. Runs are interleaved (A B A B); the ratio of the medians is what design.md section 7
bounds. Timings on a busy machine mean nothing, so this is a script and no test.

    .venv/bin/python -m tests.benchmarks.bench_ledger --seconds 6 --rounds 3
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
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from harness.targets.embedded import EmbeddedOptions, EmbeddedTarget, start_embedded
from harness.targets.postgres import DATABASE, OWNER_ROLE, server_programs
from reference_app.storage import SESSION_SETTINGS
from scenarios.population import Population, all_accounts, build_population

BUSINESS_DATE: Final = "2025-12-01"
BODY: Final = (
    b'{"date":"2025-12-01","channel":"cash","payer":"bench","lines":['
    b'{"account":"4110101","amount":"100.25"},{"account":"4210101","amount":"5.00"}]}'
)
POSTING: Final = (
    '[{"place": 0,"unit": %s,"key":"%s","payload_hash":"\\\\x00ff","account": 1,"kind":"receipt",'
    '"fiscal_year": 2569,"period": 202512,"date":"2025-12-01","gross":"105.25","amount":"0",'
    '"withholding_tax":"0","committed":"0","paid":"0","transferred":"0","party":"bench",'
    '"status":"posted","is_open": false,"is_other_person": false,"taken":"0",'
    '"accounts": [1110101,4110101,4210101],"debits": ["105.25","0","0"],'
    '"credits": ["0","100.25","5.00"]}]'
)


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


def write_scripts(folder: Path, units: list[int]) -> list[Path]:
    """Write a pgbench script per province; the whole country's units have no gaps there."""
    last = {unit // 100_000: unit for unit in sorted(units)}
    assert sum(unit % 100_000 for unit in last.values()) == len(units)
    scripts = []
    for province, highest in last.items():
        script = folder / f"{province}.sql"
        script.write_text(
            f"\\set unit random({province * 100_000 + 1}, {highest})\n"
            f"SELECT * FROM ledger.post(ARRAY[:unit::int],"
            f" format('{POSTING}', :unit::int, gen_random_uuid())::json);\n"
        )
        scripts.append(script)
    return scripts


def clerks(target: EmbeddedTarget, population: Population) -> list[tuple[str, str]]:
    """Return (unit, token) of a clerk of each unit that has one."""
    with target.sessions_csv.open(encoding="utf-8") as file:
        tokens = {int(row["account"]): row["token"] for row in csv.DictReader(file)}
    found: dict[int, str] = {}
    for account in all_accounts(population):
        if "clerk" in account.roles and account.unit:
            found[account.unit] = tokens[account.account]
    return [(str(unit), token) for unit, token in found.items()]


def measure(
    target: EmbeddedTarget,
    scripts: list[Path],
    people: list[tuple[str, str]],
    options: argparse.Namespace,
) -> tuple[list[float], list[float]]:
    """Return the rates over HTTP and of pgbench, after one unmeasured second each."""
    asyncio.run(post_over_http(target.url, people, options.connections, 1.0))
    post_with_pgbench(target, scripts, options.clients, 1.0)
    http: list[float] = []
    pgbench: list[float] = []
    for _ in range(options.rounds):
        posting = post_over_http(target.url, people, options.connections, options.seconds)
        http.append(asyncio.run(posting))
        pgbench.append(post_with_pgbench(target, scripts, options.clients, options.seconds))
    return http, pgbench


def main() -> int:
    """Measure and print; status 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="bench_ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64, help="of the HTTP load")
    parser.add_argument("--clients", type=int, default=8, help="of pgbench")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    population = build_population()
    target = start_embedded(
        EmbeddedOptions(
            population=population, business_date=BUSINESS_DATE, workers=options.workers
        ),
        say=lambda step: print(step, file=sys.stderr),
    )
    try:
        with TemporaryDirectory() as folder:
            scripts = write_scripts(Path(folder), [unit.unit for unit in population.units])
            rates = measure(target, scripts, clerks(target, population), options)
    finally:
        target.stop()
    http, pgbench = (statistics.median(values) for values in rates)
    print(f"ledger over HTTP  {http:8.0f} receipts/s   {[round(v) for v in rates[0]]}")
    print(f"pgbench           {pgbench:8.0f} receipts/s   {[round(v) for v in rates[1]]}")
    print(f"ratio             {http / pgbench:8.2f}   (design.md: must 0.5, aim 1.0)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
