"""Names of the things in a run, in Thai and English: phases, faults, kinds, operations, invariants.

A run folder names things by identifiers. Known ones are shown in words; an unknown one is shown as
it came, because a later release or another dialect may have named it. The accounting terms are
those of the local administration (`ฎีกาเบิกเงิน`, `งบทดลอง`); the test of this module holds every
operation of the plan to a name.
"""

from __future__ import annotations

from typing import Final

from contracts.records import Failure
from contracts.terms import Bilingual, Quantity
from reports.formats import shown
from scenarios import scenario


def _pair(th: str, en: str) -> Bilingual:
    return Bilingual(th=th, en=en)


KINDS: Final = {
    "read": _pair("เรียกดูข้อมูล", "Reading"),
    "post": _pair("บันทึกรายการบัญชี", "Posting"),
    "report": _pair("ออกรายงาน", "Reports"),
    "login": _pair("เข้าสู่ระบบ", "Signing in"),
    "export": _pair("ส่งออกสมุดบัญชี", "Export of books"),
    "import": _pair("นำเข้าบัญชีย้อนหลัง", "Upload of back-dated books"),
    "provider": _pair("ผู้ให้บริการยืนยันตัวตน", "Identity provider"),
    "probe": _pair("คำขอที่ระบบต้องปฏิเสธ", "Requests that must be refused"),
}

PHASES: Final = {
    "warm_up": _pair("อุ่นเครื่อง", "Warm-up"),
    "ramp": _pair("เร่งภาระงาน", "Ramp"),
    "steady": _pair("ชั่วโมงเร่งด่วน", "Peak hour"),
    "peak": _pair("นาทีสูงสุด", "Peak minute"),
    "load": _pair("ภาระงาน", "Load"),
    "load_after": _pair("หลังช่วงสูงสุด", "After the peak"),
    "login_rush": _pair("เข้าสู่ระบบพร้อมกัน", "Login rush"),
    "rush_after": _pair("หลังการเข้าสู่ระบบ", "After the rush"),
    "report_storm": _pair("ออกรายงานพร้อมกัน", "Report storm"),
    "morning": _pair("ช่วงเช้า", "Morning"),
    "noon": _pair("พักเที่ยง", "Noon"),
    "afternoon": _pair("ช่วงบ่าย", "Afternoon"),
    "closing_time": _pair("ก่อนเลิกงาน", "Before closing time"),
    "evening": _pair("ช่วงค่ำ", "Evening"),
    "year_close": _pair("ปิดบัญชีสิ้นปี", "Closing of the year"),
    "night": _pair("กลางคืน", "Night"),
    "step": _pair("ขั้นที่", "Step"),
    "drain": _pair("ระบายงานค้าง", "Draining"),
    "recovery": _pair("กลับสู่ภาระตามสัญญา", "Back at the contract's load"),
    "steady_after": _pair("หลังนาทีสูงสุด", "After the peak"),
    "faults": _pair("จำลองเหตุขัดข้อง", "Faults"),
    "settle": _pair("รอให้สงบ", "Settling"),
}

FAULTS: Final = {
    "worker_kill": _pair("บังคับปิดกระบวนการ", "Worker killed"),
    "database_restart": _pair("ฐานข้อมูลหยุดและเริ่มใหม่", "Database restarted"),
    "provider_slow": _pair("ผู้ให้บริการยืนยันตัวตนช้า", "Identity provider slow"),
    "provider_outage": _pair("ผู้ให้บริการยืนยันตัวตนล่ม", "Identity provider down"),
    "network_cut": _pair("เครือข่ายขาด", "Network cut"),
}

