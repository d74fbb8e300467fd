"""Counts over time in bins that widen by themselves, so that any span fits into bounded memory."""

from __future__ import annotations

from typing import Final

BIN_LADDER_S: Final = (1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400)
BINS_MAX: Final = 20_160  # two weeks of minutes


class Bins:
    """Sums by bin; `bin_s` is the width reached so far."""

    def __init__(self) -> None:
        self._rung = 0
        self.sums: dict[int, float] = {}

    @property
    def bin_s(self) -> int:
        """Width of a bin, s."""
        return BIN_LADDER_S[self._rung]

    def add(self, at_s: float, amount: float = 1.0) -> None:
        """Add *amount* at a time."""
        place = int(at_s // BIN_LADDER_S[self._rung])
        sums = self.sums
        sums[place] = sums.get(place, 0.0) + amount
        if len(sums) > BINS_MAX and self._rung + 1 < len(BIN_LADDER_S):
            self.widen(self._rung + 1)

    def widen(self, rung: int) -> None:
        """Fold into bins of `BIN_LADDER_S[rung]`."""
        old_s, self._rung = self.bin_s, rung
        folded: dict[int, float] = {}
        for place, amount in self.sums.items():
            wide = place * old_s // self.bin_s
            folded[wide] = folded.get(wide, 0.0) + amount
        self.sums = folded

    def fit(self, count_max: int) -> None:
        """Widen until first to last bin are at most *count_max*, empty ones counted."""
        while self.sums and max(self.sums) - min(self.sums) >= count_max:
            if self._rung + 1 == len(BIN_LADDER_S):
                return
            self.widen(self._rung + 1)

    def series(self) -> tuple[float, list[float]]:
        """Return where the first bin begins, s, and all sums from it on, empty bins as 0."""
        if not self.sums:
            return 0.0, []
        first, last = min(self.sums), max(self.sums)
        return float(first * self.bin_s), [self.sums.get(p, 0.0) for p in range(first, last + 1)]

    def busiest(self, width_s: int) -> tuple[float, float] | None:
        """Return (start, sum) of the busiest stretch of *width_s*; None when bins are wider."""
        if not self.sums or self.bin_s > width_s:
            return None
        count = width_s // self.bin_s
        start_s, series = self.series()
        running = sum(series[:count])
        best, place = running, 0
        for begin in range(1, max(1, len(series) - count + 1)):
            running += series[begin + count - 1] - series[begin - 1]
            if running > best:
                best, place = running, begin
        return start_s + place * self.bin_s, best
