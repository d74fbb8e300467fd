"""Command line of the reference ledger: serve, fill, audit, defects.

Settings come from the environment (`LEDGER_*`, settings.py). Several `serve` processes share one
port (SO_REUSEPORT). SIGTERM and SIGINT stop a worker gracefully: it refuses new connections, ends
what it has begun within `LEDGER_DRAIN_S`, closes its connections and leaves with status 0.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Final

import asyncpg
import orjson
from aiohttp import web

from reference_app.app import Ledger, build_ledger, make_app
from reference_app.defects.catalogue import catalogue_text, install
from reference_app.door import open_doors
from reference_app.fill import fill
from reference_app.problems import BadCatalogue, BadSettings
from reference_app.settings import Settings, read_settings
from reference_app.street import StreetLoop

BACKLOG: Final = 4096  # connections of a login rush that wait to be accepted
DRAIN_STEP_S: Final = 0.05
FAREWELL_S: Final = 0.3  # in which kept-alive connections hear `Connection: close`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; 3 for a wrong set-up."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        if command == "defects":
            print(catalogue_text())
            return 0
        settings = read_settings(os.environ)
        if command == "serve":
            with asyncio.Runner(loop_factory=StreetLoop) as runner:
                runner.run(_serve(settings))
        elif command == "audit":
            return asyncio.run(_audit(settings))
        else:
            seconds = asyncio.run(fill(settings, **options))
            print(orjson.dumps({"filled_s": seconds}).decode())
    except (BadSettings, BadCatalogue) as error:
        print(f"reference_app: {error}", file=sys.stderr)
        return 3
    except asyncpg.UndefinedTableError:
        print("reference_app: the database has no ledger; run `fill` first", file=sys.stderr)
        return 3
    except (OSError, asyncpg.PostgresError) as error:
        print(f"reference_app: {error}; is the database up and the port free?", file=sys.stderr)
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reference_app", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run one worker; settings from LEDGER_* variables")
    commands.add_parser("audit", help="check the invariants of the books; status 1 when broken")
    commands.add_parser("defects", help="list the seeded defects")
    filling = commands.add_parser("fill", help="make the tables and fill them with the country")
    filling.add_argument("--units", type=Path, required=True, metavar="U.csv")
    filling.add_argument("--accounts", type=Path, required=True, metavar="A.csv")
    filling.add_argument("--sessions-out", type=Path, required=True, metavar="S.csv")
    filling.add_argument(
        "--business-date", type=date.fromisoformat, default=date(2025, 12, 1), metavar="YYYY-MM-DD"
    )
    filling.add_argument(
        "--open-from", type=date.fromisoformat, metavar="YYYY-MM-DD",
        help="leave the books open from this day's month on, as units have them whose books of "
        "these months are still to be imported",
    )  # fmt: skip
    filling.add_argument(
        "--history", type=int, default=0, metavar="MONTHS",
        help="give every unit the documents of so many months, the closed ones first",
    )  # fmt: skip
    return parser


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    ledger = await build_ledger(settings)
    await install(ledger, settings.defects)
    runner = web.AppRunner(make_app(ledger), shutdown_timeout=settings.drain_s)
    await runner.setup()
    listener = await open_doors(
        ledger, runner, settings.host, settings.port, reuse_port=True, backlog=BACKLOG
    )
    port = listener.sockets[0].getsockname()[1]
    ready = {"url": f"http://{settings.host}:{port}", "worker": settings.worker_name}
    print(orjson.dumps(ready).decode(), flush=True)
    await stop.wait()
    await _drain(ledger, listener)
    await runner.cleanup()


async def _drain(ledger: Ledger, listener: asyncio.Server) -> None:
    """Stop listening, tell kept connections to go, wait for what is in progress, with a limit."""
    ledger.is_draining = True
    listener.close()
    started_at = monotonic()
    while (spent_s := monotonic() - started_at) < ledger.settings.drain_s:
        if spent_s >= FAREWELL_S and not (ledger.admission.in_flight + ledger.sign_ins.in_flight):
            return
        await asyncio.sleep(DRAIN_STEP_S)


async def _audit(settings: Settings) -> int:
    connection = await asyncpg.connect(settings.database_url)  # a long look, without time limits
    try:
        await connection.execute("SET work_mem = '256MB'")
        rows = await connection.fetch("SELECT * FROM ledger.audit()")
    finally:
        await connection.close()
    violations = {row["invariant"]: row["violations"] for row in rows}
    print(orjson.dumps(violations).decode())
    return 1 if any(violations.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
