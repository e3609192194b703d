"""The calendar of the model, by days that are known."""

from datetime import date, timedelta

import pytest

from etl_assets_tests.properties.oracle import calendar_day, date_id
from etl_assets_tests.support.files import MONDAY


def test_a_calendar_day_is_fully_described():
    assert calendar_day(date(2024, 2, 25))._asdict() == {
        "date_id": 1_708_819_200,
        "date_actual": date(2024, 2, 25),
        "epoch": 1_708_819_200,
        "day_suffix": "25th",
        "day_name": "Sunday",
        "day_of_week": 7,
        "day_of_month": 25,
        "day_of_quarter": 56,
        "day_of_year": 56,
        "week_of_month": 4,
        "week_of_year": 8,
        "week_of_year_iso": "2024-W08-7",
        "month_actual": 2,
        "month_name": "February",
        "month_name_abbreviated": "Feb",
        "quarter_actual": 1,
        "quarter_name": "First",
        "year_actual": 2024,
        "first_day_of_week": date(2024, 2, 19),
        "last_day_of_week": date(2024, 2, 25),
        "first_day_of_month": date(2024, 2, 1),
        "last_day_of_month": date(2024, 2, 29),
        "first_day_of_quarter": date(2024, 1, 1),
        "last_day_of_quarter": date(2024, 3, 31),
        "first_day_of_year": date(2024, 1, 1),
        "last_day_of_year": date(2024, 12, 31),
        "mmyyyy": "022024",
        "mmddyyyy": "02252024",
        "weekend_indr": True,
    }


def test_a_new_years_day_may_belong_to_the_old_iso_year():
    day = calendar_day(date(2023, 1, 1))
    assert (day.week_of_year, day.week_of_year_iso, day.year_actual) == (52, "2022-W52-7", 2023)
    assert (day.week_of_month, day.day_of_quarter, day.day_of_year) == (1, 1, 1)
    assert day.first_day_of_week == date(2022, 12, 26)


def test_the_last_day_of_a_leap_year_closes_its_quarter():
    day = calendar_day(date(2024, 12, 31))
    assert (day.quarter_actual, day.quarter_name, day.day_of_quarter) == (4, "Fourth", 92)
    assert (day.day_of_year, day.week_of_year_iso) == (366, "2025-W01-2")
    assert day.last_day_of_month == day.last_day_of_quarter == day.last_day_of_year
    assert (day.first_day_of_quarter, day.weekend_indr) == (date(2024, 10, 1), False)


@pytest.mark.parametrize(
    ("number", "week"), [(1, 1), (2, 1), (3, 1), (4, 2), (10, 2), (11, 3), (31, 5)]
)
def test_the_first_week_of_a_month_holds_its_1st(number: int, week: int):
    assert calendar_day(date(2024, 3, number)).week_of_month == week  # the 1st is a Friday


def test_days_have_english_ordinals():
    suffixes = [calendar_day(date(2024, 1, number)).day_suffix for number in range(1, 32)]
    assert suffixes[:4] == ["1st", "2nd", "3rd", "4th"]
    assert suffixes[9:14] == ["10th", "11th", "12th", "13th", "14th"]
    assert suffixes[19:24] == ["20th", "21st", "22nd", "23rd", "24th"]
    assert suffixes[29:] == ["30th", "31st"]


def test_saturday_and_sunday_are_the_weekend():
    week = [calendar_day(MONDAY + timedelta(days=number)) for number in range(7)]
    assert [day.weekend_indr for day in week] == [False] * 5 + [True] * 2


def test_a_date_id_is_the_epoch_second_of_midnight_utc():
    assert date_id(date(1970, 1, 2)) == 86_400
    assert date_id(date(1969, 12, 31)) == -86_400
