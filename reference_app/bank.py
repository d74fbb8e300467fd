"""E-payments to the bank: orders in turn, each until the bank has said yes or no.

An order is written with its payment (bank.sql); here one task per worker takes a handful for
LEASE_S, asks the bank outside any transaction, and writes down what it said. The key of an order is
always the same, so one whose answer was lost is sent again safely, by whichever worker lives. An
order that the bank does not answer waits longer each time, and is never given up: that would leave
money neither paid nor refused. People's requests never wait for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from random import random
from typing import Any, Final
from uuid import uuid5

import aiohttp

from reference_app.answers import json_of
from reference_app.metrics import Metrics
from reference_app.settings import Settings
from reference_app.storage import NotExecuted, Storage, Uncertain

HANDFUL: Final = 16  # orders at once
LEASE_S: Final = 10.0  # longer than the call and the writes around it
CALL_LIMIT_S: Final = 3.0
IDLE_S: Final = 0.5
BREATH_S: Final = 0.02  # between full handfuls: a backlog must not keep people waiting
TROUBLE_S: Final = 1.0  # pause after the bank or the database was away
PAUSE_FIRST_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
WORDS_LENGTH_MAX: Final = 200  # characters kept of what the bank writes

logger = logging.getLogger("ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAnswer:
    """What became of an order: `accepted`, `refused`, or still `waiting` when nobody can say."""

    state: str = "waiting"
    reference: str | None = None
    reason: str | None = None


def answer_of(status: int, body: object) -> BankAnswer:
    """Read the bank's answer; whatever is not plainly yes or no says nothing."""
    content = body if isinstance(body, dict) else {}
    word = content.get("status"), status
    if word == ("accepted", 200) and _words(content.get("reference")):
        return BankAnswer(state="accepted", reference=_words(content["reference"]))
    if word == ("refused", 422):
        return BankAnswer(state="refused", reason=_words(content.get("reason")))
    return BankAnswer()


def _words(value: object) -> str | None:
    """Return text of the bank as the database can keep it."""
    if not isinstance(value, str):
        return None
    return "".join(sign for sign in value[:WORDS_LENGTH_MAX] if sign.isprintable())


def pause_s(attempts: int, chance: float) -> float:
    """Return how long an unanswered order waits: doubling, capped, half by *chance* (0..1)."""
    whole = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** min(attempts - 1, 30))
    return whole * (0.5 + chance / 2)


class Bank:
    """One worker's correspondence with the bank; without an address orders wait."""

    def __init__(self, settings: Settings, storage: Storage, metrics: Metrics) -> None:
        self._url = settings.bank_url.rstrip("/")
        self._storage = storage
        self._metrics = metrics
        self._client: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for orders."""
        if self._url:
            timeout = aiohttp.ClientTimeout(total=CALL_LIMIT_S)
            self._client = aiohttp.ClientSession(timeout=timeout)
            self._task = asyncio.create_task(self._run(self._client))

    async def stop(self) -> None:
        """Stop; an order that was being sent is taken up by another worker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def _run(self, client: aiohttp.ClientSession) -> None:
        while True:
            try:
                rest_s = await self._turn(client)
            except (NotExecuted, Uncertain) as error:
                logger.warning("bank: %s", error)
                rest_s = TROUBLE_S
            except Exception:  # a bug: the other orders must not wait for ever
                logger.exception("bank")
                rest_s = TROUBLE_S
            await asyncio.sleep(rest_s)

    async def _turn(self, client: aiohttp.ClientSession) -> float:
        """Send a handful of orders; return for how many s to rest."""
        orders = await self._storage.work("take_bank_orders", HANDFUL, LEASE_S)
        if not orders:
            return IDLE_S
        answers = await asyncio.gather(*(self._send(client, order) for order in orders))
        await self._storage.work(
            "settle_bank_orders",
            [order["unit"] for order in orders],
            [order["document"] for order in orders],
            [answer.state for answer in answers],
            [answer.reference for answer in answers],
            [answer.reason for answer in answers],
            [pause_s(order["attempts"], random()) for order in orders],
        )
        for answer in answers:
            self._metrics.counts[f"bank_orders_{answer.state}_total"] += 1
        if any(answer.state == "waiting" for answer in answers):
            return TROUBLE_S
        return BREATH_S if len(orders) == HANDFUL else IDLE_S

    async def _send(self, client: aiohttp.ClientSession, order: Any) -> BankAnswer:
        unit, document = order["unit"], order["document"]
        # From the payment's own key: a number may come again after a restore, that key cannot.
        key = uuid5(order["key"], f"{unit} {document}")
        body = {name: order[name] for name in ("unit", "document", "payee", "amount")}
        try:
            async with client.post(
                f"{self._url}/payments", json=body, headers={"Idempotency-Key": str(key)},
                allow_redirects=False,
            ) as response:  # fmt: skip
                return answer_of(response.status, await json_of(response))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return BankAnswer()
