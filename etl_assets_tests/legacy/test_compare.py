"""`etl-assets compare`: what differs from an old database, and why."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import MakeDatabase, OpenPipeline
from etl_assets_tests.support.command_line import Etl
from etl_assets_tests.support.files import MONDAY, SUNDAY, TUESDAY, RealFiles, csv_file, order
from etl_assets_tests.support.old_pipeline import Kind, OldPipeline
from etl_assets_tests.support.pipeline import Pipeline

ORDERS = (
    order(MONDAY, "a", customer_id=7),
    order(MONDAY, "b", customer_id=8, quantity=1, payment_amount=50),
    order(TUESDAY, "c", customer_id=8, status="refunded"),
)

COUNT_REFUNDS_AS_SALES = (
    "UPDATE mart.f_sales SET quantity = abs(quantity), payment_amount = abs(payment_amount)"
)

VIEW = (
    f"CREATE VIEW mart.f_customer_retention AS SELECT date '{MONDAY}' AS period_id,"
    " 1 AS new_customers_count, 100 AS new_customers_revenue,"
    " 5 AS returning_customers_count, -50 AS returning_customers_revenue,"
    " 1 AS refunded_customer_count, 1 AS customers_refunded"
)
"""The week's figures of `ORDERS`, except that there are five returning customers instead of one."""

KINDS: tuple[Kind, ...] = ("doubled", "grouped")

REPEAT = (
    "INSERT INTO mart.f_sales SELECT id + 10, date_id, item_id, customer_id, city_id, quantity,"
    " payment_amount, status FROM mart.f_sales INNER JOIN mart.d_calendar USING (date_id)"
    " WHERE date_actual = %s"
)

TITLES = ["Days", "Weeks", "All days"]

MakeOld = Callable[[Kind], OldPipeline]


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Pipeline:
    """A pipeline that has loaded all orders of the week."""
    pipeline = open_pipeline(GivenFiles(csv_file(*ORDERS), (MONDAY, SUNDAY)))
    pipeline.load(MONDAY, TUESDAY)
    return pipeline


@pytest.fixture
def make_old(make_database: MakeDatabase, environment: pytest.MonkeyPatch) -> MakeOld:
    def make(kind: Kind) -> OldPipeline:
        old = OldPipeline(make_database("template1"), kind)
        environment.setenv("OLD_WAREHOUSE_URL", old.url)
        return old

    return make


@pytest.fixture
def same(make_old: MakeOld, pipeline: Pipeline) -> OldPipeline:
    """An old database with the same figures as the warehouse."""
    old = make_old("doubled")
    old.load(*ORDERS)
    old.query("UPDATE mart.f_sales SET quantity = -quantity WHERE payment_amount < 0")
    assert pipeline.loads() == [(MONDAY,), (TUESDAY,)]
    return old


def differences(etl: Etl, *options: object) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return (old, new, why) by period and figure."""
    listed = json.loads(etl("compare", "--json", *options, code=1).stdout)
    return {
        (f"{found['period']} {found['first_day']}", found["figure"]): (
            found["old"] if isinstance(found["old"], int | None) else float(found["old"]),
            found["new"] if isinstance(found["new"], int | None) else float(found["new"]),
            *found["why"],
        )
        for found in listed
    }


def of_day(day: date, found: dict[tuple[str, str], tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Return the differences of a day, by figure."""
    return {figure: value for (when, figure), value in found.items() if when == f"day {day}"}


def test_nothing_differs(etl: Etl, same: OldPipeline, pipeline: Pipeline) -> None:
    before = same.contents()
    assert etl("compare").stdout == (
        "Days compared: 2. Weeks: 1. Figures that differ: 0. Unexplained: 0\n"
    )
    assert json.loads(etl("compare", "--json").stdout) == []
    assert same.contents() == before
    assert len(pipeline.loads()) == 2


def test_facts_that_refer_to_the_dimensions_own_ids(etl: Etl, same: OldPipeline) -> None:
    same.refer_by_serial_ids(with_foreign_keys=False)
    assert json.loads(etl("compare", "--json").stdout) == []


