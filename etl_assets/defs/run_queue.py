"""Dagster's queue of runs, and the marking of killed runs as failed.

Why a day is not loaded is recorded in `etl.load` and `etl.attempt`, not here.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from etl_assets.clients.warehouse import Warehouse
from etl_assets.defs import run_tags
from etl_assets.defs.assets.common import (
    ORDER_REPORT,
    RAW,
    STAGING,
    mart_key,
)
from etl_assets.defs.dagster_internals import PartitionBackfill, requested_backfills
from etl_assets.defs.jobs import JOBS, MAINTENANCE, ORDER_REPORT_JOB
from etl_assets.defs.partitions import days_of
from etl_assets.mart.tables import TABLES
from etl_assets.planning import attempts

_JOBS = {job.name for job in JOBS}
ASSETS = {ORDER_REPORT, RAW, STAGING, *map(mart_key, (*TABLES, "f_customer_retention"))}

_NOT_STARTED, _STARTED = dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED
_WAITING = [_NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]

_A_WHILE = timedelta(minutes=15)
"""A run or backfill that has not changed for this long is left over from a killed process."""

_LOCKED_WITHIN = timedelta(minutes=5)
"""A started run takes its lock within seconds. The rest is for clocks that differ."""


class RunQueue:
    """The queue of a Dagster instance whose runs load into a warehouse."""

    def __init__(self, instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
        self._instance = instance
        self._warehouse = warehouse

    def days_under_way(self) -> set[date]:
        """Return the days of waiting runs and backfills, and of live started runs."""
        of_runs = {day for run in self._under_way() for day in days_of(run)}
        return of_runs | {day for backfill in self._backfills() for day in _days_of(backfill)}

    def report_is_asked_for(self) -> bool:
        """Return whether a run that asks for a report is waiting or running."""
        return any(run.job_name == ORDER_REPORT_JOB for run in self._under_way())

    def terminated_at(self, day: date) -> datetime | None:
        """Return when a person last terminated a planned run of the day; None if never."""
        canceled = dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELED], tags=planned_tags(day))
        newest = self._instance.get_run_records(canceled, limit=1)
        return ended_at(newest[0]) if newest else None

    def end_killed_runs(self) -> None:
        """Mark started runs as failed whose process is gone, for example after a power failure.

        Dagster does not. Such a run would keep its place in the queue's limits for ever, and no
        other run of its day would start.

        Raises:
            EtlError: the warehouse can't be asked.
        """
        _, killed = self._started(self._records([_STARTED]))
        for run in killed:
            now = self._instance.get_run_by_id(run.run_id)
            if now and now.status is _STARTED:
                self._instance.report_run_failed(run, "The run's process is gone: it was killed")

    def _under_way(self) -> Iterator[dg.DagsterRun]:
        # One query: a run that changes its status between two would be missed.
        records = self._records([*_WAITING, _STARTED])
        for record in records:
            status = record.dagster_run.status
            if status in _WAITING and (
                status is not _NOT_STARTED or _is_recent(record.create_timestamp, _A_WHILE)
            ):
                yield record.dagster_run
        alive, _ = self._started(records)
        yield from alive
        yield from self._to_be_retried()

    def _started(
        self, records: Sequence[dg.RunRecord]
    ) -> tuple[list[dg.DagsterRun], list[dg.DagsterRun]]:
        """Return the live started runs, and the killed ones."""
        started = [record for record in records if record.dagster_run.status is _STARTED]
        if not started:
            return [], []
        run_ids = [record.dagster_run.run_id for record in started]
        lives = attempts.lives_of(self._warehouse, run_ids)
        alive: list[dg.DagsterRun] = []
        killed: list[dg.DagsterRun] = []
        for record in started:
            life = lives[record.dagster_run.run_id]
            # A run holds no lock before its first step and after its last one.
            is_between = not life.is_open and _is_recent(_began_at(record), _LOCKED_WITHIN)
            (alive if life.is_alive or is_between else killed).append(record.dagster_run)
        return alive, killed

    def _to_be_retried(self) -> Iterator[dg.DagsterRun]:
        """Yield the killed runs that Dagster will launch again."""
        killed = self._records(
            [dg.DagsterRunStatus.FAILURE],
            tags={run_tags.WILL_RETRY: "true"},
            updated_after=datetime.now(UTC) - _A_WHILE,
        )
        for record in killed:
            run = record.dagster_run
            # A run without an origin can't be launched again.
            if run.remote_job_origin and run_tags.RETRIED_BY not in run.tags:
                yield run

    def _records(
        self,
        statuses: Sequence[dg.DagsterRunStatus],
        tags: dict[str, str] | None = None,
        updated_after: datetime | None = None,
    ) -> list[dg.RunRecord]:
        """Return the runs of the pipeline's assets."""
        filters = dg.RunsFilter(statuses=statuses, tags=tags, updated_after=updated_after)
        records = self._instance.get_run_records(filters)
        return [record for record in records if _is_of_pipeline(record.dagster_run)]

    def _backfills(self) -> Iterator[PartitionBackfill]:
        """Yield the backfills that may launch another run.

        They were launched recently, or their last run changed recently. Older ones are stuck.
        """
        for backfill in requested_backfills(self._instance):
            of_it = dg.RunsFilter(tags={run_tags.BACKFILL: backfill.backfill_id})
            newest = self._instance.get_run_records(of_it, limit=1)
            launched = datetime.fromtimestamp(backfill.backfill_timestamp, UTC)
            if _is_recent(newest[0].update_timestamp if newest else launched, _A_WHILE):
                yield backfill


