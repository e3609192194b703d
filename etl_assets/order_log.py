"""The order log: what a file of the source has to look like, and what becomes of each row.

A file is read as text and cast afterwards, so that nothing turns into null by itself. Each row ends
as an order, as a copy of an earlier row, or in quarantine with its reason; a file that can't be
read for sure is refused whole. The format is the source's:

    id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,
    quantity,payment_amount[,status]

in UTF-8, in any order of columns, with LF or CRLF. `id` restarts at 1 in every file and counts for
nothing. Files of 2022 have no `uniq_id`; reports, and the first increment after them, no `status`,
which means shipped.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from etl_assets.errors import FileRefused

NEEDED_COLUMNS = (
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
)
"""A file without one of them is refused."""

KNOWN_COLUMNS = ("uniq_id", *NEEDED_COLUMNS, "status")
"""The columns that make an order; rows equal in all of them are copies."""

_NAMES = frozenset({"id", *KNOWN_COLUMNS})

ORDER_COLUMNS = ("partition_day", "line", *KNOWN_COLUMNS)
"""The columns of `File.orders`, as in staging.user_order_log."""

MAX_LINE_BYTES = 1 << 20

_STATUSES = ("shipped", "refunded")
_WHOLE_NUMBERS = ("city_id", "customer_id", "item_id", "quantity")
# [0-9], for \d would take the digits of every script.
_DATE_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    # Not 60: the parser would take a leap second for the next minute.
    r"(?:[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?)?$"
)
_WHOLE_NUMBER = r"^-?[0-9]+$"
_DECIMAL = r"^-?[0-9]+(?:\.[0-9]+)?$"
_NUMERIC_14_2 = r"^-?0*[0-9]{1,12}(?:\.[0-9]{1,2}0*)?$"

# RFC 4180, with LF for CRLF too. Possessive, so that the time is linear in the bytes.
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_RECORD = _FIELD + rb"(?:," + _FIELD + rb")*+\r?"
_CSV = re.compile(rb"(?:" + _RECORD + rb"\n)*+(?:" + _RECORD + rb")?")
_NO_VALUES = re.compile(rb'(?:,(?:"")?)*+')

_SURPLUS = "surplus"


@dataclass(frozen=True)
class Body:
    """A file's bytes, without a byte order mark, and the SHA-256 (hex) of all of them."""

    content: bytes
    sha256: str


@dataclass(frozen=True)
class File:
    """What a file holds.

    Attributes:
        orders: `ORDER_COLUMNS`, typed as in staging.user_order_log, one row an order.
        rejected: line, partition_day (null where there is no readable one), fields (struct of the
            texts read), reason.
        counts: partition_day (null as above), rows_read, copies, rejected, kept.
        unknown_columns: the names of columns that were ignored.
    """

    orders: pl.DataFrame
    rejected: pl.DataFrame
    counts: pl.DataFrame
    unknown_columns: tuple[str, ...]


def read_body(chunks: Iterator[bytes]) -> Body:
    """Put an object's chunks (of up to `MAX_LINE_BYTES`) together.

    Raises:
        FileRefused: there are no bytes, or a line is over `MAX_LINE_BYTES` long; that is found
            before the rest is read.
    """
    digest = hashlib.sha256()
    content = bytearray()
    line_start = 0
    for chunk in chunks:
        digest.update(chunk)
        # A line that is too long reaches over a chunk's end, so only those lines are measured.
        line_end = chunk.find(b"\n")
        length = len(content) - line_start + (len(chunk) if line_end < 0 else line_end)
        if length > MAX_LINE_BYTES:
            raise FileRefused(f"a line is over {MAX_LINE_BYTES} bytes long")
        if line_end >= 0:
            line_start = len(content) + chunk.rfind(b"\n") + 1
        content += chunk
    if not content:
        raise FileRefused("the file is empty: not even a header")
    return Body(bytes(content).removeprefix(b"\xef\xbb\xbf"), digest.hexdigest())


