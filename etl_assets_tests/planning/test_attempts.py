"""What a run records of its try to load a day, however it ends."""

from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from etl_assets.clients.transactions import loading
from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import RAW
from etl_assets.defs.jobs import ORDER_INCREMENT
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.mart.load import load_mart
from etl_assets.planning import attempts
from etl_assets.planning.planner import Blocked, Load, Wait
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.pipeline import Pipeline

BROKEN = b"no such header\n"


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Monday, loaded; the increments of Tuesday and Wednesday are there."""
    increments = {day: csv_file(order(day)) for day in (TUESDAY, WEDNESDAY)}
    pipeline = open_pipeline(GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY), increments))
    pipeline.run(MONDAY)
    return pipeline


def tries(pipeline: Pipeline, day: date = TUESDAY, columns: str = "outcome") -> list[Any]:
    """Return a column, or several, of the tries of a day, the newest last."""
    rows = pipeline.query(
        f"SELECT {columns} FROM etl.attempt WHERE partition_day = %s ORDER BY began_at", day
    )
    return [row[0] if len(row) == 1 else row for row in rows]


def test_a_run_is_one_try_of_each_of_its_days(pipeline: Pipeline) -> None:
    run_id = pipeline.run(TUESDAY, WEDNESDAY)
    for day in (TUESDAY, WEDNESDAY):
        etag = pipeline.query("SELECT etag FROM etl.latest_load WHERE partition_day = %s", day)
        of_day = tries(pipeline, day, "run_id, outcome, etag, error, ended_at >= began_at")
        assert of_day == [(run_id, "loaded", etag[0][0], None, True)]


def test_a_planned_run_of_a_day_that_is_loaded_leaves_it_unchanged(pipeline: Pipeline) -> None:
    for _ in range(2):
        pipeline.run(TUESDAY, job=ORDER_INCREMENT, planned=True)
    assert tries(pipeline) == ["loaded", "unchanged"]


def test_a_file_that_is_refused_is_recorded_with_its_version_and_why(pipeline: Pipeline) -> None:
    pipeline.files.increments[TUESDAY] = BROKEN
    pipeline.fail(TUESDAY)
    ((outcome, etag, error),) = tries(pipeline, columns="outcome, etag, error")
    found = pipeline.query("SELECT etag FROM etl.raw_file WHERE partition_day = %s", TUESDAY)
    assert (outcome, etag) == ("refused", found[0][0])
    assert "the header lacks date_time" in error


def test_what_fails_before_the_object_is_known_has_no_version(pipeline: Pipeline) -> None:
    pipeline.simulator.faults.add(Fault("/get_increment", status=403, body="{}"))
    pipeline.fail(TUESDAY)
    assert tries(pipeline, columns="outcome, etag") == [("failed", None)]


def test_an_error_that_is_not_ours_is_recorded_without_its_words(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("the password is SECRET")

    monkeypatch.setattr("etl_assets.defs.assets.raw.locate", fails)
    pipeline.fail(TUESDAY)
    ((outcome, error),) = tries(pipeline, columns="outcome, error")
    assert outcome == "failed"
    assert "ValueError" in error
    assert "SECRET" not in error


def test_a_run_that_fails_after_its_load_is_no_failed_try(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError

    monkeypatch.setattr("etl_assets.defs.assets.mart._describe", fails)
    pipeline.fail(TUESDAY)
    assert tries(pipeline) == ["loaded"]
    assert attempts.failed_days(pipeline.warehouse) == {}


def test_a_transaction_that_is_done_again_leaves_the_try_loaded(pipeline: Pipeline) -> None:
    pipeline.stage(TUESDAY)
    attempts.begin(pipeline.warehouse, [TUESDAY], "a-run")
    for _ in range(2):
        load_mart(pipeline.warehouse, [TUESDAY], run_id="a-run", only_unloaded=True)
    assert tries(pipeline) == ["loaded"]


def test_a_run_without_the_mart_leaves_a_try_only_where_it_fails(pipeline: Pipeline) -> None:
    pipeline.run(TUESDAY, assets=[RAW])
    assert tries(pipeline) == []
    pipeline.simulator.faults.add(Fault("/get_increment", status=403, body="{}"))
    pipeline.fail(TUESDAY, assets=[RAW])
    assert tries(pipeline) == ["failed"]


def test_a_run_that_is_interrupted_or_killed_leaves_its_try_open(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("etl_assets.defs.assets.raw.locate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.runner.run(ORDER_INCREMENT, [TUESDAY], planned=True)
    assert tries(pipeline) == [None]
    assert attempts.failed_tries(pipeline.warehouse, TUESDAY).tries == 0
    (row,) = attempts.attempts_of(pipeline.warehouse, TUESDAY)
    assert (row["outcome"], row["is_running"]) == (None, False)
    with loading(pipeline.warehouse, [], run_id=row["run_id"]):
        (row,) = attempts.attempts_of(pipeline.warehouse, TUESDAY)
        assert row["is_running"]


def test_a_run_that_somebody_terminates_is_a_failed_try(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminated(*_: object, run_id: str, **__: object) -> None:
        run = pipeline.instance.get_run_by_id(run_id)
        assert run
        pipeline.instance.report_run_canceling(run)
        raise KeyboardInterrupt

    monkeypatch.setattr("etl_assets.defs.assets.raw.locate", terminated)
    pipeline.fail(TUESDAY, job=ORDER_INCREMENT, planned=True)
    assert tries(pipeline, columns="outcome, error") == [("failed", "A person terminated the run")]
    assert isinstance(pipeline.planner().next(), Wait)


def test_a_run_shows_itself_from_its_first_step_until_it_has_ended(pipeline: Pipeline) -> None:
    seen: list[bool] = []

    def look(_: str) -> None:
        (run,) = pipeline.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        life = attempts.lives_of(pipeline.warehouse, [run.run_id])[run.run_id]
        seen.append(life.is_alive)

    run_id = pipeline.run(TUESDAY, on_step=look)
    # The first is told of before it begins.
    assert seen == [False, True, True, True, True]
    life = attempts.lives_of(pipeline.warehouse, [run_id])[run_id]
    assert (life.is_alive, life.is_open) == (False, False)


def test_a_text_that_postgresql_cannot_store_is_recorded_as_far_as_it_can(
    pipeline: Pipeline,
) -> None:
    attempts.begin(pipeline.warehouse, [TUESDAY], "a-run")
    attempts.fail(pipeline.warehouse, "a-run", "a\0b\udcff" + "x" * 10_000)
    (error,) = tries(pipeline, columns="error")
    assert error.startswith("ab?xx")
    assert len(error) == 2_000


def test_three_failed_tries_of_a_version_block_and_a_mended_file_begins_anew(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    pipeline.simulator.redeliver(TUESDAY, BROKEN)
    for _ in range(3):
        assert pipeline.planner().next() == Load(TUESDAY)
        pipeline.fail(TUESDAY, job=ORDER_INCREMENT, planned=True)
    assert isinstance(pipeline.planner().next(), Blocked)
    pipeline.simulator.redeliver(TUESDAY, csv_file(order(TUESDAY)))
    assert pipeline.planner().next() == Load(TUESDAY)
    monkeypatch.delenv("ETL_RETRY_PAUSE_SECONDS")
    assert pipeline.planner().next() == Load(TUESDAY)


def test_what_fails_before_the_object_is_known_pauses_and_never_blocks(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        pipeline.simulator.faults.add(Fault("/get_increment", status=403, body="{}"))
        pipeline.fail(TUESDAY, job=ORDER_INCREMENT, planned=True)
    assert isinstance(pipeline.planner().next(), Wait)
    monkeypatch.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    assert pipeline.planner().next() == Load(TUESDAY)


def test_a_try_that_could_not_be_recorded_is_none(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    warehouse = pipeline.warehouse
    with environment.context() as patched:
        patched.setenv("WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/warehouse")
        patched.setattr("etl_assets.clients.retries.RETRY_SECONDS", 0.1)
        defaults = type(warehouse).__init__.__kwdefaults__
        assert defaults
        patched.setitem(defaults, "retry_seconds", 0.1)
        outcome = pipeline.fail(TUESDAY)
    assert "could not be reached" in (outcome.error or "")
    assert attempts.failed_tries(warehouse, TUESDAY).tries == 0


def test_what_somebody_executes_again_loads_although_it_was_planned(pipeline: Pipeline) -> None:
    first = pipeline.run(TUESDAY, job=ORDER_INCREMENT, planned=True)
    parent = pipeline.instance.get_run_by_id(first)
    assert parent
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_INCREMENT)
    again = pipeline.instance.create_run_for_job(
        job, tags=dict(parent.tags), parent_run_id=first, root_run_id=first
    )
    assert execute_run(InMemoryJob(job), again, pipeline.instance).success
    assert tries(pipeline) == ["loaded", "loaded"]
