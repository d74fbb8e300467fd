"""The provider's faults on its stand-in, as a ledger and its people meet them."""

from __future__ import annotations

import asyncio
import time

import pytest

from harness.faults.fault import NotHealed, NotInjected
from harness.faults.provider import ProviderOutage, ProviderSlow
from tests.fakes.fault_target import FakeTarget
from tests.integration.ledger_client import SAO, Country, person, providing, serving


def deadline_ns(seconds: float = 5.0) -> int:
    return time.monotonic_ns() + int(seconds * 1e9)


async def test_signed_in_people_go_on_while_nobody_can_sign_in_and_then_all_can(
    country: Country,
) -> None:
    async with (
        providing() as provider,
        serving(country, provider_url=provider.issuer) as client,
    ):
        target, fault = FakeTarget(provider_url=provider.issuer), ProviderOutage()
        injection = await asyncio.to_thread(fault.inject, target)
        login = await client.get("/auth/login")
        posted = await client.receipt()
        read = await client.get(f"/units/{SAO}/overview", person(SAO, "clerk"))
        healing = await asyncio.to_thread(
            lambda: fault.heal(target, injection, deadline_ns=deadline_ns())
        )
        afterwards = await client.get("/auth/login")

    assert (login.status, login.code) == (503, "provider-unavailable")
    assert (posted.status, read.status) == (201, 200)
    assert afterwards.status == 302
    assert healing.healed_ns > injection.injected_ns


async def test_a_slow_provider_is_slow_and_quick_again_when_healed() -> None:
    async with providing() as provider:
        target, fault = FakeTarget(provider_url=provider.issuer), ProviderSlow()
        injection = await asyncio.to_thread(fault.inject, target)
        slow_ms = provider.knobs.token_delay_ms
        await asyncio.to_thread(lambda: fault.heal(target, injection, deadline_ns=deadline_ns()))

    assert slow_ms > 1_000
    assert provider.knobs.token_delay_ms == 0


def test_a_provider_that_cannot_be_told_is_neither_injected_nor_healed() -> None:
    target = FakeTarget(provider_url="http://127.0.0.1:9")

    with pytest.raises(NotInjected):
        ProviderOutage().inject(target)
    with pytest.raises(NotHealed):
        ProviderOutage().heal(target, None, deadline_ns=0)
