"""From what was counted to a workload, and to the sentences that say what the log could not tell.

Provisional operations that came to share a name are added up. Rare ones beyond `OPERATIONS_KEPT`
become one operation per method, so that every request of the log stays in the load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.terms import OperationKind
from scenarios.access_logs.examples import Candidates, examples_of
from scenarios.access_logs.routes import CLIENTS_FEW
from scenarios.access_logs.survey import CLIENTS_COUNTED_MAX, Survey
from scenarios.access_logs.visits import GAP_S, Pauses
from scenarios.workload import (
    END,
    SAFE_METHODS,
    SESSION_REQUESTS_MAX,
    THINK_S_MAX,
    TRANSITIONS_MAX,
    Arrivals,
    ReplayedOperation,
    ReplayedWorkload,
    Transition,
)

OPERATIONS_KEPT: Final = 300
NAME_MAX: Final = 200
THINK_LEVELS: Final = (*(n / 20 for n in range(20)), 0.975, 0.99, 1.0)
MINUTE_S, HOUR_S = 60, 3600


class NothingToReplay(ValueError):
    """The log holds no request that a workload could be made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A workload and what people should know about it."""

    workload: ReplayedWorkload
    refused: Mapping[str, int]
    made_up: Mapping[str, int]  # requests by operation whose example had to be made up
    unknown: tuple[str, ...]  # what the log could not tell, one sentence each


@dataclass(slots=True)
class _Merged:
    """One operation of the workload, from the provisional ones that share its name."""

    name: str
    method: str
    numbers: list[int]
    count: int


def derive(survey: Survey, *, name: str, source: str, source_sha256: str) -> Derived:
    """Make the workload of a survey that has run. Raises `NothingToReplay`."""
    if not survey.entry_count:
        raise NothingToReplay("no line of it is a request that can be replayed")
    names = survey.routes.names(len(survey.clients))
    merged = _merged(survey, names)
    place_of = {number: place for place, one in enumerate(merged) for number in one.numbers}
    operations, made_up = [], {}
    for one in merged:
        operation, invented = _operation(survey, one, names)
        operations.append(operation)
        if invented:
            made_up[one.name] = invented
    first = [0.0] * len(merged)
    for number, count in survey.visits.first.items():
        first[place_of[number]] += count
    transitions, dropped = _transitions(survey, place_of, len(merged))
    workload = ReplayedWorkload(
        name=name[:NAME_MAX],
        source=source,
        source_sha256=source_sha256,
        operations=tuple(operations),
        first=tuple(first),
        transitions=transitions,
        think_levels=THINK_LEVELS,
        requests_max=min(max(1, survey.visits.requests_max), SESSION_REQUESTS_MAX),
        arrivals=_arrivals(survey),
        sha256="",
        about=_about(survey),
    )
    return Derived(
        workload=workload,
        refused=dict(survey.refused.most_common()),
        made_up=made_up,
        unknown=tuple(_unknown(survey, workload, made_up, dropped)),
    )


def _merged(survey: Survey, names: Sequence[str]) -> list[_Merged]:
    by_name: dict[str, _Merged] = {}
    for number, name in enumerate(names):
        short = name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…"
        one = by_name.setdefault(short, _Merged(short, name.partition(" ")[0], [], 0))
        one.numbers.append(number)
        one.count += survey.statuses[number].total()
    ranked = sorted(by_name.values(), key=lambda one: (-one.count, one.name))
    kept = ranked[:OPERATIONS_KEPT]
    others: dict[str, _Merged] = {}
    for one in ranked[OPERATIONS_KEPT:]:
        other = others.setdefault(one.method, _Merged(f"{one.method} (other)", one.method, [], 0))
        other.numbers += one.numbers
        other.count += one.count
    return kept + sorted(others.values(), key=lambda one: one.name)


def _operation(survey: Survey, one: _Merged, names: Sequence[str]) -> tuple[ReplayedOperation, int]:
    shown: dict[str, float] = {}
    made_up = 0.0
    statuses: Counter[int] = Counter()
    for number in one.numbers:
        candidates: Candidates = survey.examples[number]
        examples, invented = examples_of(names[number], candidates, len(survey.clients))
        for target, count in examples.items():
            shown[target] = shown.get(target, 0.0) + count
        made_up += invented
        statuses.update(survey.statuses[number])
    ranked = sorted(shown.items(), key=lambda item: (-item[1], item[0]))[:50]
    right = [
        status
        for status, count in statuses.items()
        if 200 <= status < 400 or (status < 500 and 2 * count > one.count)
    ]
    operation = ReplayedOperation(
        name=one.name,
        kind=OperationKind.READ if one.method in SAFE_METHODS else OperationKind.POST,
        method=one.method,
        targets=tuple(target for target, _ in ranked),
        weights=tuple(weight for _, weight in ranked),
        expected=tuple(sorted(right)),
    )
    return operation, round(made_up)


def _transitions(
    survey: Survey, place_of: Mapping[int, int], count: int
) -> tuple[tuple[tuple[Transition, ...], ...], int]:
    """Return what follows each operation, and how many rare follow-ups found no room."""
    grouped: dict[tuple[int, int], list[Pauses]] = {}
    for (before, after), pauses in survey.visits.follows.items():
        grouped.setdefault((place_of[before], place_of[after]), []).append(pauses)
    ranked = sorted(grouped, key=lambda pair: (-_total(grouped[pair]), pair))
    kept = ranked[: TRANSITIONS_MAX - count]
    following: list[list[Transition]] = [[] for _ in range(count)]
    for before, after in kept:
        parts = grouped[before, after]
        following[before].append(
            Transition(to=after, weight=float(_total(parts)), think_s=quantiles_of(parts))
        )
    ends: Counter[int] = Counter()
    for number, sessions in survey.visits.last.items():
        ends[place_of[number]] += sessions
    for place, sessions in ends.items():
        following[place].append(Transition(to=END, weight=float(sessions)))
    dropped = sum(_total(grouped[pair]) for pair in ranked[len(kept) :])
    return tuple(tuple(one) for one in following), dropped + survey.visits.lost_transitions


def _total(parts: Sequence[Pauses]) -> int:
    return sum(part.count for part in parts)


def quantiles_of(parts: Sequence[Pauses]) -> tuple[float, ...]:
    """Return the quantiles at `THINK_LEVELS` of pauses drawn at different rates, s."""
    values = np.concatenate([np.frombuffer(part.values, dtype=np.float32) for part in parts])
    if not values.size:
        return (0.0,)
    weights = np.concatenate(
        [np.full(len(part.values), part.count / max(1, len(part.values))) for part in parts]
    )
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    middle = (reached - weights[order] / 2) / reached[-1]
    found = np.interp(THINK_LEVELS, middle, values[order].astype(np.float64))
    return tuple(round(min(float(pause_s), THINK_S_MAX), 3) for pause_s in found)


def _arrivals(survey: Survey) -> Arrivals:
    bins = survey.visits.arrivals
    bins.fit(20_160)
    _, counts = bins.series()
    return Arrivals(bin_s=float(bins.bin_s), sessions=tuple(counts), is_even=False)


def _about(survey: Survey) -> dict[str, str | int | float]:
    statuses: Counter[int] = Counter()
    for counted in survey.statuses.values():
        statuses.update(counted)
    span_s = max(1.0, survey.last_s - survey.first_s)
    failed = sum(count for status, count in statuses.items() if status >= 500)
    refused = sum(count for status, count in statuses.items() if 400 <= status < 500)
    visits = survey.visits
    about: dict[str, str | int | float] = {
        "lines": survey.line_count,
        "lines_not_used": survey.refused.total(),
        "requests": survey.entry_count,
        "static_requests_left_out": survey.static_count,
        "websockets_left_out": survey.upgrade_count,
        "sessions": visits.session_count,
        "requests_per_session": round(survey.entry_count / max(1, visits.session_count), 2),
        "span_s": round(span_s, 3),
        "mean_requests_per_s": round(survey.entry_count / span_s, 4),
        "server_error_share": round(failed / survey.entry_count, 6),
        "client_error_share": round(refused / survey.entry_count, 6),
        "sessions_in_progress_mean": round(visits.seconds_in_sessions / span_s, 2),
        "requests_with_duration_share": round(survey.with_duration / survey.entry_count, 4),
        "times_are": survey.times_are,
    }
    for label, width_s in (("minute", MINUTE_S), ("hour", HOUR_S)):
        if (busiest := survey.requests.busiest(width_s)) and span_s >= width_s:
            about[f"busiest_{label}_requests_per_s"] = round(busiest[1] / width_s, 3)
    if survey.with_duration and (held := survey.seconds_in_progress.busiest(MINUTE_S)):
        about["busiest_minute_requests_in_progress"] = round(held[1] / MINUTE_S, 2)
    return about


def _unknown(
    survey: Survey, workload: ReplayedWorkload, made_up: Mapping[str, int], dropped: int
) -> list[str]:
    """Say what the log could not tell, so that nobody takes the workload for more than it is."""
    visits = survey.visits
    said: list[str] = []
    if writes := sum(one.is_write for one in workload.operations):
        said.append(
            f"bodies: the {writes} operations that write have none; a replay leaves them out "
            "unless --send-writes is given, and then sends what the file says"
        )
    if made_up:
        share = sum(made_up.values()) / survey.entry_count
        said.append(
            f"values: {len(made_up)} operations ({share:.0%} of requests) ask for made-up ids or "
            "values, because real ones might be personal; put real targets into the file"
        )
    if len(survey.clients) < CLIENTS_FEW:
        said.append(
            f"people: only {len(survey.clients)} clients, so words in paths could not be checked "
            "against who used them; read the names before passing the file on"
        )
    said.append(
        "sessions: people behind one address with one browser count as one session when they come "
        f"within {GAP_S / 60:g} minutes, and one person with two browsers as two"
    )
    if survey.with_duration < survey.entry_count:
        said.append(
            "pauses: where a line has no duration, the time of the answer is part of the pause"
        )
    else:
        said.append(f"pauses: run from answer to next request; times are each request's "
                    f"{survey.times_are}")  # fmt: skip
    if survey.whole_second_count == survey.entry_count:
        said.append(
            "clock: times are whole seconds; within a second the order of lines was taken as time"
        )
    if survey.last_s - survey.first_s < 2 * GAP_S:
        said.append("length: the log is shorter than two session gaps; long sessions are cut off")
    if survey.late_count:
        said.append(f"order: time stepped back {survey.late_count:,} times between lines")
    if visits.cut_count:
        said.append(f"length: {visits.cut_count} sessions had more than {SESSION_REQUESTS_MAX:,} "
                    "requests and were cut: probably a robot or a proxy")  # fmt: skip
    if dropped:
        said.append(f"rare ways: {dropped:,} steps from one operation to another found no room")
    if len(survey.clients) >= CLIENTS_COUNTED_MAX:
        said.append(f"clients: more than {CLIENTS_COUNTED_MAX:,}, not counted further")
    return said
