"""The reference dialect: steps become the agreed requests; only right answers count as right."""

from __future__ import annotations

import time
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import BOOKS_COLUMNS, Failure, Outcome
from scenarios.demand import OPERATIONS
from scenarios.dialects import load_dialect
from scenarios.dialects.interface import Answer
from scenarios.journeys.forms import (
    AdvanceClearing,
    AdvancePayment,
    AdvanceRequest,
    Approval,
    BudgetTransfer,
    Check,
    Commitment,
    DisbursementRequest,
    JournalVoucher,
    Payment,
    PeriodClose,
    Receipt,
)
from scenarios.journeys.vocabulary import Step
from scenarios.outcomes import Ending

DIALECT = load_dialect("reference")
KEY = (0x0123456789AB4DEF, 0x8123456789ABCDEF)
UUID_TEXT = "01234567-89ab-4def-8123-456789abcdef"
BILL = DisbursementRequest(
    date="2025-12-01",
    budget_line="B03",
    payee="ร้าน",
    amount_satang=123_456,
    withholding_tax_satang=1_234,
)
LOAN = AdvanceRequest(date="2025-12-01", borrower="x", amount_satang=100)
RECEIPT = Receipt(date="2025-12-01", channel="cash", payer="x", lines=(("4110101", 150_05),))
FORMS = [
    (
        "create_receipt",
        RECEIPT,
        "/units/7/receipts",
        {"date": "2025-12-01", "channel": "cash", "payer": "x",
         "lines": [{"account": "4110101", "amount": "150.05"}]},
    ),
    (
        "create_disbursement_request",
        BILL,
        "/units/7/disbursement-requests",
        {"date": "2025-12-01", "budget_line": "B03", "payee": "ร้าน", "amount": "1234.56",
         "withholding_tax": "12.34"},
    ),
    (
        "check_disbursement_request",
        Check(document=5, request=BILL),
        "/units/7/disbursement-requests/5/check",
        {},
    ),
    (
        "approve_disbursement_request",
        Approval(document=5, request=BILL),
        "/units/7/disbursement-requests/5/approve",
        {},
    ),
    (
        "pay_disbursement_request",
        Payment(document=5, date="2025-12-01", method="cheque", request=BILL),
        "/units/7/disbursement-requests/5/pay",
        {"date": "2025-12-01", "method": "cheque"},
    ),
    (
        "create_commitment",
        Commitment(date="2025-12-01", budget_line="B01", payee="x", amount_satang=9),
        "/units/7/commitments",
        {"date": "2025-12-01", "budget_line": "B01", "payee": "x", "amount": "0.09"},
    ),
    (
        "create_advance_request",
        LOAN,
        "/units/7/advance-requests",
        {"date": "2025-12-01", "borrower": "x", "amount": "1.00"},
    ),
    (
        "pay_advance_request",
        AdvancePayment(document=5, date="2025-12-02", method="e-payment", request=LOAN),
        "/units/7/advance-requests/5/pay",
        {"date": "2025-12-02", "method": "e-payment"},
    ),
    (
        "clear_advance",
        AdvanceClearing(document=5, date="2025-12-01", amount_satang=100),
        "/units/7/advances/5/clear",
        {"date": "2025-12-01", "amount": "1.00"},
    ),
    (
        "create_journal_voucher",
        JournalVoucher(
            date="2025-12-01", description="d", lines=(("5310101", 3, 0), ("2110101", 0, 3))
        ),
        "/units/7/journal-vouchers",
        {"date": "2025-12-01", "description": "d",
         "lines": [{"account": "5310101", "debit": "0.03"},
                   {"account": "2110101", "credit": "0.03"}]},
    ),
    (
        "create_budget_transfer",
        BudgetTransfer(date="2025-12-01", from_line="B01", to_line="B02", amount_satang=100),
        "/units/7/budget-transfers",
        {"date": "2025-12-01", "from_line": "B01", "to_line": "B02", "amount": "1.00"},
    ),
    ("close_period", PeriodClose(period="2025-11"), "/units/7/periods/2025-11/close", {}),
]  # fmt: skip


def answered(status, content, *headers):
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{line}\r\n" for line in headers)
    return Answer(Ending.ANSWERED, status, head.encode(), body)


def post(operation, form, **changes):
    return Step(operation, account=7001, unit=7, form=form, key=KEY, **changes)