FAILURES: Final = {
    Failure.SHED: _pair("ถูกผลัด (429 หรือ 503)", "Shed (429 or 503)"),
    Failure.SERVER_ERROR: _pair("ระบบขัดข้องภายใน (5xx)", "Server error (5xx)"),
    Failure.TIMEOUT: _pair("หมดเวลารอ", "Timed out"),
    Failure.CONNECTION: _pair("การเชื่อมต่อขาดหรือถูกปฏิเสธ", "Connection refused or broken"),
    Failure.UNEXPECTED_STATUS: _pair("สถานะไม่ตรงตามข้อตกลง", "Unexpected status"),
    Failure.WRONG_ANSWER: _pair("คำตอบผิด", "Wrong answer"),
    Failure.NOT_SENT: _pair("ไม่ได้ส่ง", "Not sent"),
}

FAILURE_MEANINGS: Final = {
    Failure.SHED: _pair(
        "ระบบแจ้งว่างานล้นและรับรองว่าไม่ได้ดำเนินการ",
        "the target said it was full and promised that nothing was done",
    ),
    Failure.SERVER_ERROR: _pair(
        "ระบบตอบว่าผิดพลาด รายการอาจเกิดขึ้นแล้วหรือไม่ก็ได้",
        "the target failed; the operation may have happened or not",
    ),
    Failure.TIMEOUT: _pair(
        "ไม่ได้รับคำตอบภายในเวลาที่กำหนด รายการอาจเกิดขึ้นแล้ว",
        "no answer within the time allowed; the operation may have happened",
    ),
    Failure.CONNECTION: _pair(
        "ติดต่อระบบไม่ได้หรือสายขาดก่อนได้คำตอบ",
        "the target could not be reached, or the line broke before an answer",
    ),
    Failure.UNEXPECTED_STATUS: _pair(
        "ระบบตอบด้วยสถานะที่ไม่ควรตอบในกรณีนั้น",
        "the target answered with a status that does not fit the request",
    ),
    Failure.WRONG_ANSWER: _pair(
        "สถานะถูกต้องแต่เนื้อหาผิด หรือยอมให้ทำสิ่งที่ต้องปฏิเสธ",
        "right status but wrong content, or something was allowed that must be refused",
    ),
    Failure.NOT_SENT: _pair(
        "ขั้นตอนก่อนหน้าล้มเหลวหรือหมดเวลาทดสอบ จึงไม่ได้ส่งตามแผน",
        "an earlier step failed or the load ended, so the request of the plan was never sent",
    ),
}

LEVELS: Final = {
    "L0": _pair("ตรวจความพร้อม ร้อยละ 1 ของวันสิ้นเดือน", "smoke, 1 % of a month end"),
    "L1": _pair("วันทำการปกติ", "normal day"),
    "L2": _pair("วันสิ้นเดือน", "month end"),
    "L3": _pair("วันสิ้นปีงบประมาณ", "end of the fiscal year"),
    "L4": _pair("วันเปิดระบบอีกครั้ง", "reopening day"),
    "L5": _pair("เพิ่มภาระงานจนถึงจุดรับไม่ได้", "ramp to break"),
    "L6": _pair("ภาระงานต่อเนื่องยาวนาน", "soak"),
}

DEMANDS: Final = {
    "low": _pair("ต่ำ", "low"),
    "base": _pair("ฐาน", "base"),
    "high": _pair("สูง", "high"),
}

TARGETS: Final = {
    "embedded": _pair("บัญชีแยกประเภทอ้างอิง ติดตั้งบนเครื่องทดสอบ", "reference ledger on the test machine"),
    "containers": _pair("บัญชีแยกประเภทอ้างอิง ในคอนเทนเนอร์", "reference ledger in containers"),
    "remote": _pair("ระบบภายนอก", "remote system"),
}

