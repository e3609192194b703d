"""An independent model of the mart: what the tables must hold, in plain Python.

The pipeline's tables are compared with what `mart` gives for the same deliveries. Nothing here
may share code, or a library, with the pipeline: this module imports the standard library only,
takes one row at a time, and is written to be obviously right rather than fast. A rule that changes
in the pipeline is changed here by hand, from the rule's words and not from the pipeline's code.

The path of a row, top down as in the file: a delivery's bytes become records (`_records`), records
become rows of named texts (`_rows`), a row becomes an order or is rejected (`_order`), `read` drops
the copies and the conflicting versions, `mart` builds the tables from the orders of each day.

The csv module isn't used: it takes a stray quote for text.
"""

import hashlib
import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple

# --- What goes in, and what comes out of reading one file -----------------------------------------

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
    """A row that is kept. The columns, and their order, are those of `staging.user_order_log`."""

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
    """A row that is not kept; `partition_day` is None where its day cannot be read.

    A row with several faults has the first one's kind: its number of fields, then its values in the
    order of the contract's columns, then its day, then its conflict with others.
    """

    line: int
    partition_day: date | None
    reason_kind: ReasonKind


@dataclass(frozen=True)
class Reading:
    """Every row of a file accounted for: rows = orders + rejected + copies, in all and by day.

    Orders and rejected rows are in the order of the file. The rows without a readable day count in
    `rows` and `copies` only.
    """

    orders: list[Order]
    rejected: list[Rejected]
    rows: int
    copies: int
    rows_by_day: Mapping[date, int]
    copies_by_day: Mapping[date, int]

    def orders_of(self, day: date) -> list[Order]:
        """The kept rows of `day`."""
        return [order for order in self.orders if order.partition_day == day]

    def rejected_of(self, day: date) -> list[Rejected]:
        """The rejected rows whose day can be read and is `day`."""
        return [row for row in self.rejected if row.partition_day == day]


class Refused(Exception):
    """The whole file is refused; nothing of it may be loaded."""


# --- From bytes to rows ---------------------------------------------------------------------------

# In the contract's order, which is also the order of the md5 that stands in for uniq_id.
COLUMNS = (
    "id",
    "uniq_id",
    "date_time",
    "city_id",
    "city_name",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "quantity",
    "payment_amount",
    "status",
)
OPTIONAL_COLUMNS = {"id", "uniq_id", "status"}

MAX_LINE_BYTES = 1024 * 1024

