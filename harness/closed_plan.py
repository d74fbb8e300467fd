"""The plan of a load that has none: a locustfile says what its users do, nobody knows how often."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from scenarios.levels import PlannedPhase
from scenarios.workload_plan import WARM_UP_S_MAX, WARM_UP_SHARE

# Users begin one after the other; so much of the run, at most, belongs to their beginning.
SPAWN_SHARE_MAX = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPlan:
    """What stands for a plan where a locustfile drives: phases and a name, no counts."""

    sha256: str
    duration_s: float
    phases: tuple[PlannedPhase, ...]
    users: int
    spawn_rate: float
    sessions: int = 0
    planned_requests: int = 0
    planned_by_operation: Mapping[str, int] = field(default_factory=dict)
    planned_by_activity: Mapping[str, int] = field(default_factory=dict)
    planned_per_s: tuple[int, ...] = ()
    sessions_in_progress_max: int = 0
    demand: str = ""
    scenario: str = ""
    think_scale: float = 1.0


def plan_locustfile(
    content: bytes, *, duration_s: float, users: int, spawn_rate: float
) -> ClosedPlan:
    """Return phases for *duration_s*: while users begin, and up to half a minute, nothing counts.

    *users* and *spawn_rate* are 0 where the file (or Locust) decides.
    """
    spawn_s = users / spawn_rate if users and spawn_rate else float(users)
    warm_s = max(min(WARM_UP_S_MAX, WARM_UP_SHARE * duration_s), spawn_s)
    warm_s = float(int(min(warm_s, SPAWN_SHARE_MAX * duration_s)))
    phases = tuple(
        PlannedPhase(name=name, start_s=start_s, end_s=end_s, rate_req_s=0.0,
                     is_measured=name == "load")
        for name, start_s, end_s in (("warm_up", 0.0, warm_s), ("load", warm_s, duration_s))
        if end_s > start_s
    )  # fmt: skip
    made_of = (hashlib.sha256(content).hexdigest(), float(duration_s), users, float(spawn_rate))
    return ClosedPlan(
        sha256=hashlib.sha256(f"closed-plan/1|{made_of!r}".encode()).hexdigest(),
        duration_s=float(duration_s),
        phases=phases,
        users=users,
        spawn_rate=spawn_rate,
    )
