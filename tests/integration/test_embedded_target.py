"""The embedded target as faults and probes see it: complete, watched over, and gone in the end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.cli import main
from harness.consolidated_reads import Consolidation, consolidating
from harness.failures import BadSetup, BrokenExperiment
from harness.final_reads import read_auditor_token, read_books
from harness.processes import Child, is_alive, start_child
from harness.targets import ProcessRole
from harness.targets.embedded import EmbeddedOptions, EmbeddedTarget, start_embedded
from harness.targets.remote import remote_target
from harness.targets.workers import Workers, reserve_port
from harness.warm_up import warm_up
from scenarios.dialects import load_dialect
from scenarios.population import Population, build_population

LIMIT_S = 15.0


@pytest.fixture(scope="module")
def population() -> Population:
    return build_population(scale=0.003)


@pytest.fixture(scope="module")
def target(population: Population) -> Iterator[EmbeddedTarget]:
    steps: list[str] = []
    running = start_embedded(
        EmbeddedOptions(population=population, business_date="2025-12-01", workers=2),
        say=steps.append,
    )
    try:
        yield running
    finally:
        everybody = [pid for role in ProcessRole for pid in running.processes(role)]
        everybody.append(running.bank.pid)
        running.stop()
        running.stop()
        assert len(everybody) >= 5
        assert not [pid for pid in everybody if is_alive(pid)]
        assert not running.workplace.path.exists()
    assert any("filling" in step for step in steps)


def _books_tables(folder: Path) -> dict[str, list[dict[str, object]]]:
    import pyarrow.parquet as pq

    return {path.stem: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}


def test_the_reference_dialect_and_ledger_understand_each_other(
    target: EmbeddedTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["try-dialect", "--dialect", "reference", "--target", target.url]
    status = main([*words, "--sessions", str(target.sessions_csv)])

    lines = capsys.readouterr().out.splitlines()
    told = {line.split()[1]: line for line in lines if line.startswith("ok")}
    assert not [line for line in lines if line.startswith("WRONG")]
    assert status == 0
    assert "token" in told["finish_login"], "somebody signed in through the identity provider"
    document = told["create_receipt"].partition("[document ")[2].partition(",")[0]
    assert f"[document {document}," in told["find_document_by_key"]
    assert any(line.startswith("ok    the same key again") for line in lines)
    assert "units of province" in told["books:"]
    assert "accounts" in told["reports:"]


def test_it_says_what_it_is(target: EmbeddedTarget) -> None:
    fingerprint = target.fingerprint()
    assert fingerprint["fsync"] == "on"
    assert fingerprint["workers"] == "2"
    assert fingerprint["defects"] == ""
    target.check_alive()
    assert target.lost_because() == ""


def test_both_workers_answer_and_people_are_signed_in(target: EmbeddedTarget) -> None:
    assert len(target.processes(ProcessRole.APP)) == 2
    answered = warm_up(
        url=target.url, dialect=load_dialect("reference"), sessions_csv=target.sessions_csv
    )
    assert answered > 20


def test_the_books_of_all_units_are_read(
    target: EmbeddedTarget, population: Population, tmp_path: Path
) -> None:
    token = read_auditor_token(target.sessions_csv)
    assert token
    report = read_books(
        url=target.url, token=token, dialect=load_dialect("reference"), population=population,
        fiscal_year=2569, into=tmp_path,
    )  # fmt: skip
    assert (report.unit_count, report.incomplete_count) == (len(population.units), 0)
    tables = _books_tables(tmp_path)
    assert {row["unit"] for row in tables["export"]} == {unit.unit for unit in population.units}
    assert sum(row["debit_satang"] - row["credit_satang"] for row in tables["lines"]) == 0
    accounts = [row["account"] for row in tables["chart"]]
    assert len(accounts) == len(set(accounts)) > 10


def test_books_that_cannot_be_read_are_recorded_unit_by_unit(
    target: EmbeddedTarget, population: Population, tmp_path: Path
) -> None:
    report = read_books(
        url=target.url, token="forged", dialect=load_dialect("reference"), population=population,
        fiscal_year=2569, into=tmp_path,
    )  # fmt: skip
    assert report.incomplete_count == len(population.units)
    assert "40" in report.first_reason  # 401 or 403
    export = _books_tables(tmp_path)["export"]
    assert len(export) == len(population.units)
    assert not any(row["is_complete"] for row in export)


def consolidation(
    target: EmbeddedTarget, population: Population, *, token: str | None = None
) -> Consolidation:
    token = token or read_auditor_token(target.sessions_csv)
    dialect = consolidating(load_dialect("reference"))
    assert token
    assert dialect is not None
    return Consolidation(
        url=target.url, token=token, dialect=dialect, population=population, period=202512
    )


def test_the_consolidated_reports_of_all_parents_are_read(
    target: EmbeddedTarget, population: Population, tmp_path: Path
) -> None:
    reading = consolidation(target, population)
    reading.begin()
    assert reading.conclude(tmp_path) == (0, "")

    tables = _books_tables(tmp_path)
    parents = {unit.parent for unit in population.units if unit.parent}
    assert {row["unit"] for row in tables["consolidated"]} == parents
    assert {(row["parent"], row["unit"]) for row in tables["members"]} == {
        *((parent, parent) for parent in parents),
        *((unit.parent, unit.unit) for unit in population.units if unit.parent),
    }
    assert {row["reason"] for row in tables["members"]} == {""}
    assert sum(int(str(row["closing_satang"])) for row in tables["consolidated"]) == 0


def test_consolidated_reports_that_nobody_may_read_have_a_reason(
    target: EmbeddedTarget, population: Population, tmp_path: Path
) -> None:
    reading = consolidation(target, population, token="forged")
    reading.begin()
    unread, reason = reading.conclude(tmp_path)

    tables = _books_tables(tmp_path)
    assert unread == len({row["parent"] for row in tables["members"]}) > 1
    assert "40" in reason
    assert tables["consolidated"] == []


def test_a_killed_worker_is_replaced(target: EmbeddedTarget) -> None:
    before = target.processes(ProcessRole.APP)
    target.kill_worker(before[0])
    limit = time.monotonic() + LIMIT_S
    while len(now := target.processes(ProcessRole.APP)) < 2 or before[0] in now:
        assert time.monotonic() < limit, "nobody took its place"
        time.sleep(0.02)
    with pytest.raises(BrokenExperiment, match="no living worker"):
        target.kill_worker(before[0])


def test_the_ledger_works_again_after_its_database_crashed(target: EmbeddedTarget) -> None:
    target.database.stop_immediate()
    assert target.processes(ProcessRole.DATABASE) == ()
    target.database.start()
    limit = time.monotonic() + LIMIT_S
    answered = 0
    while not answered:
        assert time.monotonic() < limit, "the workers did not find their database again"
        answered = warm_up(
            url=target.url, dialect=load_dialect("reference"), sessions_csv=target.sessions_csv
        )


def test_a_port_in_use_is_bad_setup(target: EmbeddedTarget, population: Population) -> None:
    """Also one that another target's workers share: our workers would steal its requests."""
    port = int(target.url.rpartition(":")[2])
    options = EmbeddedOptions(
        population=population, business_date="2025-12-01", workers=1, port=port
    )
    with pytest.raises(BadSetup, match=f"{port}: the port cannot be used"):
        start_embedded(options, say=lambda _: None)


