"""Copying files into staging, for the source's objects and for adopted days alike.

Reading, dropping duplicates, parsing and COPY run in parallel, each with one piece of the file in
memory. The rows go straight into the table, where nobody sees them before COMMIT; going through a
temporary table takes twice as long. The old rows of the days are deleted at the end, under the
writer lock (`swap`), so several loads can copy at once. Autovacuum removes what was rolled back.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from typing import Literal, NamedTuple, TypeVar

import psycopg

from etl_assets.clients.database import Connection, execute, rows
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import FileRefused
from etl_assets.frames import pl
from etl_assets.source.feeds import ORDER_COLUMNS, STAGING_TABLE
from etl_assets.staging.csv_pieces import CsvPiece
from etl_assets.staging.duplicate_lines import NewLines
from etl_assets.staging.files import CopiedFile, FileToCopy
from etl_assets.staging.reading import Contradicted, OrderLog

T = TypeVar("T")


class _Rows(NamedTuple):
    """Rows as CSV, and the table to copy them into."""

    table: str
    columns: Sequence[str]
    csv: bytes


def run_copying(warehouse: Warehouse, work: Callable[[Connection], T]) -> T:
    """Run work that calls `copy_in` in a transaction of its own, as `Warehouse.run` does.

    A file that contradicts itself is found out only at its end. Its transaction is rolled back and
    the work runs again, now knowing which keys to reject.
    """
    while True:
        try:
            return warehouse.run(work)
        except Contradicted:
            continue


def copy_in(connection: Connection, files: Sequence[FileToCopy]) -> list[CopiedFile]:
    """Copy the rows of the files into staging beside the old ones, in the open transaction.

    Not within a savepoint: the new rows are recognized by the transaction's number.

    Raises:
        FileRefused: a file is malformed.
        Contradicted: a file contradicts itself; see `run_copying`.
    """
    execute(connection, "staging/incoming_rejected")
    return [_copy(connection, file, number) for number, file in enumerate(files)]


def _copy(connection: Connection, file: FileToCopy, number: int) -> CopiedFile:
    """Copy a file's orders into staging, and its rejected rows into a temporary table."""
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
    """Yield the rows of a piece that are to be copied."""
    piece = log.read(lines)
    orders = (
        piece.orders.lazy()
        .filter(pl.col("partition_day").is_in(file.days))
        # Cut from the text that was read: formatting the date anew costs a third of writing a row.
        .with_columns(partition_day=pl.col("date_time").str.head(len("2024-02-25")))
        .collect()
    )
    if len(orders):
        csv = _csv(orders, "necessary" if piece.has_quotes else "never")
        yield _Rows(STAGING_TABLE, ORDER_COLUMNS, csv)
    if len(rejected := _rejected(piece.rejected, file)):
        rejected = rejected.with_columns(pl.lit(number).alias("file"))
        yield _Rows("incoming_rejected", rejected.columns, _csv(rejected, "necessary"))


def _rejected(rejected: pl.DataFrame, file: FileToCopy) -> pl.DataFrame:
    """Return the rejected rows, without those of the file's days that the run does not load."""
    if not len(rejected):
        return rejected
    day = pl.col("partition_day")
    not_asked_for = day.is_between(*file.covers) & ~day.is_in(file.days)
    rejected = rejected.filter(~not_asked_for.fill_null(value=False))
    fields = rejected["fields"].struct.unnest()
    # PostgreSQL's text can't contain NUL; the symbol for NUL replaces it.
    fields = fields.with_columns(pl.all().str.replace_all("\0", "\u2400", literal=True))
    return rejected.with_columns(fields=fields.to_struct().struct.json_encode())


def _csv(rows: pl.DataFrame, quotes: Literal["necessary", "never"]) -> bytes:
    buffer = BytesIO()
    rows.write_csv(buffer, include_header=False, quote_style=quotes)
    return buffer.getvalue()


@contextmanager
def _beside() -> Generator[Callable[[Callable[[], None]], None]]:
    """Yield a function that runs work in a second thread, after the work given before has ended.

    The file is read in the main thread, so that Ctrl-C works while the object store is silent.
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
    """Cancel the statement that another thread waits for if Ctrl-C interrupts this one."""
    try:
        yield
    except Exception:
        # The other thread ends by itself, after at most one piece.
        raise
    # KeyboardInterrupt, or Dagster's own exception for it.
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
    """Yield the items and add the time that making them takes to a phase."""
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