# RFC 4180, with LF for CRLF and the end of the text for a last line end: a field is quoted, with
# quotes inside doubled, or it has neither quote, comma nor line end; a separator follows it.
_FIELD = re.compile(
    r"""
    (?: "(?P<quoted> [^"]* (?: "" [^"]* )* )" | (?P<plain> [^",\r\n]* ) )
    (?P<separator> , | \r?\n | \r?\Z )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Row:
    """A record by the header's names: the known columns that the file has, as text."""

    line: int
    texts: Mapping[str, str]
    too_many_fields: bool

    @cached_property
    def day(self) -> date | None:
        """The day that `date_time` gives; None where it cannot be read."""
        try:
            return _moment(self.texts["date_time"]).date()
        except _Fault:
            return None

    @property
    def contents(self) -> tuple[str, ...]:
        """The row without its `id`, which says nothing about the order."""
        return tuple(
            self.texts[column] for column in COLUMNS if column in self.texts and column != "id"
        )


def _text_of(body: bytes) -> str:
    if not body:
        raise Refused("zero bytes: not even a header")
    for number, line in enumerate(body.split(b"\n"), start=1):
        if len(line.removesuffix(b"\r")) > MAX_LINE_BYTES:
            raise Refused(f"line {number} is longer than {MAX_LINE_BYTES} bytes")
    try:
        return body.decode("utf-8-sig")  # drops a byte order mark
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8 at byte {error.start}") from error


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that has a value, with the number of the line on which it begins."""
    line, position = 1, 0
    while position < len(text):
        start = position
        fields: list[str] = []
        separator = ","
        while separator == ",":
            match = _FIELD.match(text, position)
            if match is None:
                raise Refused(
                    f"the record at line {line} has a quote that is not closed or doubled,"
                    " or a carriage return on its own"
                )
            quoted, plain, separator = match.group("quoted", "plain", "separator")
            fields.append(plain if quoted is None else quoted.replace('""', '"'))
            position = match.end()
        if any(fields):
            yield line, fields
        line += text.count("\n", start, position)


def _rows(body: bytes) -> Iterator[_Row]:
    records = _records(_text_of(body))
    line, header = next(records, (1, list[str]()))
    if line != 1:
        raise Refused("the first line is blank: the header is missing")
    for column in COLUMNS:
        if header.count(column) > 1:
            raise Refused(f"the header has the column {column} twice")
        if column not in header and column not in OPTIONAL_COLUMNS:
            raise Refused(f"the header lacks the column {column}")
    place_of = {column: header.index(column) for column in COLUMNS if column in header}
    for line, fields in records:
        padded = fields + [""] * (len(header) - len(fields))
        texts = {column: padded[place] for column, place in place_of.items()}
        yield _Row(line, texts, too_many_fields=any(fields[len(header) :]))


# --- From a row to an order -----------------------------------------------------------------------

UNIQ_ID_BYTES = 1000  # a key has its limits
BIGINT = range(-(2**63), 2**63)
BIGINT_DIGITS = 19
AMOUNT_DIGITS = 12  # of numeric(14,2), before the point
CENTS_DIGITS = 2

_WHOLE = re.compile(r"-?(?P<digits>[0-9]+)")
_AMOUNT = re.compile(r"-?(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?")
_MOMENT = re.compile(
    r"""
    (?P<year> [0-9]{4} ) - (?P<month> [0-9]{2} ) - (?P<day> [0-9]{2} )
    (?:
        [T\ ] (?P<hour> [0-9]{2} ) : (?P<minute> [0-9]{2} ) : (?P<second> [0-9]{2} )
        (?: \. (?P<fraction> [0-9]{1,6} ) )?
    )?
    """,
    re.VERBOSE,
)


class _Fault(Exception):
    """A row has a fault of this kind."""

    def __init__(self, kind: ReasonKind) -> None:
        super().__init__(kind)
        self.kind: ReasonKind = kind


def _text(text: str) -> str:
    if not text:
        raise _Fault("missing value")
    if "\0" in text:
        raise _Fault("unparsable value")
    return text


def _uniq_id(text: str) -> str:
    if len(_text(text).encode()) > UNIQ_ID_BYTES:
        raise _Fault("out of range")
    return text


def _whole(text: str) -> int:
    match = _WHOLE.fullmatch(_text(text))
    if match is None:
        raise _Fault("unparsable value")
    # Counted first, without leading zeros: int() refuses some thousands of digits.
    digits = match["digits"].lstrip("0") or "0"
    if len(digits) > BIGINT_DIGITS:
        raise _Fault("out of range")
    number = -int(digits) if text.startswith("-") else int(digits)
    if number not in BIGINT:
        raise _Fault("out of range")
    return number


def _quantity(text: str) -> int:
    quantity = _whole(text)
    if quantity <= 0:
        raise _Fault("not above zero")
    return quantity


def _amount(text: str) -> Decimal:
    match = _AMOUNT.fullmatch(_text(text))
    if match is None:
        raise _Fault("unparsable value")
    whole = match["whole"].lstrip("0")
    fraction = (match["fraction"] or "").rstrip("0")
    if len(whole) > AMOUNT_DIGITS or len(fraction) > CENTS_DIGITS:
        raise _Fault("out of range")
    amount = Decimal(text)
    if amount <= 0:
        raise _Fault("not above zero")
    return amount.quantize(Decimal("0.01"))


def _moment(text: str) -> datetime:
    match = _MOMENT.fullmatch(_text(text))
    if match is None:
        raise _Fault("unparsable value")
    parts = match.groupdict(default="0")
    try:
        return datetime(
            year=int(parts["year"]),
            month=int(parts["month"]),
            day=int(parts["day"]),
            hour=int(parts["hour"]),
            minute=int(parts["minute"]),
            second=int(parts["second"]),
            microsecond=int(parts["fraction"].ljust(6, "0")),
        )
    except ValueError as error:
        raise _Fault("unparsable value") from error


def _status(text: str) -> Status:
    match _text(text):
        case "shipped":
            return "shipped"
        case "refunded":
            return "refunded"
        case _:
            raise _Fault("unknown status")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _order(row: _Row) -> Order:
    """The order that `row` is; raises `_Fault` for its first fault, in the columns' order."""
    texts = row.texts
    if row.too_many_fields:
        raise _Fault("too many fields")
    uniq_id = _uniq_id(texts["uniq_id"]) if "uniq_id" in texts else _md5(",".join(row.contents))
    date_time = _moment(texts["date_time"])
    return Order(
        partition_day=date_time.date(),
        line=row.line,
        uniq_id=uniq_id,
        date_time=date_time,
        city_id=_whole(texts["city_id"]),
        city_name=_text(texts["city_name"]),
        customer_id=_whole(texts["customer_id"]),
        first_name=_text(texts["first_name"]),
        last_name=_text(texts["last_name"]),
        item_id=_whole(texts["item_id"]),
        item_name=_text(texts["item_name"]),
        quantity=_quantity(texts["quantity"]),
        payment_amount=_amount(texts["payment_amount"]),
        status=_status(texts["status"]) if "status" in texts else "shipped",
    )


def read(delivery: Delivery) -> Reading:
    """Account for every row of the file.

    Raises:
        Refused: The file is refused as a whole, for the reason that the error gives.
    """
    rows = list(_rows(delivery.body))
    orders: list[Order] = []
    rejected: list[Rejected] = []
    copies: list[_Row] = []
    seen_texts: set[object] = set()
    seen_values: set[object] = set()
    for row in rows:
        # A row with too many fields may have its values under the wrong names: that they look like
        # those of a good row makes neither of them a copy.
        texts = (row.contents, row.too_many_fields)
        if texts in seen_texts:
            copies.append(row)
            continue
        seen_texts.add(texts)
        try:
            order = _order(row)
        except _Fault as fault:
            rejected.append(Rejected(row.line, row.day, fault.kind))
            continue
        if not delivery.first_day <= order.partition_day <= delivery.last_day:
            rejected.append(Rejected(row.line, row.day, "other day"))
            continue
        # An md5 of the texts differs where the texts differ; only the file's own values count.
        values = order._replace(line=0, uniq_id=row.texts.get("uniq_id", ""))
        if values in seen_values:
            copies.append(row)
            continue
        seen_values.add(values)
        orders.append(order)

    versions = Counter(_key(order) for order in orders)
    conflicting = [order for order in orders if versions[_key(order)] > 1]
    rejected += [Rejected(order.line, order.partition_day, "conflict") for order in conflicting]
    return Reading(
        orders=[order for order in orders if versions[_key(order)] == 1],
        rejected=sorted(rejected, key=lambda row: row.line),
        rows=len(rows),
        copies=len(copies),
        rows_by_day=_count_by_day(rows),
        copies_by_day=_count_by_day(copies),
    )


def _key(order: Order) -> tuple[date, str, Status]:
    return order.partition_day, order.uniq_id, order.status


def _count_by_day(rows: Iterable[_Row]) -> Counter[date]:
    return Counter(row.day for row in rows if row.day is not None)


# --- From orders to the mart ----------------------------------------------------------------------


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


class CalendarDay(NamedTuple):
    """A row of `mart.d_calendar`; weeks begin on Monday."""

    date_id: int
    date_actual: date
    epoch: int
    day_suffix: str
    day_name: str
    day_of_week: int
    day_of_month: int
    day_of_quarter: int
    day_of_year: int
    week_of_month: int
    week_of_year: int
    week_of_year_iso: str
    month_actual: int
    month_name: str
    month_name_abbreviated: str
    quarter_actual: int
    quarter_name: str
    year_actual: int
    first_day_of_week: date
    last_day_of_week: date
    first_day_of_month: date
    last_day_of_month: date
    first_day_of_quarter: date
    last_day_of_quarter: date
    first_day_of_year: date
    last_day_of_year: date
    mmyyyy: str
    mmddyyyy: str
    weekend_indr: bool


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
    """A row of the view `mart.loaded_day`, but for `loaded_at`: rows are those of the file."""

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
            monday, [order for order in orders if _monday_of(order.partition_day) == monday]
        )
        for monday in sorted({_monday_of(order.partition_day) for order in orders})
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
        d_calendar=[calendar_day(day) for day in _every_day(days)],
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
            LoadedDay(
                day,
                reading.rows_by_day.get(day, 0),
                len(reading.orders_of(day)),
                len(reading.rejected_of(day)),
            )
            for day, reading in reading_of.items()
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


