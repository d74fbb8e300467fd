"""Samples of a run as columns, with the latency that counts: from when a request was due.

A request is the row with attempt 0. It was answered when one of its attempts was OK; a request that
never was (a timeout, an error, a session that had to be given up) has the latency `NEVER_NS`, worse
than any limit, and stays inside every percentile. Whether the number is good enough is not decided
here, and nothing is averaged. Source of the rule: facts on coordinated omission, wrk2's README.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from contracts.records import Failure, Outcome, Phase
from contracts.terms import OperationKind
from harness.columns import (
    TIME_NS_MAX,
    ColumnFile,
    EvidenceMissing,
    Flags,
    Int8,
    Int16,
    Int32,
    Int64,
    open_columns,
)

# Latency of a request that was never answered.
NEVER_NS: Final = int(np.iinfo(np.int64).max)
# Two readings of one clock by one process are in order; a millisecond is left for the loop's own
# granularity (a timer may fire within the tick before its time).
DISORDER_NS_MAX: Final = 1_000_000
OPERATIONS_MAX: Final = 2_000
UNIT_BITS: Final = 24  # the largest unit number, province * 100 000 + sequence, needs no more

_COLUMNS: Final[tuple[tuple[str, type[np.generic]], ...]] = (
    ("planned_ns", np.int64),
    ("sent_ns", np.int64),
    ("done_ns", np.int64),
    ("session", np.int32),
    ("unit", np.int32),
    ("operation", np.int16),
    ("step", np.int16),
    ("attempt", np.int8),
    ("outcome", np.int8),
    ("failure", np.int8),
)


class ProbeSamples(NamedTuple):
    """Requests that must be refused, one entry per request; `unit` is that of the person asking."""

    session: Int32
    unit: Int32
    is_answered: Flags
    is_let_through: Flags


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """One entry per sample. `operation` indexes `operations`; times are ns as in the records.

    `files` names each load process's file and its number of rows, in the order of the rows.
    """

    operations: tuple[tuple[str, OperationKind], ...]
    files: tuple[tuple[str, int], ...]
    planned_ns: Int64
    sent_ns: Int64
    done_ns: Int64
    session: Int32
    unit: Int32
    operation: Int16
    step: Int16
    attempt: Int8
    outcome: Int8
    failure: Int8

    @property
    def row_count(self) -> int:
        """Number of samples."""
        return int(self.planned_ns.size)

    @cached_property
    def is_request(self) -> Flags:
        """First attempts: one row per request of the plan."""
        return self.attempt == 0

    @cached_property
    def is_right(self) -> Flags:
        """Rows with the right answer."""
        return (self.failure == Failure.NONE) & (self.outcome == Outcome.OK)

    @cached_property
    def disordered_count(self) -> int:
        """Rows whose times run backwards, which one steady clock cannot produce."""
        sent, done = self.sent_ns > 0, self.done_ns > 0
        early = sent & (self.sent_ns < self.planned_ns - DISORDER_NS_MAX)
        backwards = done & (self.done_ns < self.sent_ns)
        return int(np.count_nonzero(early | backwards))

    @cached_property
    def is_dropped(self) -> Flags:
        """Requests never sent because one of their session failed: the target's doing."""
        unsent = self.is_request & (self.failure == Failure.NOT_SENT)
        if not unsent.any():
            return unsent
        harmless = (Failure.NONE, Failure.EXPECTED_REFUSAL, Failure.NOT_SENT)
        failed = ~np.isin(self.failure, harmless)
        return unsent & np.isin(self.session, np.unique(self.session[failed]))

    @cached_property
    def is_unoffered(self) -> Flags:
        """Requests never sent although nothing had failed: the generator's doing."""
        return self.is_request & (self.failure == Failure.NOT_SENT) & ~self.is_dropped

    def of_kinds(self, kinds: Collection[OperationKind]) -> Flags:
        """Rows whose operation is of one of *kinds*."""
        chosen = np.array([kind in kinds for _, kind in self.operations], dtype=np.bool_)
        return chosen[self.operation] if chosen.size else np.zeros(self.row_count, dtype=np.bool_)

    def of_operation(self, name: str) -> Flags:
        """Rows of the operation called *name*, of whatever kind."""
        chosen = np.array([known == name for known, _ in self.operations], dtype=np.bool_)
        return chosen[self.operation] if chosen.size else np.zeros(self.row_count, dtype=np.bool_)

    def planned_in(self, phases: Sequence[Phase]) -> Flags:
        """Rows that were due in one of *phases*."""
        chosen = np.zeros(self.row_count, dtype=np.bool_)
        for phase in phases:
            chosen |= (self.planned_ns >= phase.started_ns) & (self.planned_ns < phase.ended_ns)
        return chosen

    @cached_property
    def latency_ns(self) -> Int64:
        """Per row: ns from the planned time to the first right answer, `NEVER_NS` without one.

        Rows of later attempts carry `NEVER_NS`; ask only for requests.
        """
        latency = np.full(self.row_count, NEVER_NS, dtype=np.int64)
        at_once = self.is_request & self.is_right
        latency[at_once] = np.maximum(self.done_ns[at_once] - self.planned_ns[at_once], 0)
        failed = np.flatnonzero(self.is_request & ~self.is_right & (self.sent_ns > 0))
        later = np.flatnonzero(~self.is_request & self.is_right)
        if failed.size and later.size:
            self._add_retries(latency, failed, later)
        return latency

    def probe_samples(self) -> ProbeSamples:
        """Fold the requests that must be refused."""
        probes = self.of_kinds({OperationKind.PROBE}) & self.is_request
        rows = np.flatnonzero(probes & (self.sent_ns > 0))
        let_through = self.failure[rows] == Failure.WRONG_ANSWER
        return ProbeSamples(
            session=self.session[rows],
            unit=self.unit[rows],
            is_answered=let_through | (self.failure[rows] == Failure.EXPECTED_REFUSAL),
            is_let_through=let_through,
        )

    def _add_retries(self, latency: Int64, failed: Int64, later: Int64) -> None:
        # A request whose retry was right was answered, late: at the done time of that attempt.
        places = self._request_numbers(later)
        order = np.lexsort((self.done_ns[later], places))
        later, places = later[order], places[order]
        wanted = self._request_numbers(failed)
        found = np.minimum(np.searchsorted(places, wanted), places.size - 1)
        same = (places[found] == wanted) & (self.operation[later[found]] == self.operation[failed])
        rows, answers = failed[same], later[found[same]]
        latency[rows] = np.maximum(self.done_ns[answers] - self.planned_ns[rows], 0)

    def _request_numbers(self, rows: Int64) -> Int64:
        return (self.session[rows].astype(np.int64) << 16) | self.step[rows].astype(np.int64)


