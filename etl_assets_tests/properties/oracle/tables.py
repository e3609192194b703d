"""From orders to the mart."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from etl_assets_tests.properties.oracle.calendar import (
    CalendarDay,
    calendar_day,
    date_id,
    every_day,
    monday_of,
)
from etl_assets_tests.properties.oracle.orders import Delivery, Order, Status
from etl_assets_tests.properties.oracle.reading import read


class Item(NamedTuple):
    """A row of `mart.d_item`."""

    item_id: int
    item_name: str
    latest_day: date
    latest_line: int


class City(NamedTuple):
    """A row of `mart.d_city`."""

    city_id: int
    city_name: str
    latest_day: date
    latest_line: int


class Customer(NamedTuple):
    """A row of `mart.d_customer`."""

    customer_id: int
    first_name: str
    last_name: str
    city_id: int
    latest_day: date
    latest_line: int


class Sale(NamedTuple):
    """A row of `mart.f_sales`; quantity and amount are negative when refunded."""

    date_id: int
    item_id: int
    customer_id: int
    city_id: int
    quantity: int
    payment_amount: Decimal
    uniq_id: str
    status: Status


class RetentionWeek(NamedTuple):
    """A row of `mart.f_customer_retention_weekly`; `period_id` is the Monday."""

    period_id: date
    new_customers_count: int
    new_customers_revenue: Decimal
    returning_customers_count: int
    returning_customers_revenue: Decimal
    refunded_customer_count: int
    customers_refunded: int


class Retention(NamedTuple):
    """A row of the view `mart.f_customer_retention`."""

    period_name: str
    period_id: date
    new_customers_count: int
    new_customers_revenue: Decimal
    returning_customers_count: int
    returning_customers_revenue: Decimal
    refunded_customer_count: int
    customers_refunded: int


class LoadedDay(NamedTuple):
    """A row of the view `mart.loaded_day`, but for `loaded_at`: rows are those of the file.

    Of a delivery of one day they count for that day, whatever day they have.
    """

    partition_day: date
    rows: int
    orders: int
    rejected: int


@dataclass(frozen=True)
class Mart:
    """Every table and view of the schema `mart`, under its own name, each sorted by its columns.

    Rows are tuples, and equal to the plain tuples that a database driver gives.
    """

    d_item: list[Item]
    d_city: list[City]
    d_customer: list[Customer]
    d_calendar: list[CalendarDay]
    f_sales: list[Sale]
    f_customer_retention_weekly: list[RetentionWeek]
    f_customer_retention: list[Retention]
    loaded_day: list[LoadedDay]


# What to select from each table so that its rows compare with those of `Mart`.
TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "d_item": Item._fields,
    "d_city": City._fields,
    "d_customer": Customer._fields,
    "d_calendar": CalendarDay._fields,
    "f_sales": Sale._fields,
    "f_customer_retention_weekly": RetentionWeek._fields,
    "f_customer_retention": Retention._fields,
    "loaded_day": LoadedDay._fields,
}


def mart(days: Mapping[date, Delivery]) -> Mart:
    """The mart when each of `days` was last loaded from its delivery, and nothing else was.

    Raises:
        Refused: A delivery is refused, so no day can have been loaded from it.
        ValueError: A day lies outside the range of its delivery.
    """
    for day, delivery in days.items():
        if not delivery.first_day <= day <= delivery.last_day:
            raise ValueError(
                f"{day} cannot be loaded from a delivery of"
                f" {delivery.first_day} to {delivery.last_day}"
            )
    readings = {delivery: read(delivery) for delivery in set(days.values())}
    reading_of = {day: readings[days[day]] for day in sorted(days)}

    # By day, then by line: in a dict by id the latest order of a member stays.
    orders = [order for day, reading in reading_of.items() for order in reading.orders_of(day)]
    items = {order.item_id: order for order in orders}
    cities = {order.city_id: order for order in orders}
    customers = {order.customer_id: order for order in orders}
    weeks = [
        _retention_week(
            monday, [order for order in orders if monday_of(order.partition_day) == monday]
        )
        for monday in sorted({monday_of(order.partition_day) for order in orders})
    ]
    return Mart(
        d_item=sorted(
            Item(item_id, order.item_name, order.partition_day, order.line)
            for item_id, order in items.items()
        ),
        d_city=sorted(
            City(city_id, order.city_name, order.partition_day, order.line)
            for city_id, order in cities.items()
        ),
        d_customer=sorted(
            Customer(
                customer_id,
                order.first_name,
                order.last_name,
                order.city_id,
                order.partition_day,
                order.line,
            )
            for customer_id, order in customers.items()
        ),
        d_calendar=[calendar_day(day) for day in every_day(days)],
        f_sales=sorted(
            Sale(
                date_id(order.partition_day),
                order.item_id,
                order.customer_id,
                order.city_id,
                order.quantity_signed,
                order.payment_amount_signed,
                order.uniq_id,
                order.status,
            )
            for order in orders
        ),
        f_customer_retention_weekly=weeks,
        f_customer_retention=[Retention("weekly", *week) for week in weeks],
        loaded_day=[
            LoadedDay(day, rows=counts.rows, orders=counts.orders, rejected=counts.rejected)
            for day, reading in reading_of.items()
            for counts in [reading.counts_for(day)]
        ],
    )


def _retention_week(monday: date, orders: list[Order]) -> RetentionWeek:
    """New means exactly one order row in the week, returning more, whatever the status."""
    rows_of = Counter(order.customer_id for order in orders)
    new = [order for order in orders if rows_of[order.customer_id] == 1]
    returning = [order for order in orders if rows_of[order.customer_id] > 1]
    refunds = [order for order in orders if order.status == "refunded"]
    return RetentionWeek(
        period_id=monday,
        new_customers_count=_customers(new),
        new_customers_revenue=_revenue(new),
        returning_customers_count=_customers(returning),
        returning_customers_revenue=_revenue(returning),
        refunded_customer_count=_customers(refunds),
        customers_refunded=len(refunds),
    )


def _customers(orders: Iterable[Order]) -> int:
    return len({order.customer_id for order in orders})


def _revenue(orders: Iterable[Order]) -> Decimal:
    return sum((order.payment_amount_signed for order in orders), start=Decimal("0.00"))
