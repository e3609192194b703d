"""The days that should be loaded.

Apart from the planner, so that reading commands do not import the clients of the source.
"""

from collections.abc import Sequence
from datetime import date

from etl_assets.days import days_between
from etl_assets.settings import PartitionSettings


def expected_days(report_starts: Sequence[date], partitions: PartitionSettings) -> list[date]:
    """Return the days that should be loaded: all since the first day of the oldest report.

    The source never had earlier days. Without a report no day is expected.
    """
    if not report_starts:
        return []
    return days_between(max(min(report_starts), partitions.start_day), partitions.last_day())