UNIT_TYPES: Final = {
    "pao": _pair("องค์การบริหารส่วนจังหวัด", "Provincial administrative organisation"),
    "city": _pair("เทศบาลนคร", "City municipality"),
    "town": _pair("เทศบาลเมือง", "Town municipality"),
    "subdistrict_municipality": _pair("เทศบาลตำบล", "Subdistrict municipality"),
    "sao": _pair("องค์การบริหารส่วนตำบล", "Subdistrict administrative organisation"),
    "pattaya": _pair("เมืองพัทยา", "City of Pattaya"),
    "centre": _pair("ศูนย์พัฒนาเด็กเล็ก", "Child development centre"),
    "school": _pair("โรงเรียนในสังกัด", "School"),
    "health_station": _pair("โรงพยาบาลส่งเสริมสุขภาพตำบล", "Health station"),
    "pawnshop": _pair("สถานธนานุบาล", "Municipal pawnshop"),
    "enterprise": _pair("กิจการพาณิชย์ของท้องถิ่น", "Local enterprise"),
    "provincial_office": _pair(
        "สำนักงานส่งเสริมการปกครองท้องถิ่นจังหวัด", "Provincial local-administration office"
    ),
}

# What the ledger must keep whatever the load: shown when the contract's own title is not at hand.
INVARIANTS: Final = {
    "I1": _pair("เดบิตเท่ากับเครดิตทุกเอกสาร ทุกหน่วย ทุกงวด",
                "Debits equal credits per document, unit and period"),
    "I2": _pair("ยอดบัญชีแยกประเภทตรงกับงบทดลองทุกบัญชี",
                "Ledger balances equal the trial balance, every account"),
    "I3": _pair("เงินสดและเงินฝากธนาคารตรงกับรายงานสถานะการเงินประจำวัน",
                "Cash and bank balances equal the daily cash position report"),
    "I4": _pair("จำนวนฎีกาที่จ่ายตรงกับสมุดเงินสดจ่าย และใบเสร็จตรงกับทะเบียน",
                "Requests paid equal the payments journal; receipts equal their register"),
    "I5": _pair("งบประมาณคงเหลือถูกต้องและไม่ติดลบ",
                "Remaining budget is right and never negative"),
    "I6": _pair("เลขที่เอกสารไม่ซ้ำและไม่ข้าม ต่อหน่วยและปีงบประมาณ",
                "Document numbers unique and without gaps per unit and fiscal year"),
    "I7": _pair("งวดที่ปิดบัญชีแล้วเปลี่ยนแปลงไม่ได้", "A closed period does not change"),
    "I8": _pair("ยอดยกมาเท่ากับยอดปิดงวดก่อน", "Opening balances equal the closing before"),
    "I9": _pair("ผู้ไม่มีสิทธิอ่านหรือบันทึกข้ามหน่วยไม่ได้",
                "No unit's books are read or written without the role"),
    "I10": _pair("รายการที่ระบบรับแล้วอยู่ครบและเกิดเพียงครั้งเดียว",
                 "Every acknowledged operation is in the books exactly once"),
    "I11": _pair("ยอดหน่วยในสังกัดรวมตรงกับรายงานของหน่วยแม่",
                 "Dependent units reconcile into their parent"),
}  # fmt: skip

QUANTITIES: Final = {
    Quantity.LATENCY: _pair("เวลาตอบสนอง", "Latency"),
    Quantity.ERROR_SHARE: _pair("สัดส่วนคำขอที่ล้มเหลว", "Share of failed requests"),
    Quantity.CARRIED_SHARE: _pair("สัดส่วนภาระงานที่รับได้", "Share of the load carried"),
    Quantity.PARTICIPATION: _pair("สัดส่วนหน่วยบัญชีที่ได้รับบริการ", "Share of units served"),
    Quantity.FAIRNESS: _pair("ความเป็นธรรมระหว่างหน่วยบัญชี", "Fairness between units"),
    Quantity.INVARIANT: _pair("ความถูกต้องทางบัญชี", "Accounting invariant"),
    Quantity.ACKNOWLEDGED_LOSS: _pair("รายการที่รับแล้วสูญหาย", "Acknowledged operations lost"),
    Quantity.SHED_HONESTY: _pair("ความสัตย์จริงของการผลัดงาน", "Honesty of shedding"),
    Quantity.RECOVERY: _pair("เวลากลับสู่ภาวะปกติ", "Recovery time"),
    Quantity.IDLE_SATURATION: _pair("อิ่มตัวขณะเครื่องว่าง", "Saturated while idle"),
    Quantity.EXPORT_COMPLETE: _pair("ความครบถ้วนของสมุดบัญชีที่ส่งออก", "Completeness of exported books"),
    Quantity.PROVENANCE: _pair("ที่มาของสิ่งที่ทดสอบ", "Provenance of what was tested"),
    Quantity.IMPORT_RATE: _pair("อัตราการนำเข้าเอกสารย้อนหลัง", "Rate of back-dated import"),
    Quantity.SCALING: _pair("การขยายตามทรัพยากร", "Scaling with resources"),
    Quantity.AVAILABILITY: _pair("ความพร้อมให้บริการ", "Availability"),
}

