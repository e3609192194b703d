"""Staging: the source's rows, validated, typed and without copies.

Reading, parsing and copying run outside the writer lock, so several loads do it at once; only the
swap of the days waits its turn. The days of a run are swapped in one transaction, or none is.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg
import polars as pl
from psycopg.types.json import Jsonb

from etl_assets.assets.common import (
    OWNERS,
    RAW,
    SINGLE_RUN,
    STAGING,
    add_day_metadata,
    column_lineage,
    is_planned,
    step,
    table_sample,
    table_schema,
)
from etl_assets.errors import EtlError, FileRefused, ObjectChanged
from etl_assets.order_log import KNOWN_COLUMNS, ORDER_COLUMNS, File, parse, read_body
from etl_assets.partitions import days_of, in_words
from etl_assets.resources import ObjectStore, ObjectStoreResource, Warehouse, WarehouseResource
from etl_assets.resources.warehouse import Connection, execute, rows, writing
from etl_assets.settings import LoadSettings
from etl_assets.source import RawFile

_TABLE = "staging.user_order_log"


@dataclass(frozen=True)
class ReadFile:
    """An object that was read for some days.

    Attributes:
        raw_files: the object, once for each of the days.
        covers: the first and the last day that the object may hold.
        sha256: of its bytes, in hex.
        content: what it held.
        seconds: how long it took, by phase.
    """

    raw_files: tuple[RawFile, ...]
    covers: tuple[date, date]
    sha256: str
    content: File
    seconds: dict[str, float]

    @property
    def days(self) -> list[date]:
        """The days that are loaded from it."""
        return [raw_file.partition_day for raw_file in self.raw_files]

    def count(self, day: date | None) -> dict[str, int]:
        """Return what became of the rows of a day: rows_read, copies, rejected, kept."""
        counts = self.content.counts
        of_day = counts.filter(pl.col("partition_day").eq_missing(pl.lit(day, pl.Date)))
        return of_day.drop("partition_day").sum().row(0, named=True)


@dataclass(frozen=True)
class Staged:
    """What was staged: the objects read, and the columns of `sql/staging/changes.sql` by day."""

    files: Sequence[ReadFile]
    changes: dict[date, dict[str, Any]]


def staging_user_order_log(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Return the asset `staging/user_order_log`."""

    @dg.asset(
        key=STAGING,
        deps=[RAW],
        group_name="staging",
        kinds={"postgres", "table", "polars"},
        owners=OWNERS,
        partitions_def=partitions,
        backfill_policy=SINGLE_RUN,
        metadata={"dagster/table_name": _TABLE},
    )
    def staging_user_order_log(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        object_store: ObjectStoreResource,
    ) -> dg.MaterializeResult[Any]:
        """Order rows of the source, one an order and status: validated, typed, copies dropped.

        Rows that can't be right are in `staging.rejected_row` with their reason; if their share of
        a day or a file exceeds `ETL_MAX_REJECTED_SHARE`, nothing is loaded.
        """
        days = days_of(context.run)
        with step(context, warehouse) as house:
            staged = stage(
                house,
                object_store.connect(),
                days,
                run_id=context.run.run_id,
                only_changed=is_planned(context),
                max_rejected_share=LoadSettings.read().max_rejected_share,
            )
            schema = house.run(lambda connection: table_schema(connection, _TABLE))
            sample = table_sample(house.rows("staging/sample", {"day": days[-1]}))
        _add_metadata(context, days, staged, {"dagster/column_schema": schema, "sample": sample})
        return dg.MaterializeResult()

    return staging_user_order_log


def stage(
    warehouse: Warehouse,
    store: ObjectStore,
    days: Sequence[date],
    *,
    run_id: str,
    only_changed: bool,
    max_rejected_share: float,
) -> "Staged":
    """Replace the days in staging by what their recorded objects hold, all at once.

    With `only_changed`, days that staging holds from the same version of the object are left out.

    Raises:
        FileRefused: an object can't be read for sure, or too many of its rows are wrong.
        ObjectChanged: an object was replaced since it was found.
        EtlError: no object was found for a day yet.
    """
    raw_files = [
        RawFile.from_row(row) for row in warehouse.rows("etl/raw_files", {"days": list(days)})
    ]
    _require_found(days, raw_files)
    if only_changed:
        raw_files = warehouse.run(lambda connection: _changed(connection, raw_files))
    ranges = _ranges(warehouse)
    read = [
        _read(store, tuple(group), ranges)
        for _, group in groupby(
            sorted(raw_files, key=lambda file: (file.stored.uri, file.partition_day)),
            key=lambda file: file.stored,
        )
    ]
    for file in read:
        _refuse_if_mostly_wrong(file, max_rejected_share)
    if not read:
        return Staged([], {})
    return warehouse.run(
        lambda connection: _swap(connection, read, run_id, only_changed=only_changed)
    )


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
        for row in rows(connection, "etl/staged_days")
    }
    return [
        file
        for file in raw_files
        if (file.partition_day, file.stored.uri, file.stored.etag) not in staged
    ]


