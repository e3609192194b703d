"""Reading a piece of a CSV file as text: exactly what is written, or not at all.

RFC 4180, with LF or CRLF. Polars does the reading; what it would pass over is refused before.
"""

import codecs
import re

from etl_assets.errors import FileRefused
from etl_assets.frames import pl
from etl_assets.staging.csv_pieces import CsvPiece

SURPLUS = "surplus"
"""The column of what stands beyond the header's columns."""

# Possessive, so that the time is linear in the bytes.
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_RECORD = _FIELD + rb"(?:," + _FIELD + rb")*+\r?"
_CSV = re.compile(rb"(?:" + _RECORD + rb"\n)*+(?:" + _RECORD + rb")?")
_STRAY_CARRIAGE_RETURN = re.compile(rb"\r[^\n]")
_NO_VALUES = re.compile(rb'(?:,(?:"")?)*+')


def require_csv(data: bytes) -> None:
    """Refuse what Polars would read as nobody meant it: stray quotes and carriage returns.

    Raises:
        FileRefused: the bytes are no CSV.
    """
    if not _CSV.fullmatch(data):
        raise FileRefused(
            "it is not CSV: a quote is not closed or not doubled, or a carriage return stands alone"
        )


def read_texts(piece: CsvPiece, columns: list[str]) -> pl.LazyFrame:
    """Read the rows of a piece: the columns, `surplus` and `line`; an empty text is null.

    A line without any value is no row.

    Raises:
        FileRefused: the bytes are no UTF-8 or no CSV.
    """
    data = piece.data
    if data.startswith(codecs.BOM_UTF8):
        # Here it is part of a text, which Polars keeps where a line stands before.
        data = b"\n" + data
    first_line = piece.line - (len(data) - len(piece.data))
    names = [*columns, SURPLUS]
    has_quotes = b'"' in data
    # Where duplicates were left out there is none, and looking for one is much faster than the
    # pattern.
    if has_quotes or (b"\r" in data and _STRAY_CARRIAGE_RETURN.search(data)):
        require_csv(data)
    try:
        texts = _read_csv(data, names)
    except _TooWide:
        texts = _read_csv(_narrowed(data, len(columns)), names)
    line = pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64)
    if has_quotes:
        # A quoted field may hold line feeds, which put the rows after it further down.
        feeds = pl.sum_horizontal(
            pl.col(name).str.count_matches("\n", literal=True).fill_null(0) for name in names
        )
        line += feeds.cast(pl.Int64).cum_sum().shift(1, fill_value=0)
    rows = texts.lazy().with_columns(line=line)
    if has_quotes:
        rows = rows.with_columns(pl.col(names).replace("", None))
    elif any(not texts[name].null_count() for name in names):
        return rows
    return rows.filter(pl.any_horizontal(pl.col(names).is_not_null()))


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


def _narrowed(data: bytes, width: int) -> bytes:
    """Fold what stands beyond `width` fields into one more; nothing, if there are no values."""

    def fold(row: re.Match[bytes]) -> bytes:
        fields, surplus = row.groups()
        if _NO_VALUES.fullmatch(surplus):
            return fields
        return fields + b',"' + surplus[1:].replace(b'"', b'""') + b'"'

    row = rb"(%b(?:,%b){0,%d}+)((?:,%b)*+)\r?(?=\n|\Z)" % (_FIELD, _FIELD, width - 1, _FIELD)
    return re.sub(row, fold, data)
