"""The commands that read the warehouse: `retention`, `status`, `rejected`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import DAY

if TYPE_CHECKING:
    from etl_assets.clients.warehouse import Warehouse

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
CSV = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")

_RETENTION_COLUMNS = (
    "period_name",
    "period_id",
    "new_customers_count",
    "new_customers_revenue",
    "returning_customers_count",
    "returning_customers_revenue",
    "refunded_customer_count",
    "customers_refunded",
)
_LOAD_COLUMNS = (
    "partition_day",
    "rows_read",
    "loaded",
    "duplicates",
    "rejected",
    "revenue",
    "loaded_at",
    "object",
)
_CHANGE_COLUMNS = (
    "loaded_at",
    "orders_added",
    "orders_gone",
    "orders_altered",
    "revenue_before",
    "revenue_after",
)
_REPORT_COLUMNS = ("start_day", "end_day", "requested_at", "report_id")
_REJECTED_COLUMNS = ("partition_day", "line", "reason", "object")
_REASON_COLUMNS = ("reason", "rows", "first_day", "first_line", "object")


def open_warehouse(*, retried: bool = False) -> "Warehouse":
    """Return the warehouse after a check of its schema.

    Args:
        retried: whether to try again after transient faults. Commands that only read report them
            at once.

    Raises:
        EtlError: the warehouse can't be opened, or its schema is not up to date.
    """
    from etl_assets.clients.retries import RETRY_SECONDS
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.operations.migrations import require_schema
    from etl_assets.settings import WarehouseSettings

    warehouse = Warehouse(
        WarehouseSettings.read().url, retry_seconds=RETRY_SECONDS if retried else 0
    )
    require_schema(warehouse)
    return warehouse


def require_one_format(as_json: bool, as_csv: bool) -> None:
    """Refuse --json together with --csv."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv can't be used together")


@click.command(short_help="Print the weekly customer retention.")
@JSON
@CSV
def retention(as_json: bool, as_csv: bool) -> None:
    """Print the weekly customer retention: the view mart.f_customer_retention.

    \b
    Examples:
      etl-assets retention
      etl-assets retention --csv > retention.csv
      etl-assets retention --json | jq '.[-1]'
    """
    require_one_format(as_json, as_csv)
    from etl_assets.cli import output
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.settings import WarehouseSettings

    # Without a check of the schema's version: a BI user may read only the schema mart.
    weeks = Warehouse(WarehouseSettings.read().url, retry_seconds=0).rows("mart/retention")
    if as_json:
        output.print_json(weeks)
    elif as_csv:
        output.print_csv(weeks, _RETENTION_COLUMNS)
    else:
        print_retention(weeks)


def print_retention(weeks: list[dict[str, Any]]) -> None:
    """Print the rows of the view as a table."""
    from etl_assets.cli import output

    if weeks:
        output.print_table(weeks, title="mart.f_customer_retention", columns=_RETENTION_COLUMNS[1:])
    else:
        output.print_message("No facts are loaded yet. What to do: etl-assets backfill")


@click.command(short_help="Show the loaded days, their objects, and the missing days.")
@click.argument("day", type=DAY, required=False)
@JSON
def status(day: date | None, as_json: bool) -> None:
    """Show the reports, the last load of each day, and the days that are missing.

    With a DAY, show its history: the tries that failed and why, the object of each load, what each
    load changed, and the seconds that each phase took. Times are UTC. A day is missing if it is not
    loaded and not before the first day of the oldest report.

    \b
    Examples:
      etl-assets status
      etl-assets status 2024-02-25
      etl-assets status --json | jq .missing_days
    """
    if day:
        _status_of_day(day, as_json)
    else:
        _status(as_json)


def _status(as_json: bool) -> None:
    from etl_assets.cli import output
    from etl_assets.planning.expected import expected_days
    from etl_assets.settings import PartitionSettings, WarehouseSettings, require

    require(WarehouseSettings, PartitionSettings)
    warehouse = open_warehouse()
    reports = warehouse.rows("source/reports")
    loads = warehouse.rows("mart/latest_loads", {"days": None})
    loaded = {load["partition_day"] for load in loads}
    starts = [report["start_day"] for report in reports if report["start_day"]]
    expected = expected_days(starts, PartitionSettings.read())
    missing = [day for day in expected if day not in loaded]
    if as_json:
        output.print_json({"reports": reports, "loads": loads, "missing_days": missing})
        return
    _print_reports(reports)
    if loads:
        _print_with_objects(loads, title="The last load of each day", columns=_LOAD_COLUMNS)
    _print_days(loads, missing)


