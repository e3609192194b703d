"""Faults of the report API and of the object store during a run of the job.

The run tries again after a transient fault. A permanent fault ends it at once, with a message that
says the cause and what to do. In both cases nothing is half loaded, and the next run loads the day.
"""

import json
import math
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from etl_assets.embedded.services import EmbeddedServices
from etl_assets.embedded.simulator import Fault, GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order, without
from etl_assets_tests.support.pipeline import Pipeline, calls, holding
from etl_assets_tests.support.store_proxy import StoreProxy, proxy_of

HTML = "<html><body>502 Bad Gateway</body></html>"
REPORT_FILE = "*/user_order_log.csv"
INCREMENT_FILE = "*/user_order_log_inc.csv"


def s3_error(code: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"


@pytest.fixture
def proxy(services: EmbeddedServices, environment: pytest.MonkeyPatch) -> Iterator[StoreProxy]:
    with proxy_of(services.object_store.endpoint_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline, proxy: StoreProxy) -> Pipeline:
    """A report of Monday and an increment of Tuesday; the store is behind the proxy."""
    del proxy
    report = csv_file(order(MONDAY, "a"), order(MONDAY, "b"), columns=without("status"))
    increments = {TUESDAY: csv_file(*(order(TUESDAY, str(number)) for number in range(9)))}
    return open_pipeline(GivenFiles(report, (MONDAY, MONDAY), increments))


@pytest.fixture
def monday_loaded(pipeline: Pipeline, proxy: StoreProxy) -> Pipeline:
    pipeline.load(MONDAY)
    pipeline.simulator.calls.clear()
    proxy.calls.clear()
    return pipeline


def strike(pipeline: Pipeline, proxy: StoreProxy, fault: Fault) -> None:
    is_of_the_store = fault.path in {REPORT_FILE, INCREMENT_FILE}
    (proxy if is_of_the_store else pipeline.simulator).faults.add(fault)


def fails_and_then_loads(
    pipeline: Pipeline, proxy: StoreProxy, *messages: str
) -> list[tuple[str, str]]:
    """Check that a run of Tuesday fails with these messages and changes nothing.

    Then check that the next run loads the day. Return the calls of the failed run: method and path.
    """
    error = pipeline.fail(TUESDAY).error
    asked = [(call.method, call.path) for call in (*pipeline.simulator.calls, *proxy.calls)]
    for words in messages:
        assert words in str(error)
    pipeline.holds(holding(pipeline.files, MONDAY))
    pipeline.simulator.faults.clear()
    proxy.faults.clear()
    pipeline.load(TUESDAY)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    return asked


# --- Faults that pass -----------------------------------------------------------------------------


def test_a_run_survives_transient_faults_of_the_api(pipeline: Pipeline, proxy: StoreProxy) -> None:
    for fault in (
        Fault("/generate_report", status=502, body=HTML),
        Fault("/generate_report", reset=True),
        Fault("/get_report", status=500),
        Fault("/get_report", status=200, body='{"task_id": "MjAyNC0'),
        Fault("/get_report", cut_after=30),
        Fault("/get_increment", status=429, headers={"Retry-After": "1"}),
    ):
        strike(pipeline, proxy, fault)
    pipeline.run(MONDAY, TUESDAY)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    asked = [calls(pipeline, f"/{path}") for path in ("generate_report", "get_report")]
    assert asked == [3, 4]
    assert calls(pipeline, "/get_increment") == 2


def test_a_run_survives_transient_faults_of_the_store(
    pipeline: Pipeline, proxy: StoreProxy
) -> None:
    for fault in (
        Fault(REPORT_FILE, method="HEAD", status=503),
        Fault(REPORT_FILE, method="HEAD", reset=True),
        Fault(REPORT_FILE, method="GET", status=503, body=s3_error("SlowDown")),
        Fault(REPORT_FILE, method="GET", status=500, body=HTML),
        Fault(INCREMENT_FILE, method="GET", cut_after=200),
        Fault(INCREMENT_FILE, method="GET", cut_after=300, reset=True),
        Fault(INCREMENT_FILE, method="GET", reset=True),
    ):
        strike(pipeline, proxy, fault)
    pipeline.run(MONDAY, TUESDAY)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    assert proxy.methods() == ["HEAD"] * 4 + ["GET"] * 7


# --- Faults that pass too late --------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        (
            Fault("/get_increment", status=503, times=None),
            ["/get_increment: the report API answered 503"],
        ),
        (
            Fault("/get_increment", reset=True, times=None),
            ["the report API could not be reached", "Check REPORT_API_URL, the network"],
        ),
        (
            Fault(INCREMENT_FILE, method="GET", cut_after=200, times=None),
            ["user_order_log_inc.csv", "broke off", "Check AWS_ENDPOINT_URL_S3, the network"],
        ),
        (
            Fault(INCREMENT_FILE, method="GET", status=503, body=s3_error("SlowDown"), times=None),
            ["user_order_log_inc.csv", "the object store answered 503 SlowDown"],
        ),
    ],
    ids=["API 503", "API reset", "store cut off", "store SlowDown"],
)
def test_a_run_fails_after_a_fault_that_does_not_pass_in_time(
    monday_loaded: Pipeline, proxy: StoreProxy, fault: Fault, messages: list[str]
) -> None:
    strike(monday_loaded, proxy, fault)
    fails_and_then_loads(monday_loaded, proxy, *messages)


