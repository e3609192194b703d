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
        """Open a connection that can read and write texts in any alphabet.

        Raises:
            ConfigurationError: the database's encoding is not UTF8.
        """
        connection = super().open()
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise ConfigurationError(
                f"The warehouse's database has the encoding {encoding}, which can't store every "
                "name. Create a database with the encoding UTF8 (TEMPLATE template0) and set "
                "WAREHOUSE_URL to it"
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
                    f"This user lacks a right in the warehouse: {message}. Use another user, or "
                    "grant the right: etl-assets doctor lists the missing rights"
                )
            case _:
                return super()._error(error)
