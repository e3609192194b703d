"""At which addresses the objects are."""

from collections.abc import Mapping

import pytest

from etl_assets.errors import EtlError
from etl_assets.source.catalog import Choice
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.source.conftest import BUCKET, REPORT, Bucket, answer
from etl_assets_tests.support.files import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    increment,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline


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
        pipeline.source.find([MONDAY], Choice.recorded)


@pytest.mark.parametrize("increment_id", ["../../../other", "a/./b"])
def test_an_id_that_would_lead_elsewhere_is_refused(pipeline: Pipeline, increment_id: str) -> None:
    reported(pipeline, {})
    pipeline.simulator.faults.add(answer("/get_increment", increment_id=increment_id))
    with pytest.raises(EtlError, match="which can't be a part of an address"):
        pipeline.source.find([WEDNESDAY], Choice.recorded)


def test_of_the_files_urls_only_what_counts_is_shown(pipeline: Pipeline) -> None:
    paths = {
        "user_order_log": f"https://user:hush@host/{BUCKET}/a.csv?X-Amz-Signature=hush",
        "price_log": "javascript:hush",
    }
    pipeline.simulator.faults.add(answer("/get_report", **REPORT, s3_path=paths))
    run_id = pipeline.run(job="order_report_job")
    assert pipeline.metadata(run_id, "order_report")["files"] == {
        "user_order_log": f"s3://{BUCKET}/a.csv",
        "price_log": "not an address of the form https://host/bucket/key",
    }
