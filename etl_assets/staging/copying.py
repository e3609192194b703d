"""Copying files into staging: the same for the source's objects and for days that are adopted.

Reading, dropping duplicates, parsing and copying run side by side, each with a piece of the file in
memory. The rows go straight into the table, where nobody sees them before COMMIT: over a temporary
table it takes twice as long. The days' old rows are deleted at the end, under the writer lock, so
that several loads can copy at once; those of another load that committed meanwhile are deleted too.
What is copied and then rolled back is left to autovacuum.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import Any, Literal, NamedTuple, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from etl_assets.clients.database import Connection, execute, rows
from etl_assets.clients.object_store import StoredObject
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError, FileRefused
from etl_assets.frames import pl
from etl_assets.source.feeds import ORDER_COLUMNS
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.counting import Counts
from etl_assets.staging.csv_pieces import CsvPiece
from etl_assets.staging.duplicate_lines import NewLines
from etl_assets.staging.reading import Contradicted, OrderLog
from etl_assets.staging.seen_rows import SeenRows

T = TypeVar("T")


@dataclass
class FileToCopy:
    """A file, and the days to be loaded from it.

    Attributes:
        raw_files: the file, once for each of the days.
        covers: the first and the last day that it may hold.
        read: gives its bytes, in chunks of up to `MAX_LINE_BYTES`, from the beginning.
        contradicted: the keys of its orders that are none, once that is known.
    """

    raw_files: tuple[RawFile, ...]
    covers: tuple[date, date]
    read: Callable[[], Iterator[bytes]]
    contradicted: SeenRows = field(default_factory=SeenRows)

    @property
    def stored(self) -> StoredObject:
        """The version of the file."""
        return self.raw_files[0].stored

    @property
    def days(self) -> list[date]:
        """The days that are loaded from it."""
        return [raw_file.partition_day for raw_file in self.raw_files]


@dataclass(frozen=True)
class CopiedFile:
    """A file that was copied.

    Attributes:
        raw_files: the file, once for each of its days that are loaded.
        covers: the first and the last day that it may hold.
        replaced: the days that held rows before.
        sha256: of its bytes, in hex.
        counts: what became of its rows.
        unknown_columns: the columns that were ignored.
        seconds: how long each phase took: they go on side by side.
        took: how many seconds it took in all.
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
        """Whether it is an increment of a header alone."""
        is_increment = self.raw_files[0].increment_id is not None
        return is_increment and not self.counts.total["rows_read"]

    @property
    def rejected_outside(self) -> int:
        """How many rejected rows count for none of its days.

        In a file of several days, those without a readable day and those outside its days. In a
        file of one day every row counts for that day.
        """
        return 0 if self._is_of_one_day else self.counts.rejected_outside(*self.covers)

    @property
    def _is_of_one_day(self) -> bool:
        first_day, last_day = self.covers
        return first_day == last_day

    def counts_of(self, day: date) -> dict[str, Any]:
        """Return what became of the rows that count for a day, as `Counts.of` has it.

        In a file of one day they are all rows, whatever their date_time says.
        """
        return self.counts.total if self._is_of_one_day else self.counts.of(day)


@dataclass(frozen=True)
class Staged:
    """What was staged: the files, and by day what that has changed.

    The changes are orders added, gone and altered, and the revenue before and after.
    """

    files: Sequence[CopiedFile]
    changes: dict[date, dict[str, Any]]

    @property
    def emptied(self) -> dict[date, int]:
        """The days that had orders and have none now: how many each had."""
        return {
            day: self.changes[day]["gone"]
            for file in self.files
            for day in file.days
            if self.changes[day]["gone"] and not file.counts_of(day)["loaded"]
        }


class _Rows(NamedTuple):
    """Rows in CSV, and the table that they are copied into."""

    table: str
    columns: Sequence[str]
    csv: bytes


def run_copying(warehouse: Warehouse, work: Callable[[Connection], T]) -> T:
    """Do what `Warehouse.run` does, with work that calls `copy_in` in a transaction of its own.

    It is done once more if a file contradicts itself, which is known when the file has been read:
    all was rolled back then, and what not to copy is known.
    """
    while True:
        try:
            return warehouse.run(work)
        except Contradicted:
            continue