def _ranges(warehouse: Warehouse) -> dict[str, tuple[date, date]]:
    """Return the first and the last day of each report."""
    reports = warehouse.rows("etl/ready_reports")
    return {row["report_id"]: (row["start_day"], row["end_day"]) for row in reports}


def _read(
    store: ObjectStore, raw_files: tuple[RawFile, ...], ranges: dict[str, tuple[date, date]]
) -> ReadFile:
    file = raw_files[0]
    covers = (
        ranges[file.report_id]
        if file.report_id and file.increment_id is None
        else (file.partition_day, file.partition_day)
    )
    began = time.monotonic()
    try:
        body = store.read(file.stored, read_body)
        read = time.monotonic()
        content = parse(body, *covers)
    except FileRefused as error:
        raise FileRefused(
            f"{file.stored.uri} is refused, nothing of it was loaded: {error}. Have the source "
            "deliver it again, then run the days again"
        ) from None
    seconds = {"read": read - began, "parse": time.monotonic() - read}
    return ReadFile(raw_files, covers, body.sha256, content, seconds)


def _refuse_if_mostly_wrong(file: ReadFile, max_share: float) -> None:
    """Refuse a file if too many rows of one of the days, or of it all, are wrong."""
    total = file.content.counts.drop("partition_day").sum().row(0, named=True)
    for what, count in [("the file", total)] + [(str(day), file.count(day)) for day in file.days]:
        rejected, rows_read = count["rejected"], count["rows_read"]
        if rows_read and rejected / rows_read > max_share:
            reasons = file.content.rejected.group_by("reason").agg(
                pl.len(), pl.col("line").min().alias("first_line")
            )
            said = "; ".join(
                f"{row['reason']} ({row['len']} rows, the first in line {row['first_line']})"
                for row in reasons.sort("len", descending=True).head(5).iter_rows(named=True)
            )
            raise FileRefused(
                f"{file.raw_files[0].stored.uri} is refused, nothing of it was loaded: {rejected} "
                f"of {rows_read} rows of {what} are wrong, more than the share of {max_share:g} "
                f"(ETL_MAX_REJECTED_SHARE). {said}. Have the source deliver it again, or accept a "
                "larger share"
            )


def _swap(
    connection: Connection, read: list[ReadFile], run_id: str, *, only_changed: bool
) -> Staged:
    copied = copy_in(connection, read)
    with writing(connection):
        # Asked again now that nobody else writes: another run may have loaded the days meanwhile.
        raw_files = [raw_file for file in read for raw_file in file.raw_files]
        _refuse_if_outdated(connection, raw_files)
        if only_changed and not _changed(connection, raw_files):
            return Staged([], {})
        return swap_in(connection, read, run_id, copied)


def copy_in(connection: Connection, read: Sequence[ReadFile]) -> float:
    """Copy the files' orders into the session's own table; return how many seconds it took."""
    began = time.monotonic()
    execute(connection, "staging/incoming")
    for file in read:
        _copy(connection, file)
    return time.monotonic() - began


def swap_in(connection: Connection, read: Sequence[ReadFile], run_id: str, copied: float) -> Staged:
    """Replace the files' days in staging by what `copy_in` copied, in the writer's transaction."""
    of_days = {"days": [day for file in read for day in file.days]}
    changes = {
        row.pop("partition_day"): row for row in rows(connection, "staging/changes", of_days)
    }
    execute(connection, "staging/swap_days", of_days)
    for file in read:
        _record(connection, file, run_id, changes, copied)
    return Staged(read, changes)


def _refuse_if_outdated(connection: Connection, raw_files: Sequence[RawFile]) -> None:
    """Leave the days to the run that has found other versions of them since they were read."""
    days = [file.partition_day for file in raw_files]
    found = {
        row["partition_day"]: RawFile.from_row(row)
        for row in rows(connection, "etl/raw_files", {"days": days})
    }
    outdated = [day for file in raw_files if found[day := file.partition_day] != file]
    if outdated:
        raise ObjectChanged(
            f"While {', '.join(map(str, outdated))} was read, another run has found a newer "
            "version of it, so nothing was loaded. Run the days again"
        )


