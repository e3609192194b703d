"""The asset `mart/f_customer_retention`: the view that BI reads."""

from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import chain
from typing import Any

import dagster as dg
from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from etl_assets.clients.database import Connection, rows
from etl_assets.defs.assets.common import (
    OWNERS,
    SINGLE_RUN,
    column_lineage,
    mart_key,
    relation_key,
    step,
    table_sample,
    table_schema,
)
from etl_assets.defs.code_versions import code_version
from etl_assets.defs.resources import WarehouseResource

_KEY = mart_key("f_customer_retention")
_WEEKLY = "mart.f_customer_retention_weekly"
_TABLE = "mart.f_customer_retention"

_CHART_WEEKS = 12
_BAR_WIDTH = 10
_CHART_WIDTH = 200
_CUSTOMERS = {
    "new": "new_customers_count",
    "returning": "returning_customers_count",
    "refunding": "refunded_customer_count",
}
_REVENUE = {
    "new": "new_customers_revenue",
    "returning": "returning_customers_revenue",
}


@dg.asset(
    key=_KEY,
    deps=[relation_key(_WEEKLY)],
    group_name="mart",
    kinds={"postgres", "view"},
    code_version=code_version(modules=[], statements=["migrations/0003_mart.sql"]),
    owners=OWNERS,
    backfill_policy=SINGLE_RUN,
    metadata={"dagster/table_name": _TABLE},
)
def f_customer_retention(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult[Any]:
    """Customer retention by week: new, returning and refunding customers and their net revenue.

    The view returns the rows of the weekly table, so a run computes nothing. It reads the view, as
    BI does.
    """

    def read(connection: Connection) -> tuple[list[dict[str, Any]], dg.TableSchema]:
        return rows(connection, "mart/retention"), table_schema(connection, _TABLE)

    with step(context, warehouse) as database:
        weeks, schema = database.run(read)
    columns = [column.name for column in schema.columns]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(weeks),
            "dagster/column_schema": schema,
            "dagster/column_lineage": column_lineage(
                {name: [(_WEEKLY, name)] for name in columns if name != "period_name"}
            ),
            "customers_by_week": dg.MetadataValue.md(chart(weeks[-_CHART_WEEKS:], _CUSTOMERS)),
            "revenue_by_week": dg.MetadataValue.md(chart(weeks[-_CHART_WEEKS:], _REVENUE)),
            "sample": table_sample({"sample": _record(week)} for week in weeks[:-6:-1]),
        }
    )


def _record(week: Mapping[str, Any]) -> dict[str, str | int]:
    return {name: value if isinstance(value, int) else str(value) for name, value in week.items()}


def chart(weeks: Sequence[Mapping[str, Any]], groups: Mapping[str, str]) -> str:
    """Return a bar chart as Markdown: for each week a line with each group's value and bar.

    The chart is a short text, because the UI hides Markdown of 1,000 characters or more, and so
    every picture, behind a click. Negative values have no bar; revenue can be negative.

    Args:
        weeks: rows of the view, with `period_id` and the groups' columns.
        groups: the view's column for each heading.
    """
    most = max((week[column] for week in weeks for column in groups.values()), default=0)
    table = Table(box=None, pad_edge=False)
    table.add_column("week")
    for name in groups:
        table.add_column(name, justify="right")
        table.add_column(width=_BAR_WIDTH)
    for week in weeks:
        values = [week[column] for column in groups.values()]
        bars = ((f"{value:,.0f}", Bar(float(max(most, 1)), 0, float(value))) for value in values)
        table.add_row(str(week["period_id"]), *chain.from_iterable(bars))
    drawn = StringIO()
    Console(file=drawn, width=_CHART_WIDTH, color_system=None).print(table)
    lines = (line.rstrip() for line in drawn.getvalue().splitlines())
    return "\n".join(["```", *lines, "```"])
