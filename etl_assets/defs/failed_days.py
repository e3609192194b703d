"""The standing check `no_failed_days`: the days that failed or are missing, each with its repair.

A failed run does not reach the checks after it, so a sensor keeps this check up to date. `etl.load`
decides what is loaded: a failed reload leaves the day's rows as they were.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import dagster as dg

from etl_assets.defs.assets.common import NO_FAILED_DAYS, plain_failure
from etl_assets.defs.resources import WarehouseResource
from etl_assets.defs.sensors import in_time
from etl_assets.errors import ServiceUnavailable
from etl_assets.planning.failed_days import FailedDay, find_failed_days
from etl_assets.settings import PartitionSettings

_DESCRIPTION = (
    "No day's newest try has failed, and no day between loaded ones is missing. The metadata lists "
    "such days, with what is wrong and the repair. The sensor failed_days keeps it up to date."
)


def no_failed_days(partitions: PartitionSettings) -> dg.AssetChecksDefinition:
    """Return the check."""

    @dg.asset_check(
        asset=NO_FAILED_DAYS.asset_key, name=NO_FAILED_DAYS.name, description=_DESCRIPTION
    )
    def no_failed_days(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """Evaluate the check now, as the sensor does."""
        with plain_failure():
            days = find_failed_days(warehouse.connect(), partitions)
        return dg.AssetCheckResult(passed=not days, metadata=_metadata(days))

    return no_failed_days


def failed_days(partitions: PartitionSettings) -> dg.SensorDefinition:
    """Return the sensor."""

    @dg.sensor(
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps the check no_failed_days of mart/f_sales up to date.",
    )
    @in_time
    def failed_days(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Record the check when its result changes. The cursor is a digest of the result."""
        try:
            days = find_failed_days(warehouse.connect(retry_seconds=0), partitions)
        except ServiceUnavailable as error:
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

    return failed_days


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
