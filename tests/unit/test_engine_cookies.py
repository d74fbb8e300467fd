"""A person's cookies: kept and sent as browsers do, and bounded whatever a target sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.engine.cookies import COOKIE_BYTES_MAX, COOKIES_MAX, CookieJar, merged

NOW_S = 1_700_000_000.0


def jar_after(*lines, host="app.example.go.th", path="/a/login", scheme="https", now_s=NOW_S):
    jar = CookieJar()
    add(jar, *lines, host=host, path=path, scheme=scheme, now_s=now_s)
    return jar


def add(jar, *lines, host="app.example.go.th", path="/a/login", scheme="https", now_s=NOW_S):
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"Set-Cookie: {line}\r\n" for line in lines)
    jar.take(head.encode("latin-1"), scheme=scheme, host=host, path=path, now_s=now_s)


def sent(jar, path="/a/b", *, host="app.example.go.th", scheme="https", now_s=NOW_S):
    return jar.header(scheme=scheme, host=host, path=path, now_s=now_s)


def test_several_cookies_go_back_in_the_order_in_which_they_came():
    jar = jar_after("sid=1; Path=/; HttpOnly; SameSite=Lax", "lang=th; path=/")

    assert sent(jar, "/") == "sid=1; lang=th"


def test_header_names_are_read_in_any_case():
    jar = CookieJar()
    jar.take(b"HTTP/1.1 200 OK\r\nsET-cOOKIE:a=b\r\n", scheme="http", host="h", path="/", now_s=0)

    assert sent(jar, host="h", scheme="http") == "a=b"


def test_a_new_value_replaces_the_old_one_of_the_same_path_only():
    jar = jar_after("a=1; Path=/", "a=2; Path=/a")
    add(jar, "a=3; Path=/")

    assert sent(jar, "/a/b") == "a=2; a=3", "the longer path first"
    assert sent(jar, "/x") == "a=3"


@pytest.mark.parametrize(
    ("set_path", "asked", "goes"),
    [("/a", "/a", True), ("/a", "/a/b", True), ("/a", "/ab", False), ("/a/", "/a/b", True),
     ("/", "/anything?x=/y", True), ("/a", "/a?x", True), ("/a", "/", False)],
)  # fmt: skip
def test_a_path_holds_what_is_below_it(set_path, asked, goes):
    jar = jar_after(f"a=1; Path={set_path}")

    assert bool(sent(jar, asked)) is goes


@pytest.mark.parametrize(
    ("asked", "goes_to", "stays_from"),
    [("/a/login?next=/x/y", "/a/z", "/b"), ("/login", "/", None), ("/a/", "/a/b", "/b")],
)
def test_without_a_path_the_folder_of_the_page_counts(asked, goes_to, stays_from):
    jar = jar_after("a=1; Path=relative", path=asked)

    assert sent(jar, goes_to) == "a=1"
    if stays_from:
        assert sent(jar, stays_from) == ""


@pytest.mark.parametrize(
    ("domain", "hosts", "not_hosts"),
    [
        ("", ["app.example.go.th"], ["x.app.example.go.th", "example.go.th"]),
        (".Example.go.th", ["app.example.go.th", "id.example.go.th", "example.go.th"],
         ["notexample.go.th"]),
        ("app.example.go.th", ["app.example.go.th", "x.app.example.go.th"], ["id.example.go.th"]),
    ],
)  # fmt: skip
def test_a_cookie_goes_to_the_hosts_it_was_set_for(domain, hosts, not_hosts):
    jar = jar_after(f"a=1; Path=/; Domain={domain}")

    assert [sent(jar, host=host) for host in hosts] == ["a=1"] * len(hosts)
    assert [sent(jar, host=host) for host in not_hosts] == [""] * len(not_hosts)


@pytest.mark.parametrize("domain", ["go.th", "th", "other.go.th", "x.app.example.go.th", "a b"])
def test_nobody_sets_cookies_for_others(domain):
    assert len(jar_after(f"a=1; Domain={domain}")) == 0


def test_an_address_has_no_hosts_below_it():
    assert len(jar_after("a=1; Domain=0.0.1", host="127.0.0.1")) == 0
    assert sent(jar_after("a=1; Domain=127.0.0.1", host="127.0.0.1"), host="127.0.0.1") == "a=1"


@pytest.mark.parametrize(
    ("attributes", "lives_s"),
    [
        ("Max-Age=60", 60), ("Expires=Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Expires=Tuesday, 14-Nov-23 22:14:20 GMT", 60), ("Max-Age=0", 0), ("Max-Age=-5", 0),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Max-Age=60; Expires=x", 60),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60), ("", None),
        ("Max-Age=soon", None), ("Expires=99 Foo 99999 77:77:77", None), ("Expires=", None),
        ("Max-Age=99999999999999999999999999", None),
    ],
)  # fmt: skip
def test_a_cookie_lives_as_long_as_it_was_given(attributes, lives_s):
    jar = jar_after(f"a=1; Path=/; {attributes}")

    if lives_s is None:
        assert sent(jar, now_s=NOW_S + 1e9) == "a=1"
    else:
        assert bool(sent(jar, now_s=NOW_S + lives_s - 1)) is (lives_s > 0)
        assert sent(jar, now_s=NOW_S + lives_s + 1) == ""


def test_a_past_date_takes_a_cookie_away():
    jar = jar_after("a=1; Path=/", "b=2; Path=/")
    add(jar, "a=; Path=/; Max-Age=0")

    assert sent(jar) == "b=2"
    assert len(jar) == 1


def test_secure_cookies_travel_over_tls_or_within_this_machine():
    jar = jar_after("a=1; Path=/; Secure")

    assert sent(jar, scheme="https") == "a=1"
    assert sent(jar, scheme="http") == ""
    assert len(jar_after("a=1; Secure", scheme="http")) == 0, "nor are they taken in the clear"
    here = jar_after("a=1; Secure; Path=/", scheme="http", host="127.0.0.1")
    assert sent(here, scheme="http", host="127.0.0.1") == "a=1"


@pytest.mark.parametrize(
    "line",
    ["__Host-a=1; Path=/", "__Host-a=1; Secure; Path=/a", "__Secure-a=1",
     "__Host-a=1; Secure; Path=/; Domain=app.example.go.th"],
)  # fmt: skip
def test_a_name_that_promises_more_than_it_keeps_is_ignored(line):
    assert len(jar_after(line)) == 0
    assert len(jar_after("__Host-a=1; Secure; Path=/")) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [('a="q;uoted"; Path=/', 'a="q'), ('a="quoted"; Path=/', 'a="quoted"'), ("a = b ;", "a=b"),
     ("a=b=c==", "a=b=c=="), ("flag", "flag"), ("=x", "x"), ("a=\xe9", "a=\xe9")],
)  # fmt: skip
def test_values_go_back_byte_for_byte(line, expected):
    assert sent(jar_after(line)) == expected


@pytest.mark.parametrize(
    "line", ["", "=", "a=\x00", "a=b\x7f", f"a={'x' * COOKIE_BYTES_MAX}", "a=b; Path=/\x01"]
)
def test_what_is_no_cookie_is_ignored(line):
    assert len(jar_after(line)) == 0


def test_a_flood_of_cookies_is_bounded_and_the_latest_stay():
    jar = CookieJar()
    for turn in range(30):
        add(jar, *[f"c{turn}-{place}={'x' * 100}; Path=/" for place in range(200)])

    assert len(jar) == COOKIES_MAX
    assert "c29-49=" in sent(jar)
    assert len(sent(jar)) < COOKIES_MAX * COOKIE_BYTES_MAX


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=255), max_size=60), max_size=20))
def test_no_set_cookie_is_too_strange(lines):
    jar = CookieJar()
    head = "HTTP/1.1 200 OK\r\n" + "".join(f"Set-Cookie: {line}\r\n" for line in lines)
    jar.take(head.encode("latin-1"), scheme="http", host="h", path="/x", now_s=NOW_S)

    header = sent(jar, host="h", scheme="http")

    assert len(jar) <= COOKIES_MAX
    assert "\r" not in header
    assert "\n" not in header


def test_what_the_target_set_last_goes_before_what_a_dialect_wrote():
    assert merged("sid=old; x=1", "sid=new") == "sid=new; x=1"
    assert merged("sid=old", "") == "sid=old"
    assert merged("", "sid=new") == "sid=new"
