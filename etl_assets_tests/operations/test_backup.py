"""`etl-assets backup` and `restore`: what was saved is there on an empty server, and goes on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg
import pytest

from etl_assets.embedded.postgres import EmbeddedPostgres, programs
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.package_files import package_file
from etl_assets_tests.conftest import MakeDatabase
from etl_assets_tests.properties.oracle import TABLE_COLUMNS
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import FRIDAY, MONDAY, THURSDAY, TUESDAY, WEDNESDAY
from etl_assets_tests.support.pipeline import Pipeline, holding

# Ends the connection that makes an index, as a restore does once the tables have their rows.
_CUT_OFF = """
CREATE FUNCTION cut_off() RETURNS event_trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END $$;
CREATE EVENT TRIGGER cut_off ON ddl_command_end WHEN TAG IN ('CREATE INDEX')
EXECUTE FUNCTION cut_off();
"""


def dagster_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://")


@pytest.fixture
def owner(
    services: EmbeddedServices, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Makes the warehouse's owner the user, and sets what a test changes in the environment."""
    database = urlsplit(os.environ["WAREHOUSE_URL"]).path.removeprefix("/")
    environment.setenv("WAREHOUSE_URL", services.postgres.url(database))
    # PostgreSQL's client programs of the server's version; the machine's own may be older.
    environment.setenv("PATH", f"{programs()}:{os.environ['PATH']}")
    assert pipeline.loads() == []
    return environment


@pytest.fixture
def dagster_home(owner: pytest.MonkeyPatch, make_database: MakeDatabase, tmp_path: Path) -> Path:
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(package_file("deploy/dagster.yaml"), home)
    owner.setenv("DAGSTER_HOME", str(home))
    owner.setenv("DAGSTER_POSTGRES_URL", dagster_url(make_database("template0")))
    return home


@pytest.fixture
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Another server, with two databases that nothing was ever in, and none of our roles."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("empty")) as server:
        for name in ("warehouse", "dagster"):
            server.create_database(name)
        yield server
        server.delete()


@pytest.mark.usefixtures("dagster_home")
def test_what_is_restored_into_an_empty_server_is_what_was_saved_and_goes_on(
    etl: Etl,
    pipeline: Pipeline,
    empty_server: EmbeddedPostgres,
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    etl("backfill")
    etl("increment", "--until", THURSDAY)
    with dg.DagsterInstance.get() as instance:
        runs = {run.run_id: run.status for run in instance.get_runs()}
    tables = {name: pipeline.table(name) for name in TABLE_COLUMNS}
    etl("backup", tmp_path / "saved")
    assert sorted(file.name for file in (tmp_path / "saved").iterdir()) == [
        "dagster.dump",
        "warehouse.dump",
    ]
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "saved").iterdir()} == {0o600}

    pipeline.owners_url = empty_server.url("warehouse")
    environment.setenv("WAREHOUSE_URL", pipeline.owners_url)
    environment.setenv("DAGSTER_POSTGRES_URL", dagster_url(empty_server.url("dagster")))
    etl("restore", tmp_path / "saved")
    assert {name: pipeline.table(name) for name in TABLE_COLUMNS} == tables
    with dg.DagsterInstance.get() as instance:
        assert {run.run_id: run.status for run in instance.get_runs()} == runs
    etl("increment")
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY))


@pytest.mark.usefixtures("dagster_home")
def test_where_one_of_the_databases_is_not_empty_the_other_stays_empty(
    etl: Etl, make_database: MakeDatabase, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with dg.DagsterInstance.get():
        etl("backup", tmp_path / "saved")
    empty = make_database("template0")
    environment.setenv("WAREHOUSE_URL", empty)
    failed = etl("restore", tmp_path / "saved", code=1).output
    assert "The database for dagster.dump is not empty" in failed
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regnamespace('etl')").fetchone() == (None,)


def test_a_restore_that_is_cut_off_half_way_leaves_nothing(
    etl: Etl, owner: pytest.MonkeyPatch, make_database: MakeDatabase, tmp_path: Path
) -> None:
    etl("backup", tmp_path / "saved")
    half_way = make_database("template0")
    owner.setenv("WAREHOUSE_URL", half_way)
    with psycopg.connect(half_way, autocommit=True) as connection:
        connection.execute(_CUT_OFF)
        failed = etl("restore", tmp_path / "saved", code=1).output
        assert "pg_restore of warehouse.dump failed" in failed
        assert connection.execute("SELECT to_regnamespace('etl')").fetchone() == (None,)


@pytest.mark.usefixtures("owner")
def test_a_database_that_is_not_empty_is_left_as_it_is(
    etl: Etl, pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.load(MONDAY)
    etl("backup", tmp_path / "saved")
    before = pipeline.loads("*")
    assert "is not empty" in etl("restore", tmp_path / "saved", code=1).output
    assert pipeline.loads("*") == before


def test_a_backup_that_fails_leaves_no_half_a_file_and_says_no_password(
    etl: Etl, owner: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = os.environ["WAREHOUSE_URL"]
    owner.setenv("WAREHOUSE_URL", f"{url}_that_is_not_there")
    failed = etl("backup", tmp_path / "saved", code=1).output
    assert "does not exist" in failed
    assert url.split(":")[2].split("@")[0] not in failed
    assert [*(tmp_path / "saved").iterdir()] == []
    owner.setenv("PATH", str(tmp_path))
    assert "not installed" in etl("backup", tmp_path / "saved", code=1).output
    assert "There is no" in etl("restore", tmp_path / "saved", code=1).output


def test_a_wrong_password_is_refused_and_not_said(
    etl: Etl, owner: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    etl("backup", tmp_path / "saved")
    parts = urlsplit(os.environ["WAREHOUSE_URL"])
    netloc = f"{parts.username}:a-wrong-one@{parts.hostname}:{parts.port}"
    owner.setenv("WAREHOUSE_URL", urlunsplit(parts._replace(netloc=netloc)))
    for command, message in {
        "backup": "pg_dump of warehouse.dump failed",
        "restore": "The database for warehouse.dump can't be opened",
    }.items():
        failed = etl(command, tmp_path / "saved", code=1).output
        assert message in failed
        assert "password authentication failed" in failed
        assert "a-wrong-one" not in failed
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["warehouse.dump"]
