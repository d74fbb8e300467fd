"""The model of the ledger: what each combination of answers allows the books to hold.

The table is the rule: answers of the attempts of one key, documents with that key in the books, and
what must then be found wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.records import Outcome
from contracts.terms import Verdict
from harness.books import Books, DocumentIndex, Documents, fiscal_years_be, is_among
from harness.columns import Vocabulary
from harness.ledger_lines import fold_lines
from harness.verdict import evaluate
from tests.fakes.judge_contract import money_contract
from tests.fakes.run_damage import rebalance
from tests.fakes.run_folders import good_run, write_books
from tests.fakes.small_ledger import KINDS, Row, SmallLedger

OK, REFUSED, INDEFINITE, OPEN = Outcome.OK, Outcome.REFUSED, Outcome.INDEFINITE, Outcome.OPEN
# (outcome, status) of each attempt; documents stored; clauses breached.
TABLE = [
    ([(OK, 201)], 1, set()),
    ([(OK, 201)], 0, {"I10", "loss"}),
    ([(OK, 201)], 2, {"I10"}),
    ([(OPEN, 0)], 1, set()),
    ([(OPEN, 0)], 0, set()),
    ([(INDEFINITE, 500)], 1, set()),
    ([(INDEFINITE, 0)], 0, set()),
    ([(INDEFINITE, 504)], 2, {"I10"}),
    ([(REFUSED, 422)], 0, set()),
    ([(REFUSED, 422)], 1, {"I10"}),
    ([(REFUSED, 503)], 0, set()),
    ([(REFUSED, 503)], 1, {"shed"}),
    ([(REFUSED, 429)], 1, {"shed"}),
    ([(REFUSED, 503), (OK, 201)], 1, set()),
    ([(REFUSED, 503), (OK, 201)], 0, {"I10", "loss"}),
    ([(REFUSED, 503), (INDEFINITE, 0)], 1, set()),
    ([(INDEFINITE, 0), (OK, 201)], 1, set()),
    ([(INDEFINITE, 0), (OK, 201)], 0, {"I10", "loss"}),
    ([(INDEFINITE, 0), (REFUSED, 422)], 1, set()),
    ([(INDEFINITE, 0), (OPEN, 0)], 0, set()),
    ([(OK, 201), (INDEFINITE, 0)], 1, set()),
    ([(OK, 201), (REFUSED, 503)], 1, set()),
]


@pytest.mark.parametrize(("answers", "stored", "expected"), TABLE)
def test_answers_and_books_agree_or_not(
    answers: list[tuple[Outcome, int]], stored: int, expected: set[str], tmp_path: Path
) -> None:
    run = good_run(1, operations=40, about_money_only=True)
    unit, key = 1_000_001, 0xABC << 64 | 0xDEF
    number = 1 + sum(
        (d["unit"], d["kind"]) == (unit, "journal_voucher") for d in run.after["documents"]
    )
    pattern = next(row for row in run.operations if row["kind"] == KINDS.index("journal_voucher"))
    for attempt, (outcome, status) in enumerate(answers):
        run.operations.append(
            pattern | {"key": key, "unit": unit, "attempt": attempt, "outcome": outcome,
                       "status": status, "gross_satang": 500, "document": 0, "replay": 0,
                       "number": number if outcome == OK else -1}
        )  # fmt: skip
    for place in range(stored):
        document: Row = {
            "unit": unit, "document": 700_000 + place, "kind": "journal_voucher",
            "number": number + place, "fiscal_year": 2569, "period": 202512, "date": "2025-12-01",
            "key": key, "budget_line": "", "status": "posted", "gross": 500, "line_count": 2,
            "lines": [("5110101", 500, 0), ("2120101", 0, 500)],
        }  # fmt: skip
        run.after["documents"].append(document)
        rebalance(run, document, 1)

    verdict = evaluate(run.write(tmp_path / "run"), money_contract())

    found = {one.clause.id for one in verdict.clauses if one.verdict == Verdict.BREACHED}
    assert found == expected


def books(folder: Path, ledger: SmallLedger) -> Books:
    write_books(folder, ledger.tables())
    return Books(name="books/after", folder=folder, accounts=Vocabulary(), kinds=Vocabulary(),
                 budget_lines=Vocabulary())  # fmt: skip


def test_lines_are_added_up_by_document_and_by_account(tmp_path: Path) -> None:
    """Two receipts of 100.00 and 0.01 baht, and a voucher over four lines."""
    ledger = SmallLedger(units=[1_000_001])
    ledger.post(1_000_001, "receipt", "2025-12-01", [("1110101", 10_000), ("4110101", -10_000)])
    ledger.post(1_000_001, "receipt", "2025-11-30", [("1110101", 1), ("4110101", -1)])
    ledger.post(1_000_001, "journal_voucher", "2025-12-02",
                [("5110101", 70), ("5210101", 30), ("2120101", -60), ("1110101", -40)])  # fmt: skip

    read = books(tmp_path, ledger)
    fold = fold_lines(Documents(books=read))

    assert fold.debit_satang.tolist() == [10_000, 1, 100]
    assert fold.credit_satang.tolist() == [10_000, 1, 100]
    assert fold.line_count.tolist() == [2, 2, 4]
    totals = {
        (int(period), read.accounts.words[account]): (int(debit), int(credit))
        for period, account, debit, credit in zip(
            fold.totals.period, fold.totals.account, fold.totals.debit_satang,
            fold.totals.credit_satang, strict=True)
    }  # fmt: skip
    assert totals[202512, "1110101"] == (10_000, 40)
    assert totals[202511, "4110101"] == (0, 1)
    assert fold.orphan_count == 0


def test_totals_do_not_depend_on_how_many_lines_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = good_run(4, operations=60, about_money_only=True)
    write_books(tmp_path, run.after)

    def fold(batch_rows: int, partial_rows: int) -> list[list[int]]:
        monkeypatch.setattr("harness.columns.BATCH_ROWS", batch_rows)
        monkeypatch.setattr("harness.ledger_lines.PARTIAL_ROWS_MAX", partial_rows)
        read = Books(name="books/after", folder=tmp_path, accounts=Vocabulary(),
                     kinds=Vocabulary(), budget_lines=Vocabulary())  # fmt: skip
        lines = fold_lines(Documents(books=read))
        return [column.tolist() for column in (lines.debit_satang, lines.fingerprint,
                lines.totals.unit, lines.totals.account, lines.totals.debit_satang)]  # fmt: skip

    assert fold(7, 10) == fold(1_000_000, 1_000_000)


def test_a_fingerprint_does_not_depend_on_the_order_of_lines_but_on_their_content(
    tmp_path: Path,
) -> None:
    ledger = SmallLedger(units=[1])
    for lines in ([("a", 5), ("b", -5)], [("b", -5), ("a", 5)], [("a", 6), ("b", -6)],
                  [("a", -5), ("b", 5)], [("a", 5), ("c", -5)]):  # fmt: skip
        ledger.post(1, "receipt", "2025-12-01", lines)

    prints = fold_lines(Documents(books=books(tmp_path, ledger))).fingerprint

    assert prints[0] == prints[1]
    assert len(set(prints[1:].tolist())) == 4


@pytest.mark.parametrize("spread", [1, 10**9])
def test_documents_are_found_by_unit_and_id(spread: int) -> None:
    """Ids given out by one counter are found by a table, others by a hash; both say -1 for none."""
    units = np.repeat(np.arange(1, 6, dtype=np.int32), 20)
    ids = np.tile(np.arange(20, dtype=np.int64) * spread + 7, 5)
    index = DocumentIndex(units, ids)
    dense = DocumentIndex(units, np.arange(100, dtype=np.int64) * spread + 7)

    assert index.rows(units, ids).tolist() == list(range(100))
    assert index.rows(units, ids + 1).tolist() == [-1] * 100 if spread > 1 else True
    assert index.rows(units + np.int32(9), ids).tolist() == [-1] * 100
    assert dense.rows(units[::-1], np.arange(100)[::-1] * spread + 7).tolist() == list(
        range(99, -1, -1)
    )
    assert dense.rows(units, np.full(100, -(10**15))).tolist() == [-1] * 100


def test_fiscal_years_begin_in_october() -> None:
    periods = np.array([202509, 202510, 202512, 202601, 202609], dtype=np.int32)

    assert fiscal_years_be(periods).tolist() == [2568, 2569, 2569, 2569, 2569]


def test_membership_in_nothing_is_false() -> None:
    assert is_among(np.array([1, 2]), np.empty(0, np.int64)).tolist() == [False, False]
