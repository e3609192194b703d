"""Failures of the report API, which the simulator really answers."""

import json
import time
from typing import Any

import pytest

from etl_assets.clients.report_api import Increment, NotFound, ReportApi
from etl_assets.embedded.simulator import Fault
from etl_assets.errors import AccessRefused, EtlError, ServiceUnavailable, UnexpectedAnswer
from etl_assets.settings import ReportApiSettings
from etl_assets_tests.clients.conftest import message_without
from etl_assets_tests.support.files import MONDAY, TUESDAY
from etl_assets_tests.support.pipeline import Pipeline, calls

BAD_GATEWAY = "<html><body>502 Bad Gateway</body></html>"


@pytest.fixture
def report_id(pipeline: Pipeline) -> str:
    return pipeline.source.ensure_report(new=False, on_wait=lambda _: None).report_id


def ask(report_id: str, **options: Any) -> Increment | NotFound:
    """Request Tuesday's increment."""
    options = {"retry_seconds": 5} | options
    return ReportApi(ReportApiSettings.read(), **options).get_increment(report_id, TUESDAY)


def failing(pipeline: Pipeline, fault: Fault) -> None:
    pipeline.simulator.calls.clear()
    pipeline.simulator.faults.add(fault)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/get_increment", status=502, body=BAD_GATEWAY),
        Fault("/get_increment", status=503, times=2),
        Fault("/get_increment", status=408),
        Fault("/get_increment", status=429),
        Fault("/get_increment", reset=True),
        Fault("/get_increment", cut_after=10),
    ],
    ids=["502 with HTML", "503 twice", "408", "429", "reset", "cut off"],
)
def test_a_transient_fault_is_tried_again_by_the_client(
    pipeline: Pipeline, report_id: str, fault: Fault
) -> None:
    failing(pipeline, fault)
    assert isinstance(ask(report_id), Increment)
    assert calls(pipeline, "/get_increment") == (fault.times or 0) + 1


def test_the_wait_of_retry_after_is_respected(pipeline: Pipeline, report_id: str) -> None:
    failing(pipeline, Fault("/get_increment", status=429, headers={"Retry-After": "1"}))
    ask(report_id)
    first, second = (call.at for call in pipeline.simulator.calls)
    assert (second - first).total_seconds() >= 1


def test_a_fault_that_does_not_pass_is_reported_with_the_call_and_the_tries(
    pipeline: Pipeline, report_id: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=502, body=BAD_GATEWAY, times=None))
    with pytest.raises(ServiceUnavailable) as error:
        ask(report_id, retry_seconds=1)
    tries = calls(pipeline, "/get_increment")
    assert tries > 1
    assert message_without(error, pipeline.simulator.api_key, "Bad Gateway") == (
        f"GET {pipeline.simulator.url}/get_increment: the report API answered 502 ({tries} tries)"
    )


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_is_reported_at_once_with_the_settings_to_check(
    pipeline: Pipeline, report_id: str, status: int
) -> None:
    failing(pipeline, Fault("/get_increment", status=status, times=None))
    with pytest.raises(AccessRefused) as error:
        ask(report_id)
    assert f"refused access ({status}). Check REPORT_API_KEY" in message_without(
        error, pipeline.simulator.api_key
    )
    assert calls(pipeline, "/get_increment") == 1


@pytest.mark.usefixtures("pipeline")
def test_a_wrong_key_is_refused_by_the_api_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_API_KEY", "a-wrong-key")
    api = ReportApi(ReportApiSettings.read(), retry_seconds=0)
    with pytest.raises(AccessRefused) as error:
        api.check_access()
    message_without(error, "a-wrong-key")