def test_a_run_gives_up_a_report_that_is_never_ready_and_the_next_polls_it_on(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_POLL_TIMEOUT_SECONDS", "0.1")
    pipeline.simulator.report_seconds = math.inf
    error = pipeline.fail(MONDAY).error
    assert "is still RUNNING after 0.1 s (ETL_POLL_TIMEOUT_SECONDS). The next run" in str(error)
    assert pipeline.loads() == []
    pipeline.simulator.report_seconds = 0
    pipeline.run(MONDAY)
    pipeline.holds(holding(pipeline.files, MONDAY))
    assert calls(pipeline, "/generate_report") == 1


# --- Faults that do not pass ----------------------------------------------------------------------


def answer(body: object, status: int = 200) -> Fault:
    """Return a fault: an answer of the API to a request for an increment."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Fault("/get_increment", status=status, body=text, times=None)


def store_answer(method: str, status: int, code: str = "") -> Fault:
    """Return a fault: an answer of the store to a request for the increment's file."""
    body = s3_error(code) if code else ""
    return Fault(INCREMENT_FILE, method=method, status=status, body=body, times=None)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (answer(HTML, 403), "refused access (403). Check REPORT_API_KEY, REPORT_API_NICKNAME"),
        (answer(HTML, 404), "answered 404, and would answer so again. Check REPORT_API_URL"),
        (answer(HTML), "get_increment is invalid (json_invalid). Ask the API's operator"),
        (answer({"status": 7, "data": []}), "is invalid (status, data). Ask the"),
        (answer(["x" * 2**20]), "get_increment: the report API's answer is over 1048576 bytes"),
        (
            store_answer("HEAD", 403),
            "answered 403: access refused. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (store_answer("HEAD", 404), "the increment's file is not in the object store (s3://"),
        (
            store_answer("HEAD", 200),
            "the answer has no ETag and size, so it is not from an object store",
        ),
        (
            store_answer("GET", 403, "AccessDenied"),
            "answered 403 AccessDenied: access refused. Check AWS_ACCESS_KEY_ID",
        ),
        (store_answer("GET", 404, "NoSuchKey"), "there is no such object. Run the day again"),
        (store_answer("GET", 200), "bytes long and was"),
    ],
    ids=[
        *("API 403", "API 404", "HTML", "wrong shape", "huge JSON"),
        *("HEAD 403", "HEAD 404", "no ETag", "GET 403", "GET 404", "other size"),
    ],
)
def test_a_run_fails_at_once_after_a_permanent_fault(
    monday_loaded: Pipeline, proxy: StoreProxy, fault: Fault, message: str
) -> None:
    strike(monday_loaded, proxy, fault)
    asked = fails_and_then_loads(monday_loaded, proxy, message)
    assert len(asked) == len(set(asked))


def test_an_object_that_is_replaced_between_its_head_and_its_body_is_loaded_by_the_next_run(
    monday_loaded: Pipeline, proxy: StoreProxy
) -> None:
    pipeline = monday_loaded

    def replace(request: Request) -> None:
        if request.method == "GET":
            proxy.before = lambda _: None
            pipeline.files.increments[TUESDAY] = csv_file(order(TUESDAY, "replaced"))
            pipeline.simulator.redeliver(TUESDAY)

    proxy.before = replace
    fails_and_then_loads(pipeline, proxy, "the object was replaced meanwhile. Run the day again")


def test_a_new_id_and_address_for_a_loaded_day_change_nothing(
    monday_loaded: Pipeline, proxy: StoreProxy
) -> None:
    pipeline = monday_loaded
    pipeline.load(TUESDAY)
    strike(
        pipeline,
        proxy,
        answer(
            {
                "status": "SUCCESS",
                "data": {
                    "increment_id": "QW5vdGhlcg==",
                    "s3_path": {"user_order_log_inc": "https://host/s3-sprint3/another.csv"},
                },
            }
        ),
    )
    pipeline.run(MONDAY, TUESDAY)
    pipeline.holds(holding(pipeline.files, MONDAY, TUESDAY))
    assert len(set(pipeline.loads("partition_day, uri, increment_id"))) == 2
