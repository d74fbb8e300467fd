"""The reference ledger on this machine: database, identity provider, bank, application workers.

Started from nothing in a temporary folder, filled with the population, watched over, and removed.
Before the load any failure is `BadSetup` with the last words of the part that failed.
"""

from __future__ import annotations

import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from harness.failures import BadSetup, BrokenExperiment
from harness.processes import Child, run_to_end, start_child
from harness.targets import ProcessRole
from harness.targets.asking import NoAnswer, ask
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.remote import HEALTH_LIMIT_S, HEALTH_PATH, read_fingerprint
from harness.targets.workers import HOST, Workers, reserve_port, worker_name
from harness.targets.workplace import Workplace, make_workplace
from scenarios.journeys.backlog import months_of_backlog
from scenarios.population import Population, write_accounts_csv, write_units_csv

FILL_LIMIT_S: Final = 120.0
HISTORY_LIMIT_S: Final = 600.0  # a month of the whole country takes two to four minutes
STAND_IN_LIMIT_S: Final = 20.0
# A worker holds eight connections and replaces lost ones before the server has noticed the loss.
CONNECTIONS_PER_WORKER: Final = 16
CONNECTIONS_SPARE: Final = 40  # the fill, the probes, a person with psql
CLIENT_ID: Final = "monthend-ledger"


