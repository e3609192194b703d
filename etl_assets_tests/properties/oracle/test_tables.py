"""The tables that the model makes: each rule by hand, and the known figures of the real files."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from etl_assets_tests.properties.oracle import TABLE_COLUMNS, Delivery, Mart, Refused, mart
from etl_assets_tests.support.files import MONDAY, TUESDAY, RealFiles, csv_file, increment


@pytest.fixture(scope="module")
def real_days(real_files: RealFiles) -> dict[date, Delivery]:
    return real_files.days


@pytest.fixture(scope="module")
def real_mart(real_days: dict[date, Delivery]) -> Mart:
    return mart(real_days)


def test_the_real_days_give_the_known_facts(real_mart: Mart):
    assert len(real_mart.f_sales) == 6_992
    assert sum(sale.status == "refunded" for sale in real_mart.f_sales) == 92
    assert sum(sale.payment_amount for sale in real_mart.f_sales) == 3_494_480


def test_the_real_days_give_the_known_weeks(real_mart: Mart):
    assert real_mart.f_customer_retention_weekly == [
        (date(2024, 1, 29), 453, 251_710, 58, 61_640, 0, 0),
        (date(2024, 2, 5), 742, 378_215, 436, 541_275, 0, 0),
        (date(2024, 2, 12), 737, 368_400, 465, 548_155, 0, 0),
        (date(2024, 2, 19), 635, 307_385, 224, 263_895, 0, 0),
        (date(2024, 2, 26), 744, 337_320, 420, 436_485, 90, 92),
    ]


def test_the_real_days_are_loaded_without_a_gap_or_a_rejected_row(real_mart: Mart):
    assert len(real_mart.loaded_day) == len(real_mart.d_calendar) == 31
    assert sum(day.orders for day in real_mart.loaded_day) == 6_992
    assert not any(day.rejected for day in real_mart.loaded_day)
    assert all(800 <= day.rows <= 1_200 for day in real_mart.loaded_day)
    assert all(18 <= day.orders <= 523 for day in real_mart.loaded_day)


def test_a_real_day_delivered_again_changes_its_week_and_no_other(
    real_files: RealFiles, real_mart: Mart
):
    changed = mart(real_files.days | {MONDAY: real_files.monday_of_other_report})
    assert changed.f_customer_retention_weekly[:4] == real_mart.f_customer_retention_weekly[:4]
    assert changed.f_customer_retention_weekly[4] != real_mart.f_customer_retention_weekly[4]


def test_no_loaded_day_is_an_empty_mart():
    assert mart({}) == Mart([], [], [], [], [], [], [], [])


def test_every_table_names_its_columns():
    tables = vars(mart({MONDAY: increment(csv_file({}))}))
    assert {name: len(rows[0]) for name, rows in tables.items()} == {
        name: len(columns) for name, columns in TABLE_COLUMNS.items()
    }


def test_a_day_takes_only_its_own_rows():
    body = csv_file({}, {"date_time": "2024-02-27", "item_id": "4"})
    loaded = mart({TUESDAY: Delivery(body, MONDAY, TUESDAY)})
    assert loaded.d_item == [(4, "Яблоко", TUESDAY, 3)]
    assert loaded.loaded_day == [(TUESDAY, 1, 1, 0)]


def test_a_day_is_not_loaded_from_a_delivery_of_other_days():
    with pytest.raises(ValueError, match="2024-02-27 cannot be loaded"):
        mart({TUESDAY: increment(csv_file({}))})


def test_a_refused_file_is_no_load():
    with pytest.raises(Refused):
        mart({MONDAY: increment(b"")})


def test_members_have_the_attributes_of_their_latest_order():
    monday = csv_file(
        {"uniq_id": "a", "item_name": "Яблоко"},
        {"uniq_id": "b", "item_name": "Груша", "last_name": "Белова"},
        {"uniq_id": "c", "item_id": "4", "customer_id": "8"},
    )
    tuesday = csv_file({"date_time": "2024-02-27", "city_id": "1", "city_name": "Ростов"})
    loaded = mart({TUESDAY: increment(tuesday, TUESDAY), MONDAY: increment(monday)})
    assert loaded.d_item == [(3, "Яблоко", TUESDAY, 2), (4, "Яблоко", MONDAY, 4)]
    assert loaded.d_city == [(0, "Москва", MONDAY, 4), (1, "Ростов", TUESDAY, 2)]
    assert loaded.d_customer == [
        (7, "Ольга", "Орлова", 1, TUESDAY, 2),
        (8, "Ольга", "Орлова", 0, MONDAY, 4),
    ]
    monday_alone = mart({MONDAY: increment(monday)})
    assert monday_alone.d_item[0] == (3, "Груша", MONDAY, 3)
    assert monday_alone.d_customer[0] == (7, "Ольга", "Белова", 0, MONDAY, 3)


def test_rejected_rows_make_no_members():
    loaded = mart({MONDAY: increment(csv_file({"quantity": "0"}))})
    assert (loaded.d_item, loaded.f_sales, loaded.f_customer_retention) == ([], [], [])
    assert loaded.loaded_day == [(MONDAY, 1, 0, 1)]


def test_facts_are_negative_when_refunded():
    body = csv_file({"uniq_id": "b"}, {"uniq_id": "a", "status": "refunded"})
    assert mart({MONDAY: increment(body)}).f_sales == [
        (1_708_905_600, 3, 7, 0, -2, Decimal("-100.00"), "a", "refunded"),
        (1_708_905_600, 3, 7, 0, 2, Decimal("100.00"), "b", "shipped"),
    ]


def test_retention_counts_rows_whatever_their_status_and_customers_once():
    body = csv_file(
        {"uniq_id": "a", "customer_id": "1", "payment_amount": "10"},
        {"uniq_id": "b", "customer_id": "2", "payment_amount": "30.50", "status": "refunded"},
        {"uniq_id": "c", "customer_id": "3", "payment_amount": "100"},
        {"uniq_id": "d", "customer_id": "3", "payment_amount": "40", "status": "refunded"},
        {"uniq_id": "d", "customer_id": "3", "payment_amount": "40"},
        {"uniq_id": "e", "customer_id": "3", "payment_amount": "1", "status": "refunded"},
    )
    week = (MONDAY, 2, Decimal("-20.50"), 1, Decimal("99.00"), 2, 3)
    loaded = mart({MONDAY: increment(body)})
    assert loaded.f_customer_retention_weekly == [week]
    assert loaded.f_customer_retention == [("weekly", *week)]


def test_a_week_runs_from_monday_to_sunday_and_needs_facts():
    days = {
        day: increment(csv_file({"date_time": str(day)}), day)
        for day in (MONDAY - timedelta(days=1), MONDAY, MONDAY + timedelta(days=6))
    }
    next_monday = MONDAY + timedelta(days=7)
    days[next_monday] = increment(csv_file(), next_monday)
    assert mart(days).f_customer_retention_weekly == [
        (date(2024, 2, 19), 1, 100, 0, 0, 0, 0),
        (MONDAY, 0, 0, 1, 200, 0, 0),
    ]


def test_a_loaded_day_counts_its_rows_in_the_file():
    body = csv_file(
        {"id": "1"},
        {"id": "2"},
        {"uniq_id": "b", "quantity": "0"},
        {"uniq_id": "c", "date_time": "2024-02-27"},
        {"uniq_id": "d", "date_time": "?"},
    )
    of_two_days = Delivery(body, MONDAY - timedelta(days=1), MONDAY)
    assert mart({MONDAY: of_two_days}).loaded_day == [(MONDAY, 3, 1, 1)]


def test_a_loaded_increment_counts_all_its_rows_whatever_day_they_have():
    body = csv_file(
        {"id": "1"},
        {"id": "2"},
        {"uniq_id": "b", "quantity": "0"},
        {"uniq_id": "c", "date_time": "2024-02-27"},
        {"uniq_id": "d", "date_time": "?"},
    )
    assert mart({MONDAY: increment(body)}).loaded_day == [(MONDAY, 5, 1, 3)]


def test_an_empty_day_is_loaded_and_stretches_the_calendar():
    thursday = MONDAY + timedelta(days=3)
    loaded = mart({MONDAY: increment(csv_file({})), thursday: increment(csv_file(), thursday)})
    assert loaded.loaded_day == [(MONDAY, 1, 1, 0), (thursday, 0, 0, 0)]
    assert [day.date_actual.day for day in loaded.d_calendar] == [26, 27, 28, 29]
