"""The accounting rules: from a request body to a `Posting`. Pure; every refusal is a `Problem`.

Money is integer satang here and text with two decimals outside; dates are CE, fiscal years BE.
What depends on the books (open period, budget, state, who prepared) is judged by the posting
function in schema.sql, under the lock that makes the judgement true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from reference_app.kinds import Catalogue, Kind, Step
from reference_app.problems import Problem

MONEY = re.compile(r"(\d{1,13})\.(\d\d)", re.ASCII)  # sums need room: numeric(24,2) holds 22
PERIOD = re.compile(r"(2[0-3]\d\d)-(0[1-9]|1[0-2])", re.ASCII)  # from 2400 on it is an era too late
FISCAL_YEAR = re.compile(r"2[4-9]\d\d", re.ASCII)
DAY = re.compile(r"2[0-3]\d\d-\d\d-\d\d", re.ASCII)
TEXT_LENGTH_MAX = 200  # characters; names run to about 80 Thai characters (facts/domain.md 6.3)
LINES_MAX = 200  # lines of one voucher
REVENUE_CLASS = 4
INCOME_CLASSES = (4, 5)  # revenue and expense


@dataclass(slots=True, kw_only=True)
class Posting:
    """One item for the posting function; the fields are its columns, money as text.

    `period` is None when nothing is dated (a check, an approval, a close); `kind` is None when no
    document is made. `reference` is the document that a step is taken on or that is reversed,
    `workflow_of` the one whose state moves with it.
    """

    unit: int
    key: UUID
    payload_hash: str
    account: int
    place: int = 0  # within its batch
    kind: str | None = None
    fiscal_year: int | None = None
    period: int | None = None
    date: str | None = None
    gross: str = "0"
    amount: str = "0"
    withholding_tax: str = "0"
    budget_line: str | None = None
    to_line: str | None = None
    appropriated: str = "0"
    committed: str = "0"
    paid: str = "0"
    transferred: str = "0"
    party: str | None = None
    note: str | None = None
    status: str | None = None
    is_open: bool = False
    reference: int | None = None
    reference_kind: str | None = None
    workflow_of: int | None = None
    from_status: str | None = None
    to_status: str | None = None
    is_other_person: bool = False
    taken: str = "0"
    accounts: list[int] | None = None
    debits: list[str] | None = None
    credits: list[str] | None = None
    close_period: int | None = None
    reopen_period: int | None = None
    open_year: int | None = None


def invalid(detail: str) -> Problem:
    """Return the refusal of a request that breaks a rule."""
    return Problem("invalid", detail)


def satang_of(text: object, name: str) -> int:
    """Read money "1234.50" as satang; nothing but digits and two decimals is money."""
    match = MONEY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise invalid(f'{name}: money is text with two decimals like "1234.50"')
    return int(match[1]) * 100 + int(match[2])


def money_text(satang: int) -> str:
    """Write satang as text with two decimals."""
    sign = "-" if satang < 0 else ""
    return f"{sign}{abs(satang) // 100}.{abs(satang) % 100:02d}"


def day_of(text: object, name: str) -> date:
    """Read an ISO date of the common era."""
    if isinstance(text, str) and DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise invalid(f'{name}: a date is text of the common era like "2025-12-01"')


def period_of(text: object) -> int:
    """Read a period "2025-12" as 202512."""
    match = PERIOD.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise invalid('a period is a year and a month of the common era like "2025-12"')
    return int(match[1]) * 100 + int(match[2])


def fiscal_year_of(day: date) -> int:
    """Return the fiscal year, BE: it begins on 1 October and is named by the year it ends in."""
    return day.year + 543 + (day.month >= 10)


def fiscal_year(text: str | None) -> int:
    """Read a fiscal year of the Buddhist era like 2569."""
    if text is None or not FISCAL_YEAR.fullmatch(text):
        raise invalid("fiscal_year: a year of the Buddhist era, like 2569")
    return int(text)


def _positive(value: object, name: str) -> int:
    satang = satang_of(value, name)
    if satang == 0:
        raise invalid(f"{name}: must be more than zero")
    return satang


def _text(value: object, name: str) -> str:
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= TEXT_LENGTH_MAX
        or not value.isprintable()
    ):
        raise invalid(f"{name}: 1 to {TEXT_LENGTH_MAX} printable characters")
    return value


def _code(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 12 or not value.isalnum():
        raise invalid(f"{name}: a code like B01")
    return value


def _method(value: object, name: str) -> str:
    if value not in ("cheque", "e-payment"):
        raise invalid(f"{name}: cheque or e-payment")
    return str(value)


Line = tuple[int, int, int]  # account, debit and credit in satang, one of them zero

FIELD_READERS: Mapping[str, Callable[[object, str], Any]] = {
    "date": day_of,
    "text": _text,
    "code": _code,
    "method": _method,
    "money": _positive,
    "money_or_zero": satang_of,
}


class Rules:
    """The rules over one catalogue; books of paper (`is_back_dated`) were decided on paper."""

    def __init__(self, catalogue: Catalogue, *, is_back_dated: bool = False) -> None:
        self._catalogue = catalogue
        self._is_back_dated = is_back_dated
        self._chart = {str(code): entry for code, entry in catalogue.chart.items()}

    def new_document(self, posting: Posting, kind: Kind, body: Mapping[str, Any]) -> Posting:
        """Fill *posting* with a new document of *kind* made from the request *body*."""
        values = self.read(kind.fields, body)
        if any(line.account == "@expense" for line in kind.lines):
            values["expense"] = self._catalogue.budget_lines.get(values["budget_line"])
            if values["expense"] is None:
                raise invalid(f"budget_line: there is no {values['budget_line']}")
        return self._fill(posting, kind, values)

    def step(
        self, posting: Posting, step: Step, reference: int, values: Mapping[str, Any]
    ) -> Posting:
        """Fill *posting* with *step* on *reference*; *values* of its body and of its request."""
        posting.reference = posting.workflow_of = reference
        posting.reference_kind = step.of.name
        posting.from_status = step.from_status
        posting.to_status = step.to_status
        posting.is_other_person = step.is_other_person
        if step.makes is None:
            return posting
        posting.taken = money_text(values[step.takes])
        self._fill(posting, step.makes, values)
        if step.makes.budget:
            _keep_year(posting, values.get("fiscal_year", posting.fiscal_year))
        return posting

    def reversal(
        self, posting: Posting, reference: int, original: Mapping[str, Any], body: object
    ) -> Posting:
        """Fill *posting* with the document that takes *original* back: its lines with the sides
        exchanged, its effects on the budget with the signs exchanged.

        A document that waits for steps itself is taken back whole. What else a step made gives its
        amount back to the document that the step was taken on, which returns to the state before.
        *original* is a row of the query `document_to_reverse`.
        """
        kind, amount = self._catalogue.kinds.get(original["kind"]), original["amount"]
        if kind is None or kind.is_final:
            raise Problem("wrong-state", f"a document of kind {original['kind']} is not reversed")
        if original["prepared_by"] == posting.account:  # of a payment, too
            raise Problem("forbidden-role", "the preparer of a document may not take this step")
        reversing = self._catalogue.kinds["reversal"]
        self._fill(posting, reversing, self.read(reversing.fields, body))
        if kind.budget:
            _keep_year(posting, original["fiscal_year"])
        posting.reference, posting.reference_kind = reference, kind.name
        posting.is_other_person = True
        for name in ("gross", "amount", "withholding_tax", "party", "budget_line"):
            setattr(posting, name, original[name])
        if original["accounts"]:
            posting.accounts = list(original["accounts"])
            posting.debits, posting.credits = list(original["credits"]), list(original["debits"])
        if original["to_line"] is not None:
            posting.budget_line, posting.to_line = original["to_line"], original["budget_line"]
            posting.transferred = f"-{amount}"
        else:
            for effect in kind.budget:
                setattr(posting, effect.column, f"{'-' if effect.sign > 0 else ''}{amount}")
        made_by = next((step for step in self._catalogue.steps if step.makes is kind), None)
        if kind.is_open:
            posting.workflow_of, posting.to_status = reference, "reversed"
            posting.taken = amount
        elif made_by is not None:
            posting.workflow_of, posting.to_status = original["reference"], made_by.from_status
            posting.taken = f"-{amount}"
        return posting

    def reopen(self, posting: Posting, period: int, body: Mapping[str, Any]) -> Posting:
        """Fill *posting* with the reopening of *period*, dated within it."""
        kind = self._catalogue.kinds["period_reopening"]
        self._fill(posting, kind, self.read(kind.fields, body))
        if posting.period != period:
            raise invalid("date: must lie in the period that is opened again")
        posting.reopen_period = period
        return posting

    def close_year(
        self, posting: Posting, year: int, balances: Iterable[tuple[int, Decimal]]
    ) -> Posting:
        """Fill *posting* with the close of fiscal *year* (BE) on 30 September.

        *balances* are (account, balance in baht, debit positive) at that day; the document empties
        the accounts of revenue and expense into the accumulated fund and closes the last period.
        """
        day = date(year - 543, 9, 30)
        self._fill(posting, self._catalogue.kinds["year_close"], {"date": day})
        moved = [
            (account, -int(balance * 100))
            for account, balance in balances
            if self._catalogue.chart[account].account_class in INCOME_CLASSES
        ]
        if surplus := -sum(satang for _, satang in moved):
            moved.append((self._catalogue.accumulated_fund, surplus))
        posting.close_period = posting.period
        if moved:
            posting.gross = money_text(sum(max(satang, 0) for _, satang in moved))
            posting.accounts = [account for account, _ in moved]
            posting.debits = [money_text(max(satang, 0)) for _, satang in moved]
            posting.credits = [money_text(max(-satang, 0)) for _, satang in moved]
        return posting

    def read(self, fields: Mapping[str, str], body: object) -> dict[str, Any]:
        """Read a request body of exactly these *fields*; the body of none is empty."""
        if not isinstance(body, dict) or body.keys() != fields.keys():
            raise invalid(f"the body has exactly the fields {', '.join(fields) or '(none)'}")
        values: dict[str, Any] = {}
        for name, field_type in fields.items():
            reader = FIELD_READERS.get(field_type)
            if reader is not None:
                values[name] = reader(body[name], name)
            elif field_type == "channel":
                channel = body[name] if isinstance(body[name], str) else ""
                if channel not in self._catalogue.channels:
                    raise invalid(f"{name}: one of {', '.join(self._catalogue.channels)}")
                values[name] = self._catalogue.channels[channel]
            else:
                values[name] = self._read_lines(field_type, body[name])
        return values

    def _read_lines(self, field_type: str, lines: object) -> list[Line]:
        if not isinstance(lines, list) or not 0 < len(lines) <= LINES_MAX:
            raise invalid(f"lines: a list of 1 to {LINES_MAX} lines")
        is_receipt, chart = field_type == "revenue_lines", self._catalogue.chart
        given = [
            self._read_line(line, f"lines.{place}", is_receipt=is_receipt)
            for place, line in enumerate(lines, start=1)
        ]
        moved = sum(debit - credit for account, debit, credit in given if chart[account].is_cash)
        if moved and not self._is_back_dated:
            raise invalid("lines: a voucher brings no money in or out; another paper does")
        return given

    def _read_line(self, line: object, name: str, *, is_receipt: bool) -> Line:
        sides = {"amount"} if is_receipt else {"debit", "credit"}
        if not isinstance(line, dict) or len(line) != 2 or not line.keys() - sides == {"account"}:
            raise invalid(f"{name}: each has account and {' or '.join(sorted(sides))}")
        account = self._chart.get(line["account"]) if isinstance(line["account"], str) else None
        if account is None or (is_receipt and account.account_class != REVENUE_CLASS):
            wanted = "a revenue account" if is_receipt else "in the chart of accounts"
            raise invalid(f"{name}.account: {line['account']!r} is not {wanted}")
        if account.is_control and not self._is_back_dated:
            raise invalid(f"{name}.account: only its own documents move {account.account}")
        (side,) = line.keys() & sides
        satang = _positive(line[side], f"{name}.{side}")
        return account.account, satang if side == "debit" else 0, 0 if side == "debit" else satang

    def _fill(self, posting: Posting, kind: Kind, values: Mapping[str, Any]) -> Posting:
        day: date = values["date"]
        posting.kind = kind.name
        posting.date = day.isoformat()
        posting.period = day.year * 100 + day.month
        posting.fiscal_year = fiscal_year_of(day)
        posting.status = kind.status
        posting.is_open = kind.is_open
        amount, withheld = values.get("amount", 0), values.get("withholding_tax", 0)
        if withheld > amount:
            raise invalid("withholding_tax: more than the amount")
        posting.amount = money_text(amount)
        posting.withholding_tax = money_text(withheld)
        posting.party = values.get(kind.party, values.get("party"))
        posting.note = values.get(kind.note)
        self._fill_lines(posting, kind, {**values, "net": amount - withheld})
        _fill_budget(posting, kind, values)
        return posting

    def _fill_lines(self, posting: Posting, kind: Kind, values: Mapping[str, Any]) -> None:
        if not kind.lines:
            return
        given: list[Line] = values.get("lines", [])
        total = sum(credit for _, _, credit in given)
        lines: list[Line] = []
        for template in kind.lines:
            if template.account == "each":
                lines += given
                continue
            satang = total if template.amount == "total" else values[template.amount]
            name = template.account
            account = values[name[1:]] if name[0] == "@" else int(name)
            if satang:
                is_debit = template.side == "debit"
                lines.append((account, satang if is_debit else 0, 0 if is_debit else satang))
        debit, credit = sum(line[1] for line in lines), sum(line[2] for line in lines)
        if debit != credit:
            raise invalid(f"debit {money_text(debit)} is not credit {money_text(credit)}")
        posting.gross = money_text(debit)
        posting.accounts = [line[0] for line in lines]
        posting.debits = [money_text(line[1]) for line in lines]
        posting.credits = [money_text(line[2]) for line in lines]


def request_values(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the document of a step takes over from its *request*, money as satang."""
    money = {name: satang_of(request[name], name) for name in ("amount", "withholding_tax")}
    return {**request, **money}


def _keep_year(posting: Posting, year: int) -> None:
    """Refuse to move in one year what the budget of another holds."""
    if posting.fiscal_year != year:
        raise invalid(f"date: must lie in fiscal year {year}, as its budget does")


def _fill_budget(posting: Posting, kind: Kind, values: Mapping[str, Any]) -> None:
    if not kind.budget:
        return
    if "to_line" in values:
        if values["from_line"] == values["to_line"]:
            raise invalid("to_line: must be another line than from_line")
        posting.to_line = values["to_line"]
    posting.budget_line = values.get("budget_line") or values["from_line"]
    for effect in kind.budget:
        setattr(posting, effect.column, money_text(effect.sign * values[effect.amount]))
