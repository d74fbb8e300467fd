"""Doubts that travel with a verdict: a closed list, each with its advice.

A caveat says what was not right about the run itself, never about the target. Some block: with them
a run that would be MET is INCONCLUSIVE. Some void the clauses about time altogether, because a late
or starved generator must never be called a slow target. Imitates hyperfine's list of warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.records import Caveat, Phase
from contracts.terms import Contract, OperationKind
from harness.checks.money import unread_unit_count
from harness.checks.readings import read_probe_ends
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing, Flags, Int64
from harness.measurements import Measurements
from harness.sealing import broken_logs

# Lateness that a person at a screen does not notice, and 1/20 of the tightest limit (p95 <= 1 s).
LATENESS_LIMIT_MS: Final = 50.0
# Facts on load §4: above nine tenths of its core a generator's own waiting enters the latencies.
CPU_LIMIT_SHARE: Final = 0.9
# Single busy seconds happen on any machine; a tenth of the measured time is a state.
CPU_SECONDS_SHARE: Final = 0.1
# The kernel's own work (network, disk) belongs to no process; what is beyond it is somebody else's.
FOREIGN_LIMIT_SHARE: Final = 0.25
OFFERED_SHARE_MIN: Final = 0.99
EXTRA_LOGINS_SHARE: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One entry of the list: does it block a MET, does it void clauses about time, what to do."""

    blocks: bool
    voids_time: bool
    advice_th: str
    advice_en: str


KINDS: Final[Mapping[str, Kind]] = {
    "generator_late": Kind(
        blocks=True, voids_time=True,
        advice_th="ลดภาระของเครื่องที่สร้างโหลด หรือแยกเครื่อง แล้วทดสอบใหม่",
        advice_en="free the machine of the load generator, or give it one of its own, and repeat",
    ),
    "generator_starved": Kind(
        blocks=True, voids_time=True,
        advice_th="เพิ่มจำนวนโปรเซสสร้างโหลด หรือแยกเครื่อง แล้วทดสอบใหม่",
        advice_en="use more load processes or another machine, and repeat",
    ),
    "foreign_load": Kind(
        blocks=True, voids_time=True,
        advice_th="หยุดโปรแกรมอื่นบนเครื่องนี้ แล้วทดสอบใหม่",
        advice_en="stop what else runs on this machine, and repeat",
    ),
    "load_lost": Kind(
        blocks=True, voids_time=True,
        advice_th="ดูบันทึกของโปรเซสสร้างโหลด แล้วทดสอบใหม่",
        advice_en="look at the log of the load process, and repeat",
    ),
    "not_offered": Kind(
        blocks=True, voids_time=True,
        advice_th="โหลดตามแผนไม่ได้ถูกส่งครบ จึงไม่มีผลสรุป ให้ทดสอบใหม่",
        advice_en="the planned load was not put on the target: repeat",
    ),
    "run_interrupted": Kind(
        blocks=True, voids_time=True,
        advice_th="ให้การทดสอบดำเนินจนจบ",
        advice_en="let the run end by itself",
    ),
    "clock_stepped": Kind(
        blocks=True, voids_time=True,
        advice_th="ตรวจนาฬิกาและการพักเครื่อง แล้วทดสอบใหม่",
        advice_en="look for a suspended machine or a broken clock, and repeat",
    ),
    "target_lost": Kind(
        blocks=True, voids_time=False,
        advice_th="ดูบันทึกของระบบที่ถูกทดสอบ",
        advice_en="look at the target's own log",
    ),
    "books_incomplete": Kind(
        blocks=True, voids_time=False,
        advice_th="อ่านบัญชีใหม่จากระบบให้ครบทุกหน่วยงาน แล้วทดสอบใหม่",
        advice_en="make the books of every unit readable, and repeat",
    ),
    "sealed_from_broken_log": Kind(
        blocks=True, voids_time=False,
        advice_th="โปรเซสสร้างโหลดอาจถูกหยุดกลางคัน ให้ทดสอบใหม่",
        advice_en="the load process was probably killed: repeat",
    ),
    "contract_differs": Kind(
        blocks=True, voids_time=False,
        advice_th="ตัดสินด้วยสัญญาฉบับที่ใช้ตอนทดสอบ หรือทดสอบใหม่ด้วยสัญญาฉบับนี้",
        advice_en="judge with the contract of the run, or repeat the run with this contract",
    ),
    "doubts_unknown": Kind(
        blocks=True, voids_time=True,
        advice_th="ส่งโฟลเดอร์นี้ให้ผู้ดูแลเครื่องมือตรวจสอบ",
        advice_en="give this folder to the maintainers of the harness",
    ),
    "violations_without_clause": Kind(
        blocks=False, voids_time=False,
        advice_th="เพิ่มข้อสัญญาที่ครอบคลุมกฎนี้ และดู findings.json",
        advice_en="add a clause for this rule to the contract, and see findings.json",
    ),
    "scaled": Kind(
        blocks=False, voids_time=False,
        advice_th="ใช้เป็นหลักฐานได้ แต่ไม่ใช่การตรวจรับ",
        advice_en="this is evidence, not acceptance: repeat with --scale 1",
    ),
    "compressed": Kind(
        blocks=False, voids_time=False,
        advice_th="อัตราคำขอเท่าจริง แต่เวลาคิดและจำนวนผู้ใช้พร้อมกันลดลง",
        advice_en="rates are real, sessions in progress are fewer; --duration 3600 is full length",
    ),
    "faults_not_tested": Kind(
        blocks=False, voids_time=False,
        advice_th="ทดสอบใหม่ด้วย --faults all",
        advice_en="repeat with --faults all",
    ),
    "probes_died": Kind(
        blocks=False, voids_time=False,
        advice_th="การวินิจฉัยและข้อที่อาศัยค่านี้จะไม่มีผลสรุป",
        advice_en="clauses and causes that rest on these readings stay open",
    ),
    "generator_unobserved": Kind(
        blocks=False, voids_time=False,
        advice_th="อาศัยเพียงเวลาส่งที่บันทึกไว้",
        advice_en="only the recorded send times speak for the generator",
    ),
    "extra_logins": Kind(
        blocks=False, voids_time=False,
        advice_th="เตรียมเซสชันไว้ล่วงหน้า หรือยืดอายุเซสชัน",
        advice_en="prepare sessions before the window, or let them live longer",
    ),
}  # fmt: skip


