"""The planner: which day is to be loaded next, if any.

A day is done when `etl.load` says so, and by nothing else: Dagster shows a day as failed after a
failed reload although its rows are intact, a killed run as started for ever, and a wiped storage
knows nothing. Days go strictly in order: the first that is not done is the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from etl_assets import errors
from etl_assets.partitions import days_between, in_words
from etl_assets.resources.warehouse import Warehouse, days_being_loaded
from etl_assets.settings import PartitionSettings
from etl_assets.source import NotThere, Source


def expected_days(report_starts: Sequence[date], partitions: PartitionSettings) -> list[date]:
    """Return the days that ought to be loaded: all since the oldest report's first.

    None are while there is no report; earlier ones the source never had.
    """
    if not report_starts:
        return []
    return days_between(max(min(report_starts), partitions.start_day), partitions.last_day())


@dataclass(frozen=True)
class Load:
    """The source has the next day."""

    day: date


@dataclass(frozen=True)
class Wait:
    """There is nothing to load now; later there may be."""

    why: str


@dataclass(frozen=True)
class Blocked:
    """The next day can't be loaded until somebody does something."""

    why: str
    remedy: str


@dataclass(frozen=True)
class Unavailable:
    """The source can't be asked now."""

    error: str


Decision = Load | Wait | Blocked | Unavailable


class Planner:
    """Decides which day is next, from the warehouse's records and the source."""

    def __init__(self, warehouse: Warehouse, source: Source, partitions: PartitionSettings) -> None:
        self._warehouse = warehouse
        self._source = source
        self._partitions = partitions

    def next(self, *, until: date | None = None) -> Decision:
        """Return what to do next; days after `until` are left alone."""
        try:
            return self._next(until)
        except errors.Unavailable as error:
            return Unavailable(str(error))

    def _next(self, until: date | None) -> Decision:
        reports = self._source.reports()
        if not reports:
            return Blocked("no report was asked for yet", "etl-assets backfill")
        starts = [report.start_day for report in reports]
        expected = [
            day for day in expected_days(starts, self._partitions) if until is None or day <= until
        ]
        done = {row["partition_day"] for row in self._warehouse.rows("etl/loaded_days")}
        day = next((day for day in expected if day not in done), None)
        if day is None:
            return Wait(
                f"{in_words(expected)}: everything is loaded" if expected else "no day is over yet"
            )
        if day in days_being_loaded(self._warehouse):
            return Wait(f"{day} is being loaded")
        found = self._source.find_next(day)
        if not isinstance(found, NotThere):
            return Load(day)
        if found.too_early:
            return Blocked(
                f"the source no longer has {day}: {found.why}",
                f"etl-assets backfill --new-report --from {day} --to {day}",
            )
        return Wait(f"{day}: {found.why}")
