"""Doubts about a foreign locustfile that asked for less than it seems; Locust says nothing of it.

Users that died, tasks that raised, an end before its time, answers that nobody reported: such a
load may look fast and free of errors. Judged from what the load processes counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from contracts.records import Caveat, LoadKind
from harness.caveat_kinds import caveat_of
from harness.checks.recorded import Recorded
from harness.checks.self_reports import SelfReport
from harness.generator_doubts import inside_phases

# As for planned loads: what is less than 99 % of what was wanted was not offered. [ours]
USERS_SHARE_MIN: Final = 0.99
# One request in a hundred that is missing reaches the p99. [ours]
MISSING_SHARE_MAX: Final = 0.01
EARLY_NS: Final = 1_500_000_000  # Locust looks once a second whether it is to end


def caveats_of_locustfile(recorded: Recorded) -> Iterator[Caveat]:
    """Return the doubts about a locustfile's load; none for other loads."""
    if recorded.manifest.load_kind != LoadKind.LOCUSTFILE:
        return
    reports = recorded.self_reports
    yield from _of_users(recorded, reports)
    yield from _of_tasks(reports)
    yield from _of_end(recorded, reports)


def _of_users(recorded: Recorded, reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    there = wanted = 0.0
    for one in reports.values():
        users, target = one.values["open_sessions"], one.values["users_wanted"]
        known = inside_phases(one.at_ns, recorded.measured_phases)
        known &= np.isfinite(users) & np.isfinite(target)
        there += float(np.minimum(users, target)[known].sum())
        wanted += float(target[known].sum())
    if there < USERS_SHARE_MIN * wanted:
        share = f"{there / wanted:.0%}"
        yield caveat_of(
            "users_missing",
            f"ผู้ใช้ที่ทำงานอยู่มีเพียง {share} ของที่ตั้งไว้โดยเฉลี่ย",
            f"only {share} of the users that were wanted were there on average",
        )


def _of_tasks(reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    done, errors, untimed = (
        int(sum(one.most(name) for one in reports.values()))
        for name in ("done", "task_errors", "untimed")
    )
    first = next((one.first_error for one in reports.values() if one.first_error), "")
    if errors:
        kind = "task_errors" if errors > MISSING_SHARE_MAX * done else "few_task_errors"
        yield caveat_of(
            kind,
            f"งานในไฟล์ Locust ล้มเหลวกลางคัน {errors:,} ครั้ง ครั้งแรก: {first}",
            f"tasks of the locustfile raised {errors:,} times and did not go on, first: {first}",
        )
    left = int(sum(_last(one, "unreported") for one in reports.values()))
    if left > MISSING_SHARE_MAX * done:
        yield caveat_of(
            "unreported_requests",
            f"คำขอ {left:,} รายการใช้ catch_response โดยไม่มี with จึงไม่มีผลในบันทึก",
            f"{left:,} requests were made with catch_response and without a with block: Locust "
            f"never told of them",
        )
    if untimed:
        yield caveat_of(
            "untimed_events",
            f"เหตุการณ์ {untimed:,} รายการไม่มีเวลาตอบ จึงไม่นับเป็นคำขอ",
            f"{untimed:,} events told no response time and are no requests here",
        )


def _last(report: SelfReport, name: str) -> float:
    known = report.values[name][np.isfinite(report.values[name])]
    return float(known[-1]) if known.size else 0.0


def _of_end(recorded: Recorded, reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    early_ns = max((one.due_ns - one.ended_ns for one in reports.values()), default=0)
    if recorded.manifest.ended == "completed" and early_ns > EARLY_NS:
        yield caveat_of(
            "ended_early",
            f"ไฟล์ Locust จบก่อนเวลา {early_ns / 1e9:.0f} s",
            f"the locustfile ended {early_ns / 1e9:.0f} s before its time",
        )
