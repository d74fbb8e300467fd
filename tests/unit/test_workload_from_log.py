"""From a log back to the workload it was made from; and nobody's data in what is written."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from scenarios.access_logs.bins import BINS_MAX, Bins
from scenarios.access_logs.derivation import THINK_LEVELS, Derived, derive
from scenarios.access_logs.routes import FAN_MAX, Routes, placeholder_of
from scenarios.access_logs.survey import Survey
from scenarios.workload import END, read_workload
from scenarios.workload_plan import plan_workload
from tests.fakes import access_logs
from tests.fakes.access_logs import Hit, apache_line, caddy_line, hits_of, nginx_line, traefik_line
from tests.fakes.workloads import read, shop

LENGTH_S = 900.0
HITS = hits_of(read(shop(arrivals={"sessions_per_s": 8})), duration_s=LENGTH_S)
NAMES = {"front": "GET /", "article": "GET /article/{n}", "order": "POST /orders"}


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def derived(*paths: Path) -> Derived:
    survey = Survey()
    survey.run(paths)
    return derive(survey, name="a log", source="test", source_sha256="")


def by_end(hits: Sequence[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: hit.at_s + hit.duration_s)


@pytest.mark.parametrize(
    ("line", "times_are", "resolution_s"),
    [
        (nginx_line, "end", 1.0), (lambda hit: nginx_line(hit, precise=True), "end", 0.001),
        (apache_line, "start", 1.0), (caddy_line, "end", 0.0), (traefik_line, "start", 0.0),
    ],
    ids=["nginx", "nginx-ms", "apache", "caddy", "traefik"],
)  # fmt: skip
def test_a_log_gives_back_the_workload_that_made_it(
    tmp_path: Path, line: Callable[[Hit], str], times_are: str, resolution_s: float
) -> None:
    log = written(tmp_path / "access.log", [line(hit) for hit in by_end(HITS)])

    found = derived(log).workload

    names = [operation.name for operation in found.operations]
    mix = Counter(NAMES[hit.operation] for hit in HITS)
    assert {one.name: sum(one.weights) for one in found.operations} == pytest.approx(dict(mix))
    assert sum(found.first) == len({hit.session for hit in HITS})
    if line is not apache_line:  # short requests give whole seconds no way to tell
        assert found.about["times_are"] == times_are
    # Sessions begin at 8 a second; 900 s of Poisson-free arrivals leave rounding to bins alone.
    counts = np.array(found.arrivals.sessions)
    assert counts.sum() / (len(counts) * found.arrivals.bin_s) == pytest.approx(8, rel=0.02)
    # What follows an article: another one twice as often as an order or the end.
    onward = {one.to: one for one in found.transitions[names.index("GET /article/{n}")]}
    total = sum(one.weight for one in onward.values())
    again = onward[names.index("GET /article/{n}")]
    assert again.weight / total == pytest.approx(0.5, abs=0.02)
    assert onward[END].weight / total == pytest.approx(0.25, abs=0.02)
    # Pauses between articles: quantiles 0.2, 0.4 and 1.5 s, and their mean of 0.625 s.
    assert np.interp(0.5, THINK_LEVELS, again.think_s) == pytest.approx(
        0.4, abs=0.03 + 0.1 * resolution_s
    )
    mean_s = np.mean(np.interp(np.linspace(0, 1, 999), THINK_LEVELS, again.think_s))
    assert mean_s == pytest.approx(0.625, abs=0.03 + 0.1 * resolution_s)


def test_a_plan_of_the_derived_workload_is_the_log_again(tmp_path: Path) -> None:
    log = written(tmp_path / "access.log", [caddy_line(hit) for hit in HITS])

    plan = plan_workload(derived(log).workload, duration_s=LENGTH_S, seed=7, send_writes=True)

    mix = Counter(NAMES[hit.operation] for hit in HITS)
    planned = {name: count / plan.planned_requests for name, count in
               plan.planned_by_operation.items()}  # fmt: skip
    assert plan.planned_requests == pytest.approx(len(HITS), rel=0.03)
    assert planned == pytest.approx({n: c / len(HITS) for n, c in mix.items()}, abs=0.01)


def test_long_requests_tell_whether_times_are_starts_or_ends(tmp_path: Path) -> None:
    hits = by_end(hits_of(read(shop()), duration_s=60, answer_s=4.0))

    starts = derived(written(tmp_path / "a.log", [apache_line(hit) for hit in hits]))
    ends = derived(written(tmp_path / "b.log", [nginx_line(hit) for hit in hits]))

    assert starts.workload.about["times_are"] == "start"
    assert ends.workload.about["times_are"] == "end"


def test_zipped_and_rotated_files_in_any_order_are_one_log(tmp_path: Path) -> None:
    lines = [nginx_line(hit) for hit in by_end(HITS)]
    whole = written(tmp_path / "whole.log", lines)
    third = len(lines) // 3
    parts = [tmp_path / f"access.log{suffix}" for suffix in ("", ".1", ".2.gz")]
    written(parts[0], lines[2 * third :])
    written(parts[1], lines[third : 2 * third])
    parts[2].write_bytes(gzip.compress("".join(f"{one}\n" for one in lines[:third]).encode()))

    one, several = derived(whole).workload, derived(*parts).workload

    assert several == one


def test_hostile_lines_are_counted_by_reason_and_change_nothing(tmp_path: Path) -> None:
    good = [nginx_line(hit).encode() for hit in by_end(HITS)[:400]]
    bad = [
        b"\x16\x03\x01\x00\xff" * 20, b"x" * 1_200_000, b"",
        b'{"not": "ours"}', b"{" * 5_000,
        b'10.0.0.1 - - [30/Nov/2025:16:00:00 +0700] "GET /?a=\xff HTTP/1.1" 200 1',
        b'10.0.0.1 - - [30/Nov/1970:16:00:00 +0700] "GET / HTTP/1.1" 200 1',
        b'10.0.0.1 - - [30/Nov/2099:16:00:00 +0700] "GET / HTTP/1.1" 200 1',
        b'10.0.0.1 - - [32/Nov/2025:16:00:00 +0700] "GET / HTTP/1.1" 200 1',
        b'10.0.0.1 - - [30/Nov/2025:16:00:00 +0700] "\\x03\\x00" 400 1',
    ]  # fmt: skip
    mixed = [line for n, line in enumerate(good) for line in (*bad[n % 40 : n % 40 + 1], line)]
    log, clean = tmp_path / "bad.log", tmp_path / "good.log"
    log.write_bytes(b"\n".join(mixed))
    clean.write_bytes(b"\n".join(line for line in mixed if line in set(good)))

    found = derived(log)

    assert sum(found.refused.values()) == found.workload.about["lines_not_used"]
    assert set(found.refused) == {
        "not a line of an access log", "line is too long", "address holds what no address may",
        "date is far from all others", "time cannot be read",
        "not an HTTP request that can be replayed",
    }  # fmt: skip
    assert found.workload.operations == derived(clean).workload.operations
    assert found.workload.arrivals == derived(clean).workload.arrivals


def test_zones_and_the_end_of_summer_time_do_not_tear_sessions(tmp_path: Path) -> None:
    lines = [
        f'10.0.0.1 - - [26/Oct/2025:{at}] "GET /{name} HTTP/1.1" 200 1 "-" "a"'
        for name, at in (
            ("a", "02:59:50 +0200"), ("b", "02:00:05 +0100"), ("c", "01:00:20 +0000"),
            ("d", "08:00:30 +0700"),
        )
    ]  # fmt: skip

    found = derived(written(tmp_path / "dst.log", lines)).workload

    assert found.about["sessions"] == 1
    pauses = [one.think_s[0] for following in found.transitions for one in following if one.to >= 0]
    assert sorted(pauses) == [10.0, 15.0, 15.0]


def test_static_files_are_left_out_and_counted(tmp_path: Path) -> None:
    hits = [Hit(n, 0.01, 1, "", "GET", target) for n, target in
            enumerate(["/", "/app.js?v=3", "/a/logo.PNG", "/s.css", "/report.pdf"])]  # fmt: skip

    found = derived(written(tmp_path / "a.log", [nginx_line(hit) for hit in hits])).workload

    assert {operation.name for operation in found.operations} == {"GET /", "GET /report.pdf"}
    assert found.about["static_requests_left_out"] == 3


SECRETS = {
    "user": "somchai.jaidee", "address": "203.150.77.13", "citizen": "1103700123456",
    "dashed": "1-1037-00123-45-6", "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0",
    "search": "malee", "phone": "0812345678", "mail": "malee@example.go.th",
    "session": "9f8e7d6c5b4a", "thai": "%E0%B8%AA%E0%B8%A1", "plate": "1กข1234".encode().hex(),
    "word": "wichai",
}  # fmt: skip


@pytest.mark.parametrize("client_count", [1, 8, 60])
def test_nobody_is_in_the_file(tmp_path: Path, client_count: int) -> None:
    chance = random.Random(4)
    targets = [
        "/units/7/overview", "/units/7/papers?page=2", f"/users/{SECRETS['user']}/papers",
        f"/citizen/{SECRETS['citizen']}", f"/cards/{SECRETS['dashed']}",
        f"/reset/{SECRETS['token']}", f"/find?q={SECRETS['search']}&phone={SECRETS['phone']}",
        f"/mail/{SECRETS['mail']}", f"/x;jsessionid={SECRETS['session']}",
        f"/names/{SECRETS['thai']}", f"/p/{SECRETS['plate']}?sid={SECRETS['session']}",
        f"/pay?to={SECRETS['citizen']}&ref={SECRETS['token']}", f"/{SECRETS['user']}/home",
        f"/members/{SECRETS['word']}", f"/list?owner_name={SECRETS['word']}",
    ]  # fmt: skip
    lines = []
    for n in range(1_500):
        user = SECRETS["user"] if n % 3 == 0 else "-"
        address = SECRETS["address"] if n % 7 == 0 else f"10.0.0.{n % client_count}"
        lines.append(
            f'{address} - {user} [30/Nov/2025:10:{n // 60 % 60:02d}:{n % 60:02d} +0700] '
            f'"GET {chance.choice(targets)} HTTP/1.1" 200 12 '
            f'"https://x.go.th/?q={SECRETS["search"]}" "agent-{n % client_count}"'
        )  # fmt: skip
    out = tmp_path / "workload.json"

    status = main(["workload-from-log", str(written(tmp_path / "a.log", lines)), "-o", str(out)])

    content = out.read_text("utf-8")
    assert status == 0
    assert [name for name, secret in SECRETS.items() if secret in content] == []
    assert "/units/{n}/papers" in content
    assert '"/units/7/papers?page=2"' in content or client_count < 20
    assert read_workload(out).operations


def test_what_one_client_alone_asked_for_loses_its_words(tmp_path: Path) -> None:
    hits = [Hit(n, 0.01, n % 40, "", "GET", "/menu/start") for n in range(400)]
    hits += [Hit(n, 0.01, 7, "", "GET", "/menu/wichai") for n in range(50, 60)]

    found = derived(written(tmp_path / "a.log", [nginx_line(hit) for hit in sorted(hits)]))

    names = {operation.name for operation in found.workload.operations}
    assert names == {"GET /menu/start", "GET /menu/{name}"}


@pytest.mark.parametrize(
    ("segment", "placeholder"),
    [
        ("41", "{n}"), ("3.14", "{n}"), ("2025-11-30", "{date}"), ("25681130", "{date}"),
        ("123e4567-e89b-12d3-a456-426614174000", "{uuid}"), ("deadbeef01", "{hash}"),
        ("QmFzZTY0RW5jb2RlZFN0cmluZw", "{token}"), ("INV-2025-001", "{code}"),
        ("somchai@x.th", "{name}"), ("~somchai", "{name}"), ("%E0%B8%AA", "{text}"),
        ("overview", "overview"), ("v2", "v2"), ("daily-cash", "daily-cash"),
        ("getUnitBudgetReport", "getUnitBudgetReport"), ("index.php", "index.php"),
        ("{id}", "{code}"), ("..", "{code}"), ("a" * 400, "{token}"),
    ],
)  # fmt: skip
def test_what_is_no_word_becomes_a_placeholder(segment: str, placeholder: str) -> None:
    assert placeholder_of(segment) == placeholder


def test_a_place_with_many_words_becomes_one_operation_and_the_tree_stays_small() -> None:
    routes = Routes()
    words = [f"word{'abcdefghij'[n % 10]}{'abcdefghij'[n // 10 % 10]}{'abcdefghij'[n // 100 % 10]}"
             for n in range(1_000)]  # fmt: skip

    for client in range(60):
        for word in words:
            routes.number_of(b"GET", f"/shop/{word}".encode(), b"", client)

    assert set(routes.names(60)) == {"GET /shop/{name}"}
    assert routes.node_count <= FAN_MAX + 2


def test_a_query_that_names_a_function_is_part_of_the_operation(tmp_path: Path) -> None:
    hits = [Hit(n, 0.01, n % 30, "", "GET", f"/index.php?action={('save', 'list')[n % 2]}&id={n}")
            for n in range(300)]  # fmt: skip

    found = derived(written(tmp_path / "a.log", [nginx_line(hit) for hit in hits])).workload

    assert {one.name for one in found.operations} == {
        "GET /index.php?action=save", "GET /index.php?action=list",
    }  # fmt: skip
    assert all(one.targets[0].endswith("&id=1") for one in found.operations)


def test_bins_widen_instead_of_growing() -> None:
    bins = Bins()

    for day in range(900):
        for hour in range(24):
            bins.add(1.7e9 + day * 86_400 + hour * 3_600)

    assert len(bins.sums) <= BINS_MAX
    assert sum(bins.sums.values()) == 900 * 24
    assert bins.busiest(60) is None


def test_errors_and_expected_statuses_are_told_apart(tmp_path: Path) -> None:
    hits = [Hit(n, 0.01, n, "", "GET", "/a", 503 if n % 50 == 0 else 200) for n in range(500)]
    hits += [Hit(n, 0.01, n, "", "GET", "/gone", 404) for n in range(100)]

    found = derived(written(tmp_path / "a.log", [nginx_line(hit) for hit in sorted(hits)]))

    expected = {one.name: one.expected for one in found.workload.operations}
    assert expected == {"GET /a": (200,), "GET /gone": (404,)}
    assert found.workload.about["server_error_share"] == pytest.approx(10 / 600, abs=1e-6)


def test_upgrades_to_another_protocol_are_left_out_and_counted(tmp_path: Path) -> None:
    hits = [Hit(n, 0.01, n % 7, "", "GET", "/a", 200) for n in range(100)]
    hits += [Hit(n, 9.0, n % 7, "", "GET", "/ws", 101) for n in range(8)]

    found = derived(written(tmp_path / "a.log", [nginx_line(hit) for hit in sorted(hits)]))

    assert [one.name for one in found.workload.operations] == ["GET /a"]
    assert found.workload.about["websockets_left_out"] == 8


def test_a_log_of_many_months_is_used_whole_but_for_wrong_dates(tmp_path: Path) -> None:
    day_s = 86_400
    hits = [Hit(n * day_s / 20, 0.01, n % 7, "", "GET", "/a", 200) for n in range(168 * 20)]
    lines = [nginx_line(hit) for hit in hits]
    lines[50:50] = [nginx_line(hits[0]._replace(at_s=sign * 700 * day_s)) for sign in (1, -1)]

    found = derived(written(tmp_path / "a.log", lines))

    assert found.workload.about["requests"] == len(hits)
    assert found.refused == {"date is far from all others": 2}


def test_the_logs_and_what_is_no_file_are_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = written(tmp_path / "a.log", [nginx_line(hit) for hit in HITS[:50]])
    link = tmp_path / "w.json"
    link.hardlink_to(log)
    before = log.read_bytes()

    for out in (log, link, tmp_path, Path("/dev/null")):
        assert main(["workload-from-log", str(log), "--force", "-o", str(out)]) == 3
        assert "one of the logs, or no file" in capsys.readouterr().err

    assert log.read_bytes() == before
    assert Path("/dev/null").is_char_device()


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = written(tmp_path / "empty.log", [])
    odd = written(tmp_path / "odd.log", ["nothing of use"] * 3)
    good = written(tmp_path / "good.log", [nginx_line(hit) for hit in HITS[:50]])
    out = tmp_path / "w.json"
    out.write_text("mine")

    refused = [
        ([str(tmp_path / "none.log")], "none.log: cannot be read: No such file"),
        ([str(empty)], "it is empty"),
        ([str(odd)], "not a line of an access log: 3"),
        ([str(good)], "there already"),
        ([str(good), "--force", "-o", str(tmp_path / "no" / "w.json")], "cannot be written"),
    ]
    for words, said in refused:
        words = words if "-o" in words else [*words, "-o", str(out if "good" in words[0] else "x")]
        assert main(["workload-from-log", *words]) == 3
        printed = capsys.readouterr().err.splitlines()
        assert said in printed[-1]
        assert printed[-1].startswith("monthend: ")
    assert out.read_text() == "mine"
    assert not Path("x").exists()


def test_the_summary_says_what_the_log_could_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = written(tmp_path / "a.log", [nginx_line(hit) for hit in by_end(HITS)])
    out = tmp_path / "w.json"

    assert main(["workload-from-log", str(log), "-o", str(out)]) == 0

    said = capsys.readouterr().out
    for word in ("bodies:", "sessions:", "pauses:", "clock:", "busiest minute"):
        assert word in said
    assert json.loads(out.read_text())["source"]["sha256"]
    assert access_logs.address_of(3) not in out.read_text()
