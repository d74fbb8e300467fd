"""The plan of a run: which unit begins which activity when, so that the country's load is due.

The *request* density follows the level's phases, not the density of arrivals: a session spreads its
requests over its pauses, so long sessions begin early and short ones fill what is left. Given the
counts, start times are drawn independently from a density (a Poisson process conditioned on its
counts, window by window), so the target sees the bunching that it will see in life.

Counts are exact: activities in the proportion of the demand table, units in proportion to weight,
and every unit at least once when the run is long enough. The plan assumes a target that answers at
once; it is drawn from one seed, needs no target, and sends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from scenarios.chance import stream_bits, stream_uniforms, uniforms_of
from scenarios.demand import (
    ACTIVITIES,
    NAVIGATION,
    NAVIGATION_SHARE,
    THINK_S,
    Activity,
    Demand,
)
from scenarios.levels import LEVELS, PlannedPhase, phases_of
from scenarios.population import UNITS_PER_PROVINCE, Population

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FULL_PACE_S: Final = 3600.0  # runs of an hour or more keep people's real pauses
MONTH_CLOSE_UNIT_SHARE: Final = 0.01
# What the navigation overhead pays for besides looking around, as shares of all requests; for the
# month's closing it is the most that it may take.
_SIDE_SHARES: Final = {"month_close": 0.03, "provincial_refresh": 0.002, "curious": 0.001}
_SIDE_SHARE_SMALL_RUN_MAX: Final = 0.05
# Above this share of one-request visits the plan would no longer be a month end.
_BROWSE_SHARE_MAX: Final = 0.6
_NAVIGATION_PER_JOURNEY_MAX: Final = 8
_BINS_PER_THINK: Final = 2
_WINDOW_THINKS: Final = 20  # counts are kept exact over stretches of about twenty pauses
_PLACE: Final = {activity.name: place for place, activity in enumerate(ACTIVITIES)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadPlan:
    """All sessions of a run, in order of start. The row is the session's number.

    Arrays, one entry per session: `start_ns` from t0; `unit` (a province * 100000 for its office);
    `unit_row`, its place in `population.units`, offices following by province; `activity`, an index
    into `activities`; `navigation`, looks around before its own requests; `seed`, the session's own
    randomness. Pauses are `requests_of(...)`'s times `think_scale`.
    """

    activities: tuple[Activity, ...]
    start_ns: Ints
    unit: npt.NDArray[np.int32]
    unit_row: npt.NDArray[np.int32]
    activity: npt.NDArray[np.int16]
    navigation: npt.NDArray[np.int16]
    seed: Ints
    level: str
    demand: str
    duration_s: float
    phases: tuple[PlannedPhase, ...]
    think_scale: float
    planned_per_s: tuple[int, ...]
    planned_by_operation: Mapping[str, int]
    planned_by_activity: Mapping[str, int]
    planned_requests: int
    units_planned: int
    sha256: str

    @property
    def sessions(self) -> int:
        """Number of sessions."""
        return len(self.start_ns)

    def rows_of_process(self, index: int, count: int) -> Ints:
        """Return the sessions that load process *index* of *count* drives: whole units, in turn."""
        return np.flatnonzero(self.unit_row % count == index)


def plan_load(
    population: Population,
    *,
    level: str,
    demand: Demand | str = Demand.BASE,
    duration_s: float,
    seed: int,
    has_faults: bool = False,
) -> LoadPlan:
    """Draw the plan. The same arguments give the same plan and `sha256` on every machine.

    Raises `KeyError` for a level without a plan, `ValueError` for a duration that is not positive.
    """
    phases = phases_of(
        LEVELS[level],
        duration_s,
        has_faults,
        demand=demand,
        sao_equivalents=population.sao_equivalents,
    )
    think_scale = min(1.0, duration_s / FULL_PACE_S)
    journeys = _draw_journeys(population, phases, Demand(demand), seed)
    spread = _Spread(phases=phases, pause_s=THINK_S * think_scale, journeys=journeys, seed=seed)
    start_ns, due_per_s = spread.place()
    order = np.lexsort((journeys.seed, start_ns))
    plan_activity = journeys.activity[order].astype(np.int16)
    by_activity = np.bincount(plan_activity, minlength=len(ACTIVITIES))
    columns: dict[str, Any] = {
        "start_ns": start_ns[order],
        "unit": journeys.unit[order].astype(np.int32),
        "unit_row": journeys.unit_row[order].astype(np.int32),
        "activity": plan_activity,
        "navigation": journeys.navigation[order].astype(np.int16),
        "seed": journeys.seed[order],
    }
    return LoadPlan(
        activities=ACTIVITIES,
        **columns,
        level=level,
        demand=Demand(demand).value,
        duration_s=float(duration_s),
        phases=phases,
        think_scale=think_scale,
        planned_per_s=tuple(due_per_s.tolist()),
        planned_by_operation=_count_operations(journeys),
        planned_by_activity={
            activity.name: int(count)
            for activity, count in zip(ACTIVITIES, by_activity, strict=True)
            if count
        },
        planned_requests=int(journeys.requests.sum()),
        units_planned=len(np.unique(journeys.unit_row[journeys.unit_row < len(population.units)])),
        sha256=_sha256(population, phases, columns),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Journeys:
    """Sessions without a time: who does what."""

    activity: Ints
    unit: Ints
    unit_row: Ints
    navigation: Ints
    seed: Ints

    @property
    def requests(self) -> Ints:
        """Requests of each session, looks around included."""
        own = np.array([activity.requests for activity in ACTIVITIES], dtype=np.int64)
        return own[self.activity] + self.navigation


class _Roster:
    """The sessions drawn so far, as columns of activity and unit row."""

    def __init__(self) -> None:
        self._activity: list[Ints] = []
        self._unit_row: list[Ints] = []

    def add(self, name: str, unit_row: Ints) -> None:
        """Add one session of activity *name* for each of *unit_row*."""
        self._activity.append(np.full(len(unit_row), _PLACE[name], dtype=np.int64))
        self._unit_row.append(unit_row.astype(np.int64))

    @property
    def activity(self) -> Ints:
        """Index into `ACTIVITIES`, per session."""
        return np.concatenate(self._activity)

    @property
    def unit_row(self) -> Ints:
        """Place of the unit in the population, per session."""
        return np.concatenate(self._unit_row)

    @property
    def requests(self) -> int:
        """Requests of all sessions, without looking around."""
        return int(_own_requests()[self.activity].sum())


def _draw_journeys(
    population: Population, phases: Sequence[PlannedPhase], demand: Demand, seed: int
) -> _Journeys:
    total = max(1, round(sum(phase.requests for phase in phases)))
    weights = np.array([unit.weight for unit in population.units])
    roster = _Roster()
    office_rows = len(weights) + np.arange(_sessions_for(total, "provincial_refresh")) % len(
        population.provinces
    )
    roster.add("provincial_refresh", office_rows)
    closes = min(round(MONTH_CLOSE_UNIT_SHARE * len(weights)), _sessions_for(total, "month_close"))
    roster.add("month_close", _distinct(len(weights), closes, seed, "closers"))
    curious = _sessions_for(total, "curious")
    roster.add("curious", _pick_by_weight(weights, stream_uniforms(seed, "curious", curious)))
    useful = _useful_requests(total, roster.requests, weights, demand)
    for activity, count in zip(ACTIVITIES, _activity_counts(useful, demand).tolist(), strict=True):
        u = stream_uniforms(seed, f"units-{activity.name}", count)
        roster.add(activity.name, _pick_by_weight(weights, u))
    left = max(0, total - roster.requests)
    idle = np.setdiff1d(np.arange(len(weights)), roster.unit_row)
    idle = idle[_distinct(len(idle), min(len(idle), left), seed, "idle")]
    roster.add("browse", idle)
    looks = _spread_navigation(roster.activity, left - len(idle), seed)
    # Where nobody is at work to look around in passing, people come for that alone.
    alone = left - len(idle) - int(looks.sum())
    roster.add("browse", _pick_by_weight(weights, stream_uniforms(seed, "browse", alone)))
    numbers = np.array(
        [unit.unit for unit in population.units]
        + [province * UNITS_PER_PROVINCE for province in population.provinces],
        dtype=np.int64,
    )
    unit_row = roster.unit_row
    return _Journeys(
        activity=roster.activity,
        unit=numbers[unit_row],
        unit_row=unit_row,
        navigation=np.concatenate((looks, np.zeros(alone, dtype=np.int64))),
        seed=(stream_bits(seed, "sessions", len(unit_row)) >> np.uint64(1)).astype(np.int64),
    )


def _own_requests() -> Ints:
    return np.array([activity.requests for activity in ACTIVITIES], dtype=np.int64)


def _sessions_for(total: int, name: str) -> int:
    """Sessions of a side activity: its share of *total*, and one where that is not too much.

    Without a single probe of a closed period or of another unit, nobody can tell what happens then.
    """
    requests = ACTIVITIES[_PLACE[name]].requests
    least = 1 if requests <= _SIDE_SHARE_SMALL_RUN_MAX * total else 0
    return max(least, round(total * _SIDE_SHARES[name] / requests))


def _useful_requests(total: int, side: int, weights: Floats, demand: Demand) -> int:
    """Requests for the activities of the demand table, out of *total*.

    The rest is navigation, of which units that would otherwise stay idle take one each. When that
    is not enough for them, useful work gives way; when even that is not enough, units stay idle.
    """
    nominal = round(total / (1 + NAVIGATION_SHARE.of(demand)))
    low, high = int(total * (1 - _BROWSE_SHARE_MAX)), nominal
    if _idle_expected(low, weights, demand) > total - side - low:
        return min(nominal, total - side)
    for _ in range(40):  # Bisection: more useful work leaves fewer units idle, but less room.
        if high - low <= 1:
            break
        middle = (low + high) // 2
        if _idle_expected(middle, weights, demand) <= total - side - middle:
            low = middle
        else:
            high = middle
    return low


def _idle_expected(useful: int, weights: Floats, demand: Demand) -> float:
    """Upper bound of the units that draw no journey: the mean and four standard deviations."""
    journeys = useful / _mean_requests(demand)
    idle = float(np.exp(-journeys * weights / weights.sum()).sum())
    return idle + 4 * float(np.sqrt(idle))


def _mean_requests(demand: Demand) -> float:
    sessions = sum(activity.per_sao_month.of(demand) for activity in ACTIVITIES)
    requests = sum(a.requests * a.per_sao_month.of(demand) for a in ACTIVITIES)
    return requests / sessions


def _activity_counts(useful: int, demand: Demand) -> Ints:
    """Split *useful* requests over activities by the table; a few requests may be left over."""
    monthly = np.array([activity.per_sao_month.of(demand) for activity in ACTIVITIES])
    own = _own_requests()
    exact = useful * monthly / float((monthly * own).sum())
    counts = np.floor(exact).astype(np.int64)
    spare = useful - int((counts * own).sum())
    for place in np.lexsort((np.arange(len(own)), counts - exact)).tolist():
        if monthly[place] > 0 and own[place] <= spare:
            counts[place] += 1
            spare -= int(own[place])
    return counts


def _pick_by_weight(weights: Floats, uniforms: Floats) -> Ints:
    # Whole micro-weights add up exactly, in any order and on any machine.
    edges = np.cumsum(np.rint(weights * 1e6).astype(np.int64))
    picked = np.searchsorted(edges.astype(np.float64), uniforms * float(edges[-1]), side="right")
    return np.minimum(picked, len(weights) - 1).astype(np.int64)


def _distinct(population: int, count: int, seed: int, stream: str) -> Ints:
    return np.argsort(stream_bits(seed, stream, population), kind="stable")[:count].astype(np.int64)


def _spread_navigation(activity: Ints, requests: int, seed: int) -> Ints:
    """Give looks around to people at work, at random, up to a limit for each of them."""
    navigation = np.zeros(len(activity), dtype=np.int64)
    at_work = np.array([a.per_sao_month.base > 0 and not a.is_burst for a in ACTIVITIES])
    rows = np.flatnonzero(at_work[activity])
    if requests <= 0 or len(rows) == 0:
        return navigation
    places = (stream_uniforms(seed, "navigation", requests) * len(rows)).astype(np.int64)
    navigation[rows] = np.bincount(places, minlength=len(rows))
    return np.minimum(navigation, _NAVIGATION_PER_JOURNEY_MAX)


class _Spread:
    """Places sessions in time, from the longest on: each class leaves a residual to the next."""

    def __init__(
        self, *, phases: Sequence[PlannedPhase], pause_s: float, journeys: _Journeys, seed: int
    ) -> None:
        self._phases = phases
        self._pause_s = pause_s
        self._journeys = journeys
        self._seed = seed
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
        pauses = np.where(_IS_BURST[self._journeys.activity], 0, self._journeys.requests - 1)
        rank = pauses * 2 + (self._journeys.requests > 1)
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
        density = self._start_density(spans)
        starts = self._draw(len(rows), length, density)
        starts = np.clip(starts, 0.0, np.maximum(0.0, self._duration_s - spans))
        due = (starts[:, None] + offsets)[valid]
        is_burst = bool(_IS_BURST[self._journeys.activity[rows[0]]])
        self._subtract(due, self._expected_curve(density, valid, is_burst))
        return starts, due

    def _offsets(self, rows: Ints) -> tuple[Floats, Bools]:
        """Seconds from start to each request, one row per session; *valid* marks those it makes."""
        requests = self._journeys.requests[rows]
        seeds = self._journeys.seed[rows]
        steps = int(requests.max())
        offsets = np.zeros((len(rows), steps))
        if not _IS_BURST[self._journeys.activity[rows[0]]]:
            for step in range(1, steps):
                pace = 0.5 + uniforms_of(seeds, step)
                offsets[:, step] = offsets[:, step - 1] + self._pause_s * pace
        return offsets, np.arange(steps) < requests[:, None]

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

    def _draw(self, sessions: int, length: int, density: Floats) -> Floats:
        """Draw starts from *density*: exact counts by window, independent times within it."""
        cumulative = np.concatenate(((0.0,), np.cumsum(density)))
        cumulative /= cumulative[-1]
        at_window = np.interp(self._window_edges, self._edges, cumulative)
        counts = np.diff(np.rint(at_window * sessions)).astype(np.int64)
        window = np.repeat(np.arange(len(counts)), counts)
        # Sessions are in order of unit and kind; without a shuffle the first would all come first.
        window = window[_distinct(sessions, sessions, self._seed, f"windows-{length}")]
        u = stream_uniforms(self._seed, f"starts-{length}", sessions)
        level = at_window[window] + u * (at_window[window + 1] - at_window[window])
        starts: Floats = np.interp(level, cumulative, self._edges)
        return starts

    def _expected_curve(self, density: Floats, valid: Bools, is_burst: bool) -> Floats:
        """Requests expected in each bin when starts follow *density*; smooth, unlike the draw."""
        making = valid.sum(axis=0).astype(np.float64)
        curve = np.zeros(self._bins)
        for step, sessions in enumerate(making.tolist()):
            lag = step * _BINS_PER_THINK * (not is_burst)
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


_IS_BURST: Final = np.array([activity.is_burst for activity in ACTIVITIES])


def _count_operations(journeys: _Journeys) -> dict[str, int]:
    counts: dict[str, int] = {}
    for place, activity in enumerate(ACTIVITIES):
        chosen = journeys.activity == place
        variant = np.bincount(
            journeys.seed[chosen] % len(activity.variants), minlength=len(activity.variants)
        )
        for operations, sessions in zip(activity.variants, variant.tolist(), strict=True):
            for operation in operations:
                counts[operation] = counts.get(operation, 0) + sessions
    for step in range(int(journeys.navigation.max(initial=0))):
        looking = journeys.navigation > step
        ring = np.bincount((journeys.seed[looking] + step) % len(NAVIGATION), minlength=1)
        for place, sessions in enumerate(ring.tolist()):
            counts[NAVIGATION[place]] = counts.get(NAVIGATION[place], 0) + sessions
    return {operation: count for operation, count in sorted(counts.items()) if count}


def _sha256(
    population: Population,
    phases: Sequence[PlannedPhase],
    columns: Mapping[str, npt.NDArray[np.generic]],
) -> str:
    digest = hashlib.sha256(f"plan/1|{population.sha256}|{tuple(phases)!r}".encode())
    for name, column in columns.items():
        digest.update(f"|{name}|{column.dtype.newbyteorder('<').str}|".encode())
        digest.update(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
