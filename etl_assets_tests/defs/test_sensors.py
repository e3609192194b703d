"""The sensors and the schedule: what a tick asks Dagster to run, on a real instance and source."""

import socket
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG

from etl_assets.clients.object_store import bucket_and_key
from etl_assets.clients.transactions import loading
from etl_assets.definitions import build_defs
from etl_assets.defs.jobs import ORDER_INCREMENT, ORDER_REPORT_JOB
from etl_assets.defs.run_queue import planned_tags
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.planning import attempts
from etl_assets.settings import PartitionSettings
from etl_assets.source.raw_file import RawFile
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline, holding

NEXT, REDELIVERED = "next_increment", "redelivered_increments"


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Monday, loaded; the increments of Tuesday and Wednesday are there."""
    increments = {day: csv_file(order(day)) for day in (TUESDAY, WEDNESDAY)}
    files = GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY), increments)
    pipeline = open_pipeline(files)
    pipeline.run(MONDAY)
    return pipeline


def why_not(pipeline: Pipeline, sensor: str = NEXT) -> str:
    """Return why a tick asks for no run."""
    data = pipeline.tick(sensor)
    assert not data.run_requests
    return data.skip_message or ""


def launch(pipeline: Pipeline, sensor: str = NEXT) -> list[date]:
    """Run what a tick asks for, as the daemon would, and return the days."""
    requests = pipeline.tick(sensor).run_requests or []
    for request in requests:
        job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_INCREMENT)
        job.execute_in_process(
            instance=pipeline.instance,
            partition_key=request.partition_key,
            tags=request.tags,
            raise_on_error=False,
        )
    return [date.fromisoformat(request.partition_key or "") for request in requests]


def test_days_are_loaded_strictly_in_order_and_then_waited_for(pipeline: Pipeline) -> None:
    assert launch(pipeline) == [TUESDAY]
    assert launch(pipeline) == [WEDNESDAY]
    assert "all is loaded" in why_not(pipeline)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY, WEDNESDAY))


def test_the_schedule_asks_for_the_same_day_and_ends_killed_runs_too(pipeline: Pipeline) -> None:
    defs = build_defs(PartitionSettings.read())
    repository = defs.get_repository_def()
    # A schedule's context opens its instance by reference, which one in memory does not have.
    pipeline.instance = pipeline.open_for_the_test.enter_context(dg.DagsterInstance.local_temp())
    killed = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta(minutes=6))
    with dg.build_schedule_context(
        pipeline.instance, datetime.now(UTC), resources=dict(defs.resources or {})
    ) as context:
        request = repository.get_schedule_def("daily_increment")(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == str(TUESDAY)
    assert status(pipeline, killed) is dg.DagsterRunStatus.FAILURE


def test_a_day_that_is_not_there_yet_is_waited_for(pipeline: Pipeline) -> None:
    pipeline.files.increments.pop(TUESDAY)
    pipeline.query("UPDATE etl.report SET requested_at = now()")
    assert f"{TUESDAY}: its increment is not there yet" in why_not(pipeline)


def test_a_day_long_over_is_asked_of_a_new_report_once_a_day(pipeline: Pipeline) -> None:
    pipeline.files.increments.pop(TUESDAY)
    pipeline.query("UPDATE etl.report SET requested_at = now() - interval '25 hours'")
    (request,) = pipeline.tick(NEXT).run_requests or []
    assert request.job_name == ORDER_REPORT_JOB
    pipeline.run(job=ORDER_REPORT_JOB, ops=request.run_config["ops"])
    assert pipeline.query("SELECT count(*) FROM etl.report") == [(2,)]
    assert "not there yet" in why_not(pipeline)


def test_a_day_being_loaded_is_not_launched_again(pipeline: Pipeline) -> None:
    with loading(pipeline.warehouse, [TUESDAY]):
        assert why_not(pipeline) == f"{TUESDAY} is being loaded"
    assert launch(pipeline) == [TUESDAY]


@pytest.mark.parametrize(
    "tags",
    [
        {PARTITION_NAME_TAG: str(TUESDAY)},
        {
            "dagster/asset_partition_range_start": str(MONDAY),
            "dagster/asset_partition_range_end": str(WEDNESDAY),
        },
    ],
)
def test_a_day_whose_run_is_about_to_start_is_not_launched_again(
    pipeline: Pipeline, tags: dict[str, str]
) -> None:
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_INCREMENT)
    pipeline.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING, tags=tags)
    assert why_not(pipeline) == f"{TUESDAY} is being loaded"


def started(
    pipeline: Pipeline,
    job: str | dg.JobDefinition,
    day: date | None,
    ago: timedelta,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Let there be a run that has started and has said nothing since; return its id."""
    if isinstance(job, str):
        job = build_defs(PartitionSettings.read()).resolve_job_def(job)
    of_day = {PARTITION_NAME_TAG: str(day)} if day else {}
    run = pipeline.instance.create_run_for_job(job, tags={**of_day, **(tags or {})})
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job.name)
    at = (datetime.now(UTC) - ago).timestamp()
    pipeline.instance.handle_new_event(
        dg.EventLogEntry(None, "info", "", run.run_id, at, job_name=job.name, dagster_event=event)
    )
    return run.run_id


