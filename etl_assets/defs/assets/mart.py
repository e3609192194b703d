"""The mart: dimensions, calendar, facts, weekly figures and the record of the load.

They are one multi-asset because one transaction writes them, so no reader sees them disagree. The
statements are in `sql/mart/`. `LINEAGE` has the sources of each column.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from typing import Any

import dagster as dg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import format_days
from etl_assets.defs.assets.common import (
    MART_OP,
    OWNERS,
    SINGLE_RUN,
    add_day_metadata,
    attempt,
    column_lineage,
    is_planned,
    mart_key,
    relation_key,
    step,
    table_sample,
    table_schema,
)
from etl_assets.defs.checks import check_all, check_results, check_specs, compared, usual_result
from etl_assets.defs.code_versions import code_version
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import WarehouseResource
from etl_assets.mart.checks import CHECKS, Offences
from etl_assets.mart.lineage import LINEAGE
from etl_assets.mart.load import MartLoad, load_mart
from etl_assets.mart.phases import in_order
from etl_assets.mart.tables import DEPENDENCIES, DESCRIPTIONS, TABLES
from etl_assets.planning import attempts
from etl_assets.planning.planner import LATE_AFTER

_SALES = mart_key("f_sales")

_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=LATE_AFTER, warn_window=LATE_AFTER - timedelta(hours=6)
)

_LOADS_SHOWN = 10


def mart_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the multi-asset of the daily tables of the mart."""

    @dg.multi_asset(
        name=MART_OP,
        specs=[
            dg.AssetSpec(
                mart_key(table),
                deps=[relation_key(relation) for relation in DEPENDENCIES[table]],
                description=DESCRIPTIONS[table],
                group_name="mart",
                kinds={"postgres", "table"},
                code_version=code_version(
                    modules=["mart/load.py"], statements=[f"mart/{table}.sql"]
                ),
                owners=OWNERS,
                metadata={"dagster/table_name": f"mart.{table}"},
                freshness_policy=_FRESHNESS if table == "f_sales" else None,
            )
            for table in TABLES
        ],
        check_specs=check_specs(),
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        # A run always loads all tables, whatever is selected. Without `can_subset`, Dagster 1.13.27
        # refuses every backfill from the asset graph of a multi-asset whose assets depend on each
        # other: it takes equal sets of days for different ones.
        can_subset=True,
    )
    def mart(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        # A run of checks alone loads nothing, so it records no attempt.
        part = attempt if context.selected_asset_keys else step
        with part(context, warehouse) as database:
            make = _load(context, database) if context.selected_asset_keys else check_all(database)
            yield from (result for result in make if _is_selected(context, result))

    return mart


def _is_selected(
    context: dg.AssetExecutionContext, result: dg.MaterializeResult[Any] | dg.AssetCheckResult
) -> bool:
    if isinstance(result, dg.MaterializeResult):
        return result.asset_key in context.selected_asset_keys
    return any(
        (check.asset_key, check.name) == (result.asset_key, result.check_name)
        for check in context.selected_asset_check_keys
    )


def _load(
    context: dg.AssetExecutionContext, database: Warehouse
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    days = days_of(context.run)
    staged = database.rows("staging/staged_days")
    of_days = [row for row in staged if row["partition_day"] in set(days)]
    attempts.record_objects(database, of_days, context.run.run_id)
    try:
        load = load_mart(
            database, days, run_id=context.run.run_id, only_unloaded=is_planned(context)
        )
    except Offences as offences:
        reason = f"The mart was not changed: {offences}. The checks' metadata has the figures"
        attempts.fail(database, context.run.run_id, reason, refused=True)
        yield from check_results(offences.found, {"days": format_days(days)})
        raise dg.Failure(reason) from None
    of_tables = database.run(lambda connection: _describe(connection, days[-1]))
    history = database.rows("mart/load_history", {"days": days})
    _add_metadata(context, days, load, history, of_tables)
    for table in TABLES:
        yield dg.MaterializeResult(asset_key=mart_key(table))
    yield from check_results(
        {check: [] for check in CHECKS}, compared(load.days or days, load.counts.values())
    )
    yield usual_result(load.weekdays, days)


def _describe(connection: Connection, day: date) -> dict[str, dict[str, Any]]:
    """Return the columns and a sample of each table as metadata. Sampled facts are of the day."""
    samples = rows(connection, "mart/sample", {"day": day})
    return {
        table: {
            "dagster/column_schema": table_schema(connection, f"mart.{table}"),
            "sample": table_sample(row for row in samples if row["table_name"] == table),
        }
        for table in TABLES
    }


def _add_metadata(
    context: dg.AssetExecutionContext,
    days: Sequence[date],
    load: MartLoad,
    history: Sequence[Mapping[str, Any]],
    of_tables: Mapping[str, Mapping[str, Any]],
) -> None:
    tables = [table for table in TABLES if mart_key(table) in context.selected_asset_keys]
    for day in days:
        count = load.counts.get(day)
        for table in tables:
            metadata = {"already_loaded": True} if count is None else _day_metadata(table, count)
            add_day_metadata(context, mart_key(table), day, metadata)
        if "f_sales" in tables:
            loads = [row for row in history if row["partition_day"] == day]
            add_day_metadata(context, _SALES, day, {"loads": _load_history(loads)})
    for table in tables:
        add_day_metadata(
            context,
            mart_key(table),
            days[-1],
            {
                "dagster/row_count": load.sizes[table],
                "dagster/column_lineage": column_lineage(LINEAGE[table]),
                **of_tables[table],
            },
        )
    others = sorted(set(load.days) - set(days))
    if others:
        context.log.info(
            f"Also loaded days that an earlier run had only staged: {format_days(others)}"
        )


def _load_history(loads: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return the last loads of a day as a table, the newest first."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "loaded_at": f"{load['loaded_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
                    "orders": load["loaded"],
                    "added": load["orders_added"],
                    "gone": load["orders_gone"],
                    "altered": load["orders_altered"],
                    "revenue_before": float(load["revenue_before"]),
                    "revenue_after": float(load["revenue_after"]),
                    "seconds": ", ".join(
                        f"{phase} {seconds:.2f}"
                        for phase, seconds in in_order(load["seconds"]).items()
                    ),
                    "uri": load["uri"],
                    "etag": load["etag"],
                    "run_id": load["run_id"],
                }
            )
            for load in reversed(loads[-_LOADS_SHOWN:])
        ]
    )


def _day_metadata(table: str, count: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a day has in a table: its rows, or the members that its orders name."""
    row_count = "dagster/partition_row_count"
    match table:
        case "d_item":
            return {row_count: count["items"]}
        case "d_city":
            return {row_count: count["cities"]}
        case "d_customer":
            return {row_count: count["customers"]}
        case "f_sales":
            return {
                row_count: count["orders"],
                "refunds": count["refunds"],
                "revenue": float(count["revenue"]),
            }
        case _:
            return {row_count: 1}
