"""The planner: the day to load next, if any.

`etl.load` alone decides whether a day is loaded. Dagster shows a day as failed after a failed
reload although its rows are intact, shows a killed run as started for ever, and knows nothing after
its storage was wiped. Days are loaded strictly in order: the first that is not loaded is the next.
A day adopted from an old database counts as loaded if the source does not have it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from etl_assets import errors
from etl_assets.clients.transactions import days_being_loaded
from etl_assets.clients.warehouse import Warehouse
from etl_assets.days import format_days
from etl_assets.planning.attempts import REPORT, Failures, failed_tries
from etl_assets.planning.expected import expected_days
from etl_assets.planning.runs import RunQueue
from etl_assets.settings import AutomationSettings, PartitionSettings
from etl_assets.source.catalog import NotThere, Source


def repair_command(day: date) -> str:
    """Return the command that loads a day again."""
    return f"etl-assets backfill --from {day} --to {day}"


@dataclass(frozen=True)
class Load:
    """The source has the next day."""

    day: date


@dataclass(frozen=True)
class Wait:
    """There is nothing to load now; later there may be."""

    why: str


@dataclass(frozen=True)
class Blocked:
    """The next day can't be loaded until somebody does something."""

    why: str
    remedy: str


@dataclass(frozen=True)
class Unavailable:
    """The source can't be asked now."""

    error: str


@dataclass(frozen=True)
class AskForReport:
    """Only a new report can bring the next day."""

    why: str
    day: date


Decision = Load | Wait | Blocked | Unavailable | AskForReport


def decision_on(error: errors.EtlError) -> Unavailable | Blocked:
    """Return the decision for an error: wait if it passes by itself, else block."""
    if isinstance(error, errors.ServiceUnavailable):
        return Unavailable(str(error))
    return Blocked(
        str(error),
        "mend that (etl-assets doctor checks the settings and what they name); the next look then "
        "goes on by itself",
    )


LATE_AFTER = timedelta(hours=36)
"""A day's increment appears some hours after midnight, so a day is late by then."""

_TRIES = 3
_PAUSE_GROWTH = 4
_FRESH_REPORT_AFTER = timedelta(hours=24)
"""A new report is requested at the earliest this long after the day's end and the last request."""