def caveats_of_load(recorded: Recorded, contract: Contract) -> tuple[Caveat, ...]:
    """Return the caveats that follow from how the run went and what the generator did."""
    return (
        *_of_ending(recorded),
        *_of_manifest(recorded, contract),
        *_of_samples(recorded),
        *_of_load_processes(recorded),
        *_of_machine(recorded),
        *_of_probes(recorded),
    )


def caveats_of_books(recorded: Recorded) -> tuple[Caveat, ...]:
    """Return the caveats that follow from how the books were read."""
    try:
        unread = unread_unit_count(recorded)
    except EvidenceMissing as missing:
        return (_caveat("books_incomplete", missing.text.th, missing.text.en),)
    if not unread:
        return ()
    return (
        _caveat(
            "books_incomplete",
            f"อ่านบัญชีไม่ครบ {unread} หน่วยงาน",
            f"the books of {unread} units were not read whole before and after the load",
        ),
    )


def violations_without_clause(rules: Mapping[str, int]) -> tuple[Caveat, ...]:
    """Return the caveat for violations of invariants that no clause of the contract covers."""
    if not rules:
        return ()
    named = ", ".join(f"{about}: {count}" for about, count in rules.items())
    return (
        _caveat(
            "violations_without_clause",
            f"พบการผิดกฎที่ไม่มีข้อสัญญาครอบคลุม ({named})",
            f"violations of rules that no clause of this contract covers ({named})",
        ),
    )


def _caveat(caveat_id: str, th: str, en: str) -> Caveat:
    kind = KINDS[caveat_id]
    return Caveat(
        id=caveat_id,
        text_th=f"{th}; {kind.advice_th}",
        text_en=f"{en}; {kind.advice_en}",
        blocks=kind.blocks,
    )


