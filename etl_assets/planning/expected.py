"""Which days ought to be loaded.

Apart from the planner, so that a command that only reads does without the clients of the source.
"""

from collections.abc import Sequence
from datetime import date

from etl_assets.days import days_between
from etl_assets.settings import PartitionSettings


def expected_days(report_starts: Sequence[date], partitions: PartitionSettings) -> list[date]:
    """Return the days that ought to be loaded: all since the oldest report's first.

    None are while there is no report; earlier ones the source never had.
    """
    if not report_starts:
        return []
    return days_between(max(min(report_starts), partitions.start_day), partitions.last_day())
