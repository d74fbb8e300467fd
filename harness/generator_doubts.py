"""Doubts about the load generator: was it lost, starved, late by its own fault; is its record true.

Judged from what each load process and the machine's probe wrote while the load was on, held against
the samples. Nothing here speaks of the target, with one exception that colours no clause: a target
that closes every connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import numpy as np

from contracts.records import Caveat, Failure, Phase
from harness.caveat_kinds import caveat_of
from harness.checks.readings import HostCpu
from harness.checks.recorded import Recorded
from harness.checks.self_reports import SelfReport, Values
from harness.columns import EvidenceMissing, Flags, Int64
from harness.distribution_doubts import lost_processes
from harness.littles_law import Agreement, compare, sessions_in_progress
from harness.measurements import Measurements

# Facts on load §4: above nine tenths of its core a generator's own waiting enters the latencies.
CPU_LIMIT_SHARE: Final = 0.9
# Single busy seconds happen on any machine; a tenth of the measured time is a state.
CPU_SECONDS_SHARE: Final = 0.1
# The kernel's own work (network, disk) belongs to no process; what is beyond it is somebody else's.
FOREIGN_LIMIT_SHARE: Final = 0.25
# A loop that hangs this long is noticed (the limit of lateness); over a hundredth of the measured
# time it reaches the p99 of every operation. [ours]
STANDSTILL_MS_MIN: Final = 50.0
STANDSTILL_SHARE_MAX: Final = 0.01
# Time that the machine under this machine gave to others, or that a quota withheld. Quiet virtual
# machines show below 1 % (measured November 2026: 0.05 %). [ours]
WITHHELD_SHARE_MAX: Final = 0.05
# Clocks are steered by at most 500 ppm (ntp_adjtime), 0.5 ms a second; more is a step. [ours]
CLOCK_STEP_NS_MIN: Final = 50_000_000
# Beyond nine tenths of a limit the next burst meets it. [ours]
SCARCE_SHARE: Final = 0.9
# More than one new connection for ten requests is no keep-alive, and more than this many no start
# of a run. [ours]
RECONNECT_SHARE_MAX: Final = 0.1
RECONNECT_COUNT_MIN: Final = 100
# Requests may end in the moment between the last line and the last sample. [ours]
LOST_SHARE_MAX: Final = 0.001
LOST_COUNT_MIN: Final = 3
UNFINISHED_SHARE_MAX: Final = 0.01


def caveats_of_generator(recorded: Recorded) -> Iterator[Caveat]:
    """Return the doubts about the load processes and the machine they ran on."""
    reports = recorded.self_reports
    if not reports:
        yield caveat_of("generator_unobserved", "ตัวสร้างโหลดไม่ได้รายงานตัวเอง",
                        "the load processes left no report of themselves")  # fmt: skip
    else:
        yield from _of_lost(recorded, reports)
        yield from _of_clocks(reports)
        yield from _of_descriptors(reports)
        yield from _of_record(recorded, reports)
    yield from _of_starvation(recorded, reports)
    yield from _of_foreign_load(recorded)


def _of_lost(recorded: Recorded, reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    known = lost_processes(recorded)
    lost = [n for n, one in reports.items() if not one.has_finished and n not in known]
    absent = max(0, len(recorded.manifest.load_processes) - len(reports))
    if not (lost or absent) or recorded.manifest.ended != "completed":
        return
    named = ", ".join([*lost, *(["?"] * absent)])
    count = len(lost) + absent
    yield caveat_of("load_lost", f"โปรเซสสร้างโหลด {count} โปรเซสไม่จบการทำงาน ({named})",
                    f"{count} load processes did not finish ({named})")  # fmt: skip


# Starved: of CPU, of the loop, of connections.


class Reason(NamedTuple):
    """Why a generator could not do its work, in both languages."""

    th: str
    en: str


def _of_starvation(recorded: Recorded, reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    reasons = [
        Reason(f"{name}: {reason.th}", f"{name}: {reason.en}")
        for name, one in reports.items()
        for reason in reasons_of_starvation(one, recorded.measured_phases)
    ]
    with suppress(EvidenceMissing):  # named with the probes
        reasons += _withheld(recorded.host_cpu, recorded.measured_phases)
    if reasons:
        yield caveat_of(
            "generator_starved",
            "ตัวสร้างโหลดมีทรัพยากรไม่พอ: " + "; ".join(reason.th for reason in reasons),
            "the generator lacked what it needs: " + "; ".join(reason.en for reason in reasons),
        )


def reasons_of_starvation(report: SelfReport, phases: Sequence[Phase]) -> list[Reason]:
    """Say what one load process lacked while it was measured; nothing when it had enough."""
    inside = inside_phases(report.at_ns, phases)
    read = {name: values[inside] for name, values in report.values.items()}
    reasons = []
    busy = read["cpu_share"] > CPU_LIMIT_SHARE
    if busy.size and float(busy.mean()) > CPU_SECONDS_SHARE:
        reasons.append(Reason(
            f"ใช้ CPU เกิน {CPU_LIMIT_SHARE:.0%} ของหนึ่งคอร์ใน {busy.mean():.0%} ของเวลา",
            f"over {CPU_LIMIT_SHARE:.0%} of a core in {busy.mean():.0%} of the seconds",
        ))  # fmt: skip
    lag_ms = read["loop_lag_ms_max"]
    standstill_ms = float(lag_ms[lag_ms >= STANDSTILL_MS_MIN].sum())
    if standstill_ms > STANDSTILL_SHARE_MAX * 1e3 * _length_s(report.at_ns[inside]):
        waited_s = _grown(read["run_delay_ns"]) / 1e9
        reasons.append(Reason(
            f"หยุดนิ่งรวม {standstill_ms:,.0f} ms (พร้อมทำงานแต่รอคอร์ {waited_s:.1f} s)",
            f"it stood still for {standstill_ms:,.0f} ms in all, and was ready without a core for "
            f"{waited_s:.1f} s",
        ))  # fmt: skip
    if shortages := int(report.most("own_shortages")):
        reasons.append(Reason(
            f"ไม่มีพอร์ตหรือไฟล์ว่าง {shortages:,} ครั้ง",
            f"no port, descriptor or memory for {shortages:,} connections",
        ))  # fmt: skip
    full = read["connections"] >= read["connections_max"]
    if full.any():
        reasons.append(Reason(
            f"ใช้การเชื่อมต่อครบ {int(report.most('connections_max')):,} ใน {int(full.sum())} วินาที",
            f"all of its {int(report.most('connections_max')):,} connections in use in "
            f"{int(full.sum())} of the seconds",
        ))  # fmt: skip
    return reasons


def _withheld(cpu: HostCpu, phases: Sequence[Phase]) -> list[Reason]:
    inside = inside_phases(cpu.at_ns, phases)
    reasons = []
    for share, th, en in (
        (cpu.steal_share, "ไฮเปอร์ไวเซอร์", "the hypervisor"),
        (cpu.throttled_share, "โควตา CPU ของ cgroup", "the cgroup's CPU quota"),
    ):
        known = share[inside & np.isfinite(share)]
        if known.size and float(known.mean()) > WITHHELD_SHARE_MAX:
            taken = f"{known.mean():.0%}"
            reasons.append(
                Reason(f"{th}ดึงเวลา CPU ไป {taken}", f"{en} took {taken} of the CPU time away")
            )
    return reasons


def _of_foreign_load(recorded: Recorded) -> Iterator[Caveat]:
    try:
        cpu = recorded.host_cpu
    except EvidenceMissing:
        return  # named with the probes
    foreign = cpu.foreign_share[inside_phases(cpu.at_ns, recorded.measured_phases)]
    if foreign.size and float(foreign.mean()) > FOREIGN_LIMIT_SHARE:
        yield caveat_of(
            "foreign_load",
            f"โปรแกรมอื่นใช้ CPU ของเครื่องเฉลี่ย {foreign.mean():.0%} ระหว่างวัดผล",
            f"others used {foreign.mean():.0%} of this machine's CPU while it was measured",
        )


# Clocks.


def _of_clocks(reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    """Look for a machine that stood still, and for a wall clock that was set.

    A wall clock set forward looks exactly like a machine paused from outside, whose steady clock
    did not see the pause: then nobody knows how long the target was left alone.
    """
    slept_s = max(_steps(one, "boot_offset_ns").max(initial=0.0) for one in reports.values()) / 1e9
    ahead_s = max(_steps(one, "wall_offset_ns").max(initial=0.0) for one in reports.values()) / 1e9
    back_s = min(_steps(one, "wall_offset_ns").min(initial=0.0) for one in reports.values()) / 1e9
    if slept_s:
        yield caveat_of("machine_paused", f"เครื่องถูกพัก {slept_s:.2f} s ระหว่างทดสอบ",
                        f"the machine was suspended for {slept_s:.2f} s of the run")  # fmt: skip
    elif ahead_s:
        yield caveat_of(
            "machine_paused",
            f"นาฬิกาเดินหน้าทันที {ahead_s:.2f} s: อาจเป็นการตั้งนาฬิกา หรือเครื่องถูกหยุดจากภายนอก",
            f"the wall clock jumped {ahead_s:.2f} s ahead: it was set, or the machine was paused "
            f"from outside, which looks the same",
        )
    if back_s:
        yield caveat_of("wall_clock_stepped", f"นาฬิกาของเครื่องถูกตั้งถอยหลัง {-back_s:.2f} s",
                        f"the wall clock was set back by {-back_s:.2f} s")  # fmt: skip


def _steps(report: SelfReport, name: str) -> Values:
    """Return by how much a clock left the steady one from line to line, ns; 0 when it did not."""
    offset_ns, doubt_ns = report.values[name], report.values["clock_doubt_ns"]
    known = np.isfinite(offset_ns) & np.isfinite(doubt_ns)
    step_ns = np.diff(offset_ns[known])
    doubt_ns = doubt_ns[known]
    is_step = np.abs(step_ns) > CLOCK_STEP_NS_MIN + doubt_ns[1:] + doubt_ns[:-1]
    return np.where(is_step, step_ns, 0.0)


# Descriptors and connections.


def _of_descriptors(reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    for name, one in reports.items():
        used, limit = int(one.most("descriptors")), int(one.most("descriptors_max"))
        if used > SCARCE_SHARE * limit > 0:
            yield caveat_of("descriptors_scarce", f"{name} เปิดไฟล์ {used:,} จากขีดจำกัด {limit:,}",
                            f"{name} had {used:,} of {limit:,} descriptors open")  # fmt: skip


def _of_connections(report: SelfReport, name: str, failed: int) -> Iterator[Caveat]:
    opened, sent = int(report.most("connections_opened")), int(report.most("sent"))
    by_target = int(report.most("closed_by_target"))
    if not np.isfinite(report.values["closed_by_target"]).any():
        return
    limit = max(RECONNECT_COUNT_MIN, RECONNECT_SHARE_MAX * sent)
    # Connections broke with the requests on them; what is left over is our own doing.
    broken = failed + int(report.most("resent"))
    kept = int(report.most("connections")) + int(report.most("connections_retired"))
    by_us = opened - by_target - kept - broken
    if by_us > limit:
        yield caveat_of(
            "keep_alive_lost",
            f"{name} เปิดการเชื่อมต่อใหม่เอง {by_us:,} ครั้ง ต่อ {sent:,} คำขอ",
            f"{name} opened {by_us:,} connections anew for {sent:,} requests, by itself",
        )
    if by_target > limit:
        yield caveat_of(
            "target_closes_connections",
            f"ระบบปิดการเชื่อมต่อ {by_target:,} ครั้ง ต่อ {sent:,} คำขอ ({name})",
            f"the target closed {by_target:,} connections over {sent:,} requests ({name})",
        )


# Is the record true?


def _of_record(recorded: Recorded, reports: Mapping[str, SelfReport]) -> Iterator[Caveat]:
    try:
        samples = recorded.measurements
    except EvidenceMissing:
        return  # every clause that needs samples says so itself
    start = 0
    for name, row_count in samples.files:
        rows = slice(start, start + row_count)
        start += row_count
        if name not in reports:
            continue
        yield from _of_counts(samples, rows, reports[name], name)
        yield from _of_law(samples, rows, reports[name], name)
        yield from _of_connections(reports[name], name, _failed_count(samples, rows))
    yield from _of_unfinished(samples)


def _failed_count(samples: Measurements, rows: slice) -> int:
    harmless = (Failure.NONE, Failure.EXPECTED_REFUSAL, Failure.NOT_SENT)
    return int(np.count_nonzero(~np.isin(samples.failure[rows], harmless)))


def _of_counts(
    samples: Measurements, rows: slice, report: SelfReport, name: str
) -> Iterator[Caveat]:
    """Count what the process said it had ended against what is on record by then."""
    done = report.values["done"]
    said = np.flatnonzero(np.isfinite(done))
    if not said.size:
        return
    counted, at_ns = int(done[said[-1]]), int(report.at_ns[said[-1]])
    ended = (samples.sent_ns[rows] > 0) & (samples.done_ns[rows] <= at_ns)
    on_record = int(np.count_nonzero(ended))
    if abs(counted - on_record) > max(LOST_COUNT_MIN, LOST_SHARE_MAX * counted):
        yield caveat_of(
            "samples_lost",
            f"{name} ส่งและจบ {counted:,} คำขอ แต่ในบันทึกมี {on_record:,}",
            f"{name} ended {counted:,} requests, {on_record:,} are on record",
        )


def _of_law(samples: Measurements, rows: slice, report: SelfReport, name: str) -> Iterator[Caveat]:
    requests, sessions = agreements(samples, rows, report)
    for one, th, en in ((requests, "คำขอที่ค้างอยู่", "requests in flight"),
                        (sessions, "เซสชันที่เปิดอยู่", "sessions in progress")):  # fmt: skip
        if one.is_broken:
            yield caveat_of(
                "littles_law",
                f"{name} นับ{th}เฉลี่ย {one.seen_mean:.2f} แต่บันทึกให้ {one.recorded_mean:.2f} "
                f"ใน {one.look_count} ครั้งที่นับ",
                f"{name} counted {one.seen_mean:.2f} {en}, its record gives "
                f"{one.recorded_mean:.2f} at the same {one.look_count} instants",
            )


def agreements(
    samples: Measurements, rows: slice, report: SelfReport
) -> tuple[Agreement, Agreement]:
    """Hold one process's looks against its record: requests in flight, sessions in progress."""
    looks = report.looks
    sent_ns, done_ns = samples.sent_ns[rows], samples.done_ns[rows]
    ended = (sent_ns > 0) & (done_ns > 0)
    requests = compare(looks.in_flight, looks.at_ns, sent_ns[ended], done_ns[ended])
    progress = sessions_in_progress(
        samples.session[rows], samples.planned_ns[rows], sent_ns, done_ns
    )
    sessions = compare(
        looks.open_sessions, looks.at_ns, progress.sent_ns, progress.ended_ns,
        due_ns=progress.due_ns,
    )  # fmt: skip
    return requests, sessions


