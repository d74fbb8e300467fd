"""Numbers, money and dates as a committee reads them: Buddhist era, baht, separated thousands."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.terms import Bilingual, Unit
from reports import formats


@pytest.mark.parametrize(
    ("iso", "thai", "english"),
    [
        ("2025-12-01", "1 ธันวาคม พ.ศ. 2568", "1 December 2025 (BE 2568)"),
        ("2024-02-29", "29 กุมภาพันธ์ พ.ศ. 2567", "29 February 2024 (BE 2567)"),
        ("2567-02-29", "2567-02-29", "2567-02-29"),  # no leap day in CE 2567: shown as it came
        ("<b>", "<b>", "<b>"),
    ],
)
def test_days_are_shown_in_the_buddhist_era(iso: str, thai: str, english: str) -> None:
    assert formats.day(iso) == Bilingual(th=thai, en=english)


@pytest.mark.parametrize(
    ("iso", "thai"),
    [
        ("2026-11-23T06:30:00+00:00", "23 พฤศจิกายน พ.ศ. 2569 เวลา 13:30 น."),
        ("2026-11-23T06:30:00", "23 พฤศจิกายน พ.ศ. 2569 เวลา 13:30 น."),
        ("2026-12-31T20:00:00Z", "1 มกราคม พ.ศ. 2570 เวลา 03:00 น."),
        ("2026-11-23T06:30:00+07:00", "23 พฤศจิกายน พ.ศ. 2569 เวลา 06:30 น."),
        ("9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59+00:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_times_are_those_of_thailand(iso: str, thai: str) -> None:
    assert formats.moment(iso).th == thai


def test_periods_are_months() -> None:
    assert formats.period(202512) == Bilingual(th="ธันวาคม 2568", en="December 2025")
    assert formats.period(202513).th == formats.ABSENT
    assert formats.period(-1).en == formats.ABSENT


@pytest.mark.parametrize(
    ("amount_satang", "text"),
    [(0, "0.00"), (5, "0.05"), (123_456_789, "1,234,567.89"), (-1, "-0.01"), (-10_050, "-100.50"),
     (10**20, "1,000,000,000,000,000,000.00")],
)  # fmt: skip
def test_money_is_exact(amount_satang: int, text: str) -> None:
    assert formats.baht(amount_satang) == text


@given(st.integers(-(10**24), 10**24))
def test_money_can_be_read_back(amount_satang: int) -> None:
    text = formats.baht(amount_satang)

    assert int(text.replace(",", "").replace(".", "")) == amount_satang


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1_153.0, "1,153"), (6_700.4, "6,700"), (0.001234, "0.00123"), (99.95, "100"),
     (12.3456, "12.3"), (1e-30, "1.00e-30"), (math.nan, "–"), (math.inf, "–"), (-2.5, "-2.5"),
     (1e15 + 0.5, "1,000,000,000,000,000")],
)  # fmt: skip
def test_decimals_keep_their_significant_digits(value: float, text: str) -> None:
    assert formats.decimal(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.999999, "> 99.99 %"), (0.9996, "99.96 %"), (0.99, "99 %"),
     (0.0, "0 %"), (0.001, "0.1 %"), (1.2, "120 %")],
)  # fmt: skip
def test_a_share_below_one_never_reads_as_all(share: float, text: str) -> None:
    assert formats.percent(share).replace(formats.FIXED_SPACE, " ") == text


@given(st.floats(0, 1, exclude_max=True))
def test_no_share_below_one_is_shown_as_a_hundred(share: float) -> None:
    assert not formats.percent(share).startswith("100")


@given(st.floats())
def test_no_number_breaks_a_format(value: float) -> None:
    for unit in Unit:
        assert formats.measured(value, unit).th
    assert formats.count(value)
    assert formats.span(value).en
    assert formats.clock(value)


@pytest.mark.parametrize(
    ("duration_s", "english"),
    [(49.0, "49 s"), (112.0, "1 min 52 s"), (180.0, "3 min"), (5_400.0, "1 h 30 min"),
     (259_200.0, "72 h"), (-1.0, "–"), (math.inf, "–")],
)  # fmt: skip
def test_spans_are_said_in_words(duration_s: float, english: str) -> None:
    assert formats.span(duration_s).en == english


@pytest.mark.parametrize(
    ("offset_s", "text"), [(0, "0:00"), (148.4, "2:28"), (3_725, "1:02:05"), (-5, "-0:05")]
)
def test_clock_times(offset_s: float, text: str) -> None:
    assert formats.clock(offset_s) == text


def test_text_from_a_folder_has_no_hidden_or_reordering_characters() -> None:
    text = formats.shown("a\x00b\u202ec\u200bd\ufeffe\tf\ng\ud800")

    assert text == "a\ufffdb\ufffdc\ufffdd\ufffde\tf\ng\ufffd"


def test_thai_text_passes_unchanged() -> None:
    text = "กำหนดให้เก็บรักษาเงินไว้ที่ที่ทำการ ๑๒๓ น้ำใจ"

    assert formats.shown(text) == text


@given(st.text(max_size=300), st.integers(1, 50))
def test_shown_text_has_a_limit(text: str, limit: int) -> None:
    assert len(formats.shown(text, limit)) <= limit
