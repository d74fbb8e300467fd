"""A dialect as a table: one row per operation says path, fields, statuses and where to look.

Subclass `TableDialect`, fill `calls`, and set the few class attributes that differ. What a person
hands in comes from `fields`; what the system answered is read by small finders (`in_json`,
`in_text`, `in_address`). The rules of evidence live here, so that no dialect gets them wrong: a
write whose fate is not known is never called refused, and no answer can make it raise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final
from urllib.parse import quote

import orjson

from contracts.records import Failure, Outcome
from scenarios.dialects.bodies import Upload, form_body, json_body, multipart_body
from scenarios.dialects.interface import Answer, BookColumns, Request
from scenarios.journeys.vocabulary import Reply, Step
from scenarios.outcomes import Ending, classify

UNITS_PER_PROVINCE: Final = 100_000
_TOKEN_BYTES_MAX: Final = 8192
_CHARSET: Final = re.compile(r"charset=[\"']?([\w-]{1,20})", re.IGNORECASE)
# What a finder or `fields` of a foreign dialect may stumble over in a hostile answer.
_STUMBLES: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Page:
    """An answer as finders read it; text and JSON are made when first asked for."""

    def __init__(self, answer: Answer, charset: str = "utf-8") -> None:
        self.answer = answer
        self._charset = charset

    @cached_property
    def text(self) -> str:
        """The body in the charset that it names, else in the dialect's own."""
        named = _CHARSET.search(self.answer.header("Content-Type") or "")
        try:
            return self.answer.body.decode(named[1] if named else self._charset, "replace")
        except LookupError:
            return self.answer.body.decode("utf-8", "replace")

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return orjson.loads(self.answer.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def address(self) -> str:
        """Where redirects led, else where the answer sends us, else ""."""
        return self.answer.address or self.answer.header("Location") or ""


Find = Callable[[Page], str]


def in_json(path: str) -> Find:
    """Find the value at *path*, as in `document.id` or `rows.0.id`; numbers become text."""
    steps = path.split(".")

    def find(page: Page) -> str:
        value = page.json
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else value[step]
        return value if isinstance(value, str) else str(value) if type(value) is int else ""

    return find


def in_text(pattern: str) -> Find:
    """Find the first group of the regular expression *pattern* in the answer's text."""
    compiled = re.compile(pattern)
    return lambda page: _first_group(compiled.search(page.text))


def in_address(pattern: str) -> Find:
    """Find the first group of *pattern* in the address to which the answer led."""
    compiled = re.compile(pattern)
    return lambda page: _first_group(compiled.search(page.address))


def _first_group(match: re.Match[str] | None) -> str:
    return "" if match is None else match[1] if match.re.groups else match[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation. Templates know {unit} {province} {account} {document} {period} {buddhist} (the
    period in Thai form) {key} {pid} {location}; in a path all but a leading {location} are
    percent-encoded.

    `expected` are the statuses of success, `refusals` those with which a probe must be refused.
    `document` and `number` are whole numbers that the right answer to a write holds (a list gives
    one of its documents). `token` is what later requests must send back; `location` is what
    `finish_login` needs from `start_login`. `shows` is a text that a right page holds, to prove
    that the answer is about what was asked.
    """

    path: str
    method: str = "GET"
    fields: Callable[[Step], Mapping[str, Any]] | None = None
    expected: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = (403, 404, 409, 422)
    follow: int = 0
    document: Find | None = None
    number: Find | None = None
    token: Find | None = None
    location: Find | None = None
    shows: str = ""


class TableDialect:
    """Fulfils `Dialect` from `calls`.

    `body` is how fields travel: json, form or multipart (values may be `Upload`). `key_header` or
    `key_field` carries the idempotency key, `token_header` ("{token}" is filled in) or
    `token_field` the token. `refused` finds what a page says that refuses with a status of success;
    `signed_out` finds the sign-in page where another was asked for. `in_progress` finds in a 409
    that another attempt is under way; without it every 409 to a write is in doubt.
    """

    calls: ClassVar[Mapping[str, Call]] = {}
    health_path: ClassVar[str] = "/"
    version_path: ClassVar[str] = ""
    body: ClassVar[str] = "json"
    charset: ClassVar[str] = "utf-8"
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()
    is_browsing: ClassVar[bool] = False
    key_header: ClassVar[str] = "Idempotency-Key"
    key_field: ClassVar[str] = ""
    token_header: ClassVar[tuple[str, str]] = ("Authorization", "Bearer {token}")
    token_field: ClassVar[str] = ""
    refused: ClassVar[Find | None] = None
    signed_out: ClassVar[Find | None] = None
    in_progress: ClassVar[Find | None] = None

    @property
    def operations(self) -> frozenset[str]:
        """The operations of the table."""
        return frozenset(self.calls)

    @property
    def has_books(self) -> bool:
        """Whether the subclass reads books."""
        return type(self).parse_books is not TableDialect.parse_books

    def request(self, step: Step, token: str) -> Request:
        """Translate *step*, asked by the holder of *token* (empty when not signed in)."""
        call = self.calls[step.operation]
        headers = list(self.headers)
        if token and self.token_header[0]:
            headers.append((self.token_header[0], self.token_header[1].format(token=token)))
        if step.key is not None and self.key_header:
            headers.append((self.key_header, key_text(step.key)))
        body = b""
        if call.method != "GET":
            content_type, body = self._body(self._fields(call, step, token))
            headers.append(("Content-Type", content_type))
        return Request(
            method=call.method,
            target=_target(call.path, step),
            headers=tuple(headers),
            body=body,
            follow=call.follow,
            is_browsing=self.is_browsing,
        )

    def reply(self, step: Step, answer: Answer) -> Reply:
        """Say what *answer* means for *step*; never raises, whatever the target sent."""
        if answer.ending is not Ending.ANSWERED:
            outcome, failure = classify(ending=answer.ending)
            return Reply(outcome=outcome, failure=failure)
        page = Page(answer, self.charset)
        if _found(type(self).signed_out, page):
            return Reply(outcome=Outcome.REFUSED, failure=Failure.UNEXPECTED_STATUS, status=401)
        return self._judged(step, self.calls[step.operation], page)

    def read_books_requests(
        self, provinces: Sequence[int], fiscal_year: int, *, token: str
    ) -> tuple[Request, ...]:
        """Return nothing: a system whose books can be read overrides this and `parse_books`."""
        return ()

    def parse_books(self, body: bytes) -> BookColumns:
        """Return nothing."""
        return {}

    def _fields(self, call: Call, step: Step, token: str) -> dict[str, Any]:
        fields = dict(call.fields(step)) if call.fields else {}
        if step.key is not None and self.key_field:
            fields[self.key_field] = key_text(step.key)
        if token and self.token_field:
            fields[self.token_field] = token
        return fields

    def _body(self, fields: Mapping[str, Any]) -> tuple[str, bytes]:
        if self.body == "json":
            return json_body(fields)
        if self.body == "form":
            pairs = {name: str(value) for name, value in fields.items()}
            return form_body(pairs, charset=self.charset)
        return multipart_body(
            [(n, v if isinstance(v, Upload) else str(v)) for n, v in fields.items()]
        )

    def _judged(self, step: Step, call: Call, page: Page) -> Reply:
        answer = page.answer
        document = _whole(_found(call.document, page), below=2**63)
        number = _whole(_found(call.number, page), below=2**31)
        is_right = (
            (call.document is None or document > 0 or call.method == "GET")
            and (call.number is None or number > 0 or call.method == "GET")
            and (not call.shows or _filled(call.shows, step) in page.text)
        )
        token, location = _found(call.token, page), _found(call.location, page)
        retry_after_s = _retry_after_s(answer)
        # A page that says no with a status of success counts as the status that says no.
        says_no = answer.status < 300 and bool(_found(type(self).refused, page))
        outcome, failure = classify(
            ending=answer.ending,
            status=422 if says_no else answer.status,
            expected=call.expected,
            refusals_expected=(*call.refusals, 422) if step.expects_refusal else (),
            has_retry_after=retry_after_s is not None,
            is_in_progress=answer.status == 409 and self._is_in_doubt(step, page),
            is_content_right=is_right
            and (call.token is None or _is_token(token))
            and (call.location is None or bool(location)),
        )
        if step.key is not None and answer.address and not says_no:
            # The write was taken and led on: what the page after it says cannot unsay it.
            outcome, failure = _after_redirect(outcome, failure)
        is_made = outcome is Outcome.OK
        return Reply(
            outcome=outcome,
            failure=failure,
            status=answer.status,
            document=document if is_made else 0,
            number=number if is_made and number else -1,
            location=location,
            token=token if is_made and _is_token(token) else "",
            retry_after_s=retry_after_s,
        )

    def _is_in_doubt(self, step: Step, page: Page) -> bool:
        if step.key is None or step.expects_refusal:
            return False
        find = type(self).in_progress
        return find is None or bool(_found(find, page))


def key_text(key: tuple[int, int]) -> str:
    """Write an idempotency key as a UUID."""
    text = f"{key[0]:016x}{key[1]:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def buddhist(date: str) -> str:
    """Write an ISO date or month as Thai offices do: 01/12/2568 for 2025-12-01, 12/2568."""
    year, *rest = date.split("-")
    return "/".join([*reversed(rest), str(int(year) + 543)])


def _target(template: str, step: Step) -> str:
    if template.startswith("{location}"):
        return step.location + _filled(template[len("{location}") :], step, is_path=True)
    return _filled(template, step, is_path=True)


def _filled(template: str, step: Step, *, is_path: bool = False) -> str:
    if "{" not in template:
        return template
    values = {
        "unit": str(step.unit),
        "province": str(step.unit // UNITS_PER_PROVINCE),
        "account": str(step.account),
        "document": str(step.document),
        "period": step.period,
        "buddhist": buddhist(step.period) if step.period else "",
        "key": key_text(step.key) if step.key is not None else "",
        "pid": step.pid,
        "location": step.location,
    }
    if is_path:
        values = {name: quote(value, safe="") for name, value in values.items()}
    return template.format_map(values)


def _found(find: Find | None, page: Page) -> str:
    if find is None:
        return ""
    try:
        found = find(page)
    except _STUMBLES:
        return ""
    return found if isinstance(found, str) else ""


def _whole(text: str, *, below: int) -> int:
    """Return *text* as a whole number above 0, else 0."""
    digits = text.replace(",", "")
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 20
    return int(digits) if is_number and int(digits) < below else 0


def _is_token(token: str) -> bool:
    return 0 < len(token) < _TOKEN_BYTES_MAX and token.isascii() and token.isprintable()


def _retry_after_s(answer: Answer) -> float | None:
    text = answer.header("Retry-After")
    if text is None:
        return None
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1.0


def _after_redirect(outcome: Outcome, failure: Failure) -> tuple[Outcome, Failure]:
    if outcome is not Outcome.REFUSED:
        return outcome, failure
    return Outcome.INDEFINITE, Failure.UNEXPECTED_STATUS
