"""The command `up`: Dagster's UI and daemon, on embedded servers or on those configured."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import click

from etl_assets.cli.demo import FOLDER
from etl_assets.errors import ConfigurationError


@click.command(short_help="Start Dagster's UI and daemon.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=3000,
    show_default=True,
    help="The port of the UI on 127.0.0.1.",
)
def up(port: int) -> None:
    """Start Dagster's UI and daemon. Ctrl-C stops them.

    Without WAREHOUSE_URL they use the demo's servers and data, and the command starts these too. If
    WAREHOUSE_URL is set, they use the services that the environment names, and Dagster's storage is
    the one that the dagster.yaml in DAGSTER_HOME configures.

    \b
    Examples:
      etl-assets up
      etl-assets up --port 3001
    """
    from etl_assets.cli.output import print_message, progress
    from etl_assets.embedded.dagster_servers import DagsterServers
    from etl_assets.embedded.ports import require_port

    # Before anything is started.
    require_port(port)
    with _parts() as environment:
        servers = DagsterServers(FOLDER / "dagster", port, environment)
        with progress("Starting Dagster"):
            servers.start()
        try:
            print_message(f"Dagster is at {servers.url}. Ctrl-C stops it")
            servers.wait()
        except KeyboardInterrupt:
            print_message("Stopping")
        finally:
            servers.stop()


@contextmanager
def _parts() -> Generator[Mapping[str, str]]:
    """Start the embedded servers and yield their environment. If WAREHOUSE_URL is set, do not."""
    from etl_assets.settings import DagsterSettings, WarehouseSettings

    if WarehouseSettings.is_set():
        if not DagsterSettings.read().home:
            raise ConfigurationError(
                "DAGSTER_HOME is not set. Set it to the folder of a dagster.yaml, such as this "
                "project's deploy/ (see .env.example)"
            )
        yield {}
        return

    from etl_assets.cli.output import progress
    from etl_assets.clients.warehouse import Warehouse
    from etl_assets.embedded.services import EmbeddedServices
    from etl_assets.operations.migrations import migrate

    services = EmbeddedServices(FOLDER)
    with progress("Starting PostgreSQL, an S3 server and a report API"):
        services.start()
    try:
        environment = services.environment() | services.dagster_environment()
        os.environ.update(environment)
        migrate(Warehouse(WarehouseSettings.read().url))
        yield environment
    finally:
        services.stop()
