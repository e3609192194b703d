"""The schema's migrations: the files of `sql/migrations`, recorded in `etl.alembic_version`.

Alembic orders the files and writes one script from those that are missing. The script runs in one
transaction, so a process that is killed half-way changes nothing.

To add the fourth migration:

1. Write `sql/migrations/0004_name.sql`, with a name of at most 32 characters without the ending.
2. Write `etl_assets/operations/revisions/versions/0004_name.py` like the one before it, with
   `revision = "0004_name"` and `down_revision = "0003_mart"`.

A migration is never changed after its release, and never drops data.
"""

import io
import logging
from pathlib import Path

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.transactions import COPYING_LOCK, MIGRATION_LOCK, WRITER_LOCK
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, SchemaMissing
from etl_assets.sql import MIGRATIONS, statement

_REVISIONS = Path(__file__).with_name("revisions")


def migrate(warehouse: Warehouse) -> list[str]:
    """Bring the warehouse's schema up to date and return the names of the migrations applied.

    Also grant the roles of `sql/operations/roles.sql` that exist their rights. It is safe to run
    this twice, in two processes at once (the second waits for the first), and while days are
    loaded: it waits for the current writers, and later ones wait for it.

    Raises:
        EtlError: the database has tables with our names that our migrations did not create.
    """

    def work(connection: Connection) -> list[str]:
        with connection.transaction():
            _lock(connection, MIGRATION_LOCK)
            newest = _newest(connection)
            missing = _missing(newest)
            if missing:
                # A load locks tables in another order. Without these locks there are deadlocks.
                _lock(connection, COPYING_LOCK)
                _lock(connection, WRITER_LOCK)
                if newest is None:
                    _refuse_foreign_tables(connection)
                connection.execute("CREATE SCHEMA IF NOT EXISTS etl")
                connection.execute(script_after(newest).encode())
            # Every time: the roles may be new.
            connection.execute(statement("operations/grant_rights"))
        return missing

    return warehouse.run(work)


def require_schema(warehouse: Warehouse) -> None:
    """Check that no migration is missing.

    Raises:
        SchemaMissing: a migration is missing; `etl-assets migrate` applies it.
    """
    missing = _missing(warehouse.run(_newest))
    if missing:
        raise SchemaMissing(
            f"The warehouse's schema lacks {', '.join(missing)}. Run: etl-assets migrate"
        )


def require_writable(warehouse: Warehouse) -> None:
    """Check that the database can be written to.

    Raises:
        EtlError: it is read-only: a standby, or by a setting.
    """
    (found,) = warehouse.rows("operations/what_forbids_writing")
    if found["is_standby"]:
        raise EtlError(
            "The warehouse's server is a standby, which is read-only. Set WAREHOUSE_URL to the "
            "primary's address"
        )
    if found["is_read_only"]:
        raise EtlError(
            "The warehouse is read-only: default_transaction_read_only is on. Turn it off where it "
            "is set: for the role, the database or the server, or in WAREHOUSE_URL or PGOPTIONS"
        )


def require_rights(warehouse: Warehouse) -> None:
    """Check that the user has every right that loading needs.

    Raises:
        EtlError: a right is missing.
    """
    missing = [row["name"] for row in warehouse.rows("operations/missing_rights")]
    if missing:
        raise EtlError(
            f"This user lacks rights in the warehouse that loading needs: {'; '.join(missing)}. "
            "Make it a member of etl_writer (GRANT etl_writer TO …, see sql/operations/roles.sql). "
            "Then run, as the schema's owner: etl-assets migrate"
        )


def _missing(newest: str | None) -> list[str]:
    # Without alembic, which takes long to import: every command that reads calls this.
    names = sorted(file.stem for file in MIGRATIONS.glob("*.sql"))
    return [name for name in names if newest is None or name > newest]


def _newest(connection: Connection) -> str | None:
    (record,) = rows(connection, "operations/migration_record")
    if record["name"] is None:
        return None
    (newest,) = rows(connection, "operations/newest_migration")
    return newest["name"]


def _lock(connection: Connection, lock: tuple[int, int]) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock)


def _refuse_foreign_tables(connection: Connection) -> None:
    foreign = [row["name"] for row in rows(connection, "operations/foreign_tables")]
    if foreign:
        raise EtlError(
            f"The database already has {', '.join(foreign)}, which this project's migrations did "
            "not create, so it was not changed. Set WAREHOUSE_URL to another database, or rename "
            "the schemas in this one"
        )


def script_after(newest: str | None) -> str:
    """Return the SQL that applies and records the migrations after `newest`; None means all."""
    from alembic import command
    from alembic.config import Config

    # Alembic logs every step at INFO.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    script = io.StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(_REVISIONS).replace("%", "%%"))
    command.upgrade(config, f"{newest or 'base'}:head", sql=True)
    return script.getvalue()
