"""Alarms: what is posted to the webhook, once, and that nothing of the address is told."""

import json
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.storage.tags import PARTITION_NAME_TAG
from pydantic import SecretStr

from etl_assets.clients.transactions import loading
from etl_assets.clients.webhook import Webhook, one_message
from etl_assets.days import days_between
from etl_assets.definitions import build_defs
from etl_assets.defs.assets.common import mart_key
from etl_assets.defs.jobs import ORDER_REPORT_JOB
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets.settings import PartitionSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order
from etl_assets_tests.support.other_location import fail_elsewhere
from etl_assets_tests.support.pipeline import Pipeline


@dataclass
class Receiver:
    """A webhook's other end: what was posted to it, and what it answers.

    A text of over `characters`, or with `refused` in it, is refused.
    """

    port: int = 0
    answer: int = 200
    characters: int = 4_000
    refused: str | None = None
    texts: list[str] = field(default_factory=list[str])

    def answer_to(self, text: str) -> int:
        if len(text) > self.characters:
            return 413
        return 400 if self.refused and self.refused in text else self.answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/SECRET-PATH"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            text = json.loads(body)["text"]
            receiver.texts.append(text)
            self.send_response(receiver.answer_to(text))
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
    pipeline: Pipeline, receiver: Receiver, environment: pytest.MonkeyPatch
) -> None:
    # Else it is told too that the day is late, for it is not tried again at once.
    environment.setenv("ETL_RETRY_PAUSE_SECONDS", "0")
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
    first, _, second = receiver.texts
    assert first == second


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, "{}", "refused access (401)"),
        (403, "{}", "refused access (403)"),
        (200, "<html>Sign in</html>", "is invalid (json_invalid)"),
    ],
)
def test_a_source_that_refuses_is_posted_once_beside_the_runs_that_failed(
    pipeline: Pipeline, receiver: Receiver, status: int, body: str, message: str
) -> None:
    cursor = tick(pipeline, None)
    pipeline.simulator.redeliver_report(b"no such header\n")
    run_id = pipeline.fail(MONDAY).run_id
    pipeline.simulator.faults.add(Fault("/get_increment", status=status, body=body, times=None))
    cursor = tick(pipeline, cursor)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert f"run {run_id} of order_backfill" in text
    assert message in text
    assert "What to do: " in text


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("REPORT_API_KEY", None, "REPORT_API_KEY"),
        ("WAREHOUSE_URL", "postgresql://nobody:wrong@{host}/warehouse", "can't be opened"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_posted_once_beside_the_runs_that_failed(
    pipeline: Pipeline,
    receiver: Receiver,
    environment: pytest.MonkeyPatch,
    *,
    variable: str,
    value: str | None,
    message: str,
) -> None:
    cursor = tick(pipeline, None)
    pipeline.simulator.redeliver_report(b"no such header\n")
    run_id = pipeline.fail(MONDAY).run_id
    if value is None:
        environment.delenv(variable)
    else:
        host = urlsplit(pipeline.owners_url).netloc.rpartition("@")[2]
        environment.setenv(variable, value.format(host=host))
    cursor = tick(pipeline, cursor)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert run_id in text
    assert message in text
    assert "wrong@" not in text


def test_a_run_that_waits_for_no_day_there_is_does_not_silence_the_runs_that_failed(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    cursor = tick(pipeline, None)
    run_of_no_day(pipeline, dg.DagsterRunStatus.NOT_STARTED)
    failed = run_of_no_day(pipeline, dg.DagsterRunStatus.STARTED)
    pipeline.instance.report_run_failed(failed)
    cursor = tick(pipeline, cursor)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert f"run {failed.run_id} of order_report_job failed: " in text
    assert "the next day is unknown (ValueError)" in text


def test_a_planner_that_takes_too_long_does_not_silence_the_runs_that_failed(
    pipeline: Pipeline, receiver: Receiver, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr("etl_assets.defs.alarms._PLANNER_SECONDS", 0.5)
    cursor = tick(pipeline, None)
    pipeline.simulator.redeliver_report(b"no such header\n")
    run_id = pipeline.fail(MONDAY).run_id
    pipeline.simulator.faults.add(Fault("/get_increment", delay=3, times=None))
    tick(pipeline, cursor)
    (text,) = receiver.texts
    assert run_id in text


def run_of_no_day(pipeline: Pipeline, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Let there be a run whose tag, which anybody can give it, names no day."""
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_REPORT_JOB)
    tags = {PARTITION_NAME_TAG: "soon"}
    return pipeline.instance.create_run_for_job(job, status=status, tags=tags)


# --- Messages that a chat does not take -----------------------------------------------------------


def test_a_year_of_days_that_are_missing_is_a_message_that_a_chat_takes(
    open_pipeline: OpenPipeline, environment: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    first = MONDAY - timedelta(days=365)
    files = GivenFiles(csv_file(order(MONDAY)), (MONDAY, MONDAY))
    pipeline = open_pipeline(files, start_day=first)
    environment.setenv("ETL_ALARM_WEBHOOK_URL", receiver.url)
    pipeline.run(MONDAY)
    cursor = tick(pipeline, None)
    run_id = pipeline.fail(*days_between(first, MONDAY)).run_id
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert run_id in text
    assert "does not have 365 of the 366 days asked for" in text
    assert f"{first} to {MONDAY - timedelta(days=1)} (365 days): " in text
    assert len(text) <= 4_000
    assert tick(pipeline, cursor) == cursor


def test_a_failure_that_names_a_year_of_days_is_a_message_that_a_chat_takes(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    cursor = tick(pipeline, None)
    receiver.texts.clear()
    days = days_between(MONDAY - timedelta(days=364), MONDAY)
    why = "\n".join(["No day is there:", *(f"{day}: its file is gone, again" for day in days)])
    job = build_defs(PartitionSettings.read()).resolve_job_def(ORDER_REPORT_JOB)
    run = pipeline.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    pipeline.instance.report_run_failed(run, why)
    cursor = tick(pipeline, cursor)
    (text,) = receiver.texts
    assert len(text) > 3_900
    assert run.run_id in text
    assert f"{days[0]}: its file is gone" in text
    left_out = re.search(r"… and (\d+) more days$", text)
    assert left_out
    assert len(text.splitlines()) - 2 + int(left_out[1]) == len(days)
    assert tick(pipeline, cursor) == cursor


def test_what_the_chat_refuses_is_dropped_with_a_trace_and_later_alarms_arrive(
    pipeline: Pipeline, receiver: Receiver
) -> None:
    cursor = tick(pipeline, None)
    pipeline.simulator.redeliver_report(b"no such header\n")
    first = pipeline.fail(MONDAY).run_id
    receiver.refused = first
    dropped = pipeline.tick("alarms", cursor)
    assert dropped.skip_message
    assert dropped.skip_message.startswith("The webhook refused the alarm (400), so it was dropped")
    assert first in dropped.skip_message
    assert "the chat does not take an alarm" in receiver.texts[-1]
    second = pipeline.fail(MONDAY).run_id
    tick(pipeline, dropped.cursor)
    assert second in receiver.texts[-1]
    assert first not in receiver.texts[-1]


@pytest.mark.parametrize("count", [1, 2, 22, 3_000])
def test_a_message_is_never_longer_than_a_chat_takes(count: int) -> None:
    texts = [str(number) + " word" * (number % 900) for number in range(count)]
    message = one_message(texts)
    assert len(message) <= 4_000
    if count <= 22:
        assert [line.split()[0] for line in message.splitlines()] == list(map(str, range(count)))
    assert one_message(["short", "x" * 9_000, "as short"]).startswith("short\nxxx")
    assert one_message(["short", "x" * 9_000, "as short"]).endswith("x …\nas short")


# --- Late days ------------------------------------------------------------------------------------


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
    ("answer", "error"), [(302, EtlError), (404, EtlError), (500, ServiceUnavailable)]
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
    with pytest.raises(ServiceUnavailable, match="ConnectionError") as raised:
        webhook.post("hello")
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))
