"""A PostgreSQL server for one test, which can stop, kill and starve it without harm to others."""

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
    """A running server, with fsync as in production, whose address stays the same on a restart."""

    postgres: EmbeddedPostgres
    folder: Path
    way: Severing
    _made: list[str] = field(default_factory=list[str])

    @property
    def data(self) -> Path:
        """The folder of its files."""
        with psycopg.connect(self.postgres.url("postgres")) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row
        return Path(row[0])

    def url(self, database: str) -> str:
        """Return the address of a database, with its owner as the user."""
        self.way.lead_to(self.postgres.url(database))
        return self.way.url

    def make_database(self) -> str:
        """Create a database with the schema; return its address, with its owner as the user."""
        name = f"database_{next(_numbers)}"
        template = Identifier(MIGRATED)
        self.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), template))
        self._made.append(name)
        return self.url(name)

    def drop_databases(self) -> None:
        """Drop all created databases."""
        while self._made:
            name = Identifier(self._made.pop())
            self.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def execute(self, statement: SQL | Composed) -> None:
        """Execute a statement that is not for a particular database."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def end(self, by: signal.Signals) -> None:
        """End the server by a signal: SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        _, server = supervisor_and_server(self.folder / "postgres.lock")
        os.kill(server, by)
        self.postgres.stop()

    def start(self) -> None:
        """Start it again, at the same address."""
        self.postgres.start()
        self.way.lead_to(self.postgres.url("postgres"))

    def restart(self, by: signal.Signals = signal.SIGINT) -> None:
        """End the server and start it again."""
        self.end(by)
        self.start()


@contextmanager
def own_postgres(folder: Path) -> Generator[OwnPostgres]:
    """Start a server with the tests' users and the schema; delete it at the end."""
    postgres = EmbeddedPostgres(folder)
    with postgres, Severing(postgres.url("postgres")) as way:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            create_users(connection)
        postgres.create_database(MIGRATED)
        migrate(Warehouse(SecretStr(postgres.url(MIGRATED))))
        yield OwnPostgres(postgres, folder, way)
    postgres.delete()
