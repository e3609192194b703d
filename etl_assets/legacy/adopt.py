"""Adopts days from an old database: the days that the source no longer has.

An adopted day is staged and loaded like any other day, so dimensions, weekly figures, checks and
`rebuild` treat it alike. Only its load record differs: it has no report, and its uri is the old
table's address (`mart.loaded_day.adopted_from`). The source always wins: a day that was loaded from
the source is never adopted, and a load from the source replaces an adopted day.

If the old staging still has a day's raw rows, the day is adopted from them, because they are the
orders as the source delivered them. Otherwise it is adopted from its facts, with names from the
dimensions and an md5 in place of `uniq_id`.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.object_store import CHUNK_BYTES, StoredObject
from etl_assets.clients.transactions import loading, writing
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError
from etl_assets.frames import pl
from etl_assets.legacy.old_database import OldDatabase
from etl_assets.legacy.old_schema import FACTS, ORDERS, address, layout
from etl_assets.mart.checks import Offences
from etl_assets.mart.load import bring_up_to_date
from etl_assets.source.feeds import KNOWN_COLUMNS
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.copying import copy_in, run_copying
from etl_assets.staging.files import FileToCopy
from etl_assets.staging.reading import Contradicted, OrderLog
from etl_assets.staging.swap import swap_in


@dataclass(frozen=True)
class Adoption:
    """The result of `adopt`.

    Attributes:
        days: the days adopted now, in order.
        from_facts: the days adopted now from facts, because their raw rows are gone.
        unchanged: days adopted before whose old rows have not changed since.
        from_source: days that were loaded from the source, and so were not adopted.
        counts: the row counts of each day adopted now: rows_read, duplicates, rejected, loaded.
    """

    days: list[date]
    from_facts: list[date]
    unchanged: list[date]
    from_source: list[date]
    counts: list[dict[str, int]]


def adopt(
    warehouse: Warehouse,
    old: OldDatabase,
    *,
    first: date | None = None,
    last: date | None = None,
    keep_duplicates: bool = False,
) -> Adoption:
    """Adopt the old database's days from first to last, in one transaction.

    Equal facts of a day are duplicates, so one of them is loaded; with `keep_duplicates` all are.
    Safe to run twice: a day whose old rows have not changed stays as it is.

    Raises:
        EtlError: it is not an old database, or a check failed; nothing was changed.
        FileRefused: a name in it is longer than a megabyte; nothing was changed.
    """
    wanted = {"first": first, "last": last, "keep_duplicates": keep_duplicates}
    days = old.run(lambda connection: _read(old, connection, wanted))
    run_id = f"adopt-{uuid.uuid4()}"
    with loading(warehouse, list(days)):
        try:
            return run_copying(warehouse, lambda connection: _adopt(connection, days, run_id))
        except Offences as offences:
            raise EtlError(
                f"Nothing was adopted, because the mart would be wrong on these days: {offences}"
            ) from None


def _read(
    old: OldDatabase, connection: Connection, wanted: Mapping[str, object]
) -> dict[date, FileToCopy]:
    """Return the old database's rows by day, in order, from one snapshot."""

    def read(table: str, query: str, parameters: Mapping[str, object]) -> dict[date, FileToCopy]:
        uri = address(connection, table)
        by_day = groupby(old.stream(connection, query, parameters), itemgetter("partition_day"))
        return {day: _read_day(uri, day, list(old_rows)) for day, old_rows in by_day}

    with connection.transaction():
        of_theirs = layout(connection)
        days = read(FACTS, "legacy/adopt/facts", {**wanted, **of_theirs.keys})
        if of_theirs.has_orders:
            for day, file in read(ORDERS, "legacy/adopt/orders", wanted).items():
                if day not in days or _sold(days[day]) <= _sold(file):
                    days[day] = file
    return dict(sorted(days.items()))


def _sold(file: FileToCopy) -> set[tuple[int, int]]:
    """Return pairs of customer and item. If raw rows lack a pair of the facts, rows are missing."""
    log = OrderLog(file.read(), *file.covers, contradicted=file.contradicted)
    sold: set[tuple[int, int]] = set()
    try:
        for piece in log.pieces():
            sold.update(piece.orders.select("customer_id", "item_id").cast(pl.Int64).iter_rows())
    except Contradicted:
        return _sold(file)
    return sold


def _read_day(uri: str, day: date, old_rows: Sequence[Mapping[str, Any]]) -> FileToCopy:
    """Return a day's rows as if they were an object of the source with this one day."""
    texts = pl.from_dicts(old_rows, schema=dict.fromkeys(KNOWN_COLUMNS, pl.String))
    body = texts.write_csv().encode()
    stored = StoredObject(uri, hashlib.sha256(body).hexdigest(), len(body))
    raw_file = RawFile(day, stored, report_id=None, increment_id=None)
    return FileToCopy((raw_file,), (day, day), partial(_chunks, body))


def _chunks(body: bytes) -> Iterator[bytes]:
    return (body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES))


def _adopt(connection: Connection, days: Mapping[date, FileToCopy], run_id: str) -> Adoption:
    with writing(connection):
        staged = {row["partition_day"]: row for row in rows(connection, "staging/staged_days")}
        from_source = [day for day in days if day in staged and not staged[day]["is_adopted"]]
        unchanged = [
            day
            for day, file in days.items()
            if day in staged
            and staged[day]["is_adopted"]
            and staged[day]["etag"] == file.stored.etag
        ]
        to_adopt = sorted(days.keys() - {*from_source, *unchanged})
        files = copy_in(connection, [days[day] for day in to_adopt])
        if files:
            swap_in(connection, files, run_id)
            bring_up_to_date(connection, to_adopt, run_id=run_id, only_unloaded=False)
    return Adoption(
        days=to_adopt,
        from_facts=[file.days[0] for file in files if file.raw_files[0].stored.uri.endswith(FACTS)],
        unchanged=unchanged,
        from_source=from_source,
        counts=[file.counts_of(file.days[0]) for file in files],
    )