def _copy(connection: Connection, file: ReadFile) -> None:
    orders = file.content.orders.filter(pl.col("partition_day").is_in(file.days))
    columns = ", ".join(ORDER_COLUMNS)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY incoming ({columns}) FROM STDIN (FORMAT csv)") as copy,  # pyright: ignore[reportArgumentType]
    ):
        for part in orders.iter_slices(100_000):
            # Quoted, so that an empty text stays one.
            copy.write(part.write_csv(include_header=False, quote_style="non_numeric"))


def _record(
    connection: Connection,
    file: ReadFile,
    run_id: str,
    changes: dict[date, dict[str, Any]],
    copied: float,
) -> None:
    version = {"uri": file.raw_files[0].stored.uri, "etag": file.raw_files[0].stored.etag}
    for row in _rejected(file):
        execute(connection, "staging/reject_row", version | row)
    for raw_file in file.raw_files:
        execute(
            connection,
            "etl/record_staged_day",
            version
            | file.count(raw_file.partition_day)
            | {
                "partition_day": raw_file.partition_day,
                "run_id": run_id,
                "sha256": file.sha256,
                "report_id": raw_file.report_id,
                "increment_id": raw_file.increment_id,
                "changes": Jsonb(changes[raw_file.partition_day], _dump_exactly),
                "seconds": Jsonb(file.seconds | {"copy": copied}),
            },
        )


def _dump_exactly(value: object) -> str:
    return json.dumps(value, default=str)


def _rejected(file: ReadFile) -> Iterator[dict[str, Any]]:
    """Give the wrong rows but those of days that are in the object and were not asked for."""
    day = pl.col("partition_day")
    not_asked_for = day.is_between(*file.covers) & ~day.is_in(file.days)
    rejected = file.content.rejected.filter(~not_asked_for.fill_null(value=False))
    for row in rejected.iter_rows(named=True):
        # PostgreSQL has no NUL character in texts; its picture stands for it.
        fields = {
            name: text.replace("\0", "\u2400") for name, text in row["fields"].items() if text
        }
        yield row | {"fields": Jsonb(fields)}


def _changes(changes: dict[str, Any]) -> dict[str, int | float]:
    """Say what changed in a day; counts of orders, and the revenue."""
    return {
        "orders_added": changes["added"],
        "orders_gone": changes["gone"],
        "orders_altered": changes["altered"],
        "revenue_before": float(changes["revenue_before"]),
        "revenue_after": float(changes["revenue_after"]),
    }


def _add_metadata(
    context: dg.AssetExecutionContext,
    days: Sequence[date],
    staged: Staged,
    of_table: Mapping[str, Any],
) -> None:
    for file in staged.files:
        for raw_file in file.raw_files:
            count = file.count(raw_file.partition_day)
            add_day_metadata(
                context,
                STAGING,
                raw_file.partition_day,
                {
                    "dagster/partition_row_count": count["kept"],
                    "rows_read": count["rows_read"],
                    "copies": count["copies"],
                    "rejected": count["rejected"],
                    "uri": raw_file.stored.uri,
                    "etag": raw_file.stored.etag,
                    "sha256": file.sha256,
                    **_changes(staged.changes[raw_file.partition_day]),
                    "seconds": round(sum(file.seconds.values()), 3),
                },
            )
        if file.content.unknown_columns:
            ignored = ", ".join(file.content.unknown_columns)
            context.log.warning(f"{file.raw_files[0].stored.uri}: ignored columns {ignored}")
    unchanged = sorted(set(days) - {day for file in staged.files for day in file.days})
    for day in unchanged:
        add_day_metadata(context, STAGING, day, {"already_loaded": True})
    if unchanged:
        context.log.info(f"Loaded already from these very objects: {in_words(unchanged)}")
    add_day_metadata(
        context,
        STAGING,
        days[-1],
        {"dagster/column_lineage": _LINEAGE, **of_table},
    )


_LINEAGE = column_lineage(
    partition_day=[(RAW, "date_time")],
    **{name: [(RAW, name)] for name in KNOWN_COLUMNS},
    quantity_signed=[(RAW, "quantity"), (RAW, "status")],
    payment_amount_signed=[(RAW, "payment_amount"), (RAW, "status")],
)
