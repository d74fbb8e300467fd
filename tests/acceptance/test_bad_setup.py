"""Whatever is wrong before the load: one clear line, status 3, no run folder, nothing running."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.acceptance.conftest import CONTRACT, NO_DISK, Command, Start, small_disk

TINY = ("accept", "--scale", "0.003", "--duration", "10", "--faults", "none", "--workers", "1")
WITHOUT = """
import sys
sys.modules[{package!r}] = None
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _assert_refused(command: Command, *words: str) -> None:
    status = command.finish()
    said = command.errors.read_text()
    assert status == 3, said
    assert len(command.complaints) == 1, said
    (line,) = command.complaints
    assert line.startswith("monthend: ")
    for word in words:
        assert word in line
    assert command.output == ""
    command.await_no_children()
    assert not command.out.is_dir() or not list(command.out.iterdir()), (
        "a run that never began leaves no folder"
    )


def test_a_dead_target(start: Start) -> None:
    with socket.socket() as holder:  # bound and not listening: nobody else gets the port
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        _assert_refused(start(*TINY[:-2], "--target", url), url, "nothing listens there")


def test_a_wrong_url(start: Start) -> None:
    _assert_refused(start(*TINY[:-2], "--target", "localhost:8080"), "not the URL of a target")


def test_a_port_in_use(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = start("target", "--scale", "0.003", "--port", port, with_out=False)
        _assert_refused(command, port, "the port cannot be used")


def test_a_place_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    command = start(*TINY, out=tmp_path / "file" / "runs")
    _assert_refused(command, str(command.out), "cannot be written")


def test_a_full_disk(start: Start, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as place:
        if place is None:
            pytest.skip(NO_DISK)
        command = start(*TINY, out=place / "runs")
        _assert_refused(command, str(place), "the disk has", "MB left")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("samples_min: 60", "samples_minimum: 60", "samples_min"),
        ("unit: ms}", "unit: parsec}", "parsec"),
        ("id: new-elaas", "id: [", "contract.yaml:"),
        ("composition: A", "composition: Z", "Z"),
    ],
)
def test_a_broken_contract(start: Start, tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "contract.yaml"
    text = CONTRACT.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    _assert_refused(start(*TINY, "--contract", str(path)), says, str(path))


@pytest.mark.parametrize("package", ["aiohttp", "numpy", "yaml"])
def test_a_missing_package(start: Start, package: str) -> None:
    command = start(*TINY, code=WITHOUT.format(package=package))
    _assert_refused(command, f"package {package} is missing: run make setup")


def test_a_defect_that_does_not_exist(start: Start) -> None:
    _assert_refused(start(*TINY, "--defect", "M99"), "M99")


NO_SIGN_IN = """
from scenarios.dialects.tables import Call, TableDialect

class OurDialect(TableDialect):
    calls = {name: Call(path=f"/{name}/{{unit}}") for name in (
        "view_overview", "view_worklist", "view_budget", "view_chart_of_accounts",
        "list_documents", "view_document", "create_receipt")}
"""


def test_people_who_can_never_sign_in(start: Start, tmp_path: Path) -> None:
    dialect, sessions = tmp_path / "ours.py", tmp_path / "s.csv"
    dialect.write_text(NO_SIGN_IN)
    sessions.write_text("account,token\n1100001001,t\n")
    words = (*TINY[:-2], "--target", "http://127.0.0.1:9", "--dialect", str(dialect))

    _assert_refused(start(*words), "have no token", "has no start_login", "(not given)")
    _assert_refused(start(*words, "--sessions", str(sessions)), "have no token", str(sessions))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--locustfile", "x.py"), "--locustfile x.py: a locustfile of yours runs under the judge"),
        (("--workers", "0"), "--workers 0: nobody would drive the load"),
    ],
)
def test_what_the_load_alone_does_not_do(start: Start, words: tuple[str, ...], says: str) -> None:
    _assert_refused(start("load", "--target", "http://127.0.0.1:9", *words), says)
