"""The command `demo`: the whole pipeline on embedded servers, without any account."""

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import click

from etl_assets.cli.loading import load_increments, load_range, needed_settings, pipeline
from etl_assets.cli.reading import print_retention

FOLDER = Path(".etl")


@click.command(short_help="Run the whole pipeline on its own servers.")
@click.option(
    "--days",
    type=click.IntRange(1, 7),
    help="The number of increments to load after the report; by default all seven.",
)
@click.option("--fresh", is_flag=True, help="Delete the data of earlier demos first.")
def demo(days: int | None, fresh: bool) -> None:
    """Run the whole pipeline on a PostgreSQL, an S3 server and a report API of its own.

    The command starts these servers and stops them at the end. Their data stays in .etl/ in the
    current folder, so a second demo finds everything loaded. Your own database, object store and
    report API are not used.

    \b
    Examples:
      etl-assets demo
      etl-assets demo --days 3 --fresh
    """
    from etl_assets.cli.output import print_message, progress
    from etl_assets.embedded.services import EmbeddedServices

    services = EmbeddedServices(FOLDER)
    with progress("Starting PostgreSQL, an S3 server and a report API"):
        if fresh and FOLDER.exists():
            services.delete()
        services.start()
    try:
        os.environ.update(services.environment() | services.dagster_environment())
        _load(days)
    finally:
        services.stop()
    print_message(f"\nThe data is in {FOLDER}/. Next:")
    # After `make demo` the command is in .venv/bin, which need not be on PATH.
    command = "etl-assets" if shutil.which("etl-assets") else sys.argv[0]
    print_message(f"  {command} up              open the same data in Dagster's UI")
    print_message(f"  {command} demo --fresh    run the demo again, without the data")


def _load(increments: int | None) -> None:
    """Bring the schema up to date, load the missing days, and print the retention."""
    from etl_assets.cli.output import print_message
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.operations.migrations import migrate
    from etl_assets.settings import WarehouseSettings

    warehouse = Warehouse(WarehouseSettings.read().url)
    applied = migrate(warehouse)
    print_message(f"Schema: {', '.join(applied)} applied" if applied else "Schema: up to date")
    with pipeline(needed_settings()) as work:
        if not warehouse.rows("mart/loaded_days"):
            load_range(work)
        newest = work.source.reports()[0]
        load_increments(work, newest.end_day + timedelta(days=increments) if increments else None)
    print_retention(warehouse.rows("mart/retention"))
