"""Stand-in for the bank: e-payments of units, and their account statements.

A payment is executed once per Idempotency-Key: the same key gets the same answer, and 409 with
another body. Delay, outage, a lost answer (executed, then the connection breaks) and the payee that
is refused are knobs, at the start or later through POST /control/knobs. All state is in memory and
bounded: a full bank answers 503 rather than forget a key and pay twice. It moves no money and
serves the harness only.

    python -m harness.stand_ins.bank --port 0 --date 2025-12-01
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from harness.stand_ins import serving
from harness.stand_ins.serving import json_answer, refuse

PAYMENTS_MAX: Final = 500_000  # about 1 KB each; a whole country's month-end has a tenth of it
MONEY: Final = re.compile(r"\d{1,13}\.\d\d", re.ASCII)
FIELDS: Final = ("unit", "document", "payee", "amount")


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How the bank behaves. `date` is its business day; `refused_payee` "" refuses nobody."""

    delay_ms: float = 0.0
    outage: bool = False
    loses_answers: bool = False
    refused_payee: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a statement; `amount` is signed text, negative for money that left."""

    entry: str
    date: str
    amount: str
    document: int | None
    description: str


@dataclass(slots=True)
class Bank:
    """The bank's state: the answer of each key, and the lines of each unit's statement."""

    url: str = ""
    knobs: Knobs = field(default_factory=Knobs)
    answers: dict[str, tuple[tuple[Any, ...], int, dict[str, str]]] = field(default_factory=dict)
    lines: defaultdict[int, list[Line]] = field(default_factory=lambda: defaultdict(list))

    def enter(self, unit: int, amount: str, document: int | None, description: str) -> str:
        """Write a line into the statement of *unit* and return its entry."""
        entry = f"B{unit}-{len(self.lines[unit]) + 1:06d}"
        day = self.knobs.date or date.today().isoformat()
        self.lines[unit].append(
            Line(entry=entry, date=day, amount=amount, document=document, description=description)
        )
        return entry

    def pay(self, key: str, payment: tuple[Any, ...]) -> tuple[int, dict[str, str]]:
        """Execute *payment* (in the order of FIELDS) once and return status and answer."""
        if key in self.answers:
            paid, status, answer = self.answers[key]
            if paid != payment:
                return 409, {"error": "key_reused", "error_description": "another payment's key"}
            return status, answer
        if len(self.answers) >= PAYMENTS_MAX:
            return 503, {"error": "full", "error_description": f"{PAYMENTS_MAX} payments"}
        unit, document, payee, amount = payment
        if payee == self.knobs.refused_payee:
            status, answer = 422, {"status": "refused", "reason": "the payee has no account"}
        else:
            entry = self.enter(unit, f"-{amount}", document, f"e-payment {payee}")
            status, answer = 200, {"status": "accepted", "reference": entry}
        self.answers[key] = payment, status, answer
        return status, answer


def make_app(bank: Bank) -> web.Application:
    """Return the web application of *bank*."""
    app = web.Application()
    app.add_routes(
        [
            web.post("/payments", _payments(bank)),
            web.get("/statement", _statement(bank)),
            web.post("/control/knobs", serving.knob_turner(bank)),
        ]
    )
    return app


def _payments(bank: Bank) -> Handler:
    async def payments(request: web.Request) -> web.StreamResponse:
        if bank.knobs.outage:
            return refuse(503, "unavailable", "outage")
        if bank.knobs.delay_ms:
            await asyncio.sleep(bank.knobs.delay_ms / 1000)
        key = request.headers.get("Idempotency-Key", "")
        payment = _payment_of(await request.read())
        if not key or payment is None:
            return refuse(400, "invalid", f"Idempotency-Key; a body of {', '.join(FIELDS)}")
        status, answer = bank.pay(key, payment)
        if bank.knobs.loses_answers:
            assert request.transport is not None
            request.transport.abort()
        return json_answer(answer, status)

    return payments


def _payment_of(content: bytes) -> tuple[int, int, str, str] | None:
    try:
        body = orjson.loads(content)
        unit, document, payee, amount = (body[name] for name in FIELDS)
    except (ValueError, KeyError, TypeError):
        return None
    is_right = (
        len(body) == len(FIELDS) and type(unit) is type(document) is int
        and isinstance(payee, str) and payee != "" and isinstance(amount, str)
        and MONEY.fullmatch(amount) and float(amount) > 0
    )  # fmt: skip
    return (unit, document, payee, amount) if is_right else None


def _statement(bank: Bank) -> Handler:
    async def statement(request: web.Request) -> web.StreamResponse:
        unit = request.query.get("unit", "")
        if bank.knobs.outage:
            return refuse(503, "unavailable", "outage")
        if not (unit.isascii() and unit.isdigit()):
            return refuse(400, "invalid", "unit: a number")
        lines = bank.lines.get(int(unit), [])
        return json_answer({"unit": int(unit), "lines": [asdict(line) for line in lines]})

    return statement


async def start(bank: Bank, *, host: str = "127.0.0.1", port: int = 0) -> web.AppRunner:
    """Listen and set the bank's address; the caller cleans the runner up."""
    runner, bank.url = await serving.listen(make_app(bank), host, port)
    return runner


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line printed is {"url": ...}."""
    parser = argparse.ArgumentParser(prog="python -m harness.stand_ins.bank", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--outage", action="store_true", help="answer 503 to everything")
    parser.add_argument("--refused-payee", default="", help="whose payments are refused")
    parser.add_argument("--date", default="", help="the bank's business day; default today")
    options = parser.parse_args(arguments)
    knobs = Knobs(
        delay_ms=options.delay_ms,
        outage=options.outage,
        refused_payee=options.refused_payee,
        date=options.date,
    )
    app = make_app(Bank(knobs=knobs))
    return serving.serve(
        "bank", options.port, lambda: serving.listen(app, options.host, options.port)
    )


if __name__ == "__main__":
    raise SystemExit(main())