OPERATIONS: Final = {
    "start_login": _pair("เริ่มเข้าสู่ระบบ", "Start signing in"),
    "authorize_at_provider": _pair("ยืนยันตัวตนกับผู้ให้บริการ", "Authorise at the provider"),
    "finish_login": _pair("เข้าสู่ระบบสำเร็จ", "Finish signing in"),
    "view_me": _pair("ดูข้อมูลผู้ใช้", "Own account"),
    "view_overview": _pair("ดูภาพรวมหน่วย", "Unit overview"),
    "view_periods": _pair("ดูงวดบัญชี", "Periods"),
    "view_worklist": _pair("ดูงานที่รอดำเนินการ", "Worklist"),
    "view_chart_of_accounts": _pair("ดูผังบัญชี", "Chart of accounts"),
    "view_budget": _pair("ดูงบประมาณ", "Budget"),
    "find_payees": _pair("ค้นหาผู้รับเงิน", "Find payees"),
    "list_documents": _pair("ดูรายการเอกสาร", "List documents"),
    "view_document": _pair("ดูเอกสาร", "View a document"),
    "find_document_by_key": _pair("ค้นเอกสารตามกุญแจคำขอ", "Find a document by its key"),
    "report_daily_cash": _pair("รายงานสถานะการเงินประจำวัน", "Daily cash position report"),
    "report_trial_balance": _pair("งบทดลอง", "Trial balance"),
    "report_receipts_payments": _pair("รายงานรับ-จ่ายเงิน", "Receipts-and-payments report"),
    "report_budget_execution": _pair(
        "กระดาษทำการกระทบยอดรายจ่ายตามงบประมาณ", "Budget-execution reconciliation"
    ),
    "view_closing_status": _pair("ดูสถานะการปิดบัญชีของจังหวัด", "Provincial closing status"),
    "create_receipt": _pair("ออกใบเสร็จรับเงิน", "Issue a receipt"),
    "create_disbursement_request": _pair("จัดทำฎีกาเบิกเงิน", "Prepare a disbursement request"),
    "check_disbursement_request": _pair("ตรวจฎีกาเบิกเงิน", "Check a disbursement request"),
    "approve_disbursement_request": _pair("อนุมัติฎีกาเบิกเงิน", "Approve a disbursement request"),
    "pay_disbursement_request": _pair("จ่ายเงินตามฎีกา", "Pay a disbursement request"),
    "create_commitment": _pair("ก่อหนี้ผูกพัน", "Record a commitment"),
    "create_advance_request": _pair("จัดทำสัญญาการยืมเงิน", "Prepare a request for an advance"),
    "pay_advance_request": _pair("จ่ายเงินยืม", "Pay an advance"),
    "clear_advance": _pair("ส่งใช้เงินยืม", "Clear an advance"),
    "create_journal_voucher": _pair("บันทึกใบผ่านรายการบัญชี", "Post a journal voucher"),
    "create_budget_transfer": _pair("โอนงบประมาณ", "Transfer budget"),
    "close_period": _pair("ปิดบัญชีประจำเดือน", "Close the month"),
    "upload_books": _pair("ส่งไฟล์บัญชีย้อนหลัง", "Upload back-dated books"),
    "upload_malformed_books": _pair("ส่งไฟล์บัญชีที่มีแถวผิด", "Upload books with a wrong row"),
    "view_import": _pair("ดูสถานะการนำเข้า", "Look how far an import is"),
    "view_refused_import": _pair("ดูผลการนำเข้าที่ต้องถูกปฏิเสธ",
                                 "Look at an import that must be refused"),
    "post_into_closed_period": _pair("บันทึกลงงวดที่ปิดแล้ว (ต้องถูกปฏิเสธ)",
                                     "Post into a closed period (must be refused)"),
    "read_other_unit": _pair("อ่านสมุดของหน่วยอื่น (ต้องถูกปฏิเสธ)",
                             "Read another unit's books (must be refused)"),
    "post_to_other_unit": _pair("บันทึกในหน่วยอื่น (ต้องถูกปฏิเสธ)",
                                "Post to another unit (must be refused)"),
    "spend_over_budget": _pair("เบิกเกินงบประมาณ (ต้องถูกปฏิเสธ)",
                               "Spend more than the budget (must be refused)"),
    "submit_unbalanced_voucher": _pair("ส่งใบผ่านรายการที่เดบิตไม่เท่าเครดิต (ต้องถูกปฏิเสธ)",
                                       "Submit a voucher out of balance (must be refused)"),
    "submit_wrong_year": _pair("ส่งใบเสร็จที่พิมพ์ปี พ.ศ. ผิดช่อง (ต้องถูกปฏิเสธ)",
                               "Submit a receipt with the wrong year (must be refused)"),
}  # fmt: skip

