"""The transactions on the warehouse and their locks: one writer at a time, and who loads what."""

from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date

from etl_assets.clients.database import Connection
from etl_assets.clients.warehouse import Warehouse

WRITER_LOCK = (0x65746C, 0)
"""Held by the one transaction that changes staging or the mart ("etl" in ASCII)."""

MIGRATION_LOCK = (0x65746C, 1)
"""Held by the one session that migrates."""

COPYING_LOCK = (0x65746C, 2)
"""Shared by transactions that copy into staging before they become the writer; taken before it."""

_DAY_LOCK = 0x65746D
"""The class of the locks that show a day as being loaded; the other number is its ordinal."""


def lock_writer(connection: Connection) -> None:
    """Be the one writer of staging and the mart until the transaction ends.

    In READ COMMITTED the statements after it see all that the writer before has done.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", WRITER_LOCK)


@contextmanager
def copying(connection: Connection) -> Generator[None]:
    """Open a transaction that copies into staging, and calls `lock_writer` before it commits.

    It has locked the table by then, so a migration has to wait before it becomes the writer.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", COPYING_LOCK)
        # It waits for the object store in between.
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


@contextmanager
def writing(connection: Connection) -> Generator[None]:
    """Open the transaction of the one writer: what stands in it becomes visible at once, or never.

    The lock is the transaction's own first statement.
    """
    with connection.transaction():
        lock_writer(connection)
        yield


@contextmanager
def reading(connection: Connection) -> Generator[None]:
    """Open a transaction in which all statements see the database as of one moment."""
    from psycopg import IsolationLevel

    before = connection.isolation_level
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        yield
    connection.isolation_level = before


@contextmanager
def loading(warehouse: Warehouse, days: Sequence[date]) -> Generator[None]:
    """Show the days as being loaded, to whoever plans what to load next.

    The locks are shared, so they hold nobody up, and die with the process.
    """
    from psycopg import Error

    def show(connection: Connection) -> None:
        # It says nothing more for as long as the days are being loaded.
        connection.execute("SET idle_session_timeout = 0")
        connection.execute(
            "SELECT pg_advisory_lock_shared(%s, number) FROM unnest(%s::integer[]) AS number",
            (_DAY_LOCK, [day.toordinal() for day in days]),
        )

    with closing(warehouse.hold(show)) as connection:
        yield
        # The server notices some time later that a connection is closed.
        with suppress(Error):
            connection.execute("SELECT pg_advisory_unlock_all()")


def days_being_loaded(warehouse: Warehouse) -> set[date]:
    """Return the days that any session shows as being loaded."""
    locked = warehouse.rows("clients/days_being_loaded", {"day_lock": _DAY_LOCK})
    return {date.fromordinal(row["day_number"]) for row in locked}
