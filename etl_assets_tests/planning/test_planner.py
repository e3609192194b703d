"""What the planner says is next, in every situation that it knows."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import PARTITION_NAME_TAG, WILL_RETRY_TAG

from etl_assets.clients.object_store import bucket_and_key
from etl_assets.clients.transactions import loading
from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import STAGING
from etl_assets.defs.jobs import ORDER_BACKFILL, ORDER_INCREMENT, ORDER_REPORT_JOB
from etl_assets.defs.run_queue import report_tags
from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.planning.expected import expected_days
from etl_assets.planning.planner import AskForReport, Blocked, Load, Planner, Unavailable, Wait
from etl_assets.settings import PartitionSettings
from etl_assets.source.raw_file import RawFile
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, THURSDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline, calls

SUNDAY_BEFORE = MONDAY - timedelta(days=1)
WEEK = (SUNDAY_BEFORE, MONDAY, TUESDAY, WEDNESDAY)


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Sunday and Monday, asked for; then increments."""
    body = csv_file(order(SUNDAY_BEFORE), order(MONDAY))
    increments = {day: csv_file(order(day)) for day in (TUESDAY, WEDNESDAY)}
    pipeline = open_pipeline(GivenFiles(body, (SUNDAY_BEFORE, MONDAY), increments))
    pipeline.source.ensure_report(new=False, on_wait=lambda _: None)
    return pipeline


def fail(pipeline: Pipeline, day: date, times: int = 1) -> None:
    """Let planned runs of the day fail, each for a file that is refused."""
    pipeline.simulator.redeliver(day, b"")
    for _ in range(times):
        pipeline.fail(day, job=ORDER_INCREMENT, planned=True)


def under_way(
    pipeline: Pipeline,
    job: str,
    status: dg.DagsterRunStatus,
    tags: dict[str, str] | None = None,
) -> None:
    """Let there be a run of a job."""
    definition = build_defs(PartitionSettings.read()).resolve_job_def(job)
    pipeline.instance.create_run_for_job(definition, status=status, tags=tags)


@contextmanager
def report_asked_for(pipeline: Pipeline, hours_ago: float) -> Generator[Planner]:
    interval = timedelta(hours=hours_ago)
    pipeline.query("UPDATE etl.report SET requested_at = %s", datetime.now(UTC) - interval)
    yield pipeline.planner()


# --- In order -------------------------------------------------------------------------------------


def test_days_come_in_order_out_of_the_report_and_then_as_increments(pipeline: Pipeline) -> None:
    for day in WEEK:
        assert pipeline.planner().next() == Load(day)
        pipeline.load(day)
    decision = pipeline.planner().next()
    assert isinstance(decision, Wait)
    assert str(SUNDAY_BEFORE) in decision.why
    assert str(WEDNESDAY) in decision.why


def test_the_first_day_that_is_not_done_is_next_even_if_later_ones_are(pipeline: Pipeline) -> None:
    pipeline.load(TUESDAY)
    pipeline.load(SUNDAY_BEFORE)
    assert pipeline.planner().next() == Load(MONDAY)


def test_days_after_a_limit_are_left_alone(pipeline: Pipeline) -> None:
    assert pipeline.planner().next(until=SUNDAY_BEFORE) == Load(SUNDAY_BEFORE)
    pipeline.load(SUNDAY_BEFORE)
    assert isinstance(pipeline.planner().next(until=SUNDAY_BEFORE), Wait)
    assert isinstance(pipeline.planner().next(until=SUNDAY_BEFORE - timedelta(days=9)), Wait)


def test_a_day_is_done_when_the_warehouse_says_so_and_by_nothing_else(pipeline: Pipeline) -> None:
    # Staged is not loaded, and a failed reload leaves a loaded day loaded.
    pipeline.stage(SUNDAY_BEFORE)
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.load(TUESDAY)
    fail(pipeline, TUESDAY)
    assert pipeline.planner().next() == Load(WEDNESDAY)
    pipeline.query("DELETE FROM etl.load WHERE partition_day = %s", MONDAY)
    assert pipeline.planner().next() == Load(MONDAY)


# --- Which days are expected ----------------------------------------------------------------------


def test_days_before_the_oldest_report_are_not_expected(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_START_DATE", "2020-01-01")
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)
    expected = expected_days([TUESDAY, MONDAY], PartitionSettings.read())
    assert expected == [MONDAY, TUESDAY, WEDNESDAY]