def parse(body: Body, first_day: date, last_day: date) -> File:
    """Make of a file's bytes what they hold; the object may hold the days from first to last.

    Raises:
        FileRefused: the bytes are no UTF-8 or no CSV, or the header lacks a needed column or has a
            known one twice.
    """
    header = body.content.partition(b"\n")[0]
    columns = _columns(header)
    texts = _texts(body.content[len(header) :], list(columns))
    known = [name for name in KNOWN_COLUMNS if name in columns]
    distinct = texts.unique(subset=[*known, "too_long"], keep="first", maintain_order=True)
    judged = _judge(_completed(distinct, known), first_day, last_day)
    kept = judged.filter(pl.col("reason").is_null())
    rejected = judged.filter(pl.col("reason").is_not_null())
    # Rows written differently can still say the same: 400 and 400.00. Without uniq_id too, whose
    # md5 differs then.
    orders = kept.unique(
        subset=[f"typed_{name}" for name in known], keep="first", maintain_order=True
    )
    conflicting = pl.struct("partition_day", "uniq_id", "status").is_duplicated()
    conflicts = orders.filter(conflicting).with_columns(
        reason=pl.lit("uniq_id and status are another order's too, with other contents")
    )
    orders = orders.filter(~conflicting).select(
        "partition_day", "line", *(pl.col(f"typed_{name}").alias(name) for name in KNOWN_COLUMNS)
    )
    rejected = pl.concat([rejected, conflicts]).select(
        "line",
        "partition_day",
        pl.struct(_SURPLUS, *(pl.col(name).alias(shown) for name, shown in columns.items())).alias(
            "fields"
        ),
        "reason",
    )
    return File(
        orders=orders,
        rejected=rejected.sort("line"),
        counts=_counts(texts, orders, rejected),
        unknown_columns=tuple(shown for name, shown in columns.items() if name not in _NAMES),
    )


