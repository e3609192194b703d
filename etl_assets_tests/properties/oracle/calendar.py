"""The calendar: each of its columns for a day."""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple


class CalendarDay(NamedTuple):
    """A row of `mart.d_calendar`; weeks begin on Monday."""

    date_id: int
    date_actual: date
    epoch: int
    day_suffix: str
    day_name: str
    day_of_week: int
    day_of_month: int
    day_of_quarter: int
    day_of_year: int
    week_of_month: int
    week_of_year: int
    week_of_year_iso: str
    month_actual: int
    month_name: str
    month_name_abbreviated: str
    quarter_actual: int
    quarter_name: str
    year_actual: int
    first_day_of_week: date
    last_day_of_week: date
    first_day_of_month: date
    last_day_of_month: date
    first_day_of_quarter: date
    last_day_of_quarter: date
    first_day_of_year: date
    last_day_of_year: date
    mmyyyy: str
    mmddyyyy: str
    weekend_indr: bool


# Spelled out: strftime's names depend on the locale.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_QUARTERS = ("First", "Second", "Third", "Fourth")


def date_id(day: date) -> int:
    """The epoch second of the day's midnight UTC."""
    return (day - date(1970, 1, 1)).days * 24 * 60 * 60


def calendar_day(day: date) -> CalendarDay:
    """The row of `mart.d_calendar` for `day`."""
    iso = day.isocalendar()
    month = _MONTHS[day.month - 1]
    quarter = (day.month + 2) // 3
    first_day_of_week = monday_of(day)
    first_day_of_month = date(day.year, day.month, 1)
    first_day_of_quarter = date(day.year, quarter * 3 - 2, 1)
    first_day_of_year = date(day.year, 1, 1)
    return CalendarDay(
        date_id=date_id(day),
        date_actual=day,
        epoch=date_id(day),
        day_suffix=_ordinal(day.day),
        day_name=_DAYS[day.weekday()],
        day_of_week=day.isoweekday(),
        day_of_month=day.day,
        day_of_quarter=(day - first_day_of_quarter).days + 1,
        day_of_year=(day - first_day_of_year).days + 1,
        week_of_month=(first_day_of_week - monday_of(first_day_of_month)).days // 7 + 1,
        week_of_year=iso.week,
        week_of_year_iso=f"{iso.year:04}-W{iso.week:02}-{iso.weekday}",
        month_actual=day.month,
        month_name=month,
        month_name_abbreviated=month[:3],
        quarter_actual=quarter,
        quarter_name=_QUARTERS[quarter - 1],
        year_actual=day.year,
        first_day_of_week=first_day_of_week,
        last_day_of_week=first_day_of_week + timedelta(days=6),
        first_day_of_month=first_day_of_month,
        last_day_of_month=_last_day_of_month(day.year, day.month),
        first_day_of_quarter=first_day_of_quarter,
        last_day_of_quarter=_last_day_of_month(day.year, quarter * 3),
        first_day_of_year=first_day_of_year,
        last_day_of_year=date(day.year, 12, 31),
        mmyyyy=f"{day.month:02}{day.year:04}",
        mmddyyyy=f"{day.month:02}{day.day:02}{day.year:04}",
        weekend_indr=day.isoweekday() >= 6,
    )


def every_day(days: Iterable[date]) -> list[date]:
    """From the first to the last of `days`, gaps included."""
    loaded = sorted(days)
    if not loaded:
        return []
    first, last = loaded[0], loaded[-1]
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _ordinal(number: int) -> str:
    if number in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _last_day_of_month(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])
