"""The embedded PostgreSQL: durable, crashable, startable again, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from harness.processes import PROJECT_ROOT, is_alive
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workplace import make_workplace, sweep

LIMIT_S = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    workplace = make_workplace()
    postgres = EmbeddedPostgres(folder=workplace.path / "db", log=workplace.path / "log")
    try:
        postgres.create()
        yield postgres
    finally:
        postgres.stop()
        workplace.remove()
        assert not workplace.path.exists()


def _value(dsn: str, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(dsn, timeout=5.0)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close(timeout=5.0)

    return asyncio.run(ask())


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_is_on(server: EmbeddedPostgres, setting: str) -> None:
    assert _value(server.monitor_dsn, f"SHOW {setting}") == "on"


def test_there_is_no_network_port(server: EmbeddedPostgres) -> None:
    assert _value(server.monitor_dsn, "SHOW listen_addresses") == ""


def test_the_monitor_sees_statements_but_no_ledger_table(server: EmbeddedPostgres) -> None:
    _value(server.owner_dsn, "CREATE TABLE IF NOT EXISTS secret AS SELECT 1 AS amount")
    assert _value(server.monitor_dsn, "SELECT count(*) > 0 FROM pg_stat_statements") is True
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        _value(server.monitor_dsn, "SELECT amount FROM secret")


def test_what_was_committed_survives_a_crash(server: EmbeddedPostgres) -> None:
    _value(server.owner_dsn, "CREATE TABLE kept AS SELECT 42 AS amount")
    before = server.pid
    assert before is not None
    server.stop_immediate()
    server.stop_immediate()
    assert not server.is_running()
    assert not is_alive(before)
    server.start()
    server.start()
    assert server.pid not in (None, before)
    assert _value(server.owner_dsn, "SELECT amount FROM kept") == 42


OWNER = """
import sys, time
from harness.targets.postgres import EmbeddedPostgres
from harness.targets.workplace import make_workplace
workplace = make_workplace()
postgres = EmbeddedPostgres(folder=workplace.path / "db", log=workplace.path / "log")
postgres.create()
print(workplace.path, postgres.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_killed_run_leaves_no_server_and_its_folder_is_swept(is_frozen: bool) -> None:
    """A frozen server cannot answer its death signal; the sweep of the next run ends it."""
    memory_before = _shared_memory_count()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    )
    assert owner.stdout is not None
    with owner.stdout:
        folder_text, pid_text = owner.stdout.readline().split()
    folder, pid = Path(folder_text), int(pid_text)
    if is_frozen:
        os.kill(pid, signal.SIGSTOP)
    owner.kill()
    owner.wait(LIMIT_S)
    if not is_frozen:
        limit = time.monotonic() + LIMIT_S
        while is_alive(pid):
            assert time.monotonic() < limit, "the server outlived the harness"
            time.sleep(0.05)
    assert folder.exists()
    sweep(folder.parent)
    assert not is_alive(pid)
    assert not folder.exists()
    assert _shared_memory_count() <= memory_before


def _shared_memory_count() -> int:
    """Segments without a process, which nobody would ever remove."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return sum(line.split()[6] == "0" for line in lines)


def test_a_living_run_is_not_swept() -> None:
    workplace = make_workplace()
    try:
        assert workplace.path not in sweep(workplace.path.parent)
        assert workplace.path.exists()
    finally:
        workplace.remove()


def test_a_folder_that_is_not_ours_is_not_swept(tmp_path: Path) -> None:
    for name, content in (("monthend-1-a", b""), ("monthend-2-b", b'{"pid": 1}'), ("other-1", b"")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "owner.json").write_bytes(content)
    assert sweep(tmp_path) == ()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_server_user_who_cannot_reach_the_programs_gets_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a virtual environment under /root, which nobody else may enter."""
    monkeypatch.setattr("harness.targets.postgres._others_can_reach", lambda _program: False)
    workplace = make_workplace()
    postgres = EmbeddedPostgres(folder=workplace.path / "db", log=workplace.path / "log")
    try:
        postgres.create()
        assert list((workplace.path / "pg").rglob("bin/postgres"))
        assert _value(postgres.monitor_dsn, "SELECT count(*) > 0 FROM pg_stat_statements") is True
    finally:
        postgres.stop()
        workplace.remove()
