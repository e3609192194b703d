"""Counts of a file's rows: by day, and by reason for those that are rejected."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

from etl_assets.frames import pl

_COUNTS = pl.Schema(
    {
        "partition_day": pl.Date,
        "rows_read": pl.Int64,
        "duplicates": pl.Int64,
        "rejected": pl.Int64,
        "loaded": pl.Int64,
        "revenue": pl.Decimal(38, 2),
    }
)
_REASONS = {"reason": pl.String, "rows": pl.Int64, "first_line": pl.Int64}
_NONE = Decimal("0.00")


class Counts:
    """Counts the rows of a file, a piece at a time.

    Attributes:
        reasons: reason, rows and first_line of the rejected rows.
    """

    def __init__(self) -> None:
        self._read: Counter[date | None] = Counter()
        self._rejected: Counter[date | None] = Counter()
        self._loaded: Counter[date | None] = Counter()
        self._revenue: dict[date | None, Decimal] = {}
        self.reasons = pl.DataFrame(schema=_REASONS)

    @property
    def by_day(self) -> pl.DataFrame:
        """The counts of each day.

        Columns: partition_day (null for rows without a readable day), rows_read, duplicates,
        rejected, loaded, and revenue (of the loaded rows, refunds negative).
        """
        counts = [{"partition_day": day, **self.of(day)} for day in self._read]
        return pl.DataFrame(counts, _COUNTS, orient="row").sort("partition_day")

    def of(self, day: date | None) -> dict[str, Any]:
        """Return the counts of a day: the columns of `by_day` without the day."""
        read, rejected, loaded = self._read[day], self._rejected[day], self._loaded[day]
        return {
            "rows_read": read,
            "duplicates": read - rejected - loaded,
            "rejected": rejected,
            "loaded": loaded,
            "revenue": self._revenue.get(day, _NONE),
        }

    @property
    def total(self) -> dict[str, Any]:
        """The counts of the whole file, as `of` returns them for a day."""
        loaded, rejected, read = (
            sum(count.values()) for count in (self._loaded, self._rejected, self._read)
        )
        return {
            "rows_read": read,
            "duplicates": read - rejected - loaded,
            "rejected": rejected,
            "loaded": loaded,
            "revenue": sum(self._revenue.values(), start=_NONE),
        }

    def rejected_outside(self, first_day: date, last_day: date) -> int:
        """Return how many rejected rows lie outside the days from the first to the last.

        Rows without a readable day count too.
        """
        return sum(
            rows
            for day, rows in self._rejected.items()
            if day is None or not first_day <= day <= last_day
        )

    def add(self, read: Counter[date | None], orders: pl.DataFrame, rejected: pl.DataFrame) -> None:
        """Count a piece.

        Args:
            read: the number of rows of each day, duplicates and rejected rows included.
            orders: partition_day, status and typed_payment_amount of the rows that are loaded.
            rejected: line, partition_day and reason of the rejected rows.
        """
        self._read += read
        self._loaded += rows_by_day(orders["partition_day"])
        amount, is_refund = pl.col("typed_payment_amount"), pl.col("status") == "refunded"
        revenue = orders.group_by("partition_day").agg(
            amount.filter(~is_refund).sum() - amount.filter(is_refund).sum()
        )
        for day, of_day in revenue.iter_rows():
            self._revenue[day] = self._revenue.get(day, _NONE) + of_day
        if not len(rejected):
            return
        self._rejected += rows_by_day(rejected["partition_day"])
        reasons = rejected.group_by("reason").agg(
            rows=pl.len().cast(pl.Int64), first_line=pl.col("line").min()
        )
        self.reasons = (
            pl.concat([self.reasons, reasons])
            .group_by("reason")
            .agg(pl.col("rows").sum(), pl.col("first_line").min())
        )


def rows_by_day(days: pl.Series) -> Counter[date | None]:
    """Return the number of rows of each day."""
    return Counter(dict(days.value_counts().iter_rows()))
