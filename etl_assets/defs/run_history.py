"""What Dagster knows of a day's runs: which are under way, and which have failed.

Only for pausing and for not launching twice: whether a day is loaded is for `etl.load` to say.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)

from etl_assets.defs import run_tags
from etl_assets.defs.assets.common import ORDER_REPORT, RAW, STAGING, mart_key
from etl_assets.defs.jobs import JOBS, MAINTENANCE, ORDER_REPORT_JOB
from etl_assets.defs.partitions import days_of
from etl_assets.mart.tables import TABLES
from etl_assets.planning.runs import Failures

if TYPE_CHECKING:
    from dagster._core.execution.backfill import PartitionBackfill

_JOBS = {job.name for job in JOBS}
ASSETS = {ORDER_REPORT, RAW, STAGING, *map(mart_key, (*TABLES, "f_customer_retention"))}

_STARTING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
_STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_STARTS_WITHIN = timedelta(minutes=15)
"""A run that has not started by then never will: its process is gone."""

_SILENT_FOR = timedelta(minutes=1)
"""A started run that loads days says something within that time, or holds the locks of its days."""

_SILENT_WITHOUT_DAYS_FOR = timedelta(minutes=15)
"""One that loads none has no locks, and waits for the report: its polls are what it says."""

_TICKS_FOR = timedelta(minutes=2)
"""A tick that goes on for longer is one of a daemon that was killed."""

_LOOK_BACK = 20

_FAILED_AMONG = 500
"""How many of our newest runs are looked at for days that have failed."""

_PAGES = 10
"""Among how many times as many of all code locations' runs they are looked for."""