# --- The calendar ---------------------------------------------------------------------------------

# Spelled out: strftime's names depend on the locale.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_QUARTERS = ("First", "Second", "Third", "Fourth")


def date_id(day: date) -> int:
    """The epoch second of the day's midnight UTC."""
    return (day - date(1970, 1, 1)).days * 24 * 60 * 60


def calendar_day(day: date) -> CalendarDay:
    """The row of `mart.d_calendar` for `day`."""
    iso = day.isocalendar()
    month = _MONTHS[day.month - 1]
    quarter = (day.month + 2) // 3
    first_day_of_week = _monday_of(day)
    first_day_of_month = date(day.year, day.month, 1)
    first_day_of_quarter = date(day.year, quarter * 3 - 2, 1)
    first_day_of_year = date(day.year, 1, 1)
    return CalendarDay(
        date_id=date_id(day),
        date_actual=day,
        epoch=date_id(day),
        day_suffix=_ordinal(day.day),
        day_name=_DAYS[day.weekday()],
        day_of_week=day.isoweekday(),
        day_of_month=day.day,
        day_of_quarter=(day - first_day_of_quarter).days + 1,
        day_of_year=(day - first_day_of_year).days + 1,
        week_of_month=(first_day_of_week - _monday_of(first_day_of_month)).days // 7 + 1,
        week_of_year=iso.week,
        week_of_year_iso=f"{iso.year:04}-W{iso.week:02}-{iso.weekday}",
        month_actual=day.month,
        month_name=month,
        month_name_abbreviated=month[:3],
        quarter_actual=quarter,
        quarter_name=_QUARTERS[quarter - 1],
        year_actual=day.year,
        first_day_of_week=first_day_of_week,
        last_day_of_week=first_day_of_week + timedelta(days=6),
        first_day_of_month=first_day_of_month,
        last_day_of_month=_last_day_of_month(day.year, day.month),
        first_day_of_quarter=first_day_of_quarter,
        last_day_of_quarter=_last_day_of_month(day.year, quarter * 3),
        first_day_of_year=first_day_of_year,
        last_day_of_year=date(day.year, 12, 31),
        mmyyyy=f"{day.month:02}{day.year:04}",
        mmddyyyy=f"{day.month:02}{day.day:02}{day.year:04}",
        weekend_indr=day.isoweekday() >= 6,
    )


def _every_day(days: Iterable[date]) -> list[date]:
    """From the first to the last of `days`, gaps included."""
    loaded = sorted(days)
    if not loaded:
        return []
    first, last = loaded[0], loaded[-1]
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _ordinal(number: int) -> str:
    if number in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _last_day_of_month(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])
