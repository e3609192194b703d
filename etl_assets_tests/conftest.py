"""The parts that tests run on: PostgreSQL, S3 and the report API, all real, started once.

Each test has a database of its own, a copy of a migrated one, and a source of its own: a simulator
whose caller has a name of its own, which keeps the addresses of two tests apart. The pipeline's
user may do what `etl_writer` may, and no more.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest
from hypothesis import settings
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.report_api import ReportApi
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import GivenFiles, Simulator
from etl_assets.operations.migrations import migrate
from etl_assets.sql import statement
from etl_assets_tests.support.files import MONDAY, REAL_FILES, RealFiles, csv_file
from etl_assets_tests.support.pipeline import Pipeline

PASSWORD = "a-users-password"

# A shell that runs the tests in the background has it ignored, which all that they start inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set in the processes of a run side by side, which have no terminal either.
os.environ.pop("COLUMNS", None)

# For --hypothesis-profile=soak; a failure says how to have it again.
settings.register_profile("soak", max_examples=3_000, deadline=None, print_blob=True)

_numbers = count(1)


def as_user(name: str, url: str) -> str:
    """Return the URL of a database, made by `make_database` for its owner, for another user."""
    parts = urlsplit(url)
    netloc = f"{name}:{PASSWORD}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc))


def psycopg2_url(url: str) -> str:
    """Return the URL of a database as Dagster wants it."""
    return url.replace("postgresql://", "postgresql+psycopg2://")


def create_users(connection: psycopg.Connection[Any]) -> None:
    """Create the roles, and for each a user that may do what it may and no more."""
    connection.execute(statement("operations/roles"))
    for role in ("etl_writer", "etl_reader"):
        connection.execute(
            SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                Identifier(f"only_{role}"), PASSWORD, Identifier(role)
            )
        )


class MakeDatabase(Protocol):
    """Makes a copy of a database and returns its owner's URL."""

    def __call__(self, template: str = ...) -> str: ...


class OpenPipeline(Protocol):
    """Starts a source with the files and returns the pipeline that reads it."""

    def __call__(
        self,
        files: GivenFiles | None = None,
        *,
        today: date | None = None,
        start_day: date | None = None,
    ) -> Pipeline: ...


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `--numprocesses=auto` is: a test waits for servers now and then."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServices]:
    with EmbeddedServices(
        tmp_path_factory.mktemp("services"), today=MONDAY, report_seconds=0
    ) as services:
        # No test that kills a server does it to this one: nothing need reach the disk.
        with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(SQL("ALTER SYSTEM SET {} = off").format(Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")
            create_users(connection)
        yield services
        services.delete()


@pytest.fixture(scope="session")
def in_the_background() -> Iterator[ThreadPoolExecutor]:
    """Does what no test need wait for, such as the fifth of a second in which a server stops."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def migrated(services: EmbeddedServices) -> str:
    """The name of a database with the schema, that nobody uses: to be copied."""
    services.postgres.create_database("migrated")
    migrate(Warehouse(SecretStr(services.postgres.url("migrated"))))
    return "migrated"


@pytest.fixture(scope="session")
def dagster_storage(services: EmbeddedServices, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with Dagster's tables, that nobody uses: to be copied."""
    name = "dagster_storage"
    services.postgres.create_database(name)
    url = psycopg2_url(services.postgres.url(name))
    folder = tmp_path_factory.mktemp("dagster")
    storage = {"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(folder), storage):
        return name


@pytest.fixture
def make_database(services: EmbeddedServices, migrated: str) -> Iterator[MakeDatabase]:
    """Makes a database, a copy of another, by default of the migrated one, and returns its URL."""
    made: list[str] = []
    with psycopg.connect(services.postgres.url("postgres"), autocommit=True) as connection:

        def make(template: str = migrated) -> str:
            name = f"test_{next(_numbers)}"
            connection.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
            )
            made.append(name)
            return services.postgres.url(name)

        yield make
        for name in made:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def environment(
    services: EmbeddedServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Sets every variable to the embedded parts, for a caller that no other test is."""
    # Not beside somebody's .env.
    monkeypatch.chdir(tmp_path)
    # The server has started lately, but not while a run lost its lock.
    monkeypatch.setattr("etl_assets.planning.attempts.GRACE_SECONDS", 0)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for name, value in services.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REPORT_API_NICKNAME", f"tester-{next(_numbers)}")
    monkeypatch.setenv("ETL_POLL_SECONDS", "0.02")
    monkeypatch.setenv("ETL_POLL_TIMEOUT_SECONDS", "10")
    return monkeypatch


@pytest.fixture
def open_pipeline(
    services: EmbeddedServices,
    make_database: MakeDatabase,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    in_the_background: ThreadPoolExecutor,
) -> Iterator[OpenPipeline]:
    with ExitStack() as stack:

        def open_it(
            files: GivenFiles | None = None,
            *,
            today: date | None = None,
            start_day: date | None = None,
        ) -> Pipeline:
            files = files or GivenFiles(csv_file(), (MONDAY, MONDAY))
            if today is None:
                days = {*files.increments, *(files.days or ())}
                today = max(days) + timedelta(days=1)
            simulator = Simulator(
                tmp_path / "source", services.object_store, files, today=today, report_seconds=0
            )
            simulator.start()
            stack.callback(in_the_background.submit, simulator.stop)
            first_day = start_day or files.report_days(today)[0]
            url = make_database()
            environment.setenv("WAREHOUSE_URL", as_user("only_etl_writer", url))
            environment.setenv("REPORT_API_URL", simulator.url)
            environment.setenv("REPORT_API_KEY", simulator.api_key)
            environment.setenv("ETL_START_DATE", str(first_day))
            environment.setenv("ETL_END_DATE", str(today - timedelta(days=1)))
            return Pipeline(files, simulator, url, stack)

        yield open_it


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults that pass are tried again for a moment, not for a minute."""
    monkeypatch.setattr("etl_assets.clients.retries.RETRY_SECONDS", 0.2)
    for client in (ObjectStore, ReportApi, Warehouse):
        defaults = client.__init__.__kwdefaults__
        assert defaults
        monkeypatch.setitem(defaults, "retry_seconds", 0.2)


@pytest.fixture(scope="session")
def real_files() -> RealFiles:
    if not REAL_FILES.is_dir():
        pytest.skip(f"the source's real files are not here: no folder {REAL_FILES}")
    return RealFiles.read()
