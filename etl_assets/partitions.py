"""The partitions: one a day, from `ETL_START_DATE` on.

The name of a day in every table is `partition_day`.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from etl_assets.settings import PartitionSettings


def daily_partitions(settings: PartitionSettings) -> dg.DailyPartitionsDefinition:
    """Return the days from the first to yesterday, or to `ETL_END_DATE`, both included.

    Not dynamic partitions: those have no date range dialog in the UI.
    """
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_day.isoformat(),
        # Dagster's end is the first day that is not a partition.
        end_date=(settings.end_day + timedelta(days=1)).isoformat() if settings.end_day else None,
        timezone=settings.timezone,
        end_offset=0,
    )


def days_between(first: date, last: date) -> list[date]:
    """Return the days from the first to the last, both included."""
    return [first + timedelta(days=count) for count in range((last - first).days + 1)]


def days_of(run: dg.DagsterRun) -> list[date]:
    """Return the days that a run was launched for: one, a range, or none."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
    if not first or not last:
        return []
    return days_between(date.fromisoformat(first), date.fromisoformat(last))


def stretches(days: Sequence[date]) -> list[list[date]]:
    """Split days in order into runs of consecutive ones.

    >>> stretches([date(2024, 2, 2), date(2024, 2, 3), date(2024, 2, 5)])
    [[datetime.date(2024, 2, 2), datetime.date(2024, 2, 3)], [datetime.date(2024, 2, 5)]]
    """
    found: list[list[date]] = []
    for day in days:
        if found and found[-1][-1] + timedelta(days=1) == day:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def in_words(days: Sequence[date]) -> str:
    """Say which days: `2024-02-02`, or `2024-02-02 to 2024-02-24 (23 days)`."""
    if len(days) == 1:
        return str(days[0])
    return f"{min(days)} to {max(days)} ({len(days)} days)"
