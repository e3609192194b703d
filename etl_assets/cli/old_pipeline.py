"""The commands for leaving an old pipeline: `adopt` and `compare`."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import DAY, require_range
from etl_assets.cli.reading import CSV, JSON, open_warehouse, require_one_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.legacy.compare import Comparison, Difference
    from etl_assets.legacy.old_database import OldDatabase
    from etl_assets.settings import Settings

_COLUMNS = ("first_day", "figure", "old", "new", "why")
_TITLES = {"day": "Days", "week": "Weeks", "all": "All days"}

_OLD_URL = click.argument("old_url", required=False, metavar="[OLD_URL]")


def _open(
    old_url: str | None, *needed: "type[Settings]", retried: bool = False
) -> "tuple[OldDatabase, Warehouse]":
    """Return the old database and the warehouse.

    Args:
        old_url: the old database's address; None means OLD_WAREHOUSE_URL.
        needed: further settings that the command needs.
        retried: whether to try again after transient faults.

    Raises:
        ConfigurationError: settings are missing or malformed; one line for each.
        EtlError: the warehouse can't be opened, or its schema is not up to date.
    """
    from psycopg.conninfo import conninfo_to_dict

    from etl_assets.cli.output import print_message
    from etl_assets.clients.retries import RETRY_SECONDS
    from etl_assets.legacy.old_database import OldDatabase
    from etl_assets.settings import OldDatabaseSettings, WarehouseSettings, require

    require(WarehouseSettings, *needed, *(() if old_url else (OldDatabaseSettings,)))
    given = {"OLD_WAREHOUSE_URL": old_url} if old_url else {}
    url = OldDatabaseSettings.read(**given).url
    if old_url and conninfo_to_dict(old_url).get("password"):
        print_message(
            "Other users of this machine can see the password in OLD_URL in the list of processes. "
            "Better: set OLD_WAREHOUSE_URL or PGPASSWORD, or write it to ~/.pgpass"
        )
    old = OldDatabase(url, retry_seconds=RETRY_SECONDS if retried else 0)
    return old, open_warehouse(retried=retried)


@click.command(short_help="Copy days from an old pipeline's database.")
@_OLD_URL
@click.option(
    "--from", "first", type=DAY, help="The first day; by default the old database's first."
)
@click.option(
    "--to", "last", type=DAY, help="The last day, included; by default the old database's last."
)
@click.option(
    "--keep-duplicates",
    is_flag=True,
    help="Load each of several equal facts of a day as an order. By default they count as "
    "duplicates, because the source sends duplicates, and one is loaded.",
)
def adopt(
    old_url: str | None, first: date | None, last: date | None, keep_duplicates: bool
) -> None:
    """Copy the days that are not loaded from the source from an old pipeline's database.

    OLD_URL is its address, postgresql://user@host:5432/database. The default is OLD_WAREHOUSE_URL
    of the environment or .env. Put a password there, in PGPASSWORD or in ~/.pgpass: other users can
    see a command's arguments. The old database is only read.

    One transaction copies all days. Days that are loaded from the source do not change. An adopted
    day is replaced when it is loaded from the source. A day's orders come from the raw rows, if the
    old staging table still has them, or else from the facts as the old pipeline counted them; the
    column adopted_from of mart.loaded_day names the table. Facts that can't be orders (nothing
    paid, no quantity) are rejected. It is safe to run the command again.

    \b
    Examples:
      etl-assets adopt postgresql://reader@old-host/de
      etl-assets adopt --to 2024-01-31
    """
    require_range(first, last)
    import time

    from etl_assets.cli.loading import format_row_counts
    from etl_assets.cli.output import print_message, progress
    from etl_assets.days import format_days
    from etl_assets.legacy.adopt import adopt as adopt_days
    from etl_assets.settings import PartitionSettings

    old, warehouse = _open(old_url, PartitionSettings, retried=True)
    began = time.monotonic()
    with progress("Adopting"):
        done = adopt_days(warehouse, old, first=first, last=last, keep_duplicates=keep_duplicates)
    seconds = time.monotonic() - began
    for days, what in (
        (done.from_source, "Not changed, because they are loaded from the source"),
        (done.unchanged, "Already adopted, and unchanged since"),
    ):
        if days:
            print_message(f"{what}: {format_days(days)}")
    if not done.days:
        click.echo("Nothing to adopt")
        return
    became = format_row_counts(done.counts)
    click.echo(f"Adopted {format_days(done.days)}: {became}, in {seconds:.1f} s")
    if done.from_facts:
        print_message(
            f"The old database has only the facts of {format_days(done.from_facts)}: revenue and "
            "quantity are as the old pipeline counted them"
        )
    start_day = PartitionSettings.read().start_day
    if done.days[0] < start_day:
        print_message(
            f"Some of these days are before ETL_START_DATE ({start_day}). Dagster and etl-assets "
            f"rebuild leave them out. To include them, set ETL_START_DATE={done.days[0]}"
        )


@click.command(short_help="List the differences from an old pipeline's database, and why.")
@_OLD_URL
@click.option(
    "--from", "first", type=DAY, help="The first day; by default the first in either database."
)
@click.option(
    "--to", "last", type=DAY, help="The last day, included; by default the last in either database."
)
@click.option(
    "--unexplained", is_flag=True, help="List only the differences without a known cause."
)
@JSON
@CSV
@click.pass_context
def compare(
    context: click.Context,
    *,
    old_url: str | None,
    first: date | None,
    last: date | None,
    unexplained: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List the differences from an old pipeline's database by day and by week, and their causes.

    OLD_URL is its address, postgresql://user@host:5432/database. The default is OLD_WAREHOUSE_URL
    of the environment or .env (see etl-assets adopt). Both databases are only read.

    The command compares rows, quantity and revenue of mart.f_sales by day, and the figures of
    mart.f_customer_retention by week, if the whole week is in the range. The number in brackets is
    what a cause adds to the old facts; for a week, to all facts of the week. Known causes:

    \b
      duplicates counted        the source sends most orders many times
      duplicates as facts       the same, and each duplicate is a fact
      orders collapsed          a customer's orders of one item in a day are one fact
      refunds counted as sales  refunds must be negative
      facts in quarantine here  they can't be right; etl-assets rejected shows why
      multiplied by the view    it joins each new customer with each returning one

    Any other difference is unexplained: find out which of the two databases is right.

    The exit code is 0 if nothing is listed, else 1.

    \b
    Examples:
      etl-assets compare postgresql://reader@old-host/de
      etl-assets compare --from 2024-02-26 --to 2024-03-03 --csv > differences.csv
      etl-assets compare --unexplained && echo "Nothing to look into"
    """
    require_one_format(as_json, as_csv)
    require_range(first, last)
    from dataclasses import asdict

    from etl_assets.cli import output
    from etl_assets.legacy.compare import compare as compare_databases

    old, warehouse = _open(old_url)
    with output.progress("Comparing"):
        found = compare_databases(warehouse, old, first=first, last=last)
    listed = [
        difference
        for difference in found.differences
        if not (unexplained and difference.is_explained)
    ]
    if as_json:
        output.print_json([asdict(difference) for difference in listed])
    elif as_csv:
        output.print_csv(list(map(_in_a_row, listed)), ("period", *_COLUMNS, "is_explained"))
    else:
        _print_comparison(found, listed)
    context.exit(1 if listed else 0)


