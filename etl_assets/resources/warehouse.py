"""The warehouse: connections, transactions and locks of PostgreSQL.

What is asked of the tables stands in `sql/` and with the code that asks; here is only how to ask.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
from pydantic import SecretStr
from typing_extensions import override

from etl_assets.errors import ConfigurationError, EtlError, SchemaMissing
from etl_assets.resources.database_faults import database_fault, database_says
from etl_assets.retries import RETRY_SECONDS, Transient, retried_for
from etl_assets.settings import WarehouseSettings
from etl_assets.statements import statement, statements

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]
else:
    # Importing the driver takes a sixth of the time that importing Dagster does, so it is left to
    # whoever connects.
    Connection = "psycopg.Connection[dict[str, Any]]"

T = TypeVar("T")

WRITER_LOCK = (0x65746C, 0)
"""Held by the one transaction that changes staging or the mart ("etl" in ASCII)."""

MIGRATION_LOCK = (0x65746C, 1)
"""Held by the one session that migrates."""

COPYING_LOCK = (0x65746C, 2)
"""Shared by transactions that copy into staging before they become the writer; taken before it."""

_DAY_LOCK = 0x65746D
"""The class of the locks that show a day as being loaded; the other number is its ordinal."""

_SESSION = """
-- The driver reads no other, and a database or a role may have another.
SET datestyle = 'ISO';
-- A client that vanishes without a word is noticed after a minute, and loses its locks.
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
-- Compiled, a day's load takes 1.6 times as long: its statements are estimated at much, and short.
SET jit = off;
-- A day's rows lie side by side. Taken for scattered over a turning disk, they seem dearer than all
-- of history, up to some ten million facts, and a week's figures are made by reading that.
SET random_page_cost = 1.1;
"""


class Database:
    """A PostgreSQL database, called `name` in errors and found by the variable `setting`.

    Faults that pass (a restart, a lost connection, a serialization failure) are tried again for
    `retry_seconds` in all and raise `Unavailable` after that; all others raise `EtlError` with the
    server's message, but never its details, which can quote rows.

    A statement may take as long as it takes, or with `answer_seconds` so many seconds; longer ones
    count among the faults that pass.
    """

    name: str
    setting: str

    def __init__(
        self,
        url: SecretStr,
        *,
        retry_seconds: float = RETRY_SECONDS,
        answer_seconds: float | None = None,
    ) -> None:
        self._url = url
        self._retry_seconds = retry_seconds
        self._answer_seconds = answer_seconds

    def open(self) -> Connection:
        """Open a plain connection in autocommit mode; the driver's errors come as they are.

        Dictionaries are sent as jsonb, and rows are dictionaries.
        """
        import psycopg  # noqa: PLC0415
        from psycopg.rows import dict_row  # noqa: PLC0415
        from psycopg.types.json import JsonbDumper  # noqa: PLC0415

        with ExitStack() as stack:
            connection = psycopg.Connection[dict[str, Any]].connect(
                self._url.get_secret_value(),
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=max(2, int(self._answer_seconds or 10)),
                fallback_application_name="etl_assets",
                # A server that vanishes without a word is noticed after a minute, not two hours.
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
            stack.callback(connection.close)
            connection.adapters.register_dumper(dict, JsonbDumper)
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            connection.execute(_SESSION)
            if self._answer_seconds is not None:
                limit = f"{self._answer_seconds:g}s"
                connection.execute("SELECT set_config('statement_timeout', %s, false)", (limit,))
            stack.pop_all()
        return connection

    @contextmanager
    def session(self) -> Generator[Connection]:
        """Open a connection in autocommit mode, for statements outside a transaction."""
        with self._errors(), self.open() as connection:
            yield connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns in a session of its own, tried again while faults pass."""

        def attempt() -> T:
            with self.session() as connection:
                return work(connection)

        return retried_for(self._retry_seconds, attempt)

    def hold(self, work: Callable[[Connection], object]) -> Connection:
        """Return a session in which `work` was done, for the caller to close."""

        def attempt() -> Connection:
            with ExitStack() as stack, self._errors():
                connection = stack.enter_context(closing(self.open()))
                work(connection)
                stack.pop_all()
            return connection

        return retried_for(self._retry_seconds, attempt)

    def rows(
        self, name: str, parameters: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of the query `sql/{name}.sql`."""
        return self.run(lambda connection: rows(connection, name, parameters))

    def execute(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        """Execute the statements of `sql/{name}.sql` in one transaction."""

        def work(connection: Connection) -> None:
            with connection.transaction():
                execute(connection, name, parameters)

        self.run(work)

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Tell transient faults from permanent ones, and say what to do about those.

        The driver's own error is not chained: a traceback would show its details, which quote rows.
        """
        import psycopg  # noqa: PLC0415

        try:
            yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _error(self, error: "psycopg.Error") -> EtlError | Transient:
        return database_fault(error, self.name, self.setting)


class Warehouse(Database):
    """A database with the schemas `etl`, `staging` and `mart`."""

    name = "The warehouse"
    setting = "WAREHOUSE_URL"

    @override
    def open(self) -> Connection:
        """Open a connection, of which texts in any alphabet can be read and written.

        Raises:
            ConfigurationError: the database's encoding can't hold them.
        """
        connection = super().open()
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise ConfigurationError(
                f"The warehouse's database has the encoding {encoding}, which can't hold every "
                "name. Create one with the encoding UTF8 (TEMPLATE template0) and name it in "
                "WAREHOUSE_URL"
            )
        return connection

    def _error(self, error: "psycopg.Error") -> EtlError | Transient:
        from psycopg import errors  # noqa: PLC0415

        says = database_says(error)
        match error:
            case errors.UndefinedTable() | errors.InvalidSchemaName():
                return SchemaMissing(
                    f"The warehouse lacks the schema ({says}). Run: etl-assets migrate"
                )
            case errors.InsufficientPrivilege():
                return EtlError(
                    f"The warehouse refuses it to this user: {says}. Use a user that "
                    "may, or have the right granted: etl-assets doctor says what loading lacks"
                )
            case _:
                return super()._error(error)


class OldDatabase(Database):
    """The database of the pipeline that this one replaces: it is only read, and as of one moment.

    Its tables have our names: `staging.user_order_log` and `mart`'s, without `etl`.
    """

    name = "The old database"
    setting = "OLD_WAREHOUSE_URL"

    def open(self) -> Connection:
        """Open a connection that can't write, not even by mistake."""
        from psycopg import IsolationLevel  # noqa: PLC0415

        with ExitStack() as stack:
            connection = stack.enter_context(closing(super().open()))
            connection.execute("SET default_transaction_read_only = on")
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
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@contextmanager
def loading(warehouse: Warehouse, days: Sequence[date]) -> Generator[None]:
    """Show the days as being loaded, to whoever plans what to load next.

    The locks are shared, so they hold nobody up, and die with the process.
    """
    from psycopg import Error  # noqa: PLC0415

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
    locked = warehouse.rows("etl/days_being_loaded", {"day_lock": _DAY_LOCK})
    return {date.fromordinal(row["day_number"]) for row in locked}


def rows(
    connection: Connection, name: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of the query `sql/{name}.sql`."""
    return connection.execute(statement(name), parameters).fetchall()


def execute(
    connection: Connection, name: str, parameters: Mapping[str, object] | None = None
) -> None:
    """Execute the statements of `sql/{name}.sql`, one after the other."""
    for text in statements(name):
        connection.execute(text, parameters)


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse of `WAREHOUSE_URL`."""

    def connect(self) -> Warehouse:
        """Return the warehouse, configured from the environment; nothing is opened yet."""
        return Warehouse(WarehouseSettings.read().url)
