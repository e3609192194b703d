"""Dagster's own storage, made once and copied for each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_assets.embedded.world import EmbeddedWorld
from etl_assets_tests.conftest import MakeDatabase

TEMPLATE = "dagster_template"


def _instance(folder: Path, url: str) -> dg.DagsterInstance:
    """Return an instance that keeps what it is told in PostgreSQL, and runs runs at once."""
    overrides: dict[str, Any] = {
        "storage": {
            "postgres": {
                "postgres_url": url.replace("postgresql://", "postgresql+psycopg2://"),
            }
        },
        "run_launcher": {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        },
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "DefaultRunCoordinator",
        },
        "telemetry": {"enabled": False},
    }
    return dg.DagsterInstance.local_temp(str(folder), overrides)


@pytest.fixture(scope="session")
def storage_template(world: EmbeddedWorld, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with Dagster's tables, that nobody uses: to be copied."""
    world.postgres.create_database(TEMPLATE)
    with _instance(tmp_path_factory.mktemp("dagster"), world.postgres.url(TEMPLATE)):
        return TEMPLATE


@pytest.fixture
def instance(
    make_database: MakeDatabase,
    storage_template: str,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path / "dagster"
    folder.mkdir()
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "50")
    with _instance(folder, make_database(storage_template)) as instance:
        yield instance
