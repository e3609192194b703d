"""The facts, and the weeks of customer retention that are made of them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import NEXT_MONDAY, holds, redeliver, source_of
from etl_assets_tests.support.files import MONDAY, SUNDAY, order


def test_refunds_are_rows_of_their_own_and_negative(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(
        source_of({MONDAY: [order(MONDAY), order(MONDAY, status="refunded", quantity=1)]})
    )
    pipeline.load(MONDAY)
    facts = pipeline.query("SELECT quantity, payment_amount, status FROM mart.f_sales ORDER BY 3")
    assert facts == [(-1, Decimal("-100.00"), "refunded"), (2, Decimal("100.00"), "shipped")]
    holds(pipeline, MONDAY)


def test_retention_counts_order_rows_of_a_week_whatever_their_status(
    open_pipeline: OpenPipeline,
) -> None:
    sunday_before = MONDAY - timedelta(days=1)
    pipeline = open_pipeline(
        source_of(
            {
                MONDAY: [
                    order(MONDAY, "1", customer_id=1, payment_amount=100),
                    order(MONDAY, "2", customer_id=2, payment_amount=40, status="refunded"),
                    order(MONDAY, "3", customer_id=3, payment_amount=7),
                    order(MONDAY, "4", customer_id=4, payment_amount=5),
                ],
                SUNDAY: [
                    order(SUNDAY, "5", customer_id=3, payment_amount=9, status="refunded"),
                    order(SUNDAY, "6", customer_id=3, payment_amount=1, status="refunded"),
                ],
                NEXT_MONDAY: [order(NEXT_MONDAY, "7", customer_id=1)],
            },
            # In the report: package_file, for it has no status.
            [order(sunday_before, "8", customer_id=1, payment_amount=3)],
        )
    )
    for day in (SUNDAY, NEXT_MONDAY, sunday_before, MONDAY):
        pipeline.load(day)
    assert pipeline.table("f_customer_retention") == [
        ("weekly", sunday_before - timedelta(days=6), 1, 3, 0, 0, 0, 0),
        # 1, 2 and 4 have one order row and 3 has three; 2 refunded once, 3 twice.
        ("weekly", MONDAY, 3, 65, 1, -3, 2, 3),
        ("weekly", NEXT_MONDAY, 1, 100, 0, 0, 0, 0),
    ]
    holds(pipeline, sunday_before, MONDAY, SUNDAY, NEXT_MONDAY)


def test_the_view_has_its_columns_in_the_order_that_bi_reads(open_pipeline: OpenPipeline) -> None:
    columns = open_pipeline().query(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'mart'"
        " AND table_name = 'f_customer_retention' ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns] == [
        "period_name",
        "period_id",
        "new_customers_count",
        "new_customers_revenue",
        "returning_customers_count",
        "returning_customers_revenue",
        "refunded_customer_count",
        "customers_refunded",
    ]


def test_a_week_has_zero_and_never_null_and_without_facts_no_row(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(
        source_of(
            {
                MONDAY: [order(MONDAY, name) for name in "ab"],
                NEXT_MONDAY: [order(NEXT_MONDAY)],
                NEXT_MONDAY + timedelta(days=7): [],
            }
        )
    )
    days = [MONDAY, NEXT_MONDAY, NEXT_MONDAY + timedelta(days=7)]
    for day in days:
        pipeline.load(day)
    weeks = pipeline.table("f_customer_retention")
    assert [week[1] for week in weeks] == [MONDAY, NEXT_MONDAY]
    assert all(value is not None for week in weeks for value in week)
    redeliver(pipeline, NEXT_MONDAY)
    assert [week[1] for week in pipeline.table("f_customer_retention")] == [MONDAY]
    holds(pipeline, *days)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
def test_no_sessions_time_zone_or_date_style_makes_a_difference(
    open_pipeline: OpenPipeline, zone: str
) -> None:
    days = [MONDAY, SUNDAY, NEXT_MONDAY]
    pipeline = open_pipeline(
        source_of(
            {
                day: [order(day) | {"date_time": f"{day}T{time}"}]
                for day, time in zip(days, ("00:00:00", "23:59:59.5", "12:00:00"), strict=True)
            }
        )
    )
    pipeline.query(
        f"DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''{zone}''',"
        " current_database()); EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''',"
        " current_database()); END$$"
    )
    for day in days:
        pipeline.load(day)
    holds(pipeline, *days)
