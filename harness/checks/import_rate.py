"""Import rate: documents per second of back-dated books, from the first upload to the last done.

Counted are files that a look at them said to be done; a file's documents have records of their own
in its session. A scaled run has that share of the units, so its rate is held against that share of
the promise. A run that offered less than was promised proves nothing against a target that did all
of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.terms import Bilingual, Clause
from harness.checks.answer import Answer, inconclusive, measured, not_tested
from harness.checks.recorded import Recorded
from harness.columns import Flags, Int64
from harness.history import refuse_impossible_times
from harness.ledger_model import IMPORT_KIND


class Files(NamedTuple):
    """One entry per file that had not to be refused: its documents, when it was sent and done."""

    documents: Int64
    invoked_ns: Int64
    completed_ns: Int64
    is_done: Flags


def judge_import_rate(clause: Clause, recorded: Recorded) -> Answer:
    """Judge how many documents per second were imported, scaled up to the whole country."""
    files = _files(recorded)
    if not files.documents.size:
        return not_tested(
            Bilingual(
                en="no file of back-dated books was handed in during this run",
                th="การทดสอบครั้งนี้ไม่มีการส่งไฟล์บัญชีย้อนหลัง",
            )
        )
    scale = recorded.manifest.scale
    offered, done = int(files.documents.sum()), int(files.documents[files.is_done].sum())
    facts = Bilingual(
        en=f"{done} of {offered} documents of {files.documents.size} files were imported",
        th=f"นำเข้า {done} จาก {offered} ฉบับ ของ {files.documents.size} ไฟล์",
    )
    if not done:
        whole_load_s = (recorded.load_ended_ns - recorded.manifest.t0_ns) / 1e9
        if whole_load_s <= 0 or offered / whole_load_s < clause.limit.bound * scale:
            return inconclusive(0, facts, value=0.0)
        return measured(clause, 0.0, offered, facts)
    first_ns = int(files.invoked_ns.min())
    span_s = max(1e-3, (int(files.completed_ns[files.is_done].max()) - first_ns) / 1e9)
    value = done / span_s / scale
    facts = Bilingual(
        en=f"{facts.en} in {span_s:.0f} s"
        + (f"; divided by the scale {scale:g}" if scale != 1 else ""),
        th=f"{facts.th} ใน {span_s:.0f} วินาที" + (f"; หารด้วยสัดส่วน {scale:g}" if scale != 1 else ""),
    )
    load_s = max(1e-3, (recorded.load_ended_ns - recorded.manifest.t0_ns) / 1e9)
    was_offered = offered / load_s / scale
    if done == offered and not clause.limit.holds(value) and not clause.limit.holds(was_offered):
        return inconclusive(
            done,
            Bilingual(
                en=f"all of it was done, but the run offered only {was_offered:.0f}/s; {facts.en}",
                th=f"ทำได้ครบ แต่การทดสอบส่งเพียง {was_offered:.0f} ฉบับต่อวินาที; {facts.th}",
            ),
            value=value,
        )
    return measured(clause, value, done, facts)


def _files(recorded: Recorded) -> Files:
    ledger = recorded.ledger
    history, keys = ledger.history, ledger.keys
    is_file = history.kind[keys.head] == history.kinds.find(IMPORT_KIND)
    session = history.column("session")[keys.head]
    chosen = np.flatnonzero(is_file & ~keys.is_refused)
    order = np.argsort(session[chosen], kind="stable")
    chosen = chosen[order]
    papers = session[~is_file]
    documents = _counts_of(session[chosen], papers)
    invoked, completed = history.column("invoked_ns"), history.column("completed_ns")
    refuse_impossible_times(invoked)
    refuse_impossible_times(completed)
    return Files(
        documents,
        np.minimum.reduceat(invoked, history.starts[:-1])[chosen],
        np.maximum.reduceat(completed, history.starts[:-1])[chosen],
        keys.is_ok[chosen],
    )


def _counts_of(rising: Int64, values: Int64) -> Int64:
    """Return how often each of the *rising* sessions stands among *values*."""
    values = np.sort(values)
    counts = np.searchsorted(values, rising, "right") - np.searchsorted(values, rising, "left")
    return counts.astype(np.int64)
