"""The closed list of doubts: what each does to a verdict, and the advice that goes with it.

Some block: with them a run that would be MET is INCONCLUSIVE. Some void the clauses about time
altogether, because a late or starved generator must never be called a slow target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.records import Caveat


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
    "worker_lost": Kind(
        blocks=True, voids_time=False,
        advice_th="ดูบันทึกของโปรเซสสร้างโหลดนั้น แล้วทดสอบใหม่",
        advice_en="see why it was lost, and repeat",
    ),
    "clocks_differ": Kind(
        blocks=True, voids_time=False,
        advice_th="ตรวจการตั้งเวลาและเครือข่ายระหว่างเครื่อง แล้วทดสอบใหม่",
        advice_en="see to the machines' clocks and the network between them, and repeat",
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
    "calibration_failed": Kind(
        blocks=True, voids_time=True,
        advice_th="แก้สาเหตุ แล้วรัน monthend calibrate จนผ่าน จึงทดสอบใหม่",
        advice_en="find out why, run `monthend calibrate` until it is met, and repeat",
    ),
    "not_calibrated": Kind(
        blocks=False, voids_time=False,
        advice_th="รัน monthend calibrate บนเครื่องนี้ก่อนทดสอบ",
        advice_en="run `monthend calibrate` on this machine before the run",
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
    "own_load": Kind(
        blocks=False, voids_time=False,
        advice_th="ข้อสัญญาตัดสินตามภาระงานนี้เท่านั้น",
        advice_en="the clauses are judged for this load and no other",
    ),
    "closed_load": Kind(
        blocks=False, voids_time=False,
        advice_th="คำนวณเปอร์เซ็นไทล์ซ้ำโดยเติมคำขอที่หายไป; ใช้ --workload เพื่อทดสอบแบบเปิด",
        advice_en="percentiles were held against the requests it left out; --workload is open",
    ),
    "users_missing": Kind(
        blocks=True, voids_time=False,
        advice_th="ดูว่าเหตุใดผู้ใช้จึงหยุดทำงาน (on_start, StopUser) แล้วทดสอบใหม่",
        advice_en="see what ended them (on_start, StopUser), and repeat: fewer users prove less",
    ),
    "task_errors": Kind(
        blocks=True, voids_time=False,
        advice_th="แก้ไฟล์ Locust แล้วทดสอบใหม่",
        advice_en="correct the locustfile, and repeat: what was left out proves nothing",
    ),
    "few_task_errors": Kind(
        blocks=False, voids_time=False,
        advice_th="ตรวจไฟล์ Locust",
        advice_en="look at the locustfile",
    ),
    "unreported_requests": Kind(
        blocks=True, voids_time=True,
        advice_th="ใช้ with กับ catch_response แล้วทดสอบใหม่",
        advice_en="write `with ... catch_response=True` about them, and repeat",
    ),
    "untimed_events": Kind(
        blocks=False, voids_time=False,
        advice_th="ระบุ response_time เป็นมิลลิวินาที หากเป็นคำขอ",
        advice_en="give response_time in ms where they are requests",
    ),
    "ended_early": Kind(
        blocks=True, voids_time=False,
        advice_th="กำหนด --duration ให้เท่ากับเวลาของไฟล์ แล้วทดสอบใหม่",
        advice_en="give --duration as long as the file's own load, and repeat",
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
    "machine_paused": Kind(
        blocks=True, voids_time=True,
        advice_th="ปิดการพักเครื่องและการย้ายเครื่องเสมือน แล้วทดสอบใหม่",
        advice_en="switch suspending and live migration off for the run, and repeat",
    ),
    "wall_clock_stepped": Kind(
        blocks=False, voids_time=False,
        advice_th="เวลาในผลทดสอบใช้นาฬิกาที่ไม่ถอยหลัง จึงไม่ได้รับผลกระทบ "
                  "แต่วันเวลาที่ระบบบันทึกเองและอายุเซสชันอาจคลาดเคลื่อน",
        advice_en="times of this run come from a clock that is never set and stand; dates that the "
                  "target wrote itself, and lifetimes of its sessions, may be off",
    ),
    "samples_lost": Kind(
        blocks=True, voids_time=True,
        advice_th="บันทึกไม่ครบหรือถูกแก้ไข ให้ใช้สำเนาที่สมบูรณ์หรือทดสอบใหม่",
        advice_en="the record is not whole: take an unbroken copy of the folder, or repeat",
    ),
    "littles_law": Kind(
        blocks=True, voids_time=True,
        advice_th="บันทึกขาดคำขอหรือเวลาในบันทึกผิด ให้ใช้สำเนาที่สมบูรณ์หรือทดสอบใหม่",
        advice_en="requests or right times are missing from the record: take an unbroken copy of "
                  "the folder, or repeat",
    ),
    "plan_not_recorded": Kind(
        blocks=True, voids_time=True,
        advice_th="จำนวนคำขอในบันทึกไม่ตรงกับแผน ให้ทดสอบใหม่",
        advice_en="each planned request must be on record, sent or not: repeat",
    ),
    "keep_alive_lost": Kind(
        blocks=True, voids_time=True,
        advice_th="ตัวสร้างโหลดเปิดการเชื่อมต่อใหม่เองโดยระบบไม่ได้ปิด แจ้งผู้ดูแลเครื่องมือ",
        advice_en="the generator itself gave connections up that the target kept open: tell the "
                  "maintainers of the harness",
    ),
    "target_closes_connections": Kind(
        blocks=False, voids_time=False,
        advice_th="เวลาในการเชื่อมต่อใหม่นับรวมในเวลาตอบของระบบ ตรวจการตั้งค่า keep-alive ของระบบ",
        advice_en="the time for new connections is in the latencies, as for its users: look at the "
                  "target's keep-alive settings",
    ),
    "descriptors_scarce": Kind(
        blocks=False, voids_time=False,
        advice_th="เพิ่มขีดจำกัดไฟล์ที่เปิดได้ (ulimit -n) หรือเพิ่มจำนวนโปรเซสสร้างโหลด",
        advice_en="raise the limit on open files (ulimit -n), or use more load processes",
    ),
    "partial_dialect": Kind(
        blocks=True, voids_time=False,
        advice_th="เพิ่มรายการที่ขาดใน dialect แล้วทดสอบใหม่",
        advice_en="teach the dialect what it lacks, and repeat: a lesser load proves less",
    ),
    "lossy_network": Kind(
        blocks=True, voids_time=True,
        advice_th="เวลาที่วัดรวมสัญญาณเครือข่ายที่จำลองขึ้น ให้ทดสอบใหม่โดยไม่ใช้ --network lossy",
        advice_en="delays and breaks of the emulated lines are in the figures: money is judged, "
                  "for time repeat without --network lossy",
    ),
    "sessions_unfinished": Kind(
        blocks=False, voids_time=False,
        advice_th="ทดสอบให้นานขึ้นด้วย --duration",
        advice_en="give the sessions more time with --duration",
    ),
}  # fmt: skip


def caveat_of(caveat_id: str, th: str, en: str) -> Caveat:
    """Return the caveat of this kind: what was seen, in both languages, and the advice."""
    kind = KINDS[caveat_id]
    return Caveat(
        id=caveat_id,
        text_th=f"{th}; {kind.advice_th}",
        text_en=f"{en}; {kind.advice_en}",
        blocks=kind.blocks,
    )
