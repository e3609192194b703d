"""A day that was loaded stays where it is, and is loaded again when its object is replaced."""

import pytest

from etl_assets.clients.object_store import ObjectStore
from etl_assets.embedded.simulator import Fault
from etl_assets.errors import AccessRefused, DayNotInSource
from etl_assets.settings import ObjectStoreSettings
from etl_assets.source.catalog import Redelivered, Source
from etl_assets_tests.source.conftest import WEEK, Bucket, report_on
from etl_assets_tests.support.files import (
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline, calls


def test_a_newer_report_never_rewrites_a_loaded_day(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY)
    expected = {TUESDAY: increment(pipeline.files.increments[TUESDAY], TUESDAY)}
    pipeline.holds(expected)
    (before,) = pipeline.loads("uri, report_id, increment_id")

    # The new report covers the day; asked with it, the day would be another increment too.
    report_on(pipeline, TUESDAY)
    pipeline.simulator.calls.clear()
    pipeline.load(TUESDAY)
    pipeline.run(TUESDAY)

    pipeline.holds(expected)
    assert pipeline.loads("uri, report_id, increment_id") == [before] * 3
    assert calls(pipeline, "/get_increment") == 0


def test_what_is_delivered_again_at_its_address_is_loaded(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY, WEDNESDAY)
    again = csv_file(order(WEDNESDAY, quantity=9))
    pipeline.simulator.redeliver(WEDNESDAY, again)
    pipeline.load(TUESDAY, WEDNESDAY)
    pipeline.holds(
        {
            TUESDAY: increment(pipeline.files.increments[TUESDAY], TUESDAY),
            WEDNESDAY: increment(again, WEDNESDAY),
        }
    )


def test_days_whose_object_was_replaced_are_named(pipeline: Pipeline) -> None:
    report_on(pipeline, TUESDAY)
    pipeline.load(*WEEK)
    assert pipeline.source.redelivered(WEEK) == Redelivered({}, [])
    pipeline.simulator.redeliver(THURSDAY, csv_file(order(THURSDAY)))
    assert list(pipeline.source.redelivered([THURSDAY]).etags) == [THURSDAY]
    # All days of a report's object, whichever was asked about.
    pipeline.simulator.redeliver_report(csv_file(order(MONDAY), columns=without("status")))
    assert list(pipeline.source.redelivered([MONDAY]).etags) == [MONDAY, TUESDAY]


def test_an_object_that_cannot_be_looked_at_hides_no_other(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY, WEDNESDAY)
    of_tuesday, of_wednesday = (uri for (uri,) in pipeline.loads("uri"))
    # The simulator plays the object store.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", pipeline.simulator.url)
    object_store = ObjectStore(ObjectStoreSettings.read(), retry_seconds=0)
    source = Source(pipeline.warehouse, pipeline.report_api, object_store)
    path_of = {uri: uri.removeprefix("s3:/") for uri in (of_tuesday, of_wednesday)}
    pipeline.simulator.faults.add(Fault(path_of[of_tuesday], status=403, times=None))
    answer = {"ETag": '"new"', "Content-Length": "0"}
    pipeline.simulator.faults.add(Fault(path_of[of_wednesday], status=200, headers=answer))
    found = source.redelivered([TUESDAY, WEDNESDAY])
    assert found.etags == {WEDNESDAY: '"new"'}
    (unknown,) = found.unknown
    assert f"{of_tuesday} at " in unknown
    assert "access refused" in unknown
    # That none can be looked at is no finding.
    with pytest.raises(AccessRefused):
        source.redelivered([TUESDAY])


def test_an_object_that_is_gone_is_said_with_the_way_out(
    pipeline: Pipeline, bucket: Bucket
) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(TUESDAY)
    ((uri,),) = pipeline.loads("uri")
    bucket.delete(uri)
    with pytest.raises(DayNotInSource) as refusal:
        pipeline.load(TUESDAY)
    assert f"etl-assets backfill --from {TUESDAY} --to {TUESDAY} --report latest" in str(
        refusal.value
    )
    assert uri in str(refusal.value)
