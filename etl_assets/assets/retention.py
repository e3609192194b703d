"""The view that BI draws from."""

from typing import Any

import dagster as dg

from etl_assets.assets.common import (
    OWNERS,
    SINGLE_RUN,
    column_lineage,
    mart_key,
    step,
    table_schema,
)
from etl_assets.resources import WarehouseResource
from etl_assets.resources.warehouse import Connection, rows

_KEY = mart_key("f_customer_retention")
_WEEKLY = mart_key("f_customer_retention_weekly")
_TABLE = "mart.f_customer_retention"

_CHART_WEEKS = 12
_CHART_WIDTH = 50


@dg.asset(
    key=_KEY,
    deps=[_WEEKLY],
    group_name="mart",
    kinds={"postgres", "view"},
    owners=OWNERS,
    backfill_policy=SINGLE_RUN,
    metadata={"dagster/table_name": _TABLE},
)
def f_customer_retention(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult[Any]:
    """Customer retention by week: new, returning and refunding customers and their net revenue.

    The view shows the weekly rows as they are, so there is nothing to compute here: the run reads
    it as BI would.
    """

    def read(connection: Connection) -> tuple[list[dict[str, Any]], dg.TableSchema]:
        return rows(connection, "mart/retention"), table_schema(connection, _TABLE)

    with step(context, warehouse) as house:
        weeks, schema = house.run(read)
    columns = [column.name for column in schema.columns]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(weeks),
            "dagster/column_schema": schema,
            "dagster/column_lineage": column_lineage(
                **{name: [(_WEEKLY, name)] for name in columns if name != "period_name"}
            ),
            "retention": dg.MetadataValue.md(_markdown(columns, weeks)),
            "customers_by_week": dg.MetadataValue.md(_chart(weeks)),
        }
    )


def _markdown(columns: list[str], weeks: list[dict[str, Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *([week[name] for name in columns] for week in weeks)]
    return "\n".join(f"| {' | '.join(str(value) for value in line)} |" for line in lines)


def _chart(weeks: list[dict[str, Any]]) -> str:
    """Draw new, returning and refunding customers by week; the UI shows text, and no pictures."""
    groups = {
        "new": "new_customers_count",
        "returning": "returning_customers_count",
        "refunding": "refunded_customer_count",
    }
    most = max((week[column] for week in weeks for column in groups.values()), default=0) or 1
    lines = [
        f"{str(week['period_id']) if group == 'new' else '':10} {group:9} "
        f"{'█' * round(_CHART_WIDTH * week[column] / most)} {week[column]:,}"
        for week in weeks[-_CHART_WEEKS:]
        for group, column in groups.items()
    ]
    return "\n".join(["```", *lines, "```"])
