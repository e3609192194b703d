"""A connection that fixes its own settings.

The environment (PGCLIENTENCODING, PGOPTIONS, …), the role, the database, the address and a
connection pool can all change the meaning of a session's statements: the encoding of texts, the
order of day and month, the search path. With a wrong encoding every name is stored garbled, and no
check notices. So each transaction begins with the settings of `sql/clients/settings.sql`, and a
statement outside a transaction gets one of its own.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from typing_extensions import override

from etl_assets.sql import statement

T = TypeVar("T")

LONG_WAIT_SECONDS = 5.0
"""`on_long_wait` is called after this time, after twice this time, and so on."""

_VERSION_17 = 170000


class SettledConnection(psycopg.Connection[dict[str, Any]]):
    """A connection in autocommit mode that fixes the settings of each transaction.

    No state on the server outlives a transaction, so a connection pool may give each transaction
    another session.

    Attributes:
        answer_seconds: how long a statement may take; None means without limit.
        on_long_wait: called with the server's process and the seconds when a statement takes long.
    """

    answer_seconds: float | None = None
    on_long_wait: Callable[[int, float], None] | None = None
    _server_process = 0

    @override
    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Generator[psycopg.Transaction]:
        """Open a transaction with our settings, or a savepoint in one."""
        is_new = self.info.transaction_status is TransactionStatus.IDLE
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if is_new:
                self.settle()
            yield transaction

    @override
    def execute(self, query: Any, params: Any = None, **options: Any) -> psycopg.Cursor[Any]:
        """Execute a statement, in a transaction of its own if none is open."""
        if self.info.transaction_status is TransactionStatus.IDLE:
            with self.transaction():
                return super().execute(query, params, **options)
        return super().execute(query, params, **options)

    @override
    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        """Wait for the server. Call `on_long_wait` if it takes long."""
        if self.on_long_wait is None:
            return super().wait(gen, *args, **options)
        return super().wait(_watched(gen, self._report_long_wait), *args, **options)

    def settle(self) -> None:
        """Apply our settings to the open transaction, as its first statements."""
        if self.info.server_version >= _VERSION_17:
            super().execute(statement("clients/no_transaction_timeout"))
        with self.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(statement("clients/settings"))
            while cursor.nextset():
                pass
            ((self._server_process,),) = cursor.fetchall()
        if self.answer_seconds is not None:
            limit = f"SET LOCAL statement_timeout = {self.answer_seconds * 1000:.0f}"
            super().execute(limit.encode())

    def _report_long_wait(self, seconds: float) -> None:
        if self.on_long_wait and self._server_process:
            self.on_long_wait(self._server_process, seconds)


def _watched(operation: PQGen[T], report: Callable[[float], None]) -> PQGen[T]:
    """Run the operation. While it takes long, call `report` with the seconds so far."""
    began = time.monotonic()
    due = LONG_WAIT_SECONDS
    try:
        wanted = next(operation)
        while True:
            ready = yield wanted
            # The driver returns here ten times a second.
            if not ready and time.monotonic() - began >= due:
                report(due)
                due *= 2
            wanted = operation.send(ready)
    except StopIteration as result:
        return result.value
