"""The schema's migrations: `sql/migrations`, applied by yoyo and recorded in schema `etl`.

A migration is never changed once it has landed, and never drops data.
"""

import logging
from collections.abc import Collection
from typing import Any

from psycopg.rows import tuple_row

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.transactions import COPYING_LOCK, MIGRATION_LOCK, WRITER_LOCK
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, SchemaMissing
from etl_assets.sql import MIGRATIONS, statement


def migrate(warehouse: Warehouse) -> list[str]:
    """Bring the warehouse's schema up to date and return the names of the migrations applied.

    The roles of `sql/operations/roles.sql`, as far as they are there, are granted what they may do.
    Safe to run twice, by two processes at once (the second waits for the first), and while days are
    loaded: what is being written is waited for, and what comes after waits.

    Raises:
        EtlError: the database has tables of our names that our migrations did not make.
    """

    def work(connection: Connection) -> list[str]:
        # The locks are the session's, so they end with it, however it ends.
        connection.execute("SELECT pg_advisory_lock(%s, %s)", MIGRATION_LOCK)
        before = _applied(connection)
        if _missing(before):
            # A load locks tables in its own order: without, one would be a deadlock's victim.
            for lock in (COPYING_LOCK, WRITER_LOCK):
                connection.execute("SELECT pg_advisory_lock(%s, %s)", lock)
        if not before:
            _refuse_foreign_tables(connection)
        connection.execute("CREATE SCHEMA IF NOT EXISTS etl")
        _apply(warehouse)
        # Each time: the roles may have been created since.
        connection.execute(statement("operations/grant_rights"))
        return sorted(set(_applied(connection)) - set(before))

    return warehouse.run(work)


def require_schema(warehouse: Warehouse) -> None:
    """Check that no migration is missing.

    Raises:
        SchemaMissing: one is; `etl-assets migrate` applies it.
    """
    missing = _missing(warehouse.run(_applied))
    if missing:
        raise SchemaMissing(
            f"The warehouse's schema lacks {', '.join(missing)}. Run: etl-assets migrate"
        )


def require_rights(warehouse: Warehouse) -> None:
    """Check that the user may do all that loading needs.

    Raises:
        EtlError: a right is missing.
    """
    missing = [row["name"] for row in warehouse.rows("operations/missing_rights")]
    if missing:
        raise EtlError(
            f"This user lacks rights in the warehouse that loading needs: {'; '.join(missing)}. "
            "Make it a member of etl_writer (GRANT etl_writer TO …, see sql/operations/roles.sql), "
            "then let the schema's owner run: etl-assets migrate"
        )


def _missing(applied: Collection[str]) -> list[str]:
    return sorted({file.stem for file in MIGRATIONS.glob("*.sql")} - set(applied))


def _applied(connection: Connection) -> list[str]:
    (known,) = rows(connection, "operations/migration_table")
    if known["name"] is None:
        return []
    return [row["migration_id"] for row in rows(connection, "operations/applied_migrations")]


def _refuse_foreign_tables(connection: Connection) -> None:
    foreign = [row["name"] for row in rows(connection, "operations/foreign_tables")]
    if foreign:
        raise EtlError(
            f"The database already has {', '.join(foreign)}, not made by this project's "
            "migrations, so it was left as it is. Give WAREHOUSE_URL another database, or rename "
            "the schemas in this one"
        )


def _apply(warehouse: Warehouse) -> None:
    # yoyo is a tenth of a second to import and only this needs it.
    from yoyo import read_migrations
    from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
    from yoyo.connections import parse_uri

    class Backend(PostgresqlPsycopgBackend):
        """yoyo's PostgreSQL on our own connections, its tables in schema `etl`."""

        schema = "etl"

        def connect(self, dburi: object) -> object:  # noqa: ARG002  # ours is known
            connection: Any = warehouse.open()
            connection.row_factory = tuple_row
            return connection

        def begin(self) -> None:
            """Begin a transaction with our settings, and with yoyo's tables to be found."""
            super().begin()
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            self.connection.settle()
            self.connection.execute("SET LOCAL search_path = etl")

    # It says every step at INFO.
    logging.getLogger("yoyo.migrations").setLevel(logging.WARNING)
    backend: Any = Backend(parse_uri("postgresql+psycopg://"), "_yoyo_migration")
    with backend:
        backend.init_database()
        # yoyo's own lock is a committed row: after a kill it would block for ever. Nobody else can
        # be migrating, so a row that is there is stale.
        backend.break_lock()
        backend.apply_migrations(backend.to_apply(read_migrations(str(MIGRATIONS))))
