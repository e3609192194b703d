"""A source like the real one, and what is asked of it."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.source.catalog import Choice
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import (
    MONDAY,
    SUNDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    csv_file,
    order,
    without,
)
from etl_assets_tests.support.pipeline import Pipeline

BUCKET = "s3-sprint3"
WEEK = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY)


REPORT = {
    "report_id": "UmVwb3J0=",
    "start_day": f"{MONDAY} 00:00:00",
    "end_date": f"{TUESDAY} 00:00:00",
}


def report_on(pipeline: Pipeline, last_day: date) -> str:
    """Ask for a new report on the day on which it ends with `last_day`, and return its id."""
    days = [last_day - timedelta(days=number) for number in range(23)]
    pipeline.files.orders = csv_file(*(order(day) for day in days), columns=without("status"))
    pipeline.simulator.today = last_day + timedelta(days=8)
    return pipeline.source.ensure_report(new=True, on_wait=lambda _: None).report_id


def where(pipeline: Pipeline, day: date) -> tuple[str | None, str | None]:
    """Return the report and the increment that a day is found in."""
    (found,) = pipeline.source.find([day], Choice.recorded)
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
def bucket(services: EmbeddedServices) -> Bucket:
    return Bucket(services.object_store.client())
