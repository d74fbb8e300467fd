"""Every sentence of the report in Thai and English, as typed pairs: nothing on the page says more.

The Thai is the language of an acceptance committee: formal, in the accounting terms of the local
administration. A sentence may have named places in braces; both languages have the same ones. Names
of things (phases, faults, operations, invariants) stand in `names`. Nothing here reads a file or
judges a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.terms import Bilingual, Verdict
from reports.formats import shown
from reports.wording_of_load import OFFER_AND_GENERATOR


def _pairs(entries: Mapping[str, tuple[str, str]]) -> dict[str, Bilingual]:
    return {key: Bilingual(th=th, en=en) for key, (th, en) in entries.items()}


SENTENCES: Final = _pairs({
    # The page and its first screen.
    "report_kind": ("รายงานผลการทดสอบเพื่อประกอบการตรวจรับ", "Acceptance test report"),
    "document_title": ("รายงานผลการทดสอบ {run_id}", "Test report {run_id}"),
    "print": ("พิมพ์", "Print"),
    "skip": ("ข้ามไปยังเนื้อหา", "Skip to the content"),
    "contents": ("สารบัญ", "Contents"),
    "run_label": ("การทดสอบครั้งที่", "Run"),
    "verdict_heading": ("ผลการทดสอบตามสัญญา", "Verdict on the contract"),
    "verdict_of": ("ผลการทดสอบตาม{title}", "Verdict on: {title}"),
    "contract_named": ("{id} ฉบับที่ {version}", "{id}, version {version}"),
    "no_verdict": ("ยังไม่มีผลการตัดสิน", "No verdict"),
    "no_verdict_sentence": (
        "โฟลเดอร์นี้เป็นบันทึกการวัดเท่านั้น ยังไม่ได้นำมาตัดสินตามสัญญา "
        "จึงใช้อ้างว่าระบบผ่านหรือไม่ผ่านมิได้",
        "This folder records a measurement that has not been judged against a contract. "
        "It supports neither acceptance nor rejection.",
    ),
    "met_sentence": (
        "เป็นไปตามสัญญา {met} ข้อ จากข้อกำหนดที่ทดสอบ {tested} ข้อ",
        "Every clause that was tested is met: {met} of {tested}.",
    ),
    "breached_sentence": (
        "ไม่เป็นไปตามสัญญา {breached} ข้อ จากข้อกำหนดที่ทดสอบ {tested} ข้อ",
        "{breached} of the {tested} clauses tested are breached.",
    ),
    "inconclusive_sentence": (
        "หลักฐานไม่เพียงพอที่จะตัดสิน ข้อกำหนดที่ยังสรุปไม่ได้มี {inconclusive} ข้อ "
        "จากที่ทดสอบ {tested} ข้อ และการสรุปไม่ได้มิใช่การผ่าน",
        "The evidence is not sufficient: {inconclusive} of the {tested} clauses tested could not "
        "be decided. This is not a pass.",
    ),
    "inconclusive_caveats_sentence": (
        "ข้อกำหนดแต่ละข้อไม่พบการผิดสัญญา แต่มีข้อสังเกตที่ทำให้ยังสรุปผลไม่ได้ "
        "และการสรุปไม่ได้มิใช่การผ่าน",
        "No clause is breached, but a caveat keeps the result from being decided. "
        "This is not a pass.",
    ),
    "nothing_tested_sentence": (
        "ไม่มีข้อกำหนดข้อใดได้รับการทดสอบในครั้งนี้",
        "No clause was tested in this run.",
    ),
    "scaled_note": (
        "ทดสอบแบบย่อส่วน {scale} ของจำนวนหน่วยบัญชี ใช้เป็นหลักฐานประกอบเท่านั้น "
        "มิใช่ผลสำหรับการตรวจรับ",
        "Scaled run, {scale} of the accounting units: evidence only, not acceptance.",
    ),
    "ended_interrupted": (
        "ผู้ทดสอบสั่งหยุดก่อนครบกำหนด {reason}",
        "The run was stopped before its end. {reason}",
    ),
    "ended_target_lost": (
        "ระบบที่ทดสอบหยุดตอบสนองจนต้องยุติการทดสอบ {reason}",
        "The target was lost and the run ended early. {reason}",
    ),
    "ended_load_lost": (
        "เครื่องสร้างภาระงานหยุดทำงานก่อนครบกำหนด {reason}",
        "The load generator was lost before the end. {reason}",
    ),
    "ended_other": ("การทดสอบสิ้นสุดในสถานะ {ended} {reason}", "The run ended as {ended}. {reason}"),
    "deciding_breached": ("ข้อกำหนดที่ไม่เป็นไปตามสัญญา", "Clauses that are breached"),
    "deciding_inconclusive": ("สิ่งที่ทำให้สรุปไม่ได้", "What could not be decided, and why"),
    "deciding_met": ("ข้อกำหนดที่ใกล้ขีดจำกัดที่สุด", "Clauses closest to their limits"),
    "more_clauses": ("และอีก {count} ข้อในตารางข้อกำหนด", "and {count} more in the clause table"),
    "measured_value": ("วัดได้ {value}", "measured {value}"),
    "promised_limit": ("กำหนด{limit}", "limit {limit}"),
    "not_measured": ("วัดไม่ได้", "not measured"),
    "not_tested_value": ("ไม่ได้วัด", "not tested"),
    "never_answered": ("ตกที่คำขอที่ไม่ได้รับคำตอบ", "falls on requests never answered"),
    "tested_heading": ("สิ่งที่ทดสอบ", "What was tested"),
    "contract": ("สัญญา", "Contract"),
    "scenario": ("สถานการณ์", "Scenario"),
    "retries": ("เมื่อระบบช้าหรือขัดข้อง", "When it is slow or fails"),
    "retries_own": ("ผู้ใช้ปฏิบัติตามสถานการณ์", "people behave as the scenario has it"),
    "retries_budget": (
        "ร้อยละ 30 ของผู้ใช้โหลดซ้ำ ภายในวงเงินการลองใหม่",
        "30 % of people reload, within a budget of retries",
    ),
    "retries_storm": (
        "ร้อยละ 30 ของผู้ใช้โหลดซ้ำ โดยไม่มีสิ่งใดยับยั้ง",
        "30 % of people reload, and nothing holds them back",
    ),
    "level": ("ระดับภาระงาน", "Load level"),
    "scale": ("สัดส่วน", "Scale"),
    "scale_full": ("เต็มจำนวน (1.0)", "full (1.0)"),
    "scale_part": ("{share} ของจำนวนหน่วย ({scale})", "{share} of the units ({scale})"),
    "population": ("หน่วยบัญชี", "Accounting units"),
    "own_load": ("ภาระงาน", "Load"),
    "own_load_users": ("ผู้ใช้ {users}", "users: {users}"),
    "population_value": (
        "{units} หน่วย · ผู้ใช้ {accounts} บัญชี", "{units} units · {accounts} user accounts",
    ),
    "population_composition": (
        "{units} หน่วย · ผู้ใช้ {accounts} บัญชี · องค์ประกอบแบบ {composition}",
        "{units} units · {accounts} user accounts · composition {composition}",
    ),
    "date": ("วันที่ทดสอบ", "Date"),
    "duration": ("ระยะเวลา", "Duration"),
    "history": ("ข้อมูลเดิมในบัญชี", "Books before"),
    "history_value": (
        "เอกสารของทุกหน่วยย้อนหลัง {months} เดือน", "documents of every unit, months: {months}",
    ),
    "duration_value": (
        "{duration} · {requests} คำขอ", "{duration} · {requests} requests",
    ),
    "target": ("ระบบที่ทดสอบ", "Target"),
    "faults_label": ("เหตุขัดข้อง", "Faults"),
    "faults_none": ("ไม่มี", "none"),
    "not_tested_heading": ("สิ่งที่ไม่ได้ทดสอบ", "What was NOT tested"),
    "not_tested_nothing": (
        "ทดสอบครบทุกข้อในสัญญาที่ระดับภาระงานนี้",
        "Every clause of the contract was tested at this level.",
    ),
    "not_tested_unknown": (
        "ยังไม่ได้ตัดสินตามสัญญา จึงถือว่าไม่ได้ทดสอบข้อกำหนดข้อใด",
        "Not judged against a contract: no clause counts as tested.",
    ),
    "not_tested_scale": (
        "จำนวนหน่วยเต็มประเทศ: ครั้งนี้ใช้ {share} ของหน่วยบัญชี",
        "The full country: this run used {share} of the accounting units",
    ),
    "not_tested_more": ("และอีก {count} รายการ", "and {count} more"),
    # The scenario's own findings.
    "beside_heading": ("เทียบกับสถานการณ์ปกติ", "Beside its counterpart"),
    "beside_fewer": (
        "จำนวนผู้ใช้พร้อมกันตามแผนลดจาก {theirs} เหลือ {own} แต่ระบบยังต้องรับ {rate} คำขอต่อวินาทีเช่นเดิม: "
        "การจำกัดผู้ใช้ไม่ลดปริมาณงานที่ต้องรับ",
        "Planned sessions at once fall from {theirs} to {own}, yet {rate} requests per second "
        "must be carried as before: rationing people does not ration the work.",
    ),
    "beside_more": (
        "สถานการณ์นี้ต้องรับ {rate} คำขอต่อวินาที เทียบกับ {their_rate} ในสถานการณ์ปกติ",
        "This scenario asks for {rate} requests per second, its counterpart for {their_rate}.",
    ),
    "column_scenario": ("สถานการณ์", "Scenario"),
    "column_units": ("หน่วยที่ใช้ระบบ", "Units that take part"),
    "column_busiest": ("คำขอ/วินาทีสูงสุด", "Busiest req/s"),
    "column_in_progress": ("ผู้ใช้พร้อมกันสูงสุด", "Sessions at once"),
    "climb_heading": ("การเพิ่มภาระทีละขั้น", "The climb, step by step"),
    "climb_knee": (
        "ระบบรับได้ครบถึง {rate} คำขอต่อวินาที ({phase})",
        "Everything was answered up to {rate} requests per second ({phase}).",
    ),
    "climb_none": (
        "ไม่มีขั้นใดที่ระบบตอบได้ครบ", "There is no step at which everything was answered.",
    ),
    "climb_unbroken": (
        "ระบบรับได้ครบทุกขั้นจนถึง {rate} คำขอต่อวินาที จึงยังไม่พบจุดที่รับไม่ได้",
        "Everything was answered at every step up to {rate} requests per second: "
        "no knee was found.",
    ),
    "column_asked": ("คำขอ/วินาทีตามแผน", "Planned req/s"),
    "column_answered": ("ตอบได้/วินาที", "Answered per s"),
    "column_answered_share": ("ตอบได้ร้อยละ", "Answered share"),
    # Short names in the list of contents.
    "to_clauses": ("รายข้อกำหนด", "Clauses"),
    "to_caveats": ("ข้อสังเกต", "Caveats"),
    "to_latency": ("เวลาตอบสนอง", "Latency"),
    **OFFER_AND_GENERATOR,
    "to_arrivals": ("อัตราคำขอ", "Arrival rate"),
    "to_failures": ("ความล้มเหลว", "Failures"),
    "to_units": ("หน่วยบัญชี", "Units"),
    "to_money": ("เงินและบัญชี", "Money"),
    "to_faults": ("เหตุขัดข้อง", "Faults"),
    "to_bottlenecks": ("จุดรอคิว", "Bottlenecks"),
    "to_profile": ("โปรไฟล์", "Profile"),
    "to_calibration": ("การสอบเทียบ", "Calibration"),
    "to_repeat": ("การทำซ้ำ", "Repeat"),
    "to_fingerprint": ("เครื่องและระบบ", "Machine"),
    # 1 Clauses.
    "clauses_heading": ("ผลรายข้อกำหนด", "Result by clause"),
    "clauses_lead": (
        "แต่ละข้อแสดงค่าที่วัดได้เทียบกับค่าที่สัญญากำหนด "
        "ข้อที่ไม่มีหลักฐานเพียงพอจะไม่ถือว่าผ่าน",
        "Each clause shows what was measured beside what was promised. A clause without enough "
        "evidence does not pass.",
    ),
    "clauses_missing": (
        "ไม่มีไฟล์ verdict.json จึงไม่มีผลรายข้อกำหนด",
        "There is no verdict.json, so there is no result by clause.",
    ),
    "clauses_extra_cut": (
        "แสดง {shown} ข้อแรกจาก {count} ข้อ", "The first {shown} of {count} clauses are shown.",
    ),
    "column_clause": ("ข้อ", "Clause"),
    "column_promise": ("ข้อกำหนด", "Promise"),
    "column_value": ("ค่าที่วัดได้", "Measured"),
    "column_limit": ("ค่าที่กำหนด", "Limit"),
    "column_samples": ("จำนวนตัวอย่าง", "Samples"),
    "column_verdict": ("ผล", "Verdict"),
    "column_use": ("เทียบกับขีดจำกัด", "Against the limit"),
    "source": ("ที่มา: {source}", "Source: {source}"),
    "penalty": ("ค่าปรับ: {penalty}", "Penalty: {penalty}"),
    "at_most": ("ไม่เกิน {value}", "at most {value}"),
    "at_least": ("ไม่น้อยกว่า {value}", "at least {value}"),
    "use_percent": ("{share} ของขีดจำกัด", "{share} of the limit"),
    "source_and_penalty": ("ที่มาของตัวเลขและค่าปรับ", "Source of the number, penalty"),
    "source_only": ("ที่มาของตัวเลข", "Source of the number"),
    # 2 Latency.
    "latency_heading": ("เวลาตอบสนองตลอดการทดสอบ", "Latency over time"),
    "latency_lead": (
        "นับจากเวลาที่คำขอถึงกำหนดส่งตามแผน มิใช่เวลาที่ส่งจริง "
        "คำนวณจากบันทึกทุกคำขอ ช่วงละ {window}",
        "Counted from the time each request was due, not from when it was sent; exact over every "
        "recorded request, in windows of {window}.",
    ),
    "latency_caption": (
        "เวลาตอบสนองแยกตามประเภทการทำงาน มาตราส่วนลอการิทึม",
        "Latency by kind of operation, logarithmic scale",
    ),
    "latency_table": ("เวลาตอบสนองแยกตามช่วงการทดสอบ", "Latency by phase"),
    "legend_p50": ("ค่ากลาง (p50)", "median (p50)"),
    "legend_p95": ("p95", "p95"),
    "legend_p99": ("p99", "p99"),
    "legend_limit": ("ขีดจำกัดตามสัญญา", "limit of the contract"),
    "legend_unanswered": ("มีคำขอที่ไม่ได้คำตอบที่ถูกต้อง", "requests without a right answer"),
    "legend_fault": ("ช่วงที่จำลองเหตุขัดข้อง", "fault injected"),
    "legend_unmeasured": ("ช่วงที่ไม่ใช้ตัดสินเวลาตอบสนอง", "not used to judge latency"),
    "unanswered_none": (
        "ทุกคำขอได้รับคำตอบที่ถูกต้อง", "Every request got its right answer.",
    ),
    "unanswered_some": (
        "มีคำขอที่ไม่ได้รับคำตอบที่ถูกต้อง {count} รายการ จาก {requests} รายการ "
        "และนับเป็นคำขอที่ช้าที่สุดในการคำนวณเปอร์เซ็นไทล์ทุกค่า",
        "{count} of {requests} requests never got a right answer; every percentile counts them as "
        "the slowest of all.",
    ),
    "samples_missing": (
        "โฟลเดอร์ไม่มีบันทึกคำขอ (samples) จึงไม่มีภาพเวลาตอบสนอง อัตราการส่ง ความล้มเหลว "
        "และผลรายหน่วยบัญชี",
        "The folder holds no recorded requests (samples), so latency, arrival rate, failures and "
        "results by unit cannot be shown.",
    ),
    "no_answer": ("ไม่มีคำตอบ", "no answer"),
    "column_phase": ("ช่วง", "Phase"),
    "column_kind": ("ประเภทการทำงาน", "Kind"),
    "column_unanswered": ("ไม่ได้คำตอบที่ถูกต้อง", "No right answer"),
    "column_p50": ("p50 (มิลลิวินาที)", "p50 (ms)"),
    "column_p95": ("p95 (มิลลิวินาที)", "p95 (ms)"),
    "column_p99": ("p99 (มิลลิวินาที)", "p99 (ms)"),
    "column_max_ms": ("สูงสุด (มิลลิวินาที)", "Longest (ms)"),
    "operations_table": ("รายการทำงานทั้งหมด", "All operations"),
    "column_operation": ("รายการทำงาน", "Operation"),
    "column_sent": ("ส่ง", "Sent"),
    "column_ok": ("สำเร็จ", "OK"),
    "column_refused": ("ปฏิเสธโดยชอบ", "Rightly refused"),
    "column_failed": ("ล้มเหลว", "Failed"),
    "column_planned": ("ตามแผน", "Planned"),
    # 3 Arrival rate.
    "arrivals_heading": ("อัตราคำขอ: ตามแผน ส่งจริง และรับได้", "Arrival rate: planned, sent, carried"),
    "arrivals_lead": (
        "คำขอเกิดขึ้นตามแผนไม่ว่าระบบจะตอบช้าหรือเร็ว "
        "ระยะห่างระหว่างเส้นแผนกับเส้นที่รับได้คือภาระงานที่ระบบรับไม่ไหว",
        "Sessions arrive as planned whatever the target does; the gap between the plan and what "
        "was carried is work that the target did not carry.",
    ),
    "arrivals_caption": ("อัตราคำขอต่อวินาทีตลอดการทดสอบ", "Requests per second over the run"),
    "legend_planned": ("ตามแผน", "planned"),
    "legend_sent": ("ส่งจริง", "sent"),
    "legend_carried": ("ตอบสำเร็จ", "carried (answered OK)"),
    "totals_unplanned": (
        "ส่งจริง {sent} คำขอ โดยไม่มีแผน · ตอบสำเร็จ {carried} · ล้มเหลว {failed}",
        "Sent {sent} requests, without a plan · carried {carried} · failed {failed}",
    ),
    "totals_sentence": (
        "ตามแผน {planned} คำขอ · ส่งจริง {sent} · ตอบสำเร็จ {carried} · ล้มเหลว {failed}",
        "Planned {planned} requests · sent {sent} · carried {carried} · failed {failed}",
    ),
    # 4 Failures.
    "failures_heading": ("คำขอที่ล้มเหลวหรือถูกผลัด", "Failed and shed requests"),
    "failures_caption": (
        "ร้อยละของคำขอที่ถึงกำหนดในแต่ละช่วงเวลา แยกตามลักษณะความล้มเหลว",
        "Share of the requests due in each window, by the way they failed",
    ),
    "failures_none": (
        "ไม่มีคำขอที่ล้มเหลวหรือถูกผลัดตลอดการทดสอบ ({count} คำขอ)",
        "No request failed or was shed during the run ({count} requests).",
    ),
    "failures_lead": (
        "ล้มเหลว {failed} จาก {count} คำขอ คิดเป็น {share}",
        "{failed} of {count} requests failed: {share}.",
    ),
    "column_failure": ("ลักษณะ", "Way of failing"),
    "column_meaning": ("ความหมาย", "Meaning"),
    "column_count": ("จำนวน", "Count"),
    "column_request_share": ("ร้อยละของคำขอ", "Share of requests"),
    # 5 Units.
    "units_heading": ("ผลรายหน่วยบัญชี", "Results by accounting unit"),
    "units_lead": (
        "ค่าเฉลี่ยของประเทศอาจบดบังหน่วยที่ได้รับบริการแย่ที่สุด "
        "จึงคิด p95 ของแต่ละหน่วยที่มีคำขออย่างน้อย {least} รายการในช่วงที่ใช้ตัดสิน ({units} หน่วย)",
        "A national average can hide the units that are served worst. This is the p95 of each unit "
        "with at least {least} requests in the measured phases ({units} units).",
    ),
    "units_caption": ("การกระจายของ p95 รายหน่วยบัญชี", "Distribution of the units' p95"),
    "units_too_few": (
        "ไม่มีหน่วยบัญชีใดมีคำขอถึง {least} รายการในช่วงที่ใช้ตัดสิน จึงไม่จัดอันดับ",
        "No unit made {least} requests in the measured phases, so none is ranked.",
    ),
    "units_worst": ("หน่วยบัญชีที่เวลาตอบสนองแย่ที่สุด {count} อันดับ", "The {count} worst-served units"),
    "units_nameless": (
        "ไม่แสดงชื่อหน่วย เพราะสร้างทะเบียนหน่วยให้ตรงกับการทดสอบครั้งนี้ไม่ได้",
        "Names are left out: the register of units of this run could not be reproduced.",
    ),
    "units_unanswered": (
        "อีก {count} หน่วยมี p95 ตกที่คำขอที่ไม่ได้รับคำตอบ จึงไม่มีค่าให้แสดงในภาพ",
        "{count} more units have a p95 that falls on requests never answered, so the figure "
        "cannot show them.",
    ),
    "units_synthetic": (
        "ชื่อหน่วยเป็นชื่อสมมุติ สร้างจากเลขตั้งต้นของการทดสอบ มิใช่หน่วยงานจริง",
        "Unit names are synthetic, made from the seed; they are no real bodies.",
    ),
    "units_lines": (
        "{count} จาก {of} หน่วยอยู่หลังเครือข่ายช้าและขาดหายที่จำลองขึ้น มัธยฐานของ p95 รายหน่วย {lossy} "
        "หน่วยอื่น {others}",
        "{count} of these {of} units were behind emulated slow and lossy lines: the median of "
        "their p95 is {lossy}, of the others' {others}.",
    ),
    "units_answered": (
        "หน่วยที่ได้รับคำตอบสำเร็จอย่างน้อยหนึ่งครั้ง {seen} จาก {units} หน่วย",
        "{seen} of {units} units had at least one request answered OK.",
    ),
    "column_rank": ("อันดับ", "Rank"),
    "column_unit": ("หน่วยบัญชี", "Unit"),
    "column_name": ("ชื่อ", "Name"),
    "column_type": ("ประเภท", "Type"),
    "column_province": ("จังหวัด", "Province"),
    "column_requests": ("คำขอ", "Requests"),
    # 6 Money.
    "money_heading": ("การตรวจสอบความถูกต้องของเงินและบัญชี", "Money and accounting checks"),
    "money_lead": (
        "แบบจำลองบัญชีอิสระบันทึกรายการทุกรายการที่ส่งในการทดสอบ "
        "แล้วเทียบกับสมุดบัญชีที่อ่านกลับจากระบบหลังการทดสอบ",
        "An independent ledger model replayed every money operation of the run and compared it "
        "with the books read back from the target afterwards.",
    ),
    "money_missing": (
        "ไม่มีผลการตรวจสอบทางบัญชีในโฟลเดอร์นี้ (findings.json)",
        "This folder holds no accounting findings (findings.json).",
    ),
    "books_missing": (
        "ไม่มีสมุดบัญชีที่อ่านกลับหลังการทดสอบ จึงยืนยันความถูกต้องของเงินไม่ได้",
        "No books were read back after the run, so the correctness of the money is not confirmed.",
    ),
    "money_none": (
        "ไม่มีข้อกำหนดทางบัญชีที่ได้ตรวจสอบในการทดสอบครั้งนี้",
        "No accounting clause was checked in this run.",
    ),
    "column_check": ("หลักการทางบัญชี", "Accounting rule"),
    "column_checked": ("ตรวจแล้ว", "Checked"),
    "column_violations": ("ไม่ถูกต้อง", "Violations"),
    "witnesses": ("รายการที่เป็นหลักฐาน ({count})", "Witnesses ({count})"),
    "witnesses_cut": (
        "แสดงเฉพาะรายการแรก ๆ รายการทั้งหมดอยู่ใน findings.json",
        "Only the first are shown; findings.json holds more.",
    ),
    "operations_heading": ("รายการเงินที่ส่งในการทดสอบ", "Money operations that were sent"),
    "operations_missing": (
        "ไม่มีบันทึกรายการเงินในโฟลเดอร์นี้", "This folder holds no record of money operations.",
    ),
    "all_operations": ("รวมทั้งสิ้น", "All"),
    "column_acknowledged": ("ระบบยืนยันแล้ว", "Acknowledged"),
    "column_indefinite": ("ไม่ทราบผล", "May have happened"),
    "column_refused_all": ("ถูกปฏิเสธ", "Refused"),
    "column_amount": ("ยอดที่ยืนยันแล้ว (บาท)", "Acknowledged (baht)"),
    "finding_count": ("พบ {count} รายการ", "{count} found"),
    "findings_heading": ("สิ่งที่พบ", "Findings"),
    "column_document": ("เอกสาร", "Document"),
    "column_document_kind": ("ประเภทเอกสาร", "Kind"),
    "column_period": ("งวดบัญชี", "Period"),
    "column_expected": ("ที่ควรเป็น", "Expected"),
    "column_found": ("ที่พบ", "Found"),
    "column_request_key": ("กุญแจคำขอ", "Request key"),
    # 7 Faults.
    "faults_heading": ("เหตุขัดข้องและการกลับสู่ภาวะปกติ", "Faults and recovery"),
    "faults_lead": (
        "เหตุขัดข้องที่จงใจทำให้เกิดขณะมีภาระงาน และเวลาที่ระบบกลับมาให้บริการได้เท่าเดิม",
        "Faults injected on purpose under load, and the time until service was back to its level "
        "before.",
    ),
    "faults_not_requested": (
        "การทดสอบครั้งนี้ไม่ได้จำลองเหตุขัดข้อง", "No fault was asked for in this run.",
    ),
    "faults_not_recorded": (
        "ขอให้จำลองเหตุขัดข้อง ({names}) แต่ไม่มีบันทึกว่าได้กระทำ",
        "Faults were asked for ({names}), but none is recorded as injected.",
    ),
    "recovery_caption": (
        "คำขอที่ตอบสำเร็จและที่ล้มเหลวต่อวินาที รอบเวลาที่เกิดเหตุขัดข้อง",
        "Requests carried and failed per second around each fault",
    ),
    "legend_failed": ("ล้มเหลว", "failed"),
    "legend_recovered": ("กลับสู่ระดับเดิม", "back to its level before"),
    "column_fault": ("เหตุขัดข้อง", "Fault"),
    "column_part": ("ส่วนที่กระทำ", "Done to"),
    "column_injected": ("เริ่ม (นาที:วินาที)", "Injected (min:s)"),
    "column_healed": ("แก้ไข (นาที:วินาที)", "Healed (min:s)"),
    "column_recovery": ("เวลากลับสู่ภาวะปกติ", "Recovery"),
    "not_healed": ("ไม่ได้แก้ไข", "not healed"),
    # 8 Bottlenecks and resources.
    "bottleneck_heading": ("จุดที่งานรอคิว", "Where work queues"),
    "bottleneck_lead": (
        "เรียงตามส่วนแบ่งของเวลาที่คำขอใช้ ระดับการเข้าถึง T0 ถึง T3 "
        "บอกว่าผู้วินิจฉัยมองเห็นระบบได้ลึกเพียงใด",
        "Ranked by share of request time. The tier, T0 to T3, says how deeply the diagnosis could "
        "look into the target.",
    ),
    "bottleneck_none": (
        "ไม่มีหลักฐานเพียงพอที่จะระบุจุดที่งานรอคิว",
        "The evidence does not name a place where work queues.",
    ),
    "column_class": ("ลักษณะ", "Class"),
    "column_place": ("ตำแหน่ง", "Place"),
    "column_share": ("ส่วนแบ่งของเวลา", "Share of time"),
    "column_tier": ("ระดับ", "Tier"),
    "column_confidence": ("ความเชื่อมั่น", "Confidence"),
    "column_evidence": ("หลักฐาน", "Evidence"),
    "resources_caption": (
        "การใช้หน่วยประมวลผลของแต่ละส่วนบนเครื่องทดสอบ ({cores} แกน)",
        "Processor use by each part on the test machine ({cores} cores)",
    ),
    "resources_missing": (
        "ไม่มีบันทึกการใช้ทรัพยากรของเครื่อง", "No readings of the machine's resources were kept.",
    ),
    # 9 Profile.
    "profile_heading": ("เส้นทางที่ใช้เวลามากในโปรแกรม", "Hot paths in the program"),
    "profile_missing": (
        "ไม่ได้บันทึกโปรไฟล์ของโปรแกรมในการทดสอบครั้งนี้ (ใช้คำสั่ง monthend profile)",
        "The program was not profiled in this run (`monthend profile` does that).",
    ),
    "profile_caption": (
        "แผนภาพเวลาในโปรแกรม: ความกว้างคือส่วนแบ่งของเวลา บนสุดคือจุดเริ่ม",
        "Icicle graph: width is share of time, the top is where the program starts",
    ),
    "profile_lead": (
        "บันทึก {duration} ระหว่างมีภาระงาน ({requests} คำขอสำเร็จ) สุ่มดูการทำงาน {rate} ครั้งต่อวินาที",
        "Recorded for {duration} under load ({requests} requests completed), {rate} samples "
        "a second.",
    ),
    "loop_occupancy": ("ส่วนแบ่งเวลาที่วงรอบงานไม่ว่าง", "Event loop occupied"),
    "running_share": ("ในจำนวนนั้นเป็นเวลาประมวลผลจริง", "of which really running"),
    "cores_per_worker": ("แกนประมวลผลต่อกระบวนการ", "Cores per worker"),
    "blocked_heading": (
        "ใครทำให้ผู้อื่นต้องรอ (ล็อกในฐานข้อมูล)", "Who keeps others waiting (database locks)",
    ),
    "column_root": ("ผู้ถือล็อก", "Holder of the lock"),
    "column_waiting_mean": ("จำนวนที่รอโดยเฉลี่ย", "Waiting on average"),
    "column_victims": ("ผู้ที่รอ", "Who waits"),
    "column_self": ("เวลาของตัวเอง", "Self"),
    "column_total": ("เวลารวม", "Total"),
    "column_function": ("ฟังก์ชัน", "Function"),
    "profile_not_had": ("สิ่งที่บันทึกไม่ได้", "What could not be recorded"),
    "icicle_missing": (
        "ไม่มีแผนภาพ เพราะไม่มีบันทึกดิบของการทำงานในโฟลเดอร์",
        "No graph: the raw stacks are not in the folder.",
    ),
    "hot_paths": ("ตำแหน่งในโปรแกรมที่ใช้เวลามากที่สุด", "Hottest places in the program"),
    "hot_sql": ("คำสั่ง SQL ที่ใช้เวลามากที่สุด", "Hottest SQL"),
    "column_statement": ("คำสั่ง", "Statement"),
    "column_calls": ("จำนวนครั้ง", "Calls"),
    "column_total_ms": ("เวลารวม (มิลลิวินาที)", "Total (ms)"),
    "column_mean_ms": ("เฉลี่ย (มิลลิวินาที)", "Mean (ms)"),
    # 10 Caveats.
    "caveats_heading": ("ข้อสังเกตและข้อจำกัด", "Caveats"),
    "caveats_none": (
        "ไม่มีข้อสังเกตเพิ่มเติมจากผู้ตัดสิน", "The judge attached no caveat to this verdict.",
    ),
    "caveats_unknown": (
        "ยังไม่มีผลการตัดสิน จึงยังไม่มีข้อสังเกตจากผู้ตัดสิน",
        "There is no verdict yet, and so no caveat of the judge.",
    ),
    "caveat_blocks": ("ทำให้สรุปผลไม่ได้", "keeps the verdict from being decided"),
    # 11 Repeat.
    "repeat_heading": ("วิธีทำซ้ำการทดสอบครั้งนี้", "How to repeat this run"),
    "repeat_lead": (
        "ใช้คำสั่งและเลขตั้งต้นเดียวกันจะได้หน่วยบัญชี แผนภาระงาน และลำดับคำขอชุดเดียวกันทุกประการ "
        "ตรวจสอบได้จากค่าแฮช",
        "The same command and seed give the same units, the same plan and the same sequence of "
        "requests; the hashes prove it.",
    ),
    "command": ("คำสั่ง", "Command"),
    "rejudge": (
        "ตัดสินซ้ำจากโฟลเดอร์นี้โดยไม่ต้องใช้ระบบที่ทดสอบ",
        "Judge this folder again, without the target",
    ),
    "seed": ("เลขตั้งต้น (seed)", "Seed"),
    "demand": ("กรณีความต้องการ", "Demand case"),
    "business_date": ("วันที่ทางบัญชี", "Business date"),
    "workers": ("จำนวนกระบวนการของระบบ", "Target workers"),
    "think_scale": ("ตัวคูณเวลาคิดของผู้ใช้", "Think-time factor"),
    "sha_contract": ("แฮชสัญญา (SHA-256)", "Contract SHA-256"),
    "sha_population": ("แฮชทะเบียนหน่วย (SHA-256)", "Population SHA-256"),
    "sha_plan": ("แฮชแผนภาระงาน (SHA-256)", "Plan SHA-256"),
    "contract_differs": (
        "สำเนาสัญญาในโฟลเดอร์ไม่ตรงกับแฮชที่บันทึกไว้เมื่อทดสอบ",
        "The copy of the contract in the folder does not match the hash recorded with the run.",
    ),
    "planned_label": ("แผนภาระงาน", "Planned load"),
    "planned_value": (
        "{sessions} รอบการใช้งาน · {requests} คำขอ", "{sessions} sessions · {requests} requests",
    ),
    "evidence_present": (
        "มีหลักฐานพร้อมลายมือชื่ออิเล็กทรอนิกส์ (evidence.json) ตรวจด้วยคำสั่ง monthend verify",
        "Signed evidence (evidence.json) is in the folder; check it with `monthend verify`.",
    ),
    "evidence_missing": (
        "โฟลเดอร์ยังไม่มีหลักฐานพร้อมลายมือชื่ออิเล็กทรอนิกส์ (evidence.json)",
        "The folder holds no signed evidence (evidence.json).",
    ),
    # 12 Machine and target.
    "fingerprint_heading": ("เครื่องและระบบที่ทดสอบ", "Machine and target"),
    "machine": ("เครื่องที่ใช้ทดสอบ", "Machine"),
    "target_fingerprint": ("ระบบที่ทดสอบระบุตัวเองว่า", "The target says of itself"),
    "versions": ("รุ่นของซอฟต์แวร์", "Software versions"),
    "load_processes": ("กระบวนการสร้างภาระงาน", "Load processes"),
    "nothing_recorded": ("ไม่มีบันทึก", "nothing recorded"),
    "footer": (
        "สร้างโดย monthend จากไฟล์ในโฟลเดอร์ {run_id} ทุกตัวเลขคำนวณซ้ำได้จากบันทึกดิบในโฟลเดอร์นั้น",
        "Made by monthend from the files of {run_id}; every number can be computed again from the "
        "raw records in that folder.",
    ),
    # Calibration of the load generator.
    "calibration_heading": (
        "การสอบเทียบเครื่องสร้างภาระงาน", "Calibration of the load generator",
    ),
    "calibration_lead": (
        "เวลาที่เครื่องสร้างภาระงานวัดได้ เทียบกับเวลาจริงที่เซิร์ฟเวอร์อ้างอิงบันทึกไว้เอง นับจากเวลาที่คำขอถึงกำหนด "
        "บนเครื่องเดียวกับการทดสอบครั้งนี้",
        "What the load generator measured, against the truth as a reference server logged it "
        "itself, counted from when each request was due, on the machine of this run.",
    ),
    "calibration_missing": (
        "ไม่มีผลการสอบเทียบเครื่องสร้างภาระงานในโฟลเดอร์นี้ ใช้คำสั่ง monthend calibrate ก่อนทดสอบ",
        "No calibration of the load generator is in this folder; run `monthend calibrate` before "
        "a run.",
    ),
    "calibration_met": (
        "ผ่านเกณฑ์: p50, p99 และ p99.9 คลาดเคลื่อนไม่เกิน {share} หรือ {ms} ms และนับคำขอครบถ้วน",
        "Within its budget: p50, p99 and p99.9 wrong by at most {share} or {ms} ms, and every "
        "request counted as it happened.",
    ),
    "calibration_not_met": (
        "ไม่ผ่านเกณฑ์ {share} หรือ {ms} ms ตัวเลขเวลาของเครื่องนี้จึงใช้ยืนยันมิได้",
        "Not within its budget of {share} or {ms} ms: times measured on this machine cannot be "
        "defended.",
    ),
    "calibration_disturbed": (
        "มีโปรแกรมอื่นใช้เครื่องระหว่างการสอบเทียบ ({foreign} ของ CPU) จึงสรุปไม่ได้ "
        "(เกณฑ์ {share} หรือ {ms} ms)",
        "Others used the machine during the calibration ({foreign} of its CPU), so it decides "
        "nothing (budget {share} or {ms} ms).",
    ),
    "calibrated_at": ("สอบเทียบเมื่อ", "Calibrated"),
    "calibrated_machine": ("เครื่อง", "Machine"),
    "calibrated_rate": ("อัตราสูงสุดที่ทันเวลา", "Highest true rate"),
    "calibrated_rate_value": ("{rate} คำขอต่อวินาที", "{rate} requests per second"),
    "calibrated_counts": ("คำขอที่เทียบกัน", "Requests compared"),
    "calibrated_counts_value": (
        "{planned} คำขอ สูญหาย {lost} ส่งซ้ำ {doubled} นับผิด {wrong}",
        "{planned}; {lost} lost, {doubled} doubled, {wrong} counted otherwise than they happened",
    ),
    "calibration_errors": (
        "ค่าที่วัดได้เทียบกับค่าจริง (มิลลิวินาที)", "Measured against true latency (ms)",
    ),
    "calibration_loads": (
        "ตัวเครื่องสร้างภาระงานเอง", "The load generator itself",
    ),
    "column_delay": ("ลักษณะความล่าช้า", "Kind of delay"),
    "column_share_of_highest": ("ร้อยละของอัตราสูงสุด", "Share of the highest rate"),
    "column_true": ("{name} จริง", "{name} true"),
    "column_measured": ("{name} ที่วัดได้", "{name} measured"),
    "column_error": ("คลาดเคลื่อน", "Error"),
    "column_rate": ("คำขอต่อวินาที", "Requests/s"),
    "column_late_p50": ("ส่งช้า p50 (ms)", "Sent late, p50 (ms)"),
    "column_late_p99": ("ส่งช้า p99 (ms)", "Sent late, p99 (ms)"),
    "column_late_max": ("ส่งช้าที่สุด (ms)", "Sent late, max (ms)"),
    "column_cpu_per_request": ("CPU ต่อคำขอ (µs)", "CPU per request (µs)"),
    "column_cpu_share": ("CPU ของหนึ่งแกน", "CPU of one core"),
    "column_memory": ("หน่วยความจำ (MB)", "Memory (MB)"),
    # Axes and marks of figures.
    "axis_time": (
        "เวลานับจากเริ่มภาระงาน (นาที:วินาที)", "Time since the start of the load (min:s)",
    ),
    "axis_latency": ("เวลาตอบสนอง (มิลลิวินาที)", "Latency (ms)"),
    "axis_requests_per_s": ("คำขอต่อวินาที", "Requests per second"),
    "axis_failed_percent": ("ร้อยละของคำขอ (%)", "Share of requests (%)"),
    "axis_unit_p95": (
        "p95 ของเวลาตอบสนองรายหน่วย (มิลลิวินาที, มาตราส่วนลอการิทึม)",
        "p95 latency of the unit (ms, logarithmic scale)",
    ),
    "axis_units": ("จำนวนหน่วยบัญชี", "Number of units"),
    "axis_cores": ("แกนประมวลผลที่ใช้ (แกน)", "Processor cores busy (cores)"),
    "mark_median_unit": ("หน่วยกลาง {value_ms} มิลลิวินาที", "median unit {value_ms} ms"),
    "mark_worst_units": ("ร้อยละ 1 ที่แย่ที่สุด {value_ms} มิลลิวินาที", "worst 1 % {value_ms} ms"),
    "mark_recovered": ("กลับสู่ระดับเดิม {took_s} วินาที", "recovered in {took_s} s"),
    "legend_machine": ("ทั้งเครื่อง รวมงานอื่น", "whole machine, other work included"),
    "mark_all_cores": ("ทั้งเครื่อง {cores} แกน", "whole machine, {cores} cores"),
})  # fmt: skip

VERDICTS: Final = {
    Verdict.MET: Bilingual(th="เป็นไปตามสัญญา", en="MET"),
    Verdict.BREACHED: Bilingual(th="ไม่เป็นไปตามสัญญา", en="BREACHED"),
    Verdict.INCONCLUSIVE: Bilingual(th="ยังสรุปผลไม่ได้", en="INCONCLUSIVE"),
    Verdict.NOT_TESTED: Bilingual(th="ไม่ได้ทดสอบ", en="NOT TESTED"),
}

VERDICT_MEANINGS: Final = {
    Verdict.MET: Bilingual(
        th="วัดได้ครบถ้วนและอยู่ในค่าที่กำหนด", en="measured in full and within the limit",
    ),
    Verdict.BREACHED: Bilingual(
        th="วัดได้และเกินค่าที่กำหนด", en="measured and outside the limit",
    ),
    Verdict.INCONCLUSIVE: Bilingual(
        th="หลักฐานไม่พอ จึงไม่ถือว่าผ่าน", en="not enough evidence, so not a pass",
    ),
    Verdict.NOT_TESTED: Bilingual(
        th="ไม่มีการทดสอบข้อนี้", en="this clause was not put to the test",
    ),
}  # fmt: skip


def say(key: str, **values: str | Bilingual) -> Bilingual:
    """Return the sentence *key* with its places filled; a pair gives each language its own.

    Raises `KeyError` for an unknown key or a missing place: both are bugs of ours.
    """
    sentence = SENTENCES[key]
    if not values:
        return sentence
    thai = {name: v.th if isinstance(v, Bilingual) else v for name, v in values.items()}
    english = {name: v.en if isinstance(v, Bilingual) else v for name, v in values.items()}
    return Bilingual(th=sentence.th.format(**thai), en=sentence.en.format(**english))


def in_both(text: str) -> Bilingual:
    """Return the two halves of a text written as "Thai / English"; any other text stays whole."""
    clean = shown(text)
    thai, separator, english = clean.partition(" / ")
    if separator and has_thai(thai) and not has_thai(english):
        return Bilingual(th=thai, en=english)
    return Bilingual(th=clean, en=clean)


def has_thai(text: str) -> bool:
    """Say whether a text holds a Thai character."""
    return any("\u0e00" <= character <= "\u0e7f" for character in text)


def same(text: object) -> Bilingual:
    """Return text that reads alike in both languages: a name, a number, a hash."""
    clean = shown(text)
    return Bilingual(th=clean, en=clean)