def test_days_of_the_report_before_the_start_date_are_left_out(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_START_DATE", str(TUESDAY))
    assert pipeline.planner().next() == Load(TUESDAY)


def test_days_end_with_yesterday_in_the_sources_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_START_DATE", "2024-01-01")
    monkeypatch.delenv("ETL_END_DATE", raising=False)
    yesterday: list[date] = []
    for zone, offset in (("Pacific/Kiritimati", 14), ("Etc/GMT+12", -12)):
        monkeypatch.setenv("ETL_TIMEZONE", zone)
        now = datetime.now(UTC) + timedelta(hours=offset)
        yesterday.append(now.date() - timedelta(days=1))
        assert PartitionSettings.read().last_day() == yesterday[-1]
    assert yesterday[0] > yesterday[1]
    monkeypatch.setenv("ETL_END_DATE", "2024-03-01")
    assert PartitionSettings.read().last_day() == date(2024, 3, 1)


def test_without_a_report_somebody_has_to_run_the_backfill(open_pipeline: OpenPipeline) -> None:
    decision = open_pipeline().planner().next()
    assert decision == Blocked("no report was asked for yet", "etl-assets backfill")


# --- Days that are not there ----------------------------------------------------------------------


def test_a_day_that_is_not_there_yet_is_waited_for(pipeline: Pipeline) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.today = TUESDAY
    with report_asked_for(pipeline, hours_ago=1) as planner:
        decision = planner.next()
    assert decision == Wait(f"{TUESDAY}: its increment is not there yet")
    pipeline.simulator.today = WEDNESDAY
    assert pipeline.planner().next() == Load(TUESDAY)


def test_a_day_that_should_be_there_needs_a_fresh_report_once_in_24_hours(
    pipeline: Pipeline,
) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.today = TUESDAY
    with report_asked_for(pipeline, hours_ago=23.9) as planner:
        assert isinstance(planner.next(), Wait)
    with report_asked_for(pipeline, hours_ago=24.1) as planner:
        assert isinstance(planner.next(), AskForReport)
    # Neither a failed try nor one that is not ready yet is followed by another.
    pipeline.simulator.faults.add(Fault("/get_report", status=403, times=2))
    pipeline.fail(job=ORDER_REPORT_JOB, ops={"order_report": {"config": {"new_report": True}}})
    assert isinstance(pipeline.planner().next(), Wait)
    # Once it is ready, though nobody waits for it any more, it is taken.
    assert len(pipeline.source.reports()) == 1
    assert isinstance(pipeline.planner().next(), Wait)
    assert len(pipeline.source.reports()) == 2


def test_a_fresh_report_that_some_run_waits_for_is_left_to_it(pipeline: Pipeline) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.today = TUESDAY
    pipeline.warehouse.execute(
        "source/record_task", {"task_id": pipeline.report_api.generate_report()}
    )
    under_way(pipeline, ORDER_REPORT_JOB, dg.DagsterRunStatus.STARTED)
    pipeline.simulator.calls.clear()
    assert isinstance(pipeline.planner().next(), Wait)
    assert calls(pipeline, "/get_report") == 0


def test_a_report_that_cannot_even_be_asked_for_is_tried_three_times(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.today = TUESDAY
    pipeline.query("UPDATE etl.report SET requested_at = now() - interval '25 hours'")
    pipeline.simulator.faults.add(Fault("/generate_report", status=403, times=None))
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_REPORT_JOB)
    config = {"ops": {"order_report": {"config": {"new_report": True}}}}
    held: list[Wait | Blocked] = []
    for _ in range(3):
        monkeypatch.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
        decision = pipeline.planner().next()
        assert isinstance(decision, AskForReport)
        job.execute_in_process(
            config,
            instance=pipeline.instance,
            tags=report_tags(decision.day),
            raise_on_error=False,
        )
        monkeypatch.delenv("ETL_RETRY_PAUSE_SECONDS")
        decision = pipeline.planner().next()
        assert isinstance(decision, Wait | Blocked)
        assert decision.why.startswith(f"the new report for {TUESDAY} has failed ")
        held.append(decision)
    *waits, blocked = held
    assert all(isinstance(decision, Wait) for decision in waits)
    assert isinstance(blocked, Blocked)
    assert f"--new-report --from {TUESDAY} --to {TUESDAY}" in blocked.remedy


def test_a_fresh_report_that_is_being_asked_for_is_waited_for(pipeline: Pipeline) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.today = TUESDAY
    under_way(pipeline, ORDER_REPORT_JOB, dg.DagsterRunStatus.STARTED)
    with report_asked_for(pipeline, hours_ago=25) as planner:
        assert isinstance(planner.next(), Wait)


def test_a_day_that_the_source_no_longer_has_needs_somebody(pipeline: Pipeline) -> None:
    # The report of another time: between it and the next one a day is in neither.
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.files.days = (WEDNESDAY, WEDNESDAY)
    pipeline.source.ensure_report(new=True, on_wait=lambda _: None)
    body = pipeline.files.increments.pop(TUESDAY)
    decision = pipeline.planner().next()
    assert isinstance(decision, Blocked)
    assert decision.why == (
        f"the source no longer has {TUESDAY}: it is between two reports, and its increment is not "
        "there"
    )
    assert f"set ETL_START_DATE to {WEDNESDAY}. " in decision.remedy
    pipeline.files.increments[TUESDAY] = body
    assert pipeline.planner().next() == Load(TUESDAY)


def take_away(pipeline: Pipeline, services: EmbeddedServices, day: date) -> Callable[[], None]:
    """Delete the file that holds a day; return what puts it back."""
    found = pipeline.source.find_next(day)
    assert isinstance(found, RawFile)
    bucket, key = bucket_and_key(found.stored.uri)
    client = services.object_store.client()
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    client.delete_object(Bucket=bucket, Key=key)
    return lambda: client.put_object(Bucket=bucket, Key=key, Body=body)


@pytest.mark.parametrize(
    ("loaded", "staged", "day", "why", "remedy"),
    [
        ([], [], SUNDAY_BEFORE, "the report's file is not in the object store", "--new-report"),
        ([SUNDAY_BEFORE, MONDAY], [], TUESDAY, "the increment's file is not in", "--new-report"),
        (
            [SUNDAY_BEFORE, MONDAY],
            [TUESDAY],
            TUESDAY,
            "the object that was loaded is gone",
            "--report latest",
        ),
    ],
    ids=["of the report", "of an increment", "of a day that is staged"],
)
def test_a_file_that_is_missing_blocks_until_it_is_there(
    pipeline: Pipeline,
    services: EmbeddedServices,
    *,
    loaded: list[date],
    staged: list[date],
    day: date,
    why: str,
    remedy: str,
) -> None:
    for each in loaded:
        pipeline.load(each)
    for each in staged:
        pipeline.stage(each)
    put_back = take_away(pipeline, services, day)
    decision = pipeline.planner().next()
    assert isinstance(decision, Blocked)
    assert decision.why.startswith(f"{day}: {why}")
    assert "s3://" in decision.why
    assert decision.remedy.startswith("have the source put ")
    assert f"--from {day} --to {day}" in decision.remedy
    assert remedy in decision.remedy
    put_back()
    assert pipeline.planner().next() == Load(day)


# --- The source or the warehouse does not answer --------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, "{}", "the report API refused access (401). Check REPORT_API_KEY"),
        (403, "{}", "the report API refused access (403). Check REPORT_API_KEY"),
        (404, "{}", "the report API answered 404"),
        (200, "<html>Sign in</html>", "is invalid (json_invalid)"),
    ],
)
def test_a_source_that_refuses_for_good_blocks_until_it_does_no_more(
    pipeline: Pipeline, status: int, body: str, says: str
) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.faults.add(Fault("/get_increment", status=status, body=body))
    decision = pipeline.planner().next()
    assert isinstance(decision, Blocked)
    assert says in decision.why
    assert "etl-assets doctor" in decision.remedy
    assert pipeline.planner().next() == Load(TUESDAY)


