"""A real recorder on a real program, and a real database in which one session blocks the others."""

from __future__ import annotations

import asyncio
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from harness.diagnosis.findings import read_profile
from harness.diagnosis.hot_paths import rank_paths
from harness.diagnosis.hot_sql import rank_statements
from harness.diagnosis.profiling import Profiler, write_findings
from harness.diagnosis.signals import fold_readings
from harness.diagnosis.stacks import loop_occupancy, read_stacks
from harness.probes.pyspy import Recording, find_pyspy, start_recorder
from harness.probes.readings import read_readings
from harness.probes.start import start_probes
from harness.probes.statements import growth, read_statements
from harness.processes import Child, start_child
from harness.run_folder import RunFolder
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workplace import make_workplace

pytestmark = pytest.mark.slow

BURN = """
import asyncio, threading, time
def burn():
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        sum(range(50))
async def main():
    print("ready", flush=True)
    while True:
        burn()
        {then}
        await asyncio.sleep(0)
def nap():
    time.sleep({nap_s})
{before}
asyncio.run(main())
"""
# The loop burns, a thread sleeps through: only `--idle` is to see the sleeper. Each look stops it
# for a moment, though, and what then waits for a processor looks busy.
BURN_AND_SLEEP = BURN.format(
    then="", nap_s=600, before="threading.Thread(target=nap, daemon=True).start()"
)
# Half of a loop's turn burns, half sleeps.
BURN_AND_NAP = BURN.format(then="nap()", nap_s=0.2, before="")
RECORDED_S = 2


@dataclass
class ProgramTarget:
    """One running program and no database."""

    pids: tuple[int, ...]
    database_dsn: str | None = None

    def processes(self, role: str) -> tuple[int, ...]:
        return self.pids if role == "app" else ()


