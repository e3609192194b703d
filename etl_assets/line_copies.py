"""Lines that are copies, found before they are taken apart: most of a load's time goes into that.

Three rows in four of the source are equal to an earlier one in all but `id`. Where `id` comes first
and nothing is quoted, so are two lines that are equal after the digits that they begin with.

Not every copy is found here, `OrderLog` finds the others: hashes are kept of a million lines, newer
ones in the place of older ones, and after a while only if many are found.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
import polars as pl

from etl_assets.csv_pieces import CsvPiece
from etl_assets.seen_rows import SEEDS, Hashes

_TRIAL_PIECES = 4
# Looking for copies takes a third of the time that taking the lines apart does.
_LEAST_SHARE = 0.3

_ID = "^[0-9]+,"
_DIGITS = "0123456789"
_NO_DAY = np.iinfo(np.int32).min

Places = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]


@dataclass(frozen=True)
class NewLines:
    """The lines of a piece that are no copies, and what is to be kept of the piece.

    Attributes:
        data: the lines.
        numbers: the number of each.
        places: where among them the lines are whose hashes are kept.
        hashes: their hashes, two for each.
        slots: where those are kept.
        days_of_known: the days of the copies of lines of earlier pieces.
        slots_of_repeated: where the lines are kept that the other copies are equal to.
    """

    data: bytes
    numbers: pl.Series
    places: Places
    hashes: tuple[Hashes, Hashes]
    slots: Places
    days_of_known: Days
    slots_of_repeated: Places


class LineCopies:
    """Hashes of 128 bits of a file's newest lines, and the day of each."""

    def __init__(self, slots: int = 1 << 20) -> None:
        """Keep up to so many lines, a power of two; each takes 28 bytes."""
        self._first = np.zeros(slots, np.uint64)
        self._second = np.zeros(slots, np.uint64)
        self._days = np.zeros(slots, np.int32)
        self._owners = np.zeros(slots, np.int64)
        self._pieces = 0
        self._pays = True

    def drop(self, piece: CsvPiece) -> NewLines | None:
        """Leave copies out; None if the piece is to be read as it is."""
        lines = _lines(piece.data) if self._pays else None
        if lines is None:
            return None
        rests = lines.str.strip_chars_start(_DIGITS)
        first, second = (rests.hash(seed).to_numpy() for seed in SEEDS[:2])
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

        share = 1 - len(new) / len(lines)
        self._pieces += 1
        self._pays = self._pieces < _TRIAL_PIECES or share >= _LEAST_SHARE
        return NewLines(
            data=_join(lines[new]) if share else piece.data,
            numbers=pl.Series(piece.line + new),
            places=places,
            hashes=(first[new[places]], second[new[places]]),
            slots=slots[new[places]],
            days_of_known=self._days[slots[is_known]],
            slots_of_repeated=slots[rows[is_repeated]],
        )

    def learn(self, lines: NewLines, days: pl.Series) -> pl.DataFrame:
        """Keep the lines, now that the days of `lines.numbers` are known.

        Returns how many copies were left out: partition_day and rows_read.
        """
        self._first[lines.slots], self._second[lines.slots] = lines.hashes
        days_of_new = days.to_physical().fill_null(_NO_DAY).to_numpy()
        self._days[lines.slots] = days_of_new[lines.places]
        of_copies = np.concatenate([lines.days_of_known, self._days[lines.slots_of_repeated]])
        day, count = np.unique(of_copies, return_counts=True)
        return pl.DataFrame({"partition_day": day, "rows_read": count}).select(
            pl.when(pl.col("partition_day") != _NO_DAY).then("partition_day").cast(pl.Date),
            "rows_read",
        )


def _lines(data: bytes) -> pl.Series | None:
    """Return the lines if each is a row for sure, and begins with its id."""
    if b'"' in data:
        return None
    try:
        lines = pl.read_lines(BytesIO(data)).to_series()
    except pl.exceptions.PolarsError:
        return None
    # A carriage return that is still there stands alone.
    is_row = lines.str.contains(_ID) & ~lines.str.contains("\r", literal=True)
    return lines if is_row.all() else None


def _join(lines: pl.Series) -> bytes:
    buffer = BytesIO()
    lines.to_frame().write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()
