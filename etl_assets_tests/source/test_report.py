"""The report: asked for once, polled, and used again."""

import math

import pytest

from etl_assets.embedded.simulator import Fault
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets_tests.source.conftest import REPORT, answer, report_on
from etl_assets_tests.support.files import MONDAY, TUESDAY
from etl_assets_tests.support.pipeline import Pipeline, calls


def wait_for_report(pipeline: Pipeline, *, new: bool = False) -> list[str]:
    """Get the report, and return the tasks that it waited for."""
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
    with pytest.raises(ServiceUnavailable) as refusal:
        wait_for_report(pipeline)
    ((task_id,),) = pipeline.query("SELECT task_id FROM etl.report")
    assert f"The report of task {task_id} is still RUNNING after 0.1 s" in str(refusal.value)
    assert "The next run looks whether it is ready" in str(refusal.value)

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
    ("body", "message"),
    [
        (answer("/get_report", status="FAILED"), "answers 'FAILED' for task"),
        (answer("/get_report"), "without a valid report_id, start_day and end_date"),
        (
            answer("/get_report", **(REPORT | {"end_date": "2020-01-01 00:00:00"})),
            "without a valid report_id, start_day and end_date",
        ),
    ],
)
def test_a_report_that_will_never_be_ready_says_how_to_get_another(
    pipeline: Pipeline, body: Fault, message: str
) -> None:
    pipeline.simulator.faults.add(body)
    with pytest.raises(EtlError) as refusal:
        wait_for_report(pipeline)
    assert message in str(refusal.value)
    assert "etl-assets backfill --new-report" in str(refusal.value)
    assert not isinstance(refusal.value, ServiceUnavailable)
    wait_for_report(pipeline, new=True)
    assert len(pipeline.source.reports()) == 1


def test_the_newest_of_several_reports_is_the_one_ready_last(pipeline: Pipeline) -> None:
    report_on(pipeline, MONDAY)
    newest = report_on(pipeline, TUESDAY)
    assert pipeline.source.reports()[0].report_id == newest
