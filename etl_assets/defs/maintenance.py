"""The job `etl_maintenance`: it deletes old runs and logs from Dagster's own storage.

Dagster's open source edition deletes only ticks, so its storage grows for ever. This job deletes
the runs that are older than `ETL_KEEP_RUNS_DAYS`, and their logs. It keeps the latest
materialization of each day and the latest result of each check, because the UI shows them. A run
that logged one of these stays, without the rest of its log. The job also deletes old rows of
`etl.attempt`, except the failures that the planner still counts. It does not touch the runs of
other code locations on the same instance.
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
"""The tag of a run whose log was pruned. It tells people why the log is short."""

_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_PAGE = 500


@dataclass(frozen=True)
class Pruned:
    """The result of pruning.

    Attributes:
        deleted_runs: how many runs were deleted.
        pruned_runs: how many runs stay, but with a shorter log.
    """

    deleted_runs: int
    pruned_runs: int


def prune(instance: dg.DagsterInstance, warehouse: Warehouse, *, keep: timedelta) -> Pruned:
    """Delete the runs older than `keep` and their logs, except what the UI still shows.

    Raises:
        EtlError: Dagster's storage is not in PostgreSQL.
    """
    before = datetime.now(UTC) - keep
    attempts.prune(warehouse, keep_days=keep.days)
    deleted, pruned = 0, 0
    for page in _pages(instance, before):
        runs = {
            record.dagster_run.run_id: record.dagster_run
            for record in page
            if is_ours(record.dagster_run)
            # A run that was created before can have ended, and logged the latest result, after.
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
    """Return the rows and bytes of each table of Dagster's storage that grows with the runs.

    Raises:
        EtlError: Dagster's storage is not in PostgreSQL.
    """
    with _storage(instance) as connection:
        return [dict(row) for row in _execute(connection, "defs/storage_size")]


def _pages(instance: dg.DagsterInstance, before: datetime) -> Iterator[Sequence[dg.RunRecord]]:
    """Yield pages of the ended runs that were created before this time."""
    ended = dg.RunsFilter(statuses=_ENDED, created_before=before)

    def after(run_id: str | None) -> Sequence[dg.RunRecord]:
        return instance.get_run_records(ended, limit=_PAGE, cursor=run_id)

    page = after(None)
    while page:
        # Before this page's runs are deleted: the last of them is the cursor of the next page.
        following = after(page[-1].dagster_run.run_id)
        yield page
        page = following


def _prune_logs(instance: dg.DagsterInstance, run_ids: Sequence[str], before: datetime) -> set[str]:
    """Delete the logs of the runs. Return the runs that keep an event that is still needed."""
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
    """Yield a connection to Dagster's storage that commits each statement.

    Raises:
        EtlError: Dagster's storage is not in PostgreSQL.
    """
    with storage_connection(instance) as connection:
        if connection is not None:
            yield connection
            return
    raise EtlError(
        "Dagster's storage can't be pruned, because it is not in PostgreSQL. Use the project's "
        "dagster.yaml, or turn off the schedule nightly_maintenance"
    )


@dg.op(description="Deletes old runs and logs, except what the UI still shows.")
def prune_runs(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    """Prune Dagster's storage. Report the size of its tables before and after."""
    keep_days = MaintenanceSettings.read().keep_runs_days
    with plain_failure():
        before = size(context.instance)
        pruned = prune(context.instance, warehouse.connect(), keep=timedelta(days=keep_days))
        after = size(context.instance)
    context.log.info(
        f"Runs older than {keep_days} days: {pruned.deleted_runs} were deleted, and the logs of "
        f"{pruned.pruned_runs} others were pruned"
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
    description="Deletes old runs and logs from Dagster's own storage. It keeps the latest "
    "materialization of each day and the latest result of each check.",
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
