"""The benchmark of load generators: how it reads what each says, and what it calls true."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.calibration.delays import Kind
from harness.calibration.record import Latencies
from harness.calibration.truth_log import STALL_REQUEST, TRUTH_DTYPE
from tests.benchmarks.bench_engine import client_cells, median_of
from tests.benchmarks.clients import Measured, Work, k6, locust, true_latencies, wrk
from tests.benchmarks.engine_budgets import Budget, budget_cells

PLAIN = Work(kind=Kind.PLAIN, rate_per_s=500, seconds=10)
LOCUST_SAID = """\
GET      plain     3900     0(0.00%) |     26       0     105     25 | 3073.74        0.00
Response time percentiles (approximated)
Type     Name          50%    66%    75%    80%    90%    95%    98%    99%  99.9% 99.99%   100% # reqs
--------|-------------|------|------|------
GET      plain          24     30     32     34     39     43     56     62    100    110    110   3900
--------|-------------|------|------|------
         Aggregated     25     30     32     34     39     43     56     63    100    110    120   3900
"""  # noqa: E501
WRK_SAID = """\
    Latency   648.61us    1.15ms  16.32ms   89.85%
     50%  251.00us
     75%  339.00us
     99%    5.34ms
"""


def measured(cpu_us: float, reported: Latencies) -> Measured:
    true = Latencies(p50=1.0, p99=2.0, p999=3.0, longest=4.0)
    return Measured(client="a client", work=PLAIN, requests=5000, rate_per_s=500.0, cpu_us=cpu_us,
                    memory_bytes=80_000_000, true_ms=true, reported_ms=reported)  # fmt: skip


def test_each_client_is_read_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "client").write_text(LOCUST_SAID)
    said_by_locust = locust("fast", "Locust").reported(tmp_path)
    (tmp_path / "client").write_text(WRK_SAID)
    said_by_wrk = wrk("wrk").reported(tmp_path)
    duration = {"med": 0.5, "p(99)": 7.0, "p(99.9)": 10.5, "max": 11.0, "fails": 0}
    (tmp_path / "said.json").write_text(json.dumps({"metrics": {"http_req_duration": duration}}))
    said_by_k6 = k6(Path("k6")).reported(tmp_path)

    assert said_by_locust == Latencies(p50=25.0, p99=63.0, p999=100.0, longest=120.0)
    assert (said_by_wrk.p50, said_by_wrk.p99, said_by_wrk.longest) == (0.251, 5.34, 16.32)
    assert math.isnan(said_by_wrk.p999)
    assert said_by_k6 == Latencies(p50=0.5, p99=7.0, p999=10.5, longest=11.0)


def test_a_client_that_printed_nothing_ends_the_benchmark(tmp_path: Path) -> None:
    (tmp_path / "client").write_text("Traceback")

    with pytest.raises(SystemExit, match="no percentiles"):
        locust("fast", "Locust").reported(tmp_path)


def test_true_without_a_stall_is_what_the_server_took() -> None:
    truth = np.zeros(1000, dtype=TRUTH_DTYPE)
    truth["received_ns"] = 10**12 + np.arange(1000) * 10**6
    truth["last_byte_ns"] = truth["received_ns"] + np.arange(1, 1001) * 1000

    found = true_latencies(truth, PLAIN)

    assert (found.p50, found.p99, found.longest) == (0.5, 0.99, 1.0)


def test_true_with_a_stall_asks_at_every_moment_also_while_nobody_was_let_in() -> None:
    # One client that asks again when answered: it meets a stall of 2 s once in 10 s.
    truth = np.zeros(1001, dtype=TRUTH_DTYPE)
    truth["received_ns"] = 10**12 + np.linspace(0, 9.99e9, 1001).astype(np.int64)
    truth["last_byte_ns"] = truth["received_ns"] + 1000
    truth[500]["request"] = STALL_REQUEST
    truth[500]["received_ns"], truth[500]["last_byte_ns"] = 10**12 + 4 * 10**9, 10**12 + 6 * 10**9
    work = Work(kind=Kind.PLAIN, rate_per_s=500, seconds=10, stall_s=2.0)

    found = true_latencies(truth, work)

    assert found.p50 == 0.0
    assert found.p99 == pytest.approx(1900.0, abs=5)
    assert found.longest == 2000.0


def test_the_tables_show_error_and_budget() -> None:
    said = Latencies(p50=1.5, p99=1.0, p999=math.nan, longest=4.0)
    middle = median_of([measured(70.0, said), measured(50.0, said), measured(60.0, said)])

    cells = client_cells(middle)

    assert cells[:6] == ("plain, 500/s", "a client", "5,000", "500", "60", "80")
    assert cells[-3:] == ("+0.50", "-1.00", "-")
    verdicts = [
        budget_cells(Budget(name="x", value=value, must=7, aim=12, unit="/s", is_more_better=True))
        for value in (13.0, 8.0, 3.0, math.nan)
    ]
    assert [row[-1] for row in verdicts] == ["aim met", "must met", "NOT met", "NOT met"]
    assert budget_cells(Budget(name="x", value=90, must=100, aim=50, unit="us"))[-1] == "must met"
