"""The days that failed or are missing, and how each is repaired.

`etl.load` decides what is loaded: a failed reload leaves the day's rows as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from etl_assets.clients.warehouse import Warehouse
from etl_assets.planning.attempts import failed_days
from etl_assets.planning.expected import expected_days
from etl_assets.planning.planner import repair_command
from etl_assets.settings import PartitionSettings


@dataclass(frozen=True)
class FailedDay:
    """A day that a person has to repair: what is wrong, and when it was last loaded."""

    day: date
    why: str
    loaded_at: datetime | None

    @property
    def holds(self) -> str:
        """The load whose rows the mart has now."""
        at = self.loaded_at
        return f"the load of {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "nothing"

    @property
    def repair(self) -> str:
        """The command that loads the day again."""
        return repair_command(self.day)


def find_failed_days(warehouse: Warehouse, partitions: PartitionSettings) -> list[FailedDay]:
    """Return the days that failed after their last load, and the gaps between loaded days."""
    loads = warehouse.rows("mart/latest_loads", {"days": None})
    loaded_at: Mapping[date, datetime] = {row["partition_day"]: row["loaded_at"] for row in loads}
    failed = {
        day: FailedDay(day, why, loaded_at.get(day)) for day, why in failed_days(warehouse).items()
    }
    starts = [row["start_day"] for row in warehouse.rows("source/ready_reports")]
    gaps = {
        day: FailedDay(day, "it was never loaded, and later days were", None)
        for day in expected_days(starts, partitions)
        if loaded_at and day < max(loaded_at) and day not in loaded_at
    }
    return sorted((gaps | failed).values(), key=lambda failed: failed.day)
