"""What goes in, and what comes out of reading one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

Status = Literal["shipped", "refunded"]

ReasonKind = Literal[
    "too many fields",  # a value beyond the header's columns
    "missing value",  # an empty field, or one that the row is too short to have
    "unparsable value",  # not of the column's form; a text with a NUL character
    "out of range",  # of the right form, but more than the column's type holds exactly
    "not above zero",  # a quantity or an amount
    "unknown status",
    "other day",  # outside the range of days that the delivery may hold
    "conflict",  # the same key as another order of the day, with other contents
]


@dataclass(frozen=True)
class Delivery:
    """One object of the source, and the days that it may hold, both ends included.

    A report has its range; an increment has its day twice.
    """

    body: bytes
    first_day: date
    last_day: date


class Order(NamedTuple):
    """A row that is loaded. The columns, and their order, are those of `staging.user_order_log`."""

    partition_day: date
    line: int
    uniq_id: str
    date_time: datetime
    city_id: int
    city_name: str
    customer_id: int
    first_name: str
    last_name: str
    item_id: int
    item_name: str
    quantity: int
    payment_amount: Decimal
    status: Status

    @property
    def quantity_signed(self) -> int:
        """Negative when refunded."""
        return -self.quantity if self.status == "refunded" else self.quantity

    @property
    def payment_amount_signed(self) -> Decimal:
        """Negative when refunded."""
        return -self.payment_amount if self.status == "refunded" else self.payment_amount


class Rejected(NamedTuple):
    """A row that is not loaded; `partition_day` is None where its day cannot be read.

    A row with several faults has the first one's kind: its number of fields, then its values in the
    order of the contract's columns, then its day, then its conflict with others.
    """

    line: int
    partition_day: date | None
    reason_kind: ReasonKind


@dataclass(frozen=True)
class Reading:
    """Every row of a file accounted for: rows = orders + rejected + duplicates, in all and by day.

    Orders and rejected rows are in the order of the file. The rows without a readable day count in
    `rows` and `duplicates` only. `is_of_one_day` says that the file was to hold a single day.
    """

    orders: list[Order]
    rejected: list[Rejected]
    rows: int
    duplicates: int
    rows_by_day: Mapping[date, int]
    duplicates_by_day: Mapping[date, int]
    is_of_one_day: bool

    def orders_of(self, day: date) -> list[Order]:
        """The loaded rows of `day`."""
        return [order for order in self.orders if order.partition_day == day]

    def rejected_of(self, day: date) -> list[Rejected]:
        """The rejected rows whose day can be read and is `day`."""
        return [row for row in self.rejected if row.partition_day == day]

    def counts_for(self, day: date) -> "Counts":
        """What counts for `day`; of a file of one day all rows, whatever day they have."""
        if self.is_of_one_day:
            return Counts(self.rows, self.duplicates, len(self.rejected), len(self.orders))
        return Counts(
            self.rows_by_day.get(day, 0),
            self.duplicates_by_day.get(day, 0),
            len(self.rejected_of(day)),
            len(self.orders_of(day)),
        )


class Counts(NamedTuple):
    """How many rows became what."""

    rows: int
    duplicates: int
    rejected: int
    orders: int


class Refused(Exception):
    """The whole file is refused; nothing of it may be loaded."""