@pytest.fixture
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    script = tmp_path / "program.py"
    script.write_text(request.param)
    child = start_child([sys.executable, str(script)], name="program", log=tmp_path / "program.log")
    try:
        limit_s = time.monotonic() + 20
        while "ready" not in child.tail():
            assert child.poll() is None
            assert time.monotonic() < limit_s
            time.sleep(0.02)
        yield child
    finally:
        child.stop(grace_s=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    return folder


def record(program: Child, folder: Path, *, is_with_idle: bool) -> Recording:
    path = folder / f"{is_with_idle}.raw"
    recorder = start_recorder(
        "worker-0", program.pid, path, duration_s=RECORDED_S, is_with_idle=is_with_idle
    )
    return recorder.finish(RECORDED_S + 20)


needs_pyspy = pytest.mark.skipif(find_pyspy() is None, reason="py-spy is not installed")


@needs_pyspy
@pytest.mark.parametrize("program", [BURN_AND_SLEEP], indirect=True, ids=["sleeper"])
def test_the_burning_line_shows_without_idle_and_the_sleeping_one_only_with_it(
    program: Child, tmp_path: Path
) -> None:
    running, with_idle = (record(program, tmp_path, is_with_idle=kind) for kind in (False, True))
    if running.refused_because and "ermission" in running.refused_because:
        pytest.skip(f"this machine lets nobody attach: {running.refused_because}")
    assert running.refused_because is None
    assert with_idle.refused_because is None

    def self_samples(path: Path) -> dict[str, int]:
        ranked = rank_paths(read_stacks(path), rate_hz=100, completed_requests=0)
        return {p.function: p.self_samples for p in ranked}

    seen, seen_with_idle = self_samples(running.path), self_samples(with_idle.path)
    assert seen["burn"] > 10
    assert seen_with_idle["nap"] > 0.5 * seen_with_idle["burn"]
    share, share_with_idle = (one.get("nap", 0) / one["burn"] for one in (seen, seen_with_idle))
    assert share < 0.5 * share_with_idle
    assert loop_occupancy(read_stacks(with_idle.path))[0] > 0.8


@needs_pyspy
@pytest.mark.parametrize("program", [BURN_AND_NAP], indirect=True, ids=["naps"])
def test_the_profiler_records_while_the_load_is_on_and_names_the_target(
    program: Child, folder: RunFolder
) -> None:
    target = ProgramTarget(pids=(program.pid,))
    probes = start_probes(target, folder)
    profiler = Profiler(start_s=0.1, end_s=16.0)
    profiler.load_started(target, folder, time.monotonic_ns())
    time.sleep(2 * RECORDED_S + 1.5)
    profiler.load_ended()
    recorded = profiler.finish()
    probes.stop()

    found = write_findings(folder, recorded)

    if any("ermission" in reason for reason in found.missing):
        pytest.skip(f"this machine lets nobody attach: {found.missing}")
    # Two turns or the better part of them, one of each kind.
    assert [r.refused_because for r in found.recordings][:2] == [None, None]
    assert [r.is_with_idle for r in found.recordings][:2] == [False, True]
    assert {"burn", "nap"} <= {p.function for p in found.paths_with_idle if p.is_own}
    assert found.loop_occupancy is not None
    assert found.loop_occupancy > 0.8
    assert found.running_share is not None
    assert 0.2 < found.running_share < 0.8
    assert any("no access to the database" in reason for reason in found.missing)
    assert read_profile(folder.profile / "profile.json") == found
    for name in ("icicle.svg", "icicle-idle.svg"):
        ET.parse(folder.profile / name)
    assert "nap" in (folder.profile / "icicle-idle.svg").read_text("utf-8")


@needs_pyspy
def test_a_process_that_is_gone_is_a_reason_and_no_profile(
    folder: RunFolder,
) -> None:
    dead = start_child([sys.executable, "-c", "pass"], name="dead", log=folder.profile / "dead.log")
    dead.wait(20)

    recording = record(dead, folder.profile, is_with_idle=True)

    assert recording.refused_because


# --- the database --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> Iterator[EmbeddedPostgres]:
    workplace = make_workplace()
    try:
        server = EmbeddedPostgres(
            folder=workplace.path / "postgres", log=workplace.path / "postgres.log"
        )
        try:
            server.create()
            asyncio.run(prepare(server.owner_dsn))
            yield server
        finally:
            server.stop()
    finally:
        workplace.remove()


@dataclass
class DatabaseTarget:
    """A database and no program."""

    database_dsn: str

    def processes(self, role: str) -> tuple[int, ...]:
        return ()


async def prepare(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute("CREATE TABLE counters (unit int PRIMARY KEY, n int)")
    await connection.execute("INSERT INTO counters VALUES (1, 0)")
    await connection.close()


async def hold_and_queue(dsn: str, *, hold_s: float) -> None:
    """One session takes a row, two wait for it, one of them behind the other."""
    holder, *waiters = [await asyncpg.connect(dsn, timeout=10) for _ in range(3)]
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("/* close_period */ UPDATE counters SET n = n + 1 WHERE unit = 1")
    tasks = [
        asyncio.create_task(
            waiter.execute("/* post_receipt */ UPDATE counters SET n = n + 1 WHERE unit = 1")
        )
        for waiter in waiters
    ]
    await asyncio.sleep(hold_s)
    await transaction.commit()
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    for connection in (holder, *waiters):
        await connection.close()


def test_waiting_sessions_are_charged_to_the_call_site_that_holds_the_row(
    database: EmbeddedPostgres, folder: RunFolder
) -> None:
    probes = start_probes(DatabaseTarget(database.monitor_dsn), folder)
    asyncio.run(hold_and_queue(database.owner_dsn, hold_s=1.5))
    reports = probes.stop()

    rows = read_readings(folder.readings, "postgres").rows
    blocked = [r for r in rows if r.name.startswith("blocked:")]
    looks = [r for r in rows if r.name == "sessions"]
    assert all(report.is_complete for report in reports)
    assert len(looks) >= 5
    assert {(r.subject, r.name) for r in blocked} == {("close_period", "blocked:post_receipt")}
    # Both waiters, of whom one stands behind the other, behind the one root.
    assert max(r.value for r in blocked) == 2
    assert {r.name for r in rows if r.subject == "close_period" and r.name.startswith("root:")} == {
        "root:idle in transaction"
    }
    assert any(r.name == "wait" and r.subject.startswith("Lock:") for r in rows)
    assert any(r.name == "commits" for r in rows)


def test_statements_are_counted_between_two_snapshots_by_call_site(
    database: EmbeddedPostgres, folder: RunFolder
) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(database.owner_dsn, timeout=10)
        query = "/* read_counter */ SELECT n FROM counters WHERE n <> $1"
        for number in range(7):
            await connection.fetchval(query, number)
        # The session stays a while, idle, as those of a pool do.
        await asyncio.sleep(0.5)
        await connection.close()

    asyncio.run(work())
    before = asyncio.run(read_statements(database.monitor_dsn))
    probes = start_probes(DatabaseTarget(database.monitor_dsn), folder)
    asyncio.run(work())
    probes.stop()
    grown = growth(before, asyncio.run(read_statements(database.monitor_dsn)))
    signals = fold_readings(
        [], read_readings(folder.readings, "postgres").rows, window_s=1.0, requests=None,
        profile=None, missing=(),
    )  # fmt: skip

    ranked = rank_statements(grown.costs, call_sites=signals.call_sites, completed_requests=14)

    by_site = {s.call_site: s for s in ranked}
    assert grown.missing_because is None
    assert by_site["read_counter"].calls == 7
    assert by_site["read_counter"].calls_per_request == pytest.approx(0.5)
    assert not any(site.startswith("monthend") for site in by_site)


def test_a_database_without_the_extension_or_without_a_server_is_a_reason(
    database: EmbeddedPostgres, tmp_path: Path
) -> None:
    elsewhere = database.monitor_dsn.replace("/ledger?", "/postgres?")
    nowhere = f"postgresql://x@/y?host={tmp_path}&port=1"

    without_extension = asyncio.run(read_statements(elsewhere))
    without_server = asyncio.run(read_statements(nowhere))

    assert "pg_stat_statements" in (without_extension.missing_because or "")
    assert "no connection" in (without_server.missing_because or "")
