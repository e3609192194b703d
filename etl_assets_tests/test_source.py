"""Which object holds a day, and how the report that tells is come by."""

import json
import math
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.embedded.world import EmbeddedWorld
from etl_assets.errors import (
    AccessRefused,
    DayNotInSource,
    EtlError,
    ObjectChanged,
    Unavailable,
)
from etl_assets.resources import ObjectStore
from etl_assets.settings import ObjectStoreSettings
from etl_assets.source import Choice, Redelivered, Source
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.files import (
    MONDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
    without,
)
from etl_assets_tests.oracle import Delivery
from etl_assets_tests.pipeline import Pipeline, calls

BUCKET = "s3-sprint3"
WEEK = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY)


def report_on(pipeline: Pipeline, last_day: date) -> str:
    """Ask for a new report on the day on which it ends with `last_day`, and return its id."""
    days = [last_day - timedelta(days=number) for number in range(23)]
    pipeline.files.orders = csv_file(*(order(day) for day in days), columns=without("status"))
    pipeline.simulator.today = last_day + timedelta(days=8)
    return pipeline.source.ensure_report(new=True, on_wait=lambda _: None).report_id


def where(pipeline: Pipeline, day: date) -> tuple[str, str | None]:
    """Return the report and the increment that a day is found in."""
    (found,) = pipeline.source.find([day], Choice.kept)
    return found.report_id, found.increment_id


def answer(path: str, *, status: str = "SUCCESS", **data: object) -> Fault:
    """Let the API answer the next call of the path with this."""
    return Fault(path, status=200, body=json.dumps({"status": status, "data": data}))


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A source like the real one: reports of 30 to 8 days ago, increments with status since."""
    days = [MONDAY + timedelta(days=number) for number in range(7)]
    increments = {day: csv_file(order(day), order(day, "b", status="refunded")) for day in days}
    return open_pipeline(
        GivenFiles(csv_file(), increments=increments),
        today=SUNDAY + timedelta(days=9),
        start_day=date(2024, 1, 1),
    )


class Bucket:
    """The bucket as its owner fills it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(self, key: str, body: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def delete(self, uri: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))


@pytest.fixture
def bucket(world: EmbeddedWorld) -> Bucket:
    return Bucket(world.object_store.client())


# --- A day that was never loaded ------------------------------------------------------------------


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
    monkeypatch.setattr(pipeline.object_store, "find", lambda uri: looked.append(uri) or find(uri))
    assert len(pipeline.source.find(WEEK, Choice.kept)) == len(WEEK)
    assert len(looked) == 1


def test_without_any_report_no_day_is_known(pipeline: Pipeline) -> None:
    with pytest.raises(DayNotInSource, match=f"{MONDAY}: no report was asked for yet: etl-assets"):
        pipeline.source.find([MONDAY], Choice.kept)


# --- A day that was loaded before -----------------------------------------------------------------


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
    pipeline.stage_located(TUESDAY, run_id="again", root_run_id="first")
    pipeline.make_mart(TUESDAY)
    pipeline.holds(rewritten)


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


