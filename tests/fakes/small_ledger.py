"""A small honest ledger in memory, and people who work with it and record what a client records.

It keeps its running balances itself and shares nothing with the judge's model of a ledger.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contracts.records import Outcome

S = 1_000_000_000
MS = 1_000_000
T0 = 5_000 * S
KINDS = ["receipt", "disbursement_request", "disbursement_check", "disbursement_approval",
         "payment", "commitment", "advance", "advance_clearing", "journal_voucher",
         "budget_transfer", "period_close", "books_import", "back_dated_payment",
         "advance_request"]  # fmt: skip
LINES = [f"B{number:02d}" for number in range(1, 13)]
CASH, BANK = "1110101", "1110201"
CHART = [(CASH, 1, True), (BANK, 1, True), ("1130101", 1, False), ("2120101", 2, False),
         ("3110101", 3, False), ("4110101", 4, False), ("5110101", 5, False),
         ("5210101", 5, False)]  # fmt: skip
DATE = "2025-12-01"
Row = dict[str, Any]


@dataclass
class SmallLedger:
    """An honest ledger in memory, with its own running balances."""

    units: list[int]
    documents: list[Row] = field(default_factory=list)
    balances: dict[tuple[int, int, str], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    budget: dict[tuple[int, str], dict[str, int]] = field(default_factory=dict)
    closed: set[tuple[int, int]] = field(default_factory=set)
    counters: dict[tuple[int, str, int], int] = field(default_factory=lambda: defaultdict(int))
    next_document: int = 1_000

    def fill(self) -> None:
        """Bring in opening balances and budgets, and close October."""
        for unit in self.units:
            self.post(unit, "opening", "2025-10-01", [(BANK, 90_000_000), ("3110101", -90_000_000)])
            self.post(unit, "receipt", "2025-10-15", [(CASH, 12_345), ("4110101", -12_345)])
            for line in LINES:
                self.budget[unit, line] = {"appropriated": 500_000_000, "transferred": 0,
                                           "committed": 0, "paid": 0}  # fmt: skip
            self.closed.add((unit, 202510))

    def post(
        self, unit: int, kind: str, date: str, lines: list[tuple[str, int]], *, key: int = 0,
        line: str = "", status: str = "posted",
    ) -> Row:  # fmt: skip
        """Store one document; amounts of *lines* are signed, debit positive."""
        period = int(date[:4]) * 100 + int(date[5:7])
        fiscal_year = period // 100 + 543 + (period % 100 >= 10)
        self.counters[unit, kind, fiscal_year] += 1
        self.next_document += 1
        document = {
            "unit": unit, "document": self.next_document, "kind": kind,
            "number": self.counters[unit, kind, fiscal_year], "fiscal_year": fiscal_year,
            "period": period, "date": date, "key": key, "budget_line": line, "status": status,
            "gross": sum(amount for _, amount in lines if amount > 0), "line_count": len(lines),
            "lines": [(account, max(amount, 0), max(-amount, 0)) for account, amount in lines],
        }  # fmt: skip
        for account, amount in lines:
            self.balances[unit, period, account][amount < 0] += abs(amount)
        self.documents.append(document)
        return document

    def tables(self) -> dict[str, list[Row]]:
        """Return the books as rows per table, `documents` with their lines inside."""
        trial_balance, cash = [], []
        for unit in self.units:
            accounts = sorted({account for u, _, account in self.balances if u == unit})
            for account in accounts:
                closing = 0
                for period in sorted({p for u, p, a in self.balances if (u, a) == (unit, account)}):
                    opening = closing
                    debit, credit = self.balances[unit, period, account]
                    closing = opening + debit - credit
                    trial_balance.append(
                        {"unit": unit, "period": period, "account": account,
                         "opening_satang": opening, "debit_satang": debit,
                         "credit_satang": credit, "closing_satang": closing}
                    )  # fmt: skip
                if account in (CASH, BANK):
                    cash.append({"unit": unit, "account": account, "balance_satang": closing})
        budget = [
            {"unit": unit, "budget_line": line, "appropriated_satang": b["appropriated"],
             "transferred_satang": b["transferred"], "committed_satang": b["committed"],
             "paid_satang": b["paid"],
             "remaining_satang": b["appropriated"] + b["transferred"] - b["committed"] - b["paid"]}
            for (unit, line), b in self.budget.items()
        ]  # fmt: skip
        periods = [
            {"unit": unit, "period": period,
             "status": "closed" if (unit, period) in self.closed else "open"}
            for unit in self.units for period in (202510, 202511, 202512)
        ]  # fmt: skip
        return {
            "documents": [
                dict(document, lines=list(document["lines"])) for document in self.documents
            ],
            "trial_balance": trial_balance,
            "cash_position": cash,
            "budget": budget,
            "periods": periods,
            "chart": [{"account": a, "class": c, "is_cash": f} for a, c, f in CHART],
            "export": [{"unit": unit, "is_complete": True, "reason": ""} for unit in self.units],
        }


@dataclass
class Work:
    """People at work: asks the ledger, and keeps what a client would have recorded."""

    ledger: SmallLedger
    chance: random.Random
    indefinite_share: float
    shed_share: float
    rows: list[Row] = field(default_factory=list)
    requests: list[tuple[int, Row, str, int]] = field(default_factory=list)  # to pay
    advances: list[tuple[int, int]] = field(default_factory=list)
    now_ns: int = T0 + S
    sessions: int = 0

    def one_operation(self) -> None:
        """Do one piece of work, perhaps a chain of several operations."""
        unit = self.chance.choice(self.ledger.units)
        amount = self.chance.randrange(100, 500_000)
        line = self.chance.choice(LINES)
        act = self.chance.choice(["receipt", "disbursement", "commitment", "advance", "voucher",
                                  "transfer"])  # fmt: skip
        account = self.chance.choice([CASH, BANK])
        if act == "receipt":
            self.ask("receipt", unit, gross=amount, cash=amount, account=account,
                     do=self._posting(unit, "receipt", amount, account, "4110101"))  # fmt: skip
        elif act == "disbursement":
            self._disburse(unit, amount, line)
        elif act == "commitment":
            self.ask("commitment", unit, budget=amount, line=line,
                     do=self._reserving(unit, "commitment", amount, line))  # fmt: skip
        elif act == "advance":
            self._lend(unit, amount)
        elif act == "voucher":
            self.ask("journal_voucher", unit, gross=amount,
                     do=self._posting(unit, "journal_voucher", amount, "5110101",
                                      "2120101"))  # fmt: skip
        else:
            self.ask("budget_transfer", unit, line=line,
                     do=lambda key: self._transfer(unit, amount, line, key))  # fmt: skip

    def _posting(
        self, unit: int, kind: str, amount: int, debit: str, credit: str
    ) -> Callable[[int], Row]:
        lines = [(debit, amount), (credit, -amount)]
        return lambda key: self.ledger.post(unit, kind, DATE, lines, key=key)

    def _reserving(self, unit: int, kind: str, amount: int, line: str) -> Callable[[int], Row]:
        def reserve(key: int) -> Row:
            self.ledger.budget[unit, line]["committed"] += amount
            status = "submitted" if kind == "disbursement_request" else "posted"
            return self.ledger.post(unit, kind, DATE, [], key=key, line=line, status=status)

        return reserve

    def _transfer(self, unit: int, amount: int, line: str, key: int) -> Row:
        other = LINES[(LINES.index(line) + 1) % len(LINES)]
        self.ledger.budget[unit, line]["transferred"] -= amount
        self.ledger.budget[unit, other]["transferred"] += amount
        return self.ledger.post(unit, "budget_transfer", DATE, [], key=key, line=line)

    def _lend(self, unit: int, amount: int) -> None:
        posting = self._posting

        def request(key: int) -> Row:
            return self.ledger.post(unit, "advance_request", DATE, [], key=key)

        lend = posting(unit, "advance", amount, "1130101", BANK)
        if self.ask("advance_request", unit, do=request) and self.ask(
            "advance", unit, gross=amount, cash=-amount, account=BANK, do=lend
        ):
            clear = posting(unit, "advance_clearing", amount, "5210101", "1130101")
            self.ask("advance_clearing", unit, gross=amount, do=clear)

    def _disburse(self, unit: int, amount: int, line: str) -> None:
        reserve = self._reserving(unit, "disbursement_request", amount, line)
        request = self.ask("disbursement_request", unit, budget=amount, line=line, do=reserve)
        if request is None:
            return
        for kind, status in (
            ("disbursement_check", "checked"),
            ("disbursement_approval", "approved"),
        ):

            def step(key: int, status: str = status) -> Row:
                request["status"] = status
                return request

            if self.ask(kind, unit, line=line, do=step) is None:
                return
        tax = amount // 100

        def pay(key: int) -> Row:
            request["status"] = "paid"
            self.ledger.budget[unit, line]["committed"] -= amount
            self.ledger.budget[unit, line]["paid"] += amount
            lines = [("5110101", amount), (BANK, tax - amount), ("2120101", -tax)]
            return self.ledger.post(unit, "payment", DATE, lines, key=key, line=line)

        self.ask("payment", unit, gross=amount, cash=tax - amount, account=BANK, line=line, do=pay)

    def close_a_month(self) -> None:
        """Close November of one unit, then try to post into it."""
        unit = self.ledger.units[0]

        def close(key: int) -> Row:
            self.ledger.closed.add((unit, 202511))
            return {"number": -1, "document": 0}

        self.indefinite_share = self.shed_share = 0.0
        self.ask("period_close", unit, period=202511, do=close)
        self.refused("receipt", unit, 202511)
        self.refused("receipt", self.ledger.units[1], 202510)

    def hand_in_file(self, unit: int, papers: int, *, told: Outcome, stored: int) -> None:
        """Hand in a file of payments and receipts of which the ledger takes the first *stored*."""
        file = self._row("books_import", unit)
        self._record(file, outcome=told, status=202, number=-1)
        for place in range(papers):
            amount = 1_000 + place
            if place < 2:
                row = self._row("back_dated_payment", unit, gross=amount, cash=-amount,
                                account=BANK, budget=amount, line="B07")  # fmt: skip
            else:
                row = self._row("receipt", unit, gross=amount, cash=amount, account=CASH)
            row["session"] = file["session"]
            if place < stored and place < 2:
                self.ledger.budget[unit, "B07"]["paid"] += amount
                lines = [("5110101", amount), (BANK, -amount)]
                self.ledger.post(unit, "back_dated_payment", DATE, lines, key=row["key"],
                                 line="B07", status="paid")  # fmt: skip
            elif place < stored:
                self.ledger.post(unit, "receipt", DATE, [(CASH, amount), ("4110101", -amount)],
                                 key=row["key"])  # fmt: skip
            self._record(row, outcome=told, status=200, number=-1)

    def pry(self) -> None:
        """Try to post into another unit, and to use a key again with other content."""
        self.refused("receipt", self.ledger.units[2], 202512)
        acknowledged = [row for row in self.rows
                        if row["outcome"] == Outcome.OK and row["gross_satang"]]  # fmt: skip
        if not acknowledged:
            return
        used = acknowledged[0]
        attempt = 1 + max(row["attempt"] for row in self.rows if row["key"] == used["key"])
        self._record(used | {"attempt": attempt, "gross_satang": used["gross_satang"] + 1,
                             "expected_refusal": 1, "replay": 0},
                     outcome=Outcome.REFUSED, status=422, number=-1)  # fmt: skip

    def refused(self, kind: str, unit: int, period: int, *, line: str = "") -> Row:
        """Record a request that a right ledger refuses; return what was asked."""
        if line:
            row = self._row(kind, unit, budget=10**11, line=line, period=period)
        else:
            row = self._row(kind, unit, gross=777, cash=777, account=CASH, period=period)
        row["expected_refusal"] = 1
        self._record(row, outcome=Outcome.REFUSED, status=409, number=-1)
        return row

    def ask(
        self, kind: str, unit: int, *, do: Callable[[int], Row], gross: int = 0, cash: int = 0,
        account: str = "", budget: int = 0, line: str = "", period: int = 202512,
    ) -> Row | None:  # fmt: skip
        """Ask the ledger; return the document when the client knows of it."""
        row = self._row(kind, unit, gross=gross, cash=cash, account=account, budget=budget,
                        line=line, period=period)  # fmt: skip
        luck = self.chance.random()
        if luck < self.shed_share:
            self._record(row, outcome=Outcome.REFUSED, status=503, number=-1)
            return None
        if luck < self.shed_share + self.indefinite_share:
            if self.chance.random() < 0.5:
                do(row["key"])
            self._record(row, outcome=self.chance.choice([Outcome.INDEFINITE, Outcome.OPEN]),
                         status=0, number=-1)  # fmt: skip
            return None
        document = do(row["key"])
        row["document"] = document["document"]
        self._record(row, outcome=Outcome.OK, status=201, number=document["number"])
        if self.chance.random() < 0.1:
            self._record(row | {"attempt": 1, "replay": 1}, outcome=Outcome.OK, status=201,
                         number=document["number"])  # fmt: skip
        return document

    def _row(
        self, kind: str, unit: int, *, gross: int = 0, cash: int = 0, account: str = "",
        budget: int = 0, line: str = "", period: int = 202512,
    ) -> Row:  # fmt: skip
        self.sessions += 1
        return {
            "key": uuid.UUID(int=self.chance.getrandbits(128), version=4).int,
            "kind": KINDS.index(kind), "unit": unit, "period": period, "gross_satang": gross,
            "cash_delta_satang": cash,
            "budget_delta_satang": budget, "document": 0, "session": 1_000_000 + self.sessions,
            "budget_line": LINES.index(line) if line else -1,
            "cash_account": [CASH, BANK].index(account) if account else -1,
            "attempt": 0, "expected_refusal": 0, "replay": 0,
        }  # fmt: skip

    def _record(self, row: Row, *, outcome: Outcome, status: int, number: int) -> None:
        self.now_ns += 10 * MS
        opened = row | {"invoked_ns": self.now_ns, "completed_ns": 0, "outcome": Outcome.OPEN,
                        "status": 0, "number": -1}  # fmt: skip
        self.rows.append(opened)
        if outcome != Outcome.OPEN:
            self.rows.append(opened | {"completed_ns": self.now_ns + 5 * MS, "outcome": outcome,
                                       "status": status, "number": number})  # fmt: skip
