"""The header and the rows of a CSV file, as text: exactly what is written, or a refusal.

RFC 4180, with LF or CRLF. Polars parses; what it would silently accept is refused before.
"""

import codecs
import csv
import re

from etl_assets.errors import FileRefused
from etl_assets.frames import pl
from etl_assets.source.feeds import KNOWN_COLUMNS, NEEDED_COLUMNS
from etl_assets.staging.csv_pieces import CsvPiece

SURPLUS = "surplus"
"""The name of the column with the fields beyond the header's columns."""

_NAMES = frozenset({"id", *KNOWN_COLUMNS})

# The quantifiers are possessive, so the time is linear in the bytes.
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_RECORD = _FIELD + rb"(?:," + _FIELD + rb")*+\r?"
_CSV = re.compile(rb"(?:" + _RECORD + rb"\n)*+(?:" + _RECORD + rb")?")
_STRAY_CARRIAGE_RETURN = re.compile(rb"\r[^\n]")
_NO_VALUES = re.compile(rb'(?:,(?:"")?)*+')


def require_csv(data: bytes) -> None:
    """Refuse what Polars would accept although it is not CSV: stray quotes and carriage returns.

    Raises:
        FileRefused: the bytes are not CSV.
    """
    if not _CSV.fullmatch(data):
        raise FileRefused(
            "it is not CSV: a quote is not closed or not doubled, or a carriage return stands alone"
        )


def columns_of(header: bytes) -> dict[str, str]:
    """Return the file's columns: our name of each, and the name in the file.

    An unknown column is named by its place, so that it can't collide with a column that we add.

    Raises:
        FileRefused: it is not the header of an order log.
    """
    require_csv(header)
    try:
        titles = next(csv.reader([header.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise FileRefused("its header is not UTF-8 or not CSV") from None
    missing = [name for name in NEEDED_COLUMNS if name not in titles]
    if missing:
        # The message leaves out the file's own names: in a file without a header they are data.
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


def unknown_columns(columns: dict[str, str]) -> tuple[str, ...]:
    """Return the columns that are ignored, by their names in the file."""
    return tuple(shown for name, shown in columns.items() if name not in _NAMES)


def read_texts(piece: CsvPiece, columns: list[str]) -> pl.LazyFrame:
    """Return the rows of a piece as text: the columns, `surplus` and `line`.

    An empty text becomes null. A line without any value is not a row.

    Raises:
        FileRefused: the bytes are not UTF-8 or not CSV.
    """
    data = piece.data
    if data.startswith(codecs.BOM_UTF8):
        # In the middle of a file it is text. Polars keeps it only if it is not at the beginning.
        data = b"\n" + data
    first_line = piece.line - (len(data) - len(piece.data))
    names = [*columns, SURPLUS]
    has_quotes = b'"' in data
    # Searching for a quote is much faster than matching the pattern, and most pieces have none.
    if has_quotes or (b"\r" in data and _STRAY_CARRIAGE_RETURN.search(data)):
        require_csv(data)
    try:
        texts = _read_csv(data, names)
    except _TooWide:
        texts = _read_csv(_narrowed(data, len(columns)), names)
    line = pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64)
    if has_quotes:
        # Line feeds in quoted fields move the rows after them down.
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
    """A row has more fields than names."""


def _read_csv(data: bytes, names: list[str]) -> pl.DataFrame:
    """Parse well-formed CSV as text. Short rows are filled with null."""
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
        # Not chained: the error quotes the data, which has names of people.
        if "utf-8" in str(error):
            raise FileRefused("it is not UTF-8") from None
        raise _TooWide from None


def _narrowed(data: bytes, width: int) -> bytes:
    """Join the fields beyond the first `width` into one; drop them if all are empty."""

    def fold(row: re.Match[bytes]) -> bytes:
        fields, surplus = row.groups()
        if _NO_VALUES.fullmatch(surplus):
            return fields
        return fields + b',"' + surplus[1:].replace(b'"', b'""') + b'"'

    row = rb"(%b(?:,%b){0,%d}+)((?:,%b)*+)\r?(?=\n|\Z)" % (_FIELD, _FIELD, width - 1, _FIELD)
    return re.sub(row, fold, data)
