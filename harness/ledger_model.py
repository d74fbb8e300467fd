"""The independent model of the ledger: what the books must hold if every answer was the truth.

A key has an effect at most once, with the money of its first attempt. Acknowledged: exactly once.
Refused: not at all. INDEFINITE or OPEN: once or not at all, which the books themselves decide. The
model knows no target and shares no code with one; it joins the history with the books read before
and after by key, in time linear in both but for sorting. What a difference means for a clause is
decided by the money checks in `harness.checks`. Method: Jepsen's checker for TigerBeetle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from contracts.records import Outcome
from harness.books import Books, Documents, is_among, unit_period
from harness.columns import Flags, Int16, Int32, Int64, UInt64, hash_pair
from harness.history import History, refuse_impossible_times
from harness.ledger_lines import AccountTotals, LineFold, fold_lines

CLOSE_KIND: Final = "period_close"
# Steps in the life of a document that exists already; they leave no document of their own.
STATUS_AFTER: Final = {"disbursement_check": "checked", "disbursement_approval": "approved"}
# A file of documents, each of which has a record of its own in the same session.
IMPORT_KIND: Final = "books_import"
KINDS_WITHOUT_DOCUMENT: Final = frozenset({CLOSE_KIND, IMPORT_KIND, *STATUS_AFTER})
# Documents that post to the ledger; the others reserve or move budget only.
KINDS_WITH_LINES: Final = frozenset(
    {
        "opening",
        "receipt",
        "payment",
        "back_dated_payment",
        "advance",
        "advance_clearing",
        "journal_voucher",
    }
)
# What a budget line has paid: by a request of the system, or by one on paper.
PAYMENT_KINDS: Final = ("payment", "back_dated_payment")
REQUEST_STATUS_ORDER: Final = ("submitted", "checked", "approved", "paid")
SHED_STATUSES: Final = (429, 503)


class Keys(NamedTuple):
    """What was answered about each key. `head` is the row of its first attempt that may post."""

    head: Int32
    is_ok: Flags
    is_refused: Flags  # every attempt was refused
    is_probe: Flags  # a right ledger refuses every attempt
    has_altered: Flags  # a right ledger accepts the key and refuses another payload under it
    number: Int32  # acknowledged number, -1 when unknown
    has_two_numbers: Flags  # acknowledged with different numbers
    makes_document: Flags
    is_judged: Flags  # its unit's books were read whole, before and after


class LineFacts(NamedTuple):
    """What is kept of the ledger lines after the run."""

    unbalanced: Int64  # rows of documents that are no whole double entry
    fingerprint: UInt64  # of the documents that were there before the run, in their order
    totals: AccountTotals
    orphan_count: int
    orphans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """History and books of one run, joined. Every part is computed when first asked for."""

    read_history: Callable[[], History]
    before: Books
    after: Books

    @cached_property
    def history(self) -> History:
        """The money operations of the run."""
        return self.read_history()

    @cached_property
    def documents(self) -> Documents:
        """The documents in the books after the run."""
        return Documents(books=self.after)

    @cached_property
    def documents_before(self) -> Documents:
        """The documents in the books before the run."""
        return Documents(books=self.before)

    @cached_property
    def lines(self) -> LineFacts:
        """What the ledger lines after the run say; the fold itself is too large to be kept."""
        fold = fold_lines(self.documents)
        return LineFacts(
            unbalanced=self._unbalanced(fold),
            fingerprint=fold.fingerprint[self.row_before >= 0],
            totals=fold.totals,
            orphan_count=fold.orphan_count,
            orphans=fold.orphans,
        )

    @cached_property
    def complete_units(self) -> Int32:
        """Units whose books were read whole both times."""
        return np.intersect1d(self.before.complete_units, self.after.complete_units)

    @cached_property
    def row_before(self) -> Int32:
        """For each document after the run: its row before the run, -1 when it is new."""
        return self.documents_before.index.rows(self.documents.unit, self.documents.document)

    @cached_property
    def is_new(self) -> Flags:
        """Documents that were made during the run, in units whose books were read whole twice."""
        new: Flags = self.row_before < 0
        return new & is_among(self.documents.unit, self.complete_units)

    @cached_property
    def keys(self) -> Keys:
        """Fold the attempts of each key into what may be concluded from them."""
        history = self.history
        begins, expected = history.starts[:-1], history.is_refusal_expected
        plain_ok = (history.outcome == Outcome.OK) & ~expected
        doubtful = np.isin(history.outcome, (Outcome.INDEFINITE, Outcome.OPEN)) & ~expected
        rows = np.arange(history.row_count, dtype=np.int32)
        head = np.minimum.reduceat(np.where(expected, np.int32(history.row_count), rows), begins)
        is_probe = head == history.row_count
        head[is_probe] = begins[is_probe]
        is_ok = np.logical_or.reduceat(plain_ok, begins)
        is_doubtful = np.logical_or.reduceat(doubtful, begins)
        known = plain_ok & (history.number >= 0)
        largest = np.maximum.reduceat(np.where(known, history.number, np.int32(-1)), begins)
        top = np.int32(np.iinfo(np.int32).max)
        smallest = np.minimum.reduceat(np.where(known, history.number, top), begins)
        without = [history.kinds.find(kind) for kind in sorted(KINDS_WITHOUT_DOCUMENT)]
        return Keys(
            head=head,
            is_ok=is_ok,
            is_refused=~is_ok & ~is_doubtful & ~is_probe,
            is_probe=is_probe,
            has_altered=np.logical_or.reduceat(expected, begins) & ~is_probe,
            number=largest,
            has_two_numbers=(largest >= 0) & (smallest != largest),
            makes_document=~np.isin(history.kind[head], without),
            is_judged=is_among(history.unit[head], self.complete_units),
        )

    @cached_property
    def key_of_document(self) -> Int32:
        """For each document after the run: the key of the history that made it, -1 when none."""
        history, documents = self.history, self.documents
        high = documents.integers("key_high", np.uint64)
        low = documents.integers("key_low", np.uint64)
        key_high, key_low = history.key_halves()
        hashes = hash_pair(high, low, history.salt)
        order = np.argsort(hashes).astype(np.int32)
        # Both sides rise, so that the search walks through memory instead of jumping.
        places = np.searchsorted(hash_pair(key_high, key_low, history.salt), hashes[order])
        del hashes
        places = np.minimum(places, history.key_count - 1).astype(np.int32)
        same = (key_high[places] == high[order]) & (key_low[places] == low[order])
        keys = np.full(documents.row_count, -1, dtype=np.int32)
        keys[order[same]] = places[same]
        return keys

    @cached_property
    def stored_count(self) -> Int32:
        """For each key: documents in the books that bear it."""
        keys = self.key_of_document
        counts = np.bincount(keys[keys >= 0], minlength=self.history.key_count)
        return counts.astype(np.int32)

    @cached_property
    def new_stored_count(self) -> Int32:
        """For each key: documents that it made during this run."""
        keys = self.key_of_document[self.is_new]
        counts = np.bincount(keys[keys >= 0], minlength=self.history.key_count)
        return counts.astype(np.int32)

    @cached_property
    def phantoms(self) -> Int64:
        """Rows of new documents that nobody in the history asked for."""
        return np.flatnonzero(self.is_new & (self.key_of_document < 0))

    @cached_property
    def stored_differently(self) -> Int64:
        """Rows of new documents whose content is not what was sent under their key."""
        history, documents, keys = self.history, self.documents, self.keys
        rows = np.flatnonzero(self.is_new & (self.key_of_document >= 0))
        of_key = self.key_of_document[rows]
        rows, of_key = rows[~keys.is_probe[of_key]], of_key[~keys.is_probe[of_key]]
        heads = keys.head[of_key]
        wrong = documents.unit[rows] != history.unit[heads]
        wrong |= documents.kind[rows] != self.books_kind[history.kind[heads]]
        wrong |= documents.period[rows] != history.period[heads]
        gross = documents.integers("gross_satang", np.int64)
        wrong |= gross[rows] != history.column("gross_satang")[heads]
        number = documents.integers("number", np.int32)
        known = keys.number[of_key] >= 0
        wrong |= known & (number[rows] != keys.number[of_key])
        wrong |= self._other_budget_line(rows, heads)
        return rows[wrong]

    @cached_property
    def books_kind(self) -> Int16:
        """For each kind of the history: its number in the books, -2 when the books lack it."""
        _ = self.documents.kind  # the vocabulary is filled by reading
        found = [self.after.kinds.find(kind) for kind in self.history.kinds.words]
        return np.array([number if number >= 0 else -2 for number in found], dtype=np.int16)

    def _other_budget_line(self, rows: Int64, heads: Int32) -> Flags:
        stored, words = self.after.words("documents", "budget_line")
        sent = self.history.column("budget_line")[heads]
        in_books = [words.find(line) for line in self.history.budget_lines.words]
        expected = np.array([*in_books, -1], dtype=np.int16)[sent]
        # A side that names no line says nothing: a payment need not repeat its request's line.
        is_named = (sent >= 0) & (stored[rows] != words.find(""))
        other: Flags = is_named & (stored[rows] != expected)
        return other

    @cached_property
    def edited(self) -> Int64:
        """Rows of documents from before the run that are not what they were."""
        rows = np.flatnonzero(self.row_before >= 0)
        old = self.row_before[rows]
        now, then = self.documents, self.documents_before
        wrong = (now.kind[rows] != then.kind[old]) | (now.period[rows] != then.period[old])
        for column in (
            "number",
            "fiscal_year",
            "gross_satang",
            "key_high",
            "key_low",
            "line_count",
        ):
            dtype = np.uint64 if column.startswith("key") else np.int64
            wrong |= now.integers(column, dtype)[rows] != then.integers(column, dtype)[old]
        for column in ("date", "budget_line"):
            (new_codes, new_words), (old_codes, old_words) = (
                books.words("documents", column) for books in (self.after, self.before)
            )
            translated = np.array([new_words.find(word) for word in old_words.words], np.int16)
            wrong |= new_codes[rows] != translated[old_codes[old]]
        wrong |= self.lines.fingerprint != fold_lines(then).fingerprint[old]
        return rows[wrong]

    @cached_property
    def deleted(self) -> Int64:
        """Rows of documents that were in the books before the run and are not any more."""
        then = self.documents_before
        rows = self.documents.index.rows(then.unit, then.document)
        return np.flatnonzero((rows < 0) & is_among(then.unit, self.complete_units))

    def _unbalanced(self, lines: LineFold) -> Int64:
        """Return the rows of documents that are no whole double entry."""
        documents = self.documents
        gross = documents.integers("gross_satang", np.int64)
        posting = [self.after.kinds.find(kind) for kind in sorted(KINDS_WITH_LINES)]
        wrong = lines.debit_satang != lines.credit_satang
        wrong |= lines.debit_satang != gross
        wrong |= lines.line_count != documents.integers("line_count", np.int32)
        needs_lines = np.isin(documents.kind, posting) | (gross != 0)
        wrong |= needs_lines & (lines.line_count < 2)
        return np.flatnonzero(wrong)

    @cached_property
    def unclear_units(self) -> Int32:
        """Units with documents whose effect on balances is not the history's: named elsewhere."""
        rows = np.concatenate(
            [self.phantoms, self.stored_differently, self.edited, self.lines.unbalanced]
        )
        units = np.concatenate(
            [self.documents.unit[rows], self.documents_before.unit[self.deleted]]
        )
        return np.unique(units)

    @cached_property
    def closes(self) -> tuple[Int64, Int64]:
        """Periods closed during the run: (unit_period, rising; when the close was acknowledged)."""
        history = self.history
        of_closes = np.flatnonzero(
            (history.kind == history.kinds.find(CLOSE_KIND))
            & (history.outcome == Outcome.OK)
            & ~history.is_refusal_expected
        )
        completed = history.column("completed_ns")[of_closes]
        refuse_impossible_times(completed)
        pairs = unit_period(history.unit[of_closes], history.period[of_closes])
        order = np.lexsort((completed, pairs))
        pairs, completed = pairs[order], completed[order]
        first = np.ones(pairs.size, dtype=np.bool_)
        first[1:] = pairs[1:] != pairs[:-1]
        return pairs[first], completed[first]
