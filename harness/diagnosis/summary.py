"""A profile and an explanation as lines for a terminal: the few that matter first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.records import Bottleneck
from harness.diagnosis.explain import ABSTAIN, Explanation
from harness.diagnosis.findings import Profile

ROWS_MAX = 8
NAME_CHARACTERS_MAX = 72


def profile_lines(profile: Profile) -> list[str]:
    """Say what is hot in *profile*, and what could not be had."""
    lines = [
        f"profiled {profile.duration_s:.0f} s, {profile.completed_requests} requests, "
        f"{sum(1 for r in profile.recordings if not r.refused_because)} of "
        f"{len(profile.recordings)} recordings usable"
    ]
    if profile.loop_occupancy is not None:
        running = "" if profile.running_share is None else f", running {profile.running_share:.0%}"
        lines.append(f"event loops occupied {profile.loop_occupancy:.0%} of the time{running}")
    own = sorted((p for p in profile.paths if p.is_own), key=lambda p: -p.total_samples)
    lines += _table(
        "hot paths of the target itself (share of running samples, below and in)",
        (f"{p.total_share:6.1%} {p.self_share:6.1%}  {p.function} ({p.place})" for p in own),
    )
    lines += _table(
        "hot paths (share of running samples, in the frame itself)",
        (f"{p.self_share:6.1%}  {p.function} ({p.place})" for p in profile.paths),
    )
    lines += _table(
        "hot SQL (share of SQL time, calls, mean, calls per request)",
        (
            f"{s.share:6.1%} {s.calls:8d} {s.mean_ms:9.3f} ms "
            f"{'' if s.calls_per_request is None else f'{s.calls_per_request:6.2f}'}  {s.call_site}"
            for s in profile.statements
        ),
    )
    lines += _table(
        "blocked sessions (share of blocked samples, sessions waiting, at the root)",
        (
            f"{b.share:6.1%} {b.sessions_mean:6.2f}  {b.root} [{b.root_state}]"
            for b in profile.blocked
        ),
    )
    lines += bottleneck_lines(profile.bottlenecks)
    lines += [f"missing: {reason}" for reason in profile.missing]
    return lines


def explanation_lines(explanation: Explanation) -> list[str]:
    """Say where work queues in a run, or that nothing does."""
    if not explanation.bottlenecks:
        return ["nothing queues: answers were quick, no lock took a tenth of request time"]
    return bottleneck_lines(explanation.bottlenecks) + [
        f"missing: {reason}" for reason in explanation.missing
    ]


def bottleneck_lines(bottlenecks: Iterable[Bottleneck]) -> list[str]:
    """One line per bottleneck, in their order."""
    return [
        f"no cause named: {b.evidence}"
        if b.bottleneck_class == ABSTAIN
        else f"bottleneck {b.bottleneck_class}: {b.place}, {b.share:.0%} of request time "
        f"({b.tier}, confidence {b.confidence}): {b.evidence}"
        for b in bottlenecks
    ]


def _table(title: str, rows: Iterable[str]) -> list[str]:
    shown = [f"  {row}"[: NAME_CHARACTERS_MAX + 40] for row in rows][:ROWS_MAX]
    return [f"{title}:", *shown] if shown else []
