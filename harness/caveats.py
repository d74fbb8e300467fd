"""Doubts that travel with a verdict: what was not right about the run itself, never the target.

What each does to the verdict stands in `harness.caveat_kinds`, those about the generator in
`harness.generator_doubts`. Imitates hyperfine's list of warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from contracts.records import Caveat, LoadKind
from contracts.terms import Contract, OperationKind
from harness.calibration.doubts import caveats_of_calibration
from harness.caveat_kinds import caveat_of
from harness.checks.money import unread_unit_count
from harness.checks.readings import read_probe_ends
from harness.checks.recorded import Recorded
from harness.columns import EvidenceMissing
from harness.distribution_doubts import caveats_of_distribution
from harness.generator_doubts import caveats_of_generator, waited_share
from harness.locustfile_doubts import caveats_of_locustfile
from harness.measurements import Measurements
from harness.run_folder import Manifest
from harness.sealing import broken_logs
from scenarios.networks import LOSSY

# Lateness that a person at a screen does not notice, and 1/20 of the tightest limit (p95 <= 1 s).
LATENESS_LIMIT_MS: Final = 50.0
OFFERED_SHARE_MIN: Final = 0.99
EXTRA_LOGINS_SHARE: Final = 0.02


def caveats_of_load(recorded: Recorded, contract: Contract) -> tuple[Caveat, ...]:
    """Return the caveats that follow from how the run went and what the generator did."""
    return (
        *_of_ending(recorded),
        *_of_manifest(recorded, contract),
        *_of_samples(recorded),
        *caveats_of_generator(recorded),
        *caveats_of_distribution(recorded),
        *caveats_of_locustfile(recorded),
        *caveats_of_calibration(recorded.manifest),
        *_of_probes(recorded),
    )


def caveats_of_books(recorded: Recorded) -> tuple[Caveat, ...]:
    """Return the caveats that follow from how the books were read."""
    if recorded.manifest.is_own_load:
        return ()  # it has no books, and the clauses that need them say so
    try:
        unread = unread_unit_count(recorded)
    except EvidenceMissing as missing:
        return (caveat_of("books_incomplete", missing.text.th, missing.text.en),)
    if not unread:
        return ()
    return (
        caveat_of(
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
        caveat_of(
            "violations_without_clause",
            f"พบการผิดกฎที่ไม่มีข้อสัญญาครอบคลุม ({named})",
            f"violations of rules that no clause of this contract covers ({named})",
        ),
    )


def _of_ending(recorded: Recorded) -> Iterator[Caveat]:
    ended, why = recorded.manifest.ended, recorded.manifest.end_reason
    reason = f" ({why})" if why else ""
    if ended == "completed":
        return
    if ended == "target_lost":
        yield caveat_of("target_lost", f"ระบบหยุดตอบระหว่างทดสอบ{reason}",
                      f"the target was lost during the run{reason}")  # fmt: skip
    elif ended == "load_lost":
        yield caveat_of("load_lost", f"โปรเซสสร้างโหลดหยุดกลางคัน{reason}",
                      f"the load was lost during the run{reason}")  # fmt: skip
    else:
        yield caveat_of("run_interrupted", f"การทดสอบถูกหยุดก่อนจบ{reason}",
                      f"the run was interrupted{reason}")  # fmt: skip


def _of_manifest(recorded: Recorded, contract: Contract) -> Iterator[Caveat]:
    manifest = recorded.manifest
    if manifest.contract_sha256 != contract.sha256:
        yield caveat_of("contract_differs", "สัญญาที่ใช้ตัดสินไม่ใช่ฉบับที่ใช้ทดสอบ",
                      "the contract judged by is not the contract of the run")  # fmt: skip
    yield from _of_own_load(manifest)
    if manifest.scale < 1.0:
        yield caveat_of("scaled", f"ทดสอบเพียง {manifest.scale:g} ของจำนวนหน่วยงาน",
                      f"only {manifest.scale:g} of the units took part")  # fmt: skip
    if manifest.think_scale < 1.0:
        divisor = 1.0 / manifest.think_scale if manifest.think_scale > 0 else float("inf")
        yield caveat_of("compressed", f"เวลาคิดถูกหารด้วย {divisor:.1f}",
                      f"think times were divided by {divisor:.1f}")  # fmt: skip
    if manifest.left_out:
        named = ", ".join(manifest.left_out)
        yield caveat_of("partial_dialect", f"ระบบไม่มีรายการที่กิจกรรมนี้ต้องใช้: {named}",
                        f"the dialect {manifest.dialect} cannot speak: {named}")  # fmt: skip
    if manifest.network == LOSSY:
        yield caveat_of("lossy_network", "หน่วยงานหนึ่งในสิบใช้เครือข่ายช้าและขาดหายที่จำลองขึ้น",
                        "one unit in ten was behind an emulated slow and lossy line")  # fmt: skip
    try:
        is_faulted = bool(recorded.faults)
    except EvidenceMissing:
        return
    if not is_faulted and not manifest.is_own_load:
        yield caveat_of("faults_not_tested", "ไม่ได้ทดสอบการล้มของระบบ", "no fault was injected")


def _of_own_load(manifest: Manifest) -> Iterator[Caveat]:
    if not manifest.is_own_load:
        return
    source = manifest.load_source.get("file", "?")
    yield caveat_of("own_load", f"ภาระงานมาจาก {source} มิใช่ของทั้งประเทศที่ระดับ {manifest.level}",
                    f"the load came from {source}, it is not the country's at level "
                    f"{manifest.level}")  # fmt: skip
    if manifest.load_kind == LoadKind.LOCUSTFILE:
        yield caveat_of("closed_load", "ผู้ใช้ของไฟล์ Locust ไม่ส่งคำขอขณะรอ จึงเห็นการหยุดชะงักได้ไม่ครบ",
                        "the users of a locustfile ask for nothing while they wait, so that a "
                        "stall shows only in part")  # fmt: skip


def _of_samples(recorded: Recorded) -> Iterator[Caveat]:
    broken = broken_logs(recorded.folder)
    if broken:
        yield caveat_of("sealed_from_broken_log", f"บันทึกไม่สมบูรณ์: {', '.join(broken)}",
                      f"logs that were not whole: {', '.join(broken)}")  # fmt: skip
    try:
        samples = recorded.measurements
    except EvidenceMissing:
        return  # every clause that needs samples says so itself
    if samples.disordered_count:
        yield caveat_of("clock_stepped", f"เวลาย้อนกลับใน {samples.disordered_count} คำขอ",
                      f"times run backwards in {samples.disordered_count} samples")  # fmt: skip
    lateness_ms = generator_lateness_ms(samples, recorded)
    if lateness_ms > LATENESS_LIMIT_MS:
        waited = _waited_share(recorded)
        yield caveat_of(
            "generator_late",
            f"ตัวสร้างโหลดส่งช้ากว่าแผน p99 {lateness_ms:.0f} ms (ไม่เกิน {LATENESS_LIMIT_MS:g} ms) "
            f"พร้อมทำงานแต่รอคอร์ {waited:.0%} ของเวลา",
            f"the generator sent late: p99 {lateness_ms:.0f} ms (limit {LATENESS_LIMIT_MS:g} ms); "
            f"it was ready and had no core in {waited:.0%} of the time",
        )
    yield from _of_offer(recorded, samples)
    yield from _of_plan(recorded, samples)
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


def _waited_share(recorded: Recorded) -> float:
    reports = recorded.self_reports.values()
    return max((waited_share(one, recorded.measured_phases) for one in reports), default=0.0)


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
        yield caveat_of(
            "not_offered",
            f"เริ่ม {started} จาก {planned} เซสชันตามแผน และไม่ได้ส่ง {unoffered} คำขอ",
            f"{started} of {planned} planned sessions were started, {unoffered} requests not sent",
        )


def _of_plan(recorded: Recorded, samples: Measurements) -> Iterator[Caveat]:
    """Each planned request is one sample with attempt 0, sent or not; a whole run has them all."""
    planned = recorded.manifest.planned_by_operation
    if recorded.manifest.ended != "completed" or not planned:
        return
    rows = np.bincount(samples.operation[samples.is_request], minlength=len(samples.operations))
    on_record: dict[str, int] = dict.fromkeys(planned, 0)
    for (name, _), count in zip(samples.operations, rows.tolist(), strict=True):
        on_record[name] = on_record.get(name, 0) + count
    wrong = {name: count for name, count in on_record.items() if count != planned.get(name, 0)}
    if wrong:
        named = ", ".join(
            f"{name} {count:,}/{planned.get(name, 0):,}" for name, count in list(wrong.items())[:5]
        )
        yield caveat_of(
            "plan_not_recorded",
            f"คำขอในบันทึกไม่ตรงกับแผนใน {len(wrong)} รายการ ({named})",
            f"{len(wrong)} operations are not on record as often as planned ({named})",
        )


def _of_logins(recorded: Recorded, samples: Measurements) -> Iterator[Caveat]:
    names = {name for name, kind in samples.operations if kind == OperationKind.LOGIN}
    planned = sum(recorded.manifest.planned_by_operation.get(name, 0) for name in names)
    if recorded.manifest.is_own_load:
        return
    made = int(np.count_nonzero(samples.of_kinds({OperationKind.LOGIN}) & (samples.sent_ns > 0)))
    if made > (1.0 + EXTRA_LOGINS_SHARE) * planned:
        yield caveat_of("extra_logins", f"มีคำขอเข้าสู่ระบบ {made} คำขอ ตามแผน {planned}",
                      f"{made} sign-in requests were made, {planned} were planned")  # fmt: skip


def _of_probes(recorded: Recorded) -> Iterator[Caveat]:
    ends = read_probe_ends(recorded.folder.readings)
    died = [f"{end.probe}: {end.died_because}" for end in ends if end.died_because]
    if not any(end.probe == "host" for end in ends):
        died.append("host: it left no readings")
    if died:
        yield caveat_of("probes_died", f"หัววัดไม่ทำงานครบ ({'; '.join(died)})",
                      f"probes did not work to the end ({'; '.join(died)})")  # fmt: skip
