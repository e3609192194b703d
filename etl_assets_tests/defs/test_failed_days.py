"""The standing check: what it lists, and that the sensor keeps it up to date."""

import dagster as dg
import pytest

from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import NO_FAILED_DAYS
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.planning.failed_days import find_failed_days
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.other_location import fail_elsewhere
from etl_assets_tests.support.pipeline import Pipeline

BROKEN = b"no such header\n"


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A report of Monday, loaded; the increments of Tuesday and Wednesday are there."""
    increments = {day: csv_file(order(day)) for day in (TUESDAY, WEDNESDAY)}
    pipeline = open_pipeline(GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY), increments))
    pipeline.run(MONDAY)
    return pipeline


def failed(pipeline: Pipeline) -> dict[str, tuple[str, bool]]:
    """Return the failed days: what is wrong, and whether the mart holds something of them."""
    days = find_failed_days(pipeline.warehouse, PartitionSettings.read())
    return {str(day.day): (day.why, day.loaded_at is not None) for day in days}


def test_a_day_that_failed_is_listed_until_it_is_loaded(pipeline: Pipeline) -> None:
    assert failed(pipeline) == {}
    pipeline.files.increments[TUESDAY] = BROKEN
    pipeline.fail(TUESDAY)
    ((day, (why, is_loaded)),) = failed(pipeline).items()
    assert (day, is_loaded) == (str(TUESDAY), False)
    assert "the header lacks date_time" in why
    pipeline.simulator.redeliver(TUESDAY, csv_file(order(TUESDAY)))
    pipeline.run(TUESDAY)
    assert failed(pipeline) == {}


def test_what_fails_in_another_code_location_is_none_of_them(pipeline: Pipeline) -> None:
    fail_elsewhere(pipeline.instance)
    assert failed(pipeline) == {}


def test_a_range_that_failed_lists_all_its_days(pipeline: Pipeline) -> None:
    pipeline.files.increments[WEDNESDAY] = BROKEN
    pipeline.fail(TUESDAY, WEDNESDAY)
    assert list(failed(pipeline)) == [str(TUESDAY), str(WEDNESDAY)]


def test_a_loaded_day_whose_reload_failed_is_listed_with_what_it_holds(pipeline: Pipeline) -> None:
    pipeline.simulator.redeliver_report(BROKEN)
    pipeline.fail(MONDAY)
    assert failed(pipeline)[str(MONDAY)][1] is True
    # Loaded by whoever keeps no runs where we look: the command line without DAGSTER_HOME.
    pipeline.simulator.redeliver_report(csv_file(order(MONDAY)))
    pipeline.load(MONDAY)
    assert failed(pipeline) == {}


def test_a_gap_is_listed_without_any_run_of_it(pipeline: Pipeline) -> None:
    pipeline.run(WEDNESDAY)
    pipeline.instance.wipe()
    assert failed(pipeline) == {str(TUESDAY): ("it was never loaded, and later days were", False)}


def test_the_sensor_records_the_check_whenever_its_outcome_is_another(pipeline: Pipeline) -> None:
    def tick(cursor: str | None) -> tuple[dg.AssetCheckEvaluation, str | None]:
        data = pipeline.tick("failed_days", cursor)
        (event,) = data.asset_events
        assert isinstance(event, dg.AssetCheckEvaluation)
        return event, data.cursor

    good, cursor = tick(None)
    assert good.passed
    assert not pipeline.tick("failed_days", cursor).asset_events

    pipeline.files.increments[TUESDAY] = BROKEN
    pipeline.fail(TUESDAY)
    bad, cursor = tick(cursor)
    assert not bad.passed
    repairs = bad.metadata["repair"]
    assert isinstance(repairs, dg.TableMetadataValue)
    (record,) = repairs.records
    assert record.data["repair"] == f"etl-assets backfill --from {TUESDAY} --to {TUESDAY}"
    assert record.data["what the mart holds"] == "nothing"
    assert not pipeline.tick("failed_days", cursor).asset_events


def test_no_job_makes_the_check_but_it_can_be_asked_for(pipeline: Pipeline) -> None:
    assert NO_FAILED_DAYS.name not in pipeline.checks(pipeline.run(MONDAY))
    job = dg.define_asset_job("asked_for", dg.AssetSelection.checks(NO_FAILED_DAYS))
    defs = dg.Definitions.merge(build_defs(PartitionSettings.read()), dg.Definitions(jobs=[job]))
    pipeline.run(WEDNESDAY)
    result = defs.resolve_job_def(job.name).execute_in_process(instance=pipeline.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed


def test_a_tick_without_a_warehouse_says_so(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/warehouse")
    assert "could not be reached" in (pipeline.tick("failed_days").skip_message or "")
