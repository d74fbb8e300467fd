"""The truth server as clients meet it, and its log against what it was asked to do."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from harness.calibration.delays import DRAWS, Kind, delays_of, resets_of
from harness.calibration.truth_log import STALL_REQUEST, TRUTH_DTYPE, Ending, Records, read_log

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 20
SEED = 5
# A machine that others use may keep the server from its core this long, median over requests.
LATE_MEDIAN_MS = 5.0


@dataclass
class Served:
    """A running truth server; `records` can be read when it has ended."""

    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)

    def ask(self, path: str, client: socket.socket) -> bytes:
        """Return the whole answer, less where the server ended it early."""
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: truth\r\n\r\n".encode())
        return answer_of(client)

    def records(self) -> Records:
        return read_log(self.log, TRUTH_DTYPE)[1]


def answer_of(client: socket.socket) -> bytes:
    answer = b""
    while True:
        try:
            received = client.recv(65536)
        except ConnectionResetError:
            return answer
        answer += received
        head, found, body = answer.partition(b"\r\n\r\n")
        if not received or (
            found and len(body) >= int(head.lower().split(b"length: ")[1].split()[0])
        ):
            return answer


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Served]:
    log = folder / "truth.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.stand_ins.truth", "--log", str(log), "--seed", str(SEED),
         *options],
        cwd=ROOT, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        port = urlsplit(json.loads(process.stdout.readline())["url"]).port
        assert port
        yield Served(port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(LIMIT_S)
        process.stdout.close()
    assert status == 0


def test_every_answer_comes_when_it_was_drawn_to_come(tmp_path: Path) -> None:
    kinds = (Kind.PLAIN, Kind.CONSTANT, Kind.EXPONENTIAL, Kind.LOGNORMAL, Kind.BIMODAL, Kind.DRIP)
    with serving(tmp_path) as served, served.connect() as client:
        answers = [
            served.ask(f"/{kind.path}/{number}", client) for kind in kinds for number in range(20)
        ]
    records = served.records()
    drawn = [int(delays_of(kind, SEED)[n % DRAWS]) for kind in kinds for n in range(20)]
    late_ns = records["last_byte_ns"] - records["received_ns"] - records["intended_ns"]

    assert {answer.split(b"\r\n\r\n")[1] for answer in answers} == {b"hello world\n"}
    assert records["request"].tolist() == [number for _ in kinds for number in range(20)]
    assert records["kind"].tolist() == [kind for kind in kinds for _ in range(20)]
    assert records["intended_ns"].tolist() == drawn
    assert late_ns.min() >= 0
    assert np.median(late_ns) < LATE_MEDIAN_MS * 1e6
    assert records["place"].tolist() == list(range(120))
    assert set(records["connection"]) == {1}


def test_the_client_sees_what_the_log_says(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []
    with serving(tmp_path) as served, served.connect() as client:
        for number in range(40):
            began_ns = time.monotonic_ns()
            served.ask(f"/exponential/{number}", client)
            asked.append((began_ns, time.monotonic_ns()))
    records = served.records()

    for (began_ns, ended_ns), record in zip(asked, records, strict=True):
        assert began_ns <= record["received_ns"] <= record["last_byte_ns"]
        assert record["last_byte_ns"] <= ended_ns


def test_resets_come_where_they_were_drawn(tmp_path: Path) -> None:
    seen: dict[Kind, list[bytes]] = {Kind.RESET_BEFORE: [], Kind.RESET_AFTER: []}
    with serving(tmp_path) as served:
        for kind, answers in seen.items():
            for number in range(24):
                with served.connect() as client:
                    answers.append(served.ask(f"/{kind.path}/{number}", client))
    records = served.records()

    for kind, answers in seen.items():
        is_reset = resets_of(kind, SEED)[:24]
        ending = Ending.RESET_BEFORE if kind is Kind.RESET_BEFORE else Ending.RESET_AFTER
        of_kind = records[records["kind"] == kind]

        assert is_reset.any()
        assert [not a.endswith(b"hello world\n") for a in answers] == is_reset.tolist()
        assert (of_kind["ending"] == ending).tolist() == is_reset.tolist()
        assert set(of_kind["status"][is_reset]) == {0}
    assert set(records[records["ending"] == Ending.RESET_BEFORE]["first_byte_ns"]) == {0}


def test_bursts_of_503_are_logged_as_they_were_sent(tmp_path: Path) -> None:
    statuses: list[bytes] = []
    with serving(tmp_path) as served, served.connect() as client:
        until = time.monotonic() + 1.3  # a whole period of bursts
        while time.monotonic() < until:
            for path in ("/shed/1", "/unavailable/1"):
                answer = served.ask(path, client)
                assert (b"Retry-After: 1" in answer) == (path == "/shed/1" and b" 503 " in answer)
                statuses.append(answer[9:12])
    records = served.records()

    assert Counter(statuses)[b"503"] > 0
    assert Counter(statuses)[b"200"] > 0
    assert records["status"].tolist() == [int(status) for status in statuses]


def test_nobody_is_answered_while_the_server_stands_still(tmp_path: Path) -> None:
    options = ("--stall-s", "0.5", "--stall-every-s", "1.0")
    with serving(tmp_path, *options) as served, served.connect() as client:
        until = time.monotonic() + 2.2
        while time.monotonic() < until:
            served.ask("/plain/0", client)
    records = served.records()
    stalls = records[records["request"] == STALL_REQUEST]
    answers = records[records["request"] != STALL_REQUEST]

    assert len(stalls) >= 2
    for stall in stalls:
        assert stall["last_byte_ns"] - stall["received_ns"] >= 500_000_000
        inside = (answers["last_byte_ns"] > stall["received_ns"]) & (
            answers["handed_ns"] < stall["last_byte_ns"]
        )
        assert not inside.any()
    first_wait_ns = stalls["received_ns"][0] - answers["received_ns"][0]
    assert first_wait_ns == pytest.approx(500_000_000, abs=400_000_000)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /plain/1 HTTP/1.1\r\n\r\nGET /plain/2 HTTP/1.1\r\n\r\n",
        b"POST /plain/1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /plain/2 HTTP/1.1\r\n\r\n",
        b"GET /constant/1 HTTP/1.1\r\n\r\nGET /plain/2 HTTP/1.1\r\n\r\n",
    ],
)
def test_requests_in_one_packet_are_answered_one_after_the_other(
    tmp_path: Path, request_bytes: bytes
) -> None:
    with serving(tmp_path) as served, served.connect() as client:
        client.sendall(request_bytes)
        answer = b""
        while answer.count(b"hello world\n") < 2:
            received = client.recv(65536)
            assert received
            answer += received

    assert served.records()["request"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x00" * 200_000,
        b"GET /plain/1 HTTP/1.1\r\nContent-Length: 9999999\r\nX: y\r\n\r\n" * 3,
        b"POST /plain/1 HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /plain/" + b"9" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET /plain/" + b"9" * 19 + b" HTTP/1.1\r\n\r\n",
        b"GET /plain/-1 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
    ],
)
def test_hostile_bytes_do_not_end_the_server(tmp_path: Path, hostile: bytes) -> None:
    with serving(tmp_path) as served:
        with served.connect() as enemy:
            enemy.settimeout(0.3)
            try:
                enemy.sendall(hostile)
                enemy.recv(65536)
            except OSError:
                pass
        with served.connect() as client:
            answer = served.ask("/plain/77", client)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert 77 in served.records()["request"].tolist()


def test_a_client_that_leaves_in_the_middle_is_logged(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        with served.connect() as client:
            client.sendall(b"GET /drip/3 HTTP/1.1\r\n\r\n")
            client.recv(1)
            client.close()
        with served.connect() as other:
            served.ask("/constant/4", other)
            served.ask("/drip/5", other)
    records = served.records()
    left = records[records["request"] == 3]

    assert left["ending"].tolist() == [Ending.CLIENT_LEFT]


def test_an_earlier_log_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "truth.log").write_bytes(b"evidence")

    ended = subprocess.run(
        [sys.executable, "-m", "harness.stand_ins.truth", "--log", str(tmp_path / "truth.log")],
        cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "truth.log").read_bytes() == b"evidence"
