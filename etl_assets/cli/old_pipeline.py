"""Commands for coming over from an old pipeline: carry its database over, compare with it."""

from datetime import date
from typing import TYPE_CHECKING

import click

from etl_assets.cli.days import DAY
from etl_assets.cli.reading import open_warehouse

if TYPE_CHECKING:
    from etl_assets.resources import OldDatabase

_OLD_URL = click.argument("old_url", required=False, metavar="[OLD_URL]")


def open_old_database(old_url: str | None, *, retried: bool = False) -> "OldDatabase":
    """Return the old database of the argument or, without one, of the environment.

    Raises:
        ConfigurationError: there is no address, or it is malformed.
    """
    from psycopg.conninfo import conninfo_to_dict

    from etl_assets.cli.output import say
    from etl_assets.resources import OldDatabase
    from etl_assets.retries import RETRY_SECONDS
    from etl_assets.settings import OldDatabaseSettings

    given = {"OLD_WAREHOUSE_URL": old_url} if old_url else {}
    url = OldDatabaseSettings.read(**given).url
    if old_url and conninfo_to_dict(old_url).get("password"):
        say(
            "Who lists this machine's processes sees the password in OLD_URL. Better: set "
            "OLD_WAREHOUSE_URL or PGPASSWORD, or write it to ~/.pgpass"
        )
    return OldDatabase(url, retry_seconds=RETRY_SECONDS if retried else 0)


@click.command(short_help="Carry the days of an old pipeline's database over.")
@_OLD_URL
@click.option("--from", "first", type=DAY, help="The first day; by default the old one's first.")
@click.option("--to", "last", type=DAY, help="The last day, included; by default its last.")
@click.option(
    "--keep-copies",
    is_flag=True,
    help="Take each of several equal facts of a day for an order. By default they are copies, as "
    "the source delivers them, and one is taken.",
)
def adopt(old_url: str | None, first: date | None, last: date | None, keep_copies: bool) -> None:
    """Carry over from an old pipeline's database the days that were not loaded from the source.

    OLD_URL is its address, postgresql://user@host:5432/database; by default OLD_WAREHOUSE_URL of
    the environment or .env. A password is better kept there, in PGPASSWORD or in ~/.pgpass: others
    can see a command's arguments. The old database is only read.

    All is carried over in one transaction. Days that were loaded from the source are left alone,
    and any other is replaced when it is loaded from the source. mart.loaded_day tells in
    adopted_from which days were carried over, and from which table: raw rows where the old staging
    still has them, facts with what the old pipeline counted otherwise. Facts that can't be orders
    (nothing paid, no quantity) are in quarantine. It is safe to run again.

    \b
    Examples:
      etl-assets adopt postgresql://reader@old-host/de
      etl-assets adopt --to 2024-01-31
    """
    import time

    from etl_assets.adoption import adopt as adopt_days
    from etl_assets.cli.loading import what_became_of_rows
    from etl_assets.cli.output import progress, say
    from etl_assets.partitions import in_words
    from etl_assets.settings import (
        OldDatabaseSettings,
        PartitionSettings,
        WarehouseSettings,
        require,
    )

    require(WarehouseSettings, PartitionSettings, *(() if old_url else (OldDatabaseSettings,)))
    old = open_old_database(old_url, retried=True)
    warehouse = open_warehouse(retried=True)
    began = time.monotonic()
    with progress("Adopting"):
        done = adopt_days(warehouse, old, first=first, last=last, keep_copies=keep_copies)
    seconds = time.monotonic() - began
    for days, what in (
        (done.from_source, "Left alone, for they were loaded from the source"),
        (done.unchanged, "Adopted before, and not changed since"),
    ):
        if days:
            say(f"{what}: {in_words(days)}")
    if not done.days:
        click.echo("Nothing to adopt")
        return
    became = what_became_of_rows(done.counts)
    click.echo(f"Adopted {in_words(done.days)}: {became}, in {seconds:.1f} s")
    if done.from_facts:
        say(
            f"Only the facts were left of {in_words(done.from_facts)}: revenue and quantity are as "
            "the old pipeline had counted them"
        )
    start_day = PartitionSettings.read().start_day
    if done.days[0] < start_day:
        say(
            f"Some are before ETL_START_DATE ({start_day}): Dagster and etl-assets rebuild begin "
            f"there. To have them too: ETL_START_DATE={done.days[0]}"
        )
