"""The mart: what each table holds after days were loaded, loaded again, taken back or given up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import psycopg
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from etl_assets.assets.checks import CHECKS
from etl_assets.assets.common import mart_key
from etl_assets.assets.mart import TABLES, load_mart
from etl_assets.automation.jobs import ORDER_INCREMENT
from etl_assets.embedded.simulator import GivenFiles
from etl_assets.errors import EtlError
from etl_assets.settings import WarehouseSettings
from etl_assets.statements import statement
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.files import MONDAY, SUNDAY, TUESDAY, WEDNESDAY, csv_file, order
from etl_assets_tests.pipeline import Pipeline, holding

REPORT_DAYS = (date(2024, 2, 12), date(2024, 2, 25))
NEXT_MONDAY = MONDAY + timedelta(days=7)

Rows = Sequence[dict[str, str]]


def source_of(increments: dict[date, Rows], report: Rows = ()) -> GivenFiles:
    """Return a source of increments, and of a report before them."""
    bodies = {day: csv_file(*rows) for day, rows in increments.items()}
    return GivenFiles(csv_file(*report), REPORT_DAYS, bodies)


def redeliver(pipeline: Pipeline, day: date, *rows: dict[str, str]) -> None:
    """Let the source have other rows of a day, and load it again."""
    pipeline.files.increments[day] = csv_file(*rows)
    pipeline.simulator.redeliver(day)
    pipeline.load(day)


def holds(pipeline: Pipeline, *days: date) -> None:
    """Check that the mart is what the source has of the days."""
    pipeline.holds(holding(pipeline.files, *days))


# --- Dimensions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("days", list(permutations([MONDAY, TUESDAY, WEDNESDAY])))
def test_a_member_is_as_its_latest_order_says_whatever_was_loaded_last(
    open_pipeline: OpenPipeline, days: tuple[date, ...]
) -> None:
    names = {MONDAY: "a", TUESDAY: "b", WEDNESDAY: "c"}
    pipeline = open_pipeline(
        source_of(
            {
                day: [
                    order(day, "1", item_name=name, city_name=name, first_name=name),
                    # Of two orders of a day the one further down is the later.
                    order(day, "2", item_name=name * 2, city_name=name * 2, last_name=name * 2),
                    order(day, "3", item_id=ord(name), customer_id=ord(name), city_id=ord(name)),
                ]
                for day, name in names.items()
            }
        )
    )
    for day in days:
        pipeline.load(day)
    holds(pipeline, *days)
    assert (3, "cc", WEDNESDAY, 3) in pipeline.table("d_item")
    assert (0, "cc", WEDNESDAY, 3) in pipeline.table("d_city")


@pytest.mark.parametrize("latest", [TUESDAY, TUESDAY + timedelta(days=100)])
def test_a_latest_order_that_is_taken_back_gives_way_to_the_one_before(
    open_pipeline: OpenPipeline, latest: date
) -> None:
    pipeline = open_pipeline(
        source_of(
            {
                MONDAY: [order(MONDAY, item_name="old", city_name="old", first_name="old")],
                latest: [order(latest, item_name="new", city_name="new", first_name="new")],
            }
        )
    )
    pipeline.load(MONDAY, latest)
    assert pipeline.table("d_item") == [(3, "new", latest, 2)]
    redeliver(pipeline, latest, order(latest, item_id=8, city_id=8, customer_id=8))
    assert (3, "old", MONDAY, 2) in pipeline.table("d_item")
    holds(pipeline, MONDAY, latest)


def test_a_latest_order_can_move_up_within_its_day(open_pipeline: OpenPipeline) -> None:
    first, second = (order(MONDAY, name, item_name=name, city_id=ord(name)) for name in "ab")
    pipeline = open_pipeline(source_of({MONDAY: [first, second]}))
    pipeline.load(MONDAY)
    redeliver(pipeline, MONDAY, second, first)
    assert pipeline.table("d_item") == [(3, "a", MONDAY, 3)]
    holds(pipeline, MONDAY)
    redeliver(pipeline, MONDAY, first)
    holds(pipeline, MONDAY)


def test_an_earlier_day_loaded_again_leaves_later_members_alone(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(
        source_of({day: [order(day, item_name=str(day))] for day in (MONDAY, TUESDAY)})
    )
    pipeline.load(MONDAY, TUESDAY)
    redeliver(pipeline, MONDAY, order(MONDAY, item_name="changed"))
    assert pipeline.table("d_item") == [(3, str(TUESDAY), TUESDAY, 2)]
    holds(pipeline, MONDAY, TUESDAY)


def test_a_latest_order_taken_back_in_a_range_finds_the_one_of_an_earlier_day_of_it(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(source_of({day: [order(day)] for day in (MONDAY, TUESDAY, WEDNESDAY)}))
    pipeline.load(MONDAY, TUESDAY, WEDNESDAY)
    for day in (TUESDAY, WEDNESDAY):
        changed = csv_file(order(day, item_name="b")) if day == TUESDAY else csv_file()
        pipeline.files.increments[day] = changed
        pipeline.simulator.redeliver(day)
    pipeline.load(TUESDAY, WEDNESDAY)
    assert pipeline.table("d_item") == [(3, "b", TUESDAY, 2)]
    holds(pipeline, MONDAY, TUESDAY, WEDNESDAY)


def test_a_member_without_any_order_left_is_gone(open_pipeline: OpenPipeline) -> None:
    pipeline = open_pipeline(
        source_of(
            {
                MONDAY: [order(MONDAY)],
                TUESDAY: [order(TUESDAY, item_id=4, city_id=4, customer_id=4)],
            }
        )
    )
    pipeline.load(MONDAY, TUESDAY)
    redeliver(pipeline, TUESDAY)
    assert [len(pipeline.table(name)) for name in ("d_item", "d_city", "d_customer")] == [1, 1, 1]
    holds(pipeline, MONDAY, TUESDAY)


def test_rows_that_staging_does_not_account_for_are_gone_when_all_is_loaded_again(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(source_of({day: [order(day)] for day in (MONDAY, TUESDAY)}))
    pipeline.load(MONDAY, TUESDAY)
    pipeline.query("INSERT INTO mart.d_item VALUES (99, 'nobody ordered it', '2024-02-26', 7)")
    pipeline.query("UPDATE mart.f_sales SET payment_amount = 1")
    pipeline.query("UPDATE mart.d_city SET city_name = 'elsewhere', latest_day = '2030-01-01'")
    pipeline.load(MONDAY, TUESDAY)
    holds(pipeline, MONDAY, TUESDAY)


# --- Calendar -------------------------------------------------------------------------------------


def test_the_calendar_has_every_day_from_the_first_to_the_last_loaded(
    open_pipeline: OpenPipeline,
) -> None:
    days = [date(2024, 2, 14), date(2024, 2, 20), SUNDAY, NEXT_MONDAY]
    pipeline = open_pipeline(
        source_of({day: [order(day)] for day in days[2:]}, [order(day) for day in days[:2]])
    )
    for day in (days[1], days[3], days[0], days[2]):
        pipeline.load(day)
    dates = [row[1] for row in pipeline.table("d_calendar")]
    assert dates == [days[0] + timedelta(days=number) for number in range(20)]
    holds(pipeline, *days)


def test_years_quarters_and_weeks_turn_as_in_the_model(open_pipeline: OpenPipeline) -> None:
    first, last = date(2019, 12, 25), date(2021, 1, 5)
    files = GivenFiles(csv_file(order(first), order(last, "b")), (first, last))
    pipeline = open_pipeline(files)
    pipeline.load(first)
    pipeline.load(last)
    assert len(pipeline.table("d_calendar")) == 378
    holds(pipeline, first, last)


# --- Facts and retention --------------------------------------------------------------------------


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
            # In the report: shipped, for it has no status.
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


# --- The checks before COMMIT ---------------------------------------------------------------------

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
    assert outcome.error.startswith(f"The mart was left as it was: {check}: {offending}")
    assert [pipeline.table(name) for name in (*TABLES, "loaded_day")] == before
    assert pipeline.loads() == [(MONDAY,)]
    assert pipeline.checks(outcome.run_id) == {name: name != check for name in CHECKS}
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
    assert pipeline.checks(outcome.run_id) == {}


# --- Runs that end early, meet, or come again -----------------------------------------------------

_RUN = """
from datetime import date
import sys
import dagster as dg
from etl_assets.definitions import build_defs
from etl_assets.runs import Runner
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
        patiently = Retrying(
            retry=retry_if_result(lambda rows: rows == [(0,)]),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(60),
        )
        patiently(pipeline.query, waiting)
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

    counts = pipeline.loads("rows_read, copies, rejected, kept, revenue")
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
    assert seconds.keys() == {"read", "drop_copies", "parse", "copy", "mart"}


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
    with pytest.raises(EtlError, match=f"does not hold {TUESDAY}.*Materialize the day's raw"):
        load_mart(pipeline.warehouse, [MONDAY, TUESDAY], run_id="a", only_unloaded=False)
    outcome = pipeline.fail(TUESDAY, assets=[mart_key(table) for table in TABLES])
    assert outcome.error is not None
    assert f"does not hold {TUESDAY}" in outcome.error
    holds(pipeline, MONDAY)


