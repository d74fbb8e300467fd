"""Folds of the money history: how many operations of each kind were sent, and for how many baht.

An operation is one key, however often it was sent. It is acknowledged when any attempt was, else
indefinite when any may have happened, else refused. Attempts that a right ledger must refuse are
tests of the ledger and no operations. Whether the books agree is the judge's business, not ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from contracts.records import Outcome
from harness.columns import EvidenceMissing, open_columns
from harness.failures import BadSetup
from harness.history import History, read_history

COLUMNS: Final = (
    "kind", "key_count", "acknowledged_count", "indefinite_count", "refused_count",
    "acknowledged_satang",
)  # fmt: skip


def read_money(folder: Path) -> pd.DataFrame | None:
    """Read and fold the operations of a run, one row per kind; None when none was recorded.

    Raises `BadSetup` for a broken file.
    """
    paths = sorted(folder.glob("*.parquet"))
    try:
        if not paths or not open_columns("operations", paths, ()).row_count:
            return None
        return fold_money(read_history(folder))
    except EvidenceMissing as error:
        raise BadSetup(
            what=error.text.en, where=str(folder), mend="take an unbroken copy of the run folder"
        ) from error


def fold_money(history: History) -> pd.DataFrame:
    """Return one row per kind of operation with the columns `COLUMNS`, most frequent first."""
    firsts = history.starts[:-1]
    key = np.repeat(np.arange(history.key_count), np.diff(history.starts))
    counted = ~history.is_refusal_expected
    is_ok = counted & (history.outcome == Outcome.OK)
    is_open = counted & np.isin(history.outcome, (Outcome.INDEFINITE, Outcome.OPEN))
    operations = pd.DataFrame({
        "kind": np.array(history.kinds.words, dtype=object)[history.kind[firsts]],
        "acknowledged": np.bincount(key[is_ok], minlength=history.key_count) > 0,
        "indefinite": np.bincount(key[is_open], minlength=history.key_count) > 0,
        # All attempts of a key carry the same money but an altered one, which must be refused.
        "gross_satang": history.column("gross_satang")[firsts],
    })  # fmt: skip
    operations = operations[~history.is_refusal_expected[firsts]]
    operations["indefinite"] &= ~operations["acknowledged"]
    operations["refused"] = ~(operations["acknowledged"] | operations["indefinite"])
    operations["gross_satang"] *= operations["acknowledged"].astype("int64")
    table = (
        operations.groupby("kind", sort=False)
        .agg(
            key_count=("acknowledged", "size"),
            acknowledged_count=("acknowledged", "sum"),
            indefinite_count=("indefinite", "sum"),
            refused_count=("refused", "sum"),
            acknowledged_satang=("gross_satang", "sum"),
        )
        .reset_index()
    )
    ordered = table.sort_values(["key_count", "kind"], ascending=[False, True], ignore_index=True)
    return ordered[list(COLUMNS)]
