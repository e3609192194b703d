"""Alarms: failed runs and late days, pushed to where people are.

Off until `ETL_ALARM_WEBHOOK_URL` is set. What a tick has to say it posts as one message, and
forgets it only when that has arrived; the cursor is what was said. Trouble with the next day is
told once for as long as that day is the next, however often it comes and goes.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
from pydantic import BaseModel

from etl_assets.clients.webhook import Webhook
from etl_assets.days import format_days
from etl_assets.defs.assets.common import mart_key
from etl_assets.defs.dagster_internals import FreshnessState
from etl_assets.defs.partitions import days_of
from etl_assets.defs.run_history import RunHistory, is_ours
from etl_assets.defs.sensors import in_time, tick_planner
from etl_assets.errors import Unavailable as ServiceUnavailable
from etl_assets.planning.planner import (
    LATE_AFTER,
    AskForReport,
    Blocked,
    Load,
    Planner,
    Unavailable,
    Wait,
)
from etl_assets.settings import AlarmSettings, PartitionSettings

_RUNS_A_MESSAGE = 20

_SALES = mart_key("f_sales")
_LATE_HOURS = LATE_AFTER.total_seconds() / 3600
_STALE = f"nothing was loaded into {_SALES.to_user_string()} for {_LATE_HOURS:g} hours"


class _Said(BaseModel):
    """The cursor.

    Attributes:
        failures_until: the storage id of the last failure told of.
        day: the next day to be loaded.
        trouble: what was told of it.
    """

    failures_until: int
    day: date | None = None
    trouble: list[str] = []


def alarms(partitions: PartitionSettings) -> dg.SensorDefinition:
    """Return the sensor that posts them."""
    is_on = AlarmSettings.read().webhook_url is not None

    @dg.sensor(
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Posts each failed run, and each day that is late or that nobody but a person "
        "can load, to ETL_ALARM_WEBHOOK_URL; off while that is not set.",
    )
    @in_time
    def alarms(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        url = AlarmSettings.read().webhook_url
        if url is None:
            return dg.SkipReason("ETL_ALARM_WEBHOOK_URL is not set")
        instance = context.instance
        said = _said(context.cursor, instance)
        failures, failures_until = _failures(instance, said.failures_until)
        _, planner = tick_planner(instance, partitions)
        day = _next_day(planner, said)
        told = said.trouble if day == said.day else []
        trouble = {
            name: text for name, text in _trouble(instance, planner, partitions) if name not in told
        }
        news = [*failures, *trouble.values()]
        if news:
            Webhook(url).post("\n".join(f"etl_assets: {text}" for text in news))
        now_said = _Said(failures_until=failures_until, day=day, trouble=[*told, *trouble])
        return dg.SensorResult(
            skip_reason=dg.SkipReason("; ".join(news) or "nothing new"),
            cursor=now_said.model_dump_json(),
        )

    return alarms


def _said(cursor: str | None, instance: dg.DagsterInstance) -> _Said:
    """Return what was said; at the very first tick, all failures that there have been."""
    if cursor:
        return _Said.model_validate_json(cursor)
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return _Said(failures_until=newest[0].storage_id if newest else 0)


def _next_day(planner: Planner, said: _Said) -> date | None:
    """Return the next day; while the warehouse can't be asked, the one that it was."""
    try:
        return planner.next_day()
    except ServiceUnavailable:
        return said.day


def _failures(instance: dg.DagsterInstance, until: int) -> tuple[list[str], int]:
    """Return what to say of the runs that failed since, and the last one's storage id."""
    history = RunHistory(instance)
    failed = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=until),
        limit=_RUNS_A_MESSAGE,
        ascending=True,
    ).records
    texts: list[str] = []
    for record in failed:
        run = instance.get_run_by_id(record.event_log_entry.run_id)
        if run and is_ours(run):
            days = days_of(run)
            of_days = f" for {format_days(days)}" if days else ""
            texts.append(
                f"run {run.run_id} of {run.job_name}{of_days} failed: "
                f"{history.why_failed(run.run_id)}"
            )
    return texts, failed[-1].storage_id if failed else until


def _trouble(
    instance: dg.DagsterInstance, planner: Planner, partitions: PartitionSettings
) -> Iterator[tuple[str, str]]:
    """Give what is wrong now, each by a name that stays while it is the same."""
    decision = planner.next()
    match decision:
        case Blocked(why, remedy):
            yield why, f"{why}. What to do: {remedy}"
        case Wait(why) | AskForReport(why):
            day = planner.next_day()
            if day and _is_late(day, partitions) and day not in planner.days_under_way():
                yield f"{day} is late", f"{day} is late: {why}"
        case Unavailable(error) if _is_stale(instance):
            yield "stale", f"{_STALE}: {error}"
        case Load(day) if _is_stale(instance):
            yield "stale", f"{_STALE}, and the source has {day}: see whether runs wait in the queue"
        case _:
            pass


def _is_late(day: date, partitions: PartitionSettings) -> bool:
    return datetime.now(UTC) - partitions.end_of(day) > LATE_AFTER


def _is_stale(instance: dg.DagsterInstance) -> bool:
    """Return whether the facts have failed their freshness policy, as the daemon sees it."""
    freshness = instance.get_freshness_state_records([_SALES]).get(_SALES)
    return freshness is not None and freshness.freshness_state is FreshnessState.FAIL
