"""The job `maintenance`: what it deletes of Dagster's storage, and what nobody would miss."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from etl_assets.definitions import build_defs
from etl_assets.defs.jobs import ORDER_INCREMENT
from etl_assets.defs.maintenance import PRUNED_TAG, Pruned, maintenance, prune, size
from etl_assets.defs.resources import WarehouseResource
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.planning.attempts import failed_days, failed_tries
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, THURSDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.other_location import fail_elsewhere
from etl_assets_tests.support.pipeline import Pipeline

KEEP = timedelta(days=30)


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline, instance: dg.DagsterInstance) -> Pipeline:
    """A report of Monday and Tuesday, and increments of Wednesday and Thursday."""
    increments = {day: csv_file(order(day)) for day in (WEDNESDAY, THURSDAY)}
    report = csv_file(order(MONDAY), order(TUESDAY))
    pipeline = open_pipeline(GivenFiles(report, (MONDAY, TUESDAY), increments))
    pipeline.instance = instance
    return pipeline


def age(pipeline: Pipeline) -> None:
    """Make all that has run so far a hundred days old."""
    storage = pipeline.instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        for table, column in (
            ("runs", "create_timestamp"),
            ("event_logs", "timestamp"),
            ("asset_check_executions", "create_timestamp"),
        ):
            older = f"UPDATE {table} SET {column} = {column} - interval '100 days'"
            connection.execute(sqlalchemy.text(older))
        days = 100 * 24 * 60 * 60
        times = f"start_time = start_time - {days}, end_time = end_time - {days}"
        connection.execute(sqlalchemy.text(f"UPDATE runs SET {times}"))


def prune_old(pipeline: Pipeline) -> Pruned:
    return prune(pipeline.instance, pipeline.warehouse, keep=KEEP)


def shown(pipeline: Pipeline) -> dict[str, Any]:
    """Return what the UI shows of assets and checks: each day's status and latest materialization,
    each check's latest result."""
    instance = pipeline.instance
    graph = build_defs(PartitionSettings.read()).resolve_asset_graph()
    shown: dict[str, Any] = {}
    for key in graph.get_all_asset_keys():
        partitions = graph.get(key).partitions_def
        days: Sequence[str] = partitions.get_partition_keys() if partitions else ()
        if partitions:
            statuses = instance.get_status_by_partition(key, days, partitions)
            shown[f"{key} status"] = statuses
        for day in days or [None]:
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(key, asset_partitions=[day] if day else None), limit=1
            ).records
            shown[f"{key} {day}"] = [record.event_log_entry for record in records]
    checks, storage = sorted(graph.asset_check_keys), instance.event_log_storage
    shown["days of checks"] = storage.get_asset_check_partition_info(checks)
    latest = storage.get_latest_asset_check_execution_by_key(checks)
    return shown | {str(key): (record.status, record.event) for key, record in latest.items()}


def runs(pipeline: Pipeline) -> set[str]:
    return {run.run_id for run in pipeline.instance.get_runs()}


def rows(pipeline: Pipeline) -> int:
    return sum(table["rows"] for table in size(pipeline.instance))


def test_old_runs_go_with_all_they_logged_once_their_days_were_loaded_again(
    pipeline: Pipeline,
) -> None:
    old = pipeline.run(MONDAY, TUESDAY)
    newer = pipeline.run(MONDAY, TUESDAY)
    age(pipeline)
    before = shown(pipeline)
    assert prune_old(pipeline).deleted_runs == 1
    assert old not in runs(pipeline)
    assert newer in runs(pipeline)
    assert pipeline.instance.all_logs(old) == []
    assert shown(pipeline) == before


def test_a_run_that_holds_the_latest_of_one_day_keeps_that_and_no_more(pipeline: Pipeline) -> None:
    old = pipeline.run(MONDAY, TUESDAY)
    pipeline.run(TUESDAY, job=ORDER_INCREMENT)
    age(pipeline)
    before, rows_before = shown(pipeline), rows(pipeline)
    logged = len(pipeline.instance.all_logs(old))
    assert prune_old(pipeline) == Pruned(deleted_runs=0, pruned_runs=2)
    assert shown(pipeline) == before
    assert rows(pipeline) < rows_before
    kept = [entry.dagster_event for entry in pipeline.instance.all_logs(old)]
    days = {event.partition for event in kept if event and event.is_step_materialization}
    assert days <= {str(MONDAY), None}
    assert len(kept) < logged / 3
    run = pipeline.instance.get_run_by_id(old)
    assert run
    assert (run.status, run.tags[PRUNED_TAG]) == (dg.DagsterRunStatus.SUCCESS, "true")