def _in_a_row(difference: "Difference") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(difference) | {"why": "; ".join(difference.why)}


def _print_comparison(found: "Comparison", listed: "Sequence[Difference]") -> None:
    from itertools import groupby

    from etl_assets.cli import output
    from etl_assets.days import format_days, split_at_gaps

    in_both = [row for row in listed if row.old is not None and row.new is not None]
    for period, of_period in groupby(in_both, key=lambda difference: difference.period):
        output.print_table(
            [_in_a_row(row) | {"figure": row.figure.replace("_", " ")} for row in of_period],
            title=_TITLES[period],
            columns=_COLUMNS,
        )
        click.echo()
    for where, days in (("old database", found.only_old), ("warehouse", found.only_new)):
        if days:
            click.echo(f"Only in the {where}: {', '.join(map(format_days, split_at_gaps(days)))}")
    if not found.has_view:
        output.print_message(
            "The old weeks were computed from the old facts, because the old "
            "mart.f_customer_retention is missing, does not have one row for each week by its "
            "Monday, or took more than a minute"
        )
    unknown = sum(not difference.is_explained for difference in found.differences)
    click.echo(
        f"Days compared: {found.days}. Weeks: {found.weeks}. Figures that differ: "
        f"{len(found.differences)}. Unexplained: {unknown}"
    )
