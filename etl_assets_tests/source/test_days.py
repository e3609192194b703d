"""Where a day is that was never loaded, and what is said of one that the source lacks."""

from datetime import timedelta

import pytest

from etl_assets.clients.object_store import StoredObject
from etl_assets.errors import DayNotInSource
from etl_assets.source.catalog import Choice
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.source.conftest import BUCKET, WEEK, Bucket, report_on, where
from etl_assets_tests.support.files import MONDAY, THURSDAY, TUESDAY, WEDNESDAY, increment
from etl_assets_tests.support.pipeline import Pipeline


def test_it_is_held_by_the_newest_report_that_covers_it(pipeline: Pipeline) -> None:
    first = report_on(pipeline, MONDAY)
    assert where(pipeline, MONDAY) == (first, None)
    second = report_on(pipeline, TUESDAY)
    assert where(pipeline, MONDAY) == where(pipeline, TUESDAY) == (second, None)
    # 23 days: the first of the old report is no longer in the new one.
    assert where(pipeline, MONDAY - timedelta(days=22)) == (first, None)


def test_what_no_report_covers_is_the_increment_asked_with_the_newest(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    second = report_on(pipeline, TUESDAY)
    report_id, increment_id = where(pipeline, WEDNESDAY)
    assert report_id == second
    assert increment_id is not None
    (call,) = [call for call in pipeline.simulator.calls if call.path == "/get_increment"]
    assert call.query == {"report_id": second, "date": f"{WEDNESDAY}T00:00:00"}


def test_a_day_between_two_reports_is_asked_with_the_one_before_it(pipeline: Pipeline) -> None:
    first = report_on(pipeline, MONDAY)
    later = report_on(pipeline, MONDAY + timedelta(days=30))
    assert where(pipeline, THURSDAY)[0] == first
    # As the later one ends after that day, the API calls it too early.
    assert where(pipeline, MONDAY + timedelta(days=29)) == (later, None)


def test_report_and_increments_can_be_loaded_in_one_range(pipeline: Pipeline) -> None:
    report_on(pipeline, TUESDAY)
    pipeline.load(*WEEK)
    report = Delivery(pipeline.files.orders, TUESDAY - timedelta(days=22), TUESDAY)
    pipeline.holds(
        {MONDAY: report, TUESDAY: report}
        | {day: increment(pipeline.files.increments[day], day) for day in (WEDNESDAY, THURSDAY)}
    )


def test_a_report_is_looked_at_once_for_all_its_days(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_on(pipeline, THURSDAY)
    looked: list[str] = []
    find = pipeline.object_store.find

    def find_and_tell(uri: str) -> StoredObject:
        looked.append(uri)
        return find(uri)

    monkeypatch.setattr(pipeline.object_store, "find", find_and_tell)
    assert len(pipeline.source.find(WEEK, Choice.recorded)) == len(WEEK)
    assert len(looked) == 1


def test_without_any_report_no_day_is_known(pipeline: Pipeline) -> None:
    message = f"{MONDAY}: no report was asked for yet. What to do: etl-assets backfill"
    with pytest.raises(DayNotInSource, match=message):
        pipeline.source.find([MONDAY], Choice.recorded)


def test_a_range_with_missing_days_stops_before_anything_and_names_them_all(
    pipeline: Pipeline,
) -> None:
    report_on(pipeline, MONDAY)
    for day in (WEDNESDAY, THURSDAY):
        del pipeline.files.increments[day]
    error = pipeline.fail(*WEEK).error
    assert error is not None
    assert error.splitlines() == [
        "The source does not have 2 of the 4 days asked for, so nothing was loaded:",
        f"{WEDNESDAY} to {THURSDAY} (2 days): its increment is not there yet",
    ]
    for table in ("etl.raw_file", "etl.staged_day", "staging.user_order_log", "etl.load"):
        assert pipeline.query(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_day_too_early_for_an_increment_is_said_in_the_apis_words(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    early = MONDAY - timedelta(days=40)
    with pytest.raises(DayNotInSource, match=f"{early}: Date is too early"):
        pipeline.source.find([early], Choice.recorded)
    missing = pipeline.source.find_next(early)
    assert getattr(missing, "kind", None) == "too early"


def test_a_report_whose_file_is_gone_is_said(pipeline: Pipeline, bucket: Bucket) -> None:
    report_on(pipeline, MONDAY)
    ((paths,),) = pipeline.query("SELECT paths FROM etl.report")
    uri = f"s3://{BUCKET}/" + paths["user_order_log"].partition(f"/{BUCKET}/")[2]
    bucket.delete(uri)
    with pytest.raises(DayNotInSource, match="the report's file is not in the object store"):
        pipeline.source.find([MONDAY], Choice.recorded)


def test_days_that_are_missing_for_one_reason_share_a_line_and_a_command(
    pipeline: Pipeline, bucket: Bucket
) -> None:
    report_on(pipeline, TUESDAY)
    pipeline.load(MONDAY, TUESDAY)
    ((uri,),) = pipeline.query("SELECT DISTINCT uri FROM etl.load")
    bucket.delete(uri)
    with pytest.raises(DayNotInSource) as refusal:
        pipeline.source.find(WEEK, Choice.recorded)
    assert str(refusal.value).splitlines()[1:] == [
        f"{MONDAY} to {TUESDAY} (2 days): the object that was loaded is gone ({uri}). "
        "What to do: have the source put the file back, or load from the newest report: "
        f"etl-assets backfill --from {MONDAY} --to {TUESDAY} --report latest"
    ]
