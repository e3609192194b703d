"""Dagster's own storage in PostgreSQL, over connections that stay open.

Dagster's opens a connection for everything that it reads or writes, and closes it again; only its
webserver keeps one. An event takes two or three, each of which is a new process of the server with
nothing in its caches: of a run of a month that was three quarters of the time.
"""

from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from psycopg2 import Error
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool
from typing_extensions import override

_HOUR = 3600
_THREADS = 20
"""How many connections a process may have open at once, beside the one that stays."""


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's storage for all of its processes as its webserver has it."""

    @override
    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig
    ) -> DagsterPostgresStorage:
        """Return the storage that dagster.yaml describes."""
        storage = super().from_config_value(inst_data, config_value)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=0, pool_recycle=_HOUR, max_overflow=_THREADS
            )
        return storage


@event.listens_for(Pool, "checkout")
def _ping(connection: object, *_: object) -> None:
    """Have a connection replaced that was lost meanwhile: the server has restarted."""
    if not isinstance(connection, PostgresConnection):
        return  # the process may have other pools
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        raise DisconnectionError from None
