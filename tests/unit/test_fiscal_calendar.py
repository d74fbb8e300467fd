"""Dates as Thai offices count them: fiscal years, Buddhist years, working days, month ends."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.fiscal_calendar import (
    BUSINESS_DATE,
    MONTHS_TH_SHORT,
    business_month,
    fiscal_year_be,
    fiscal_year_span,
    from_buddhist,
    from_thai_digits,
    full_buddhist_year,
    holidays,
    is_working_day,
    month_end_window,
    month_span,
    next_working_day,
    period_of,
    to_buddhist,
    to_buddhist_numeric,
    to_buddhist_year,
    to_common_year,
    to_thai_digits,
    working_days,
)

days = st.dates(min_value=date(1950, 1, 1), max_value=date(2120, 12, 31))
working_years = st.dates(min_value=date(2025, 1, 1), max_value=date(2026, 11, 30))


@pytest.mark.parametrize(
    ("day", "fiscal_year"),
    [
        (date(2024, 9, 30), 2567), (date(2024, 10, 1), 2568), (date(2025, 9, 30), 2568),
        (date(2025, 10, 1), 2569), (BUSINESS_DATE, 2569),
    ],
)  # fmt: skip
def test_the_fiscal_year_is_named_by_the_year_it_ends_in(day: date, fiscal_year: int) -> None:
    assert fiscal_year_be(day) == fiscal_year


@settings(max_examples=50)
@given(days)
def test_a_day_lies_within_its_fiscal_year(day: date) -> None:
    first, last = fiscal_year_span(fiscal_year_be(day))

    assert first <= day <= last
    assert (last - first).days in (364, 365)


@settings(max_examples=50)
@given(days)
def test_written_dates_come_back(day: date) -> None:
    assert from_buddhist(to_buddhist(day)) == day
    assert from_buddhist(to_buddhist(day, has_thai_digits=True)) == day
    assert from_buddhist(to_buddhist_numeric(day)) == day
    assert to_common_year(to_buddhist_year(day.year)) == day.year


@settings(max_examples=50)
@given(days)
def test_two_digit_years_come_back_near_their_own_century(day: date) -> None:
    year = to_buddhist_year(day.year)

    assert full_buddhist_year(year % 100, near=year) == year
    short = f"{day.day} {MONTHS_TH_SHORT[day.month - 1]} {year % 100:02d}"
    assert from_buddhist(short, near=year) == day


@settings(max_examples=50)
@given(st.text(alphabet="0123456789๐๑๒๓๔๕๖๗๘๙กข /-", max_size=20))
def test_thai_digits_become_ascii_and_nothing_else_changes(text: str) -> None:
    plain = from_thai_digits(text)

    assert not set(plain) & set("๐๑๒๓๔๕๖๗๘๙")
    assert from_thai_digits(to_thai_digits(plain)) == plain
    assert len(plain) == len(text)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("29/02/2567", date(2024, 2, 29)),  # 2567 is no leap year of the common era
        ("1/12/68", date(2025, 12, 1)),
        ("๑ ธันวาคม ๒๕๖๘", date(2025, 12, 1)),
        ("1 ธ.ค. 68", date(2025, 12, 1)),
        ("1 ธันวาคม พ.ศ. 2568", date(2025, 12, 1)),
        ("30-09-2568", date(2025, 9, 30)),
    ],
)
def test_dates_as_people_type_them(text: str, day: date) -> None:
    assert from_buddhist(text) == day


@pytest.mark.parametrize(
    "text",
    ["", "2568-12-01", "1/12/2025", "29/02/2568", "31/11/2568", "1 December 2568", "1/13/2568",
     "1 ธันวา 2568", "0/12/2568", "1/12/256"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_buddhist(text)


def test_two_digit_years_mean_the_nearest() -> None:
    assert full_buddhist_year(68, near=2568) == 2568
    assert full_buddhist_year(99, near=2568) == 2599
    assert full_buddhist_year(1, near=2568) == 2601
    assert full_buddhist_year(18, near=2568) == 2618  # 2518 is as near; the later is taken
    with pytest.raises(ValueError, match="100"):
        full_buddhist_year(100, near=2568)


def test_month_end_of_november_2025() -> None:
    window = month_end_window(2025, 11)

    assert [day.isoformat() for day in window] == [
        "2025-11-26", "2025-11-27", "2025-11-28",
        "2025-12-01", "2025-12-02", "2025-12-03", "2025-12-04", "2025-12-08",
    ]  # fmt: skip
    assert BUSINESS_DATE in window


def test_the_year_end_of_2568_falls_on_a_working_day() -> None:
    assert is_working_day(date(2025, 9, 30))
    assert month_end_window(2025, 9)[2] == date(2025, 9, 30)


@settings(max_examples=50)
@given(working_years)
def test_a_working_day_is_neither_weekend_nor_holiday(day: date) -> None:
    assert is_working_day(day) == (day.weekday() < 5 and day not in holidays())
    following = next_working_day(day)
    assert following >= day
    assert is_working_day(following)
    assert working_days(day, following)[-1] == following
    assert len(working_days(day, following)) == 1


@settings(max_examples=50)
@given(st.integers(min_value=2025, max_value=2026), st.integers(min_value=1, max_value=11))
def test_a_month_end_is_eight_working_days_around_the_turn(year: int, month: int) -> None:
    window = month_end_window(year, month)
    last = month_span(year, month)[1]

    assert len(window) == 8
    assert list(window) == sorted(window)
    assert sum(day <= last for day in window) == 3
    assert all(is_working_day(day) for day in window)


def test_holidays_on_weekends_have_a_substitute() -> None:
    substitutes = [day for day, holiday in holidays().items() if holiday.tag == "substitute"]

    for day in substitutes:
        before = [day - timedelta(days=number) for number in range(1, 5)]
        assert any(other in holidays() and other.weekday() >= 5 for other in before)
        assert day.weekday() < 5
    assert {holiday.tag for holiday in holidays().values()} <= {
        "fixed", "substitute", "lunar", "announced",
    }  # fmt: skip


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2027, 1, 4)])
def test_years_of_unknown_holidays_are_refused(day: date) -> None:
    with pytest.raises(ValueError, match=str(day.year)):
        is_working_day(day)


def test_the_month_end_of_an_unknown_year_is_refused_not_guessed() -> None:
    with pytest.raises(ValueError, match="2027"):
        month_end_window(2026, 12)


def test_periods_around_the_default_business_date() -> None:
    month = business_month()

    assert BUSINESS_DATE.strftime("%A") == "Monday"
    assert (month.open_period, month.closing_period, month.closed_period, month.fiscal_year) == (
        "2025-12", "2025-11", "2025-10", 2569,
    )  # fmt: skip
    assert period_of(date(2026, 1, 2)) == "2026-01"
    assert business_month(date(2026, 1, 2)).closing_period == "2025-12"
