"""The posting queue over a fake database: what goes together, what is told to whom, and when."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reference_app.metrics import Metrics
from reference_app.posting import Outcome, PostingQueue, executor
from reference_app.problems import Problem
from reference_app.rules import Posting
from reference_app.settings import Settings
from reference_app.storage import NotExecuted, Rejected, Uncertain

Script = Callable[[list[Posting]], Awaitable[Sequence[Outcome]]]


def posting(unit: int, account: int = 1) -> Posting:
    return Posting(unit=unit, key=uuid.uuid4(), payload_hash="", account=account)


def well(batch: list[Posting]) -> list[Outcome]:
    return [Outcome("ok", str(item.unit)) for item in batch]


class FakeDatabase:
    """Notes each batch; the first calls raise or return what `script` holds, the others do well."""

    def __init__(self, *script: Exception | Callable[[list[Posting]], list[Outcome]]) -> None:
        self.script = list(script)
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def execute(self, batch: list[Posting]) -> Sequence[Outcome]:
        self.batches.append([item.unit for item in batch])
        await self.open.wait()
        step = self.script.pop(0) if self.script else well
        if isinstance(step, Exception):
            raise step
        return step(batch)


@asynccontextmanager
async def running(database: FakeDatabase, **changes: Any) -> Any:
    sizes: dict[str, Any] = {"posting_lanes": 1, "batch_size_max": 10, "in_flight_max": 100,
                             "lock_timeout_ms": 50, "deadline_s": 0.4}  # fmt: skip
    settings = Settings(database_url="", **(sizes | changes))
    queue = PostingQueue(settings, database.execute, Metrics("test"))
    queue.start()
    try:
        yield queue
    finally:
        await queue.stop()


async def submit_all(queue: PostingQueue, units: Sequence[int]) -> list[Outcome | BaseException]:
    return await asyncio.gather(
        *(queue.submit(posting(unit)) for unit in units), return_exceptions=True
    )


def codes(results: Sequence[Outcome | BaseException]) -> list[str]:
    return [r.code if isinstance(r, Problem) else getattr(r, "outcome", repr(r)) for r in results]


def test_what_waits_while_a_batch_is_under_way_goes_as_one() -> None:
    async def scenario() -> FakeDatabase:
        database = FakeDatabase()
        async with running(database) as queue:
            database.open.clear()
            first = asyncio.create_task(queue.submit(posting(1)))
            await asyncio.sleep(0)
            others = asyncio.create_task(submit_all(queue, range(2, 8)))
            await asyncio.sleep(0.01)
            database.open.set()
            await asyncio.gather(first, others)
        return database

    assert asyncio.run(scenario()).batches == [[1], [2, 3, 4, 5, 6, 7]]


def test_a_batch_holds_each_unit_once_and_keeps_the_order_within_a_unit() -> None:
    async def scenario() -> FakeDatabase:
        database = FakeDatabase()
        async with running(database) as queue:
            assert codes(await submit_all(queue, [7, 7, 8, 7, 9])) == ["ok"] * 5
        return database

    assert asyncio.run(scenario()).batches == [[7, 8, 9], [7], [7]]


def test_a_batch_has_a_largest_size() -> None:
    async def scenario() -> FakeDatabase:
        database = FakeDatabase()
        async with running(database, batch_size_max=4) as queue:
            await submit_all(queue, range(10))
        return database

    assert [len(batch) for batch in asyncio.run(scenario()).batches] == [4, 4, 2]


def test_one_bad_posting_does_not_fail_the_others() -> None:
    def refuse_unit_2(batch: list[Posting]) -> list[Outcome]:
        if any(item.unit == 2 for item in batch):
            raise Rejected("numeric field overflow")
        return well(batch)

    async def scenario() -> list[str]:
        database = FakeDatabase(*[refuse_unit_2] * 4)
        async with running(database) as queue:
            return codes(await submit_all(queue, [1, 2, 3]))

    assert asyncio.run(scenario()) == ["ok", "invalid", "ok"]


def test_each_outcome_reaches_its_own_posting() -> None:
    def mixed(batch: list[Posting]) -> list[Outcome]:
        names = ("ok", "budget-exceeded", "replay", "same-person")
        return [Outcome(name, "{}") for name in names]

    async def scenario() -> list[str]:
        async with running(FakeDatabase(mixed)) as queue:
            return codes(await submit_all(queue, range(4)))

    assert asyncio.run(scenario()) == ["ok", "budget-exceeded", "replay", "forbidden-role"]


@pytest.mark.parametrize("failure", [NotExecuted("no connection"), Uncertain("reset")])
def test_a_posting_is_sent_again_after_a_passing_failure(failure: Exception) -> None:
    async def scenario() -> FakeDatabase:
        database = FakeDatabase(failure)
        async with running(database) as queue:
            assert codes(await submit_all(queue, [5])) == ["ok"]
        return database

    assert asyncio.run(scenario()).batches == [[5], [5]]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([NotExecuted("down")] * 50, "shed"),
        ([Uncertain("reset")] * 50, "indefinite"),
        ([Uncertain("reset"), *[NotExecuted("down")] * 50], "indefinite"),
    ],
)
def test_at_the_deadline_it_says_whether_it_may_have_happened(
    script: list[Exception], code: str
) -> None:
    async def scenario() -> list[str]:
        async with running(FakeDatabase(*script)) as queue:
            return codes(await submit_all(queue, [5]))

    assert asyncio.run(scenario()) == [code]


def test_what_is_under_way_at_the_deadline_is_indefinite_and_what_waits_is_shed() -> None:
    async def scenario() -> list[str]:
        database = FakeDatabase()
        database.open.clear()
        async with running(database, deadline_s=0.1) as queue:
            return codes(await submit_all(queue, [1, 1]))

    assert asyncio.run(scenario()) == ["indefinite", "shed"]


def busy(batch: list[Posting]) -> list[Outcome]:
    return [Outcome("busy" if item.unit == 1 else "ok", "{}") for item in batch]


def test_a_busy_unit_is_tried_again_and_holds_up_nobody() -> None:
    async def scenario() -> tuple[list[str], FakeDatabase]:
        database = FakeDatabase(busy, busy)
        async with running(database) as queue:
            return codes(await submit_all(queue, [1, 2])), database

    results, database = asyncio.run(scenario())
    assert results == ["ok", "ok"]
    assert database.batches == [[1, 2], [1], [1]]


def test_a_unit_that_stays_busy_is_refused_without_effect() -> None:
    async def scenario() -> list[str]:
        async with running(FakeDatabase(*[busy] * 500)) as queue:
            return codes(await submit_all(queue, [1, 2]))

    assert asyncio.run(scenario()) == ["shed", "ok"]


def test_beyond_its_limit_the_queue_sheds_at_once() -> None:
    async def scenario() -> list[str]:
        database = FakeDatabase()
        database.open.clear()
        async with running(database, in_flight_max=2) as queue:
            asyncio.get_running_loop().call_later(0.02, database.open.set)
            return codes(await submit_all(queue, [1, 2, 3]))

    assert asyncio.run(scenario()) == ["ok", "ok", "shed"]


def test_a_bug_reaches_its_callers_and_the_lane_lives_on() -> None:
    async def scenario() -> list[str]:
        async with running(FakeDatabase(KeyError("bug"))) as queue:
            first = codes(await submit_all(queue, [1]))
            return first + codes(await submit_all(queue, [2]))

    assert asyncio.run(scenario()) == ["KeyError('bug')", "ok"]


def test_the_executor_sends_units_in_order_and_gives_outcomes_back_by_place() -> None:
    seen: list[Any] = []

    async def send(units: list[int], batch: str) -> Sequence[Any]:
        seen.append((units, batch))
        rows = [{"place": place, "outcome": "ok", "answer": str(place)} for place in range(3)]
        return rows[::-1]

    outcomes = asyncio.run(executor(send)([posting(30), posting(10), posting(20)]))

    assert seen[0][0] == [10, 20, 30]
    assert [outcome.answer for outcome in outcomes] == ["0", "1", "2"]