ACTIVITIES: Final = {
    "receipt": _pair("รับเงินรายได้", "Receipts"),
    "pay_supplier": _pair("เบิกจ่ายเงินให้ผู้ขาย", "Paying a supplier"),
    "commitment": _pair("ก่อหนี้ผูกพัน", "Commitments"),
    "advance": _pair("ยืมเงินและส่งใช้เงินยืม", "Advances"),
    "journal_voucher": _pair("บันทึกบัญชีทั่วไป", "Journal vouchers"),
    "budget_transfer": _pair("โอนงบประมาณ", "Budget transfers"),
    "daily_cash": _pair("รายงานสถานะการเงินประจำวัน", "Daily cash report"),
    "enquiry": _pair("สอบถามข้อมูล", "Enquiries"),
    "report": _pair("เรียกรายงาน", "Reports"),
    "login": _pair("เข้าสู่ระบบ", "Sign-in"),
    "browse": _pair("เปิดดูหน้าภาพรวม", "Looking around"),
    "month_close": _pair("ปิดบัญชีประจำเดือน", "Closing a month"),
    "provincial_refresh": _pair("ติดตามระดับจังหวัด", "Provincial overview"),
    "curious": _pair("ลองเข้าดูของหน่วยอื่น", "Prying into another unit"),
    "overspend": _pair("ลองเบิกเกินงบประมาณ", "Spending over budget"),
    "morning_login": _pair("เข้าสู่ระบบตอนเช้า", "Sign-in in the morning"),
    "enrol": _pair("ลงทะเบียนผู้ใช้", "Enrolment"),
    "month_reports": _pair("รายงานสิ้นเดือน", "Month-end reports"),
    "year_close": _pair("ปิดบัญชีประจำปี", "Closing a year"),
    "mistaken_paper": _pair("บันทึกเอกสารผิดแล้วแก้ไข", "A paper with a mistake, corrected"),
    "abandoned_form": _pair("กรอกแบบแล้วละทิ้ง", "A form left unfinished"),
    "import_backlog": _pair("นำเข้าข้อมูลย้อนหลัง", "Import of back-dated books"),
}