def test_an_api_that_is_down_is_unavailable(pipeline: Pipeline) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.stop()
    decision = pipeline.planner().next()
    assert isinstance(decision, Unavailable)
    assert "GET http://127.0.0.1" in decision.error
    assert "Check REPORT_API_URL, the network" in decision.error


def test_a_loaded_report_needs_no_api(pipeline: Pipeline) -> None:
    pipeline.simulator.stop()
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)


def test_the_source_is_asked_about_one_day_only(pipeline: Pipeline) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    pipeline.simulator.calls.clear()
    assert pipeline.planner().next() == Load(TUESDAY)
    assert (calls(pipeline, "/get_increment"), len(pipeline.simulator.calls)) == (1, 1)


# --- Runs that are under way, and runs that have failed -------------------------------------------


def test_a_day_that_a_session_shows_as_being_loaded_is_waited_for(pipeline: Pipeline) -> None:
    with loading(pipeline.warehouse, [SUNDAY_BEFORE, MONDAY]):
        assert pipeline.planner().next() == Wait(f"{SUNDAY_BEFORE} is being loaded")
        pipeline.load(SUNDAY_BEFORE)
        assert pipeline.planner().next() == Wait(f"{MONDAY} is being loaded")
    assert pipeline.planner().next() == Load(MONDAY)


