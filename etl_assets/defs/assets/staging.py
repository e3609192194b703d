"""The asset of staging: the source's rows, validated, typed and without copies."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.days import format_days
from etl_assets.defs.assets.common import (
    OWNERS,
    RAW,
    SINGLE_RUN,
    STAGING,
    add_day_metadata,
    column_lineage,
    is_planned,
    step,
    table_sample,
    table_schema,
)
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import ObjectStoreResource, WarehouseResource
from etl_assets.settings import LoadSettings
from etl_assets.source.feeds import KNOWN_COLUMNS

if TYPE_CHECKING:
    from etl_assets.staging.copying import Staged

_TABLE = "staging.user_order_log"


def staging_user_order_log(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset `staging/user_order_log`."""

    @dg.asset(
        key=STAGING,
        deps=[RAW],
        group_name="staging",
        kinds={"postgres", "table", "polars"},
        owners=OWNERS,
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        metadata={"dagster/table_name": _TABLE},
    )
    def staging_user_order_log(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        object_store: ObjectStoreResource,
    ) -> dg.MaterializeResult[Any]:
        """Order rows of the source, one an order and status: validated, typed, copies dropped.

        Rows that can't be right are in `staging.rejected_row` with their reason; if their share of
        a day or a file, copies left out, exceeds `ETL_MAX_REJECTED_SHARE`, nothing is loaded.
        """
        # Polars takes half as long to import as Dagster, and only runs need it.
        from etl_assets.staging.load import stage

        days = days_of(context.run)
        with step(context, warehouse) as house:
            staged = stage(
                house,
                object_store.connect(),
                days,
                run_id=context.run.run_id,
                done_again=_runs_done_again(context),
                only_changed=is_planned(context),
                max_rejected_share=LoadSettings.read().max_rejected_share,
            )
            schema = house.run(lambda connection: table_schema(connection, _TABLE))
            sample = table_sample(house.rows("staging/sample", {"day": days[-1]}))
        _add_metadata(context, days, staged, {"dagster/column_schema": schema, "sample": sample})
        return dg.MaterializeResult()

    return staging_user_order_log


def _runs_done_again(context: dg.AssetExecutionContext) -> list[str]:
    """Return the runs that this one does again, the latest first, as far as they are kept."""
    runs: list[str] = []
    run: dg.DagsterRun | None = context.run
    while run and run.parent_run_id:
        runs.append(run.parent_run_id)
        run = context.instance.get_run_by_id(run.parent_run_id)
    return runs


def _changes(changes: dict[str, Any]) -> dict[str, int | float]:
    """Say what changed in a day; counts of orders, and the revenue."""
    return {
        "orders_added": changes["added"],
        "orders_gone": changes["gone"],
        "orders_altered": changes["altered"],
        "revenue_before": float(changes["revenue_before"]),
        "revenue_after": float(changes["revenue_after"]),
    }


def _add_metadata(
    context: dg.AssetExecutionContext,
    days: Sequence[date],
    staged: "Staged",
    of_table: Mapping[str, Any],
) -> None:
    for file in staged.files:
        for raw_file in file.raw_files:
            count = file.counts.of(raw_file.partition_day)
            add_day_metadata(
                context,
                STAGING,
                raw_file.partition_day,
                {
                    "dagster/partition_row_count": count["kept"],
                    "rows_read": count["rows_read"],
                    "copies": count["copies"],
                    "rejected": count["rejected"],
                    "uri": raw_file.stored.uri,
                    "etag": raw_file.stored.etag,
                    "sha256": file.sha256,
                    **_changes(staged.changes[raw_file.partition_day]),
                    "seconds": round(file.took, 3),
                },
            )
        if file.unknown_columns:
            ignored = ", ".join(file.unknown_columns)
            context.log.warning(f"{file.raw_files[0].stored.uri}: ignored columns {ignored}")
    unchanged = sorted(set(days) - {day for file in staged.files for day in file.days})
    for day in unchanged:
        add_day_metadata(context, STAGING, day, {"already_loaded": True})
    if unchanged:
        context.log.info(f"Loaded already from these very objects: {format_days(unchanged)}")
    add_day_metadata(
        context,
        STAGING,
        days[-1],
        {"dagster/column_lineage": _LINEAGE, **of_table},
    )


_RAW = "raw.user_order_log"
_LINEAGE = column_lineage(
    {
        "partition_day": [(_RAW, "date_time")],
        **{name: [(_RAW, name)] for name in KNOWN_COLUMNS},
        "quantity_signed": [(_RAW, "quantity"), (_RAW, "status")],
        "payment_amount_signed": [(_RAW, "payment_amount"), (_RAW, "status")],
    }
)