DOCUMENT_KINDS: Final = {
    "opening": _pair("ยอดยกมา", "Opening"),
    "receipt": _pair("ใบเสร็จรับเงิน", "Receipt"),
    "disbursement_request": _pair("ฎีกาเบิกเงิน", "Disbursement request"),
    "disbursement_check": _pair("การตรวจฎีกา", "Check of a request"),
    "disbursement_approval": _pair("การอนุมัติฎีกา", "Approval of a request"),
    "payment": _pair("การจ่ายเงิน", "Payment"),
    "commitment": _pair("การก่อหนี้ผูกพัน", "Commitment"),
    "advance_request": _pair("สัญญาการยืมเงิน", "Request for an advance"),
    "advance": _pair("เงินยืม", "Advance"),
    "advance_clearing": _pair("การส่งใช้เงินยืม", "Clearing of an advance"),
    "journal_voucher": _pair("ใบผ่านรายการบัญชี", "Journal voucher"),
    "budget_transfer": _pair("การโอนงบประมาณ", "Budget transfer"),
    "period_close": _pair("การปิดบัญชี", "Period close"),
    "books_import": _pair("ไฟล์บัญชีย้อนหลัง", "File of back-dated books"),
    "back_dated_payment": _pair("ฎีกาที่จ่ายแล้ว (ย้อนหลัง)", "Back-dated payment"),
}

# Classes of bottleneck by the ids of the diagnosis; its evidence sentence says the rest.
BOTTLENECKS: Final = {
    "C1": _pair("สอบถามซ้ำทีละแถว (N+1)", "One query per row (N+1)"),
    "C2": _pair("ไปกลับฐานข้อมูลหลายรอบ", "Chatty round trips"),
    "C3": _pair("แย่งกันล็อกแถวเดียว", "Hot row"),
    "C4": _pair("ประตูที่เข้าได้ทีละราย", "Serial gate"),
    "C5": _pair("คำสั่งที่ขวางวงรอบงาน", "Blocking call in the event loop"),
    "C6": _pair("อ่านข้อมูลเกินจำเป็น", "Over-fetching"),
    "C7": _pair("อ่านทั้งตารางหรือขาดดัชนี", "Sequential scan or missing index"),
    "C8": _pair("รอการเชื่อมต่อฐานข้อมูล", "Connection pool exhausted"),
    "C9": _pair("เปิดรายการค้างระหว่างเรียกระบบอื่น", "Transaction held over a remote call"),
    "C10": _pair("การเชื่อมต่อรั่ว", "Connection leak"),
    "C11": _pair("การปิดบัญชีล็อกผู้อื่น", "Closing locks others out"),
    "C12": _pair("งานประมวลผลหนักในตัวจัดการคำขอ", "Processor work in the handler"),
    "C13": _pair("ยืนยันตัวตนกับผู้ให้บริการที่ช้าทุกคำขอ", "Slow sign-in per request"),
    "C14": _pair("คำนวณรายงานใหม่จากรายการดิบ", "Report recomputed from raw entries"),
    "C15": _pair("แห่ขอพร้อมกัน", "Stampede"),
    "C16": _pair("นำเข้าทีละรายการ", "Unbatched import"),
    "C17": _pair("เขียนตารางรอบการใช้งานทุกคำขอ", "Session row written per request"),
    "C18": _pair("คิวที่ยาวไม่จำกัด", "Unbounded queue"),
    "C19": _pair("การลองใหม่ทับถม", "Retry storm"),
    "C20": _pair("งานสั้นรอหลังงานยาวในกระบวนการเดียว", "Short work behind long work"),
    "C21": _pair("หน่วยความจำเพิ่มขึ้นเรื่อย ๆ", "Memory growth"),
    "C22": _pair("ด่านหน้าของระบบ", "Front door"),
    "C23": _pair("รอการบันทึกถาวร (commit)", "Commit wall"),
    "C24": _pair("รอระบบภายนอกเป็นทอด ๆ", "Cascading timeouts"),
    "ABSTAIN": _pair("ไม่ระบุสาเหตุ", "No cause named"),
}

