"""Serves given order files: real ones, or ones that a test has written."""

from dataclasses import dataclass, field
from datetime import date

from typing_extensions import override

from etl_assets.embedded.simulator.content import (
    ORDER_LOG,
    Contents,
    SourceFiles,
    usual_report_days,
)


@dataclass
class GivenFiles(SourceFiles):
    """Given order files, served byte for byte; the other kinds have addresses, but no objects.

    Attributes:
        orders: the order log of a report.
        days: the first and the last day of a report; None for the usual ones.
        increments: the order log of each increment, by day; a missing day does not exist yet.
    """

    orders: bytes
    days: tuple[date, date] | None = None
    increments: dict[date, bytes] = field(default_factory=dict[date, bytes])

    @override
    def report_days(self, today: date) -> tuple[date, date]:
        """Return the given days, else those of a real report."""
        return self.days or usual_report_days(today)

    @override
    def report(self, first_day: date, last_day: date) -> Contents:
        """Return the files of the report."""
        return {ORDER_LOG: [self.orders]}

    @override
    def increment(self, day: date, *, with_status: bool) -> Contents | None:
        """Return the files of the day, if given; `with_status` does not change them."""
        if day not in self.increments:
            return None
        return {ORDER_LOG: [self.increments[day]]}
