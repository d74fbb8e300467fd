"""Doubts about a load of several processes: was one lost, and do their clocks show one time.

From what the manifest says of each load process: the harness or the master wrote it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from contracts.records import Caveat
from harness.caveat_kinds import caveat_of
from harness.checks.recorded import Recorded

# Arrivals of several machines are put together by their clocks; a planned second is then wrong by
# at most half a percent at its edges. [estimated]
CLOCKS_LIMIT_NS: Final = 5_000_000
_Facts = Mapping[str, str | int | float]


def caveats_of_distribution(recorded: Recorded) -> Iterator[Caveat]:
    """Return the doubts about how the load processes worked together."""
    for process in recorded.manifest.load_processes:
        if process.get("is_lost"):
            yield _worker_lost(process)
        elif not process.get("is_collected", 1):
            yield _not_collected(process)
    worst = [(_apart_ns(process), process) for process in recorded.manifest.load_processes]
    apart_ns, process = max(worst, key=lambda one: one[0], default=(0, {}))
    if apart_ns > CLOCKS_LIMIT_NS:
        host, ms = process.get("host") or process.get("process_index"), apart_ns / 1e6
        yield caveat_of(
            "clocks_differ",
            f"นาฬิกาของเครื่องสร้างโหลด {host} ต่างจากเครื่องหลักได้ถึง {ms:,.1f} ms "
            f"(ไม่เกิน {CLOCKS_LIMIT_NS / 1e6:g} ms)",
            f"the clock of load generator {host} is known or kept only to {ms:,.1f} ms "
            f"(limit {CLOCKS_LIMIT_NS / 1e6:g} ms)",
        )


def lost_processes(recorded: Recorded) -> frozenset[str]:
    """Return the names (`load-<i>`) of the load processes whose loss is known."""
    return frozenset(
        f"load-{process.get('process_index')}"
        for process in recorded.manifest.load_processes
        if process.get("is_lost")
    )


def _worker_lost(process: _Facts) -> Caveat:
    index, why, takers = (
        process.get(name, "") for name in ("process_index", "lost_because", "taken_over_by")
    )
    back_en = "; it came back later" if process.get("has_come_back") else ""
    back_th = " และกลับมาภายหลัง" if process.get("has_come_back") else ""
    return caveat_of(
        "worker_lost",
        f"โปรเซสสร้างโหลด {index} หายไประหว่างทดสอบ ({why}){back_th} ส่วนที่ยังไม่เริ่ม"
        + (f"ทำแทนโดย {takers}" if takers else "ไม่ได้ถูกส่ง"),
        f"load process {index} was lost ({why}){back_en}; what it had not begun was "
        + (f"taken over by {takers}" if takers else "not offered"),
    )


def _not_collected(process: _Facts) -> Caveat:
    index, where = process.get("process_index", ""), process.get("where", "")
    return caveat_of(
        "worker_lost",
        f"บันทึกของโปรเซสสร้างโหลด {index} ไม่ถูกเก็บมา (อยู่ที่ {where})",
        f"the logs of load process {index} were not collected; they lie in {where}",
    )


def _apart_ns(process: _Facts) -> int:
    """Return how far its clock may be from the master's, moved against it, or was set."""
    names = ("clock_error_ns", "clock_drift_ns", "wall_step_ns")
    return max(value if isinstance(value := process.get(name, 0), int) else 0 for name in names)
