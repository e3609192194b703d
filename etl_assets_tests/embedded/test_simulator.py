"""The simulator answers like the source, survives a restart, and fails on request."""

import math
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from etl_assets.embedded.object_store import EmbeddedObjectStore
from etl_assets.embedded.simulator import Fault, GeneratedOrders, GivenFiles, Simulator, SourceFiles

D = date(2024, 3, 4)


class Caller:
    """Calls the API like the pipeline, and reads the files that it wrote."""

    def __init__(self, simulator: Simulator, store: EmbeddedObjectStore, cohort: str) -> None:
        self.simulator = simulator
        self.headers = {
            "X-Nickname": "tester",
            "X-Cohort": cohort,
            "X-API-KEY": simulator.api_key,
            "X-Project": "True",
        }
        self._s3 = store.client()

    def call(self, method: str, path: str, **query: str) -> requests.Response:
        url = self.simulator.url + path
        return requests.request(method, url, params=query, headers=self.headers, timeout=5)

    def get(self, path: str, **query: str) -> Any:
        return self.call("GET", path, **query).json()

    def task(self) -> str:
        return self.call("POST", "/generate_report").json()["task_id"]

    def report(self, task_id: str | None = None) -> Any:
        """Poll the report of a task, or of a new one, until it is ready."""
        task_id = task_id or self.task()
        poll = Retrying(
            retry=retry_if_result(lambda answer: answer["status"] == "RUNNING"),
            stop=stop_after_delay(10),
            wait=wait_fixed(0.02),
        )
        return poll(self.get, "/get_report", task_id=task_id)["data"]

    def increment(self, report_id: str, day: date) -> Any:
        return self.get("/get_increment", report_id=report_id, date=f"{day}T00:00:00")

    def key(self, address: str) -> str:
        return urlsplit(address).path.removeprefix("/s3-sprint3/")

    def read(self, address: str) -> bytes:
        return self._s3.get_object(Bucket="s3-sprint3", Key=self.key(address))["Body"].read()

    def read_all(self, paths: Mapping[str, str]) -> dict[str, bytes]:
        return {name: self.read(address) for name, address in paths.items()}


@pytest.fixture
def files() -> SourceFiles:
    return GeneratedOrders(seed=7, rows_per_day=100)


