"""Generates order logs like the source's, with any size and any share of duplicates."""

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

DAY = date(2024, 2, 26)
"""The day of all the orders."""

_HEADER = (
    b"id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    b"quantity,payment_amount,status\r\n"
)
_CITIES = ("Москва", "Ростов", "Ярославль")
_FIRST_NAMES = ("Иван", "Евгений", "Александра", "Ольга", "Константин", "Анна", "Снежанна")
_LAST_NAMES = ("Иванов", "Смирнов", "Михайлов", "Великая", "Алексеева", "Козлова", "Лебедева")
_ITEMS = (
    *("Молоко 1%", "Молоко 3%", "Молоко 5%", "Устройство для нагревания табака Трубка Мира"),
    *("Сахар песок", "Яблоко молодильное", "Яблоко", "Средство для мытья посуды"),
    *("Лампочка LED", "Ручка шариковая", "Томаты", "Хлеб ржаной"),
)
_ROWS_AT_ONCE = 100_000
# Duplicates follow soon, as in the source, which repeats some hundred orders over and over.
_BATCH = 200


def write_orders(path: Path, rows: int, duplicates: float) -> None:
    """Write an increment with a number of rows and a share (0 to 1) of duplicates."""
    with path.open("wb") as file:
        file.write(_HEADER)
        for part in _parts(rows, duplicates):
            part.write_csv(file, include_header=False, line_terminator="\r\n", quote_style="never")


def _parts(rows: int, duplicates: float) -> Iterator[pl.DataFrame]:
    for first_row in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - first_row)
        first_order = round(first_row * (1 - duplicates))
        orders = _orders(first_order, max(1, round(count * (1 - duplicates))))
        row = pl.int_range(count, dtype=pl.Int64, eager=True)
        rows_of_batch = round(_BATCH / (1 - duplicates))
        order = row // rows_of_batch * _BATCH + row % rows_of_batch % _BATCH
        yield orders[order.clip(0, len(orders) - 1)].with_row_index("id", offset=1 + first_row)


def _orders(first: int, count: int) -> pl.DataFrame:
    number = pl.int_range(first, first + count, dtype=pl.Int64, eager=True)
    customer, item, city, quantity = (
        number.hash(seed) % below
        for seed, below in enumerate((100_000, len(_ITEMS), len(_CITIES), 5))
    )
    digests = [hashlib.md5(b"%d" % one, usedforsecurity=False).hexdigest() for one in number]
    return pl.DataFrame(
        {
            "uniq_id": digests,
            "date_time": [f"{DAY}T00:00:00"] * count,
            "city_id": city,
            "city_name": _pick(_CITIES, city),
            "customer_id": customer,
            "first_name": _pick(_FIRST_NAMES, customer),
            "last_name": _pick(_LAST_NAMES, customer // 10),
            "item_id": item,
            "item_name": _pick(_ITEMS, item),
            "quantity": quantity + 1,
            "payment_amount": (quantity + 1) * (item + 1) * 20,
            "status": _pick(("refunded", *["shipped"] * 19), number),
        }
    )


def _pick(texts: tuple[str, ...], number: pl.Series) -> pl.Series:
    return pl.Series(texts)[number % len(texts)]
