"""Alarms: what is posted to the webhook, once, and that nothing of the address is told."""

import json
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from pydantic import SecretStr

from etl_assets.clients.transactions import loading
from etl_assets.clients.webhook import Webhook
from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import mart_key
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.errors import EtlError, Unavailable
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.other_location import fail_elsewhere
from etl_assets_tests.support.pipeline import Pipeline


@dataclass
class Receiver:
    """A webhook's other end: what was posted to it, and what it answers."""

    port: int = 0
    answer: int = 200
    texts: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/SECRET-PATH"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.texts.append(json.loads(body)["text"])
            self.send_response(receiver.answer)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as it is named
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()


@pytest.fixture
def pipeline(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch, receiver: Receiver
) -> Pipeline:
    """A report of Monday, loaded; Tuesday's increment is there; alarms are on."""
    increments = {TUESDAY: csv_file(order(TUESDAY))}
    pipeline = open_pipeline(GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY), increments))
    environment.setenv("ETL_ALARM_WEBHOOK_URL", receiver.url)
    pipeline.run(MONDAY)
    return pipeline


def tick(pipeline: Pipeline, cursor: str | None) -> str | None:
    return pipeline.tick("alarms", cursor).cursor


def test_each_failed_run_is_posted_once_with_its_days_and_what_to_do(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    pipeline.files.increments[TUESDAY] = b"no such header\n"
    pipeline.fail(TUESDAY)
    cursor = tick(pipeline, None)
    assert receiver.texts == []  # what failed before anybody listened

    run_id = pipeline.fail(MONDAY, TUESDAY).run_id
    cursor = tick(pipeline, cursor)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert f"run {run_id} of order_backfill for {MONDAY} to {TUESDAY} (2 days) failed: " in text
    assert "Have the source deliver it again" in text


def test_what_fails_in_another_code_location_is_not_posted(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    cursor = tick(pipeline, None)
    receiver.texts.clear()
    fail_elsewhere(pipeline.instance)
    cursor = tick(pipeline, cursor)
    assert receiver.texts == []
    pipeline.simulator.redeliver_report(b"no such header\n")
    run_id = pipeline.fail(MONDAY).run_id
    tick(pipeline, cursor)
    assert run_id in receiver.texts[0]


def test_what_could_not_be_posted_is_posted_by_the_next_tick(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    pipeline.files.increments[TUESDAY] = b"no such header\n"
    cursor = tick(pipeline, None)
    pipeline.fail(TUESDAY)
    receiver.answer = 404
    with pytest.raises(Exception, match="The webhook refused the alarm"):
        tick(pipeline, cursor)
    receiver.answer = 200
    tick(pipeline, cursor)
    assert receiver.texts[0] == receiver.texts[1]


def test_a_late_day_is_posted_once_for_as_long_as_it_is_late(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    tuesday = pipeline.files.increments.pop(TUESDAY)
    with loading(pipeline.warehouse, [TUESDAY]):
        cursor = tick(pipeline, None)
    assert receiver.texts == []
    cursor = tick(pipeline, cursor)
    pipeline.simulator.faults.add(Fault("/get_increment", status=502))
    cursor = tick(pipeline, cursor)
    with loading(pipeline.warehouse, [TUESDAY]):
        cursor = tick(pipeline, cursor)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert text.startswith(f"etl_assets: {TUESDAY} is late: {TUESDAY}: its increment is not there")

    pipeline.files.increments[TUESDAY] = tuesday
    pipeline.run(TUESDAY)
    cursor = tick(pipeline, cursor)
    assert json.loads(cursor or "")["trouble"] == []
    assert len(receiver.texts) == 1


def test_a_day_that_failed_three_times_is_posted_with_the_way_out(
    pipeline: Pipeline, receiver: Receiver, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
    pipeline.files.increments[TUESDAY] = b"no such header\n"
    for _ in range(3):
        pipeline.fail(TUESDAY, planned=True)
    tick(pipeline, None)
    (text,) = receiver.texts
    assert f"etl-assets backfill --from {TUESDAY} --to {TUESDAY}" in text


@pytest.mark.parametrize("is_reachable", [True, False])
def test_facts_that_are_no_longer_fresh_are_posted(
    pipeline: Pipeline, receiver: Receiver, is_reachable: bool
) -> None:
    key = mart_key("f_sales")
    stale = FreshnessStateChange(
        key=key,
        new_state=FreshnessState.FAIL,
        previous_state=FreshnessState.PASS,
        state_change_timestamp=datetime.now(UTC).timestamp(),
    )
    pipeline.instance.report_runless_asset_event(stale)
    if not is_reachable:
        pipeline.simulator.faults.add(Fault("/get_increment", status=502, times=None))
    tick(pipeline, None)
    (text,) = receiver.texts
    assert "nothing was loaded into mart/f_sales for 36 hours" in text
    assert ("the source has" if is_reachable else "answered 502") in text


def test_it_is_off_until_an_address_is_set(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    def status() -> dg.DefaultSensorStatus:
        repository = build_defs(PartitionSettings.read()).get_repository_def()
        return repository.get_sensor_def("alarms").default_status

    assert status() is dg.DefaultSensorStatus.RUNNING
    environment.delenv("ETL_ALARM_WEBHOOK_URL")
    assert status() is dg.DefaultSensorStatus.STOPPED
    assert pipeline.tick("alarms").skip_message == "ETL_ALARM_WEBHOOK_URL is not set"


@pytest.mark.parametrize(
    ("answer", "error"), [(302, EtlError), (404, EtlError), (500, Unavailable)]
)
def test_a_webhook_that_refuses_is_told_without_its_address(
    receiver: Receiver, answer: int, error: type[Exception]
) -> None:
    receiver.answer = answer
    with pytest.raises(error) as raised:
        Webhook(SecretStr(receiver.url), retry_seconds=0).post("hello")
    assert str(answer) in str(raised.value)
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))


def test_a_webhook_that_is_not_there_is_told_without_its_address() -> None:
    webhook = Webhook(SecretStr(Receiver(port=1).url), retry_seconds=0)
    with pytest.raises(Unavailable, match="ConnectionError") as raised:
        webhook.post("hello")
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))