def copy_in(connection: Connection, files: Sequence[FileToCopy]) -> list[CopiedFile]:
    """Copy the files into staging beside what the days hold, in the open transaction.

    Not within a savepoint: the rows could not be told from the old ones.

    Raises:
        FileRefused: a file can't be read for sure.
        Contradicted: see `run_copying`.
    """
    execute(connection, "staging/incoming_rejected")
    return [_copy(connection, file, number) for number, file in enumerate(files)]


def swap_in(connection: Connection, files: Sequence[CopiedFile], run_id: str) -> Staged:
    """Delete what the days held before `copy_in`, as the writer; record what they hold now."""
    changes = _swap(connection, files)
    for number, file in enumerate(files):
        stored = file.raw_files[0].stored
        version = {"uri": stored.uri, "etag": stored.etag}
        execute(connection, "staging/reject_rows", version | {"file": number})
        for raw_file in file.raw_files:
            execute(
                connection,
                "staging/record_staged_day",
                version
                | file.counts_of(raw_file.partition_day)
                | {
                    "partition_day": raw_file.partition_day,
                    "run_id": run_id,
                    "sha256": file.sha256,
                    "report_id": raw_file.report_id,
                    "increment_id": raw_file.increment_id,
                    "changes": Jsonb(changes[raw_file.partition_day], _dump_exactly),
                    "seconds": Jsonb(file.seconds),
                },
            )
    return Staged(files, changes)


def _copy(connection: Connection, file: FileToCopy, number: int) -> CopiedFile:
    """Copy a file's orders into the table, and its wrong rows into a temporary one."""
    began = time.monotonic()
    replaced = rows(connection, "staging/held_days", {"days": file.days})
    seconds = {"read": 0.0, "drop_duplicates": 0.0, "parse": 0.0, "copy": 0.0}
    log = OrderLog(file.read(), *file.covers, contradicted=file.contradicted)

    def drop_duplicates(piece: CsvPiece) -> None:
        with _added_to(seconds, "drop_duplicates"):
            lines = log.without_line_duplicates(piece)
        parse_beside(partial(parse, lines))

    def parse(lines: CsvPiece | NewLines) -> None:
        for part in _timed(_rows(log, lines, file, number), seconds, "parse"):
            copy_beside(partial(_copy_rows, connection, part, seconds))

    try:
        with (
            _beside() as copy_beside,
            _beside() as parse_beside,
            _beside() as drop_beside,
            _cancelled_if_interrupted(connection),
        ):
            for piece in _timed(log.csv_pieces(), seconds, "read"):
                drop_beside(partial(drop_duplicates, piece))
        log.finish()
    except FileRefused as error:
        raise FileRefused(
            f"{file.stored.uri} is refused, nothing of it was loaded: {error}. Have the source "
            "deliver it again, then run the days again"
        ) from None
    return CopiedFile(
        file.raw_files,
        file.covers,
        frozenset(row["partition_day"] for row in replaced),
        log.sha256,
        log.counts,
        log.unknown_columns,
        seconds,
        time.monotonic() - began,
    )


def _rows(
    log: OrderLog, lines: CsvPiece | NewLines, file: FileToCopy, number: int
) -> Iterator[_Rows]:
    """Give what is to be copied of a piece of a file."""
    piece = log.read(lines)
    orders = (
        piece.orders.lazy()
        .filter(pl.col("partition_day").is_in(file.days))
        # As it was read: to write it anew takes a third of the time that writing the row does.
        .with_columns(partition_day=pl.col("date_time").str.head(len("2024-02-25")))
        .collect()
    )
    if len(orders):
        csv = _csv(orders, "necessary" if piece.has_quotes else "never")
        yield _Rows("staging.user_order_log", ORDER_COLUMNS, csv)
    if len(rejected := _rejected(piece.rejected, file)):
        rejected = rejected.with_columns(pl.lit(number).alias("file"))
        yield _Rows("incoming_rejected", rejected.columns, _csv(rejected, "necessary"))


