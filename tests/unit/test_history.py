"""What is read from operation records: the last of each attempt, by key, from all processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts.records import Outcome
from harness import history as history_module
from harness.columns import EvidenceMissing, hash_pair
from harness.history import History, read_history
from tests.fakes.run_folders import write_operations
from tests.fakes.small_ledger import KINDS, Row


def record(key: int, *, attempt: int = 0, outcome: Outcome = Outcome.OK, **changes: int) -> Row:
    row = {
        "key": key, "invoked_ns": 10, "completed_ns": 20, "gross_satang": 100,
        "cash_delta_satang": 0, "budget_delta_satang": 0, "document": 0, "number": 1, "session": 1,
        "unit": 1_000_001, "period": 202512, "kind": 0, "status": 201, "budget_line": -1,
        "cash_account": -1, "attempt": attempt, "outcome": outcome, "expected_refusal": 0,
        "replay": 0,
    }  # fmt: skip
    return row | changes


def written(folder: Path, *files: list[Row]) -> History:
    for index, rows in enumerate(files):
        write_operations(folder / f"load-{index}.parquet", rows)
    return read_history(folder)


def attempts(history: History) -> dict[int, list[tuple[int, int, int]]]:
    """Return key -> (attempt, outcome, number) of its attempts, in order."""
    high, low = history.key_halves()
    found = {}
    for key in range(history.key_count):
        rows = slice(history.starts[key], history.starts[key + 1])
        found[(int(high[key]) << 64) | int(low[key])] = [
            (int(a), int(o), int(n))
            for a, o, n in zip(history.attempt[rows], history.outcome[rows], history.number[rows],
                               strict=True)
        ]  # fmt: skip
    return found


def test_the_later_record_of_an_attempt_replaces_the_earlier(tmp_path: Path) -> None:
    history = written(tmp_path, [
        record(7, outcome=Outcome.OPEN, number=-1),
        record(9, outcome=Outcome.OPEN, number=-1),
        record(7, number=4),
    ])  # fmt: skip

    assert attempts(history) == {7: [(0, Outcome.OK, 4)], 9: [(0, Outcome.OPEN, -1)]}


def test_attempts_of_one_key_stand_together_in_order(tmp_path: Path) -> None:
    history = written(tmp_path, [
        record(7, attempt=1, number=3), record(8), record(7, outcome=Outcome.INDEFINITE, number=-1),
        record(7, attempt=1, number=5),
    ])  # fmt: skip

    assert attempts(history)[7] == [(0, Outcome.INDEFINITE, -1), (1, Outcome.OK, 5)]


def test_keys_that_share_one_half_are_different(tmp_path: Path) -> None:
    keys = [1, 1 << 64, (1 << 64) | 1, (1 << 127) | 1, 1 << 63]
    history = written(tmp_path, [record(key, number=place) for place, key in enumerate(keys)])

    assert {key: rows[0][2] for key, rows in attempts(history).items()} == {
        key: place for place, key in enumerate(keys)
    }


def test_hashes_of_keys_rise(tmp_path: Path) -> None:
    history = written(tmp_path, [record(key) for key in range(1, 500)])
    hashes = hash_pair(*history.key_halves(), history.salt)

    assert bool(np.all(hashes[1:] > hashes[:-1]))


def test_headers_of_several_processes_are_merged_by_word(tmp_path: Path) -> None:
    write_operations(tmp_path / "load-0.parquet", [record(1, kind=0, budget_line=1)],
                     kinds=["receipt"], budget_lines=["B01", "B02"])  # fmt: skip
    write_operations(tmp_path / "load-1.parquet", [record(2, kind=0, budget_line=0)],
                     kinds=["payment", "receipt"], budget_lines=["B02"])  # fmt: skip

    history = read_history(tmp_path)
    lines = history.column("budget_line")
    words = {
        key: (history.kinds.words[history.kind[place]], history.budget_lines.words[lines[place]])
        for place, key in enumerate(attempts(history))
    }

    assert words == {1: ("receipt", "B02"), 2: ("payment", "B02")}


def test_none_stays_none_after_merging(tmp_path: Path) -> None:
    history = written(tmp_path, [record(1)], [record(2)])

    assert set(history.column("budget_line").tolist()) == {-1}


def test_a_colliding_hash_is_salted_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def weak(first: np.ndarray, second: np.ndarray, salt: int = 0) -> np.ndarray:  # type: ignore[type-arg]
        return second % np.uint64(3) if salt == 0 else hash_pair(first, second, salt)

    monkeypatch.setattr(history_module, "hash_pair", weak)

    history = written(tmp_path, [record(key, number=key) for key in range(1, 50)])

    assert history.salt == 1
    assert {key: rows[0][2] for key, rows in attempts(history).items()} == {
        key: key for key in range(1, 50)
    }


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no money operation"),
        ([record(0)], "empty key"),
        ([record(1, outcome=9)], "outcome"),  # type: ignore[arg-type]
        ([record(1, kind=len(KINDS))], "kind"),
        ([record(1, kind=-1)], "kind"),
        ([record(1, unit=-4)], "negative units"),
        ([record(1, attempt=-1)], "negative attempts"),
    ],
)
def test_impossible_records_are_missing_evidence(
    tmp_path: Path, rows: list[Row], said: str
) -> None:
    with pytest.raises(EvidenceMissing, match=said):
        written(tmp_path, rows)


def test_amounts_that_overflow_are_missing_evidence(tmp_path: Path) -> None:
    history = written(tmp_path, [record(key, gross_satang=2**62) for key in range(1, 9)])

    with pytest.raises(EvidenceMissing, match="too large"):
        history.column("gross_satang")
