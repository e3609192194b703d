"""The step from raw to staging: the recorded objects of some days replace their rows."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from itertools import groupby

import psycopg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.transactions import copying, lock_writer
from etl_assets.clients.warehouse import Warehouse
from etl_assets.errors import EtlError
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.copying import copy_in, run_copying
from etl_assets.staging.files import FileToCopy, Staged
from etl_assets.staging.guards import refuse_if_emptied, refuse_if_mostly_wrong, refuse_if_outdated
from etl_assets.staging.swap import swap_in


def stage(
    warehouse: Warehouse,
    store: ObjectStore,
    days: Sequence[date],
    *,
    run_id: str,
    done_again: Sequence[str] = (),
    only_changed: bool,
    max_rejected_share: float,
    allow_empty: bool = False,
) -> Staged:
    """Replace the rows of the days by those of their recorded objects, in one transaction.

    If the connection to the database is lost, the objects are read again.

    Args:
        warehouse: the warehouse.
        store: the object store.
        days: the days to load.
        run_id: the Dagster run.
        done_again: the runs that this run repeats, the latest first. For a day whose object this
            run has not looked for, the object that they recorded is used.
        only_changed: whether days that are staged from the same version of their object are left
            as they are.
        max_rejected_share: the share of rejected rows above which a file is refused (a fraction).
        allow_empty: whether a day may lose all its orders. An increment with a header alone is
            always accepted.

    Raises:
        FileRefused: an object is malformed, too many of its rows are wrong, or a day would lose
            all its orders.
        ObjectChanged: an object was replaced since it was recorded.
        EtlError: no object is recorded for a day.
    """

    def find(connection: Connection) -> tuple[list[RawFile], dict[str, tuple[date, date]]]:
        run_ids = [run_id, *done_again]
        found = rows(connection, "source/raw_files", {"days": list(days), "run_ids": run_ids})
        raw_files = [RawFile.from_row(row) for row in found]
        _require_found(days, raw_files)
        if only_changed:
            raw_files = _changed(connection, raw_files)
        return raw_files, _ranges(connection)

    raw_files, ranges = warehouse.run(find)
    if not raw_files:
        return Staged([], {})
    files = _files(store, raw_files, ranges)

    def load(connection: Connection) -> Staged:
        with copying(connection):
            copied = copy_in(connection, files)
            for file in copied:
                refuse_if_mostly_wrong(file, max_rejected_share)
            lock_writer(connection)
            # Again, now that nobody else writes: another run may have loaded the days meanwhile.
            refuse_if_outdated(connection, raw_files)
            if only_changed and not _changed(connection, raw_files):
                raise psycopg.Rollback
            if not allow_empty:
                refuse_if_emptied(connection, copied)
            return swap_in(connection, copied, run_id)
        return Staged([], {})

    return run_copying(warehouse, load)


def _require_found(days: Sequence[date], raw_files: Sequence[RawFile]) -> None:
    missing = sorted(set(days) - {file.partition_day for file in raw_files})
    if missing:
        raise EtlError(
            f"No object is recorded for {', '.join(map(str, missing))}, so staging was left as it "
            "was. Materialize raw/user_order_log of these days too"
        )


def _changed(connection: Connection, raw_files: Sequence[RawFile]) -> list[RawFile]:
    """Return the objects of the days that are not staged from that very version.

    This asks `etl.staged_day`, not `etl.load`: a killed run may have staged another version, which
    the next load of the mart would use.
    """
    staged = {
        (row["partition_day"], row["uri"], row["etag"])
        for row in rows(connection, "staging/staged_days")
    }
    return [
        file
        for file in raw_files
        if (file.partition_day, file.stored.uri, file.stored.etag) not in staged
    ]


def _ranges(connection: Connection) -> dict[str, tuple[date, date]]:
    """Return the first and the last day of each report."""
    reports = rows(connection, "source/ready_reports")
    return {row["report_id"]: (row["start_day"], row["end_day"]) for row in reports}


def _files(
    store: ObjectStore, raw_files: Sequence[RawFile], ranges: dict[str, tuple[date, date]]
) -> list[FileToCopy]:
    """Return each object once, with the days that are loaded from it."""
    in_order = sorted(raw_files, key=lambda file: (file.stored.uri, file.partition_day))
    files: list[FileToCopy] = []
    for stored, group in groupby(in_order, key=lambda file: file.stored):
        of_days = tuple(group)
        file = of_days[0]
        covers = (
            ranges[file.report_id]
            if file.report_id and file.increment_id is None
            else (file.partition_day, file.partition_day)
        )
        files.append(FileToCopy(of_days, covers, partial(store.read, stored)))
    return files
