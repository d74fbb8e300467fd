"""Lines of access logs: every usual format is read, every other line is counted by its reason."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.access_logs.combined import CombinedReader
from scenarios.access_logs.entries import Entry, Unusable
from scenarios.access_logs.json_lines import JsonReader
from scenarios.access_logs.reading import UnreadableLog, lines_of

AT_S = 1764497400.0  # 2025-11-30T10:10:00Z
TIME = "[30/Nov/2025:17:10:00 +0700]"
AGENT = '"-" "Mozilla/5.0 (X11) \\"odd\\" Gecko"'
GET = '"GET /units/7?page=2 HTTP/1.1" 200 512'


def combined(line: str) -> Entry:
    return CombinedReader().entry(line.encode("latin-1"))


@pytest.mark.parametrize(
    ("line", "duration_s"),
    [
        (f"10.0.0.1 - - {TIME} {GET}", -1),
        (f"10.0.0.1 - - {TIME} {GET} {AGENT}", -1),
        (f"10.0.0.1 - - {TIME} {GET} {AGENT} 0.012", 0.012),
        (f"10.0.0.1 - - {TIME} {GET} {AGENT} 12000", 0.012),
        (f'10.0.0.1 - - {TIME} {GET} {AGENT} rt=0.012 uct="0.001" urt="0.011"', 0.012),
        (f'10.0.0.1 - - {TIME} {GET} {AGENT} "203.0.113.9, 10.0.0.1" 0.012', 0.012),
        (f'10.0.0.1 - - {TIME} {GET} {AGENT} "-" request_time:0.012 pipe=.', 0.012),
        (f"www.x.go.th:443 10.0.0.1 - - {TIME} {GET} {AGENT}", -1),
        (f"203.0.113.9, 10.0.0.1 - - {TIME} {GET} {AGENT} 0.012", 0.012),
        (f"2001:db8::1 - somchai j. {TIME} {GET} {AGENT} 0.012", 0.012),
        (f"host.example.com - - {TIME} {GET} {AGENT}", -1),
        (f'10.0.0.1 - - [30/Nov/2025:10:10:00.000 +0000] {GET} {AGENT} "-"', -1),
        (f"10.0.0.1 - - [30/Nov/2568:17:10:00 +0700] {GET} {AGENT}", -1),
        (f"10.0.0.1 - - [2025-11-30T17:10:00+07:00] {GET} {AGENT}", -1),
        ('10.0.0.1 - - ' + TIME + ' "GET http://x.go.th/units/7?page=2 HTTP/1.1" 200 -', -1),
    ],
)  # fmt: skip
def test_combined_lines_are_read_with_what_people_add(line: str, duration_s: float) -> None:
    entry = combined(line)

    assert (entry.at_s, entry.method, entry.status) == (AT_S, b"GET", 200)
    assert entry.target == b"/units/7?page=2"
    assert entry.duration_s == pytest.approx(duration_s)


def test_the_client_is_told_by_user_then_forwarded_address_then_address_and_browser() -> None:
    def client(head: str, agent: str = "a", rest: str = "") -> int:
        return combined(f'{head} {TIME} {GET} "-" "{agent}" {rest}').client

    assert client("10.0.0.1 - -") == client("shop:80 10.0.0.1 - -")
    assert client("10.0.0.1 - -") != client("10.0.0.2 - -")
    assert client("10.0.0.1 - -") != client("10.0.0.1 - -", agent="b")
    assert client("10.0.0.1 - ann") == client("10.0.0.2 - ann", agent="b")
    proxied = [client("10.0.0.1 - -", rest=f'"203.0.113.{n}, 10.9.9.9"') for n in (1, 1, 2)]
    assert proxied[0] == proxied[1] != proxied[2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not a line"),
        ("\x00\x01\x16\x03\x01\x02", "not a line"),
        ("10.0.0.1 - - [] " + GET, "not a line"),
        ("garbage " * 100, "not a line"),
        (f'10.0.0.1 - - {TIME} "\\x16\\x03\\x01" 400 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "-" 408 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "" 400 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "PROPFIND / HTTP/1.1" 405 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "GET ftp://x/ HTTP/1.1" 405 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "OPTIONS * HTTP/1.1" 200 0', "not an HTTP request"),
        (f'10.0.0.1 - - {TIME} "GET /a\xe9 HTTP/1.1" 200 0', "address holds"),
        (f'10.0.0.1 - - {TIME} "GET /{"a" * 9000} HTTP/1.1" 200 0', "address is too long"),
        (f"10.0.0.1 - - [99/Foo/2025:00:00:00 +0000] {GET}", "time cannot be read"),
        (f"10.0.0.1 - - [31/Feb/2025:00:00:00 +0000] {GET}", "time cannot be read"),
        (f"10.0.0.1 - - [yesterday] {GET}", "time cannot be read"),
        (f"{TIME} {GET}", "not a line"),
    ],
)
def test_other_lines_say_why_they_cannot_be_used(line: str, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        combined(line)


WHO = {"remote_addr": "10.0.0.1"}


@pytest.mark.parametrize(
    ("content", "duration_s"),
    [
        ({"time_iso8601": "2025-11-30T17:10:00+07:00", "request": "GET /units/7?page=2 HTTP/1.1",
          "status": "200", "request_time": "0.012", **WHO}, 0.012),
        ({"time_local": "30/Nov/2025:17:10:00 +0700", "request_method": "GET",
          "uri": "/units/7", "args": "page=2", "status": 200, "request_time": 0.012, **WHO}, 0.012),
        ({"ts": AT_S, "request": {"method": "GET", "uri": "/units/7?page=2", "remote_ip": "::1",
          "headers": {"User-Agent": ["x"]}}, "status": 200, "duration": 0.012}, 0.012),
        ({"StartUTC": "2025-11-30T10:10:00.000000000Z", "RequestMethod": "GET",
          "RequestPath": "/units/7?page=2", "DownstreamStatus": 200, "Duration": 12_000_000,
          "ClientAddr": "10.0.0.1:5123"}, 0.012),
        ({"@timestamp": "2025-11-30T10:10:00Z", "http": {"request": {"method": "get"}},
          "url": {"path": "/units/7", "query": "page=2"}, "status_code": 200,
          "latency_ms": 12}, 0.012),
        ({"timestamp": int(AT_S * 1000), "method": "GET", "path": "/units/7?page=2",
          "statusCode": 200, "responseTime": "12ms"}, 0.012),
        ({"time": AT_S, "type": "https", "request_verb": "x", "elb_status_code": 200,
          "request": "GET https://lb.example.com:443/units/7?page=2 HTTP/2.0",
          "target_processing_time": 0.012, "client": "1.2.3.4:99"}, 0.012),
        ({"time": "2025-11-30T10:10:00", "method": "GET", "url": "/units/7?page=2",
          "status": 200}, -1),
        ({"msec": "1764497400.000", "method": "GET", "url": "/units/7?page=2", "status": 200,
          "request_time": "-"}, -1),
    ],
)  # fmt: skip
def test_json_lines_are_read_under_many_names(
    content: dict[str, object], duration_s: float
) -> None:
    entry = JsonReader().entry(json.dumps(content).encode())

    assert (entry.at_s, entry.method, entry.status) == (AT_S, b"GET", 200)
    assert entry.target == b"/units/7?page=2"
    assert entry.duration_s == pytest.approx(duration_s)
    assert entry.is_start == ("StartUTC" in content)


@pytest.mark.parametrize(
    "content",
    [b"{", b"{}", b"[1]", b'{"time": 1, "status": 200}', b'{"a": ' * 5000 + b"1" + b"}" * 5000,
     b'{"time": "x", "method": "GET", "url": "/", "status": 200}',
     b'{"time": 1e400, "method": "GET", "url": "/", "status": 200}',
     b'{"time": 1764497400, "method": "GET", "url": "/\\u0e01", "status": 200}',
     b'{"time": 1764497400, "method": 7, "url": ["/"], "status": 200}',
     b'{"time": 1764497400, "method": "GET", "url": "/", "status": 99999}',
     b'{"time": 1764497400, "method": "GET", "url": "/", "status": true}'],
)  # fmt: skip
def test_odd_json_is_refused(content: bytes) -> None:
    with pytest.raises(Unusable):
        JsonReader().entry(content)


def outcome_of(reader: CombinedReader | JsonReader, line: bytes) -> str:
    """Return the reason or the method; anything else is a crash."""
    try:
        return reader.entry(line).method.decode()
    except Unusable as error:
        return str(error)


@given(st.binary(max_size=300), st.sampled_from([b"", b"{", b"10.0.0.1 - - [30/Nov/2025:1"]))
def test_no_bytes_do_more_than_be_refused(content: bytes, before: bytes) -> None:
    for reader in (CombinedReader(), JsonReader()):
        assert outcome_of(reader, before + content)


@given(
    st.dictionaries(
        st.sampled_from(["time", "ts", "method", "url", "request", "status", "duration", "user",
                         "client", "cookie", "args", "StartUTC"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
            | st.sampled_from(["GET", "/a", AT_S, 200]),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=4,
        ),
    )
)  # fmt: skip
def test_no_values_in_any_key_do_more_than_be_refused(content: dict[str, object]) -> None:
    assert outcome_of(JsonReader(), json.dumps(content).encode())


@pytest.mark.parametrize(
    "line",
    [b'"' * 60_000, b'\\"' * 30_000, b"[" * 60_000, b'1 - - [x] "' + b'\\"' * 29_000,
     b'1 - - [30/Nov/2025:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "' + b'\\"" "' * 12_000,
     b'1 - - [30/Nov/2025:00:00:00 +0000] "GET / HTTP/1.1" 200 1 ' + b"a=1 " * 15_000,
     b"1, " * 20_000 + b'- - [30/Nov/2025:00:00:00 +0000] "GET / HTTP/1.1" 200 1'],
    ids=["quotes", "escapes", "brackets", "open", "fields", "rest", "proxies"],
)  # fmt: skip
def test_no_line_takes_more_than_one_look(line: bytes) -> None:
    started_s = time.process_time()
    for _ in range(20):
        try:
            CombinedReader().entry(line)
        except Unusable:
            continue

    assert time.process_time() - started_s < 1.0  # 20 lines of 60 kB; looking twice takes minutes


def test_lines_come_from_plain_and_zipped_files_the_same(tmp_path: Path) -> None:
    content = b"one\ntwo\n\n" + b"x" * 1_500_000 + b"\nthree\nlast"
    plain, zipped = tmp_path / "a.log", tmp_path / "a.log.1"
    plain.write_bytes(content)
    zipped.write_bytes(gzip.compress(content))

    for path in (plain, zipped):
        refused: Counter[str] = Counter()
        assert list(lines_of(path, refused)) == [b"one", b"two", b"three", b"last"]
        assert refused == {"line is too long": 1}


def test_a_zipped_file_that_was_cut_gives_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    lines = b"".join(b"line %d %d\n" % (n, n * n * 7919) for n in range(300_000))
    zipped = gzip.compress(lines)
    path.write_bytes(zipped[: len(zipped) // 2])
    refused: Counter[str] = Counter()

    found = list(lines_of(path, refused))

    assert found[0] == b"line 0 0"
    assert 1_000 < len(found) < 300_000
    assert refused == {"gzip file is cut off or broken": 1}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UnreadableLog) as caught:
            list(lines_of(path, Counter()))
        assert caught.value.filename == str(path)
