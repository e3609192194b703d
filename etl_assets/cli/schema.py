"""The commands `migrate` and `doctor`."""

import click

from etl_assets.cli.reading import open_warehouse


@click.command()
def migrate() -> None:
    """Bring the warehouse's schema up to date. It is safe to run at any time.

    \b
    Example:
      etl-assets migrate
    """
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.operations.migrations import migrate as apply_migrations
    from etl_assets.settings import WarehouseSettings

    applied = apply_migrations(Warehouse(WarehouseSettings.read().url))
    click.echo(f"Applied {', '.join(applied)}" if applied else "The schema is up to date")


@click.command(short_help="Check the settings and every service that they name.")
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check the settings, the warehouse, the object store, the report API and Dagster's instance.

    Each line names what is checked, then "ok", or what is wrong and what to do. The exit code is 1
    if anything is wrong.

    \b
    Example:
      etl-assets doctor
    """
    checks = {
        "settings": _check_settings,
        "warehouse": _check_warehouse,
        "object store": _check_object_store,
        "report API": _check_report_api,
        "Dagster": _check_dagster,
    }
    from etl_assets.errors import EtlError

    well = True
    for name, check in checks.items():
        try:
            check()
        except EtlError as error:
            well = False
            for line in str(error).splitlines():
                click.echo(f"{name}: {line}")
        else:
            click.echo(f"{name}: ok")
    context.exit(0 if well else 1)


def _check_settings() -> None:
    from etl_assets.settings import (
        AlarmSettings,
        AutomationSettings,
        LoadSettings,
        MaintenanceSettings,
        PartitionSettings,
        require,
    )

    require(PartitionSettings, LoadSettings, AutomationSettings, AlarmSettings, MaintenanceSettings)


def _check_warehouse() -> None:
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.operations.migrations import require_rights, require_writable
    from etl_assets.settings import WarehouseSettings

    warehouse = Warehouse(WarehouseSettings.read().url, retry_seconds=0)
    require_writable(warehouse)
    # Before the schema: a user without rights can't see which migrations are applied.
    require_rights(warehouse)
    open_warehouse()


def _check_object_store() -> None:
    from etl_assets.clients.object_store import ObjectStore
    from etl_assets.settings import ObjectStoreSettings

    ObjectStore(ObjectStoreSettings.read(), retry_seconds=0).check_access()


def _check_report_api() -> None:
    from etl_assets.clients.report_api import ReportApi
    from etl_assets.settings import ReportApiSettings

    ReportApi(ReportApiSettings.read(), retry_seconds=0).check_access()


def _check_dagster() -> None:
    from etl_assets.settings import DagsterSettings

    if DagsterSettings.read().home is None:
        # Dagster then stores nothing. There is nothing to check, and its import takes seconds.
        return

    from etl_assets.instance.runner import open_instance

    open_instance().dispose()
