"""Dialects as tables: what goes out, what an answer means, and what no answer can do."""

from __future__ import annotations

import json
from typing import ClassVar
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Failure, Outcome
from scenarios.demand import OPERATIONS
from scenarios.dialects import load_dialect
from scenarios.dialects.bodies import Upload
from scenarios.dialects.interface import Answer
from scenarios.dialects.tables import (
    Call,
    Page,
    TableDialect,
    buddhist,
    in_address,
    in_json,
    in_text,
)
from scenarios.journeys.forms import PeriodClose, Receipt
from scenarios.journeys.vocabulary import Step
from scenarios.outcomes import Ending

RECEIPT = Receipt(date="2025-12-01", channel="cash", payer="ร้าน ก&ข", lines=(("4110101", 123456),))
KEY = (0x0123456789AB4DEF, 0x8123456789ABCDEF)
WRITE = Step("create_receipt", account=7, unit=101234, form=RECEIPT, key=KEY)
PROBE = WRITE._replace(operation="post_into_closed_period", expects_refusal=True)


class JsonDialect(TableDialect):
    refused = in_json("error")
    in_progress = in_json("busy")
    calls: ClassVar = {
        "view_overview": Call(path="/o/{province}/{unit}?p={period}", shows='"unit": {unit}'),
        "create_receipt": Call(
            method="POST", path="/r", fields=lambda step: {"payer": step.form.payer},
            expected=(201,), document=in_json("made.id"), number=in_json("made.numbers.0"),
        ),
        "post_into_closed_period": Call(method="POST", path="/r", fields=lambda step: {}),
        "finish_login": Call(path="{location}&pid={pid}", token=in_json("token")),
    }  # fmt: skip


class UploadDialect(TableDialect):
    body = "multipart"
    calls: ClassVar = {
        "create_receipt": Call(
            method="PUT", path="/r/{key}",
            fields=lambda step: {"scan": Upload("ใบ.pdf", b"%PDF"), "n": 1},
        )
    }  # fmt: skip


OURS = JsonDialect()
WEB = load_dialect("web_forms")


def answer(status, body=b"", *headers, address=""):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = "".join(f"{line}\r\n" for line in headers)
    head = f"HTTP/1.1 {status} X\r\n{lines}".encode()
    return Answer(Ending.ANSWERED, status, head, body, address)


def test_a_read_goes_out_as_its_row_says():
    step = Step("view_overview", account=7, unit=101234, period="2025-12 ก")
    request = OURS.request(step, "t0")

    assert (request.method, request.body) == ("GET", b"")
    assert request.target == "/o/1/101234?p=2025-12%20%E0%B8%81"
    assert request.headers == (("Authorization", "Bearer t0"),)


def test_a_write_carries_its_key_and_its_fields():
    request = OURS.request(WRITE, "t")

    assert ("Idempotency-Key", "01234567-89ab-4def-8123-456789abcdef") in request.headers
    assert ("Content-Type", "application/json") in request.headers
    assert json.loads(request.body) == {"payer": "ร้าน ก&ข"}


def test_files_travel_as_multipart():
    request = UploadDialect().request(WRITE, "")

    assert (request.method, request.target) == ("PUT", "/r/01234567-89ab-4def-8123-456789abcdef")
    assert dict(request.headers)["Content-Type"].startswith("multipart/form-data; boundary=")
    assert 'filename="ใบ.pdf"'.encode() in request.body


def test_an_address_that_the_target_gave_is_used_as_it_is():
    step = Step("finish_login", account=7, unit=1, location="http://h/cb?code=%20x", pid="1&2")

    assert OURS.request(step, "").target == "http://h/cb?code=%20x&pid=1%262"


