"""What planning asks about runs. `defs/run_history.py` answers from Dagster's storage."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True)
class Failures:
    """The failed tries since the last success.

    Attributes:
        count: how many there were.
        last: when the last one ended.
    """

    count: int
    last: datetime


class RunHistory(Protocol):
    """The runs, as planning needs to know them."""

    def days_under_way(self) -> set[date]:
        """Return the days of runs and backfills that wait or are running."""
        ...

    def report_is_asked_for(self) -> bool:
        """Return whether a run that asks for a report waits or is running."""
        ...

    def failures_of_day(self, day: date) -> Failures:
        """Return the failed tries of the planner's runs of a day."""
        ...

    def failures_of_report(self, day: date) -> Failures:
        """Return the failed tries to ask for a report because of a day."""
        ...

    def end_killed_runs(self, being_loaded: Collection[date]) -> None:
        """Mark started runs as failed whose process is gone."""
        ...

    def failed_since(self, loaded_at: Mapping[date, datetime]) -> dict[date, str]:
        """Return why the newest run of a day failed, where that was after the day was loaded."""
        ...