def status(pipeline: Pipeline, run_id: str) -> dg.DagsterRunStatus:
    run = pipeline.instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_a_started_run_that_has_not_come_to_its_first_step_is_not_doubled(
    pipeline: Pipeline,
) -> None:
    run_id = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta(minutes=3))
    assert why_not(pipeline) == f"{TUESDAY} is being loaded"
    assert status(pipeline, run_id) is dg.DagsterRunStatus.STARTED


def test_a_killed_run_that_stays_started_is_ended_and_stops_nothing(pipeline: Pipeline) -> None:
    before = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta(minutes=6))
    in_a_step = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta())
    attempts.begin(pipeline.warehouse, [TUESDAY], in_a_step)
    assert launch(pipeline) == [TUESDAY]
    # As started they would keep their place in the queue's limits, and no run would start.
    for run_id in (before, in_a_step):
        assert status(pipeline, run_id) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("job", [ORDER_INCREMENT, ORDER_REPORT_JOB])
def test_a_started_run_that_holds_its_lock_lives(pipeline: Pipeline, job: str) -> None:
    days = [TUESDAY] if job == ORDER_INCREMENT else []
    run_id = started(pipeline, job, TUESDAY if days else None, timedelta(hours=1))
    with loading(pipeline.warehouse, days, run_id=run_id):
        attempts.begin(pipeline.warehouse, days, run_id)
        pipeline.queue().end_killed_runs()
        assert status(pipeline, run_id) is dg.DagsterRunStatus.STARTED
        assert (TUESDAY in pipeline.queue().days_under_way()) is bool(days)
    # The lock of another run of the day is no sign of life.
    with loading(pipeline.warehouse, [TUESDAY], run_id="another"):
        pipeline.queue().end_killed_runs()
    assert status(pipeline, run_id) is dg.DagsterRunStatus.FAILURE


def test_no_run_counts_as_killed_just_after_the_server_has_started(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    run_id = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta(hours=1))
    attempts.begin(pipeline.warehouse, [TUESDAY], run_id)
    environment.setattr("etl_assets.planning.attempts.GRACE_SECONDS", 1_000_000_000)
    assert why_not(pipeline) == f"{TUESDAY} is being loaded"
    assert status(pipeline, run_id) is dg.DagsterRunStatus.STARTED


def test_the_runs_of_other_code_locations_are_left_alone(pipeline: Pipeline) -> None:
    @dg.job
    def theirs() -> None: ...

    just_now = started(pipeline, theirs, TUESDAY, timedelta())
    killed = started(pipeline, theirs, TUESDAY, timedelta(hours=1))
    assert launch(pipeline) == [TUESDAY]
    assert status(pipeline, just_now) is dg.DagsterRunStatus.STARTED
    assert status(pipeline, killed) is dg.DagsterRunStatus.STARTED


