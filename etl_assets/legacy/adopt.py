"""Carrying an old database over: the days that the source no longer has.

An adopted day is staged and loaded as any other, so that dimensions, weekly figures, checks and
`rebuild` know no difference. What tells it from the others is its load record: no report, and the
old table's address as its uri (`mart.loaded_day.adopted_from`). The source always wins: a day that
it was loaded from is left alone here, and a load from it replaces an adopted day.

Of a day the raw rows are taken if the old staging still has them, for those are orders as they were
delivered. Else the facts are: with names from the dimensions, and an md5 in the place of uniq_id.
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
    """What was adopted.

    Attributes:
        days: the days adopted now, in order.
        from_facts: those of them of which only the facts were left.
        unchanged: days that had been adopted before, just as they are.
        from_source: days of the old database that were loaded from the source, and left alone.
        counts: what became of the rows of each day adopted: rows_read, duplicates, rejected,
            loaded.
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
    """Carry the old database's days over, from first to last, in one transaction.

    Equal facts of a day are duplicates, and one of them is taken, unless `keep_duplicates`. Safe to
    run twice: a day whose old rows have not changed is left as it is.

    Raises:
        EtlError: it is no old database, or a check failed; nothing was changed.
        FileRefused: a name in it is over a megabyte long; nothing was changed.
    """
    wanted = {"first": first, "last": last, "keep_duplicates": keep_duplicates}
    days = old.run(lambda connection: _read(old, connection, wanted))
    run_id = f"adopt-{uuid.uuid4()}"
    with loading(warehouse, list(days)):
        try:
            return run_copying(warehouse, lambda connection: _adopt(connection, days, run_id))
        except Offences as offences:
            raise EtlError(
                f"Nothing was adopted, for the mart would be wrong on these days: {offences}"
            ) from None


def _read(
    old: OldDatabase, connection: Connection, wanted: Mapping[str, object]
) -> dict[date, FileToCopy]:
    """Return what the old database holds of each day, in order, as of one moment."""

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
    """Return who bought what: raw rows that lack any of it are not all that the facts came from."""
    log = OrderLog(file.read(), *file.covers, contradicted=file.contradicted)
    sold: set[tuple[int, int]] = set()
    try:
        for piece in log.pieces():
            sold.update(piece.orders.select("customer_id", "item_id").cast(pl.Int64).iter_rows())
    except Contradicted:
        return _sold(file)
    return sold


def _read_day(uri: str, day: date, old_rows: Sequence[Mapping[str, Any]]) -> FileToCopy:
    """Take a day's rows for an object of the source that holds the day alone."""
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
