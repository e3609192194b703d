"""The database of the pipeline that this one replaces."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from typing import Any

from etl_assets.clients.database import Connection, Database
from etl_assets.sql import statement


class OldDatabase(Database):
    """The database of the pipeline that this one replaces. It is only read, in one snapshot.

    It has tables of the same names in `staging` and `mart`, and no schema `etl`.
    """

    name = "The old database"
    setting = "OLD_WAREHOUSE_URL"

    def open(self) -> Connection:
        """Open a read-only connection."""
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
        """Yield the rows of the query `sql/{name}.sql` one by one: memory could not hold them all.

        Errors name this database, even if the caller also uses another one.
        """
        with self._errors(), connection.cursor("streamed") as cursor:
            # The driver's default is 100 rows per round trip, too few for a distant server.
            cursor.itersize = 10_000
            yield from cursor.execute(statement(name), parameters)
