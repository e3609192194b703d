"""The raw files: which S3 object holds a day."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from etl_assets.assets.common import (
    ORDER_REPORT,
    OWNERS,
    RAW,
    SINGLE_RUN,
    add_day_metadata,
    step,
)
from etl_assets.partitions import days_of
from etl_assets.resources import (
    ObjectStoreResource,
    ReportApiResource,
    Warehouse,
    WarehouseResource,
)
from etl_assets.resources.database import Connection, execute
from etl_assets.source import Choice, RawFile, Source


class RawConfig(dg.Config):
    """Which object a day is taken from."""

    report: Choice = Field(
        default=Choice.kept,
        description="kept: a loaded day comes from the object that it was loaded from. latest: "
        "from the newest report, even where that rewrites it (a report has no refunds).",
    )


def raw_user_order_log(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset `raw/user_order_log`."""

    @dg.asset(
        key=RAW,
        deps=[ORDER_REPORT],
        group_name="raw",
        kinds={"s3", "csv"},
        owners=OWNERS,
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        metadata={"dagster/table_name": "etl.raw_file"},
    )
    def raw_user_order_log(
        context: dg.AssetExecutionContext,
        config: RawConfig,
        warehouse: WarehouseResource,
        report_api: ReportApiResource,
        object_store: ObjectStoreResource,
    ) -> dg.MaterializeResult[Any]:
        """The S3 object that holds a day's orders: found, and its address and ETag recorded.

        A day that was loaded before is looked for where it was loaded from. If the source lacks any
        of the run's days, the run stops here and names them.
        """
        with step(context, warehouse) as house:
            source = Source(house, report_api.connect(), object_store.connect())
            found = locate(
                house,
                source,
                days_of(context.run),
                run_id=context.run.run_id,
                choice=config.report,
            )
        for file in found:
            add_day_metadata(context, RAW, file.partition_day, _metadata(file))
        return dg.MaterializeResult()

    return raw_user_order_log


def locate(
    warehouse: Warehouse,
    source: Source,
    days: Sequence[date],
    *,
    run_id: str,
    choice: Choice = Choice.kept,
) -> list[RawFile]:
    """Find the objects that hold the days, record them, and return them.

    They are recorded in `etl.raw_file`, for whichever run comes next; those of the newest report,
    in `etl.rewrite`, are for this run alone.

    Raises:
        DayNotInSource: the source lacks some of the days; nothing is recorded.
    """
    found = source.find(days, choice)
    warehouse.run(lambda connection: _record(connection, found, run_id))
    return found


def _record(connection: Connection, found: Sequence[RawFile], run_id: str) -> None:
    with connection.transaction():
        # In the order of the days: two runs of the same days wait for each other, never in a ring.
        for file in found:
            execute(
                connection,
                "etl/record_rewrite" if file.is_rewrite else "etl/record_raw_file",
                {
                    "run_id": run_id,
                    "partition_day": file.partition_day,
                    "uri": file.stored.uri,
                    "etag": file.stored.etag,
                    "size": file.stored.size,
                    "report_id": file.report_id,
                    "increment_id": file.increment_id,
                },
            )


def _metadata(file: RawFile) -> dict[str, str | int]:
    return {
        # Not dagster/uri, which the UI leaves out of an asset's overview.
        "uri": file.stored.uri,
        "etag": file.stored.etag,
        "size": file.stored.size,
        "report_id": file.report_id or "",
        "increment_id": file.increment_id or "",
    }
