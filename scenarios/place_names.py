"""Names of places: the 76 provinces as they are, and syllables for places that do not exist.

Province names are public facts; every other name is put together from common syllables of Thai
place names, so no real office is meant by it. Each syllable stands with its transliteration.
"""

from __future__ import annotations

from typing import Final

PROVINCES_TH: Final[dict[int, str]] = {
    11: "สมุทรปราการ", 12: "นนทบุรี", 13: "ปทุมธานี", 14: "พระนครศรีอยุธยา", 15: "อ่างทอง",
    16: "ลพบุรี", 17: "สิงห์บุรี", 18: "ชัยนาท", 19: "สระบุรี", 20: "ชลบุรี",
    21: "ระยอง", 22: "จันทบุรี", 23: "ตราด", 24: "ฉะเชิงเทรา", 25: "ปราจีนบุรี",
    26: "นครนายก", 27: "สระแก้ว", 30: "นครราชสีมา", 31: "บุรีรัมย์", 32: "สุรินทร์",
    33: "ศรีสะเกษ", 34: "อุบลราชธานี", 35: "ยโสธร", 36: "ชัยภูมิ", 37: "อำนาจเจริญ",
    38: "บึงกาฬ", 39: "หนองบัวลำภู", 40: "ขอนแก่น", 41: "อุดรธานี", 42: "เลย",
    43: "หนองคาย", 44: "มหาสารคาม", 45: "ร้อยเอ็ด", 46: "กาฬสินธุ์", 47: "สกลนคร",
    48: "นครพนม", 49: "มุกดาหาร", 50: "เชียงใหม่", 51: "ลำพูน", 52: "ลำปาง",
    53: "อุตรดิตถ์", 54: "แพร่", 55: "น่าน", 56: "พะเยา", 57: "เชียงราย",
    58: "แม่ฮ่องสอน", 60: "นครสวรรค์", 61: "อุทัยธานี", 62: "กำแพงเพชร", 63: "ตาก",
    64: "สุโขทัย", 65: "พิษณุโลก", 66: "พิจิตร", 67: "เพชรบูรณ์", 70: "ราชบุรี",
    71: "กาญจนบุรี", 72: "สุพรรณบุรี", 73: "นครปฐม", 74: "สมุทรสาคร", 75: "สมุทรสงคราม",
    76: "เพชรบุรี", 77: "ประจวบคีรีขันธ์", 80: "นครศรีธรรมราช", 81: "กระบี่", 82: "พังงา",
    83: "ภูเก็ต", 84: "สุราษฎร์ธานี", 85: "ระนอง", 86: "ชุมพร", 90: "สงขลา",
    91: "สตูล", 92: "ตรัง", 93: "พัทลุง", 94: "ปัตตานี", 95: "ยะลา", 96: "นราธิวาส",
}  # fmt: skip

FIRST_SYLLABLES: Final = (
    ("บ้าน", "Ban"), ("หนอง", "Nong"), ("โคก", "Khok"), ("ดอน", "Don"), ("ท่า", "Tha"),
    ("นา", "Na"), ("ห้วย", "Huai"), ("คลอง", "Khlong"), ("บึง", "Bueng"), ("ทุ่ง", "Thung"),
    ("ป่า", "Pa"), ("ศาลา", "Sala"), ("วัง", "Wang"), ("โนน", "Non"), ("สระ", "Sa"),
    ("แม่", "Mae"), ("เขา", "Khao"), ("ไทร", "Sai"), ("แก่ง", "Kaeng"), ("ปาก", "Pak"),
    ("เชียง", "Chiang"), ("หัว", "Hua"), ("ลำ", "Lam"), ("ถ้ำ", "Tham"),
)  # fmt: skip
SECOND_SYLLABLES: Final = (
    ("แก้ว", "Kaeo"), ("ทอง", "Thong"), ("งาม", "Ngam"), ("ใหญ่", "Yai"), ("น้อย", "Noi"),
    ("สูง", "Sung"), ("ขาว", "Khao"), ("แดง", "Daeng"), ("เหล็ก", "Lek"), ("หลวง", "Luang"),
    ("ไผ่", "Phai"), ("มะม่วง", "Mamuang"), ("บัว", "Bua"), ("กระโดน", "Kradon"), ("ยาง", "Yang"),
    ("สัก", "Sak"), ("ตาล", "Tan"), ("จาน", "Chan"), ("ช้าง", "Chang"), ("ม้า", "Ma"),
    ("เสือ", "Suea"), ("กวาง", "Kwang"), ("ปลา", "Pla"), ("หอย", "Hoi"), ("นก", "Nok"),
    ("ใหม่", "Mai"), ("เก่า", "Kao"), ("กลาง", "Klang"), ("เหนือ", "Nuea"), ("ใต้", "Tai"),
)  # fmt: skip
LAST_SYLLABLES: Final = (
    ("", ""), ("พัฒนา", "phatthana"), ("สามัคคี", "samakkhi"), ("เจริญ", "charoen"),
    ("วิไล", "wilai"), ("สวรรค์", "sawan"), ("ไพศาล", "phaisan"), ("มงคล", "mongkhon"),
    ("อุดม", "udom"), ("สำราญ", "samran"), ("รุ่งเรือง", "rungrueang"), ("สมบูรณ์", "sombun"),
)  # fmt: skip
PLACE_NAME_COUNT: Final = len(FIRST_SYLLABLES) * len(SECOND_SYLLABLES) * len(LAST_SYLLABLES)


def place_name(number: int) -> tuple[str, str]:
    """Return the *number*-th invented place name in Thai and in Latin letters."""
    number %= PLACE_NAME_COUNT
    rest, last = divmod(number, len(LAST_SYLLABLES))
    first, second = divmod(rest, len(SECOND_SYLLABLES))
    parts = FIRST_SYLLABLES[first], SECOND_SYLLABLES[second], LAST_SYLLABLES[last]
    thai = "".join(part[0] for part in parts)
    english = " ".join(part[1] for part in parts[:2]) + (f" {parts[2][1]}" if parts[2][1] else "")
    return thai, english.title()
