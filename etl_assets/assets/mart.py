"""The mart: dimensions, calendar, facts, weekly figures and the record of the load.

They are one multi-asset because they are one transaction: no reader ever sees them disagree. The
statements are `sql/mart/`; what each column is made of stands in `LINEAGE`.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

import dagster as dg

from etl_assets.assets.checks import (
    CHECKS,
    Offences,
    check_all,
    check_results,
    check_specs,
    compare_weekdays,
    compared,
    find_offences,
    usual_result,
)
from etl_assets.assets.common import (
    OWNERS,
    SINGLE_RUN,
    STAGING,
    add_day_metadata,
    column_lineage,
    is_planned,
    mart_key,
    step,
    table_sample,
    table_schema,
)
from etl_assets.errors import EtlError
from etl_assets.partitions import days_of, in_words
from etl_assets.resources import Warehouse, WarehouseResource
from etl_assets.resources.database import Connection, execute, rows
from etl_assets.resources.transactions import writing

DIMENSIONS = ("d_item", "d_city", "d_customer", "d_calendar")
TABLES = (*DIMENSIONS, "f_sales", "f_customer_retention_weekly")
"""The tables that a load changes, in the order of their statements."""

_SALES = mart_key("f_sales")

LATE_AFTER = timedelta(hours=36)
"""A day's increment is there some hours after its midnight: by then it is late."""

_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=LATE_AFTER, warn_window=LATE_AFTER - timedelta(hours=6)
)

_DESCRIPTIONS = {
    "d_item": "Items, as their latest order names them.",
    "d_city": "Cities, as their latest order names them.",
    "d_customer": "Customers, as their latest order describes them.",
    "d_calendar": "Every day from the first to the last loaded, gaps included.",
    "f_sales": "One row an order and status. Refunds are rows of their own and negative, so sums "
    "are net.",
    "f_customer_retention_weekly": "Retention by week: new customers have exactly one order row in "
    "the week, returning ones more, whatever the status; revenue is net.",
}

_DEPENDENCIES = {
    **{table: [STAGING] for table in DIMENSIONS},
    "f_sales": [STAGING, *(mart_key(table) for table in DIMENSIONS)],
    "f_customer_retention_weekly": [_SALES],
}

_LATEST = {
    "latest_day": [(STAGING, "partition_day")],
    "latest_line": [(STAGING, "line")],
}

LINEAGE = {
    "d_item": column_lineage(
        item_id=[(STAGING, "item_id")], item_name=[(STAGING, "item_name")], **_LATEST
    ),
    "d_city": column_lineage(
        city_id=[(STAGING, "city_id")], city_name=[(STAGING, "city_name")], **_LATEST
    ),
    "d_customer": column_lineage(
        customer_id=[(STAGING, "customer_id")],
        first_name=[(STAGING, "first_name")],
        last_name=[(STAGING, "last_name")],
        city_id=[(STAGING, "city_id")],
        **_LATEST,
    ),
    "d_calendar": column_lineage(
        date_id=[(STAGING, "partition_day")], date_actual=[(STAGING, "partition_day")]
    ),
    "f_sales": column_lineage(
        date_id=[(STAGING, "partition_day"), (mart_key("d_calendar"), "date_id")],
        item_id=[(STAGING, "item_id"), (mart_key("d_item"), "item_id")],
        customer_id=[(STAGING, "customer_id"), (mart_key("d_customer"), "customer_id")],
        city_id=[(STAGING, "city_id"), (mart_key("d_city"), "city_id")],
        quantity=[(STAGING, "quantity_signed")],
        payment_amount=[(STAGING, "payment_amount_signed")],
        uniq_id=[(STAGING, "uniq_id")],
        status=[(STAGING, "status")],
    ),
    "f_customer_retention_weekly": column_lineage(
        period_id=[(_SALES, "date_id")],
        new_customers_count=[(_SALES, "customer_id")],
        new_customers_revenue=[(_SALES, "customer_id"), (_SALES, "payment_amount")],
        returning_customers_count=[(_SALES, "customer_id")],
        returning_customers_revenue=[(_SALES, "customer_id"), (_SALES, "payment_amount")],
        refunded_customer_count=[(_SALES, "customer_id"), (_SALES, "status")],
        customers_refunded=[(_SALES, "status")],
    ),
}

_LOADS_SHOWN = 10


@dataclass(frozen=True)
class MartLoad:
    """What a load of the mart has done.

    Attributes:
        days: the days loaded: those asked for, and those left staged by a run that was killed.
        counts: what they brought, by day: the columns of `sql/mart/counts_by_day.sql`.
        sizes: how many rows each table holds now.
        weekdays: what `compare_weekdays` found of the days asked for.
        seconds: how long the transaction took, without waiting for its turn.
    """

    days: list[date]
    counts: dict[date, dict[str, Any]]
    sizes: dict[str, int]
    weekdays: list[dict[str, Any]]
    seconds: float


