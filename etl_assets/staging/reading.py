"""Reading an order log: each row becomes an order, a duplicate or a rejected row.

A file is read as text and cast afterwards, so that no value silently becomes null. A malformed file
is refused whole.

A file is read in pieces of some MiB; the outcome does not depend on where they end. Only hashes of
rows are kept: 34 to 69 bytes a distinct row, twice as many in files of 2022 (see `SeenRows`).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from etl_assets.frames import pl
from etl_assets.source.feeds import KNOWN_COLUMNS, ORDER_COLUMNS
from etl_assets.staging.counting import Counts, rows_by_day
from etl_assets.staging.csv_pieces import PIECE_BYTES, CsvPiece, CsvPieces
from etl_assets.staging.csv_rows import SURPLUS, columns_of, read_texts, unknown_columns
from etl_assets.staging.duplicate_lines import LineDuplicates, NewLines
from etl_assets.staging.seen_rows import SEEDS, Hashes, Mask, SeenRows
from etl_assets.staging.validation import TYPED, judge

_KEY = ("partition_day", "uniq_id", "status")
"""The columns that name an order."""

_CONTRADICTED = "uniq_id and status are another order's too, with other contents"


@dataclass(frozen=True)
class Piece:
    """The orders and rejected rows of a piece of a file.

    Attributes:
        orders: `ORDER_COLUMNS`, one row an order. The day is a date and the line an integer, the
            others are texts as read; PostgreSQL casts them to the values that were validated.
        rejected: line, partition_day (null where unreadable), fields (struct of the texts read),
            reason.
        has_quotes: whether a text may contain a quote, a comma or a line feed.
    """

    orders: pl.DataFrame
    rejected: pl.DataFrame
    has_quotes: bool


class Contradicted(Exception):
    """Orders already yielded turned out to share their key with orders of other contents.

    All versions are rejected, so the file is read again, with the keys that are known now.
    """


class OrderLog:
    """One file, which is read once.

    Attributes:
        unknown_columns: the names of the columns that are ignored.
        counts: the counts of the rows.

    The attributes and `sha256` cover what was read so far.
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
            first_day: the first day that a row may have.
            last_day: the last day that a row may have.
            contradicted: the known keys of orders with different contents; new ones are added.
            piece_bytes: how much to read at a time.
        """
        self._csv = CsvPieces(chunks, piece_bytes=piece_bytes)
        self._days = (first_day, last_day)
        self._contradicted = contradicted
        self._contradicted_before = len(contradicted)
        self._seen = SeenRows()
        self._seen_without_uniq_id = SeenRows()
        self._line_duplicates = LineDuplicates()
        self._columns: dict[str, str] = {}
        self._id_is_first = False
        self._known: list[str] = []
        self.counts = Counts()
        self.unknown_columns: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The SHA-256 (hex) of all bytes."""
        return self._csv.sha256

    def pieces(self) -> Iterator[Piece]:
        """Yield the pieces of the file, from reading to the end.

        Raises:
            FileRefused: the file is malformed; discard what was yielded.
            Contradicted: at the end of the file, if orders contradict each other.
        """
        for piece in self.csv_pieces():
            yield self.read(self.without_line_duplicates(piece))
        self.finish()

    def csv_pieces(self) -> Iterator[CsvPiece]:
        """Yield the pieces of the file, in order, for `without_line_duplicates`.

        Raises:
            FileRefused: the file is malformed.
        """
        self._columns = columns_of(self._csv.header())
        self._id_is_first = next(iter(self._columns)) == "id"
        self._known = [name for name in KNOWN_COLUMNS if name in self._columns]
        self.unknown_columns = unknown_columns(self._columns)
        yield from self._csv.pieces(len(self._columns) + 1)

    def finish(self) -> None:
        """End the reading, after the last piece.

        Raises:
            Contradicted: orders contradict each other.
        """
        if len(self._contradicted) > self._contradicted_before:
            raise Contradicted

    def without_line_duplicates(self, piece: CsvPiece) -> CsvPiece | NewLines:
        """Return the piece without duplicate lines, as far as they are found fast; for `read`.

        The next piece can be handled while `read` works on this one.
        """
        return self._line_duplicates.drop(piece) if self._id_is_first else piece

    def read(self, piece: CsvPiece | NewLines) -> Piece:
        """Return the orders and rejected rows of a piece.

        Raises:
            FileRefused: the piece is malformed.
        """
        columns = list(self._columns)
        if isinstance(piece, NewLines):
            texts = read_texts(CsvPiece(piece.data, 0), columns).with_columns(line=piece.numbers)
        else:
            texts = read_texts(piece, columns)
        judged = judge(texts, self._known, *self._days, has_nul=b"\0" in piece.data)
        good, wrong = _by_reason(judged)
        orders, contradicted = _by_reason(self._orders(good))
        rejected = self._first_of_duplicates(wrong)
        if len(contradicted):
            rejected = pl.concat([rejected, contradicted.select(judged.columns)]).sort("line")
        days = judged["partition_day"]
        read = rows_by_day(days)
        if isinstance(piece, NewLines):
            read += self._line_duplicates.count(piece, days)
        self.counts.add(read, orders, rejected)
        fields = (pl.col(name).alias(shown) for name, shown in self._columns.items())
        return Piece(
            orders=orders[list(ORDER_COLUMNS)],
            rejected=rejected.select(
                "line", "partition_day", pl.struct(SURPLUS, *fields).alias("fields"), "reason"
            ),
            has_quotes=b'"' in piece.data,
        )

    def _first_of_duplicates(self, wrong: pl.DataFrame) -> pl.DataFrame:
        """Drop the wrong rows that are written like an earlier one.

        The values of a row with too many fields may be under wrong names, so it is no duplicate
        of a row without surplus fields.
        """
        if not len(wrong):
            return wrong
        written = wrong.select(*self._known, pl.col(SURPLUS).is_not_null())
        first, second = _hashes(written, 0), _hashes(written, 1)
        is_new, _ = self._seen.add(first, second, np.zeros_like(first))
        return _where(wrong, is_new)

    def _orders(self, good: pl.DataFrame) -> pl.DataFrame:
        """Drop the duplicates, and set a reason for orders that contradict each other.

        Rows written differently can have the same values: 400 and 400.00.
        """
        values = [f"typed_{name}" if name in TYPED else name for name in self._known]
        if "status" not in self._known:
            good = good.with_columns(status=pl.lit("shipped"))
        if "uniq_id" not in self._known:
            # The md5 differs where the texts do, so duplicates are found by the values.
            of_values = good[values]
            first, second = _hashes(of_values, 0), _hashes(of_values, 1)
            is_new, _ = self._seen_without_uniq_id.add(first, second, np.zeros_like(first))
            good = _where(good, is_new)
            good = good.with_columns(uniq_id=_md5(good.select(self._known)))
        of_keys, of_values = good[list(_KEY)], good[values]
        first, second, contents = _hashes(of_keys, 2), _hashes(of_keys, 3), _hashes(of_values, 0)
        contradicted = self._contradicted.has(first, second)
        if contradicted.any():
            # Each version is rejected once. All of its values are its key here.
            first = np.where(contradicted, contents, first)
            second = np.where(contradicted, _hashes(of_values, 1), second)
            contents = np.where(contradicted, 0, contents)
            reason = pl.when(pl.Series(contradicted)).then(pl.lit(_CONTRADICTED))
            good = good.with_columns(reason=reason)
        is_new, is_other = self._seen.add(first, second, contents)
        self._contradicted.add(first[is_other], second[is_other], contents[is_other])
        return _where(good, is_new)


def _md5(contents: pl.DataFrame) -> pl.Series:
    """Return the md5 of each row's texts, joined by commas."""
    joined = contents.select(pl.concat_str(pl.all(), separator=",")).to_series()
    return pl.Series(
        [hashlib.md5(row.encode(), usedforsecurity=False).hexdigest() for row in joined],
        dtype=pl.String,
    )


def _hashes(rows: pl.DataFrame, seed: int) -> Hashes:
    return rows.hash_rows(SEEDS[seed]).to_numpy()


def _by_reason(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows without a reason, and the rows with one."""
    if rows["reason"].null_count() == len(rows):
        return rows, rows.clear()
    has_none = pl.col("reason").is_null()
    return rows.filter(has_none), rows.filter(~has_none)


def _where(rows: pl.DataFrame, mask: Mask) -> pl.DataFrame:
    return rows if mask.all() else rows.filter(pl.Series(mask))
