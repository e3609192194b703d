"""Loading days into staging: from which objects, and when not."""

from collections.abc import Collection, Sequence
from datetime import date
from functools import partial
from itertools import groupby

import psycopg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.object_store import ObjectStore
from etl_assets.clients.transactions import copying, lock_writer
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import format_days, split_at_gaps
from etl_assets.errors import EtlError, FileRefused, ObjectChanged
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.copying import CopiedFile, FileToCopy, Staged, copy_in, run_copying, swap_in

_FILES_NAMED = 5
"""A message names so many objects, for a range can have hundreds."""


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
    """Replace the days in staging by what their recorded objects hold, all at once.

    With `only_changed`, days that staging holds from the same version of the object are left out.
    `done_again` are the runs that this one does again, the latest first: where it has looked for no
    object itself, it takes theirs. A day that has orders is replaced by none only with
    `allow_empty`, or by an increment of a header alone. If the database breaks off, the objects
    are read again.

    Raises:
        FileRefused: an object can't be read for sure, too many of its rows are wrong, or a day
            would lose all its orders.
        ObjectChanged: an object was replaced since it was found.
        EtlError: no object was found for a day yet.
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
                _refuse_if_mostly_wrong(file, max_rejected_share)
            lock_writer(connection)
            # Asked again now that nobody else writes: another run may have loaded the days.
            _refuse_if_outdated(connection, raw_files)
            if only_changed and not _changed(connection, raw_files):
                raise psycopg.Rollback
            if not allow_empty:
                _refuse_if_emptied(connection, copied)
            return swap_in(connection, copied, run_id)
        return Staged([], {})

    return run_copying(warehouse, load)


def _require_found(days: Sequence[date], raw_files: Sequence[RawFile]) -> None:
    missing = sorted(set(days) - {file.partition_day for file in raw_files})
    if missing:
        raise EtlError(
            f"It is not known which object holds {', '.join(map(str, missing))}, so staging was "
            "left as it was. Materialize the day's raw/user_order_log too"
        )


def _changed(connection: Connection, raw_files: Sequence[RawFile]) -> list[RawFile]:
    """Return the objects of those days that staging does not hold from that very version.

    Staging is asked, not `etl.load`: a run that was killed may have staged another version, which
    the next load of the mart would bring in.
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


def _refuse_if_mostly_wrong(file: CopiedFile, max_share: float) -> None:
    """Refuse a file if too many rows of one of the days, or of it all, are wrong."""
    days = {str(day): file.counts_of(day) for day in file.days}
    # The file's rows of no day, or of one that it may not hold, are in its total alone.
    for what, count in {"the file": file.counts.total, **days}.items():
        # Duplicates count as little among all rows as they do among the wrong ones.
        rejected, distinct = count["rejected"], count["rows_read"] - count["duplicates"]
        if distinct and rejected / distinct > max_share:
            reasons = file.counts.reasons.sort("rows", descending=True).head(5)
            why = "; ".join(
                f"{row['reason']} ({row['rows']} rows, the first in line {row['first_line']})"
                for row in reasons.iter_rows(named=True)
            )
            raise FileRefused(
                f"{file.raw_files[0].stored.uri} is refused, nothing of it was loaded: {rejected} "
                f"of {distinct} rows of {what} are wrong, duplicates left out, more than the share "
                f"of {max_share:g} (ETL_MAX_REJECTED_SHARE). {why}. Have the source deliver it "
                "again, or accept a larger share"
            )


def _refuse_if_emptied(connection: Connection, files: Sequence[CopiedFile]) -> None:
    """Refuse files that give no orders for days that have some, as the writer.

    An increment of a header alone says that its day has none, so it is let through. Any other file
    has lost the orders, or they were all wrong.
    """
    without = [
        raw_file
        for file in files
        for raw_file in file.raw_files
        if not file.is_empty_increment and not file.counts_of(raw_file.partition_day)["loaded"]
    ]
    if not without:
        return
    # Nothing was copied of these days, so what staging holds of them is what it held before.
    of_days = {"days": [raw_file.partition_day for raw_file in without]}
    held = {row["partition_day"] for row in rows(connection, "staging/held_days", of_days)}
    if not held:
        return
    refused = [_gives_no_orders(file, days) for file in files if (days := held & {*file.days})]
    if len(refused) > _FILES_NAMED:
        refused[_FILES_NAMED:] = [
            f"and {len(refused) - _FILES_NAMED} objects more give none for theirs"
        ]
    is_rewrite = any(file.is_rewrite for file in without if file.partition_day in held)
    latest = " --report latest" if is_rewrite else ""
    raise FileRefused(
        "A day that has orders would be replaced by none, so nothing was loaded: "
        f"{'; '.join(refused)}. Have the source deliver it again. If it is right that there are no "
        f"orders: etl-assets backfill --from {min(held)} --to {max(held)}{latest} --allow-empty, "
        "or in the UI a run of order_backfill with allow_empty: true for staging__user_order_log"
    )


def _gives_no_orders(file: CopiedFile, days: Collection[date]) -> str:
    counts = [file.counts_of(day) for day in days]
    read, rejected = (sum(count[name] for count in counts) for name in ("rows_read", "rejected"))
    stretches = ", ".join(format_days(stretch) for stretch in split_at_gaps(sorted(days)))
    return (
        f"{file.raw_files[0].stored.uri} gives no orders for {stretches} (rows read: {read}, "
        f"rejected: {rejected})"
    )


def _refuse_if_outdated(connection: Connection, raw_files: Sequence[RawFile]) -> None:
    """Leave the days to the run that has found other versions of them since they were read.

    Or that has staged them from elsewhere, whenever it was: where a day is kept, only a run that
    was told to may change.
    """
    recorded = {file.partition_day: file for file in raw_files if not file.is_rewrite}
    found = rows(connection, "source/raw_files", {"days": list(recorded), "run_ids": []})
    versions = {row["partition_day"]: RawFile.from_row(row) for row in found}
    staged = rows(connection, "staging/staged_days")
    places = {row["partition_day"]: row["uri"] for row in staged if not row["is_adopted"]}
    outdated = [
        day
        for day, file in recorded.items()
        if versions[day] != file or places.get(day, file.stored.uri) != file.stored.uri
    ]
    if outdated:
        raise ObjectChanged(
            f"While {', '.join(map(str, outdated))} was read, another run has found a newer "
            "version of it, or taken it from elsewhere, so nothing was loaded. Run the days again, "
            "from raw/user_order_log on"
        )