def _of_ending(recorded: Recorded) -> Iterator[Caveat]:
    ended, why = recorded.manifest.ended, recorded.manifest.end_reason
    reason = f" ({why})" if why else ""
    if ended == "completed":
        return
    if ended == "target_lost":
        yield _caveat("target_lost", f"ระบบหยุดตอบระหว่างทดสอบ{reason}",
                      f"the target was lost during the run{reason}")  # fmt: skip
    elif ended == "load_lost":
        yield _caveat("load_lost", f"โปรเซสสร้างโหลดหยุดกลางคัน{reason}",
                      f"the load was lost during the run{reason}")  # fmt: skip
    else:
        yield _caveat("run_interrupted", f"การทดสอบถูกหยุดก่อนจบ{reason}",
                      f"the run was interrupted{reason}")  # fmt: skip


def _of_manifest(recorded: Recorded, contract: Contract) -> Iterator[Caveat]:
    manifest = recorded.manifest
    if manifest.contract_sha256 != contract.sha256:
        yield _caveat("contract_differs", "สัญญาที่ใช้ตัดสินไม่ใช่ฉบับที่ใช้ทดสอบ",
                      "the contract judged by is not the contract of the run")  # fmt: skip
    if manifest.scale < 1.0:
        yield _caveat("scaled", f"ทดสอบเพียง {manifest.scale:g} ของจำนวนหน่วยงาน",
                      f"only {manifest.scale:g} of the units took part")  # fmt: skip
    if manifest.think_scale < 1.0:
        divisor = 1.0 / manifest.think_scale if manifest.think_scale > 0 else float("inf")
        yield _caveat("compressed", f"เวลาคิดถูกหารด้วย {divisor:.1f}",
                      f"think times were divided by {divisor:.1f}")  # fmt: skip
    try:
        is_faulted = bool(recorded.faults)
    except EvidenceMissing:
        return
    if not is_faulted:
        yield _caveat("faults_not_tested", "ไม่ได้ทดสอบการล้มของระบบ", "no fault was injected")


def _of_samples(recorded: Recorded) -> Iterator[Caveat]:
    broken = broken_logs(recorded.folder)
    if broken:
        yield _caveat("sealed_from_broken_log", f"บันทึกไม่สมบูรณ์: {', '.join(broken)}",
                      f"logs that were not whole: {', '.join(broken)}")  # fmt: skip
    try:
        samples = recorded.measurements
    except EvidenceMissing:
        return  # every clause that needs samples says so itself
    if samples.disordered_count:
        yield _caveat("clock_stepped", f"เวลาย้อนกลับใน {samples.disordered_count} คำขอ",
                      f"times run backwards in {samples.disordered_count} samples")  # fmt: skip
    lateness_ms = generator_lateness_ms(samples, recorded)
    if lateness_ms > LATENESS_LIMIT_MS:
        yield _caveat(
            "generator_late",
            f"ตัวสร้างโหลดส่งช้ากว่าแผน p99 {lateness_ms:.0f} ms (ไม่เกิน {LATENESS_LIMIT_MS:g} ms)",
            f"the generator sent late: p99 {lateness_ms:.0f} ms (limit {LATENESS_LIMIT_MS:g} ms)",
        )
    yield from _of_offer(recorded, samples)
    yield from _of_logins(recorded, samples)


