"""Items, customers, cities and the calendar, whatever was loaded last."""

from datetime import date, timedelta
from itertools import permutations

import pytest

from etl_assets.embedded.simulator import GivenFiles
from etl_assets_tests.conftest import OpenPipeline
from etl_assets_tests.mart.days import NEXT_MONDAY, holds, redeliver, source_of
from etl_assets_tests.support.files import MONDAY, SUNDAY, TUESDAY, WEDNESDAY, csv_file, order


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
