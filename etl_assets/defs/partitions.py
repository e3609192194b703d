"""The partitions: one a day, from `ETL_START_DATE` on.

The name of a day in every table is `partition_day`.
"""

from datetime import date, timedelta

import dagster as dg

from etl_assets.days import days_between
from etl_assets.defs import run_tags
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


def days_of(run: dg.DagsterRun) -> list[date]:
    """Return the days that a run was launched for: one, a range, or none."""
    first = run.tags.get(run_tags.RANGE_START) or run.tags.get(run_tags.PARTITION)
    last = run.tags.get(run_tags.RANGE_END) or first
    if not first or not last:
        return []
    return days_between(date.fromisoformat(first), date.fromisoformat(last))
