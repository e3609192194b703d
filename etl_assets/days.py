"""Days and ranges of days."""

from collections.abc import Sequence
from datetime import date, timedelta


def days_between(first: date, last: date) -> list[date]:
    """Return the days from the first to the last, both included."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def split_at_gaps(days: Sequence[date]) -> list[list[date]]:
    """Split ordered days into lists of consecutive days.

    >>> split_at_gaps([date(2024, 2, 2), date(2024, 2, 3), date(2024, 2, 5)])
    [[datetime.date(2024, 2, 2), datetime.date(2024, 2, 3)], [datetime.date(2024, 2, 5)]]
    """
    found: list[list[date]] = []
    for day in days:
        if found and found[-1][-1] + timedelta(days=1) == day:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def format_days(days: Sequence[date]) -> str:
    """Return the days as text: `2024-02-02`, or `2024-02-02 to 2024-02-24 (23 days)`."""
    if len(days) == 1:
        return str(days[0])
    return f"{min(days)} to {max(days)} ({len(days)} days)"
