"""Ledgers that import badly must fail: a document lost on the way, a file left half posted."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reading import read_contract
from contracts.terms import Quantity
from harness.cli import main
from harness.run_folder import RunFolder
from tests.acceptance.conftest import Start
from tests.acceptance.test_bad_ledgers import Judged

# Defect -> duration of its run in s, and every clause of money that it breaks.
BREAKS = {
    # What was reserved for a lost document stays reserved, so that the budget does not add up.
    "M11:0.05": (
        "12",
        {
            (Quantity.ACKNOWLEDGED_LOSS, ""),
            (Quantity.INVARIANT, "I4"),
            (Quantity.INVARIANT, "I5"),
            (Quantity.INVARIANT, "I10"),
        },
    ),
    "M12:1": ("12", {(Quantity.INVARIANT, "I5"), (Quantity.INVARIANT, "I10")}),
}


@pytest.mark.timeout(240)  # a run, its judgement, and another test file beside them
@pytest.mark.parametrize("defect", BREAKS)
def test_a_ledger_that_imports_badly_breaks_the_right_clauses_alone(
    start: Start, small_contract: Path, defect: str
) -> None:
    duration_s, broken = BREAKS[defect]
    command = start(
        "run", "--scenario", "backlog_import", "--faults", "none", "--workers", "1",
        "--seed", "3", "--scale", "0.01", "--duration", duration_s, "--defect", defect,
        "--contract", str(small_contract),
    )  # fmt: skip

    assert command.finish() == 0, command.errors.read_text()
    status = main(["judge", str(command.folder)])

    run = Judged(status, RunFolder(command.folder), read_contract(small_contract))
    assert run.in_breach == broken
    assert run.status == 1
