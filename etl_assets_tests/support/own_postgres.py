"""A PostgreSQL of a test's own, to be stopped, killed and starved without harm to other tests."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from pydantic import SecretStr

from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.postgres import EmbeddedPostgres
from etl_assets.operations.migrations import migrate
from etl_assets_tests.conftest import create_users
from etl_assets_tests.support.processes import supervisor_and_server
from etl_assets_tests.support.severing import Severing

MIGRATED = "migrated"

_numbers = count(1)


@dataclass
class OwnPostgres:
    """A running server, with fsync as in production, whose address outlasts its restarts."""

    postgres: EmbeddedPostgres
    folder: Path
    way: Severing
    _made: list[str] = field(default_factory=list[str])

    @property
    def data(self) -> Path:
        """Where its files are."""
        with psycopg.connect(self.postgres.url("postgres")) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row
        return Path(row[0])

    def url(self, database: str) -> str:
        """Return the address of a database for its owner."""
        self.way.lead_to(self.postgres.url(database))
        return self.way.url

    def make_database(self) -> str:
        """Make a database with the schema and return its address for its owner."""
        name = f"database_{next(_numbers)}"
        template = Identifier(MIGRATED)
        self.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), template))
        self._made.append(name)
        return self.url(name)

    def drop_databases(self) -> None:
        """Drop all that were made."""
        while self._made:
            name = Identifier(self._made.pop())
            self.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def execute(self, statement: SQL | Composed) -> None:
        """Execute what is not about one database."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def end(self, by: signal.Signals) -> None:
        """End the server: SIGINT winds up, SIGQUIT does not, and SIGKILL asks nobody."""
        _, server = supervisor_and_server(self.folder / "postgres.lock")
        os.kill(server, by)
        self.postgres.stop()

    def start(self) -> None:
        """Start it again, at the same address."""
        self.postgres.start()
        self.way.lead_to(self.postgres.url("postgres"))

    def restart(self, by: signal.Signals = signal.SIGINT) -> None:
        """End the server, and start it again."""
        self.end(by)
        self.start()


@contextmanager
def own_postgres(folder: Path) -> Generator[OwnPostgres]:
    """Start one with the users of the tests and the schema; it is deleted in the end."""
    postgres = EmbeddedPostgres(folder)
    with postgres, Severing(postgres.url("postgres")) as way:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            create_users(connection)
        postgres.create_database(MIGRATED)
        migrate(Warehouse(SecretStr(postgres.url(MIGRATED))))
        yield OwnPostgres(postgres, folder, way)
    postgres.delete()
