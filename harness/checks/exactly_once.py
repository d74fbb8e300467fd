"""I10, acknowledged loss and honest shedding: every key's effect, exactly as it was answered.

Acknowledged: in the books exactly once, with the content that was sent and the number that was
answered. Refused: not in the books. Whatever is new in the books was asked for. A write that was
shed (429, 503 with Retry-After) and executed all the same is a lie of its own kind and is counted
by the clause on honest shedding only; other refused writes in the books count here.
"""

from __future__ import annotations

import numpy as np

from contracts.records import Outcome
from contracts.terms import Bilingual
from harness.books import is_among
from harness.checks.answer import Finding
from harness.checks.money import (
    Examined,
    any_row_of_keys,
    document_witnesses,
    finding_of,
    key_witnesses,
)
from harness.checks.recorded import Recorded
from harness.columns import Flags, Int64
from harness.ledger_model import (
    IMPORT_KIND,
    REQUEST_STATUS_ORDER,
    SHED_STATUSES,
    STATUS_AFTER,
    Ledger,
)

ABOUT = "I10"
ACKNOWLEDGED = Bilingual(en="acknowledged writes", th="รายการที่ระบบตอบรับแล้ว")


def examine_exactly_once(recorded: Recorded) -> Examined:
    """Examine I10."""
    ledger = recorded.ledger
    findings = (
        *_lost(ledger, ABOUT),
        *_half_imported(ledger),
        *_duplicated(ledger),
        *_exported_twice(ledger),
        *_phantoms(ledger),
        *_stored_differently(ledger),
        *_answered_differently(ledger),
        *_altered_accepted(ledger),
        *_refused_but_stored(ledger, is_shed=False),
    )
    return Examined(findings, _acknowledged_count(ledger), ACKNOWLEDGED)


def examine_acknowledged_loss(recorded: Recorded) -> Examined:
    """Examine acknowledged writes that are not in the books."""
    ledger = recorded.ledger
    return Examined(_lost(ledger, "acknowledged_loss"), _acknowledged_count(ledger), ACKNOWLEDGED)


def examine_shed_honesty(recorded: Recorded) -> Examined:
    """Examine writes that were shed and took effect all the same."""
    ledger = recorded.ledger
    shed = shed_count(ledger)
    subject = Bilingual(
        en=f"writes looked up, {shed} of them shed", th=f"รายการที่ตรวจ ซึ่งถูกปฏิเสธ {shed} รายการ"
    )
    looked_up = int(np.count_nonzero(ledger.keys.makes_document & ledger.keys.is_judged))
    return Examined(_refused_but_stored(ledger, is_shed=True), looked_up, subject)


def shed_count(ledger: Ledger) -> int:
    """Count the writes of which every attempt was refused, one of them for load."""
    return int(np.count_nonzero(ledger.keys.is_refused & _was_shed(ledger)))


def lost_keys(ledger: Ledger) -> Int64:
    """Return the acknowledged keys that are not in the books."""
    keys = ledger.keys
    absent = keys.is_ok & keys.makes_document & keys.is_judged & (ledger.stored_count == 0)
    return np.flatnonzero(absent)


def _acknowledged_count(ledger: Ledger) -> int:
    keys = ledger.keys
    return int(np.count_nonzero(keys.is_ok & keys.makes_document & keys.is_judged))


def _lost(ledger: Ledger, about: str) -> tuple[Finding, ...]:
    lost, steps = lost_keys(ledger), _lost_steps(ledger)
    return (
        *finding_of(
            about, "acknowledged_and_lost",
            Bilingual(en="acknowledged and not in the books", th="ตอบรับแล้วแต่ไม่มีในบัญชี"),
            lost.size, key_witnesses(ledger, lost, expected="stored once", found="absent"),
        ),
        *finding_of(
            about, "step_lost",
            Bilingual(en="acknowledged steps that left no mark on their request",
                      th="ขั้นตอนที่ตอบรับแล้วแต่สถานะฎีกาไม่เปลี่ยน"),
            steps.size,
            key_witnesses(ledger, steps, expected="status of the step", found="an earlier status"),
        ),
    )  # fmt: skip


def _lost_steps(ledger: Ledger) -> Int64:
    """Return acknowledged checks and approvals whose request has not got that far."""
    history, keys, documents = ledger.history, ledger.keys, ledger.documents
    status, words = ledger.after.words("documents", "status")
    ranks = {word: rank for rank, word in enumerate(REQUEST_STATUS_ORDER)}
    # A word that is not ours says nothing: it never counts as too early.
    rank_of_word = np.array([ranks.get(word, len(ranks)) for word in words.words], dtype=np.int8)
    lost = [np.empty(0, np.int64)]
    for kind, status_after in STATUS_AFTER.items():
        number = history.kinds.find(kind)
        chosen = np.flatnonzero(keys.is_ok & keys.is_judged & (history.kind[keys.head] == number))
        if not chosen.size:
            continue
        heads = keys.head[chosen]
        # The acknowledged attempt knows the request's document; an unanswered first one may not.
        stated = np.maximum.reduceat(history.column("document"), history.starts[:-1])[chosen]
        rows = documents.index.rows(history.unit[heads], stated)
        known = rows >= 0
        too_early = rank_of_word[status[rows[known]]] < REQUEST_STATUS_ORDER.index(status_after)
        lost.append(chosen[known][too_early])
    return np.concatenate(lost)


