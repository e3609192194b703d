"""`etl-assets migrate` and `etl-assets doctor`."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from etl_assets_tests.conftest import as_user
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.pipeline import Pipeline

CHECKS = ("settings", "warehouse", "object store", "report API", "Dagster")
NOWHERE = "http://127.0.0.1:1"


def wrong(etl: Etl) -> dict[str, str]:
    """Return what the doctor finds wrong, by check; each check has its line."""
    lines = etl("doctor", code=1).stdout.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert tuple(found) == CHECKS
    assert len(lines) == len(CHECKS)
    assert "hush" not in str(lines)
    return {check: text for check, text in found.items() if text != "ok"}


def test_migrate_brings_the_schema_up_to_date_once(
    etl: Etl, environment: pytest.MonkeyPatch, make_database: Callable[[str], str]
) -> None:
    environment.setenv("WAREHOUSE_URL", make_database("template1"))
    assert etl("migrate").stdout.startswith("Applied 0001_etl, ")
    assert etl("migrate").stdout == "The schema is up to date\n"


def test_a_database_that_cannot_hold_every_name(
    etl: Etl, environment: pytest.MonkeyPatch, make_database: Callable[[str], str]
) -> None:
    url = make_database("template1")
    name = f"{urlsplit(url).path.lstrip('/')}_ascii"
    with psycopg.connect(url, autocommit=True) as connection:
        create = "CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'"
        connection.execute(sql.SQL(create).format(sql.Identifier(name)))
    environment.setenv("WAREHOUSE_URL", urlsplit(url)._replace(path=f"/{name}").geturl())
    said = etl("migrate", code=2).stderr
    assert "has the encoding SQL_ASCII" in said
    assert "Traceback" not in said


def test_all_is_well(etl: Etl, pipeline: Pipeline) -> None:
    assert etl("doctor").stdout.splitlines() == [f"{check}: ok" for check in CHECKS]
    assert pipeline.loads() == []


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("ETL_START_DATE", "soon", ("settings", "ETL_START_DATE is malformed")),
        ("ETL_MAX_REJECTED_SHARE", "2", ("settings", "ETL_MAX_REJECTED_SHARE is malformed")),
        ("ETL_ALARM_WEBHOOK_URL", "hush", ("settings", "ETL_ALARM_WEBHOOK_URL is malformed")),
        ("ETL_KEEP_RUNS_DAYS", "10", ("settings", "ETL_KEEP_RUNS_DAYS is malformed")),
        (
            "WAREHOUSE_URL",
            "postgresql://e:hush@127.0.0.1:1/x",
            ("warehouse", "could not be reached"),
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            "hush",
            ("object store", "Check AWS_ACCESS_KEY_ID and AWS_SECRET"),
        ),
        ("AWS_ENDPOINT_URL_S3", NOWHERE, ("object store", "could not be reached")),
        ("REPORT_API_KEY", "hush", ("report API", "Check REPORT_API_KEY")),
        ("REPORT_API_URL", NOWHERE, ("report API", "could not be reached")),
        ("DAGSTER_HOME", "/nowhere", ("Dagster", "DAGSTER_HOME is malformed")),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(
    etl: Etl,
    environment: pytest.MonkeyPatch,
    variable: str,
    value: str,
    complaint: tuple[str, str],
) -> None:
    check, says = complaint
    environment.setenv(variable, value)
    found = wrong(etl)
    assert list(found) == [check]
    assert says in found[check]


@pytest.mark.usefixtures("pipeline")
def test_a_wrong_password_and_a_missing_schema(
    etl: Etl,
    environment: pytest.MonkeyPatch,
    make_database: Callable[[str], str],
) -> None:
    url = make_database("template1")
    environment.setenv("WAREHOUSE_URL", url)
    assert wrong(etl)["warehouse"].endswith("Run: etl-assets migrate")
    environment.setenv("WAREHOUSE_URL", url.replace(urlsplit(url).password or "", "hush"))
    assert "password authentication failed" in wrong(etl)["warehouse"]


def test_a_user_that_lacks_rights(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("WAREHOUSE_URL", as_user("only_etl_reader", pipeline.owners_url))
    said = wrong(etl)["warehouse"]
    assert said.startswith("This user lacks rights in the warehouse that loading needs: ")
    assert "USAGE on schema etl; USAGE on schema staging. Make it a member of etl_writer" in said


@pytest.mark.usefixtures("pipeline")
def test_a_folder_without_dagster_yaml_is_refused_and_left_as_it_is(
    etl: Etl, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "documents"
    home.mkdir()
    environment.setenv("DAGSTER_HOME", str(home))
    says = "DAGSTER_HOME is malformed: the folder has no dagster.yaml. Copy "
    assert says in wrong(etl)["Dagster"]
    assert says in etl("backfill", code=2).stderr
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("pipeline")
def test_storage_of_dagster_that_cannot_be_used(
    etl: Etl, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("DAGSTER_HOME", str(tmp_path))
    for content, says in [
        ("storage: [", "dagster.yaml"),
        ("storage: {nonsense: 1}", 'unexpected config entry "nonsense"'),
        ("storage: {postgres: {postgres_url: {env: NOT_SET}}}", '"NOT_SET" which is not set'),
    ]:
        (tmp_path / "dagster.yaml").write_text(content)
        assert says in wrong(etl)["Dagster"]


def test_a_database_that_can_only_be_read(
    etl: Etl, environment: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    name = sql.Identifier(urlsplit(pipeline.owners_url).path[1:])
    with psycopg.connect(pipeline.owners_url, autocommit=True) as owner:
        alter = sql.SQL("ALTER ROLE only_etl_writer IN DATABASE {}").format(name)
        owner.execute(sql.SQL("{} SET default_transaction_read_only = on").format(alter))
        said = wrong(etl)["warehouse"]
        owner.execute(sql.SQL("{} RESET ALL").format(alter))
    assert "is read-only: default_transaction_read_only is on. Turn it off" in said
    environment.setenv("PGOPTIONS", "-cdefault_transaction_read_only=on")
    assert wrong(etl)["warehouse"] == said


def test_settings_of_the_user_that_do_no_harm(etl: Etl, pipeline: Pipeline) -> None:
    name = sql.Identifier(urlsplit(pipeline.owners_url).path[1:])
    with psycopg.connect(pipeline.owners_url, autocommit=True) as owner:
        for setting, value in (
            ("transaction_timeout", "1s"),
            ("statement_timeout", "1s"),
            ("search_path", "nowhere"),
            ("client_encoding", "LATIN1"),
        ):
            owner.execute(
                sql.SQL("ALTER ROLE only_etl_writer IN DATABASE {} SET {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
        assert "warehouse: ok" in etl("doctor").stdout.splitlines()
        owner.execute(sql.SQL("ALTER ROLE only_etl_writer IN DATABASE {} RESET ALL").format(name))
