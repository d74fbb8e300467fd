"""The dialect of `contracts/ledger_api.yaml`, which the reference ledger speaks.

Requests are built from tables: one row per operation says method, path and statuses. Answers are
validated before they count: the right document kind, period and account, a number where one is due.
An answer with the right status and wrong content is WRONG_ANSWER. The forms are in
`reference_papers`, the books in `reference_books`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson

from contracts.records import Failure, Outcome
from scenarios.demand import OPERATIONS
from scenarios.dialects.bodies import json_body
from scenarios.dialects.interface import AccountTotals, Answer, BookColumns, Request
from scenarios.dialects.reference_books import parse_books, parse_consolidated
from scenarios.dialects.reference_papers import PAPERS
from scenarios.dialects.reference_sheet import upload_body
from scenarios.journeys.forms import Approval, BackDatedBooks, Check, Form, PeriodClose
from scenarios.journeys.person import PAYEES
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import Ending, classify

UNITS_PER_PROVINCE: Final = 100_000
LIST_LIMIT: Final = 20


_READS: Final[dict[str, Callable[[Step], str]]] = {
    "start_login": lambda _: "/auth/login",
    "finish_login": lambda step: path_on_target(step.location),
    "view_me": lambda _: "/me",
    "view_overview": lambda step: f"/units/{step.unit}/overview",
    "view_periods": lambda step: f"/units/{step.unit}/periods",
    "view_worklist": lambda step: f"/units/{step.unit}/worklist",
    "view_chart_of_accounts": lambda step: f"/units/{step.unit}/chart-of-accounts",
    "view_budget": lambda step: f"/units/{step.unit}/budget",
    "find_payees": lambda step: f"/units/{step.unit}/payees?query={_searched(step)}",
    "list_documents": lambda step: f"/units/{step.unit}/documents?limit={LIST_LIMIT}",
    "view_document": lambda step: f"/units/{step.unit}/documents/{step.document}",
    "find_document_by_key": lambda step: _by_key(step),
    "report_daily_cash": lambda step: f"/units/{step.unit}/reports/daily-cash?date={step.period}",
    "report_trial_balance": lambda step: _report(step, "trial-balance"),
    "report_receipts_payments": lambda step: _report(step, "receipts-payments"),
    "report_budget_execution": lambda step: _report(step, "budget-execution"),
    "view_closing_status": lambda step: (
        f"/provinces/{step.unit // UNITS_PER_PROVINCE}/closing-status?period={step.period}"
    ),
    "read_other_unit": lambda step: f"/units/{step.unit}/overview",
    "view_import": lambda step: _import(step),
    "view_refused_import": lambda step: _import(step),
}
# What a read of a unit's books must list, besides naming the unit.
_LISTED: Final = {
    "view_periods": "periods",
    "view_worklist": "items",
    "view_budget": "lines",
    "find_payees": "payees",
    "list_documents": "documents",
    "report_daily_cash": "accounts",
    "report_trial_balance": "accounts",
    "report_receipts_payments": "receipts",
    "report_budget_execution": "lines",
}
_SEARCHED: Final = tuple(quote(payee.split()[-1]) for payee in PAYEES)
_REDIRECTS: Final = frozenset(("start_login", "authorize_at_provider"))
REDIRECT_STATUSES: Final = (302, 303, 307)
# With which statuses a right ledger refuses a probe. An altered form under a used key is 422.
_REFUSALS: Final[dict[str, tuple[int, ...]]] = {
    "post_into_closed_period": (409, 422),
    "read_other_unit": (403, 404),
    "post_to_other_unit": (403, 404),
    "spend_over_budget": (409, 422),
    "submit_unbalanced_voucher": (422,),
    "submit_wrong_year": (409, 422),
}
_ALTERED_REFUSALS: Final = (409, 422)


def path_on_target(location: str) -> str:
    """Return path and query of *location*: the system may know itself by another host name."""
    parts = urlsplit(location)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _searched(step: Step) -> str:
    return _SEARCHED[step.unit % len(_SEARCHED)]


def _by_key(step: Step) -> str:
    assert step.key is not None
    return f"/units/{step.unit}/documents/by-key/{_uuid_text(step.key)}"


def _import(step: Step) -> str:
    """Return where the import was said to be, or where it is when nobody said so."""
    if step.location:
        return path_on_target(step.location)
    assert step.settles is not None
    assert step.settles.key is not None
    return f"/units/{step.unit}/imports/{_uuid_text(step.settles.key)}"


def _report(step: Step, name: str) -> str:
    return f"/units/{step.unit}/reports/{name}?period={step.period}"


def _uuid_text(key: tuple[int, int]) -> str:
    high, low = f"{key[0]:016x}", f"{key[1]:016x}"
    return f"{high[:8]}-{high[8:12]}-{high[12:]}-{low[:4]}-{low[4:]}"


class ReferenceDialect:
    """Speaks `contracts/ledger_api.yaml`."""

    operations = frozenset(OPERATIONS)
    health_path = "/healthz"
    version_path = "/version"
    has_books = True

    def request(self, step: Step, token: str) -> Request:
        """Translate *step*, asked by the holder of *token* (empty when not signed in)."""
        if step.operation == "authorize_at_provider":
            joint = "&" if "?" in step.location else "?"
            return Request(method="GET", target=f"{step.location}{joint}login_hint={step.pid}")
        authorization = (("Authorization", f"Bearer {token}"),) if token else ()
        if step.form is None:
            return Request(method="GET", target=_READS[step.operation](step), headers=authorization)
        assert step.key is not None
        if isinstance(step.form, BackDatedBooks):
            target = f"/units/{step.unit}/imports"
            content_type, body = upload_body(step.form)
        else:
            paper = PAPERS[type(step.form)]
            target = paper.path(step.unit, step.form)
            content_type, body = json_body(paper.body(step.form))
        headers = (("Idempotency-Key", _uuid_text(step.key)), ("Content-Type", content_type))
        return Request(method="POST", target=target, headers=(*authorization, *headers), body=body)

    def reply(self, step: Step, answer: Answer) -> Reply:
        """Say what *answer* means for *step*; never raises, whatever the target sent."""
        if answer.ending is not Ending.ANSWERED:
            outcome, failure = classify(ending=answer.ending)
            return Reply(outcome=outcome, failure=failure)
        if step.expects_refusal:
            return _probe_reply(step, answer)
        if step.operation in _REDIRECTS:
            return _redirect_reply(answer)
        if isinstance(step.form, BackDatedBooks):
            return _upload_reply(step, answer)
        if step.settles is not None:
            return _import_reply(step, step.settles, answer)
        if step.form is not None:
            return _paper_reply(step, step.form, answer)
        return _read_reply(step, answer)

    def read_books_requests(
        self, provinces: Sequence[int], fiscal_year: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return the reads of the complete books of *provinces*, for the holder of *token*."""
        headers = (("Authorization", f"Bearer {token}"),)
        return tuple(
            Request(
                method="GET",
                target=f"/provinces/{province}/books?fiscal_year={fiscal_year}",
                headers=headers,
            )
            for province in provinces
        )

    def parse_books(self, body: bytes) -> BookColumns:
        """Return table -> column -> values; see `scenarios.dialects.reference_books`."""
        return parse_books(body)

    def read_consolidated_requests(
        self, parents: Sequence[int], period: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return the reads of the consolidated trial balances of *parents* for *period*."""
        headers = (("Authorization", f"Bearer {token}"),)
        query = f"period={period // 100}-{period % 100:02d}"
        return tuple(
            Request("GET", f"/units/{parent}/reports/consolidated-trial-balance?{query}", headers)
            for parent in parents
        )

    def parse_consolidated(self, body: bytes) -> Sequence[AccountTotals]:
        """Return the rows of one report; see `scenarios.dialects.reference_books`."""
        return parse_consolidated(body)


# Answers to replies.


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return values if isinstance(values, dict) else None


def _unlike_expected(step: Step, answer: Answer) -> Reply:
    """Reply to an answer whose status is not the one of success."""
    retry_after_s = _retry_after_s(answer)
    outcome, failure = classify(
        ending=answer.ending,
        status=answer.status,
        expected=(),
        has_retry_after=retry_after_s is not None,
        is_in_progress=step.key is not None and _is_in_progress(answer),
    )
    return Reply(
        outcome=outcome, failure=failure, status=answer.status, retry_after_s=retry_after_s
    )


def _retry_after_s(answer: Answer) -> float | None:
    """Return the seconds of Retry-After; a date or nonsense counts as one second (RFC 9110)."""
    text = answer.header("Retry-After")
    if text is None:
        return None
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1.0


def _is_in_progress(answer: Answer) -> bool:
    """Say whether a 409 may mean that another attempt with the key is under way.

    A 409 without a code of the interface is in doubt too: the answer may come from a proxy.
    """
    if answer.status != 409:
        return False
    code = (_json_object(answer.body) or {}).get("code")
    return not isinstance(code, str) or "progress" in code


def _probe_reply(step: Step, answer: Answer) -> Reply:
    retry_after_s = _retry_after_s(answer)
    outcome, failure = classify(
        ending=answer.ending,
        status=answer.status,
        refusals_expected=_REFUSALS.get(step.operation, _ALTERED_REFUSALS),
        has_retry_after=retry_after_s is not None,
        is_in_progress=step.key is not None and _is_in_progress(answer),
    )
    document, number = 0, -1
    if outcome is Outcome.OK and step.form is not None:
        document, number = _made(_json_object(answer.body) or {})
    return Reply(
        outcome=outcome, failure=failure, status=answer.status, document=document, number=number
    )


def _redirect_reply(answer: Answer) -> Reply:
    location = answer.header("Location") or ""
    outcome, failure = classify(
        ending=answer.ending,
        status=answer.status,
        expected=REDIRECT_STATUSES,
        has_retry_after=_retry_after_s(answer) is not None,
        is_content_right=_is_address(location),
    )
    return Reply(outcome=outcome, failure=failure, status=answer.status, location=location)


def _is_address(location: str) -> bool:
    """Say whether *location* may be asked for: printable, and on http or https."""
    if not location.isascii() or any(c <= " " or c == "\x7f" for c in location):
        return False
    try:
        parts = urlsplit(location)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _made(values: Mapping[str, Any]) -> tuple[int, int]:
    """Return (document, number) of a paper's answer; (0, -1) for what is not there."""
    document, number = values.get("document"), values.get("number")
    return (
        document if type(document) is int and 0 < document < 2**63 else 0,
        number if type(number) is int and 0 < number < 2**31 else -1,
    )


def _paper_reply(step: Step, form: Form, answer: Answer) -> Reply:
    paper = PAPERS[type(form)]
    if answer.status not in paper.statuses:
        return _unlike_expected(step, answer)
    values = _json_object(answer.body) or {}
    document, number = _made(values)
    is_right = values.get("period") == paper.period(form)
    if paper.has_number:
        is_right = is_right and document > 0 and number > 0 and values.get("kind") == paper.kind
    if isinstance(form, Check | Approval):
        is_right = is_right and document == form.document
    if isinstance(form, PeriodClose):
        is_right = is_right and values.get("status") == "closed"
    return Reply(
        outcome=Outcome.OK,
        failure=Failure.NONE if is_right else Failure.WRONG_ANSWER,
        status=answer.status,
        document=document,
        number=number,
    )


def _upload_reply(step: Step, answer: Answer) -> Reply:
    """Reply to an upload: what was taken in is neither in the books nor out of them yet."""
    if answer.status != 202:
        return _unlike_expected(step, answer)
    location = answer.header("Location") or ""
    is_right = f"/units/{step.unit}/imports/" in location and location.isascii()
    return Reply(
        outcome=Outcome.OK,
        failure=Failure.NONE if is_right else Failure.WRONG_ANSWER,
        status=202,
        location=location,
        settled=Outcome.INDEFINITE,
    )


# What the state of an import says about its file.
_SETTLED: Final = {
    "received": Outcome.INDEFINITE,
    "checking": Outcome.INDEFINITE,
    "posting": Outcome.INDEFINITE,
    "refused": Outcome.REFUSED,
    "done": Outcome.OK,
}


def _import_reply(step: Step, upload: Step, answer: Answer) -> Reply:
    """Reply to a look at an import: a sound file must not be refused, another not be done."""
    if answer.status != 200:
        return _unlike_expected(step, answer)
    assert isinstance(upload.form, BackDatedBooks)
    values = _json_object(answer.body) or {}
    settled = _SETTLED.get(str(values.get("state")))
    is_right = settled is not None and values.get("unit") == step.unit
    if step.operation == "view_refused_import":
        is_right = is_right and settled is Outcome.REFUSED
    elif upload.form.is_sound:
        is_right = is_right and settled is not Outcome.REFUSED
    if settled is Outcome.OK:
        is_right = is_right and values.get("documents_posted") == upload.form.documents
    posted = values.get("documents_posted")
    return Reply(
        outcome=Outcome.OK,
        failure=Failure.NONE if is_right else Failure.WRONG_ANSWER,
        status=200,
        number=posted if type(posted) is int and 0 <= posted < 2**31 else -1,
        values=values,
        settled=settled,
    )


def _read_reply(step: Step, answer: Answer) -> Reply:
    if answer.status != 200:
        return _unlike_expected(step, answer)
    values = _json_object(answer.body)
    is_right = values is not None and _is_about(step, values)
    if values is None:
        values = {}
    token = values.get("token", "") if step.operation == "finish_login" else ""
    document, number = 0, -1
    if step.operation == "list_documents":
        document = _listed(step, values)
    elif step.operation == "find_document_by_key":
        document, number = _made(values)
    return Reply(
        outcome=Outcome.OK,
        failure=Failure.NONE if is_right else Failure.WRONG_ANSWER,
        status=200,
        document=document,
        number=number,
        token=token if isinstance(token, str) else "",
        values=values,
    )


def _is_about(step: Step, values: Mapping[str, Any]) -> bool:
    """Say whether a read's answer is about what was asked: this unit, document, account."""
    match step.operation:
        case "finish_login":
            token = values.get("token")
            return (
                isinstance(token, str)
                and 0 < len(token) < 8192
                and token.isascii()
                and token.isprintable()
                and values.get("account") == step.account
            )
        case "view_me":
            return values.get("account") == step.account
        case "view_chart_of_accounts":  # the same for every unit
            return isinstance(values.get("accounts"), list) and bool(values["accounts"])
        case "view_document":
            return values.get("document") == step.document
        case "find_document_by_key":  # the answer as it was given to the write
            return _made(values)[0] > 0
        case "view_closing_status":
            return values.get("province") == step.unit // UNITS_PER_PROVINCE
    listed = _LISTED.get(step.operation)
    if listed is not None and not isinstance(values.get(listed), list):
        return False
    if step.period and step.period not in (values.get("period"), values.get("date")):
        return False
    return bool(values.get("unit") == step.unit)


def _listed(step: Step, values: Mapping[str, Any]) -> int:
    """Return one of the listed documents, 0 when there is none."""
    documents = values.get("documents")
    if not isinstance(documents, list) or not documents:
        return 0
    chosen = documents[step.account % len(documents)]
    return _made(chosen)[0] if isinstance(chosen, dict) else 0