def _of_unfinished(samples: Measurements) -> Iterator[Caveat]:
    begun = int(np.unique(samples.session[samples.sent_ns > 0]).size)
    dropped = int(np.unique(samples.session[samples.is_dropped]).size)
    cut = np.unique(samples.session[samples.is_unoffered & (samples.step > 0)])
    if cut.size > UNFINISHED_SHARE_MAX * begun:
        yield caveat_of(
            "sessions_unfinished",
            f"เซสชัน {cut.size:,} จาก {begun:,} ไม่จบเมื่อหมดเวลา "
            f"(และอีก {dropped:,} เลิกเพราะคำขอล้มเหลว)",
            f"{cut.size:,} of {begun:,} sessions were cut off by the end of the run "
            f"(and {dropped:,} gave up after a failure)",
        )


def waited_share(report: SelfReport, phases: Sequence[Phase]) -> float:
    """Return the share of the measured time in which the process was ready and had no core."""
    inside = inside_phases(report.at_ns, phases)
    return _grown(report.values["run_delay_ns"][inside]) / 1e9 / _length_s(report.at_ns[inside])


def inside_phases(at_ns: Int64, phases: Sequence[Phase]) -> Flags:
    """Say for each time whether it lies in one of *phases*."""
    inside = np.zeros(at_ns.size, dtype=np.bool_)
    for phase in phases:
        inside |= (at_ns >= phase.started_ns) & (at_ns < phase.ended_ns)
    return inside


def _length_s(at_ns: Int64) -> float:
    """Return how long lines of about one second each speak for, s."""
    return max(1.0, (int(at_ns[-1]) - int(at_ns[0])) / 1e9) if at_ns.size else 1.0


def _grown(counter: Values) -> float:
    """Return by how much a counter grew; 0 where nobody kept it."""
    known = counter[np.isfinite(counter)]
    return max(0.0, float(known[-1] - known[0])) if known.size else 0.0
