"""The posting queue: concurrent postings become one statement, each with its own outcome.

A lane takes everything that waits, sends it as one batch and takes again: alone, a posting goes at
once; under load, batches grow by themselves. One bad posting never fails the others: a batch that
the database refuses is sent again one by one. A posting whose unit is busy, or whose connection was
lost, is sent again with its key until its deadline; the key makes that safe. At the deadline it is
`shed` when it certainly was not executed, else `indefinite`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import orjson

from reference_app.metrics import Metrics
from reference_app.problems import Problem
from reference_app.rules import Posting
from reference_app.settings import Settings
from reference_app.storage import NotExecuted, Rejected, Uncertain

BUSY_PAUSE_S: Final = 0.003  # about the time another batch holds a unit
LOST_PAUSE_S: Final = 0.1
SWEEP_S: Final = 0.1
LOOK_AHEAD: Final = 4  # batches; one hot unit must not make taking a batch quadratic

OUTCOME_PROBLEMS: Final = {
    "idempotency-key-reused": ("idempotency-key-reused", "the key belongs to another request"),
    "period-closed": ("period-closed", "the period is closed or not part of these books"),
    "not-found": ("not-found", "the document or period does not exist in this unit"),
    "wrong-state": ("wrong-state", "the step does not follow from the present state"),
    "requests-wait": ("wrong-state", "requests of the year still wait: pay or reverse them first"),
    "payments-refused": ("wrong-state", "the bank refused e-payments: reverse them first"),
    "paid-by-bank": (
        "wrong-state",
        "the bank may have paid this before: hand in the line of its statement that returns it",
    ),
    "books-moved": ("wrong-state", "the books moved meanwhile; ask again"),
    "same-person": ("forbidden-role", "the preparer of a document may not take this step"),
    "exceeds-open-amount": ("invalid", "amount: more than is still open"),
    "before-its-document": ("invalid", "date: before that of the document that it follows"),
    "exceeds-withheld": ("invalid", "amount: more than was withheld and is not remitted yet"),
    "no-such-budget-line": ("invalid", "the budget line does not exist in this unit and year"),
    "budget-exceeded": ("budget-exceeded", "the budget line does not hold that much"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one posting: `ok`, `replay`, `busy` or a refusal; `answer` is JSON text."""

    outcome: str
    answer: str | None


Execute = Callable[[list[Posting]], Awaitable[Sequence[Outcome]]]


class _Entry:
    __slots__ = ("busy_since", "future", "is_sent", "is_uncertain", "posting", "started_at")

    def __init__(
        self, posting: Posting, started_at: float, future: asyncio.Future[Outcome]
    ) -> None:
        self.posting = posting
        self.started_at = started_at  # monotonic, s
        self.future = future
        self.busy_since = 0.0  # monotonic, s; 0 while its unit was never held by another
        self.is_sent = False  # a batch with it is on its way
        self.is_uncertain = False  # the answer to an earlier batch with it was lost