def test_grouped_facts_and_a_view_that_multiplies_are_explained(
    etl: Etl, open_pipeline: OpenPipeline, make_old: MakeOld
) -> None:
    orders = (
        order(MONDAY, "a", customer_id=7),
        order(MONDAY, "b", customer_id=7, city_id=5, quantity=1, payment_amount=50),
        order(MONDAY, "c", customer_id=8),
        order(MONDAY, "d", customer_id=9),
        order(MONDAY, "e", customer_id=9, item_id=4),
        order(MONDAY, "f", customer_id=10),
        order(MONDAY, "g", customer_id=10, item_id=4),
    )
    open_pipeline(GivenFiles(csv_file(*orders), (MONDAY, MONDAY))).load(MONDAY)
    make_old("grouped").load(*orders, orders[0], orders[2], orders[2])
    assert differences(etl) == {
        (f"day {MONDAY}", "rows"): (6, 7, "orders collapsed (-1)"),
        (f"day {MONDAY}", "quantity"): (19, 13, "duplicates counted ×1.5 (+6)"),
        (f"day {MONDAY}", "revenue"): (950, 650, "duplicates counted ×1.5 (+300.00)"),
        (f"week {MONDAY}", "new_customers_count"): (2, 1, "orders collapsed (-1)"),
        (f"week {MONDAY}", "new_customers_revenue"): (
            1100,
            100,
            "multiplied by the view ×2",
            "orders collapsed (-1)",
            "duplicates counted ×1.5 (+300.00)",
        ),
        (f"week {MONDAY}", "returning_customers_count"): (2, 3, "orders collapsed (-1)"),
        (f"week {MONDAY}", "returning_customers_revenue"): (
            800,
            550,
            "multiplied by the view ×2",
            "orders collapsed (-1)",
            "duplicates counted ×1.5 (+300.00)",
        ),
        (f"all {MONDAY}", "rows"): (6, 7, "orders collapsed (-1)"),
        (f"all {MONDAY}", "quantity"): (19, 13, "duplicates counted ×1.5 (+6)"),
        (f"all {MONDAY}", "revenue"): (950, 650, "duplicates counted ×1.5 (+300.00)"),
    }
    assert "Unexplained: 0" in etl("compare", code=1).stdout
    assert json.loads(etl("compare", "--unexplained", "--json").stdout) == []


def test_duplicates_as_facts_are_explained(etl: Etl, same: OldPipeline) -> None:
    same.query(REPEAT, MONDAY)
    found = differences(etl)
    assert of_day(MONDAY, found)["rows"] == (4, 2, "duplicates as facts (+2)")
    assert found[f"week {MONDAY}", "new_customers_count"] == (0, 1, "duplicates as facts (+2)")


def test_refunds_counted_as_sales_are_explained(etl: Etl, same: OldPipeline) -> None:
    same.query(COUNT_REFUNDS_AS_SALES)
    found = differences(etl)
    assert of_day(TUESDAY, found) == {
        "quantity": (2, -2, "refunds counted as sales (+4)"),
        "revenue": (100, -100, "refunds counted as sales (+200.00)"),
    }
    assert found[f"week {MONDAY}", "customers_refunded"] == (0, 1, "refunds counted as sales (-1)")


def test_duplicates_of_refunds_with_positive_quantities_are_explained(
    etl: Etl, same: OldPipeline
) -> None:
    same.query("UPDATE mart.f_sales SET quantity = abs(quantity)")
    same.query(REPEAT, TUESDAY)
    assert of_day(TUESDAY, differences(etl)) == {
        "rows": (2, 1, "duplicates as facts (+1)"),
        "quantity": (4, -2, "duplicates counted ×2.0 (-2)", "refunds counted as sales (+8)"),
        "revenue": (-200, -100, "duplicates counted ×2.0 (-100.00)"),
    }


def test_differences_without_a_known_cause_are_unexplained(etl: Etl, same: OldPipeline) -> None:
    same.query("UPDATE mart.f_sales SET item_id = 4 WHERE customer_id = 7")
    same.query("UPDATE mart.f_sales SET payment_amount = 51 WHERE payment_amount = 50")
    found = differences(etl, "--unexplained")
    assert of_day(MONDAY, found) == {
        "rows": (
            2,
            2,
            "facts only in the old database (+1)",
            "orders only in the warehouse (-1)",
        ),
        "quantity": (
            3,
            3,
            "facts only in the old database (+2)",
            "orders only in the warehouse (-2)",
        ),
        "revenue": (
            151,
            150,
            "facts only in the old database (+100.00)",
            "orders only in the warehouse (-100.00)",
            "orders of other amounts (+1.00)",
        ),
    }


@pytest.mark.usefixtures("same")
def test_without_days_to_compare_it_fails(etl: Etl) -> None:
    asked_for = ("compare", "--from", MONDAY - timedelta(days=9))
    assert "nothing to compare" in etl(*asked_for, "--to", MONDAY - timedelta(1), code=1).stderr
    assert "is after --to" in etl(*asked_for, "--to", MONDAY - timedelta(10), code=2).stderr


def test_amounts_that_differ_without_changing_the_sum_are_reported(
    etl: Etl, same: OldPipeline
) -> None:
    same.query(
        "UPDATE mart.f_sales SET payment_amount = 150 - payment_amount WHERE date_id = %s", 20240226
    )
    found = differences(etl, "--unexplained")
    assert of_day(MONDAY, found) == {"revenue": (150, 150, "orders of other amounts (+0.00)")}
    assert found[f"week {MONDAY}", "new_customers_revenue"] == (
        50,
        100,
        "orders of other amounts (+0.00)",
    )


