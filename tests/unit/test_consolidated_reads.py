"""Consolidated reports are read twice, from whoever answers whatever, and never guessed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness.consolidated_reads import (
    HOPELESS,
    UNREADABLE,
    Consolidation,
    consolidating,
    members_of,
    read_report,
)
from scenarios.dialects import load_dialect
from scenarios.dialects.interface import AccountTotals, Request
from scenarios.population import build_population
from tests.fakes.page_server import Asked, PageServer

POPULATION = build_population(scale=0.004)
PARENTS = list(members_of(POPULATION))
ROW = b'{"account":"1110101","opening":"1.00","debit":"2.50","credit":"0.00","closing":"3.50"}'
REPORT = b'{"accounts":[%b]}' % ROW


def page(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Asked], bytes]], PageServer]]:
    servers: list[PageServer] = []

    def start(pages: Callable[[Asked], bytes]) -> PageServer:
        servers.append(PageServer(pages))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def read(server: PageServer, into: Path) -> tuple[int, str, dict[str, list[dict[str, Any]]]]:
    dialect = consolidating(load_dialect("reference"))
    assert dialect is not None
    reading = Consolidation(
        url=server.url, token="t", dialect=dialect, population=POPULATION, period=202512
    )
    reading.begin()
    unread, reason = reading.conclude(into)
    tables = {path.stem: pq.read_table(path).to_pylist() for path in into.glob("*.parquet")}
    return unread, reason, tables


def test_each_parent_is_asked_twice_for_the_period(
    serve: Callable[..., PageServer], tmp_path: Path
) -> None:
    server = serve(lambda asked: page(REPORT))
    unread, reason, tables = read(server, tmp_path)

    assert (unread, reason) == (0, "")
    assert len(PARENTS) > HOPELESS
    assert sorted(asked.path for asked in server.asked) == sorted(
        2 * [f"/units/{p}/reports/consolidated-trial-balance?period=2025-12" for p in PARENTS]
    )
    assert tables["consolidated"] == [
        {"unit": parent, "period": 202512, "account": "1110101", "opening_satang": 100,
         "debit_satang": 250, "credit_satang": 0, "closing_satang": 350}
        for parent in PARENTS
    ]  # fmt: skip


def test_a_report_that_changes_meanwhile_is_left_out_with_its_reason(
    serve: Callable[..., PageServer], tmp_path: Path
) -> None:
    count = itertools.count()

    def restless(asked: Asked) -> bytes:
        is_first = asked.path.startswith(f"/units/{PARENTS[0]}/")
        return page(REPORT.replace(b"2.50", b"%d.50" % next(count)) if is_first else REPORT)

    unread, reason, tables = read(serve(restless), tmp_path)

    assert (unread, reason) == (1, "the report changed while the books were read")
    assert {row["unit"] for row in tables["consolidated"]} == set(PARENTS[1:])
    assert {row["parent"] for row in tables["members"] if row["reason"]} == {PARENTS[0]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the answer cannot be read: JSONDecodeError"),
        (b"[]", "the answer cannot be read: TypeError"),
        (b"{}", "the answer cannot be read: KeyError"),
        (REPORT.replace(b"2.50", b"2.5"), "not an amount with two decimals"),
        (REPORT.replace(b'"1110101"', b"1110101"), "not a text"),
    ],
)
def test_an_answer_that_is_no_report_is_no_empty_one(
    serve: Callable[..., PageServer], tmp_path: Path, body: bytes, reason: str
) -> None:
    unread, first, tables = read(serve(lambda asked: page(body)), tmp_path)

    assert unread == len(PARENTS)
    assert reason in first
    assert tables["consolidated"] == []


def test_when_nobody_may_read_them_the_rest_is_not_tried(
    serve: Callable[..., PageServer], tmp_path: Path
) -> None:
    server = serve(lambda asked: page(b"", 403))
    unread, reason, _ = read(server, tmp_path)

    assert (unread, reason) == (len(PARENTS), "HTTP 403")
    assert HOPELESS <= len(server.asked) / 2 <= HOPELESS + 4  # so many are asked at once


class Reporting:
    """A dialect whose reports are what the test wants."""

    def __init__(self, *rows: object, request_count: int | None = None) -> None:
        self.rows = rows
        self.request_count = request_count

    def read_consolidated_requests(
        self, parents: Sequence[int], period: int, *, token: str
    ) -> tuple[Request, ...]:
        return (Request("GET", "/"),) * (self.request_count or len(parents))

    def parse_consolidated(self, body: bytes) -> Any:
        return self.rows


@pytest.mark.parametrize(
    "row",
    [
        ("1110101", 1, 2, 3),
        ("1110101", 1, 2, 3, 4, 5),
        (1110101, 1, 2, 3, 4),
        ("1110101", 1.0, 2, 3, 4),
        ("1110101", True, 2, 3, 4),
        ("1110101", None, 2, 3, 4),
        ("1110101", 10**18, 2, 3, 4),
        None,
    ],
)
def test_a_dialect_cannot_smuggle_anything_into_the_tables(row: object) -> None:
    with pytest.raises(UNREADABLE):
        read_report(Reporting(row), b"")


def test_rows_come_in_one_order() -> None:
    rows = ("2", 0, 0, 0, 0), ("1", 0, 5, 5, 0)

    assert [row.account for row in read_report(Reporting(*rows), b"")] == ["1", "2"]
    assert read_report(Reporting(*rows), b"")[0] == AccountTotals("1", 0, 5, 5, 0)


def test_a_dialect_that_asks_for_too_few_loses_no_run(tmp_path: Path) -> None:
    reading = Consolidation(
        url="http://127.0.0.1:1", token="t", dialect=Reporting(request_count=1),
        population=POPULATION, period=202512,
    )  # fmt: skip
    reading.begin()

    assert reading.conclude(tmp_path) == (
        len(PARENTS), f"the dialect gives 1 requests for {len(PARENTS)} parents"
    )  # fmt: skip


def test_a_dialect_need_not_read_them() -> None:
    assert consolidating(load_dialect("web_forms")) is None
