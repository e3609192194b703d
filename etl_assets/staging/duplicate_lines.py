"""Duplicate lines, found before lines are taken apart: most of a load's time goes into that.

Three rows in four of the source are equal to an earlier one in all but `id`. Where `id` comes first
and nothing is quoted, so are two lines that are equal after the digits that they begin with.

Not every duplicate is found here, `OrderLog` finds the others: hashes are kept of a million lines,
newer ones in the place of older ones, and after a while only if many are found.
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
# Looking for duplicates takes a third of the time that taking the lines apart does.
_LEAST_SHARE = 0.3

_DIGITS = "0123456789"
_EPOCH = date(1970, 1, 1)
_NO_DAY = np.iinfo(np.int32).min

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NewLines:
    """The lines of a piece that are no duplicates.

    Attributes:
        data: the lines.
        numbers: the number of each.
        places: where among them the lines are whose hashes are kept.
        slots: where those are kept.
        slots_of_known: where the lines of earlier pieces are kept that duplicates are equal to.
        slots_of_repeated: where those of this piece are.
    """

    data: bytes
    numbers: pl.Series
    places: Places
    slots: Places
    slots_of_known: Places
    slots_of_repeated: Places


class LineDuplicates:
    """Hashes of 128 bits of a file's newest lines, and the day of each."""

    def __init__(self, slots: int = 1 << 20) -> None:
        """Keep up to so many lines, a power of two; each takes 28 bytes."""
        self._first = np.zeros(slots, np.uint64)
        self._second = np.zeros(slots, np.uint64)
        self._days = np.zeros(slots, np.int32)
        self._owners = np.zeros(slots, np.int64)
        self._pieces = 0
        self._pays = True

    def drop(self, piece: CsvPiece) -> CsvPiece | NewLines:
        """Leave duplicates out, unless the piece is to be read as it is."""
        lines = _lines(piece.data) if self._pays else None
        if lines is None:
            return piece
        first, second = lines["first"].to_numpy(), lines["second"].to_numpy()
        slots = (first & np.uint64(len(self._first) - 1)).astype(np.int64)
        is_known = (self._first[slots] == first) & (self._second[slots] == second)
        # Of the others, the first that wants a slot owns it, and may come again.
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
            # A carriage return that is still there stands alone: to be refused, as it was written.
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
        """Return how many duplicates of each day were left out; None where it can't be read.

        To be called with what `drop` gave, in that order, once the days of `lines.numbers` are
        known. By then, or in another thread meanwhile, `drop` may be further on.
        """
        days_of_known = self._days[lines.slots_of_known]
        days_of_new = days.to_physical().fill_null(_NO_DAY).to_numpy()
        self._days[lines.slots] = days_of_new[lines.places]
        of_duplicates = np.concatenate([days_of_known, self._days[lines.slots_of_repeated]])
        of_days, counts = np.unique(of_duplicates, return_counts=True)
        read = (None if day == _NO_DAY else _EPOCH + timedelta(day) for day in of_days.tolist())
        return Counter(dict(zip(read, counts.tolist(), strict=True)))


def _lines(data: bytes) -> pl.DataFrame | None:
    """Return the lines, and two hashes of what follows their ids, if each is a row for sure."""
    if b'"' in data:
        return None
    line, rest = pl.col("line"), pl.col("rest")
    # Where all ids are equally long, to cut them off takes half the time.
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
    """Return how long the first and the last id are, if equally: ids that count up all are then."""
    last = data.rfind(b"\n", 0, -1) + 1
    first_width, last_width = data.find(b","), data.find(b",", last) - last
    return first_width if first_width == last_width > 0 else None


def _join(lines: pl.Series) -> bytes:
    buffer = BytesIO()
    lines.to_frame().write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()