# --- What Dagster is told -------------------------------------------------------------------------


def test_a_range_is_one_run_that_tells_of_each_of_its_days(open_pipeline: OpenPipeline) -> None:
    days = {MONDAY: 3, TUESDAY: 0, WEDNESDAY: 1}
    pipeline = open_pipeline(
        source_of(
            {
                day: [order(day, str(n), item_id=n) for n in range(count)]
                for day, count in days.items()
            }
        )
    )
    run_id = pipeline.run(*days)

    assert pipeline.loads("partition_day, run_id") == [(day, run_id) for day in days]
    daily = ["raw/user_order_log", "staging/user_order_log", *(f"mart/{table}" for table in TABLES)]
    assert pipeline.materialized(run_id) == {
        *((asset, str(day)) for asset in daily for day in days),
        ("order_report", None),
        ("mart/f_customer_retention", None),
    }
    for day, count in days.items():
        for asset in ("staging/user_order_log", "mart/f_sales", "mart/d_item"):
            metadata = pipeline.metadata(run_id, asset, day)
            assert metadata["dagster/partition_row_count"] == count, (asset, day)
        assert pipeline.metadata(run_id, "mart/f_sales", day)["revenue"] == 100.0 * count
        assert pipeline.metadata(run_id, "mart/d_calendar", day)["dagster/partition_row_count"] == 1
        (load,) = pipeline.metadata(run_id, "mart/f_sales", day)["loads"].records
        assert (load.data["added"], load.data["run_id"]) == (count, run_id)
    last = pipeline.metadata(run_id, "mart/f_sales", WEDNESDAY)
    assert last["dagster/row_count"] == 4
    assert [column.name for column in last["dagster/column_schema"].columns][:2] == [
        "date_id",
        "item_id",
    ]
    assert "payment_amount" in last["dagster/column_lineage"].deps_by_column
    assert all(pipeline.checks(run_id).values())
    holds(pipeline, *days)


