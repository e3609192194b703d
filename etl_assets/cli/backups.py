"""The commands `backup` and `restore`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import SecretStr

_FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.command(short_help="Back up the warehouse and Dagster's storage to a folder.")
@_FOLDER
def backup(folder: Path) -> None:
    """Back up the warehouse to FOLDER, and Dagster's storage if DAGSTER_POSTGRES_URL is set.

    The pipeline can keep running. The command needs pg_dump, of the server's version or newer, and
    a database user that may read everything, such as the owner.

    \b
    Example:
      etl-assets backup /backups/2026-11-24
    """
    from etl_assets.operations.backup import dump

    for name, url in _databases().items():
        dump(url, folder / f"{name}.dump")
        click.echo(f"Saved {folder / f'{name}.dump'}")


@click.command(short_help="Restore a backup into empty databases.")
@_FOLDER
def restore(folder: Path) -> None:
    """Restore the backup in FOLDER into empty databases.

    Then bring the warehouse's schema up to date and grant the roles their rights.

    \b
    Example:
      etl-assets restore /backups/2026-11-24
    """
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.operations.backup import check
    from etl_assets.operations.backup import restore as restore_database
    from etl_assets.operations.migrations import migrate
    from etl_assets.settings import WarehouseSettings

    databases = _databases()
    for name, url in databases.items():
        check(url, folder / f"{name}.dump")
    for name, url in databases.items():
        restore_database(url, folder / f"{name}.dump")
        click.echo(f"Restored {folder / f'{name}.dump'}")
    migrate(Warehouse(WarehouseSettings.read().url))


def _databases() -> "dict[str, SecretStr]":
    from etl_assets.settings import DagsterSettings, WarehouseSettings, require

    require(WarehouseSettings, DagsterSettings)
    storage = DagsterSettings.read().storage_url
    return {"warehouse": WarehouseSettings.read().url} | ({"dagster": storage} if storage else {})