def read_measurements(folder: Path) -> Measurements:
    """Read all sealed samples of a run. Raises `EvidenceMissing`."""
    paths = sorted(folder.glob("*.parquet"))
    file = open_columns("samples", paths, [name for name, _ in _COLUMNS])
    if not file.row_count:
        raise EvidenceMissing(en="no request was recorded", th="ไม่มีคำขอใดถูกบันทึก")
    operations, places = _operations_of(file)
    columns = {name: np.empty(file.row_count, dtype=dtype) for name, dtype in _COLUMNS}
    row = 0
    for index, path in enumerate(paths):
        one = ColumnFile(
            name=f"samples/{path.stem}", paths=(path,), row_counts=(file.row_counts[index],),
            headers=(file.headers[index],), columns=file.columns,
        )  # fmt: skip
        for batch in one.batches([name for name, _ in _COLUMNS]):
            for name, dtype in _COLUMNS:
                values = batch.integers(name, dtype)
                if name == "operation":
                    values = _renumbered(values, places[index], one.name)
                columns[name][row : row + batch.row_count] = values
            row += batch.row_count
    _refuse_impossible(columns)
    _place_in_time(columns)
    files = tuple((path.stem, count) for path, count in zip(paths, file.row_counts, strict=True))
    return Measurements(operations=operations, files=files, **columns)


