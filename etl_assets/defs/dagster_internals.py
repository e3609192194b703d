"""The names of Dagster that are not public: imported here and nowhere else, each with its reason.

They may change with any version of Dagster, so a new version is tried against this file first. Both
`defs/` and `instance/` need some of them; this module stands below both.

- `InMemoryJob`, `execute_run`, `RemoteRepositoryOrigin`, `SINGLETON_REPOSITORY_NAME`,
  `location_origins_from_yaml_paths`: the command line runs a job in its own process and names the
  job's origin. `execute_in_process` can't name it, and the UI's timeline leaves such a run out.
- `InstanceRef`: an instance is opened with overrides of its dagster.yaml.
- `DagsterError`, `DagsterInvalidConfigError`: what is wrong with an instance is told in one line.
- `RunFailureReason`: an interrupted run is told from one that failed.
- `FreshnessState`: the alarm about late data asks what the daemon found.
- `DagsterStorage`, `PostgresStorageConfig`, `ConfigurableClassData`: the storage class that
  dagster.yaml names.
- `default_date_format_string`, `default_format_string`: the workers log as the other services do.
- `storage_connection`: maintenance prunes logs; the public interface deletes whole runs only.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.errors import DagsterInvalidConfigError
from dagster._core.events import RunFailureReason
from dagster._core.execution.api import execute_run
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import PostgresStorageConfig
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import ConfigurableClassData
from dagster._utils.log import default_date_format_string, default_format_string
from dagster_shared.error import DagsterError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "SINGLETON_REPOSITORY_NAME",
    "ConfigurableClassData",
    "DagsterError",
    "DagsterInvalidConfigError",
    "DagsterStorage",
    "FreshnessState",
    "InMemoryJob",
    "InstanceRef",
    "PostgresStorageConfig",
    "RemoteRepositoryOrigin",
    "RunFailureReason",
    "default_date_format_string",
    "default_format_string",
    "execute_run",
    "location_origins_from_yaml_paths",
    "storage_connection",
]


@contextmanager
def storage_connection(instance: dg.DagsterInstance) -> "Generator[Connection | None]":
    """Give a connection to Dagster's event log, or None where that is not in PostgreSQL."""
    # Half a second, which nothing else that loads this module has to spend.
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        yield None
        return
    with storage.index_connection() as connection:
        yield connection if connection.dialect.name == "postgresql" else None