def test_a_release_that_cannot_start_is_bad_setup_in_its_own_words(
    population: Population,
) -> None:
    options = EmbeddedOptions(
        population=population, business_date="2025-12-01", workers=1, defects="M99"
    )
    with pytest.raises(BadSetup, match="M99"):
        start_embedded(options, say=lambda _: None)


def test_a_worker_that_cannot_stay_up_loses_the_target(tmp_path: Path) -> None:
    """Bounded: a release that dies at once does not become a loop of births."""
    with reserve_port(0) as holder:
        workers = Workers(
            lambda _: start_child(("false",), name="worker", log=tmp_path / "log"),
            count=1,
            port=holder.getsockname()[1],
        )
        with pytest.raises(BrokenExperiment, match="worker: ended: status 1"):
            workers.start()
        workers.stop()


def test_a_supervisor_gives_up_in_the_end(tmp_path: Path) -> None:
    births: list[Child] = []

    def start(_index: int) -> Child:
        births.append(start_child(("sleep", "0"), name="worker", log=tmp_path / "log"))
        return births[-1]

    workers = Workers(start, count=1, port=0, restarts_max=2, haste_delay_s=0.01)
    workers.start_all()
    workers.watch()
    limit = time.monotonic() + LIMIT_S
    while not workers.lost:
        assert time.monotonic() < limit
        time.sleep(0.02)
    workers.stop()
    assert "ended 3 times" in workers.lost
    assert len(births) == 3


def _serve(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(LIMIT_S)
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, b"", "GET /healthz answered 404"),
        (503, b"", "GET /healthz answered 503"),
        (302, b"", "GET /healthz answered 302"),
        (200, b"<html>welcome</html>", "another system"),
        (200, b"[]", "another system"),
        (200, b'{"status": "ok"}', "another system"),
    ],
)
def test_a_system_of_another_kind_is_told_apart(status: int, body: bytes, says: str) -> None:
    for url in _serve(status, body):
        with pytest.raises(BadSetup, match=says):
            remote_target(url, sessions_csv=None).check_alive()


def test_a_ledger_that_runs_elsewhere_is_recognised(target: EmbeddedTarget) -> None:
    remote = remote_target(target.url + "/", sessions_csv=target.sessions_csv)
    remote.check_alive()
    assert remote.fingerprint()["name"] == "reference-ledger"
    assert (remote.access_tier, remote.database, remote.processes("app")) == ("T0", None, ())
    remote.stop()
    target.check_alive()


def test_a_dead_address_is_told_apart_from_one_that_speaks_no_http() -> None:
    with reserve_port(0) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(BadSetup, match="nothing listens there"):
            remote_target(f"http://127.0.0.1:{port}", sessions_csv=None).check_alive()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BadSetup, match="does not speak HTTP"):
            remote_target(url, sessions_csv=None).check_alive()
        thread.join(LIMIT_S)


def test_an_address_that_never_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.targets.remote.HEALTH_LIMIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BadSetup, match=r"no answer within 0\.2 s"):
            remote_target(url, sessions_csv=None).check_alive()