@pytest.fixture
def simulator(
    tmp_path: Path, store: EmbeddedObjectStore, files: SourceFiles
) -> Iterator[Simulator]:
    with Simulator(tmp_path, store, files, today=D, report_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def caller(
    simulator: Simulator, store: EmbeddedObjectStore, request: pytest.FixtureRequest
) -> Caller:
    # Each test has its own cohort, so that its files have their own addresses.
    return Caller(simulator, store, cohort=request.node.name)


def test_a_report_is_running_for_the_configured_seconds(caller: Caller) -> None:
    caller.simulator.report_seconds = 1
    asked_at = time.monotonic()
    task_id = caller.task()
    assert "=" in task_id
    assert caller.get("/get_report", task_id=task_id) == {
        "task_id": task_id,
        "status": "RUNNING",
        "data": {"report_id": None, "start_day": None, "end_date": None, "s3_path": {}},
    }
    report = caller.report(task_id)
    assert time.monotonic() - asked_at >= 1
    assert report["start_day"] == "2024-02-03 00:00:00"
    assert report["end_date"] == "2024-02-25 00:00:00"
    assert "=" in report["report_id"]
    folder = f"{caller.headers['X-Cohort']}/tester/project/{report['report_id']}"
    assert {name: caller.key(path) for name, path in report["s3_path"].items()} == {
        kind: f"cohort_{folder}/{kind}.csv"
        for kind in ("customer_research", "user_order_log", "user_activity_log", "price_log")
    }


def test_a_report_can_be_running_for_ever(caller: Caller) -> None:
    caller.simulator.report_seconds = math.inf
    task_id = caller.task()
    assert {caller.get("/get_report", task_id=task_id)["status"] for _ in range(5)} == {"RUNNING"}


def test_status_is_missing_in_the_report_and_the_first_increment_only(caller: Caller) -> None:
    report = caller.report()
    body = caller.read(report["s3_path"]["user_order_log"])
    assert b"status" not in body.splitlines()[0]
    days = {line.split(b",")[2][:10].decode() for line in body.splitlines()[1:]}
    assert min(days) == "2024-02-03"
    assert max(days) == "2024-02-25"
    assert len(days) == 23
    for back in range(7, 0, -1):
        day = D - timedelta(days=back)
        answer = caller.increment(report["report_id"], day)
        assert answer["status"] == "SUCCESS"
        assert answer["date"] == f"{day} 00:00:00"
        header = caller.read(answer["data"]["s3_path"]["user_order_log_inc"]).splitlines()[0]
        assert header.endswith(b",status") == (back < 7)


def test_an_increments_files_are_at_its_own_id_but_its_price_log_at_the_reports(
    caller: Caller,
) -> None:
    report_id = caller.report()["report_id"]
    answer = caller.increment(report_id, date(2024, 2, 28))
    increment_id = answer["data"]["increment_id"]
    folder = f"cohort_{caller.headers['X-Cohort']}/tester/project"
    paths = answer["data"]["s3_path"]
    assert {name: caller.key(path) for name, path in paths.items()} == {
        "customer_research_inc": f"{folder}/{increment_id}/customer_research_inc.csv",
        "user_order_log_inc": f"{folder}/{increment_id}/user_order_log_inc.csv",
        "user_activity_log_inc": f"{folder}/{increment_id}/user_activity_log_inc.csv",
        "price_log_inc": f"{folder}/{report_id}/price_log_inc.csv",
    }
    assert all(caller.read_all(paths).values())
    assert answer == caller.increment(report_id, date(2024, 2, 28))


def test_a_day_of_the_report_is_too_early_and_today_does_not_exist_yet(caller: Caller) -> None:
    report_id = caller.report()["report_id"]
    for too_early in (date(2024, 2, 25), date(2020, 1, 1)):
        answer = caller.increment(report_id, too_early)
        assert answer["status"] == "NOT FOUND"
        assert answer["data"] == {"increment_id": None}
        assert answer["debug_info"].startswith("Date is too early.")
    for not_yet in (D, D + timedelta(days=1)):
        assert caller.increment(report_id, not_yet) == {
            "report_id": report_id,
            "date": f"{not_yet} 00:00:00",
            "status": "NOT FOUND",
            "data": {"increment_id": None},
        }


def test_an_increment_appears_when_its_day_is_over(caller: Caller) -> None:
    report_id = caller.report()["report_id"]
    assert caller.increment(report_id, D)["status"] == "NOT FOUND"
    caller.simulator.today = D + timedelta(days=1)
    assert caller.increment(report_id, D)["status"] == "SUCCESS"


def test_a_later_day_can_need_a_new_report(caller: Caller) -> None:
    caller.simulator.later_days = False
    old = caller.report()["report_id"]
    caller.simulator.today = D + timedelta(days=1)
    answer = caller.increment(old, D)
    assert answer["status"] == "NOT FOUND"
    assert "debug_info" not in answer
    fresh = caller.report()["report_id"]
    assert fresh != old
    assert caller.increment(fresh, D)["status"] == "SUCCESS"


def test_without_x_project_the_files_have_other_addresses(caller: Caller) -> None:
    del caller.headers["X-Project"]
    report = caller.report()
    key = caller.key(report["s3_path"]["user_order_log"])
    cohort = caller.headers["X-Cohort"]
    assert key == f"cohort_{cohort}/tester/{report['report_id']}/user_order_log.csv"
    assert caller.read(report["s3_path"]["user_order_log"])


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("X-API-KEY", "wrong", 403), ("X-API-KEY", None, 401), ("X-Nickname", None, 401)],
)
def test_calls_with_wrong_headers_are_refused(
    caller: Caller, header: str, value: str | None, status: int
) -> None:
    caller.headers = {k: v for k, v in caller.headers.items() if k != header}
    caller.headers |= {header: value} if value else {}
    for method, path in (("POST", "/generate_report"), ("GET", "/get_report")):
        answer = caller.call(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]


def test_unknown_ids_and_dates_are_refused(caller: Caller) -> None:
    report_id = caller.report()["report_id"]
    assert caller.call("GET", "/get_report", task_id="unknown").status_code == 404
    unknown = caller.call("GET", "/get_increment", report_id="unknown", date="2024-03-03T00:00:00")
    assert unknown.status_code == 404
    malformed = caller.call("GET", "/get_increment", report_id=report_id, date="yesterday")
    assert malformed.status_code == 400


def test_it_can_forget_all_reports_and_increments(caller: Caller) -> None:
    report_id = caller.report()["report_id"]
    day = D - timedelta(days=1)
    caller.increment(report_id, day)
    caller.simulator.redeliver(day, b"once more")
    caller.simulator.forget()
    asked = caller.call("GET", "/get_increment", report_id=report_id, date=f"{day}T00:00:00")
    assert asked.status_code == 404
    again = caller.increment(caller.report()["report_id"], day)
    assert caller.read(again["data"]["s3_path"]["user_order_log_inc"]) != b"once more"


def test_tasks_and_files_survive_a_restart(caller: Caller, simulator: Simulator) -> None:
    report = caller.report()
    paths = caller.increment(report["report_id"], date(2024, 3, 3))["data"]["s3_path"]
    before = caller.read_all(paths)
    simulator.report_seconds = 0.5
    running = caller.task()
    simulator.stop()
    simulator.start()
    assert caller.report(running)["report_id"] != report["report_id"]
    assert caller.increment(report["report_id"], date(2024, 3, 3))["data"]["s3_path"] == paths
    assert caller.read_all(paths) == before


