"""Faults on real processes: a worker that really dies, a database that really stops and returns."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from contracts.records import FaultEvent
from harness.faults.catalogue import FAULTS
from harness.faults.fault import Injection
from harness.faults.schedule import FaultRunner, PlannedFault
from harness.faults.worker_kill import names_that_answer
from harness.probes.readings import read_readings
from harness.probes.start import start_probes
from harness.processes import Child, is_alive, start_child
from harness.run_folder import RunFolder
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workers import Workers, reserve_port, worker_name
from harness.targets.workplace import make_workplace

pytestmark = pytest.mark.slow

SECOND_NS = 1_000_000_000

# A worker of the least kind: it shares its port, says its name and is ready at once.
WORKER = """
import http.server, socket, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Server-Worker", sys.argv[2])
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *parts):
        pass
class Shared(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()
Shared(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@dataclass
class WorkersTarget:
    """Two real workers under the supervisor of the embedded target, and no database."""

    workers: Workers
    database: None = None
    database_dsn: str | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.workers.port}"

    def processes(self, role: str) -> tuple[int, ...]:
        return self.workers.pids if role == "app" else ()

    def kill_worker(self, pid: int) -> None:
        self.workers.kill(pid)


@dataclass
class DatabaseTarget:
    """A real PostgreSQL and no application."""

    database: EmbeddedPostgres
    base_url: str = "http://127.0.0.1:9"

    @property
    def database_dsn(self) -> str:
        return self.database.monitor_dsn

    def processes(self, role: str) -> tuple[int, ...]:
        pid = self.database.pid
        return (pid,) if role == "database" and pid else ()

    def kill_worker(self, pid: int) -> None:
        raise AssertionError("there is no worker")


@dataclass
class FaultRecord:
    events: list[FaultEvent] = field(default_factory=list)

    def append_fault(self, event: FaultEvent) -> None:
        self.events.append(event)


@pytest.fixture
def workers_target(tmp_path: Path) -> Iterator[WorkersTarget]:
    holder = reserve_port(0)
    port = holder.getsockname()[1]

    def start_worker(index: int) -> Child:
        name = worker_name(index)
        command = [sys.executable, "-c", WORKER, str(port), name]
        return start_child(command, name=name, log=tmp_path / f"{name}.log")

    workers = Workers(start_worker=start_worker, count=2, port=port)
    try:
        workers.start()
        yield WorkersTarget(workers=workers)
    finally:
        workers.stop()
        holder.close()


@pytest.fixture(scope="module")
def database_target() -> Iterator[DatabaseTarget]:
    workplace = make_workplace()
    try:
        database = EmbeddedPostgres(
            folder=workplace.path / "postgres", log=workplace.path / "postgres.log"
        )
        try:
            database.create()
            yield DatabaseTarget(database=database)
        finally:
            database.stop()
    finally:
        workplace.remove()


def test_a_killed_worker_really_dies_and_its_successor_answers_under_its_name(
    workers_target: WorkersTarget,
) -> None:
    before = workers_target.processes("app")
    fault, record = FAULTS["worker_kill"](), FaultRecord()
    now_ns = time.monotonic_ns()
    planned = [PlannedFault(fault=fault, inject_ns=now_ns, slot_ended_ns=now_ns + 60 * SECOND_NS)]
    runner = FaultRunner(workers_target, planned, record)

    runner.start()
    assert runner.join(30.0)

    after = workers_target.processes("app")
    [event] = record.events
    [dead] = set(before) - set(after)
    assert runner.problems == ()
    assert event.target == f"app worker {dead}"
    assert not is_alive(dead)
    assert event.injected_ns < event.healed_ns
    assert len(after) == 2
    assert names_that_answer(workers_target.base_url, 2) == {worker_name(0), worker_name(1)}


def test_healing_again_finds_everything_healed(workers_target: WorkersTarget) -> None:
    fault = FAULTS["worker_kill"]()
    injection = fault.inject(workers_target)
    deadline_ns = time.monotonic_ns() + 30 * SECOND_NS

    first = fault.heal(workers_target, injection, deadline_ns=deadline_ns)
    second = fault.heal(workers_target, injection, deadline_ns=deadline_ns)

    assert second.healed_ns > first.healed_ns
    assert isinstance(injection, Injection)


async def keep_a_row(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        await connection.execute("INSERT INTO kept VALUES (7)")
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close()


async def count_rows(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close()


def test_a_restarted_database_lost_its_sessions_but_no_committed_row(
    database_target: DatabaseTarget, tmp_path: Path
) -> None:
    dsn = database_target.database.owner_dsn
    row_count = asyncio.run(keep_a_row(dsn))
    [before] = database_target.processes("database")
    folder = RunFolder(tmp_path)
    folder.create()
    probes = start_probes(database_target, folder)
    fault = FAULTS["database_restart"]()
    now_ns = time.monotonic_ns() + SECOND_NS // 2
    planned = [PlannedFault(fault=fault, inject_ns=now_ns, slot_ended_ns=now_ns + 60 * SECOND_NS)]
    runner = FaultRunner(database_target, planned, folder)
    try:
        runner.start()
        assert runner.join(60.0)
        reconnected_by = time.monotonic() + 10.0
        while time.monotonic() < reconnected_by:
            rows = read_readings(folder.readings, "postgres").rows
            if [r.value for r in rows if r.name == "connected"][-1:] == [1.0] and len(rows) > 5:
                time.sleep(0.5)
                break
            time.sleep(0.1)
    finally:
        runner.stop()
        reports = {report.probe: report for report in probes.stop()}

    [after] = database_target.processes("database")
    [event] = folder.read_faults()
    assert runner.problems == ()
    assert before != after
    assert not is_alive(before)
    assert event.healed_ns > event.injected_ns
    assert str(after) in event.detail
    assert asyncio.run(count_rows(dsn)) == row_count

    # The probe lost its connection, said so, came back and ended in good order.
    readings = read_readings(folder.readings, "postgres")
    assert [r.value for r in readings.rows if r.name == "connected"] == [1.0, 0.0, 1.0]
    assert readings.incomplete_because is None
    assert reports["postgres"].is_complete
    assert any(r.name == "sessions" and r.at_ns > event.healed_ns for r in readings.rows)


def test_a_fault_on_a_database_that_is_already_down_still_leaves_it_running(
    database_target: DatabaseTarget,
) -> None:
    database_target.database.stop_immediate()
    record = FaultRecord()
    now_ns = time.monotonic_ns()
    fault = FAULTS["database_restart"]()
    planned = [PlannedFault(fault=fault, inject_ns=now_ns, slot_ended_ns=now_ns + 60 * SECOND_NS)]
    runner = FaultRunner(database_target, planned, record)

    runner.start()
    assert runner.join(60.0)

    assert database_target.database.is_running()
    assert record.events == []
    assert "was not running" in runner.problems[0]
