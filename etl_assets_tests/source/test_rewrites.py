"""A day is taken from the newest report on request, by that run and those that do it again."""

from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import PARTITION_NAME_TAG

from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import STAGING, mart_key
from etl_assets.defs.jobs import ORDER_BACKFILL
from etl_assets.errors import ObjectChanged
from etl_assets.mart.tables import TABLES
from etl_assets.settings import PartitionSettings
from etl_assets.source.catalog import Choice
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.source.conftest import report_on
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY
from etl_assets_tests.support.pipeline import Pipeline


def test_only_on_request_is_it_taken_from_the_newest_report(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY)
    newest = report_on(pipeline, TUESDAY)
    pipeline.run(TUESDAY, ops={"raw__user_order_log": {"config": {"report": "latest"}}})

    # A report has no refunds.
    first_day = TUESDAY - timedelta(days=22)
    expected = {TUESDAY: Delivery(pipeline.files.orders, first_day, TUESDAY)}
    pipeline.holds(expected)
    assert pipeline.loads("report_id, increment_id")[1] == (newest, None)
    # And there it stays.
    report_on(pipeline, WEDNESDAY)
    pipeline.load(TUESDAY)
    assert pipeline.loads("report_id, increment_id")[2] == (newest, None)


@pytest.fixture
def rewritten(pipeline: Pipeline) -> dict[date, Delivery]:
    """Tuesday is loaded, and there is a newer report: what Tuesday is, taken from that."""
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY)
    report_on(pipeline, TUESDAY)
    return {TUESDAY: Delivery(pipeline.files.orders, TUESDAY - timedelta(days=22), TUESDAY)}


def test_a_run_that_looked_before_another_took_the_day_from_elsewhere_does_not_revert_that(
    pipeline: Pipeline, rewritten: dict[date, Delivery]
) -> None:
    pipeline.locate(TUESDAY)
    pipeline.load(TUESDAY, choice=Choice.latest)
    with pytest.raises(ObjectChanged, match=r"or taken it from elsewhere.*Run the days again"):
        pipeline.stage_located(TUESDAY)
    pipeline.load(TUESDAY)
    pipeline.holds(rewritten)


def test_a_run_that_looks_while_another_takes_the_day_from_elsewhere_does_not_revert_that(
    pipeline: Pipeline, rewritten: dict[date, Delivery]
) -> None:
    pipeline.locate(TUESDAY, choice=Choice.latest, run_id="taking")
    pipeline.locate(TUESDAY)
    pipeline.stage_located(TUESDAY, run_id="taking")
    with pytest.raises(ObjectChanged, match=r"or taken it from elsewhere"):
        pipeline.stage_located(TUESDAY)
    # It is not in the mart yet, and is where the day is kept all the same.
    pipeline.load(TUESDAY)
    pipeline.holds(rewritten)


def test_a_run_that_is_done_again_takes_the_day_from_where_it_was_told_to(
    pipeline: Pipeline, rewritten: dict[date, Delivery]
) -> None:
    pipeline.locate(TUESDAY, choice=Choice.latest, run_id="first")
    pipeline.stage_located(TUESDAY, run_id="again", done_again=["first"])
    pipeline.make_mart(TUESDAY)
    pipeline.holds(rewritten)


@pytest.mark.parametrize("again", ["second", "third"])
def test_a_run_that_is_done_again_takes_the_day_from_where_it_was_told_to_last(
    pipeline: Pipeline, rewritten: dict[date, Delivery], again: str
) -> None:
    # The run that was done again had found another object: where the day is kept.
    pipeline.query(
        "INSERT INTO etl.rewrite (partition_day, run_id, uri, etag, size, report_id, increment_id)"
        " SELECT partition_day, 'first', uri, etag, size, report_id, increment_id FROM etl.raw_file"
        " WHERE partition_day = %s",
        TUESDAY,
    )
    pipeline.locate(TUESDAY, choice=Choice.latest, run_id="second")
    done_again = ["first"] if again == "second" else ["second", "first"]
    pipeline.stage_located(TUESDAY, run_id=again, done_again=done_again)
    pipeline.make_mart(TUESDAY)
    pipeline.holds(rewritten)


def test_a_run_knows_all_the_runs_that_it_does_again(
    pipeline: Pipeline, rewritten: dict[date, Delivery]
) -> None:
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_BACKFILL)
    runs: list[dg.DagsterRun] = []
    for _ in range(4):
        run = pipeline.instance.create_run_for_job(
            job,
            tags={PARTITION_NAME_TAG: str(TUESDAY)},
            asset_selection=frozenset({STAGING, *map(mart_key, TABLES)}),
            parent_run_id=runs[-1].run_id if runs else None,
            root_run_id=runs[0].run_id if runs else None,
        )
        runs.append(run)
    # Neither the first one nor the one before: the one that came as far as that.
    pipeline.locate(TUESDAY, choice=Choice.latest, run_id=runs[1].run_id)
    assert execute_run(InMemoryJob(job), runs[3], pipeline.instance).success
    pipeline.holds(rewritten)