class TestGivenFiles:
    """Files that a test gives, in a report with its own range of days."""

    @pytest.fixture
    def files(self) -> SourceFiles:
        return GivenFiles(
            b"the report",
            days=(date(2024, 2, 2), date(2024, 2, 24)),
            increments={date(2024, 2, 25): b"the first increment"},
        )

    def test_they_are_served_byte_for_byte(self, caller: Caller) -> None:
        report = caller.report()
        assert report["start_day"] == "2024-02-02 00:00:00"
        assert report["end_date"] == "2024-02-24 00:00:00"
        assert caller.read(report["s3_path"]["user_order_log"]) == b"the report"
        paths = caller.increment(report["report_id"], date(2024, 2, 25))["data"]["s3_path"]
        assert caller.read(paths["user_order_log_inc"]) == b"the first increment"

    def test_a_day_does_not_exist_until_its_file_is_given(
        self, caller: Caller, files: GivenFiles
    ) -> None:
        report_id = caller.report()["report_id"]
        answer = caller.increment(report_id, date(2024, 2, 26))
        assert answer["status"] == "NOT FOUND"
        assert "debug_info" not in answer
        files.increments[date(2024, 2, 26)] = b"late"
        assert caller.increment(report_id, date(2024, 2, 26))["status"] == "SUCCESS"

    def test_a_day_can_be_delivered_again_at_its_address(
        self, caller: Caller, simulator: Simulator
    ) -> None:
        report = caller.report()
        day = date(2024, 2, 25)
        path = caller.increment(report["report_id"], day)["data"]["s3_path"]["user_order_log_inc"]
        simulator.redeliver(day, b"once more")
        assert caller.read(path) == b"once more"
        again = caller.increment(report["report_id"], day)["data"]["s3_path"]
        assert again["user_order_log_inc"] == path
        simulator.redeliver_report(b"another report")
        assert caller.read(report["s3_path"]["user_order_log"]) == b"another report"


def test_an_incomplete_day_is_delivered_again_complete(
    caller: Caller, files: GeneratedOrders, simulator: Simulator
) -> None:
    day = date(2024, 3, 3)
    files.cut_short(day, 0.3)
    report_id = caller.report()["report_id"]
    path = caller.increment(report_id, day)["data"]["s3_path"]["user_order_log_inc"]
    incomplete = caller.read(path)
    files.cut_short(day, 1)
    assert caller.read(path) == incomplete
    simulator.redeliver(day)
    assert caller.read(path).startswith(incomplete)
    assert len(caller.read(path)) > 2 * len(incomplete)


class TestFaults:
    """Faults on request."""

    def test_a_status_with_headers_for_a_number_of_calls(self, caller: Caller) -> None:
        caller.simulator.faults.add(
            Fault("/generate_report", 502, "<html>", headers={"Retry-After": "1"}, times=2)
        )
        for _ in range(2):
            answer = caller.call("POST", "/generate_report")
            assert (answer.status_code, answer.text) == (502, "<html>")
            assert answer.headers["Retry-After"] == "1"
        assert caller.call("POST", "/generate_report").ok

    def test_a_connection_reset(self, caller: Caller) -> None:
        caller.simulator.faults.add(Fault("/get_report", reset=True))
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            caller.call("GET", "/get_report")
        assert caller.call("GET", "/get_report").status_code == 404

    def test_a_slow_answer(self, caller: Caller) -> None:
        caller.simulator.faults.add(Fault("/get_report", delay=0.3))
        asked_at = time.monotonic()
        caller.call("GET", "/get_report")
        assert time.monotonic() - asked_at >= 0.3

    def test_a_slow_drip_of_the_whole_answer(self, caller: Caller) -> None:
        caller.simulator.faults.add(Fault("/generate_report", drip=0.01))
        asked_at = time.monotonic()
        assert caller.task()
        assert time.monotonic() - asked_at >= 0.3

    def test_a_truncated_answer(self, caller: Caller) -> None:
        caller.simulator.faults.add(Fault("/generate_report", cut_after=5))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            caller.call("POST", "/generate_report")

    def test_an_answer_that_is_no_json(self, caller: Caller) -> None:
        caller.simulator.faults.add(Fault("/get_report", 200, '{"task_id":', times=None))
        for _ in range(3):
            with pytest.raises(requests.JSONDecodeError):
                caller.get("/get_report")
        caller.simulator.faults.clear()
        assert caller.get("/get_report")["error"]


def test_calls_are_recorded(caller: Caller, simulator: Simulator) -> None:
    task_id = caller.task()
    caller.get("/get_report", task_id=task_id)
    assert [(call.method, call.path, call.query) for call in simulator.calls] == [
        ("POST", "/generate_report", {}),
        ("GET", "/get_report", {"task_id": task_id}),
    ]
    assert simulator.calls[0].at < simulator.calls[1].at