def load_mart(
    warehouse: Warehouse, days: Sequence[date], *, run_id: str, only_unloaded: bool
) -> MartLoad:
    """Bring the mart up to date with staging, in one transaction.

    With `only_unloaded`, days that the mart holds already as they are staged are left alone.

    Raises:
        EtlError: a day is not staged.
        Offences: a check failed; the mart is as it was before.
    """

    def work(connection: Connection) -> MartLoad:
        with writing(connection):
            return bring_up_to_date(connection, days, run_id=run_id, only_unloaded=only_unloaded)

    return warehouse.run(work)


def bring_up_to_date(
    connection: Connection, days: Sequence[date], *, run_id: str, only_unloaded: bool
) -> MartLoad:
    """Do what `load_mart` does, in the writer's transaction."""
    began = time.monotonic()
    staged = {row["partition_day"]: row["is_loaded"] for row in rows(connection, "etl/staged_days")}
    _require_staged(days, staged.keys())
    again = set() if only_unloaded else set(days)
    to_load = [day for day, loaded in staged.items() if not loaded or day in again]
    if len(to_load) == len(staged):
        execute(connection, "mart/start_over")
    of_days = {"days": to_load}
    for table in TABLES:
        execute(connection, f"mart/{table}", of_days)
    found = find_offences(connection, to_load)
    if any(found.values()):
        raise Offences(found)
    seconds = time.monotonic() - began
    execute(
        connection,
        "etl/record_load",
        of_days | {"run_id": run_id, "seconds": {"mart": seconds}},
    )
    counts = rows(connection, "mart/counts_by_day", of_days)
    (sizes,) = rows(connection, "mart/table_sizes")
    weekdays = compare_weekdays(connection, list(days))
    by_day = {row["partition_day"]: row for row in counts}
    return MartLoad(to_load, by_day, sizes, weekdays, seconds)


def _require_staged(days: Sequence[date], staged: Collection[date]) -> None:
    missing = [day for day in days if day not in staged]
    if missing:
        raise EtlError(
            f"staging.user_order_log does not hold {', '.join(map(str, missing))}, so the mart "
            "can't be made of it. Materialize the day's raw and staging user_order_log too"
        )


def mart_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the multi-asset of the daily tables of the mart."""

    @dg.multi_asset(
        name="mart",
        specs=[
            dg.AssetSpec(
                mart_key(table),
                deps=_DEPENDENCIES[table],
                description=_DESCRIPTIONS[table],
                group_name="mart",
                kinds={"postgres", "table"},
                owners=OWNERS,
                metadata={"dagster/table_name": f"mart.{table}"},
                freshness_policy=_FRESHNESS if table == "f_sales" else None,
            )
            for table in TABLES
        ],
        check_specs=check_specs(),
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        # All is loaded, whatever is selected. But of a multi-asset that can only be selected whole,
        # and whose assets depend on each other, Dagster 1.13.27 refuses every backfill that is
        # launched from the asset graph: it takes equal sets of days for different ones.
        can_subset=True,
    )
    def mart(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        with step(context, warehouse) as house:
            make = _load(context, house) if context.selected_asset_keys else check_all(house)
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
    context: dg.AssetExecutionContext, house: Warehouse
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    days = days_of(context.run)
    try:
        load = load_mart(house, days, run_id=context.run.run_id, only_unloaded=is_planned(context))
    except Offences as offences:
        yield from check_results(offences.found, {"days": in_words(days)})
        raise dg.Failure(
            f"The mart was left as it was: {offences}. The checks' metadata has the figures"
        ) from None
    of_tables = house.run(lambda connection: _describe(connection, days[-1]))
    history = house.rows("etl/load_history", {"days": days})
    _add_metadata(context, days, load, history, of_tables)
    for table in TABLES:
        yield dg.MaterializeResult(asset_key=mart_key(table))
    yield from check_results(
        {check: [] for check in CHECKS}, compared(load.days or days, load.counts.values())
    )
    yield usual_result(load.weekdays, days)


def _describe(connection: Connection, day: date) -> dict[str, dict[str, Any]]:
    """Return the columns and a sample of each table, as metadata; the facts' is of the day."""
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
                "dagster/column_lineage": LINEAGE[table],
                **of_tables[table],
            },
        )
    others = sorted(set(load.days) - set(days))
    if others:
        context.log.info(f"Loaded too, left staged by a run that ended early: {in_words(others)}")


def _load_history(loads: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Say what happened to a day: its last loads, the newest first."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "loaded_at": f"{load['loaded_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
                    "orders": load["kept"],
                    "added": load["orders_added"],
                    "gone": load["orders_gone"],
                    "altered": load["orders_altered"],
                    "revenue_before": float(load["revenue_before"]),
                    "revenue_after": float(load["revenue_after"]),
                    "seconds": ", ".join(
                        f"{phase} {seconds:.2f}" for phase, seconds in load["seconds"].items()
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
    """Say what a day brought to a table: its rows, or the members that its orders name."""
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