class PostingQueue:
    """Bounded queue with as many batches in flight as lanes; `execute` sends one batch.

    Seeded defects may replace `execute` and add to `problems` before the start.
    """

    def __init__(self, settings: Settings, execute: Execute, metrics: Metrics) -> None:
        self.execute = execute
        self.problems = dict(OUTCOME_PROBLEMS)
        self._settings = settings
        self._metrics = metrics
        self._busy_limit_s = settings.lock_timeout_ms / 1000
        self._waiting_count = 0
        self._ready: deque[_Entry] = deque()
        self._accepted: deque[_Entry] = deque()  # in the order of their deadlines, for the sweep
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the lanes and the sweep of deadlines."""
        self._tasks = [
            asyncio.create_task(self._run_lane()) for _ in range(self._settings.posting_lanes)
        ]
        self._tasks.append(asyncio.create_task(self._sweep()))

    async def stop(self) -> None:
        """Stop; the server has drained before, so nothing waits any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many postings have no outcome yet."""
        return self._waiting_count

    async def submit(self, posting: Posting) -> Outcome:
        """Post and return the outcome `ok` or `replay`; any other is raised as a `Problem`."""
        if self._waiting_count >= self._settings.in_flight_max:
            raise Problem("shed", "too many postings wait")
        started_at = monotonic()
        entry = _Entry(posting, started_at, asyncio.get_running_loop().create_future())
        self._accepted.append(entry)
        self._make_ready(entry)
        self._waiting_count += 1
        try:
            outcome = await entry.future
        finally:
            self._waiting_count -= 1
        self._metrics.observe("posting_seconds", monotonic() - started_at)
        if outcome.outcome in ("ok", "replay"):
            return outcome
        raise Problem(*self.problems[outcome.outcome])

    def _make_ready(self, *entries: _Entry) -> None:
        self._ready.extend(entries)
        self._wanted.set()

    async def _run_lane(self) -> None:
        while True:
            await self._wanted.wait()
            batch = self._take()
            if not self._ready:
                self._wanted.clear()
            if batch:
                self._metrics.observe("batch_size", len(batch))
                await self._send(batch)

    def _take(self) -> list[_Entry]:
        """Take what can go together: one posting per unit, so that none depends on another."""
        batch: list[_Entry] = []
        later: list[_Entry] = []
        units: set[int] = set()
        while self._ready and len(batch) < self._settings.batch_size_max:
            if len(later) >= LOOK_AHEAD * self._settings.batch_size_max:
                break
            entry = self._ready.popleft()
            if entry.future.done():
                continue
            if entry.posting.unit in units:
                later.append(entry)
            else:
                units.add(entry.posting.unit)
                batch.append(entry)
        self._ready.extendleft(reversed(later))
        return batch

    async def _send(self, batch: list[_Entry]) -> None:
        for entry in batch:
            entry.is_sent = True
        try:
            outcomes = await self.execute([entry.posting for entry in batch])
        except Rejected:
            await self._send_alone(batch)
        except (NotExecuted, Uncertain) as error:
            for entry in batch:
                entry.is_uncertain |= isinstance(error, Uncertain)
            self._again(batch, LOST_PAUSE_S)
        except Exception as error:  # a bug: the lane must live, the callers must hear of it
            for entry in batch:
                _settle(entry, error)
        else:
            self._settle_batch(batch, outcomes)

    def _settle_batch(self, batch: list[_Entry], outcomes: Sequence[Outcome]) -> None:
        busy: list[_Entry] = []
        now = monotonic()
        for entry, outcome in zip(batch, outcomes, strict=True):
            if outcome.outcome != "busy":
                _settle(entry, outcome)
            elif entry.is_uncertain or now < (entry.busy_since or now) + self._busy_limit_s:
                entry.busy_since = entry.busy_since or now
                busy.append(entry)
            else:
                _settle(entry, Problem("shed", "the books of this unit are locked"))
        if busy:
            self._metrics.counts["busy_total"] += len(busy)
            self._again(busy, BUSY_PAUSE_S)

    async def _send_alone(self, batch: list[_Entry]) -> None:
        if len(batch) == 1:
            _settle(batch[0], Problem("invalid", "the database refused the document"))
            return
        for entry in batch:
            await self._send([entry])

    def _again(self, entries: list[_Entry], pause_s: float) -> None:
        """Send *entries* again after a pause, unless a try could then outlast the deadline."""
        latest_start = monotonic() + pause_s + self._busy_limit_s - self._settings.deadline_s
        for entry in entries:
            entry.is_sent = False
            if entry.started_at < latest_start:
                self._give_up(entry)
        asyncio.get_running_loop().call_later(pause_s, self._make_ready, *entries)

    def _give_up(self, entry: _Entry) -> None:
        code = "indefinite" if entry.is_uncertain or entry.is_sent else "shed"
        _settle(entry, Problem(code, "no result before the deadline"))

    async def _sweep(self) -> None:
        """Drop what is settled, end what is past its deadline."""
        while True:
            await asyncio.sleep(SWEEP_S)
            overdue = monotonic() - self._settings.deadline_s
            while self._accepted and (
                self._accepted[0].future.done() or self._accepted[0].started_at < overdue
            ):
                self._give_up(self._accepted.popleft())


def _settle(entry: _Entry, result: Outcome | Exception) -> None:
    if entry.future.done():
        return
    if isinstance(result, Exception):
        entry.future.set_exception(result)
    else:
        entry.future.set_result(result)


def executor(send: Callable[[list[int], str], Awaitable[Sequence[Any]]]) -> Execute:
    """Return the function that sends a batch with *send* and reads the outcomes."""

    async def execute(postings: list[Posting]) -> Sequence[Outcome]:
        for place, posting in enumerate(postings):
            posting.place = place
        units = sorted({posting.unit for posting in postings})
        rows = await send(units, orjson.dumps(postings).decode())
        outcomes = {row["place"]: Outcome(row["outcome"], row["answer"]) for row in rows}
        return [outcomes[place] for place in range(len(postings))]

    return execute
