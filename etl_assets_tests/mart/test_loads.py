"""Loads that end early, meet, or come again."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from etl_assets.defs.assets.common import mart_key
from etl_assets.defs.jobs import ORDER_INCREMENT
from etl_assets.errors import EtlError
from etl_assets.mart.load import load_mart
from etl_assets.mart.tables import TABLES
from etl_assets.settings import WarehouseSettings
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import holds, redeliver, source_of
from etl_assets_tests.support.files import MONDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.support.processes import wait_until

_RUN = """
from datetime import date
import sys
import dagster as dg
from etl_assets.definitions import build_defs
from etl_assets.instance.runner import Runner
from etl_assets.settings import PartitionSettings
with dg.DagsterInstance.ephemeral() as instance:
    defs = build_defs(PartitionSettings.read())
    Runner(defs, instance).run("order_backfill", [date.fromisoformat(sys.argv[1])])
"""


def test_what_a_killed_run_has_staged_is_brought_into_the_mart_by_the_next(
    open_pipeline: OpenPipeline,
) -> None:
    days = (MONDAY, TUESDAY, WEDNESDAY)
    pipeline = open_pipeline(source_of({day: [order(day)] for day in days}))
    pipeline.load(MONDAY)
    with psycopg.connect(WarehouseSettings.read().url.get_secret_value()) as connection:
        connection.execute("LOCK TABLE mart.d_item")
        run = subprocess.Popen([sys.executable, "-c", _RUN, str(TUESDAY)], env=os.environ)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        wait_until(lambda: pipeline.query(waiting) != [(0,)])
        run.send_signal(signal.SIGKILL)
        run.wait()
    holds_in_the_mart = [day for (day, *_) in pipeline.table("loaded_day")]
    assert holds_in_the_mart == [MONDAY]

    run_id = pipeline.run(WEDNESDAY, job=ORDER_INCREMENT, planned=True)

    holds(pipeline, *days)
    assert pipeline.loads("partition_day, run_id")[1:] == [(TUESDAY, run_id), (WEDNESDAY, run_id)]


def test_two_days_of_a_week_loaded_at_once_make_the_week_right(
    open_pipeline: OpenPipeline,
) -> None:
    days = [MONDAY + timedelta(days=number) for number in range(6)]
    pipeline = open_pipeline(
        source_of({day: [order(day, n, item_name=n) for n in "abc"] for day in days})
    )
    pipeline.load(days[0])
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(pipeline.load, days[1:]))
    holds(pipeline, *days)


def test_the_same_day_loaded_twice_at_once_is_there_once(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(source_of({MONDAY: [order(MONDAY, name) for name in "abc"]}))
    pipeline.stage(MONDAY)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(pipeline.load, [MONDAY] * 3))
    holds(pipeline, MONDAY)
    assert len(pipeline.loads()) == 3


def test_a_planned_run_leaves_loaded_days_alone_and_any_other_loads_them_again(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(source_of({MONDAY: [order(MONDAY)]}))
    first = pipeline.run(MONDAY, planned=True)
    idle = pipeline.run(MONDAY, job=ORDER_INCREMENT, planned=True)
    again = pipeline.run(MONDAY, job=ORDER_INCREMENT)
    assert [run for (run,) in pipeline.loads("run_id")] == [first, again]
    for asset in ("staging/user_order_log", "mart/f_sales"):
        assert pipeline.metadata(idle, asset, MONDAY)["already_loaded"] is True
        assert "already_loaded" not in pipeline.metadata(again, asset, MONDAY)
    holds(pipeline, MONDAY)


def test_a_planned_run_loads_a_day_whose_object_was_replaced(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(source_of({MONDAY: [order(MONDAY)]}))
    pipeline.run(MONDAY, planned=True)
    pipeline.files.increments[MONDAY] = csv_file(order(MONDAY, quantity=7))
    pipeline.simulator.redeliver(MONDAY)
    pipeline.run(MONDAY, job=ORDER_INCREMENT, planned=True)
    holds(pipeline, MONDAY)
    assert len(pipeline.loads()) == 2


def test_the_history_of_all_loads_is_kept_with_what_they_were_made_of(
    open_pipeline: OpenPipeline,
) -> None:
    rows = [order(MONDAY, str(n), payment_amount=10) for n in range(200)]
    copy, wrong = rows[0], order(MONDAY, "x", quantity=0)
    pipeline = open_pipeline(source_of({MONDAY: [*rows, copy, copy, wrong]}))
    run_id = pipeline.run(MONDAY)
    redeliver(pipeline, MONDAY, *rows[:3], order(MONDAY, "y", status="refunded", payment_amount=4))

    counts = pipeline.loads("rows_read, duplicates, rejected, loaded, revenue")
    assert counts == [(203, 2, 1, 200, 2000), (4, 0, 0, 4, 26)]
    (first, second) = pipeline.loads("run_id, uri, etag, sha256, report_id, increment_id")
    assert first[0] == run_id
    assert first[1].startswith("s3://s3-sprint3/cohort_23/tester-")
    assert first[1].endswith("/user_order_log_inc.csv")
    # The same address and ids, other bytes.
    assert (first[1], first[4:]) == (second[1], second[4:])
    assert first[2] != second[2]
    assert first[3] != second[3]
    ((seconds,), _) = pipeline.loads("seconds")
    assert seconds.keys() == {"read", "drop_duplicates", "parse", "copy", "mart"}


def test_a_load_whose_answer_got_lost_is_the_newest_when_it_is_done_again(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(source_of({MONDAY: [order(MONDAY)]}))
    pipeline.stage(MONDAY)
    load_mart(pipeline.warehouse, [MONDAY], run_id="one", only_unloaded=False)
    redeliver(pipeline, MONDAY, order(MONDAY, quantity=8))
    pipeline.files.increments[MONDAY] = csv_file(order(MONDAY, quantity=9))
    pipeline.simulator.redeliver(MONDAY)
    pipeline.stage(MONDAY)
    load_mart(pipeline.warehouse, [MONDAY], run_id="one", only_unloaded=False)
    assert pipeline.loads("run_id")[1:] == [("one",)]
    (newest,) = pipeline.query("SELECT etag FROM etl.latest_load")
    assert [newest] == pipeline.query("SELECT etag FROM etl.staged_day")
    holds(pipeline, MONDAY)


def test_the_mart_is_not_made_of_days_that_are_not_staged(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(source_of({day: [order(day)] for day in (MONDAY, TUESDAY)}))
    pipeline.load(MONDAY)
    with pytest.raises(EtlError, match=f"lacks {TUESDAY}.*Materialize raw/user_order_log"):
        load_mart(pipeline.warehouse, [MONDAY, TUESDAY], run_id="a", only_unloaded=False)
    outcome = pipeline.fail(TUESDAY, assets=[mart_key(table) for table in TABLES])
    assert outcome.error is not None
    assert f"lacks {TUESDAY}" in outcome.error
    holds(pipeline, MONDAY)
