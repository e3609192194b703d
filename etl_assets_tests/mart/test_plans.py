"""How PostgreSQL finds the rows: of a day or a week, and never by reading all of them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from etl_assets.sql import statement
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import source_of
from etl_assets_tests.support.files import MONDAY, TUESDAY, order
from etl_assets_tests.support.pipeline import Pipeline


def plan_of(pipeline: Pipeline, name: str, day: date) -> Iterator[dict[str, Any]]:
    """Give all nodes of the plan of a statement for a day."""
    explain = f"EXPLAIN (FORMAT JSON) {statement(name)}"
    (row,) = pipeline.warehouse.run(
        lambda connection: connection.execute(explain.encode(), {"days": [day]}).fetchall()
    )
    yield from nodes(row["QUERY PLAN"][0]["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a plan's node and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def test_statistics_that_know_nothing_of_a_day_make_no_slow_plan(
    open_pipeline: OpenPipeline,
) -> None:
    days = (MONDAY, TUESDAY)
    pipeline = open_pipeline(
        source_of({day: [order(day, str(n), customer_id=n) for n in range(1000)] for day in days})
    )
    pipeline.load(MONDAY)
    tables = ("staging.user_order_log", "staging.customer_day", "mart.d_customer")
    for table in tables:
        pipeline.query(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    pipeline.query(f"ANALYZE {', '.join(tables)}")
    pipeline.load(TUESDAY)
    # Rows times rows: it took minutes for a day of 30,000 orders.
    loops = [
        inner["CTE Name"]
        for node in plan_of(pipeline, "mart/d_customer", TUESDAY)
        if node["Node Type"] == "Nested Loop"
        and (inner := node["Plans"][1])["Node Type"] == "CTE Scan"
        and inner["CTE Name"] != "loading"
    ]
    assert loops == []


def test_of_much_history_a_week_alone_is_read(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(source_of({}))
    pipeline.query(
        "INSERT INTO mart.f_sales (date_id, item_id, customer_id, city_id, quantity,"
        " payment_amount, uniq_id, status)"
        " SELECT etl.date_id(%s::date + day), 1, row, 1, 1, 1, row::text, 'shipped'"
        " FROM generate_series(0, 199) AS day, generate_series(1, 500) AS row",
        MONDAY,
    )
    pipeline.query("ANALYZE mart.f_sales")
    read = {
        node["Node Type"]
        for node in plan_of(pipeline, "mart/check/weekly_equals_facts", MONDAY)
        if node.get("Relation Name") == "f_sales"
    }
    assert read == {"Index Scan"}
