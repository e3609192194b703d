"""A connection has its own settings, whatever the environment, role, database or address set.

The names in every file are Cyrillic, so another encoding on reading or writing would change them.
"""

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier, Literal

from etl_assets.clients.database import Connection
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.postgres import programs
from etl_assets.legacy.adopt import adopt
from etl_assets.legacy.compare import compare
from etl_assets.legacy.old_database import OldDatabase
from etl_assets.operations.backup import dump, restore
from etl_assets.operations.migrations import migrate
from etl_assets.settings import OldDatabaseSettings, WarehouseSettings
from etl_assets.sql import MIGRATIONS
from etl_assets_tests.conftest import MakeDatabase
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, increment, order
from etl_assets_tests.support.old_pipeline import OldPipeline
from etl_assets_tests.support.pipeline import Pipeline, holding

OURS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "search_path": "pg_catalog, pg_temp",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}

ODD = {
    "client_encoding": "LATIN1",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kamchatka",
    "search_path": "odd",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "20s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "transaction_timeout": "30s",
}

Odd = Callable[[str], AbstractContextManager[None]]
"""A context manager that gives the sessions of a variable's address the settings `ODD`."""


@dataclass
class Oddly:
    """Puts odd settings into the places that a session's settings come from."""

    environment: pytest.MonkeyPatch
    folder: Path
    admins_url: str

    @contextmanager
    def by_environment(self, name: str) -> Generator[None]:
        assert os.environ[name]
        with self.environment.context() as patch:
            patch.setenv("PGCLIENTENCODING", ODD["client_encoding"])
            patch.setenv("PGDATESTYLE", ODD["DateStyle"])
            patch.setenv("PGTZ", ODD["TimeZone"])
            patch.setenv("PGOPTIONS", _options(ODD))
            yield

    @contextmanager
    def by_service(self, name: str) -> Generator[None]:
        assert os.environ[name]
        file = self.folder / "services.conf"
        encoding = ODD["client_encoding"]
        file.write_text(f"[odd]\nclient_encoding={encoding}\noptions={_options(ODD)}\n")
        with self.environment.context() as patch:
            patch.setenv("PGSERVICEFILE", str(file))
            patch.setenv("PGSERVICE", "odd")
            yield

    @contextmanager
    def by_address(self, name: str) -> Generator[None]:
        encoding, options = ODD["client_encoding"], quote(_options(ODD))
        with self.environment.context() as patch:
            patch.setenv(name, f"{os.environ[name]}?client_encoding={encoding}&options={options}")
            yield

    @contextmanager
    def by_role(self, name: str) -> Generator[None]:
        url = urlsplit(os.environ[name])
        role, database = Identifier(url.username or ""), Identifier(url.path[1:])
        with self._altered(SQL("ALTER ROLE {} IN DATABASE {}").format(role, database)):
            yield

    @contextmanager
    def by_database(self, name: str) -> Generator[None]:
        database = Identifier(urlsplit(os.environ[name]).path[1:])
        with self._altered(SQL("ALTER DATABASE {}").format(database)):
            yield

    @contextmanager
    def _altered(self, alter: Composed) -> Generator[None]:
        with psycopg.connect(self.admins_url, autocommit=True) as connection:
            for setting, value in ODD.items():
                connection.execute(
                    SQL("{} SET {} = {}").format(alter, Identifier(setting), Literal(value))
                )
            yield
            connection.execute(SQL("{} RESET ALL").format(alter))


def _options(settings: dict[str, str]) -> str:
    escaped = {name: value.replace(" ", "\\ ") for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


@pytest.fixture(params=["environment", "service", "address", "role", "database"])
def odd(
    request: pytest.FixtureRequest,
    pipeline: Pipeline,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Odd:
    pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY))
    # The owner of all databases may change the settings of a role or a database.
    oddly = Oddly(environment, tmp_path, pipeline.owners_url)
    return getattr(oddly, f"by_{request.param}")


def settings_of(connection: Connection) -> dict[str, str]:
    return {
        name: row["value"]
        for name in OURS
        for row in connection.execute("SELECT current_setting(%s, true) AS value", (name,))
        if row["value"] is not None
    }


def test_a_connection_has_its_own_settings(odd: Odd) -> None:
    with odd("WAREHOUSE_URL"):
        warehouse = Warehouse(WarehouseSettings.read().url, retry_seconds=0)
        with warehouse.session() as connection:
            alone = settings_of(connection)
            with connection.transaction():
                within = settings_of(connection)
    assert alone == OURS
    assert within == OURS


def test_names_are_stored_and_read_unchanged(pipeline: Pipeline, odd: Odd) -> None:
    with odd("WAREHOUSE_URL"):
        pipeline.load(MONDAY, TUESDAY)
        (city,) = pipeline.warehouse.run(
            lambda connection: connection.execute("SELECT city_name FROM mart.d_city").fetchall()
        )
    assert city == {"city_name": "Москва"}
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))


def test_names_of_the_old_database_are_read_unchanged(
    pipeline: Pipeline, make_database: MakeDatabase, environment: pytest.MonkeyPatch, odd: Odd
) -> None:
    old = OldPipeline(make_database("template1"), "doubled")
    old.load(order(MONDAY))
    environment.setenv("OLD_WAREHOUSE_URL", old.url)
    with odd("OLD_WAREHOUSE_URL"):
        database = OldDatabase(OldDatabaseSettings.read().url, retry_seconds=0)
        with database.session() as connection:
            assert settings_of(connection) == OURS | {"transaction_isolation": "repeatable read"}
        adopt(pipeline.warehouse, database)
        assert compare(pipeline.warehouse, database).differences == []
    pipeline.holds({MONDAY: increment(csv_file(order(MONDAY)))})


def test_a_migration_does_not_depend_on_settings(
    make_database: MakeDatabase, environment: pytest.MonkeyPatch, odd: Odd
) -> None:
    environment.setenv("WAREHOUSE_URL", make_database("template0"))
    with odd("WAREHOUSE_URL"):
        applied = migrate(Warehouse(WarehouseSettings.read().url, retry_seconds=0))
    assert applied == sorted(file.stem for file in MIGRATIONS.glob("*.sql"))


def test_a_backup_has_all_names_unchanged(
    pipeline: Pipeline,
    make_database: MakeDatabase,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    odd: Odd,
) -> None:
    pipeline.load(MONDAY, TUESDAY)
    environment.setenv("WAREHOUSE_URL", pipeline.owners_url)
    environment.setenv("PATH", f"{programs()}:{os.environ['PATH']}")
    with odd("WAREHOUSE_URL"):
        dump(WarehouseSettings.read().url, tmp_path / "saved")
    pipeline.owners_url = make_database("template0")
    environment.setenv("WAREHOUSE_URL", pipeline.owners_url)
    with odd("WAREHOUSE_URL"):
        restore(WarehouseSettings.read().url, tmp_path / "saved")
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))


def test_rows_stored_with_other_settings_are_found_and_replaced(
    pipeline: Pipeline, odd: Odd
) -> None:
    pipeline.load(MONDAY, TUESDAY)
    pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY, first_name="Анна"))
    pipeline.simulator.redeliver(TUESDAY)
    with odd("WAREHOUSE_URL"):
        pipeline.load(MONDAY, TUESDAY)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