def _half_imported(ledger: Ledger) -> tuple[Finding, ...]:
    """Files of which some documents are in the books and some are not, and no answer says which.

    What was acknowledged and is lost, or refused and is stored, is counted by document elsewhere.
    """
    files, is_whole_or_nothing = _open_files(ledger)
    half = files[~is_whole_or_nothing]
    return finding_of(
        ABOUT, "half_imported",
        Bilingual(en="files of which only a part is in the books",
                  th="ไฟล์ที่นำเข้าเพียงบางส่วน"),
        half.size,
        key_witnesses(ledger, half, expected="all documents or none", found="some of them"),
    )  # fmt: skip


def _open_files(ledger: Ledger) -> tuple[Int64, Flags]:
    """Return the keys of files whose end nobody was told, and whether each is whole or absent."""
    history, keys = ledger.history, ledger.keys
    is_file = history.kind[keys.head] == history.kinds.find(IMPORT_KIND)
    files = np.flatnonzero(is_file & ~keys.is_ok & ~keys.is_refused & keys.is_judged)
    if not files.size:
        return files, np.empty(0, dtype=np.bool_)
    session = history.column("session")[keys.head]
    order = np.argsort(session[files], kind="stable")
    files = files[order]
    rising = session[files]
    papers = np.flatnonzero(~is_file & is_among(session, rising))
    place = np.searchsorted(rising, session[papers])
    whole = np.bincount(place, minlength=files.size)
    stored = np.bincount(place[ledger.stored_count[papers] > 0], minlength=files.size)
    return files, (stored == 0) | (stored == whole)


def _duplicated(ledger: Ledger) -> tuple[Finding, ...]:
    twice = np.flatnonzero(ledger.stored_count > 1)
    return finding_of(
        ABOUT, "stored_more_than_once",
        Bilingual(en="keys stored more than once", th="รายการที่ถูกบันทึกซ้ำ"),
        twice.size, key_witnesses(ledger, twice, expected="stored once", found="stored again"),
    )  # fmt: skip


def _exported_twice(ledger: Ledger) -> tuple[Finding, ...]:
    documents = ledger.documents
    own = np.arange(documents.row_count, dtype=np.int32)
    again = np.flatnonzero(documents.index.rows(documents.unit, documents.document) != own)
    # Rows of one key were counted with the key already.
    again = again[ledger.key_of_document[again] < 0]
    return finding_of(
        ABOUT, "document_id_twice",
        Bilingual(en="documents that stand in the books twice", th="เอกสารที่ปรากฏซ้ำในบัญชี"),
        again.size, document_witnesses(ledger, again, expected="once", found="again"),
    )  # fmt: skip


def _phantoms(ledger: Ledger) -> tuple[Finding, ...]:
    phantoms = ledger.phantoms
    return finding_of(
        ABOUT, "never_asked_for",
        Bilingual(en="new documents that nobody asked for", th="เอกสารใหม่ที่ไม่มีใครสั่งบันทึก"),
        phantoms.size,
        document_witnesses(ledger, phantoms, expected="a key of the history", found="none"),
    )  # fmt: skip


def _stored_differently(ledger: Ledger) -> tuple[Finding, ...]:
    rows = ledger.stored_differently
    return finding_of(
        ABOUT, "stored_differently",
        Bilingual(en="stored with other content than was sent or answered",
                  th="บันทึกไม่ตรงกับที่ส่งหรือที่ตอบรับ"),
        rows.size,
        document_witnesses(
            ledger, rows, expected="unit, kind, period, amount, line and number as answered",
            found="another value",
        ),
    )  # fmt: skip


def _answered_differently(ledger: Ledger) -> tuple[Finding, ...]:
    keys = np.flatnonzero(ledger.keys.has_two_numbers)
    return finding_of(
        ABOUT, "replay_answered_differently",
        Bilingual(en="repeated keys that were answered with another number",
                  th="ส่งซ้ำแล้วได้เลขที่เอกสารต่างกัน"),
        keys.size, key_witnesses(ledger, keys, expected="the same number", found="another number"),
    )  # fmt: skip


def _altered_accepted(ledger: Ledger) -> tuple[Finding, ...]:
    history = ledger.history
    accepted = (history.outcome == Outcome.OK) & history.is_refusal_expected
    keys = np.flatnonzero(any_row_of_keys(ledger, accepted) & ledger.keys.has_altered)
    return finding_of(
        ABOUT, "altered_payload_accepted",
        Bilingual(en="altered payloads accepted under a used key",
                  th="รับข้อมูลที่ถูกแก้ไขภายใต้กุญแจเดิม"),
        keys.size, key_witnesses(ledger, keys, expected="refused", found="acknowledged"),
    )  # fmt: skip


def _refused_but_stored(ledger: Ledger, *, is_shed: bool) -> tuple[Finding, ...]:
    stored = ledger.keys.is_refused & ledger.keys.makes_document & (ledger.stored_count > 0)
    shed = _was_shed(ledger)
    keys = np.flatnonzero(stored & (shed if is_shed else ~shed))
    return finding_of(
        "shed_honesty" if is_shed else ABOUT, "refused_and_stored",
        Bilingual(en="refused and in the books all the same", th="ปฏิเสธแล้วแต่กลับมีในบัญชี"),
        keys.size, key_witnesses(ledger, keys, expected="absent", found="stored"),
    )  # fmt: skip


def _was_shed(ledger: Ledger) -> Flags:
    """Say for each key whether one of its attempts was shed."""
    return any_row_of_keys(ledger, np.isin(ledger.history.column("status"), SHED_STATUSES))