def test_a_day_being_loaded_in_another_database_is_none_of_ours(
    pipeline: Pipeline, open_pipeline: OpenPipeline
) -> None:
    planner = pipeline.planner()
    other = open_pipeline(pipeline.files)
    with loading(other.warehouse, [SUNDAY_BEFORE]):
        assert planner.next() == Load(SUNDAY_BEFORE)


def test_a_day_whose_run_is_about_to_start_is_waited_for(pipeline: Pipeline) -> None:
    tags = {PARTITION_NAME_TAG: str(SUNDAY_BEFORE)}
    under_way(pipeline, ORDER_INCREMENT, dg.DagsterRunStatus.NOT_STARTED, tags)
    assert pipeline.planner().next() == Wait(f"{SUNDAY_BEFORE} is being loaded")


def test_a_run_that_is_interrupted_is_no_failed_try(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("etl_assets.defs.assets.raw.locate", interrupted)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            pipeline.runner.run(ORDER_INCREMENT, [SUNDAY_BEFORE], planned=True)
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)


def test_the_days_of_a_backfill_that_is_yet_to_be_launched_are_waited_for(
    pipeline: Pipeline,
) -> None:
    graph = build_defs(PartitionSettings.read()).resolve_asset_graph()
    backfill = PartitionBackfill.from_asset_partitions(
        "a backfill",
        graph,
        partition_names=[str(MONDAY), str(TUESDAY)],
        asset_selection=[STAGING],
        backfill_timestamp=datetime.now(UTC).timestamp(),
        tags={},
        dynamic_partitions_store=pipeline.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    pipeline.instance.add_backfill(backfill)
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)
    pipeline.load(SUNDAY_BEFORE)
    assert pipeline.planner().next() == Wait(f"{MONDAY} is being loaded")
    pipeline.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert pipeline.planner().next() == Load(MONDAY)


def test_a_killed_backfill_that_dagster_runs_again_is_waited_for(pipeline: Pipeline) -> None:
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_BACKFILL)
    location = RegisteredCodeLocationOrigin("etl_assets")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), ORDER_BACKFILL)
    tags = {PARTITION_NAME_TAG: str(SUNDAY_BEFORE), WILL_RETRY_TAG: "true"}
    run = pipeline.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.FAILURE, tags=tags, remote_job_origin=origin
    )
    assert pipeline.planner().next() == Wait(f"{SUNDAY_BEFORE} is being loaded")
    pipeline.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "false"})
    assert pipeline.planner().next() == Load(SUNDAY_BEFORE)


def test_failed_tries_are_followed_by_growing_pauses_and_three_block(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    fail(pipeline, TUESDAY)
    for tries in (1, 2):
        decision = pipeline.planner().next()
        assert isinstance(decision, Wait)
        assert decision.why.startswith(f"{TUESDAY} has failed and is tried again at ")
        monkeypatch.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
        assert pipeline.planner().next() == Load(TUESDAY), tries
        monkeypatch.delenv("ETL_RETRY_PAUSE_SECONDS")
        fail(pipeline, TUESDAY)
    decision = pipeline.planner().next()
    assert isinstance(decision, Blocked)
    assert decision.why == f"{TUESDAY} has failed 3 times"
    assert f"etl-assets backfill --from {TUESDAY} --to {TUESDAY}" in decision.remedy
    # A person who has looked does not wait.
    assert pipeline.planner(pauses=False).next() == Load(TUESDAY)
    # Once loaded, by whomever, it is no matter any more.
    pipeline.simulator.redeliver(TUESDAY, csv_file(order(TUESDAY)))
    pipeline.load(TUESDAY)
    assert pipeline.planner().next() == Load(WEDNESDAY)


def test_the_days_of_a_report_that_comes_later_and_reaches_further_back_are_next(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_START_DATE", "2024-01-01")
    pipeline.load(SUNDAY_BEFORE, MONDAY)
    earlier = SUNDAY_BEFORE - timedelta(days=2)
    pipeline.files.days = (earlier, THURSDAY)
    pipeline.source.ensure_report(new=True, on_wait=lambda _: None)
    assert pipeline.planner().next() == Load(earlier)
