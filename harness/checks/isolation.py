"""I9: nobody without a role there reads or writes the books of a unit.

Judged on probes: requests by one unit's person on another unit's books, which must be refused. A
probe that was let through breaks it; so does one that was refused and stands in the books. Without
a single answered probe nobody can tell.
"""

from __future__ import annotations

import numpy as np

from contracts.terms import Bilingual
from harness.checks.answer import Finding, Witness
from harness.checks.money import Examined, finding_of, first_rows, key_witnesses
from harness.checks.must_refuse import (
    let_through,
    probes_of_closed_periods,
    probes_of_own_unit,
)
from harness.checks.recorded import Recorded

ABOUT = "I9"


def examine_isolation(recorded: Recorded) -> Examined:
    """Examine I9 over all probes of other units' books."""
    ledger, samples = recorded.ledger, recorded.probe_samples
    history, keys = ledger.history, ledger.keys
    of_others = probes_of_closed_periods(ledger) | probes_of_own_unit(recorded)
    written = np.flatnonzero(let_through(ledger) & ~of_others)
    sessions = history.column("session")[keys.head]
    # A probe that wrote has its own record in the history; the samples tell of those that read.
    read = samples.is_let_through & ~np.isin(samples.session, sessions[keys.is_probe])
    units = samples.unit[read]
    tried = np.count_nonzero(samples.is_answered & ~np.isin(samples.session, sessions[of_others]))
    findings: tuple[Finding, ...] = (
        *finding_of(
            ABOUT, "wrote_into_other_unit",
            Bilingual(en="writes into another unit's books that were let through",
                      th="บันทึกเข้าบัญชีของหน่วยงานอื่นได้"),
            written.size, key_witnesses(ledger, written, expected="refused", found="accepted"),
        ),
        *finding_of(
            ABOUT, "read_other_unit",
            Bilingual(en="requests for another unit's books that were answered",
                      th="อ่านบัญชีของหน่วยงานอื่นได้"),
            units.size,
            (
                Witness(unit=int(units[place]), expected="refused", found="answered")
                for place in first_rows(units, units)
            ),
        ),
    )  # fmt: skip
    return Examined(
        findings,
        int(tried),
        Bilingual(en="probes of other units' books", th="การทดลองเข้าบัญชีของหน่วยงานอื่น"),
    )