def test_a_wiped_dagster_storage_doubles_nothing(pipeline: Pipeline) -> None:
    launch(pipeline)
    pipeline.instance.wipe()
    assert launch(pipeline) == [WEDNESDAY]
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,), (WEDNESDAY,)]


def test_three_failures_with_growing_pauses_end_in_a_clear_stop(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    pipeline.files.increments[TUESDAY] = b"no such header\n"
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    assert launch(pipeline) == [TUESDAY]
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "300")
    assert "is tried again at" in why_not(pipeline)
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    assert launch(pipeline) == [TUESDAY]
    assert launch(pipeline) == [TUESDAY]
    stopped = why_not(pipeline)
    assert "has failed 3 times" in stopped
    assert f"etl-assets backfill --from {TUESDAY} --to {TUESDAY}" in stopped


def test_a_run_that_somebody_terminates_does_not_come_back_at_once(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    run_id = started(pipeline, ORDER_INCREMENT, TUESDAY, timedelta(), planned_tags(TUESDAY))
    run = pipeline.instance.get_run_by_id(run_id)
    assert run
    pipeline.instance.report_run_canceled(run)
    assert f"the run of {TUESDAY} was terminated, and is tried again at" in why_not(pipeline)
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    assert launch(pipeline) == [TUESDAY]


def test_a_failed_reload_of_a_loaded_day_stops_nothing(pipeline: Pipeline) -> None:
    pipeline.simulator.redeliver_report(b"no such header\n")
    pipeline.fail(MONDAY)
    assert launch(pipeline) == [TUESDAY]


def test_the_api_being_down_is_said_and_not_waited_for(pipeline: Pipeline) -> None:
    pipeline.simulator.faults.add(Fault("/get_increment", status=502, body="<html>", times=None))
    began = datetime.now(UTC)
    assert "answered 502" in why_not(pipeline)
    assert datetime.now(UTC) - began < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, "{}", "refused access (401)"),
        (403, "{}", "refused access (403)"),
        (200, "<html>Sign in</html>", "is invalid (json_invalid)"),
    ],
)
def test_a_source_that_refuses_is_said_with_what_to_do(
    pipeline: Pipeline, status: int, body: str, says: str
) -> None:
    pipeline.simulator.faults.add(Fault("/get_increment", status=status, body=body))
    reason = why_not(pipeline)
    assert says in reason
    assert "What to do: " in reason
    assert launch(pipeline) == [TUESDAY]


def test_a_file_that_is_missing_is_said_with_what_to_do(
    pipeline: Pipeline, services: EmbeddedServices
) -> None:
    found = pipeline.source.find_next(TUESDAY)
    assert isinstance(found, RawFile)
    bucket, key = bucket_and_key(found.stored.uri)
    services.object_store.client().delete_object(Bucket=bucket, Key=key)
    reason = why_not(pipeline)
    assert f"{TUESDAY}: the increment's file is not in the object store" in reason
    assert "What to do: have the source put the file there" in reason
    pipeline.simulator.redeliver(TUESDAY)
    assert launch(pipeline) == [TUESDAY]


