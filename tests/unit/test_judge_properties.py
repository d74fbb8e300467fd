"""Properties of the judge: honest histories are MET, and no single lie in the books hides."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.terms import Verdict
from harness.verdict import RunVerdict, evaluate
from tests.fakes.judge_contract import money_contract
from tests.fakes.run_folders import FakeRun, good_run
from tests.fakes.small_ledger import Row

# Each example writes and judges a run on disk: few examples, no deadline on a shared machine.
SETTINGS = settings(
    max_examples=8, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


def judged(run: FakeRun) -> RunVerdict:
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(run.write(Path(folder) / "run"), money_contract())


def of_tables(table: str, column: str, by: int) -> Callable[[FakeRun, random.Random], None]:
    """Return a lie: one number of one row of a table is another."""

    def lie(run: FakeRun, chance: random.Random) -> None:
        row = chance.choice(run.after[table])
        row[column] += by

    return lie


def _document(run: FakeRun, chance: random.Random) -> Row:
    return chance.choice(run.after["documents"])


def change_a_line(run: FakeRun, chance: random.Random) -> None:
    lines = chance.choice([d["lines"] for d in run.after["documents"] if d["lines"]])
    place = chance.randrange(len(lines))
    account, debit, credit = lines[place]
    lines[place] = (account, debit + 1, credit)


def rename_an_account(run: FakeRun, chance: random.Random) -> None:
    lines = chance.choice([d["lines"] for d in run.after["documents"] if d["lines"]])
    _, debit, credit = lines[0]
    lines[0] = ("5999999", debit, credit)


def drop_a_line(run: FakeRun, chance: random.Random) -> None:
    chance.choice([d["lines"] for d in run.after["documents"] if d["lines"]]).pop()


def drop_a_document(run: FakeRun, chance: random.Random) -> None:
    run.after["documents"].remove(_document(run, chance))


def double_a_document(run: FakeRun, chance: random.Random) -> None:
    run.after["documents"].append(_document(run, chance) | {"document": 10**9})


def move_to_another_unit(run: FakeRun, chance: random.Random) -> None:
    document = _document(run, chance)
    document["unit"] += 1 if document["unit"] < 1_000_008 else -1


def forget_a_row(run: FakeRun, chance: random.Random) -> None:
    table = chance.choice(["trial_balance", "cash_position", "budget"])
    rows = run.after[table]
    # A balance of zero that is not shown says nothing false.
    full = [row for row in rows
            if any(row[column] for column in row if column.endswith("_satang"))]  # fmt: skip
    rows.remove(chance.choice(full))


def another(
    column: str, value: Callable[[Row], object]
) -> Callable[[FakeRun, random.Random], None]:
    """Return a lie: one attribute of one document is another."""

    def lie(run: FakeRun, chance: random.Random) -> None:
        document = _document(run, chance)
        document[column] = value(document)

    return lie


LIES: dict[str, Callable[[FakeRun, random.Random], None]] = {
    "a line's amount": change_a_line,
    "a line's account": rename_an_account,
    "a line is gone": drop_a_line,
    "a document is gone": drop_a_document,
    "a document is there twice": double_a_document,
    "a document is in another unit": move_to_another_unit,
    "a row is gone": forget_a_row,
    "a document's number": another("number", lambda d: d["number"] + 1),
    "a document's kind": another(
        "kind", lambda d: "receipt" if d["kind"] != "receipt" else "journal_voucher"
    ),
    "a document's year": another("fiscal_year", lambda d: d["fiscal_year"] + 1),
    "a document's period": another("period", lambda d: 202511),
    "a document's date": another("date", lambda d: "2024-02-29"),
    "a document's key": another("key", lambda d: d["key"] ^ 1),
    "a document's total": another("gross", lambda d: d["gross"] + 1),
    "a document's line count": another("line_count", lambda d: d["line_count"] + 1),
    **{f"trial balance {column}": of_tables("trial_balance", f"{column}_satang", 1)
       for column in ("opening", "debit", "credit", "closing")},
    "cash": of_tables("cash_position", "balance_satang", -1),
    **{f"budget {column}": of_tables("budget", f"{column}_satang", 1)
       for column in ("appropriated", "transferred", "committed", "paid", "remaining")},
}  # fmt: skip


@SETTINGS
@given(
    seed=st.integers(0, 2**32),
    units=st.integers(4, 8),
    operations=st.integers(30, 120),
    indefinite_share=st.sampled_from([0.0, 0.1, 0.4]),
    shed_share=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_an_honest_history_is_always_met(
    seed: int, units: int, operations: int, indefinite_share: float, shed_share: float
) -> None:
    run = good_run(seed, units=units, operations=operations, indefinite_share=indefinite_share,
                   shed_share=shed_share, about_money_only=True)  # fmt: skip

    verdict = judged(run)

    assert [one.reason.en for one in verdict.clauses if one.verdict == Verdict.BREACHED] == []
    assert verdict.verdict == Verdict.MET


@settings(SETTINGS, max_examples=30)
@given(name=st.sampled_from(sorted(LIES)), seed=st.integers(0, 2**32))
def test_one_lie_anywhere_in_the_books_breaks_an_invariant(name: str, seed: int) -> None:
    run = good_run(2, operations=60, about_money_only=True)
    LIES[name](run, random.Random(seed))

    assert judged(run).verdict == Verdict.BREACHED


@SETTINGS
@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_the_order_of_operation_records_does_not_matter_between_keys(
    seed: int, order: random.Random
) -> None:
    """Load processes write side by side; only records of one key have an order among themselves."""
    run = good_run(seed, units=5, operations=40, about_money_only=True)
    of_keys: dict[int, list[Row]] = {}
    for row in run.operations:
        of_keys.setdefault(row["key"], []).append(row)
    queues = list(of_keys.values())
    mixed = []
    while queues:
        queue = order.choice(queues)
        mixed.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    run.operations = mixed

    assert judged(run).verdict == Verdict.MET
