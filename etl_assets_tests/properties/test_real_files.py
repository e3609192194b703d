"""The source's real files give exactly the figures that are known of them, however they are loaded.

31 days: a report of 23, and 8 increments, of which the first has no status.
"""

import random
from datetime import date
from decimal import Decimal

import pytest

from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.properties.oracle import Delivery
from etl_assets_tests.support.files import MONDAY, RealFiles
from etl_assets_tests.support.pipeline import Pipeline

WEEKS = [
    ("weekly", date(2024, 1, 29), 453, 251_710, 58, 61_640, 0, 0),
    ("weekly", date(2024, 2, 5), 742, 378_215, 436, 541_275, 0, 0),
    ("weekly", date(2024, 2, 12), 737, 368_400, 465, 548_155, 0, 0),
    ("weekly", date(2024, 2, 19), 635, 307_385, 224, 263_895, 0, 0),
    ("weekly", date(2024, 2, 26), 744, 337_320, 420, 436_485, 90, 92),
]


@pytest.fixture
def pipeline(real_files: RealFiles, open_pipeline: OpenPipeline) -> Pipeline:
    report = real_files.report
    increments = {day: delivery.body for day, delivery in real_files.increments.items()}
    return open_pipeline(GivenFiles(report.body, (report.first_day, report.last_day), increments))


def holds_the_known_figures(pipeline: Pipeline, days: dict[date, Delivery]) -> None:
    figures = pipeline.query(
        "SELECT count(*), count(*) FILTER (WHERE status = 'refunded'), sum(payment_amount)"
        " FROM mart.f_sales"
    )
    assert figures == [(6_992, 92, Decimal("3494480.00"))]
    assert pipeline.table("f_customer_retention") == WEEKS
    assert pipeline.rejected() == []
    pipeline.holds(days)


def test_in_one_run(pipeline: Pipeline, real_files: RealFiles) -> None:
    pipeline.run(*real_files.days)
    holds_the_known_figures(pipeline, real_files.days)


def test_every_day_alone_in_any_order(pipeline: Pipeline, real_files: RealFiles) -> None:
    days = list(real_files.days)
    random.Random(7).shuffle(days)
    for day in days:
        pipeline.load(day)
    holds_the_known_figures(pipeline, real_files.days)


def test_twice_in_ranges_that_overlap(pipeline: Pipeline, real_files: RealFiles) -> None:
    days = list(real_files.days)
    for part in (days[10:], days[:20], days[5:25]):
        pipeline.load(*part)
    holds_the_known_figures(pipeline, real_files.days)


def test_a_day_delivered_with_other_rows_changes_that_day_alone(
    pipeline: Pipeline, real_files: RealFiles
) -> None:
    pipeline.load(*real_files.days)
    pipeline.simulator.redeliver(MONDAY, real_files.monday_of_other_report.body)
    pipeline.load(MONDAY)
    pipeline.holds(real_files.days | {MONDAY: real_files.monday_of_other_report})
    assert pipeline.table("f_customer_retention")[:4] == WEEKS[:4]

    pipeline.simulator.redeliver(MONDAY, real_files.increments[MONDAY].body)
    pipeline.load(MONDAY)
    holds_the_known_figures(pipeline, real_files.days)