def _rejected(rejected: pl.DataFrame, file: FileToCopy) -> pl.DataFrame:
    """Return the wrong rows but those of days that are in the file and were not asked for."""
    if not len(rejected):
        return rejected
    day = pl.col("partition_day")
    not_asked_for = day.is_between(*file.covers) & ~day.is_in(file.days)
    rejected = rejected.filter(~not_asked_for.fill_null(value=False))
    fields = rejected["fields"].struct.unnest()
    # PostgreSQL has no NUL character in texts; its picture stands for it.
    fields = fields.with_columns(pl.all().str.replace_all("\0", "\u2400", literal=True))
    return rejected.with_columns(fields=fields.to_struct().struct.json_encode())


def _csv(rows: pl.DataFrame, quotes: Literal["necessary", "never"]) -> bytes:
    buffer = BytesIO()
    rows.write_csv(buffer, include_header=False, quote_style=quotes)
    return buffer.getvalue()


@contextmanager
def _beside() -> Generator[Callable[[Callable[[], None]], None]]:
    """Give a function that has work done in a thread of its own, after waiting for the work before.

    Read in the main thread, a file can be interrupted while the object store doesn't answer.
    """
    under_way: Future[None] | None = None

    def hand_over(work: Callable[[], None]) -> None:
        nonlocal under_way
        if under_way:
            under_way.result()
        under_way = pool.submit(work)

    with ThreadPoolExecutor(1) as pool:
        yield hand_over
        if under_way:
            under_way.result()


@contextmanager
def _cancelled_if_interrupted(connection: Connection) -> Generator[None]:
    """Cancel the statement that another thread is waiting for, if Ctrl-C interrupts this one."""
    try:
        yield
    except Exception:
        # At most the piece that is being copied is waited for, and that is short.
        raise
    # Ctrl-C, or what Dagster makes of it.
    except BaseException:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=5)
        raise


def _copy_rows(connection: Connection, part: _Rows, seconds: dict[str, float]) -> None:
    target = f"{part.table} ({', '.join(part.columns)})"
    with (
        _added_to(seconds, "copy"),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT csv)") as copy,  # pyright: ignore[reportArgumentType]  # our own names
    ):
        copy.write(part.csv)


def _timed(items: Iterator[T], seconds: dict[str, float], phase: str) -> Iterator[T]:
    """Give the items, and add the time that it takes to make them."""
    while True:
        with _added_to(seconds, phase):
            item = next(items, None)
        if item is None:
            return
        yield item


@contextmanager
def _added_to(seconds: dict[str, float], phase: str) -> Generator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[phase] += time.monotonic() - began


def _swap(connection: Connection, files: Sequence[CopiedFile]) -> dict[date, dict[str, Any]]:
    counts = {day: file.counts_of(day) for file in files for day in file.days}
    # In other days there is nothing to find, which takes long among a million new rows.
    staged = {row["partition_day"] for row in rows(connection, "staging/staged_days")}
    replaced = staged.union(*(file.replaced for file in files)) & counts.keys()
    of_days = {"days": sorted(replaced)}
    before = {row["partition_day"]: row for row in rows(connection, "staging/swap_days", of_days)}
    _require_copied(connection, {day: counts[day]["loaded"] for day in of_days["days"]})
    nothing = {"orders": 0, "still_there": 0, "altered": 0, "revenue": Decimal(0)}
    changes: dict[date, dict[str, Any]] = {}
    for day, count in counts.items():
        old = before.get(day, nothing)
        changes[day] = {
            "added": count["loaded"] - old["still_there"],
            "gone": old["orders"] - old["still_there"],
            "altered": old["altered"],
            "revenue_before": old["revenue"],
            "revenue_after": count["revenue"],
        }
    return changes


def _require_copied(connection: Connection, loaded: dict[date, int]) -> None:
    """Check that the days hold what was copied and nothing else.

    A row that is as old as transaction numbers take to come round, 2³² transactions, can have the
    number of this one and be taken for new.
    """
    held = rows(connection, "staging/count_days", {"days": list(loaded)})
    wrong = [row["partition_day"] for row in held if row["orders"] != loaded[row["partition_day"]]]
    if wrong:
        raise EtlError(
            f"Staging would hold other rows of {', '.join(map(str, wrong))} than were copied, so "
            "nothing was loaded. Run the days again"
        )


def _dump_exactly(value: object) -> str:
    return json.dumps(value, default=str)
