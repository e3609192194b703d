"""A PostgreSQL database: how to connect to it, and to ask it again while faults pass.

What is asked of the tables stands in `sql/` and with the code that asks; here is only how to ask.
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
    # Importing the driver takes a sixth of the time that importing Dagster does, so it is left to
    # whoever connects.
    Connection = "SettledConnection"

T = TypeVar("T")

_log = logging.getLogger(__name__)

_REPORT_SECONDS = 5.0
"""How long it may take to ask who holds a lock."""


class Database:
    """A PostgreSQL database, called `name` in errors and found by the variable `setting`.

    Faults that pass (a restart, a lost connection, a serialization failure) are tried again for
    `retry_seconds` in all and raise `ServiceUnavailable` then; others raise `EtlError` with the
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
        """Open a connection in autocommit mode.

        Its settings are those of `sql/clients/settings.sql`, in each transaction and each statement
        alone. No statement is prepared on the server, where a pool may give the next to another
        session.
        Dictionaries are sent as jsonb, and rows are dictionaries.

        Raises:
            Transient: it can't be opened now, and that is expected to pass.
            EtlError: it can't be opened.
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
            # From the beginning, so that the address and the environment can't name another.
            client_encoding="UTF8",
            connect_timeout=seconds,
            fallback_application_name="etl_assets",
            # A server that vanishes without a word is noticed after a minute, not two hours.
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
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._error(error) from None

    def _report_wait(self, server_process: int, seconds: float) -> None:
        """Log which sessions one that takes long is waiting for, if it is for any."""
        from psycopg import Error

        # The wait goes on, whatever becomes of the report.
        with suppress(Error, EtlError, Transient), closing(self.open()) as connection:
            connection.on_long_wait = None
            connection.answer_seconds = _REPORT_SECONDS
            blocking = rows(connection, "clients/blocking_sessions", {"pid": server_process})
            if blocking:
                _log.warning(
                    "%s: waiting for %g s already for what another session has locked: %s. If it "
                    "was forgotten, end it: SELECT pg_terminate_backend(%s)",
                    self.name,
                    seconds,
                    "; then ".join(map(_describe_session, blocking)),
                    blocking[0]["pid"],
                )

    def _error(self, error: "psycopg.Error") -> EtlError | Transient:
        return database_fault(error, self.name, self.setting)


def _describe_session(session: Mapping[str, Any]) -> str:
    """Say who a row of `sql/clients/blocking_sessions.sql` is."""
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
