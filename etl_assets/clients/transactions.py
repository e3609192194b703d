"""The transactions on the warehouse and their locks: one writer at a time, and who loads what."""

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import date
from selectors import EVENT_READ, DefaultSelector
from socket import socket, socketpair
from threading import Thread

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

RUN_LOCK = 0x65746E
"""The class of the locks that show a run as alive; the other number is the hash of its id."""

_AGAIN_SECONDS = 1.0
_CLOSES_WITHIN_SECONDS = 5.0


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
def loading(
    warehouse: Warehouse, days: Sequence[date], *, run_id: str | None = None
) -> Generator[None]:
    """Show the days as being loaded, and the run as alive, to whoever plans what to load next.

    The locks are shared, so they hold nobody up, and die with the process. If the session is lost,
    another takes them again. They belong to a transaction that is kept open; without a snapshot it
    does not hold up vacuum, and a connection pool leaves it to this session.

    Raises:
        EtlError: the warehouse can't be asked.
    """
    shown: Future[None] = Future()
    ours, keepers = socketpair()
    day_numbers = [day.toordinal() for day in days]
    keeper = Thread(
        target=_keep_shown,
        args=(warehouse, day_numbers, run_id, shown, keepers),
        name="locks",
        daemon=True,
    )
    try:
        with ours:
            keeper.start()
            shown.result()
            yield
    finally:
        # Not for ever: it may be waiting for a server that is gone.
        keeper.join(_CLOSES_WITHIN_SECONDS)


def _keep_shown(
    warehouse: Warehouse,
    day_numbers: Sequence[int],
    run_id: str | None,
    shown: "Future[None]",
    end: socket,
) -> None:
    """Hold the locks until the other side of `end` is closed.

    `shown` gets a result as soon as they are held for the first time, or the error.
    """

    def hold(connection: Connection) -> None:
        with connection.transaction():
            connection.execute(
                "SELECT pg_advisory_xact_lock_shared(%s, number) "
                "FROM unnest(%s::integer[]) AS number",
                (_DAY_LOCK, list(day_numbers)),
            )
            if run_id is not None:
                connection.execute(
                    "SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))", (RUN_LOCK, run_id)
                )
            if not shown.done():
                shown.set_result(None)
            while not _has_ended(end, connection):
                # The server has said something: if it was good-bye, this raises.
                connection.execute("SELECT 1")

    with end:
        while True:
            try:
                warehouse.run(hold)
            except Exception as error:  # whatever it is, the caller gets it
                if not shown.done():
                    shown.set_exception(error)
                    return
                if _has_ended(end, seconds=_AGAIN_SECONDS):
                    return
            else:
                return


def _has_ended(
    end: socket, connection: "Connection | None" = None, *, seconds: float | None = None
) -> bool:
    """Wait until `end` is closed at its other side, or the connection has something to read."""
    with DefaultSelector() as selector:
        selector.register(end, EVENT_READ)
        if connection is not None:
            selector.register(connection, EVENT_READ)
        return any(key.fileobj is end for key, _ in selector.select(seconds))


def days_being_loaded(warehouse: Warehouse) -> set[date]:
    """Return the days that any session shows as being loaded."""
    locked = warehouse.rows("clients/days_being_loaded", {"day_lock": _DAY_LOCK})
    return {date.fromordinal(row["day_number"]) for row in locked}