# --- Days that the source does not have -----------------------------------------------------------


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
        f"{WEDNESDAY}: its increment is not there yet",
        f"{THURSDAY}: its increment is not there yet",
    ]
    for table in ("etl.raw_file", "etl.staged_day", "staging.user_order_log", "etl.load"):
        assert pipeline.query(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_day_too_early_for_an_increment_is_said_in_the_apis_words(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    early = MONDAY - timedelta(days=40)
    with pytest.raises(DayNotInSource, match=f"{early}: Date is too early"):
        pipeline.source.find([early], Choice.kept)
    missing = pipeline.source.find_next(early)
    assert getattr(missing, "kind", None) == "too early"


def test_a_report_whose_file_is_gone_is_said(pipeline: Pipeline, bucket: Bucket) -> None:
    report_on(pipeline, MONDAY)
    ((paths,),) = pipeline.query("SELECT paths FROM etl.report")
    uri = f"s3://{BUCKET}/" + paths["user_order_log"].partition(f"/{BUCKET}/")[2]
    bucket.delete(uri)
    with pytest.raises(DayNotInSource, match="the report's file is not in the object store"):
        pipeline.source.find([MONDAY], Choice.kept)


# --- Addresses ------------------------------------------------------------------------------------

REPORT = {
    "report_id": "UmVwb3J0=",
    "start_day": f"{MONDAY} 00:00:00",
    "end_date": f"{TUESDAY} 00:00:00",
}


def reported(pipeline: Pipeline, paths: Mapping[str, str]) -> None:
    """Let the API give a report with these addresses."""
    pipeline.simulator.faults.add(answer("/get_report", **REPORT, s3_path=paths))
    pipeline.source.ensure_report(new=True, on_wait=lambda _: None)


def folder(pipeline: Pipeline, report_or_increment_id: str) -> str:
    """Return where the source keeps what nobody says the address of."""
    return f"cohort_23/{pipeline.report_api.nickname}/project/{report_or_increment_id}"


@pytest.mark.parametrize("name", ["user_order_log.csv", "user_orders_log.csv"])
def test_a_report_without_addresses_is_where_reports_always_were(
    pipeline: Pipeline, bucket: Bucket, name: str
) -> None:
    body = csv_file(order(MONDAY), columns=without("uniq_id", "status"))
    bucket.put(f"{folder(pipeline, 'UmVwb3J0=')}/{name}", body)
    reported(pipeline, {})
    pipeline.load(MONDAY)
    pipeline.holds({MONDAY: Delivery(body, MONDAY, TUESDAY)})


@pytest.mark.parametrize("name", ["user_order_log_inc.csv", "user_orders_log_inc.csv"])
def test_an_increment_without_addresses_is_where_increments_always_were(
    pipeline: Pipeline, bucket: Bucket, name: str
) -> None:
    body = csv_file(order(WEDNESDAY))
    bucket.put(f"{folder(pipeline, 'SW5jcmVtZW50=')}/{name}", body)
    reported(pipeline, {})
    pipeline.simulator.faults.add(answer("/get_increment", increment_id="SW5jcmVtZW50="))
    pipeline.load(WEDNESDAY)
    pipeline.holds({WEDNESDAY: increment(body, WEDNESDAY)})


def test_a_report_of_2022_is_read_under_its_names(pipeline: Pipeline, bucket: Bucket) -> None:
    body = csv_file(order(MONDAY), order(TUESDAY, quantity=5), columns=without("uniq_id", "status"))
    bucket.put("somewhere/old names.csv", body)
    url = f"https://elsewhere.example/{BUCKET}/somewhere/old%20names.csv"
    reported(pipeline, {"user_orders_log": url})
    pipeline.load(MONDAY, TUESDAY)
    pipeline.holds(dict.fromkeys((MONDAY, TUESDAY), Delivery(body, MONDAY, TUESDAY)))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://host/no-key", "s3://bucket/key"])
def test_an_address_that_is_none_is_said(pipeline: Pipeline, url: str) -> None:
    reported(pipeline, {"user_order_log": url})
    with pytest.raises(EtlError, match="which is no address of the form https://host/bucket/key"):
        pipeline.source.find([MONDAY], Choice.kept)


@pytest.mark.parametrize("increment_id", ["../../../other", "a/./b"])
def test_an_id_that_would_lead_elsewhere_is_refused(pipeline: Pipeline, increment_id: str) -> None:
    reported(pipeline, {})
    pipeline.simulator.faults.add(answer("/get_increment", increment_id=increment_id))
    with pytest.raises(EtlError, match="which can't be a part of an address"):
        pipeline.source.find([WEDNESDAY], Choice.kept)


def test_of_the_files_urls_only_what_counts_is_shown(pipeline: Pipeline) -> None:
    paths = {
        "user_order_log": f"https://user:hush@host/{BUCKET}/a.csv?X-Amz-Signature=hush",
        "price_log": "javascript:hush",
    }
    pipeline.simulator.faults.add(answer("/get_report", **REPORT, s3_path=paths))
    run_id = pipeline.run(job="order_report_job")
    assert pipeline.metadata(run_id, "order_report")["files"] == {
        "user_order_log": f"s3://{BUCKET}/a.csv",
        "price_log": "no address of the form https://host/bucket/key",
    }


# --- The report -----------------------------------------------------------------------------------


def wait_for_report(pipeline: Pipeline, *, new: bool = False) -> list[str]:
    """Ensure that there is a report, and return the tasks that were waited for."""
    waited: list[str] = []
    pipeline.source.ensure_report(new=new, on_wait=waited.append)
    return waited


def test_a_report_is_asked_for_once_and_used_again(pipeline: Pipeline) -> None:
    for _ in range(3):
        wait_for_report(pipeline)
    assert calls(pipeline, "/generate_report") == 1


def test_another_is_asked_for_on_request_and_leaves_loaded_days_alone(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    pipeline.load(MONDAY)
    before = pipeline.table("f_sales")
    pipeline.run(ops={"order_report": {"config": {"new_report": True}}}, job="order_report_job")
    assert pipeline.query("SELECT count(*) FROM etl.report WHERE ready_at IS NOT NULL") == [(2,)]
    assert pipeline.table("f_sales") == before
    assert len(pipeline.loads()) == 1


def test_it_is_polled_until_it_is_ready(pipeline: Pipeline) -> None:
    pipeline.simulator.report_seconds = 2
    waited = wait_for_report(pipeline)
    assert waited
    assert len(set(waited)) == 1
    assert calls(pipeline, "/get_report") == len(waited) + 1


def test_polling_gives_up_after_a_time_and_goes_on_with_the_same_task(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_POLL_TIMEOUT_SECONDS", "0.1")
    pipeline.simulator.report_seconds = math.inf
    with pytest.raises(Unavailable) as refusal:
        wait_for_report(pipeline)
    ((task_id,),) = pipeline.query("SELECT task_id FROM etl.report")
    assert f"The report of task {task_id} is still RUNNING after 0.1 s" in str(refusal.value)
    assert "Run it again to go on waiting" in str(refusal.value)

    pipeline.simulator.report_seconds = 0
    wait_for_report(pipeline)
    assert calls(pipeline, "/generate_report") == 1
    assert [report.start_day for report in pipeline.source.reports()] != []


def test_a_task_is_stored_before_it_is_polled(pipeline: Pipeline) -> None:
    pipeline.simulator.faults.add(Fault("/get_report", status=403))
    with pytest.raises(EtlError, match="refused access"):
        wait_for_report(pipeline)
    assert pipeline.query("SELECT count(*) FROM etl.report WHERE ready_at IS NULL") == [(1,)]
    wait_for_report(pipeline)
    assert calls(pipeline, "/generate_report") == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (answer("/get_report", status="FAILED"), "says 'FAILED' of task"),
        (answer("/get_report"), "without a report_id, start_day and end_date that make sense"),
        (
            answer("/get_report", **(REPORT | {"end_date": "2020-01-01 00:00:00"})),
            "without a report_id, start_day and end_date that make sense",
        ),
    ],
)
def test_a_report_that_will_never_be_ready_says_how_to_get_another(
    pipeline: Pipeline, body: Fault, said: str
) -> None:
    pipeline.simulator.faults.add(body)
    with pytest.raises(EtlError) as refusal:
        wait_for_report(pipeline)
    assert said in str(refusal.value)
    assert "etl-assets backfill --new-report" in str(refusal.value)
    assert not isinstance(refusal.value, Unavailable)
    wait_for_report(pipeline, new=True)
    assert len(pipeline.source.reports()) == 1


def test_the_newest_of_several_reports_is_the_one_ready_last(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    newest = report_on(pipeline, TUESDAY)
    assert pipeline.source.reports()[0].report_id == newest