@pytest.mark.parametrize("sensor", [NEXT, REDELIVERED])
@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("REPORT_API_KEY", None, "REPORT_API_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "access refused"),
        ("WAREHOUSE_URL", "postgresql://nobody:wrong@{host}/warehouse", "can't be opened"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_said_with_what_to_do(
    pipeline: Pipeline,
    environment: pytest.MonkeyPatch,
    *,
    sensor: str,
    variable: str,
    value: str | None,
    says: str,
) -> None:
    launch(pipeline)
    pipeline.simulator.redeliver(TUESDAY, csv_file(order(TUESDAY)))
    if value is None:
        environment.delenv(variable)
    else:
        host = urlsplit(pipeline.owners_url).netloc.rpartition("@")[2]
        environment.setenv(variable, value.format(host=host))
    reason = why_not(pipeline, sensor)
    assert says in reason
    assert "What to do: " in reason
    assert "wrong" not in reason


def test_a_tick_ends_in_time_however_slow_the_source_is(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr("etl_assets.defs.sensors._TICK_SECONDS", 0.5)
    pipeline.simulator.faults.add(Fault("/get_increment", delay=3))
    assert "took over 0.5 s to answer" in why_not(pipeline)


@pytest.mark.parametrize("sensor", [NEXT, REDELIVERED])
def test_a_store_or_a_warehouse_that_hangs_is_said_and_not_waited_for(
    pipeline: Pipeline, environment: pytest.MonkeyPatch, sensor: str
) -> None:
    environment.setattr("etl_assets.defs.sensors._ANSWER_SECONDS", 0.5)
    # It takes connections, and never answers.
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with environment.context() as patched:
            patched.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
            assert "the object store could not be reached" in why_not(pipeline, sensor)
        environment.setenv("WAREHOUSE_URL", f"postgresql://user@127.0.0.1:{port}/warehouse")
        assert "The warehouse could not be reached" in why_not(pipeline, sensor)


@pytest.mark.parametrize("sensor", [NEXT, REDELIVERED])
def test_a_table_that_somebody_has_locked_is_said_and_not_waited_for(
    pipeline: Pipeline, environment: pytest.MonkeyPatch, sensor: str
) -> None:
    environment.setattr("etl_assets.defs.sensors._ANSWER_SECONDS", 0.1)
    with psycopg.connect(pipeline.owners_url) as connection:
        connection.execute("LOCK TABLE etl.load IN ACCESS EXCLUSIVE MODE")
        assert "due to statement timeout" in why_not(pipeline, sensor)


def test_a_replaced_day_that_is_no_longer_wanted_is_left_as_it_is(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    launch(pipeline)
    pipeline.simulator.redeliver(TUESDAY, csv_file(order(TUESDAY, "new")))
    environment.setenv("ETL_START_DATE", str(WEDNESDAY))
    assert why_not(pipeline, REDELIVERED) == (
        f"{TUESDAY} was replaced and is not from {WEDNESDAY} to {WEDNESDAY}"
    )


def test_a_redelivered_day_is_loaded_again_once(pipeline: Pipeline) -> None:
    launch(pipeline)
    assert why_not(pipeline, REDELIVERED) == "no loaded object was replaced"
    again = csv_file(order(TUESDAY, payment_amount=250), order(TUESDAY, "b"))
    pipeline.files.increments[TUESDAY] = again
    pipeline.simulator.redeliver(TUESDAY, again)
    assert launch(pipeline, REDELIVERED) == [TUESDAY]
    assert why_not(pipeline, REDELIVERED) == "no loaded object was replaced"
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,), (TUESDAY,)]
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))


def test_a_redelivery_that_is_broken_leaves_the_day_and_stops_after_three_tries(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    launch(pipeline)
    pipeline.simulator.redeliver(TUESDAY, b"no such header\n")
    for _ in range(3):
        assert launch(pipeline, REDELIVERED) == [TUESDAY]
    stopped = why_not(pipeline, REDELIVERED)
    assert f"the new delivery of {TUESDAY} has failed 3 times" in stopped
    assert f"etl-assets backfill --from {TUESDAY} --to {TUESDAY}" in stopped
    assert launch(pipeline) == [WEDNESDAY]
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY, WEDNESDAY))
    # Another version is another chance.
    pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY, "mended"))
    pipeline.simulator.redeliver(TUESDAY, pipeline.files.increments[TUESDAY])
    assert launch(pipeline, REDELIVERED) == [TUESDAY]
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY, WEDNESDAY))
