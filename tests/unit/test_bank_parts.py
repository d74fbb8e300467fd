"""The ledger's pure parts towards the bank, and the bank's stand-in: what they take and refuse."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import aiohttp
import orjson
import pytest

from harness.stand_ins import bank
from reference_app.bank import PAUSE_FIRST_S, PAUSE_MAX_S, BankAnswer, answer_of, pause_s
from reference_app.problems import Problem
from reference_app.statement import lines_of

LINE = {"entry": "E1", "date": "2025-12-01", "amount": "-990.00", "description": "โอนเงิน"}
PAYMENT = {"unit": 1100002, "document": 11000020000005, "payee": "ร้านทดสอบ", "amount": "990.00"}


@pytest.mark.parametrize(
    ("changes", "amount", "document"),
    [
        ({}, "-990.00", None),
        ({"amount": "0.01"}, "0.01", None),
        ({"document": 11000020000005}, "-990.00", 11000020000005),
        ({"document": None}, "-990.00", None),
    ],
)
def test_a_line_is_read(changes: dict[str, Any], amount: str, document: int | None) -> None:
    (line,) = lines_of({"lines": [{**LINE, **changes}]})
    assert (line.entry, line.amount, line.document) == ("E1", amount, document)


HOSTILE_LINES: tuple[dict[str, Any], ...] = (
    *({"amount": value} for value in (-990, "-990", "--1.00", "+1.00", "0.00", "-0.00", "1e3", "",
      "NaN", "๑.๐๐", "99999999999999.00", None, ["1.00"], True)),
    *({"date": value} for value in ("2025-13-01", "01/12/2568", "", None, 20251201)),
    *({"entry": value} for value in ("", "x" * 201, "a\x00b", "a\nb", None, 7, "\ud800")),
    *({"description": value} for value in ("", "x" * 201, "\x00", None)),
    *({"document": value} for value in (0, -1, True, 1.5, "5", 2**62)),
    {"extra": 1},
)  # fmt: skip


@pytest.mark.parametrize("changes", HOSTILE_LINES, ids=repr)
def test_a_line_that_is_not_plainly_right_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="invalid"):
        lines_of({"lines": [{**LINE, **changes}]})


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"lines": None}, {"lines": []}, {"lines": {}}, {"lines": [None]},
        {"lines": [LINE], "more": 1}, {"lines": [LINE, LINE]}, {"lines": [LINE] * 501},
        {"lines": [{k: v for k, v in LINE.items() if k != "date"}]},
    ],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_a_body_that_is_no_statement_is_refused(body: object) -> None:
    with pytest.raises(Problem, match="invalid"):
        lines_of(body)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": "accepted", "reference": "B1"}, ("accepted", "B1", None)),
        (422, {"status": "refused", "reason": "no account"}, ("refused", None, "no account")),
        (422, {"status": "refused", "reason": 5}, ("refused", None, None)),
        (422, {"status": "refused", "reason": "\x00" + "c" * 500}, ("refused", None, "c" * 199)),
        (200, {"status": "accepted"}, ("waiting", None, None)),
        (200, {"status": "accepted", "reference": "\x00"}, ("waiting", None, None)),
        (200, {"status": "refused"}, ("waiting", None, None)),
        (422, {"status": "accepted", "reference": "B1"}, ("waiting", None, None)),
        (422, {}, ("waiting", None, None)),
        (503, {"status": "accepted", "reference": "B1"}, ("waiting", None, None)),
        (409, {"error": "key_reused"}, ("waiting", None, None)),
        (200, None, ("waiting", None, None)),
        (200, ["accepted"], ("waiting", None, None)),
        (200, {"status": ["accepted"]}, ("waiting", None, None)),
    ],
)  # fmt: skip
def test_only_a_plain_yes_or_no_of_the_bank_settles_an_order(
    status: int, body: object, expected: tuple[str, str | None, str | None]
) -> None:
    state, reference, reason = expected
    assert answer_of(status, body) == BankAnswer(state=state, reference=reference, reason=reason)


def test_the_pause_doubles_to_a_cap_and_half_of_it_is_chance() -> None:
    longest = [pause_s(attempts, 1.0) for attempts in range(1, 9)]
    assert longest == [min(PAUSE_MAX_S, PAUSE_FIRST_S * 2**n) for n in range(8)]
    assert pause_s(3, 0.0) == longest[2] / 2
    assert pause_s(10**6, 1.0) == PAUSE_MAX_S


async def _pay(url: str, key: str, **changes: Any) -> tuple[int, Any]:
    body = {**PAYMENT, **changes}
    headers = {"Idempotency-Key": key} if key else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/payments", json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def _get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


def visit(scenario: Any, **knobs: Any) -> Any:
    async def run() -> Any:
        playing = bank.Bank(knobs=bank.Knobs(**knobs))
        runner = await bank.start(playing)
        try:
            return await scenario(playing)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_the_same_key_is_paid_once_and_gets_the_same_answer() -> None:
    async def scenario(playing: bank.Bank) -> tuple[Any, ...]:
        answers = [await _pay(playing.url, "k") for _ in range(3)]
        reused = await _pay(playing.url, "k", amount="991.00")
        return answers, reused, await _get(f"{playing.url}/statement?unit=1100002")

    answers, reused, (status, statement) = visit(scenario, date="2025-12-01")
    (line,) = statement["lines"]
    assert [answers[0]] * 3 == answers
    assert answers[0][0] == status == 200
    assert reused[0] == 409
    assert (line["date"], line["amount"], line["document"]) == (
        "2025-12-01", "-990.00", PAYMENT["document"],
    )  # fmt: skip
    assert line["entry"] == answers[0][1]["reference"]


@pytest.mark.parametrize(
    "changes",
    [{"amount": 990}, {"amount": "-1.00"}, {"amount": "0.00"}, {"unit": "1"}, {"document": True},
     {"payee": ""}, {"more": 1}],
)  # fmt: skip
def test_the_stand_in_refuses_a_body_that_is_no_payment(changes: dict[str, Any]) -> None:
    async def scenario(playing: bank.Bank) -> tuple[int, Any]:
        return await _pay(playing.url, "k", **changes)

    assert visit(scenario)[0] == 400


def test_the_stand_in_fails_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "PAYMENTS_MAX", 2)

    async def scenario(playing: bank.Bank) -> list[int]:
        keyless = await _pay(playing.url, "")
        refused = await _pay(playing.url, "a", payee="ผู้ร้าย")
        playing.knobs = bank.Knobs(loses_answers=True)
        with pytest.raises(aiohttp.ClientError):
            await _pay(playing.url, "b")
        playing.knobs = bank.Knobs()
        known, full = await _pay(playing.url, "b"), await _pay(playing.url, "c")
        playing.knobs = bank.Knobs(outage=True)
        away = await _pay(playing.url, "b")
        return [answer[0] for answer in (keyless, refused, known, full, away)]

    assert visit(scenario, refused_payee="ผู้ร้าย") == [400, 422, 200, 503, 503]


def test_the_stand_in_started_alone_says_where_it_is_and_ends_when_told() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.stand_ins.bank", "--date", "2025-12-01"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = orjson.loads(process.stdout.readline())["url"]
        status, _ = asyncio.run(_pay(url, "k"))
        assert status == 200
    finally:
        process.terminate()
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()
