"""The rules of the ledger without a database: templates, money, dates, who may do what."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_app.access import Access, UnitEntry
from reference_app.admission import Admission
from reference_app.kinds import CATALOGUE_FILE, read_catalogue
from reference_app.problems import BadCatalogue, BadSettings, Problem
from reference_app.routes.books import DOCUMENTS_PER_READ, portions_of
from reference_app.rules import (
    Posting,
    Rules,
    day_of,
    fiscal_year_of,
    money_text,
    period_of,
    satang_of,
)
from reference_app.sessions import Session
from reference_app.settings import read_settings

CATALOGUE = read_catalogue()
RULES = Rules(CATALOGUE)
AMOUNTS = st.integers(min_value=1, max_value=10**13)


def posting() -> Posting:
    return Posting(unit=1, key=uuid.UUID(int=1), payload_hash="", account=1)


def made(kind: str, **body: Any) -> Posting:
    return RULES.new_document(posting(), CATALOGUE.kinds[kind], {"date": "2025-12-01", **body})


def sides(item: Posting) -> list[tuple[int, Decimal]]:
    assert item.accounts
    assert item.debits
    assert item.credits
    return [
        (account, Decimal(debit) - Decimal(credit))
        for account, debit, credit in zip(item.accounts, item.debits, item.credits, strict=True)
    ]


@given(st.lists(AMOUNTS, min_size=1, max_size=20))
def test_every_receipt_balances_to_its_gross(satang: list[int]) -> None:
    lines = [{"account": "4110101", "amount": money_text(amount)} for amount in satang]
    item = made("receipt", channel="bank", payer="x", lines=lines)

    assert sum(amount for _, amount in sides(item)) == 0
    assert Decimal(item.gross) == Decimal(sum(satang)) / 100
    assert sides(item)[0] == (1110201, Decimal(item.gross))


@given(AMOUNTS, st.data())
def test_every_payment_balances_whatever_is_withheld(amount: int, data: st.DataObject) -> None:
    withheld = data.draw(st.integers(min_value=0, max_value=amount))
    step = next(s for s in CATALOGUE.steps if s.name == "pay")
    values = {"date": date(2025, 12, 1), "method": "cheque", "amount": amount, "expense": 5210101,
              "withholding_tax": withheld, "budget_line": "B03", "party": "x"}  # fmt: skip
    item = RULES.step(posting(), step, 7, values)

    assert sum(value for _, value in sides(item)) == 0
    assert Decimal(item.taken) == Decimal(item.gross) == Decimal(amount) / 100
    assert (item.committed, item.paid) == (money_text(-amount), money_text(amount))
    assert all(value != 0 for _, value in sides(item))


def test_a_request_reserves_budget_and_posts_nothing() -> None:
    item = made(
        "disbursement_request", budget_line="B01", payee="x", amount="9.00", withholding_tax="0.09"
    )

    assert item.accounts is None
    assert (item.gross, item.amount, item.committed, item.paid) == ("0", "9.00", "9.00", "0")
    assert item.is_open


def test_a_transfer_takes_from_one_line_and_gives_to_another() -> None:
    item = made("budget_transfer", from_line="B01", to_line="B02", amount="5.00")

    assert (item.budget_line, item.to_line, item.transferred) == ("B01", "B02", "-5.00")


def test_more_withheld_than_owed_is_refused() -> None:
    with pytest.raises(Problem, match="withholding_tax"):
        made(
            "disbursement_request",
            budget_line="B01",
            payee="x",
            amount="9.00",
            withholding_tax="9.01",
        )


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_money_survives_the_way_out_and_in(satang: int) -> None:
    assert satang_of(money_text(satang), "amount") == satang
    assert Decimal(money_text(-satang)) == -Decimal(satang) / 100


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "1.000", "-1.00", "+1.00", " 1.00", "1.00\n", "1,000.00", "๑.๐๐",
             ".50", "12345678901234.00", 1, None, ["1.00"]],
)  # fmt: skip
def test_what_is_not_money_is_refused(text: object) -> None:
    with pytest.raises(Problem, match="money"):
        satang_of(text, "amount")


@pytest.mark.parametrize(
    ("day", "year"), [("2025-09-30", 2568), ("2025-10-01", 2569), ("2026-09-30", 2569)]
)
def test_a_fiscal_year_begins_in_october(day: str, year: int) -> None:
    assert fiscal_year_of(date.fromisoformat(day)) == year


@pytest.mark.parametrize("text", ["2025-13", "2025-00", "202512", "2025-12-01", None, 202512])
def test_what_is_not_a_period_is_refused(text: object) -> None:
    with pytest.raises(Problem):
        period_of(text)


@pytest.mark.parametrize("text", ["2025-02-29", "20251201", "2025-12-01T00:00", "", None, 5])
def test_what_is_not_a_day_is_refused(text: object) -> None:
    with pytest.raises(Problem):
        day_of(text, "date")


def test_29_february_of_a_leap_year_is_a_day() -> None:
    assert day_of("2024-02-29", "date") == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("debit @channel total", "debit @channel", "receipt"),
        ("credit 1110201 net", "credit 9999999 net", "9999999"),
        ("bank = 1110201", "bank = 1", "bank"),
        ('budget = ["transferred - amount"]', 'budget = ["given - amount"]', "budget_transfer"),
        ('makes = "payment"', 'makes = "nothing"', "nothing"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    text = CATALOGUE_FILE.read_text("utf-8")
    path = tmp_path / "kinds.toml"
    path.write_text(text.replace(old, new), "utf-8")

    assert old in text
    with pytest.raises(BadCatalogue, match=place):
        read_catalogue(path)


UNITS = {1100001: UnitEntry(0, 11), 1100002: UnitEntry(1100001, 11), 1200001: UnitEntry(0, 12)}
ACCESS = Access(UNITS)


def session(unit: int, *roles: str) -> Session:
    return Session(account=1, unit=unit, roles=frozenset(roles), expires_at=0)


@pytest.mark.parametrize(
    ("who", "unit", "code"),
    [
        (session(1100001, "clerk"), 1100001, None),
        (session(1100001, "clerk"), 1100002, None),
        (session(1100002, "clerk"), 1100001, "forbidden-unit"),
        (session(1200001, "clerk"), 1100001, "forbidden-unit"),
        (session(0, "clerk"), 1100001, "forbidden-unit"),
        (session(0, "auditor"), 1100001, None),
        (session(0, "auditor"), 9999999, "not-found"),
        (session(1100000, "provincial_viewer"), 1100001, "forbidden-unit"),
        (session(1100000, "provincial_viewer"), 1100000, "not-found"),
    ],
)
def test_who_reads_which_unit(who: Session, unit: int, code: str | None) -> None:
    if code is None:
        ACCESS.read(who, unit)
        return
    with pytest.raises(Problem) as refused:
        ACCESS.read(who, unit)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("who", "unit", "code"),
    [
        (session(1100001, "clerk"), 1100001, None),
        (session(1100001, "director"), 1100001, "forbidden-role"),
        (session(0, "auditor", "clerk"), 1100001, "forbidden-unit"),
        (session(1200001, "clerk"), 1100001, "forbidden-unit"),
    ],
)
def test_who_writes_in_which_unit(who: Session, unit: int, code: str | None) -> None:
    if code is None:
        ACCESS.write(who, unit, "clerk")
        return
    with pytest.raises(Problem) as refused:
        ACCESS.write(who, unit, "clerk")
    assert refused.value.code == code


def test_admission_gives_every_place_back() -> None:
    admission = Admission(in_flight_max=3, per_unit_max=2)
    admission.enter("7")
    admission.enter("7")
    with pytest.raises(Problem) as of_the_unit:
        admission.enter("7")
    admission.enter(None)
    with pytest.raises(Problem) as of_all:
        admission.enter("8")
    for unit in ("7", "7", None):
        admission.leave(unit)
    admission.enter("7")

    assert (of_the_unit.value.kind.status, of_all.value.kind.status) == (429, 503)
    assert admission.in_flight == 1


def test_a_queue_that_stands_is_cut_short_and_one_that_clears_is_waited_for() -> None:
    now = 0.0
    admission = Admission(
        in_flight_max=9, per_unit_max=9, standing_max=4, standing_s=5.0, clock=lambda: now
    )

    def entered() -> int:
        """How many more get in."""
        count = 0
        with suppress(Problem):
            while True:
                admission.enter(None)
                count += 1
        return count

    def leave(count: int) -> None:
        for _ in range(count):
            admission.leave(None)

    stall = entered()  # the database restarts: whoever comes meanwhile waits for it
    now = 4.9
    still = entered()
    leave(7)  # and is answered, down to half of the narrow limit
    now = 9.8
    after = entered()
    leave(6)  # now it never clears, however many are answered
    now = 14.8
    overload = entered()
    leave(1)
    narrow = entered()
    leave(4)
    recovered = entered()

    assert (stall, still, after) == (9, 0, 7)
    assert (overload, narrow, recovered) == (1, 1, 9)


@pytest.mark.parametrize(
    ("documents", "portions"),
    [
        ([], []),
        ([0, 0, 1], [[1, 2, 3]]),
        ([DOCUMENTS_PER_READ + 1], [[1]]),
        ([5, DOCUMENTS_PER_READ, 5], [[1], [2], [3]]),
        ([DOCUMENTS_PER_READ // 2] * 5, [[1, 2], [3, 4], [5]]),
    ],
)
def test_a_province_is_read_in_portions_of_a_bounded_size(
    documents: list[int], portions: list[list[int]]
) -> None:
    assert list(portions_of(enumerate(documents, 1))) == portions


ENVIRONMENT = {
    "LEDGER_DATABASE_URL": "postgresql://x",
    "LEDGER_SESSION_KEY": "ab" * 32,
    "LEDGER_PID_KEY": "cd" * 32,
    "PATH": "/bin",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LEDGER_SESSION_KEY": ""}, "LEDGER_SESSION_KEY is not set"),
        ({"LEDGER_SESSION_KEY": "abcd"}, "32 bytes"),
        ({"LEDGER_PID_KEY": "xy"}, "LEDGER_PID_KEY is .not shown.; give hexadecimal"),
        ({"LEDGER_PORT": "eighty"}, "LEDGER_PORT is 'eighty'; give a whole number"),
        ({"LEDGER_DEADLINE_S": "-1"}, "from 0 up"),
        ({"LEDGER_DEADLINE_S": "nan"}, "from 0 up"),
        ({"LEDGER_SURPRISE": "1"}, "unknown LEDGER_SURPRISE"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(changes: dict[str, str], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        read_settings(ENVIRONMENT | changes)


def test_settings_come_from_the_environment() -> None:
    settings = read_settings({**ENVIRONMENT, "LEDGER_PORT": "9", "LEDGER_DEADLINE_S": "2.5"})

    assert (settings.port, settings.deadline_s, settings.pid_key) == (9, 2.5, b"\xcd" * 32)
