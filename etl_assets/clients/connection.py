"""A connection whose settings are its own, whatever else would decide them.

The environment (PGCLIENTENCODING, PGOPTIONS, …), the role, the database, the address and a
connection pool can each set what a session's statements mean: the encoding of texts, the order of
a date's numbers, the schemas that names are looked up in. With another encoding every name is
stored garbled, and no check can see it. So each transaction begins with the settings of
`sql/connection`, and a statement outside of one gets a transaction of its own.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from typing_extensions import override

from etl_assets.sql import statement

_VERSION_17 = 170000


class SettledConnection(psycopg.Connection[dict[str, Any]]):
    """A connection in autocommit mode that fixes the settings of each transaction.

    Nothing outlives a transaction on the server, so a pool may give each to another server's
    session. `answer_seconds` is how long a statement may take; None is as long as it takes.
    """

    answer_seconds: float | None = None

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

    def settle(self) -> None:
        """Give the open transaction our settings; it has executed nothing yet."""
        super().execute(statement("connection/settings"))
        if self.info.server_version >= _VERSION_17:
            super().execute(statement("connection/no_transaction_timeout"))
        if self.answer_seconds is not None:
            limit = f"SET LOCAL statement_timeout = {self.answer_seconds * 1000:.0f}"
            super().execute(limit.encode())