@pytest.mark.parametrize(("operation", "form", "path", "body"), FORMS, ids=lambda v: str(v)[:28])
def test_a_form_becomes_the_agreed_post(operation, form, path, body):
    request = DIALECT.request(post(operation, form), "TOKEN")

    assert (request.method, request.target) == ("POST", path)
    assert orjson.loads(request.body) == body
    headers = dict(request.headers)
    assert headers["Authorization"] == "Bearer TOKEN"
    assert headers["Idempotency-Key"] == UUID_TEXT
    assert UUID(headers["Idempotency-Key"]).int == KEY[0] << 64 | KEY[1]


READS = {
    "start_login": "/auth/login",
    "finish_login": "/auth/callback?code=1&state=2",
    "view_me": "/me",
    "view_overview": "/units/7/overview",
    "view_periods": "/units/7/periods",
    "view_worklist": "/units/7/worklist",
    "view_chart_of_accounts": "/units/7/chart-of-accounts",
    "view_budget": "/units/7/budget",
    "list_documents": "/units/7/documents?limit=20",
    "view_document": "/units/7/documents/5",
    "find_document_by_key": f"/units/7/documents/by-key/{UUID_TEXT}",
    "report_daily_cash": "/units/7/reports/daily-cash?date=2025-12-01",
    "report_trial_balance": "/units/7/reports/trial-balance?period=2025-12-01",
    "report_receipts_payments": "/units/7/reports/receipts-payments?period=2025-12-01",
    "report_budget_execution": "/units/7/reports/budget-execution?period=2025-12-01",
    "view_closing_status": "/provinces/0/closing-status?period=2025-12-01",
    "read_other_unit": "/units/7/overview",
}


@pytest.mark.parametrize(("operation", "path"), READS.items())
def test_a_read_asks_the_agreed_address(operation, path):
    step = Step(
        operation,
        account=7001,
        unit=7,
        document=5,
        key=KEY,
        period="2025-12-01",
        location="http://elsewhere:99/auth/callback?code=1&state=2",
    )

    request = DIALECT.request(step, "")

    assert (request.method, request.target, request.body) == ("GET", path, b"")
    assert request.headers == ()


# What these say is tested in test_backlog.
IMPORTS = {"upload_books", "upload_malformed_books", "view_import", "view_refused_import"}


def test_every_operation_of_the_plan_can_be_said():
    said = {*READS, *(operation for operation, *_ in FORMS), "find_payees", *IMPORTS}
    # Receipts and requests under another name.
    probes = {"post_into_closed_period", "post_to_other_unit", "spend_over_budget",
              "submit_unbalanced_voucher", "submit_wrong_year"}  # fmt: skip

    assert OPERATIONS.keys() == said | probes | {"authorize_at_provider"}


def test_the_provider_is_asked_where_the_redirect_said_with_the_persons_number():
    step = Step("authorize_at_provider", 7001, 7, location="http://p:1/a?x=1", pid="9900000070010")

    request = DIALECT.request(step, "")

    assert request.target == "http://p:1/a?x=1&login_hint=9900000070010"


MADE = {"document": 70, "number": 3, "kind": "receipt", "period": "2025-12", "status": "posted"}


def test_a_right_answer_to_a_post_is_ok_and_carries_its_number():
    reply = DIALECT.reply(post("create_receipt", RECEIPT), answered(201, MADE))

    assert reply.is_ok
    assert (reply.document, reply.number) == (70, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": None}, {"number": 0}, {"number": "3"}, {"number": True}, {"number": 2**40},
        {"document": -1}, {"document": 2**63}, {"kind": "payment"}, {"period": "2025-11"},
    ],
)  # fmt: skip
def test_a_post_acknowledged_with_wrong_content_is_a_wrong_answer(wrong):
    reply = DIALECT.reply(post("create_receipt", RECEIPT), answered(201, {**MADE, **wrong}))

    assert (reply.outcome, reply.failure) == (Outcome.OK, Failure.WRONG_ANSWER)
    assert -1 <= reply.number < 2**31


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'"x"', b"<html>"])
@pytest.mark.parametrize(
    "step", [post("create_receipt", RECEIPT), Step("view_overview", 7001, 7)], ids=["post", "read"]
)
def test_a_body_that_is_no_object_is_a_wrong_answer(step, body):
    reply = DIALECT.reply(step, answered(200 if step.form is None else 201, body))

    assert (reply.outcome, reply.failure) == (Outcome.OK, Failure.WRONG_ANSWER)


