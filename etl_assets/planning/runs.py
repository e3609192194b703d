"""What planning asks about runs that wait. `defs/run_queue.py` answers from Dagster's storage."""

from datetime import date, datetime
from typing import Protocol


class RunQueue(Protocol):
    """The runs that wait or are running, as planning needs to know them."""

    def days_under_way(self) -> set[date]:
        """Return the days of runs and backfills that wait or are running."""
        ...

    def report_is_asked_for(self) -> bool:
        """Return whether a run that asks for a report waits or is running."""
        ...

    def terminated_at(self, day: date) -> datetime | None:
        """Return when somebody last terminated a planned run of the day before it began."""
        ...
