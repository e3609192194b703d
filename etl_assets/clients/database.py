"""A PostgreSQL database: connecting to it, and trying again after transient faults.

The statements are in `sql/`. This module only executes them.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from etl_assets.clients.database_faults import database_fault, not_opened
from etl_assets.clients.retries import RETRY_SECONDS, Transient, retried_for
from etl_assets.errors import EtlError
from etl_assets.sql import statement, statements

if TYPE_CHECKING:
    import psycopg

    from etl_assets.clients.connection import SettledConnection

    Connection = SettledConnection
else:
    # The driver takes a sixth of Dagster's time to import, so it is imported when needed.
    Connection = "SettledConnection"

T = TypeVar("T")

_log = logging.getLogger(__name__)

_REPORT_SECONDS = 5.0
"""The limit of the query that asks which session holds a lock."""


class Database:
    """A PostgreSQL database. Errors call it `name`; the variable `setting` has its address.

    After a transient fault (a restart, a lost connection, a serialization failure) the work is
    tried again for `retry_seconds` in all, then `ServiceUnavailable` is raised. Other faults raise
    `EtlError` with the server's message, but never its details, which can quote rows.

    By default the time of a statement has no limit. With `answer_seconds`, a statement that takes
    longer is a transient fault.
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
        """Open a connection in autocommit mode.

        Every transaction, and every statement outside one, has the settings of
        `sql/clients/settings.sql`. No statement is prepared on the server, because a pool may give
        the next transaction another session. Dictionaries are sent as jsonb. Rows are dictionaries.

        Raises:
            Transient: the connection can't be opened now, but probably soon.
            EtlError: the connection can't be opened.
        """
        from psycopg import IsolationLevel
        from psycopg.types.json import JsonbDumper

        from etl_assets.clients.connection import SettledConnection

        with ExitStack() as stack:
            connection = self._connect(SettledConnection)
            stack.callback(connection.close)
            connection.adapters.register_dumper(dict, JsonbDumper)
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            connection.answer_seconds = self._answer_seconds
            connection.on_long_wait = self._report_wait
            stack.pop_all()
        return connection

    def _connect(self, kind: "type[SettledConnection]") -> "SettledConnection":
        from psycopg import OperationalError
        from psycopg.conninfo import make_conninfo
        from psycopg.rows import dict_row

        from etl_assets.clients.session_start import why_not_opened

        seconds = max(2, int(self._answer_seconds or 10))
        conninfo = make_conninfo(
            self._url.get_secret_value(),
            # Set here, so that the address and the environment can't set another.
            client_encoding="UTF8",
            connect_timeout=seconds,
            fallback_application_name="etl_assets",
            # A server that vanishes without closing is noticed after a minute, not two hours.
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
        try:
            return kind.connect(
                conninfo, autocommit=True, row_factory=dict_row, prepare_threshold=None
            )
        except OperationalError as error:
            why = why_not_opened(conninfo, error, seconds)
            raise not_opened(error, why, self.name, self.setting) from None

    @contextmanager
    def session(self) -> Generator[Connection]:
        """Yield a connection in autocommit mode, and close it at the end."""
        with self._errors(), self.open() as connection:
            yield connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a session of its own and return its result. Retry transient faults."""

        def attempt() -> T:
            with self.session() as connection:
                return work(connection)

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
        """Turn the driver's errors into `Transient` or `EtlError`.

        The driver's error is not chained: a traceback would show its details, which quote rows.
        """
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _report_wait(self, server_process: int, seconds: float) -> None:
        """Log the sessions that block a statement that takes long, if there are any."""
        from psycopg import Error

        # The wait goes on, even if this report fails.
        with suppress(Error, EtlError, Transient), closing(self.open()) as connection:
            connection.on_long_wait = None
            connection.answer_seconds = _REPORT_SECONDS
            blocking = rows(connection, "clients/blocking_sessions", {"pid": server_process})
            if blocking:
                _log.warning(
                    "%s: waiting for %g s so far, because another session has a lock: %s. If that "
                    "session was forgotten, end it: SELECT pg_terminate_backend(%s)",
                    self.name,
                    seconds,
                    "; then ".join(map(_describe_session, blocking)),
                    blocking[0]["pid"],
                )

    def _error(self, error: "psycopg.Error") -> EtlError | Transient:
        return database_fault(error, self.name, self.setting)


def _describe_session(session: Mapping[str, Any]) -> str:
    """Return a description of a row of `sql/clients/blocking_sessions.sql`."""
    name = f" ({session['application_name']})" if session["application_name"] else ""
    whose = f" of user {session['user_name']}" if session["user_name"] else ""
    where = f" at {session['client_addr']}" if session["client_addr"] else ""
    since = f", in a transaction since {session['since']}" if session["since"] else ""
    state = f", {session['state']}" if session["state"] else ""
    return f"process {session['pid']}{name}{whose}{where}{since}{state}"


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