CONFIDENCES: Final = {
    "high": _pair("สูง", "high"),
    "medium": _pair("ปานกลาง", "medium"),
    "low": _pair("ต่ำ", "low"),
    "none": _pair("ไม่มี", "none"),
}

# Facts on machine and target by the keys of the manifest.
LOADS: Final = {
    "workload": _pair("ภาระงานจากไฟล์", "Replayed workload"),
    "locustfile": _pair("ไฟล์ Locust", "Locust file"),
}

FACTS: Final = {
    "file": _pair("ไฟล์", "File"),
    "sha256": _pair("SHA-256 ของไฟล์", "SHA-256 of the file"),
    "made_from": _pair("ที่มา", "Made from"),
    "made_from_sha256": _pair("SHA-256 ของที่มา", "SHA-256 of what it was made from"),
    "rate_scale": _pair("ตัวคูณอัตรา", "Rate scale"),
    "writes": _pair("คำขอเขียน", "Writes"),
    "requests_left_out": _pair("คำขอที่ไม่ส่ง", "Requests left out"),
    "users": _pair("ผู้ใช้", "Users"),
    "spawn_rate": _pair("ผู้ใช้เริ่มต่อวินาที", "Users begun per second"),
    "system": _pair("ระบบปฏิบัติการ", "Operating system"),
    "architecture": _pair("สถาปัตยกรรม", "Architecture"),
    "cpu_model": _pair("หน่วยประมวลผล", "Processor"),
    "cpu_count": _pair("จำนวนแกน", "Cores"),
    "memory_bytes": _pair("หน่วยความจำ", "Memory"),
    "memory_available_bytes": _pair("หน่วยความจำที่ว่าง", "Memory available"),
    "load_average_1min": _pair("ภาระเครื่องก่อนเริ่ม (1 นาที)", "Load average before (1 min)"),
    "disk_free_bytes": _pair("พื้นที่ว่างในดิสก์", "Disk space free"),
    "name": _pair("ชื่อระบบ", "Name"),
    "version": _pair("รุ่น", "Version"),
    "worker": _pair("กระบวนการที่ตอบ", "Worker that answered"),
    "workers": _pair("จำนวนกระบวนการ", "Workers"),
    "database_version": _pair("รุ่นของฐานข้อมูล", "Database version"),
    "fsync": _pair("บันทึกลงดิสก์จริง (fsync)", "fsync"),
    "synchronous_commit": _pair("รอการบันทึกก่อนยืนยัน (synchronous_commit)", "synchronous_commit"),
    "full_page_writes": _pair("บันทึกเต็มหน้า (full_page_writes)", "full_page_writes"),
    "defects": _pair("ข้อบกพร่องที่ระบบแจ้งว่าเปิดไว้", "Defects that it admits to"),
}

PROCESS_ROLES: Final = {
    "app": _pair("โปรแกรมของระบบ", "Application"),
    "database": _pair("ฐานข้อมูล", "Database"),
    "load": _pair("เครื่องสร้างภาระงาน", "Load generator"),
    "provider": _pair("ผู้ให้บริการยืนยันตัวตน", "Identity provider"),
    "harness": _pair("เครื่องควบคุมและเครื่องวัด", "Harness and probes"),
}


def _named(table: dict[str, Bilingual], name: str) -> Bilingual:
    known = table.get(name)
    return known if known is not None else Bilingual(th=shown(name, 80), en=shown(name, 80))


def kind_name(kind: str) -> Bilingual:
    """Return the words for an operation kind."""
    return _named(KINDS, kind)


