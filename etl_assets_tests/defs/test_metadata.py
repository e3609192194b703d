"""What Dagster's UI shows of a materialization, beside the counts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from etl_assets.defs.assets.retention import chart
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.mart.checks import CHECKS
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.support.files import MONDAY, TUESDAY, csv_file, order, without
from etl_assets_tests.support.pipeline import Pipeline


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """Monday in a report, with a customer who comes once; Tuesday, with one who comes twice."""
    report = csv_file(order(MONDAY, "a"), columns=without("status"))
    tuesday = csv_file(
        order(TUESDAY, "b", customer_id=8),
        order(TUESDAY, "c", customer_id=8, status="refunded", payment_amount="50"),
    )
    return open_pipeline(GivenFiles(report, (MONDAY, MONDAY), {TUESDAY: tuesday}))


def check_metadata(pipeline: Pipeline, run_id: str) -> dict[str, dict[str, Any]]:
    return {
        data.check_name: {name: value.value for name, value in data.metadata.items()}
        for event in pipeline.events(run_id)
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for data in [event.asset_check_evaluation_data]
    }


def bars(values: Sequence[int], name: str) -> list[str]:
    """Return the lines of a chart of one group, without their weeks."""
    weeks = [{"period_id": MONDAY, name: value} for value in values]
    return [line[10:].strip() for line in chart(weeks, {name: name}).splitlines()[2:-1]]


def test_a_day_says_which_object_it_came_from(pipeline: Pipeline) -> None:
    run_id = pipeline.run(MONDAY, TUESDAY)
    for day in (MONDAY, TUESDAY):
        ((uri, etag, report_id, increment_id),) = pipeline.query(
            "SELECT uri, etag, report_id, increment_id FROM etl.raw_file WHERE partition_day = %s",
            day,
        )
        found = pipeline.metadata(run_id, "raw/user_order_log", day)
        assert (found["uri"], found["etag"]) == (uri, etag)
        assert (found["report_id"], found["increment_id"]) == (report_id, increment_id or "")
        assert pipeline.metadata(run_id, "staging/user_order_log", day)["uri"] == uri


def test_a_check_that_passed_says_what_it_compared(pipeline: Pipeline) -> None:
    metadata = check_metadata(pipeline, pipeline.run(MONDAY, TUESDAY))
    compared = {"days": f"{MONDAY} to {TUESDAY} (2 days)", "orders": 3, "revenue": 150.0}
    for check in CHECKS:
        assert metadata[check] == compared, check


def test_the_view_shows_its_newest_weeks_and_charts_of_them(pipeline: Pipeline) -> None:
    run_id = pipeline.run(MONDAY, TUESDAY)
    shown = pipeline.metadata(run_id, "mart/f_customer_retention")
    assert shown["dagster/row_count"] == 1
    (week,) = shown["sample"].records
    assert week.data == {
        "period_name": "weekly",
        "period_id": str(MONDAY),
        "new_customers_count": 1,
        "new_customers_revenue": "100.00",
        "returning_customers_count": 1,
        "returning_customers_revenue": "50.00",
        "refunded_customer_count": 1,
        "customers_refunded": 1,
    }
    assert shown["customers_by_week"].splitlines()[1:-1] == [
        "week        new              returning              refunding",
        f"{MONDAY}    1  {'█' * 10}          1  {'█' * 10}          1  {'█' * 10}",
    ]
    assert shown["revenue_by_week"].splitlines()[1:-1] == [
        "week        new              returning",
        f"{MONDAY}  100  {'█' * 10}         50  {'█' * 5}",
    ]


@pytest.mark.parametrize(
    ("count", "bar"), [(0, "0"), (1, "1  ▏"), (8, "8  █"), (9, "9  █▏"), (80, "80  ██████████")]
)
def test_a_bar_is_as_long_as_an_eighth_of_a_character_allows(count: int, bar: str) -> None:
    assert bars([count, 80], "new")[0] == bar


def test_a_loss_has_no_bar() -> None:
    assert bars([-1200, 5], "new")[0] == "-1,200"


def test_twelve_weeks_are_few_enough_for_the_ui_to_show_without_a_click() -> None:
    names = ("new", "returning", "refunding")
    weeks = [
        {"period_id": MONDAY + timedelta(weeks=number), **dict.fromkeys(names, 99_999)}
        for number in range(12)
    ]
    assert len(chart(weeks, {name: name for name in names})) < 1000
