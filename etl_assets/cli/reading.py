"""Commands that read the warehouse: the retention, what is loaded, what was rejected."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import DAY

if TYPE_CHECKING:
    from etl_assets.resources import Warehouse

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program.")

_LOAD_COLUMNS = (
    "partition_day",
    "rows_read",
    "kept",
    "copies",
    "rejected",
    "revenue",
    "loaded_at",
    "uri",
)
_REPORT_COLUMNS = ("report_id", "start_day", "end_day", "requested_at", "ready_at")
_REJECTED_COLUMNS = ("partition_day", "line", "reason", "uri")


def open_warehouse(*, retried: bool = False) -> "Warehouse":
    """Return the warehouse, its schema checked.

    Faults that pass are ridden out where `retried`; whoever only reads would rather see them.
    """
    from etl_assets.migrations import require_schema
    from etl_assets.resources import Warehouse
    from etl_assets.retries import RETRY_SECONDS
    from etl_assets.settings import WarehouseSettings

    warehouse = Warehouse(
        WarehouseSettings.read().url, retry_seconds=RETRY_SECONDS if retried else 0
    )
    require_schema(warehouse)
    return warehouse


@click.command()
@_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def retention(as_json: bool, as_csv: bool) -> None:
    """Print the weekly retention, mart.f_customer_retention.

    \b
    Examples:
      etl-assets retention
      etl-assets retention --csv > retention.csv
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    from etl_assets.cli import output

    weeks = open_warehouse().rows("mart/retention")
    if as_json:
        output.print_json(weeks)
    elif as_csv:
        output.print_csv(weeks, RETENTION_COLUMNS)
    else:
        print_retention(weeks)


RETENTION_COLUMNS = (
    "period_name",
    "period_id",
    "new_customers_count",
    "new_customers_revenue",
    "returning_customers_count",
    "returning_customers_revenue",
    "refunded_customer_count",
    "customers_refunded",
)


def print_retention(weeks: list[dict[str, Any]]) -> None:
    """Print the rows of the view as a table."""
    from etl_assets.cli import output

    if weeks:
        output.print_table(weeks, title="mart.f_customer_retention", columns=RETENTION_COLUMNS[1:])
    else:
        click.echo("No facts are loaded yet: etl-assets backfill")


@click.command()
@_JSON
def status(as_json: bool) -> None:
    """Show the reports, and which days are loaded, from what, and which are missing.

    \b
    Examples:
      etl-assets status
      etl-assets status --json | jq .missing_days
    """
    from etl_assets.automation.planner import expected_days
    from etl_assets.cli import output
    from etl_assets.settings import PartitionSettings

    warehouse = open_warehouse()
    reports = warehouse.rows("etl/reports")
    loads = warehouse.rows("etl/latest_loads", {"days": None})
    loaded = {load["partition_day"] for load in loads}
    starts = [report["start_day"] for report in reports if report["start_day"]]
    expected = expected_days(starts, PartitionSettings.read())
    missing = [day for day in expected if day not in loaded]
    if as_json:
        output.print_json({"reports": reports, "loads": loads, "missing_days": missing})
        return
    if not reports:
        click.echo("No report was asked for yet: etl-assets backfill")
        return
    output.print_table(reports, title="Reports", columns=_REPORT_COLUMNS)
    if loads:
        output.print_table(loads, title="The last load of each day", columns=_LOAD_COLUMNS)
    click.echo(f"{len(loads)} days loaded, {len(missing)} missing")
    for day in missing:
        click.echo(f"  {day}")


@click.command()
@click.argument("day", type=DAY, required=False)
@_JSON
def rejected(day: date | None, as_json: bool) -> None:
    """Show the rows in quarantine, of a DAY or of all: where they are and what is wrong.

    The fields themselves are in staging.rejected_row.

    \b
    Examples:
      etl-assets rejected
      etl-assets rejected 2024-02-25
    """
    from etl_assets.cli import output

    rows = open_warehouse().rows("staging/rejected_rows", {"day": day})
    if as_json:
        output.print_json(rows)
    elif rows:
        output.print_table(rows, title="staging.rejected_row", columns=_REJECTED_COLUMNS)
    else:
        click.echo("No row is in quarantine" + (f" for {day}" if day else ""))