def test_a_check_must_answer_with_the_request_it_checked():
    step = post("check_disbursement_request", Check(document=5, request=BILL))
    right = {**MADE, "document": 5, "kind": "disbursement_request", "status": "checked"}

    assert DIALECT.reply(step, answered(201, right)).is_ok
    assert DIALECT.reply(step, answered(200, right)).is_ok
    other = DIALECT.reply(step, answered(201, {**right, "document": 6}))
    assert other.failure is Failure.WRONG_ANSWER


def test_a_close_has_no_number():
    step = post("close_period", PeriodClose(period="2025-11"))

    reply = DIALECT.reply(step, answered(201, {"period": "2025-11", "status": "closed"}))

    assert reply.is_ok
    assert reply.number == -1


READ_ANSWERS = [
    ("view_overview", {"unit": 7}, {"unit": 8}),
    ("view_periods", {"unit": 7, "periods": []}, {"unit": 7}),
    ("view_document", {"unit": 7, "document": 5}, {"unit": 7, "document": 6}),
    ("view_me", {"account": 7001}, {"account": 7002}),
    ("list_documents", {"unit": 7, "documents": []}, {"unit": 7, "documents": {}}),
    ("view_chart_of_accounts", {"accounts": [1]}, {"accounts": []}),
    ("finish_login", {"token": "t", "account": 7001}, {"token": "t\r\nX: y", "account": 7001}),
    ("finish_login", {"token": "t", "account": 7001}, {"token": "t", "account": 7002}),
]


@pytest.mark.parametrize(("operation", "right", "wrong"), READ_ANSWERS)
def test_a_read_counts_only_when_it_is_about_what_was_asked(operation, right, wrong):
    step = Step(operation, 7001, 7, document=5, location="http://x/auth/callback?code=1")

    assert DIALECT.reply(step, answered(200, right)).is_ok
    assert DIALECT.reply(step, answered(200, wrong)).failure is Failure.WRONG_ANSWER


def test_a_report_must_be_of_the_period_asked_for():
    step = Step("report_trial_balance", 7001, 7, period="2025-11")

    right = {"unit": 7, "period": "2025-11", "accounts": []}
    assert DIALECT.reply(step, answered(200, right)).is_ok
    wrong = DIALECT.reply(step, answered(200, {**right, "period": "2025-12"}))
    assert wrong.failure is Failure.WRONG_ANSWER


def test_enquiries_open_one_of_the_listed_documents():
    step = Step("list_documents", 7001, 7)
    listed = {"unit": 7, "documents": [{"document": 11}, {"document": 12}]}

    assert DIALECT.reply(step, answered(200, listed)).document in (11, 12)
    nonsense = {"unit": 7, "documents": ["x", None]}
    assert DIALECT.reply(step, answered(200, nonsense)).document == 0


@pytest.mark.parametrize(
    ("location", "is_ok"),
    [
        ("http://p:1/authorize?x=1", True),
        ("https://p/authorize", True),
        ("", False),
        ("/relative", False),
        ("ftp://p/x", False),
        ("http://p:99999/x", False),
        ("http://p/x y", False),
        ("http://p/x\x00", False),
        ("http://[::1", False),
    ],
)
def test_a_redirect_must_name_an_address_that_may_be_asked(location, is_ok):
    reply = DIALECT.reply(Step("start_login", 7001, 7), answered(302, b"", f"Location: {location}"))

    assert reply.is_ok is is_ok


@pytest.mark.parametrize(
    ("status", "headers", "content", "outcome", "failure"),
    [
        (503, ["Retry-After: 2"], {"code": "shed"}, Outcome.REFUSED, Failure.SHED),
        (429, ["retry-AFTER:1"], {}, Outcome.REFUSED, Failure.SHED),
        (503, [], {"code": "shed"}, Outcome.INDEFINITE, Failure.SERVER_ERROR),
        (409, [], {"code": "period-closed"}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
        (409, [], {"code": "in-progress"}, Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
        (409, [], b"<html>", Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
        (422, [], {"code": "invalid"}, Outcome.REFUSED, Failure.UNEXPECTED_STATUS),
        (500, [], b"", Outcome.INDEFINITE, Failure.SERVER_ERROR),
        (302, ["Location: http://x/login"], b"", Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS),
    ],
)
def test_a_post_refused_or_in_doubt(status, headers, content, outcome, failure):
    reply = DIALECT.reply(post("create_receipt", RECEIPT), answered(status, content, *headers))

    assert (reply.outcome, reply.failure) == (outcome, failure)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2", 2.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-5", 1.0), ("9" * 400, 1.0),
     ("²", 1.0)],
)  # fmt: skip
def test_retry_after_is_read_with_care(text, seconds):
    answer = Answer(
        Ending.ANSWERED, 503, f"HTTP/1.1 503 X\r\nRetry-After: {text}\r\n".encode(), b""
    )

    assert DIALECT.reply(post("create_receipt", RECEIPT), answer).retry_after_s == seconds


