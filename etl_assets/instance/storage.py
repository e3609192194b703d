"""Dagster's own storage in PostgreSQL, over connections that stay open.

Dagster's opens a connection for everything that it reads or writes, and closes it again; only its
webserver keeps one. An event takes two or three, each of which is a new process of the server with
nothing in its caches: of a run of a month that was three quarters of the time.
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
"""How many connections a process may have open at once, beside the one that stays."""


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
    """Dagster's storage for all of its processes as its webserver has it.

    An instance closes its connections when it is disposed of: a code server makes one for each
    call. Those of the schedules, which no run writes, are Dagster's own.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        """Take the settings of the class that this one replaces, all of them."""
        # Not that class's own, which makes other parts.
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
    """Have times kept in UTC, as Dagster reads them, and texts in any alphabet.

    The server, the environment or the address may name another zone or encoding.
    """
    if isinstance(connection, PostgresConnection):
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            cursor.execute("SET timezone TO 'UTC'")
        connection.commit()


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
