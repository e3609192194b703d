"""An order log as the tests read it: in pieces of several sizes, and compared with the model.

The model (`oracle.read`) is another program.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl_assets.errors import FileRefused
from etl_assets.staging.csv_pieces import PIECE_BYTES
from etl_assets.staging.reading import Contradicted, OrderLog
from etl_assets.staging.seen_rows import SeenRows
from etl_assets_tests.properties import oracle
from etl_assets_tests.properties.oracle import Delivery, Order, ReasonKind, Refused
from etl_assets_tests.support.files import MONDAY

CHUNK_BYTES = 1 << 20

ORDER_TYPES = {
    "partition_day": pl.Date,
    "line": pl.Int64,
    "uniq_id": pl.String,
    "date_time": pl.Datetime,
    "city_id": pl.Int64,
    "city_name": pl.String,
    "customer_id": pl.Int64,
    "first_name": pl.String,
    "last_name": pl.String,
    "item_id": pl.Int64,
    "item_name": pl.String,
    "quantity": pl.Int64,
    "payment_amount": pl.Decimal(14, 2),
    "status": pl.String,
}

WHOLE_NUMBERS = ("city_id", "customer_id", "item_id", "quantity")

REASONS: Mapping[str, ReasonKind] = {
    "more values than": "too many fields",
    "is missing": "missing value",
    "NUL character": "unparsable value",
    "is not a ": "unparsable value",
    "out of range": "out of range",
    "not above zero": "not above zero",
    "status is neither": "unknown status",
    "outside what the object may hold": "other day",
    "another order's too": "conflict",
}
"""What the model calls the reasons, by a part of our words."""


@dataclass(frozen=True)
class File:
    """A file as its pieces make it; the texts of the orders are cast as PostgreSQL casts them."""

    orders: pl.DataFrame
    rejected: pl.DataFrame
    counts: pl.DataFrame
    revenue: Mapping[date | None, Decimal]
    unknown_columns: tuple[str, ...]
    sha256: str


def chunks(body: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Give a file as the object store does."""
    return (body[at : at + size] for at in range(0, len(body), size))


def read_file(
    body: bytes,
    first_day: date,
    last_day: date,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    piece_bytes: int = PIECE_BYTES,
) -> File:
    """Read a file, and once more if it contradicts itself."""
    contradicted = SeenRows()
    for _ in range(2):
        log = OrderLog(
            chunks(body, chunk_bytes),
            first_day,
            last_day,
            contradicted=contradicted,
            piece_bytes=piece_bytes,
        )
        try:
            pieces = list(log.pieces())
            break
        except Contradicted:
            continue
    else:
        pytest.fail("what it contradicts itself in was not known after the first reading")
    rejected = [row for piece in pieces for row in piece.rejected.rows()]
    assert log.counts.reasons.sort("reason").rows() == reasons_of(rejected)
    counts = log.counts.by_day
    return File(
        pl.DataFrame(
            [typed(row) for piece in pieces for row in piece.orders.iter_rows()],
            ORDER_TYPES,
            orient="row",
        ),
        pl.DataFrame(
            rejected,
            pieces[0].rejected.schema if pieces else ["line", "partition_day", "fields", "reason"],
            orient="row",
        ),
        counts.select("partition_day", "rows_read", "duplicates", "rejected", "loaded"),
        dict(counts.select("partition_day", "revenue").rows()),
        log.unknown_columns,
        log.sha256,
    )


def typed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cast the texts of an order."""
    casts: dict[object, Callable[[str], object]] = {
        pl.Int64: int,
        pl.Decimal(14, 2): Decimal,
        pl.Datetime: datetime.fromisoformat,
    }
    return row[:2] + tuple(
        casts.get(kind, str)(text)
        for kind, text in list(zip(ORDER_TYPES.values(), row, strict=True))[2:]
    )


def reasons_of(rejected: list[tuple[Any, ...]]) -> list[tuple[str, int, int]]:
    """Return reason, rows and first line of the rejected rows, by reason."""
    lines = [(reason, line) for line, _, _, reason in rejected]
    return [
        (reason, len(of_reason := [line for why, line in lines if why == reason]), min(of_reason))
        for reason in sorted({reason for reason, _ in lines})
    ]


def parsed(body: bytes, first_day: date = MONDAY, last_day: date | None = None) -> File:
    """Read a file and check that the model says the same of every row."""
    last_day = last_day or first_day
    file = read_file(body, first_day, last_day)
    # Of some records, and of one each.
    for piece_bytes in (200, 1):
        in_pieces = read_file(body, first_day, last_day, chunk_bytes=99, piece_bytes=piece_bytes)
        assert_equal(in_pieces, file)
    reading = oracle.read(Delivery(body, first_day, last_day))
    assert [Order(*row) for row in file.orders.iter_rows()] == reading.orders
    assert reasons(file) == [tuple(row) for row in reading.rejected]
    assert_equal_counts(file, reading)
    return file


def assert_equal(one: File, other: File) -> None:
    for name in ("orders", "rejected", "counts"):
        assert getattr(one, name).equals(getattr(other, name)), name
    assert (one.revenue, one.unknown_columns, one.sha256) == (
        other.revenue,
        other.unknown_columns,
        other.sha256,
    )


def assert_equal_counts(file: File, reading: oracle.Reading) -> None:
    total = file.counts.drop("partition_day").sum().row(0)
    expected = (reading.rows, reading.duplicates, len(reading.rejected), len(reading.orders))
    assert tuple(number or 0 for number in total) == expected
    revenue = sum(order.payment_amount_signed for order in reading.orders)
    assert sum(file.revenue.values()) == revenue
    by_day = {row[0]: row[1:] for row in file.counts.iter_rows() if row[0] is not None}
    assert by_day == {
        day: (
            rows,
            reading.duplicates_by_day.get(day, 0),
            len(reading.rejected_of(day)),
            len(reading.orders_of(day)),
        )
        for day, rows in reading.rows_by_day.items()
    }


def reason_kind(reason: str) -> ReasonKind:
    """Return what the model calls a reason."""
    return next(kind for words, kind in REASONS.items() if words in reason)


def reasons(file: File) -> list[tuple[int, date | None, ReasonKind]]:
    """Return the rejected rows as the model names them."""
    return [
        (line, day, reason_kind(reason))
        for line, day, reason in file.rejected.select("line", "partition_day", "reason").iter_rows()
    ]


def lines(file: File) -> list[int]:
    return file.orders["line"].to_list()


def refused(body: bytes) -> str:
    """Return why a file is refused; the model refuses it too."""
    with pytest.raises(Refused):
        oracle.read(Delivery(body, MONDAY, MONDAY))
    with pytest.raises(FileRefused) as refusal:
        read_file(body, MONDAY, MONDAY)
    return str(refusal.value)