@pytest.mark.parametrize(
    ("operation", "status", "failure"),
    [
        ("post_into_closed_period", 409, Failure.EXPECTED_REFUSAL),
        ("post_into_closed_period", 422, Failure.EXPECTED_REFUSAL),
        ("post_into_closed_period", 403, Failure.UNEXPECTED_STATUS),
        ("post_into_closed_period", 201, Failure.WRONG_ANSWER),
        ("spend_over_budget", 422, Failure.EXPECTED_REFUSAL),
        ("spend_over_budget", 409, Failure.EXPECTED_REFUSAL),
        ("spend_over_budget", 201, Failure.WRONG_ANSWER),
        ("submit_unbalanced_voucher", 422, Failure.EXPECTED_REFUSAL),
        ("submit_unbalanced_voucher", 201, Failure.WRONG_ANSWER),
        ("submit_wrong_year", 409, Failure.EXPECTED_REFUSAL),
        ("submit_wrong_year", 201, Failure.WRONG_ANSWER),
        ("post_to_other_unit", 403, Failure.EXPECTED_REFUSAL),
        ("post_to_other_unit", 404, Failure.EXPECTED_REFUSAL),
        ("post_to_other_unit", 201, Failure.WRONG_ANSWER),
        ("create_receipt", 422, Failure.EXPECTED_REFUSAL),  # an altered form under a used key
        ("create_receipt", 201, Failure.WRONG_ANSWER),
    ],
)
def test_a_probe_is_judged_by_how_it_was_refused(operation, status, failure):
    step = post(operation, RECEIPT, expects_refusal=True)

    reply = DIALECT.reply(step, answered(status, {**MADE, "code": "x"}))

    assert reply.failure is failure
    assert reply.outcome is (Outcome.OK if status == 201 else Outcome.REFUSED)
    assert reply.number == (3 if status == 201 else -1)


@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(max_size=60),
        st.dictionaries(
            st.sampled_from(["document", "number", "unit", "token", "documents", "code", "kind"]),
            st.one_of(st.none(), st.integers(-(2**62), 2**62), st.text(max_size=4), st.just([{}])),
        ).map(orjson.dumps),
    ),
    head=st.binary(max_size=80),
    step=st.sampled_from(
        [
            post("create_receipt", RECEIPT),
            post("post_to_other_unit", RECEIPT, expects_refusal=True),
            *(Step(operation, 7001, 7, document=5) for operation in READS),
            Step("authorize_at_provider", 7001, 7),
        ]
    ),
)
def test_no_answer_makes_the_dialect_raise(status, body, head, step):
    reply = DIALECT.reply(step, Answer(Ending.ANSWERED, status, head, body))

    assert 0 <= reply.document < 2**63
    assert -1 <= reply.number < 2**31


# Books.


def document(place, **changes):
    return {
        "document": place,
        "kind": "receipt",
        "number": place,
        "fiscal_year": 2569,
        "period": "2025-12",
        "date": "2025-12-01",
        "key": UUID_TEXT,
        "gross": "12.34",
        "budget_line": None,
        "status": "posted",
        "lines": [["1110101", "12.34", "0.00"], ["4110101", "0.00", "12.34"]],
        **changes,
    }


def books(unit, *documents, **changes):
    return {
        "unit": unit,
        "documents": list(documents),
        "trial_balance": [
            {"period": "2025-12", "account": "1110101", "opening": "-1.00", "debit": "12.34",
             "credit": "0.00", "closing": "11.34"}
        ],
        "cash": [{"account": "1110101", "balance": "-0.05"}],
        "budget": [
            {"budget_line": "B01", "appropriated": "5.00", "transferred": "-1.00",
             "committed": "0.10", "paid": "0.20", "remaining": "3.70"}
        ],
        "periods": [{"period": "2025-10", "status": "closed"}],
        **changes,
    }  # fmt: skip


CHART = [{"account": "1110101", "class": 1, "is_cash": True}]


