"""Sessions that wait for a lock: who holds it at the root, and how much request time that takes.

Judges the lock family only: C3 (hot row) and C4 when the lock is an advisory one, which a program
takes on purpose as a gate. Needs the T1 readings and the requests' own times.
"""

from __future__ import annotations

from collections import Counter

from contracts.records import Bottleneck
from harness.diagnosis.signals import Signals

# Starting threshold of diagnosis §3d ("blocked sessions > 10 % of samples"), here of request time.
SHARE_MIN = 0.10
# Half of all blocked looks behind one root makes it the root (diagnosis §3d).
ROOT_SHARE_SURE = 0.5
LOOKS_SURE = 50


def find_lock(signals: Signals) -> Bottleneck | None:
    """Name the root call site behind which most sessions wait; None when few do."""
    roots: Counter[str] = Counter()
    for (root, _), sessions in signals.blocked_sessions.items():
        roots[root] += sessions  # type: ignore[assignment]  # a Counter of means
    if not roots:
        return None
    share = signals.share_of_request_time(sum(roots.values()))
    if share is None or share < SHARE_MIN:
        return None
    root, behind = roots.most_common(1)[0]
    root_share = behind / sum(roots.values())
    victims = sorted(
        ((n, victim) for (r, victim), n in signals.blocked_sessions.items() if r == root),
        reverse=True,
    )
    states = {state: n for (site, state), n in signals.root_states.items() if site == root}
    held_by = max(states, key=lambda state: states[state]) if states else "not visible"
    is_sure = root_share >= ROOT_SHARE_SURE and signals.look_count >= LOOKS_SURE
    waits = {n: v for n, v in signals.wait_sessions.items() if n.startswith("Lock:")}
    main_wait = max(waits, key=lambda name: waits[name]) if waits else "Lock"
    return Bottleneck(
        bottleneck_class="C4" if main_wait == "Lock:advisory" else "C3",
        place=root,
        share=share * root_share,
        tier="T1",
        confidence="high" if is_sure else "medium",
        evidence=(
            f"{sum(roots.values()):.1f} sessions on average waited for a lock ({main_wait}), "
            f"{share:.0%} of request time; {root_share:.0%} of them behind this statement, whose "
            f"session was mostly '{held_by}'; most waited in: "
            + "; ".join(f"{victim} ({n:.1f})" for n, victim in victims[:3])
        ),
    )
