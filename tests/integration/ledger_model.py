"""A small model of the ledger: what each write must answer, and the books that follow from it.

Written from the interface alone; it shares nothing with the ledger. Money is integer satang.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from tests.integration.ledger_client import AUDITOR, CENTRE, PAO, SAO, person

EVERYTHING = {"clerk", "checker", "approver", "director"}
PEOPLE: dict[int, tuple[int, set[str]]] = {  # account: home unit and roles
    **{person(SAO, role): (SAO, {role}) for role in EVERYTHING},
    person(SAO, "all"): (SAO, EVERYTHING),
    CENTRE * 1000 + 1: (CENTRE, {"clerk"}),
    person(PAO, "all"): (PAO, EVERYTHING),
    AUDITOR: (0, {"auditor"}),
}
PARENTS = {CENTRE: SAO}
# From July on nothing is closed but July itself; October may be opened, 2027 never is.
DAYS = ["2026-08-15", "2026-09-10", "2026-09-30", "2026-10-05", "2026-07-31", "2027-10-01"]
LINES, FIRST, LAST, CLOSED = ("B01", "B03", "B05"), 202510, 202609, 202607
EXPENSE = {"B01": 5110101, "B03": 5210101, "B05": 5310101}
CASH, BANK, ADVANCES, TAX, DEPOSITS, FUND = 1110101, 1110201, 1130101, 2120101, 2130101, 3110101
APPROPRIATED, OPENING_CASH = 50_000_000_00, 500_000_00  # satang
AMOUNTS = [1, 10_00, 250_50, 1_000_00, 30_000_000_00]  # satang; two of the last exhaust a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a path makes: by whom (nobody: a step does), in which state; `is_open`: steps follow."""

    name: str
    role: str = ""
    status: str = "posted"
    budget: tuple[int, int, int] = (0, 0, 0)  # appropriated, committed, paid, times the amount
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step on a document; `makes` another one."""

    role: str
    before: str
    after: str
    other_person: bool = True
    makes: Kind | None = None


KINDS = {
    "budget-ordinances": Kind(name="budget_ordinance", role="director", budget=(1, 0, 0)),
    "supplementary-budgets": Kind(name="supplementary_budget", role="director", budget=(1, 0, 0)),
    "receipts": Kind(name="receipt", role="clerk"),
    "disbursement-requests": Kind(name="disbursement_request", role="clerk", status="submitted",
                                  budget=(0, 1, 0), is_open=True),
    "commitments": Kind(name="commitment", role="clerk", status="committed", budget=(0, 1, 0)),
    "advance-requests": Kind(name="advance_request", role="clerk", status="submitted",
                             is_open=True),
    "advances": Kind(name="advance", status="outstanding", is_open=True),
    "remittances": Kind(name="remittance", role="clerk"),
    "deposits": Kind(name="deposit", role="clerk", status="held", is_open=True),
    "tax-remittances": Kind(name="tax_remittance", role="clerk", status="submitted", is_open=True),
    "journal-vouchers": Kind(name="journal_voucher", role="clerk"),
    "budget-transfers": Kind(name="budget_transfer", role="clerk"),
}  # fmt: skip
PAYMENT = Kind(name="payment", status="paid", budget=(0, -1, 1))
TAX_PAYMENT = Kind(name="tax_remittance_payment", status="paid")
REFUND = Kind(name="deposit_refund")
CLEARING = Kind(name="advance_clearing")
RETURN = Kind(name="advance_return")
STEPS = {
    ("disbursement-requests", "check"): Step(role="checker", before="submitted", after="checked"),
    ("disbursement-requests", "approve"): Step(role="approver", before="checked", after="approved"),
    ("disbursement-requests", "pay"): Step(role="director", before="approved", after="paid",
                                           makes=PAYMENT),
    ("tax-remittances", "pay"): Step(role="director", before="submitted", after="paid",
                                     makes=TAX_PAYMENT),
    ("deposits", "refund"): Step(role="director", before="held", after="refunded", makes=REFUND),
    ("advance-requests", "pay"): Step(role="director", before="submitted", after="granted",
                                      makes=KINDS["advances"]),
    ("advances", "clear"): Step(role="clerk", before="outstanding", after="cleared",
                                other_person=False, makes=CLEARING),
    ("advances", "return"): Step(role="clerk", before="outstanding", after="cleared",
                                 other_person=False, makes=RETURN),
}  # fmt: skip
OTHERS = {"reverse": "approver", "close": "director", "reopen": "director", "open": "director"}
MADE = (*KINDS.values(), PAYMENT, TAX_PAYMENT, REFUND, CLEARING, RETURN)
KIND_OF = {kind.name: kind for kind in MADE}
Lines = list[tuple[int, int, int]]  # account, debit, credit in satang
Path_ = tuple[str | int, ...]


class Refused(Exception):
    """What the model answers instead: status and code."""


@dataclass(slots=True, kw_only=True)
class Document:
    """A document as it must be read back; money in satang."""

    document: int
    kind: str
    number: int
    day: date
    amount: int
    tax: int
    lines: Lines
    preparer: int
    key: str | None
    budget_line: str | None = None
    to_line: str | None = None
    reference: int | None = None
    status: str = "posted"
    open_amount: int = 0
    people: list[int] = field(default_factory=list)  # empty: no steps are taken on it

    @property
    def period(self) -> int:
        return self.day.year * 100 + self.day.month

    @property
    def year(self) -> int:
        return year_of(self.period)


def year_of(period: int) -> int:
    """Fiscal year, BE."""
    return period // 100 + 543 + (period % 100 >= 10)


def after(period: int) -> int:
    return period + 89 if period % 100 == 12 else period + 1


def before(period: int) -> int:
    return period - 89 if period % 100 == 1 else period - 1


def period_text(period: int) -> str:
    return f"{period // 100}-{period % 100:02d}"


def text(satang: int) -> str:
    return f"{Decimal(satang) / 100:.2f}"


def satang(money: str) -> int:
    return int(Decimal(money) * 100)


class Unit:
    """The books of one unit."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.closed, self.last = CLOSED, LAST
        self.documents: dict[int, Document] = {}
        self.numbers: Counter[tuple[str, int]] = Counter()
        self.budget = {(2569, f"B{n:02d}"): [APPROPRIATED, 0, 0, 0] for n in range(1, 13)}
        self.answers: dict[str, tuple[Any, Any]] = {}
        total = 12 * APPROPRIATED + OPENING_CASH
        self.add("opening", date(2025, 10, 1), 0, None, amount=total, lines=[
            (CASH, OPENING_CASH, 0), (BANK, total - OPENING_CASH, 0), (FUND, 0, total)
        ])  # fmt: skip

    def add(self, kind: str, day: date, account: int, key: str | None, **values: Any) -> Document:
        self.numbers[kind, year := year_of(day.year * 100 + day.month)] += 1
        document = Document(
            document=self.unit * 10**7 + len(self.documents) + 1, kind=kind, day=day, key=key,
            number=self.numbers[kind, year], preparer=account,
            **{"amount": 0, "tax": 0, "lines": [], **values},
        )  # fmt: skip
        self.documents[document.document] = document
        return document

    @property
    def reversed(self) -> set[int | None]:
        """The documents that were taken back."""
        return {d.reference for d in self.documents.values() if d.kind == "reversal"}

    def balances(self, until: int) -> dict[int, int]:
        found: defaultdict[int, int] = defaultdict(int)
        for document in self.documents.values():
            for account, debit, credit in document.lines if document.period <= until else ():
                found[account] += debit - credit
        return found

    def is_year_closed(self, year: int) -> bool:
        return self.numbers["year_close", year] > 0

    def spend(self, year: int, line: str | None, effect: list[int]) -> None:
        """Move a budget line; it must exist and never fall below zero."""
        if line is None:
            return
        if (year, line) not in self.budget:
            raise Refused(422, "invalid")
        new = [a + b for a, b in zip(self.budget[year, line], effect, strict=True)]
        if remaining(new) < 0:
            raise Refused(422, "budget-exceeded")
        self.budget[year, line] = new