def lines(*objects):
    return b"\n".join(o if isinstance(o, bytes) else orjson.dumps(o) for o in objects) + b"\n"


def rows(table):
    return list(zip(*table.values(), strict=True))


def test_books_become_the_columns_of_the_record_contract():
    read = DIALECT.parse_books(lines(books(7, document(1), chart=CHART), books(8, chart=CHART)))

    assert {table: tuple(columns) for table, columns in read.items()} == BOOKS_COLUMNS
    assert rows(read["documents"]) == [
        (7, 1, "receipt", 1, 2569, 202512, "2025-12-01", *KEY, 1234, "", "posted", 2)
    ]
    assert rows(read["lines"]) == [(7, 1, "1110101", 1234, 0), (7, 1, "4110101", 0, 1234)]
    assert rows(read["trial_balance"])[0] == (7, 202512, "1110101", -100, 1234, 0, 1134)
    assert rows(read["cash_position"])[0] == (7, "1110101", -5)
    assert rows(read["budget"])[0] == (7, "B01", 500, -100, 10, 20, 370)
    assert rows(read["periods"])[0] == (7, 202510, "closed")
    assert rows(read["chart"]) == [("1110101", 1, True)]
    assert rows(read["export"]) == [(7, True, ""), (8, True, "")]


def test_a_document_that_no_client_made_has_no_key():
    read = DIALECT.parse_books(lines(books(7, document(1, key=None))))

    assert (read["documents"]["key_high"], read["documents"]["key_low"]) == ([0], [0])


@pytest.mark.parametrize(
    "broken",
    [
        books(7, document(1, gross="12.3")),
        books(7, document(1, gross="1_2.34")),
        books(7, document(1, gross=12.34)),
        books(7, document(1, gross="NaN")),
        books(7, document(1, gross="9" * 30 + ".00")),
        books(7, document(1, key="not-a-key")),
        books(7, document(1, period="2025-13")),
        books(7, document(1, date="1 Dec")),
        books(7, document(1, number="1")),
        books(7, document(1, document=2**63)),
        books(7, document(1, lines=[["1110101", "1.00"]])),
        books(7, document(1, lines=None)),
        books(7, documents=None),
        books(7, document(1, kind=None)),
        books(7, trial_balance=[{}]),
        books(7, budget=7),
        {k: v for k, v in books(7, document(1)).items() if k != "periods"},
    ],
)
def test_books_that_are_not_as_agreed_give_a_reason_and_nothing_else(broken):
    read = DIALECT.parse_books(lines(books(6, document(9)), broken, books(8)))

    assert [(unit, complete) for unit, complete, _ in rows(read["export"])] == [
        (6, True), (7, False), (8, True),
    ]  # fmt: skip
    assert "line 2" in read["export"]["reason"][1]
    for table in BOOKS_COLUMNS.keys() - {"export", "chart"}:
        assert 7 not in read[table]["unit"]


@pytest.mark.parametrize("line", [b"{", b"[]", b"null", b'{"unit": "7"}', b"\xff\xfe"])
def test_a_line_of_no_unit_is_charged_to_unit_0(line):
    read = DIALECT.parse_books(lines(books(6), line))

    assert [(u, c) for u, c, _ in rows(read["export"])] == [(6, True), (0, False)]


def test_books_cut_off_in_the_middle_lose_only_the_last_unit():
    whole = lines(books(6, document(1)), books(7, document(1)))

    read = DIALECT.parse_books(whole[:-40])

    assert [(u, c) for u, c, _ in rows(read["export"])] == [(6, True), (0, False)]


def test_an_empty_export_has_no_rows():
    assert DIALECT.parse_books(b"")["export"]["unit"] == []


def test_reading_books_takes_time_in_proportion_to_the_documents():
    """Linear: ten times the documents take about ten times the time, not a hundred."""

    def seconds(units):
        body = lines(*(books(u, *(document(n) for n in range(1, 21))) for u in range(1, units)))
        started = time.process_time()
        DIALECT.parse_books(body)
        return time.process_time() - started

    seconds(50)
    assert seconds(500) < 40 * max(seconds(50), 1e-3)


def test_the_reads_of_the_books_ask_one_province_each():
    requests = DIALECT.read_books_requests([10, 50], 2569, token="T")

    assert [r.target for r in requests] == [
        "/provinces/10/books?fiscal_year=2569", "/provinces/50/books?fiscal_year=2569",
    ]  # fmt: skip
    assert all(r.headers == (("Authorization", "Bearer T"),) for r in requests)
