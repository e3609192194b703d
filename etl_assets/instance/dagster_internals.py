"""The private names of Dagster that `instance/` needs, each with its reason.

Any version of Dagster may change them. No other module of `instance/` imports private names.

- `InMemoryJob`, `execute_run`, `RemoteRepositoryOrigin`, `SINGLETON_REPOSITORY_NAME`,
  `location_origins_from_yaml_paths`: the command line runs a job in its own process and sets the
  job's origin. `execute_in_process` can't set it, and the UI's timeline leaves out runs without it.
- `InstanceRef`: opens an instance with overrides of its dagster.yaml.
- `DagsterError`, `DagsterInvalidConfigError`: become a message of one line.
- `DagsterStorage`, `PostgresStorageConfig`, `ConfigurableClassData`: the base and the parameters of
  the storage class that dagster.yaml names.
- `default_date_format_string`, `default_format_string`: the log format of Dagster's services.
"""

from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.errors import DagsterInvalidConfigError
from dagster._core.execution.api import execute_run
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import PostgresStorageConfig
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import ConfigurableClassData
from dagster._utils.log import default_date_format_string, default_format_string
from dagster_shared.error import DagsterError

__all__ = [
    "SINGLETON_REPOSITORY_NAME",
    "ConfigurableClassData",
    "DagsterError",
    "DagsterInvalidConfigError",
    "DagsterStorage",
    "InMemoryJob",
    "InstanceRef",
    "PostgresStorageConfig",
    "RemoteRepositoryOrigin",
    "default_date_format_string",
    "default_format_string",
    "execute_run",
    "location_origins_from_yaml_paths",
]
