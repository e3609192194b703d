"""The guards of a load: too many wrong rows, a day without orders, an object that changed."""

from collections.abc import Collection, Sequence
from datetime import date

from etl_assets.clients.database import Connection, rows
from etl_assets.days import format_days, split_at_gaps
from etl_assets.errors import FileRefused, ObjectChanged
from etl_assets.source.raw_file import RawFile
from etl_assets.staging.files import CopiedFile

_FILES_NAMED = 5
"""How many objects a message names: a range can have hundreds."""


def refuse_if_mostly_wrong(file: CopiedFile, max_share: float) -> None:
    """Refuse a file if too many rows of it, or of one of its days, are wrong.

    Raises:
        FileRefused: the share of rejected rows exceeds `max_share` (a fraction).
    """
    days = {str(day): file.counts_of(day) for day in file.days}
    # Rows without a readable day, or of a day outside the file's range, count in its total alone.
    for what, count in {"the file": file.counts.total, **days}.items():
        # Rejected rows count once each, so the rows that they are compared with must too.
        rejected, distinct = count["rejected"], count["rows_read"] - count["duplicates"]
        if distinct and rejected / distinct > max_share:
            reasons = file.counts.reasons.sort("rows", descending=True).head(5)
            examples = "; ".join(
                f"{row['reason']} ({row['rows']} rows, the first in line {row['first_line']})"
                for row in reasons.iter_rows(named=True)
            )
            raise FileRefused(
                f"{file.raw_files[0].stored.uri} is refused, nothing of it was loaded: {rejected} "
                f"of {distinct} rows of {what} are wrong, duplicates left out, more than the share "
                f"of {max_share:g} (ETL_MAX_REJECTED_SHARE). {examples}. Have the source deliver "
                "it again, or accept a larger share"
            )


def refuse_if_emptied(connection: Connection, files: Sequence[CopiedFile]) -> None:
    """Refuse files that give no orders for days that have some in staging.

    An increment with a header alone is accepted: it tells that its day has no orders. Any other
    file has lost them, or all of them were wrong. The transaction holds the writer lock.

    Raises:
        FileRefused: a day would lose all its orders.
    """
    without = [
        raw_file
        for file in files
        for raw_file in file.raw_files
        if not file.is_empty_increment and not file.counts_of(raw_file.partition_day)["loaded"]
    ]
    if not without:
        return
    # Nothing was copied of these days, so the rows in staging are the old ones.
    of_days = {"days": [raw_file.partition_day for raw_file in without]}
    held = {row["partition_day"] for row in rows(connection, "staging/held_days", of_days)}
    if not held:
        return
    refusals = [_gives_no_orders(file, days) for file in files if (days := held & {*file.days})]
    if len(refusals) > _FILES_NAMED:
        refusals[_FILES_NAMED:] = [
            f"and {len(refusals) - _FILES_NAMED} objects more give none for theirs"
        ]
    is_rewrite = any(file.is_rewrite for file in without if file.partition_day in held)
    latest = " --report latest" if is_rewrite else ""
    raise FileRefused(
        "A day that has orders would be replaced by none, so nothing was loaded: "
        f"{'; '.join(refusals)}. Have the source deliver it again. If it is right that there are "
        f"no orders: etl-assets backfill --from {min(held)} --to {max(held)}{latest} "
        "--allow-empty, or in the UI a run of order_backfill with allow_empty: true for "
        "staging__user_order_log"
    )


def _gives_no_orders(file: CopiedFile, days: Collection[date]) -> str:
    counts = [file.counts_of(day) for day in days]
    read, rejected = (sum(count[name] for count in counts) for name in ("rows_read", "rejected"))
    ranges = ", ".join(format_days(stretch) for stretch in split_at_gaps(sorted(days)))
    return (
        f"{file.raw_files[0].stored.uri} gives no orders for {ranges} (rows read: {read}, "
        f"rejected: {rejected})"
    )


def refuse_if_outdated(connection: Connection, raw_files: Sequence[RawFile]) -> None:
    """Refuse days for which another run has recorded or staged another object meanwhile.

    Only a rewrite (`--report latest`) may change which object a day is loaded from.

    Raises:
        ObjectChanged: some days have another object by now.
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
