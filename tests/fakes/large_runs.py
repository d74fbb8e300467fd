"""A run of any size on an honest ledger, made by columns: for measuring the judge.

Receipts, journal vouchers and commitments of all 22,402 units, one key each, every record written
twice (before sending and when answered) as a load process does. Books before the run are the
opening documents. Keys are hashed counters, so that they arrive in no order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.records import OPERATION_DTYPE, SAMPLE_DTYPE, Outcome
from harness.run_folder import RunFolder
from tests.fakes.run_folders import OPERATIONS, manifest_of
from tests.fakes.small_ledger import CASH, CHART, KINDS, LINES, MS, T0, S

Column = npt.NDArray[Any]
UNITS = 22_402
RECEIPT, VOUCHER, COMMITMENT = (
    KINDS.index(kind) for kind in ("receipt", "journal_voucher", "commitment")
)
OPENING_SATANG = 1_000_000_00
APPROPRIATED_SATANG = 10**14
ROWS_PER_FILE_GROUP = 1 << 18


def write_large_run(path: Path, *, operations: int, samples: int) -> RunFolder:
    """Write a run of *operations* money operations and *samples* requests."""
    folder = RunFolder(path)
    folder.create()
    folder.write_manifest(
        manifest_of(UNITS, max(1, samples // 4), {}).evolve(
            planned_per_s=tuple([max(1, samples // 120)] * 120), faults_requested=()
        )
    )
    _write_samples(folder, samples)
    work = _Work(operations)
    _write_operations(folder, work)
    _write_books(folder.books_before, None)
    _write_books(folder.books_after, work)
    return folder


class _Work:
    """What was done, by columns, in the order in which it was done."""

    def __init__(self, count: int) -> None:
        number = np.arange(count, dtype=np.int64)
        self.count = count
        self.unit = (1_000_001 + number % UNITS).astype(np.int32)
        self.round = number // UNITS  # n-th operation of its unit
        self.kind = np.array([RECEIPT, VOUCHER, COMMITMENT], np.int16)[self.round % 3]
        self.number = (self.round // 3 + 1).astype(np.int32)
        self.amount = 100 + number % 99_991
        self.key_high = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        self.key_low = self.key_high ^ np.uint64(0xC2B2AE3D27D4EB4F)
        self.document = 10_000_000 + number
        self.has_lines = self.kind != COMMITMENT


def _write_samples(folder: RunFolder, count: int) -> None:
    names = [name for name in SAMPLE_DTYPE.names or () if name != "padding"]
    number = np.arange(count, dtype=np.int64)
    planned = T0 + number * (120 * S) // max(1, count)
    columns: dict[str, Column | int] = {
        "planned_ns": planned, "sent_ns": planned + MS // 10,
        "first_byte_ns": planned + 5 * MS,
        "done_ns": planned + 5 * MS + (number * 7919) % (40 * MS),
        "session": number // 4, "unit": 1_000_001 + (number // 4) % UNITS, "bytes_in": 500,
        "operation": number % 4, "status": 200, "step": number % 4, "attempt": 0,
        "outcome": int(Outcome.OK), "failure": 0,
    }  # fmt: skip
    header = {"format_version": 1, "operations": [{"name": n, "kind": k} for n, k in OPERATIONS]}
    _write(folder.samples / "load-0.parquet", count, names, SAMPLE_DTYPE, columns, header)


def _write_operations(folder: RunFolder, work: _Work) -> None:
    number = np.arange(work.count, dtype=np.int64)
    invoked = T0 + number * (100 * S) // max(1, work.count)
    is_receipt, is_commitment = work.kind == RECEIPT, work.kind == COMMITMENT
    answered: dict[str, Column | int] = {
        "key_high": work.key_high, "key_low": work.key_low, "invoked_ns": invoked,
        "completed_ns": invoked + 5 * MS, "gross_satang": np.where(is_commitment, 0, work.amount),
        "cash_delta_satang": np.where(is_receipt, work.amount, 0),
        "budget_delta_satang": np.where(is_commitment, work.amount, 0),
        "document": work.document, "number": work.number, "session": number % (1 << 30),
        "unit": work.unit, "period": 202512, "kind": work.kind, "status": 201,
        "budget_line": np.where(is_commitment, 0, -1), "cash_account": np.where(is_receipt, 0, -1),
        "attempt": 0, "outcome": int(Outcome.OK), "expected_refusal": 0, "replay": 0,
    }  # fmt: skip
    opened = answered | {"completed_ns": 0, "document": 0, "number": -1, "status": 0,
                         "outcome": int(Outcome.OPEN)}  # fmt: skip
    # The answer to an operation is written some operations after its beginning.
    both: dict[str, Column | int] = {}
    for name, value in answered.items():
        whole = np.empty(2 * work.count, dtype=OPERATION_DTYPE[name])
        whole[0::2], whole[1::2] = opened[name], value
        both[name] = whole
    header = {"format_version": 1, "kinds": KINDS, "budget_lines": LINES, "cash_accounts": [CASH]}
    names = list(OPERATION_DTYPE.names or ())
    path = folder.operations / "load-0.parquet"
    _write(path, 2 * work.count, names, OPERATION_DTYPE, both, header)


def _write_books(folder: Path, work: _Work | None) -> None:
    unit = 1_000_001 + np.arange(UNITS, dtype=np.int64)
    documents: dict[str, Any] = {
        "unit": unit, "document": unit, "kind": pa.array(["opening"] * UNITS), "number": 1,
        "fiscal_year": 2569, "period": 202510, "date": pa.array(["2025-10-01"] * UNITS),
        "key_high": 0, "key_low": 0, "gross_satang": OPENING_SATANG,
        "budget_line": pa.nulls(UNITS, pa.string()), "status": pa.array(["posted"] * UNITS),
        "line_count": 2,
    }  # fmt: skip
    _write_table(folder / "documents-0.parquet", UNITS, documents)
    _write_lines(folder / "lines-0.parquet", unit, unit, CASH, "3110101",
                 np.full(UNITS, OPENING_SATANG))  # fmt: skip
    moved = {RECEIPT: np.zeros(UNITS, np.int64), VOUCHER: np.zeros(UNITS, np.int64),
             COMMITMENT: np.zeros(UNITS, np.int64)}  # fmt: skip
    if work is not None:
        _write_work(folder, work)
        for kind, sums in moved.items():
            chosen = work.kind == kind
            np.add.at(sums, work.unit[chosen] - 1_000_001, work.amount[chosen])
    _write_balances(folder, unit, moved)


def _write_work(folder: Path, work: _Work) -> None:
    words = pa.array(["receipt", "journal_voucher", "commitment"])
    kind = pa.DictionaryArray.from_arrays(pa.array((work.round % 3).astype(np.int8)), words)
    line = pa.DictionaryArray.from_arrays(
        pa.array((work.round % 3 == 2).astype(np.int8)), pa.array(["", "B01"])
    )
    same = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(work.count, np.int8)), pa.array(["2025-12-01"])
    )
    posted = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(work.count, np.int8)), pa.array(["posted"])
    )
    documents: dict[str, Any] = {
        "unit": work.unit, "document": work.document, "kind": kind, "number": work.number,
        "fiscal_year": 2569, "period": 202512, "date": same, "key_high": work.key_high,
        "key_low": work.key_low, "gross_satang": np.where(work.has_lines, work.amount, 0),
        "budget_line": line, "status": posted, "line_count": np.where(work.has_lines, 2, 0),
    }  # fmt: skip
    _write_table(folder / "documents-1.parquet", work.count, documents)
    for index, (number, debit, credit) in enumerate(
        ((RECEIPT, CASH, "4110101"), (VOUCHER, "5110101", "2120101"))
    ):
        chosen = work.kind == number
        _write_lines(folder / f"lines-{index + 1}.parquet", work.unit[chosen],
                     work.document[chosen], debit, credit, work.amount[chosen])  # fmt: skip


def _write_lines(
    path: Path, unit: Column, document: Column, debit: str, credit: str, amount: Column
) -> None:
    count = 2 * amount.size
    is_credit = np.arange(count) % 2 == 1
    doubled = np.repeat(amount, 2)
    account = pa.DictionaryArray.from_arrays(
        pa.array(is_credit.astype(np.int8)), pa.array([debit, credit])
    )
    columns: dict[str, Any] = {
        "unit": np.repeat(unit, 2), "document": np.repeat(document, 2), "account": account,
        "debit_satang": np.where(is_credit, 0, doubled),
        "credit_satang": np.where(is_credit, doubled, 0),
    }  # fmt: skip
    _write_table(path, count, columns)


def _write_balances(folder: Path, unit: Column, moved: dict[int, Column]) -> None:
    rows = []
    sides = [(202510, CASH, np.full(UNITS, OPENING_SATANG), 1),
             (202510, "3110101", np.full(UNITS, OPENING_SATANG), -1),
             (202512, CASH, moved[RECEIPT], 1), (202512, "4110101", moved[RECEIPT], -1),
             (202512, "5110101", moved[VOUCHER], 1),
             (202512, "2120101", moved[VOUCHER], -1)]  # fmt: skip
    for period, account, amount, sign in sides:
        opening = OPENING_SATANG if (period, account) == (202512, CASH) else 0
        rows.append((period, account, np.full(UNITS, opening), amount * (sign > 0),
                     amount * (sign < 0), opening + sign * amount))  # fmt: skip
    columns: dict[str, Any] = {
        "unit": np.tile(unit, len(rows)),
        "period": np.repeat([row[0] for row in rows], UNITS),
        "account": pa.array(np.repeat([row[1] for row in rows], UNITS)),
    }
    for place, name in enumerate(("opening", "debit", "credit", "closing"), 2):
        columns[f"{name}_satang"] = np.concatenate([row[place] for row in rows])
    _write_table(folder / "trial_balance.parquet", UNITS * len(rows), columns)
    _write_table(folder / "cash_position.parquet", UNITS, {
        "unit": unit, "account": pa.array([CASH] * UNITS),
        "balance_satang": OPENING_SATANG + moved[RECEIPT]})  # fmt: skip
    used = moved[COMMITMENT]
    _write_table(folder / "budget.parquet", UNITS, {
        "unit": unit, "budget_line": pa.array(["B01"] * UNITS),
        "appropriated_satang": APPROPRIATED_SATANG, "transferred_satang": 0,
        "committed_satang": used, "paid_satang": 0,
        "remaining_satang": APPROPRIATED_SATANG - used})  # fmt: skip
    _write_table(folder / "periods.parquet", UNITS, {
        "unit": unit, "period": 202510, "status": pa.array(["closed"] * UNITS)})  # fmt: skip
    _write_table(folder / "chart.parquet", len(CHART), {
        "account": pa.array([a for a, _, _ in CHART]), "class": 1,
        "is_cash": pa.array([flag for _, _, flag in CHART])})  # fmt: skip
    _write_table(folder / "export.parquet", UNITS, {
        "unit": unit, "is_complete": pa.array([True] * UNITS),
        "reason": pa.array([""] * UNITS)})  # fmt: skip


def _write_table(path: Path, count: int, columns: dict[str, Any]) -> None:
    arrays = {}
    for name, value in columns.items():
        if isinstance(value, pa.Array):
            arrays[name] = value
            continue
        dtype = np.uint64 if name.startswith("key_") else np.int64
        arrays[name] = pa.array(np.broadcast_to(np.asarray(value), (count,)).astype(dtype))
    pq.write_table(pa.table(arrays), path, row_group_size=ROWS_PER_FILE_GROUP)


def _write(
    path: Path, count: int, names: list[str], dtype: np.dtype[Any],
    columns: dict[str, Column | int], header: dict[str, Any],
) -> None:  # fmt: skip
    arrays = {}
    for name in names:
        whole = np.broadcast_to(np.asarray(columns[name]), (count,))
        arrays[name] = pa.array(whole.astype(dtype[name]))
    table = pa.table(arrays).replace_schema_metadata({b"header": orjson.dumps(header)})
    pq.write_table(table, path, row_group_size=ROWS_PER_FILE_GROUP, compression="zstd")