@dataclass(slots=True)
class EmbeddedTarget:
    """Keeps the `Target` protocol; made by `start_embedded`."""

    workplace: Workplace
    postgres: EmbeddedPostgres
    provider: Child
    provider_url: str
    bank: Child
    workers: Workers
    port_holder: socket.socket
    sessions_csv: Path
    kind: str = "embedded"
    access_tier: str = "T2"
    _is_stopped: bool = field(default=False)

    @property
    def url(self) -> str:
        """Where the workers answer."""
        return f"http://{HOST}:{self.workers.port}"

    @property
    def base_url(self) -> str:
        """The same as `url`."""
        return self.url

    @property
    def database_dsn(self) -> str:
        """Address of the monitoring role, which may read no table of the ledger."""
        return self.postgres.monitor_dsn

    @property
    def database(self) -> EmbeddedPostgres:
        """The server, which may be stopped and started."""
        return self.postgres

    @property
    def worker_count(self) -> int:
        """How many workers are kept alive."""
        return self.workers.count

    def processes(self, role: str) -> tuple[int, ...]:
        """Return the pids of a role that live now."""
        if role == ProcessRole.APP:
            return self.workers.pids
        if role == ProcessRole.DATABASE:
            return (self.postgres.pid,) if self.postgres.pid else ()
        return (self.provider.pid,) if self.provider.poll() is None else ()

    def kill_worker(self, pid: int) -> None:
        """Send SIGKILL to the worker with this pid."""
        self.workers.kill(pid)

    def fingerprint(self) -> Mapping[str, str]:
        """Return what the ledger says of itself, and how many workers it was given."""
        return {**read_fingerprint(self.url), "workers": str(self.worker_count)}

    def check_alive(self) -> None:
        """One health request. Raises `BadSetup`."""
        try:
            status = ask(self.url, HEALTH_PATH, timeout_s=HEALTH_LIMIT_S).status
        except NoAnswer as error:
            raise _not_started(str(error), self.url) from error
        if status != 200:
            raise _not_started(f"GET {HEALTH_PATH} answered {status}", self.url)

    def lost_because(self) -> str:
        """Return why the target can no longer be run, or an empty string."""
        if self.workers.lost:
            return self.workers.lost
        for stand_in in (self.provider, self.bank):
            if stand_in.poll() is not None:
                return f"the {stand_in.name} ended: {stand_in.tail()}"
        return ""

    def stop(self) -> None:
        """Stop and remove everything. Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = True
        try:
            self.workers.stop()
            self.provider.stop(grace_s=1.0)
            self.bank.stop(grace_s=1.0)
            self.postgres.stop()
        finally:
            self.port_holder.close()
            self.workplace.remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOptions:
    """What to start: *defects* is LEDGER_DEFECTS' own form, *port* 0 means any free one.

    With *has_backlog* the books are open from the beginning of the fiscal year; *history_months* of
    documents stand in them, in the closed months first.
    """

    population: Population
    business_date: str
    workers: int
    has_backlog: bool = False
    history_months: int = 0
    logs: Path | None = None
    defects: str = ""
    port: int = 0


def start_embedded(options: EmbeddedOptions, *, say: Callable[[str], None]) -> EmbeddedTarget:
    """Start and fill a target; *say* is told each step. Raises `BadSetup`; then nothing is left."""
    port_holder = reserve_port(options.port)
    undo: list[Callable[[], object]] = [port_holder.close]
    try:
        workplace = make_workplace()
        undo.append(workplace.remove)
        return _start_parts(options, workplace, port_holder, undo, say)
    except BrokenExperiment as error:
        _undo(undo)
        raise BadSetup(what=error.what, where=error.where, mend=error.mend) from error
    except BaseException:
        _undo(undo)
        raise


def _undo(steps: list[Callable[[], object]]) -> None:
    while steps:
        with suppress(OSError):
            steps.pop()()


def _start_parts(
    options: EmbeddedOptions,
    workplace: Workplace,
    port_holder: socket.socket,
    undo: list[Callable[[], object]],
    say: Callable[[str], None],
) -> EmbeddedTarget:
    logs = options.logs or workplace.path / "logs"
    logs.mkdir(exist_ok=True)
    say("starting PostgreSQL and the stand-ins of identity provider and bank")
    secret = secrets.token_hex(16)
    provider = _start_provider(logs, secret)
    undo.append(lambda: provider.stop(grace_s=1.0))
    bank = _start_bank(logs, options.business_date)
    undo.append(lambda: bank.stop(grace_s=1.0))
    postgres = EmbeddedPostgres(
        folder=workplace.path / "db",
        log=logs / "postgres.log",
        connections_max=CONNECTIONS_SPARE + CONNECTIONS_PER_WORKER * options.workers,
    )
    undo.append(postgres.stop)
    postgres.create()
    provider_url, bank_url = _await_url(provider), _await_url(bank)
    port = port_holder.getsockname()[1]
    environment = {
        "LEDGER_DATABASE_URL": postgres.owner_dsn,
        "LEDGER_HOST": HOST,
        "LEDGER_PORT": str(port),
        "LEDGER_PROVIDER_URL": provider_url,
        "LEDGER_BANK_URL": bank_url,
        "LEDGER_CLIENT_ID": CLIENT_ID,
        "LEDGER_CLIENT_SECRET": secret,
        "LEDGER_SESSION_KEY": secrets.token_hex(32),
        "LEDGER_PID_KEY": secrets.token_hex(32),
        "LEDGER_DEFECTS": options.defects,
    }
    population = options.population
    say(f"filling the ledger with {len(population.units):,} units")
    sessions_csv = _fill(options, workplace.path, logs, environment)

    def start_worker(index: int) -> Child:
        name = worker_name(index)
        return start_child(
            (sys.executable, "-m", "reference_app", "serve"),
            name=name,
            log=logs / f"{name}.log",
            environment={**environment, "LEDGER_WORKER_NAME": name},
        )

    say(f"starting {options.workers} application workers")
    workers = Workers(start_worker, options.workers, port)
    undo.append(workers.stop)
    workers.start()
    return EmbeddedTarget(
        workplace, postgres, provider, provider_url, bank, workers, port_holder, sessions_csv
    )


def _start_provider(logs: Path, secret: str) -> Child:
    return start_child(
        (sys.executable, "-m", "harness.stand_ins.thaid", "--port", "0",
         "--client-id", CLIENT_ID, "--client-secret", secret),
        name="identity provider's stand-in",
        log=logs / "thaid.log",
    )  # fmt: skip


def _start_bank(logs: Path, business_date: str) -> Child:
    return start_child(
        (sys.executable, "-m", "harness.stand_ins.bank", "--port", "0", "--date", business_date),
        name="bank's stand-in",
        log=logs / "bank.log",
    )


def _await_url(stand_in: Child) -> str:
    """Wait for the one JSON line that a stand-in prints when it is ready; its URL."""
    limit = time.monotonic() + STAND_IN_LIMIT_S
    while time.monotonic() < limit and stand_in.poll() is None:
        for line in stand_in.log.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError, KeyError, TypeError):
                return str(orjson.loads(line)["url"])
        time.sleep(0.02)
    raise _not_started(f"it is not ready; it wrote: {stand_in.tail()}", stand_in.name)


def _fill(
    options: EmbeddedOptions, folder: Path, logs: Path, environment: Mapping[str, str]
) -> Path:
    units_csv, accounts_csv = folder / "units.csv", folder / "accounts.csv"
    sessions_csv = folder / "sessions.csv"
    write_units_csv(options.population, units_csv)
    write_accounts_csv(options.population, accounts_csv)
    backlog = ("--open-from", f"{_first_month(options.business_date)}-01")
    fill = start_child(
        (sys.executable, "-m", "reference_app", "fill",
         "--units", str(units_csv), "--accounts", str(accounts_csv),
         "--sessions-out", str(sessions_csv), "--business-date", options.business_date,
         *(backlog if options.has_backlog else ()), "--history", str(options.history_months)),
        name="fill", log=logs / "fill.log",
        environment={**environment, "LEDGER_WORKER_NAME": "fill"},
    )  # fmt: skip
    limit_s = FILL_LIMIT_S + HISTORY_LIMIT_S * options.history_months
    run_to_end(fill, timeout_s=limit_s, mend="read its log, or try a smaller --scale")
    return sessions_csv


def _first_month(business_date: str) -> str:
    return months_of_backlog(business_date)[0]


def _not_started(what: str, where: str) -> BadSetup:
    return BadSetup(what=what, where=where, mend="start it alone with `monthend target`")
