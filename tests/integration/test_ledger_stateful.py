"""The served ledger against a small model of it: the same requests, the same answers and books.

Weeks of work in two units are made up, with wrong people, retries and corrections. `Model` says
what each request must answer; at the end the books are read back and compared with the model's.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness.targets.postgres import EmbeddedPostgres
from tests.integration.ledger_client import CENTRE, SAO, aside, fill_country, person, serving
from tests.integration.ledger_model import (
    AMOUNTS,
    BANK,
    CASH,
    DAYS,
    FIRST,
    KINDS,
    LINES,
    PARENTS,
    PEOPLE,
    STEPS,
    Document,
    Model,
    Path_,
    Unit,
    after,
    before,
    period_text,
    remaining,
    satang,
    text,
)


def body_of(chance: Random, path: str, amount: int, day: str) -> dict[str, Any]:
    """Make a right body for *path*."""
    line, to_line = chance.sample(LINES, 2)
    channel = chance.choice(["cash", "bank"])
    revenue = [
        {"account": "4110101", "amount": text(amount)},
        {"account": "4210101", "amount": "5.00"},
    ]
    voucher = [
        {"account": "5310101", "debit": text(amount)},
        {"account": "2110101", "credit": text(amount)},
    ]
    fields: dict[str, Any] = {
        "amount": text(amount), "budget_line": line, "payee": "ร้าน ก", "payer": "x",
        "borrower": "x", "depositor": "x", "description": "x", "channel": channel,
        "withholding_tax": text(chance.choice([0, amount // 100, amount])),
        "from_line": line, "to_line": to_line,
        "lines": revenue if path == "receipts" else voucher,
    }  # fmt: skip
    wanted = {
        "budget-ordinances": "budget_line amount description",
        "supplementary-budgets": "budget_line amount description",
        "receipts": "channel payer lines",
        "disbursement-requests": "budget_line payee amount withholding_tax",
        "commitments": "budget_line payee amount",
        "advance-requests": "borrower amount",
        "remittances": "description amount",
        "deposits": "channel depositor amount",
        "tax-remittances": "payee amount",
        "journal-vouchers": "description lines",
        "budget-transfers": "from_line to_line amount",
    }[path]
    return {"date": day, **{name: fields[name] for name in wanted.split()}}


class Work(RuleBasedStateMachine):
    """What people of two units do, and what the ledger must say to it."""

    def __init__(self, dsn: str, folder: Path, defects: str = "") -> None:
        super().__init__()
        self.stack = ExitStack()
        country = asyncio.run(fill_country(dsn, folder, business_date="2026-09-28"))
        self.served = self.stack.enter_context(aside(serving(country, defects=defects)))
        self.model = Model()
        self.sent: list[tuple[int, int, Path_, Any, str]] = []
        self.is_sound = True

    def send(self, account: int, unit: int, path: Path_, body: Any, key: str = "") -> Any:
        key = key or str(uuid.UUID(int=len(self.sent) + 1))
        self.sent.append((account, unit, path, body, key))
        expected = self.model.post(account, unit, path, body, key)
        self.is_sound = False
        url = "/".join(map(str, ("/units", unit, *path)))
        answer = self.served.wait(self.served.client.post(url, account, body, key))
        is_replay = "Idempotency-Replayed" in answer.headers
        said = (
            (201, answer.body, is_replay) if answer.status == 201 else (answer.status, answer.code)
        )
        assert said == expected, (url, account, body, said, expected)
        self.is_sound = True
        return answer

    def somebody(self, chance: Random, unit: int, role: str) -> int:
        """Mostly a person who may, of the unit or its parent; now and then anybody."""
        right = [a for a, (home, roles) in PEOPLE.items()
                 if role in roles and home in (unit, PARENTS.get(unit))]  # fmt: skip
        return chance.choice(right if chance.random() < 0.9 else list(PEOPLE))

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        """Hypothesis draws but seed and length: its own draws repeat themselves too much."""
        self.chance = Random(seed)

    @rule()
    def somebody_does_something(self) -> None:
        """One rule, because seldom and common work would get the same share."""
        chance = self.chance
        ways = (self.make_a_document, self.take_the_next_step, self.take_any_step,
                self.reverse_something, self.send_it_again, self.close_or_reopen_a_period,
                self.close_or_open_a_year)  # fmt: skip
        (way,) = chance.choices(ways, (8, 12, 2, 6, 4, 2, 2))
        unit = chance.choice([SAO, SAO, CENTRE])
        open_days = [d for d in DAYS if self.model.units[unit].closed < int(d[:4] + d[5:7])]
        way(chance, unit, chance.choice(open_days if chance.random() < 0.8 else DAYS))

    def make_a_document(self, chance: Random, unit: int, day: str) -> None:
        path = chance.choice([path for path, kind in KINDS.items() if kind.role])
        body = body_of(chance, path, chance.choice(AMOUNTS), day)
        self.send(self.somebody(chance, unit, KINDS[path].role), unit, (path,), body)

    def take_the_next_step(self, chance: Random, unit: int, day: str) -> None:
        ready = [
            (document.document, step)
            for document in self.model.units[unit].documents.values()
            for step in STEPS
            if KINDS[step[0]].name == document.kind and document.status == STEPS[step].before
        ]
        if ready:
            document, step = chance.choice(ready)
            self.take(chance, unit, step, document, day)

    def take_any_step(self, chance: Random, unit: int, day: str) -> None:
        self.take(chance, unit, chance.choice(list(STEPS)), self.some_document(chance, unit), day)

    def take(
        self, chance: Random, unit: int, step: tuple[str, str], document: int, day: str
    ) -> None:
        body: dict[str, Any] = {"date": day} if STEPS[step].makes else {}
        if step[1] == "return":
            body["channel"] = chance.choice(["cash", "bank"])
        if step[1] in ("clear", "return", "refund"):
            body["amount"] = text(chance.choice(AMOUNTS))
        if step[1] in ("pay", "refund"):
            body["method"] = chance.choice(["cheque", "e-payment"])
        account = self.somebody(chance, unit, STEPS[step].role)
        self.send(account, unit, (step[0], document, step[1]), body)

    def some_document(self, chance: Random, unit: int) -> int:
        """One of the unit, seldom one of the other unit or none at all."""
        other = self.model.units[SAO if unit == CENTRE else CENTRE]
        strange = [max(other.documents), unit * 10**7 + 999]
        opening, *own = self.model.units[unit].documents
        return chance.choice(own if own and chance.random() < 0.9 else [opening, *strange])

    def reverse_something(self, chance: Random, unit: int, day: str) -> None:
        path = ("documents", self.some_document(chance, unit), "reverse")
        account = self.somebody(chance, unit, "approver")
        self.send(account, unit, path, {"date": day, "reason": "ผิดหมวด"})

    def send_it_again(self, chance: Random, _unit: int, day: str) -> None:
        if not self.sent:
            return
        account, unit, path, body, key = chance.choice(self.sent[-12:])
        if "date" in body and path[-1] != "reopen" and chance.random() < 0.3:
            body = {**body, "date": day}
        self.send(account, unit, path, body, key)

    def close_or_reopen_a_period(self, chance: Random, unit: int, _day: str) -> None:
        closed = self.model.units[unit].closed
        near = [closed, after(closed), after(after(closed)), before(closed)]
        account = self.somebody(chance, unit, "director")
        if chance.random() < 0.6:
            (period,) = chance.choices(near, (1, 6, 1, 0))
            self.send(account, unit, ("periods", period_text(period), "close"), {})
        else:
            (period,) = chance.choices(near, (6, 1, 0, 1))
            day = period if chance.random() < 0.9 else after(period)
            body = {"date": f"{period_text(day)}-28", "reason": "x"}
            self.send(account, unit, ("periods", period_text(period), "reopen"), body)

    def close_or_open_a_year(self, chance: Random, unit: int, _day: str) -> None:
        action = chance.choice(["close", "open"])
        year = 2569 + (action == "open") + (chance.random() < 0.1)
        account = self.somebody(chance, unit, "director")
        self.send(account, unit, ("fiscal-years", year, action), {})

    def teardown(self) -> None:
        try:
            if self.is_sound:
                for unit in self.model.units.values():
                    self.served.wait(self.compare(unit))
                assert self.served.wait(self.served.client.violations()) == {}
        finally:
            self.stack.close()

    async def read(self, unit: int, path: str) -> Any:
        answer = await self.served.client.get(f"/units/{unit}/{path}", person(SAO, "clerk"))
        assert answer.status == 200, (path, answer.body)
        return answer.body

    async def compare(self, unit: Unit) -> None:
        """Hold the books as they are read against those of the model."""
        for document in unit.documents.values():
            read = await self.read(unit.unit, f"documents/{document.document}")
            wanted = document_text(document)
            if not document.people and document.document in unit.reversed:
                wanted["status"] = "reversed"
            assert {name: read[name] for name in wanted} == wanted
            lines = sorted((e["account"], e["debit"], e["credit"]) for e in read["lines"])
            assert lines == sorted((str(a), text(d), text(c)) for a, d, c in document.lines)
        page = await self.read(unit.unit, "documents?limit=200")
        assert [row["document"] for row in page["documents"]] == sorted(unit.documents)
        await self.compare_money(unit)
        work = await self.read(unit.unit, "worklist")
        assert [(i["document"], i["status"], i["open_amount"]) for i in work["items"]] == [
            (d.document, d.status, text(d.open_amount))
            for d in sorted(
                unit.documents.values(), key=lambda d: d.status in ("outstanding", "held")
            )
            if d.people and d.open_amount
        ]
        periods = await self.read(unit.unit, "periods")
        closed = [int(p["period"].replace("-", "")) <= unit.closed for p in periods["periods"]]
        assert [p["status"] == "closed" for p in periods["periods"]] == closed
        assert len(closed) == 12 * (unit.last // 100 - 2025)
        trail = await self.read(unit.unit, "audit-trail")
        assert (trail["entries"], trail["is_whole"]) == (len(unit.answers), True)

    async def compare_money(self, unit: Unit) -> None:
        period = FIRST
        while period <= unit.last:
            path = f"reports/trial-balance?period={period_text(period)}"
            trial = await self.read(unit.unit, path)
            closing = {int(row["account"]): satang(row["closing"]) for row in trial["accounts"]}
            assert nonzero(closing) == nonzero(unit.balances(period))
            period = after(period)
        overview = await self.read(unit.unit, "overview")
        cash = {int(row["account"]): satang(row["balance"]) for row in overview["cash"]}
        assert cash == {a: unit.balances(unit.last)[a] for a in (CASH, BANK)}
        assert overview["document_count"] == len(unit.documents)
        for year in {year for year, _ in unit.budget}:
            budget = await self.read(unit.unit, f"budget?fiscal_year={year}")
            columns = ("appropriated", "transferred", "committed", "paid", "remaining")
            read = {
                row["budget_line"]: [satang(row[c]) for c in columns] for row in budget["lines"]
            }
            assert read == {
                line: [*values, remaining(values)]
                for (of_year, line), values in unit.budget.items() if of_year == year
            }  # fmt: skip


def nonzero(balances: Mapping[int, int]) -> dict[int, int]:
    return {account: balance for account, balance in balances.items() if balance}


def document_text(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind, "number": document.number, "fiscal_year": document.year,
        "date": document.day.isoformat(), "amount": text(document.amount), "key": document.key,
        "withholding_tax": text(document.tax), "status": document.status,
        "budget_line": document.budget_line, "to_line": document.to_line,
        "reference": document.reference, "people": document.people or [document.preparer],
    }  # fmt: skip


def play(dsn: str, folder: Path, *, defects: str = "", runs: int = 20, steps: int = 50) -> None:
    run_state_machine_as_test(
        lambda: Work(dsn, folder, defects),
        settings=settings(
            max_examples=runs, stateful_step_count=steps, derandomize=True, database=None,
            deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )  # fmt: skip


@pytest.mark.slow
def test_the_ledger_answers_and_keeps_books_as_the_model_does(
    ledger_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    play(ledger_postgres.owner_dsn, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("defects", ["M02:1", "M05:1", "M08:1", "M10:1"])
def test_a_ledger_with_a_defect_is_told_from_the_model(
    ledger_postgres: EmbeddedPostgres, tmp_path: Path, defects: str
) -> None:
    with pytest.raises(AssertionError):
        play(ledger_postgres.owner_dsn, tmp_path, defects=defects)
