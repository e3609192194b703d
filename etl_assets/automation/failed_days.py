"""The standing check: which days have failed or are missing, and how each is repaired.

A run that fails never comes to the checks behind it, so a sensor keeps this one up to date. What a
day holds is for `etl.load` to say: a failed reload leaves the day's rows as they were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

import dagster as dg

from etl_assets.assets.common import NO_FAILED_DAYS, plain_failure
from etl_assets.automation.planner import expected_days, repair
from etl_assets.automation.run_history import RunHistory
from etl_assets.automation.sensors import in_time
from etl_assets.errors import Unavailable
from etl_assets.resources import Warehouse, WarehouseResource
from etl_assets.settings import PartitionSettings, WarehouseSettings

_DESCRIPTION = (
    "No day's newest run has failed, and no day between loaded ones is missing. It lists those "
    "that there are, with what is wrong and how to repair it; the sensor failed_days keeps it up "
    "to date."
)


@dataclass(frozen=True)
class FailedDay:
    """A day that needs somebody: what is wrong, and when what the mart holds of it was loaded."""

    day: date
    why: str
    loaded_at: datetime | None

    @property
    def holds(self) -> str:
        """What the mart holds of the day."""
        at = self.loaded_at
        return f"the load of {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "nothing"

    @property
    def repair(self) -> str:
        """The command that loads the day again."""
        return repair(self.day)


def find_failed_days(
    warehouse: Warehouse, history: RunHistory, partitions: PartitionSettings
) -> list[FailedDay]:
    """Return the days whose newest run failed after their last load, and gaps among the loaded."""
    loads = warehouse.rows("etl/latest_loads", {"days": None})
    loaded_at: Mapping[date, datetime] = {row["partition_day"]: row["loaded_at"] for row in loads}
    failed = {
        day: FailedDay(day, why, loaded_at.get(day))
        for day, why in history.failed_since(loaded_at).items()
    }
    starts = [row["start_day"] for row in warehouse.rows("etl/ready_reports")]
    gaps = {
        day: FailedDay(day, "it was never loaded, and later days were", None)
        for day in expected_days(starts, partitions)
        if loaded_at and day < max(loaded_at) and day not in loaded_at
    }
    return sorted((gaps | failed).values(), key=lambda failed: failed.day)


@dg.asset_check(asset=NO_FAILED_DAYS.asset_key, name=NO_FAILED_DAYS.name, description=_DESCRIPTION)
def no_failed_days(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Look for them now, as the sensor does."""
    with plain_failure():
        history = RunHistory(context.instance)
        days = find_failed_days(warehouse.connect(), history, PartitionSettings.read())
    return dg.AssetCheckResult(passed=not days, metadata=_metadata(days))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the check no_failed_days of mart/f_sales up to date.",
)
@in_time
def failed_days(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Record the check whenever its outcome is another; the cursor is the outcome's digest."""
    warehouse = Warehouse(WarehouseSettings.read().url, retry_seconds=0)
    history = RunHistory(context.instance)
    try:
        days = find_failed_days(warehouse, history, PartitionSettings.read())
    except Unavailable as error:
        return dg.SkipReason(str(error))
    outcome = sha256(repr(days).encode()).hexdigest()
    if outcome == context.cursor:
        return dg.SkipReason(f"As before: {len(days)} failed or missing days")
    evaluation = dg.AssetCheckEvaluation(
        asset_key=NO_FAILED_DAYS.asset_key,
        check_name=NO_FAILED_DAYS.name,
        passed=not days,
        metadata=_metadata(days),
    )
    return dg.SensorResult(asset_events=[evaluation], cursor=outcome)


def _metadata(days: Sequence[FailedDay]) -> Mapping[str, dg.MetadataValue]:
    if not days:
        return {"failed_days": dg.MetadataValue.int(0)}
    records = [
        dg.TableRecord(
            {
                "day": str(failed.day),
                "what is wrong": failed.why,
                "what the mart holds": failed.holds,
                "repair": failed.repair,
            }
        )
        for failed in days
    ]
    return {
        "failed_days": dg.MetadataValue.int(len(days)),
        "repair": dg.MetadataValue.table(records),
    }
