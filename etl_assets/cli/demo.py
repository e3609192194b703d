"""The demo: the main job on embedded parts, with no account anywhere."""

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import click

from etl_assets.cli.loading import load_increments, load_range, needed_settings, pipeline
from etl_assets.cli.reading import print_retention

FOLDER = Path(".etl")


@click.command(short_help="Run everything on parts that it brings along.")
@click.option(
    "--days",
    type=click.IntRange(1, 7),
    help="How many increments to load after the report; by default all seven.",
)
@click.option("--fresh", is_flag=True, help="Forget what an earlier demo has left, and start over.")
def demo(days: int | None, fresh: bool) -> None:
    """Run the whole pipeline on a PostgreSQL, an S3 server and a report API that it brings along.

    The parts are stopped at the end; what they hold stays in .etl/ in the current folder, so a
    second demo finds everything loaded. No database, object store or report API of yours is used.

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
    print_message(f"\nIt is all in {FOLDER}/. Where to look next:")
    # Who comes from `make demo` has it in .venv/bin alone.
    command = "etl-assets" if shutil.which("etl-assets") else sys.argv[0]
    print_message(f"  {command} up              the same in Dagster's UI")
    print_message(f"  {command} demo --fresh    once more, from nothing")


def _load(increments: int | None) -> None:
    """Bring the schema up to date, load what is missing, and print the retention."""
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
