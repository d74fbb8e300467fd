"""Every sentence of the report exists in Thai and in English, and says the same numbers."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from contracts.records import Failure
from contracts.terms import Bilingual, OperationKind, Quantity, Verdict
from harness.faults import catalogue
from reports import names, wording
from scenarios.demand import OPERATIONS
from scenarios.levels import LEVELS
from scenarios.population import UnitType

# The same in both languages: names of percentiles and identifiers.
ALIKE = {"legend_p95", "legend_p99"}
THAI = re.compile("[\u0e01-\u0e5b]")
TABLES = {
    name: table for name, table in vars(names).items() if name.isupper() and isinstance(table, dict)
}
ALL = [("SENTENCES", key, text) for key, text in wording.SENTENCES.items()]
ALL += [(name, str(key), text) for name, table in TABLES.items() for key, text in table.items()]
ALL += [("VERDICTS", str(key), text) for key, text in wording.VERDICTS.items()]
ALL += [("MEANINGS", str(key), text) for key, text in wording.VERDICT_MEANINGS.items()]


def test_there_is_something_to_test() -> None:
    assert len(ALL) > 300
    assert {"KINDS", "PHASES", "FAULTS", "OPERATIONS", "INVARIANTS"} <= set(TABLES)


def test_every_text_stands_in_both_languages() -> None:
    broken = []
    for table, key, text in ALL:
        only_places = not re.sub(r"\{\w+\}|[\W\d]", "", text.en)
        is_thai = bool(THAI.search(text.th)) or only_places or key in ALIKE
        is_clean = text.th.strip() == text.th and text.en.strip() == text.en
        if not (text.th and text.en and is_clean and is_thai) or THAI.search(text.en):
            broken.append((table, key))

    assert broken == []


def test_both_languages_have_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    unlike = [key for key, text in wording.SENTENCES.items() if places(text.th) != places(text.en)]
    nameless = [key for key, text in wording.SENTENCES.items() if "" in places(text.th)]

    assert unlike == []
    assert nameless == []


def test_every_sentence_is_said_somewhere() -> None:
    sources = [
        path.read_text("utf-8")
        for path in Path(wording.__file__).parent.rglob("*")
        if path.suffix in {".py", ".j2"} and path.name != "wording.py"
    ]
    text = "\n".join(sources)
    built = ("to_", "ended_", "deciding_")

    unsaid = [
        key
        for key in wording.SENTENCES
        if f'"{key}"' not in text and f"'{key}'" not in text and not key.startswith(built)
    ]

    assert unsaid == []


def test_no_thai_text_uses_composed_or_doubled_vowels() -> None:
    # U+0E4D U+0E32 is what NFKC makes of sara am; a doubled sara e stands for sara ae.
    broken = [key for _, key, text in ALL if "\u0e4d\u0e32" in text.th or "\u0e40\u0e40" in text.th]

    assert broken == []


def test_all_words_of_the_system_have_names() -> None:
    assert set(names.KINDS) == {kind.value for kind in OperationKind}
    assert set(names.QUANTITIES) == set(Quantity)
    assert set(wording.VERDICTS) == set(Verdict)
    assert set(OPERATIONS) <= set(names.OPERATIONS)
    assert set(LEVELS) <= set(names.LEVELS)
    assert {unit_type.value for unit_type in UnitType} <= set(names.UNIT_TYPES)
    assert {f for f in Failure if f not in (Failure.NONE, Failure.EXPECTED_REFUSAL)} == set(
        names.FAILURES
    )
    assert set(names.FAILURES) == set(names.FAILURE_MEANINGS)


def test_all_faults_of_the_catalogue_have_names() -> None:
    known = set(names.FAULTS)

    assert set(catalogue.FAULTS) <= known


def test_accounting_terms_are_those_of_the_local_administration() -> None:
    assert names.OPERATIONS["create_disbursement_request"].th == "จัดทำฎีกาเบิกเงิน"
    assert names.OPERATIONS["report_trial_balance"].th == "งบทดลอง"
    assert names.OPERATIONS["create_journal_voucher"].th.endswith("ใบผ่านรายการบัญชี")
    assert names.OPERATIONS["report_daily_cash"].th == "รายงานสถานะการเงินประจำวัน"
    assert names.OPERATIONS["clear_advance"].th == "ส่งใช้เงินยืม"


def test_places_take_each_language_its_own_value() -> None:
    text = wording.say("at_most", value=Bilingual(th="หนึ่ง", en="one"))

    assert text == Bilingual(th="ไม่เกิน หนึ่ง", en="at most one")


def test_a_missing_place_or_key_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        wording.say("at_most", number="1")
    with pytest.raises(KeyError):
        wording.say("no_such_sentence")


def test_unknown_names_are_shown_as_they_came() -> None:
    assert names.phase_name("peak_2") == Bilingual(th="นาทีสูงสุด 2", en="Peak minute 2")
    assert names.phase_name("lunch").th == "lunch"
    assert names.fault_name("x" * 500).en == "x" * 79 + "…"
    assert names.level_name("L2") == Bilingual(th="L2 วันสิ้นเดือน", en="L2, month end")
    assert names.level_name("L9").th == "L9"


@pytest.mark.parametrize(
    ("text", "thai", "english"),
    [
        ("ค่าปรับ / a penalty", "ค่าปรับ", "a penalty"),
        ("a / b", "a / b", "a / b"),
        ("ก / ข", "ก / ข", "ก / ข"),
        ("no half", "no half", "no half"),
        ("ค่าปรับ 1 / 2 ส่วน", "ค่าปรับ 1 / 2 ส่วน", "ค่าปรับ 1 / 2 ส่วน"),
    ],
)
def test_a_text_of_two_halves_is_taken_apart(text: str, thai: str, english: str) -> None:
    assert wording.in_both(text) == Bilingual(th=thai, en=english)