def phase_name(name: str) -> Bilingual:
    """Return the words for a phase; a numbered one (`peak_2`) keeps its number."""
    stem, _, number = name.rpartition("_")
    if name not in PHASES and stem in PHASES and number.isdecimal() and len(number) < 4:
        words = PHASES[stem]
        return Bilingual(th=f"{words.th} {number}", en=f"{words.en} {number}")
    return _named(PHASES, name)


def fault_name(name: str) -> Bilingual:
    """Return the words for a fault."""
    return _named(FAULTS, name)


def operation_name(name: str) -> Bilingual:
    """Return the words for an operation."""
    return _named(OPERATIONS, name)


def activity_name(name: str) -> Bilingual:
    """Return the words for an activity."""
    return _named(ACTIVITIES, name)


def document_kind_name(name: str) -> Bilingual:
    """Return the words for a kind of document or money operation."""
    return _named(DOCUMENT_KINDS, name)


def scenario_name(name: str) -> Bilingual:
    """Return the title of a scenario, with its identifier."""
    known = scenario.SCENARIOS.get(name)
    clean = shown(name, 40)
    if known is None:
        return Bilingual(th=clean, en=clean)
    return Bilingual(th=f"{known.title.th} ({clean})", en=f"{known.title.en} ({clean})")


def level_name(name: str) -> Bilingual:
    """Return a level's name with what it stands for."""
    words = LEVELS.get(name)
    clean = shown(name, 40)
    if words is None:
        return Bilingual(th=clean, en=clean)
    return Bilingual(th=f"{clean} {words.th}", en=f"{clean}, {words.en}")


def bottleneck_name(name: str) -> Bilingual:
    """Return the words for a class of bottleneck, with its id."""
    words = BOTTLENECKS.get(name)
    if words is None or name == "ABSTAIN":
        return _named(BOTTLENECKS, name)
    return Bilingual(th=f"{name} {words.th}", en=f"{name} {words.en}")


def confidence_name(name: str) -> Bilingual:
    """Return the words for a confidence."""
    return _named(CONFIDENCES, name)


def load_name(kind: str) -> Bilingual:
    """Return the words for a load of the user's own."""
    return _named(LOADS, kind)


def fact_name(name: str) -> Bilingual:
    """Return the words for a fact on a machine or a target."""
    return _named(FACTS, name)


def role_name(name: str) -> Bilingual:
    """Return the words for a group of processes."""
    return _named(PROCESS_ROLES, name)


DELAYS: Final = {
    "plain": Bilingual(th="ตอบทันที", en="answered at once"),
    "constant": Bilingual(th="ล่าช้าคงที่", en="constant delay"),
    "exponential": Bilingual(th="ล่าช้าแบบเลขชี้กำลัง", en="exponential delay"),
    "lognormal": Bilingual(th="ล่าช้าแบบล็อกนอร์มัล", en="lognormal delay"),
    "bimodal": Bilingual(th="หนึ่งในร้อยช้าร้อยเท่า", en="one in a hundred 100 times slower"),
    "shed": Bilingual(th="503 เป็นช่วง มี Retry-After", en="bursts of 503 with Retry-After"),
    "unavailable": Bilingual(th="503 เป็นช่วง ไม่มี Retry-After", en="bursts of 503 without it"),
    "drip": Bilingual(th="เนื้อหามาทีละส่วน", en="body in pieces"),
    "reset_before": Bilingual(th="ตัดการเชื่อมต่อก่อนตอบ", en="reset before the answer"),
    "reset_after": Bilingual(th="ตัดการเชื่อมต่อกลางคำตอบ", en="reset within the answer"),
    "stall": Bilingual(th="เซิร์ฟเวอร์หยุดนิ่งเป็นช่วง", en="server stands still now and then"),
    "mix": Bilingual(th="ทุกลักษณะรวมกัน", en="all kinds together"),
}


def delay_name(kind: str) -> Bilingual:
    """Return the name of a kind of delay of the calibration, or the word itself."""
    word = shown(kind, 40)
    return DELAYS.get(kind, Bilingual(th=word, en=word))
