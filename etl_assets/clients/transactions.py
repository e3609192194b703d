"""The transactions on the warehouse and their locks.

One transaction at a time writes. Other locks show which days are being loaded, by which run.
"""

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
"""Held by the one session that applies migrations."""

COPYING_LOCK = (0x65746C, 2)
"""Shared by transactions that copy into staging. They take it before the writer's lock."""

_DAY_LOCK = 0x65746D
"""The class of the locks of days being loaded; the other number is the day's ordinal."""

RUN_LOCK = 0x65746E
"""The class of the locks of live runs; the other number is the hash of the run's id."""

_AGAIN_SECONDS = 1.0
_CLOSES_WITHIN_SECONDS = 5.0


def lock_writer(connection: Connection) -> None:
    """Become the one writer of staging and the mart until the transaction ends.

    In READ COMMITTED the following statements see everything that the previous writer committed.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", WRITER_LOCK)


@contextmanager
def copying(connection: Connection) -> Generator[None]:
    """Open a transaction that copies into staging. It must call `lock_writer` before it commits.

    By then it has locked the table. So a migration waits for the lock that this takes first, before
    it becomes the writer; otherwise the two would deadlock.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", COPYING_LOCK)
        yield


@contextmanager
def writing(connection: Connection) -> Generator[None]:
    """Open the transaction of the one writer. All its changes become visible at once, or none.

    Its first statement takes the lock.
    """
    with connection.transaction():
        lock_writer(connection)
        yield


@contextmanager
def reading(connection: Connection) -> Generator[None]:
    """Open a transaction whose statements all see the same state of the database."""
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
    """Show every planner that these days are being loaded and that the run is alive.

    The locks are shared, so nobody waits for them, and they end with the process. If the session is
    lost, another session takes them again. They belong to a transaction that stays open. It has no
    snapshot, so it does not delay vacuum, and a connection pool gives its session to nobody else.

    Raises:
        EtlError: the warehouse can't be used.
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
        # With a limit: the thread may be waiting for a server that is gone.
        keeper.join(_CLOSES_WITHIN_SECONDS)


def _keep_shown(
    warehouse: Warehouse,
    day_numbers: Sequence[int],
    run_id: str | None,
    shown: "Future[None]",
    end: socket,
) -> None:
    """Hold the locks until the other side of `end` is closed.

    Complete `shown` when the locks are held for the first time, or with the error.
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
                # The server has sent something. If it has ended the session, this raises.
                connection.execute("SELECT 1")

    with end:
        while True:
            try:
                warehouse.run(hold)
            except Exception as error:  # the caller gets every error
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
    """Wait until `end` is closed, the connection has data, or time is up. Return whether closed."""
    with DefaultSelector() as selector:
        selector.register(end, EVENT_READ)
        if connection is not None:
            selector.register(connection, EVENT_READ)
        return any(key.fileobj is end for key, _ in selector.select(seconds))


def days_being_loaded(warehouse: Warehouse) -> set[date]:
    """Return the days that any session is loading."""
    locked = warehouse.rows("clients/days_being_loaded", {"day_lock": _DAY_LOCK})
    return {date.fromordinal(row["day_number"]) for row in locked}
