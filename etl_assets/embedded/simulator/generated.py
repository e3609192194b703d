"""Generated files that resemble the real ones, with any number of rows.

A day's rows depend on the seed, the day and the number of rows per day only, so the day has the
same orders in every report and increment. Random numbers are digits of MD5 hashes, so they are the
same with every version of every library.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

from typing_extensions import override

from etl_assets.embedded.simulator.content import (
    ORDER_LOG,
    PRICE_LOG,
    Contents,
    SourceFiles,
    usual_report_days,
)
from etl_assets.frames import pl

_ITEMS = {
    "Молоко 1%": 100,
    "Молоко 3%": 120,
    "Молоко 5%": 150,
    "Устройство для нагревания табака Трубка Мира": 500,
    "Сахар песок": 50,
    "Яблоко молодильное": 400,
    "Яблоко": 140,
    "Средство для мытья посуды": 200,
    "Лампочка LED": 300,
    "Ручка шариковая": 45,
    "Томаты": 50,
    "Хлеб ржаной": 20,
}
_CITIES = ["Москва", "Ростов", "Ярославль"]
# The index is sex × 10 + another digit of the customer id; sex is the last digit but one.
_FIRST_NAMES = [
    *("Иван", "Евгений", "Петр", "Олег", "Сергей"),
    *("Александр", "Алексей", "Константин", "Геннадий", "Эдуард"),
    *("Александра", "Евгения", "Ольга", "Светлана", "Екатерина"),
    *("Оксана", "Елизавета", "Анна", "Снежанна", "Надежда"),
]
_LAST_NAMES = [
    *("Иванов", "Петров", "Сидоров", "Смирнов", "Кузнецов"),
    *("Попов", "Васильев", "Соколов", "Михайлов", "Новиков"),
    *("Великая", "Федорова", "Морозова", "Волкова", "Алексеева"),
    *("Лебедева", "Егорова", "Павлова", "Козлова", "Орлова"),
]
_CUSTOMERS_PER_ROW = 2  # 2,000 at 1,000 rows a day
_IDS_IN_A_HUNDRED = 20  # customer ids end in 00 to 19
_REFUND_IN = 20
# The share of a day's orders that have duplicates. They are repeated as one batch at the day's end.
_REPEATED_SHARE = 0.56
_COLUMNS = (
    *("uniq_id", "date_time", "city_id", "city_name", "customer_id", "first_name", "last_name"),
    *("item_id", "item_name", "quantity", "payment_amount"),
)


@dataclass(frozen=True)
class _Edition:
    """A version of a day: its number, and the share of its rows that the source delivers."""

    number: int = 0
    share: float = 1.0


class GeneratedOrders(SourceFiles):
    """Generated orders for every day.

    With `rows_per_day` of 1,000 a day has 800 to 1,200 rows; other values scale this. On average
    77 % of the rows are duplicates.
    """

    def __init__(self, seed: int, rows_per_day: int = 1_000) -> None:
        self._seed = seed
        self._rows_per_day = rows_per_day
        self._editions: dict[date, _Edition] = {}

    @override
    def report_days(self, today: date) -> tuple[date, date]:
        """Return the days of a real report."""
        return usual_report_days(today)

    @override
    def report(self, first_day: date, last_day: date) -> Contents:
        """Return the files of a report; its orders have no status."""
        return side_files(self._seed, first_day, last_day) | {
            ORDER_LOG: self._order_log(first_day, last_day, with_status=False)
        }

    @override
    def increment(self, day: date, *, with_status: bool) -> Contents:
        """Return the files of a day's increment."""
        return side_files(self._seed, day, day) | {
            ORDER_LOG: self._order_log(day, day, with_status=with_status)
        }

    def vary(self, day: date) -> None:
        """Give the day other orders from now on, for a re-delivery with other contents."""
        edition = self._editions.get(day, _Edition())
        self._editions[day] = _Edition(edition.number + 1, edition.share)

    def cut_short(self, day: date, share: float) -> None:
        """Deliver only this share (0 to 1) of the day's rows from now on; 1 delivers all again."""
        edition = self._editions.get(day, _Edition())
        self._editions[day] = _Edition(edition.number, share)

    def _order_log(self, first_day: date, last_day: date, *, with_status: bool) -> Iterator[bytes]:
        columns = [*_COLUMNS, *(["status"] if with_status else [])]
        yield ",".join(["id", *columns]).encode() + b"\r\n"
        next_id = 1
        for day in _days(first_day, last_day):
            rows = self._rows(day).select(columns).with_row_index("id", offset=next_id)
            next_id += rows.height
            buffer = BytesIO()
            # None of these texts needs quotes, and without the search for them it takes a third of
            # the time.
            rows.write_csv(
                buffer, include_header=False, line_terminator="\r\n", quote_style="never"
            )
            yield buffer.getvalue()

    def _rows(self, day: date) -> pl.DataFrame:
        """Return the day's rows without their ids, duplicates included."""
        edition = self._editions.get(day, _Edition())
        name = f"{self._seed}/{self._rows_per_day}/{day}/{edition.number}"
        count = max(1, round(self._rows_per_day * (0.8 + 0.4 * _chance(f"{name}/rows"))))
        # The share of rows that are no duplicates: 2 % to 52 %, mostly small, 23 % on average.
        share = 0.02 + 0.5 * _chance(f"{name}/orders") ** 1.38
        orders = max(1, round(count * share))
        batch = max(1, round(orders * _REPEATED_SHARE))
        row = pl.int_range(count, dtype=pl.Int64, eager=True).alias("row")
        order = pl.when(row < orders).then(row).otherwise(orders - batch + (row - orders) % batch)
        rows = self._orders(name, day, orders)[pl.select(order).to_series()]
        return rows.head(round(count * edition.share))

    def _orders(self, name: str, day: date, count: int) -> pl.DataFrame:
        """Return the day's distinct orders, with a status."""
        digests = [_digest(f"{name}/{number}") for number in range(count)]

        def below(limit: int, first_digit: int) -> pl.Expr:
            digits = pl.col("uniq_id").str.slice(first_digit, 7)
            return digits.str.to_integer(base=16, dtype=pl.Int64) % limit

        customers = max(_IDS_IN_A_HUNDRED, self._rows_per_day * _CUSTOMERS_PER_ROW)
        customer = below(customers, 0)
        hundred = customer // _IDS_IN_A_HUNDRED
        sex = customer % _IDS_IN_A_HUNDRED // 10
        item, quantity = below(len(_ITEMS), 7), below(5, 14) + 1
        return pl.DataFrame({"uniq_id": digests}).select(
            "uniq_id",
            pl.lit(f"{day}T00:00:00").alias("date_time"),
            below(len(_CITIES), 21).alias("city_id"),
            _pick(_CITIES, below(len(_CITIES), 21)).alias("city_name"),
            (hundred * 100 + customer % _IDS_IN_A_HUNDRED).alias("customer_id"),
            _pick(_FIRST_NAMES, sex * 10 + hundred // 10 % 10).alias("first_name"),
            _pick(_LAST_NAMES, sex * 10 + hundred % 10).alias("last_name"),
            item.alias("item_id"),
            _pick(list(_ITEMS), item).alias("item_name"),
            quantity.alias("quantity"),
            (_pick(list(_ITEMS.values()), item) * quantity).alias("payment_amount"),
            pl.when(below(_REFUND_IN, 25) == 0)
            .then(pl.lit("refunded"))
            .otherwise(pl.lit("shipped"))
            .alias("status"),
        )


def side_files(seed: int, first_day: date, last_day: date) -> dict[str, Iterable[bytes]]:
    """Return the three files of the days that are not order logs, by kind."""
    days = _days(first_day, last_day)
    activities = [line for day in days for line in _activities(seed, day)]
    return {
        "customer_research": _lines(
            "date_id,category_id,geo_id,sales_qty,sales_amt",
            *(line for day in days for line in _research(seed, day)),
        ),
        "user_activity_log": _lines(
            "id,uniq_id,date_time,action_id,customer_id,quantity",
            *(f"{number},{line}" for number, line in enumerate(activities, start=1)),
        ),
        PRICE_LOG: _lines(*(f"{name},{price}" for name, price in _ITEMS.items())),
    }


def _activities(seed: int, day: date) -> Iterator[str]:
    """Yield a day's 1 to 20 activities without `id`. Their customers are not the orders' ones."""
    for number in range(1 + int(20 * _chance(f"{seed}/{day}/activities"))):
        digest = _digest(f"{seed}/{day}/activity/{number}")
        action, ten, unit, quantity = (int(digest[i : i + 4], 16) for i in (0, 4, 8, 12))
        customer = ten % 100 * 10 + unit % 2
        yield f"{digest},{day}T00:00:00,{action % 4},{customer},{quantity % 25}"


def _research(seed: int, day: date) -> Iterator[str]:
    """Yield a day's 30 rows: sales of 10 categories in 3 regions, at one price for the day."""
    price = 500 + int(600 * _chance(f"{seed}/{day}/price"))
    for category in range(1001, 1011):
        for region in range(1, 4):
            sold = int(10 * _chance(f"{seed}/{day}/{category}/{region}"))
            yield f"{day}T00:00:00,{category},{region},{sold},{sold * price}"


def _lines(*lines: str) -> Iterable[bytes]:
    return ["".join(f"{line}\r\n" for line in lines).encode()]


def _days(first_day: date, last_day: date) -> list[date]:
    return [first_day + timedelta(days=n) for n in range((last_day - first_day).days + 1)]


def _pick(values: list[str] | list[int], index: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(index)


def _digest(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def _chance(name: str) -> float:
    """Return the pseudo-random number of the name, at least 0 and below 1."""
    return int(_digest(name)[:13], 16) / 16**13
