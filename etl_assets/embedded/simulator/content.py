"""The protocol for source files, generated or given."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Protocol

KINDS = ("customer_research", "user_order_log", "user_activity_log", "price_log")
"""The kinds of files, in the order of the API's answers; an increment's names end in `_inc`."""

ORDER_LOG = "user_order_log"
PRICE_LOG = "price_log"

Contents = Mapping[str, Iterable[bytes]]
"""The file of each kind, in pieces. A piece is at most one day of a large file."""


class SourceFiles(Protocol):
    """The files of the source."""

    def report_days(self, today: date) -> tuple[date, date]:
        """Return the first and the last day of a report that is asked for today."""
        ...

    def report(self, first_day: date, last_day: date) -> Contents:
        """Return the files of a report."""
        ...

    def increment(self, day: date, *, with_status: bool) -> Contents | None:
        """Return the files of a day's increment, or None if it does not exist yet."""
        ...


def usual_report_days(today: date) -> tuple[date, date]:
    """Return the first and last day of a real report: 30 and 8 days ago."""
    return today - timedelta(days=30), today - timedelta(days=8)
