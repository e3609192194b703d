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
from psycopg.types.json import Jsonb

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
from etl_assets.resources.warehouse import Connection, execute, rows, writing

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

CHECKS = {
    "every_fact_has_its_dimensions": ("f_sales", "Every fact finds its day, item, customer, city."),
    "facts_equal_staging": ("f_sales", "Rows, quantity and revenue are those of staging."),
    "weekly_equals_facts": (
        "f_customer_retention_weekly",
        "Customers, revenue and refunds are those of the week's facts.",
    ),
}
"""The checks that run before COMMIT (`sql/mart/check/`): their table, and what they compare."""


USUAL_CHECK = "usual_for_its_weekday"
"""The check after COMMIT: it warns, and blocks nothing."""


class Offences(Exception):
    """What the checks found, by check: rows of partition_day and found. Nothing was changed."""

    def __init__(self, by_check: Mapping[str, list[dict[str, Any]]]) -> None:
        super().__init__(by_check)
        self.by_check = by_check

    def __str__(self) -> str:
        return "; ".join(
            f"{check}: {', '.join(str(row['partition_day']) for row in offending)}"
            for check, offending in self.by_check.items()
            if offending
        )


@dataclass(frozen=True)
class MartLoad:
    """What a load of the mart has done.

    Attributes:
        days: the days loaded: those asked for, and those left staged by a run that was killed.
        counts: what they brought, by day: the columns of `sql/mart/counts_by_day.sql`.
        sizes: how many rows each table holds now.
        weekdays: how the days compare: the columns of `sql/mart/check/` of `USUAL_CHECK`.
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
    _check(connection, of_days)
    seconds = time.monotonic() - began
    execute(
        connection,
        "etl/record_load",
        of_days | {"run_id": run_id, "seconds": Jsonb({"mart": seconds})},
    )
    counts = rows(connection, "mart/counts_by_day", of_days)
    (sizes,) = rows(connection, "mart/table_sizes")
    weekdays = rows(connection, f"mart/check/{USUAL_CHECK}", {"days": list(days)})
    by_day = {row["partition_day"]: row for row in counts}
    return MartLoad(to_load, by_day, sizes, weekdays, seconds)


def _require_staged(days: Sequence[date], staged: Collection[date]) -> None:
    missing = [day for day in days if day not in staged]
    if missing:
        raise EtlError(
            f"staging.user_order_log does not hold {', '.join(map(str, missing))}, so the mart "
            "can't be made of it. Materialize the day's raw and staging user_order_log too"
        )


def _check(connection: Connection, of_days: Mapping[str, object]) -> None:
    found = {check: rows(connection, f"mart/check/{check}", of_days) for check in CHECKS}
    if any(found.values()):
        raise Offences(found)


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
        check_specs=[
            dg.AssetCheckSpec(check, asset=mart_key(table), description=text, blocking=True)
            for check, (table, text) in CHECKS.items()
        ]
        + [
            dg.AssetCheckSpec(
                USUAL_CHECK,
                asset=_SALES,
                description="The day's rows and orders are near those of the same weekday before: "
                "a day far off may have been delivered incomplete.",
            )
        ],
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
    )
    def mart(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        days = days_of(context.run)
        try:
            with step(context, warehouse) as house:
                load = load_mart(
                    house, days, run_id=context.run.run_id, only_unloaded=is_planned(context)
                )
                of_tables = house.run(lambda connection: _describe(connection, days[-1]))
                history = house.rows("etl/load_history", {"days": days})
        except Offences as offences:
            yield from _check_results(offences.by_check, {})
            raise dg.Failure(
                f"The mart was left as it was: {offences}. The checks' metadata has the figures",
                allow_retries=False,
            ) from None
        _add_metadata(context, days, load, history, of_tables)
        for table in TABLES:
            yield dg.MaterializeResult(asset_key=mart_key(table))
        yield from _check_results({check: [] for check in CHECKS}, _compared(load, days))
        yield _usual_result(load.weekdays, in_words(days))

    return mart


def _compared(load: MartLoad, days: Sequence[date]) -> dict[str, Any]:
    """Say what the checks have compared and found to be right."""
    counts = load.counts.values()
    return {
        "days": in_words(load.days or days),
        "orders": sum(count["orders"] for count in counts),
        "revenue": float(sum(count["revenue"] for count in counts)),
    }


def _check_results(
    by_check: Mapping[str, list[dict[str, Any]]], compared: Mapping[str, Any]
) -> Iterator[dg.AssetCheckResult]:
    for check, (table, _) in CHECKS.items():
        offending = by_check[check]
        yield dg.AssetCheckResult(
            asset_key=mart_key(table),
            check_name=check,
            passed=not offending,
            metadata=compared
            if not offending
            else {
                "offending_days": ", ".join(str(row["partition_day"]) for row in offending),
                **{str(row["partition_day"]): float(row["found"]) for row in offending[:100]},
            },
        )


def _usual_result(weekdays: Sequence[Mapping[str, Any]], days: str) -> dg.AssetCheckResult:
    unusual = [row for row in weekdays if row["is_unusual"]]
    return dg.AssetCheckResult(
        asset_key=_SALES,
        check_name=USUAL_CHECK,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days": days,
            **{
                str(
                    row["partition_day"]
                ): f"{row['rows_read']} rows, usually {row['usual_rows']:g}; "
                f"{row['kept']} orders, usually {row['usual_orders']:g}"
                for row in unusual[:100]
            },
            **{
                name: float(weekdays[-1][name])
                for name in ("rows_read", "usual_rows", "kept", "usual_orders")
                if weekdays
            },
        },
    )


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
    for day in days:
        count = load.counts.get(day)
        for table in TABLES:
            metadata = {"already_loaded": True} if count is None else _day_metadata(table, count)
            add_day_metadata(context, mart_key(table), day, metadata)
        loads = [row for row in history if row["partition_day"] == day]
        add_day_metadata(context, _SALES, day, {"loads": _load_history(loads)})
    for table in TABLES:
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