def test_what_another_code_location_has_left_is_left_alone(pipeline: Pipeline) -> None:
    elsewhere = fail_elsewhere(pipeline.instance)
    for _ in range(3):
        pipeline.instance.report_runless_asset_event(dg.AssetMaterialization("theirs"))
    age(pipeline)
    rows_before = rows(pipeline)
    assert prune_old(pipeline) == Pruned(0, 0)
    assert elsewhere in runs(pipeline)
    assert rows(pipeline) == rows_before


def test_what_is_not_old_enough_stays_as_it_is(pipeline: Pipeline) -> None:
    pipeline.run(MONDAY, TUESDAY)
    pipeline.run(MONDAY, TUESDAY)
    rows_before = rows(pipeline)
    assert prune_old(pipeline) == Pruned(0, 0)
    assert rows(pipeline) == rows_before


def test_a_run_that_ended_later_than_it_was_made_is_as_old_as_its_end(pipeline: Pipeline) -> None:
    run_id = pipeline.run(MONDAY, TUESDAY)
    waited = "UPDATE runs SET create_timestamp = create_timestamp - interval '100 days'"
    storage = pipeline.instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        connection.execute(sqlalchemy.text(waited))
    before = shown(pipeline)
    assert prune_old(pipeline) == Pruned(0, 0)
    assert run_id in runs(pipeline)
    assert shown(pipeline) == before


def test_a_second_time_finds_nothing_to_do(pipeline: Pipeline) -> None:
    pipeline.run(MONDAY, TUESDAY)
    pipeline.run(TUESDAY, job=ORDER_INCREMENT)
    age(pipeline)
    prune_old(pipeline)
    rows_before = rows(pipeline)
    assert prune_old(pipeline) == Pruned(0, 0)
    assert rows(pipeline) == rows_before


def test_a_failed_try_stays_as_long_as_the_planner_counts_it(pipeline: Pipeline) -> None:
    pipeline.run(MONDAY, TUESDAY)
    pipeline.files.increments[WEDNESDAY] = b"no header\r\n"
    failed = pipeline.fail(WEDNESDAY, job=ORDER_INCREMENT, planned=True).run_id
    age(pipeline)
    pipeline.query("UPDATE etl.attempt SET began_at = began_at - interval '100 days'")
    tried = "SELECT run_id FROM etl.attempt ORDER BY began_at"
    assert len(pipeline.query(tried)) == 3
    prune_old(pipeline)
    assert failed_tries(pipeline.warehouse, WEDNESDAY).tries == 1
    assert "header" in failed_days(pipeline.warehouse)[WEDNESDAY]
    assert pipeline.query(tried) == [(failed,)]
    # Loaded since, it is history.
    pipeline.files.increments[WEDNESDAY] = csv_file(order(WEDNESDAY))
    pipeline.simulator.redeliver(WEDNESDAY)
    loaded = pipeline.run(WEDNESDAY, job=ORDER_INCREMENT)
    prune_old(pipeline)
    assert failed not in runs(pipeline)
    assert pipeline.query(tried) == [(loaded,)]


def test_the_job_says_what_it_has_deleted(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_KEEP_RUNS_DAYS", "30")
    pipeline.run(MONDAY, TUESDAY)
    pipeline.run(MONDAY, TUESDAY)
    age(pipeline)
    result = maintenance.execute_in_process(
        instance=pipeline.instance, resources={"warehouse": WarehouseResource()}
    )
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert metadata["deleted_runs"].value == 1
    table = metadata["tables"]
    assert isinstance(table, dg.TableMetadataValue)
    tables = {record.data["table"]: record.data for record in table.records}
    assert tables["runs"]["rows_before"] == 3
    assert tables["runs"]["rows_after"] == 2
