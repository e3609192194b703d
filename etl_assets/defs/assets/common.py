"""What the assets share: their keys, the steps of a run, and the metadata of their tables."""

import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any

import dagster as dg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.warehouse import Warehouse
from etl_assets.defs import run_tags
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import WarehouseResource
from etl_assets.errors import EtlError, FileRefused
from etl_assets.mart.tables import TABLES
from etl_assets.planning import attempts
from etl_assets.source.feeds import ORDER_LOG

# Backfill policies are beta. They make a range one run, and Dagster's version is pinned.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)

ORDER_REPORT = dg.AssetKey("order_report")
RAW = dg.AssetKey(["raw", "user_order_log"])
STAGING = dg.AssetKey(["staging", "user_order_log"])

MART_OP = "mart"
"""The op that loads the daily tables of the mart."""

_RECORDED_WITHIN_SECONDS = 5.0

OWNERS = ["team:data"]

SINGLE_RUN = dg.BackfillPolicy.single_run()
"""On every asset, so that a range is one run, even from the UI's job page."""


def mart_key(table: str) -> dg.AssetKey:
    """Return the key of a table or view of the mart."""
    return dg.AssetKey(["mart", table])


NO_FAILED_DAYS = dg.AssetCheckKey(mart_key("f_sales"), "no_failed_days")
"""The standing check. A sensor evaluates it, so no run has to."""


def is_planned(context: dg.AssetExecutionContext) -> bool:
    """Return whether the planner launched the run.

    A re-execution inherits the tags of its first run, but a person launched it: it is not planned.
    """
    return run_tags.PLANNED in context.run.tags and context.run.parent_run_id is None


@contextmanager
def plain_failure() -> Generator[None]:
    """Fail the run with the message of the error, which says what to do."""
    try:
        yield
    except EtlError as error:
        raise dg.Failure(str(error)) from error


@contextmanager
def step(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Generator[Warehouse]:
    """Yield the connected warehouse to a step, and hold the run's locks until the run ends.

    Every step works inside this: a started run without its lock counts as killed. An error fails
    the run as in `plain_failure`.
    """
    with plain_failure():
        connected = warehouse.connect()
        warehouse.hold_locks(connected, days_of(context.run), context.run.run_id)
        yield connected


@contextmanager
def attempt(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    *,
    feed: str = ORDER_LOG,
    days: Sequence[date] | None = None,
) -> Generator[Warehouse]:
    """Do what `step` does, and record the run's attempt to load its days.

    The first step of a run begins the attempt. The mart's transaction or a failing step completes
    it. An interrupted or killed run leaves it open, and it does not count. A run that a person
    terminated does count, so that it does not come back at once.
    """
    run_id = context.run.run_id
    with step(context, warehouse) as connected:
        attempts.begin(connected, days or days_of(context.run), run_id, feed=feed)
        try:
            yield connected
        except Exception as error:
            is_refusal = isinstance(error, FileRefused)
            _record_failure(warehouse, run_id, _reason(error), feed, refused=is_refusal)
            raise
        except BaseException:
            if _is_terminated(context):
                _record_failure(warehouse, run_id, "A person terminated the run", feed)
            raise
        if feed == ORDER_LOG and not _includes_mart(context.run):
            attempts.forget(connected, run_id)


def _record_failure(
    warehouse: WarehouseResource, run_id: str, reason: str, feed: str, *, refused: bool = False
) -> None:
    # Without the warehouse the attempt does not count, and the first error is the one to show.
    with suppress(EtlError):
        connected = warehouse.connect(retry_seconds=_RECORDED_WITHIN_SECONDS)
        attempts.fail(connected, run_id, reason, refused=refused, feed=feed)


def _reason(error: Exception) -> str:
    if isinstance(error, EtlError):
        return str(error)
    # The message of a foreign error may contain secrets.
    return f"The run failed with {type(error).__name__}: see its log in Dagster's UI"


def _is_terminated(context: dg.AssetExecutionContext) -> bool:
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.status is dg.DagsterRunStatus.CANCELING


def _includes_mart(run: dg.DagsterRun) -> bool:
    """Return whether the run loads its days into the mart, beyond finding or staging them."""
    if run.step_keys_to_execute is not None:
        return MART_OP in run.step_keys_to_execute
    tables = {mart_key(table) for table in TABLES}
    return run.asset_selection is None or not tables.isdisjoint(run.asset_selection)


def table_schema(connection: Connection, relation: str) -> dg.TableSchema:
    """Return the columns of `schema.relation`, with their COMMENTs."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=row["name"],
                type=row["type"],
                description=row["description"],
                constraints=dg.TableColumnConstraints(nullable=row["nullable"]),
            )
            for row in rows(connection, "defs/table_columns", {"relation": relation})
        ]
    )


def table_sample(rows: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Return rows (each with `sample`: column and value) as a table for the UI."""
    records = [dg.TableRecord(row["sample"]) for row in rows]
    return dg.MetadataValue.table(records, schema=None if records else dg.TableSchema([]))


def add_day_metadata(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    day: date,
    metadata: dict[str, Any],
) -> None:
    """Add metadata to the materialization of one day."""
    context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())


def relation_key(relation: str) -> dg.AssetKey:
    """Return the asset key of a relation such as `mart.f_sales`."""
    return dg.AssetKey(relation.split("."))


def column_lineage(columns: Mapping[str, Iterable[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Return the lineage for the UI. `columns` has the sources of each: relation and column."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=relation_key(relation), column_name=name)
                for relation, name in sources
            ]
            for column, sources in columns.items()
        }
    )
