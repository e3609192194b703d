"""Dagster's own storage in PostgreSQL, with a pool of connections.

Dagster's storage class opens and closes a connection for every read and write; only the webserver
has a pool. An event takes two or three connections, and for each the server starts a process with
empty caches. In a run of a month this took three quarters of the time.
"""

from typing import Self, TypedDict

from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.auth import PgTokenProvider
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config
from psycopg2 import Error
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  # a class
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool
from typing_extensions import override

from etl_assets.instance.dagster_internals import (
    ConfigurableClassData,
    DagsterStorage,
    PostgresStorageConfig,
)

_HOUR = 3600
_THREADS = 20
"""The connections that a process may open at once, beside the one that stays open."""


class _Runs(PostgresRunStorage):
    @override
    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class _Events(PostgresEventLogStorage):
    @override
    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class _PartSettings(TypedDict):
    postgres_url: str
    should_autocreate_tables: bool
    token_provider: PgTokenProvider | None


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's storage with the webserver's pool of connections, for all processes.

    An instance closes its connections when it is disposed of, because a code server creates an
    instance for each call. The storage of schedules has no pool: runs don't write to it.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        """Take all settings of the class that this one replaces."""
        # Not the __init__ of that class, which creates other parts.
        DagsterStorage.__init__(self)
        self.postgres_url = postgres_url
        self.should_autocreate_tables = should_autocreate_tables
        self._inst_data = inst_data
        settings: _PartSettings = {
            "postgres_url": postgres_url,
            "should_autocreate_tables": should_autocreate_tables,
            "token_provider": token_provider,
        }
        self._run_storage = _Runs(**settings)
        self._event_log_storage = _Events(**settings)
        self._schedule_storage = PostgresScheduleStorage(**settings)
        for part in (self._run_storage, self._event_log_storage):
            part.optimize_for_webserver(
                statement_timeout=0, pool_recycle=_HOUR, max_overflow=_THREADS
            )

    @override
    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: PostgresStorageConfig
    ) -> Self:
        """Return the storage that dagster.yaml describes."""
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )


@event.listens_for(Pool, "connect")
def _settle(connection: object, *_: object) -> None:
    """Set the connection to UTC, as Dagster expects, and to UTF-8.

    The server, the environment or the address may set another zone or encoding.
    """
    if isinstance(connection, PostgresConnection):
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
        connection.commit()


@event.listens_for(Pool, "checkout")
def _ping(connection: object, *_: object) -> None:
    """Have the pool replace a lost connection, for example after a restart of the server."""
    if not isinstance(connection, PostgresConnection):
        return  # the process may have other pools
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        raise DisconnectionError from None