def test_a_run_shows_a_sample_of_each_table_without_names_of_people(
    open_pipeline: OpenPipeline,
) -> None:
    named = {"first_name": "Zebedee", "last_name": "Quux"}
    days = {MONDAY: [order(MONDAY, "a", **named)], TUESDAY: []}
    run_id = (pipeline := open_pipeline(source_of(days))).run(MONDAY)
    for asset in ("staging/user_order_log", *(f"mart/{table}" for table in TABLES)):
        (record,) = pipeline.metadata(run_id, asset, MONDAY)["sample"].records
        assert not {"first_name", "last_name"} & set(record.data)
        assert not set(named.values()) & set(record.data.values())
    (record,) = pipeline.metadata(run_id, "mart/f_sales", MONDAY)["sample"].records
    assert (record.data["uniq_id"], record.data["payment_amount"]) == ("a", 100.0)

    run_id = pipeline.run(TUESDAY)
    assert pipeline.metadata(run_id, "mart/f_sales", TUESDAY)["sample"].records == []


def test_members_are_taken_back_from_days_loaded_before_their_last_orders_were_kept(
    open_pipeline: OpenPipeline,
) -> None:
    pipeline = open_pipeline(
        source_of(
            {
                MONDAY: [order(MONDAY, item_name="early", city_name="early", last_name="early")],
                TUESDAY: [order(TUESDAY), order(TUESDAY, "b", item_id=4, customer_id=4)],
                WEDNESDAY: [order(WEDNESDAY, item_id=5, city_id=5, customer_id=5)],
            }
        )
    )
    pipeline.load(MONDAY, TUESDAY, WEDNESDAY)
    for day in (TUESDAY, WEDNESDAY):
        pipeline.files.increments[day] = csv_file()
        pipeline.simulator.redeliver(day)
    pipeline.stage(TUESDAY)
    pipeline.query("DROP TABLE staging.item_day, staging.city_day, staging.customer_day")
    pipeline.query(
        "CREATE INDEX user_order_log_customer_id_partition_day_line "
        "ON staging.user_order_log (customer_id, partition_day, line)"
    )
    pipeline.query(statement("migrations/0005_latest_orders"))
    pipeline.load(WEDNESDAY)
    holds(pipeline, MONDAY, TUESDAY, WEDNESDAY)


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
    explain = "EXPLAIN (FORMAT JSON) " + statement("mart/d_customer")
    plan = pipeline.warehouse.run(
        lambda connection: connection.execute(explain, {"days": [TUESDAY]}).fetchone()
    )
    # Rows times rows: it took minutes for a day of 30,000 orders.
    loops = [
        inner["CTE Name"]
        for node in nodes((plan or {})["QUERY PLAN"][0]["Plan"])
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
    explain = "EXPLAIN (FORMAT JSON) " + statement("mart/check/weekly_equals_facts")
    plan = pipeline.warehouse.run(
        lambda connection: connection.execute(explain, {"days": [MONDAY]}).fetchone()
    )
    read = {
        node["Node Type"]
        for node in nodes((plan or {})["QUERY PLAN"][0]["Plan"])
        if node.get("Relation Name") == "f_sales"
    }
    assert read == {"Index Scan"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a plan's node and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
