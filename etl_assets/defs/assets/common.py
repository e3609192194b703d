"""What all assets share: their keys, how they fail, and what they say of their tables."""

import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from etl_assets.clients.database import Connection, rows
from etl_assets.clients.transactions import loading
from etl_assets.clients.warehouse import Warehouse
from etl_assets.defs import run_tags
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import WarehouseResource
from etl_assets.errors import EtlError

# Backfill policies are beta, and what makes a range one run: known, and pinned with Dagster.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)

ORDER_REPORT = dg.AssetKey("order_report")
RAW = dg.AssetKey(["raw", "user_order_log"])
STAGING = dg.AssetKey(["staging", "user_order_log"])

OWNERS = ["team:data"]

SINGLE_RUN = dg.BackfillPolicy.single_run()
"""On every asset: then a range is one run, from the UI's job page too."""


def mart_key(table: str) -> dg.AssetKey:
    """Return the key of a table or view of the mart."""
    return dg.AssetKey(["mart", table])


NO_FAILED_DAYS = dg.AssetCheckKey(mart_key("f_sales"), "no_failed_days")
"""The standing check, which no run has to make: a sensor does."""


def is_planned(context: dg.AssetExecutionContext) -> bool:
    """Return whether the planner launched the run."""
    return run_tags.PLANNED in context.run.tags


@contextmanager
def plain_failure() -> Generator[None]:
    """Fail the run with an error's own words, which say what to do."""
    try:
        yield
    except EtlError as error:
        raise dg.Failure(str(error)) from error


@contextmanager
def step(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Generator[Warehouse]:
    """Give a step of a run the warehouse, and show the run's days as being loaded meanwhile.

    Every step does all its work in here: a started run that neither shows its days nor says
    anything is taken for killed. An error fails the run as in `plain_failure`.
    """
    with plain_failure():
        database = warehouse.connect()
        with loading(database, days_of(context.run)):
            yield database


def table_schema(connection: Connection, relation: str) -> dg.TableSchema:
    """Return the columns of `schema.relation` with the database's own comments."""
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
    """Return rows (one `sample` each: column and value) as the UI shows a table."""
    records = [dg.TableRecord(row["sample"]) for row in rows]
    return dg.MetadataValue.table(records, schema=None if records else dg.TableSchema([]))


def add_day_metadata(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    day: date,
    metadata: dict[str, Any],
) -> None:
    """Say something of one day's materialization."""
    context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())


def relation_key(relation: str) -> dg.AssetKey:
    """Return the asset key of a relation such as `mart.f_sales`."""
    return dg.AssetKey(relation.split("."))


def column_lineage(columns: Mapping[str, Iterable[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Return the lineage that the UI shows, of pairs of relation and column by column."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=relation_key(relation), column_name=name)
                for relation, name in sources
            ]
            for column, sources in columns.items()
        }
    )