def test_access_is_checked_without_changing_anything(pipeline: Pipeline) -> None:
    pipeline.report_api.check_access()
    assert [call.method for call in pipeline.simulator.calls] == ["GET"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed_because_it_would_get_the_key(
    pipeline: Pipeline, report_id: str, status: int
) -> None:
    target = f"{pipeline.simulator.url}/get_report"
    failing(pipeline, Fault("/get_increment", status=status, headers={"Location": target}))
    with pytest.raises(UnexpectedAnswer, match=f"answered {status}, and would answer so again"):
        ask(report_id)
    assert [call.path for call in pipeline.simulator.calls] == ["/get_increment"]


@pytest.mark.parametrize("body", ["", "{", '{"status": "SUCC'])
def test_an_answer_that_ends_early_is_requested_again(
    pipeline: Pipeline, report_id: str, body: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    assert isinstance(ask(report_id), Increment)
    assert calls(pipeline, "/get_increment") == 2
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(ServiceUnavailable, match=r"is invalid \(json_invalid\): it ends early"):
        ask(report_id, retry_seconds=0)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (BAD_GATEWAY, "json_invalid"),
        ('{"status": "SUCCESS"}, ', "json_invalid"),
        ('{"status": "SUCCESS", "data": {"increment_id": "\\u0000"}}', "data.increment_id"),
        (
            '{"status": "SUCCESS", "data": {"increment_id": "%s"}}' % ("a" * 9999),
            "data.increment_id",
        ),
        ('{"status": "SUCCESS", "data": {"s3_path": {"a": "\\u001b[2J"}}}', "data.s3_path.a"),
        ('{"status": "SUCCESS", "data": {"s3_path": {"\\n": "a"}}}', "data.s3_path. .[key]"),
        ("[]", "model_type"),
        ('{"status": "SUCCESS"}', "data"),
        ('{"status": "SUCCESS", "data": {"increment_id": 7}}', "data.increment_id"),
        ('{"status": "SUCCESS", "data": {"increment_id": "a", "s3_path": []}}', "data.s3_path"),
    ],
)
def test_an_invalid_answer_is_reported_by_its_wrong_fields(
    pipeline: Pipeline, report_id: str, body: str, wrong: str
) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(EtlError) as error:
        ask(report_id)
    assert f"get_increment is invalid ({wrong})" in message_without(error, "Bad Gateway")
    assert calls(pipeline, "/get_increment") == 1


def test_a_message_of_the_api_is_shown_in_one_short_line(
    pipeline: Pipeline, report_id: str
) -> None:
    words = "Too early.\n\x1b[2J" + " Try later." * 99
    body = json.dumps({"status": "NOT FOUND", "data": {"increment_id": None}, "debug_info": words})
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    found = ask(report_id)
    assert isinstance(found, NotFound)
    assert found.why
    assert found.why.startswith("Too early. [2J Try later. Try later.")
    assert found.why.isprintable()
    assert len(found.why) <= 200


def test_a_key_that_an_answer_repeats_is_not_shown(pipeline: Pipeline) -> None:
    key = pipeline.simulator.api_key
    failing(pipeline, Fault("/generate_report", status=200, body=json.dumps({"task_id": key})))
    assert pipeline.report_api.generate_report() == "***"
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in key)
    failing(pipeline, Fault("/generate_report", status=200, body=f'{{"task_id": "{escaped}"}}'))
    assert pipeline.report_api.generate_report() == "***"
    body = f'{{"status": "SUCCESS", "data": {{"s3_path": {{"{escaped}": 7}}}}}}'
    failing(pipeline, Fault("/get_report", status=200, body=body))
    with pytest.raises(EtlError, match=r"data\.s3_path\.\*\*\*") as error:
        pipeline.report_api.get_report("a")
    message_without(error, key)


def test_an_unknown_status_of_an_increment_is_reported(pipeline: Pipeline, report_id: str) -> None:
    body = json.dumps({"status": "PENDING", "data": {"increment_id": None}})
    failing(pipeline, Fault("/get_increment", status=200, body=body))
    with pytest.raises(EtlError, match=f"answers 'PENDING' for the increment of {TUESDAY}"):
        ask(report_id)


def test_an_endless_answer_is_given_up(pipeline: Pipeline, report_id: str) -> None:
    failing(pipeline, Fault("/get_increment", status=200, body=" " * (2 << 20)))
    with pytest.raises(EtlError, match="answer is over 1048576 bytes"):
        ask(report_id)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/get_increment", status=200, body=" " * 1000, drip=0.02, times=None),
        Fault("/get_increment", delay=20, times=None),
    ],
    ids=["drips", "does not begin"],
)
def test_a_slow_answer_is_given_up(pipeline: Pipeline, report_id: str, fault: Fault) -> None:
    failing(pipeline, fault)
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        ask(report_id, retry_seconds=0, answer_seconds=0.3)
    assert time.monotonic() - began < 15


def test_ids_are_opaque_and_are_sent_unchanged(pipeline: Pipeline) -> None:
    with pytest.raises(UnexpectedAnswer):
        pipeline.report_api.get_increment("a=/+&b?#%3D", MONDAY)
    assert pipeline.simulator.calls[-1].query == {
        "report_id": "a=/+&b?#%3D",
        "date": f"{MONDAY}T00:00:00",
    }
