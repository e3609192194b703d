"""What only a process of its own shows: Ctrl-C, SIGTERM, pipes, and Dagster's instance."""

import math
import signal
from datetime import date
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG

from etl_assets.clients.transactions import MIGRATION_LOCK, WRITER_LOCK, writing
from etl_assets_tests.support.command_line import Etl, interrupt, program, read_until_line
from etl_assets_tests.support.files import MONDAY, THURSDAY, TUESDAY, WEDNESDAY
from etl_assets_tests.support.pipeline import Pipeline, calls
from etl_assets_tests.support.processes import wait_until


@pytest.fixture
def dagster_home(tmp_path: Path, environment: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nnux: {enabled: false}\n"
        "run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}\n"
    )
    environment.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.mark.usefixtures("dagster_home")
@pytest.mark.parametrize(
    ("command", "lock"), [("backfill", WRITER_LOCK), ("migrate", MIGRATION_LOCK)]
)
def test_a_command_says_whom_it_waits_for(
    pipeline: Pipeline, command: str, lock: tuple[int, int]
) -> None:
    with psycopg.connect(pipeline.owners_url, application_name="an old psql") as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", lock)
        with program(command) as process:
            read_until_line(process, "The warehouse: waiting for 5 s so far")
            interrupt(process)


@pytest.mark.usefixtures("dagster_home")
def test_ctrl_c_in_the_middle_of_a_load_leaves_nothing_half_loaded(
    etl: Etl, pipeline: Pipeline
) -> None:
    waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with (
        pipeline.warehouse.session() as connection,
        writing(connection),
        program("backfill") as backfill,
    ):
        # It has read and copied the files, and waits for its turn.
        wait_until(lambda: pipeline.query(waiting))
        errors = interrupt(backfill)
    assert errors.splitlines()[-1].startswith("Interrupted. ")
    assert pipeline.staged() == []
    assert pipeline.loads() == []
    with dg.DagsterInstance.get() as instance:
        interrupted = instance.get_runs()[0]
        assert interrupted.status is dg.DagsterRunStatus.FAILURE
        # A daemon does not launch it again: the person who interrupted it decides.
        assert interrupted.tags[WILL_RETRY_TAG] == "false"
    etl("backfill")
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,), (WEDNESDAY,)]


def test_sigterm_winds_up_as_ctrl_c_does(etl: Etl, pipeline: Pipeline) -> None:
    pipeline.simulator.report_seconds = math.inf
    with program("backfill") as backfill:
        wait_until(lambda: calls(pipeline, "/get_report"))
        assert "Interrupted. " in interrupt(backfill, by=signal.SIGTERM)
    # The task was recorded before it was polled: the next run goes on with it.
    pipeline.simulator.report_seconds = 0
    etl("backfill")
    assert len(pipeline.query("SELECT task_id FROM etl.report")) == 1


@pytest.mark.usefixtures("loaded")
def test_output_that_nobody_reads_ends_it_quietly() -> None:
    with program("status") as status:
        assert status.stdout
        assert status.stdout.readline() == "Reports\n"
        status.stdout.close()
        assert status.stderr
        assert status.stderr.read() == ""


@pytest.mark.usefixtures("dagster_home", "pipeline")
def test_runs_show_in_dagsters_instance_with_what_they_did_of_each_day(etl: Etl) -> None:
    etl("backfill", "--from", MONDAY, "--to", TUESDAY)
    etl("increment", "--until", WEDNESDAY)
    with dg.DagsterInstance.get() as instance:
        increment, backfill, report = instance.get_runs()
        assert {run.status for run in (increment, backfill, report)} == {
            dg.DagsterRunStatus.SUCCESS
        }
        # Dagster's UI shows those runs in its timeline that come from a location that it knows.
        origins = [run.remote_job_origin for run in (increment, backfill, report)]
        assert {origin and origin.repository_origin.get_label() for origin in origins} == {
            "__repository__@etl_assets"
        }
        assert report.job_name == "order_report_job"
        assert backfill.job_name == "order_backfill"
        assert backfill.tags["dagster/asset_partition_range_start"] == str(MONDAY)
        assert backfill.tags["dagster/asset_partition_range_end"] == str(TUESDAY)
        assert increment.job_name == "order_increment"
        assert increment.tags["dagster/partition"] == str(WEDNESDAY)
        staging = dg.AssetKey(["staging", "user_order_log"])
        records = instance.fetch_materializations(staging, limit=10).records
        rows = {
            record.partition_key: materialization.metadata["rows_read"].value
            for record in records
            if (materialization := record.asset_materialization)
        }
        assert rows == {str(day): 1 for day in (MONDAY, TUESDAY, WEDNESDAY)}


@pytest.mark.usefixtures("dagster_home")
def test_a_new_instance_is_told_nothing_and_still_knows_what_is_loaded(
    etl: Etl, pipeline: Pipeline
) -> None:
    pipeline.load(MONDAY, TUESDAY, WEDNESDAY, THURSDAY)
    etl("increment")
    loaded = [day for (day,) in pipeline.loads()]
    assert loaded[4:] == [date(2024, 3, 1)]
