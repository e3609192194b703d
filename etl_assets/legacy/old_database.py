"""The database of the pipeline that this one replaces."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from typing import Any

from etl_assets.clients.database import Connection, Database
from etl_assets.sql import statement


class OldDatabase(Database):
    """The database of the pipeline that this one replaces: it is only read, and as of one moment.

    Its tables have our names: `staging.user_order_log` and `mart`'s, without `etl`.
    """

    name = "The old database"
    setting = "OLD_WAREHOUSE_URL"

    def open(self) -> Connection:
        """Open a connection that can't write, not even by mistake."""
        from psycopg import IsolationLevel

        with ExitStack() as stack:
            connection = stack.enter_context(closing(super().open()))
            connection.read_only = True
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            stack.pop_all()
        return connection

    def stream(
        self, connection: Connection, name: str, parameters: Mapping[str, object]
    ) -> Generator[dict[str, Any]]:
        """Give the rows of the query `sql/{name}.sql` as they come, for there may be very many.

        Its faults are said to be this database's, whatever else is open around it.
        """
        with self._errors(), connection.cursor("streamed") as cursor:
            # Not the driver's 100: the old database can be far away.
            cursor.itersize = 10_000
            yield from cursor.execute(statement(name), parameters)
