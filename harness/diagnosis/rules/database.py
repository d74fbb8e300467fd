"""A database that is busy or waits for its disk: one statement takes it (C7), or the log does
(C23).

C7 stands here for "statements work long without waiting": that an index is missing is for the plan
to show. Needs the T1 readings and, for C7, the database's CPU.
"""

from __future__ import annotations

from contracts.records import Bottleneck
from harness.diagnosis.signals import Signals
from harness.probes.activity import NO_WAIT

# A starting point to be tuned on the defect lab (diagnosis §8): a third of request time.
SHARE_MIN = 0.33
# The database holds most of the machine: the rest of the cores carry the application.
CORES_SHARE_MIN = 0.5
# Names changed their case in PostgreSQL 17.
COMMIT_WAITS = ("io:walsync", "lwlock:walwrite", "io:walwrite", "ipc:syncrep")


def find_busy_database(signals: Signals) -> Bottleneck | None:
    """Name the statement that the database works on while it has no CPU left; None otherwise."""
    cores, cpu_count = signals.cores.get("database"), signals.cpu_count
    working = signals.wait_sessions.get(NO_WAIT, 0.0) + sum(
        n for name, n in signals.wait_sessions.items() if name in ("IO:DataFileRead",)
    )
    share = signals.share_of_request_time(working)
    if cores is None or not cpu_count or share is None or share < SHARE_MIN:
        return None
    if cores < CORES_SHARE_MIN * cpu_count or not signals.active_sessions:
        return None
    site, sessions = max(signals.active_sessions.items(), key=lambda item: item[1])
    site_share = sessions / sum(signals.active_sessions.values())
    return Bottleneck(
        bottleneck_class="C7",
        place=site,
        share=share * site_share,
        tier="T1",
        confidence="medium" if site_share >= 0.5 else "low",
        evidence=(
            f"{working:.1f} sessions on average worked without waiting, {share:.0%} of request "
            f"time; the database used {cores:.2f} of {cpu_count} cores; {site_share:.0%} of the "
            "active sessions ran this statement"
        ),
    )


def find_commit_wall(signals: Signals) -> Bottleneck | None:
    """Say that work queues at the write-ahead log; None when little time goes there."""
    waits = {n: v for n, v in signals.wait_sessions.items() if n.lower() in COMMIT_WAITS}
    share = signals.share_of_request_time(sum(waits.values()))
    if not waits or share is None or share < SHARE_MIN:
        return None
    name = max(waits, key=lambda wait: waits[wait])
    return Bottleneck(
        bottleneck_class="C23",
        place=name,
        share=share,
        tier="T1",
        confidence="medium",
        evidence=(
            f"{sum(waits.values()):.1f} sessions on average waited for the log to reach the disk, "
            f"{share:.0%} of request time"
        ),
    )
