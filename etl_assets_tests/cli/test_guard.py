"""What the commands say of rows that count for no order, and of days that lose all of theirs."""

import json

import pytest

from etl_assets.defs.assets.common import STAGING
from etl_assets.defs.assets.staging import EMPTIED_CHECK
from etl_assets_tests.cli.conftest import Etl
from etl_assets_tests.support.files import (
    FRIDAY,
    MONDAY,
    SUNDAY,
    THURSDAY,
    WEDNESDAY,
    csv_file,
    order,
)
from etl_assets_tests.support.pipeline import Pipeline

OF_THURSDAY = ("backfill", "--from", THURSDAY, "--to", THURSDAY)


def test_rows_of_another_day_are_counted_and_shown_with_the_day_of_the_increment(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    pipeline.files.increments[THURSDAY] = csv_file(
        order(THURSDAY, "d"), order(FRIDAY, "x"), order(THURSDAY) | {"date_time": "yesterday"}
    )
    refused = etl(*OF_THURSDAY, code=1).stderr
    assert "2 of 3 rows of the file are wrong" in refused
    assert pipeline.loads() == []

    environment.setenv("ETL_MAX_REJECTED_SHARE", "1")
    assert "1 orders of 3 rows, 0 duplicates, 2 rejected, in " in etl(*OF_THURSDAY).stdout
    of_days = {
        day: [row["line"] for row in json.loads(etl("rejected", day, "--json").stdout)]
        for day in (THURSDAY, FRIDAY)
    }
    assert {day: sorted(lines) for day, lines in of_days.items()} == {
        THURSDAY: [3, 4],
        FRIDAY: [3],
    }
    (load,) = json.loads(etl("status", "--json").stdout)["loads"]
    assert (load["rows_read"], load["rejected"]) == (3, 2)


def test_rows_of_no_day_of_the_report_are_a_warning(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    pipeline.files.orders = csv_file(
        order(MONDAY, "a"), order(SUNDAY, "x"), order(MONDAY) | {"date_time": "yesterday"}
    )
    environment.setenv("ETL_MAX_REJECTED_SHARE", "1")
    result = etl("backfill")
    assert "1 orders of 1 rows, 0 duplicates, 0 rejected" in result.stdout
    (warning,) = [line for line in result.stderr.splitlines() if line.startswith("Warning: ")]
    assert warning.startswith("Warning: 2 rows of s3://")
    assert f"their day is unreadable or not from {MONDAY} to {WEDNESDAY}" in warning


def test_a_day_loses_all_its_orders_only_if_that_is_allowed(
    etl: Etl, pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    etl(*OF_THURSDAY)
    facts = pipeline.table("f_sales")
    environment.setenv("ETL_MAX_REJECTED_SHARE", "1")
    pipeline.simulator.redeliver(THURSDAY, csv_file(order(FRIDAY)))
    refused = etl(*OF_THURSDAY, code=1).stderr
    assert f"gives no orders for {THURSDAY} (rows read: 1, rejected: 1)" in refused
    assert f"etl-assets backfill --from {THURSDAY} --to {THURSDAY} --allow-empty" in refused
    assert pipeline.table("f_sales") == facts
    allowed = etl(*OF_THURSDAY, "--allow-empty")
    assert f"Warning: {THURSDAY} had 1 orders before this load and has none" in allowed.stderr
    assert pipeline.table("f_sales") == []


def test_an_increment_of_a_header_alone_is_loaded_with_a_warning(
    etl: Etl, pipeline: Pipeline
) -> None:
    etl(*OF_THURSDAY)
    pipeline.simulator.redeliver(THURSDAY, csv_file())
    result = etl(*OF_THURSDAY)
    assert "0 orders of 0 rows, 0 duplicates, 0 rejected" in result.stdout
    assert f"Warning: {THURSDAY} had 1 orders before this load and has none" in result.stderr
    assert pipeline.table("f_sales") == []
    assert "Warning" not in etl(*OF_THURSDAY).stderr


def test_a_run_shows_a_day_that_lost_all_its_orders_as_a_warning(pipeline: Pipeline) -> None:
    assert pipeline.checks(pipeline.run(THURSDAY))[EMPTIED_CHECK.name]
    pipeline.simulator.redeliver(THURSDAY, csv_file())
    run_id = pipeline.run(THURSDAY)
    assert not pipeline.checks(run_id)[EMPTIED_CHECK.name]
    logged = [entry.user_message for entry in pipeline.instance.all_logs(run_id)]
    assert f"{THURSDAY} had 1 orders before and has none now" in logged


def test_a_run_says_how_many_rows_count_for_no_day(
    pipeline: Pipeline, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ETL_MAX_REJECTED_SHARE", "1")
    pipeline.files.orders = csv_file(order(MONDAY, "a"), order(SUNDAY, "x"))
    run_id = pipeline.run(MONDAY)
    shown = pipeline.metadata(run_id, STAGING.to_user_string(), MONDAY)
    assert (shown["rejected"], shown["rejected_outside_days"]) == (0, 1)
    logged = [entry.user_message for entry in pipeline.instance.all_logs(run_id)]
    assert any(": 1 rows were rejected because their day is unreadable" in line for line in logged)