def why_failed(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the message of a failed run's first failed step."""
    failures = instance.get_records_for_run(
        run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    )
    logged = (record.event_log_entry.dagster_event for record in failures.records)
    return what_failed([event for event in logged if event])


def is_ours(run: dg.DagsterRun) -> bool:
    """Return whether a run belongs to this code location; the instance may have others."""
    checked = {check.asset_key for check in run.asset_check_selection or ()}
    return _is_of_pipeline(run) or run.job_name == MAINTENANCE or not ASSETS.isdisjoint(checked)


def _is_of_pipeline(run: dg.DagsterRun) -> bool:
    return run.job_name in _JOBS or not ASSETS.isdisjoint(run.asset_selection or ())


def _is_recent(moment: datetime, within: timedelta) -> bool:
    return datetime.now(UTC) - moment < within


def _days_of(backfill: PartitionBackfill) -> Iterator[date]:
    """Yield the days that a backfill was launched for."""
    if backfill.asset_backfill_data:
        target = backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key
        names = {
            name
            for asset, subset in target.items()
            if asset in ASSETS
            for name in subset.get_partition_keys()
        }
    elif backfill.job_name in _JOBS:
        names = set(backfill.partition_names or [])
    else:
        names = set[str]()
    yield from map(date.fromisoformat, names)


def what_failed(events: Sequence[dg.DagsterEvent]) -> str:
    """Return the message of the first failed step among a run's events."""
    for event in events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            if data.error:
                return (data.error.cause or data.error).message.strip()
        if event.event_type is dg.DagsterEventType.RUN_FAILURE and event.message:
            return event.message
    return "the run ended early"


def _began_at(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)


def ended_at(record: dg.RunRecord) -> datetime:
    """Return when an ended run ended."""
    return datetime.fromtimestamp(record.end_time or 0, UTC)


def planned_tags(day: date) -> dict[str, str]:
    """Return the tags of the planner's runs of a day."""
    return {run_tags.PLANNED: "true", run_tags.PARTITION: day.isoformat()}


def report_tags(day: date) -> dict[str, str]:
    """Return the tags of the planner's runs that ask for a report because of a day."""
    return {run_tags.PLANNED: "true", run_tags.REPORT_FOR: day.isoformat()}
