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
    message = etl("migrate", code=2).stderr
    assert "has the encoding SQL_ASCII" in message
    assert "Traceback" not in message


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
    check, message = complaint
    environment.setenv(variable, value)
    found = wrong(etl)
    assert list(found) == [check]
    assert message in found[check]


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
    message = wrong(etl)["warehouse"]
    assert message.startswith("This user lacks rights in the warehouse that loading needs: ")
    assert "USAGE on schema etl; USAGE on schema staging. Make it a member of etl_writer" in message


@pytest.mark.usefixtures("pipeline")
def test_a_folder_without_dagster_yaml_is_refused_and_left_as_it_is(
    etl: Etl, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "documents"
    home.mkdir()
    environment.setenv("DAGSTER_HOME", str(home))
    message = "DAGSTER_HOME is malformed: the folder has no dagster.yaml. Copy "
    assert message in wrong(etl)["Dagster"]
    assert message in etl("backfill", code=2).stderr
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("pipeline")
def test_storage_of_dagster_that_cannot_be_used(
    etl: Etl, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("DAGSTER_HOME", str(tmp_path))
    for content, message in [
        ("storage: [", "dagster.yaml"),
        ("storage: {nonsense: 1}", 'unexpected config entry "nonsense"'),
        ("storage: {postgres: {postgres_url: {env: NOT_SET}}}", '"NOT_SET" which is not set'),
    ]:
        (tmp_path / "dagster.yaml").write_text(content)
        assert message in wrong(etl)["Dagster"]
