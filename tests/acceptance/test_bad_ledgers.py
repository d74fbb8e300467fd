"""Deliberately bad ledgers must fail the run, each by the clause that its fault breaks.

Doses are high and loads are small: how rarely a fault may strike and still be found is a matter of
the number of operations, and is tested on histories in the judge's own tests. A few run at once: a
load that is starved reaches nothing that a fault could break.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from contracts.reading import read_contract
from contracts.terms import Contract, Quantity
from harness.cli import main
from harness.run_folder import RunFolder
from tests.acceptance.conftest import Start

pytestmark = pytest.mark.timeout(400)  # eight runs, and another test file beside them
AT_ONCE = 2

# Defect -> every clause of money that it breaks, as (quantity, invariant), and none besides.
BREAKS = {
    "M01:1": {  # loses acknowledged postings, so registers and the once-only rule break with it
        (Quantity.ACKNOWLEDGED_LOSS, ""),
        (Quantity.INVARIANT, "I4"),
        (Quantity.INVARIANT, "I10"),
    },
    "M03:1": {(Quantity.INVARIANT, "I1")},  # an unbalanced document
    "M04:1": {(Quantity.INVARIANT, "I9")},  # another unit's books
    "M05:1": {(Quantity.INVARIANT, "I7")},  # postings into a closed period
    "M10:1": {(Quantity.INVARIANT, "I2")},  # a trial balance that drifts from the lines
    "M13:1": {(Quantity.INVARIANT, "I11")},  # consolidated reports without the dependants
    "M08:1": {(Quantity.INVARIANT, "I5")},  # spends more than the budget holds
    # Posts again when a key is repeated; the registers then hold more than was acknowledged.
    "M02:1": {(Quantity.INVARIANT, "I4"), (Quantity.INVARIANT, "I10")},
}
# Few writes are repeated (1.5 %) and few units close a month (1 %): these need a larger load, and
# a seed by which receipts are among the repeated, which is what registers show.
SIZES = dict.fromkeys(("M02:1", "M05:1"), ("0.2", "20"))
SEEDS = {"M02:1": "5"}
OF_MONEY = (Quantity.INVARIANT, Quantity.ACKNOWLEDGED_LOSS, Quantity.SHED_HONESTY)


@dataclass
class Judged:
    """One bad ledger's run after its judgement."""

    status: int
    folder: RunFolder
    contract: Contract

    @property
    def in_breach(self) -> set[tuple[Quantity, str]]:
        content = orjson.loads(self.folder.verdict.read_bytes())
        verdicts = {clause["id"]: clause["verdict"] for clause in content["clauses"]}
        return {
            (clause.quantity, clause.selector)
            for clause in self.contract.clauses
            if verdicts[clause.id] == "BREACHED" and clause.quantity in OF_MONEY
        }


@pytest.fixture(scope="module")
def runs(start: Start, small_contract: Path) -> dict[str, Judged]:
    words = ("run", "--faults", "none", "--workers", "1", "--contract", str(small_contract))
    judged = {}
    defects = list(BREAKS)
    for first in range(0, len(defects), AT_ONCE):
        commands = {}
        for defect in defects[first : first + AT_ONCE]:
            scale, duration_s = SIZES.get(defect, ("0.01", "12"))
            commands[defect] = start(
                *words, "--scale", scale, "--duration", duration_s, "--defect", defect,
                "--seed", SEEDS.get(defect, "3"),
            )  # fmt: skip
        for defect, command in commands.items():
            assert command.finish() == 0, command.errors.read_text()
            status = main(["judge", str(command.folder)])
            contract = read_contract(small_contract)
            judged[defect] = Judged(status, RunFolder(command.folder), contract)
    return judged


@pytest.mark.parametrize("defect", BREAKS)
def test_a_bad_ledger_breaks_the_right_clauses_alone(runs: dict[str, Judged], defect: str) -> None:
    run = runs[defect]
    assert run.folder.read_manifest().fingerprint["defects"].startswith(defect[:3])
    assert run.in_breach == BREAKS[defect]
    assert run.status == 1


@pytest.mark.parametrize("defect", BREAKS)
def test_a_breach_of_money_names_a_witness(runs: dict[str, Judged], defect: str) -> None:
    """A committee cannot act on "something is wrong": the unit stands in the findings."""
    content = orjson.loads(runs[defect].folder.findings.read_bytes())
    broken = {selector for _, selector in BREAKS[defect] if selector}
    named = {found["about"] for found in content["findings"] if found["witnesses"][0]["unit"] > 0}
    assert named >= broken