class Planner:
    """Decides which day is next, from the warehouse's records, the source and the queue of runs.

    A version of an object is tried three times, with growing pauses. A person's command passes
    `pauses=False` and tries at once.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        source: Source,
        partitions: PartitionSettings,
        queue: RunQueue,
        *,
        pauses: bool = True,
    ) -> None:
        self._warehouse = warehouse
        self._source = source
        self._partitions = partitions
        self._queue = queue
        self._pauses = pauses

    def next(self, *, until: date | None = None) -> Decision:
        """Return what to do next. Days after `until` are left alone.

        A lasting error (a refused key, a malformed answer, a wrong setting) blocks the next day
        until the cause is mended.
        """
        try:
            return self._next(until)
        except errors.EtlError as error:
            return decision_on(error)

    def next_day(self) -> date | None:
        """Return the first expected day that is not loaded.

        Raises:
            EtlError: the warehouse can't be asked.
        """
        loaded = self._loaded_days()
        return next((day for day in self._expected(until=None) if day not in loaded), None)

    def days_under_way(self) -> set[date]:
        """Return the days that a run loads or is about to load.

        Ask this before asking what is loaded: a run that ends in between has recorded its load by
        then. For the same reason the queue is asked before the locks.
        """
        waiting = self._queue.days_under_way()
        return waiting | days_being_loaded(self._warehouse)

    def hold(self, what: str, failures: Failures, remedy: str) -> Wait | Blocked | None:
        """Return why something that failed is not tried now, or None to try it."""
        if failures.last is None or failures.ago is None or not self._pauses:
            return None
        if failures.of_version >= _TRIES:
            return Blocked(
                f"{what} has failed {failures.of_version} times",
                f"see the failed runs, mend the cause, then {remedy}",
            )
        # Failures before the object is known never block, and the pause stops growing.
        growth = _PAUSE_GROWTH ** (min(failures.tries, _TRIES) - 1)
        pause = timedelta(seconds=AutomationSettings.read().retry_pause_seconds * growth)
        if failures.ago < pause:
            again = (failures.last + pause).astimezone(UTC)
            return Wait(f"{what} has failed and is tried again at {again:%Y-%m-%d %H:%M} UTC")
        return None

    def hold_redelivery(self, day: date, etag: str) -> Wait | Blocked | None:
        """Return why a re-delivery of a loaded day is not tried now, or None to try it."""
        return self._hold_terminated(day) or self.hold(
            f"the new delivery of {day}",
            failed_tries(self._warehouse, day, etag),
            f"run: {repair_command(day)} (until then the day stays as it was)",
        )

    def _hold_day(self, day: date, etag: str) -> Wait | Blocked | None:
        failures = failed_tries(self._warehouse, day, etag)
        return self._hold_terminated(day) or self.hold(
            str(day), failures, f"run: {repair_command(day)}"
        )

    def _hold_terminated(self, day: date) -> Wait | None:
        """Return a wait if a person has just terminated the day's run."""
        if not self._pauses or (at := self._queue.terminated_at(day)) is None:
            return None
        again = at + timedelta(seconds=AutomationSettings.read().retry_pause_seconds)
        if datetime.now(UTC) < again:
            again_at = f"{again:%Y-%m-%d %H:%M} UTC"
            return Wait(f"the run of {day} was terminated, and is tried again at {again_at}")
        return None

    def _next(self, until: date | None) -> Decision:
        under_way = self.days_under_way()
        if not self._source.reports():
            return Blocked("no report was asked for yet", "etl-assets backfill")
        expected = self._expected(until)
        loaded = self._loaded_days()
        for day in expected:
            is_adopted = loaded.get(day)
            if is_adopted is False:
                continue
            if day in under_way:
                return Wait(f"{day} is being loaded")
            found = self._source.find_next(day)
            if not isinstance(found, NotThere):
                return self._hold_day(day, found.stored.etag) or Load(day)
            if not is_adopted:
                return self._without(day, found, until)
        no_day = f"no day up to {until} is expected" if until else "no day is over yet"
        return Wait(f"all is loaded, {format_days(expected)}" if expected else no_day)

    def _expected(self, until: date | None) -> list[date]:
        starts = [report.start_day for report in self._source.reports()]
        days = expected_days(starts, self._partitions)
        return [day for day in days if until is None or day <= until]

    def _loaded_days(self) -> dict[date, bool]:
        """Return the loaded days, and whether each was adopted."""
        held = self._warehouse.rows("mart/loaded_days")
        return {row["partition_day"]: row["is_adopted"] for row in held}

    def _without(self, day: date, found: NotThere, until: date | None) -> Decision:
        """Return what to do about a day that the source does not have."""
        if found.kind == "too early":
            later = [report.start_day for report in self._source.reports()]
            there_again = min((start for start in later if start > day), default="a day after it")
            return Blocked(
                f"the source no longer has {day}: {found.why}",
                "have the source deliver it, or go on without it: set ETL_START_DATE to "
                f"{there_again}. What is loaded of the days before stays in the mart, but they can "
                "no longer be loaded again",
            )
        if found.kind == "missing":
            # The next look finds the file once it is there.
            return Blocked(f"{day}: {found.why}", found.remedy)
        if self._takes_up_fresh_report():
            return self._next(until)
        if self._fresh_report_is_due(day):
            failures = failed_tries(self._warehouse, day, feed=REPORT)
            remedy = f"run: etl-assets backfill --new-report --from {day} --to {day}"
            return self.hold(f"the new report for {day}", failures, remedy) or AskForReport(
                f"{day} ended more than a day ago and its increment is not there", day
            )
        return Wait(f"{day}: {found.why}")

    def _takes_up_fresh_report(self) -> bool:
        """Take up a report that no run waits for any more; return whether one was ready."""
        return not self._queue.report_is_asked_for() and bool(self._source.take_up_report())

    def _fresh_report_is_due(self, day: date) -> bool:
        now = datetime.now(UTC)
        asked = self._source.report_asked_for_at()
        return (
            now - self._partitions.end_of(day) > _FRESH_REPORT_AFTER
            and (asked is None or now - asked > _FRESH_REPORT_AFTER)
            and not self._queue.report_is_asked_for()
        )
