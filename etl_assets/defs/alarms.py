"""Alarms: failed runs and late days are posted to a chat.

Off until `ETL_ALARM_WEBHOOK_URL` is set. A tick posts all its news as one message. The cursor
records what was posted. It moves on when the message has arrived, or when the webhook refuses this
message but accepts others. Trouble with the next day is posted once while that day is the next.

Failed runs and the next day are two sources of alarms. If one fails, that is posted, and the other
still works.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
from pydantic import BaseModel

from etl_assets.clients.webhook import Webhook, one_message
from etl_assets.days import format_days
from etl_assets.defs.assets.common import mart_key
from etl_assets.defs.dagster_internals import FreshnessState
from etl_assets.defs.partitions import days_of
from etl_assets.defs.resources import (
    ObjectStoreResource,
    ReportApiResource,
    WarehouseResource,
    WebhookResource,
)
from etl_assets.defs.run_queue import is_ours, why_failed
from etl_assets.defs.sensors import tick_planner, within
from etl_assets.errors import AlarmRefused, EtlError
from etl_assets.planning.planner import (
    LATE_AFTER,
    AskForReport,
    Blocked,
    Load,
    Planner,
    Unavailable,
    Wait,
    decision_on,
)
from etl_assets.settings import AlarmSettings, PartitionSettings

_log = logging.getLogger(__name__)

_RUNS_A_MESSAGE = 20

_PLANNER_SECONDS = 15.0
"""How long to wait for the planner: Dagster ends a tick after 60 s, and failed runs have to be
posted by then."""

_SALES = mart_key("f_sales")
_LATE_HOURS = LATE_AFTER.total_seconds() / 3600
_STALE = f"nothing was loaded into {_SALES.to_user_string()} for {_LATE_HOURS:g} hours"


class _Posted(BaseModel):
    """The cursor: what was posted.

    Attributes:
        failures_until: the storage id of the last failure that was posted.
        day: the next day to be loaded.
        trouble: the names of what was posted about it.
    """

    failures_until: int
    day: date | None = None
    trouble: list[str] = []


def alarms(partitions: PartitionSettings) -> dg.SensorDefinition:
    """Return the sensor that posts the alarms."""
    is_on = AlarmSettings.read().webhook_url is not None

    @dg.sensor(
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Posts each failed run, and each day that is late or that needs a person, to "
        "ETL_ALARM_WEBHOOK_URL. Off while that is not set.",
    )
    def alarms(
        context: dg.SensorEvaluationContext,
        warehouse: WarehouseResource,
        report_api: ReportApiResource,
        object_store: ObjectStoreResource,
        webhook: WebhookResource,
    ) -> dg.SensorResult | dg.SkipReason:
        receiver = webhook.connect()
        if receiver is None:
            return dg.SkipReason("ETL_ALARM_WEBHOOK_URL is not set")
        instance = context.instance
        posted = _posted(context.cursor, instance)
        failures, faults = _failures_or_faults(instance, posted.failures_until)

        def planner() -> Planner:
            return tick_planner(instance, partitions, warehouse, report_api, object_store).planner

        day, trouble = _day_and_trouble(instance, partitions, posted, planner)
        told = posted.trouble if day == posted.day else []
        untold = {name: text for name, text in (faults | trouble).items() if name not in told}
        news = [*failures.texts, *untold.values()]
        done = "; ".join(news) or "nothing new"
        if news:
            message = one_message([f"etl_assets: {text}" for text in news])
            if refused := _post(receiver, message):
                done = f"{refused}, so it was dropped: {done}"
        now_posted = _Posted(failures_until=failures.until, day=day, trouble=[*told, *untold])
        return dg.SensorResult(skip_reason=dg.SkipReason(done), cursor=now_posted.model_dump_json())

    return alarms


def _posted(cursor: str | None, instance: dg.DagsterInstance) -> _Posted:
    """Return the cursor. At the first tick it covers all failures so far."""
    if cursor:
        return _Posted.model_validate_json(cursor)
    newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    return _Posted(failures_until=newest[0].storage_id if newest else 0)


def _post(webhook: Webhook, message: str) -> str | None:
    """Post a message. Return why it was dropped, or None.

    A message that the webhook refuses is dropped if a short one is accepted: it would be refused
    for ever and block later alarms. If the short one is refused too, the address is wrong, and
    everything is posted once that is mended.

    Raises:
        EtlError: nothing could be posted.
    """
    try:
        webhook.post(message)
    except AlarmRefused as error:
        webhook.post(
            "etl_assets: the chat does not take an alarm. The ticks of the sensor alarms in "
            "Dagster's UI say what it was"
        )
        return str(error).partition(". ")[0]
    return None


def _fault(what: str, error: Exception) -> dict[str, str]:
    """Return the alarm for a source of alarms that failed unexpectedly, by its name."""
    # The message of a foreign error may contain secrets.
    why = f"{what} is unknown ({type(error).__name__})"
    return {why: f"{why}. What to do: etl-assets doctor, and see the log of Dagster's daemon"}


def _day_and_trouble(
    instance: dg.DagsterInstance,
    partitions: PartitionSettings,
    posted: _Posted,
    make_planner: Callable[[], Planner],
) -> tuple[date | None, dict[str, str]]:
    """Return the next day, and the trouble with it: texts by names that stay the same.

    While the planner can't be asked, the next day is that of the cursor.
    """

    def ask() -> tuple[date | None, dict[str, str]]:
        planner = make_planner()
        return planner.next_day(), dict(_trouble(instance, planner, partitions))

    try:
        return within(_PLANNER_SECONDS, ask)
    except EtlError as error:
        return posted.day, dict(_trouble_by(decision_on(error), instance))
    except Exception as error:  # failed runs are posted, whatever it is
        _log.exception("Alarms: the next day is unknown")
        return posted.day, _fault("the next day", error)


@dataclass(frozen=True)
class _Failures:
    """The alarms of failed runs, and the storage id of the last failure."""

    texts: Sequence[str]
    until: int


def _failures_or_faults(
    instance: dg.DagsterInstance, until: int
) -> tuple[_Failures, dict[str, str]]:
    """Return the alarms of failed runs, or an alarm that they are unknown."""
    try:
        return _failures(instance, until), {}
    except Exception as error:  # late days are posted, whatever it is
        _log.exception("Alarms: which runs have failed is unknown")
        return _Failures([], until), _fault("which runs have failed", error)


def _failures(instance: dg.DagsterInstance, until: int) -> _Failures:
    failed = instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=until),
        limit=_RUNS_A_MESSAGE,
        ascending=True,
    ).records
    texts: list[str] = []
    for record in failed:
        run = instance.get_run_by_id(record.event_log_entry.run_id)
        if run and is_ours(run):
            texts.append(
                f"run {run.run_id} of {run.job_name}{_of_days(run)} failed: "
                f"{why_failed(instance, run.run_id)}"
            )
    return _Failures(texts, failed[-1].storage_id if failed else until)


def _of_days(run: dg.DagsterRun) -> str:
    try:
        days = days_of(run)
    except ValueError:
        # A tag can be any text. The failure is posted all the same.
        return ""
    return f" for {format_days(days)}" if days else ""


def _trouble(
    instance: dg.DagsterInstance, planner: Planner, partitions: PartitionSettings
) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of what is wrong now."""
    decision = planner.next()
    if not isinstance(decision, Wait | AskForReport):
        yield from _trouble_by(decision, instance)
        return
    day = planner.next_day()
    if day and _is_late(day, partitions) and day not in planner.days_under_way():
        yield f"{day} is late", f"{day} is late: {decision.why}"


def _trouble_by(
    decision: Blocked | Unavailable | Load, instance: dg.DagsterInstance
) -> Iterator[tuple[str, str]]:
    match decision:
        case Blocked(why, remedy):
            yield why, f"{why}. What to do: {remedy}"
        case Unavailable(error) if _is_stale(instance):
            yield "stale", f"{_STALE}: {error}"
        case Load(day) if _is_stale(instance):
            yield "stale", f"{_STALE}, and the source has {day}: see whether runs wait in the queue"
        case _:
            pass


def _is_late(day: date, partitions: PartitionSettings) -> bool:
    return datetime.now(UTC) - partitions.end_of(day) > LATE_AFTER


def _is_stale(instance: dg.DagsterInstance) -> bool:
    """Return whether the facts fail their freshness policy, as evaluated by the daemon."""
    freshness = instance.get_freshness_state_records([_SALES]).get(_SALES)
    return freshness is not None and freshness.freshness_state is FreshnessState.FAIL
