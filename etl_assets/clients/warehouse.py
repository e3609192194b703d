"""The warehouse: a database with the schemas `etl`, `staging` and `mart`."""

from typing import TYPE_CHECKING

from typing_extensions import override

from etl_assets.clients.database import Connection, Database
from etl_assets.clients.database_faults import server_message
from etl_assets.clients.retries import Transient
from etl_assets.errors import ConfigurationError, EtlError, SchemaMissing

if TYPE_CHECKING:
    import psycopg


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
        from psycopg import errors

        message = server_message(error)
        match error:
            case errors.UndefinedTable() | errors.InvalidSchemaName():
                return SchemaMissing(
                    f"The warehouse lacks the schema ({message}). Run: etl-assets migrate"
                )
            case errors.InsufficientPrivilege():
                return EtlError(
                    f"The warehouse refuses it to this user: {message}. Use a user that "
                    "may, or have the right granted: etl-assets doctor says what loading lacks"
                )
            case _:
                return super()._error(error)
