"""An event loop that runs one callback after the other without a pause: blocked (C5) or busy (C12).

The loop's occupancy says that it is full, the share of those samples in which the thread really ran
tells work from a blocking call. CPU use alone cannot: on a full machine a busy loop gets little
CPU.
"""

from __future__ import annotations

from contracts.records import Bottleneck
from harness.diagnosis.findings import HotPath, Profile
from harness.diagnosis.signals import Signals

# Starting threshold of diagnosis §3d.
OCCUPANCY_MIN = 0.8
# Blocked test of diagnosis §5: 96 % occupied, a few % running. Half is the middle.
RUNNING_SHARE_SPLIT = 0.5
SAMPLES_SURE = 500


def find_full_loop(signals: Signals) -> Bottleneck | None:
    """Say which code keeps the event loops from their next event; None when they have time."""
    profile = signals.profile
    if profile is None or profile.loop_occupancy is None or profile.running_share is None:
        return None
    if profile.loop_occupancy < OCCUPANCY_MIN:
        return None
    is_blocked = profile.running_share < RUNNING_SHARE_SPLIT
    place = _blocked_place(profile) if is_blocked else _first_own(profile.paths)
    cores = signals.cores.get("app")
    used = "" if cores is None else f", the application used {cores:.2f} cores"
    return Bottleneck(
        bottleneck_class="C5" if is_blocked else "C12",
        place=f"{place.function} ({place.place})" if place else "(no frame of the target's own)",
        share=profile.loop_occupancy * (place.total_share if place else 0.0),
        tier="T2",
        confidence="high" if _sample_count(profile) >= SAMPLES_SURE else "medium",
        evidence=(
            f"the event loops ran callbacks {profile.loop_occupancy:.0%} of the time, and in "
            f"{profile.running_share:.0%} of it the thread was running rather than waiting{used}"
        ),
    )


def _blocked_place(profile: Profile) -> HotPath | None:
    """Return the own function in which waiting grew most against running."""
    running = {(p.function, p.place.rpartition(":")[0]): p.self_samples for p in profile.paths}
    own = [path for path in profile.paths_with_idle if path.is_own]
    return max(
        own,
        key=lambda p: p.self_samples - running.get((p.function, p.place.rpartition(":")[0]), 0),
        default=None,
    )


def _first_own(paths: tuple[HotPath, ...]) -> HotPath | None:
    # Library frames burn on somebody's behalf: the own function with most samples below it, the
    # entry points that hold nearly all samples excepted.
    own = [path for path in paths if path.is_own]
    inner = [path for path in own if path.total_share < 0.9] or own
    return max(inner, key=lambda path: path.total_samples, default=None)


def _sample_count(profile: Profile) -> int:
    return sum(r.samples for r in profile.recordings if r.is_with_idle and not r.refused_because)
