"""When sessions begin, so that their *requests* fall due at the rates of the phases.

A session spreads its requests over its pauses. So the longest sessions are placed first, begun half
their length early; each class takes from the requests still wanted and leaves a residual to the
next, down to visits of one request, which fit anywhere. Within windows of about twenty pauses the
counts are exact and the times independent: a Poisson process conditioned on its counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from scenarios.chance import stream_uniforms, uniforms_of
from scenarios.demand import ACTIVITIES, THINK_S
from scenarios.levels import PlannedPhase
from scenarios.roster import Floats, Ints, Journeys, distinct

Bools = npt.NDArray[np.bool_]

_BINS_PER_THINK: Final = 2
_WAITING_RANK: Final = 10_000  # apart from all that have pauses by their number of requests
_FIT_ROUNDS: Final = 60
_WINDOW_THINKS: Final = 20  # counts are kept exact over stretches of about twenty pauses
_IS_BURST: Final = np.array([activity.is_burst for activity in ACTIVITIES])
# A person's time at the identity provider as a multiple of the pause between two requests.
_AT_PROVIDER: Final = np.array([activity.human_delay_s / THINK_S for activity in ACTIVITIES])


class Spread:
    """Places sessions in time, from the longest on: each class leaves a residual to the next."""

    def __init__(
        self,
        *,
        phases: Sequence[PlannedPhase],
        pause_s: float,
        journeys: Journeys,
        seed: int,
        stream: str = "",
        has_valleys: bool = False,
    ) -> None:
        self._phases = phases
        self._pause_s = pause_s
        self._journeys = journeys
        self._seed = seed
        self._stream = stream
        self._has_valleys = has_valleys
        self._duration_s = phases[-1].end_s
        self._bin_s = pause_s / _BINS_PER_THINK
        self._bins = max(1, int(np.ceil(self._duration_s / self._bin_s - 1e-9)))
        self._edges = np.minimum(np.arange(self._bins + 1) * self._bin_s, self._duration_s)
        self._window_edges = np.concatenate(
            ([0.0], *(_window_ends(phase, pause_s * _WINDOW_THINKS) for phase in phases))
        )
        # Requests wanted up to each edge, scaled so that all of them are exactly what is drawn.
        wanted = self._wanted_until(self._edges)
        scale = float(journeys.requests.sum()) / wanted[-1]
        self._residual = np.diff(wanted) * scale
        self._residual_by_window = np.diff(self._wanted_until(self._window_edges)) * scale

    def place(self) -> tuple[Ints, Ints]:
        """Return each session's start in ns, and the requests due in each second of the run."""
        start_ns = np.zeros(len(self._journeys.activity), dtype=np.int64)
        due_per_s = np.zeros(int(np.ceil(self._duration_s)), dtype=np.int64)
        # Sessions with equally many pauses are alike. From the longest to the bursts, and last the
        # visits of one request, because they fit anywhere.
        is_burst = _IS_BURST[self._journeys.activity]
        pauses = np.where(is_burst, 0, self._journeys.requests - 1)
        is_waiting = is_burst & (_AT_PROVIDER[self._journeys.activity] > 0)
        rank = pauses * 2 + (self._journeys.requests > 1)
        rank[is_waiting] = _WAITING_RANK
        for length in np.unique(rank)[::-1].tolist():
            rows = np.flatnonzero(rank == length)
            starts_s, due_s = self._place_class(rows, length)
            # Whole microseconds, rounded down: nothing may fall due after the end.
            start_ns[rows] = np.floor(starts_s * 1e6).astype(np.int64) * 1000
            seconds = np.minimum(due_s.astype(np.int64), len(due_per_s) - 1)
            due_per_s += np.bincount(seconds, minlength=len(due_per_s))
        return start_ns, due_per_s

    def _place_class(self, rows: Ints, length: int) -> tuple[Floats, Floats]:
        offsets, valid = self._offsets(rows)
        spans: Floats = np.where(valid, offsets, 0.0).max(axis=1)
        lags = self._mean_lags(rows, valid)
        density = self._start_density(spans)
        if self._has_valleys:
            density = self._fitted(density, valid, lags)
        starts = self._draw(len(rows), length, density)
        starts = np.clip(starts, 0.0, np.maximum(0.0, self._duration_s - spans))
        due = (starts[:, None] + offsets)[valid]
        self._subtract(due, self._expected_curve(density, valid, lags))
        return starts, due

    def _offsets(self, rows: Ints) -> tuple[Floats, Bools]:
        """Seconds from start to each request, one row per session; *valid* marks those it makes."""
        requests = self._journeys.requests[rows]
        seeds = self._journeys.seed[rows]
        steps = int(requests.max())
        offsets = np.zeros((len(rows), steps))
        first = self._journeys.activity[rows[0]]
        if not _IS_BURST[first]:
            for step in range(1, steps):
                pace = 0.5 + uniforms_of(seeds, step)
                offsets[:, step] = offsets[:, step - 1] + self._pause_s * pace
        elif steps > 1:
            at_provider = _AT_PROVIDER[self._journeys.activity[rows]] * self._pause_s
            offsets[:, 1:] = (at_provider * (0.5 + uniforms_of(seeds, 1)))[:, None]
        return offsets, np.arange(steps) < requests[:, None]

    def _mean_lags(self, rows: Ints, valid: Bools) -> list[int]:
        """Bins from start to each request when everybody takes the mean time."""
        first = self._journeys.activity[rows[0]]
        steps = range(valid.shape[1])
        if not _IS_BURST[first]:
            return [step * _BINS_PER_THINK for step in steps]
        return [round(float(_AT_PROVIDER[first]) * _BINS_PER_THINK) * (step > 0) for step in steps]

    def _start_density(self, spans: Floats) -> Floats:
        """Weight of each bin for starting: the residual half a span later, while there is room."""
        shift = round(float(spans.mean()) / 2 / self._bin_s)
        wanted = np.maximum(self._residual, 0.0)
        density = np.zeros(self._bins)
        density[: self._bins - shift] = wanted[shift:]
        last_start_s = self._duration_s - float(spans.max())
        room = np.clip((last_start_s - self._edges[:-1]) / np.diff(self._edges), 0.0, 1.0)
        density *= room
        if density.sum() <= 0:
            density = np.maximum(room, 1e-12)
        normalised: Floats = density / density.sum()
        return normalised

    def _fitted(self, density: Floats, valid: Bools, lags: Sequence[int]) -> Floats:
        """Move starts so that the class's requests follow the residual, valleys included.

        Where a rate falls faster than a session lasts, half a span early is not early enough. Each
        round multiplies every start by how well the requests that follow it are wanted
        (Richardson 1972, Lucy 1974: keeps the sum, never goes below zero).
        """
        kernel = np.zeros(max(lags) + 1)
        np.add.at(kernel, lags, valid.mean(axis=0))
        wanted = np.maximum(self._residual, 0.0)
        if wanted.sum() <= 0 or len(kernel) > self._bins:
            return density
        wanted = wanted / wanted.sum() * kernel.sum()
        reach = np.convolve(np.ones(self._bins), kernel[::-1])[len(kernel) - 1 :]
        for _ in range(_FIT_ROUNDS):
            offered = np.convolve(density, kernel)[: self._bins]
            ratio = np.divide(wanted, offered, out=np.zeros(self._bins), where=offered > 0)
            density = density * np.convolve(ratio, kernel[::-1])[len(kernel) - 1 :] / reach
            density = density / density.sum()
        return density

    def _draw(self, sessions: int, length: int, density: Floats) -> Floats:
        """Draw starts from *density*: exact counts by window, independent times within it."""
        cumulative = np.concatenate(((0.0,), np.cumsum(density)))
        cumulative /= cumulative[-1]
        at_window = np.interp(self._window_edges, self._edges, cumulative)
        counts = np.diff(np.rint(at_window * sessions)).astype(np.int64)
        window = np.repeat(np.arange(len(counts)), counts)
        # Sessions are in order of unit and kind; without a shuffle the first would all come first.
        window = window[distinct(sessions, sessions, self._seed, f"{self._stream}windows-{length}")]
        u = stream_uniforms(self._seed, f"{self._stream}starts-{length}", sessions)
        level = at_window[window] + u * (at_window[window + 1] - at_window[window])
        starts: Floats = np.interp(level, cumulative, self._edges)
        return starts

    def _expected_curve(self, density: Floats, valid: Bools, lags: Sequence[int]) -> Floats:
        """Requests expected in each bin when starts follow *density*; smooth, unlike the draw."""
        making = valid.sum(axis=0).astype(np.float64)
        curve = np.zeros(self._bins)
        for lag, sessions in zip(lags, making.tolist(), strict=True):
            if lag < self._bins:
                curve[lag:] += sessions * density[: self._bins - lag]
        return curve

    def _subtract(self, due: Floats, curve: Floats) -> None:
        """Take what was drawn from the residual: sums by window, the shape as expected."""
        counts = np.histogram(due, bins=self._window_edges)[0].astype(np.float64)
        self._residual_by_window -= counts
        self._residual -= curve
        for start_s, end_s, wanted in zip(
            self._window_edges[:-1], self._window_edges[1:], self._residual_by_window, strict=True
        ):
            inside = (self._edges[:-1] >= start_s) & (self._edges[:-1] < end_s)
            have = float(self._residual[inside].sum())
            if inside.any():
                self._residual[inside] += (float(wanted) - have) / int(inside.sum())

    def _wanted_until(self, times_s: Floats) -> Floats:
        """Requests due from 0 to each of *times_s*, by the phases' rates."""
        total = np.zeros(len(times_s))
        for phase in self._phases:
            inside = np.clip(times_s - phase.start_s, 0.0, phase.length_s)
            if phase.is_ramp:
                total += phase.rate_req_s * inside**2 / (2 * phase.length_s)
            else:
                total += phase.rate_req_s * inside
        return total


def _window_ends(phase: PlannedPhase, window_s: float) -> Floats:
    count = max(1, round(phase.length_s / window_s))
    ends = phase.start_s + phase.length_s * np.arange(1, count + 1) / count
    ends[-1] = phase.end_s
    return ends