def _operations_of(
    file: ColumnFile,
) -> tuple[tuple[tuple[str, OperationKind], ...], list[Int16]]:
    known: dict[tuple[str, OperationKind], int] = {}
    places = []
    for path, header in zip(file.paths, file.headers, strict=True):
        try:
            listed = orjson.loads(header)["operations"]
            own = [(str(entry["name"]), OperationKind(entry["kind"])) for entry in listed]
        except (ValueError, KeyError, TypeError) as error:
            raise EvidenceMissing(
                en=f"samples/{path.stem} does not say which operations it holds",
                th=f"samples/{path.stem} ไม่ได้ระบุรายการคำสั่งที่บันทึก",
            ) from error
        if len(own) > OPERATIONS_MAX:
            raise EvidenceMissing(
                en=f"samples/{path.stem} names more than {OPERATIONS_MAX} operations",
                th=f"samples/{path.stem} ระบุคำสั่งเกิน {OPERATIONS_MAX} รายการ",
            )
        numbers = [known.setdefault(operation, len(known)) for operation in own]
        places.append(np.array(numbers, dtype=np.int16))
    return tuple(known), places


def _renumbered(values: Int16, places: Int16, name: str) -> Int16:
    if values.size and (int(values.min()) < 0 or int(values.max()) >= places.size):
        raise EvidenceMissing(
            en=f"{name} holds an operation that its header does not name",
            th=f"{name} มีคำสั่งที่ส่วนหัวไม่ได้ระบุ",
        )
    renumbered: Int16 = places[values]
    return renumbered


def _refuse_impossible(columns: dict[str, npt.NDArray[Any]]) -> None:
    for name in ("planned_ns", "sent_ns", "done_ns"):
        if int(columns[name].min()) < 0 or int(columns[name].max()) > TIME_NS_MAX:
            raise EvidenceMissing(
                en=f"samples hold times that no clock shows ({name})",
                th=f"ตัวอย่างมีเวลาที่เป็นไปไม่ได้ ({name})",
            )
    for name, words in (("outcome", Outcome), ("failure", Failure)):
        if int(columns[name].min()) < 0 or int(columns[name].max()) >= len(words):
            raise EvidenceMissing(
                en=f"samples hold a number for {name} that this format does not know",
                th=f"ตัวอย่างมีค่า {name} ที่รูปแบบนี้ไม่รู้จัก",
            )
    if int(columns["unit"].min()) < 0 or int(columns["unit"].max()) >> UNIT_BITS:
        raise EvidenceMissing(
            en="samples hold numbers that no unit bears", th="ตัวอย่างมีเลขหน่วยงานที่เป็นไปไม่ได้"
        )
    if int(columns["step"].min()) < 0 or int(columns["attempt"].min()) < 0:
        raise EvidenceMissing(
            en="samples hold negative steps or attempts", th="ตัวอย่างมีลำดับขั้นหรือครั้งที่ติดลบ"
        )
    answered = (columns["failure"] == Failure.NONE) & (columns["outcome"] == Outcome.OK)
    if bool(np.any(answered & ((columns["done_ns"] == 0) | (columns["sent_ns"] == 0)))):
        raise EvidenceMissing(en="samples hold answers without a time", th="ตัวอย่างมีคำตอบที่ไม่มีเวลา")


def _place_in_time(columns: dict[str, npt.NDArray[Any]]) -> None:
    """Give a request without a planned time the latest time known of its session.

    A step that an earlier failure made impossible may have no due time of its own; it belongs where
    its session stood. One with no time at all cannot be placed, and hence not be judged.
    """
    unplaced = np.flatnonzero(columns["planned_ns"] == 0)
    if not unplaced.size:
        return
    sessions = columns["session"]
    wanted = np.unique(sessions[unplaced])
    rows = np.flatnonzero(np.isin(sessions, wanted))
    latest = np.zeros(wanted.size, dtype=np.int64)
    at = np.maximum(columns["planned_ns"][rows], columns["done_ns"][rows])
    np.maximum.at(latest, np.searchsorted(wanted, sessions[rows]), at)
    columns["planned_ns"][unplaced] = latest[np.searchsorted(wanted, sessions[unplaced])]
    if bool(np.any(columns["planned_ns"] == 0)):
        raise EvidenceMissing(
            en="samples hold requests without a planned time",
            th="ตัวอย่างมีคำขอที่ไม่มีเวลาตามแผน",
        )
