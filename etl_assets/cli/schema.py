"""Commands about the set-up: the schema, and whether everything is there."""

import click

from etl_assets.cli.reading import open_warehouse


@click.command()
def migrate() -> None:
    """Bring the warehouse's schema up to date; safe to run at any time.

    \b
    Example:
      etl-assets migrate
    """
    from etl_assets.migrations import migrate as apply_migrations
    from etl_assets.resources import Warehouse
    from etl_assets.settings import WarehouseSettings

    applied = apply_migrations(Warehouse(WarehouseSettings.read().url))
    click.echo(f"Applied {', '.join(applied)}" if applied else "The schema is up to date")


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check the configuration, the warehouse, the object store and the report API.

    \b
    Example:
      etl-assets doctor
    """
    from etl_assets.errors import EtlError
    from etl_assets.resources import ObjectStore, ReportApi
    from etl_assets.settings import (
        LoadSettings,
        ObjectStoreSettings,
        PartitionSettings,
        ReportApiSettings,
    )

    def configuration() -> None:
        PartitionSettings.read()
        LoadSettings.read()

    def warehouse() -> None:
        open_warehouse()

    def object_store() -> None:
        ObjectStore(ObjectStoreSettings.read(), retry_seconds=0).check_access()

    def report_api() -> None:
        ReportApi(ReportApiSettings.read(), retry_seconds=0).check_access()

    failed = False
    for check in (configuration, warehouse, object_store, report_api):
        name = check.__name__.replace("_", " ")
        try:
            check()
        except EtlError as error:
            failed = True
            for line in str(error).splitlines():
                click.echo(f"{name}: {line}")
        else:
            click.echo(f"{name}: ok")
    context.exit(1 if failed else 0)
