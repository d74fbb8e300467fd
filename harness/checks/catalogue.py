"""Which check judges which quantity. A quantity without an entry is NOT_TESTED, never MET.

To add a check: one new file, one line here, one test with a good, a faulty and an empty run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from contracts.terms import Clause, Quantity
from harness.checks.answer import Answer
from harness.checks.carried import judge_carried_share, judge_participation
from harness.checks.errors import judge_error_share
from harness.checks.fairness import judge_fairness
from harness.checks.idle_saturation import judge_idle_saturation
from harness.checks.import_rate import judge_import_rate
from harness.checks.invariants import (
    judge_acknowledged_loss,
    judge_invariant,
    judge_shed_honesty,
)
from harness.checks.latency import judge_latency
from harness.checks.provenance import judge_export_complete, judge_provenance
from harness.checks.provider_recovery import PROVIDER_FAULTS, judge_provider_recovery
from harness.checks.recorded import Recorded
from harness.checks.recovery import judge_recovery

Check = Callable[[Clause, Recorded], Answer]


def _judge_recovery(clause: Clause, recorded: Recorded) -> Answer:
    """A failing provider is not the target's own failure, and is judged by what goes on."""
    if clause.selector in PROVIDER_FAULTS:
        return judge_provider_recovery(clause, recorded)
    return judge_recovery(clause, recorded)


# About time: judged on samples, and void when the load generator itself was at fault.
CHECKS_OF_TIME: Final[Mapping[Quantity, Check]] = {
    Quantity.LATENCY: judge_latency,
    Quantity.ERROR_SHARE: judge_error_share,
    Quantity.CARRIED_SHARE: judge_carried_share,
    Quantity.PARTICIPATION: judge_participation,
    Quantity.FAIRNESS: judge_fairness,
    Quantity.RECOVERY: _judge_recovery,
    Quantity.IDLE_SATURATION: judge_idle_saturation,
    Quantity.IMPORT_RATE: judge_import_rate,
}
# About money and evidence: a lost posting is a lost posting, however late it was sent.
CHECKS_OF_BOOKS: Final[Mapping[Quantity, Check]] = {
    Quantity.INVARIANT: judge_invariant,
    Quantity.ACKNOWLEDGED_LOSS: judge_acknowledged_loss,
    Quantity.SHED_HONESTY: judge_shed_honesty,
    Quantity.EXPORT_COMPLETE: judge_export_complete,
    Quantity.PROVENANCE: judge_provenance,
}
CATALOGUE: Final[Mapping[Quantity, Check]] = {**CHECKS_OF_TIME, **CHECKS_OF_BOOKS}
