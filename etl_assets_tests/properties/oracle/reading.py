"""From the bytes of a file to its orders."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from etl_assets_tests.properties.oracle.orders import (
    Delivery,
    Order,
    Reading,
    ReasonKind,
    Refused,
    Rejected,
    Status,
)

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
    duplicates: list[_Row] = []
    seen_texts: set[object] = set()
    seen_values: set[object] = set()
    for row in rows:
        # A row with too many fields may have its values under the wrong names: that they look like
        # those of a good row makes neither of them a duplicate.
        texts = (row.contents, row.too_many_fields)
        if texts in seen_texts:
            duplicates.append(row)
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
            duplicates.append(row)
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
        duplicates=len(duplicates),
        rows_by_day=_count_by_day(rows),
        duplicates_by_day=_count_by_day(duplicates),
        is_of_one_day=delivery.first_day == delivery.last_day,
    )


def _key(order: Order) -> tuple[date, str, Status]:
    return order.partition_day, order.uniq_id, order.status


def _count_by_day(rows: Iterable[_Row]) -> Counter[date]:
    return Counter(row.day for row in rows if row.day is not None)
