"""Where an answer sends a browser: method, body, credentials and addresses that lead nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.dialects.interface import Answer, Request
from scenarios.engine.redirects import next_request
from scenarios.outcomes import Ending

ASKED = "http://app.example:8080/units/1/receipts?x=1"
FORM = Request(
    "POST", "/units/1/receipts?x=1",
    (("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", "Bearer t"),
     ("Cookie", "a=b"), ("Accept-Language", "th")),
    b"amount=1",
)  # fmt: skip


def answer(status, location):
    head = f"HTTP/1.1 {status} X\r\nLocation: {location}\r\n".encode("latin-1")
    return Answer(Ending.ANSWERED, status, head)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_form_that_was_taken_leads_to_a_look(status):
    request = next_request(FORM, answer(status, "/units/1/receipts/7"), asked=ASKED)

    assert request is not None
    assert (request.method, request.body) == ("GET", b"")
    assert request.target == "http://app.example:8080/units/1/receipts/7"
    assert [name for name, _ in request.headers] == ["Authorization", "Cookie", "Accept-Language"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_form_that_moved_is_handed_in_there_as_it_was(status):
    request = next_request(FORM, answer(status, "/new"), asked=ASKED)

    assert request is not None
    assert (request.method, request.body) == ("POST", FORM.body)
    assert request.headers == FORM.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_look_stays_a_look(status):
    request = next_request(Request("GET", "/a"), answer(status, "/b"), asked="http://h/a")

    assert request is not None
    assert request.method == "GET"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_writes_are_not_repeated_by_303(method):
    request = next_request(Request(method, "/a", (), b"x"), answer(303, "/b"), asked="http://h/a")

    assert request is not None
    assert (request.method, request.body) == ("GET", b"")


@pytest.mark.parametrize("elsewhere", ["http://evil.example/", "https://app.example:8080/",
                                       "http://app.example/", "//evil.example:8080/x"])  # fmt: skip
def test_who_one_is_stays_with_its_host(elsewhere):
    request = next_request(FORM, answer(307, elsewhere), asked=ASKED)

    assert request is not None
    assert [name for name, _ in request.headers] == ["Content-Type", "Accept-Language"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("7", "http://app.example:8080/units/1/7"),
        ("?page=2", "http://app.example:8080/units/1/receipts?page=2"),
        ("../2/", "http://app.example:8080/units/2/"),
        ("/a#top", "http://app.example:8080/a"),
        ("/%E0%B8%81?q=%20", "http://app.example:8080/%E0%B8%81?q=%20"),
        ("/\xe0\xb8\x81", "http://app.example:8080/%E0%B8%81"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_a_location_may_be_relative_or_thai(location, target):
    request = next_request(FORM, answer(302, location), asked=ASKED)

    assert request is not None
    assert request.target == target


@pytest.mark.parametrize(
    "location",
    ["", "http://a b/", "/a\x00", "javascript:alert(1)", "ftp://h/", "http://h:99999/", "http://",
     "mailto:a@b", "http://[::1", "http://user:pass@h/", "/" + "x" * 9000, "data:,x"],
    ids=range(12),
)  # fmt: skip
def test_a_location_that_no_browser_could_use_leads_nowhere(location):
    assert next_request(FORM, answer(302, location), asked=ASKED) is None


def test_a_redirect_without_a_location_leads_nowhere():
    nowhere = Answer(Ending.ANSWERED, 302, b"HTTP/1.1 302 X\r\n")

    assert next_request(FORM, nowhere, asked=ASKED) is None


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_no_location_is_too_strange(location):
    line = location.replace("\r", "").replace("\n", "")
    request = next_request(FORM, answer(302, line), asked=ASKED)

    if request is not None:
        assert request.target.isascii()
        assert not set(request.target) & set(" \r\n\t\x00")