def test_days_of_only_one_database_are_reported(etl: Etl, same: OldPipeline) -> None:
    same.query("UPDATE mart.f_sales SET date_id = 20240228 WHERE date_id = 20240227")
    same.query("INSERT INTO mart.d_calendar VALUES (20240228, '2024-02-28')")
    found = differences(etl)
    assert of_day(TUESDAY, found)["rows"] == (None, 1, "days only in the warehouse (-1)")
    wednesday = of_day(TUESDAY + timedelta(days=1), found)
    assert wednesday["revenue"] == (-100, None, "days only in the old database (-100.00)")
    shown = etl("compare", code=1).stdout
    assert "Only in the old database: 2024-02-28\nOnly in the warehouse: 2024-02-27\n" in shown
    assert "day only" not in shown
    assert "Figures that differ: 0" in etl("compare", "--to", MONDAY).stdout


def test_adopted_days_equal_the_old_ones_except_for_quarantine(
    etl: Etl, same: OldPipeline, pipeline: Pipeline
) -> None:
    pipeline.query("DELETE FROM etl.load")
    pipeline.query("DELETE FROM etl.staged_day")
    same.query("TRUNCATE staging.user_order_log")
    etl("adopt")
    assert etl("compare").exit_code == 0
    same.query("UPDATE mart.f_sales SET payment_amount = 0 WHERE customer_id = 7")
    etl("adopt")
    assert of_day(MONDAY, differences(etl)) == {
        "rows": (2, 1, "facts in quarantine here (+1)"),
        "quantity": (3, 1, "facts in quarantine here (+2)"),
    }


def test_a_view_of_another_kind_is_not_compared(etl: Etl, same: OldPipeline) -> None:
    assert "The old weeks were computed from the old facts" in etl("compare").stderr
    columns = ("new", "returning")
    counts = ", ".join(
        f"1 AS {kind}_customers_{what}" for kind in columns for what in ("count", "revenue")
    )
    same.query(
        "CREATE VIEW mart.f_customer_retention AS SELECT 9 AS period_id, 3 AS item_id,"
        f" {counts}, 1 AS refunded_customer_count, 1 AS customers_refunded"
    )
    assert "The old weeks were computed from the old facts" in etl("compare").stderr


def test_a_view_that_takes_too_long_is_not_compared(
    etl: Etl, same: OldPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_assets.legacy.compare._VIEW_SECONDS", 0.1)
    same.query(f"{VIEW} FROM pg_sleep(60)")
    shown = etl("compare")
    assert "or took more than a minute" in shown.stderr
    assert "Unexplained: 0" in shown.stdout


def test_a_view_that_differs_from_its_facts_is_unexplained(etl: Etl, same: OldPipeline) -> None:
    same.query(VIEW)
    assert differences(etl, "--unexplained") == {
        (f"week {MONDAY}", "returning_customers_count"): (
            5,
            1,
            "the old view differs from the old facts",
        )
    }


def test_the_error_names_the_database_that_cannot_be_read(etl: Etl, same: OldPipeline) -> None:
    same.query("ALTER TABLE mart.f_sales RENAME TO sales")
    same.query("CREATE VIEW mart.f_sales AS SELECT *, 1 / (id - id) AS price FROM mart.sales")
    lines = etl("compare", code=1).stderr.splitlines()
    assert lines == ["Comparing …", "The old database says: DivisionByZero (SQLSTATE 22012)"]


def test_it_prints_csv_and_tables(
    etl: Etl, same: OldPipeline, environment: pytest.MonkeyPatch
) -> None:
    same.query(COUNT_REFUNDS_AS_SALES)
    listed = list(csv.DictReader(io.StringIO(etl("compare", "--csv", code=1).stdout)))
    assert listed[1] == {
        "period": "day",
        "first_day": str(TUESDAY),
        "figure": "revenue",
        "old": "100.00",
        "new": "-100.00",
        "why": "refunds counted as sales (+200.00)",
        "is_explained": "True",
    }
    environment.setenv("COLUMNS", "80")
    lines = etl("compare", code=1).stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert [line for line in lines if line in TITLES] == TITLES
    assert "can't be used together" in etl("compare", "--csv", "--json", code=2).stderr


def test_all_differences_in_the_real_files_are_explained(
    etl: Etl, open_pipeline: OpenPipeline, make_old: MakeOld, real_files: RealFiles
) -> None:
    report, increments = real_files.report, real_files.increments
    files = GivenFiles(
        report.body,
        (report.first_day, report.last_day),
        {day: delivery.body for day, delivery in increments.items()},
    )
    open_pipeline(files).load(*real_files.days)
    raw_rows = [
        list(csv.DictReader(io.StringIO(delivery.body.decode())))
        for delivery in (report, *increments.values())
    ]
    for kind in KINDS:
        old = make_old(kind)
        for rows in raw_rows:
            old.load(*rows)
        assert etl("compare", "--unexplained", "--json").stdout == "[]\n"
    found = differences(etl)
    assert of_day(date(2024, 2, 14), found)["revenue"][:2] == (322_110, 8_005)
    week = found["week 2024-02-26", "new_customers_revenue"]
    assert week[:3] == (512_549_510, 337_320, "multiplied by the view ×418")
    assert found["all 2024-02-02", "revenue"] == (
        15_240_070,
        3_494_480,
        "duplicates counted ×4.4 (+11,745,590.00)",
    )
    assert found["all 2024-02-02", "rows"] == (6_973, 6_992, "orders collapsed (-19)")
