"""The stand-in for ThaiD: who is a person, which requests it refuses, what its knobs do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import jwt
import pytest

from harness.stand_ins import thaid

PID = "9911000010045"
CALLBACK = "http://127.0.0.1/cb"
SIGN_IN = {
    "response_type": "code",
    "client_id": "ledger",
    "redirect_uri": CALLBACK,
    "state": "s",
    "nonce": "n",
    "login_hint": PID,
}
CREDENTIALS = {"client_id": "ledger", "client_secret": "ledger-secret"}


class Visitor:
    """A browser and a relying party in one."""

    def __init__(self, provider: thaid.Thaid, session: aiohttp.ClientSession) -> None:
        self.provider = provider
        self.session = session

    async def authorize(self, **changes: str | None) -> tuple[int, dict[str, list[str]]]:
        query = {k: v for k, v in {**SIGN_IN, **changes}.items() if v is not None}
        url = f"{self.provider.issuer}{thaid.AUTHORIZE_PATH}?{urlencode(query)}"
        async with self.session.get(url, allow_redirects=False) as answer:
            return answer.status, parse_qs(urlsplit(answer.headers.get("Location", "")).query)

    async def code(self) -> str:
        status, query = await self.authorize()
        assert (status, query["state"]) == (302, ["s"])
        return query["code"][0]

    async def token(self, **form: str) -> tuple[int, Any]:
        sent = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, **CREDENTIALS, **form}
        async with self.session.post(self.provider.issuer + thaid.TOKEN_PATH, data=sent) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(self.provider.issuer + path) as answer:
            return answer.status, await answer.json()

    async def control(self, path: str, content: Any = None) -> tuple[int, Any]:
        async with self.session.post(self.provider.issuer + path, json=content or {}) as answer:
            return answer.status, await answer.json()


def visit(scenario: Callable[[Visitor], Awaitable[Any]], knobs: thaid.Knobs | None = None) -> Any:
    async def run() -> Any:
        provider = thaid.Thaid(knobs=knobs or thaid.Knobs())
        runner = await thaid.start(provider)
        try:
            async with aiohttp.ClientSession() as session:
                return await scenario(Visitor(provider, session))
        finally:
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "is_person"),
    [
        (PID, True),
        ("9900000000014", True),
        ("9911000010046", False),
        ("991100001004", False),
        ("99110000100450", False),
        ("991100001004x", False),
        ("๙๙๑๑๐๐๐๐๑๐๐๔๕", False),
        ("", False),
    ],
)
def test_a_person_is_thirteen_digits_with_a_right_check_digit(text: str, is_person: bool) -> None:
    assert thaid.is_pid(text) is is_person


def test_a_sign_in_gives_a_token_that_its_published_key_verifies() -> None:
    async def scenario(visitor: Visitor) -> tuple[Any, Any, Any]:
        _, discovery = await visitor.get("/.well-known/openid-configuration")
        status, answer = await visitor.token(code=await visitor.code())
        assert status == 200
        _, keys = await visitor.get(urlsplit(discovery["jwks_uri"]).path)
        return discovery, answer, keys

    discovery, answer, keys = visit(scenario)
    header = jwt.get_unverified_header(answer["id_token"])
    key = jwt.PyJWKSet.from_dict(keys)[header["kid"]]
    claims = jwt.decode(
        answer["id_token"],
        key.key,
        algorithms=["ES256"],
        audience="ledger",
        issuer=discovery["issuer"],
    )
    assert header["alg"] == "ES256"
    assert (claims["pid"], claims["nonce"]) == (PID, "n")
    assert "d" not in keys["keys"][0]


@pytest.mark.parametrize(
    "changes",
    [
        {"login_hint": "9911000010046"},
        {"login_hint": None},
        {"client_id": "stranger"},
        {"response_type": "token"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": None},
    ],
)
def test_a_wrong_request_gets_no_code(changes: dict[str, str | None]) -> None:
    async def scenario(visitor: Visitor) -> Any:
        return await visitor.authorize(**changes)

    assert visit(scenario) == (400, {})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1/other"}, "invalid_grant"),
    ],
)
def test_a_wrong_exchange_gets_no_token(changes: dict[str, str], error: str) -> None:
    async def scenario(visitor: Visitor) -> Any:
        return await visitor.token(**{"code": await visitor.code(), **changes})

    status, answer = visit(scenario)
    assert status in (400, 401)
    assert answer["error"] == error


def test_a_code_is_fetched_once() -> None:
    async def scenario(visitor: Visitor) -> list[int]:
        code = await visitor.code()
        return [(await visitor.token(code=code))[0] for _ in range(2)]

    assert visit(scenario) == [200, 400]


def test_a_new_key_signs_and_the_former_stays_published() -> None:
    async def scenario(visitor: Visitor) -> tuple[str, str, list[str], str]:
        _, before = await visitor.get(thaid.KEYS_PATH)
        _, rotated = await visitor.control("/control/rotate-keys")
        _, after = await visitor.get(thaid.KEYS_PATH)
        _, answer = await visitor.token(code=await visitor.code())
        signed_with = jwt.get_unverified_header(answer["id_token"])["kid"]
        published = [key["kid"] for key in after["keys"]]
        return before["keys"][0]["kid"], rotated["kid"], published, signed_with

    former, new, published, signed_with = visit(scenario)
    assert former != new == signed_with
    assert published == [former, new]


def test_an_outage_stops_everything_but_the_control() -> None:
    async def scenario(visitor: Visitor) -> list[int]:
        statuses = [(await visitor.get("/.well-known/openid-configuration"))[0]]
        statuses.append((await visitor.control("/control/knobs", {"outage": False}))[0])
        statuses.append((await visitor.get("/.well-known/openid-configuration"))[0])
        return statuses

    assert visit(scenario, thaid.Knobs(outage=True)) == [503, 200, 200]


def test_above_its_rate_it_asks_to_slow_down() -> None:
    async def scenario(visitor: Visitor) -> list[int]:
        return [(await visitor.authorize())[0] for _ in range(6)]

    statuses = visit(scenario, thaid.Knobs(rate_limit_per_s=3))
    assert statuses[:3] == [302, 302, 302]
    assert 429 in statuses[3:]


def test_an_unknown_knob_is_refused() -> None:
    async def scenario(visitor: Visitor) -> Any:
        return await visitor.control("/control/knobs", {"speed": 1})

    status, answer = visit(scenario)
    assert status == 400
    assert "speed" in answer["error_description"]
