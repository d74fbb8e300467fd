"""Sentences of the two sections that account for the load: what was offered, and by whom."""

from __future__ import annotations

from typing import Final

OFFER_AND_GENERATOR: Final = {
    # Planned against offered.
    "to_offer": ("ส่งครบตามแผน", "Offered as planned"),
    "offer_heading": ("แผนเทียบกับที่ส่งจริง", "Planned against offered"),
    "offer_lead": (
        "ผู้ใช้เริ่มงานตามกำหนดไม่ว่าระบบจะช้าเพียงใด จำนวนครั้งที่เข้าใช้จึงต้องตรงกับแผนทุกครั้ง ส่วนคำขอถัดไป"
        "ของแต่ละครั้งเลื่อนตามคำตอบก่อนหน้า จึงต้องตรงกันเป็นรายครั้ง มิใช่รายวินาที",
        "People come when they come, however slow the target is, so sessions must match one for "
        "one. Later requests of a session follow the answer before them: a slow target moves them, "
        "so they must match session by session, not second by second.",
    ),
    "offer_sessions": (
        "เข้าใช้ตามแผน {planned} ครั้ง · เริ่มจริง {begun} · เริ่มตรงเวลาที่วางแผน {on_time} · "
        "มีคำขอในบันทึกครบทุกคำขอ {exact}",
        "Sessions planned {planned} · begun {begun} · due at their planned instant {on_time} · "
        "with every one of their requests on record {exact}",
    ),
    "offer_no_plan": (
        "เริ่มจริง {begun} ครั้ง โฟลเดอร์นี้ไม่มีแผนรายครั้งให้เทียบ",
        "Sessions begun: {begun}. This folder holds no plan by session to compare with.",
    ),
    "offer_proof": (
        "ตามแผน {planned} คำขอ = ส่ง {sent} + ไม่ได้ส่งเพราะคำขอก่อนหน้าล้มเหลว {dropped} + "
        "ไม่ได้ส่งเพราะหมดเวลา {unoffered}",
        "{planned} requests planned = {sent} sent + {dropped} not sent because an earlier one "
        "failed + {unoffered} not sent because the time was over",
    ),
    "offer_proof_broken": (
        "บันทึกไม่ตรงกับแผน: ตามแผน {planned} คำขอ แต่ในบันทึกส่ง {sent} ไม่ได้ส่งเพราะคำขอก่อนหน้าล้มเหลว "
        "{dropped} ไม่ได้ส่งเพราะหมดเวลา {unoffered}",
        "The record does not match the plan: {planned} requests planned, on record {sent} sent, "
        "{dropped} not sent because an earlier one failed, {unoffered} because the time was over.",
    ),
    "offer_caption": (
        "จำนวนต่อวินาที: ครั้งที่เข้าใช้ และคำขอแต่ละประเภท",
        "Per second: sessions, and requests of each kind",
    ),
    "panel_sessions": ("ครั้งที่เข้าใช้", "Sessions begun"),
    "axis_per_s": ("จำนวนต่อวินาที", "per second"),
    "legend_offer_planned": (
        "ตามแผน หากระบบตอบทันที",
        "planned, if the target answers at once",
    ),
    "activities_table": ("ครั้งที่เข้าใช้ จำแนกตามกิจกรรม", "Sessions by activity"),
    "offer_table": ("คำขอ จำแนกตามรายการ", "Requests by operation"),
    "column_activity": ("กิจกรรม", "Activity"),
    "column_begun": ("เริ่มจริง", "Begun"),
    "column_on_time": ("ตรงเวลาที่วางแผน", "Due as planned"),
    "column_whole": ("ส่งครบทุกคำขอ", "Sent to the end"),
    "column_dropped": ("ไม่ได้ส่ง: คำขอก่อนหน้าล้มเหลว", "Not sent: an earlier one failed"),
    "column_unoffered": ("ไม่ได้ส่ง: หมดเวลา", "Not sent: time was over"),
    # The generator.
    "to_generator": ("ตัวสร้างภาระงาน", "Load generator"),
    "generator_heading": ("ตัวสร้างภาระงานเอง", "The load generator itself"),
    "generator_lead": (
        "ตัวสร้างภาระงานที่ส่งช้าหรือขาดทรัพยากรย่อมวัดตนเอง มิใช่วัดระบบ จึงต้องแสดงว่าส่งตรงเวลาและบันทึกครบถ้วน",
        "A generator that is late or starved measures itself, not the target. This shows whether "
        "it was on time, and whether what it saw agrees with what it recorded.",
    ),
    "generator_sentence": (
        "{processes} โปรเซส ส่งช้ากว่าแผน p99 ไม่เกิน {late} มิลลิวินาที "
        "(ยอมให้ {limit} มิลลิวินาที และ CPU ไม่เกิน {cpu} ของหนึ่งคอร์)",
        "{processes} load process(es); sent later than planned by {late} ms at p99 (allowed: "
        "{limit} ms, and {cpu} of a core)",
    ),
    "generator_caption": (
        "ความล่าช้าในการส่ง หน่วยประมวลผล และคำขอที่ค้างอยู่",
        "Lateness of sending, CPU, and requests in flight",
    ),
    "panel_lateness": (
        "ส่งช้ากว่าแผน และการหยุดของวงรอบ (มิลลิวินาที)",
        "Sent later than planned, and lag of the loop (ms)",
    ),
    "panel_generator_cpu": ("หน่วยประมวลผลของแต่ละโปรเซส (คอร์)", "CPU of each process (cores)"),
    "panel_in_flight": ("คำขอที่ค้างอยู่ตามที่ตัวสร้างนับ", "Requests in flight, as it counted them"),
    "legend_lateness_p50": ("ช้า p50", "late, p50"),
    "legend_lateness_p99": ("ช้า p99", "late, p99"),
    "legend_lateness_max": ("ช้าที่สุด", "late, most"),
    "legend_lag": ("วงรอบหยุด นานที่สุด", "longest lag of the loop"),
    "legend_allowed": ("ขีดที่ยอมให้", "allowed"),
    "column_fact": ("ข้อเท็จจริง", "Fact"),
    "fact_sent": ("คำขอที่ส่ง (รวมการส่งซ้ำ)", "Requests sent, retries included"),
    "fact_lateness": (
        "ส่งช้ากว่าแผน p50 / p99 / นานที่สุด (มิลลิวินาที)",
        "Sent late: p50 / p99 / most (ms)",
    ),
    "fact_cpu": ("CPU เฉลี่ย / สูงสุด (คอร์)", "CPU: mean / most (cores)"),
    "fact_waited": (
        "พร้อมทำงานแต่รอคอร์ (ร้อยละของเวลา)",
        "Ready to run but without a core (share of time)",
    ),
    "fact_lag": ("วงรอบหยุดนานที่สุด (มิลลิวินาที)", "Longest lag of its loop (ms)"),
    "fact_in_flight": (
        "คำขอที่ค้างอยู่เฉลี่ย: ที่นับได้ / ตามบันทึก",
        "Mean requests in flight: seen / recorded at the same instants",
    ),
    "fact_law": (
        "กฎของลิตเทิลตามบันทึก: อัตรา × เวลาเฉลี่ย",
        "Little's law over the record: rate × mean time",
    ),
    "fact_sessions": (
        "ครั้งที่เปิดอยู่เฉลี่ย: ที่นับได้ / ตามบันทึก",
        "Mean sessions in progress: seen / recorded",
    ),
    "fact_dropped": ("ครั้งที่เลิกก่อนจบ", "Sessions that ended early"),
    "fact_connections_limit": (
        "การเชื่อมต่อพร้อมกัน / ขีดจำกัด",
        "Connections at once / limit",
    ),
    "fact_connections": (
        "การเชื่อมต่อที่เปิด (ต่อคำขอ) / ที่ระบบเป็นผู้ปิด",
        "Connections opened (per request) / closed by the target",
    ),
    "fact_descriptors": ("ไฟล์ที่เปิด / ขีดจำกัด", "Descriptors open / limit"),
    "fact_shortages": (
        "ครั้งที่ไม่มีพอร์ตหรือไฟล์ว่าง",
        "Times without a free port or descriptor",
    ),
}
