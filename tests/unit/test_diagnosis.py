"""The diagnoser names what was seeded, abstains on what it cannot see, and draws hostile names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Bottleneck, Failure, Phase
from harness.diagnosis.explain import ABSTAIN, explain_signals, is_strained
from harness.diagnosis.findings import PROFILE_VERSION, Profile, read_profile, write_profile
from harness.diagnosis.flame import ROWS_MAX, icicle_svg
from harness.diagnosis.hot_paths import rank_paths
from harness.diagnosis.hot_sql import rank_statements
from harness.diagnosis.profiling import (
    Profiler,
    Recorded,
    Sampled,
    fold_profile,
    profile,
    write_findings,
)
from harness.diagnosis.signals import Requests, Signals, fold_readings, read_signals
from harness.diagnosis.stacks import Stacks, parse_stacks
from harness.diagnosis.summary import explanation_lines, profile_lines
from harness.failures import BadSetup
from harness.probes.pyspy import Recording
from harness.probes.readings import Reading, ReadingLog
from harness.probes.statements import StatementCost, Statements
from harness.run_folder import RunFolder

SECOND_NS = 1_000_000_000
SLOW = Requests(count=10_000, request_s=1000.0, latency_ms_p95=900.0, failed_share=0.0)
QUICK = Requests(count=10_000, request_s=100.0, latency_ms_p95=20.0, failed_share=0.0)
LIBRARY = "/usr/lib/python3.11"
LOOP = (
    f"run ({LIBRARY}/asyncio/runners.py:1);"
    f"BaseEventLoop._run_once ({LIBRARY}/asyncio/base_events.py:2)"
)
HANDLE = f"{LOOP};Handle._run ({LIBRARY}/asyncio/events.py:80)"
SELECT = f"{LOOP};EpollSelector.select ({LIBRARY}/selectors.py:468)"


def postgres_readings(*looks: dict[tuple[str, str], int]) -> list[Reading]:
    rows = []
    for at, look in enumerate(looks):
        rows.append(Reading(at, "postgres", "total", "sessions", 20.0, "count"))
        rows += [Reading(at, "postgres", s, n, float(v), "count") for (s, n), v in look.items()]
    return rows


def cpu_readings(**cores: float) -> list[Reading]:
    rows = [Reading(0, "host", "host", "cpu_count", 2.0, "count")]
    return rows + [Reading(1, "host", r, "cpu_share", c, "cores") for r, c in cores.items()]


def signals(
    *looks: dict[tuple[str, str], int],
    requests: Requests | None = SLOW,
    found: Profile | None = None,
    **cores: float,
) -> Signals:
    return fold_readings(
        cpu_readings(**cores), postgres_readings(*looks), window_s=100.0, requests=requests,
        profile=found, missing=(),
    )  # fmt: skip


def sampled(raw: str, worker_s: float = 10.0) -> Sampled:
    return Sampled(
        stacks=parse_stacks(raw.splitlines()), worker_s=worker_s, completed_requests=100,
        torn_share=0.0,
    )  # fmt: skip


def profile_of(running: str, with_idle: str) -> Profile:
    recorded = Recorded(
        started_ns=0,
        ended_ns=10 * SECOND_NS,
        recordings=(
            Recording(
                worker="worker-0", pid=7, is_with_idle=True, path=Path("w.raw"), rate_hz=100,
                duration_s=10.0, started_ns=0, sample_count=1000, error_count=0,
                refused_because=None,
            ),
        ),
        statements=Statements(costs={}),
    )  # fmt: skip
    return fold_profile(
        recorded,
        running=sampled(running),
        with_idle=sampled(with_idle),
        signals=Signals(window_s=10.0, requests=SLOW, cores={"app": 0.3}),
    )


def classes(found: Signals) -> list[str]:
    return [b.bottleneck_class for b in explain_signals(found).bottlenecks]


# --- rules ---------------------------------------------------------------------------------------

HOT_ROW = {
    ("Lock:transactionid", "wait"): 7,
    ("Lock:tuple", "wait"): 2,
    ("next_number", "blocked:next_number"): 8,
    ("close_period", "blocked:post"): 1,
    ("next_number", "root:active"): 1,
}


def test_sessions_behind_one_row_are_a_hot_row_at_its_call_site() -> None:
    [bottleneck] = explain_signals(signals(*[HOT_ROW] * 100)).bottlenecks

    # 9 sessions over 100 s are 900 of 1,000 request seconds, 8 of 9 behind this root.
    assert bottleneck.bottleneck_class == "C3"
    assert bottleneck.place == "next_number"
    assert bottleneck.share == pytest.approx(0.8)
    assert (bottleneck.tier, bottleneck.confidence) == ("T1", "high")
    assert "next_number (8.0)" in bottleneck.evidence


def test_an_advisory_lock_is_a_serial_gate() -> None:
    look = {("Lock:advisory", "wait"): 5, ("number_gate", "blocked:number_gate"): 5}

    assert classes(signals(*[look] * 100)) == ["C4"]


def test_few_looks_make_no_sure_finding() -> None:
    [bottleneck] = explain_signals(signals(*[HOT_ROW] * 10)).bottlenecks

    assert bottleneck.confidence == "medium"


def test_locks_are_named_while_answers_are_still_quick() -> None:
    look = {("a", "blocked:b"): 1}

    assert classes(signals(*[look] * 100, requests=replace(QUICK, request_s=500.0))) == ["C3"]


def test_rare_short_waits_are_no_bottleneck() -> None:
    looks = [{("a", "blocked:b"): 1}] + [{}] * 99

    assert explain_signals(signals(*looks, requests=QUICK)).bottlenecks == ()


BLOCKED = f"{HANDLE};handle (reference_app/pay.py:10);sign (reference_app/pay.py:31) 96\n{SELECT} 4"
WORKING = (
    f"{HANDLE};handle (reference_app/books.py:8);dumps ({LIBRARY}/json/__init__.py:231) 95\n"
    f"{SELECT} 5"
)


def test_an_occupied_loop_that_does_not_run_is_blocked_at_its_line() -> None:
    found = profile_of(running=f"{HANDLE};handle (reference_app/pay.py:10) 3", with_idle=BLOCKED)

    [bottleneck] = explain_signals(signals(found=found, app=0.1)).bottlenecks

    assert bottleneck.bottleneck_class == "C5"
    assert bottleneck.place == "sign (reference_app/pay.py:31)"
    assert bottleneck.tier == "T2"
    assert bottleneck.share == pytest.approx(0.96)


def test_an_occupied_loop_that_runs_is_work_in_the_handler() -> None:
    found = profile_of(running=WORKING, with_idle=WORKING)

    [bottleneck] = explain_signals(signals(found=found, app=1.0)).bottlenecks

    assert bottleneck.bottleneck_class == "C12"
    assert bottleneck.place == "handle (reference_app/books.py:8)"


def test_a_loop_with_time_left_is_not_blamed() -> None:
    idle = f"{HANDLE};handle (reference_app/pay.py:10) 50\n{SELECT} 50"

    assert classes(signals(found=profile_of(running=idle, with_idle=idle))) == [ABSTAIN]


def test_a_database_that_works_without_waiting_is_named_by_its_statement() -> None:
    look = {("on cpu", "wait"): 6, ("trial_balance", "active"): 5, ("post", "active"): 1}

    [bottleneck] = explain_signals(signals(*[look] * 100, database=1.6)).bottlenecks

    assert (bottleneck.bottleneck_class, bottleneck.place) == ("C7", "trial_balance")
    assert classes(signals(*[look] * 100, database=0.2)) == [ABSTAIN]
    assert classes(signals(*[look] * 100, requests=QUICK, database=1.6)) == []


@pytest.mark.parametrize("wait", ["IO:WalSync", "IO:WALSync", "LWLock:WALWrite"])
def test_waiting_for_the_log_is_the_commit_wall(wait: str) -> None:
    assert classes(signals(*[{(wait, "wait"): 5}] * 100)) == ["C23"]


def test_strain_without_a_known_cause_is_an_open_abstention() -> None:
    found = replace(signals(), missing=("the postgres probe died: x", "no profile"))

    [bottleneck] = explain_signals(found).bottlenecks

    assert bottleneck.bottleneck_class == ABSTAIN
    assert bottleneck.share == 0.0
    assert "the postgres probe died: x; no profile" in bottleneck.evidence


def test_no_requests_are_an_abstention_and_not_an_all_clear() -> None:
    assert classes(signals(requests=None)) == [ABSTAIN]
    assert classes(signals(HOT_ROW, requests=None)) == [ABSTAIN]


def test_a_quick_run_has_nothing_to_explain() -> None:
    explanation = explain_signals(signals(requests=QUICK))

    assert explanation.bottlenecks == ()
    assert explanation_lines(explanation)[0].startswith("nothing queues")


def test_failures_are_strain_even_when_answers_are_quick() -> None:
    assert is_strained(signals(requests=replace(QUICK, failed_share=0.02)))
    assert not is_strained(signals(requests=QUICK))


def test_the_root_with_most_share_comes_first() -> None:
    look = {**HOT_ROW, ("IO:WalSync", "wait"): 4}

    assert classes(signals(*[look] * 100)) == ["C3", "C23"]


# --- signals -------------------------------------------------------------------------------------


def write_samples(
    path: Path,
    *,
    planned_s: list[float],
    took_s: float,
    operation: int = 0,
    failure: Failure = Failure.NONE,
) -> None:
    planned = np.array([int(s * SECOND_NS) for s in planned_s], np.int64)
    columns: dict[str, Any] = {
        "planned_ns": planned,
        "sent_ns": planned + 1_000_000,
        "done_ns": planned + int(took_s * SECOND_NS),
        "operation": np.full(len(planned), operation, np.int16),
        "failure": np.full(len(planned), int(failure), np.int8),
    }
    header = orjson.dumps(
        {"operations": [{"name": "post", "kind": "post"}, {"name": "idp", "kind": "provider"}]}
    )
    table = pa.table(columns).replace_schema_metadata({b"header": header})
    pq.write_table(table, path)


def measured(started_s: float, ended_s: float, is_measured: bool = True) -> Phase:
    return Phase(
        name="x", started_ns=int(started_s * SECOND_NS), ended_ns=int(ended_s * SECOND_NS),
        is_measured=is_measured,
    )  # fmt: skip


def test_only_measured_phases_and_the_targets_own_requests_count(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()
    write_samples(folder.samples / "load-0.parquet", planned_s=[1, 11, 12, 31], took_s=0.101)
    write_samples(
        folder.samples / "load-1.parquet", planned_s=[13], took_s=0.101, failure=Failure.TIMEOUT
    )
    write_samples(folder.samples / "load-2.parquet", planned_s=[14], took_s=9.0, operation=1)
    log = ReadingLog(folder.readings, "host")
    log.add(0, "host", "cpu_count", 2, "count")
    for at_s, share in ((5, 0.9), (15, 0.25), (35, 0.9)):
        log.add(at_s * SECOND_NS, "host", "cpu_share", share, "share")
    log.close(died_because=None)

    found = read_signals(
        samples=folder.samples, readings=folder.readings,
        phases=[measured(0, 10, False), measured(10, 20), measured(30, 40, False)], profile=None,
    )  # fmt: skip

    assert found.requests is not None
    assert found.requests.count == 3
    assert found.requests.request_s == pytest.approx(0.3)
    assert found.requests.latency_ms_p95 == pytest.approx(101.0)
    assert found.requests.failed_share == pytest.approx(1 / 3)
    assert found.host_cpu_share == pytest.approx(0.25)
    assert found.cpu_count == 2
    assert found.window_s == pytest.approx(10.0)
    assert any("postgres probe left no readings" in reason for reason in found.missing)


def test_an_empty_folder_gives_no_signal_and_all_the_reasons(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()

    found = read_signals(
        samples=folder.samples, readings=folder.readings, phases=[measured(0, 10)], profile=None
    )

    assert found.requests is None
    assert len(found.missing) == 4
    assert classes(found) == [ABSTAIN]


# --- hot paths and SQL ---------------------------------------------------------------------------


def test_a_function_counts_once_per_sample_however_often_it_calls_itself() -> None:
    stacks = parse_stacks(
        ["main (a.py:1);walk (a.py:5);walk (a.py:6);walk (a.py:5) 10", f"{SELECT} 90"]
    )

    by_function = {p.function: p for p in rank_paths(stacks, rate_hz=100, completed_requests=20)}

    assert set(by_function) == {"main", "walk"}
    assert by_function["walk"].total_samples == 10
    assert by_function["walk"].self_share == 1.0
    assert by_function["walk"].self_s == pytest.approx(0.1)
    assert by_function["main"].self_samples == 0
    assert by_function["main"].total_samples_per_request == pytest.approx(0.5)


def test_the_place_of_a_function_is_its_hottest_line() -> None:
    stacks = parse_stacks(["f (a.py:1) 3", "f (a.py:9) 7"])

    [path] = rank_paths(stacks, rate_hz=100, completed_requests=0)

    assert path.place == "a.py:9"
    assert path.total_samples_per_request is None


def test_a_function_that_only_calls_is_listed_beside_a_crowd_of_leaves() -> None:
    leaves = [f"serve (app.py:1);leaf{n} ({LIBRARY}/lib.py:{n}) {n + 1}" for n in range(50)]

    paths = rank_paths(parse_stacks(leaves), rate_hz=100, completed_requests=1, paths_max=10)

    assert [p.function for p in paths] == [
        "leaf49",
        "leaf48",
        "leaf47",
        "leaf46",
        "leaf45",
        "serve",
    ]
    assert paths[-1].total_share == 1.0


def test_frames_of_libraries_are_not_the_targets_own() -> None:
    paths = rank_paths(parse_stacks(WORKING.splitlines()), rate_hz=100, completed_requests=1)

    assert [p.function for p in paths if p.is_own] == ["handle"]


def test_statements_are_ranked_by_total_time_without_housekeeping() -> None:
    def cost(query: str, calls: int, total_ms: float) -> StatementCost:
        return StatementCost(
            query=query, is_top_level=True, calls=calls, total_ms=total_ms, rows=calls,
            blocks=1, wal_bytes=0,
        )  # fmt: skip

    costs = {
        (1, True): cost("SELECT 1", 100, 10.0),
        (2, True): cost("INSERT", 10, 30.0),
        (3, True): cost("/* older_server */ SELECT 2", 10, 10.0),
        (4, True): cost("SELECT pg_advisory_unlock_all()", 500, 900.0),
        (5, True): cost("UNLISTEN *", 500, 900.0),
        (6, True): cost("SELECT pid FROM pg_stat_activity", 500, 900.0),
        (2, False): cost("INSERT", 10, 25.0),
    }

    ranked = rank_statements(
        costs, call_sites={1: ("read",), 2: ("post", "import")}, completed_requests=50
    )

    assert [(s.call_site, s.share, s.calls_per_request) for s in ranked] == [
        ("import | post", 0.6, 0.2),
        ("older_server", 0.2, 0.2),
        ("read", 0.2, 2.0),
    ]
    assert rank_statements({}, call_sites={}, completed_requests=0) == ()


# --- icicle --------------------------------------------------------------------------------------


def titles(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]


def test_hostile_names_are_escaped_and_shown_whole() -> None:
    name = "</title><script>alert('x')</script>&\"\x00\x1b\ud800"

    svg = icicle_svg(parse_stacks([f"{name} (a.py:1) 5"]), title="<b>&")

    assert "<script" not in svg
    assert any("<script>alert('x')</script>&\"" in text for text in titles(svg))
    assert titles(svg)[0] == "<b>&"


@given(
    st.dictionaries(
        st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=6).map(tuple),
        st.integers(1, 10**9),
        max_size=8,
    ),
    st.text(max_size=30),
)
def test_any_stack_makes_a_well_formed_picture(
    counts: dict[tuple[str, ...], int], title: str
) -> None:
    ET.fromstring(icicle_svg(Stacks(counts=counts), title=title))


def test_widths_of_children_add_up_to_their_parent() -> None:
    svg = icicle_svg(parse_stacks(["m;a 30", "m;b 60", "m 10"]), title="t")
    widths = {
        title.split("\n")[0]: float(width)
        for title, width in re.findall(r"<title>([^<]*)</title><rect [^>]*?width=\"([\d.]+)\"", svg)
    }

    assert widths["a"] + widths["b"] == pytest.approx(0.9 * widths["m"], abs=0.1)
    assert widths["m"] == widths["all"] == 1200.0


def test_what_is_too_narrow_or_too_deep_is_said() -> None:
    deep = ";".join(f"f{n}" for n in range(ROWS_MAX * 3))
    svg = icicle_svg(
        parse_stacks([f"{deep} 100", "tiny 1", *[f"t{n} 1" for n in range(9999)]]), title="t"
    )

    assert "too narrow or too deep" in svg
    assert svg.count("<rect") < 1000


def test_a_picture_of_nothing_says_so() -> None:
    assert "no samples" in icicle_svg(Stacks(counts={}), title="t")


def test_a_picture_reaches_for_nothing_outside() -> None:
    svg = icicle_svg(parse_stacks(["m;a 30"]), title="t")

    assert re.findall(r"(?:href|src|url)\s*[=(]", svg) == []
    assert set(re.findall(r"https?://[^\"]+", svg)) == {"http://www.w3.org/2000/svg"}


# --- the profile on disk -------------------------------------------------------------------------


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    bottleneck = Bottleneck(
        bottleneck_class="C5", place="p", share=0.5, tier="T2", confidence="high", evidence="e"
    )
    found = replace(profile_of(running=WORKING, with_idle=BLOCKED), bottlenecks=(bottleneck,))

    write_profile(tmp_path / "profile.json", found)

    assert read_profile(tmp_path / "profile.json") == found
    assert read_profile(tmp_path / "absent.json") is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"version":99}', b'{"version":%d}' % PROFILE_VERSION]
)
def test_a_broken_profile_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(content)

    with pytest.raises(BadSetup) as refused:
        read_profile(path)

    assert "\n" not in str(refused.value)


def test_a_run_that_could_not_be_recorded_leaves_a_profile_of_reasons(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.create()

    found = write_findings(folder, Recorded(started_ns=0, ended_ns=0, missing=("no access",)))

    assert found.paths == ()
    assert found.loop_occupancy is None
    assert found.missing[0] == "no access"
    assert [b.bottleneck_class for b in found.bottlenecks] == [ABSTAIN]
    assert read_profile(folder.profile / "profile.json") == found
    assert any(line.startswith("missing: no access") for line in profile_lines(found))


def test_a_run_too_short_to_be_profiled_is_refused_before_it_starts() -> None:
    def run(_: Profiler) -> RunFolder:
        raise AssertionError("the run was started")

    with pytest.raises(BadSetup, match="--duration"):
        profile(run, level="L1", duration_s=2.0)


def test_the_lines_name_the_hot_path_and_the_bottleneck() -> None:
    found = profile_of(running=WORKING, with_idle=WORKING)
    named = replace(found, bottlenecks=explain_signals(signals(found=found)).bottlenecks)

    text = "\n".join(profile_lines(named))

    assert "handle (reference_app/books.py:8)" in text
    assert "bottleneck C12" in text
