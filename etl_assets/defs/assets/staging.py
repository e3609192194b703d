"""The asset `staging/user_order_log`: the valid rows of the source, typed, without duplicates."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from etl_assets.days import format_days
from etl_assets.defs.assets.common import (
    OWNERS,
    RAW,
    SINGLE_RUN,
    STAGING,
    add_day_metadata,
    attempt,
    column_lineage,
    is_planned,
    table_sample,
    table_schema,
)
from etl_assets.defs.code_versions import code_version
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import ObjectStoreResource, WarehouseResource
from etl_assets.planning import attempts
from etl_assets.settings import LoadSettings
from etl_assets.source.feeds import KNOWN_COLUMNS

if TYPE_CHECKING:
    from etl_assets.staging.files import Staged

_TABLE = "staging.user_order_log"

_SHOWN_DAYS = 100

EMPTIED_CHECK = dg.AssetCheckKey(STAGING, "no_day_lost_all_orders")
"""A check that only warns."""


class StagingConfig(dg.Config):
    """Whether a day may lose all its orders."""

    allow_empty: bool = Field(
        default=False,
        description="Replace a day that has orders even if its object has no valid order for it. "
        "Otherwise such a load is refused, unless the object is an increment with only a header.",
    )


def staging_user_order_log(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset `staging/user_order_log`."""

    @dg.asset(
        key=STAGING,
        deps=[RAW],
        group_name="staging",
        kinds={"postgres", "table", "polars"},
        code_version=code_version(modules=["source/feeds.py", "staging"], statements=["staging"]),
        owners=OWNERS,
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        metadata={"dagster/table_name": _TABLE},
        check_specs=[
            dg.AssetCheckSpec(
                EMPTIED_CHECK.name,
                asset=STAGING,
                description="Fails for a day that had orders before the run and has none now.",
            )
        ],
    )
    def staging_user_order_log(
        context: dg.AssetExecutionContext,
        config: StagingConfig,
        warehouse: WarehouseResource,
        object_store: ObjectStoreResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Orders of the source, one row an order and status, validated and without duplicates.

        Rows that can't be right go to `staging.rejected_row` with the reason. If their share of a
        day or a file, duplicates left out, exceeds `ETL_MAX_REJECTED_SHARE`, nothing is loaded. In
        an object of one day every row counts for that day, even if the row has another day or none.
        A day loses all its orders only with `allow_empty`, or if its object is an increment with
        only a header; the latter gives a warning.
        """
        # Only runs need Polars, and its import takes half as long as Dagster's.
        from etl_assets.staging.load import stage

        days = days_of(context.run)
        run_ids = [context.run.run_id, *_runs_done_again(context)]
        with attempt(context, warehouse) as database:
            found = database.rows("source/raw_files", {"days": days, "run_ids": run_ids})
            attempts.record_objects(database, found, context.run.run_id)
            staged = stage(
                database,
                object_store.connect(),
                days,
                run_id=context.run.run_id,
                done_again=run_ids[1:],
                only_changed=is_planned(context),
                max_rejected_share=LoadSettings.read().max_rejected_share,
                allow_empty=config.allow_empty,
            )
            schema = database.run(lambda connection: table_schema(connection, _TABLE))
            sample = table_sample(database.rows("staging/sample", {"day": days[-1]}))
        _add_metadata(context, days, staged, {"dagster/column_schema": schema, "sample": sample})
        yield dg.MaterializeResult(check_results=list(_check_results(context, staged)))

    return staging_user_order_log


def _runs_done_again(context: dg.AssetExecutionContext) -> list[str]:
    """Return the runs that this one re-executes, the latest first, until one was deleted."""
    runs: list[str] = []
    run: dg.DagsterRun | None = context.run
    while run and run.parent_run_id:
        runs.append(run.parent_run_id)
        run = context.instance.get_run_by_id(run.parent_run_id)
    return runs


def _check_results(
    context: dg.AssetExecutionContext, staged: "Staged"
) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of `EMPTIED_CHECK`, if the run includes it."""
    if EMPTIED_CHECK in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            asset_key=STAGING,
            check_name=EMPTIED_CHECK.name,
            passed=not staged.emptied,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                str(day): f"had {orders} orders before and has none now"
                for day, orders in list(staged.emptied.items())[:_SHOWN_DAYS]
            },
        )


def _changes(changes: dict[str, Any]) -> dict[str, int | float]:
    """Return what a load changed in a day, as metadata: counts of orders, and the revenue."""
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
            count = file.counts_of(raw_file.partition_day)
            add_day_metadata(
                context,
                STAGING,
                raw_file.partition_day,
                {
                    "dagster/partition_row_count": count["loaded"],
                    "rows_read": count["rows_read"],
                    "duplicates": count["duplicates"],
                    "rejected": count["rejected"],
                    "rejected_outside_days": file.rejected_outside,
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
        if file.rejected_outside:
            first_day, last_day = file.covers
            context.log.warning(
                f"{file.raw_files[0].stored.uri}: {file.rejected_outside} rows were rejected "
                f"because their day is unreadable or not from {first_day} to {last_day}. They are "
                "not in the count of any day: etl-assets rejected shows them"
            )
    for day, orders in staged.emptied.items():
        context.log.warning(f"{day} had {orders} orders before and has none now")
    unchanged = sorted(set(days) - {day for file in staged.files for day in file.days})
    for day in unchanged:
        add_day_metadata(context, STAGING, day, {"already_loaded": True})
    if unchanged:
        context.log.info(f"Already loaded from the same objects: {format_days(unchanged)}")
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
