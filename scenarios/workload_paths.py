"""The walk of one session through a workload, and of all sessions at once: the same to the bit.

What a session asks for, and after which pauses, follows from its seed and the step's number. The
planner walks all sessions in step with numpy, the engine one at a time when it begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from scenarios.chance import uniform_of, uniforms_of
from scenarios.workload import END, ReplayedOperation, ReplayedWorkload

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DRAWS: Final = 3  # of a step: what follows, the pause before it, the example asked for


class WalkedStep(NamedTuple):
    """One request of a session: operation and example by number, and the pause before it in s."""

    operation: int
    example: int
    pause_s: float


class Paths:
    """The workload as tables for the walk, the same ones for one session and for all at once."""

    def __init__(self, workload: ReplayedWorkload) -> None:
        self.operations = workload.operations
        self.requests_max = workload.requests_max
        self.levels = np.array(workload.think_levels)
        first = np.cumsum(workload.first)
        self._first: Floats = first / first[-1]
        starts, edges, to, think = [0], [], [], []
        for number, following in enumerate(workload.transitions):
            weights = np.array([one.weight for one in following])
            shares = np.cumsum(weights) / max(float(weights.sum()), 1e-300)
            # Operation n owns the interval from n to n + 1: one search serves all of them.
            edges += (number + shares).tolist()
            to += [one.to for one in following]
            think += [one.think_s if len(one.think_s) > 1 else
                      one.think_s * len(self.levels) for one in following]  # fmt: skip
            starts.append(len(to))
        self._starts = np.array(starts, dtype=np.int64)
        self._edges: Floats = np.array(edges)
        self._to = np.array(to, dtype=np.int64)
        self._think: Floats = np.array(think).reshape(-1, len(self.levels))
        self._lists = _Lists(self)

    def first_of(self, seeds: Ints) -> Ints:
        """Return the operation with which each session begins."""
        found = np.searchsorted(self._first, uniforms_of(seeds, 0), side="right")
        return np.minimum(found, len(self._first) - 1).astype(np.int64)

    def next_of(self, operation: Ints, seeds: Ints, step: int) -> tuple[Ints, Floats]:
        """Return what each session asks for as its *step*-th request, `END` or after which s."""
        low, high = self._starts[operation], self._starts[operation + 1]
        drawn = operation + uniforms_of(seeds, _DRAWS * step)
        row = np.minimum(np.searchsorted(self._edges, drawn, side="right"), high - 1)
        to = np.full(len(operation), END, dtype=np.int64)
        pause_s = np.zeros(len(operation))
        goes_on = high > low
        row = np.maximum(row, low)[goes_on]
        to[goes_on] = self._to[row]
        if row.size:
            chance = uniforms_of(seeds[goes_on], _DRAWS * step + 1)
            pause_s[goes_on] = self._pauses(row, chance)
        return to, pause_s

    def _pauses(self, row: Ints, chance: Floats) -> Floats:
        levels = self.levels
        place = np.minimum(np.searchsorted(levels, chance, side="right") - 1, len(levels) - 2)
        low, high = self._think[row, place], self._think[row, place + 1]
        pause_s: Floats = low + (high - low) * (
            (chance - levels[place]) / (levels[place + 1] - levels[place])
        )
        return pause_s

    def walk(self, seed: int) -> Iterator[WalkedStep]:
        """Yield the requests of the session with *seed*: exactly what the arrays above give."""
        lists = self._lists
        operation = min(bisect_right(lists.first, uniform_of(seed, 0)), len(lists.first) - 1)
        pause_s = 0.0
        for step in range(self.requests_max):
            if step:
                low, high = lists.starts[operation], lists.starts[operation + 1]
                drawn = operation + uniform_of(seed, _DRAWS * step)
                row = max(low, min(bisect_right(lists.edges, drawn, low, high), high - 1))
                if low == high or lists.to[row] == END:
                    return
                pause_s = lists.pause_s(row, uniform_of(seed, _DRAWS * step + 1))
                operation = lists.to[row]
            example = 0
            if len(examples := lists.examples[operation]) > 1:
                example = bisect_right(examples, uniform_of(seed, _DRAWS * step + 2))
                example = min(example, len(examples) - 1)
            yield WalkedStep(operation, example, pause_s)

    @cached_property
    def requests_mean(self) -> float:
        """Requests of a session on average, if none were cut off."""
        count = len(self.operations)
        onward = np.zeros((count, count))
        for number in range(count):
            low, high = self._starts[number], self._starts[number + 1]
            shares = np.diff(self._edges[low:high], prepend=float(number))
            goes_on = self._to[low:high] != END
            np.add.at(onward[number], self._to[low:high][goes_on], shares[goes_on])
        alive, mean = np.diff(self._first, prepend=0.0), 0.0
        for _ in range(self.requests_max):
            mean += float(alive.sum())
            alive = alive @ onward
            if alive.sum() < 1e-9:
                break
        return mean


class _Lists:
    """The same tables as plain lists: a single session is walked faster without numpy."""

    def __init__(self, paths: Paths) -> None:
        self.first: list[float] = paths._first.tolist()
        self.starts: list[int] = paths._starts.tolist()
        self.edges: list[float] = paths._edges.tolist()
        self.to: list[int] = paths._to.tolist()
        self.levels: list[float] = paths.levels.tolist()
        self.think: list[list[float]] = paths._think.tolist()
        self.examples = [_shares(operation) for operation in paths.operations]

    def pause_s(self, row: int, chance: float) -> float:
        """Return the pause of transition *row* at the quantile *chance*."""
        levels, think = self.levels, self.think[row]
        place = min(bisect_right(levels, chance) - 1, len(levels) - 2)
        low, high = think[place], think[place + 1]
        return low + (high - low) * ((chance - levels[place]) / (levels[place + 1] - levels[place]))


def _shares(operation: ReplayedOperation) -> list[float]:
    total = np.cumsum(operation.weights)
    shares: list[float] = (total / total[-1]).tolist()
    return shares
