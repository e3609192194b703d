"""The asset `raw/user_order_log`: the S3 object that contains a day."""

from typing import Any

import dagster as dg
from pydantic import Field

from etl_assets.defs.assets.common import (
    ORDER_REPORT,
    OWNERS,
    RAW,
    SINGLE_RUN,
    add_day_metadata,
    attempt,
)
from etl_assets.defs.code_versions import code_version
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import ObjectStoreResource, ReportApiResource, WarehouseResource
from etl_assets.planning import attempts
from etl_assets.source.catalog import Choice, Source, locate
from etl_assets.source.raw_file import RawFile


class RawConfig(dg.Config):
    """The report that a loaded day is taken from."""

    report: Choice = Field(
        default=Choice.recorded,
        description="recorded: load a day again from the object that it was loaded from. latest: "
        "load it from the newest report, which rewrites the day (a report has no refunds).",
    )


def raw_user_order_log(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset `raw/user_order_log`."""

    @dg.asset(
        key=RAW,
        deps=[ORDER_REPORT],
        group_name="raw",
        kinds={"s3", "csv"},
        code_version=code_version(modules=["source"], statements=["source"]),
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
        """The S3 object that contains a day's orders. Its address and ETag are recorded.

        A day that was loaded before comes from the same object again. If the source lacks any of
        the run's days, the run fails here and names them.
        """
        with attempt(context, warehouse) as database:
            source = Source(database, report_api.connect(), object_store.connect())
            found = locate(
                database,
                source,
                days_of(context.run),
                run_id=context.run.run_id,
                choice=config.report,
            )
            attempts.record_objects(database, [_object(file) for file in found], context.run.run_id)
        for file in found:
            add_day_metadata(context, RAW, file.partition_day, _metadata(file))
        return dg.MaterializeResult()

    return raw_user_order_log


def _object(file: RawFile) -> dict[str, Any]:
    stored = file.stored
    return {"partition_day": file.partition_day, "uri": stored.uri, "etag": stored.etag}


def _metadata(file: RawFile) -> dict[str, str | int]:
    return {
        # Not dagster/uri: the UI does not show that in an asset's overview.
        "uri": file.stored.uri,
        "etag": file.stored.etag,
        "size": file.stored.size,
        "report_id": file.report_id or "",
        "increment_id": file.increment_id or "",
    }
