"""Dagster's instance on a PostgreSQL, which runs what is launched at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_assets_tests.conftest import MakeDatabase, psycopg2_url


def _instance(folder: Path, url: str) -> dg.DagsterInstance:
    """Return an instance that keeps what it is told in PostgreSQL, and runs runs at once."""
    overrides: dict[str, Any] = {
        "storage": {
            "postgres": {
                "postgres_url": psycopg2_url(url),
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


@pytest.fixture
def instance(
    make_database: MakeDatabase,
    dagster_storage: str,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path / "dagster"
    folder.mkdir()
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "50")
    with _instance(folder, make_database(dagster_storage)) as instance:
        yield instance
