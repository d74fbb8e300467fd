"""When: all starts and steps of one load process by their due times, and one alarm for the next.

Everything goes out at its time whatever the target does. Where the process falls behind, answers
and requests take turns, so that neither waits for all of the other, and Locust's own greenlets run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any, Final

from scenarios.engine.alarm import HUB_CLOCK, Clock

NEVER_NS: Final = 2**62
# What falls due this soon after the last ring is sent together. Each wake-up costs 20 to 40 us of
# CPU, more than a request itself: at 10,000 req/s this takes a fifth off the CPU per request, and
# adds 0.05 ms to the median lateness (measured, November 2026).
GATHER_NS: Final = 150_000
# Sent in one go before answers are looked at again: about 1 ms.
RELEASED_MAX: Final = 32


class Timetable:
    """Calls *begin* with (row, due_ns) for each start and *send* with each item that is due.

    *starts_ns*: ascending, from *t0_ns*. *guarded* runs the callback of the alarm.
    """

    __slots__ = (
        "_alarm", "_begin", "_clock", "_guarded", "_heap", "_pushed", "_send", "_start_ns",
        "_starts_ns", "_t0_ns", "cursor", "forgone_count", "is_stopped", "starts_until_ns",
    )  # fmt: skip

    def __init__(
        self,
        starts_ns: Sequence[int],
        *,
        t0_ns: int,
        begin: Callable[[int, int], None],
        send: Callable[[Any], None],
        guarded: Callable[[Callable[[], None]], None],
        clock: Clock = HUB_CLOCK,
    ) -> None:
        self.cursor = 0  # the row that begins next
        self.is_stopped = False
        self.starts_until_ns = NEVER_NS  # afterwards rows are somebody else's to begin
        self.forgone_count = 0
        self._starts_ns = starts_ns
        self._t0_ns = t0_ns
        self._begin = begin
        self._send = send
        self._guarded = guarded
        self._clock = clock
        self._heap: list[tuple[int, int, Any]] = []
        self._pushed = 0
        self._start_ns = NEVER_NS
        self._alarm = clock.alarm(self._ring)
        self._look_at_next_start()

    def __len__(self) -> int:
        """Return how many items wait for their time; starts are not among them."""
        return len(self._heap)

    @property
    def next_due_ns(self) -> int:
        """When the next start or item is due; `NEVER_NS` when there is none."""
        return min(self._start_ns, self._heap[0][0] if self._heap else NEVER_NS)

    @property
    def start_count(self) -> int:
        """Number of rows, begun or not."""
        return len(self._starts_ns)

    @property
    def has_starts(self) -> bool:
        """Whether another row will begin."""
        return self.cursor < len(self._starts_ns) and not self.is_stopped

    def start(self) -> None:
        """Set the alarm for what is due first."""
        if self.next_due_ns != NEVER_NS:
            self._alarm.set(self.next_due_ns)

    def push(self, due_ns: int, item: Any) -> None:
        """Have *item* sent at *due_ns*."""
        self._pushed += 1
        heapq.heappush(self._heap, (due_ns, self._pushed, item))
        if due_ns < self._alarm.due_ns:
            self._alarm.set(due_ns)

    def release(self, now_ns: int, *, count_max: int) -> None:
        """Begin and send what is due at *now_ns*, *count_max* at most."""
        heap = self._heap
        for _ in range(count_max):
            start_ns = self._start_ns
            step_ns = heap[0][0] if heap else NEVER_NS
            if (start_ns > now_ns and step_ns > now_ns) or self.is_stopped:
                return
            if start_ns <= step_ns:
                if now_ns > self.starts_until_ns:
                    self._forgo_starts()
                    continue
                row = self.cursor
                self.cursor += 1
                self._look_at_next_start()
                self._begin(row, start_ns)
            else:
                self._send(heapq.heappop(heap)[2])

    def change_starts(self, starts_ns: Sequence[int]) -> None:
        """Begin the rows of *starts_ns* from the cursor on; those before it are begun."""
        self._starts_ns = starts_ns
        self._look_at_next_start()
        self.start()

    def stop(self) -> list[Any]:
        """Release nothing more; return the items that were waiting, in no order."""
        self.is_stopped = True
        waiting, self._heap = self._heap, []
        return [item for _, _, item in waiting]

    def close(self) -> None:
        """Give up the alarm. Idempotent."""
        self._alarm.close()

    def _ring(self) -> None:
        self._guarded(self._rang)

    def _rang(self) -> None:
        if self.is_stopped:
            return
        self.release(self._clock.now_ns(), count_max=RELEASED_MAX)
        due_ns = self.next_due_ns
        if due_ns != NEVER_NS:
            self._alarm.set(max(due_ns, self._clock.now_ns() + GATHER_NS))

    def _forgo_starts(self) -> None:
        """Begin no row any more, and leave no trace of any: whoever took them over does."""
        self.forgone_count += len(self._starts_ns) - self.cursor
        self.cursor = len(self._starts_ns)
        self._look_at_next_start()

    def _look_at_next_start(self) -> None:
        has_starts = self.cursor < len(self._starts_ns)
        self._start_ns = self._t0_ns + self._starts_ns[self.cursor] if has_starts else NEVER_NS
