"""What Dagster knows of a day's runs: which are about to start, and which have failed.

Only for pausing and for not launching twice: whether a day is loaded is for `etl.load` to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from etl_assets.assets.common import PLANNED_TAG
from etl_assets.automation.jobs import ORDER_REPORT_JOB

_ABOUT_TO_START = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
]
_STARTING_MINUTES = 15
"""A run that has not started by then never will: its process is gone."""

_LOCKS_WITHIN = timedelta(minutes=1)
"""A started run shows its days as being loaded by then, for as long as it lives."""

_LOOK_BACK = 20

_FAILED_AMONG = 500
"""How many of the newest runs are looked at for days that have failed."""


@dataclass(frozen=True)
class Failures:
    """The failed tries of a day since it was last loaded: how many, and when the last one ended."""

    count: int
    last: datetime


class RunHistory:
    """The runs of a Dagster instance, as the planner sees them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance

    def days_about_to_load(self) -> set[date]:
        """Return the days of runs that wait, or have only just started."""
        return {day for run in self._about_to_start() for day in days_of(run)}

    def report_is_asked_for(self) -> bool:
        """Return whether a run that asks for a report waits, or goes on."""
        active = [*_ABOUT_TO_START, dg.DagsterRunStatus.STARTED]
        runs = self._instance.get_run_records(
            dg.RunsFilter(
                job_name=ORDER_REPORT_JOB,
                statuses=active,
                created_after=datetime.now(UTC) - timedelta(minutes=_STARTING_MINUTES),
            ),
            limit=1,
        )
        return bool(runs)

    def failures(self, tags: dict[str, str]) -> Failures:
        """Return the failed tries among the runs with these tags, since the last success.

        A run that was killed is no try: it has no failed step.
        """
        count, last = 0, datetime.min.replace(tzinfo=UTC)
        for record in self._instance.get_run_records(dg.RunsFilter(tags=tags), limit=_LOOK_BACK):
            if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS:
                break
            if record.dagster_run.status is dg.DagsterRunStatus.FAILURE and self._has_failed_step(
                record.dagster_run.run_id
            ):
                count += 1
                last = max(last, _ended(record))
        return Failures(count, last)

    def failed_since(self, loaded_at: Mapping[date, datetime]) -> dict[date, str]:
        """Return why the newest run of a day failed, where that was after the day was loaded."""
        ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        newest: dict[date, dg.RunRecord] = {}
        for record in self._instance.get_run_records(
            dg.RunsFilter(statuses=ended), limit=_FAILED_AMONG
        ):
            for day in days_of(record.dagster_run):
                newest.setdefault(day, record)
        failed = {
            day: record.dagster_run.run_id
            for day, record in newest.items()
            if record.dagster_run.status is dg.DagsterRunStatus.FAILURE
            and (day not in loaded_at or _ended(record) > loaded_at[day])
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

    def _has_failed_step(self, run_id: str) -> bool:
        failed = self._instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1
        )
        return bool(failed.records)

    def _about_to_start(self) -> Sequence[dg.DagsterRun]:
        now = datetime.now(UTC)
        waiting = self._instance.get_run_records(
            dg.RunsFilter(
                statuses=_ABOUT_TO_START,
                updated_after=now - timedelta(minutes=_STARTING_MINUTES),
            )
        )
        queued = self._instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
        )
        started = self._instance.get_run_records(
            dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], updated_after=now - _LOCKS_WITHIN)
        )
        return [record.dagster_run for record in (*waiting, *queued, *started)]


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


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time or 0, UTC)


def planned_tags(day: date) -> dict[str, str]:
    """Return the tags of the planner's runs of a day."""
    return {PLANNED_TAG: "true", PARTITION_NAME_TAG: day.isoformat()}


def days_of(run: dg.DagsterRun) -> list[date]:
    """Return the days that a run was launched for."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
    if not first or not last:
        return []
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [start + timedelta(days=count) for count in range((end - start).days + 1)]
