"""The checks before COMMIT: each fails once, and nothing of its load stays."""

import pytest

from etl_assets.defs.assets.staging import EMPTIED_CHECK
from etl_assets.mart.checks import CHECKS
from etl_assets.mart.tables import TABLES
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import holds, source_of
from etl_assets_tests.support.files import MONDAY, TUESDAY, order
from etl_assets_tests.support.pipeline import Pipeline

BROKEN = {
    "every_fact_has_its_dimensions": ("d_item", "RETURN NULL;"),
    "facts_equal_staging": ("f_sales", "NEW.payment_amount := NEW.payment_amount + 1; RETURN NEW;"),
    "weekly_equals_facts": (
        "f_customer_retention_weekly",
        "NEW.returning_customers_count := NEW.returning_customers_count + 1; RETURN NEW;",
    ),
}
"""By check, how its table goes wrong within the load's own transaction."""


def break_table(pipeline: Pipeline, table: str, body: str) -> None:
    pipeline.query(
        f"CREATE FUNCTION public.break() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body} END$$"
    )
    pipeline.query(
        f"CREATE TRIGGER break BEFORE INSERT ON mart.{table}"
        " FOR EACH ROW EXECUTE FUNCTION public.break()"
    )


def test_every_check_is_broken_once_here() -> None:
    assert BROKEN.keys() == CHECKS.keys()


@pytest.mark.parametrize("check", BROKEN)
def test_a_failed_check_takes_everything_back_and_stops_what_follows(
    open_pipeline: OpenPipeline, check: str
) -> None:
    pipeline = open_pipeline(
        source_of({MONDAY: [order(MONDAY)], TUESDAY: [order(TUESDAY, item_id=8)]})
    )
    pipeline.load(MONDAY)
    before = [pipeline.table(name) for name in (*TABLES, "loaded_day")]
    table, body = BROKEN[check]
    break_table(pipeline, table, body)

    outcome = pipeline.fail(TUESDAY)

    offending = MONDAY if check == "weekly_equals_facts" else TUESDAY
    assert outcome.error is not None
    assert outcome.error.startswith(f"The mart was not changed: {check}: {offending}")
    assert [pipeline.table(name) for name in (*TABLES, "loaded_day")] == before
    assert pipeline.loads() == [(MONDAY,)]
    of_mart = {name: name != check for name in CHECKS}
    assert pipeline.checks(outcome.run_id) == {EMPTIED_CHECK.name: True} | of_mart
    materialized = {asset for asset, _ in pipeline.materialized(outcome.run_id)}
    assert materialized == {"order_report", "raw/user_order_log", "staging/user_order_log"}

    pipeline.query(f"DROP TRIGGER break ON mart.{table}")
    run_id = pipeline.run(TUESDAY)
    assert pipeline.checks(run_id).keys() >= CHECKS.keys()
    assert all(pipeline.checks(run_id).values())
    holds(pipeline, MONDAY, TUESDAY)


def test_an_error_in_a_check_is_no_failed_check(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(source_of({MONDAY: [order(MONDAY)]}))
    break_table(pipeline, "f_sales", "RAISE EXCEPTION 'disk full';")
    outcome = pipeline.fail(MONDAY)
    assert outcome.error is not None
    assert "disk full" in outcome.error
    assert pipeline.checks(outcome.run_id) == {EMPTIED_CHECK.name: True}