def remaining(line: list[int]) -> int:
    appropriated, transferred, committed, paid = line
    return appropriated + transferred - committed - paid


def may(account: int, unit: int, role: str) -> None:
    home, roles = PEOPLE[account]
    if unit != home and PARENTS.get(unit) != home:
        raise Refused(403, "forbidden-unit")
    if role not in roles:
        raise Refused(403, "forbidden-role")


class Model:
    """Says what each write must answer, and keeps the books that follow from it."""

    def __init__(self) -> None:
        self.units = {unit: Unit(unit) for unit in (SAO, CENTRE)}

    def post(self, account: int, unit: int, path: Path_, body: Any, key: str) -> Any:
        """Return (status, code) of a refusal or (201, body, whether it is a replay)."""
        try:
            return self._post(account, self.units[unit], path, body, key)
        except Refused as refused:
            return refused.args

    def _post(self, account: int, unit: Unit, path: Path_, body: Any, key: str) -> Any:
        step = STEPS.get((str(path[0]), str(path[-1])))
        role = step.role if step else OTHERS.get(str(path[-1])) or KINDS[str(path[0])].role
        may(account, unit.unit, role)
        target = self._target(unit, account, path, step, body)
        if key in unit.answers:
            payload, answer = unit.answers[key]
            if payload != (path, body):
                raise Refused(422, "idempotency-key-reused")
            return 201, answer, True
        if step:
            assert target is not None
            answer = self._step(unit, account, key, step, target, body)
        elif path[-1] == "reverse":
            assert target is not None
            answer = self._reverse(unit, account, key, target, date.fromisoformat(body["date"]))
        elif len(path) == 1:
            answer = self._create(unit, account, key, KINDS[str(path[0])], body)
        else:
            answer = self._period(unit, account, key, path, body)
        unit.answers[key] = ((path, body), answer)
        return 201, answer, False

    def _target(
        self, unit: Unit, account: int, path: Path_, step: Step | None, body: Any
    ) -> Document | None:
        """Refuse what can be refused without looking at the state of the books."""
        if path[-1] == "reopen" and body["date"][:7] != path[1]:
            raise Refused(422, "invalid")
        if not step and path[-1] != "reverse":
            return None
        target = unit.documents.get(int(path[1]))
        of_kind = KINDS[str(path[0])].name if step else None
        if target is None or (of_kind and target.kind != of_kind):
            raise Refused(404, "not-found")
        kind = step.makes if step else KIND_OF.get(target.kind)
        if not step and kind is None:
            raise Refused(409, "wrong-state")  # openings, reversals and closings stand for good
        if not step and account == target.preparer:
            raise Refused(403, "forbidden-role")
        has_budget = kind is not None and (any(kind.budget) or kind.name == "budget_transfer")
        day = body.get("date")
        if has_budget and year_of(int(day[:4]) * 100 + int(day[5:7])) != target.year:
            raise Refused(422, "invalid")
        return target

    def _open_day(self, unit: Unit, day: date) -> date:
        if not unit.closed < day.year * 100 + day.month <= unit.last:
            raise Refused(409, "period-closed")
        return day

    def _create(self, unit: Unit, account: int, key: str, kind: Kind, body: Any) -> Any:
        day = self._open_day(unit, date.fromisoformat(body["date"]))
        amount, tax = satang(body.get("amount", "0")), satang(body.get("withholding_tax", "0"))
        line, to_line = body.get("budget_line") or body.get("from_line"), body.get("to_line")
        held = {"cash": CASH, "bank": BANK}.get(body.get("channel"), 0)
        sides = ("debit", "credit", "amount")
        given = [
            (int(e["account"]), *(satang(e.get(side, "0")) for side in sides))
            for e in body.get("lines", ())
        ]
        received = sum(entry[3] for entry in given)
        lines: Lines = {
            "receipt": [(held, received, 0), *((entry[0], 0, entry[3]) for entry in given)],
            "remittance": [(BANK, amount, 0), (CASH, 0, amount)],
            "deposit": [(held, amount, 0), (DEPOSITS, 0, amount)],
            "journal_voucher": [entry[:3] for entry in given],
        }.get(kind.name, [])
        year = year_of(day.year * 100 + day.month)
        if to_line:
            if (year, line) not in unit.budget or (year, to_line) not in unit.budget:
                raise Refused(422, "invalid")
            unit.spend(year, line, [0, -amount, 0, 0])
            unit.spend(year, to_line, [0, amount, 0, 0])
        elif any(kind.budget):
            unit.spend(year, line, effect(kind, amount))
        made = unit.add(kind.name, day, account, key, amount=amount, tax=tax, lines=lines,
                        budget_line=line, to_line=to_line, status=kind.status,
                        **waits(kind, account, amount))  # fmt: skip
        return answer_of(made, kind.status)

    def _step(
        self, unit: Unit, account: int, key: str, step: Step, target: Document, body: Any
    ) -> Any:
        day = self._open_day(unit, date.fromisoformat(body["date"])) if step.makes else None
        if target.status != step.before:
            raise Refused(409, "wrong-state")
        if step.other_person and account == target.people[0]:
            raise Refused(403, "forbidden-role")
        if step.makes is None or day is None:
            target.status = step.after
            target.people.append(account)
            return answer_of(target, step.after)
        amount = satang(body["amount"]) if "amount" in body else target.amount
        kind = step.makes
        if amount > target.open_amount:
            raise Refused(422, "invalid")
        if day < target.day:
            raise Refused(422, "invalid")
        if kind.name == "tax_remittance_payment" and amount > -unit.balances(unit.last)[TAX]:
            raise Refused(422, "invalid")  # more than was withheld and is not remitted yet
        line, tax = (target.budget_line, target.tax) if kind is PAYMENT else (None, 0)
        lines: Lines = {
            "payment": [(EXPENSE.get(line or "", 0), amount, 0), (BANK, 0, amount - tax),
                        (TAX, 0, tax)],
            "tax_remittance_payment": [(TAX, amount, 0), (BANK, 0, amount)],
            "advance": [(ADVANCES, amount, 0), (BANK, 0, amount)],
            "deposit_refund": [(DEPOSITS, amount, 0), (BANK, 0, amount)],
            "advance_return": [(CASH if body.get("channel") == "cash" else BANK, amount, 0),
                               (ADVANCES, 0, amount)],
            "advance_clearing": [(5210101, amount, 0), (ADVANCES, 0, amount)],
        }[kind.name]  # fmt: skip
        unit.spend(year_of(day.year * 100 + day.month), line, effect(kind, amount))
        target.open_amount -= amount
        target.people.append(account)
        if not target.open_amount:
            target.status = step.after
        made = unit.add(kind.name, day, account, key, amount=amount, tax=tax, budget_line=line,
                        lines=[e for e in lines if e[1] or e[2]], status=kind.status,
                        reference=target.document, **waits(kind, account, amount))  # fmt: skip
        return answer_of(made, kind.status)

    def _reverse(self, unit: Unit, account: int, key: str, target: Document, day: date) -> Any:
        self._open_day(unit, day)
        kind = KIND_OF[target.kind]
        if any(
            d.kind == "reversal" and d.reference == target.document for d in unit.documents.values()
        ):
            raise Refused(409, "wrong-state")
        step = next((s for s in STEPS.values() if s.makes is kind), None)
        waiting = target
        if step and target.reference and not kind.is_open:
            waiting = unit.documents[target.reference]
        began = unit.documents[target.reference].preparer if target.reference else 0
        if account in (began, *waiting.people[:1]):
            raise Refused(403, "forbidden-role")
        if kind.is_open and target.open_amount < target.amount:
            raise Refused(409, "wrong-state")  # something was paid, cleared or refunded of it
        if day < target.day:
            raise Refused(422, "invalid")
        line, to_line = target.budget_line, None
        if target.to_line:
            line, to_line = target.to_line, target.budget_line
            unit.spend(target.year, line, [0, -target.amount, 0, 0])
            unit.spend(target.year, to_line, [0, target.amount, 0, 0])
        else:
            unit.spend(target.year, line, effect(kind, -target.amount))
        if kind.is_open:
            target.status, target.open_amount = "reversed", 0
            target.people.append(account)
        elif step:
            waiting.status = step.before
            waiting.open_amount += target.amount
            waiting.people.append(account)
        made = unit.add("reversal", day, account, key, amount=target.amount, tax=target.tax,
                        lines=[(a, credit, debit) for a, debit, credit in target.lines],
                        budget_line=line, to_line=to_line, reference=target.document)  # fmt: skip
        return answer_of(made, "posted")

    def _period(self, unit: Unit, account: int, key: str, path: Path_, body: Any) -> Any:
        group, which, action = path
        if group == "fiscal-years":
            year = int(which)
            if action == "close":
                return self._close_year(unit, account, key, year)
            if year != unit.last // 100 + 544 or year > year_of(after(unit.closed)) + 1:
                raise Refused(409, "wrong-state")
            unit.last += 100
            for _, line in [entry for entry in unit.budget if entry[0] == year - 1]:
                unit.budget[year, line] = [0, 0, 0, 0]
            return {"fiscal_year": year, "status": "open"}
        period = int(str(which).replace("-", ""))
        if action == "reopen":
            is_final = period % 100 == 9 and unit.is_year_closed(year_of(period))
            if period != unit.closed or is_final:
                raise Refused(409, "wrong-state")
            unit.closed = before(period)
            made = unit.add("period_reopening", date.fromisoformat(body["date"]), account, key)
            return answer_of(made, "posted")
        if period <= unit.closed:
            raise Refused(409, "period-closed")
        if period > unit.last:
            raise Refused(404, "not-found")
        is_too_early = period % 100 == 10 and not unit.is_year_closed(year_of(period) - 1)
        if period != after(unit.closed) or is_too_early:
            raise Refused(409, "wrong-state")
        unit.closed = period
        return {"period": which, "status": "closed"}

    def _close_year(self, unit: Unit, account: int, key: str, year: int) -> Any:
        day = self._open_day(unit, date(year - 543, 9, 30))
        period = day.year * 100 + 9
        if period != after(unit.closed):
            raise Refused(409, "wrong-state")
        if any(
            d.kind == "disbursement_request" and d.open_amount and d.year <= year
            for d in unit.documents.values()
        ):
            raise Refused(409, "wrong-state")
        income = {a: b for a, b in sorted(unit.balances(period).items()) if a >= 4_000_000 and b}
        lines = [(a, max(-b, 0), max(b, 0)) for a, b in income.items()]
        if left := sum(income.values()):
            lines.append((FUND, max(left, 0), max(-left, 0)))
        unit.closed = period
        return answer_of(unit.add("year_close", day, account, key, lines=lines), "posted")


def waits(kind: Kind, account: int, amount: int) -> dict[str, Any]:
    """What a new document has more when steps follow."""
    return {"people": [account], "open_amount": amount} if kind.is_open else {}


def effect(kind: Kind, amount: int) -> list[int]:
    appropriated, committed, paid = (share * amount for share in kind.budget)
    return [appropriated, 0, committed, paid]


def answer_of(document: Document, status: str) -> dict[str, Any]:
    return {"document": document.document, "number": document.number, "kind": document.kind,
            "period": f"{document.day:%Y-%m}", "status": status}  # fmt: skip