def generator_lateness_ms(samples: Measurements, recorded: Recorded) -> float:
    """Return p99 of sent minus planned over the measured phases, ms.

    A later step of a session is planned from the answer before it, so that lateness is never the
    target's doing.
    """
    rows = np.flatnonzero(
        samples.is_request & (samples.sent_ns > 0) & samples.planned_in(recorded.measured_phases)
    )
    if not rows.size:
        return 0.0
    late_ns = np.maximum(samples.sent_ns[rows] - samples.planned_ns[rows], 0)
    rank = max(0, -(-rows.size * 99 // 100) - 1)
    return float(np.partition(late_ns, rank)[rank]) / 1e6


def _of_offer(recorded: Recorded, samples: Measurements) -> Iterator[Caveat]:
    # A session whose sign-in failed never came to its first step: it was offered all the same.
    is_offered = (samples.sent_ns > 0) | samples.is_dropped
    arrivals = samples.is_request & (samples.step == 0) & is_offered
    started = int(np.unique(samples.session[arrivals]).size)
    planned = recorded.manifest.planned_sessions
    sent = int(np.count_nonzero(samples.is_request & (samples.sent_ns > 0)))
    unoffered = int(
        np.count_nonzero(samples.is_unoffered & samples.planned_in(recorded.measured_phases))
    )
    too_few = started < OFFERED_SHARE_MIN * planned
    if too_few or sent < OFFERED_SHARE_MIN * (sent + unoffered):
        yield _caveat(
            "not_offered",
            f"เริ่ม {started} จาก {planned} เซสชันตามแผน และไม่ได้ส่ง {unoffered} คำขอ",
            f"{started} of {planned} planned sessions were started, {unoffered} requests not sent",
        )


def _of_logins(recorded: Recorded, samples: Measurements) -> Iterator[Caveat]:
    names = {name for name, kind in samples.operations if kind == OperationKind.LOGIN}
    planned = sum(recorded.manifest.planned_by_operation.get(name, 0) for name in names)
    made = int(np.count_nonzero(samples.of_kinds({OperationKind.LOGIN}) & (samples.sent_ns > 0)))
    if made > (1.0 + EXTRA_LOGINS_SHARE) * planned:
        yield _caveat("extra_logins", f"มีคำขอเข้าสู่ระบบ {made} คำขอ ตามแผน {planned}",
                      f"{made} sign-in requests were made, {planned} were planned")  # fmt: skip


def _of_load_processes(recorded: Recorded) -> Iterator[Caveat]:
    progress = recorded.load_progress
    expected = len(recorded.manifest.load_processes)
    if not progress:
        yield _caveat("generator_unobserved", "ตัวสร้างโหลดไม่ได้รายงานตัวเอง",
                      "the load processes left no report of themselves")  # fmt: skip
        return
    lost = [name for name, one in progress.items() if not one.has_finished]
    count = len(lost) + max(0, expected - len(progress))
    if count and recorded.manifest.ended == "completed":
        yield _caveat("load_lost", f"โปรเซสสร้างโหลด {count} โปรเซสไม่จบการทำงาน",
                      f"{count} load processes did not finish")  # fmt: skip
    starved = []
    for name, one in progress.items():
        busy = one.cpu_share[inside_phases(one.at_ns, recorded.measured_phases)] > CPU_LIMIT_SHARE
        is_busy = bool(busy.size) and float(busy.mean()) > CPU_SECONDS_SHARE
        if is_busy or one.shortage_count:
            starved.append(name)
    if starved:
        yield _caveat(
            "generator_starved",
            f"ตัวสร้างโหลดมีทรัพยากรไม่พอ: CPU เกิน {CPU_LIMIT_SHARE:.0%} ของหนึ่งคอร์ หรือพอร์ตหมด "
            f"({', '.join(starved)})",
            f"the generator lacked CPU (over {CPU_LIMIT_SHARE:.0%} of a core) or ports of its own "
            f"({', '.join(starved)})",
        )


def _of_machine(recorded: Recorded) -> Iterator[Caveat]:
    try:
        cpu = recorded.host_cpu
    except EvidenceMissing:
        return  # named with the probes
    inside = inside_phases(cpu.at_ns, recorded.measured_phases)
    foreign = cpu.foreign_share[inside]
    if foreign.size and float(foreign.mean()) > FOREIGN_LIMIT_SHARE:
        yield _caveat(
            "foreign_load",
            f"โปรแกรมอื่นใช้ CPU ของเครื่องเฉลี่ย {foreign.mean():.0%} ระหว่างวัดผล",
            f"others used {foreign.mean():.0%} of this machine's CPU while it was measured",
        )


def inside_phases(at_ns: Int64, phases: Sequence[Phase]) -> Flags:
    """Say for each time whether it lies in one of *phases*."""
    inside = np.zeros(at_ns.size, dtype=np.bool_)
    for phase in phases:
        inside |= (at_ns >= phase.started_ns) & (at_ns < phase.ended_ns)
    return inside


def _of_probes(recorded: Recorded) -> Iterator[Caveat]:
    ends = read_probe_ends(recorded.folder.readings)
    died = [f"{end.probe}: {end.died_because}" for end in ends if end.died_because]
    if not any(end.probe == "host" for end in ends):
        died.append("host: it left no readings")
    if died:
        yield _caveat("probes_died", f"หัววัดไม่ทำงานครบ ({'; '.join(died)})",
                      f"probes did not work to the end ({'; '.join(died)})")  # fmt: skip
