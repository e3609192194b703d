"""The job `etl_maintenance`: keeps Dagster's own storage from growing for ever.

Dagster's open source edition deletes nothing but ticks. Here the runs go that are older than
`ETL_KEEP_RUNS_DAYS`, and what they logged, as far as nobody needs it. Needed are the latest
materialization of each day and the latest result of each check, which are what the UI shows of an
asset. A run that holds one of the latest stays, without the rest of its log. With the runs go their
rows of `etl.attempt`, except the failures that the planner still counts. The runs of other code
locations on the same instance are theirs to keep.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from etl_assets.clients.warehouse import Warehouse
from etl_assets.defs.assets.common import plain_failure
from etl_assets.defs.dagster_internals import storage_connection
from etl_assets.defs.jobs import MAINTENANCE
from etl_assets.defs.resources import WarehouseResource
from etl_assets.defs.run_queue import ASSETS, ended_at, is_ours
from etl_assets.defs.run_tags import NEVER_RETRIED
from etl_assets.errors import EtlError
from etl_assets.planning import attempts
from etl_assets.settings import MaintenanceSettings, PartitionSettings
from etl_assets.sql import statement

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

PRUNED_TAG = "etl_assets/pruned"
"""On a run whose log has been pruned, so that nobody wonders where it is."""

_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_PAGE = 500


@dataclass(frozen=True)
class Pruned:
    """What was done: how many runs were deleted, and of how many others the log was."""

    deleted_runs: int
    pruned_runs: int


def prune(instance: dg.DagsterInstance, warehouse: Warehouse, *, keep: timedelta) -> Pruned:
    """Delete what nobody needs of the runs that were made more than so long ago.

    Raises:
        EtlError: Dagster's storage is no PostgreSQL.
    """
    before = datetime.now(UTC) - keep
    attempts.prune(warehouse, keep_days=keep.days)
    deleted, pruned = 0, 0
    for page in _pages(instance, before):
        runs = {
            record.dagster_run.run_id: record.dagster_run
            for record in page
            if is_ours(record.dagster_run)
            # One that was made earlier can have ended, and logged what is the latest, after it.
            and ended_at(record) < before
        }
        needed = _prune_logs(instance, list(runs), before)
        for run_id, run in runs.items():
            if run_id not in needed:
                instance.delete_run(run_id)
                deleted += 1
            elif PRUNED_TAG not in run.tags:
                instance.add_run_tags(run_id, {PRUNED_TAG: "true"})
                pruned += 1
    return Pruned(deleted, pruned)


def size(instance: dg.DagsterInstance) -> list[dict[str, Any]]:
    """Return how many rows and bytes the tables have that grow with what runs.

    Raises:
        EtlError: Dagster's storage is no PostgreSQL.
    """
    with _storage(instance) as connection:
        return [dict(row) for row in _execute(connection, "defs/storage_size")]


def _pages(instance: dg.DagsterInstance, before: datetime) -> Iterator[Sequence[dg.RunRecord]]:
    """Give the ended runs that were made before the moment."""
    ended = dg.RunsFilter(statuses=_ENDED, created_before=before)

    def after(run_id: str | None) -> Sequence[dg.RunRecord]:
        return instance.get_run_records(ended, limit=_PAGE, cursor=run_id)

    page = after(None)
    while page:
        # Before this page's runs are deleted: where it goes on is told by the last of them.
        following = after(page[-1].dagster_run.run_id)
        yield page
        page = following


def _prune_logs(instance: dg.DagsterInstance, run_ids: Sequence[str], before: datetime) -> set[str]:
    """Delete what the runs have logged; return those that hold something that is needed."""
    parameters = {
        "run_ids": list(run_ids),
        "asset_keys": [key.to_string() for key in ASSETS],
        "before": before.replace(tzinfo=None),
    }
    with _storage(instance) as connection:
        needed = {row["run_id"] for row in _execute(connection, "defs/prune_events", parameters)}
        _execute(connection, "defs/prune_check_results", parameters)
    return needed


def _execute(
    connection: "Connection", name: str, parameters: Mapping[str, object] | None = None
) -> "Sequence[RowMapping]":
    """Return the rows of `sql/{name}.sql`, executed on Dagster's own connection."""
    result = connection.exec_driver_sql(statement(name), dict(parameters or {}))
    return result.mappings().all() if result.returns_rows else []


@contextmanager
def _storage(instance: dg.DagsterInstance) -> "Generator[Connection]":
    """Give a connection to Dagster's storage, which commits each statement.

    Raises:
        EtlError: it is no PostgreSQL.
    """
    with storage_connection(instance) as connection:
        if connection is not None:
            yield connection
            return
    raise EtlError(
        "Dagster's storage can be pruned where it is a PostgreSQL, and this one is not. Use the "
        "project's dagster.yaml, or turn off the schedule nightly_maintenance"
    )


@dg.op(description="Deletes old runs and logs, as far as nobody needs them.")
def prune_runs(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Prune Dagster's storage, and say how large it was and is."""
    keep_days = MaintenanceSettings.read().keep_runs_days
    with plain_failure():
        before = size(context.instance)
        pruned = prune(context.instance, warehouse.connect(), keep=timedelta(days=keep_days))
        after = size(context.instance)
    context.log.info(
        f"Of the runs older than {keep_days} days {pruned.deleted_runs} were deleted, and the logs "
        f"of {pruned.pruned_runs} others pruned"
    )
    rows_after = {row["name"]: row["rows"] for row in after}
    context.add_output_metadata(
        {
            "deleted_runs": pruned.deleted_runs,
            "pruned_runs": pruned.pruned_runs,
            "tables": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {
                            "table": row["name"],
                            "rows_before": row["rows"],
                            "rows_after": rows_after[row["name"]],
                            "bytes": row["bytes"],
                        }
                    )
                    for row in before
                ]
            ),
        }
    )


@dg.job(
    name=MAINTENANCE,
    tags=NEVER_RETRIED,
    description="Deletes old runs and logs from Dagster's own storage, never the latest of a day.",
)
def maintenance() -> None:
    """Prune Dagster's storage."""
    prune_runs()


def nightly_maintenance(partitions: PartitionSettings) -> dg.ScheduleDefinition:
    """Return the schedule of `maintenance`."""
    return dg.ScheduleDefinition(
        name="nightly_maintenance",
        job=maintenance,
        cron_schedule="30 3 * * *",
        execution_timezone=partitions.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Prunes Dagster's own storage every night.",
    )
