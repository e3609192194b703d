"""Dropping duplicate lines before lines are split into fields, which takes most of a load's time.

Three rows in four of the source equal an earlier one in everything but `id`. Where `id` is the
first column and nothing is quoted, their lines are equal after the leading digits.

This finds most duplicates, and `OrderLog` the others: it keeps the hashes of the newest million
lines, and it stops looking where a file has few duplicates.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

import numpy as np
import numpy.typing as npt

from etl_assets.frames import pl
from etl_assets.staging.csv_pieces import CsvPiece
from etl_assets.staging.seen_rows import SEEDS

_TRIAL_PIECES = 4
# Looking for duplicates takes a third of the time that splitting the lines takes.
_LEAST_SHARE = 0.3

_DIGITS = "0123456789"
_EPOCH = date(1970, 1, 1)
_NO_DAY = np.iinfo(np.int32).min

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NewLines:
    """The lines of a piece without duplicates.

    Attributes:
        data: the lines.
        numbers: the line number of each.
        places: the indexes of the lines whose hashes are kept.
        slots: the slots of their hashes.
        slots_of_known: for each duplicate of an earlier piece's line, the slot of that line.
        slots_of_repeated: for each duplicate of a line of this piece, the slot of that line.
    """

    data: bytes
    numbers: pl.Series
    places: Places
    slots: Places
    slots_of_known: Places
    slots_of_repeated: Places


class LineDuplicates:
    """The hashes (128 bits) of a file's newest lines, and the day of each line."""

    def __init__(self, slots: int = 1 << 20) -> None:
        """Keep up to `slots` lines, a power of two; each takes 28 bytes."""
        self._first = np.zeros(slots, np.uint64)
        self._second = np.zeros(slots, np.uint64)
        self._days = np.zeros(slots, np.int32)
        self._owners = np.zeros(slots, np.int64)
        self._pieces = 0
        self._pays = True

    def drop(self, piece: CsvPiece) -> CsvPiece | NewLines:
        """Return the piece without duplicate lines, or as it is where looking does not pay."""
        lines = _lines(piece.data) if self._pays else None
        if lines is None:
            return piece
        first, second = lines["first"].to_numpy(), lines["second"].to_numpy()
        slots = (first & np.uint64(len(self._first) - 1)).astype(np.int64)
        is_known = (self._first[slots] == first) & (self._second[slots] == second)
        # Of new lines with the same slot, the first owns it. Later ones may be its duplicates.
        rows = np.flatnonzero(~is_known)
        self._owners[slots[rows[::-1]]] = rows[::-1]
        owners = self._owners[slots[rows]]
        is_repeated = (owners != rows) & (first[owners] == first[rows])
        is_repeated &= second[owners] == second[rows]
        new = rows[~is_repeated]
        places = np.flatnonzero(self._owners[slots[new]] == new)
        kept = new[places]
        self._first[slots[kept]], self._second[slots[kept]] = first[kept], second[kept]

        share = 1 - len(new) / len(lines)
        data = _join(lines["line"][new]) if share else piece.data
        if share and b"\r" in data:
            # A carriage return that is left stands alone. The reader refuses the piece as written.
            return piece
        self._pieces += 1
        self._pays = self._pieces < _TRIAL_PIECES or share >= _LEAST_SHARE
        return NewLines(
            data=data,
            numbers=pl.Series(piece.line + new),
            places=places,
            slots=slots[kept],
            slots_of_known=slots[is_known],
            slots_of_repeated=slots[rows[is_repeated]],
        )

    def count(self, lines: NewLines, days: pl.Series) -> Counter[date | None]:
        """Return how many duplicates of each day were dropped; None stands for unreadable days.

        Call it with the results of `drop`, in their order, once the days of the lines are known.
        `drop` may already work on later pieces, in another thread too.
        """
        days_of_known = self._days[lines.slots_of_known]
        days_of_new = days.to_physical().fill_null(_NO_DAY).to_numpy()
        self._days[lines.slots] = days_of_new[lines.places]
        of_duplicates = np.concatenate([days_of_known, self._days[lines.slots_of_repeated]])
        of_days, counts = np.unique(of_duplicates, return_counts=True)
        read = (None if day == _NO_DAY else _EPOCH + timedelta(day) for day in of_days.tolist())
        return Counter(dict(zip(read, counts.tolist(), strict=True)))


def _lines(data: bytes) -> pl.DataFrame | None:
    """Return the lines and two hashes of what follows their ids, if each is surely a row."""
    if b'"' in data:
        return None
    line, rest = pl.col("line"), pl.col("rest")
    # Cutting ids of equal length off takes half the time.
    width = _width_of_ids(data)
    after_id = line.str.slice(width) if width else line.str.strip_chars_start(_DIGITS)
    try:
        lines = (
            pl.read_lines(data, name="line")
            .lazy()
            .with_columns(rest=after_id)
            .select(
                line,
                has_id=line.str.contains(rf"^[0-9]{{{width or 1}}}"),
                first=rest.hash(SEEDS[0]),
                second=rest.hash(SEEDS[1]),
            )
            .collect()
        )
    except pl.exceptions.PolarsError:
        return None
    return lines if lines["has_id"].all() else None


def _width_of_ids(data: bytes) -> int | None:
    """Return the length of the first and last id if equal: ids count up, so all have it then."""
    last = data.rfind(b"\n", 0, -1) + 1
    first_width, last_width = data.find(b","), data.find(b",", last) - last
    return first_width if first_width == last_width > 0 else None


def _join(lines: pl.Series) -> bytes:
    buffer = BytesIO()
    lines.to_frame().write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()
