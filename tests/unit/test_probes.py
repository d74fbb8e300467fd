"""Readings that survive a crash, sessions walked to their root, probes that die in public."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from contracts.records import READING_COLUMNS
from harness.probes.activity import (
    DEADLOCK,
    NOT_VISIBLE,
    PREPARED,
    Session,
    call_site,
    look_at,
    root_of,
    sessions_from_rows,
)
from harness.probes.host import HostProbe, RoleMeter
from harness.probes.postgres import add_counters
from harness.probes.readings import ReadingLog, read_readings
from harness.probes.start import RunningProbe, start_probes
from harness.probes.statements import StatementCost, Statements, growth
from harness.run_folder import RunFolder
from tests.fakes.fault_target import FakeTarget


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.create()
    return folder


def session(pid: int, query: str, *blockers: int, state: str = "active", wait: str = "") -> Session:
    return Session(
        pid=pid, state=state, wait=wait or ("Lock:transactionid" if blockers else ""),
        query=query, transaction_s=0.5, blockers=blockers,
    )  # fmt: skip


# --- call sites ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "site"),
    [
        ("/* post_receipt */ INSERT INTO lines", "post_receipt"),
        ("  /*op=pay;src=pay.py:31*/SELECT 1", "op=pay;src=pay.py:31"),
        ("/* two\n   lines */ SELECT 1", "two lines"),
        ("-- name: next_number\nUPDATE counters", "name: next_number"),
        ("SELECT  1\n FROM x", "SELECT 1 FROM x"),
        ("SELECT 1 /* not at the head */", "SELECT 1 /* not at the head */"),
        ("/**/ SELECT 1", "/**/ SELECT 1"),
        ("SELECT /* behind_the_first_word */ 1", "behind_the_first_word"),
        ("/* never closed", "/* never closed"),
        ("", "(no statement)"),
        ("SELECT '" + "x" * 5000 + "'", ("SELECT '" + "x" * 5000)[:120]),
    ],
)
def test_a_statement_is_known_by_the_comment_at_its_head(query: str, site: str) -> None:
    assert call_site(query) == site


# --- blockers ------------------------------------------------------------------------------------


def test_waiting_sessions_are_charged_to_the_root_and_not_to_the_one_in_front() -> None:
    close = "/* close_period */ UPDATE periods"
    sessions = [
        session(1, close, state="idle in transaction"),
        session(2, "/* post */ INSERT", 1),
        session(3, "/* post */ INSERT", 2, 1),
        session(4, "/* pay */ UPDATE", 3),
        session(5, "/* read */ SELECT"),
    ]

    look = look_at(sessions)

    assert look.blocked == {("close_period", "post"): 2, ("close_period", "pay"): 1}
    assert look.root_states == {("close_period", "idle in transaction"): 1}
    assert look.waits == {"Lock:transactionid": 3, "on cpu": 1, "idle in transaction": 1}
    assert look.active == {"post": 2, "pay": 1, "read": 1}
    assert look.session_count == 5


def test_query_ids_are_known_by_the_call_site_of_any_session_even_an_idle_one() -> None:
    sessions = [
        replace(session(1, "/* post */ INSERT", state="idle"), query_id=-77),
        replace(session(2, "/* post */ INSERT"), query_id=-77),
        replace(session(3, "/* same_shape */ INSERT"), query_id=-77),
        session(4, "/* id_unknown */ INSERT"),
    ]

    assert look_at(sessions).statements == {(-77, "post"), (-77, "same_shape")}


def test_a_chain_that_bites_its_tail_is_a_deadlock() -> None:
    look = look_at([session(1, "/* a */", 2), session(2, "/* b */", 1)])

    assert look.blocked == {(DEADLOCK, "a"): 1, (DEADLOCK, "b"): 1}


@pytest.mark.parametrize(("blocker", "name"), [(0, PREPARED), (999, NOT_VISIBLE)])
def test_a_holder_outside_the_view_is_named_as_such(blocker: int, name: str) -> None:
    assert look_at([session(1, "/* a */", blocker)]).blocked == {(name, "a"): 1}


def test_a_chain_of_any_length_ends() -> None:
    sessions = {n: session(n, "q", n + 1) for n in range(1, 5000)}

    assert 1 < root_of(1, sessions) < 5000


def test_nulls_of_the_view_become_empty() -> None:
    row = dict.fromkeys(
        ("state", "wait_event_type", "wait_event", "query", "query_id", "transaction_s", "blockers")
    )

    [found] = sessions_from_rows([{"pid": 7, **row}])

    assert found == Session(pid=7, state="", wait="", query="", transaction_s=0.0, blockers=())
    assert look_at([found]).waits == {"(unknown)": 1}


# --- readings ------------------------------------------------------------------------------------


def test_a_closed_log_is_parquet_with_the_promised_columns(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "host")
    log.add(5, "host", "cpu_share", 0.5, "share")
    log.close(died_because=None)
    log.close(died_because="called again")
    log.add(6, "host", "cpu_share", 0.6, "share")

    table = pq.read_table(folder.readings / "host.parquet")
    readings = read_readings(folder.readings, "host")

    assert tuple(table.column_names) == READING_COLUMNS
    assert [row.name for row in readings.rows] == ["cpu_share", "ended"]
    assert readings.rows[0] == (5, "host", "host", "cpu_share", 0.5, "share")
    assert readings.incomplete_because is None
    assert not (folder.readings / "host.jsonl").exists()


def test_lines_of_a_killed_harness_are_read_up_to_the_break(folder: RunFolder) -> None:
    line = b'[5,"host","host","cpu_share",0.5,"share"]\n'
    (folder.readings / "host.jsonl").write_bytes(line + b'[6,"host","ho')

    readings = read_readings(folder.readings, "host")

    assert [row.at_ns for row in readings.rows] == [5]
    assert "broken" in (readings.incomplete_because or "")


def test_lines_without_a_last_word_were_cut_off(folder: RunFolder) -> None:
    line = b'[5,"host","host","cpu_share",0.5,"share"]\n'
    (folder.readings / "host.jsonl").write_bytes(line)

    assert "cut off" in (read_readings(folder.readings, "host").incomplete_because or "")


def test_what_was_flushed_is_on_disk_while_the_probe_still_works(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "host")
    log.add(5, "host", "cpu_share", 0.5, "share")
    log.flush()

    readings = read_readings(folder.readings, "host")
    log.close(died_because=None)

    assert [row.at_ns for row in readings.rows] == [5]


def test_a_missing_or_foreign_file_is_a_reason_and_no_readings(folder: RunFolder) -> None:
    (folder.readings / "postgres.parquet").write_bytes(b"PAR1 no such thing")

    assert read_readings(folder.readings, "host").rows == ()
    assert "left no readings" in (read_readings(folder.readings, "host").incomplete_because or "")
    assert "cannot be read" in (read_readings(folder.readings, "postgres").incomplete_because or "")


def test_readings_past_the_limit_are_counted_and_not_kept(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "host", rows_max=10)
    for at_ns in range(25):
        log.add(at_ns, "host", "cpu_share", 0.0, "share")
    log.close(died_because=None)

    rows = read_readings(folder.readings, "host").rows

    assert sum(1 for row in rows if row.name == "cpu_share") == 10
    assert [row.value for row in rows if row.name == "dropped"] == [15.0]


def test_a_long_subject_is_cut_and_odd_text_survives(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "host")
    log.add(1, 'ปิด "งวด"\n\x00' + "x" * 9999, "wait", 1, "count")
    log.close(died_because=None)

    subject = read_readings(folder.readings, "host").rows[0].subject

    assert subject.startswith('ปิด "งวด"\n\x00')
    assert len(subject) == 240


# --- probes --------------------------------------------------------------------------------------


class Dying:
    """Reads once and fails."""

    name = "dying"

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        log.add(1, "x", "y", 1.0, "count")
        raise OSError("the view\nis gone")


class Sleeping:
    """Ends without being asked."""

    name = "sleeping"

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        return


class Deaf:
    """Does not hear that it is to stop."""

    name = "deaf"

    def work(self, log: ReadingLog, stop: threading.Event) -> None:
        time.sleep(1.0)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (Dying(), "OSError: the view is gone"),
        (Sleeping(), "before it was stopped"),
        (Deaf(), "did not end"),
    ],
    ids=["dying", "sleeping", "deaf"],
)
def test_a_probe_that_dies_says_so_in_its_file(
    folder: RunFolder, probe: Dying | Sleeping | Deaf, reason: str
) -> None:
    running = RunningProbe(probe, folder)
    time.sleep(0.05)
    running.ask_to_stop()

    report = running.finish(0.05)

    readings = read_readings(folder.readings, probe.name)
    assert not report.is_complete
    assert reason in report.reason
    assert reason in (readings.incomplete_because or "")
    assert readings.rows[-1].name == "died"


def test_probes_of_a_target_without_access_read_the_machine_alone(folder: RunFolder) -> None:
    probes = start_probes(FakeTarget(), folder)
    reports = probes.stop()

    assert [report.probe for report in reports] == ["host"]
    assert reports[0].is_complete
    assert probes.stop() == reports
    assert read_readings(folder.readings, "host").incomplete_because is None


def test_the_host_probe_reads_every_role_each_interval(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "host")
    stop = threading.Event()
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as child:
        probe = HostProbe(lambda: {"app": (child.pid,), "load": (2**22 + 1,)}, interval_s=0.05)
        thread = threading.Thread(target=probe.work, args=(log, stop))
        thread.start()
        time.sleep(0.4)
        stop.set()
        thread.join(5.0)
        child.kill()
    log.close(died_because=None)

    rows = read_readings(folder.readings, "host").rows
    by_subject = {
        subject: [r for r in rows if r.subject == subject and r.name == "cpu_share"]
        for subject in ("host", "app", "load", "harness")
    }

    assert all(len(found) >= 2 for found in by_subject.values())
    assert all(0 <= r.value <= 1 and r.unit == "share" for r in by_subject["host"])
    assert all(r.unit == "cores" for r in by_subject["app"])
    # A process that does not exist uses nothing and is counted as none.
    assert all(r.value == 0 for r in by_subject["load"])
    assert {r.value for r in rows if r.subject == "load" and r.name == "processes"} == {0.0}
    assert {r.value for r in rows if r.subject == "app" and r.name == "processes"} == {1.0}


def test_cpu_use_is_counted_from_the_first_reading_on() -> None:
    meter, own = RoleMeter(), psutil.Process().pid
    started_ns = time.monotonic_ns()
    first = meter.read({"app": (own,)}, started_ns)
    spent_until = time.process_time() + 0.1
    while time.process_time() < spent_until:
        pass

    second = meter.read({"app": (own,)}, started_ns + 1_000_000_000)

    assert first["app"].cores == 0.0
    # The kernel counts in ticks of 10 ms.
    assert 0.05 < second["app"].cores < 0.5


def test_counters_that_went_backwards_are_said_and_not_computed(folder: RunFolder) -> None:
    log = ReadingLog(folder.readings, "postgres")
    add_counters(log, 1, {"commits": 10, "rollbacks": 1}, {"commits": 30, "rollbacks": 1}, 2.0)
    add_counters(log, 2, {"commits": 30, "rollbacks": 1}, {"commits": 3, "rollbacks": 2}, 2.0)
    log.close(died_because=None)

    rows = read_readings(folder.readings, "postgres").rows

    assert [(r.name, r.value) for r in rows[:-1]] == [
        ("commits", 10.0),
        ("rollbacks", 0.0),
        ("counters_lost", 1.0),
    ]


# --- statements ----------------------------------------------------------------------------------


def cost(calls: int, total_ms: float = 1.0, query: str = "/* post */ INSERT") -> StatementCost:
    return StatementCost(
        query=query, is_top_level=True, calls=calls, total_ms=total_ms, rows=calls, blocks=calls,
        wal_bytes=0,
    )  # fmt: skip


def test_only_the_growth_between_two_snapshots_counts() -> None:
    before = Statements(costs={(1, True): cost(10, 5.0), (2, True): cost(3)})
    after = Statements(costs={(1, True): cost(25, 9.0), (2, True): cost(3), (3, True): cost(4)})

    grown = growth(before, after)

    assert {key: value.calls for key, value in grown.costs.items()} == {(1, True): 15, (3, True): 4}
    assert grown.costs[(1, True)].total_ms == pytest.approx(4.0)


def test_a_reset_or_a_missing_snapshot_is_a_reason() -> None:
    full = Statements(costs={(1, True): cost(10)})
    reset = Statements(costs={(1, True): cost(2)})
    missing = Statements(costs={}, missing_because="no extension")

    assert "reset" in (growth(full, reset).missing_because or "")
    assert growth(missing, full).missing_because == "no extension"
    assert growth(full, missing).costs == {}
