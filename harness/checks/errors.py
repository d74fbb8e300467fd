"""Error share: requests that were sent and failed or answered wrongly, of all that were sent.

Counted over attempts, because a retry does not undo an error. Steps that could not be taken any
more after an error were never sent: they weigh on latency and on the carried share, not a second
time here. Refusals of requests that must be refused are right answers; who lets one through is
named by the invariant that it broke.
"""

from __future__ import annotations

import numpy as np

from contracts.quantities import ALL_OPERATIONS
from contracts.records import Failure
from contracts.terms import Bilingual, Clause, OperationKind
from harness.checks.answer import Answer, measured
from harness.checks.latency import chosen_by
from harness.checks.recorded import Recorded

FAILURE_WORDS = {
    Failure.SHED: ("shed", "ถูกปฏิเสธเพราะภาระสูง"),
    Failure.SERVER_ERROR: ("server error", "ข้อผิดพลาดของระบบ"),
    Failure.TIMEOUT: ("timed out", "หมดเวลา"),
    Failure.CONNECTION: ("connection", "การเชื่อมต่อ"),
    Failure.UNEXPECTED_STATUS: ("unexpected status", "สถานะไม่คาดหมาย"),
    Failure.WRONG_ANSWER: ("wrong answer", "คำตอบผิด"),
}


def judge_error_share(clause: Clause, recorded: Recorded) -> Answer:
    """Judge the share of failed requests in the measured phases."""
    samples = recorded.measurements
    is_all = clause.selector in ("", ALL_OPERATIONS)
    charged = ~samples.of_kinds({OperationKind.PROVIDER}) if is_all else chosen_by(clause, samples)
    charged &= (samples.sent_ns > 0) & samples.planned_in(recorded.measured_phases)
    let_through = samples.of_kinds({OperationKind.PROBE}) & (
        samples.failure == Failure.WRONG_ANSWER
    )
    failures = samples.failure[charged & ~let_through]
    count = int(np.count_nonzero(charged))
    by_failure = np.bincount(failures, minlength=len(Failure))
    failed = int(sum(by_failure[failure] for failure in FAILURE_WORDS))
    dropped = int(
        np.count_nonzero(samples.is_dropped & samples.planned_in(recorded.measured_phases))
    )
    parts = [
        (words, int(by_failure[failure]))
        for failure, words in FAILURE_WORDS.items()
        if by_failure[failure]
    ]
    en = f"{failed} of {count} requests failed"
    th = f"ล้มเหลว {failed} จาก {count} คำขอ"
    if parts:
        en += " (" + ", ".join(f"{words[0]} {number}" for words, number in parts) + ")"
        th += " (" + ", ".join(f"{words[1]} {number}" for words, number in parts) + ")"
    if dropped:
        en += f"; {dropped} later steps of their sessions were never sent"
        th += f"; ขั้นตอนถัดไปอีก {dropped} คำขอไม่ได้ถูกส่ง"
    share = failed / count if count else 0.0
    return measured(clause, share, count, Bilingual(en=en, th=th))
