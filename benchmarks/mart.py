"""The mart's transaction and reads of the view with growing history: a day's cost must not grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import SecretStr

from benchmarks.measure import Figure, absolute, at_most, side_by_side, stopwatch
from etl_assets.clients.warehouse import Warehouse
from etl_assets.embedded.postgres import EmbeddedPostgres
from etl_assets.mart.load import load_mart
from etl_assets.operations.migrations import migrate

_FIRST = date(2018, 1, 1)
_ORDERS = 30_000
_STATEMENTS = (Path(__file__).parent / "sql" / "stage_days.sql").read_text().split(";\n")


@dataclass(frozen=True)
class Size:
    """The size of a history: its days of `_ORDERS` orders each, and its number of customers."""

    days: int
    customers: int

    @property
    def facts(self) -> int:
        """The number of facts."""
        return self.days * _ORDERS


class History:
    """A warehouse with a history."""

    def __init__(self, postgres: EmbeddedPostgres, name: str, size: Size) -> None:
        postgres.create_database(name)
        self.size = size
        self.next_day = _FIRST + timedelta(days=size.days)
        self.warehouse = Warehouse(SecretStr(postgres.url(name)))
        migrate(self.warehouse)
        with self.warehouse.session() as connection:
            connection.execute("SET synchronous_commit = off")
            self.stage(_FIRST, size.days)
        load_mart(self.warehouse, [_FIRST], run_id="history", only_unloaded=False)
        with self.warehouse.session() as connection:
            connection.execute("VACUUM ANALYZE")

    def stage(self, first: date, days: int = 1, *, orders: int = _ORDERS) -> None:
        """Replace days in staging with generated orders."""
        parameters = {
            "first": first,
            "days": days,
            "orders": orders,
            "customers": self.size.customers,
        }
        with self.warehouse.session() as connection, connection.transaction():
            connection.execute(
                "DELETE FROM staging.user_order_log"
                " WHERE partition_day >= %(first)s AND partition_day < %(first)s + %(days)s",
                parameters,
            )
            for statement in _STATEMENTS:
                connection.execute(statement.encode(), parameters)

    def load(self, day: date, number: int) -> float:
        """Load a staged day, and return the seconds."""
        with stopwatch() as seconds:
            load_mart(self.warehouse, [day], run_id=f"{day} {number}", only_unloaded=False)
        return seconds()

    def load_new(self, number: int) -> float:
        """Load a day for the first time."""
        day = self.next_day + timedelta(days=number)
        self.stage(day)
        return self.load(day, 0)

    def load_again(self, number: int) -> float:
        """Load a day again."""
        day = self.next_day
        self.stage(day)
        return self.load(day, 1 + number)

    def take_back(self, number: int) -> float:
        """Load the last day again, from a re-delivery without a thousand of its orders."""
        day = self.next_day + timedelta(days=1)
        self.stage(day)
        self.load(day, 1000 + number)
        self.stage(day, orders=_ORDERS - 1000)
        return self.load(day, 2000 + number)

    def read(self, _number: int) -> float:
        """Read the view."""
        with stopwatch() as seconds:
            self.warehouse.rows("mart/retention")
        return seconds()


def growing_facts(folder: Path, *, big: bool) -> Iterator[Figure]:
    """Compare days and the view with much history and with little."""
    # Use whole weeks, so that the measured days have the same place in their weeks.
    little, much = Size(35, 100_000), Size(1_673 if big else 336, 100_000)
    with EmbeddedPostgres(folder / "facts") as postgres:
        few, many = History(postgres, "few", little), History(postgres, "many", much)
        with_many = f"{much.facts:,} facts loaded"
        with_few = f"{little.facts:,} loaded"
        new_day = f"a new day of {_ORDERS:,} orders, {with_many}"
        pair = side_by_side(many.load_new, few.load_new)
        yield pair.ratio(new_day, with_few, at_most(1.25))
        yield absolute(new_day, at_most(1), "s", pair.measured)
        same_day = f"the same day again, {with_many}"
        pair = side_by_side(many.load_again, few.load_again)
        yield pair.ratio(same_day, with_few, at_most(1.75))
        yield absolute(same_day, at_most(1), "s", pair.measured)
        view = f"reading the retention view, {with_many}"
        pair = side_by_side(many.read, few.read, rounds=50)
        yield pair.ratio(view, with_few, at_most(1.2))
        yield absolute(view, at_most(20), "ms", [1000 * seconds for seconds in pair.measured])


def growing_customers(folder: Path) -> Iterator[Figure]:
    """Compare days with many customers and with few, and days with orders taken back."""
    little, much = Size(98, 100_000), Size(98, 1_000_000)
    with EmbeddedPostgres(folder / "customers") as postgres:
        few, many = History(postgres, "few", little), History(postgres, "many", much)
        yield side_by_side(many.load_new, few.load_new).ratio(
            f"a new day of {_ORDERS:,} orders, by {much.customers:,} customers",
            f"by {little.customers:,}",
            at_most(2),
        )
        yield side_by_side(many.take_back, many.load_again).ratio(
            "a day again, without 1,000 of its orders", "a day again, as it was", at_most(3)
        )


def measure(folder: Path, *, big: bool) -> Iterator[Figure]:
    """Measure all of it."""
    yield from growing_facts(folder, big=big)
    yield from growing_customers(folder)