def _columns(header: bytes) -> dict[str, str]:
    """Return the file's columns: what they are called in here, and what the file calls them.

    Unknown ones go by their place, so that none is mistaken for one that we add.
    """
    _require_csv(header)
    try:
        titles = next(csv.reader([header.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileRefused("its header is not UTF-8 or not CSV") from None
    missing = [name for name in NEEDED_COLUMNS if name not in titles]
    if missing:
        # What it has instead is not said: without a header that would be names of people.
        raise FileRefused(f"the header lacks {', '.join(missing)}")
    twice = [name for name in _NAMES if titles.count(name) > 1]
    if twice:
        raise FileRefused(f"the header has {', '.join(twice)} more than once")
    return {
        title if title in _NAMES else f"column_{place}": title
        if title and titles.count(title) == 1 and title != _SURPLUS
        else f"{title}_{place}"
        for place, title in enumerate(titles, 1)
    }


def _texts(data: bytes, columns: list[str]) -> pl.DataFrame:
    """Read the rows as text: the columns, `surplus` (what stands beyond them), too_long and line.

    An empty text is null. A line without any value is no row. The data begins with the header's
    line feed: at the very start Polars would take a text for a byte order mark.
    """
    names = [*columns, _SURPLUS]
    has_quotes = b'"' in data
    if has_quotes or data.count(b"\r") > data.count(b"\r\n"):
        _require_csv(data)
    try:
        texts = _read_csv(data, names)
    except _TooWide:
        texts = _read_csv(_narrowed(data, len(columns)), names)
    line = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    if has_quotes:
        # A quoted field may hold line feeds, which put the rows after it further down.
        feeds = pl.sum_horizontal(
            pl.col(name).str.count_matches("\n", literal=True).fill_null(0) for name in names
        )
        line += feeds.cast(pl.Int64).cum_sum().shift(1, fill_value=0)
    texts = texts.with_columns(line=line)
    if has_quotes:
        texts = texts.with_columns(pl.col(names).replace("", None))
    has_a_value = pl.any_horizontal(pl.col(names).is_not_null())
    return texts.filter(has_a_value).with_columns(too_long=pl.col(_SURPLUS).is_not_null())


class _TooWide(Exception):
    """A row has more fields than there are names."""


def _read_csv(data: bytes, names: list[str]) -> pl.DataFrame:
    """Read well-formed CSV as text, each row one line at least; short rows are filled with null."""
    try:
        return pl.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            infer_schema=False,
            missing_columns="insert",
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        # The error is not chained: it quotes the data, which may name people.
        if "utf-8" in str(error):
            raise FileRefused("it is not UTF-8") from None
        raise _TooWide from None


def _require_csv(data: bytes) -> None:
    """Polars passes over stray quotes and carriage returns, and reads what nobody meant."""
    if not _CSV.fullmatch(data):
        raise FileRefused(
            "it is not CSV: a quote is not closed or not doubled, or a carriage return stands alone"
        )


def _narrowed(data: bytes, width: int) -> bytes:
    """Fold what stands beyond `width` fields into one more; nothing, if there are no values."""

    def fold(row: re.Match[bytes]) -> bytes:
        fields, surplus = row.groups()
        if _NO_VALUES.fullmatch(surplus):
            return fields
        return fields + b',"' + surplus[1:].replace(b'"', b'""') + b'"'

    row = rb"(%b(?:,%b){0,%d}+)((?:,%b)*+)\r?(?=\n|\Z)" % (_FIELD, _FIELD, width - 1, _FIELD)
    return re.sub(row, fold, data)


def _completed(texts: pl.DataFrame, known: list[str]) -> pl.DataFrame:
    """Add the columns that old files, reports and first increments don't have."""
    if "uniq_id" not in known:
        contents = texts.select(pl.concat_str(pl.col(known).fill_null(""), separator=","))
        texts = texts.with_columns(
            uniq_id=pl.Series(
                [hashlib.md5(row.encode()).hexdigest() for (row,) in contents.iter_rows()],  # noqa: S324
                dtype=pl.String,
            )
        )
    if "status" not in known:
        texts = texts.with_columns(status=pl.lit("shipped"))
    return texts


def _judge(texts: pl.DataFrame, first_day: date, last_day: date) -> pl.DataFrame:
    """Add `partition_day`, the typed columns (`typed_…`) and `reason`, null where all is well."""
    typed = texts.with_columns(
        typed_date_time=pl.when(pl.col("date_time").str.contains(_DATE_TIME)).then(
            _date_time(pl.col("date_time"))
        ),
        typed_payment_amount=pl.when(pl.col("payment_amount").str.contains(_NUMERIC_14_2)).then(
            pl.col("payment_amount").cast(pl.Decimal(14, 2), strict=False)
        ),
        **{
            f"typed_{name}": pl.when(pl.col(name).str.contains(_WHOLE_NUMBER)).then(
                pl.col(name).cast(pl.Int64, strict=False)
            )
            for name in _WHOLE_NUMBERS
        },
        **{
            f"typed_{name}": pl.col(name)
            for name in ("uniq_id", "city_name", "first_name", "last_name", "item_name", "status")
        },
    ).with_columns(partition_day=pl.col("typed_date_time").dt.date())
    return typed.with_columns(
        reason=pl.coalesce(
            pl.when(wrong).then(pl.lit(reason)) for wrong, reason in _faults(first_day, last_day)
        )
    )


def _date_time(text: pl.Expr) -> pl.Expr:
    """Cast texts that match `_DATE_TIME`; null where there is no such day or time."""
    value = (
        pl.when(text.str.len_bytes() == len("2024-02-25"))
        .then(text + "T00:00:00")
        .otherwise(text.str.replace(" ", "T", literal=True))
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    )
    return pl.when(value.dt.year() >= 1).then(value)


def _faults(first_day: date, last_day: date) -> Iterator[tuple[pl.Expr, str]]:
    """Give what can be wrong with a row, the first that applies being its reason."""
    yield pl.col("too_long"), "the row has more values than the file has columns"
    for name in KNOWN_COLUMNS:
        yield pl.col(name).is_null(), f"{name} is missing"
        yield pl.col(name).str.contains("\0", literal=True), f"{name} holds a NUL character"
    yield pl.col("typed_date_time").is_null(), "date_time is not a date and time without zone"
    outside = ~pl.col("partition_day").is_between(first_day, last_day)
    span = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    yield outside, f"date_time is outside what the object may hold, {span}"
    for name in _WHOLE_NUMBERS:
        yield ~pl.col(name).str.contains(_WHOLE_NUMBER), f"{name} is not a whole number"
        yield pl.col(f"typed_{name}").is_null(), f"{name} is out of range"
    amount = pl.col("payment_amount")
    yield ~amount.str.contains(_DECIMAL), "payment_amount is not a decimal number"
    yield pl.col("typed_payment_amount").is_null(), "payment_amount is out of range: numeric(14, 2)"
    for name in ("quantity", "payment_amount"):
        yield pl.col(f"typed_{name}") <= 0, f"{name} is not above zero"
    yield ~pl.col("status").is_in(_STATUSES), f"status is neither {' nor '.join(_STATUSES)}"


def _counts(texts: pl.DataFrame, orders: pl.DataFrame, rejected: pl.DataFrame) -> pl.DataFrame:
    """Count what became of the rows of each day: every row read is an order, rejected or a copy."""
    written = texts.group_by("date_time").len("rows_read")
    readable = pl.col("date_time").str.contains(_DATE_TIME)
    read = (
        written.with_columns(
            partition_day=pl.when(readable).then(_date_time(pl.col("date_time"))).dt.date()
        )
        .group_by("partition_day")
        .agg(pl.col("rows_read").sum())
    )
    for became, rows in (("rejected", rejected), ("kept", orders)):
        count = rows.group_by("partition_day").len(became)
        read = read.join(count, on="partition_day", how="left", nulls_equal=True)
    return (
        read.with_columns(pl.col("rows_read", "rejected", "kept").fill_null(0).cast(pl.Int64))
        .with_columns(copies=pl.col("rows_read") - pl.col("rejected") - pl.col("kept"))
        .select("partition_day", "rows_read", "copies", "rejected", "kept")
        .sort("partition_day")
    )
