"""Dagster's instance as in production: the project's dagster.yaml, on a PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from etl_assets.package_files import package_file
from etl_assets_tests.conftest import MakeDatabase, psycopg2_url


@pytest.fixture
def instance(
    make_database: MakeDatabase,
    dagster_storage: str,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[dg.DagsterInstance]:
    environment.setenv("DAGSTER_POSTGRES_URL", psycopg2_url(make_database(dagster_storage)))
    environment.setenv("DAGSTER_EVENT_BATCH_SIZE", "50")
    shutil.copy(package_file("deploy/dagster.yaml"), tmp_path)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        yield instance
