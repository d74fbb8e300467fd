"""Signing in through the provider, and every way in which a provider's answer can be wrong."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import orjson
import pytest

from harness.stand_ins import thaid
from tests.integration.ledger_client import (
    SAO,
    Answer,
    Client,
    Country,
    person,
    pid_of,
    providing,
    serving,
)

CLERK = person(SAO, "clerk")


async def begin(client: Client, account: int = CLERK) -> tuple[str, str]:
    """Go as far as the provider's answer and return the callback's path and the state."""
    login = await client.get("/auth/login")
    assert login.status == 302
    url = f"{login.headers['Location']}&login_hint={pid_of(account)}"
    async with client.session.get(url, allow_redirects=False) as response:
        assert response.status == 302
        callback = urlsplit(response.headers["Location"])
    return f"{callback.path}?{callback.query}", parse_qs(callback.query)["state"][0]


async def sign_in(client: Client, account: int = CLERK) -> Answer:
    path, _ = await begin(client, account)
    return await client.get(path)


async def test_a_person_signs_in_and_works(country: Country) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        signed_in = await sign_in(client)
        headers = {"Authorization": f"Bearer {signed_in.body['token']}"}
        me = await client.ask("GET", "/me", headers=headers)
        overview = await client.ask("GET", f"/units/{SAO}/overview", headers=headers)

    assert (signed_in.body["account"], signed_in.body["unit"]) == (CLERK, SAO)
    assert signed_in.body["roles"] == ["clerk"]
    assert me.body["account"] == CLERK
    assert overview.status == 200


async def test_a_session_outlives_an_outage_of_the_provider(country: Country) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        path, _ = await begin(client)
        provider.knobs = thaid.Knobs(outage=True)
        refused = await client.get(path)
        at_work = await client.get("/me", CLERK)
        ready = await client.get("/readyz")
        provider.knobs = thaid.Knobs()
        signed_in = await sign_in(client)

    assert (refused.status, refused.code) == (503, "provider-unavailable")
    assert (at_work.status, ready.status, signed_in.status) == (200, 200, 200)


async def test_no_provider_means_no_sign_in_and_all_else_works(country: Country) -> None:
    async with serving(country, provider_url="http://127.0.0.1:1") as client:
        login = await client.get("/auth/login")
        at_work = await client.get("/me", CLERK)

    assert (login.status, login.code) == (503, "provider-unavailable")
    assert "Retry-After" in login.headers
    assert at_work.status == 200


async def test_keys_are_rotated_without_a_restart(country: Country) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        client.ledger.provider.keys_age_min_s = 0.0
        before = await sign_in(client)
        provider.rotate()
        after = await sign_in(client)
        path, _ = await begin(client)
        provider.rotate()
        provider.rotate()
        under_the_newest = await client.get(path)

    assert (before.status, after.status, under_the_newest.status) == (200, 200, 200)


async def test_unknown_keys_do_not_make_the_ledger_ask_again_and_again(country: Country) -> None:
    asked = 0

    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        await sign_in(client)
        stranger = thaid.new_key()
        provider.sign = lambda _key, claims: thaid.sign_es256(stranger, claims)
        fetch = client.ledger.provider._fetch

        async def counting(method: str, url: str, **arguments: Any) -> Any:
            nonlocal asked
            asked += "jwks" in url
            return await fetch(method, url, **arguments)

        client.ledger.provider._fetch = counting  # type: ignore[method-assign]
        answers = [await sign_in(client) for _ in range(5)]

    assert {answer.code for answer in answers} == {"login-refused"}
    assert asked <= 1


async def test_the_state_must_be_ours_and_fresh(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        path, state = await begin(client)
        answers = [
            await client.get(path.replace(state, changed))
            for changed in ("", "x", "a.b.c", state[:-2] + "AA", state.replace(".", "..", 1))
        ]
        late_path, _ = await begin(client)
        now = time.time()
        monkeypatch.setattr(client.ledger.provider, "_clock", lambda: now + 601)
        late = await client.get(late_path)

    assert {(a.status, a.code) for a in (*answers, late)} == {(401, "login-refused")}


async def test_a_code_serves_once_and_only_its_own_sign_in(country: Country) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        path, state = await begin(client)
        _, other_state = await begin(client)
        crossed = await client.get(path.replace(state, other_state))
        mine = await sign_in(client)
        path, _ = await begin(client)
        first, second = await client.get(path), await client.get(path)

    assert (crossed.status, crossed.code) == (401, "login-refused")
    assert mine.status == 200
    assert (first.status, second.status) == (200, 401)


def unsigned(_key: thaid.SigningKey, claims: Mapping[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT", "kid": _key.key_id}, dict(claims))
    encoded = [base64.urlsafe_b64encode(orjson.dumps(p)).rstrip(b"=").decode() for p in parts]
    return ".".join(encoded) + "."


def symmetric(key: thaid.SigningKey, claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), "x" * 32, algorithm="HS256", headers={"kid": key.key_id})


def changed(**changes: Any) -> thaid.Sign:
    def sign(key: thaid.SigningKey, claims: Mapping[str, Any]) -> str:
        kept = {name: v for name, v in {**claims, **changes}.items() if v is not None}
        return thaid.sign_es256(key, kept)

    return sign


def tampered(key: thaid.SigningKey, claims: Mapping[str, Any]) -> str:
    head, _, signature = thaid.sign_es256(key, claims).split(".")
    other = {**claims, "pid": pid_of(person(SAO, "director"))}
    body = base64.urlsafe_b64encode(orjson.dumps(other)).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        symmetric,
        tampered,
        changed(nonce="of-somebody-else"),
        changed(nonce=None),
        changed(exp=int(time.time()) - 60),
        changed(exp=None),
        changed(aud="another-client"),
        changed(iss="http://127.0.0.1:9"),
        changed(pid=None),
        changed(pid=pid_of(999)),
        lambda _key, _claims: "no.token.atall",
        lambda _key, _claims: "",
    ],
)
async def test_a_false_identity_token_signs_nobody_in(country: Country, sign: thaid.Sign) -> None:
    async with providing() as provider, serving(country, provider_url=provider.issuer) as client:
        provider.sign = sign
        refused = await sign_in(client)

    assert (refused.status, refused.code) == (401, "login-refused")


async def test_a_slow_provider_holds_up_nobody_but_who_signs_in(country: Country) -> None:
    async with (
        providing() as provider,
        serving(country, provider_url=provider.issuer, command_timeout_s=0.5) as client,
    ):
        await sign_in(client)
        path, _ = await begin(client)
        provider.knobs = thaid.Knobs(token_delay_ms=1_500)
        waiting = asyncio.create_task(client.get(path))
        posted = await client.receipt()
        is_first = not waiting.done()
        slow = await waiting

    assert posted.status == 201
    assert is_first
    assert (slow.status, slow.code) == (503, "provider-unavailable")