class RunHistory:
    """The runs of a Dagster instance, as the planner sees them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def days_under_way(self) -> set[date]:
        """Return the days of runs and backfills that wait, or have just shown a sign of life.

        A run that has been silent for longer shows its days by their locks: `transactions.loading`.
        """
        of_runs = {day for run in self._under_way() for day in days_of(run)}
        return of_runs | {day for backfill in self._backfills() for day in _days_of(backfill)}

    def is_ticking(self, instigator: str) -> bool:
        """Return whether a tick of the sensor or schedule goes on; what it launches is no run yet.

        Whoever plans asks this before it asks for the runs: of two that tick at once at least one
        sees the other.
        """
        if self._instance.schedule_storage is None:
            return False  # an instance in memory keeps no ticks
        from dagster._core.scheduler.instigation import TickStatus

        newest = (
            tick
            for state in self._instance.all_instigator_state()
            if state.instigator_name == instigator
            for tick in self._instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=1
            )
        )
        return any(
            tick.status is TickStatus.STARTED
            and _is_recent(datetime.fromtimestamp(tick.timestamp, UTC), _TICKS_FOR)
            for tick in newest
        )

    def report_is_asked_for(self) -> bool:
        """Return whether a run that asks for a report waits, or goes on."""
        return any(run.job_name == ORDER_REPORT_JOB for run in self._under_way())

    def end_killed_runs(self, being_loaded: Collection[date]) -> None:
        """Mark the started runs as failed whose process is gone, as after a power failure.

        Nobody else does, and each would hold its place in the run queue's limits for ever: no other
        run of its day would start. `being_loaded` are the days that sessions hold the locks of.
        """
        for record in self._records([dg.DagsterRunStatus.STARTED]):
            run = record.dagster_run
            shows_life = not set(being_loaded).isdisjoint(days_of(run)) or self._spoke(record)
            if not shows_life and self._is_started(run):
                self._instance.report_run_failed(run, "The run's process is gone: it was killed")

    def failures(self, tags: dict[str, str]) -> Failures:
        """Return the failed tries among the runs with these tags, since the last success.

        A run that was killed or interrupted is no try. One that somebody terminated is: it is not
        to come back at once.
        """
        count, last = 0, datetime.min.replace(tzinfo=UTC)
        for record in self._instance.get_run_records(dg.RunsFilter(tags=tags), limit=_LOOK_BACK):
            run = record.dagster_run
            if run.status is dg.DagsterRunStatus.SUCCESS:
                break
            if _has_failed_step(run) or run.status is dg.DagsterRunStatus.CANCELED:
                count += 1
                last = max(last, ended_at(record))
        return Failures(count, last)

    def failures_of_day(self, day: date) -> Failures:
        """Return the failed tries of the planner's runs of a day."""
        return self.failures(planned_tags(day))

    def failures_of_report(self, day: date) -> Failures:
        """Return the failed tries to ask for a report because of a day."""
        return self.failures(report_tags(day))

    def failed_since(self, loaded_at: Mapping[date, datetime]) -> dict[date, str]:
        """Return why the newest run of a day failed, where that was after the day was loaded."""
        ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        newest: dict[date, dg.RunRecord] = {}
        for record in islice(self._newest(ended), _FAILED_AMONG):
            for day in days_of(record.dagster_run):
                newest.setdefault(day, record)
        failed = {
            day: record.dagster_run.run_id
            for day, record in newest.items()
            if record.dagster_run.status is dg.DagsterRunStatus.FAILURE
            and (day not in loaded_at or ended_at(record) > loaded_at[day])
        }
        why = {run_id: self.why_failed(run_id) for run_id in set(failed.values())}
        return {day: why[run_id] for day, run_id in failed.items()}

    def why_failed(self, run_id: str) -> str:
        """Return what a failed run's first failed step says."""
        failures = self._instance.get_records_for_run(
            run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
        )
        logged = (record.event_log_entry.dagster_event for record in failures.records)
        return what_failed([event for event in logged if event])

    def _under_way(self) -> Iterator[dg.DagsterRun]:
        # All in one query: a run that goes on to the next status in between would be missed.
        waiting = [dg.DagsterRunStatus.QUEUED]
        for record in self._records([*waiting, *_STARTING, *_STARTED]):
            status = record.dagster_run.status
            if (
                status in waiting
                or (status in _STARTING and _is_recent(record.update_timestamp, _STARTS_WITHIN))
                or (status in _STARTED and self._spoke(record))
            ):
                yield record.dagster_run
        yield from self._to_be_retried()

    def _to_be_retried(self) -> Iterator[dg.DagsterRun]:
        """Give the failed runs that Dagster is about to launch again."""
        of_late = datetime.now(UTC) - _STARTS_WITHIN
        failed = self._records(
            [dg.DagsterRunStatus.FAILURE], {WILL_RETRY_TAG: "true"}, updated_after=of_late
        )
        for record in failed:
            run = record.dagster_run
            is_launched = AUTO_RETRY_RUN_ID_TAG in run.tags
            # It was perhaps not yet, a moment ago, when the queue was looked at.
            just_now = _is_recent(record.update_timestamp, _SILENT_FOR)
            # Without an origin there is nothing to launch it from.
            if run.remote_job_origin and (just_now or not is_launched):
                yield run

    def _records(
        self,
        statuses: Sequence[dg.DagsterRunStatus],
        tags: Mapping[str, str] | None = None,
        updated_after: datetime | None = None,
    ) -> list[dg.RunRecord]:
        """Return the runs of the pipeline's assets."""
        filters = dg.RunsFilter(statuses=statuses, tags=tags, updated_after=updated_after)
        records = self._instance.get_run_records(filters)
        return [record for record in records if _is_of_pipeline(record.dagster_run)]

    def _newest(self, statuses: Sequence[dg.DagsterRunStatus]) -> Iterator[dg.RunRecord]:
        """Give our newest runs; not for ever are those of other code locations passed over."""
        filters = dg.RunsFilter(statuses=statuses)
        cursor: str | None = None
        for _ in range(_PAGES):
            page = self._instance.get_run_records(filters, limit=_FAILED_AMONG, cursor=cursor)
            yield from (record for record in page if is_ours(record.dagster_run))
            if len(page) < _FAILED_AMONG:
                return
            cursor = page[-1].dagster_run.run_id

    def _spoke(self, record: dg.RunRecord) -> bool:
        """Return whether a started run has logged something of late."""
        newest = self._instance.get_records_for_run(
            record.dagster_run.run_id, limit=1, ascending=False
        ).records
        spoke = record.update_timestamp
        if newest:
            spoke = datetime.fromtimestamp(newest[0].event_log_entry.timestamp, UTC)
        has_days = days_of(record.dagster_run)
        return _is_recent(spoke, _SILENT_FOR if has_days else _SILENT_WITHOUT_DAYS_FOR)

    def _is_started(self, run: dg.DagsterRun) -> bool:
        now = self._instance.get_run_by_id(run.run_id)
        return now is not None and now.status is dg.DagsterRunStatus.STARTED

    def _backfills(self) -> "Sequence[PartitionBackfill]":
        """Return the backfills that have runs to launch, or wait for them."""
        from dagster._core.execution.backfill import (
            BulkActionsFilter,
            BulkActionStatus,
        )

        requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
        return self._instance.get_backfills(filters=requested)


def is_ours(run: dg.DagsterRun) -> bool:
    """Return whether a run is one of this code location; the instance may have those of others."""
    checked = {check.asset_key for check in run.asset_check_selection or ()}
    return _is_of_pipeline(run) or run.job_name == MAINTENANCE or not ASSETS.isdisjoint(checked)


def _is_of_pipeline(run: dg.DagsterRun) -> bool:
    return run.job_name in _JOBS or not ASSETS.isdisjoint(run.asset_selection or ())


def _is_recent(moment: datetime, within: timedelta) -> bool:
    return datetime.now(UTC) - moment < within


def _days_of(backfill: "PartitionBackfill") -> Iterator[date]:
    """Give the days that a backfill was launched for."""
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
    """Return what the first failed step of a run's events says."""
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


def _has_failed_step(run: dg.DagsterRun) -> bool:
    """Return whether the run failed because a step did; a step that was interrupted did not."""
    return run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.STEP_FAILURE.value


def ended_at(record: dg.RunRecord) -> datetime:
    """Return when an ended run ended."""
    return datetime.fromtimestamp(record.end_time or 0, UTC)


def planned_tags(day: date) -> dict[str, str]:
    """Return the tags of the planner's runs of a day."""
    return {run_tags.PLANNED: "true", PARTITION_NAME_TAG: day.isoformat()}


def report_tags(day: date) -> dict[str, str]:
    """Return the tags of the planner's runs that ask for a report because of a day."""
    return {run_tags.PLANNED: "true", "etl_assets/report_for": day.isoformat()}