def _status_of_day(day: date, as_json: bool) -> None:
    from etl_assets.cli import output
    from etl_assets.mart.phases import in_order
    from etl_assets.planning.attempts import attempts_of

    warehouse = open_warehouse()
    loads = warehouse.rows("mart/load_history", {"days": [day]})
    tries = [
        attempt | {"outcome": attempt["outcome"] or _unfinished(attempt)}
        for attempt in attempts_of(warehouse, day)
    ]
    loads = [load | {"seconds": in_order(load["seconds"])} for load in loads]
    if as_json:
        output.print_json({"partition_day": day, "loads": loads, "attempts": tries})
        return
    _print_tries(day, [attempt for attempt in tries if attempt["outcome"] != "loaded"])
    if not loads:
        output.print_message(
            f"{day} was never loaded. What to do: etl-assets backfill --from {day} --to {day}"
        )
        return
    columns = [column for column in _LOAD_COLUMNS if column not in {"partition_day", "loaded_at"}]
    _print_with_objects(
        loads, title=f"Loads of {day}, the newest last", columns=["loaded_at", *columns]
    )
    output.print_table(loads, title="What each load changed", columns=_CHANGE_COLUMNS)
    click.echo()
    phases = list(in_order({phase: 0 for load in loads for phase in load["seconds"]}))
    output.print_table(
        [{"run_id": load["run_id"], **dict.fromkeys(phases), **load["seconds"]} for load in loads],
        title="Run of each load, and seconds by phase",
        columns=["run_id", *phases],
    )


def _unfinished(attempt: Mapping[str, Any]) -> str:
    return "running" if attempt["is_running"] else "killed"


def _print_tries(day: date, tries: Sequence[Mapping[str, Any]]) -> None:
    """Print the tries that loaded nothing, and why."""
    if not tries:
        return
    click.echo(f"Tries of {day} that loaded nothing, the newest last:")
    for attempt in tries:
        began = f"{attempt['began_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        why = f": {attempt['error']}" if attempt["error"] else ""
        click.echo(f"  {began} {attempt['outcome']} (run {attempt['run_id']}){why}")
    click.echo()


def _print_reports(reports: Sequence[dict[str, Any]]) -> None:
    from etl_assets.cli import output

    if not reports:
        output.print_message("No report has been requested yet. What to do: etl-assets backfill")
        return
    shown = [report | {"report_id": report["report_id"] or "not ready"} for report in reports]
    output.print_table(shown, title="Reports", columns=_REPORT_COLUMNS)
    click.echo()


def _print_days(loads: Sequence[Mapping[str, Any]], missing: Sequence[date]) -> None:
    from etl_assets.days import format_days, split_at_gaps

    days = "day" if len(loads) == 1 else "days"
    adopted = sum(load["report_id"] is None for load in loads)
    of_them = f" ({adopted} of them adopted)" if adopted else ""
    end = ":" if missing else ""
    click.echo(f"{len(loads)} {days} loaded{of_them}, {len(missing)} missing{end}")
    for stretch in split_at_gaps(missing):
        click.echo(f"  {format_days(stretch)}")


@click.command(short_help="Show the rejected rows, and why each was rejected.")
@click.argument("day", type=DAY, required=False)
@click.option(
    "--replaced", is_flag=True, help="Include the rows of objects that have been replaced since."
)
@click.option("--by", type=click.Choice(["reason"]), help="Count the rows by the reason.")
@JSON
def rejected(day: date | None, replaced: bool, by: str | None, as_json: bool) -> None:
    """Show the rejected rows of a DAY, or of all days: object, line and reason.

    Only the objects that the days are loaded from now count, unless --replaced is given. The fields
    of the rows are in staging.rejected_row.

    \b
    Examples:
      etl-assets rejected
      etl-assets rejected 2024-02-25
      etl-assets rejected --by reason
    """
    from etl_assets.cli import output

    rows = open_warehouse().rows("staging/rejected_rows", {"day": day, "replaced": replaced})
    columns: Sequence[str] = _REJECTED_COLUMNS
    if by:
        rows, columns = _by_reason(rows), _REASON_COLUMNS
    if as_json:
        output.print_json(rows)
    elif rows:
        _print_with_objects(rows, title="staging.rejected_row", columns=columns)
    else:
        output.print_message("No row is rejected" + (f" for {day}" if day else ""))


def _by_reason(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each reason with its number of rows and its first row, the commonest first."""
    counts = Counter(row["reason"] for row in rows)
    first = {row["reason"]: row for row in reversed(rows)}
    return [
        {
            "reason": reason,
            "rows": count,
            "first_day": first[reason]["partition_day"],
            "first_line": first[reason]["line"],
            "uri": first[reason]["uri"],
            "etag": first[reason]["etag"],
        }
        for reason, count in counts.most_common()
    ]


def _print_with_objects(
    rows: Sequence[dict[str, Any]], *, title: str, columns: Sequence[str]
) -> None:
    """Print rows that refer to objects by number, then the address of each number.

    An address is longer than a line, and many days share the object of a report.
    """
    from etl_assets.cli import output

    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        numbers.setdefault((row["uri"], row["etag"]), len(numbers) + 1)
    numbered = [row | {"object": numbers[row["uri"], row["etag"]]} for row in rows]
    output.print_table(numbered, title=title, columns=columns)
    click.echo()
    uris = Counter(uri for uri, _ in numbers)
    for (uri, etag), number in numbers.items():
        version = f", version {etag}" if uris[uri] > 1 else ""
        click.echo(f"object {number}: {uri}{version}")
    click.echo()
