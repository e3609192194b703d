"""What the demo's source makes up for the days of .env.example, and what the mart makes of it."""

from datetime import date, timedelta

import psycopg

from etl_assets.days import days_between
from etl_assets.embedded.services import ROWS_PER_DAY, SEED
from etl_assets.embedded.simulator import GeneratedOrders, GivenFiles
from etl_assets.embedded.simulator.content import ORDER_LOG
from etl_assets_tests.properties import oracle
from etl_assets_tests.support.pipeline import holding, mart_tables

DAYS = days_between(date(2024, 2, 3), date(2024, 3, 3))


def holds_the_demo(warehouse_url: str) -> None:
    """Check that every table of the mart is what all the days make of it."""
    expected = oracle.mart(holding(_source_files(), *DAYS))
    with psycopg.connect(warehouse_url) as connection:
        for table, rows in mart_tables(connection).items():
            assert rows == getattr(expected, table), table


def _source_files() -> GivenFiles:
    orders = GeneratedOrders(SEED, ROWS_PER_DAY)
    first, last = orders.report_days(DAYS[-1] + timedelta(days=1))
    first_increment = last + timedelta(days=1)
    increments = {
        # As in the report, orders have no status yet in the first increment after it.
        day: b"".join(orders.increment(day, with_status=day > first_increment)[ORDER_LOG])
        for day in days_between(first_increment, DAYS[-1])
    }
    return GivenFiles(b"".join(orders.report(first, last)[ORDER_LOG]), (first, last), increments)
