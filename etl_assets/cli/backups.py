"""Commands that save what there is, and bring it back."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import SecretStr

_FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.command(short_help="Save the warehouse and Dagster's storage into a folder.")
@_FOLDER
def backup(folder: Path) -> None:
    """Save the warehouse, and Dagster's storage where DAGSTER_POSTGRES_URL names it, into FOLDER.

    Nothing has to be stopped for it. It needs pg_dump, of the server's version or newer, and a user
    who may read everything: the owner.

    \b
    Example:
      etl-assets backup /backups/2026-11-24
    """
    from etl_assets.operations.backup import dump

    for name, url in _databases().items():
        dump(url, folder / f"{name}.dump")
        click.echo(f"Saved {folder / f'{name}.dump'}")


@click.command(short_help="Bring a backup back, into empty databases.")
@_FOLDER
def restore(folder: Path) -> None:
    """Bring back what `backup` has saved in FOLDER, into databases that are empty.

    The warehouse's schema is then brought up to date, and the rights of its roles are granted.

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
