"""Every operation of `contracts/ledger_api.yaml` on the served ledger, with right and wrong data.

Schemathesis makes the requests out of the interface file and holds every answer against it. What it
cannot know is put in here: who asks, which units and documents there are, what a sound document is.
Every choice follows from the request itself, so each run is the same.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup, MalformedJson
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import (
    IgnoredAuth,
    JsonSchemaError,
    UndefinedStatusCode,
)

from harness.targets.postgres import EmbeddedPostgres
from tests.integration.ledger_client import (
    AUDITOR,
    OTHER,
    PAO,
    SAO,
    VIEWER,
    Aside,
    Client,
    Country,
    aside,
    fill_country,
    person,
    pid_of,
    providing,
    serving,
)

INTERFACE = Path(__file__).resolve().parents[2] / "contracts" / "ledger_api.yaml"
DAY = "2026-09-15"
DOCUMENTS = 12  # of each sort on which steps are taken
EVERYBODY = (
    person(SAO, "director"),
    person(SAO, "clerk"),
    person(OTHER, "all"),
    AUDITOR,
    VIEWER,
    0,
)
REVENUE = [{"account": "4110101", "amount": "7.00"}]
VOUCHER = [{"account": "5310101", "debit": "7.00"}, {"account": "2110101", "credit": "7.00"}]
STATEMENT = [{"entry": "F-1", "date": DAY, "amount": "-15.00", "description": "fee"}]
SOUND: dict[str, dict[str, Any]] = {
    "budget-ordinances": {"budget_line": "B01", "amount": "9.00", "description": "x"},
    "supplementary-budgets": {"budget_line": "B01", "amount": "9.00", "description": "x"},
    "receipts": {"channel": "cash", "payer": "x", "lines": REVENUE},
    "disbursement-requests": {
        "budget_line": "B03", "payee": "x", "amount": "90.00", "withholding_tax": "1.00",
    },
    "pay": {"method": "e-payment"},
    "commitments": {"budget_line": "B03", "payee": "x", "amount": "9.00"},
    "advance-requests": {"borrower": "x", "amount": "50.00"},
    "clear": {"amount": "5.00"},
    "return": {"channel": "cash", "amount": "5.00"},
    "remittances": {"description": "x", "amount": "5.00"},
    "deposits": {"channel": "cash", "depositor": "x", "amount": "50.00"},
    "refund": {"amount": "5.00", "method": "cheque"},
    "tax-remittances": {"payee": "x", "amount": "5.00"},
    "journal-vouchers": {"description": "x", "lines": VOUCHER},
    "budget-transfers": {"from_line": "B05", "to_line": "B06", "amount": "5.00"},
    "reverse": {"reason": "x"},
    "reopen": {"reason": "x"},
}  # fmt: skip
SOUND = {word: {"date": DAY, **body} for word, body in SOUND.items()}
SOUND["bank-statements"] = {"lines": STATEMENT}
WITH_STEPS = ("disbursement-requests", "advance-requests", "deposits", "tax-remittances")

schema = schemathesis.openapi.from_path(
    INTERFACE,
    config=SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "phases": {"examples": {"enabled": False}},
        }
    ),
)


@dataclass(slots=True)
class Books:
    """What stands in the books of the unit: documents by the path of their kind, keys of writes."""

    documents: dict[str, list[int]] = field(default_factory=dict)
    key: str = ""
    imported: str = ""


@asynccontextmanager
async def signing_in(country: Country) -> AsyncIterator[Client]:
    """Serve a ledger that has an identity provider."""
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        yield client


@pytest.fixture(scope="module")
def late_country(
    ledger_postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Country:
    """The tiny country in the last month of its year, so that a year can be closed."""
    folder: Path = tmp_path_factory.mktemp("late_country")
    return asyncio.run(fill_country(ledger_postgres.owner_dsn, folder, business_date="2026-09-28"))


@pytest.fixture(scope="module")
def ledger(late_country: Country) -> Iterator[Aside]:
    """A served ledger; whatever was sent to it, afterwards its books are sound."""
    with aside(signing_in(late_country)) as served:
        yield served
        assert served.wait(served.client.violations()) == {}


@pytest.fixture(scope="module")
def books(ledger: Aside) -> Books:
    """Fill in documents of every state and an import; close August of the other unit."""
    return ledger.wait(_write_books(ledger.client))


async def _write_books(client: Client) -> Books:
    books = Books()
    for kind in WITH_STEPS:
        for _ in range(DOCUMENTS):
            path, key = f"/units/{SAO}/{kind}", str(uuid.uuid4())
            made = await client.post(path, person(SAO, "clerk"), SOUND[kind], key)
            assert made.status == 201, made.body
            books.documents.setdefault(kind, []).append(made.body["document"])
            books.key = key
    requests = books.documents["disbursement-requests"]
    for step, role in (("check", "checker"), ("approve", "approver")):
        books.documents[step] = requests[: DOCUMENTS // 3]
        requests = requests[DOCUMENTS // 3 :]
        for document in requests:
            assert (await client.take(step, document, person(SAO, role))).status == 201
    books.documents["pay"] = requests
    body = {**SOUND["disbursement-requests"], "withholding_tax": "80.00"}  # to be remitted
    taxed = (
        await client.post(f"/units/{SAO}/disbursement-requests", person(SAO, "clerk"), body)
    ).body
    for step, role in (("check", "checker"), ("approve", "approver"), ("pay", "director")):
        path = f"/units/{SAO}/disbursement-requests/{taxed['document']}/{step}"
        body = SOUND["pay"] if step == "pay" else {}
        assert (await client.post(path, person(SAO, role), body)).status == 201
    books.documents["advances"] = [await client.advance(date=DAY) for _ in range(DOCUMENTS)]
    closed = await client.post(f"/units/{PAO}/periods/2026-08/close", person(PAO, "director"))
    assert closed.status == 201, closed.body
    books.imported = str(uuid.uuid4())
    form = aiohttp.FormData()
    form.add_field("file", b"reference,kind\n1,nothing\n", filename="a.csv")
    headers = {"Idempotency-Key": books.imported}
    headers["Authorization"] = f"Bearer {client.country.tokens[person(SAO, 'director')]}"
    url = f"{client.url}/units/{SAO}/imports"
    async with client.session.post(url, data=form, headers=headers) as answer:
        assert answer.status == 202
    return books


class Sure(Random):
    """Chance that always chooses what is there and right."""

    def random(self) -> float:
        return 0.0


def is_right(case: Case, location: ParameterLocation) -> bool:
    """Say whether nothing in this part of the request is wrong on purpose."""
    return case.meta is None or not case.meta.is_negative_at(location)


def put_real_things(case: Case, books: Books, chance: Random) -> None:
    """Name units, documents and keys that exist, wherever nothing is wrong on purpose."""
    words = case.path.split("/")
    if is_right(case, ParameterLocation.PATH):
        anything = [d for kind in WITH_STEPS for d in books.documents[kind]][::-1]
        places = words[:2:-1] if "disbursement-requests" in words else words[3:4]
        fitting = next((books.documents[w] for w in places if w in books.documents), anything)
        real = {
            "unit": PAO if "{year}" in words else SAO,
            "province": 11,
            "document": chance.choice(fitting),
            "period": chance.choice(["2026-08", "2026-07"]),
            "year": 2570 if words[-1] == "open" else 2569,
            "key": books.imported if "imports" in words else books.key,
        }
        for name in case.path_parameters:
            if chance.random() < 0.9:
                case.path_parameters[name] = real[name]
    if isinstance(case.body, dict) and is_right(case, ParameterLocation.BODY) and case.body:
        if chance.random() < 0.6 and words[-1] in SOUND:
            case.body = deepcopy(SOUND[words[-1]])
        if words[-1] == "reopen" and "period" in case.path_parameters:
            case.body["date"] = f"{case.path_parameters['period']}-28"
        elif "date" in case.body:
            case.body["date"] = DAY


def ask(case: Case, ledger: Aside, books: Books, chance: Random) -> schemathesis.Response:
    """Send a request as somebody and hold the answer against the interface file."""
    put_real_things(case, books, chance)
    unit = PAO if "{year}" in case.path else SAO
    account = person(unit, "all") if "{unit}" in case.path else chance.choice((AUDITOR, VIEWER))
    if chance.random() > 0.8:
        account = chance.choice(EVERYBODY)
    sent: dict[str, Any] = {"headers": {}, "allow_redirects": False, "base_url": ledger.client.url}
    if account:
        sent["headers"]["Authorization"] = f"Bearer {ledger.client.country.tokens[account]}"
    if case.path.endswith("/imports") and is_right(case, ParameterLocation.BODY):
        sent["files"] = {"file": ("a.csv", f"reference,kind\n{chance.random()},x\n")}
    if case.path == "/auth/callback" and chance.random() < 0.3:
        case.query = dict(parse_qsl(urlsplit(ledger.wait(_begin(ledger.client))).query))
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names()]
    if case.method == "POST" or case.path.startswith("/auth"):
        # Only a read can be right in itself: whether a write is, the books decide.
        checks.remove(CHECKS.get_one("positive_data_acceptance"))
    return case.call_and_validate(checks=checks, **sent)


async def _begin(client: Client) -> str:
    """Sign in at the provider and return the address that it sends the browser back to."""
    login = await client.get("/auth/login")
    url = f"{login.headers['Location']}&login_hint={pid_of(person(SAO, 'clerk'))}"
    async with client.session.get(url, allow_redirects=False) as response:
        return response.headers["Location"]


@pytest.mark.parametrize(
    "operation", [one.ok() for one in schema.get_all_operations()], ids=lambda one: str(one.label)
)
def test_an_operation_goes_well_with_what_is_right(
    operation: Any, ledger: Aside, books: Books
) -> None:
    query = {"period": "2026-09", "fiscal_year": "2569", "date": DAY}
    word = operation.path.split("/")[-1]
    case = operation.Case(
        path_parameters={p.name: "" for p in operation.path_parameters},
        query={p.name: query[p.name] for p in operation.query if p.name in query},
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )
    if operation.body and word != "imports":
        case.body, case.media_type = SOUND.get(word, {}), "application/json"
    assert ask(case, ledger, books, Sure()).status_code < 400


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=10, derandomize=True, database=None, deadline=None,
    phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_an_operation_answers_as_the_interface_says(
    case: Case, ledger: Aside, books: Books
) -> None:
    made = (case.method, case.path, case.path_parameters, case.query, case.headers, case.body)
    ask(case, ledger, books, Random(crc32(repr(made).encode())))


PERIODS = "json_build_object('unit', $1::int, 'periods', '[]'::json%s)::text"


@pytest.mark.parametrize(
    ("lie", "failure"),
    [
        (f"SELECT {PERIODS % ', $$surprise$$, 1'}", JsonSchemaError),
        (f"SELECT replace({PERIODS % ''}, 'unit', 'place')", JsonSchemaError),
        ("SELECT 'not JSON' || $1::int", MalformedJson),
        ("SELECT (1 / ($1::int - $1))::text", UndefinedStatusCode),  # 422, of which nothing is said
        ("SELECT no_such_column, $1", UndefinedStatusCode),  # 500
    ],
)
def test_a_lying_answer_is_caught(
    ledger: Aside, books: Books, monkeypatch: pytest.MonkeyPatch, lie: str, failure: type[Exception]
) -> None:
    case = schema["/units/{unit}/periods"]["GET"].Case(path_parameters={"unit": SAO})
    ask(case, ledger, books, Sure())
    monkeypatch.setitem(ledger.client.ledger.storage.queries, "periods", lie)
    with pytest.raises(FailureGroup) as caught:
        ask(case, ledger, books, Sure())

    assert failure in map(type, caught.value.exceptions)


def test_a_door_that_stands_open_is_caught(
    ledger: Aside, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = schema["/units/{unit}/periods"]["GET"].Case(path_parameters={"unit": SAO})
    tokens = ledger.client.ledger.tokens
    session_of: Callable[[str], Any] = tokens.session_of
    token = f"Bearer {ledger.client.country.tokens[person(SAO, 'clerk')]}"
    monkeypatch.setattr(tokens, "session_of", lambda _authorization: session_of(token))
    with pytest.raises(FailureGroup) as caught:
        ask(case, ledger, books, Sure())

    assert IgnoredAuth in map(type, caught.value.exceptions)
