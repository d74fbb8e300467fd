"""Ranks the functions of the target by the samples that were taken in them. Pure.

Self samples say where time is spent, total samples on whose behalf. A function that calls itself
counts once per sample. Threads that wait for events are not hot: they are left out of the ranking.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from harness.diagnosis.findings import HotPath
from harness.diagnosis.stacks import Stacks, is_waiting_for_events, parse_frame

PATHS_MAX = 60


def rank_paths(
    stacks: Stacks, *, rate_hz: int, completed_requests: int, paths_max: int = PATHS_MAX
) -> tuple[HotPath, ...]:
    """Return the functions with most self samples and the target's own with most total samples.

    Half of *paths_max* each, in the order of self samples, then of total samples.

    *rate_hz* is samples per second and worker; with *completed_requests* 0 the figure per request
    is None.
    """
    self_samples: Counter[tuple[str, str]] = Counter()
    total_samples: Counter[tuple[str, str]] = Counter()
    lines: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    libraries: set[tuple[str, str]] = set()
    counted = 0
    for stack, count in stacks.counts.items():
        if is_waiting_for_events(stack):
            continue
        counted += count
        frames = [parse_frame(text) for text in stack]
        libraries.update((f.function, f.file) for f in frames if f.is_library)
        places = {(frame.function, frame.file): frame.place for frame in frames}
        for key, place in places.items():
            total_samples[key] += count
            lines[key][place] += count
        self_samples[(frames[-1].function, frames[-1].file)] += count
    if counted == 0:
        return ()
    by_self = sorted(total_samples, key=lambda key: (-self_samples[key], -total_samples[key], key))
    own = [key for key in total_samples if key[1] and key not in libraries]
    by_total = sorted(own, key=lambda key: (-total_samples[key], key))
    chosen = {*by_self[: paths_max // 2], *by_total[: paths_max // 2]}
    return tuple(
        HotPath(
            function=key[0],
            place=lines[key].most_common(1)[0][0],
            self_samples=self_samples[key],
            total_samples=total_samples[key],
            self_s=self_samples[key] / rate_hz,
            total_s=total_samples[key] / rate_hz,
            self_share=self_samples[key] / counted,
            total_share=total_samples[key] / counted,
            total_samples_per_request=(
                total_samples[key] / completed_requests if completed_requests else None
            ),
            is_own=bool(key[1]) and key not in libraries,
        )
        for key in by_self
        if key in chosen
    )