def test_a_form_is_filled_in_the_thai_way():
    request = WEB.request(WRITE, "f0rgery")

    assert request.target == "/unit/101234/new/receipt"
    assert (request.follow, request.is_browsing) == (1, True)
    assert dict(parse_qsl(request.body.decode())) == {
        "date": "01/12/2568", "from": "ร้าน ก&ข", "via": "cash", "line0": "4110101=1,234.56",
        "_once": "01234567-89ab-4def-8123-456789abcdef", "_forgery": "f0rgery",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("date", "thai"), [("2025-12-01", "01/12/2568"), ("2025-12", "12/2568"), ("2026", "2569")]
)
def test_dates_are_of_the_buddhist_era(date, thai):
    assert buddhist(date) == thai


MADE = {"made": {"id": 5, "numbers": ["12"]}}
WRITES = [
    (answer(201, MADE), Outcome.OK, Failure.NONE),
    (answer(201, {"made": {"id": 0, "numbers": [1]}}), Outcome.OK, Failure.WRONG_ANSWER),
    (answer(201, {"made": {"id": 5}}), Outcome.OK, Failure.WRONG_ANSWER),
    (answer(201, b"\xff<html>"), Outcome.OK, Failure.WRONG_ANSWER),
    (answer(200, MADE), Outcome.OK, Failure.WRONG_ANSWER),
    (answer(201, {**MADE, "error": "no"}), Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    (answer(422), Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    (answer(409, {"busy": "yes"}), Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
    (answer(409, {"busy": ""}), Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
    (answer(503), Outcome.INDEFINITE, Failure.SERVER_ERROR),
    (answer(503, b"", "Retry-After: 3"), Outcome.REFUSED, Failure.SHED),
    (answer(302, b"", "Location: /x"), Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
    (Answer(Ending.TIMED_OUT), Outcome.INDEFINITE, Failure.TIMEOUT),
    (Answer(Ending.NOTHING_SENT), Outcome.REFUSED, Failure.CONNECTION),
]


@pytest.mark.parametrize(("what", "outcome", "failure"), WRITES, ids=range(len(WRITES)))
def test_what_an_answer_to_a_write_means(what, outcome, failure):
    reply = OURS.reply(WRITE, what)

    assert (reply.outcome, reply.failure) == (outcome, failure)


def test_document_and_number_come_from_where_the_row_says():
    reply = OURS.reply(WRITE, answer(201, MADE))

    assert (reply.document, reply.number, reply.status) == (5, 12, 201)


@pytest.mark.parametrize(
    "what", [answer(403), answer(409), answer(422), answer(200, {"error": "closed"})]
)
def test_a_probe_that_is_refused_is_as_it_must_be(what):
    reply = OURS.reply(PROBE, what)

    assert (reply.outcome, reply.failure) == (Outcome.REFUSED, Failure.EXPECTED_REFUSAL)


def test_a_probe_that_is_let_through_is_wrong():
    reply = OURS.reply(PROBE, answer(200, MADE))

    assert (reply.outcome, reply.failure) == (Outcome.OK, Failure.WRONG_ANSWER)


def test_a_page_about_something_else_is_wrong():
    step = Step("view_overview", account=7, unit=101234)

    assert OURS.reply(step, answer(200, {"unit": 101234})).is_ok
    assert OURS.reply(step, answer(200, {"unit": 999})).failure is Failure.WRONG_ANSWER


@pytest.mark.parametrize("body", [{"token": "ok"}, {"token": ""}, {"token": "a\nb"}, {}, [1]])
def test_only_a_token_that_fits_a_header_is_one(body):
    reply = OURS.reply(Step("finish_login", account=1, unit=1), answer(200, body))

    is_good = isinstance(body, dict) and body.get("token") == "ok"
    assert reply.token == ("ok" if is_good else "")
    assert reply.is_ok is is_good


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_write_that_led_on_is_never_called_refused(status):
    """The form was taken; that the page after it could not be shown does not undo it."""
    led = answer(status, b"", "Retry-After: 1", address="http://h/unit/101234/papers/9")

    assert WEB.reply(WRITE, led).outcome is Outcome.INDEFINITE
    assert WEB.reply(WRITE, led._replace(address="")).outcome is not Outcome.OK


def test_a_form_that_was_taken_leads_to_the_paper():
    text = '<h1 id="paper-9">receipt เลขที่ <b>3</b></h1>'
    led = answer(200, text.encode(), address="http://h/unit/101234/papers/9")

    reply = WEB.reply(WRITE, led)

    assert reply.is_ok
    assert (reply.document, reply.number) == (9, 3)


def test_a_red_line_refuses_with_a_status_of_success():
    red = answer(200, '<p class="red">ปิดงวดแล้ว</p>'.encode())

    assert WEB.reply(WRITE, red).outcome is Outcome.REFUSED
    assert WEB.reply(PROBE, red).failure is Failure.EXPECTED_REFUSAL
    flashed = red._replace(address="http://h/unit/101234/new")
    assert WEB.reply(PROBE, flashed).failure is Failure.EXPECTED_REFUSAL


def test_being_sent_to_sign_in_counts_as_401():
    sent_away = answer(303, b"", "Location: /signin?back=/unit/1/desk")
    step = Step("view_overview", account=7, unit=1)

    assert WEB.reply(step, sent_away).status == 401
    followed = answer(200, b"sign in", address="http://h/signin?back=/unit/1/new/receipt")
    assert WEB.reply(WRITE, followed)[:3] == (Outcome.REFUSED, Failure.UNEXPECTED_STATUS, 401)


def test_an_old_systems_pages_are_read_in_their_own_charset():
    page = answer(
        200, "<h2>หน่วยงาน 5<".encode("tis-620"), "Content-Type: text/html; charset=TIS-620"
    )
    step = Step("view_overview", account=7, unit=5)

    assert WEB.reply(step, page).is_ok
    unknown = page._replace(head=b"HTTP/1.1 200 X\r\nContent-Type: text/html; charset=klingon\r\n")
    assert WEB.reply(step, unknown).failure is Failure.WRONG_ANSWER


def test_a_list_gives_one_of_its_papers_and_may_be_empty():
    step = Step("list_documents", account=7, unit=5)
    page = '<h2>หน่วยงาน 5</h2><a href="/unit/5/papers/31">x</a>'

    assert WEB.reply(step, answer(200, page.encode())).document == 31
    empty = WEB.reply(step, answer(200, "<h2>หน่วยงาน 5</h2>".encode()))
    assert empty.is_ok
    assert empty.document == 0


def test_books_that_cannot_be_read_are_said_to_be_so():
    assert not WEB.has_books
    assert WEB.read_books_requests([1], 2569, token="t") == ()
    assert load_dialect("reference").has_books


def every_step():
    close = Step("close_period", account=1, unit=1, form=PeriodClose(period="2025-11"), key=KEY)
    for name in sorted(WEB.operations):
        yield close if name == "close_period" else WRITE._replace(operation=name)


@given(
    st.integers(100, 599),
    st.binary(max_size=200),
    st.sampled_from(["", "http://h/signin?back=/", "http://h/unit/1/papers/99999999999999999999"]),
)
def test_no_answer_makes_a_table_raise(status, body, address):
    for step in every_step():
        WEB.reply(step, answer(status, body, address=address))
    for operation in JsonDialect.calls:
        for content in (body, b"[" * 3000, b'{"made": 1}', b'{"made": {"numbers": []}}'):
            reply = OURS.reply(WRITE._replace(operation=operation), answer(status, content))
            assert reply.document < 2**63


def test_a_redirect_finder_looks_at_the_answers_own_location_too():
    find = in_address(r"/papers/(\d+)$")
    assert find(Page(answer(303, b"", "Location: /papers/4"))) == "4"
    assert find(Page(answer(200))) == ""
    assert in_text("x")(Page(answer(200, b"axb"))) == "x"


def test_the_example_speaks_what_it_says_and_leaves_out_what_it_cannot():
    assert set(OPERATIONS) - WEB.operations >= {"create_budget_transfer", "view_closing_status"}
