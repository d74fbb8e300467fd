"""All lines of all files go through here once: parsed, put in order of time, counted.

Lines of a log stand in order of their writing, which for long requests is not the order of their
starts: entries wait in a bounded buffer and leave it sorted.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

from scenarios.access_logs.bins import Bins
from scenarios.access_logs.combined import CombinedReader
from scenarios.access_logs.entries import Entry, Unusable
from scenarios.access_logs.examples import Candidates
from scenarios.access_logs.json_lines import JsonReader
from scenarios.access_logs.reading import lines_of
from scenarios.access_logs.routes import STATIC, Routes, route_query_of
from scenarios.access_logs.visits import Visits

SAMPLE_LINES: Final = 2_000  # of each file, to learn its time and how it writes times
BUFFER_MAX: Final = 131_072
# A line this far from all that came before, and from its file's usual time, has a wrong date.
AROUND_S: Final = 62 * 86_400.0
SWITCHING_PROTOCOLS: Final = 101  # what follows is no HTTP
CLIENTS_COUNTED_MAX: Final = 200_000
SAY_EVERY: Final = 500_000

_Waiting = tuple[float, float, int, int]  # start, end, client, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the first lines of a file show. `starts`: by how many times starts fit better than ends.

    `is_whole`: its clock shows whole seconds.
    """

    has_lines: bool
    middle_s: float = 0.0
    starts: int = 0
    is_whole: bool = False


class Survey:
    """What a set of log files says. `run` once."""

    def __init__(self, *, whole_unit_s: float = 1e-6, times_are: str = "auto") -> None:
        self.routes = Routes()
        self.visits = Visits()
        self.refused: Counter[str] = Counter()
        self.line_count = 0
        self.entry_count = 0
        self.static_count = 0
        self.upgrade_count = 0
        self.statuses: dict[int, Counter[int]] = {}
        self.examples: dict[int, Candidates] = {}
        self.requests = Bins()
        self.seconds_in_progress = Bins()
        self.with_duration = 0
        self.clients: set[int] = set()
        self.first_s = float("inf")
        self.last_s = float("-inf")
        self.late_count = 0
        self.whole_second_count = 0
        self.times_are = times_are
        self._combined = CombinedReader(whole_unit_s)
        self._json = JsonReader()
        self._is_whole = False
        self._second: list[tuple[Entry, int]] = []
        self._waiting: list[_Waiting] = []
        self._released_s = float("-inf")
        self._around = (float("-inf"), float("inf"))

    def run(self, paths: Sequence[Path], say: Callable[[str], None] = lambda _: None) -> None:
        """Read all files, the earliest first. Raises `UnreadableLog`."""
        looked = [self._look(path) for path in paths]
        known = [look.middle_s for look in looked if look.has_lines]
        if known:
            self._around = (min(known) - AROUND_S, max(known) + AROUND_S)
        if self.times_are == "auto":
            starts = sum(look.starts for look in looked)
            self.times_are = "start" if starts > 0 else "end"
        order = sorted(range(len(paths)), key=lambda n: (looked[n].middle_s, n))
        for number in order:
            self._is_whole = looked[number].is_whole
            for line in lines_of(paths[number], self.refused):
                self._take(line)
                if self.line_count % SAY_EVERY == 0:
                    say(f"{self.line_count:,} lines")
        self._end_second()
        self._release(0)
        self.visits.finish()

    def _look(self, path: Path) -> _Look:
        """Look at the first lines of a file.

        Lines are written when requests end. Where times are ends they never run backwards; where
        they are starts, it is start plus duration that does not.
        """
        times: list[tuple[float, float]] = []
        for line in islice(lines_of(path, Counter()), SAMPLE_LINES):
            try:
                entry = self._entry(line)
            except Unusable:
                continue
            times.append((entry.at_s, max(0.0, entry.duration_s)))
        if not times:
            return _Look(has_lines=False)
        backwards = sum(b[0] < a[0] for a, b in pairwise(times))
        # A second of resolution blurs the sum: only what exceeds it counts.
        ends = [at_s + duration_s for at_s, duration_s in times]
        ends_backwards = sum(b < a - 1.0 for a, b in pairwise(ends))
        return _Look(
            has_lines=True,
            middle_s=statistics.median(at_s for at_s, _ in times),
            starts=backwards - ends_backwards,
            is_whole=all(at_s.is_integer() for at_s, _ in times),
        )

    def _entry(self, line: bytes) -> Entry:
        return (self._json if line[:1] == b"{" else self._combined).entry(line)

    def _take(self, line: bytes) -> None:
        self.line_count += 1
        try:
            entry = self._entry(line)
        except Unusable as error:
            self.refused[str(error)] += 1
            return
        low, high = self._around
        if not low <= entry.at_s <= high:
            self.refused["date is far from all others"] += 1
            return
        self._around = min(low, entry.at_s - AROUND_S), max(high, entry.at_s + AROUND_S)
        if entry.status == SWITCHING_PROTOCOLS:
            self.upgrade_count += 1
            return
        path, _, query = entry.target.partition(b"?")
        if STATIC.search(path):
            self.static_count += 1
            return
        self._count(entry, path, query)

    def _count(self, entry: Entry, path: bytes, query: bytes) -> None:
        self.entry_count += 1
        if entry.user:
            self.routes.remember_user(entry.user)
        client = entry.client
        if len(self.clients) < CLIENTS_COUNTED_MAX:
            self.clients.add(client)
        route_query = route_query_of(query) if query else b""
        operation = self.routes.number_of(entry.method, path, route_query, client)
        statuses = self.statuses.get(operation)
        if statuses is None:
            statuses = self.statuses[operation] = Counter()
            self.examples[operation] = Candidates()
        statuses[entry.status] += 1
        self.examples[operation].see(entry.target, client)
        if not self._is_whole:
            self._place(entry, operation, entry.at_s)
            return
        # Lines of one second stand in their order: that tells more than the clock does.
        second = self._second
        if second and (second[0][0].at_s != entry.at_s or len(second) >= BUFFER_MAX):
            self._end_second()
        self._second.append((entry, operation))

    def _end_second(self) -> None:
        entries, self._second = self._second, []
        self.whole_second_count += len(entries)
        for place, (entry, operation) in enumerate(entries):
            self._place(entry, operation, entry.at_s + (place + 0.5) / len(entries))

    def _place(self, entry: Entry, operation: int, at_s: float) -> None:
        start_s, end_s = self._span(entry, at_s)
        self.requests.add(start_s)
        self.first_s, self.last_s = min(self.first_s, start_s), max(self.last_s, end_s)
        self._waiting.append((start_s, end_s, entry.client, operation))
        if len(self._waiting) >= BUFFER_MAX:
            self._release(BUFFER_MAX // 2)

    def _span(self, entry: Entry, at_s: float) -> tuple[float, float]:
        duration_s = entry.duration_s
        if duration_s < 0:
            return at_s, at_s
        self.with_duration += 1
        self.seconds_in_progress.add(at_s, duration_s)
        if entry.is_start or self.times_are == "start":
            return at_s, at_s + duration_s
        return at_s - duration_s, at_s

    def _release(self, kept: int) -> None:
        self._waiting.sort()
        count = len(self._waiting) - kept
        self._see(self._waiting[:count])
        del self._waiting[:count]

    def _see(self, entries: Iterable[_Waiting]) -> None:
        see = self.visits.see
        for start_s, end_s, client, operation in entries:
            self.late_count += start_s < self._released_s
            self._released_s = start_s
            see(start_s, end_s, client, operation)
