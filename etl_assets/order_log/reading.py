"""Reading an order log: what becomes of each row.

A file is read as text and cast afterwards, so that nothing turns into null by itself. Each row ends
as an order, as a copy of an earlier row, or in quarantine with its reason; a file that can't be
read for sure is refused whole.

A file is read in pieces of some MiB, and what becomes of a row does not depend on where they end.
Of a row that is no copy only hashes are kept: 34 to 69 bytes, and as many again in files of 2022
(see `SeenRows`). Nothing else grows with the file.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from etl_assets.errors import FileRefused
from etl_assets.order_log.columns import KNOWN_COLUMNS, NEEDED_COLUMNS
from etl_assets.order_log.csv_pieces import PIECE_BYTES, CsvPiece, CsvPieces
from etl_assets.order_log.csv_texts import SURPLUS, read_texts, require_csv
from etl_assets.order_log.line_copies import LineCopies, NewLines
from etl_assets.order_log.seen_rows import SEEDS, Hashes, Mask, SeenRows

_NAMES = frozenset({"id", *KNOWN_COLUMNS})

ORDER_COLUMNS = ("partition_day", "line", *KNOWN_COLUMNS)
"""The columns of `Piece.orders`, as in staging.user_order_log."""

_KEY = ("partition_day", "uniq_id", "status")
"""The columns that name an order."""

_COUNTS = pl.Schema(
    {
        "partition_day": pl.Date,
        "rows_read": pl.Int64,
        "rejected": pl.Int64,
        "kept": pl.Int64,
        "revenue": pl.Decimal(38, 2),
    }
)
_REASONS = {"reason": pl.String, "rows": pl.Int64, "first_line": pl.Int64}

MAX_UNIQ_ID_BYTES = 1_000
"""A longer `uniq_id` rejects its row: mart.f_sales can have no key of over 2,700 bytes."""

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

_CONTRADICTED = "uniq_id and status are another order's too, with other contents"


@dataclass(frozen=True)
class Piece:
    """What some rows of a file became.

    Attributes:
        orders: `ORDER_COLUMNS`, one row an order. Beside the day (date) and the line (int) texts as
            they were read; PostgreSQL casts them to the very values that were judged here.
        rejected: line, partition_day (null where there is no readable one), fields (struct of the
            texts read), reason.
    """

    orders: pl.DataFrame
    rejected: pl.DataFrame


class Contradicted(Exception):
    """Orders that were given turned out to have the key of others, with other contents.

    All versions are to be rejected, so the file has to be read once more, with what is known now.
    """


class OrderLog:
    """One file, to be read once.

    Attributes:
        unknown_columns: the names of the columns that are ignored.
        reasons: reason, rows and first_line of the rejected rows.

    They, `counts` and `sha256` are of what was read so far.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        first_day: date,
        last_day: date,
        *,
        contradicted: SeenRows,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        """Describe the file.

        Args:
            chunks: its bytes, in chunks of up to `MAX_LINE_BYTES`.
            first_day: the first day that it may hold.
            last_day: the last one.
            contradicted: the keys that have several contents, as far as they are known; what is
                found is added.
            piece_bytes: how much of it to read at a time.
        """
        self._csv = CsvPieces(chunks, piece_bytes=piece_bytes)
        self._days = (first_day, last_day)
        self._contradicted = contradicted
        self._contradicted_before = len(contradicted)
        self._seen = SeenRows()
        self._seen_without_uniq_id = SeenRows()
        self._line_copies = LineCopies()
        self._columns: dict[str, str] = {}
        self._id_is_first = False
        self._known: list[str] = []
        self._read: Counter[date | None] = Counter()
        self._rejected: Counter[date | None] = Counter()
        self._kept: Counter[date | None] = Counter()
        self._revenue: dict[date | None, Decimal] = {}
        self.reasons = pl.DataFrame(schema=_REASONS)
        self.unknown_columns: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of all bytes."""
        return self._csv.sha256

    @property
    def counts(self) -> pl.DataFrame:
        """What became of the rows.

        Columns: partition_day (null where there is no readable one), rows_read, copies, rejected,
        kept, and revenue, that of the kept rows, refunds negative.
        """
        days = list(self._read)
        counts = pl.DataFrame(
            {
                "partition_day": days,
                "rows_read": [self._read[day] for day in days],
                "rejected": [self._rejected[day] for day in days],
                "kept": [self._kept[day] for day in days],
                "revenue": [self._revenue.get(day, Decimal(0)) for day in days],
            },
            schema=_COUNTS,
        )
        copies = pl.col("rows_read") - pl.col("rejected") - pl.col("kept")
        return counts.with_columns(copies=copies).sort("partition_day")

    def pieces(self) -> Iterator[Piece]:
        """Read the file: `csv_pieces`, `without_line_copies` and `read` each, `finish`.

        Raises:
            FileRefused: it can't be read for sure; what was given of it is void.
            Contradicted: some of the orders are none; that is known at the end of the file.
        """
        for piece in self.csv_pieces():
            yield self.read(self.without_line_copies(piece))
        self.finish()

    def csv_pieces(self) -> Iterator[CsvPiece]:
        """Give the file's pieces, each for `without_line_copies`, in this order.

        Raises:
            FileRefused: it can't be read for sure.
        """
        self._columns = _columns(self._csv.header())
        self._id_is_first = next(iter(self._columns)) == "id"
        self._known = [name for name in KNOWN_COLUMNS if name in self._columns]
        self.unknown_columns = tuple(
            shown for name, shown in self._columns.items() if name not in _NAMES
        )
        yield from self._csv.pieces(len(self._columns) + 1)

    def finish(self) -> None:
        """Say that all pieces were read.

        Raises:
            Contradicted: some of the orders are none.
        """
        if len(self._contradicted) > self._contradicted_before:
            raise Contradicted

    def without_line_copies(self, piece: CsvPiece) -> CsvPiece | NewLines:
        """Leave out what is written as an earlier line is, as far as that is fast; for `read`.

        It can be done with the next piece while this one is read.
        """
        return self._line_copies.drop(piece) if self._id_is_first else piece

    def read(self, piece: CsvPiece | NewLines) -> Piece:
        """Return what the rows of a piece become.

        Raises:
            FileRefused: it can't be read for sure.
        """
        columns = list(self._columns)
        if isinstance(piece, NewLines):
            texts = read_texts(CsvPiece(piece.data, 0), columns).with_columns(line=piece.numbers)
        else:
            texts = read_texts(piece, columns)
        judged = _judge(texts, self._known, *self._days, has_nul=b"\0" in piece.data)
        good, wrong = _by_reason(judged)
        orders, contradicted = _by_reason(self._orders(good))
        rejected = self._first_of_copies(wrong)
        if len(contradicted):
            rejected = pl.concat([rejected, contradicted.select(judged.columns)]).sort("line")
        days = judged["partition_day"]
        read = _by_day(days)
        if isinstance(piece, NewLines):
            read += self._line_copies.count(piece, days)
        self._count(read, orders, rejected)
        fields = (pl.col(name).alias(shown) for name, shown in self._columns.items())
        return Piece(
            orders=orders[list(ORDER_COLUMNS)],
            rejected=rejected.select(
                "line", "partition_day", pl.struct(SURPLUS, *fields).alias("fields"), "reason"
            ),
        )

    def _first_of_copies(self, wrong: pl.DataFrame) -> pl.DataFrame:
        """Drop the wrong rows that are written as an earlier one is.

        One with values beyond the columns may have all of them under wrong names: it is no copy of
        one without.
        """
        if not len(wrong):
            return wrong
        written = wrong.select(*self._known, pl.col(SURPLUS).is_not_null())
        first, second = _hashes(written, 0), _hashes(written, 1)
        is_new, _ = self._seen.add(first, second, np.zeros_like(first))
        return _where(wrong, is_new)

    def _orders(self, good: pl.DataFrame) -> pl.DataFrame:
        """Drop the copies; give a reason to those that contradict each other.

        Rows written differently can still say the same: 400 and 400.00.
        """
        values = [f"typed_{name}" for name in self._known]
        if "status" not in self._known:
            good = good.with_columns(status=pl.lit("shipped"))
        if "uniq_id" not in self._known:
            # Its md5 differs where the texts do, so copies have to be known without it.
            of_values = good[values]
            first, second = _hashes(of_values, 0), _hashes(of_values, 1)
            is_new, _ = self._seen_without_uniq_id.add(first, second, np.zeros_like(first))
            good = _where(good, is_new)
            good = good.with_columns(uniq_id=_md5(good.select(self._known)))
        of_keys, of_values = good[list(_KEY)], good[values]
        first, second, contents = _hashes(of_keys, 2), _hashes(of_keys, 3), _hashes(of_values, 0)
        contradicted = self._contradicted.has(first, second)
        if contradicted.any():
            # Each version is rejected, once: it is known by all that it says.
            first = np.where(contradicted, contents, first)
            second = np.where(contradicted, _hashes(of_values, 1), second)
            contents = np.where(contradicted, 0, contents)
            reason = pl.when(pl.Series(contradicted)).then(pl.lit(_CONTRADICTED))
            good = good.with_columns(reason=reason)
        is_new, is_other = self._seen.add(first, second, contents)
        self._contradicted.add(first[is_other], second[is_other], contents[is_other])
        return _where(good, is_new)

    def _count(
        self, read: Counter[date | None], orders: pl.DataFrame, rejected: pl.DataFrame
    ) -> None:
        self._read += read
        self._kept += _by_day(orders["partition_day"])
        amount, is_refund = pl.col("typed_payment_amount"), pl.col("status") == "refunded"
        revenue = orders.group_by("partition_day").agg(
            amount.filter(~is_refund).sum() - amount.filter(is_refund).sum()
        )
        for day, of_day in revenue.iter_rows():
            self._revenue[day] = self._revenue.get(day, Decimal(0)) + of_day
        if not len(rejected):
            return
        self._rejected += _by_day(rejected["partition_day"])
        reasons = rejected.group_by("reason").agg(
            rows=pl.len().cast(pl.Int64), first_line=pl.col("line").min()
        )
        self.reasons = (
            pl.concat([self.reasons, reasons])
            .group_by("reason")
            .agg(pl.col("rows").sum(), pl.col("first_line").min())
        )


def _columns(header: bytes) -> dict[str, str]:
    """Return the file's columns: what they are called in here, and what the file calls them.

    Unknown ones go by their place, so that none is mistaken for one that we add.
    """
    require_csv(header)
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
        if title and titles.count(title) == 1 and title != SURPLUS
        else f"{title}_{place}"
        for place, title in enumerate(titles, 1)
    }


def _judge(
    texts: pl.LazyFrame, known: list[str], first_day: date, last_day: date, *, has_nul: bool
) -> pl.DataFrame:
    """Add `partition_day`, the typed columns (`typed_…`) and `reason`, null where all is well."""
    typed = (
        texts.with_columns(
            is_date_time=pl.col("date_time").str.contains(_DATE_TIME),
            is_amount=pl.col("payment_amount").str.contains(_NUMERIC_14_2),
            **{f"is_{name}": pl.col(name).str.contains(_WHOLE_NUMBER) for name in _WHOLE_NUMBERS},
        )
        .with_columns(
            typed_date_time=pl.when("is_date_time").then(_date_time(pl.col("date_time"))),
            typed_payment_amount=pl.when("is_amount").then(
                pl.col("payment_amount").cast(pl.Decimal(14, 2), strict=False)
            ),
            **{
                f"typed_{name}": pl.when(f"is_{name}").then(
                    pl.col(name).cast(pl.Int64, strict=False)
                )
                for name in _WHOLE_NUMBERS
            },
            **{
                f"typed_{name}": pl.col(name)
                for name in known
                if name not in {"date_time", "payment_amount", *_WHOLE_NUMBERS}
            },
        )
        .with_columns(partition_day=pl.col("typed_date_time").dt.date())
    )
    faults = list(_faults(known, first_day, last_day, has_nul=has_nul))
    judged = typed.with_columns(
        is_wrong=pl.any_horizontal(wrong for wrong, _ in faults), reason=pl.lit(None, pl.String)
    ).collect()
    # Seldom, so that it is faster to look first.
    if not judged["is_wrong"].any():
        return judged
    return judged.with_columns(
        reason=pl.coalesce(pl.when(wrong).then(pl.lit(reason)) for wrong, reason in faults)
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


def _faults(
    known: list[str], first_day: date, last_day: date, *, has_nul: bool
) -> Iterator[tuple[pl.Expr, str]]:
    """Give what can be wrong with a row, the first that applies being its reason."""
    yield pl.col(SURPLUS).is_not_null(), "the row has more values than the file has columns"
    for name in known:
        yield pl.col(name).is_null(), f"{name} is missing"
        if has_nul:
            yield pl.col(name).str.contains("\0", literal=True), f"{name} holds a NUL character"
    if "uniq_id" in known:
        yield (
            pl.col("uniq_id").str.len_bytes() > MAX_UNIQ_ID_BYTES,
            f"uniq_id is out of range: {MAX_UNIQ_ID_BYTES} bytes",
        )
    yield pl.col("typed_date_time").is_null(), "date_time is not a date and time without zone"
    outside = ~pl.col("partition_day").is_between(first_day, last_day)
    span = f"{first_day}" if first_day == last_day else f"{first_day} to {last_day}"
    yield outside, f"date_time is outside what the object may hold, {span}"
    for name in _WHOLE_NUMBERS:
        yield ~pl.col(f"is_{name}"), f"{name} is not a whole number"
        yield pl.col(f"typed_{name}").is_null(), f"{name} is out of range"
    amount = pl.col("payment_amount")
    yield (
        ~pl.col("is_amount") & ~amount.str.contains(_DECIMAL),
        "payment_amount is not a decimal number",
    )
    yield pl.col("typed_payment_amount").is_null(), "payment_amount is out of range: numeric(14, 2)"
    for name in ("quantity", "payment_amount"):
        yield pl.col(f"typed_{name}") <= 0, f"{name} is not above zero"
    if "status" in known:
        yield (
            ~pl.col("status").is_in(_STATUSES),
            f"status is neither {' nor '.join(_STATUSES)}",
        )


def _md5(contents: pl.DataFrame) -> pl.Series:
    """Return the md5 of each row, its texts joined by commas."""
    joined = contents.select(pl.concat_str(pl.all(), separator=",")).to_series()
    return pl.Series(
        [hashlib.md5(row.encode(), usedforsecurity=False).hexdigest() for row in joined],
        dtype=pl.String,
    )


def _hashes(rows: pl.DataFrame, seed: int) -> Hashes:
    return rows.hash_rows(SEEDS[seed]).to_numpy()


def _by_day(days: pl.Series) -> Counter[date | None]:
    return Counter(dict(days.value_counts().iter_rows()))


def _by_reason(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows without a reason, and those with one."""
    if rows["reason"].null_count() == len(rows):
        return rows, rows.clear()
    has_none = pl.col("reason").is_null()
    return rows.filter(has_none), rows.filter(~has_none)


def _where(rows: pl.DataFrame, mask: Mask) -> pl.DataFrame:
    return rows if mask.all() else rows.filter(pl.Series(mask))
