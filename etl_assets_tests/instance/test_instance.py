"""The project's dagster.yaml on a PostgreSQL: what Dagster makes of it."""

import inspect
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster_postgres import DagsterPostgresStorage
from psycopg import sql

from etl_assets.definitions import build_defs
from etl_assets.defs.jobs import ORDER_BACKFILL, ORDER_INCREMENT, ORDER_REPORT_JOB
from etl_assets.instance.storage import PooledPostgresStorage
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import MakeDatabase


@dg.job
def anything() -> None:
    @dg.op
    def write() -> None:
        sys.stdout.write("said")

    write()


def test_nothing_that_dagster_keeps_is_on_the_local_disk(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = anything.execute_in_process(instance=instance)
    assert instance.all_logs(run.run_id)
    assert [file.name for file in tmp_path.rglob("*")] == ["dagster.yaml"]


def end_connections() -> int:
    """End those that Dagster's database has, and return how many they were."""
    with psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            # Not the server's own, such as an autovacuum worker.
            " WHERE datname = %s AND backend_type = 'client backend'",
            (urlsplit(os.environ["DAGSTER_POSTGRES_URL"]).path[1:],),
        ).fetchone()
    assert ended
    return ended[0]


def test_a_restart_of_the_server_is_not_noticed_between_two_runs(
    instance: dg.DagsterInstance,
) -> None:
    anything.execute_in_process(instance=instance)
    # Those that stay open: of the runs and of the events.
    assert end_connections() == 2
    run = anything.execute_in_process(instance=instance)
    assert run.success
    assert instance.all_logs(run.run_id)


def test_times_are_right_whatever_zone_the_server_has(instance: dg.DagsterInstance) -> None:
    with psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True) as connection:
        database = sql.Identifier(urlsplit(os.environ["DAGSTER_POSTGRES_URL"]).path[1:])
        for zone in ("Europe/Moscow", "America/New_York"):
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET timezone = {}").format(database, sql.Literal(zone))
            )
            with dg.DagsterInstance.from_ref(instance.get_ref()) as another:
                run = another.create_run_for_job(anything)
                record = another.get_run_record_by_id(run.run_id)
                assert record
                assert abs(datetime.now(UTC) - record.create_timestamp) < timedelta(minutes=10)
                assert abs(datetime.now(UTC) - record.update_timestamp) < timedelta(minutes=10)


@pytest.mark.parametrize("where", ["environment", "database"])
def test_what_a_person_writes_on_a_run_is_kept_in_any_alphabet(
    instance: dg.DagsterInstance, environment: pytest.MonkeyPatch, where: str
) -> None:
    if where == "environment":
        environment.setenv("PGCLIENTENCODING", "LATIN1")
    else:
        with psycopg.connect(os.environ["WAREHOUSE_URL"], autocommit=True) as connection:
            database = sql.Identifier(urlsplit(os.environ["DAGSTER_POSTGRES_URL"]).path[1:])
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET client_encoding = 'LATIN1'").format(database)
            )
    tags = {"asked_by": "Ольга"}
    with dg.DagsterInstance.from_ref(instance.get_ref()) as another:
        run = another.create_run_for_job(anything, tags=tags)
    found = instance.get_runs(dg.RunsFilter(tags=tags))
    assert [each.run_id for each in found] == [run.run_id]


def test_an_instance_leaves_no_connections_behind(instance: dg.DagsterInstance) -> None:
    with dg.DagsterInstance.from_ref(instance.get_ref()) as another:
        anything.execute_in_process(instance=another)
    assert end_connections() == 0


@pytest.mark.parametrize(
    ("job", "reason", "again"),
    [
        (ORDER_BACKFILL, RunFailureReason.UNKNOWN, True),
        (ORDER_BACKFILL, RunFailureReason.STEP_FAILURE, False),
        (ORDER_INCREMENT, RunFailureReason.UNKNOWN, False),
        (ORDER_REPORT_JOB, RunFailureReason.UNKNOWN, False),
    ],
)
def test_what_is_killed_is_run_again_by_dagster_unless_the_planner_does(
    instance: dg.DagsterInstance, job: str, reason: RunFailureReason, *, again: bool
) -> None:
    tags = build_defs(PartitionSettings.read()).resolve_job_def(job).run_tags
    run = instance.create_run_for_job(anything, tags=tags)
    instance.report_run_failed(run, job_failure_data=JobFailureData(None, failure_reason=reason))
    failed = instance.get_run_by_id(run.run_id)
    assert failed
    assert auto_reexecution_should_retry_run(instance, failed, reason) == again


def test_the_storage_takes_every_setting_of_the_class_that_it_replaces() -> None:
    ours, theirs = (
        inspect.signature(storage.__init__).parameters
        for storage in (PooledPostgresStorage, DagsterPostgresStorage)
    )
    assert list(ours) == list(theirs)
    assert [each.default for each in ours.values()] == [each.default for each in theirs.values()]


def test_the_storage_makes_no_tables_where_dagster_yaml_says_so(
    make_database: MakeDatabase,
) -> None:
    url = make_database("template1").replace("postgresql://", "postgresql+psycopg2://")
    storage = PooledPostgresStorage.from_config_value(
        None,
        {"postgres_url": url, "should_autocreate_tables": False},  # pyright: ignore[reportArgumentType]  # Dagster's type lacks it
    )
    storage.run_storage.dispose()
    storage.event_log_storage.dispose()
    with psycopg.connect(url.replace("+psycopg2", "")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []
