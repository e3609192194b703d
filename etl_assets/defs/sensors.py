"""The sensors and the schedule: increments that load themselves.

They keep no cursor and no run keys: what to do follows from the warehouse's records, the source and
the runs that there are, so a wiped Dagster storage neither stops nor doubles anything. A tick asks
briefly and never waits: whatever takes longer happens in a run.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from threading import Thread
from typing import ParamSpec, TypeVar

import dagster as dg

from etl_assets.days import days_between
from etl_assets.defs import run_tags
from etl_assets.defs.jobs import (
    ORDER_INCREMENT,
    ORDER_REPORT_JOB,
    order_increment,
    order_report_job,
)
from etl_assets.defs.resources import (
    Limits,
    ObjectStoreResource,
    ReportApiResource,
    WarehouseResource,
)
from etl_assets.defs.run_queue import RunQueue, report_tags
from etl_assets.errors import EtlError, ServiceUnavailable
from etl_assets.planning.planner import (
    AskForReport,
    Blocked,
    Decision,
    Load,
    Planner,
    Unavailable,
    Wait,
    decision_on,
)
from etl_assets.settings import AutomationSettings, PartitionSettings
from etl_assets.source.catalog import Source

P = ParamSpec("P")
T = TypeVar("T")

_ANSWER_SECONDS = 8.0
"""How long a tick waits for one answer of the API, the object store or the warehouse."""

_TICK_SECONDS = 30.0
"""How long a tick takes at most: Dagster ends one after 60 s, and calls it failed."""

_REDELIVERY_DAYS = 14
"""How far back re-deliveries are looked for; the source's increments reach back seven days."""

NEXT_INCREMENT = "next_increment"
DAILY_INCREMENT = "daily_increment"

_REDELIVERY_TAG = "etl_assets/redelivered_etag"


def in_time(tick: Callable[P, T]) -> Callable[P, T | dg.SkipReason]:
    """Skip a tick that takes too long, or that a service or a setting does not let ask.

    The reason of the skip says what to do. What a tick has begun goes on, for nobody, until its own
    time-outs end it.
    """

    @wraps(tick)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T | dg.SkipReason:
        try:
            return within(_TICK_SECONDS, lambda: tick(*args, **kwargs))
        except EtlError as error:
            return dg.SkipReason(_in_words(decision_on(error)))

    return limited


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns, in a thread of its own, if it does so in time.

    Raises:
        Unavailable: it takes longer; it goes on, for nobody.
    """
    result: Future[T] = Future()

    def do() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # whatever it is, the caller gets it
            result.set_exception(error)

    Thread(target=do, name="tick", daemon=True).start()
    # Not by the time-out of `result`: an error of the work itself can be a TimeoutError too.
    if not wait([result], seconds).done:
        raise ServiceUnavailable(
            f"The report API, the object store and the warehouse took over {seconds:g} s "
            "to answer. Check which of them is slow: etl-assets doctor"
        )
    return result.result()


def sensors(partitions: PartitionSettings) -> list[dg.SensorDefinition]:
    """Return the sensors."""
    settings = AutomationSettings.read()

    @dg.sensor(
        name=NEXT_INCREMENT,
        jobs=[order_increment, order_report_job],
        minimum_interval_seconds=settings.next_increment_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads the next day when the source has it: strictly in order, at most one run "
        "a day at a time, at most three tries with growing pauses.",
    )
    @in_time
    def next_increment(
        context: dg.SensorEvaluationContext,
        warehouse: WarehouseResource,
        report_api: ReportApiResource,
        object_store: ObjectStoreResource,
    ) -> dg.RunRequest | dg.SkipReason:
        looking = tick_planner(context.instance, partitions, warehouse, report_api, object_store)
        decision = _decision_of(looking)
        if isinstance(decision, AskForReport):
            config = {"ops": {"order_report": {"config": {"new_report": True}}}}
            tags = report_tags(decision.day)
            return dg.RunRequest(job_name=ORDER_REPORT_JOB, run_config=config, tags=tags)
        return _load(decision)

    @dg.sensor(
        job=order_increment,
        minimum_interval_seconds=settings.redelivered_increments_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads the days again whose object was replaced at the address that they were "
        "loaded from.",
    )
    @in_time
    def redelivered_increments(
        context: dg.SensorEvaluationContext,
        warehouse: WarehouseResource,
        report_api: ReportApiResource,
        object_store: ObjectStoreResource,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        looking = tick_planner(context.instance, partitions, warehouse, report_api, object_store)
        last = partitions.last_day()
        under_way = looking.planner.days_under_way()
        found = looking.source.redelivered(
            days_between(last - timedelta(days=_REDELIVERY_DAYS), last)
        )
        requests: list[dg.RunRequest] = []
        reasons = list(found.unknown)
        for day, etag in found.etags.items():
            tags = {run_tags.PLANNED: "true", _REDELIVERY_TAG: etag}
            if not partitions.start_day <= day <= last:
                reasons.append(
                    f"{day} was replaced and is not from {partitions.start_day} to {last}"
                )
            elif day in under_way:
                reasons.append(f"{day} is being loaded")
            elif held := looking.planner.hold_redelivery(day, etag):
                reasons.append(_in_words(held))
            else:
                requests.append(dg.RunRequest(partition_key=day.isoformat(), tags=tags))
        return requests or dg.SkipReason("; ".join(reasons) or "no loaded object was replaced")

    return [next_increment, redelivered_increments]


def schedules(partitions: PartitionSettings) -> list[dg.ScheduleDefinition]:
    """Return the schedule: one look a day, beside the sensor's many."""

    @dg.schedule(
        name=DAILY_INCREMENT,
        job=order_increment,
        cron_schedule="0 6 * * *",
        execution_timezone=partitions.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Loads the next day every morning, if next_increment has not. Leave that "
        "sensor on too: it catches up with several days, and asks for a new report if one is due.",
    )
    @in_time
    def daily_increment(
        context: dg.ScheduleEvaluationContext,
        warehouse: WarehouseResource,
        report_api: ReportApiResource,
        object_store: ObjectStoreResource,
    ) -> dg.RunRequest | dg.SkipReason:
        looking = tick_planner(context.instance, partitions, warehouse, report_api, object_store)
        return _load(_decision_of(looking))

    return [daily_increment]


@dataclass(frozen=True)
class Looking:
    """What a tick looks with, all with little patience."""

    source: Source
    queue: RunQueue
    planner: Planner


def tick_planner(
    instance: dg.DagsterInstance,
    partitions: PartitionSettings,
    warehouse: WarehouseResource,
    report_api: ReportApiResource,
    object_store: ObjectStoreResource,
) -> Looking:
    """Return what a tick looks with, made of the resources."""
    patience = Limits(retry_seconds=0, answer_seconds=_ANSWER_SECONDS)
    connected = warehouse.connect(**patience)
    source = Source(connected, report_api.connect(**patience), object_store.connect(**patience))
    queue = RunQueue(instance, connected)
    return Looking(source, queue, Planner(connected, source, partitions, queue))


def _decision_of(looking: Looking) -> Decision:
    """Return what to do next; a killed run holds up no other any more."""
    looking.queue.end_killed_runs()
    return looking.planner.next()


def _load(decision: Decision) -> dg.RunRequest | dg.SkipReason:
    match decision:
        case Load(day):
            return dg.RunRequest(
                job_name=ORDER_INCREMENT,
                partition_key=day.isoformat(),
                tags={run_tags.PLANNED: "true"},
            )
        case AskForReport(why):
            asks = f"Sensor {NEXT_INCREMENT}, if it is on, asks for a new report"
            return dg.SkipReason(f"{why}. {asks}")
        case _:
            return dg.SkipReason(_in_words(decision))


def _in_words(decision: Wait | Blocked | Unavailable) -> str:
    match decision:
        case Wait(why):
            return why
        case Blocked(why, remedy):
            return f"{why}. What to do: {remedy}"
        case Unavailable(error):
            return error
