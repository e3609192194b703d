"""A file on its way into staging: before it is copied, and after."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from etl_assets.clients.object_store import StoredObject
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.counting import Counts
from etl_assets.staging.seen_rows import SeenRows


@dataclass
class FileToCopy:
    """A file, and the days to load from it.

    Attributes:
        raw_files: the file, once for each day.
        covers: the first and the last day that its rows may have.
        read: yields its bytes from the beginning, in chunks of up to `MAX_LINE_BYTES`.
        contradicted: keys that the file gives to orders with different contents, as far as known.
    """

    raw_files: tuple[RawFile, ...]
    covers: tuple[date, date]
    read: Callable[[], Iterator[bytes]]
    contradicted: SeenRows = field(default_factory=SeenRows)

    @property
    def stored(self) -> StoredObject:
        """The version of the object."""
        return self.raw_files[0].stored

    @property
    def days(self) -> list[date]:
        """The days to load from it."""
        return [raw_file.partition_day for raw_file in self.raw_files]


@dataclass(frozen=True)
class CopiedFile:
    """A file whose rows were copied into staging.

    Attributes:
        raw_files: the file, once for each day that is loaded from it.
        covers: the first and the last day that its rows may have.
        replaced: the days that had rows in staging before.
        sha256: the SHA-256 of its bytes, in hex.
        counts: the counts of its rows.
        unknown_columns: the columns that were ignored.
        seconds: the seconds of each phase; the phases run in parallel.
        took: the seconds of the whole file.
    """

    raw_files: tuple[RawFile, ...]
    covers: tuple[date, date]
    replaced: frozenset[date]
    sha256: str
    counts: Counts
    unknown_columns: tuple[str, ...]
    seconds: dict[str, float]
    took: float

    @property
    def days(self) -> list[date]:
        """The days that are loaded from it."""
        return [raw_file.partition_day for raw_file in self.raw_files]

    @property
    def is_empty_increment(self) -> bool:
        """Whether it is an increment with a header and no rows."""
        is_increment = self.raw_files[0].increment_id is not None
        return is_increment and not self.counts.total["rows_read"]

    @property
    def rejected_outside(self) -> int:
        """The number of rejected rows that count for none of its days.

        In a file of several days these are the rows without a readable day and the rows outside
        its days. In a file of one day every row counts for that day.
        """
        return 0 if self._is_of_one_day else self.counts.rejected_outside(*self.covers)

    @property
    def _is_of_one_day(self) -> bool:
        first_day, last_day = self.covers
        return first_day == last_day

    def counts_of(self, day: date) -> dict[str, Any]:
        """Return the counts of the rows that count for a day, as `Counts.of` does.

        In a file of one day all rows count for it, whatever their `date_time` is.
        """
        return self.counts.total if self._is_of_one_day else self.counts.of(day)


@dataclass(frozen=True)
class Staged:
    """The files that were staged, and what changed in each day.

    Attributes:
        files: the files.
        changes: by day, the orders added, gone and altered, and the revenue before and after.
    """

    files: Sequence[CopiedFile]
    changes: dict[date, dict[str, Any]]

    @property
    def emptied(self) -> dict[date, int]:
        """The days that lost all their orders, with the number that each had."""
        return {
            day: self.changes[day]["gone"]
            for file in self.files
            for day in file.days
            if self.changes[day]["gone"] and not file.counts_of(day)["loaded"]
        }
